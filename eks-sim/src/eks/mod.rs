//! EKS: clusters, their add-ons, access entries and Pod Identity associations, each with its life.

mod access;
mod addon;
mod catalogue;
mod cluster;
mod create;
mod facts;
mod network;
mod pod_identity;
mod route;
mod tags;
mod update;
mod version;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(crate) use self::facts::{AccessFacts, ClusterFacts, access, cluster, cluster_by_host, nodes_changed, pod_role, software_installed};
pub(crate) use self::route::route;
use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

/// The service's state.
#[derive(Debug, Default)]
pub(crate) struct State {
    clusters: BTreeMap<String, cluster::Cluster>,
}

pub(crate) fn handle(world: &mut World, caller: &Caller, action: &str, args: &Args) -> Result<Value, ApiError> {
    match action {
        "CreateCluster" => create::create(world, caller, args),
        "DescribeCluster" => cluster::describe(world, args),
        "ListClusters" => cluster::list(world, args),
        "DeleteCluster" => cluster::delete(world, args),
        "UpdateClusterConfig" => update::config(world, args),
        "UpdateClusterVersion" => update::version(world, args),
        "DescribeUpdate" => update::describe(world, args),
        "ListUpdates" => update::list(world, args),
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
        "CreateAccessEntry" => access::create(world, args),
        "DescribeAccessEntry" => access::describe(world, args),
        "ListAccessEntries" => access::list(world, args),
        "UpdateAccessEntry" => access::update(world, args),
        "DeleteAccessEntry" => access::delete(world, args),
        "AssociateAccessPolicy" => access::associate(world, args),
        "DisassociateAccessPolicy" => access::disassociate(world, args),
        "ListAssociatedAccessPolicies" => access::list_associated(world, args),
        "ListAccessPolicies" => access::list_policies(args),
        "CreatePodIdentityAssociation" => pod_identity::create(world, args),
        "DescribePodIdentityAssociation" => pod_identity::describe(world, args),
        "ListPodIdentityAssociations" => pod_identity::list(world, args),
        "UpdatePodIdentityAssociation" => pod_identity::update(world, args),
        "DeletePodIdentityAssociation" => pod_identity::delete(world, args),
        // Managed node groups, Fargate profiles and OIDC configurations cannot be made here: there are none.
        "ListNodegroups" => empty(world, args, "nodegroups"),
        "ListFargateProfiles" => empty(world, args, "fargateProfileNames"),
        "ListIdentityProviderConfigs" => empty(world, args, "identityProviderConfigs"),
        _ => Err(ApiError::new("UnknownOperationException", format!("EKS has no operation {action}")).status(404)),
    }
}

pub(crate) fn inventory(world: &World, inventory: &mut Inventory) {
    for cluster in world.eks.clusters.values() {
        cluster.inventory(world, inventory);
    }
}

fn empty(world: &World, args: &Args, list: &str) -> Result<Value, ApiError> {
    cluster::find(world, required(args, "clusterName")?)?;
    Ok(json!({ list: [] }))
}

fn invalid_parameter(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}

fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidRequestException", message)
}

fn in_use(message: impl Into<String>) -> ApiError {
    ApiError::new("ResourceInUseException", message).status(409)
}

fn not_found(message: impl Into<String>) -> ApiError {
    ApiError::new("ResourceNotFoundException", message).status(404)
}

/// A parameter that must be there.
fn required<'a>(args: &'a Args, name: &str) -> Result<&'a str, ApiError> {
    args.str(name).filter(|text| !text.is_empty()).ok_or_else(|| invalid_parameter(format!("{name} must not be null")))
}

/// A list of strings; a query parameter that occurs once comes as a string.
fn strings(args: &Args, name: &str) -> Vec<String> {
    args.str(name).map_or_else(|| args.strings(name), |one| vec![one.to_owned()])
}

/// One page of a list, by `nextToken` and `maxResults` (100 at most).
fn page(list: &str, items: Vec<Value>, args: &Args) -> Result<Value, ApiError> {
    let start: usize = match args.str("nextToken").filter(|token| !token.is_empty()) {
        Some(token) => token.parse().map_err(|_| invalid_parameter("Invalid token"))?,
        None => 0,
    };
    let size = usize::try_from(args.int("maxResults").unwrap_or(100)).ok().filter(|size| (1..=100).contains(size));
    let size = size.ok_or_else(|| invalid_parameter("maxResults must be between 1 and 100"))?;
    let next = (start + size < items.len()).then(|| (start + size).to_string());
    let items: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    Ok(json!({ list: items, "nextToken": next }))
}

/// Tags of any resource of EKS.
type Tags = BTreeMap<String, String>;

/// The `tags` parameter by EKS's rules (user guide, "Organize Amazon EKS resources with tags").
fn tags_of(args: &Args) -> Result<Tags, ApiError> {
    let tags: Tags = args
        .get("tags")
        .and_then(Value::as_object)
        .map(|tags| tags.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect())
        .unwrap_or_default();
    if tags.len() > 50 {
        return Err(invalid_parameter("A resource can have at most 50 tags."));
    }
    for (key, value) in &tags {
        if key.is_empty() || key.len() > 128 || value.len() > 256 || key.to_lowercase().starts_with("aws:") {
            return Err(invalid_parameter(format!("The tag {key} is invalid.")));
        }
    }
    Ok(tags)
}

/// A random UUID, as EKS ends ARNs and names updates.
fn uuid(world: &mut World, stream: &str) -> String {
    let hex = world.draw.hex(stream, 32);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
