//! Wrong specs: each is refused with the rule that it breaks and a remedy, before there is anything to call.
//!
//! One table for each part of a network. A row is a name of its own, what is wrong, the codes of all problems in order, and part
//! of what is said.

use std::collections::BTreeSet;

use eks_core::{Owner, SecurityGroupId};
use eks_net::{
    IcmpTypes, IpBudget, Nat, NetworkSpec, NetworkSpecBuilder, Rule, SecurityGroup, SecurityGroupQuotas, Size, Subnet, SubnetGroup,
};

/// A wrong spec, the codes of its problems, and part of what is said of each rule or remedy.
type Case = (NetworkSpecBuilder, &'static [&'static str], &'static str);

const ZONES: [&str; 2] = ["us-east-1a", "us-east-1b"];

fn empty(cidr: &str) -> NetworkSpecBuilder {
    NetworkSpec::builder(&Owner::new("chap10").expect("a fine name"), cidr)
}

/// A network with which nothing is wrong.
fn fine() -> NetworkSpecBuilder {
    empty("10.0.0.0/16").subnet(Subnet::public("us-east-1a", "10.0.1.0/24")).subnet(Subnet::private("us-east-1b", "10.0.2.0/24"))
}

fn group(name: &str) -> SecurityGroup {
    SecurityGroup::new(name, "for tests")
}

/// The fine network with this group.
fn with(group: SecurityGroup) -> NetworkSpecBuilder {
    fine().security_group(group)
}

/// The fine network with a group `web` read from JSON, which can say what the builder's types cannot.
fn read(rules: &str) -> NetworkSpecBuilder {
    let mut spec = serde_json::to_value(fine()).expect("a spec can be written");
    let rules: serde_json::Value = serde_json::from_str(rules).expect("JSON");
    spec["security_groups"] = serde_json::json!([{"name": "web", "description": "for tests"}]);
    for (key, value) in rules.as_object().expect("an object") {
        spec["security_groups"][0][key] = value.clone();
    }
    serde_json::from_value(spec).expect("a builder checks nothing yet")
}

#[test]
fn nothing_is_wrong_with_what_the_cases_start_from() {
    fine().build().expect("fine");
    with(group("web")).build().expect("fine");
    read("{}").build().expect("fine");
}

