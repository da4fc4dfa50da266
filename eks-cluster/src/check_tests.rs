//! Wrong specs, one rule each; and several at once.

use eks_core::{AuthenticationMode, ClusterName, NetworkRefs, SpecError};
use jiff::civil::date;

use crate::{
    Addon, Addons, ClusterSpec, ClusterSpecBuilder, Endpoint, KubernetesVersion, RoleChoice, UpgradePolicy,
    testing::{builder, network, owner},
};

fn codes(builder: ClusterSpecBuilder) -> Vec<&'static str> {
    builder.build().err().map(|error| error.problems.iter().map(|problem| problem.code).collect()).unwrap_or_default()
}

fn over(change: impl FnOnce(&mut NetworkRefs)) -> ClusterSpecBuilder {
    let mut network = network();
    change(&mut network);
    ClusterSpec::builder(&owner(), ClusterName::new("chap10").unwrap(), KubernetesVersion::V1_36, network)
}

fn of(version: &str) -> ClusterSpecBuilder {
    ClusterSpec::builder(&owner(), ClusterName::new("chap10").unwrap(), version.parse().unwrap(), network())
}

#[test]
fn the_chapter_is_fine() {
    assert!(codes(builder()).is_empty());
    assert!(codes(builder().tag("Équipe 1", "a_b.c:d/e=f+g-h@i")).is_empty());
    let then = RoleChoice::Own { legacy_service_policy: true };
    assert!(codes(builder().role(then).authentication(AuthenticationMode::ConfigMap).no_addons()).is_empty());
}

#[test]
fn one_rule_each() {
    let admin = "arn:aws:iam::123456789012:role/admin";
    let key = |key: &str| key.parse().unwrap();
    for (wrong, code) in [
        (of("1.10"), "version-ended"),
        (of("1.31").today(date(2026, 11, 27)), "version-ended"),
        (of("1.37").today(date(2026, 1, 1)), "version-upcoming"),
        (of("1.33").today(date(2026, 11, 22)).upgrade_policy(UpgradePolicy::Standard), "upgrade-policy-extended"),
        (over(|network| network.subnets.truncate(1)), "subnets-too-few"),
        (over(|network| network.subnets.clear()), "subnets-too-few"),
        (over(|network| network.subnets.retain(|subnet| subnet.zone.as_str() == "us-east-1a")), "subnets-too-few"),
        (over(|network| network.subnets[3].zone = "us-west-2b".parse().unwrap()), "subnets-of-regions"),
        (over(|network| network.subnets[3].zone = "us-east-1-bos-1a".parse().unwrap()), "subnet-zone"),
        (over(|network| network.subnets[1].id = network.subnets[0].id.clone()), "subnet-twice"),
        (over(|network| network.cidrs.push("ten".into())), "vpc-cidr-form"),
        (builder().security_groups(["elb"]), "security-group-unknown"),
        (builder().security_groups(["private", "private"]), "security-group-twice"),
        (
            over(|network| {
                let group = network.security_groups["private"].clone();
                let step = |n: u8| eks_core::Ref::id_of(format!("net/security-group/{n}").parse().unwrap());
                network.security_groups = (0..5).map(|n| (n.to_string(), step(n))).collect();
                network.security_groups.insert("private".into(), group);
            })
            .security_groups(["0", "1", "2", "3", "4"]),
            "security-groups-count",
        ),
        (builder().service_cidr("10.0.8.0/24"), "service-cidr-overlap"),
        (builder().service_cidr("172.20.0.0/25"), "service-cidr-size"),
        (builder().service_cidr("100.64.0.0/16"), "service-cidr-range"),
        (builder().endpoint(Endpoint::Private).public_access_cidrs(["198.51.100.0/24"]), "public-access-without-public-endpoint"),
        (builder().public_access_cidrs(["192.168.0.0/16"]), "public-access-reserved"),
        (builder().authentication(AuthenticationMode::ConfigMap).creator_admin(false), "creator-locked-out"),
        (builder().authentication(AuthenticationMode::ConfigMap).admin(admin), "access-mode"),
        (builder().admin(admin).admin(admin), "access-twice"),
        (builder().admin("admin"), "access-principal"),
        (builder().role(RoleChoice::Existing("arn:aws-cn:iam::123456789012:role/x".parse().unwrap())), "role-partition"),
        (builder().addons(Addons::none().with(Addon::new("aws-ebs-csi-driver"))), "addon-role-without-agent"),
        (builder().addon(Addon::new("coredns").version("latest")), "addon-version"),
        (builder().nodes_ready_after([key("cluster/control-plane")]), "nodes-ready-after"),
        (builder().tag("aws:x", "y"), "tag-reserved"),
        (builder().tag("eks-rs/owner", "y"), "tag-reserved"),
        (builder().tag("x".repeat(129), "y"), "tag-length"),
        (builder().tag("team", "R&D"), "tag-characters"),
        (builder().tag("tab\tbed", "y"), "tag-characters"),
        ((0..48).fold(builder(), |builder, n| builder.tag(format!("t{n}"), "")), "tags-count"),
    ] {
        assert_eq!(codes(wrong), [code]);
    }
}

#[test]
fn all_at_once_in_words() -> Result<(), SpecError> {
    let error = of("1.30")
        .today(date(2026, 11, 22))
        .security_groups(["elb"])
        .service_cidr("10.0.0.0/20")
        .authentication(AuthenticationMode::ConfigMap)
        .creator_admin(false)
        .build()
        .unwrap_err();
    insta::assert_snapshot!(error, @r#"
    cluster chap10: 4 problems
      - Kubernetes 1.30: EKS supports it no more and makes no cluster of it; choose a version in standard support: 1.34, 1.35, 1.36, 1.37
      - security group "elb": the network has none of this name; the network has eks-control-plane, private
      - service CIDR 10.0.0.0/20: overlaps the VPC's block 10.0.0.0/16; Services would hide addresses of the VPC; choose a block that no block of the VPC overlaps
      - creator as administrator: with authentication mode CONFIG_MAP the creator is the only one who can enter, so EKS refuses to leave it out; leave creator_admin on, or choose an authentication mode with access entries
    "#);
    builder().build().map(|_| ())
}

#[test]
fn a_node_entry_can_be_added_to_a_finished_spec() {
    let role = || eks_core::Ref::output("nodes/w/base".parse().unwrap(), "role");
    let spec = builder().build().unwrap().node_role_entry("w", role()).unwrap();
    assert_eq!(spec.node_role_entry("w2", role()).unwrap_err().problems[0].code, "access-twice");
    let old = builder().authentication(AuthenticationMode::ConfigMap).build().unwrap();
    assert_eq!(old.node_role_entry("w", role()).unwrap_err().problems[0].code, "access-mode");
}
