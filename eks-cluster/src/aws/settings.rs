//! Settings in EKS's words, both ways.

use aws_sdk_eks::{
    operation::{create_cluster::builders::CreateClusterFluentBuilder, update_cluster_config::builders::UpdateClusterConfigFluentBuilder},
    types::{
        self as eks, BlockStorage, Cluster, ComputeConfigRequest, ControlPlaneEgressModeType, ControlPlaneScalingConfig,
        ElasticLoadBalancing, EncryptionConfig, KubernetesNetworkConfigRequest, Provider, RemoteNetworkConfigRequest, RemoteNodeNetwork,
        RemotePodNetwork, StorageConfigRequest, VpcConfigRequest, ZonalShiftConfigRequest,
    },
};
use eks_core::{Error, Ref, engine::StepContext};
use ipnet::Ipv4Net;

use crate::{
    AutoMode, ClusterChange, Components, ControlPlane, EgressMode, Encryption, IpFamily, KmsKeyArn, NodePool, RemoteNetworks, ScalingTier,
    ScoringStrategy, Settings, plane::component_seconds,
};

/// What CreateCluster is asked for beyond network and access. EKS's defaults are left out: older copies of the API do not know them.
pub(super) fn with_settings(
    create: CreateClusterFluentBuilder,
    wanted: &ControlPlane,
    cx: &StepContext,
) -> Result<CreateClusterFluentBuilder, Error> {
    let settings = &wanted.settings;
    let mode = settings.auto_mode.as_ref().filter(|mode| mode.is_on()).map(|mode| with_role(mode, cx)).transpose()?;
    let mut network = KubernetesNetworkConfigRequest::builder().set_service_ipv4_cidr(wanted.service_cidr.map(|block| block.to_string()));
    if settings.ip_family == IpFamily::Ipv6 {
        network = network.ip_family(eks::IpFamily::Ipv6);
    }
    let mut create = create;
    if let Some(mode) = &mode {
        network = network.elastic_load_balancing(load_balancing(true));
        create = create.compute_config(compute(mode)).storage_config(storage(true));
    }
    if wanted.service_cidr.is_some() || settings.ip_family == IpFamily::Ipv6 || mode.is_some() {
        create = create.kubernetes_network_config(network.build());
    }
    if let Some(key) = settings.encryption.as_ref().and_then(Encryption::key) {
        create = create.encryption_config(encryption(key));
    }
    if let Some(tier) = settings.tier {
        create = create.control_plane_scaling_config(scaling(tier));
    }
    if let Some(on) = settings.zonal_shift {
        create = create.zonal_shift_config(ZonalShiftConfigRequest::builder().enabled(on).build());
    }
    if let Some(networks) = settings.remote_networks.as_ref().filter(|networks| !networks.is_empty()) {
        create = create.remote_network_config(remote(networks));
    }
    let components = &settings.components;
    Ok(create
        .set_kube_api_server_config(api_server(components))
        .set_kube_scheduler_config(scheduler(components))
        .set_kube_controller_manager_config(controller_manager(components)))
}

/// What UpdateClusterConfig is asked for, for one change. Encryption and tags have calls of their own.
pub(super) fn with_setting(update: UpdateClusterConfigFluentBuilder, change: &ClusterChange) -> UpdateClusterConfigFluentBuilder {
    match change {
        ClusterChange::AutoMode(mode) => {
            let network = KubernetesNetworkConfigRequest::builder().elastic_load_balancing(load_balancing(mode.is_on())).build();
            update.compute_config(compute(mode)).storage_config(storage(mode.is_on())).kubernetes_network_config(network)
        }
        ClusterChange::Components(components) => update
            .set_kube_api_server_config(api_server(components))
            .set_kube_scheduler_config(scheduler(components))
            .set_kube_controller_manager_config(controller_manager(components)),
        ClusterChange::Egress(mode) => {
            update.resources_vpc_config(VpcConfigRequest::builder().control_plane_egress_mode(egress(*mode)).build())
        }
        ClusterChange::Placement { subnets, security_groups } => {
            let ids = |ids: Vec<String>| Some(ids);
            let request = VpcConfigRequest::builder()
                .set_subnet_ids(ids(subnets.iter().filter_map(Ref::known).map(ToString::to_string).collect()))
                .set_security_group_ids(ids(security_groups.iter().filter_map(Ref::known).map(ToString::to_string).collect()));
            update.resources_vpc_config(request.build())
        }
        ClusterChange::RemoteNetworks(networks) => update.remote_network_config(remote(networks)),
        ClusterChange::ScalingTier(tier) => update.control_plane_scaling_config(scaling(*tier)),
        ClusterChange::ZonalShift(on) => update.zonal_shift_config(ZonalShiftConfigRequest::builder().enabled(*on).build()),
        _ => update,
    }
}

