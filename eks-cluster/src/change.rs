//! What can change about a control plane in place, one kind at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use eks_core::{AuthenticationMode, Ref, SecurityGroupId, SubnetId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    AutoMode, Components, EgressMode, Encryption, Endpoint, KmsKeyArn, LogType, ObservedCluster, RemoteNetworks, ScalingTier, UpgradePolicy,
};

/// One configuration update; public run logs.
pub(crate) const UPDATE_TYPICAL: Duration = Duration::from_secs(40);
/// "Takes about 10 minutes": Amazon EKS User Guide, "Configuring control plane egress routing". For a key it is an assumption.
const LONG_UPDATE_TYPICAL: Duration = Duration::from_secs(600);

/// One kind of change to a control plane. Each call changes one kind of thing, and EKS takes no other before it has ended (EKS API
/// Reference, UpdateClusterConfig).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClusterChange {
    /// Where EKS looks for who may enter; forward only.
    Authentication(AuthenticationMode),
    /// EKS Auto Mode: compute, block storage and load balancing together.
    AutoMode(AutoMode),
    /// Parameters of API server, scheduler and controller manager: those that differ.
    Components(Components),
    /// Whether DeleteCluster is refused.
    DeletionProtection(bool),
    /// The way of the control plane's own requests; never back.
    Egress(EgressMode),
    /// A customer's key for envelope encryption; never taken away. It has a call of its own.
    Encryption(KmsKeyArn),
    /// From where the API is reachable.
    Endpoint {
        /// From where.
        endpoint: Endpoint,
        /// Blocks that reach the public endpoint.
        public_access_cidrs: BTreeSet<IpNet>,
    },
    /// Logs that are on; the others are off.
    Logging(BTreeSet<LogType>),
    /// Where the control plane's network interfaces are, and their groups.
    Placement {
        /// Subnets, in the zones that the cluster has.
        subnets: Vec<Ref<SubnetId>>,
        /// Groups, beside the one that EKS made.
        security_groups: Vec<Ref<SecurityGroupId>>,
    },
    /// Networks of hybrid nodes; none takes them away.
    RemoteNetworks(RemoteNetworks),
    /// Capacity.
    ScalingTier(ScalingTier),
    /// Tags that are missing or have another value. They have a call of their own.
    Tags(BTreeMap<String, String>),
    /// What happens at the end of standard support.
    UpgradePolicy(UpgradePolicy),
    /// Whether traffic may be shifted away from a zone.
    ZonalShift(bool),
}

