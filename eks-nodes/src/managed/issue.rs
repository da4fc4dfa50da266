//! What EKS finds wrong with a group, and what to do about it.
//!
//! Codes: EKS API Reference, "Issue"; the remedies follow the User Guide's "Managed node group error codes".

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($name:ident => $remedy:literal,)*) => {
        /// Code of an issue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum IssueCode {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)*
            /// One that this version does not know.
            Unknown,
        }

        impl IssueCode {
            /// Every code that this version knows.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// EKS's name of it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Unknown => "Unknown",
                }
            }

            /// What to do about it.
            pub fn remedy(self) -> &'static str {
                match self {
                    $(Self::$name => $remedy,)*
                    Self::Unknown => "read the message; the EKS User Guide, \"Managed node group error codes\", has what is known",
                }
            }
        }

        impl FromStr for IssueCode {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(match text {
                    $(stringify!($name) => Self::$name,)*
                    _ => Self::Unknown,
                })
            }
        }
    };
}

codes! {
    AccessDenied => "let the node role in again (its access entry or aws-auth entry), and keep the ClusterRole eks:node-manager with its binding",
    AmiIdNotFound => "use an image that exists and is shared with the account",
    AsgInstanceLaunchFailures => "read the Auto Scaling group's activities: capacity, quota or launch template; give more instance types or zones",
    AutoScalingGroupInstanceRefreshActive => "wait until the instance refresh has ended, or cancel it: only EKS may replace these nodes",
    AutoScalingGroupInvalidConfiguration => "undo what was changed on the Auto Scaling group by hand",
    AutoScalingGroupNotFound => "make the group anew under another name: its Auto Scaling group was deleted by hand",
    AutoScalingGroupOptInRequired => "complete the account's registration, or enable the Region",
    AutoScalingGroupRateLimitExceeded => "try again later: Auto Scaling throttled EKS",
    ClusterUnreachable => "check the endpoint's access and the control plane's health, then try again",
    Ec2InstanceTypeDoesNotExist => "use instance types that the Region has",
    Ec2LaunchTemplateDeletionFailure => "remove what still uses the launch template, then delete the group again",
    Ec2LaunchTemplateInvalidConfiguration => "correct what the message names, in the settings that go into the launch template",
    Ec2LaunchTemplateMaxLimitExceeded => "delete launch templates that are not used, or raise the quota",
    Ec2LaunchTemplateNotFound => "make the group anew under another name: EKS's launch template was deleted by hand",
    Ec2LaunchTemplateVersionMaxLimitExceeded => "delete old versions of the launch template",
    Ec2LaunchTemplateVersionMismatch => "let the Auto Scaling group use the launch template's version that EKS made",
    Ec2SecurityGroupDeletionFailure => "remove what still uses the security group, then delete the group again",
    Ec2SecurityGroupNotFound => "the cluster security group is gone: the cluster must be made anew",
    Ec2SubnetInvalidConfiguration => "let the public subnet assign public addresses (MapPublicIpOnLaunch), or use private subnets",
    Ec2SubnetListTooLong => "give fewer subnets",
    Ec2SubnetMissingIpv6Assignment => "let the subnet assign IPv6 addresses",
    Ec2SubnetNotFound => "make the group anew in subnets that exist",
    IamInstanceProfileNotFound => "make the instance profile that EKS used again, with the node role in it",
    IamLimitExceeded => "delete instance profiles or roles that are not used, or raise IAM's quota",
    IamNodeRoleNotFound => "make the node role again under its name, with its policies",
    IamThrottling => "try again later: IAM throttled EKS",
    InstanceLimitExceeded => "ask for a higher quota of vCPUs (Service Quotas), or want fewer or smaller instances",
    InsufficientFreeAddresses => "use larger subnets, or free addresses in these",
    InternalFailure => "try again; if it stays, ask AWS Support with the group's ARN",
    KubernetesLabelInvalid => "correct the labels: keys and values by Kubernetes' syntax, without reserved prefixes",
    LimitExceeded => "raise the quota that the message names",
    NodeCreationFailure => "check the node role's policies and mapping, the way to the API server and to the registry, and the user data",
    NodeTerminationFailure => "end the instance by hand, and remove what protects it from termination",
    PodEvictionFailure => "let the PodDisruptionBudget allow a disruption, or a Pod's controller be scaled up; or force the update",
    SourceEc2LaunchTemplateNotFound => "make the group anew under another name: its base stack's launch template was deleted by hand",
}

impl fmt::Display for IssueCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An issue of a group: EKS's code, its words, and what it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "plain data that tests and other observers build")]
pub struct GroupIssue {
    /// The code, `NodeCreationFailure`.
    pub code: IssueCode,
    /// EKS's words.
    pub message: String,
    /// Instances, groups, roles that it concerns.
    pub resources: Vec<String>,
}

impl fmt::Display for GroupIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message.trim_end_matches('.'))?;
        if !self.resources.is_empty() {
            write!(f, " ({})", self.resources.join(", "))?;
        }
        write!(f, "; {}", self.code.remedy())
    }
}

/// All of them on one line.
pub(crate) fn told(issues: &[GroupIssue]) -> String {
    if issues.is_empty() {
        return "EKS tells no issue".to_owned();
    }
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EKS API Reference, "Issue": the valid values of `code`.
    #[test]
    fn every_documented_code_has_a_remedy() {
        assert_eq!(IssueCode::ALL.len(), 35);
        for code in IssueCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(code.remedy().len() > 10, "{code}");
        }
        assert_eq!("SomethingNew".parse(), Ok(IssueCode::Unknown));
    }

    #[test]
    fn an_issue_tells_evidence_and_remedy() {
        let issue = GroupIssue {
            code: IssueCode::InsufficientFreeAddresses,
            message: "No addresses are left.".to_owned(),
            resources: vec!["subnet-1".to_owned()],
        };
        let text = "InsufficientFreeAddresses: No addresses are left (subnet-1); use larger subnets, or free addresses in these";
        assert_eq!(issue.to_string(), text);
    }
}
