//! Settings of a control plane beyond network and access: what EKS takes at creation, and how it changes them.

use ipnet::{IpNet, Ipv4Net};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    cluster::{self, Cluster},
    create::one_of,
    invalid_parameter, invalid_request, required,
    update::{Change, Planned, begin},
    version,
};
use crate::{call::Args, error::ApiError, times::Time, world::World};

/// API reference, VpcConfigRequest.
pub(super) const EGRESS_MODES: [&str; 3] = ["AWS_MANAGED", "CUSTOMER_ROUTED", "CUSTOMER_ISOLATED"];
/// API reference, ControlPlaneScalingConfig.
const TIERS: [&str; 5] = ["standard", "tier-xl", "tier-2xl", "tier-4xl", "tier-8xl"];
/// User guide, "Enable or Disable Built-in NodePools".
const NODE_POOLS: [&str; 2] = ["general-purpose", "system"];

/// What settings must fit.
pub(super) struct Around<'a> {
    pub(super) version: &'a str,
    pub(super) ip_family: &'a str,
    pub(super) vpc: &'a [IpNet],
    pub(super) services: &'a str,
}

/// Everything that CreateCluster and UpdateClusterConfig refuse about settings themselves.
pub(super) fn check(region: &str, args: &Args, around: &Around<'_>) -> Result<(), ApiError> {
    for config in args.nested("encryptionConfig") {
        check_encryption(region, &config)?;
    }
    if args.list("encryptionConfig").len() > 1 {
        return Err(invalid_parameter("Only one encryption config can be specified"));
    }
    let tier = args.sub("controlPlaneScalingConfig");
    let tier = one_of(tier.str("tier"), "standard", &TIERS, "tier")?;
    check_remote(args, around)?;
    check_components(args, around.version, tier)
}

fn flag(args: &Args, path: &[&str]) -> Option<bool> {
    path.iter().try_fold(&args.0, |value, name| value.get(name)).and_then(Value::as_bool)
}

const COMPUTE: [&str; 2] = ["computeConfig", "enabled"];
const STORAGE: [&str; 3] = ["storageConfig", "blockStorage", "enabled"];
const BALANCING: [&str; 3] = ["kubernetesNetworkConfig", "elasticLoadBalancing", "enabled"];

/// Auto Mode is compute, storage and load balancing, all on or all off; it needs access entries, and EKS's own networking software must not
/// be there beside it (user guide, "EKS Auto Mode", "Create an EKS Auto Mode Cluster").
pub(super) fn check_auto_mode(args: &Args, mode: &str) -> Result<(), ApiError> {
    let parts = [&COMPUTE[..], &STORAGE, &BALANCING].map(|path| flag(args, path).unwrap_or(false));
    if parts.iter().any(|part| *part != parts[0]) {
        return Err(invalid_parameter(
            "For EKS Auto Mode, please ensure that all required configs, including computeConfig, kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled.",
        ));
    }
    if !parts[0] {
        return Ok(());
    }
    if mode == "CONFIG_MAP" {
        return Err(invalid_parameter("EKS Auto Mode requires an authentication mode of API or API_AND_CONFIG_MAP."));
    }
    // An update does not say it; a creation that does not gets the default, which is true.
    let is_creation = args.get("roleArn").is_some();
    if is_creation && args.bool("bootstrapSelfManagedAddons").unwrap_or(true) {
        return Err(invalid_parameter("When EKS Auto Mode is enabled, bootstrapSelfManagedAddons must be set to false"));
    }
    let compute = args.sub("computeConfig");
    let pools = compute.strings("nodePools");
    if let Some(unknown) = pools.iter().find(|pool| !NODE_POOLS.contains(&pool.as_str())) {
        return Err(invalid_parameter(format!("Compute Config nodePool {unknown} must be one of [{}]", NODE_POOLS.join(", "))));
    }
    // Pools and the role of their nodes come together (API reference, ComputeConfigRequest; the words are those of EKS).
    match (pools.is_empty(), compute.str("nodeRoleArn").is_none_or(str::is_empty)) {
        (false, true) => Err(invalid_parameter("When Compute Config nodePools are not empty, nodeRoleArn must be provided.")),
        (true, false) => {
            Err(invalid_parameter("When Compute Config nodeRoleArn is not null or empty, nodePool value(s) must be provided."))
        }
        _ => Ok(()),
    }
}