/// The same change, with every reference known.
pub(super) fn resolved(change: &ClusterChange, cx: &StepContext) -> Result<ClusterChange, Error> {
    Ok(match change {
        ClusterChange::AutoMode(mode) => ClusterChange::AutoMode(with_role(mode, cx)?),
        ClusterChange::Placement { subnets, security_groups } => ClusterChange::Placement {
            subnets: subnets.iter().map(|id| cx.resolve(id).map(Ref::Known)).collect::<Result<_, _>>()?,
            security_groups: security_groups.iter().map(|id| cx.resolve(id).map(Ref::Known)).collect::<Result<_, _>>()?,
        },
        other => other.clone(),
    })
}

fn with_role(mode: &AutoMode, cx: &StepContext) -> Result<AutoMode, Error> {
    Ok(match mode {
        AutoMode::Off => AutoMode::Off,
        AutoMode::On { node_pools, node_role } => AutoMode::On {
            node_pools: node_pools.clone(),
            node_role: node_role.as_ref().map(|role| cx.resolve(role).map(Ref::Known)).transpose()?,
        },
    })
}

fn compute(mode: &AutoMode) -> ComputeConfigRequest {
    let request = ComputeConfigRequest::builder().enabled(mode.is_on());
    match mode {
        AutoMode::Off => request.build(),
        AutoMode::On { node_pools, node_role } => request
            .set_node_pools(Some(node_pools.iter().map(|pool| pool.as_str().to_owned()).collect()))
            .set_node_role_arn(node_role.as_ref().and_then(Ref::known).map(ToString::to_string))
            .build(),
    }
}

fn storage(on: bool) -> StorageConfigRequest {
    StorageConfigRequest::builder().block_storage(BlockStorage::builder().enabled(on).build()).build()
}

fn load_balancing(on: bool) -> ElasticLoadBalancing {
    ElasticLoadBalancing::builder().enabled(on).build()
}

fn scaling(tier: ScalingTier) -> ControlPlaneScalingConfig {
    ControlPlaneScalingConfig::builder().tier(tier.as_str().into()).build()
}

pub(super) fn egress(mode: EgressMode) -> ControlPlaneEgressModeType {
    mode.as_str().into()
}

pub(super) fn encryption(key: &KmsKeyArn) -> EncryptionConfig {
    let provider = Provider::builder().key_arn(key.as_str()).build();
    #[expect(deprecated, reason = "EKS ignores it, but still asks for it: the only value is `secrets`")]
    EncryptionConfig::builder().resources("secrets").provider(provider).build()
}

