//! IAM roles: the one that the control plane acts under, and the EBS CSI driver's.

use std::fmt;

use eks_core::{Owner, RoleArn, StepKey};
use serde::{Deserialize, Serialize};

use crate::{partition::Partition, plan::constant_key};

/// The role that the control plane acts under.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoleChoice {
    /// A role of our own, made and removed with the cluster.
    Own {
        /// Attach AmazonEKSServicePolicy beside AmazonEKSClusterPolicy. Only clusters made before 2020-04-16 needed it.
        legacy_service_policy: bool,
    },
    /// A role that exists. It is neither changed nor removed.
    Existing(RoleArn),
}

impl Default for RoleChoice {
    fn default() -> Self {
        Self::Own { legacy_service_policy: false }
    }
}

impl RoleChoice {
    /// The account of a role that exists, which is the cluster's.
    pub(crate) fn account(&self) -> Option<&str> {
        match self {
            Self::Existing(arn) => arn.as_str().split(':').nth(4),
            Self::Own { .. } => None,
        }
    }
}

/// The roles that this crate may make. Their names follow from the owner and the Region, so they are found without a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "a third role would be a new thing to find at teardown")]
pub enum RoleKind {
    /// The control plane's.
    Cluster,
    /// The EBS CSI driver's, through EKS Pod Identity.
    EbsCsi,
}

impl RoleKind {
    pub(crate) const ALL: [Self; 2] = [Self::Cluster, Self::EbsCsi];

    pub(crate) fn key(self) -> StepKey {
        constant_key(match self {
            Self::Cluster => "cluster/role",
            Self::EbsCsi => "cluster/role/ebs-csi",
        })
    }

    /// IAM is global, so the name carries the Region: one owner may have a cluster in each of two.
    pub(crate) fn name(self, owner: &Owner, region: &str) -> String {
        match self {
            Self::Cluster => format!("{owner}-cluster-{region}"),
            Self::EbsCsi => format!("{owner}-ebs-csi-{region}"),
        }
    }

    /// Who acts under it, for people.
    pub(crate) fn used_by(self) -> &'static str {
        match self {
            Self::Cluster => "the control plane",
            Self::EbsCsi => "the EBS CSI driver",
        }
    }

    #[cfg(feature = "aws")]
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Cluster => "Amazon EKS control plane",
            Self::EbsCsi => "Amazon EBS CSI driver of an Amazon EKS cluster",
        }
    }

    /// EKS User Guide, "Amazon EKS cluster IAM role" and "EKS Pod Identity role".
    pub(crate) fn trust(self) -> TrustPolicy {
        match self {
            Self::Cluster => TrustPolicy::of("eks.amazonaws.com", &["sts:AssumeRole"]),
            Self::EbsCsi => TrustPolicy::of("pods.eks.amazonaws.com", &["sts:AssumeRole", "sts:TagSession"]),
        }
    }

    /// ARNs of the managed policies that it carries.
    pub(crate) fn policies(self, partition: Partition, legacy_service_policy: bool) -> Vec<String> {
        let names: &[&str] = match self {
            Self::Cluster if legacy_service_policy => &["AmazonEKSClusterPolicy", "AmazonEKSServicePolicy"],
            Self::Cluster => &["AmazonEKSClusterPolicy"],
            Self::EbsCsi => &["service-role/AmazonEBSCSIDriverPolicy"],
        };
        names.iter().map(|name| partition.managed_policy(name)).collect()
    }
}

/// A trust policy: which service may act under a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustPolicy {
    /// `2012-10-17`
    pub version: String,
    /// The statements.
    pub statement: Vec<TrustStatement>,
}

/// One statement of a trust policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustStatement {
    /// `Allow`
    pub effect: String,
    /// Who.
    pub principal: TrustPrincipal,
    /// `sts:AssumeRole`, and for EKS Pod Identity `sts:TagSession`.
    pub action: OneOrMore,
}

/// The service of a trust statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustPrincipal {
    /// `eks.amazonaws.com`
    pub service: OneOrMore,
}

/// IAM writes a list of one as a string as well.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "the policy grammar has these two forms")]
pub enum OneOrMore {
    /// A string.
    One(String),
    /// A list.
    More(Vec<String>),
}

impl PartialEq for OneOrMore {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |value: &Self| {
            let mut values = match value {
                Self::One(one) => vec![one.clone()],
                Self::More(more) => more.clone(),
            };
            values.sort();
            values
        };
        sorted(self) == sorted(other)
    }
}

impl Eq for OneOrMore {}

impl TrustPolicy {
    fn of(service: &str, actions: &[&str]) -> Self {
        Self {
            version: "2012-10-17".to_owned(),
            statement: vec![TrustStatement {
                effect: "Allow".to_owned(),
                principal: TrustPrincipal { service: OneOrMore::One(service.to_owned()) },
                action: OneOrMore::More(actions.iter().map(|&action| action.to_owned()).collect()),
            }],
        }
    }

    /// The same, with sessions that carry tags: the cluster role of EKS Auto Mode.
    pub(crate) fn and_tags_sessions(self) -> Self {
        let services: Vec<_> = self.statement.iter().map(|statement| statement.principal.service.to_string()).collect();
        services.first().map_or(self, |service| Self::of(service, &["sts:AssumeRole", "sts:TagSession"]))
    }

    /// Whether a document says the same. One with anything that we would not write, such as conditions, does not.
    pub(crate) fn is_said_by(&self, document: &str) -> bool {
        serde_json::from_str::<Self>(document).is_ok_and(|found| found == *self)
    }
}

/// Shows a trust policy in a few words.
pub(crate) struct InWords<'a>(pub(crate) &'a TrustPolicy);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.0.statement.iter().map(|s| format!("{} may {}", s.principal.service, s.action)).collect::<Vec<_>>();
        f.write_str(&said.join("; "))
    }
}

impl fmt::Display for OneOrMore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(one) => f.write_str(one),
            Self::More(more) => f.write_str(&more.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_documents() -> Result<(), serde_json::Error> {
        insta::assert_snapshot!(serde_json::to_string(&RoleKind::EbsCsi.trust())?, @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#);
        insta::assert_snapshot!(serde_json::to_string(&RoleKind::Cluster.trust())?, @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":["sts:AssumeRole"]}]}"#);
        Ok(())
    }

    #[test]
    fn same_trust_in_other_words() {
        let trust = RoleKind::EbsCsi.trust();
        let said = |action: &str, more: &str| {
            trust.is_said_by(&format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":["pods.eks.amazonaws.com"]}},"Action":{action}{more}}}]}}"#
            ))
        };
        assert!(said(r#"["sts:TagSession","sts:AssumeRole"]"#, ""));
        assert!(!said(r#""sts:AssumeRole""#, ""));
        assert!(!said(r#"["sts:TagSession","sts:AssumeRole"]"#, r#","Condition":{}"#));
        assert!(!trust.is_said_by("not JSON"));
    }

    #[test]
    fn names_fit_for_the_longest_owner_and_region() {
        let owner = Owner::new("o".repeat(40)).unwrap();
        for region in ["ap-southeast-1", "us-isof-south-1"] {
            assert!(RoleKind::ALL.iter().all(|kind| kind.name(&owner, region).len() <= 64));
        }
    }

    #[test]
    fn the_old_service_policy_is_expressible() {
        let policies = RoleKind::Cluster.policies(Partition::of_region("us-east-1"), true);
        assert_eq!(policies, ["arn:aws:iam::aws:policy/AmazonEKSClusterPolicy", "arn:aws:iam::aws:policy/AmazonEKSServicePolicy"]);
    }
}