/// API reference, EncryptionConfig and Provider: the only resource is `secrets`; a key by ARN or alias, of the cluster's Region.
fn check_encryption(region: &str, config: &Args) -> Result<(), ApiError> {
    if config.strings("resources") != ["secrets"] {
        return Err(invalid_parameter("The only supported resource of an encryption config is secrets"));
    }
    let provider = config.sub("provider");
    let key = provider.str("keyArn").unwrap_or_default();
    let parts: Vec<&str> = key.split(':').collect();
    let is_key =
        matches!(parts.as_slice(), ["arn", _, "kms", _, _, resource] if resource.starts_with("key/") || resource.starts_with("alias/"));
    if !is_key {
        return Err(invalid_parameter(format!("The keyArn {key:?} is not that of a KMS key")));
    }
    if parts.get(3) != Some(&region) {
        return Err(invalid_parameter(format!("The KMS key {key} must be in the same Region as the cluster")));
    }
    Ok(())
}

/// Blocks of a kind of remote networks.
fn remote_blocks(remote: &Args, kind: &str) -> Vec<String> {
    remote.nested(kind).iter().flat_map(|network| network.strings("cidrs")).collect()
}

/// API reference, RemoteNodeNetwork and RemotePodNetwork; user guide, "Prepare networking for hybrid nodes": at most 15 blocks, IPv4 family.
fn check_remote(args: &Args, around: &Around<'_>) -> Result<(), ApiError> {
    let remote = args.sub("remoteNetworkConfig");
    for kind in ["remoteNodeNetworks", "remotePodNetworks"] {
        let blocks = remote_blocks(&remote, kind);
        if blocks.len() > 15 {
            return Err(invalid_parameter(format!("At most 15 CIDR blocks can be specified in {kind}")));
        }
        if !blocks.is_empty() && around.ip_family == "ipv6" {
            return Err(invalid_parameter("Remote networks cannot be specified for a cluster of the ipv6 family"));
        }
        for text in &blocks {
            let refused = |why: &str| invalid_parameter(format!("The CIDR block {text} in {kind} is invalid: {why}"));
            let block: Ipv4Net = text.parse().map_err(|_| refused("it is not an IPv4 CIDR block"))?;
            let private = [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16)];
            if !private.iter().any(|(base, prefix)| Ipv4Net::new_assert((*base).into(), *prefix).contains(&block)) {
                return Err(refused("it is not within an RFC 1918 range"));
            }
            let services = around.services.parse::<IpNet>().ok();
            let overlaps = |other: &IpNet| matches!(other, IpNet::V4(other) if other.contains(&block) || block.contains(other));
            if around.vpc.iter().chain(&services).any(overlaps) {
                return Err(refused("it overlaps the VPC or the service CIDR"));
            }
        }
    }
    Ok(())
}

/// Seconds of a "single-unit duration" (API reference, KubeApiServerConfigRequest).
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

const COMPONENTS: [&str; 3] = ["kubeApiServerConfig", "kubeSchedulerConfig", "kubeControllerManagerConfig"];

/// User guide, "Advanced Kubernetes control plane configuration": from 1.31 on, each parameter within its range.
fn check_components(args: &Args, version: &str, tier: &str) -> Result<(), ApiError> {
    if COMPONENTS.iter().all(|name| args.get(name).is_none()) {
        return Ok(());
    }
    if version::minor(version).is_none_or(|minor| minor < 31) {
        return Err(invalid_parameter("Control plane component configuration needs Kubernetes 1.31 or later"));
    }
    let wrong = |what: &str, range: &str| Err(invalid_parameter(format!("{what} must be {range}")));
    let server = args.sub("kubeApiServerConfig");
    if let Some(ttl) = server.str("eventTtl")
        && !seconds(ttl).is_some_and(|seconds| (600..=3600).contains(&seconds))
    {
        return wrong("eventTtl", "between 10m and 60m");
    }
    let range = server.sub("serviceNodePortRange");
    if let (Some(first), Some(last)) = (range.int("minPort"), range.int("maxPort"))
        && (first > last || first < 10260 || last > 32767)
    {
        return wrong("serviceNodePortRange", "within 10260 to 32767");
    }
    let strategy = args.sub("kubeSchedulerConfig").sub("nodeResourcesFit").sub("scoringStrategy");
    one_of(strategy.str("type"), "LeastAllocated", &["LeastAllocated", "MostAllocated"], "scoringStrategy type")?;
    if strategy.nested("resources").iter().any(|resource| !resource.int("weight").is_some_and(|weight| (1..=100).contains(&weight))) {
        return wrong("weight", "between 1 and 100");
    }
    let manager = args.sub("kubeControllerManagerConfig");
    if let Some(pods) = manager.sub("podGcControllerConfig").int("terminatedPodGcThreshold")
        && !(1..=1_000_000).contains(&pods)
    {
        return wrong("terminatedPodGcThreshold", "between 1 and 1000000");
    }
    let autoscaler = manager.sub("horizontalPodAutoscalerControllerConfig");
    if let Some(period) = autoscaler.str("horizontalPodAutoscalerSyncPeriod") {
        if !seconds(period).is_some_and(|seconds| (10..=15).contains(&seconds)) {
            return wrong("horizontalPodAutoscalerSyncPeriod", "between 10s and 15s");
        }
        if tier == "standard" {
            return Err(invalid_parameter(
                "horizontalPodAutoscalerSyncPeriod can be set only with a provisioned control plane scaling tier",
            ));
        }
    }
    Ok(())
}

