//! What keeps CloudFormation from deleting a resource of the workers' stacks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something of others that holds a resource. It is never touched; what is a leftover for certain is removed and not told here.
///
/// VPC User Guide, "Delete a security group"; IAM API Reference, "DeleteRole".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Blocker {
    /// A network interface in the security group.
    Interface {
        /// `eni-…`
        id: String,
        /// `available`, or `in-use` while something is behind it.
        status: String,
        /// What its maker says of it.
        description: String,
    },
    /// An instance profile with the role in it.
    InstanceProfile {
        /// The role.
        role: String,
        /// The profile.
        profile: String,
    },
    /// A policy that others gave the role.
    Policy {
        /// The role.
        role: String,
        /// ARN of a managed policy, name of an inline one.
        policy: String,
        /// Whether it is written into the role.
        inline: bool,
    },
    /// A rule of another security group that names the group.
    Rule {
        /// `sgr-…`
        rule: String,
        /// The group that has it.
        group: String,
        /// Whether it is about traffic that leaves that group.
        egress: bool,
    },
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface { id, status, description } => {
                let remedy = if status == "in-use" { "delete what it belongs to" } else { "delete it if nobody needs it" };
                write!(f, "network interface {id} ({status}, {description:?}) is in it: {remedy}")
            }
            Self::InstanceProfile { role, profile } => write!(f, "instance profile {profile} holds role {role}: take it out"),
            Self::Policy { role, policy, inline: false } => {
                write!(f, "policy {policy} is attached to it: `aws iam detach-role-policy --role-name {role} --policy-arn {policy}`")
            }
            Self::Policy { role, policy, inline: true } => {
                write!(
                    f,
                    "inline policy {policy} is written into it: `aws iam delete-role-policy --role-name {role} --policy-name {policy}`"
                )
            }
            Self::Rule { rule, group, egress } => {
                let direction = if *egress { "egress" } else { "ingress" };
                write!(
                    f,
                    "rule {rule} of {group} names it: `aws ec2 revoke-security-group-{direction} --group-id {group} --security-group-rule-ids {rule}`"
                )
            }
        }
    }
}
