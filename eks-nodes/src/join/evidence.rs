//! What is known of a group of instances and of all that they need to become nodes. Plain data: whatever is absent was not looked at,
//! and nothing is concluded from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
    time::Duration,
};

use eks_core::{ConfigMapAccess, SeenNode};
use serde::{Deserialize, Serialize};

/// Everything that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct Evidence {
    /// The cluster.
    pub cluster: Option<ClusterEvidence>,
    /// EKS knows no cluster of that name.
    pub cluster_missing: bool,
    /// The Auto Scaling groups.
    pub groups: Vec<GroupEvidence>,
    /// Their instances.
    pub instances: Vec<InstanceEvidence>,
    /// Roles, by the ARN of the instance profile that they are in.
    pub profiles: BTreeMap<String, ProfileEvidence>,
    /// How subnets are routed, by id.
    pub routes: BTreeMap<String, RouteEvidence>,
    /// NAT gateways, by id.
    pub nat_gateways: BTreeMap<String, NatEvidence>,
    /// The VPC's attributes `enableDnsSupport` and `enableDnsHostnames`.
    pub dns: Option<(bool, bool)>,
    /// The VPC's endpoints.
    pub endpoints: Option<Vec<EndpointEvidence>>,
    /// Security groups, by id.
    pub security_groups: BTreeMap<String, SecurityGroupEvidence>,
    /// Network ACLs, by the id of a subnet that they are about.
    #[serde(default)]
    pub network_acls: BTreeMap<String, AclEvidence>,
    /// Access entries by the ARN of their role; `None` where there is none.
    pub entries: BTreeMap<String, Option<EntryEvidence>>,
    /// The managed add-on vpc-cni.
    pub cni: Option<CniEvidence>,
    /// Kubernetes' nodes.
    pub nodes: Option<Vec<SeenNode>>,
    /// What aws-auth says.
    pub aws_auth: Option<ConfigMapAccess>,
    /// DaemonSets of every namespace, by name: some network plugins have one of their own.
    pub daemon_sets: Option<Vec<String>>,
    /// What could not be looked at, and why.
    pub unseen: BTreeSet<String>,
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct ClusterEvidence {
    /// Its name.
    pub name: String,
    /// EKS's status.
    pub status: String,
    /// Kubernetes minor version.
    pub version: String,
    /// `https://…`
    pub endpoint: String,
    /// Base64 of the certificate authority.
    pub certificate_authority: String,
    /// Its VPC.
    pub vpc: String,
    /// The private endpoint is on.
    pub private: bool,
    /// The public endpoint is on.
    pub public: bool,
    /// Who may use the public endpoint.
    pub public_blocks: Vec<String>,
    /// Every security group of the control plane, with the one that EKS made.
    pub security_groups: Vec<String>,
    /// `API`, `API_AND_CONFIG_MAP` or `CONFIG_MAP`.
    pub authentication: String,
}

/// An Auto Scaling group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct GroupEvidence {
    /// Its name.
    pub name: String,
    /// How many instances it should have.
    pub desired: u32,
    /// How many are on their way or in service.
    pub alive: u32,
    /// Its last activities, the newest first.
    pub activities: Vec<ActivityEvidence>,
}

/// A scaling activity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct ActivityEvidence {
    /// `Successful`, `Failed`, `Cancelled`, …
    pub status: String,
    /// `Launching a new EC2 instance: …`
    pub description: String,
    /// What Auto Scaling says of a failure.
    pub message: String,
    /// How long ago it began.
    pub age: Duration,
}

/// An instance. Its user data and console may hold secrets: `Debug` tells their lengths, and neither is serialised.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct InstanceEvidence {
    /// Its id.
    pub id: String,
    /// EC2's name of its state.
    pub state: String,
    /// Why it is in that state: code and message.
    pub reason: Option<(String, String)>,
    /// How long ago it was launched.
    pub age: Duration,
    /// Its type.
    pub kind: String,
    /// The name of its image, if it could be looked up.
    pub image: Option<String>,
    /// Its subnet.
    pub subnet: String,
    /// Its VPC.
    pub vpc: String,
    /// Its zone.
    pub zone: String,
    /// Its private address.
    pub private_ip: Option<Ipv4Addr>,
    /// Its public address.
    pub public_ip: Option<Ipv4Addr>,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// ARN of its instance profile.
    pub profile: Option<String>,
    /// Whether the instance metadata service answers.
    pub imds: bool,
    /// User data, decoded.
    #[serde(skip_serializing)]
    pub user_data: Option<String>,
    /// System and instance status: `ok`, `initializing`, `impaired`, …
    pub checks: Option<(String, String)>,
    /// What its console shows.
    #[serde(skip_serializing)]
    pub console: Option<String>,
}