/// The kinds of change of settings in an UpdateClusterConfig, each checked.
pub(super) fn planned(world: &World, cluster: &Cluster, args: &Args) -> Result<Vec<Planned>, ApiError> {
    let vpc: Vec<IpNet> = Vec::new();
    let tier = cluster.echoed.get("controlPlaneScalingConfig").and_then(|config| config["tier"].as_str()).unwrap_or("standard");
    let with_tier = match args.get("controlPlaneScalingConfig") {
        Some(_) => args.clone(),
        None => {
            let mut with = args.clone();
            if let Some(members) = with.0.as_object_mut() {
                members.insert("controlPlaneScalingConfig".to_owned(), json!({"tier": tier}));
            }
            with
        }
    };
    let around = Around { version: &cluster.version, ip_family: &cluster.ip_family, vpc: &vpc, services: &cluster.service_cidr };
    check(&world.region, &with_tier, &around)?;

    let mut plans = Vec::new();
    for (name, kind, param) in [
        ("zonalShiftConfig", "ZonalShiftConfigUpdate", "ZonalShiftConfig"),
        ("remoteNetworkConfig", "RemoteNetworkConfigUpdate", "RemoteNetworkConfig"),
    ] {
        if let Some(value) = args.get(name).cloned() {
            let params = vec![(param, value.to_string())];
            plans.push(Planned { kind, time: Time::ClusterConfigUpdate, params, apply: keeping(name, value) });
        }
    }
    if let Some(value) = args.get("controlPlaneScalingConfig").cloned() {
        let to = value["tier"].as_str().unwrap_or_default().to_owned();
        let params = vec![("PreviousTier", tier.to_owned()), ("UpdatedTier", to)];
        let apply = keeping("controlPlaneScalingConfig", value);
        plans.push(Planned { kind: "ControlPlaneScalingConfigUpdate", time: Time::ClusterConfigUpdate, params, apply });
    }
    if let Some(mode) = args.sub("resourcesVpcConfig").str("controlPlaneEgressMode") {
        plans.push(egress(cluster, mode)?);
    }
    plans.extend(components(args));
    plans.extend(auto_mode(cluster, args)?);
    Ok(plans)
}

/// The value comes back as it was given.
fn keeping(name: &'static str, value: Value) -> Change {
    Arc::new(move |cluster, _| {
        cluster.echoed.insert(name.to_owned(), value.clone());
    })
}

/// "Once set to CUSTOMER_ROUTED, this setting cannot be changed back to AWS_MANAGED on the same cluster" (API reference, VpcConfigRequest).
fn egress(cluster: &Cluster, mode: &str) -> Result<Planned, ApiError> {
    one_of(Some(mode), "AWS_MANAGED", &EGRESS_MODES, "controlPlaneEgressMode")?;
    if mode == cluster.egress_mode {
        return Err(invalid_parameter("No changes needed for the control plane egress mode provided"));
    }
    if mode == "AWS_MANAGED" {
        return Err(invalid_parameter(format!("The control plane egress mode cannot be changed from {} to {mode}", cluster.egress_mode)));
    }
    let mode = mode.to_owned();
    Ok(Planned {
        kind: "ControlPlaneEgressUpdate",
        time: Time::ClusterEgressUpdate,
        params: vec![("ControlPlaneEgressMode", mode.clone())],
        apply: Arc::new(move |cluster, _| cluster.egress_mode.clone_from(&mode)),
    })
}

