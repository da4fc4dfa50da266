//! Surveys and plans of networks that others made, in forms that the simulated account does not have.

use eks_core::{Owner, SecurityGroupId, SubnetId, Tier};

use super::*;
use crate::{
    egress::{EndpointKind, Nat},
    observed::{FoundEndpoint, FoundGroup, FoundInternetGateway},
    tags::Tags,
    testing::id,
};

fn owner() -> Owner {
    Owner::new("shop").unwrap()
}

/// A VPC as the console makes it: two zones, public and private subnets, a NAT gateway.
fn console() -> ObservedExisting {
    let mut now = ObservedExisting { region: Some("us-west-2".to_owned()), ..ObservedExisting::nothing(&owner()) };
    let vpc: eks_core::VpcId = id("vpc", 1);
    now.vpcs.push(ExistingVpc {
        id: vpc.clone(),
        cidrs: vec!["10.0.0.0/16".parse().unwrap()],
        is_default: false,
        account: "111122223333".to_owned(),
        dns_support: true,
        dns_hostnames: true,
        tags: Tags::from([("Name".to_owned(), "prod".to_owned())]),
    });
    for (number, (zone, zone_id)) in [("a", "usw2-az1"), ("b", "usw2-az2"), ("a", "usw2-az1"), ("b", "usw2-az2")].into_iter().enumerate() {
        now.subnets.push(ExistingSubnet {
            id: id("subnet", number),
            vpc: vpc.clone(),
            cidr: Some(format!("10.0.{number}.0/24").parse().unwrap()),
            zone: format!("us-west-2{zone}").parse().unwrap(),
            zone_id: zone_id.to_owned(),
            free_addresses: 250,
            map_public_ip: number < 2,
            account: "111122223333".to_owned(),
            outpost: None,
            tags: Tags::from([(format!("kubernetes.io/role/{}", if number < 2 { "elb" } else { "internal-elb" }), "1".to_owned())]),
        });
    }
    let (gateway, nat): (eks_core::InternetGatewayId, eks_core::NatGatewayId) = (id("igw", 1), id("nat", 1));
    now.internet_gateways.push(FoundInternetGateway { id: gateway.clone(), attached_to: vec![vpc], tags: Tags::new() });
    now.nat_gateways.push(ExistingNatGateway {
        id: nat.clone(),
        state: "available".to_owned(),
        subnet: Some(id("subnet", 0)),
        addresses: vec![id("eipalloc", 1)],
        tags: Tags::new(),
    });
    for (number, target) in [gateway.to_string(), nat.to_string()].into_iter().enumerate() {
        now.route_tables.push(ExistingRouteTable {
            id: id("rtb", number),
            is_main: false,
            routes: vec![ExistingRoute { destination: "0.0.0.0/0".to_owned(), target, is_blackhole: false }],
            associations: (0..2).map(|n| (id("subnet", number * 2 + n), id("rtbassoc", number * 2 + n))).collect(),
            tags: Tags::new(),
        });
    }
    now
}

fn choice() -> ExistingNetworkBuilder {
    ExistingNetwork::builder(&owner()).vpc_named("prod")
}

fn survey(now: &ObservedExisting) -> Survey {
    choice().build().unwrap().survey(now).unwrap()
}

fn told(now: &ObservedExisting) -> Vec<String> {
    survey(now).gaps().iter().map(|gap| format!("{}{}: {}", gap.code, if gap.blocks { "!" } else { "" }, gap.subject)).collect()
}

