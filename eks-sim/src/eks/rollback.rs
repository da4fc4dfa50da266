//! Rollbacks of a cluster's version, and their cancellation (user guide, "Rollback cluster to previous Kubernetes version"; API reference,
//! CancelUpdate).

use serde_json::{Value, json};

use super::{
    cluster::{self, Cluster},
    insight::{self, ROLLBACK_WINDOW},
    invalid_parameter, invalid_request, not_found, required,
    update::Update,
    version::{self, Support},
    version_update,
};
use crate::{call::Args, error::ApiError, times::Time, world::World};

impl Cluster {
    fn is_auto_mode(&self) -> bool {
        self.echoed.get("computeConfig").is_some_and(|compute| compute["enabled"] == true)
    }
}

/// Prerequisites hold even by force; insights in ERROR do not.
pub(super) fn begin(
    world: &mut World,
    cluster: &Cluster,
    to: &str,
    params: Vec<(&'static str, String)>,
    args: &Args,
) -> Result<Value, ApiError> {
    let refused = |why: String| {
        invalid_request(format!("Cluster {} cannot be rolled back: {why}", cluster.name)).field("clusterName", cluster.name.as_str())
    };
    if let Some(minutes) = args.sub("rollbackConfig").int("timeoutMinutes").filter(|minutes| !(120..=10_080).contains(minutes)) {
        return Err(invalid_parameter(format!("timeoutMinutes must be between 120 and 10080, not {minutes}")));
    }
    let age = cluster.upgraded_from.as_ref().filter(|(version, _)| version == to).map(|(_, at)| world.epoch_seconds() - at);
    match age {
        None => return Err(refused(format!("it was not upgraded from {to} to its current version"))),
        Some(age) if age > ROLLBACK_WINDOW.as_secs_f64() => {
            return Err(refused("more than 7 days have passed since its upgrade".to_owned()));
        }
        Some(_) => {}
    }
    let extended = version::find(to).is_some_and(|release| release.support(world) == Support::Extended);
    if extended && cluster.support_type == "STANDARD" {
        return Err(refused(format!("{to} is in extended support; first change the upgrade policy to EXTENDED")));
    }
    let forced = args.bool("force").unwrap_or(false);
    if !forced && !insight::errors(world, &cluster.name, "ROLLBACK_READINESS", to).is_empty() {
        return Err(version_update::blocked("Rollback", "rollback", cluster));
    }
    let update = Update::new(world, "VersionRollback", None, params, args);
    let reply = json!({"update": update.describe()});
    let (id, name, to) = (update.id.clone(), cluster.name.clone(), to.to_owned());
    cluster::find_mut(world, &name)?.updates.push(update);
    if cluster.is_auto_mode() {
        // "the cluster status remains ACTIVE while nodes are rolling back".
        world.take(Time::AutoModeRollback, &cluster.name, move |world| {
            let Ok(cluster) = cluster::find(world, &name) else { return };
            if cluster.updates.iter().any(|update| update.id == id && update.status == "InProgress") {
                version_update::move_control_plane(world, &name, &id, &to);
            }
        });
    } else {
        version_update::move_control_plane(world, &name, &id, &to);
    }
    Ok(reply)
}

/// "supported for VersionRollback update types on EKS Auto Mode clusters when nodes are rolling back. … If the control plane rollback has
/// already begun, the cancellation request fails." With which code is an assumption.
pub(super) fn cancel(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let (name, id) = (required(args, "name")?.to_owned(), required(args, "updateId")?.to_owned());
    let cluster = cluster::find_mut(world, &name)?;
    let (status, is_auto_mode) = (cluster.status.clone(), cluster.is_auto_mode());
    let missing = || not_found(format!("No update found for ID: {id}")).field("clusterName", name.as_str());
    let update = cluster
        .updates
        .iter_mut()
        .find(|update| update.id == id && update.addon.is_none() && update.node_group.is_none())
        .ok_or_else(missing)?;
    let rolls_nodes = is_auto_mode && status == "ACTIVE" && update.kind == "VersionRollback" && update.status == "InProgress";
    if !rolls_nodes {
        let message = format!("Update {id} of type {} in status {} cannot be cancelled", update.kind, update.status);
        return Err(invalid_request(message).field("clusterName", name.as_str()));
    }
    update.status = "Cancelled";
    update.cancellation = Some(json!({"status": "Successful", "reason": "Cancelled by the user"}));
    Ok(json!({"update": update.describe()}))
}