fn blocks_and_zones() -> Vec<Case> {
    vec![
        (empty("10.0.0.0").zones(ZONES), &["cidr-form"], "is not in CIDR notation"),
        (empty("").zones(ZONES), &["cidr-form"], "write an address, a slash and a prefix length"),
        (empty("10.0.0.0/33").zones(ZONES), &["cidr-form"], "is not in CIDR notation"),
        (empty("10.0.0/16").zones(ZONES), &["cidr-form"], "is not in CIDR notation"),
        (empty("fd00::/56").zones(ZONES), &["cidr-form"], "is an IPv6 block"),
        (empty("10.0.0.1/16").zones(ZONES), &["cidr-host-bits"], "write 10.0.0.0/16"),
        (empty("10.0.0.0/15").zones(ZONES), &["vpc-size"], "not between /16 and /28"),
        (empty("169.254.0.0/16").zones(ZONES), &["vpc-range"], "link-local"),
        (empty("127.0.0.0/16").zones(ZONES), &["vpc-range"], "loopback"),
        (empty("224.0.0.0/16").zones(ZONES), &["vpc-range"], "multicast"),
        (empty("10.0.0.0/16").zones(["us-east-1"]), &["zone-form"], "is not an Availability Zone name"),
        (empty("10.0.0.0/16").zones(["us-east-1a", "us-east-1a", "us-east-1b"]), &["zone-twice"], "give each zone once"),
        (empty("10.0.0.0/16").zones(["us-east-1a", "us-west-2a"]), &["zones-regions"], "us-east-1 and us-west-2"),
        (empty("10.0.0.0/16").zones(["us-east-1a"]), &["zones-too-few"], "EKS needs subnets in two zones or more"),
        (empty("10.0.0.0/16"), &["zones-too-few"], "there are 0"),
        (empty("10.0.0.0/16").zones(ZONES).private_prefix(29), &["prefix-size"], "/29 is not between /16 and /28"),
        (empty("10.0.0.0/16").zones(ZONES).public_prefix(15), &["prefix-size"], "choose a length in this range"),
        (empty("10.0.0.0/16").zones(ZONES).private_prefix(17), &["no-room"], "has no /17 left after 1 of 2"),
        (empty("10.0.0.0/16").zones(ZONES).public_prefix(17), &["no-room"], "private subnets: 10.0.0.0/16 has no /19 left"),
        (empty("10.0.0.0/16").zones(ZONES).zone_capacity(0), &["zone-capacity"], "it must be for 1–32"),
        (empty("10.0.0.0/16").zones(ZONES).zone_capacity(1), &["zone-capacity"], "2 zones are given"),
        (fine().zones(ZONES).only_groups(), &["zone-groups"], "leave out .only_groups()"),
        (fine().must_not_overlap("the office", "10.0.128.0/17"), &["network-overlap"], "the office: the VPC's 10.0.0.0/16 overlaps"),
        (fine().must_not_overlap("the office", "10.0.128.0"), &["cidr-form"], "the office: \"10.0.128.0\" is not in CIDR notation"),
        (fine().secondary_cidr("100.64.0.0/16").must_not_overlap("a peer", "100.64.0.0/10"), &["network-overlap"], "100.64.0.0/16"),
        (fine().secondary_cidr("192.168.0.0/16"), &["secondary-restricted"], "whose first block is in 10.0.0.0/8"),
        (fine().secondary_cidr("10.0.0.0/20"), &["secondary-overlap"], "it overlaps the VPC's 10.0.0.0/16"),
        (fine().secondary_cidr("10.2.0.0/15"), &["secondary-size"], "is not between /16 and /28"),
        (fine().secondary_cidr("10.1.0.0/15"), &["cidr-host-bits"], "write 10.0.0.0/15"),
        (fine().secondary_cidr("169.254.8.0/24"), &["secondary-range"], "which is link-local"),
        (
            empty("10.0.0.0/16").zones(ZONES).group(SubnetGroup::private(IpBudget::new().others(70_000)).named("pods")),
            &["prefix-size"],
            "70021 addresses need a /15",
        ),
        (fine().group(SubnetGroup::intra(24)), &["group-zones"], "give zones with .zones([…])"),
        (empty("10.0.0.0/16").zones(ZONES).group(SubnetGroup::private(24)), &["group-twice"], "tell them apart with .named("),
        (empty("10.0.0.0/16").zones(ZONES).group(SubnetGroup::intra(24).named("Ä")), &["subnet-name"], "intra subnets Ä"),
        (
            empty("10.0.0.0/16").zones(ZONES).group(SubnetGroup::intra(Size::Hosts(65_532))),
            &["prefix-size"],
            "65532 addresses need a /15, which is larger than a /16",
        ),
    ]
}

fn subnets_and_gateways() -> Vec<Case> {
    vec![
        (fine().subnet(Subnet::private("us-east-1c", "10.0.3.0/29")), &["subnet-size"], "choose a prefix length from 16 to 28"),
        (fine().subnet(Subnet::private("us-east-1c", "10.1.3.0/24")), &["subnet-outside"], "not inside the VPC's 10.0.0.0/16"),
        (
            fine().subnet(Subnet::private("us-east-1c", "10.0.0.0/23")),
            &["subnet-overlap"],
            "overlaps the public subnet 10.0.1.0/24 in us-east-1a",
        ),
        (fine().subnet(Subnet::private("us-east-1c", "10.0.2.128/25")), &["subnet-overlap"], "move one of them"),
        (fine().subnet(Subnet::private("us-east-1b", "10.0.3.0/24")), &["subnet-twice"], ".named("),
        (fine().subnet(Subnet::private("us-east-1b", "10.0.3.0/24").named("A b")), &["subnet-name"], "is not 1–30 of a-z 0-9 -"),
        (
            empty("10.0.0.0/16").subnet(Subnet::private("us-east-1a", "10.0.1.0/24")).subnet(Subnet::private("us-east-1b", "10.0.2.0/24")),
            &["nat-no-public"],
            "choose Nat::None",
        ),
        (fine().nat(Nat::SingleIn("us-east-1b".into())), &["nat-zone"], "zone us-east-1b has none"),
        (fine().nat(Nat::PerZone), &["nat-zone"], "zone us-east-1b has none"),
    ]
}

