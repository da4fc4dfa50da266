//! From what exists to a teardown. Pure.

use std::time::Duration;

#[cfg(feature = "client")]
use eks_core::Finding;
use eks_core::{After, Error, Owner, Removal, StepKey, Survivor, Teardown};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Access, Kind, ObjectOp, Observed, Volume,
    aws_auth::record,
    ingress::group_of,
    plan::{load_balancer_usd, op_error, plan_error},
};

/// What the entries of `aws-auth` are called, for people.
pub(crate) const AUTH_ENTRIES: &str = "aws-auth entries";

/// What a teardown does about a cluster whose API server does not answer, or whose controllers do not let go of what they made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unanswered {
    /// It waits, and fails: nothing of the cluster goes as long as what it made in AWS may stay behind.
    #[default]
    Hold,
    /// It goes on: what Kubernetes did not let go of within `patience` goes with the cluster, and what that made in AWS is looked for
    /// there. For teardowns that are joined with that of `eks_net::leftovers`, which does so.
    LeaveToAws {
        /// How long one object is waited for: a controller that lives needs a minute or two.
        patience: Duration,
    },
}

impl Unanswered {
    /// Goes on after five minutes.
    pub fn leave_to_aws() -> Self {
        Self::LeaveToAws { patience: Duration::from_secs(5 * 60) }
    }

    pub(crate) fn patience(self) -> Option<Duration> {
        match self {
            Self::Hold => None,
            Self::LeaveToAws { patience } => Some(patience),
        }
    }
}

/// What has to be looked for after a teardown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leavings {
    pub(crate) access: Option<Access>,
    /// Whatever is to be removed: if the API server is gone before, this is what was not seen to go.
    pub(crate) removals: Vec<Survivor>,
    /// Volumes that outlive their claims.
    pub(crate) retained: Vec<Volume>,
    /// Whether what was not seen to go is looked for in AWS, by others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) left_to_aws: bool,
}

impl Observed {
    /// What has to be removed of this owner's, before anything of the cluster's is.
    ///
    /// Ingresses and Services come first with their load balancers, then Pods, the claims that they mount with their volumes, storage classes,
    /// and the entries that we added to `aws-auth`.
    ///
    /// # Errors
    /// [`Error::Plan`] if an operation has no JSON form.
    pub fn teardown(&self, owner: &Owner) -> Result<Teardown, Error> {
        self.teardown_or(owner, Unanswered::Hold)
    }

