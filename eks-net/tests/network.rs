//! The network on the simulated EC2: create, plan again, drift, teardown.

mod common;

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_ec2::{
    Client,
    config::Region,
    types::{AttributeBooleanValue, Filter, InstanceType, IpPermission, IpRange, ResourceType, Tag, TagSpecification, UserIdGroupPair},
};
use common::{builder, chapter, counts, owner, process, standing, tear_down};
use eks_core::{
    Plan, Verdict,
    engine::{ApplyError, Driver, Engine},
};
use eks_net::{Nat, NetworkSpec, Networks};
use eks_sim::{Fault, Sim, When};

type Done = Result<(), Box<dyn std::error::Error>>;

/// A standing network: the account, its handle and engine, a client of somebody else's, and the VPC's id.
async fn stand(spec: &NetworkSpec) -> Result<(Sim, Networks, Engine, Client, String), Box<dyn std::error::Error>> {
    let sim = Sim::new();
    let (networks, engine) = process(&sim);
    let report = networks.plan(spec).await?.apply(&engine).await?;
    let vpc = report.output("net/vpc", "id").ok_or("the VPC tells its id")?.to_owned();
    let other = Client::new(&sim.sdk_config());
    Ok((sim, networks, engine, other, vpc))
}

fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{:?} {}: {}", step.action, step.key, step.changes.join("; "))).collect()
}

/// Calls since then that are not among these IAM actions.
fn not_permitted(sim: &Sim, since: usize, permitted: &BTreeSet<&str>) -> Vec<String> {
    let log = sim.log();
    let called: BTreeSet<String> = log.calls()[since..].iter().map(|call| format!("{}:{}", call.service, call.action)).collect();
    called.into_iter().filter(|action| !permitted.contains(action.as_str())).collect()
}

fn tag(kind: ResourceType, key: &str, value: &str) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).tags(Tag::builder().key(key).value(value).build()).build()
}

