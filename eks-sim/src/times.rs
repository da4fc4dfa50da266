//! How long AWS takes. Triangular fits (low, mode, high; seconds) to published run logs.
//!
//! Sources: public Terraform and eksctl run logs of 2023–26 for control planes, NAT gateways, add-ons and deletes; AWS's
//! own words ("several seconds", "30–90 s") where no log was found. Assumptions are marked as such.

/// Something in AWS that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Time {
    /// One API call, request to answer. Assumption.
    Call,
    /// An IAM role or instance profile until every service sees it. AWS: "seconds"; clients retry for up to two minutes.
    IamPropagation,
    /// A block of a VPC or subnet, associating to associated, or disassociating to gone; assumption.
    CidrBlock,
    /// Interface endpoint, pending to available; assumption.
    EndpointCreate,
    /// Interface endpoint, deleting until it and its interfaces are gone; assumption.
    EndpointDelete,
    /// Gateway endpoint, deleting to gone; assumption.
    GatewayEndpointDelete,
    /// Transit gateway, pending to available, or deleting to deleted; assumption.
    TransitGateway,
    /// Transit gateway attachment, pending or modifying to available, or deleting to deleted; assumption.
    TransitAttachment,
    /// A further address of a NAT gateway, until it has it, or has drained it; assumption.
    NatGatewayAddress,
    /// A regional NAT gateway until it is in a new zone. AWS: "up to 60 minutes"; the rest is assumption.
    NatGatewayExpand,
    /// NAT gateway, pending to available. 13 public logs, median 1m54s.
    NatGatewayCreate,
    /// NAT gateway, pending to failed. Assumption.
    NatGatewayFail,
    /// NAT gateway, deleting to deleted. Public logs 1m00s–1m34s.
    NatGatewayDelete,
    /// EKS control plane, CREATING to ACTIVE. eksctl logs of 2024–26.
    ClusterCreate,
    /// EKS control plane, DELETING to gone. Public logs 1m09s–3m48s.
    ClusterDelete,
    /// API server of a cluster that is DELETING, until it answers no more; assumption.
    ClusterApiStop,
    /// Logging, endpoint or network update of a cluster. An eksctl log has 32 s for logging; the rest is assumption.
    ClusterConfigUpdate,
    /// Egress mode of a control plane. User guide: "takes approximately 10 minutes"; the rest is assumption.
    ClusterEgressUpdate,
    /// Encryption of what a cluster stores with another key; assumption.
    ClusterEncryption,
    /// Update of a setting that touches no machine (access mode, deletion protection); assumption.
    ClusterSettingUpdate,
    /// Control plane, one minor up or down. AWS: "several minutes"; public logs of 2023–25 8m29s–9m55s.
    ClusterVersionUpdate,
    /// EKS looks through a cluster for insights; assumption.
    InsightsRefresh,
    /// A rollback's nodes of EKS Auto Mode, before the control plane; assumption.
    AutoModeRollback,
    /// The control plane's network interfaces outlive it. AWS: "minutes"; assumption.
    ClusterInterfaceRelease,
    /// Add-on vpc-cni. Public logs 24–35 s.
    AddonVpcCni,
    /// Add-on kube-proxy. Public logs 4–45 s.
    AddonKubeProxy,
    /// Add-on coredns once nodes exist. Public logs 14–56 s.
    AddonCoreDns,
    /// Add-on aws-ebs-csi-driver. Public logs 45–46 s.
    AddonEbsCsi,
    /// Any other add-on; assumption from metrics-server, 45 s.
    AddonOther,
    /// Add-on removal; assumption.
    AddonDelete,
    /// Managed node group, from the request until its Auto Scaling group or launch template is made. With instances and nodes, public logs
    /// have a group ACTIVE after 1m28s–5m47s, median 2m00s.
    NodegroupSetup,
    /// Managed node group, UPDATING for another setting; assumption.
    NodegroupConfigUpdate,
    /// Managed node group whose nodes never join, until it has failed. User guide: 15 minutes; public logs 20–33 min.
    NodegroupFail,
    /// Managed node group, from its last instance until it is gone; assumption.
    NodegroupCleanup,
    /// An access entry's effect on the API server: "several seconds".
    AccessEntryEffect,
    /// CloudFormation's overhead for each resource; assumption.
    StackResource,
    /// CloudFormation holds a new instance profile for about two minutes; widely reported, no log found: assumption.
    StackInstanceProfile,
    /// Auto Scaling notices that it lacks an instance; assumption.
    ScalingActivity,
    /// Instance, pending to running; assumption.
    InstanceLaunch,
    /// Instance, shutting-down to terminated; assumption.
    InstanceTerminate,
    /// Instance running until the kubelet registers its node. AWS: nodes typically register in 30–90 s.
    NodeRegister,
    /// Registered node until Ready, once the CNI runs; assumption.
    NodeReady,
    /// Instance, stopping to stopped; assumption.
    InstanceStop,
    /// Modified volume until it has its new size. AWS: "usually takes a few seconds"; assumption.
    VolumeModify,
    /// Modified volume, optimizing to completed. AWS: "minutes to hours"; assumption, of a small one.
    VolumeOptimize,
    /// EBS volume, creating to available; assumption.
    VolumeCreate,
    /// Volume attach or detach; assumption.
    VolumeAttach,
    /// Classic load balancer of a Service until its hostname is published: "seconds".
    ClassicLoadBalancer,
    /// Network or application load balancer until its hostname is published: 2–3 minutes.
    NetworkLoadBalancer,
    /// A deleted load balancer's network interfaces until they vanish; assumption.
    LoadBalancerRelease,
    /// A Pod from bound to Running (image pull); assumption.
    PodStart,
    /// Kubernetes controllers react; assumption.
    Controller,
}