impl fmt::Debug for InstanceEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |text: &Option<String>| text.as_ref().map(|text| format!("{} bytes", text.len()));
        f.debug_struct("InstanceEvidence")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("reason", &self.reason)
            .field("age", &self.age)
            .field("kind", &self.kind)
            .field("image", &self.image)
            .field("subnet", &self.subnet)
            .field("vpc", &self.vpc)
            .field("zone", &self.zone)
            .field("private_ip", &self.private_ip)
            .field("public_ip", &self.public_ip)
            .field("security_groups", &self.security_groups)
            .field("profile", &self.profile)
            .field("imds", &self.imds)
            .field("user_data", &length(&self.user_data))
            .field("checks", &self.checks)
            .field("console", &length(&self.console))
            .finish()
    }
}

/// An instance profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct ProfileEvidence {
    /// ARN of its role, if it has one.
    pub role: Option<String>,
    /// ARNs of the role's managed policies, if they could be listed.
    pub policies: Option<Vec<String>>,
    /// Whether the role has policies written into it.
    pub inline: bool,
}

/// Where a subnet's route table leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct RouteEvidence {
    /// The table.
    pub table: String,
    /// Its default route.
    pub default: Way,
    /// Whether it leads elsewhere, too, by routes that are not local and not a VPC endpoint's.
    pub others: bool,
}

/// A default route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "whoever observes builds it")]
pub enum Way {
    /// To something that is gone.
    Blackhole(String),
    /// To an internet gateway.
    Internet(String),
    /// To a NAT gateway.
    Nat(String),
    /// There is none.
    Nowhere,
    /// To a transit gateway, an appliance, …: where that leads cannot be seen from here.
    Other(String),
}

/// A NAT gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct NatEvidence {
    /// `pending`, `available`, `failed`, `deleting`, `deleted`.
    pub state: String,
    /// Its public addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// Why it failed.
    pub reason: String,
}

/// A VPC endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct EndpointEvidence {
    /// Its id.
    pub id: String,
    /// `com.amazonaws.us-east-1.s3`
    pub service: String,
    /// Whether it is a gateway endpoint.
    pub gateway: bool,
    /// EC2's name of its state.
    pub state: String,
    /// Whether the service's usual name leads to it.
    pub private_dns: bool,
    /// Security groups of an interface endpoint.
    pub security_groups: Vec<String>,
    /// Route tables of a gateway endpoint.
    pub tables: Vec<String>,
}

/// The rules of a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct SecurityGroupEvidence {
    /// What comes in.
    pub ingress: Vec<RuleEvidence>,
    /// What goes out.
    pub egress: Vec<RuleEvidence>,
}

/// A rule of a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct RuleEvidence {
    /// `tcp`, `-1`, …
    pub protocol: String,
    /// The ports; none for all.
    pub ports: Option<(u16, u16)>,
    /// Groups at the other end.
    pub groups: Vec<String>,
    /// IPv4 blocks at the other end.
    pub blocks: Vec<String>,
    /// Whether there is something else at the other end: a prefix list, IPv6.
    pub others: bool,
}

/// A network ACL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct AclEvidence {
    /// Its id.
    pub id: String,
    /// Its entries about IPv4, in the order of their numbers, which is that of their effect.
    pub entries: Vec<AclEntryEvidence>,
}

/// An entry of a network ACL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct AclEntryEvidence {
    /// Its number; 32767 is the last, which nobody can change.
    pub number: u16,
    /// Whether it is about what leaves the subnet.
    pub egress: bool,
    /// Whether it allows.
    pub allow: bool,
    /// A protocol's number, or `-1`.
    pub protocol: String,
    /// The ports; none for all.
    pub ports: Option<(u16, u16)>,
    /// The IPv4 block at the other end.
    pub block: String,
}

/// An access entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct EntryEvidence {
    /// `EC2_LINUX`, `STANDARD`, …
    pub kind: String,
    /// User name, with placeholders.
    pub username: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// The managed add-on vpc-cni.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever observes builds it")]
pub struct CniEvidence {
    /// Whether it is installed.
    pub installed: bool,
    /// Whether EKS is making, changing or deleting it.
    pub changing: bool,
    /// Whether the plugin has a role of its own, if that could be seen.
    pub own_role: Option<bool>,
}

impl Evidence {
    /// Notes what could not be looked at.
    pub fn could_not_look(&mut self, what: &str, why: &str) {
        self.unseen.insert(format!("could not look: {what}: {why}"));
    }

    /// The role of an instance: its ARN and the profile that it is in.
    pub(super) fn role_of(&self, instance: &InstanceEvidence) -> Option<(&str, &ProfileEvidence)> {
        let profile = self.profiles.get(instance.profile.as_ref()?)?;
        Some((profile.role.as_deref()?, profile))
    }
}
