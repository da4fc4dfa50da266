//! Every way out on the simulated EC2: create, plan again, drift, teardown.

mod common;

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_ec2::{
    Client,
    types::{AttributeBooleanValue, DomainType},
};
use common::{builder, chapter, counts, owner, process, standing, tear_down};
use eks_core::{Plan, Verdict};
use eks_net::{Endpoint, Endpoints, Nat, NetworkSpec, NetworkSpecBuilder, Subnet};
use eks_sim::Sim;

type Done = Result<(), Box<dyn std::error::Error>>;

fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{:?} {}: {}", step.action, step.key, step.changes.join("; "))).collect()
}

fn told(plan: &Plan, what: &str) -> bool {
    plan.findings().iter().any(|finding| finding.to_string().contains(what))
}

async fn apply(sim: &Sim, spec: &NetworkSpec) -> Result<Plan, Box<dyn std::error::Error>> {
    let (networks, engine) = process(sim);
    let plan = networks.plan(spec).await?;
    let report = plan.apply(&engine).await.map_err(|error| format!("{plan}\n{error}"))?;
    assert!(report.is_complete());
    Ok(plan)
}

/// Makes the network, which then needs nothing more, costs what the account pays, calls nothing that the plan does not permit,
/// and goes without a trace. Tells what exists meanwhile, and the plan.
async fn comes_and_goes(sim: &Sim, spec: &NetworkSpec) -> Result<(Vec<(String, usize)>, Plan), Box<dyn std::error::Error>> {
    let (before, cost, calls) = (counts(sim), sim.inventory().usd_per_month(), sim.log().len());
    let plan = apply(sim, spec).await?;
    let permitted = plan.iam_actions();
    not_permitted(sim, calls, &permitted);
    // A regional gateway reaches its zones late.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let standing = counts(sim);
    let (networks, engine) = process(sim);
    let calls = sim.log().len();
    let again = networks.plan(spec).await?;
    assert_eq!(changes(&again), [""; 0], "{again}");
    // Nine, and one for each kind that the VPC tells of or the spec names.
    let asked = serde_json::to_value(spec)?;
    let more = ["/ipv6", "/endpoints/0", "/elastic_ips/0", "/nat/transit_gateway"].map(|field| asked.pointer(field).is_some());
    assert_eq!(sim.log().len() - calls, 9 + more.into_iter().filter(|more| *more).count());
    let report = again.apply(&engine).await?;
    assert!(report.is_complete());
    let paid = sim.inventory().usd_per_month() - cost;
    assert!((again.usd_per_month() - paid).abs() < 0.01, "planned {}, paid {paid}", again.usd_per_month());
    // Saved and read again it is the same.
    assert_eq!(Plan::from_json(&plan.to_json()?)?, plan);

    let calls = sim.log().len();
    let teardown = networks.teardown(&owner()).await?;
    let saved: f64 = teardown.removals().iter().map(|removal| removal.usd_per_month).sum();
    assert!((saved - paid).abs() < 0.01, "saves {saved} of {paid}");
    let permitted = teardown.iam_actions();
    assert_eq!(tear_down(sim).await, Verdict::Clean);
    not_permitted(sim, calls, &permitted);
    assert_eq!(counts(sim), before);
    Ok((standing, plan))
}

/// Nothing was called since then but these IAM actions.
fn not_permitted(sim: &Sim, since: usize, permitted: &BTreeSet<&str>) {
    let log = sim.log();
    let called: BTreeSet<String> = log.calls()[since..].iter().map(|call| format!("{}:{}", call.service, call.action)).collect();
    let more: Vec<_> = called.into_iter().filter(|action| !permitted.contains(action.as_str())).collect();
    assert_eq!(more, [""; 0], "not permitted by the plan");
}

fn count(standing: &[(String, usize)], kind: &str) -> usize {
    standing.iter().find(|(other, _)| other == &format!("ec2/{kind}")).map_or(0, |(_, count)| *count)
}

/// Three private subnets, no public one.
fn inner() -> NetworkSpecBuilder {
    NetworkSpec::builder(&owner(), "10.0.0.0/16")
        .subnet(Subnet::private("us-east-1a", "10.0.0.0/20"))
        .subnet(Subnet::private("us-east-1b", "10.0.16.0/20"))
        .subnet(Subnet::private("us-east-1c", "10.0.32.0/20"))
}

