//! Words of AWS and Kubernetes: enumerations, and texts that check themselves.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is read as a `T`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<T>(pub(crate) T);

/// An owner, read as any other text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OwnerName(pub(crate) eks_core::Owner);

impl FromStr for OwnerName {
    type Err = eks_core::OwnerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        eks_core::Owner::new(text).map(Self)
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a text looks.
#[cfg_attr(not(feature = "schema"), expect(dead_code, reason = "the JSON Schema tells it"))]
pub(crate) trait Worded {
    /// Name of its definition in the JSON Schema.
    const NAME: &'static str;
    /// A regular expression that every such text matches.
    const PATTERN: &'static str;
    /// One such text.
    const EXAMPLE: &'static str;
}

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl<T: Worded> schemars::JsonSchema for Text<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": T::PATTERN, "examples": [T::EXAMPLE] })
    }
}

macro_rules! worded {
    ($($type:ty: $name:literal, $pattern:literal, $example:literal;)+) => {$(
        impl Worded for $type {
            const NAME: &'static str = $name;
            const PATTERN: &'static str = $pattern;
            const EXAMPLE: &'static str = $example;
        }
    )+};
}

worded! {
    OwnerName: "Owner", "^[a-z0-9][a-z0-9-]*$", "shop";
    eks_core::Region: "Region", "^[a-z]+(-[a-z]+)+-[0-9]+$", "us-east-1";
    eks_core::ZoneName: "ZoneName", "^[a-z]+(-[a-z0-9]+)+[a-z]$", "us-east-1a";
    eks_core::ClusterName: "ClusterName", "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$", "shop";
    eks_core::StackName: "StackName", "^[A-Za-z][A-Za-z0-9-]{0,127}$", "shop-web";
    eks_core::RoleArn: "RoleArn", "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", "arn:aws:iam::123456789012:role/platform";
    eks_core::AmiId: "AmiId", "^ami-([0-9a-f]{8}|[0-9a-f]{17})$", "ami-0123456789abcdef0";
    eks_core::SecurityGroupId: "SecurityGroupId", "^sg-([0-9a-f]{8}|[0-9a-f]{17})$", "sg-0123456789abcdef0";
    eks_cluster::KubernetesVersion: "KubernetesVersion", "^1\\.[0-9]+$", "1.36";
    eks_cluster::KmsKeyArn: "KmsKeyArn", "^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$",
        "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    eks_cluster::Date: "Date", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2026-11-22";
    ipnet::Ipv4Net: "Ipv4Block", "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$", "10.0.0.0/16";
    std::net::IpAddr: "IpAddress", "^[0-9a-fA-F.:]+$", "172.20.0.10";
}

/// An enumeration of a layer under the words of its service.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident => $target:ty { $($(#[$inner:meta])* $variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub(crate) enum $name {
            $($(#[$inner])* #[serde(rename = $word)] $variant,)+
        }

        impl From<$name> for $target {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant,)+ }
            }
        }
    )+};
}

