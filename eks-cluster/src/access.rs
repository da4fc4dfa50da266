//! Access entries: IAM principals that may enter the cluster.

use eks_core::{KeyError, Problems, Ref, RoleArn, StepKey};
use serde::{Deserialize, Serialize};

use crate::partition::{self, Partition};

/// What an access entry is for. EKS User Guide, "Create access entries".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccessKind {
    /// A person or program with AmazonEKSClusterAdminPolicy on the whole cluster; type STANDARD.
    Admin,
    /// The role of self-managed Linux nodes; type EC2_LINUX.
    NodeLinux,
}

impl AccessKind {
    /// EKS's type of the entry.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Admin => "STANDARD",
            Self::NodeLinux => "EC2_LINUX",
        }
    }
}

/// The policy of administrators.
pub(crate) const ADMIN_POLICY: &str = "AmazonEKSClusterAdminPolicy";

/// An access entry that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) kind: AccessKind,
    /// For nodes, as the user calls them; for administrators, the last part of the ARN.
    pub(crate) name: String,
    pub(crate) principal: Ref<String>,
}

impl Access {
    pub(crate) fn admin(principal: String) -> Self {
        let last = principal.rsplit('/').next().unwrap_or_default();
        // IAM allows characters in names that keys do not.
        let name = last.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
        Self { kind: AccessKind::Admin, name, principal: Ref::Known(principal) }
    }

    pub(crate) fn nodes(name: String, role: Ref<RoleArn>) -> Self {
        let principal = match role {
            Ref::Known(arn) => Ref::Known(arn.to_string()),
            Ref::Output(output) => Ref::Output(output),
        };
        Self { kind: AccessKind::NodeLinux, name, principal }
    }

    pub(crate) fn key(&self) -> Result<StepKey, KeyError> {
        match self.kind {
            AccessKind::Admin => StepKey::new(["cluster", "access", "admin", &self.name]),
            AccessKind::NodeLinux => StepKey::new(["cluster", "access", &self.name]),
        }
    }
}

/// Checks entries against one another and against the rules of EKS.
pub(crate) fn check(entries: &[Access], partition: Partition, problems: &mut Problems) {
    for (at, entry) in entries.iter().enumerate() {
        let subject = match entry.kind {
            AccessKind::Admin => format!("administrator {}", entry.principal),
            AccessKind::NodeLinux => format!("node role entry {:?}", entry.name),
        };
        if entry.kind == AccessKind::NodeLinux && entry.key().is_err() {
            problems.add("access-name", &subject, "becomes part of a key: letters, digits, . _ - only", "name it after the node group");
        }
        if let Some(arn) = entry.principal.known() {
            check_principal(arn, entry.kind, partition, &subject, problems);
        }
        for earlier in &entries[..at] {
            if earlier.principal == entry.principal {
                problems.add("access-twice", &subject, "a principal has one access entry, and this one is given twice", "give it once");
            } else if (earlier.kind, &earlier.name) == (entry.kind, &entry.name) {
                problems.add(
                    "access-name-twice",
                    &subject,
                    format!("{} has the same name {}", earlier.principal, entry.name),
                    "use principals whose names differ",
                );
            }
        }
    }
}

fn check_principal(arn: &str, kind: AccessKind, ours: Partition, subject: &str, problems: &mut Problems) {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let is_iam = parts.len() == 6 && parts[0] == "arn" && parts[2] == "iam" && parts[4].len() == 12;
    let resource = parts.last().copied().unwrap_or_default();
    if arn.contains(":assumed-role/") {
        problems.add(
            "access-session",
            subject,
            "is a session, not a principal",
            "give the role's ARN, arn:aws:iam::<account>:role/<path and name>",
        );
    } else if !is_iam || !(resource.starts_with("role/") || (kind == AccessKind::Admin && resource.starts_with("user/"))) {
        problems.add(
            "access-principal",
            subject,
            "an access entry is for an IAM role or user, by its ARN; groups, accounts and instance profiles have none",
            "give arn:aws:iam::<account>:role/<name>",
        );
    } else if resource.starts_with("role/aws-service-role/") {
        problems.add("access-service-role", subject, "EKS allows no access entry for a service-linked role", "give another role");
    } else if partition::of_arn(arn) != Some(ours.name) {
        problems.add(
            "access-partition",
            subject,
            format!("is of partition {}, the cluster is in {}", partition::of_arn(arn).unwrap_or_default(), ours.name),
            "give a principal of the cluster's partition",
        );
    }
}

/// An access entry as CreateAccessEntry is asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessRequest {
    /// What it is for.
    pub kind: AccessKind,
    /// ARN of the principal.
    pub principal: Ref<String>,
    /// ARN of the policy to associate on the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(entries: &[Access]) -> Vec<&'static str> {
        let mut problems = Problems::new();
        check(entries, Partition::of_region("us-east-1"), &mut problems);
        problems.finish("x", || ()).err().map(|e| e.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
    }

    #[test]
    fn principals() {
        let admin = |arn: &str| codes(&[Access::admin(arn.to_owned())]);
        assert!(admin("arn:aws:iam::123456789012:role/team/admin").is_empty());
        assert!(admin("arn:aws:iam::123456789012:user/a+b=c@example.com").is_empty());
        assert_eq!(admin("arn:aws:sts::123456789012:assumed-role/admin/me"), ["access-session"]);
        assert_eq!(admin("arn:aws:iam::123456789012:group/admins"), ["access-principal"]);
        assert_eq!(admin("admin"), ["access-principal"]);
        assert_eq!(admin("arn:aws-cn:iam::123456789012:role/admin"), ["access-partition"]);
        assert_eq!(admin("arn:aws:iam::123456789012:role/aws-service-role/x.amazonaws.com/y"), ["access-service-role"]);
    }

    #[test]
    fn doubles() {
        let role = |name: &str| Access::admin(format!("arn:aws:iam::123456789012:role/{name}"));
        assert_eq!(codes(&[role("a"), role("a")]), ["access-twice"]);
        assert_eq!(codes(&[role("a"), role("x/a")]), ["access-name-twice"]);
        assert_eq!(codes(&[role("a@b"), role("a+b")]), ["access-name-twice"]);
        let nodes = Access::nodes("a b".to_owned(), RoleArn::new("arn:aws:iam::123456789012:role/n").unwrap().into());
        assert_eq!(codes(&[nodes]), ["access-name"]);
    }
}