impl Time {
    /// Low, mode and high, in seconds.
    pub(crate) fn seconds(self) -> (f64, f64, f64) {
        match self {
            Self::Call => (0.08, 0.15, 0.45),
            Self::IamPropagation => (4.0, 7.0, 14.0),
            Self::CidrBlock => (1.0, 3.0, 8.0),
            Self::EndpointCreate => (30.0, 60.0, 120.0),
            Self::EndpointDelete => (15.0, 60.0, 150.0),
            Self::GatewayEndpointDelete => (1.0, 3.0, 10.0),
            Self::TransitGateway => (60.0, 90.0, 180.0),
            Self::TransitAttachment => (20.0, 60.0, 120.0),
            Self::NatGatewayAddress => (5.0, 15.0, 40.0),
            Self::NatGatewayExpand => (300.0, 1200.0, 3600.0),
            Self::NatGatewayCreate => (85.0, 114.0, 125.0),
            Self::NatGatewayFail => (5.0, 15.0, 30.0),
            Self::NatGatewayDelete => (60.0, 80.0, 94.0),
            Self::ClusterCreate => (340.0, 390.0, 480.0),
            Self::ClusterDelete => (69.0, 175.0, 228.0),
            Self::ClusterApiStop => (2.0, 4.0, 8.0),
            Self::ClusterConfigUpdate => (30.0, 90.0, 400.0),
            Self::ClusterEgressUpdate => (480.0, 600.0, 900.0),
            Self::ClusterEncryption => (300.0, 600.0, 1500.0),
            Self::ClusterSettingUpdate => (5.0, 15.0, 30.0),
            Self::ClusterVersionUpdate => (509.0, 544.0, 595.0),
            Self::InsightsRefresh => (15.0, 40.0, 90.0),
            Self::AutoModeRollback => (300.0, 600.0, 1800.0),
            Self::ClusterInterfaceRelease => (20.0, 60.0, 150.0),
            Self::AddonVpcCni => (24.0, 29.0, 35.0),
            Self::AddonKubeProxy => (4.0, 20.0, 45.0),
            Self::AddonCoreDns => (14.0, 30.0, 56.0),
            Self::AddonEbsCsi => (45.0, 45.5, 46.0),
            Self::AddonOther => (30.0, 45.0, 50.0),
            Self::AddonDelete => (5.0, 15.0, 30.0),
            Self::NodegroupSetup => (10.0, 18.0, 40.0),
            Self::NodegroupConfigUpdate => (5.0, 15.0, 40.0),
            Self::NodegroupFail => (900.0, 1260.0, 1980.0),
            Self::NodegroupCleanup => (5.0, 15.0, 30.0),
            Self::AccessEntryEffect => (3.0, 5.0, 9.0),
            Self::StackResource => (1.0, 2.0, 4.0),
            Self::StackInstanceProfile => (110.0, 120.0, 130.0),
            Self::ScalingActivity => (2.0, 5.0, 10.0),
            Self::InstanceLaunch => (12.0, 20.0, 35.0),
            Self::InstanceTerminate => (30.0, 45.0, 60.0),
            Self::NodeRegister => (30.0, 50.0, 90.0),
            Self::NodeReady => (8.0, 12.0, 20.0),
            Self::InstanceStop => (15.0, 30.0, 60.0),
            Self::VolumeModify => (2.0, 5.0, 10.0),
            Self::VolumeOptimize => (60.0, 300.0, 900.0),
            Self::VolumeCreate => (2.0, 4.0, 8.0),
            Self::VolumeAttach => (2.0, 4.0, 8.0),
            Self::ClassicLoadBalancer => (3.0, 5.0, 10.0),
            Self::NetworkLoadBalancer => (120.0, 150.0, 180.0),
            Self::LoadBalancerRelease => (15.0, 40.0, 90.0),
            Self::PodStart => (3.0, 8.0, 15.0),
            Self::Controller => (0.2, 0.5, 1.0),
        }
    }
}
