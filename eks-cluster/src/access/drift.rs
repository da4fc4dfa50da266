//! Where an access entry is not as it should be.

use std::collections::{BTreeMap, BTreeSet};

use super::{AccessRequest, AccessScope};
use crate::ObservedAccess;

/// What has to change about an entry, call by call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drift {
    /// UpdateAccessEntry: another user name.
    pub(crate) username: Option<String>,
    /// UpdateAccessEntry: other groups.
    pub(crate) groups: Option<BTreeSet<String>>,
    /// AssociateAccessPolicy, which changes the scope of a policy that is associated already.
    pub(crate) associate: BTreeMap<String, AccessScope>,
    /// DisassociateAccessPolicy.
    pub(crate) disassociate: BTreeSet<String>,
    /// The same for people, field by field.
    pub(crate) lines: Vec<String>,
}

impl Drift {
    pub(crate) fn is_none(&self) -> bool {
        self.lines.is_empty()
    }

    /// IAM actions that mending it needs.
    pub(crate) fn iam_actions(&self) -> impl Iterator<Item = &'static str> {
        [
            ("eks:UpdateAccessEntry", self.username.is_some() || self.groups.is_some()),
            ("eks:AssociateAccessPolicy", !self.associate.is_empty()),
            ("eks:DisassociateAccessPolicy", !self.disassociate.is_empty()),
        ]
        .into_iter()
        .filter_map(|(action, needed)| needed.then_some(action))
    }
}

impl AccessRequest {
    /// What has to change about an entry of ours, whose type is right.
    pub(crate) fn drift(&self, found: &ObservedAccess) -> Drift {
        let mut drift = Drift::default();
        if let Some(username) = self.username.as_ref().filter(|username| **username != found.username) {
            drift.lines.push(format!("username: {} → {username}", found.username));
            drift.username = Some(username.clone());
        }
        if self.kind.takes_groups() && self.groups != found.groups {
            drift.lines.push(format!("groups: {} → {}", words(&found.groups), words(&self.groups)));
            drift.groups = Some(self.groups.clone());
        }
        for (arn, scope) in &self.policies {
            match found.policies.get(arn) {
                Some(now) if now == scope => continue,
                Some(now) => drift.lines.push(format!("policy {}: {now} → {scope}", last(arn))),
                None => drift.lines.push(format!("policy {}: none → {scope}", last(arn))),
            }
            drift.associate.insert(arn.clone(), scope.clone());
        }
        if self.kind.takes_policies() {
            for (arn, now) in found.policies.iter().filter(|(arn, _)| !self.policies.contains_key(*arn)) {
                drift.lines.push(format!("policy {}: {now} → none", last(arn)));
                drift.disassociate.insert(arn.clone());
            }
        }
        drift
    }

    /// What an entry of somebody else lacks; more than what is asked for is theirs to give.
    pub(crate) fn lacks(&self, found: &ObservedAccess) -> Vec<String> {
        let mut lacks = Vec::new();
        if found.type_name != self.kind.as_str() {
            lacks.push(format!("its type is {}, not {}", found.type_name, self.kind));
        }
        if let Some(username) = self.username.as_ref().filter(|username| **username != found.username) {
            lacks.push(format!("its user name is {}, not {username}", found.username));
        }
        if self.kind.takes_groups() {
            lacks.extend(self.groups.difference(&found.groups).map(|group| format!("it lacks group {group}")));
        }
        let covered = |arn: &String, scope: &AccessScope| found.policies.get(arn).is_some_and(|now| now.covers(scope));
        let missing = self.policies.iter().filter(|(arn, scope)| !covered(arn, scope));
        lacks.extend(missing.map(|(arn, scope)| format!("it lacks policy {} in {scope}", last(arn))));
        lacks
    }
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn words(names: &BTreeSet<String>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().map(String::as_str).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessEntry, AccessPolicy, AccessType, partition::Partition};

    const ROLE: &str = "arn:aws:iam::123456789012:role/dev";

    fn asked(entry: AccessEntry) -> AccessRequest {
        entry.request(Partition::of_region("us-east-1"))
    }

    /// The entry as EKS tells it when it is as asked.
    fn there(request: &AccessRequest) -> ObservedAccess {
        ObservedAccess {
            principal: ROLE.to_owned(),
            type_name: request.kind.as_str().to_owned(),
            username: request.username.clone().unwrap_or_else(|| "chosen by EKS".to_owned()),
            groups: request.groups.clone(),
            policies: request.policies.clone(),
            created: None,
            tags: BTreeMap::new(),
        }
    }

    fn entry() -> AccessEntry {
        AccessEntry::standard(ROLE)
            .username("team:{{SessionName}}")
            .group("dev")
            .policy(AccessPolicy::edit().in_namespaces(["shop"]))
            .policy(AccessPolicy::view())
    }

    #[test]
    fn every_field_is_told_and_has_its_call() {
        let wanted = asked(entry());
        let mut found = there(&wanted);
        assert!(wanted.drift(&found).is_none());
        found.username = "x".to_owned();
        found.groups = ["dev".to_owned(), "ops".to_owned()].into();
        let arn = |name: &str| format!("arn:aws:eks::aws:cluster-access-policy/{name}");
        found.policies = BTreeMap::from([
            (arn("AmazonEKSEditPolicy"), AccessScope::Cluster),
            (arn("AmazonEKSClusterAdminPolicy"), AccessScope::Cluster),
        ]);
        let drift = wanted.drift(&found);
        assert_eq!(
            drift.lines,
            [
                "username: x → team:{{SessionName}}",
                "groups: dev, ops → dev",
                "policy AmazonEKSEditPolicy: the whole cluster → shop",
                "policy AmazonEKSViewPolicy: none → the whole cluster",
                "policy AmazonEKSClusterAdminPolicy: the whole cluster → none",
            ]
        );
        let calls: Vec<_> = drift.iam_actions().collect();
        assert_eq!(calls, ["eks:UpdateAccessEntry", "eks:AssociateAccessPolicy", "eks:DisassociateAccessPolicy"]);
    }

    #[test]
    fn what_eks_fixes_is_no_drift() {
        let role: eks_core::RoleArn = ROLE.parse().unwrap();
        let wanted = asked(AccessEntry::nodes(AccessType::Ec2Linux, "w", role));
        let mut found = there(&wanted);
        found.groups = ["system:nodes".to_owned()].into();
        assert!(wanted.drift(&found).is_none());
        let mut chosen = there(&asked(AccessEntry::standard(ROLE)));
        chosen.username = "changed by hand".to_owned();
        assert!(asked(AccessEntry::standard(ROLE)).drift(&chosen).is_none());
    }

    #[test]
    fn others_may_give_more_and_not_less() {
        let wanted = asked(entry());
        let mut found = there(&wanted);
        found.groups.insert("more".to_owned());
        found.policies.values_mut().for_each(|scope| *scope = AccessScope::Cluster);
        assert!(wanted.lacks(&found).is_empty());
        found.type_name = "EC2_LINUX".to_owned();
        found.groups.clear();
        found.policies.clear();
        assert_eq!(wanted.lacks(&found).len(), 4);
    }
}
