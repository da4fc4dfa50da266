//! Updates of a cluster: one at a time, one kind of thing in each.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    access,
    cluster::{self, Cluster},
    in_use, invalid_request, not_found, page, required, uuid,
};
use crate::{call::Args, error::ApiError, times::Time, world::World};

#[derive(Clone, Debug)]
pub(super) struct Update {
    pub(super) id: String,
    /// Name of the add-on that is updated; `None` for the cluster itself, and for node groups.
    pub(super) addon: Option<String>,
    /// Name of the node group that is updated.
    pub(super) node_group: Option<String>,
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    params: Vec<(&'static str, String)>,
    created: f64,
    token: Option<String>,
    /// Why it has failed.
    pub(super) errors: Vec<Value>,
    /// An attempt to cancel it.
    pub(super) cancellation: Option<Value>,
}

impl Update {
    pub(super) fn new(
        world: &mut World,
        kind: &'static str,
        addon: Option<&str>,
        params: Vec<(&'static str, String)>,
        args: &Args,
    ) -> Self {
        Self {
            id: uuid(world, "eks-update"),
            addon: addon.map(str::to_owned),
            node_group: None,
            kind,
            status: "InProgress",
            params,
            created: world.epoch_seconds(),
            token: args.str("clientRequestToken").map(str::to_owned),
            errors: Vec::new(),
            cancellation: None,
        }
    }

    /// The update of a node group.
    pub(super) fn of_node_group(mut self, name: &str) -> Self {
        self.node_group = Some(name.to_owned());
        self
    }

    fn is_of_cluster(&self) -> bool {
        self.addon.is_none() && self.node_group.is_none()
    }

    /// Whether a request asks for updates of this very thing.
    fn is_asked_for(&self, args: &Args) -> bool {
        self.addon.as_deref() == args.str("addonName") && self.node_group.as_deref() == args.str("nodegroupName")
    }

    pub(super) fn describe(&self) -> Value {
        let params: Vec<Value> = self.params.iter().map(|(kind, value)| json!({"type": kind, "value": value})).collect();
        json!({
            "id": self.id, "status": self.status, "type": self.kind, "params": params, "createdAt": self.created, "errors": self.errors,
            "cancellation": self.cancellation,
        })
    }
}

impl Cluster {
    /// The update that a token already began.
    pub(super) fn replayed(&self, args: &Args) -> Option<Value> {
        let token = args.str("clientRequestToken")?;
        self.updates.iter().find(|update| update.token.as_deref() == Some(token)).map(|update| json!({"update": update.describe()}))
    }

    /// An update has ended, with what went wrong.
    pub(super) fn end_update(&mut self, id: &str, errors: Vec<Value>) {
        if let Some(update) = self.updates.iter_mut().find(|update| update.id == id) {
            update.status = if errors.is_empty() { "Successful" } else { "Failed" };
            update.errors = errors;
        }
    }

    /// Updates need a cluster that is ACTIVE; a second one at the same time is refused.
    pub(super) fn updatable(&self) -> Result<(), ApiError> {
        let running = self.updates.iter().find(|update| update.status == "InProgress" && update.is_of_cluster());
        match (self.status.as_str(), running) {
            (_, Some(update)) => {
                let message = format!("Cannot update because cluster {} currently has update {} in progress", self.name, update.id);
                Err(in_use(message).field("clusterName", self.name.as_str()))
            }
            ("ACTIVE", None) => Ok(()),
            (status, None) => {
                let message = format!("The cluster {} is in state {status}; an update needs it ACTIVE", self.name);
                Err(invalid_request(message).field("clusterName", self.name.as_str()))
            }
        }
    }
}

/// Applied to the cluster when the update ends, with the time of that.
pub(super) type Change = Arc<dyn Fn(&mut Cluster, f64) + Send + Sync>;

/// One kind of change that an UpdateClusterConfig asks for.
pub(super) struct Planned {
    pub(super) kind: &'static str,
    pub(super) time: Time,
    pub(super) params: Vec<(&'static str, String)>,
    pub(super) apply: Change,
}

/// Begins an update: the cluster is UPDATING until it ends.
pub(super) fn begin(world: &mut World, name: &str, plan: Planned, args: &Args) -> Result<Value, ApiError> {
    let update = Update::new(world, plan.kind, None, plan.params, args);
    let (id, reply) = (update.id.clone(), json!({"update": update.describe()}));
    let cluster = cluster::find_mut(world, name)?;
    cluster.updates.push(update);
    "UPDATING".clone_into(&mut cluster.status);
    let (owned, apply) = (name.to_owned(), plan.apply);
    world.take(plan.time, name, move |world| {
        let now = world.epoch_seconds();
        let Ok(cluster) = cluster::find_mut(world, &owned) else { return };
        let before = cluster.authentication_mode.clone();
        apply(cluster, now);
        "ACTIVE".clone_into(&mut cluster.status);
        if let Some(update) = cluster.updates.iter_mut().find(|update| update.id == id) {
            update.status = "Successful";
        }
        // With access entries, the creator's invisible mapping becomes an entry (user guide, "Grant IAM users access to
        // Kubernetes with EKS access entries").
        let mapped = before == "CONFIG_MAP" && cluster.authentication_mode != "CONFIG_MAP" && cluster.creator_mapping;
        if mapped {
            access::admit_creator(world, &owned);
        }
    });
    Ok(reply)
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "name")?)?;
    let id = required(args, "updateId")?;
    let update = cluster.updates.iter().find(|update| update.id == id && update.is_asked_for(args));
    let update = update.ok_or_else(|| not_found(format!("No update found for ID: {id}")).field("clusterName", cluster.name.as_str()))?;
    Ok(json!({"update": update.describe()}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "name")?)?;
    let updates = cluster.updates.iter().filter(|update| update.is_asked_for(args));
    page("updateIds", updates.map(|update| json!(update.id)).collect(), args)
}
