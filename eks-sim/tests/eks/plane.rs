//! Settings of control planes, and how they change. Expected answers: EKS API reference (CreateCluster, UpdateClusterConfig,
//! AssociateEncryptionConfig, VpcConfigRequest, ComputeConfigRequest, RemoteNetworkConfigRequest) and the user guide's pages on each.

use aws_sdk_eks::types::{
    BlockStorage, ComputeConfigRequest, ControlPlaneEgressModeType, ControlPlaneScalingConfig, ElasticLoadBalancing, EncryptionConfig,
    HorizontalPodAutoscalerControllerConfigRequest, IpFamily, KubeApiServerConfigRequest, KubeControllerManagerConfigRequest, Provider,
    ProvisionedControlPlaneTier as Tier, RemoteNetworkConfigRequest, RemoteNodeNetwork, StorageConfigRequest, ZonalShiftConfigRequest,
};

use super::{
    Account, AuthenticationMode, ClusterStatus, CreateAccessConfigRequest, KubernetesNetworkConfigRequest, Tested,
    UpdateAccessConfigRequest, UpdateStatus, VpcConfigRequest, refusal, seconds,
    table::{DONE, Table},
};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const WRONG: &str = "InvalidParameterException";

fn encryption(key: &str, resource: &str) -> EncryptionConfig {
    let provider = Provider::builder().key_arn(key).build();
    #[expect(deprecated, reason = "the parameter still has to be sent")]
    EncryptionConfig::builder().resources(resource).provider(provider).build()
}

fn compute(enabled: bool, pools: &[&str], role: Option<&str>) -> ComputeConfigRequest {
    let pools = pools.iter().map(|pool| (*pool).to_owned()).collect();
    ComputeConfigRequest::builder().enabled(enabled).set_node_pools(Some(pools)).set_node_role_arn(role.map(str::to_owned)).build()
}

fn storage(enabled: bool) -> StorageConfigRequest {
    StorageConfigRequest::builder().block_storage(BlockStorage::builder().enabled(enabled).build()).build()
}

fn balancing(enabled: bool) -> KubernetesNetworkConfigRequest {
    KubernetesNetworkConfigRequest::builder().elastic_load_balancing(ElasticLoadBalancing::builder().enabled(enabled).build()).build()
}

fn remote(blocks: &[&str]) -> RemoteNetworkConfigRequest {
    let blocks: Vec<String> = blocks.iter().map(|block| (*block).to_owned()).collect();
    let network = RemoteNodeNetwork::builder().set_cidrs(Some(blocks)).build();
    RemoteNetworkConfigRequest::builder().remote_node_networks(network).build()
}

fn tier(tier: Tier) -> ControlPlaneScalingConfig {
    ControlPlaneScalingConfig::builder().tier(tier).build()
}

fn events(ttl: &str) -> KubeApiServerConfigRequest {
    KubeApiServerConfigRequest::builder().event_ttl(ttl).build()
}

fn autoscaler(period: &str) -> KubeControllerManagerConfigRequest {
    let config = HorizontalPodAutoscalerControllerConfigRequest::builder().horizontal_pod_autoscaler_sync_period(period).build();
    KubeControllerManagerConfigRequest::builder().horizontal_pod_autoscaler_controller_config(config).build()
}

fn api_mode() -> CreateAccessConfigRequest {
    CreateAccessConfigRequest::builder().authentication_mode(AuthenticationMode::Api).build()
}