#[tokio::test(start_paused = true)]
async fn the_chapter_from_nothing_to_nothing() -> Done {
    let sim = Sim::new();
    let (networks, engine) = process(&sim);
    let plan = networks.plan(&chapter()).await?;
    let expected = plan.critical_path().0;
    let report = plan.apply(&engine).await?;
    assert!(report.is_complete());
    assert_eq!(counts(&sim), standing());
    assert!(report.took < expected + Duration::from_secs(30), "{:?}", report.took);
    // Two observations of three calls, one call for each thing, one more where EC2 forces it; polls apart.
    let calls = sim.log().len() as u64 - report.polls;
    assert_eq!(calls, 33);
    assert_eq!(not_permitted(&sim, 0, &plan.iam_actions()), [""; 0]);

    let before = sim.log().len();
    let again = networks.plan(&chapter()).await?;
    assert_eq!(changes(&again), [""; 0], "a fixpoint");
    assert_eq!(sim.log().len() - before, 9);
    assert!(again.apply(&engine).await?.is_complete());
    assert!((again.usd_per_month() - sim.inventory().usd_per_month()).abs() < 0.01, "{}", sim.inventory().usd_per_month());

    let before = sim.log().len();
    let permitted = networks.teardown(&owner()).await?;
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(not_permitted(&sim, before, &permitted.iam_actions()), [""; 0]);
    assert_eq!(counts(&sim), []);
    let nothing = networks.teardown(&owner()).await?;
    assert!(nothing.is_empty(), "{nothing}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_gateway_in_each_zone() -> Done {
    let spec = builder().nat(Nat::PerZone).tag("team", "platform").build()?;
    let (sim, networks, ..) = stand(&spec).await?;
    assert!(networks.plan(&spec).await?.is_noop());
    let inventory = sim.inventory();
    assert_eq!((inventory.count("ec2/nat-gateway"), inventory.count("ec2/elastic-ip"), inventory.count("ec2/route-table")), (2, 2, 3));
    let tagged =
        |kind: &str| inventory.items().iter().filter(|item| item.kind == kind).all(|item| item.tags.iter().any(|(key, _)| key == "team"));
    assert!(
        ["ec2/vpc", "ec2/subnet", "ec2/nat-gateway", "ec2/elastic-ip", "ec2/route-table", "ec2/security-group"]
            .iter()
            .all(|kind| tagged(kind))
    );
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn from_one_gateway_to_one_in_each_zone() -> Done {
    let (sim, networks, engine, ..) = stand(&chapter()).await?;
    let more = builder().nat(Nat::PerZone).build()?;
    networks.plan(&more).await?.apply(&engine).await?;
    let again = networks.plan(&more).await?;
    assert!(again.is_noop(), "{again}");
    assert!(again.findings().iter().any(|finding| finding.step.as_str() == "net/route-table/private"), "the old table stays and is told");
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn drift_is_mended() -> Done {
    let (sim, networks, engine, other, vpc) = stand(&chapter()).await?;
    let now = networks.observe(&owner()).await?;
    let off = AttributeBooleanValue::builder().value(false).build();
    other.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(off.clone()).send().await?;
    let public = now.subnets.iter().find(|subnet| subnet.cidr.to_string() == "10.0.3.0/24").ok_or("a subnet")?;
    other.modify_subnet_attribute().subnet_id(public.id.as_str()).map_public_ip_on_launch(off).send().await?;
    other.delete_tags().resources(public.id.as_str()).tags(Tag::builder().key("kubernetes.io/role/elb").build()).send().await?;
    for table in &now.route_tables {
        if table.tags.contains_key("eks-rs/key") {
            other.delete_route().route_table_id(table.id.as_str()).destination_cidr_block("0.0.0.0/0").send().await?;
        }
        if let Some(association) = table.associations.get(&public.id) {
            other.disassociate_route_table().association_id(association.as_str()).send().await?;
        }
    }
    let group = now.security_groups.iter().find(|group| group.name == "public").ok_or("a group")?;
    let ssh = IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22);
    let ssh = ssh.ip_ranges(IpRange::builder().cidr_ip("98.234.106.21/32").build()).build();
    other.revoke_security_group_ingress().group_id(group.id.as_str()).ip_permissions(ssh).send().await?;

    let plan = networks.plan(&chapter()).await?;
    assert_eq!(
        changes(&plan),
        [
            "Update net/vpc: enableDnsHostnames: false → true",
            "Update net/subnet/public/us-east-1b: tag kubernetes.io/role/elb: none → 1; MapPublicIpOnLaunch: false → true",
            "Create net/route/public: ",
            "Create net/route/private: ",
            "Create net/association/public/us-east-1b: ",
            "Update net/security-group-rules/public: rule tcp 22 from 98.234.106.21/32: none → allowed",
        ]
    );
    // EC2 may not know everywhere yet what it has just told: an update, too, is tried again.
    let unknown = Fault::Refuse { status: 400, code: "InvalidVpcID.NotFound".to_owned(), message: "it does not exist".to_owned() };
    sim.inject(When::Action { service: "ec2".to_owned(), action: "ModifyVpcAttribute".to_owned(), nth: 1 }, unknown);
    plan.apply(&engine).await?;
    assert_eq!(sim.faults_pending(), 0);
    assert!(networks.plan(&chapter()).await?.is_noop());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_update_takes_seconds_and_tells_what_a_create_tells() -> Done {
    let sim = Sim::new();
    let (networks, engine) = process(&sim);
    let made = networks.plan(&chapter()).await?.apply(&engine).await?;
    let updated = networks.plan(&builder().tag("team", "platform").build()?).await?.apply(&engine).await?;
    assert!(updated.took < Duration::from_secs(10), "an available NAT gateway is not waited for: {:?}", updated.took);
    let kept = networks.plan(&builder().tag("team", "platform").build()?).await?;
    for (key, step) in &made.steps {
        let kept = kept.step(key.as_str()).map(|step| &step.outputs);
        assert_eq!((Some(&step.outputs), Some(&updated.steps[key].outputs)), (kept, kept), "{key}");
    }
    assert!(made.output("net/elastic-ip/us-east-1a", "public_ip").is_some_and(|address| !address.is_empty()));
    Ok(())
}

/// Deletes the network's gateway and the route to it, and waits until EC2 has.
async fn lose_gateway(networks: &Networks, other: &Client) -> Done {
    let now = networks.observe(&owner()).await?;
    let gateway = now.nat_gateways.iter().find(|gateway| gateway.state == "available").ok_or("a gateway")?;
    let table = now.route_tables.iter().find(|table| table.default_route.as_deref() == Some(gateway.id.as_str())).ok_or("a table")?;
    other.delete_route().route_table_id(table.id.as_str()).destination_cidr_block("0.0.0.0/0").send().await?;
    other.delete_nat_gateway().nat_gateway_id(gateway.id.as_str()).send().await?;
    tokio::time::sleep(Duration::from_secs(120)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_dead_gateway_is_not_the_end() -> Done {
    let (sim, networks, engine, other, _) = stand(&chapter()).await?;
    lose_gateway(&networks, &other).await?;
    let saved = networks.plan(&chapter()).await?;
    saved.apply(&engine).await?;
    lose_gateway(&networks, &other).await?;
    // What exists is what the plan was made on; its token's gateway is dead by now.
    saved.apply(&engine).await?;
    assert_eq!(counts(&sim), standing());
    // Nor can a plan know of gateways that EC2 no longer shows.
    lose_gateway(&networks, &other).await?;
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    assert!(networks.observe(&owner()).await?.nat_gateways.is_empty());
    networks.plan(&chapter()).await?.apply(&engine).await?;
    assert_eq!(counts(&sim), standing());
    assert!(networks.plan(&chapter()).await?.is_noop());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_was_deleted_is_replaced() -> Done {
    let (sim, networks, engine, other, _) = stand(&chapter()).await?;
    let gateway = networks.observe(&owner()).await?.nat_gateways[0].id.to_string();
    other.delete_nat_gateway().nat_gateway_id(&gateway).send().await?;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let plan = networks.plan(&chapter()).await?;
    assert_eq!(
        changes(&plan),
        ["Create net/nat/us-east-1a: ".to_owned(), format!("Update net/route/private: 0.0.0.0/0: {gateway} → net/nat/us-east-1a")]
    );
    plan.apply(&engine).await?;
    assert!(networks.plan(&chapter()).await?.is_noop());
    assert_eq!(counts(&sim), standing());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_is_applied_exactly_or_refused() -> Done {
    let (sim, networks, engine, other, vpc) = stand(&chapter()).await?;
    let more = builder().cluster("second").build()?;
    let saved = networks.plan(&more).await?.to_json()?;
    other.create_tags().resources(&vpc).tags(Tag::builder().key("note").value("x").build()).send().await?;
    let stale = Plan::from_json(&saved)?.apply(&engine).await;
    let Err(ApplyError::Stale { differences }) = stale else { return Err("a stale plan was applied".into()) };
    assert_eq!(differences.iter().map(ToString::to_string).collect::<Vec<_>>(), ["net/vpc tag note: planned on nothing, found x"]);
    other.delete_tags().resources(&vpc).tags(Tag::builder().key("note").build()).send().await?;
    Plan::from_json(&saved)?.apply(&engine).await?;
    assert!(networks.plan(&more).await?.is_noop());
    assert_eq!(counts(&sim), standing());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn plans_and_teardowns_stay_in_their_region() -> Done {
    let (sim, networks, ..) = stand(&chapter()).await?;
    let more = Plan::from_json(&networks.plan(&builder().cluster("second").build()?).await?.to_json()?)?;
    let elsewhere = |region: Option<&'static str>| {
        let config = sim.sdk_config().into_builder().region(region.map(Region::new)).build();
        let networks = Networks::new(&config);
        (networks.clone(), Engine::new().driver(networks))
    };
    let (ireland, engine) = elsewhere(Some("eu-west-1"));
    let refused = ireland.plan(&chapter()).await.expect_err("zones of another Region");
    assert_eq!(
        refused.to_string(),
        "network: its zones are chosen for us-east-1, and the SDK's configuration is for eu-west-1; \
         give a configuration for us-east-1, or plan for eu-west-1"
    );
    let nowhere = elsewhere(None).0.plan(&chapter()).await.expect_err("no Region");
    assert!(nowhere.to_string().ends_with("the SDK's configuration has no Region; set its Region to us-east-1"), "{nowhere}");
    let ApplyError::Observe { source, .. } = more.apply(&engine).await.expect_err("a plan for another Region") else {
        return Err("it was observed".into());
    };
    assert!(source.to_string().starts_with("network: the plan was made for us-east-1, and"), "{source}");
    // An empty answer of another Region is no proof that all is gone here.
    let teardown = networks.teardown(&owner()).await?;
    assert!(matches!(teardown.scopes()["net"], ref scope if *scope == serde_json::json!({"region": "us-east-1"})));
    assert!(Driver::survivors(&ireland, &owner(), &teardown.scopes()["net"]).await.is_err());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn others_rules_that_name_our_groups_go_with_them() -> Done {
    let (sim, networks, _, other, vpc) = stand(&chapter()).await?;
    let ours = networks.observe(&owner()).await?.security_groups.into_iter().find(|group| group.name == "elb").ok_or("a group")?;
    let foreign = other.create_security_group().vpc_id(&vpc).group_name("theirs").description("not ours").send().await?;
    let pair = UserIdGroupPair::builder().group_id(ours.id.as_str()).build();
    let rule = IpPermission::builder().ip_protocol("-1").user_id_group_pairs(pair).build();
    let id = foreign.group_id().unwrap_or_default();
    other.authorize_security_group_ingress().group_id(id).ip_permissions(rule).send().await?;
    let verdict = tear_down(&sim).await;
    let left: Vec<_> = verdict.survivors().iter().map(|survivor| survivor.kind.as_str()).collect();
    assert_eq!(left, ["VPC", "security group"], "{verdict}");
    assert!(verdict.to_string().contains("we did not make it (theirs), and it lies in our VPC"), "{verdict}");
    assert!(verdict.to_string().contains("DependencyViolation"), "{verdict}");
    other.delete_security_group().group_id(id).send().await?;
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_kubernetes_left_goes_with_the_vpc() -> Done {
    let (sim, networks, _, other, vpc) = stand(&chapter()).await?;
    let subnet = networks.observe(&owner()).await?.subnets[0].id.to_string();
    let group = other.create_security_group().vpc_id(&vpc).group_name("k8s-elb-a1b2").description("Security group for Kubernetes ELB");
    let group = group.tag_specifications(tag(ResourceType::SecurityGroup, "kubernetes.io/cluster/chap10", "owned")).send().await?;
    let group = group.group_id().unwrap_or_default().to_owned();
    other.create_network_interface().subnet_id(&subnet).groups(&group).description("aws-K8S-i-0123456789abcdef0").send().await?;
    let node = networks.observe(&owner()).await?.security_groups.into_iter().find(|group| group.name == "private").ok_or("a group")?;
    let rule = IpPermission::builder().ip_protocol("-1").user_id_group_pairs(UserIdGroupPair::builder().group_id(&group).build()).build();
    other.authorize_security_group_ingress().group_id(node.id.as_str()).ip_permissions(rule).send().await?;
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_living_cluster_in_the_vpc_is_not_touched() -> Done {
    let (sim, networks, _, other, vpc) = stand(&chapter()).await?;
    let now = networks.observe(&owner()).await?;
    let group = other.create_security_group().vpc_id(&vpc).group_name("eks-cluster-sg-other-1").description("EKS created security group");
    let group = group.tag_specifications(tag(ResourceType::SecurityGroup, "kubernetes.io/cluster/other", "owned")).send().await?;
    let group = group.group_id().unwrap_or_default().to_owned();
    let theirs = other.create_security_group().vpc_id(&vpc).group_name("their-nodes").description("nodes").send().await?;
    let theirs = theirs.group_id().unwrap_or_default().to_owned();
    let rule = IpPermission::builder().ip_protocol("-1").user_id_group_pairs(UserIdGroupPair::builder().group_id(&group).build()).build();
    other.authorize_security_group_ingress().group_id(&theirs).ip_permissions(rule).send().await?;
    let subnet = now.subnets[0].id.as_str();
    other.create_network_interface().subnet_id(subnet).groups(&group).description("Amazon EKS other").send().await?;
    let verdict = tear_down(&sim).await;
    assert!(verdict.to_string().contains("it belongs to a control plane (Amazon EKS other)"), "{verdict}");
    assert!(verdict.to_string().contains("(Amazon EKS other)"), "{verdict}");
    let groups = other.describe_security_groups().group_ids(&theirs).send().await?;
    assert_eq!(groups.security_groups()[0].ip_permissions().len(), 1, "the rules of a living cluster stay");
    assert_eq!(sim.inventory().count("ec2/nat-gateway"), 0, "what costs money and holds nothing goes all the same");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_interface_that_a_living_node_has_just_made_is_not_touched() -> Done {
    let (sim, networks, _, other, _) = stand(&chapter()).await?;
    let subnet = networks.observe(&owner()).await?.subnets[0].id.to_string();
    let node = other.run_instances().image_id("ami-0123456789abcdef0").instance_type(InstanceType::T3Small).min_count(1).max_count(1);
    let node = node.subnet_id(&subnet).send().await?;
    let node = node.instances()[0].instance_id().unwrap_or_default().to_owned();
    let interface = other.create_network_interface().subnet_id(&subnet).description(format!("aws-K8S-{node}")).send().await?;
    let interface = interface.network_interface().and_then(|it| it.network_interface_id()).unwrap_or_default().to_owned();
    let verdict = tear_down(&sim).await;
    assert!(verdict.to_string().contains("a cluster in it is alive"), "{verdict}");
    other.describe_network_interfaces().network_interface_ids(&interface).send().await?;
    other.terminate_instances().instance_ids(&node).send().await?;
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert!(other.describe_network_interfaces().network_interface_ids(&interface).send().await.is_err());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_others_use_survives_with_reason_and_remedy() -> Done {
    let (sim, networks, _, other, _) = stand(&chapter()).await?;
    let subnet = networks.observe(&owner()).await?.subnets[0].id.to_string();
    let interface = other.create_network_interface().subnet_id(&subnet).description("ELB a1b2c3").send().await?;
    let interface = interface.network_interface().and_then(|it| it.network_interface_id()).unwrap_or_default().to_owned();
    let attributes = sim.log().count("ec2", "DescribeVpcAttribute");
    let verdict = tear_down(&sim).await;
    // They do not matter to a teardown, and to read them fails on a VPC that is gone.
    assert_eq!(sim.log().count("ec2", "DescribeVpcAttribute"), attributes);
    let told = verdict.to_string();
    assert!(told.contains(&format!("network interface {interface}: it belongs to the load balancer a1b2c3")), "{told}");
    assert!(told.contains("delete the Service or Ingress that made the load balancer"), "{told}");
    let kinds: Vec<_> = verdict.survivors().iter().map(|survivor| survivor.kind.as_str()).collect();
    assert_eq!(kinds, ["subnet", "VPC", "network interface"], "only what it holds is left: {told}");
    other.delete_network_interface().network_interface_id(&interface).send().await?;
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_owner_is_another_network() -> Done {
    let (sim, networks, engine, ..) = stand(&chapter()).await?;
    let other = eks_core::Owner::new("other")?;
    let second = NetworkSpec::builder(&other, "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"]).build()?;
    networks.plan(&second).await?.apply(&engine).await?;
    assert_eq!(sim.inventory().count("ec2/vpc"), 2);
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert!(networks.plan(&second).await?.is_noop(), "the other network stands untouched");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn two_things_of_one_key_are_refused_and_torn_down() -> Done {
    let (sim, networks, _, other, vpc) = stand(&chapter()).await?;
    let twin = other.create_route_table().vpc_id(&vpc);
    let tags = [("eks-rs/owner", "chap10"), ("eks-rs/key", "net/route-table/public")]
        .map(|(key, value)| Tag::builder().key(key).value(value).build());
    twin.tag_specifications(TagSpecification::builder().resource_type(ResourceType::RouteTable).set_tags(Some(tags.to_vec())).build())
        .send()
        .await?;
    let filter = Filter::builder().name("tag:eks-rs/key").values("net/route-table/public").build();
    assert_eq!(other.describe_route_tables().filters(filter).send().await?.route_tables().len(), 2);
    let refused = networks.plan(&chapter()).await.expect_err("two of one key");
    assert!(refused.to_string().contains("both carry this key"), "{refused}");
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}