words! {
    /// Where a subnet's default route leads.
    Tier => eks_core::Tier {
        /// To an internet gateway.
        Public = "public",
        /// To a NAT gateway, if there is one.
        Private = "private",
        /// Nowhere.
        Intra = "intra",
    }
    /// What a plan may mend about a network of others.
    Fix => eks_net::Fix {
        /// DNS support and DNS hostnames of the VPC.
        Dns = "dns",
        /// Tags of subnets, for load balancers.
        Tags = "tags",
        /// Public addresses of new instances in public subnets.
        PublicAddresses = "publicAddresses",
        /// Default routes of public subnets.
        Routes = "routes",
    }
    /// Where EKS looks for who may enter.
    AuthenticationMode => eks_core::AuthenticationMode {
        /// Access entries only.
        Api = "API",
        /// Access entries, then the ConfigMap aws-auth.
        ApiAndConfigMap = "API_AND_CONFIG_MAP",
        /// The ConfigMap aws-auth only.
        ConfigMap = "CONFIG_MAP",
    }
    /// From where the API server is reachable.
    Endpoint => eks_cluster::Endpoint {
        /// From the internet.
        Public = "public",
        /// From the VPC.
        Private = "private",
        /// From both.
        Both = "both",
    }
    /// Control-plane logs.
    LogType => eks_cluster::LogType {
        Api = "api",
        Audit = "audit",
        Authenticator = "authenticator",
        ControllerManager = "controllerManager",
        Scheduler = "scheduler",
    }
    /// What happens at the end of standard support.
    UpgradePolicy => eks_cluster::UpgradePolicy {
        /// Extended support, at its price.
        Extended = "EXTENDED",
        /// An upgrade.
        Standard = "STANDARD",
    }
    /// Addresses of Pods and Services.
    IpFamily => eks_cluster::IpFamily { Ipv4 = "ipv4", Ipv6 = "ipv6" }
    /// Capacity of the control plane.
    ScalingTier => eks_cluster::ScalingTier {
        Standard = "standard",
        Xl = "tier-xl",
        Xl2 = "tier-2xl",
        Xl4 = "tier-4xl",
        Xl8 = "tier-8xl",
    }
    /// The way of the control plane's own requests.
    EgressMode => eks_cluster::EgressMode {
        AwsManaged = "AWS_MANAGED",
        CustomerRouted = "CUSTOMER_ROUTED",
        CustomerIsolated = "CUSTOMER_ISOLATED",
    }
    /// Node pools of Auto Mode.
    NodePool => eks_cluster::NodePool { GeneralPurpose = "general-purpose", System = "system" }
    /// How the scheduler weighs what nodes have left.
    ScoringStrategy => eks_cluster::ScoringStrategy { LeastAllocated = "LeastAllocated", MostAllocated = "MostAllocated" }
    /// Types of access entries.
    AccessType => eks_cluster::AccessType {
        Standard = "STANDARD",
        Ec2Linux = "EC2_LINUX",
        Ec2Windows = "EC2_WINDOWS",
        FargateLinux = "FARGATE_LINUX",
        Ec2 = "EC2",
        HybridLinux = "HYBRID_LINUX",
        HyperpodLinux = "HYPERPOD_LINUX",
    }
    /// What an add-on does with fields that others have set.
    Conflicts => eks_cluster::Conflicts { None = "NONE", Overwrite = "OVERWRITE", Preserve = "PRESERVE" }
    /// What is asked of managed and Fargate nodes before an upgrade's hop.
    ManagedNodes => eks_cluster::upgrade::ManagedNodes {
        /// They may lag behind as Kubernetes allows.
        MayLag = "mayLag",
        /// They must be of the cluster's version first.
        MatchFirst = "matchFirst",
    }
    /// Architecture of machines.
    Architecture => eks_nodes::Architecture { Arm64 = "arm64", X86_64 = "x86_64" }
    /// Where Spot instances come from.
    SpotAllocation => eks_nodes::SpotAllocation {
        CapacityOptimized = "capacity-optimized",
        CapacityOptimizedPrioritized = "capacity-optimized-prioritized",
        LowestPrice = "lowest-price",
        PriceCapacityOptimized = "price-capacity-optimized",
    }
    /// When a lifecycle hook holds an instance.
    Transition => eks_nodes::Transition {
        Launching = "autoscaling:EC2_INSTANCE_LAUNCHING",
        Terminating = "autoscaling:EC2_INSTANCE_TERMINATING",
    }
    /// How nodes' role is let into the cluster.
    RoleMapping => eks_nodes::RoleMapping {
        /// By an access entry of type EC2_LINUX.
        AccessEntry = "accessEntry",
        /// By the ConfigMap aws-auth.
        AwsAuth = "awsAuth",
        /// Elsewhere.
        None = "none",
    }
    /// What a taint does.
    TaintEffect => eks_nodes::TaintEffect {
        NoExecute = "NoExecute",
        NoSchedule = "NoSchedule",
        PreferNoSchedule = "PreferNoSchedule",
    }
    /// What is reserved on a node.
    ReservedResource => eks_nodes::ReservedResource { Cpu = "cpu", EphemeralStorage = "ephemeral-storage", Memory = "memory" }
    /// What a kubelet watches.
    EvictionSignal => eks_nodes::EvictionSignal {
        ImagefsAvailable = "imagefs.available",
        ImagefsInodesFree = "imagefs.inodesFree",
        MemoryAvailable = "memory.available",
        NodefsAvailable = "nodefs.available",
        NodefsInodesFree = "nodefs.inodesFree",
        PidAvailable = "pid.available",
    }
    /// What becomes of disks of an instance's own.
    LocalStorage => eks_nodes::LocalStorage { Mount = "Mount", Raid0 = "RAID0", Raid10 = "RAID10" }
    /// Releases of Ubuntu.
    UbuntuRelease => eks_nodes::UbuntuRelease { Focal = "20.04", Jammy = "22.04", Noble = "24.04", Resolute = "26.04" }
    /// Releases of Windows Server.
    WindowsRelease => eks_nodes::WindowsRelease { Server2019 = "2019", Server2022 = "2022", Server2025 = "2025" }
    /// Installations of Windows Server.
    WindowsInstallation => eks_nodes::WindowsInstallation { Core = "Core", Full = "Full" }
    /// How EKS replaces managed nodes.
    UpdateStrategy => eks_nodes::UpdateStrategy { Default = "DEFAULT", Minimal = "MINIMAL" }
    /// Kinds of a template's volumes.
    NodeVolumeType => eks_nodes::VolumeType { Gp2 = "gp2", Gp3 = "gp3" }
    /// How Amazon's template lets nodes in.
    TemplateAuthentication => eks_nodes::TemplateAuthentication {
        ConfigMap = "ConfigMap",
        EksApi = "EKS API",
        EksApiAndConfigMap = "EKS API and ConfigMap",
    }
    /// Kinds of EBS volumes.
    VolumeType => eks_k8s::VolumeType {
        Gp2 = "gp2", Gp3 = "gp3", Io1 = "io1", Io2 = "io2", Sc1 = "sc1", Standard = "standard", St1 = "st1",
    }
    /// Who makes volumes or load balancers.
    MadeBy => eks_k8s::Controller {
        /// EKS Auto Mode.
        AutoMode = "autoMode",
        /// Kubernetes' cloud provider.
        CloudProvider = "cloudProvider",
        /// The AWS Load Balancer Controller.
        LoadBalancerController = "awsLoadBalancerController",
    }
    /// When a volume is made.
    Binding => eks_k8s::Binding { Immediate = "Immediate", WaitForFirstConsumer = "WaitForFirstConsumer" }
    /// What becomes of a volume whose claim goes.
    Reclaim => eks_k8s::Reclaim { Delete = "Delete", Retain = "Retain" }
    /// Who mounts a volume.
    AccessMode => eks_k8s::AccessMode { ReadWriteOnce = "ReadWriteOnce", ReadWriteOncePod = "ReadWriteOncePod" }
    /// Protocols of a Service's port.
    PortProtocol => eks_k8s::PortProtocol { Tcp = "TCP", TcpUdp = "TCP_UDP", Udp = "UDP" }
    /// What a load balancer sends to.
    TargetType => eks_k8s::TargetType { Instance = "instance", Ip = "ip" }
    /// How a load balancer talks to Pods.
    BackendProtocol => eks_k8s::BackendProtocol { Http = "http", Https = "https", Ssl = "ssl", Tcp = "tcp" }
    /// Protocols of health checks.
    HealthProtocol => eks_k8s::HealthProtocol { Http = "http", Https = "https", Tcp = "tcp" }
    /// Kinds of load balancers of Services.
    LoadBalancerKind => eks_k8s::LoadBalancerKind { Classic = "classic", Network = "network" }
    /// How an Ingress compares paths.
    PathType => eks_k8s::PathType {
        Exact = "Exact",
        ImplementationSpecific = "ImplementationSpecific",
        Prefix = "Prefix",
    }
}