#[tokio::test(start_paused = true)]
async fn what_a_creation_is_refused_for() -> Tested {
    let account = Account::new().await?;
    let create = || account.create("prod").access_config(api_mode());
    let auto = || create().compute_config(compute(true, &[], None)).storage_config(storage(true)).bootstrap_self_managed_addons(false);
    let ipv6 = KubernetesNetworkConfigRequest::builder().ip_family(IpFamily::Ipv6).build();
    let many: Vec<String> = (0..16).map(|n| format!("192.168.{n}.0/24")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut table = Table::default();
    table.row("only secrets are encrypted", WRONG, create().encryption_config(encryption(KEY, "pods")).send()).await;
    table.row("a key, not a bucket", WRONG, create().encryption_config(encryption("arn:aws:s3:::b", "secrets")).send()).await;
    let abroad = KEY.replace("us-east-1", "eu-west-1");
    table.row("a key of the Region", WRONG, create().encryption_config(encryption(&abroad, "secrets")).send()).await;
    table.row("Auto Mode wholly or not", WRONG, auto().send()).await;
    let both = auto().kubernetes_network_config(balancing(true)).bootstrap_self_managed_addons(true);
    table.row("Auto Mode without self-managed add-ons", WRONG, both.send()).await;
    let pools = create().storage_config(storage(true)).kubernetes_network_config(balancing(true)).bootstrap_self_managed_addons(false);
    table.row("pools need a role", WRONG, pools.compute_config(compute(true, &["system"], None)).send()).await;
    table.row("a private block on premises", WRONG, create().remote_network_config(remote(&["11.0.0.0/16"])).send()).await;
    table.row("apart from the VPC", WRONG, create().remote_network_config(remote(&["10.0.128.0/20"])).send()).await;
    table.row("apart from the Services", WRONG, create().remote_network_config(remote(&["172.20.0.0/20"])).send()).await;
    table.row("fifteen blocks", WRONG, create().remote_network_config(remote(&many)).send()).await;
    table.row("events for an hour at most", WRONG, create().kube_api_server_config(events("2h")).send()).await;
    table.row("the period needs a tier", WRONG, create().kube_controller_manager_config(autoscaler("10s")).send()).await;
    let slow = create().control_plane_scaling_config(tier(Tier::TierXl)).kube_controller_manager_config(autoscaler("30s"));
    table.row("the period is 10 to 15 seconds", WRONG, slow.send()).await;
    table.row("IPv6 needs blocks in every subnet", WRONG, create().kubernetes_network_config(ipv6).send()).await;
    let six = VpcConfigRequest::builder().set_subnet_ids(Some(account.subnets.clone())).public_access_cidrs("2001:db8::/32").build();
    table.row("no IPv6 blocks for an IPv4 endpoint", WRONG, create().resources_vpc_config(six).send()).await;
    let fine = create()
        .encryption_config(encryption(KEY, "secrets"))
        .control_plane_scaling_config(tier(Tier::Tier2Xl))
        .kube_controller_manager_config(autoscaler("10s"))
        .kube_api_server_config(events("30m"))
        .remote_network_config(remote(&["192.168.0.0/16"]))
        .zonal_shift_config(ZonalShiftConfigRequest::builder().enabled(true).build());
    table.row("all of it together", DONE, fine.send()).await;
    let told = account.describe("prod").await?;
    table.fact("the key is told", Some(KEY), told.encryption_config().first().and_then(|config| config.provider()?.key_arn()));
    table.fact("the tier is told", Some(&Tier::Tier2Xl), told.control_plane_scaling_config().and_then(|config| config.tier()));
    table.fact("the price of the tier", 1, account.sim.inventory().items().iter().filter(|item| item.usd_per_month > 2554.0).count());
    table.check();
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn zones_are_refused_in_the_words_of_their_cause() -> Tested {
    let account = Account::new().await?;
    account.sim.exhaust_zone("us-east-1b");
    let error = account.create("prod").send().await.expect_err("refused").into_service_error();
    let aws_sdk_eks::operation::create_cluster::CreateClusterError::UnsupportedAvailabilityZoneException(refused) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(refused.valid_zones(), ["us-east-1a", "us-east-1c", "us-east-1d", "us-east-1f"], "neither the full one nor use1-az3");
    assert!(error.to_string().contains("Retry and choose from these availability zones: us-east-1a, us-east-1c"), "{error}");
    let subnets = vec![account.subnets[0].clone(), account.subnets[2].clone()];
    let elsewhere = VpcConfigRequest::builder().set_subnet_ids(Some(subnets)).build();
    account.create("prod").resources_vpc_config(elsewhere).send().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_update_and_what_it_is_refused_for() -> Tested {
    let account = Account::new().await?;
    account.cluster("prod", AuthenticationMode::Api).await?;
    let update = || account.eks.update_cluster_config().name("prod");
    let vpc = || VpcConfigRequest::builder();
    let mut table = Table::default();

    table.row("nothing is no change", WRONG, update().send()).await;
    let subnet =
        |zone: &str, block: &str| account.ec2.create_subnet().vpc_id(&account.vpc).cidr_block(block).availability_zone(zone).send();
    let id = |made: aws_sdk_ec2::operation::create_subnet::CreateSubnetOutput| {
        made.subnet().and_then(|subnet| subnet.subnet_id()).expect("an id").to_owned()
    };
    let (other_a, elsewhere) = (id(subnet("us-east-1a", "10.0.20.0/24").await?), id(subnet("us-east-1d", "10.0.21.0/24").await?));
    let [a, b, c] = [0, 1, 2].map(|at: usize| account.subnets[at].clone());
    let moved =
        |ids: Vec<&String>| update().resources_vpc_config(vpc().set_subnet_ids(Some(ids.into_iter().cloned().collect())).build()).send();
    table.row("each zone keeps a subnet", WRONG, moved(vec![&a, &b])).await;
    table.row("no zone is added", WRONG, moved(vec![&a, &b, &c, &elsewhere])).await;
    table.row("further subnets in its zones", DONE, moved(vec![&other_a, &b, &c])).await;
    table.row("one at a time", "ResourceInUseException", update().deletion_protection(true).send()).await;
    seconds(400).await;
    table.fact(
        "its subnets",
        vec![other_a, b, c],
        account.describe("prod").await?.resources_vpc_config().expect("a VPC").subnet_ids().to_vec(),
    );

    let routed = || update().resources_vpc_config(vpc().control_plane_egress_mode(ControlPlaneEgressModeType::CustomerRouted).build());
    let id = routed().send().await?.update().and_then(|update| update.id()).expect("an id").to_owned();
    table.fact("it is UPDATING", Some(ClusterStatus::Updating), account.describe("prod").await?.status().cloned());
    seconds(900).await;
    let ended = account.eks.describe_update().name("prod").update_id(&id).send().await?;
    let ended = ended.update().expect("an update");
    table.fact("its type", Some("ControlPlaneEgressUpdate"), ended.r#type().map(|kind| kind.as_str()));
    table.fact("it succeeded", Some(&UpdateStatus::Successful), ended.status());
    let back = vpc().control_plane_egress_mode(ControlPlaneEgressModeType::AwsManaged).build();
    table.row("egress never goes back", WRONG, update().resources_vpc_config(back).send()).await;

    let associate =
        |key: &str| account.eks.associate_encryption_config().cluster_name("prod").encryption_config(encryption(key, "secrets")).send();
    table.row("a key once", DONE, associate(KEY)).await;
    seconds(1500).await;
    table.row("and for good", "InvalidRequestException", associate(KEY)).await;

    let auto = |on: bool, pools: &[&str], role: Option<&str>| {
        update().compute_config(compute(on, pools, role)).storage_config(storage(on)).kubernetes_network_config(balancing(on)).send()
    };
    let (role, other) = ("arn:aws:iam::123456789012:role/nodes", "arn:aws:iam::123456789012:role/others");
    let half = update().compute_config(compute(true, &[], None)).send();
    table.row("Auto Mode wholly or not", WRONG, half).await;
    table.row("Auto Mode on", DONE, auto(true, &["system"], Some(role))).await;
    seconds(400).await;
    table.row("its role stays", WRONG, auto(true, &["system"], Some(other))).await;
    table.row("Auto Mode off", DONE, auto(false, &[], None)).await;
    seconds(400).await;
    table.fact("it is off", Some(false), account.describe("prod").await?.compute_config().and_then(|config| config.enabled()));

    table.row("the period needs a tier", WRONG, update().kube_controller_manager_config(autoscaler("10s")).send()).await;
    table.row("a tier", DONE, update().control_plane_scaling_config(tier(Tier::TierXl)).send()).await;
    seconds(400).await;
    table.row("the period, on a tier", DONE, update().kube_controller_manager_config(autoscaler("10s")).send()).await;
    seconds(400).await;
    table.row("events, beside it", DONE, update().kube_api_server_config(events("10m")).send()).await;
    seconds(400).await;
    let told = account.describe("prod").await?;
    table.fact("events are told", Some("10m"), told.kube_api_server_config().and_then(|config| config.event_ttl()));

    table.row("remote networks", DONE, update().remote_network_config(remote(&["192.168.0.0/16"])).send()).await;
    seconds(400).await;
    let none = RemoteNetworkConfigRequest::builder().set_remote_node_networks(Some(vec![])).set_remote_pod_networks(Some(vec![])).build();
    table.row("and none", DONE, update().remote_network_config(none).send()).await;
    seconds(400).await;
    let mode = UpdateAccessConfigRequest::builder().authentication_mode(AuthenticationMode::ConfigMap).build();
    table.row("access goes forward only", WRONG, update().access_config(mode).send()).await;
    let shift = ZonalShiftConfigRequest::builder().enabled(true).build();
    table.row("one kind at a time", WRONG, update().zonal_shift_config(shift.clone()).deletion_protection(true).send()).await;
    table.row("zonal shift", DONE, update().zonal_shift_config(shift).send()).await;
    seconds(400).await;
    assert_eq!(refusal(account.eks.describe_update().name("prod").update_id("none").send()).await.0, "ResourceNotFoundException");
    table.check();
    Ok(())
}
