//! All settings together.

use eks_core::{AuthenticationMode, Problems};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{
    AutoMode, Components, EgressMode, Encryption, IpFamily, RemoteNetworks, ScalingTier, auto_mode, component, encryption, remote,
};
use crate::{KubernetesVersion, partition::Partition};

/// What can be said about a control plane beyond its place and who enters it. What is `None` is EKS's default on a new cluster, and
/// stays as it is found on one that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// EKS Auto Mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_mode: Option<AutoMode>,
    /// Parameters of API server, scheduler and controller manager.
    #[serde(default, skip_serializing_if = "Components::is_default")]
    pub components: Components,
    /// The way of the control plane's own requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<EgressMode>,
    /// The key of envelope encryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Addresses of Pods and Services.
    #[serde(default)]
    pub ip_family: IpFamily,
    /// Networks of hybrid nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_networks: Option<RemoteNetworks>,
    /// Capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<ScalingTier>,
    /// Whether traffic may be shifted away from a zone (Amazon Application Recovery Controller).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zonal_shift: Option<bool>,
}

/// What settings must fit.
pub(crate) struct Around<'a> {
    pub(crate) version: KubernetesVersion,
    pub(crate) region: &'a str,
    pub(crate) partition: &'a Partition,
    pub(crate) authentication: AuthenticationMode,
    pub(crate) bootstrap_self_managed: Option<bool>,
    pub(crate) vpc: &'a [Ipv4Net],
    pub(crate) service_cidr: Option<Ipv4Net>,
}

impl Settings {
    pub(crate) fn check(&self, around: &Around<'_>, problems: &mut Problems) {
        if self.ip_family == IpFamily::Ipv6 {
            if around.partition.name == "aws-cn" {
                problems.add("ip-family-china", "IP family ipv6", "is not there in the Regions of China", "choose IPv4");
            }
            if around.service_cidr.is_some() {
                let rule = "with the IPv6 family EKS chooses it, inside fc00::/7";
                problems.add("service-cidr-ipv6", "service CIDR", rule, "leave it out, or choose IPv4");
            }
        }
        if let Some(key) = self.encryption.as_ref().and_then(Encryption::key) {
            encryption::check(key, around.region, around.partition.name, problems);
        }
        if let Some(mode) = &self.auto_mode {
            let around = auto_mode::Around {
                minor: around.version.minor(),
                authentication: around.authentication,
                bootstrap_self_managed: around.bootstrap_self_managed,
                partition: around.partition,
            };
            auto_mode::check(mode, &around, problems);
        }
        if let Some(networks) = &self.remote_networks {
            let around = remote::Around {
                family: self.ip_family,
                authentication: around.authentication,
                vpc: around.vpc,
                services: around.service_cidr,
            };
            remote::check(networks, &around, problems);
        }
        component::check(&self.components, around.version.minor(), self.tier.unwrap_or_default(), problems);
    }

    /// Whether EKS Auto Mode is asked for.
    pub fn has_auto_mode(&self) -> bool {
        self.auto_mode.as_ref().is_some_and(AutoMode::is_on)
    }
}