#[tokio::test(start_paused = true)]
async fn no_way_out() -> Done {
    let (standing, plan) = comes_and_goes(&Sim::new(), &builder().nat(Nat::None).build()?).await?;
    assert_eq!((count(&standing, "nat-gateway"), count(&standing, "elastic-ip")), (0, 0));
    assert!(told(&plan, "VPC endpoints are missing for ec2, ecr.api, ecr.dkr, eks, s3 and sts"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn zonal_gateways() -> Done {
    assert_eq!(comes_and_goes(&Sim::new(), &chapter()).await?.0, standing());
    for (nat, gateways, finding) in [
        (Nat::SingleIn("us-east-1b".to_owned()), 1, "a single point of failure: when us-east-1b fails"),
        (Nat::PerZone, 2, "$73.00 a month with 2 gateways in 2 zones; a zone that fails takes only its own way out"),
    ] {
        let (standing, plan) = comes_and_goes(&Sim::new(), &builder().nat(nat).build()?).await?;
        assert_eq!((count(&standing, "nat-gateway"), count(&standing, "elastic-ip")), (gateways, gateways));
        assert!(told(&plan, finding), "{plan}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_regional_gateway_needs_no_public_subnet() -> Done {
    let sim = Sim::new();
    let (standing, plan) = comes_and_goes(&sim, &inner().nat(Nat::Regional).build()?).await?;
    assert_eq!((count(&standing, "nat-gateway"), count(&standing, "internet-gateway"), count(&standing, "route-table")), (1, 1, 1));
    assert!(told(&plan, "once it is in 3 zones"), "{plan}");
    Ok(())
}

async fn own_addresses(other: &Client, number: usize) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut ids = Vec::new();
    for _ in 0..number {
        let address = other.allocate_address().domain(DomainType::Vpc).send().await?;
        ids.push(address.allocation_id().unwrap_or_default().to_owned());
    }
    Ok(ids)
}

#[tokio::test(start_paused = true)]
async fn own_addresses_are_used_and_never_released() -> Done {
    let sim = Sim::new();
    let own = own_addresses(&Client::new(&sim.sdk_config()), 3).await?;
    let zonal = builder().nat(Nat::PerZone).elastic_ip("us-east-1b", &own[0]).build()?;
    let (standing, _) = comes_and_goes(&sim, &zonal).await?;
    assert_eq!((count(&standing, "nat-gateway"), count(&standing, "elastic-ip")), (2, 4), "one was allocated");

    let regional = inner().nat(Nat::Regional).elastic_ip("us-east-1a", &own[0]).elastic_ip("us-east-1a", &own[1]);
    let (standing, plan) = comes_and_goes(&sim, &regional.clone().elastic_ip("us-east-1b", &own[2]).build()?).await?;
    assert_eq!((count(&standing, "nat-gateway"), count(&standing, "elastic-ip")), (1, 3));
    assert!(told(&plan, "it has no address in us-east-1c, whose traffic crosses"), "{plan}");

    // One more address is given in place; to addresses of AWS's there is no way back.
    apply(&sim, &regional.clone().build()?).await?;
    let more = regional.elastic_ip("us-east-1b", &own[2]).build()?;
    let plan = apply(&sim, &more).await?;
    assert_eq!(changes(&plan), [format!("Update net/nat/regional: address in us-east-1b: none → {}", own[2])]);
    let (networks, _) = process(&sim);
    assert!(networks.plan(&more).await?.is_noop());
    let refused = networks.plan(&inner().nat(Nat::Regional).build()?).await.expect_err("cannot go back");
    assert!(refused.to_string().contains("it has addresses of your own, the spec AWS's, and that cannot be changed"), "{refused}");
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_address_cannot_be_given_to_a_zonal_gateway() -> Done {
    let sim = Sim::new();
    apply(&sim, &chapter()).await?;
    let own = own_addresses(&Client::new(&sim.sdk_config()), 1).await?;
    let refused = process(&sim).0.plan(&builder().elastic_ip("us-east-1a", &own[0]).build()?).await.expect_err("has another");
    assert!(refused.to_string().contains("the first address of a NAT gateway cannot be changed"), "{refused}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn addresses_that_are_missing_or_in_use_are_refused_before_any_write() -> Done {
    let sim = Sim::new();
    apply(&sim, &chapter()).await?;
    let (networks, _) = process(&sim);
    let taken = networks.observe(&owner()).await?.addresses[0].id.to_string();
    let second = NetworkSpec::builder(&eks_core::Owner::new("other")?, "10.1.0.0/16").zones(["us-east-1a", "us-east-1b"]);
    let mut refusals = Vec::new();
    for id in [taken.as_str(), "eipalloc-0123456789abcdef0"] {
        refusals.push(networks.plan(&second.clone().elastic_ip("us-east-1a", id).build()?).await.expect_err("not free").to_string());
    }
    assert!(refusals[0].contains("it is in use (eipassoc-"), "{refusals:?}");
    assert!(refusals[1].contains("there is no such elastic IP address in the account and Region"), "{refusals:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_gateway_of_others() -> Done {
    let sim = Sim::new();
    let none = builder().nat(Nat::None).build()?;
    apply(&sim, &none).await?;
    let other = Client::new(&sim.sdk_config());
    let now = process(&sim).0.observe(&owner()).await?;
    let public = |zone: &str| {
        let found = now.subnets.iter().find(|subnet| subnet.zone.as_str() == zone && subnet.map_public_ip);
        found.map(|subnet| subnet.id.to_string()).ok_or("a public subnet")
    };
    let own = own_addresses(&other, 2).await?;
    let mut gateways = Vec::new();
    for (zone, address) in ["us-east-1a", "us-east-1b"].into_iter().zip(&own) {
        let made = other.create_nat_gateway().subnet_id(public(zone)?).allocation_id(address).send().await?;
        gateways.push(made.nat_gateway().and_then(|gateway| gateway.nat_gateway_id()).unwrap_or_default().to_owned());
    }
    tokio::time::sleep(Duration::from_secs(600)).await;

    let one = builder().nat(Nat::Existing(gateways[0].clone())).build()?;
    let calls = sim.log().len();
    let plan = process(&sim).0.plan(&one).await?;
    assert_eq!(sim.log().len() - calls, 10, "one call more, as the spec asks for it");
    assert_eq!(changes(&plan), ["Create net/route/private: "]);
    assert!(told(&plan, "is not ours and costs nothing more; a single point of failure"), "{plan}");
    let saved = Plan::from_json(&plan.to_json()?)?;
    saved.apply(&process(&sim).1).await?;
    assert!(process(&sim).0.plan(&one).await?.is_noop());

    let by_zone = |pairs: [(&str, &str); 2]| Nat::ExistingIn(pairs.map(|(zone, id)| (zone.to_owned(), id.to_owned())).into());
    let each = builder().nat(by_zone([("us-east-1a", &gateways[0]), ("us-east-1b", &gateways[1])])).build()?;
    let plan = apply(&sim, &each).await?;
    assert!(told(&plan, "as each is in its zone"), "{plan}");
    assert!(process(&sim).0.plan(&each).await?.is_noop());

    let wrong = process(&sim).0.plan(&builder().nat(Nat::Existing("nat-0123456789abcdef0".to_owned())).build()?).await;
    let wrong = wrong.expect_err("no such gateway").to_string();
    assert!(wrong.contains("there is no such NAT gateway"), "{wrong}");
    let second = NetworkSpec::builder(&eks_core::Owner::new("other")?, "10.1.0.0/16").zones(["us-east-1a", "us-east-1b"]);
    let elsewhere = process(&sim).0.plan(&second.nat(Nat::Existing(gateways[0].clone())).build()?).await;
    let elsewhere = elsewhere.expect_err("of another VPC").to_string();
    assert!(elsewhere.contains("it is in another VPC"), "{elsewhere}");

    // They are others': the teardown leaves them, tells what they hold, and ends cleanly once they are gone.
    let verdict = tear_down(&sim).await;
    assert!(verdict.to_string().contains("subnet"), "{verdict}");
    for gateway in &gateways {
        other.delete_nat_gateway().nat_gateway_id(gateway).send().await?;
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(sim.inventory().count("ec2/elastic-ip"), 2, "the addresses are not ours");
    Ok(())
}

async fn transit_gateway(sim: &Sim) -> Result<String, Box<dyn std::error::Error>> {
    let other = Client::new(&sim.sdk_config());
    let gateway = other.create_transit_gateway().description("hub").send().await?;
    let id = gateway.transit_gateway().and_then(|gateway| gateway.transit_gateway_id()).unwrap_or_default().to_owned();
    tokio::time::sleep(Duration::from_secs(600)).await;
    Ok(id)
}

#[tokio::test(start_paused = true)]
async fn a_transit_gateway() -> Done {
    let sim = Sim::new();
    let hub = transit_gateway(&sim).await?;
    let spec = inner().nat(Nat::TransitGateway(hub.clone())).build()?;
    let (standing, plan) = comes_and_goes(&sim, &spec).await?;
    assert_eq!((count(&standing, "transit-gateway-attachment"), count(&standing, "internet-gateway")), (1, 0));
    assert_eq!(count(&standing, "network-interface"), 3, "one in each zone");
    assert!(told(&plan, "$36.50 a month for the attachment, in 3 zones"), "{plan}");

    // A zone more is served in place; another transit gateway is refused.
    apply(&sim, &spec).await?;
    let more = inner().subnet(Subnet::private("us-east-1d", "10.0.48.0/20"));
    let plan = apply(&sim, &more.clone().nat(Nat::TransitGateway(hub)).build()?).await?;
    assert_eq!(
        changes(&plan),
        [
            "Create net/subnet/private/us-east-1d: ",
            "Update net/transit-gateway-attachment: subnet in us-east-1d: none → net/subnet/private/us-east-1d",
            "Create net/association/private/us-east-1d: ",
        ]
    );
    let elsewhere = more.nat(Nat::TransitGateway(transit_gateway(&sim).await?)).build()?;
    let refused = process(&sim).0.plan(&elsewhere).await.expect_err("cannot be moved");
    assert!(refused.to_string().contains("an attachment cannot be moved"), "{refused}");
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn endpoints_for_a_private_cluster() -> Done {
    let sim = Sim::new();
    let spec = inner().nat(Nat::None).endpoints(Endpoints::private_cluster().and(Endpoint::gateway("dynamodb"))).build()?;
    let (standing, plan) = comes_and_goes(&sim, &spec).await?;
    assert_eq!((count(&standing, "vpc-endpoint"), count(&standing, "network-interface")), (11, 27));
    assert_eq!(count(&standing, "security-group"), 1);
    // 9 interfaces in 3 zones at 0.01 $/h.
    assert!(told(&plan, "9 interface endpoints in 3 zones: $197.10 a month together"), "{plan}");
    assert!(!told(&plan, "missing"), "{plan}");
    let needs: Vec<_> = plan.step("net/endpoint/gateway/s3").ok_or("a step")?.needs.iter().map(ToString::to_string).collect();
    assert_eq!(needs, ["net/route-table/private", "net/vpc"]);
    let text = serde_json::to_string(&spec)?;
    assert!(!text.contains("VPC endpoints"), "the default group is no part of what was asked: {text}");
    assert_eq!(serde_json::from_str::<NetworkSpec>(&text)?, spec);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_mended_field_by_field() -> Done {
    let sim = Sim::new();
    let policy = serde_json::json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]});
    let asked = || inner().nat(Nat::None).endpoint(Endpoint::interface("ec2"));
    let spec = asked().endpoint(Endpoint::gateway("s3").policy(policy)).build()?;
    apply(&sim, &spec).await?;
    let (networks, engine) = process(&sim);
    let now = networks.observe(&owner()).await?;
    let id = |service: &str| {
        let found = now.endpoints.iter().find(|endpoint| endpoint.service.ends_with(service));
        found.map(|endpoint| endpoint.id.to_string()).ok_or("an endpoint")
    };
    let other = Client::new(&sim.sdk_config());
    let vpc = now.vpcs[0].id.as_str();
    let theirs = other.create_security_group().vpc_id(vpc).group_name("theirs").description("not ours").send().await?;
    let theirs = theirs.group_id().unwrap_or_default();
    let group = now.security_groups.iter().find(|group| group.name == "endpoints").ok_or("a group")?.id.to_string();
    let gone = now.subnets.iter().find(|subnet| subnet.zone.as_str() == "us-east-1b").ok_or("a subnet")?.id.to_string();
    let call = other.modify_vpc_endpoint().vpc_endpoint_id(id("ec2")?).private_dns_enabled(false).remove_subnet_ids(gone);
    call.add_security_group_ids(theirs).remove_security_group_ids(&group).send().await?;
    let call = other.modify_vpc_endpoint().vpc_endpoint_id(id("s3")?).reset_policy(true);
    call.remove_route_table_ids(now.route_tables.iter().find(|table| !table.tags.is_empty()).ok_or("a table")?.id.to_string())
        .send()
        .await?;

    let plan = networks.plan(&spec).await?;
    assert_eq!(
        changes(&plan),
        [
            "Update net/endpoint/interface/ec2: subnet in us-east-1b: none → net/subnet/private/us-east-1b; \
             security groups: none → net/security-group/endpoints; private DNS: false → true",
            "Update net/endpoint/gateway/s3: route tables: none → net/route-table/private; policy: another → the spec's",
        ]
    );
    assert!(told(&plan, &format!("security groups that the spec does not have stay: {theirs}")), "{plan}");
    plan.apply(&engine).await?;
    assert!(networks.plan(&spec).await?.is_noop());

    // A group of ours that the spec no longer names goes; a policy that it no longer has is everything again.
    let named = asked_with_group().endpoint(Endpoint::interface("ec2").security_group("web")).endpoint(Endpoint::gateway("s3")).build()?;
    let plan = networks.plan(&named).await?;
    assert_eq!(
        changes(&plan)[2..],
        [
            format!("Update net/endpoint/interface/ec2: security groups: none → net/security-group/web; security groups: {group} → none"),
            "Update net/endpoint/gateway/s3: policy: another → everything allowed".to_owned(),
        ]
    );
    plan.apply(&engine).await?;
    assert!(networks.plan(&named).await?.is_noop());

    // Without endpoints in the spec they stay, and the teardown finds them.
    let without = networks.plan(&inner().nat(Nat::None).build()?).await?;
    assert!(told(&without, "is no longer in the spec; it stays until the teardown") && without.is_noop(), "{without}");
    let verdict = tear_down(&sim).await;
    assert!(verdict.to_string().contains("theirs"), "{verdict}");
    other.delete_security_group().group_id(theirs).send().await?;
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    Ok(())
}

fn asked_with_group() -> NetworkSpecBuilder {
    let group = eks_net::SecurityGroup::new("web", "web").allow(eks_net::Rule::tcp(443).from_cidr("10.0.0.0/8"));
    inner().nat(Nat::None).security_group(group)
}

#[tokio::test(start_paused = true)]
async fn two_families() -> Done {
    let sim = Sim::new();
    let spec = builder().ipv6().build()?;
    let (standing, plan) = comes_and_goes(&sim, &spec).await?;
    assert_eq!(count(&standing, "egress-only-internet-gateway"), 1);
    let routes: Vec<_> = plan.steps().iter().filter(|step| step.title.starts_with("::/0")).map(|step| step.title.as_str()).collect();
    assert_eq!(routes, ["::/0 → net/internet-gateway", "::/0 → net/egress-only-internet-gateway"]);

    apply(&sim, &spec).await?;
    let (networks, engine) = process(&sim);
    let now = networks.observe(&owner()).await?;
    let blocks: BTreeSet<_> = now.subnets.iter().filter_map(|subnet| subnet.ipv6).collect();
    assert_eq!(blocks.len(), 4);
    assert!(now.subnets.iter().all(|subnet| subnet.assign_ipv6));
    // A subnet that comes first in the spec moves no other's block.
    let more = NetworkSpec::builder(&owner(), "10.0.0.0/16").subnet(Subnet::private("us-east-1c", "10.0.9.0/24"));
    let same = serde_json::from_value::<NetworkSpecBuilder>({
        let mut value = serde_json::to_value(&spec)?;
        let first = serde_json::to_value(&more)?["subnets"][0].clone();
        value["subnets"].as_array_mut().ok_or("subnets")?.insert(0, first);
        value
    })?;
    let wider = same.build()?;
    networks.plan(&wider).await?.apply(&engine).await?;
    let later = networks.observe(&owner()).await?;
    assert!(later.subnets.iter().filter_map(|subnet| subnet.ipv6).collect::<BTreeSet<_>>().is_superset(&blocks));
    assert!(networks.plan(&wider).await?.is_noop());

    // Drift: a route that leads elsewhere, and an attribute.
    let other = Client::new(&sim.sdk_config());
    let off = AttributeBooleanValue::builder().value(false).build();
    other.modify_subnet_attribute().subnet_id(now.subnets[0].id.as_str()).assign_ipv6_address_on_creation(off).send().await?;
    let private = now.route_tables.iter().find(|table| table.default_route_ipv6.as_deref().is_some_and(|id| id.starts_with("eigw-")));
    let private = private.ok_or("a private table")?.id.to_string();
    let gateway = now.internet_gateways[0].id.to_string();
    other.replace_route().route_table_id(&private).destination_ipv6_cidr_block("::/0").gateway_id(&gateway).send().await?;
    let plan = networks.plan(&wider).await?;
    let changed = changes(&plan);
    assert!(changed.iter().any(|line| line.contains("AssignIpv6AddressOnCreation: false → true")), "{changed:?}");
    assert!(changed.iter().any(|line| line.contains(&format!("Update net/route-ipv6/private: ::/0: {gateway} → eigw-"))), "{changed:?}");
    plan.apply(&engine).await?;
    other.delete_route().route_table_id(&private).destination_ipv6_cidr_block("::/0").send().await?;
    assert_eq!(changes(&networks.plan(&wider).await?), ["Create net/route-ipv6/private: "]);
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn from_one_family_to_two() -> Done {
    let sim = Sim::new();
    apply(&sim, &chapter()).await?;
    let spec = builder().ipv6().build()?;
    let plan = apply(&sim, &spec).await?;
    let changed = changes(&plan);
    assert_eq!(changed.iter().filter(|line| line.contains("IPv6: none → /64 number")).count(), 4, "{changed:?}");
    let (networks, _) = process(&sim);
    assert!(networks.plan(&spec).await?.is_noop());
    assert_eq!(networks.observe(&owner()).await?.vpcs[0].blocks.len(), 1);
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn secondary_blocks() -> Done {
    let sim = Sim::new();
    let wide = || builder().secondary_cidr("100.64.0.0/16").subnet(Subnet::private("us-east-1a", "100.64.0.0/18").named("pods"));
    comes_and_goes(&sim, &wide().build()?).await?;
    apply(&sim, &chapter()).await?;
    let plan = apply(&sim, &wide().build()?).await?;
    assert!(told(&plan, "takes up to an hour to recognise a new block"), "{plan}");
    let (networks, _) = process(&sim);
    assert!(networks.plan(&wide().build()?).await?.is_noop());
    // It stays when the spec no longer has it.
    let without = networks.plan(&chapter()).await?;
    assert!(without.is_noop() && told(&without, "the block 100.64.0.0/16 is not in the spec; it stays"), "{without}");
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn from_way_to_way() -> Done {
    let sim = Sim::new();
    apply(&sim, &chapter()).await?;
    let regional = builder().nat(Nat::Regional).build()?;
    let plan = apply(&sim, &regional).await?;
    assert_eq!(changes(&plan).len(), 2, "{plan}");
    assert!(changes(&plan)[1].ends_with("→ net/nat/regional"), "{plan}");
    let (networks, _) = process(&sim);
    assert!(networks.plan(&regional).await?.is_noop());
    let none = networks.plan(&builder().nat(Nat::None).build()?).await?;
    assert!(none.is_noop() && told(&none, "the spec has no such route, and it stays: 0.0.0.0/0 → nat-"), "{none}");
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_intra_table_has_no_way_out() -> Done {
    let sim = Sim::new();
    let spec = builder().subnet(Subnet::intra("us-east-1a", "10.0.8.0/24")).ipv6().endpoint(Endpoint::gateway("s3")).build()?;
    apply(&sim, &spec).await?;
    let now = process(&sim).0.observe(&owner()).await?;
    let intra = now.route_tables.iter().find(|table| table.tags.get("eks-rs/key").is_some_and(|key| key.ends_with("intra")));
    let intra = intra.ok_or("an intra table")?;
    assert_eq!((&intra.default_route, &intra.default_route_ipv6), (&None, &None));
    assert!(now.endpoints[0].route_tables.contains(&intra.id));
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    Ok(())
}
