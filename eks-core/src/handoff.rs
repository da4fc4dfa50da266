//! Plain data that one layer hands to the next. A layer that is not ours (an existing VPC, an existing cluster) is the
//! same data with known values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ClusterName, Outputs, Ref, RoleArn, SecurityGroupId, StepKey, SubnetId, VpcId, ZoneName};

/// Where a subnet's default route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tier {
    /// To an internet gateway.
    Public,
    /// Elsewhere: to a NAT gateway or a transit gateway, if the network has one.
    Private,
    /// Nowhere: what runs there reaches its VPC alone, and AWS by VPC endpoints.
    Intra,
}

/// A subnet, for the layers above the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users with their own network build it")]
pub struct SubnetRef {
    /// Its id.
    pub id: Ref<SubnetId>,
    /// Its zone.
    pub zone: ZoneName,
    /// Public, private or intra.
    pub tier: Tier,
}

/// A network, for the layers above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users with their own network build it")]
pub struct NetworkRefs {
    /// The VPC.
    pub vpc: Ref<VpcId>,
    /// IPv4 blocks of the VPC, in CIDR notation.
    pub cidrs: Vec<String>,
    /// The subnets.
    pub subnets: Vec<SubnetRef>,
    /// Security groups by name.
    pub security_groups: BTreeMap<String, Ref<SecurityGroupId>>,
    /// Steps after which instances in the private subnets reach the internet: NAT gateways and routes. Empty when the
    /// network stands already.
    pub egress: Vec<StepKey>,
}

impl NetworkRefs {
    /// The private subnets alone; workers usually go there. Intra subnets are not among them: they have no way out.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.subnets.retain(|subnet| subnet.tier == Tier::Private);
        self
    }
}

/// Where EKS looks for who may enter: `authenticationMode` of the cluster's access configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum AuthenticationMode {
    /// Access entries only.
    Api,
    /// Access entries, then the ConfigMap aws-auth.
    ApiAndConfigMap,
    /// The ConfigMap aws-auth only, as in 2018.
    ConfigMap,
}

impl AuthenticationMode {
    /// Whether access entries work.
    pub fn has_access_entries(self) -> bool {
        !matches!(self, Self::ConfigMap)
    }

    /// Whether the ConfigMap aws-auth is read.
    pub fn has_config_map(self) -> bool {
        !matches!(self, Self::Api)
    }

    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::ApiAndConfigMap => "API_AND_CONFIG_MAP",
            Self::ConfigMap => "CONFIG_MAP",
        }
    }
}

/// A cluster, for the layers above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users with their own cluster build it")]
pub struct ClusterRefs {
    /// Its name.
    pub name: ClusterName,
    /// Kubernetes minor version, `1.36`.
    pub version: String,
    /// `https://…`
    pub endpoint: Ref<String>,
    /// Base64 of the certificate authority's PEM.
    pub certificate_authority: Ref<String>,
    /// Addresses of Kubernetes Services, in CIDR notation.
    pub service_cidr: Ref<String>,
    /// Security groups given to the control plane.
    pub security_groups: Vec<Ref<SecurityGroupId>>,
    /// The security group that EKS made for the cluster.
    pub cluster_security_group: Ref<SecurityGroupId>,
    /// Where EKS looks for who may enter.
    pub authentication: AuthenticationMode,
    /// Steps that nodes need before they can become Ready, such as the CNI add-on. Empty when the cluster stands already.
    pub nodes_need: Vec<StepKey>,
    /// Steps that persistent volumes need, such as the EBS CSI driver.
    pub volumes_need: Vec<StepKey>,
}

/// What a client needs to know of a cluster before it can talk to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users with their own cluster build it")]
pub struct ClusterAccess {
    /// Name of the cluster, which its tokens carry.
    pub name: ClusterName,
    /// `https://…`
    pub endpoint: String,
    /// Base64 of the certificate authority's PEM, as DescribeCluster tells it.
    pub certificate_authority: String,
}

impl ClusterAccess {
    /// From what a step that makes a cluster told: `id`, `endpoint`, `certificate_authority`.
    pub fn from_outputs(outputs: &Outputs) -> Option<Self> {
        Some(Self {
            name: outputs.get("id")?.parse().ok()?,
            endpoint: outputs.get("endpoint")?.clone(),
            certificate_authority: outputs.get("certificate_authority")?.clone(),
        })
    }
}

/// A group of workers, for the layers above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users with their own workers build it")]
pub struct WorkersRefs {
    /// Name of the group: its CloudFormation stack's.
    pub name: String,
    /// The role that its instances run under.
    pub role: Ref<RoleArn>,
    /// How many nodes are wanted.
    pub desired: u32,
    /// The label by which its nodes are found.
    pub node_label: (String, String),
    /// Steps after which its instances run. Empty when they stand already.
    pub running: Vec<StepKey>,
}

/// Whom the ConfigMap aws-auth lets in, for whoever succeeds it: what is in effect, principal by principal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users who read it by other means build it")]
pub struct ConfigMapAccess {
    /// Roles and users.
    pub mappings: Vec<ConfigMapMapping>,
    /// Accounts whose principals are all let in, each by its own ARN: 12 digits.
    pub accounts: Vec<String>,
}

/// A role or user in aws-auth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users who read it by other means build it")]
pub struct ConfigMapMapping {
    /// ARN as aws-auth has it; that of a role has no path.
    pub principal: String,
    /// User name, with the authenticator's placeholders.
    pub username: String,
    /// Groups.
    pub groups: Vec<String>,
}
/// What is known of a cluster by its name: whose leavings in AWS a teardown may believe to be the owner's.
///
/// Kubernetes' controllers tag what they make with the cluster's name, and with nothing that says whose cluster that was. A name is free
/// again as soon as its cluster is gone, and each Region and account has its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users whose clusters others found build it")]
pub struct ClusterTrace {
    /// Its name.
    pub name: ClusterName,
    /// Whether it is there, and whose it is.
    pub standing: ClusterStanding,
}

/// Whether a cluster is there, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClusterStanding {
    /// It is there, and carries the owner's tag.
    Ours {
        /// Its VPC, where EKS tells it.
        vpc: Option<VpcId>,
        /// When it was made, in seconds since 1970, where EKS tells it. What is older was another cluster's of that name.
        since: Option<i64>,
    },
    /// There is none of that name; something of the owner's in the account still names it.
    Gone,
    /// There is one that does not carry the owner's tag: whatever carries its name may be its own.
    Others,
}