fn group_names() -> Vec<Case> {
    vec![
        (with(group("sg-web")), &["group-name"], "reserved for ids"),
        (with(group("default")), &["group-name"], "every VPC already has"),
        (with(group("")), &["group-name"], "must not be empty"),
        (with(group(" web")), &["group-name"], "begin or end with a space"),
        (with(group("web ")), &["group-name"], "begin or end with a space"),
        (with(group("wéb")), &["group-name"], "the character 'é'"),
        (with(group(&"x".repeat(256))), &["group-name"], "more than 255"),
        (with(SecurityGroup::new("web", "")), &["group-description"], "which AWS requires"),
        (with(SecurityGroup::new("web", "5 > 4")), &["group-description"], "the character '>'"),
        (with(SecurityGroup::new("web", "x".repeat(256))), &["group-description"], "shorten it"),
        (with(group("web")).security_group(group("web")), &["group-twice"], "unique in a VPC"),
    ]
}

fn rules() -> Vec<Case> {
    let (high, low) = (90, 80);
    let others: SecurityGroupId = "sg-0a1b2c3d4e5f60718".parse().expect("an id");
    vec![
        (read(r#"{"ingress": [{"protocol": {"tcp": [80, 80]}, "peers": []}]}"#), &["rule-peer"], "tcp 80 has no source"),
        (read(r#"{"egress": [{"protocol": "all", "peers": []}]}"#), &["rule-peer"], "add .to_cidr"),
        (with(group("web").allow(Rule::tcp(high..=low).from_self())), &["rule-ports"], "ends before it begins"),
        (with(group("web").allow_out(Rule::udp(high..=low).to_self())), &["rule-ports"], "swap the ports"),
        (with(group("web").allow(Rule::udp(53).from_cidr("10.0.0.1/8"))), &["cidr-host-bits"], "write 10.0.0.0/8"),
        (with(group("web").allow_out(Rule::udp(53).to_cidr("fd00::1/8"))), &["cidr-host-bits"], "write fd00::/8"),
        (with(group("web").allow(Rule::udp(53).from_cidr("10.0.0.1"))), &["cidr-form"], "is not in CIDR notation"),
        (with(group("web").allow(Rule::tcp(80).from_cidr("example.com"))), &["cidr-form"], "write an address, a slash"),
        (with(group("web").allow(Rule::all().from_group("db"))), &["rule-group"], "names the group db"),
        (with(group("web").allow_out(Rule::tcp(5432).to_group("Web"))), &["rule-group"], ".to_group_id"),
        (with(group("web").allow(Rule::tcp(80).from_self()).allow(Rule::tcp(80).from_group("web"))), &["rule-twice"], "is given twice"),
        (
            with(group("web").allow_out(Rule::all().to_group_id(others.clone())).allow_out(Rule::all().to_group_id(others).described("x"))),
            &["rule-twice"],
            "all to sg-0a1b2c3d4e5f60718 is given twice",
        ),
        (with(group("web").allow(Rule::icmp().from_cidr("::/0"))), &["rule-family"], "Rule::icmpv6"),
        (
            with(group("web").allow_out(Rule::icmpv6_of(IcmpTypes::Type(128)).to_cidr("10.0.0.0/8"))),
            &["rule-family"],
            "of the other family",
        ),
        (with(group("web").allow(Rule::tcp(80).from_self().described("<b>"))), &["rule-description"], "the character '<'"),
        (with(group("web").allow(Rule::tcp(80).described("x".repeat(256)).from_self())), &["rule-description"], "more than 255"),
        (with(group("web").allow(Rule::protocol(6).from_self())), &["rule-protocol"], "use Rule::tcp"),
        (with(group("web").allow(Rule::protocol(17).from_self())), &["rule-protocol"], "use Rule::udp"),
        (with(group("web").allow_out(Rule::protocol(1).to_self())), &["rule-protocol"], "use Rule::icmp"),
        (with(group("web").allow(Rule::protocol(58).from_self())), &["rule-protocol"], "use Rule::icmpv6"),
        (
            with(group("web").allow(Rule::tcp(443).from_prefix_list("com.amazonaws.us-east-1.s3", 1))),
            &["prefix-list-form"],
            "the id, not the name",
        ),
        (
            with(group("web").allow_out(Rule::tcp(443).to_prefix_list("pl-63a5400a", 0))),
            &["prefix-list-entries"],
            "a prefix list has 1 to 1,000",
        ),
        (
            with(group("web").allow_out(Rule::tcp(443).to_prefix_list("pl-63a5400a", 1_001)))
                .security_group_quotas(SecurityGroupQuotas::new(1_000, 1)),
            &["prefix-list-entries", "rule-quota", "rule-quota"],
            "DescribeManagedPrefixLists",
        ),
    ]
}

fn quotas() -> Vec<Case> {
    let many = |count: u16, block: &str| (0..count).fold(group("web"), |group, port| group.allow(Rule::tcp(port).from_cidr(block)));
    let out = |count: u16| (0..count).fold(group("web"), |group, port| group.allow_out(Rule::tcp(port).to_cidr("10.0.0.0/8")));
    let raised = SecurityGroupQuotas::new;
    vec![
        (with(many(61, "10.0.0.0/8")), &["rule-quota"], "61 ingress rules for IPv4; the quota is 60"),
        (with(many(61, "fd00::/8")), &["rule-quota"], "61 ingress rules for IPv6"),
        (with(out(61)), &["rule-quota"], "61 egress rules for IPv4"),
        (with(many(60, "10.0.0.0/8").allow(Rule::all().from_self())), &["rule-quota"], "spread the rules over several groups"),
        (
            with(group("web").allow(Rule::tcp(443).from_prefix_list("pl-63a5400a", 61))),
            &["rule-quota", "rule-quota"],
            "has 61 ingress rules",
        ),
        (with(many(101, "10.0.0.0/8")).security_group_quotas(raised(100, 10)), &["rule-quota"], "the quota is 100"),
        (fine().security_group_quotas(raised(201, 5)), &["quota-impossible"], "201 rules × 5 groups an interface is more than 1000"),
        (fine().security_group_quotas(raised(60, 17)), &["quota-impossible", "quota-impossible"], "AWS gives 16 at most"),
        (fine().security_group_quotas(raised(60, 0)), &["quota-impossible"], "at least 1"),
    ]
}

fn tags_and_clusters() -> Vec<Case> {
    vec![
        (fine().tag("aws:x", "y"), &["tag-reserved"], "AWS's own"),
        (fine().tag("AWS:x", "y"), &["tag-reserved"], "choose another key"),
        (fine().tag("Name", "y"), &["tag-ours"], "sets this key itself"),
        (fine().tag("eks-rs/owner", "y"), &["tag-ours"], "leave it out"),
        (fine().tag("kubernetes.io/cluster/x", "owned"), &["tag-ours"], ".cluster("),
        (fine().tag("kubernetes.io/role/elb", "1"), &["tag-ours"], "sets this key itself"),
        (fine().tag("", "y"), &["tag-key"], "1–127 characters"),
        (fine().tag("k".repeat(128), "y"), &["tag-key"], "1–127 characters"),
        (fine().tag("x", "y".repeat(257)), &["tag-value"], "at most 256"),
        (fine().tag("x", "y").tag("x", "z"), &["tag-twice"], "give each key once"),
        ((0..47).fold(fine(), |spec, number| spec.tag(format!("k{number}"), "v")), &["tags-too-many"], "51 tags"),
        (fine().cluster("-x"), &["cluster-name"], "is not an EKS cluster name"),
        (fine().cluster("x".repeat(101)), &["cluster-name"], "give the cluster's name"),
    ]
}

fn all() -> Vec<Case> {
    [blocks_and_zones(), subnets_and_gateways(), group_names(), rules(), quotas(), tags_and_clusters()].into_iter().flatten().collect()
}

#[test]
fn every_rule_is_checked_and_says_what_to_do() {
    for (builder, codes, said) in all() {
        let error = builder.clone().build().expect_err(said);
        let found: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(found, codes, "{error}");
        assert!(error.to_string().contains(said), "{said:?} is not said in {error}");
        assert!(error.problems.iter().all(|problem| !problem.remedy.is_empty() && !problem.subject.is_empty()), "{error}");
    }
}

#[test]
fn there_are_many_and_no_two_alike() {
    let all = all();
    assert!(all.len() >= 60, "{}", all.len());
    let different: BTreeSet<String> = all.iter().map(|(builder, ..)| serde_json::to_string(builder).expect("JSON")).collect();
    assert_eq!(different.len(), all.len());
}

/// What breaks a rule of its own in each part of a network is told all at once.
#[test]
fn problems_of_every_part_come_together() {
    let spec = empty("10.0.0.0/15").zones(["us-east-1a", "us-east-1"]).security_group(group("sg-x")).tag("aws:x", "y").cluster("-x");
    let error = spec.build().expect_err("wrong in five ways");
    let codes: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["vpc-size", "zone-form", "group-name", "tag-reserved", "cluster-name"]);
}
