//! Why instances do not become nodes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Pages of AWS's and Kubernetes' documentation that causes rest on.
mod page {
    pub(super) const ACLS: &str = "Amazon VPC user guide, \"Control subnet traffic with network access control lists\"";
    pub(super) const ENDPOINT: &str = "EKS user guide, \"Cluster API server endpoint\"";
    pub(super) const ENTRIES: &str = "EKS user guide, \"Create access entries\"";
    pub(super) const FAIL: &str =
        "EKS user guide, \"Troubleshoot problems with Amazon EKS clusters and nodes\", \"Nodes fail to join cluster\"";
    pub(super) const LAUNCH: &str = "Amazon EC2 Auto Scaling user guide, \"Troubleshoot: EC2 instance launch failure\"";
    pub(super) const NETWORK: &str = "EKS user guide, \"View Amazon EKS networking requirements for VPC and subnets\"";
    pub(super) const PRIVATE: &str = "EKS user guide, \"Deploy private clusters with limited internet access\"";
    pub(super) const ROLE: &str = "EKS user guide, \"Amazon EKS node IAM role\"";
    pub(super) const SECURITY_GROUPS: &str = "EKS user guide, \"View Amazon EKS security group requirements for clusters\"";
    pub(super) const SKEW: &str = "Kubernetes documentation, \"Version Skew Policy\"";
    pub(super) const STATUS: &str = "Amazon EC2 user guide, \"Status checks for Amazon EC2 instances\"";
    pub(super) const TERMINATED: &str =
        "Amazon EC2 user guide, \"Troubleshoot Amazon EC2 instance launch issues\", \"Instance terminates immediately\"";
    pub(super) const UNREADY: &str =
        "EKS user guide, \"Troubleshoot problems with Amazon EKS clusters and nodes\", \"Container runtime network not ready\"";
    pub(super) const USER_DATA: &str = "EKS user guide, \"Customize managed nodes with launch templates\", \"Amazon EC2 user data\"";
}

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident, $code:literal, $page:ident;)+) => {
        /// Why instances do not become nodes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Cause {
            /// Every cause.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name in kebab case.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The page that it rests on.
            pub fn page(self) -> &'static str {
                match self { $(Self::$name => page::$page),+ }
            }
        }
    };
}

