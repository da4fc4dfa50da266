//! The control plane of a document.

use std::collections::BTreeMap;

use eks_cluster::{ClusterSpecBuilder, Components, RemoteNetworks, upgrade::UpgradeBuilder};
use serde::{Deserialize, Serialize};

use super::{
    access::AccessEntry,
    addon::{Addon, RemovedAddon},
    identity::{NodeRole, PodRole, Roles},
    words::{
        AuthenticationMode, EgressMode, Endpoint, IpFamily, LogType, ManagedNodes, NodePool, ScalingTier, ScoringStrategy, Text,
        UpgradePolicy,
    },
};

/// The control plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Cluster {
    /// Its name. Default: the owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text<eks_core::ClusterName>>,
    /// Minor version of Kubernetes, in quotes: `"1.36"`.
    pub(crate) version: Text<eks_cluster::KubernetesVersion>,
    /// Names of the network's security groups for the control plane's network interfaces, at most 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) security_groups: Vec<String>,
    /// Where EKS looks for who may enter. Default API_AND_CONFIG_MAP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authentication_mode: Option<AuthenticationMode>,
    /// Whether whoever creates the cluster becomes its administrator. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) creator_admin: Option<bool>,
    /// From where the API server is reachable. Default `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<Endpoint>,
    /// Blocks that reach the public endpoint. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) public_access_cidrs: Vec<String>,
    /// IPv4 block of Services' addresses, /24 to /12. Default: EKS's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_cidr: Option<String>,
    /// Control-plane logs that go to CloudWatch Logs. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) logging: Vec<LogType>,
    /// What happens at the end of standard support. Default: EKS's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upgrade_policy: Option<UpgradePolicy>,
    /// Whether EKS refuses to delete the cluster. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deletion_protection: Option<bool>,
    /// Addresses of Pods and Services. Default `ipv4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ip_family: Option<IpFamily>,
    /// The KMS key of envelope encryption. Default: AWS's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encryption_key: Option<Text<eks_cluster::KmsKeyArn>>,
    /// Whether Amazon Application Recovery Controller may shift traffic away from a zone. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) zonal_shift: Option<bool>,
    /// Capacity of the control plane. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scaling_tier: Option<ScalingTier>,
    /// The way of the control plane's own requests. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) egress: Option<EgressMode>,
    /// EKS Auto Mode. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auto_mode: Option<AutoMode>,
    /// Networks of EKS Hybrid Nodes. Default: as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) remote_networks: Option<Remote>,
    /// Parameters of API server, scheduler and controller manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) components: Option<ComponentSettings>,
    /// The role that the control plane acts under. Default: one of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<ClusterRole>,
    /// More managed policies of the control plane's own role, by ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) role_policies: Vec<String>,
    /// Path and permissions boundary of every role of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) roles: Option<Roles>,
    /// Roles of Pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pod_roles: Vec<PodRole>,
    /// Roles of nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) node_roles: Vec<NodeRole>,
    /// Makes the cluster's issuer an identity provider of the account. Default: if a role needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) oidc_provider: Option<bool>,
    /// Replaces the default add-ons. Default: vpc-cni, kube-proxy, coredns, eks-pod-identity-agent and aws-ebs-csi-driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) addons: Option<Vec<Addon>>,
    /// Add-ons beside the default ones; one of the same name is replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) more_addons: Vec<Addon>,
    /// Add-ons that shall not be there any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed_addons: Vec<RemovedAddon>,
    /// Whether EKS installs vpc-cni, coredns and kube-proxy by itself. Default: unless they are among the add-ons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bootstrap_self_managed_addons: Option<bool>,
    /// Administrators: ARNs of IAM roles or users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) admins: Vec<String>,
    /// Who else may enter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) access_entries: Vec<AccessEntry>,
    /// Tags of the cluster and its roles.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
    /// The day by which support is judged. Default: support is not judged by day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) today: Option<Text<eks_cluster::Date>>,
    /// What an upgrade to this version may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upgrade: Option<Upgrade>,
}