/// Parameters of the components are one kind of change together: those that are given change; that members of one
/// that are left out stay is an assumption.
fn components(args: &Args) -> Option<Planned> {
    let given: Vec<(&'static str, Value)> = COMPONENTS.iter().filter_map(|name| Some((*name, args.get(name)?.clone()))).collect();
    if given.is_empty() {
        return None;
    }
    let param = |name: &str| match name {
        "kubeApiServerConfig" => "KubeApiServerConfig",
        "kubeSchedulerConfig" => "KubeSchedulerConfig",
        _ => "KubeControllerManagerConfig",
    };
    let params = given.iter().map(|(name, value)| (param(name), value.to_string())).collect();
    let apply: Change = Arc::new(move |cluster, _| {
        for (name, value) in given.clone() {
            let known = cluster.echoed.entry(name).or_insert_with(|| json!({}));
            if let (Some(known), Value::Object(given)) = (known.as_object_mut(), value) {
                known.extend(given);
            }
        }
    });
    Some(Planned { kind: "ControlPlaneComponentConfigUpdate", time: Time::ClusterConfigUpdate, params, apply })
}

fn auto_mode(cluster: &Cluster, args: &Args) -> Result<Option<Planned>, ApiError> {
    if [&COMPUTE[..], &STORAGE, &BALANCING].iter().all(|path| flag(args, path).is_none()) {
        return Ok(None);
    }
    check_auto_mode(args, &cluster.authentication_mode)?;
    let role = |config: &Value| config["nodeRoleArn"].as_str().filter(|role| !role.is_empty()).map(str::to_owned);
    let compute = args.get("computeConfig").cloned().unwrap_or_default();
    // "This value cannot be changed after the compute capability of EKS Auto Mode is enabled" (API reference, ComputeConfigRequest).
    let before = cluster.echoed.get("computeConfig").filter(|config| config["enabled"] == true).and_then(role);
    if let (Some(before), Some(wanted)) = (&before, role(&compute))
        && *before != wanted
    {
        return Err(invalid_parameter("The nodeRoleArn of the compute config cannot be changed"));
    }
    let mut parts = Map::new();
    parts.insert("computeConfig".to_owned(), compute);
    parts.insert("storageConfig".to_owned(), args.get("storageConfig").cloned().unwrap_or_default());
    let network = args.sub("kubernetesNetworkConfig");
    parts.insert("elasticLoadBalancing".to_owned(), network.get("elasticLoadBalancing").cloned().unwrap_or_default());
    let told = |name: &str| parts.get(name).map(ToString::to_string).unwrap_or_default();
    let params = vec![
        ("ComputeConfig", told("computeConfig")),
        ("StorageConfig", told("storageConfig")),
        ("KubernetesNetworkConfig", told("elasticLoadBalancing")),
    ];
    let apply: Change = Arc::new(move |cluster, _| cluster.echoed.extend(parts.clone()));
    Ok(Some(Planned { kind: "AutoModeUpdate", time: Time::ClusterConfigUpdate, params, apply }))
}

/// A key once, and for good: "enable encryption on existing clusters that don't already have encryption enabled" (API reference,
/// AssociateEncryptionConfig).
pub(super) fn associate_encryption(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?.clone();
    if let Some(answer) = cluster.replayed(args) {
        return Ok(answer);
    }
    cluster.updatable()?;
    let refused = |error: ApiError| error.field("clusterName", cluster.name.as_str());
    let [config] = args.list("encryptionConfig") else {
        return Err(refused(invalid_parameter("Exactly one encryption config must be specified")));
    };
    check_encryption(&world.region, &Args(config.clone())).map_err(refused)?;
    if cluster.echoed.get("encryptionConfig").and_then(Value::as_array).is_some_and(|known| !known.is_empty()) {
        return Err(refused(invalid_request(format!("Cluster {} already has an encryption config", cluster.name))));
    }
    let value = json!([config]);
    let params = vec![("EncryptionConfig", value.to_string())];
    let apply = keeping("encryptionConfig", value);
    begin(world, &cluster.name, Planned { kind: "AssociateEncryptionConfig", time: Time::ClusterEncryption, params, apply }, args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_mode_is_all_or_nothing() {
        let half = Args(json!({"computeConfig": {"enabled": true}}));
        assert!(check_auto_mode(&half, "API").is_err());
        let with = |compute: Value| {
            Args(json!({
                "computeConfig": compute,
                "storageConfig": {"blockStorage": {"enabled": true}},
                "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": true}},
            }))
        };
        let whole = with(json!({"enabled": true}));
        assert_eq!(check_auto_mode(&whole, "API"), Ok(()));
        assert!(check_auto_mode(&whole, "CONFIG_MAP").is_err());
        assert!(check_auto_mode(&with(json!({"enabled": true, "nodePools": ["system"]})), "API").is_err());
        assert!(check_auto_mode(&with(json!({"enabled": true, "nodeRoleArn": "arn"})), "API").is_err());
        assert!(check_auto_mode(&with(json!({"enabled": true, "nodePools": ["large"], "nodeRoleArn": "arn"})), "API").is_err());
        assert_eq!(check_auto_mode(&with(json!({"enabled": true, "nodePools": ["system"], "nodeRoleArn": "arn"})), "API"), Ok(()));
    }

    #[test]
    fn durations_have_one_unit() {
        assert_eq!((seconds("30m"), seconds("1h"), seconds("15s")), (Some(1800), Some(3600), Some(15)));
        assert_eq!((seconds("1h30m"), seconds("30"), seconds("m"), seconds("")), (None, None, None, None));
    }
}
