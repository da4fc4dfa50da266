//! What a file says has an effect, or is told: nothing is dropped in silence, and nothing that is right is refused.
#![cfg(feature = "file")]

use std::collections::BTreeSet;

use eks_env::{Environment, EnvironmentFile};

const MADE: &str = "apiVersion: eks-rs.dev/v1\nowner: shop\nnetwork:\n  cidr: 10.0.0.0/16\n  zones: [us-east-1a, us-east-1b]\n";
const EXISTING: &str = "apiVersion: eks-rs.dev/v1\nowner: shop\nregion: us-east-1\nexistingNetwork: {vpcName: prod}\n";
const CLUSTER: &str = "cluster:\n  version: \"1.36\"\n";

fn codes(text: &str) -> BTreeSet<String> {
    match Environment::from_yaml(text) {
        Ok(_) => BTreeSet::new(),
        Err(error) => error.problems().iter().map(|problem| problem.code.clone()).collect(),
    }
}

#[track_caller]
fn told(code: &str, text: &str) {
    assert_eq!(codes(text), BTreeSet::from([code.to_owned()]), "{text}");
}

#[track_caller]
fn fine(text: &str) {
    assert_eq!(codes(text), BTreeSet::new(), "{text}");
}

#[test]
fn a_rule_of_icmp_never_lets_in_more_than_it_says() {
    let rule =
        |rule: &str| format!("{MADE}  securityGroups:\n    - {{name: web, description: Web, ingress: [{{{rule}, cidr: 10.0.0.0/8}}]}}\n");
    told("rule-icmp-code", &rule("protocol: icmp, icmpCode: 4"));
    told("rule-icmp-code", &rule("protocol: icmpv6, icmpCode: 0"));
    told("rule-protocol-form", &rule("ports: 443, icmpType: 3"));
    told("rule-protocol-form", &rule("protocol: udp, ports: 53, icmpCode: 0"));
    told("rule-protocol-form", &rule("protocol: all, icmpType: 8"));
    fine(&rule("protocol: icmp, icmpType: 3, icmpCode: 4"));
    fine(&rule("protocol: icmp"));
}

#[test]
fn contradictions_are_told() {
    let over = |text: &str| format!("{MADE}{CLUSTER}{text}");
    for wrong in [
        "  autoMode: {enabled: false, nodePools: [system]}\n",
        "  role: {existing: \"arn:aws:iam::123456789012:role/eks\", legacyServicePolicy: true}\n",
        "  podRoles: [{name: lb, loadBalancerController: true}]\n",
        "  oidcProvider: false\n  podRoles: [{name: app, irsa: true, awsPolicies: [AmazonS3ReadOnlyAccess], serviceAccounts: [{namespace: shop, name: app}]}]\n",
        "  accessEntries: [{principal: \"arn:aws:iam::123456789012:user/ann\", type: EC2_LINUX}]\n",
        "workers: [{name: shop-web, publicSubnets: true, zones: [us-east-1a]}]\n",
        "workers: [{name: shop-web, family: {bottlerocket: {mirrors: [{registry: docker.io, endpoints: []}]}}}]\n",
    ] {
        told("contradiction", &over(wrong));
    }
    fine(&over("  role: {existing: \"arn:aws:iam::123456789012:role/eks\"}\n"));
    fine(&over("  accessEntries: [{principal: \"arn:aws:iam::123456789012:role/nodes\", type: EC2_LINUX}]\n"));
}

#[test]
fn an_existing_network_may_have_any_zone_and_security_group() {
    fine(&format!("{EXISTING}{CLUSTER}  securityGroups: [control-plane, shared]\nworkers: [{{name: shop-web, zones: [us-east-1c]}}]\n"));
    told("no-subnets", &format!("{EXISTING}{CLUSTER}workers: [{{name: shop-web, zones: [us-west-2a]}}]\n"));
}

#[test]
fn each_zone_of_workers_has_a_subnet_in_a_network_that_is_made() {
    told("placement-zone", &format!("{MADE}{CLUSTER}workers: [{{name: shop-web, zones: [us-east-1a, us-east-1f]}}]\n"));
    fine(&format!("{MADE}{CLUSTER}workers: [{{name: shop-web, zones: [us-east-1a]}}]\n"));
}

#[test]
fn aws_auth_is_edited_where_it_alone_lets_nodes_in() {
    let mode = |mode: &str, rest: &str| format!("{MADE}{CLUSTER}  authenticationMode: {mode}\n{rest}");
    let workers = "workers: [{name: shop-web}]\n";
    told("aws-auth-unedited", &mode("CONFIG_MAP", workers));
    fine(&mode("CONFIG_MAP", &format!("{workers}objects: {{}}\n")));
    let mapped = "workers: [{name: shop-web, mapping: awsAuth}]\n";
    told("aws-auth-unedited", &mode("API_AND_CONFIG_MAP", mapped));
    let both = Environment::from_yaml(&mode("API_AND_CONFIG_MAP", &format!("{mapped}objects: {{}}\n"))).expect("valid");
    let objects = format!("{:?}", both.objects().expect("objects"));
    assert!(objects.contains("RoleMap") || objects.contains("roles: [("), "{objects}");
}

#[test]
fn nobody_waits_for_a_label_that_no_node_gets() {
    let group = "workers: [{name: shop-web, template: {nodeGroup2025: {keyPair: ops}}}]\n";
    let told = codes(&format!("{MADE}{CLUSTER}{group}objects: {{}}\n"));
    assert!(told.contains("nodes-unlabelled"), "{told:?}");
    assert!(!codes(&format!("{MADE}{CLUSTER}{group}")).contains("nodes-unlabelled"));
}

#[test]
fn nothing_is_no_value_where_toml_cannot_say_it() {
    let addon = |value: &str| format!("{MADE}{CLUSTER}  moreAddons: [{{name: metrics-server, configuration: {{replicas: {value}}}}}]\n");
    told("value", &addon("null"));
    told("value", &addon("[1, null]"));
    let policy = codes(&format!("{MADE}  endpoints: [{{gateway: s3, policy: {{Version: \"2012-10-17\", Statement: null}}}}]\n"));
    assert!(policy.contains("value"), "{policy:?}");
    let file = EnvironmentFile::from_yaml("x.yaml", &addon("2")).expect("valid");
    assert!(file.to_toml().contains("replicas"));
}
