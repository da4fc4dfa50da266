//! The ConfigMap around the document: what we added to it, and what becomes of it.
//!
//! Entries carry no tags, so the ConfigMap itself records, in an annotation of each owner, which roles that owner asked for
//! and which of them it added. The label of ownership is on it only if we created it.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Error, Owner, RoleArn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(any(test, feature = "client"))]
use super::Principal;
use super::{AwsAuth, Mapping};

// Planning reads; only the driver edits.
#[cfg(any(test, feature = "client"))]
mod edit;
#[cfg(any(test, feature = "client"))]
pub(crate) use edit::Fate;

/// Namespace of the ConfigMap.
pub(crate) const NAMESPACE: &str = "kube-system";
/// Name of the ConfigMap.
pub(crate) const NAME: &str = "aws-auth";
/// Annotations with owners' records begin so.
const RECORDS: &str = "eks-rs/aws-auth.";
/// Its step.
pub(crate) const KEY: &str = "k8s/aws-auth";

/// What we know of a role that we asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Groups of workers that need it: it goes with the last of them.
    groups: BTreeSet<String>,
    /// Whether we added the entry; else it was there.
    added: bool,
}

/// The ConfigMap, read for one owner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AuthMap {
    body: Value,
    document: AwsAuth,
    record: BTreeMap<RoleArn, Entry>,
    annotation: String,
    owner: Owner,
}

/// The annotation that holds an owner's record.
fn annotation(owner: &Owner) -> String {
    format!("{RECORDS}{owner}")
}

impl AuthMap {
    /// Reads a ConfigMap.
    ///
    /// # Errors
    /// [`Error::Refused`] if `mapRoles` is broken, or our own record in it.
    pub(crate) fn read(body: Value, owner: &Owner) -> Result<Self, Error> {
        let annotation = annotation(owner);
        let document = AwsAuth::read(&body)?;
        let record = match body.pointer("/metadata/annotations").and_then(|all| all.get(&annotation)).and_then(Value::as_str) {
            None => BTreeMap::new(),
            Some(record) => serde_json::from_str(record).map_err(|error| Error::Refused {
                subject: format!("ConfigMap {NAMESPACE}/{NAME}, annotation {annotation}"),
                rule: format!("it is not the record that eks-rs wrote: {error}"),
                remedy: "remove the annotation; entries of this owner are then left to you".to_owned(),
            })?,
        };
        Ok(Self { document, record, annotation, owner: owner.clone(), body })
    }

    /// Whether the role is mapped as nodes need it.
    pub(crate) fn maps(&self, role: &RoleArn) -> bool {
        self.document.has(&Mapping::node(role))
    }

    /// Whether a role that was recorded for this group of workers is mapped.
    pub(crate) fn maps_group(&self, group: &str) -> bool {
        self.record.iter().any(|(role, entry)| entry.groups.contains(group) && self.maps(role))
    }