causes! {
    /// A managed network plugin's own role, or the nodes' role, may not manage network interfaces.
    CniDenied, "cni-denied", UNREADY;
    /// No network plugin is installed.
    CniMissing, "cni-missing", UNREADY;
    /// The cluster is gone, going, or failed.
    ClusterNotReady, "cluster-not-ready", FAIL;
    /// The node's configuration in the user data is incomplete or malformed.
    ConfigInvalid, "config-invalid", USER_DATA;
    /// DNS support or DNS hostnames of the VPC are off.
    DnsOff, "dns-off", NETWORK;
    /// An interface endpoint's security group does not let the nodes in.
    EndpointClosed, "endpoint-closed", PRIVATE;
    /// Without a way to the internet, a VPC endpoint that nodes need is missing.
    EndpointMissing, "endpoint-missing", PRIVATE;
    /// The image does not exist, or may not be used.
    ImageMissing, "image-missing", LAUNCH;
    /// The instance metadata service is off, from which nodes have user data and credentials.
    ImdsOff, "imds-off", FAIL;
    /// EC2 has no room for the instance type in the zones.
    InsufficientCapacity, "insufficient-capacity", LAUNCH;
    /// The key pair does not exist.
    KeyPairMissing, "key-pair-missing", LAUNCH;
    /// The kubelet is newer than the control plane.
    KubeletTooNew, "kubelet-too-new", SKEW;
    /// The kubelet is more than three minor versions older than the control plane.
    KubeletTooOld, "kubelet-too-old", SKEW;
    /// Nodes are Ready but lack the label by which they are waited for.
    LabelMissing, "label-missing", USER_DATA;
    /// Launches fail again and again, in words that name no other cause.
    LaunchFails, "launch-fails", LAUNCH;
    /// The launch template or its version does not exist, or is not valid.
    LaunchTemplateInvalid, "launch-template-invalid", LAUNCH;
    /// The role is mapped, but not as a node: wrong type of entry, user name or groups.
    MappingWrong, "mapping-wrong", ENTRIES;
    /// The network ACL of the nodes' subnet lets nothing out to the internet, or no answers in, and the VPC has no endpoints in its place.
    NetworkAclClosed, "network-acl-closed", ACLS;
    /// In a public subnet without a public address: the internet gateway carries nothing.
    NoPublicAddress, "no-public-address", NETWORK;
    /// The subnet has no way to the internet, and the VPC no endpoints in its place.
    NoRoute, "no-route", NETWORK;
    /// Auto Scaling may not launch what it is told to.
    NotAuthorized, "not-authorized", LAUNCH;
    /// There is no instance profile, or no role in it.
    ProfileInvalid, "profile-invalid", LAUNCH;
    /// The public endpoint's CIDR blocks leave out the address that nodes come from.
    PublicBlocks, "public-blocks", ENDPOINT;
    /// The nodes' role may not pull images from Amazon ECR.
    RegistryDenied, "registry-denied", ROLE;
    /// The nodes' role is not mapped into the cluster.
    RoleNotMapped, "role-not-mapped", FAIL;
    /// The control plane's security groups do not let the nodes in, or the nodes' do not let them out.
    SecurityGroupClosed, "security-group-closed", SECURITY_GROUPS;
    /// A security group of the launch template does not exist.
    SecurityGroupMissing, "security-group-missing", LAUNCH;
    /// The machine fails its status checks.
    StatusCheckFailed, "status-check-failed", STATUS;
    /// The subnet has no free address.
    SubnetFull, "subnet-full", LAUNCH;
    /// A subnet of the group does not exist.
    SubnetMissing, "subnet-missing", LAUNCH;
    /// Instances end before they run.
    TerminatedAtLaunch, "terminated-at-launch", TERMINATED;
    /// The zones do not have the instance type.
    TypeNotOffered, "type-not-offered", LAUNCH;
    /// The user data is of another family than the image.
    UserDataMismatch, "user-data-mismatch", USER_DATA;
    /// The quota of running instances, in vCPUs, is reached.
    VcpuQuota, "vcpu-quota", LAUNCH;
    /// The volumes of the launch template cannot be made.
    VolumeInvalid, "volume-invalid", LAUNCH;
    /// The nodes' role may not ask EC2 about its instance.
    WorkerPolicyMissing, "worker-policy-missing", ROLE;
    /// Image and instance type have different architectures.
    WrongArchitecture, "wrong-architecture", LAUNCH;
    /// The certificate authority in the user data is not the cluster's.
    WrongAuthority, "wrong-authority", FAIL;
    /// The user data names another cluster.
    WrongClusterName, "wrong-cluster-name", FAIL;
    /// The endpoint in the user data is not the cluster's.
    WrongEndpoint, "wrong-endpoint", FAIL;
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// No cause has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no cause that this version knows")]
pub struct UnknownCause(String);

impl FromStr for Cause {
    type Err = UnknownCause;

    fn from_str(code: &str) -> Result<Self, UnknownCause> {
        Self::ALL.iter().copied().find(|cause| cause.code() == code).ok_or_else(|| UnknownCause(code.to_owned()))
    }
}

impl Cause {
    /// The cause that a failed wait for nodes tells of, if it does.
    pub fn of(error: &eks_core::Error) -> Option<Self> {
        error.diagnosis()?.cause.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde_and_sorted() {
        for cause in Cause::ALL {
            assert_eq!(serde_json::to_value(cause).expect("serialises"), cause.code());
            assert_eq!(cause.code().parse::<Cause>(), Ok(*cause));
        }
        assert!("else".parse::<Cause>().is_err());
    }
}
