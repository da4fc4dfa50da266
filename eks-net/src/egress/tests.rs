//! Wrong ways out, each refused with its rule and remedy before any call.

use serde_json::json;

use crate::{Endpoint, Endpoints, Nat, NetworkSpec, NetworkSpecBuilder, Rule, SecurityGroup, Subnet, testing};

/// A wrong spec, the rules that it breaks, and part of what is said.
type Case = (NetworkSpecBuilder, &'static [&'static str], &'static str);

fn fine() -> NetworkSpecBuilder {
    NetworkSpec::builder(&testing::owner(), "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"])
}

fn check(cases: Vec<Case>) {
    for (builder, codes, said) in cases {
        let error = builder.build().expect_err(said);
        let found: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(found, codes, "{error}");
        assert!(error.to_string().contains(said), "{said:?} is not said in {error}");
        assert!(error.problems.iter().all(|problem| !problem.remedy.is_empty()));
    }
}

const GATEWAY: &str = "nat-0123456789abcdef0";
const ADDRESS: &str = "eipalloc-0123456789abcdef0";

fn by_zone(zones: &[&str]) -> Nat {
    Nat::ExistingIn(zones.iter().map(|zone| ((*zone).to_owned(), GATEWAY.to_owned())).collect())
}

#[test]
fn gateways_and_addresses() {
    let many = (0..33).fold(fine().nat(Nat::Regional), |spec, number| spec.elastic_ip("us-east-1a", format!("eipalloc-{number:017x}")));
    check(vec![
        (fine().nat(Nat::Existing("igw-0123456789abcdef0".into())), &["nat-id"], "is not a NAT gateway id"),
        (fine().nat(Nat::TransitGateway("hub".into())), &["nat-id"], "is not a transit gateway id"),
        (fine().nat(by_zone(&["us-east-1a"])), &["nat-zone"], "zone us-east-1b has private subnets, and no gateway is given for it"),
        (
            fine().nat(by_zone(&["us-east-1a", "us-east-1b", "us-east-1c"])),
            &["nat-zone"],
            "zone us-east-1c has no private subnets; leave the zone out",
        ),
        (fine().elastic_ip("us-east-1a", "203.0.113.7"), &["elastic-ip-id"], "is not an elastic IP allocation id"),
        (fine().elastic_ip("us-east-1b", ADDRESS), &["elastic-ip-unused"], "makes no NAT gateway in \"us-east-1b\""),
        (fine().nat(Nat::None).elastic_ip("us-east-1a", ADDRESS), &["elastic-ip-unused"], "leave it out"),
        (fine().nat(Nat::Existing(GATEWAY.into())).elastic_ip("us-east-1a", ADDRESS), &["elastic-ip-unused"], "makes no NAT gateway"),
        (fine().nat(Nat::Regional).elastic_ip("us-east-1f", ADDRESS), &["elastic-ip-unused"], "in \"us-east-1f\""),
        (
            fine().nat(Nat::PerZone).elastic_ip("us-east-1a", ADDRESS).elastic_ip("us-east-1b", ADDRESS),
            &["elastic-ip-twice"],
            "an address serves one gateway",
        ),
        (
            fine().elastic_ip("us-east-1a", ADDRESS).elastic_ip("us-east-1a", "eipalloc-0123456789abcdef1"),
            &["elastic-ip-many"],
            "2 addresses for the gateway in us-east-1a, which is made with 1 at most",
        ),
        (many, &["elastic-ip-many"], "33 addresses for the gateway in us-east-1a, which is made with 32 at most"),
    ]);
}

#[test]
fn endpoints() {
    let with = |endpoint: Endpoint| fine().endpoint(endpoint);
    let long = json!({"Statement": [{"Sid": "x".repeat(20_480)}]});
    check(vec![
        (with(Endpoint::gateway("ec2")), &["endpoint-gateway"], "gateway endpoints exist for dynamodb, s3, s3express only"),
        (with(Endpoint::gateway("s3").security_group("web")), &["endpoint-gateway-option"], "neither security groups nor private DNS"),
        (with(Endpoint::gateway("s3").without_private_dns()), &["endpoint-gateway-option"], "leave them out"),
        (with(Endpoint::interface("")), &["endpoint-service"], "1–100 of a-z 0-9 . - _"),
        (with(Endpoint::interface("ECR API")), &["endpoint-service"], "DescribeVpcEndpointServices"),
        (
            with(Endpoint::interface("ec2").security_group("web")),
            &["endpoint-group"],
            "names the group web, which the network does not have",
        ),
        (with(Endpoint::interface("ec2").policy("everything")), &["endpoint-policy"], "its policy has no Statement"),
        (with(Endpoint::interface("ec2").policy(json!({"Statement": 1}))), &["endpoint-policy"], "as a JSON object"),
        (with(Endpoint::gateway("s3").policy(long)), &["endpoint-policy"], "AWS accepts 20480"),
        (
            fine().endpoints(Endpoints::private_cluster().and(Endpoint::interface("com.amazonaws.us-east-1.sts"))),
            &["endpoint-twice"],
            "give each endpoint once",
        ),
    ]);
    let both = with(Endpoint::gateway("s3")).endpoint(Endpoint::interface("s3")).build();
    assert!(both.is_ok(), "a gateway for the VPC and an interface for on-premises go together");
}