/// EKS Auto Mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AutoMode {
    /// Whether it is on.
    pub(crate) enabled: bool,
    /// Node pools that EKS makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) node_pools: Vec<NodePool>,
    /// The role of the nodes of those pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node_role: Option<Text<eks_core::RoleArn>>,
}

/// Networks of EKS Hybrid Nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Remote {
    /// Blocks of nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) nodes: Vec<Text<ipnet::Ipv4Net>>,
    /// Blocks of Pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pods: Vec<Text<ipnet::Ipv4Net>>,
}

/// Parameters of API server, scheduler and controller manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ComponentSettings {
    /// Minutes for which events are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_minutes: Option<u32>,
    /// Ports of Services of type NodePort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node_ports: Option<PortSpan>,
    /// How the scheduler scores nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scoring: Option<Scoring>,
    /// How many ended Pods are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) terminated_pods: Option<u32>,
    /// Seconds between two looks of the horizontal Pod autoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) autoscaler_seconds: Option<u32>,
}

/// Ports from one to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PortSpan {
    /// The first.
    pub(crate) first: u16,
    /// The last.
    pub(crate) last: u16,
}

/// How the scheduler scores nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Scoring {
    /// What it prefers.
    pub(crate) strategy: ScoringStrategy,
    /// Weights of resources.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) weights: BTreeMap<String, u8>,
}

/// The role of the control plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClusterRole {
    /// A role that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) existing: Option<Text<eks_core::RoleArn>>,
    /// Attaches AmazonEKSServicePolicy, too. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) legacy_service_policy: Option<bool>,
}

/// What an upgrade may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Upgrade {
    /// What is asked of managed and Fargate nodes before a hop. Default `mayLag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) managed_nodes: Option<ManagedNodes>,
    /// Insights in ERROR that are accepted, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accept_insights: Vec<String>,
    /// Accepts every insight. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accept_all_insights: Option<bool>,
    /// The version of the kubectl in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kubectl: Option<Text<eks_cluster::KubernetesVersion>>,
    /// The day by which support is judged. Default: that of the observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) today: Option<Text<eks_cluster::Date>>,
}

impl Cluster {
    /// Says all of it to the builder.
    pub(crate) fn apply(&self, mut builder: ClusterSpecBuilder) -> ClusterSpecBuilder {
        let of = self.clone();
        builder = builder.security_groups(of.security_groups).public_access_cidrs(of.public_access_cidrs);
        builder = builder.logging(of.logging.into_iter().map(Into::into));
        if let Some(mode) = of.authentication_mode {
            builder = builder.authentication(mode.into());
        }
        if let Some(admin) = of.creator_admin {
            builder = builder.creator_admin(admin);
        }
        if let Some(endpoint) = of.endpoint {
            builder = builder.endpoint(endpoint.into());
        }
        if let Some(block) = of.service_cidr {
            builder = builder.service_cidr(block);
        }
        if let Some(policy) = of.upgrade_policy {
            builder = builder.upgrade_policy(policy.into());
        }
        if let Some(on) = of.deletion_protection {
            builder = builder.deletion_protection(on);
        }
        if let Some(date) = of.today {
            builder = builder.today(date.0);
        }
        builder = of.admins.into_iter().fold(builder, ClusterSpecBuilder::admin);
        builder = builder.access_entries(of.access_entries.into_iter().map(AccessEntry::entry));
        builder = of.tags.into_iter().fold(builder, |builder, (key, value)| builder.tag(key, value));
        self.apply_identity(self.apply_addons(self.apply_settings(builder)))
    }

