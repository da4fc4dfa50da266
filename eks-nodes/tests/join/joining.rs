//! Instances that run and do not become Ready nodes.

use aws_sdk_ec2::types::{
    AttributeBooleanValue, Filter, LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest, PortRange,
    RuleAction, VpcEndpointType,
};
use aws_sdk_eks::types::{ResolveConflicts, VpcConfigRequest};
use eks_core::{SubnetRef, Tier};
use eks_nodes::{AmazonLinux2, Image, RoleMapping, WorkersSpec, join::Cause};

use crate::{
    account::{Tested, minutes, owner, security_group_of},
    stage::Stage,
};

impl Stage {
    fn vpc(&self) -> String {
        self.account.network.vpc.known().expect("known").to_string()
    }

    /// The route table of the private subnets, and its NAT gateway.
    async fn private_table(&self) -> Tested<(String, String)> {
        let with_nat = Filter::builder().name("route.nat-gateway-id").values("nat-*").build();
        let tables = self.account.ec2.describe_route_tables().filters(with_nat).send().await?;
        let table = &tables.route_tables()[0];
        let nat = table.routes().iter().find_map(|route| route.nat_gateway_id()).expect("a gateway");
        Ok((table.route_table_id().expect("an id").to_owned(), nat.to_owned()))
    }

    async fn without_route(&self) -> Tested<String> {
        let (table, _) = self.private_table().await?;
        self.account.ec2.delete_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").send().await?;
        Ok(table)
    }

    async fn endpoint_access(&self, config: aws_sdk_eks::types::builders::VpcConfigRequestBuilder) -> Tested {
        self.eks.update_cluster_config().name("chap10").resources_vpc_config(config.build()).send().await?;
        minutes(8).await;
        Ok(())
    }
}

fn parameter(version: &str) -> Image {
    Image::Parameter(format!("/aws/service/eks/optimized-ami/{version}/amazon-linux-2023/x86_64/standard/recommended/image_id"))
}