#[test]
fn further_blocks() {
    check(vec![
        (fine().secondary_cidr("100.64.0.0"), &["cidr-form"], "is not in CIDR notation"),
        (fine().secondary_cidr("fd00::/56"), &["cidr-form"], "is an IPv6 block"),
        (fine().secondary_cidr("100.64.0.1/16"), &["cidr-host-bits"], "write 100.64.0.0/16"),
        (fine().secondary_cidr("100.64.0.0/15"), &["secondary-size"], "not between /16 and /28"),
        (fine().secondary_cidr("10.0.128.0/20"), &["secondary-overlap"], "it overlaps the VPC's 10.0.0.0/16"),
        (
            fine().secondary_cidr("100.64.0.0/16").secondary_cidr("100.64.128.0/17"),
            &["secondary-overlap"],
            "it overlaps the VPC's 100.64.0.0/16",
        ),
        (
            fine().secondary_cidr("100.64.0.0/16").subnet(Subnet::private("us-east-1a", "100.65.0.0/24").named("pods")),
            &["subnet-outside"],
            "is not inside the VPC's 10.0.0.0/16 and 100.64.0.0/16",
        ),
        (
            (0..257_u32).fold(fine().ipv6(), |spec, number| {
                let block = format!("10.0.{}.{}/28", 128 + number / 16, number % 16 * 16);
                spec.subnet(Subnet::private("us-east-1a", block).named(format!("n{number}")))
            }),
            &["ipv6-room"],
            "a /56 has 256 /64s, and there are 261 subnets",
        ),
    ]);
}

#[test]
fn what_was_asked_is_read_again() {
    let group = SecurityGroup::new("web", "web").allow(Rule::tcp(443).from_cidr("10.0.0.0/8"));
    let spec = fine().nat(Nat::Regional).elastic_ip("us-east-1b", ADDRESS).ipv6().secondary_cidr("100.64.0.0/16").security_group(group);
    let spec = spec.endpoint(Endpoint::interface("sts").security_group("web").without_private_dns());
    let spec = spec.endpoint(Endpoint::interface("ec2").policy(json!({"Statement": []}))).build().unwrap();
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<NetworkSpec>(&text).unwrap(), spec);
    assert_eq!(spec.security_groups().iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["web", "endpoints"]);
    let existing = r#"{"owner": "shop", "cidr": "10.0.0.0/16", "derive": {"zones": ["us-east-1a", "us-east-1b"]},
        "nat": {"transit_gateway": "tgw-0123456789abcdef0"}, "endpoints": [{"service": "s3", "kind": "gateway"}]}"#;
    assert_eq!(serde_json::from_str::<NetworkSpec>(existing).unwrap().nat_zones(), []);
}

#[test]
fn the_default_group_lets_in_every_block() {
    let spec = fine().secondary_cidr("100.64.0.0/16").endpoints(Endpoints::private_cluster()).build().unwrap();
    let rules: Vec<_> = spec.security_groups()[0].ingress().map(ToString::to_string).collect();
    assert_eq!(rules, ["tcp 443 from 10.0.0.0/16", "tcp 443 from 100.64.0.0/16"]);
    let own = SecurityGroup::new("endpoints", "mine").allow(Rule::tcp(443).from_cidr("10.0.0.0/20"));
    let spec = fine().security_group(own).endpoints(Endpoints::private_cluster()).build().unwrap();
    assert_eq!(spec.security_groups().len(), 1, "a group of the user's of this name is the one");
    assert!(fine().endpoint(Endpoint::gateway("s3")).build().unwrap().security_groups().is_empty());
}

#[test]
fn refs_name_every_way_out() {
    let egress = |spec: NetworkSpecBuilder| -> Vec<String> {
        spec.build().unwrap().refs().egress.iter().map(|key| key.as_str().trim_start_matches("net/").to_owned()).collect()
    };
    let associations = ["association/private/us-east-1a", "association/private/us-east-1b"];
    assert_eq!(egress(fine().nat(Nat::Regional)), ["route/private", associations[0], associations[1]]);
    assert_eq!(
        egress(fine().nat(Nat::TransitGateway("tgw-0123456789abcdef0".into())).endpoint(Endpoint::gateway("s3"))),
        ["route/private", associations[0], associations[1], "endpoint/gateway/s3"]
    );
    assert_eq!(
        egress(fine().nat(Nat::None).endpoint(Endpoint::interface("ec2"))),
        [associations[0], associations[1], "endpoint/interface/ec2"]
    );
    assert_eq!(
        egress(fine().nat(by_zone(&["us-east-1a", "us-east-1b"]))),
        ["route/private/us-east-1a", "route/private/us-east-1b", associations[0], associations[1]]
    );
    let refs = fine().secondary_cidr("100.64.0.0/16").build().unwrap().refs();
    assert_eq!(refs.cidrs, ["10.0.0.0/16", "100.64.0.0/16"]);
}