impl ClusterChange {
    /// IAM actions that it needs.
    pub(crate) fn iam_actions(&self) -> &'static [&'static str] {
        match self {
            Self::Tags(_) => &["eks:TagResource"],
            Self::Encryption(_) => &["eks:AssociateEncryptionConfig", "eks:DescribeUpdate", "kms:CreateGrant", "kms:DescribeKey"],
            Self::AutoMode(AutoMode::On { .. }) => &["eks:UpdateClusterConfig", "eks:DescribeUpdate", "iam:PassRole"],
            _ => &["eks:UpdateClusterConfig", "eks:DescribeUpdate"],
        }
    }

    /// How long it typically takes.
    pub(crate) fn typical(&self) -> Duration {
        match self {
            Self::Tags(_) => Duration::from_secs(1),
            Self::Egress(_) | Self::Encryption(_) => LONG_UPDATE_TYPICAL,
            _ => UPDATE_TYPICAL,
        }
    }

    /// What changes, field by field: `endpoint: public → private`.
    pub(crate) fn lines(&self, found: &ObservedCluster) -> Vec<String> {
        let settings = &found.settings;
        let arrow = |field: &str, from: String, to: String| format!("{field}: {from} → {to}");
        match self {
            Self::Authentication(mode) => {
                // The second of two hops starts where the first ends.
                let from = if rank(*mode) == 2 { AuthenticationMode::ApiAndConfigMap } else { AuthenticationMode::ConfigMap };
                vec![arrow("authentication mode", from.as_str().to_owned(), mode.as_str().to_owned())]
            }
            Self::AutoMode(mode) => {
                vec![arrow("Auto Mode", settings.auto_mode.as_ref().map_or("off".to_owned(), ToString::to_string), mode.to_string())]
            }
            Self::Components(components) => {
                let before: BTreeMap<_, _> = settings.components.said().into_iter().collect();
                let from = |name: &str| before.get(name).cloned().unwrap_or_else(|| "not told".to_owned());
                components.said().into_iter().map(|(name, to)| arrow(name, from(name), to)).collect()
            }
            Self::DeletionProtection(on) => vec![arrow("deletion protection", on_off(!on), on_off(*on))],
            Self::Egress(mode) => vec![arrow("egress mode", settings.egress.unwrap_or_default().to_string(), mode.to_string())],
            Self::Encryption(key) => {
                let from = settings.encryption.as_ref().map_or_else(|| Encryption::AwsOwned.to_string(), ToString::to_string);
                vec![arrow("encryption", from, key.to_string())]
            }
            Self::Endpoint { endpoint, public_access_cidrs } => {
                let mut lines = Vec::new();
                if found.endpoint != *endpoint {
                    lines.push(arrow("endpoint", found.endpoint.to_string(), endpoint.to_string()));
                }
                if endpoint.is_public() && found.public_access_cidrs != *public_access_cidrs {
                    lines.push(arrow("public access CIDRs", list(&found.public_access_cidrs), list(public_access_cidrs)));
                }
                lines
            }
            Self::Logging(logs) => vec![arrow("logging", names(&found.logging), names(logs))],
            Self::Placement { subnets, security_groups } => {
                let mut lines = Vec::new();
                if !are(subnets, &found.subnets) {
                    lines.push(arrow("subnets", list(&found.subnets), list(subnets)));
                }
                if !are(security_groups, &found.security_groups) {
                    lines.push(arrow("security groups", list(&found.security_groups), list(security_groups)));
                }
                lines
            }
            Self::RemoteNetworks(networks) => {
                vec![arrow("remote networks", settings.remote_networks.clone().unwrap_or_default().to_string(), networks.to_string())]
            }
            Self::ScalingTier(tier) => vec![arrow("scaling tier", settings.tier.unwrap_or_default().to_string(), tier.to_string())],
            Self::Tags(tags) => {
                let from = |key: &String| found.tags.get(key).map_or("none", String::as_str).to_owned();
                tags.iter().map(|(key, value)| arrow(&format!("tag {key}"), from(key), value.clone())).collect()
            }
            Self::UpgradePolicy(policy) => {
                vec![arrow(
                    "upgrade policy",
                    found.upgrade_policy.map_or("not told", UpgradePolicy::as_str).to_owned(),
                    policy.as_str().to_owned(),
                )]
            }
            Self::ZonalShift(on) => vec![arrow("zonal shift", on_off(!on), on_off(*on))],
        }
    }

    /// As it is sent: with what stands beside it in the cluster.
    #[cfg(feature = "aws")]
    pub(crate) fn with_siblings(&self, cluster: &ObservedCluster) -> Self {
        match self {
            Self::Components(components) => Self::Components(components.clone().with_siblings(&cluster.settings.components)),
            other => other.clone(),
        }
    }

    /// Whether a cluster is so already. References must be resolved before.
    #[cfg(feature = "aws")]
    pub(crate) fn is_made(&self, cluster: &ObservedCluster) -> bool {
        let settings = &cluster.settings;
        match self {
            Self::Authentication(mode) => cluster.authentication.is_some_and(|found| rank(found) >= rank(*mode)),
            Self::AutoMode(mode) => mode.is_met_by(settings.auto_mode.as_ref().unwrap_or(&AutoMode::Off)),
            Self::Components(components) => components.beyond(&settings.components).is_default(),
            Self::DeletionProtection(on) => cluster.deletion_protection == *on,
            Self::Egress(mode) => settings.egress.unwrap_or_default() == *mode,
            Self::Encryption(key) => settings.encryption.as_ref().and_then(Encryption::key) == Some(key),
            Self::Endpoint { endpoint, public_access_cidrs } => {
                cluster.endpoint == *endpoint && (!endpoint.is_public() || cluster.public_access_cidrs == *public_access_cidrs)
            }
            Self::Logging(logs) => cluster.logging == *logs,
            Self::Placement { subnets, security_groups } => {
                are(subnets, &cluster.subnets) && are(security_groups, &cluster.security_groups)
            }
            Self::RemoteNetworks(networks) => settings.remote_networks.clone().unwrap_or_default() == *networks,
            Self::ScalingTier(tier) => settings.tier.unwrap_or_default() == *tier,
            Self::Tags(tags) => tags.iter().all(|(key, value)| cluster.tags.get(key) == Some(value)),
            Self::UpgradePolicy(policy) => cluster.upgrade_policy == Some(*policy),
            Self::ZonalShift(on) => settings.zonal_shift.unwrap_or_default() == *on,
        }
    }
}

/// For people, in a few words: what is waited for.
impl fmt::Display for ClusterChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authentication(mode) => write!(f, "authentication mode {}", mode.as_str()),
            Self::AutoMode(mode) => write!(f, "Auto Mode {mode}"),
            Self::Components(components) => write!(f, "{components}"),
            Self::DeletionProtection(on) => write!(f, "deletion protection {}", on_off(*on)),
            Self::Egress(mode) => write!(f, "egress mode {mode}"),
            Self::Encryption(key) => write!(f, "encryption with {key}"),
            Self::Endpoint { endpoint, .. } => write!(f, "endpoint {endpoint}"),
            Self::Logging(logs) => write!(f, "logging {}", names(logs)),
            Self::Placement { .. } => f.write_str("subnets and security groups"),
            Self::RemoteNetworks(networks) => write!(f, "remote networks {networks}"),
            Self::ScalingTier(tier) => write!(f, "scaling tier {tier}"),
            Self::Tags(tags) => write!(f, "tags {}", list(tags.keys())),
            Self::UpgradePolicy(policy) => write!(f, "upgrade policy {}", policy.as_str()),
            Self::ZonalShift(on) => write!(f, "zonal shift {}", on_off(*on)),
        }
    }
}

/// Whether references are exactly these ids; one that is not known yet is none of them.
pub(crate) fn are<T: AsRef<str>>(wanted: &[Ref<T>], found: &BTreeSet<String>) -> bool {
    wanted.len() == found.len() && wanted.iter().all(|id| id.known().is_some_and(|id| found.contains(id.as_ref())))
}

fn on_off(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

fn names(logs: &BTreeSet<LogType>) -> String {
    list(logs.iter().map(|log| log.as_str()))
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// Modes in the order in which EKS allows them to follow one another.
pub(crate) fn rank(mode: AuthenticationMode) -> u8 {
    match mode {
        AuthenticationMode::ConfigMap => 0,
        AuthenticationMode::ApiAndConfigMap => 1,
        _ => 2,
    }
}