#[tokio::test(start_paused = true)]
async fn no_route() -> Tested {
    let stage = Stage::new().await?;
    let table = stage.without_route().await?;
    stage.doomed(stage.spec()).await?.is(Cause::NoRoute, &[&table, "NAT gateway"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_nat_gateway_is_gone() -> Tested {
    let stage = Stage::new().await?;
    let (table, nat) = stage.private_table().await?;
    stage.account.ec2.delete_nat_gateway().nat_gateway_id(&nat).send().await?;
    minutes(3).await;
    let doom = stage.doomed(stage.spec()).await?;
    doom.is(Cause::NoRoute, &[&table]);
    assert!(doom.diagnosis.told.contains(&nat), "{}", doom.diagnosis);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn no_public_address() -> Tested {
    let stage = Stage::new().await?;
    let block = Filter::builder().name("cidr-block").values("10.0.1.0/24").build();
    let found = stage.account.ec2.describe_subnets().filters(block).send().await?;
    let id = found.subnets()[0].subnet_id().expect("an id").to_owned();
    let mut network = stage.account.network.clone();
    network.subnets = vec![SubnetRef { id: id.parse::<eks_core::SubnetId>()?.into(), zone: "us-east-1a".parse()?, tier: Tier::Public }];
    let spec = WorkersSpec::builder(&owner(), "chap10-worker".parse()?, stage.account.cluster.clone(), network).allow_public_subnets(true);
    stage.doomed(spec).await?.is(Cause::NoPublicAddress, &[&id, "MapPublicIpOnLaunch"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_missing() -> Tested {
    let stage = Stage::new().await?;
    let table = stage.without_route().await?;
    let s3 = stage.account.ec2.create_vpc_endpoint().vpc_id(stage.vpc()).service_name("com.amazonaws.us-east-1.s3");
    s3.route_table_ids(&table).send().await?;
    minutes(1).await;
    let doom = stage.doomed(stage.spec()).await?;
    doom.is(Cause::EndpointMissing, &["ec2, ecr.api, ecr.dkr", "private DNS"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_closed() -> Tested {
    let stage = Stage::new().await?;
    let table = stage.without_route().await?;
    let ec2 = &stage.account.ec2;
    ec2.create_vpc_endpoint().vpc_id(stage.vpc()).service_name("com.amazonaws.us-east-1.s3").route_table_ids(&table).send().await?;
    let closed = ec2.create_security_group().vpc_id(stage.vpc()).group_name("closed").description("closed").send().await?;
    let closed = closed.group_id().expect("an id").to_owned();
    let subnet = stage.account.network.subnets[0].id.known().expect("known").to_string();
    for service in ["ec2", "ecr.api", "ecr.dkr"] {
        let make = ec2.create_vpc_endpoint().vpc_id(stage.vpc()).service_name(format!("com.amazonaws.us-east-1.{service}"));
        make.vpc_endpoint_type(VpcEndpointType::Interface)
            .subnet_ids(&subnet)
            .security_group_ids(&closed)
            .private_dns_enabled(true)
            .send()
            .await?;
    }
    minutes(3).await;
    let doom = stage.doomed(stage.spec()).await?;
    doom.is(Cause::EndpointClosed, &["443", "vpce-"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_network_acl_is_closed() -> Tested {
    // Port 443 out; then answers in.
    for (egress, ports, told) in [(true, (443, 443), "lets nothing out"), (false, (1024, 65_535), "lets no answers in")] {
        let stage = Stage::new().await?;
        let ec2 = &stage.account.ec2;
        let of_vpc = Filter::builder().name("vpc-id").values(stage.vpc()).build();
        let acls = ec2.describe_network_acls().filters(of_vpc).send().await?;
        let acl = acls.network_acls()[0].network_acl_id().expect("an id").to_owned();
        let range = PortRange::builder().from(ports.0).to(ports.1).build();
        let entry = ec2.create_network_acl_entry().network_acl_id(&acl).rule_number(90).protocol("6").rule_action(RuleAction::Deny);
        entry.egress(egress).cidr_block("0.0.0.0/0").port_range(range).send().await?;
        let doom = stage.doomed(stage.spec()).await?;
        doom.is(Cause::NetworkAclClosed, &[&acl, "below 90"]);
        assert!(doom.diagnosis.told.contains(told), "{}", doom.diagnosis);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn dns_is_off() -> Tested {
    let stage = Stage::new().await?;
    let off = AttributeBooleanValue::builder().value(false).build();
    stage.account.ec2.modify_vpc_attribute().vpc_id(stage.vpc()).enable_dns_hostnames(off).send().await?;
    stage.doomed(stage.spec()).await?.is(Cause::DnsOff, &["enableDnsHostnames", &stage.vpc()]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_public_endpoint_leaves_the_nat_gateway_out() -> Tested {
    let stage = Stage::new().await?;
    stage.endpoint_access(VpcConfigRequest::builder().public_access_cidrs("203.0.113.7/32")).await?;
    let doom = stage.doomed(stage.spec()).await?;
    doom.is(Cause::PublicBlocks, &["publicAccessCidrs", "private endpoint"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_control_plane_does_not_let_nodes_in() -> Tested {
    let stage = Stage::new().await?;
    stage.endpoint_access(VpcConfigRequest::builder().endpoint_private_access(true)).await?;
    let spec = stage.empty(stage.spec()).await?;
    let ec2 = &stage.account.ec2;
    let plane = stage.account.cluster.security_groups[0].known().expect("known").to_string();
    let nodes = security_group_of(&stage.account).await?;
    let found = ec2.describe_security_group_rules().filters(Filter::builder().name("group-id").values(&plane).build()).send().await?;
    let rules = found.security_group_rules().iter().filter(|rule| rule.is_egress() == Some(false));
    let rules: Vec<_> = rules.filter_map(|rule| rule.security_group_rule_id()).map(str::to_owned).collect();
    assert!(!rules.is_empty(), "the workers' stack lets them in");
    ec2.revoke_security_group_ingress().group_id(&plane).set_security_group_rule_ids(Some(rules)).send().await?;
    stage.doomed_later(&spec).await?.is(Cause::SecurityGroupClosed, &[&plane, &nodes, "443"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_role_has_no_access_entry() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    let (role, _) = stage.role().await?;
    stage.eks.delete_access_entry().cluster_name("chap10").principal_arn(&role).send().await?;
    let doom = stage.doomed_later(&spec).await?;
    doom.is(Cause::RoleNotMapped, &[&role, "EC2_LINUX"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn aws_auth_does_not_map_the_role() -> Tested {
    let stage = Stage::new().await?;
    let doom = stage.doomed(stage.spec().mapping(RoleMapping::AwsAuth)).await?;
    let (role, _) = stage.role().await?;
    doom.is(Cause::RoleNotMapped, &[&role]);
    assert!(doom.diagnosis.told.contains("neither an access entry nor a mapping"), "{}", doom.diagnosis);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_entry_is_of_the_wrong_type() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec().mapping(RoleMapping::None)).await?;
    let (role, _) = stage.role().await?;
    stage.eks.create_access_entry().cluster_name("chap10").principal_arn(&role).send().await?;
    stage.doomed_later(&spec).await?.is(Cause::MappingWrong, &[&role, "EC2_LINUX"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn aws_auth_maps_the_role_to_another_name() -> Tested {
    use k8s_openapi::api::core::v1::ConfigMap;

    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec().mapping(RoleMapping::None)).await?;
    let (role, _) = stage.role().await?;
    let text = format!("- rolearn: {role}\n  username: node\n  groups: [system:bootstrappers, system:nodes]\n");
    let map: ConfigMap = serde_json::from_value(serde_json::json!({"metadata": {"name": "aws-auth"}, "data": {"mapRoles": text}}))?;
    let maps: kube::Api<ConfigMap> = kube::Api::namespaced(stage.client()?, "kube-system");
    maps.create(&kube::api::PostParams::default(), &map).await?;
    stage.doomed_later(&spec).await?.is(Cause::MappingWrong, &[&role, "system:node:{{EC2PrivateDNSName}}"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_role_may_not_ask_ec2() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    stage.detach("AmazonEKSWorkerNodePolicy").await?;
    stage.detach("AmazonEKS_CNI_Policy").await?;
    stage.doomed_later(&spec).await?.is(Cause::WorkerPolicyMissing, &["AmazonEKSWorkerNodePolicy"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_role_may_not_pull_images() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    stage.detach("AmazonEC2ContainerRegistryPullOnly").await?;
    let doom = stage.doomed_later(&spec).await?;
    doom.is_of_network_plugin(Cause::RegistryDenied, &["AmazonEC2ContainerRegistryPullOnly"]);
    assert!(doom.diagnosis.evidence.iter().any(|line| line.contains("cni plugin not initialized")), "{}", doom.diagnosis);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_network_plugin_may_nothing() -> Tested {
    let stage = Stage::new().await?;
    let add = stage.eks.create_addon().cluster_name("chap10").addon_name("vpc-cni");
    add.resolve_conflicts(ResolveConflicts::Overwrite).send().await?;
    let spec = stage.empty(stage.spec()).await?;
    stage.detach("AmazonEKS_CNI_Policy").await?;
    stage.doomed_later(&spec).await?.is_of_network_plugin(Cause::CniDenied, &["AmazonEKS_CNI_Policy", "vpc-cni"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn there_is_no_network_plugin() -> Tested {
    let stage = Stage::new().await?;
    let add = stage.eks.create_addon().cluster_name("chap10").addon_name("vpc-cni");
    add.resolve_conflicts(ResolveConflicts::Overwrite).send().await?;
    minutes(1).await;
    stage.eks.delete_addon().cluster_name("chap10").addon_name("vpc-cni").send().await?;
    minutes(1).await;
    stage.doomed(stage.spec()).await?.is_of_network_plugin(Cause::CniMissing, &["vpc-cni"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn user_data_of_another_family() -> Tested {
    let stage = Stage::new().await?;
    // Told before the console shows it.
    let doom = stage.doomed(stage.spec().family(AmazonLinux2::new()).image(parameter("1.35"))).await?;
    doom.is(Cause::UserDataMismatch, &["Amazon Linux 2023", "NodeConfig"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_node_config_lacks_a_member() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    stage.tampered_user_data("\"cidr\"", "\"CIDR\"").await?;
    stage.doomed_later(&spec).await?.is(Cause::ConfigInvalid, &["cidr"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_node_config_is_malformed() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    stage.tampered_user_data("\"spec\": {", "\"spec\": {{").await?;
    let doom = stage.doomed_later(&spec).await?;
    doom.is(Cause::ConfigInvalid, &["nodeadm config check"]);
    assert!(doom.diagnosis.evidence.iter().any(|line| line.contains("nodeadm-config.service")), "{}", doom.diagnosis);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_cluster_is_named() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    stage.tampered_user_data("\"name\": \"chap10\"", "\"name\": \"chap11\"").await?;
    stage.doomed_later(&spec).await?.is(Cause::WrongClusterName, &["chap10"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_endpoint_is_named() -> Tested {
    let stage = Stage::new().await?;
    let mut cluster = stage.account.cluster.clone();
    cluster.endpoint = "https://0123456789ABCDEF0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com".to_owned().into();
    let spec = WorkersSpec::builder(&owner(), "chap10-worker".parse()?, cluster, stage.account.network.clone());
    let endpoint = stage.account.cluster.endpoint.known().expect("known");
    stage.doomed(spec).await?.is(Cause::WrongEndpoint, &[endpoint]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_authority_is_named() -> Tested {
    let stage = Stage::new().await?;
    let mut cluster = stage.account.cluster.clone();
    cluster.certificate_authority = "LS0tLS1CRUdJTg==".to_owned().into();
    let spec = WorkersSpec::builder(&owner(), "chap10-worker".parse()?, cluster, stage.account.network.clone());
    stage.doomed(spec).await?.is(Cause::WrongAuthority, &["certificate authority", "chap10"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_metadata_service_is_off() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    let off = LaunchTemplateInstanceMetadataOptionsRequest::builder().http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Disabled);
    stage.tampered(|data, _| data.metadata_options(off.build())).await?;
    stage.doomed_later(&spec).await?.is(Cause::ImdsOff, &["HttpEndpoint"]);
    Ok(())
}

/// The API server lets such nodes in: no wait ends, and who asks is told.
async fn likely_skew(stage: Stage, version: &str, cause: Cause) -> Tested {
    let spec = stage.spec().image(parameter(version)).build()?;
    stage.apply(&spec).await??;
    let found = stage.account.workers.diagnose(&spec).await;
    let [likely] = &found[..] else { panic!("{found:?}") };
    assert!(likely.cause == cause && !likely.is_certain() && likely.fix.contains("1.35"), "{likely}");
    Ok(())
}

/// As many groups as zones leave a look fewer calls.
#[tokio::test(start_paused = true)]
async fn user_data_of_another_family_in_a_group_per_zone() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.spec().family(AmazonLinux2::new()).image(parameter("1.35")).group_per_zone(true);
    stage.doomed(spec).await?.is(Cause::UserDataMismatch, &["Amazon Linux 2023", "NodeConfig"]);
    Ok(())
}

/// What the look before saw does not stand in the way of who has mended it.
#[tokio::test(start_paused = true)]
async fn who_mends_the_cause_goes_on_with_the_same_handle() -> Tested {
    let stage = Stage::new().await?;
    let (table, nat) = stage.private_table().await?;
    stage.without_route().await?;
    let spec = stage.empty(stage.spec()).await?;
    stage.doomed_later(&spec).await?.is(Cause::NoRoute, &[&table]);
    stage.account.ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").nat_gateway_id(&nat).send().await?;
    stage.nodes_come(spec.refs()).await??;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_kubelet_is_newer() -> Tested {
    let stage = Stage::new().await?;
    likely_skew(stage, "1.36", Cause::KubeletTooNew).await
}

#[tokio::test(start_paused = true)]
async fn the_kubelet_is_too_old() -> Tested {
    let stage = Stage::new().await?;
    likely_skew(stage, "1.31", Cause::KubeletTooOld).await
}

#[tokio::test(start_paused = true)]
async fn the_machines_fail() -> Tested {
    let stage = Stage::new().await?;
    stage.account.sim.impair_zone("us-east-1a");
    let doom = stage.doomed(stage.spec()).await?;
    doom.is(Cause::StatusCheckFailed, &["set-instance-health", "i-"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_label_is_missing() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    let mut refs = spec.refs();
    refs.node_label = ("team".to_owned(), "books".to_owned());
    stage.doomed_refs(refs).await?.is(Cause::LabelMissing, &["label"]);
    Ok(())
}