/// Both lists are sent: an empty one takes away what there is.
fn remote(networks: &RemoteNetworks) -> RemoteNetworkConfigRequest {
    let texts = |blocks: &std::collections::BTreeSet<Ipv4Net>| {
        (!blocks.is_empty()).then(|| blocks.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let nodes = texts(&networks.nodes).map(|blocks| RemoteNodeNetwork::builder().set_cidrs(Some(blocks)).build());
    let pods = texts(&networks.pods).map(|blocks| RemotePodNetwork::builder().set_cidrs(Some(blocks)).build());
    RemoteNetworkConfigRequest::builder()
        .set_remote_node_networks(Some(nodes.into_iter().collect()))
        .set_remote_pod_networks(Some(pods.into_iter().collect()))
        .build()
}

fn api_server(components: &Components) -> Option<eks::KubeApiServerConfigRequest> {
    if components.event_minutes.is_none() && components.node_ports.is_none() {
        return None;
    }
    let ports = components
        .node_ports
        .map(|(first, last)| eks::ServiceNodePortRange::builder().min_port(i32::from(first)).max_port(i32::from(last)).build());
    let request = eks::KubeApiServerConfigRequest::builder().set_event_ttl(components.event_minutes.map(|minutes| format!("{minutes}m")));
    Some(request.set_service_node_port_range(ports).build())
}

fn scheduler(components: &Components) -> Option<eks::KubeSchedulerConfigRequest> {
    let (strategy, weights) = components.scoring.as_ref()?;
    let weights = weights.iter().map(|(name, weight)| eks::ResourceWeight::builder().name(name).weight(i32::from(*weight)).build());
    let strategy = eks::ScoringStrategy::builder().r#type(strategy.as_str().into()).set_resources(Some(weights.collect())).build();
    let fit = eks::NodeResourcesFitConfig::builder().scoring_strategy(strategy).build();
    Some(eks::KubeSchedulerConfigRequest::builder().node_resources_fit(fit).build())
}

fn controller_manager(components: &Components) -> Option<eks::KubeControllerManagerConfigRequest> {
    if components.terminated_pods.is_none() && components.autoscaler_seconds.is_none() {
        return None;
    }
    let collector = components.terminated_pods.and_then(|pods| i32::try_from(pods).ok());
    let collector = collector.map(|pods| eks::PodGcControllerConfigRequest::builder().terminated_pod_gc_threshold(pods).build());
    let autoscaler = components.autoscaler_seconds.map(|seconds| {
        eks::HorizontalPodAutoscalerControllerConfigRequest::builder().horizontal_pod_autoscaler_sync_period(format!("{seconds}s")).build()
    });
    let request = eks::KubeControllerManagerConfigRequest::builder().set_pod_gc_controller_config(collector);
    Some(request.set_horizontal_pod_autoscaler_controller_config(autoscaler).build())
}

/// What DescribeCluster tells.
pub(super) fn observed(cluster: &Cluster) -> Settings {
    let network = cluster.kubernetes_network_config();
    let key = cluster.encryption_config().iter().find_map(|config| config.provider()?.key_arn()?.parse().ok());
    Settings {
        auto_mode: cluster.compute_config().map(|compute| match compute.enabled() {
            Some(true) => AutoMode::On {
                node_pools: compute.node_pools().iter().filter_map(|pool| NodePool::named(pool)).collect(),
                node_role: compute.node_role_arn().and_then(|role| role.parse().ok()).map(Ref::Known),
            },
            _ => AutoMode::Off,
        }),
        components: observed_components(cluster),
        egress: cluster
            .resources_vpc_config()
            .and_then(|vpc| vpc.control_plane_egress_mode())
            .and_then(|mode| EgressMode::named(mode.as_str())),
        encryption: key.map(Encryption::CustomerManaged),
        ip_family: match network.and_then(|network| network.ip_family()) {
            Some(eks::IpFamily::Ipv6) => IpFamily::Ipv6,
            _ => IpFamily::Ipv4,
        },
        remote_networks: cluster.remote_network_config().map(|remote| RemoteNetworks {
            nodes: remote
                .remote_node_networks()
                .iter()
                .flat_map(|network| network.cidrs())
                .filter_map(|block| block.parse().ok())
                .collect(),
            pods: remote.remote_pod_networks().iter().flat_map(|network| network.cidrs()).filter_map(|block| block.parse().ok()).collect(),
        }),
        tier: cluster.control_plane_scaling_config().and_then(|config| config.tier()).and_then(|tier| ScalingTier::named(tier.as_str())),
        zonal_shift: cluster.zonal_shift_config().and_then(|config| config.enabled()),
    }
}

fn observed_components(cluster: &Cluster) -> Components {
    let server = cluster.kube_api_server_config();
    let strategy = cluster.kube_scheduler_config().and_then(|config| config.node_resources_fit()).and_then(|fit| fit.scoring_strategy());
    let manager = cluster.kube_controller_manager_config();
    let port = |port: i32| u16::try_from(port).ok();
    Components {
        event_minutes: server.and_then(|server| server.event_ttl()).and_then(component_seconds).map(|seconds| seconds / 60),
        node_ports: server
            .and_then(|server| server.service_node_port_range())
            .and_then(|range| Some((port(range.min_port())?, port(range.max_port())?))),
        scoring: strategy.and_then(|strategy| {
            let weight = |weight: &eks::ResourceWeight| Some((weight.name()?.to_owned(), u8::try_from(weight.weight()?).ok()?));
            let name = ScoringStrategy::named(strategy.r#type()?.as_str())?;
            Some((name, strategy.resources().iter().filter_map(weight).collect()))
        }),
        terminated_pods: manager
            .and_then(|manager| manager.pod_gc_controller_config())
            .and_then(|collector| collector.terminated_pod_gc_threshold())
            .and_then(|pods| u32::try_from(pods).ok()),
        autoscaler_seconds: manager
            .and_then(|manager| manager.horizontal_pod_autoscaler_controller_config())
            .and_then(|autoscaler| autoscaler.horizontal_pod_autoscaler_sync_period())
            .and_then(component_seconds),
    }
}
