//! EKS: clusters, their add-ons, access entries and Pod Identity associations, each with its life.

mod access;
mod access_policy;
mod addon;
mod addon_schemas;
mod catalogue;
mod cluster;
mod create;
mod facts;
mod insight;
mod insight_check;
mod insight_refresh;
mod network;
mod nodegroup;
mod params;
mod pod_identity;
mod rollback;
mod route;
mod schema;
mod settings;
mod tags;
mod update;
mod update_config;
mod version;
mod version_update;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub(crate) use self::facts::{
    AccessFacts, ClusterFacts, access, close_doors, cluster, cluster_by_host, nodes_changed, open_doors, pod_role, service_account_role,
    software_installed,
};
use self::params::{Tags, in_use, invalid_parameter, invalid_request, not_found, page, required, strings, tags_by, tags_of, uuid};
pub(crate) use self::route::route;
use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

pub use self::insight::DeprecatedUse;
pub(crate) use self::insight::{enforce_upgrade_insights, use_deprecated_api};

/// The service's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    clusters: BTreeMap<String, cluster::Cluster>,
    /// Clusters that are gone and whose logs are not.
    log_groups: BTreeSet<String>,
    /// Zones that have no room for another control plane.
    full_zones: BTreeSet<String>,
    /// Whether upgrade insights in ERROR refuse an upgrade that is not forced.
    enforces_upgrade_insights: bool,
}

/// From now on a zone has no room for another control plane.
pub(crate) fn exhaust_zone(world: &mut World, zone: &str) {
    world.eks.full_zones.insert(zone.to_owned());
}

pub(crate) fn handle(world: &mut World, caller: &Caller, action: &str, args: &Args) -> Result<Value, ApiError> {
    match action {
        "CreateCluster" => create::create(world, caller, args),
        "DescribeCluster" => cluster::describe(world, args),
        "ListClusters" => cluster::list(world, args),
        "DeleteCluster" => cluster::delete(world, args),
        "UpdateClusterConfig" => update_config::config(world, args),
        "AssociateEncryptionConfig" => settings::associate_encryption(world, args),
        "UpdateClusterVersion" => version_update::update(world, args),
        "CancelUpdate" => rollback::cancel(world, args),
        "DescribeUpdate" => update::describe(world, args),
        "ListUpdates" => update::list(world, args),
        "ListInsights" => insight::list(world, args),
        "DescribeInsight" => insight::describe(world, args),
        "StartInsightsRefresh" => insight_refresh::start(world, args),
        "DescribeInsightsRefresh" => insight_refresh::describe(world, args),
        "DescribeClusterVersions" => version::describe_all(world, args),
        "TagResource" => tags::tag(world, args),
        "UntagResource" => tags::untag(world, args),
        "ListTagsForResource" => tags::list(world, args),
        "DescribeAddonVersions" => catalogue::describe_versions(args),
        "DescribeAddonConfiguration" => catalogue::describe_configuration(args),
        "CreateAddon" => addon::create(world, args),
        "DescribeAddon" => addon::describe(world, args),
        "ListAddons" => addon::list(world, args),
        "UpdateAddon" => addon::update(world, args),
        "DeleteAddon" => addon::delete(world, args),
        "CreateAccessEntry" => access::create(world, caller, args),
        "DescribeAccessEntry" => access::describe(world, args),
        "ListAccessEntries" => access::list(world, args),
        "UpdateAccessEntry" => access::update(world, args),
        "DeleteAccessEntry" => access::delete(world, args),
        "AssociateAccessPolicy" => access_policy::associate(world, args),
        "DisassociateAccessPolicy" => access_policy::disassociate(world, args),
        "ListAssociatedAccessPolicies" => access_policy::list_associated(world, args),
        "ListAccessPolicies" => access_policy::list_policies(args),
        "CreatePodIdentityAssociation" => pod_identity::create(world, args),
        "DescribePodIdentityAssociation" => pod_identity::describe(world, args),
        "ListPodIdentityAssociations" => pod_identity::list(world, args),
        "UpdatePodIdentityAssociation" => pod_identity::update(world, args),
        "DeletePodIdentityAssociation" => pod_identity::delete(world, args),
        "CreateNodegroup" => nodegroup::create(world, caller, args),
        "DescribeNodegroup" => nodegroup::describe(world, args),
        "ListNodegroups" => nodegroup::list(world, args),
        "UpdateNodegroupConfig" => nodegroup::update_config(world, args),
        "UpdateNodegroupVersion" => nodegroup::update_version(world, args),
        "DeleteNodegroup" => nodegroup::delete(world, args),
        // Fargate profiles and OIDC configurations cannot be made here: there are none.
        "ListFargateProfiles" => empty(world, args, "fargateProfileNames"),
        "ListIdentityProviderConfigs" => empty(world, args, "identityProviderConfigs"),
        _ => Err(ApiError::new("UnknownOperationException", format!("EKS has no operation {action}")).status(404)),
    }
}

pub(crate) fn inventory(world: &World, inventory: &mut Inventory) {
    for cluster in world.eks.clusters.values() {
        cluster.inventory(world, inventory);
    }
    // A cluster that came later under the same name writes into the same group.
    for name in world.eks.log_groups.iter().filter(|name| !world.eks.clusters.get(*name).is_some_and(|cluster| cluster.has_logged)) {
        cluster::log_group(name, inventory);
    }
}

fn empty(world: &World, args: &Args, list: &str) -> Result<Value, ApiError> {
    cluster::find(world, required(args, "clusterName")?)?;
    Ok(json!({ list: [] }))
}
