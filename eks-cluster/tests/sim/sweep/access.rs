//! Who may enter.

use eks_cluster::{AccessEntry, AccessPolicy, ClusterSpecBuilder};
use eks_core::AuthenticationMode;

use super::{Act, Flow, Stage, survives_every_fault};
use crate::support::Tested;

fn bare(stage: &Stage) -> ClusterSpecBuilder {
    stage.account.builder().no_addons().bootstrap_self_managed_addons(false)
}

fn with_config_map(stage: &Stage) -> ClusterSpecBuilder {
    bare(stage).authentication(AuthenticationMode::ConfigMap)
}

fn developers(stage: &Stage) -> AccessEntry {
    AccessEntry::standard(&stage.developers)
}

#[tokio::test(start_paused = true)]
async fn going_from_the_config_map_to_entries() -> Tested {
    let after = |stage: &Stage| {
        bare(stage).authentication(AuthenticationMode::ApiAndConfigMap).admin(&stage.admin).access_entry(developers(stage).group("dev"))
    };
    survives_every_fault(Flow { before: Some(with_config_map), tamper: None, act: Act::Apply(after) }).await
}

#[tokio::test(start_paused = true)]
async fn changing_every_field_of_an_entry() -> Tested {
    let before = |stage: &Stage| {
        let entry = developers(stage).group("dev").policy(AccessPolicy::cluster_admin()).policy(AccessPolicy::edit());
        bare(stage).access_entry(entry)
    };
    let after = |stage: &Stage| {
        let entry = developers(stage)
            .username("dev:{{SessionName}}")
            .group("on-call")
            .policy(AccessPolicy::edit().in_namespaces(["shop"]))
            .policy(AccessPolicy::view());
        bare(stage).access_entry(entry)
    };
    survives_every_fault(Flow { before: Some(before), tamper: None, act: Act::Apply(after) }).await
}