    /// As [`Observed::teardown`], with a choice of what is done where Kubernetes does not let go.
    ///
    /// # Errors
    /// As [`Observed::teardown`].
    pub fn teardown_or(&self, owner: &Owner, unanswered: Unanswered) -> Result<Teardown, Error> {
        let patience = unanswered.patience();
        let access = &self.scope.access;
        let mut removals = Vec::new();
        for (key, (at, live)) in &self.objects {
            let uid = live["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            let volume = self.volume_of(live).filter(|volume| !volume.retained);
            let op = ObjectOp::Delete {
                access: access.clone(),
                object: at.clone(),
                uid,
                volume: volume.map(|volume| volume.name.clone()),
                patience,
            };
            let id = if at.kind.is_namespaced() { format!("{}/{}", at.namespace, at.name) } else { at.name.clone() };
            let removal = Removal::new(key.clone(), at.kind.as_str(), id, &op).map_err(|error| op_error(&error))?;
            removals.push(match at.kind {
                Kind::Ingress => removal.takes(Duration::from_secs(20)).saves(self.ingress_usd(key, live)),
                Kind::Service => removal
                    .after(After::Prefix("k8s/ingress/".to_owned()))
                    .takes(Duration::from_secs(20))
                    .saves(load_balancer_usd(at.kind, live)),
                Kind::Pod => removal.takes(Duration::from_secs(30)),
                Kind::Claim => removal
                    .after(After::Prefix("k8s/pod/".to_owned()))
                    .takes(Duration::from_secs(15))
                    .saves(volume.map_or(0.0, |volume| volume.usd_per_month)),
                Kind::StorageClass => removal.after(After::Prefix("k8s/claim/".to_owned())).takes(Duration::from_secs(1)),
            });
        }
        removals.extend(self.unmap()?);
        let leavings = Leavings {
            access: access.clone(),
            removals: removals.iter().map(unseen).collect(),
            retained: self.volumes.iter().filter(|volume| volume.retained || volume.is_left()).cloned().collect(),
            left_to_aws: patience.is_some(),
        };
        let scope = serde_json::to_value(&leavings)
            .map_err(|error| Error::Plan { subject: "layer k8s".to_owned(), reason: format!("its scope has no JSON form: {error}") })?;
        let teardown = Teardown::builder(owner, "k8s", scope);
        let teardown = leavings.retained.iter().fold(teardown, |teardown, volume| teardown.stays(volume.survivor()));
        removals.into_iter().fold(teardown, |teardown, removal| teardown.removal(removal)).build().map_err(|error| plan_error(&error))
    }

    /// Removes our entries from aws-auth, once no instance runs any more that joined by them: a node that loses its entry before is
    /// cut off, NotReady, and nothing on it ends in order (EKS user guide, "Migrate applications to a new node group").
    fn unmap(&self) -> Result<Option<Removal>, Error> {
        let mappings = self.aws_auth.as_ref().map(record::AuthMap::added).unwrap_or_default();
        if mappings.is_empty() {
            return Ok(None);
        }
        let key = record::KEY
            .parse()
            .map_err(|error: eks_core::KeyError| Error::Plan { subject: record::KEY.to_owned(), reason: error.to_string() })?;
        let op = ObjectOp::UnmapRoles { access: self.scope.access.clone(), mappings };
        let removal = Removal::new(key, AUTH_ENTRIES, "kube-system/aws-auth", &op).map_err(|error| op_error(&error))?;
        let first = ["k8s/ingress/", "k8s/service/", "k8s/pod/", "k8s/claim/"].map(|prefix| After::Prefix(prefix.to_owned()));
        let removal = first.into_iter().fold(removal, Removal::after).after(After::Layer("nodes".to_owned()));
        Ok(Some(removal.takes(Duration::from_secs(1))))
    }

    /// What an Ingress's load balancer costs: told by the first of a group, for they share one.
    fn ingress_usd(&self, key: &StepKey, live: &Value) -> f64 {
        let group = group_of(live);
        let first = self.objects.iter().find(|(_, (at, other))| at.kind == Kind::Ingress && group.is_some() && group_of(other) == group);
        if first.is_some_and(|(first, _)| first != key) { 0.0 } else { load_balancer_usd(Kind::Ingress, live) }
    }

    fn volume_of(&self, claim: &Value) -> Option<&Volume> {
        let name = claim.pointer("/spec/volumeName")?.as_str()?;
        self.volumes.iter().find(|volume| volume.name == name)
    }
}

/// The teardown of a cluster whose API server does not answer.
#[cfg(feature = "client")]
pub(crate) fn unanswering(owner: &Owner, access: Option<Access>, why: &str) -> Result<Teardown, Error> {
    let fault = |reason: String| Error::Plan { subject: "layer k8s".to_owned(), reason };
    let leavings = Leavings { access, left_to_aws: true, ..Leavings::default() };
    let scope = serde_json::to_value(&leavings).map_err(|error| fault(format!("its scope has no JSON form: {error}")))?;
    let step = StepKey::new(["k8s", "api-server"]).map_err(|error| fault(error.to_string()))?;
    let message = format!("{why}, and what that made in AWS is looked for there; reclaim policies are not known, so volumes stay");
    let teardown = Teardown::builder(owner, "k8s", scope).finding(Finding::warning(step, message));
    teardown.build().map_err(|error| plan_error(&error))
}

/// A removal that was not seen to succeed.
fn unseen(removal: &Removal) -> Survivor {
    let remedy = if removal.title == AUTH_ENTRIES {
        "nothing if the cluster is gone, for they go with it; otherwise run the teardown again"
    } else {
        "look for its load balancer or volume by the tag kubernetes.io/cluster/<name>"
    };
    Survivor::new(
        removal.title.clone(),
        removal.id.clone(),
        "it was there when the teardown was made, and it was not seen to go",
        remedy,
        removal.usd_per_month,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        fixture::{access, chapter, owner},
        observed::Scope,
    };

    fn object(kind: Kind, namespace: &str, name: &str, rest: Value) -> Value {
        let key = kind.key(namespace, name).unwrap();
        let mut object = json!({"metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}"),
            "labels": {"eks-rs/owner": "chap10"}, "annotations": {"eks-rs/key": key.as_str()}}});
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        object
    }

    fn there() -> Observed {
        let volume = |name: &str, policy: &str| {
            json!({"metadata": {"name": format!("pv-{name}")}, "spec": {"capacity": {"storage": "10Gi"}, "storageClassName": "gp3",
                "persistentVolumeReclaimPolicy": policy, "csi": {"volumeHandle": format!("vol-{name}")}, "claimRef": {"uid": format!("uid-{name}")}}})
        };
        let claim = |name: &str| object(Kind::Claim, "default", name, json!({"spec": {"volumeName": format!("pv-{name}")}}));
        Observed::in_scope(Scope::everything(Some(access())))
            .found(&owner(), Kind::StorageClass, [object(Kind::StorageClass, "", "gp3", json!({}))])
            .found(&owner(), Kind::Claim, [claim("gone"), claim("kept")])
            .found(&owner(), Kind::Pod, [object(Kind::Pod, "default", "nginx", json!({}))])
            .found(&owner(), Kind::Service, [object(Kind::Service, "default", "nginx", json!({"spec": {}}))])
            .found_volumes(&[volume("gone", "Delete"), volume("kept", "Retain"), volume("foreign", "Delete")])
    }

    #[test]
    fn in_an_order_that_works() {
        let teardown = there().teardown(&owner()).unwrap();
        insta::assert_snapshot!(teardown, @r"
        teardown of chap10: 5 to remove, about 46s, saves $26.35 a month
          - k8s/pod/default/nginx      Pod default/nginx
          - k8s/claim/default/gone     PersistentVolumeClaim default/gone ($0.80 a month)
          - k8s/claim/default/kept     PersistentVolumeClaim default/kept
          - k8s/service/default/nginx  Service default/nginx ($25.55 a month)
          - k8s/storage-class/gp3      StorageClass gp3
          stays: 1, $0.80 a month
            = EBS volume vol-kept: claim default/kept is of class gp3, whose volumes are retained; aws ec2 delete-volume --volume-id vol-kept ($0.80 a month)
        ");
        let leavings: Leavings = serde_json::from_value(teardown.scopes()["k8s"].clone()).unwrap();
        let retained: Vec<_> = leavings.retained.iter().map(|volume| volume.survivor().to_string()).collect();
        assert_eq!(
            retained,
            [
                "EBS volume vol-kept: claim default/kept is of class gp3, whose volumes are retained; aws ec2 delete-volume --volume-id vol-kept ($0.80 a month)"
            ]
        );
    }

    fn mapped() -> Value {
        let role = eks_core::RoleArn::new("arn:aws:iam::123456789012:role/worker").unwrap();
        let record::Fate::Write(map) = record::AuthMap::absent(&owner()).unwrap().with(&[("w".into(), role)]).unwrap() else { panic!() };
        map
    }

    #[test]
    fn roles_are_unmapped_when_no_node_is_left() {
        let teardown = there().found_aws_auth(&owner(), mapped()).unwrap().teardown(&owner()).unwrap();
        let unmap = teardown.removals().iter().find(|removal| removal.key.as_str() == record::KEY).unwrap();
        assert!(unmap.after.contains(&After::Layer("nodes".into())), "{:?}", unmap.after);
    }

    #[test]
    fn a_broken_document_keeps_nothing_from_being_removed() {
        let mut map = mapped();
        map["data"]["mapRoles"] = json!("- rolearn: a\n\tusername: b\n");
        let now = there().found_aws_auth(&owner(), map.clone()).unwrap();
        assert!(now.unreadable_aws_auth().is_some_and(|why| why.contains("line 2")), "{:?}", now.unreadable_aws_auth());
        assert_eq!(now.teardown(&owner()).unwrap().removals().len(), 5);
        // Nothing of ours is in it: it is not our business.
        map["metadata"]["annotations"] = json!({});
        assert_eq!(there().found_aws_auth(&owner(), map.clone()).unwrap().unreadable_aws_auth(), None);
        // A plan has to write to it.
        let spec = chapter().build().unwrap();
        assert!(Observed::at(&spec, access()).found_aws_auth(&owner(), map).is_err());
    }

    #[test]
    fn only_what_is_ours() {
        let copy = object(Kind::Service, "default", "nginx", json!({}));
        let mut renamed = copy.clone();
        renamed["metadata"]["name"] = json!("copy");
        let mut foreign = copy;
        foreign["metadata"]["labels"]["eks-rs/owner"] = json!("other");
        let spec = chapter().build().unwrap();
        let now = Observed::at(&spec, access()).found(&owner(), Kind::Service, [renamed, foreign]);
        assert!(now.teardown(&owner()).unwrap().is_empty());
        let map = json!({"metadata": {"name": "aws-auth"}, "data": {"mapRoles": "- rolearn: x\n"}});
        assert!(now.found_aws_auth(&owner(), map).unwrap().teardown(&owner()).unwrap().is_empty());
    }
}
