//! The closed set of what the layer does.

use eks_core::{ClusterTrace, NetworkInterfaceId, Operation, Permission, SecurityGroupId, VpcId};
use serde::{Deserialize, Serialize};

use crate::grants::arn;

/// The layer.
pub(crate) const LAYER: &str = "leftovers";

/// An operation of the layer. It only removes; what is not there is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are the services' own names; the variants say what is done with them")]
pub enum LeftoverOp {
    /// Deletes a classic load balancer if it still says that it is of this cluster, and waits until its network interfaces are gone.
    DeleteClassicLoadBalancer { name: String, cluster: String },
    /// Deletes a network or application load balancer and waits until its network interfaces are gone.
    DeleteLoadBalancer { arn: String },
    /// Deletes a target group.
    DeleteTargetGroup { arn: String },
    /// Deletes a network interface if nothing uses it.
    DeleteInterface { id: NetworkInterfaceId },
    /// Deletes the network interfaces in a VPC that say that they are of this cluster and that nothing uses any more. Each is judged as those
    /// are that were there when the teardown was made, by the cluster as it was then and by whether we made the VPC.
    SweepInterfaces { vpc: VpcId, cluster: ClusterTrace, made: bool },
    /// Waits until EKS has deleted an interface of a control plane.
    AwaitInterface { id: NetworkInterfaceId },
    /// Revokes the rules of groups of this cluster that name a security group, of all groups in a VPC of ours, and deletes it.
    DeleteSecurityGroup { id: SecurityGroupId, vpc: VpcId, cluster: String, made: bool },
}

impl Operation for LeftoverOp {
    const LAYER: &'static str = LAYER;
}

impl LeftoverOp {
    pub(crate) fn permissions(&self) -> &'static [&'static str] {
        match self {
            Self::DeleteClassicLoadBalancer { .. } | Self::DeleteLoadBalancer { .. } => &["elasticloadbalancing:DeleteLoadBalancer"],
            Self::DeleteTargetGroup { .. } => &["elasticloadbalancing:DeleteTargetGroup"],
            Self::DeleteInterface { .. } | Self::SweepInterfaces { .. } => &["ec2:DeleteNetworkInterface"],
            Self::AwaitInterface { .. } => &[],
            Self::DeleteSecurityGroup { .. } => {
                &["ec2:DeleteSecurityGroup", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"]
            }
        }
    }
}

impl LeftoverOp {
    /// What `action` is about; `vpc` is where an interface lies. (Service Authorization Reference, the pages of Amazon EC2 and Elastic Load
    /// Balancing.)
    pub(crate) fn grants(&self, action: &str, vpc: Option<&VpcId>) -> Option<Vec<Permission>> {
        let on = |resource: String| Permission::new(action).on(resource);
        let inside = |kind: &str, id: &str, vpc: &VpcId| on(arn(kind, id)).when("ArnEquals", "ec2:Vpc", [arn("vpc", vpc.as_str())]);
        if action.split_once(':').is_none_or(|(_, name)| name.starts_with("Describe")) {
            return None;
        }
        Some(vec![match self {
            Self::DeleteClassicLoadBalancer { name, .. } => {
                on(format!("arn:${{Partition}}:elasticloadbalancing:${{Region}}:${{Account}}:loadbalancer/{name}"))
            }
            Self::DeleteLoadBalancer { arn } | Self::DeleteTargetGroup { arn } => on(arn.clone()),
            Self::SweepInterfaces { vpc, .. } => inside("network-interface", "*", vpc),
            // Those that the sweep of the VPC may meet are as good as it.
            Self::DeleteInterface { id } => match vpc {
                Some(vpc) => inside("network-interface", "*", vpc),
                None => on(arn("network-interface", id.as_str())),
            },
            Self::AwaitInterface { .. } => return None,
            Self::DeleteSecurityGroup { id, vpc, .. } if action == "ec2:DeleteSecurityGroup" => inside("security-group", id.as_str(), vpc),
            Self::DeleteSecurityGroup { vpc, made: true, .. } => inside("security-group", "*", vpc),
            Self::DeleteSecurityGroup { vpc, cluster, .. } => {
                let tag = format!("aws:ResourceTag/kubernetes.io/cluster/{cluster}");
                inside("security-group", "*", vpc).when("StringEquals", tag, ["owned"])
            }
        }])
    }
}

/// What finding the clusters by which one looks calls: every cluster of the Region is asked whose it is.
pub(crate) const TRACING: [&str; 7] = [
    "eks:DescribeCluster",
    "eks:ListClusters",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetOpenIDConnectProvider",
    "iam:GetRole",
    "iam:ListOpenIDConnectProviders",
    // Where the account's roles may not be read at once.
    "iam:ListRoles",
];

/// What looking calls, before and after.
pub(crate) const OBSERVING: [&str; 10] = [
    "ec2:DescribeAddresses",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVolumes",
    "ec2:DescribeVpcs",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroups",
];
