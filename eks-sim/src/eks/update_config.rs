//! UpdateClusterConfig: one kind of change in each call.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    cluster::{self, Cluster},
    create, invalid_parameter, network, required, settings, strings,
    update::{Change, Planned, begin},
    version::{self, Support},
};
use crate::{call::Args, error::ApiError, times::Time, world::World};

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
            apply: Arc::new(move |cluster, _| cluster.deletion_protection = protect),
        });
    }
    plans.extend(settings::planned(world, cluster, args)?);
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
        apply: Arc::new(move |cluster, _| {
            cluster.log_types.clone_from(&after.log_types);
            cluster.has_logged |= after.has_logged;
        }),
    })
}

fn endpoint(cluster: &Cluster, vpc: &Args) -> Result<Planned, ApiError> {
    let public = vpc.bool("endpointPublicAccess").unwrap_or(cluster.endpoint_public);
    let private = vpc.bool("endpointPrivateAccess").unwrap_or(cluster.endpoint_private);
    if !public && !private {
        return Err(invalid_parameter("Private and public endpoint access cannot be false"));
    }
    let cidrs = if vpc.get("publicAccessCidrs").is_some() { strings(vpc, "publicAccessCidrs") } else { cluster.public_cidrs.clone() };
    create::check_public_cidrs(&cidrs, &cluster.ip_family)?;
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
    let apply: Change = Arc::new(move |cluster, _| {
        cluster.endpoint_public = public;
        cluster.endpoint_private = private;
        cluster.public_cidrs.clone_from(&cidrs);
    });
    Ok(Planned { kind: "EndpointAccessUpdate", time: Time::ClusterConfigUpdate, params, apply })
}

/// New subnets stay in the VPC and in the zones that the cluster was made in, each of which keeps one (user guide, "VPC requirements and
/// considerations").
fn placement(world: &mut World, cluster: &Cluster, vpc: &Args) -> Result<Planned, ApiError> {
    let or = |name: &str, present: &[String]| if vpc.get(name).is_some() { strings(vpc, name) } else { present.to_vec() };
    let subnets = or("subnetIds", &cluster.subnets);
    let groups = or("securityGroupIds", &cluster.security_groups);
    if subnets == cluster.subnets && groups == cluster.security_groups {
        return Err(invalid_parameter("No changes needed for the VPC config provided"));
    }
    let eks = world.service_caller("eks.amazonaws.com");
    let placement = network::check(world, &eks, &cluster.name, &subnets, &groups)?;
    if placement.vpc != cluster.vpc {
        return Err(invalid_parameter("Provided subnets must belong to the VPC of the cluster"));
    }
    if placement.zones != cluster.zones {
        let list = |zones: &BTreeSet<String>| zones.iter().cloned().collect::<Vec<_>>().join(", ");
        return Err(invalid_parameter(format!(
            "Provided subnets belong to the AZs '{}'. But they should belong to the exact set of AZs '{}' in which subnets were provided during cluster creation.",
            list(&placement.zones),
            list(&cluster.zones)
        )));
    }
    if cluster.ip_family == "ipv6" {
        placement.check_ipv6()?;
    }
    let params = vec![("Subnets", json!(subnets).to_string()), ("SecurityGroups", json!(groups).to_string())];
    let apply: Change = Arc::new(move |cluster, _| {
        cluster.subnets.clone_from(&subnets);
        cluster.security_groups.clone_from(&groups);
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
        apply: Arc::new(move |cluster, _| cluster.authentication_mode.clone_from(&mode)),
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
        apply: Arc::new(move |cluster, _| cluster.support_type.clone_from(&support)),
    })
}

pub(super) fn config(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "name")?)?.clone();
    if let Some(answer) = cluster.replayed(args) {
        return Ok(answer);
    }
    cluster.updatable()?;
    let mut plans = planned(world, &cluster, args).map_err(|error| error.field("clusterName", cluster.name.as_str()))?;
    let Some(plan) = plans.pop() else {
        return Err(invalid_parameter("No changes needed for the config provided").field("clusterName", cluster.name));
    };
    if !plans.is_empty() {
        return Err(invalid_parameter("Only one type of update can be allowed.").field("clusterName", cluster.name));
    }
    begin(world, &cluster.name, plan, args)
}
