//! Wrong settings, one rule each, with what is said about them.

use eks_core::{AuthenticationMode, Ref, RoleArn};

use super::{AutoMode, Components, Encryption, IpFamily, NodePool, RemoteNetworks, ScalingTier, ScoringStrategy};
use crate::{
    ClusterSpec, ClusterSpecBuilder,
    testing::{builder, network, owner},
};

fn codes(builder: ClusterSpecBuilder) -> Vec<&'static str> {
    builder.build().err().map(|error| error.problems.iter().map(|problem| problem.code).collect()).unwrap_or_default()
}

fn key(arn: &str) -> Encryption {
    Encryption::CustomerManaged(arn.parse().unwrap())
}

fn in_region(region: &str) -> ClusterSpecBuilder {
    let mut network = network();
    for subnet in &mut network.subnets {
        subnet.zone = subnet.zone.as_str().replace("us-east-1", region).parse().unwrap();
    }
    ClusterSpec::builder(&owner(), "chap10".parse().unwrap(), crate::KubernetesVersion::V1_36, network)
}

fn remote(nodes: &[&str], pods: &[&str]) -> RemoteNetworks {
    let blocks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    RemoteNetworks::new(blocks(nodes), blocks(pods))
}

fn role() -> RoleArn {
    "arn:aws:iam::123456789012:role/nodes".parse().unwrap()
}

#[test]
fn what_is_allowed() {
    let key = key("arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let fine = builder()
        .encryption(key)
        .auto_mode(AutoMode::with_pools(role()))
        .components(Components::default().event_minutes(10).node_ports(10260, 32767).terminated_pods(1_000_000).autoscaler_seconds(15))
        .scaling_tier(ScalingTier::Xl8)
        .remote_networks(remote(&["192.168.0.0/16"], &["172.31.0.0/16"]))
        .zonal_shift(true);
    assert!(codes(fine).is_empty());
    assert!(codes(builder().ip_family(IpFamily::Ipv6).public_access_cidrs(["2600:1f00::/24", "198.51.100.0/24"])).is_empty());
    let own_pools = builder().auto_mode(AutoMode::without_pools()).no_addons().build().unwrap();
    assert!(!own_pools.bootstrap_self_managed_addons, "Auto Mode brings what they do");
    assert!(codes(builder().auto_mode(AutoMode::with_pools(Ref::output("nodes/base".parse().unwrap(), "role")))).is_empty());
}

#[test]
fn one_rule_each() {
    let components = |components: Components| builder().components(components);
    let sixteen: Vec<String> = (0..16).map(|n| format!("192.168.{n}.0/24")).collect();
    let sixteen: Vec<&str> = sixteen.iter().map(String::as_str).collect();
    let pools = |node_pools: &[NodePool], node_role: Option<RoleArn>| {
        builder().auto_mode(AutoMode::On { node_pools: node_pools.iter().copied().collect(), node_role: node_role.map(Ref::Known) })
    };
    for (wrong, code) in [
        (builder().encryption(key("arn:aws:kms:eu-west-1:123456789012:key/a")), "kms-key-region"),
        (builder().encryption(key("arn:aws-cn:kms:cn-north-1:123456789012:key/a")), "kms-key-partition"),
        (in_region("cn-north-1").ip_family(IpFamily::Ipv6), "ip-family-china"),
        (builder().ip_family(IpFamily::Ipv6).service_cidr("172.20.0.0/16"), "service-cidr-ipv6"),
        (builder().public_access_cidrs(["2600:1f00::/24"]), "public-access-family"),
        (builder().authentication(AuthenticationMode::ConfigMap).auto_mode(AutoMode::without_pools()), "auto-mode-authentication"),
        (builder().auto_mode(AutoMode::without_pools()).bootstrap_self_managed_addons(true), "auto-mode-self-managed"),
        (pools(&[NodePool::System], None), "auto-mode-node-role"),
        (pools(&[], Some(role())), "auto-mode-node-pools"),
        (pools(&[NodePool::System], Some("arn:aws-cn:iam::123456789012:role/n".parse().unwrap())), "auto-mode-role-partition"),
        (builder().remote_networks(remote(&["11.0.0.0/16"], &[])), "remote-range"),
        (builder().remote_networks(remote(&["10.0.128.0/20"], &[])), "remote-overlap"),
        (builder().service_cidr("172.21.0.0/16").remote_networks(remote(&["172.21.8.0/24"], &[])), "remote-overlap"),
        (builder().remote_networks(remote(&["192.168.1.1/24"], &[])), "remote-host-bits"),
        (builder().remote_networks(remote(&[], &["192.168.0.0/16"])), "remote-pods-alone"),
        (builder().remote_networks(remote(&sixteen, &[])), "remote-count"),
        (builder().ip_family(IpFamily::Ipv6).remote_networks(remote(&["192.168.0.0/16"], &[])), "remote-ipv6"),
        (
            builder().authentication(AuthenticationMode::ConfigMap).remote_networks(remote(&["192.168.0.0/16"], &[])),
            "remote-authentication",
        ),
        (components(Components::default().event_minutes(9)), "event-minutes"),
        (components(Components::default().event_minutes(61)), "event-minutes"),
        (components(Components::default().node_ports(10259, 32767)), "node-ports"),
        (components(Components::default().node_ports(30001, 30000)), "node-ports"),
        (components(Components::default().scoring(ScoringStrategy::MostAllocated, [("cpu", 101)])), "scoring-weight"),
        (components(Components::default().scoring(ScoringStrategy::LeastAllocated, [("", 1); 0])), "scoring-resources"),
        (components(Components::default().terminated_pods(0)), "terminated-pods"),
        (components(Components::default().autoscaler_seconds(10)), "autoscaler-tier"),
        (components(Components::default().autoscaler_seconds(16)).scaling_tier(ScalingTier::Xl), "autoscaler-seconds"),
    ] {
        assert_eq!(codes(wrong), [code]);
    }
}

#[test]
fn in_words() {
    let error = builder()
        .encryption(key("arn:aws:kms:eu-west-1:123456789012:key/a"))
        .auto_mode(AutoMode::On { node_pools: [NodePool::GeneralPurpose].into(), node_role: None })
        .remote_networks(remote(&["10.0.0.0/24"], &[]))
        .build()
        .unwrap_err();
    insta::assert_snapshot!(error, @"
    cluster chap10: 3 problems
      - KMS key arn:aws:kms:eu-west-1:123456789012:key/a: is in eu-west-1, and EKS takes only keys of the cluster's Region, us-east-1; give a key of us-east-1; a replica of a multi-Region key is one
      - Auto Mode: node pools need a role for their nodes; give one, or no node pools
      - remote node network 10.0.0.0/24: overlaps the VPC's block 10.0.0.0/16; give blocks apart from one another
    ");
}