    fn apply_settings(&self, mut builder: ClusterSpecBuilder) -> ClusterSpecBuilder {
        let of = self.clone();
        if let Some(family) = of.ip_family {
            builder = builder.ip_family(family.into());
        }
        if let Some(key) = of.encryption_key {
            builder = builder.encryption(eks_cluster::Encryption::CustomerManaged(key.0));
        }
        if let Some(on) = of.zonal_shift {
            builder = builder.zonal_shift(on);
        }
        if let Some(tier) = of.scaling_tier {
            builder = builder.scaling_tier(tier.into());
        }
        if let Some(mode) = of.egress {
            builder = builder.egress(mode.into());
        }
        if let Some(AutoMode { enabled, node_pools, node_role }) = of.auto_mode {
            builder = builder.auto_mode(match enabled {
                false => eks_cluster::AutoMode::Off,
                true => eks_cluster::AutoMode::On {
                    node_pools: node_pools.into_iter().map(Into::into).collect(),
                    node_role: node_role.map(|role| role.0.into()),
                },
            });
        }
        if let Some(Remote { nodes, pods }) = of.remote_networks {
            let blocks = |list: Vec<Text<ipnet::Ipv4Net>>| list.into_iter().map(|block| block.0).collect::<Vec<_>>();
            builder = builder.remote_networks(RemoteNetworks::new(blocks(nodes), blocks(pods)));
        }
        match of.components {
            Some(components) => builder.components(components.components()),
            None => builder,
        }
    }

    fn apply_addons(&self, mut builder: ClusterSpecBuilder) -> ClusterSpecBuilder {
        let of = self.clone();
        if let Some(addons) = of.addons {
            builder = builder.addons(addons.into_iter().map(Addon::addon).collect());
        }
        builder = of.more_addons.into_iter().map(Addon::addon).fold(builder, ClusterSpecBuilder::addon);
        builder = of.removed_addons.into_iter().map(RemovedAddon::removal).fold(builder, ClusterSpecBuilder::remove_addon);
        of.bootstrap_self_managed_addons.into_iter().fold(builder, ClusterSpecBuilder::bootstrap_self_managed_addons)
    }

    fn apply_identity(&self, mut builder: ClusterSpecBuilder) -> ClusterSpecBuilder {
        let of = self.clone();
        if let Some(role) = of.role {
            let legacy_service_policy = role.legacy_service_policy == Some(true);
            builder = builder.role(match role.existing {
                Some(arn) => eks_cluster::RoleChoice::Existing(arn.0),
                None => eks_cluster::RoleChoice::Own { legacy_service_policy },
            });
        }
        if let Some(roles) = of.roles {
            builder = builder.roles(roles.settings());
        }
        if of.oidc_provider == Some(true) {
            builder = builder.oidc_provider();
        }
        builder = of.role_policies.into_iter().fold(builder, ClusterSpecBuilder::cluster_role_policy);
        builder = of.pod_roles.into_iter().map(PodRole::role).fold(builder, ClusterSpecBuilder::pod_role);
        of.node_roles.into_iter().map(NodeRole::role).fold(builder, ClusterSpecBuilder::node_role)
    }
}

impl ComponentSettings {
    fn components(self) -> Components {
        let mut components = Components::default();
        if let Some(minutes) = self.event_minutes {
            components = components.event_minutes(minutes);
        }
        if let Some(PortSpan { first, last }) = self.node_ports {
            components = components.node_ports(first, last);
        }
        if let Some(Scoring { strategy, weights }) = self.scoring {
            components = components.scoring(strategy.into(), weights);
        }
        if let Some(pods) = self.terminated_pods {
            components = components.terminated_pods(pods);
        }
        self.autoscaler_seconds.into_iter().fold(components, Components::autoscaler_seconds)
    }
}

impl Upgrade {
    pub(crate) fn apply(&self, mut builder: UpgradeBuilder) -> UpgradeBuilder {
        let of = self.clone();
        if let Some(rule) = of.managed_nodes {
            builder = builder.managed_nodes(rule.into());
        }
        builder = of.accept_insights.into_iter().fold(builder, UpgradeBuilder::accept_insight);
        if of.accept_all_insights == Some(true) {
            builder = builder.accept_all_insights();
        }
        if let Some(version) = of.kubectl {
            builder = builder.kubectl(version.0);
        }
        of.today.into_iter().fold(builder, |builder, date| builder.today(date.0))
    }
}
