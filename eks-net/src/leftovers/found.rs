//! One thing that a cluster may have left, as plain data.

use std::collections::BTreeSet;

use eks_core::VpcId;
use serde::{Deserialize, Serialize};

use crate::tags::Tags;

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LeftoverKind {
    /// A classic load balancer, by name.
    ClassicLoadBalancer,
    /// A network load balancer, by ARN.
    NetworkLoadBalancer,
    /// An application load balancer, by ARN.
    ApplicationLoadBalancer,
    /// A target group, by ARN.
    TargetGroup,
    /// A security group.
    SecurityGroup,
    /// A network interface that the VPC CNI, or the controller of Pods' security groups, made.
    Interface,
    /// A network interface that EKS holds for a control plane, and lets go of itself.
    ControlPlaneInterface,
    /// An EBS volume.
    Volume,
    /// An instance of EKS Auto Mode, which EKS terminates with its cluster.
    Instance,
    /// A launch template: EKS's copy for a managed node group.
    LaunchTemplate,
    /// An elastic IP address.
    Address,
}

impl LeftoverKind {
    /// What it is called in a verdict.
    pub fn title(self) -> &'static str {
        match self {
            Self::ClassicLoadBalancer => "classic load balancer",
            Self::NetworkLoadBalancer => "network load balancer",
            Self::ApplicationLoadBalancer => "application load balancer",
            Self::TargetGroup => "target group",
            Self::SecurityGroup => "security group",
            Self::Interface | Self::ControlPlaneInterface => "network interface",
            Self::Volume => "EBS volume",
            Self::Instance => "instance",
            Self::LaunchTemplate => "launch template",
            Self::Address => "elastic IP address",
        }
    }

    /// Its word in keys.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ClassicLoadBalancer | Self::NetworkLoadBalancer | Self::ApplicationLoadBalancer => "load-balancer",
            Self::TargetGroup => "target-group",
            Self::SecurityGroup => "security-group",
            Self::Interface => "interface",
            Self::ControlPlaneInterface => "control-plane-interface",
            Self::Volume => "volume",
            Self::Instance => "instance",
            Self::LaunchTemplate => "launch-template",
            Self::Address => "elastic-ip",
        }
    }

    /// Whether it is a load balancer.
    pub fn is_load_balancer(self) -> bool {
        matches!(self, Self::ClassicLoadBalancer | Self::NetworkLoadBalancer | Self::ApplicationLoadBalancer)
    }

    /// Whether this layer deletes it, or waits until EKS has.
    pub(crate) fn is_removed(self) -> bool {
        self.is_load_balancer() || matches!(self, Self::TargetGroup | Self::SecurityGroup | Self::Interface | Self::ControlPlaneInterface)
    }

    /// The line of the AWS CLI that deletes it.
    pub(crate) fn command(self, id: &str, region: &str) -> String {
        let command = match self {
            Self::ClassicLoadBalancer => format!("aws elb delete-load-balancer --load-balancer-name {id}"),
            Self::NetworkLoadBalancer | Self::ApplicationLoadBalancer => {
                format!("aws elbv2 delete-load-balancer --load-balancer-arn {id}")
            }
            Self::TargetGroup => format!("aws elbv2 delete-target-group --target-group-arn {id}"),
            Self::SecurityGroup => format!("aws ec2 delete-security-group --group-id {id}"),
            Self::Interface => format!("aws ec2 delete-network-interface --network-interface-id {id}"),
            Self::ControlPlaneInterface => {
                format!(
                    "EKS deletes it itself, minutes after its cluster: aws ec2 describe-network-interfaces --network-interface-ids {id}"
                )
            }
            Self::Volume => format!("aws ec2 delete-volume --volume-id {id}"),
            Self::Instance => format!("aws ec2 terminate-instances --instance-ids {id}"),
            Self::LaunchTemplate => format!("aws ec2 delete-launch-template --launch-template-id {id}"),
            Self::Address => format!("aws ec2 release-address --allocation-id {id}"),
        };
        format!("{command} --region {region}")
    }
}

/// One thing that carries a cluster's name.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "plain data that tests and other observers build")]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// Its id, ARN, or name.
    pub id: String,
    /// Its name, or what AWS says of it.
    pub name: String,
    /// Where it lies, if it lies in a VPC.
    pub vpc: Option<VpcId>,
    /// When it was made, in seconds since 1970, where AWS tells it.
    pub since: Option<i64>,
    /// `available`, `in-use`, …; empty where there is none.
    pub state: String,
    /// Security groups of a load balancer or interface; load balancers of a target group.
    pub uses: BTreeSet<String>,
    /// Its tags.
    pub tags: Tags,
    /// What it costs.
    pub usd_per_month: f64,
}

impl Leftover {
    /// The clusters that it says it is of, by the tags of everything that makes things for clusters: the cloud provider, the AWS Load
    /// Balancer Controller, the VPC CNI, the EBS CSI driver, EKS Auto Mode, managed node groups, EKS itself; and an interface of a
    /// control plane by its description.
    pub fn clusters(&self) -> BTreeSet<&str> {
        const BY_VALUE: [&str; 6] = [
            "aws:eks:cluster-name",
            "cluster.k8s.amazonaws.com/name",
            "ebs.csi.aws.com/cluster-name",
            "eks:cluster-name",
            "eks:eks-cluster-name",
            "elbv2.k8s.aws/cluster",
        ];
        let mut clusters: BTreeSet<&str> = BTreeSet::new();
        for (key, value) in &self.tags {
            match key.strip_prefix("kubernetes.io/cluster/") {
                // `shared` is on what users made for several clusters: subnets.
                Some(name) if value == "owned" => drop(clusters.insert(name)),
                None if BY_VALUE.contains(&key.as_str()) => drop(clusters.insert(value)),
                _ => {}
            }
        }
        if self.kind == LeftoverKind::ControlPlaneInterface {
            clusters.extend(self.name.strip_prefix("Amazon EKS "));
        }
        clusters
    }

    /// Whether EKS made it: nobody else can write such a tag.
    pub(crate) fn is_of_eks(&self) -> bool {
        self.tags.contains_key("aws:eks:cluster-name")
    }

    /// The object that it was made for: `default/nginx`, the load balancer's Service or Ingress, or the volume's claim.
    pub fn made_for(&self) -> Option<String> {
        if self.kind == LeftoverKind::Volume {
            let part = |name: &str| self.tags.get(&format!("kubernetes.io/created-for/pvc/{name}"));
            return Some(format!("{}/{}", part("namespace")?, part("name")?));
        }
        [
            "kubernetes.io/service-name",
            "service.k8s.aws/stack",
            "ingress.k8s.aws/stack",
            "service.eks.amazonaws.com/stack",
            "ingress.eks.amazonaws.com/stack",
        ]
        .iter()
        .find_map(|key| self.tags.get(*key))
        .cloned()
    }

    /// With its name, where the id alone says nothing.
    pub(crate) fn told(&self) -> String {
        match (self.kind, self.made_for()) {
            (LeftoverKind::Volume, Some(claim)) => format!("claim {claim}"),
            (
                LeftoverKind::TargetGroup | LeftoverKind::SecurityGroup | LeftoverKind::Interface | LeftoverKind::ControlPlaneInterface,
                _,
            ) => self.name.clone(),
            (_, Some(object)) => format!("of {object}"),
            (_, None) => self.name.clone(),
        }
    }
}
