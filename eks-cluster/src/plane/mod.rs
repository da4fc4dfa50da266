//! What can be set about a control plane beside where it stands and who enters it, its health, and what is looked at before it
//! is made.

mod auto_mode;
#[cfg(test)]
mod check_tests;
mod component;
mod egress;
mod encryption;
mod health;
mod ip_family;
mod preflight;
mod remote;
mod settings;
mod tier;
mod zones;

#[cfg(feature = "aws")]
pub(crate) use self::component::seconds as component_seconds;
pub(crate) use self::{auto_mode::CLUSTER_POLICIES as AUTO_MODE_CLUSTER_POLICIES, settings::Around as SettingsAround};
pub use self::{
    auto_mode::{AutoMode, NodePool},
    component::{Components, ScoringStrategy},
    egress::EgressMode,
    encryption::{Encryption, KmsKeyArn, KmsKeyArnError},
    health::HealthIssue,
    ip_family::IpFamily,
    preflight::{Preflight, SubnetFacts},
    remote::RemoteNetworks,
    settings::Settings,
    tier::ScalingTier,
    zones::UnsupportedZones,
};
