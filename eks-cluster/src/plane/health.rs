//! What EKS finds wrong with a cluster, and what heals it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One issue of a cluster's health. EKS API Reference, `ClusterIssue`; Amazon EKS User Guide, "Cluster health FAQs and error codes with
/// resolution paths".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthIssue {
    /// EKS's code: `Ec2SubnetNotFound`.
    pub code: String,
    /// EKS's words.
    pub message: String,
    /// Ids of what is concerned.
    pub resources: Vec<String>,
}

impl HealthIssue {
    /// From EKS's code, words and ids.
    pub fn new(code: impl Into<String>, message: impl Into<String>, resources: Vec<String>) -> Self {
        Self { code: code.into(), message: message.into(), resources }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self.code.as_str() {
            "AccessDenied" => "give the cluster role AmazonEKSClusterPolicy again, and let no service control policy stand against it",
            "ClusterUnreachable" => "see that webhooks answer, and that the groups and routes of the subnets let the control plane through",
            "ConfigurationConflict" => "take back what was changed against EKS's own configuration",
            "Ec2SecurityGroupNotFound" => "give the cluster groups that exist: change security_groups; its own group cannot be made again",
            "Ec2ServiceNotSubscribed" => "subscribe the account to Amazon EC2",
            "Ec2SubnetNotFound" => "give the cluster subnets that exist, in the same zones",
            "IamRoleNotFound" => "make the cluster role again, with the same name and path",
            "InsufficientFreeAddresses" => {
                "free addresses in the cluster's subnets (6 each, better 16), or give it further ones in the same zones"
            }
            "InternalFailure" => "wait; if it lasts, ask AWS Support",
            "KmsGrantRevoked" => "make the grant for the cluster role on the key again",
            "KmsKeyDisabled" => "enable the key",
            "KmsKeyMarkedForDeletion" => "cancel the key's deletion at once: without it the cluster cannot be recovered",
            "KmsKeyNotFound" => "the key is gone, and with it the cluster: tear it down, and make another",
            "ResourceLimitExceeded" => "raise the quota that the message names",
            "ResourceNotFound" => "make what the message names again",
            "StsRegionalEndpointDisabled" => "switch the Region's STS endpoint on, in IAM's account settings",
            "UnsupportedVersion" => "upgrade: the version is not supported any more",
            "VpcNotFound" => "the VPC is gone, and with it the cluster: tear it down, and make another",
            _ => "see the message; if it does not tell enough, ask AWS Support",
        }
    }

    /// The issue, and what to do about it.
    pub(crate) fn with_remedy(&self) -> String {
        format!("{}; {}", self.to_string().trim_end_matches('.'), self.remedy())
    }
}

impl fmt::Display for HealthIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        let untold: Vec<_> = self.resources.iter().map(String::as_str).filter(|id| !self.message.contains(id)).collect();
        if untold.is_empty() { Ok(()) } else { write!(f, " ({})", untold.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EKS API Reference, ClusterIssue: valid values of `code`.
    const DOCUMENTED: [&str; 19] = [
        "AccessDenied",
        "ClusterUnreachable",
        "ConfigurationConflict",
        "InternalFailure",
        "ResourceLimitExceeded",
        "ResourceNotFound",
        "IamRoleNotFound",
        "VpcNotFound",
        "InsufficientFreeAddresses",
        "Ec2ServiceNotSubscribed",
        "Ec2SubnetNotFound",
        "Ec2SecurityGroupNotFound",
        "KmsGrantRevoked",
        "KmsKeyNotFound",
        "KmsKeyMarkedForDeletion",
        "KmsKeyDisabled",
        "StsRegionalEndpointDisabled",
        "UnsupportedVersion",
        "Other",
    ];

    #[test]
    fn every_documented_code_has_a_remedy_of_its_own() {
        let remedy = |code: &str| HealthIssue::new(code, "m", vec![]).remedy();
        let remedies: std::collections::BTreeSet<_> = DOCUMENTED.into_iter().map(remedy).collect();
        assert_eq!(remedies.len(), DOCUMENTED.len());
        assert_eq!(remedy("NewCode"), remedy("Other"));
    }

    #[test]
    fn ids_are_told_once() {
        let issue = HealthIssue::new("Ec2SubnetNotFound", "subnet-1 is gone", vec!["subnet-1".into(), "subnet-2".into()]);
        assert_eq!(issue.to_string(), "Ec2SubnetNotFound: subnet-1 is gone (subnet-2)");
    }
}
