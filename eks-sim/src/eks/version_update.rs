//! Updates of a cluster's Kubernetes version (user guide, "Update existing cluster to new Kubernetes version").

use serde_json::{Value, json};

use super::{
    cluster::{self, Cluster},
    insight, invalid_parameter, required, rollback,
    update::Update,
    version::{self, Support},
};
use crate::{
    call::{Args, Service},
    error::ApiError,
    times::Time,
    world::World,
};

/// "Amazon EKS requires up to five available IP addresses from the subnets that you specified when you created your cluster".
const FREE_ADDRESSES: u64 = 5;

/// One minor up; or one down, which is a rollback.
pub(super) fn update(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "name")?)?.clone();
    if let Some(answer) = cluster.replayed(args) {
        return Ok(answer);
    }
    cluster.updatable()?;
    let to = required(args, "version")?.to_owned();
    let refused = |message: String| invalid_parameter(message).field("clusterName", cluster.name.as_str());
    let unsupported = || refused(format!("unsupported Kubernetes version {to}"));
    let release = version::find(&to).filter(|release| release.support(world) != Support::Ended).ok_or_else(unsupported)?;
    if cluster.version == to {
        return Err(refused(format!("Cluster is already at version {to}")));
    }
    let (Some(old), Some(new)) = (version::minor(&cluster.version), version::minor(&to)) else { return Err(unsupported()) };
    let params = vec![("Version", to.clone()), ("PlatformVersion", release.platform().to_owned())];
    if new + 1 == old {
        return rollback::begin(world, &cluster, &to, params, args);
    }
    if new != old + 1 {
        return Err(refused(format!("Unsupported Kubernetes minor version update from {} to {to}", cluster.version)));
    }
    cluster.refuse_with_other_versions()?;
    let forced = args.bool("force").unwrap_or(false);
    if world.eks.enforces_upgrade_insights && !forced && !insight::errors(world, &cluster.name, "UPGRADE_READINESS", &to).is_empty() {
        return Err(blocked("Upgrade", "upgrade", &cluster));
    }
    let update = Update::new(world, "VersionUpdate", None, params, args);
    let reply = json!({"update": update.describe()});
    let id = update.id.clone();
    cluster::find_mut(world, &cluster.name)?.updates.push(update);
    move_control_plane(world, &cluster.name, &id, &to);
    Ok(reply)
}

/// The words of InvalidStateException for upgrades, as users met them; of rollbacks by analogy.
pub(super) fn blocked(what: &str, verb: &str, cluster: &Cluster) -> ApiError {
    let message = format!(
        "{what} readiness issues detected. Call the EKS ListInsights API to view {verb} blocking issues detected by EKS. Pass the force \
         flag to override {verb} readiness errors and proceed with {verb}."
    );
    ApiError::new("InvalidStateException", message).field("clusterName", cluster.name.as_str())
}

/// API servers of the new version replace the old ones. "If any of these checks fail, Amazon EKS reverts the infrastructure deployment, and
/// your cluster remains on the prior Kubernetes version."
pub(super) fn move_control_plane(world: &mut World, name: &str, id: &str, to: &str) {
    let Ok(cluster) = cluster::find_mut(world, name) else { return };
    "UPDATING".clone_into(&mut cluster.status);
    let (owned, id, to) = (name.to_owned(), id.to_owned(), to.to_owned());
    world.take(Time::ClusterVersionUpdate, name, move |world| {
        let errors = errors(world, &owned);
        let now = world.epoch_seconds();
        let Ok(cluster) = cluster::find_mut(world, &owned) else { return };
        "ACTIVE".clone_into(&mut cluster.status);
        let failed = !errors.is_empty();
        let mut goes_back = false;
        if let Some(update) = cluster.updates.iter_mut().find(|update| update.id == id) {
            (update.status, update.errors) = (if failed { "Failed" } else { "Successful" }, errors);
            goes_back = update.kind == "VersionRollback";
        }
        if failed {
            return;
        }
        let from = std::mem::replace(&mut cluster.version, to);
        cluster.upgraded_from = (!goes_back).then_some((from, now));
        insight::version_changed(world, &owned);
    });
}

/// What stands against the new network interfaces (API reference, ErrorDetail).
fn errors(world: &mut World, name: &str) -> Vec<Value> {
    let Ok(cluster) = cluster::find(world, name) else { return Vec::new() };
    let subnets = cluster.subnets.clone();
    let eks = world.service_caller("eks.amazonaws.com");
    let asked = json!({"Filter": [{"Name": "subnet-id", "Value": subnets}]});
    let told = world.call(Service::Ec2, "DescribeSubnets", asked, &eks).unwrap_or_default();
    let found: Vec<&Value> = told["subnetSet"].as_array().into_iter().flatten().collect();
    let gone: Vec<&String> = subnets.iter().filter(|id| !found.iter().any(|subnet| subnet["subnetId"] == id.as_str())).collect();
    if !gone.is_empty() {
        let message = "We couldn't find one of the subnets associated with the cluster.";
        return vec![json!({"errorCode": "SubnetNotFound", "errorMessage": message, "resourceIds": gone})];
    }
    let count = |subnet: &&Value| {
        let free = &subnet["availableIpAddressCount"];
        free.as_u64().or_else(|| free.as_str()?.parse().ok()).unwrap_or_default()
    };
    if found.iter().map(count).sum::<u64>() < FREE_ADDRESSES {
        let message = "A subnet associated with the cluster doesn't have any available IP addresses.";
        return vec![json!({"errorCode": "IpNotAvailable", "errorMessage": message, "resourceIds": subnets})];
    }
    Vec::new()
}