    /// Roles on record, and whether each is mapped: what plans rest on.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (&RoleArn, bool)> {
        self.record.keys().map(|role| (role, self.maps(role)))
    }

    /// The entries that we added and that are still there.
    pub(crate) fn added(&self) -> Vec<Mapping> {
        let added = self.record.iter().filter(|(_, entry)| entry.added).map(|(role, _)| Mapping::node(role));
        added.filter(|mapping| self.document.has_exactly(mapping)).collect()
    }

    /// Roles whose entries we added and someone has changed since: theirs now, and left alone.
    #[cfg(any(test, feature = "client"))]
    pub(crate) fn altered(&self) -> impl Iterator<Item = &RoleArn> {
        let added = self.record.iter().filter(|(_, entry)| entry.added).map(|(role, _)| role);
        added.filter(|role| self.document.names(&Principal::from(*role)) && !self.document.has_exactly(&Mapping::node(role)))
    }

    /// Whether this owner has recorded anything in a ConfigMap.
    pub(crate) fn is_recorded(body: &Value, owner: &Owner) -> bool {
        body.pointer("/metadata/annotations").and_then(|all| all.get(annotation(owner))).is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owner() -> Owner {
        Owner::new("chap10").unwrap()
    }

    fn role(name: &str) -> RoleArn {
        RoleArn::new(format!("arn:aws:iam::123456789012:role/{name}")).unwrap()
    }

    fn written(fate: Fate) -> AuthMap {
        match fate {
            Fate::Write(body) => AuthMap::read(body, &owner()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ours_comes_and_goes_whole() {
        let map = written(AuthMap::absent(&owner()).unwrap().with(&[("w".into(), role("a")), ("v".into(), role("b"))]).unwrap());
        assert!(map.maps(&role("a")) && map.maps_group("v") && !map.maps_group("x"));
        assert_eq!(map.clone().with(&[("w".into(), role("a"))]).unwrap(), Fate::Keep);
        let added = map.added();
        assert_eq!(added.len(), 2);
        let one = written(map.without(&added[..1]).unwrap());
        assert_eq!(one.added(), added[1..]);
        assert_eq!(one.without(&added[1..]).unwrap(), Fate::Delete);
    }

    #[test]
    fn an_entry_that_someone_has_widened_is_theirs() {
        let map = written(AuthMap::absent(&owner()).unwrap().with(&[("w".into(), role("a"))]).unwrap());
        let mut body = map.body;
        let wider = format!("{}  - system:masters\n", body["data"]["mapRoles"].as_str().unwrap());
        body["data"]["mapRoles"] = json!(wider);
        let map = AuthMap::read(body, &owner()).unwrap();
        assert!(map.added().is_empty());
        assert_eq!(map.altered().collect::<Vec<_>>(), [&role("a")]);
        assert_eq!(map.without(&[Mapping::node(&role("a"))]).unwrap(), Fate::Keep);
    }

    #[test]
    fn what_others_wrote_stays() {
        let foreign = "- rolearn: arn:aws:iam::123456789012:role/a\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:bootstrappers, system:nodes]\n";
        let body = json!({"metadata": {"name": "aws-auth", "resourceVersion": "7"}, "data": {"mapRoles": foreign, "mapUsers": "- x"}});
        let map = AuthMap::read(body, &owner()).unwrap();
        let map = written(map.with(&[("w".into(), role("a")), ("v".into(), role("b"))]).unwrap());
        assert_eq!(map.body["metadata"]["resourceVersion"], "7");
        assert_eq!(map.added(), [Mapping::node(&role("b"))], "a was there before us");
        let everything = [Mapping::node(&role("a")), Mapping::node(&role("b"))];
        let left = written(map.without(&everything).unwrap());
        assert_eq!(left.body["data"], json!({"mapRoles": foreign, "mapUsers": "- x"}));
        assert_eq!(left.body["metadata"]["annotations"], json!({}));
    }

    #[test]
    fn a_role_that_groups_share_goes_with_the_last_of_them() {
        let map = written(AuthMap::absent(&owner()).unwrap().with(&[("w".into(), role("a")), ("v".into(), role("a"))]).unwrap());
        assert!(map.maps_group("w") && map.maps_group("v"));
        let map = written(map.release("w", &role("a")).unwrap());
        assert!(map.maps(&role("a")) && !map.maps_group("w"));
        assert_eq!(map.clone().release("w", &role("a")).unwrap(), Fate::Keep);
        assert_eq!(map.release("v", &role("a")).unwrap(), Fate::Delete);
    }

    #[test]
    fn a_role_that_another_owner_s_nodes_run_under_is_handed_over() {
        let map = written(AuthMap::absent(&owner()).unwrap().with(&[("w".into(), role("a"))]).unwrap());
        let other = Owner::new("other").unwrap();
        let Fate::Write(body) = AuthMap::read(map.body, &other).unwrap().with(&[("x".into(), role("a"))]).unwrap() else { panic!() };
        let theirs = AuthMap::read(body.clone(), &other).unwrap();
        assert!(theirs.added().is_empty(), "it was there");
        let map = AuthMap::read(body, &owner()).unwrap();
        let left = written(map.without(&[Mapping::node(&role("a"))]).unwrap());
        assert!(left.maps(&role("a")) && left.added().is_empty());
        let theirs = AuthMap::read(left.body, &other).unwrap();
        assert_eq!(theirs.added(), [Mapping::node(&role("a"))]);
        assert!(matches!(theirs.release("x", &role("a")).unwrap(), Fate::Write(_)), "the ConfigMap is the first owner's");
    }

    #[test]
    fn an_entry_of_others_that_lacked_a_group_stays_theirs() {
        let entry =
            "- rolearn: arn:aws:iam::123456789012:role/a\n  username: system:node:{{EC2PrivateDNSName}}\n  groups:\n  - system:nodes\n";
        let map = AuthMap::read(json!({"metadata": {}, "data": {"mapRoles": entry}}), &owner()).unwrap();
        let map = written(map.with(&[("w".into(), role("a"))]).unwrap());
        assert!(map.maps(&role("a")) && map.added().is_empty());
        let left = written(map.release("w", &role("a")).unwrap());
        assert!(left.maps(&role("a")), "it was never ours to remove");
    }
}