#[test]
fn every_gap_has_its_code_and_its_page() {
    let subnet = |number: usize| -> SubnetId { id("subnet", number) };
    assert_eq!(told(&console()), [""; 0], "nothing is wrong with it");
    type Case = (&'static str, fn(&mut ObservedExisting), Vec<String>);
    let of = |code: &str, number: usize| format!("{code}: {}", subnet(number));
    let by =
        |code: &str, number: usize, table: usize| format!("{code}: {} by {}", subnet(number), id::<eks_core::RouteTableId>("rtb", table));
    let vpc = |code: &str| format!("{code}: {}", id::<eks_core::VpcId>("vpc", 1));
    let cases: Vec<Case> = vec![
        (
            "DNS",
            |now| (now.vpcs[0].dns_support, now.vpcs[0].dns_hostnames) = (false, false),
            vec![vpc("dns-support!"), vpc("dns-hostnames!")],
        ),
        ("secondary block", |now| now.vpcs[0].cidrs.push("100.64.0.0/16".parse().unwrap()), vec![vpc("cidr-secondary")]),
        ("default VPC", |now| now.vpcs[0].is_default = true, vec![vpc("vpc-default")]),
        ("5 addresses", |now| now.subnets[2].free_addresses = 5, vec![of("addresses-too-few!", 2)]),
        ("6 addresses", |now| now.subnets[2].free_addresses = 6, vec![of("addresses-few", 2)]),
        ("15 addresses", |now| now.subnets[2].free_addresses = 15, vec![of("addresses-few", 2)]),
        ("16 addresses", |now| now.subnets[2].free_addresses = 16, vec![]),
        ("zone id", |now| now.subnets[3].zone_id = "usw1-az2".to_owned(), vec![of("zone-unsupported!", 3)]),
        ("Local Zone", |now| now.subnets[3].zone = "us-west-2-lax-1a".parse().unwrap(), vec![of("zone-kind!", 3)]),
        ("Wavelength Zone", |now| now.subnets[3].zone = "us-west-2-wl1-las-wlz-1".parse().unwrap(), vec![of("zone-kind!", 3)]),
        (
            "Outpost",
            |now| now.subnets[3].outpost = Some("arn:aws:outposts:us-west-2:1:outpost/op-1".to_owned()),
            vec![of("subnet-outpost!", 3)],
        ),
        ("IPv6 only", |now| now.subnets[3].cidr = None, vec![of("subnet-ipv6-only!", 3)]),
        ("shared", |now| now.subnets[3].account = "444455556666".to_owned(), vec![of("subnet-shared", 3)]),
        ("no public addresses", |now| now.subnets[0].map_public_ip = false, vec![of("public-no-addresses", 0)]),
        (
            "gateway detached",
            |now| now.route_tables[0].routes[0].is_blackhole = true,
            vec![by("public-no-way!", 0, 0), by("public-no-way!", 1, 0)],
        ),
        (
            "NAT gateway gone",
            |now| now.route_tables[1].routes[0].is_blackhole = true,
            vec![by("route-blackhole!", 2, 1), by("route-blackhole!", 3, 1)],
        ),
        ("no way out", |now| now.route_tables[1].routes.clear(), vec![by("no-way-out", 2, 1), by("no-way-out", 3, 1)]),
        ("by a transit gateway", |now| now.route_tables[1].routes[0].target = "tgw-0a1b2c3d4e5f60718".to_owned(), vec![]),
        (
            "a peering that is gone",
            |now| {
                let route = ExistingRoute { destination: "10.9.0.0/16".to_owned(), target: "pcx-0a1b2c3d".to_owned(), is_blackhole: true };
                now.route_tables[1].routes.push(route);
            },
            vec![by("route-blackhole", 2, 1), by("route-blackhole", 3, 1)],
        ),
        ("no role", |now| now.subnets[1].tags.clear(), vec![of("role-tag", 1)]),
        ("public only", |now| drop(now.subnets.drain(2..)), vec![vpc("no-private")]),
        ("one zone", |now| now.subnets.retain(|subnet| subnet.zone.as_str() == "us-west-2a"), vec!["zones-too-few!: subnets".to_owned()]),
    ];
    for (name, change, expected) in cases {
        let mut now = console();
        change(&mut now);
        assert_eq!(told(&now), expected, "{name}");
        for gap in survey(&now).gaps() {
            assert!(gap.page.contains("User Guide") || gap.page.contains("Load Balancer Controller"), "{gap}");
            assert!(gap.to_string().ends_with(&format!("({})", gap.page)), "{gap}");
        }
    }
}

#[test]
fn endpoints_that_bring_what_nodes_need_are_a_way() {
    let mut now = console();
    now.route_tables[1].routes.clear();
    let endpoint = |number: usize, service: &str, kind: EndpointKind| FoundEndpoint {
        id: id("vpce", number),
        service: format!("com.amazonaws.us-west-2.{service}"),
        kind: Some(kind),
        state: "available".to_owned(),
        route_tables: if kind == EndpointKind::Gateway { [id("rtb", 1)].into() } else { [].into() },
        subnets: [].into(),
        groups: [].into(),
        private_dns: true,
        policy: None,
        tags: Tags::new(),
    };
    let mut all: Vec<_> = ["ec2", "ecr.api", "ecr.dkr", "eks", "sts"]
        .into_iter()
        .enumerate()
        .map(|(number, service)| endpoint(number, service, EndpointKind::Interface))
        .collect();
    all.push(endpoint(9, "s3", EndpointKind::Gateway));
    now.endpoints = Some(all.clone());
    assert_eq!(told(&now), [""; 0]);
    let said = |now: &ObservedExisting| survey(now).gaps().iter().map(|gap| gap.rule.clone()).next().unwrap_or_default();
    // A gateway endpoint serves the tables that it has a route in; eks-auth is not eks.
    all[5].route_tables.clear();
    all[3].service = "com.amazonaws.us-west-2.eks-auth".to_owned();
    now.endpoints = Some(all);
    assert!(said(&now).ends_with("and it has none for eks, s3"), "{}", said(&now));
    now.endpoints = None;
    assert!(said(&now).ends_with("and it may have none for ec2, ecr.api, ecr.dkr, eks, s3, sts"), "{}", said(&now));
}

#[test]
fn where_the_default_route_leads_decides_unless_it_is_stated() {
    let mut now = console();
    now.route_tables[1].associations.remove(&id("subnet", 3));
    // Now by the main table, which has only local routes.
    let main = ExistingRouteTable { id: id("rtb", 9), is_main: true, routes: vec![], associations: [].into(), tags: Tags::new() };
    now.route_tables.push(main);
    let tiers: Vec<_> = survey(&now).subnets().iter().map(|subnet| (subnet.id.clone(), subnet.tier)).collect();
    assert_eq!(
        tiers,
        [
            (id("subnet", 0), Tier::Public),
            (id("subnet", 2), Tier::Private),
            (id("subnet", 1), Tier::Public),
            (id("subnet", 3), Tier::Intra)
        ]
    );
    let stated = choice().private_subnet("subnet-00000000000000000").subnet("subnet-00000000000000001").build().unwrap();
    let survey = stated.survey(&now).unwrap();
    assert!(survey.gaps().iter().any(|gap| gap.code == "private-is-public"));
    assert_eq!(survey.refs().private().subnets.len(), 1);
}

#[test]
fn all_that_stands_against_it_is_told_at_once() {
    let mut now = console();
    now.vpcs[0].dns_hostnames = false;
    now.subnets[2].free_addresses = 3;
    now.subnets[3].zone_id = "use1-az3".to_owned();
    let refused = survey(&now).plan().unwrap_err().to_string();
    assert!(
        refused.starts_with("existing network vpc-00000000000000001: 3 things stand against it; mend each, then plan again:\n"),
        "{refused}"
    );
    let allowed = choice().allow(Fix::Dns).build().unwrap().survey(&now).unwrap().plan().unwrap_err().to_string();
    assert!(allowed.contains("2 things") && !allowed.contains("enableDns"), "{allowed}");
}

#[test]
fn a_route_is_not_mended_under_subnets_that_were_not_chosen() {
    let mut now = console();
    now.route_tables[0].routes.clear();
    let stated = |also: &str| choice().public_subnet("subnet-00000000000000000").public_subnet(also).allow(Fix::Routes).build().unwrap();
    let both = stated("subnet-00000000000000001").survey(&now).unwrap();
    assert_eq!(both.plan().unwrap().changes().count(), 1);
    // A third subnet uses the table, and was not asked for.
    now.route_tables[0].associations.insert(id("subnet", 3), id("rtbassoc", 9));
    now.route_tables[1].associations.remove(&id("subnet", 3));
    let refused = stated("subnet-00000000000000001").survey(&now).unwrap().plan().unwrap_err().to_string();
    assert!(refused.contains("let 0.0.0.0/0 of rtb-00000000000000000 lead to igw-00000000000000001"), "{refused}");
}

fn adopt(now: &ObservedExisting) -> Survey {
    choice().adopt().build().unwrap().survey(now).unwrap()
}

/// Another gateway, in the public subnet of zone b, for the private subnets with these numbers.
fn second_gateway(now: &mut ObservedExisting, served: usize) {
    let mut second = now.nat_gateways[0].clone();
    (second.id, second.subnet) = (id("nat", 2), Some(id("subnet", 1)));
    now.nat_gateways.push(second);
    let mut table = now.route_tables[1].clone();
    table.id = id("rtb", 5);
    table.associations = [(id("subnet", served), id("rtbassoc", served))].into();
    table.routes[0].target = id::<eks_core::NatGatewayId>("nat", 2).to_string();
    now.route_tables[1].associations.remove(&id("subnet", served));
    now.route_tables.push(table);
}

#[test]
fn a_spec_has_the_shape_of_what_is_adopted() {
    let shape = |change: fn(&mut ObservedExisting)| {
        let mut now = console();
        change(&mut now);
        let survey = adopt(&now);
        (survey.network_spec().unwrap(), survey.plan().unwrap().changes().count())
    };
    let (first, second) = (id::<eks_core::NatGatewayId>("nat", 1).to_string(), id::<eks_core::NatGatewayId>("nat", 2).to_string());
    // VPC, internet gateway, four subnets, two tables, and the gateway; its address is not in this observation.
    let (spec, steps) = shape(|_| {});
    assert_eq!((spec.nat, steps), (Nat::SingleIn("us-west-2a".to_owned()), 9));
    let (spec, steps) = shape(|now| second_gateway(now, 3));
    assert_eq!((spec.nat, steps), (Nat::PerZone, 11));
    let (spec, steps) = shape(|now| second_gateway(now, 2));
    let crossed = [("us-west-2a".to_owned(), second), ("us-west-2b".to_owned(), first.clone())].into();
    assert_eq!((spec.nat, steps), (Nat::ExistingIn(crossed), 9), "each zone leaves by the other's gateway");
    for elsewhere in [2, 77] {
        let mut now = console();
        now.nat_gateways[0].subnet = Some(id("subnet", elsewhere));
        assert_eq!(adopt(&now).network_spec().unwrap().nat, Nat::Existing(first.clone()), "in no public subnet that was chosen");
    }
    let (spec, _) = shape(|now| now.route_tables[1].routes.clear());
    assert_eq!(spec.subnets().iter().filter(|subnet| subnet.tier == Tier::Intra).count(), 2);
    let (spec, _) = shape(|now| {
        now.vpcs[0].cidrs.push("10.1.0.0/16".parse().unwrap());
        now.subnets[2].cidr = Some("10.1.0.0/24".parse().unwrap());
    });
    assert!(spec.subnets().iter().any(|subnet| subnet.cidr.to_string() == "10.1.0.0/24"));
}

#[test]
fn shapes_that_no_spec_has_are_used_but_not_adopted() {
    type Case = (fn(&mut ObservedExisting), &'static str);
    let cases: Vec<Case> = vec![
        (
            |now| now.route_tables[1].routes[0].target = "tgw-0a1b2c3d4e5f60718".to_owned(),
            "its default route leads to tgw-0a1b2c3d4e5f60718",
        ),
        (
            |now| {
                now.subnets[3].zone = "us-west-2a".parse().unwrap();
                second_gateway(now, 3);
            },
            "its private subnets leave by nat-00000000000000001 and by nat-00000000000000002",
        ),
        (|now| now.vpcs[0].cidrs[0] = "10.0.0.0/12".parse().unwrap(), "no NetworkSpec can have its shape"),
    ];
    for (change, said) in cases {
        let mut now = console();
        change(&mut now);
        assert!(survey(&now).plan().is_ok_and(|plan| plan.is_noop()), "it can be used: {said}");
        let refused = adopt(&now).plan().unwrap_err().to_string();
        assert!(refused.contains(said), "{said:?} is not said in {refused}");
    }
}

#[test]
fn what_is_adopted_under_another_key_is_not_taken_again() {
    let mut now = console();
    let ours = [("eks-rs/owner", "shop"), ("eks-rs/key", "net/subnet/public/us-west-2b"), ("eks-rs/adopted", "")];
    now.subnets[0].tags.extend(ours.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let refused = choice().adopt().build().unwrap().survey(&now).unwrap().plan().unwrap_err().to_string();
    assert!(refused.contains("it is net/subnet/public/us-west-2b already, and would now be net/subnet/public/us-west-2a"), "{refused}");
}

#[test]
fn several_subnets_of_one_tier_and_zone_are_told_apart_and_stay_so() {
    let mut now = console();
    let mut third = now.subnets[2].clone();
    (third.id, third.cidr) = (id("subnet", 7), Some("10.0.7.0/24".parse().unwrap()));
    now.route_tables[1].associations.insert(third.id.clone(), id("rtbassoc", 7));
    now.subnets.push(third);
    let spec = choice().adopt().build().unwrap();
    let keys = |now: &ObservedExisting| -> Vec<String> {
        let plan = spec.survey(now).unwrap().plan().unwrap();
        let mut keys: Vec<_> =
            plan.steps().iter().map(|step| step.key.to_string()).filter(|key| key.starts_with("net/subnet/private")).collect();
        keys.sort();
        keys
    };
    let expected = ["net/subnet/private/us-west-2a", "net/subnet/private/us-west-2a-10-0-7-0", "net/subnet/private/us-west-2b"];
    assert_eq!(keys(&now), expected);
    // Once it has a key, an earlier block does not take its place.
    for (number, key) in [(2, expected[0]), (4, expected[1])] {
        let ours = [("eks-rs/owner", "shop"), ("eks-rs/key", key), ("eks-rs/adopted", "")];
        now.subnets[number].tags.extend(ours.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    let mut first = now.subnets[2].clone();
    (first.id, first.cidr) = (id("subnet", 8), Some("10.0.0.0/28".parse().unwrap()));
    first.tags = Tags::new();
    now.subnets[0].cidr = Some("10.0.20.0/24".parse().unwrap());
    now.route_tables[1].associations.insert(first.id.clone(), id("rtbassoc", 8));
    now.subnets.push(first);
    assert_eq!(keys(&now), [expected[0], "net/subnet/private/us-west-2a-10-0-0-0", expected[1], expected[2]]);
}

#[test]
fn groups_are_handed_on_by_name() {
    let mut now = console();
    let group = |name: &str, number: usize| FoundGroup {
        id: id("sg", number),
        vpc: id("vpc", 1),
        name: name.to_owned(),
        description: String::new(),
        rules: Vec::new(),
        other: Vec::new(),
        references: [].into(),
        tags: Tags::new(),
    };
    now.security_groups = vec![group("nodes", 1), group("default", 2)];
    let spec = choice().security_group("nodes").security_group(id::<SecurityGroupId>("sg", 2).as_str()).build().unwrap();
    let groups = spec.survey(&now).unwrap().refs().security_groups;
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["default", "nodes"]);
}

#[test]
fn a_tag_that_cannot_remember_all_is_refused() {
    let clusters = (0..4).fold(choice(), |choice, number| choice.cluster(format!("{}{number}", "c".repeat(90))));
    let refused = clusters.allow(Fix::Tags).build().unwrap().survey(&console()).unwrap().plan().unwrap_err().to_string();
    assert!(refused.contains("its 256 characters have no room; name fewer clusters"), "{refused}");
    assert!(refused.contains("4 things"), "one for each subnet: {refused}");
}

#[test]
fn saved_plans_come_back_the_same() {
    let plan = choice().allow(Fix::Tags).cluster("shop").adopt().build().unwrap().survey(&console()).unwrap().plan().unwrap();
    assert_eq!(eks_core::Plan::from_json(&plan.to_json().unwrap()).unwrap(), plan);
    let scope = &plan.basis()["net"].scope;
    assert_eq!(scope["region"], "us-west-2");
    assert_eq!(scope["existing"]["adopt"], true);
}
