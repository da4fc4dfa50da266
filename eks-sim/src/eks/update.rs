//! Updates of a cluster: one at a time, one kind of thing in each.

use serde_json::{Value, json};

use super::{
    access,
    cluster::{self, Cluster},
    create, in_use, invalid_parameter, invalid_request, network, not_found, page, required, strings, uuid,
    version::{self, Support},
};
use crate::{call::Args, error::ApiError, times::Time, world::World};

#[derive(Clone, Debug)]
pub(super) struct Update {
    pub(super) id: String,
    /// Name of the add-on that is updated; `None` for the cluster itself.
    pub(super) addon: Option<String>,
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
            kind,
            status: "InProgress",
            params,
            created: world.epoch_seconds(),
            token: args.str("clientRequestToken").map(str::to_owned),
            errors: Vec::new(),
            cancellation: None,
        }
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

    /// Updates need a cluster that is ACTIVE; a second one at the same time is refused.
    pub(super) fn updatable(&self) -> Result<(), ApiError> {
        let running = self.updates.iter().find(|update| update.status == "InProgress" && update.addon.is_none());
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
type Change = Box<dyn FnOnce(&mut Cluster, f64) + Send>;

/// One kind of change that an UpdateClusterConfig asks for.
struct Planned {
    kind: &'static str,
    time: Time,
    params: Vec<(&'static str, String)>,
    apply: Change,
}

/// The kinds of change in a request, each checked against the cluster (API reference, UpdateClusterConfig).
fn planned(world: &mut World, cluster: &Cluster, args: &Args) -> Result<Vec<Planned>, ApiError> {
    let mut plans = Vec::new();
    if args.get("logging").is_some() {
        plans.push(logging(cluster, args)?);
    }
    let vpc = args.sub("resourcesVpcConfig");
    if ["endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"].iter().any(|name| vpc.get(name).is_some()) {
        plans.push(endpoint(cluster, &vpc)?);
    }
    if vpc.get("subnetIds").is_some() || vpc.get("securityGroupIds").is_some() {
        plans.push(placement(world, cluster, &vpc)?);
    }
    if let Some(mode) = args.sub("accessConfig").str("authenticationMode") {
        plans.push(authentication(cluster, mode)?);
    }
    if let Some(support) = args.sub("upgradePolicy").str("supportType") {
        plans.push(support_type(world, cluster, support)?);
    }
    if let Some(protect) = args.bool("deletionProtection") {
        plans.push(Planned {
            kind: "DeletionProtectionUpdate",
            time: Time::ClusterSettingUpdate,
            params: vec![("DeletionProtection", protect.to_string())],
            apply: Box::new(move |cluster, _| cluster.deletion_protection = protect),
        });
    }
    for (name, kind, param) in [
        ("zonalShiftConfig", "ZonalShiftConfigUpdate", "ZonalShiftConfig"),
        ("controlPlaneScalingConfig", "ControlPlaneScalingConfigUpdate", "UpdatedTier"),
        ("remoteNetworkConfig", "RemoteNetworkConfigUpdate", "RemoteNetworkConfig"),
    ] {
        if let Some(value) = args.get(name).cloned() {
            let told = value["tier"].as_str().map_or_else(|| value.to_string(), str::to_owned);
            plans.push(Planned {
                kind,
                time: Time::ClusterConfigUpdate,
                params: vec![(param, told)],
                apply: Box::new(move |cluster, _| {
                    cluster.echoed.insert(name.to_owned(), value);
                }),
            });
        }
    }
    Ok(plans)
}

fn logging(cluster: &Cluster, args: &Args) -> Result<Planned, ApiError> {
    let logging = args.sub("logging");
    let mut after = cluster.clone();
    after.set_logging(&logging);
    if after.log_types == cluster.log_types {
        return Err(invalid_parameter("No changes needed for the logging config provided"));
    }
    Ok(Planned {
        kind: "LoggingUpdate",
        time: Time::ClusterConfigUpdate,
        params: vec![("ClusterLogging", logging.0.to_string())],
        apply: Box::new(move |cluster, _| cluster.log_types = after.log_types),
    })
}

fn endpoint(cluster: &Cluster, vpc: &Args) -> Result<Planned, ApiError> {
    let public = vpc.bool("endpointPublicAccess").unwrap_or(cluster.endpoint_public);
    let private = vpc.bool("endpointPrivateAccess").unwrap_or(cluster.endpoint_private);
    if !public && !private {
        return Err(invalid_parameter("Private and public endpoint access cannot be false"));
    }
    let cidrs = if vpc.get("publicAccessCidrs").is_some() { strings(vpc, "publicAccessCidrs") } else { cluster.public_cidrs.clone() };
    create::check_public_cidrs(&cidrs)?;
    if (public, private, &cidrs) == (cluster.endpoint_public, cluster.endpoint_private, &cluster.public_cidrs) {
        return Err(invalid_parameter(format!(
            "Cluster is already at the desired configuration with endpointPrivateAccess: {private} , endpointPublicAccess: {public}, and Public Endpoint Restrictions: [{}]",
            cidrs.join(", ")
        )));
    }
    let params = vec![
        ("EndpointPublicAccess", public.to_string()),
        ("EndpointPrivateAccess", private.to_string()),
        ("PublicAccessCidrs", json!(cidrs).to_string()),
    ];
    let apply: Change = Box::new(move |cluster, _| {
        cluster.endpoint_public = public;
        cluster.endpoint_private = private;
        cluster.public_cidrs = cidrs;
    });
    Ok(Planned { kind: "EndpointAccessUpdate", time: Time::ClusterConfigUpdate, params, apply })
}

/// New subnets stay in the VPC (user guide, "VPC and subnet considerations").
fn placement(world: &mut World, cluster: &Cluster, vpc: &Args) -> Result<Planned, ApiError> {
    let or = |name: &str, present: &[String]| if vpc.get(name).is_some() { strings(vpc, name) } else { present.to_vec() };
    let subnets = or("subnetIds", &cluster.subnets);
    let groups = or("securityGroupIds", &cluster.security_groups);
    if subnets == cluster.subnets && groups == cluster.security_groups {
        return Err(invalid_parameter("No changes needed for the VPC config provided"));
    }
    let eks = world.service_caller("eks.amazonaws.com");
    if network::check(world, &eks, &cluster.name, &subnets, &groups)?.vpc != cluster.vpc {
        return Err(invalid_parameter("Provided subnets must belong to the VPC of the cluster"));
    }
    let params = vec![("Subnets", json!(subnets).to_string()), ("SecurityGroups", json!(groups).to_string())];
    let apply: Change = Box::new(move |cluster, _| {
        cluster.subnets = subnets;
        cluster.security_groups = groups;
    });
    Ok(Planned { kind: "VpcConfigUpdate", time: Time::ClusterConfigUpdate, params, apply })
}

/// Authentication modes go one way (user guide, "Change authentication mode to use access entries").
fn authentication(cluster: &Cluster, mode: &str) -> Result<Planned, ApiError> {
    let from = cluster.authentication_mode.as_str();
    if !matches!((from, mode), ("CONFIG_MAP", "API_AND_CONFIG_MAP") | ("API_AND_CONFIG_MAP", "API")) {
        return Err(invalid_parameter(format!("Unsupported authentication mode update from {from} to {mode}")));
    }
    let mode = mode.to_owned();
    Ok(Planned {
        kind: "AccessConfigUpdate",
        time: Time::ClusterSettingUpdate,
        params: vec![("AuthenticationMode", json!(mode).to_string())],
        apply: Box::new(move |cluster, _| cluster.authentication_mode = mode),
    })
}

fn support_type(world: &World, cluster: &Cluster, support: &str) -> Result<Planned, ApiError> {
    if !matches!(support, "STANDARD" | "EXTENDED") {
        return Err(invalid_parameter("supportType must be one of [STANDARD, EXTENDED]"));
    }
    let extended = version::find(&cluster.version).is_some_and(|release| release.support(world) != Support::Standard);
    if support == "STANDARD" && extended {
        return Err(invalid_parameter(format!(
            "Kubernetes version {} is in extended support; the support type cannot be STANDARD",
            cluster.version
        )));
    }
    let support = support.to_owned();
    Ok(Planned {
        kind: "UpgradePolicyUpdate",
        time: Time::ClusterSettingUpdate,
        params: vec![("UpgradePolicy", json!({"supportType": support}).to_string())],
        apply: Box::new(move |cluster, _| cluster.support_type = support),
    })
}

pub(super) fn config(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "name")?)?.clone();
    if let Some(answer) = cluster.replayed(args) {
        return Ok(answer);
    }
    cluster.updatable()?;
    let mut plans = planned(world, &cluster, args)?;
    let Some(plan) = plans.pop() else {
        return Err(invalid_parameter("No changes needed for the config provided").field("clusterName", cluster.name));
    };
    if !plans.is_empty() {
        return Err(invalid_parameter("Only one type of update can be allowed.").field("clusterName", cluster.name));
    }
    begin(world, &cluster.name, plan, args)
}

fn begin(world: &mut World, name: &str, plan: Planned, args: &Args) -> Result<Value, ApiError> {
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
    let update = cluster.updates.iter().find(|update| update.id == id && update.addon.as_deref() == args.str("addonName"));
    let update = update.ok_or_else(|| not_found(format!("No update found for ID: {id}")).field("clusterName", cluster.name.as_str()))?;
    Ok(json!({"update": update.describe()}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "name")?)?;
    let updates = cluster.updates.iter().filter(|update| update.addon.as_deref() == args.str("addonName"));
    page("updateIds", updates.map(|update| json!(update.id)).collect(), args)
}
