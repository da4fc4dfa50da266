//! Rules of security groups over the wire: ids, tags, descriptions, changes in place.

use aws_sdk_ec2::{
    Client,
    error::ProvideErrorMetadata,
    types::{
        Filter, IpPermission, IpRange, ResourceType, SecurityGroupRule, SecurityGroupRuleDescription, SecurityGroupRuleRequest,
        SecurityGroupRuleUpdate, Tag, TagSpecification,
    },
};
use eks_sim::Sim;

/// The code of the error that a call must answer.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.expect_err("must be refused").code().unwrap_or_default().to_owned()
}

fn tcp(port: i32, cidr: &str, why: Option<&str>) -> IpPermission {
    let range = IpRange::builder().cidr_ip(cidr).set_description(why.map(str::to_owned)).build();
    IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port).ip_ranges(range).build()
}

/// A group with two tagged rules, ports 22 and 80; the ids of these.
async fn group() -> (Client, String, Vec<String>) {
    let ec2 = Client::new(&Sim::new().sdk_config());
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("VPC");
    let vpc = vpc.vpc().and_then(|vpc| vpc.vpc_id()).expect("id").to_owned();
    let group = ec2.create_security_group().vpc_id(vpc).group_name("web").description("web").send().await.expect("group");
    let group = group.group_id().expect("id").to_owned();
    let tags = TagSpecification::builder().resource_type(ResourceType::SecurityGroupRule);
    let tags = tags.tags(Tag::builder().key("team").value("web").build()).build();
    let call = ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(tcp(22, "10.0.0.0/8", Some("SSH")));
    let made = call.ip_permissions(tcp(80, "0.0.0.0/0", None)).tag_specifications(tags).send().await.expect("rules");
    let rule = |rule: &SecurityGroupRule| rule.security_group_rule_id().expect("id").to_owned();
    let ids = made.security_group_rules().iter().map(rule).collect();
    (ec2, group, ids)
}

async fn rules(ec2: &Client, filters: Vec<Filter>) -> Vec<SecurityGroupRule> {
    let rules = ec2.describe_security_group_rules().set_filters(Some(filters)).into_paginator().page_size(5).items();
    rules.send().collect::<Result<Vec<_>, _>>().await.expect("rules")
}

fn filter(name: &str, values: &[&str]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.iter().map(|&value| value.to_owned()).collect())).build()
}

#[tokio::test(start_paused = true)]
async fn rules_have_ids_and_tags_and_are_found_by_them() {
    let (ec2, group, ids) = group().await;
    let all = rules(&ec2, vec![filter("group-id", &[&group])]).await;
    assert_eq!(all.len(), 3, "and the one for everything out");
    assert_eq!(all.iter().filter(|rule| rule.is_egress() == Some(true)).count(), 1);
    let tagged = rules(&ec2, vec![filter("tag:team", &["web"])]).await;
    assert_eq!(tagged.iter().filter_map(|rule| rule.security_group_rule_id()).collect::<std::collections::BTreeSet<_>>().len(), 2);
    let by_id = rules(&ec2, vec![filter("security-group-rule-id", &[&ids[0], "sgr-0123456789abcdef0"])]).await;
    assert_eq!(by_id.len(), 1);
    assert_eq!((by_id[0].description(), by_id[0].from_port(), by_id[0].cidr_ipv4()), (Some("SSH"), Some(22), Some("10.0.0.0/8")));
    let revoke = ec2.revoke_security_group_ingress().group_id(&group).security_group_rule_ids(&ids[0]);
    revoke.clone().send().await.expect("revoked");
    assert_eq!(code(revoke.send().await), "InvalidSecurityGroupRuleId.NotFound");
    let other_way = ec2.revoke_security_group_egress().group_id(&group).security_group_rule_ids(&ids[1]).send().await;
    assert_eq!(code(other_way), "InvalidSecurityGroupRuleId.NotFound");
}

#[tokio::test(start_paused = true)]
async fn descriptions_change_in_place() {
    let (ec2, group, ids) = group().await;
    let why = |id: &str, text: Option<&str>| {
        SecurityGroupRuleDescription::builder().security_group_rule_id(id).set_description(text.map(str::to_owned)).build()
    };
    let call = || ec2.update_security_group_rule_descriptions_ingress().group_id(&group);
    let both = call().security_group_rule_descriptions(why(&ids[0], None)).security_group_rule_descriptions(why(&ids[1], Some("HTTP")));
    both.send().await.expect("described");
    let described = rules(&ec2, vec![filter("security-group-rule-id", &[&ids[0], &ids[1]])]).await;
    let mut texts: Vec<_> = described.iter().map(|rule| (rule.from_port(), rule.description())).collect();
    texts.sort();
    assert_eq!(texts, [(Some(22), None), (Some(80), Some("HTTP"))]);
    // By what they let through, too.
    call().ip_permissions(tcp(80, "0.0.0.0/0", Some("web"))).send().await.expect("described");
    assert_eq!(code(call().ip_permissions(tcp(81, "0.0.0.0/0", None)).send().await), "InvalidPermission.NotFound");
    assert_eq!(code(call().security_group_rule_descriptions(why(&ids[0], Some("a < b"))).send().await), "InvalidParameterValue");
    let egress = ec2.update_security_group_rule_descriptions_egress().group_id(&group);
    let egress = egress.security_group_rule_descriptions(why(&ids[0], None)).send().await;
    assert_eq!(code(egress), "InvalidSecurityGroupRuleId.NotFound");
    let long = ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(tcp(9, "10.0.0.0/8", Some(&"x".repeat(256))));
    assert_eq!(code(long.send().await), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn rules_change_in_place_but_not_their_type() {
    let (ec2, group, ids) = group().await;
    let request = || SecurityGroupRuleRequest::builder().ip_protocol("tcp").from_port(2222).to_port(2222);
    let modify = |request: SecurityGroupRuleRequest| {
        let update = SecurityGroupRuleUpdate::builder().security_group_rule_id(&ids[0]).security_group_rule(request).build();
        ec2.modify_security_group_rules().group_id(&group).security_group_rules(update).send()
    };
    modify(request().cidr_ipv4("10.1.0.0/16").description("SSH").build()).await.expect("modified");
    let rule = &rules(&ec2, vec![filter("security-group-rule-id", &[&ids[0]])]).await[0];
    assert_eq!((rule.from_port(), rule.cidr_ipv4(), rule.description()), (Some(2222), Some("10.1.0.0/16"), Some("SSH")));
    assert_eq!(rule.tags().len(), 1, "tags stay");
    assert_eq!(code(modify(request().cidr_ipv6("fd00::/8").build()).await), "InvalidParameterValue");
    let twin = SecurityGroupRuleRequest::builder().ip_protocol("tcp").from_port(80).to_port(80).cidr_ipv4("0.0.0.0/0").build();
    assert_eq!(code(modify(twin).await), "InvalidPermission.Duplicate");
}

/// IpPermission: a port range is required for ICMP; with every type goes every code.
#[tokio::test(start_paused = true)]
async fn types_and_codes() {
    let (ec2, group, _) = group().await;
    for (from, to, refused) in [
        (None, None, true),
        (Some(-1), Some(-1), false),
        (Some(8), Some(-1), false),
        (Some(3), Some(4), false),
        (Some(-1), Some(4), true),
        (Some(256), Some(0), true),
    ] {
        let range = IpRange::builder().cidr_ip("0.0.0.0/0").build();
        let rule = IpPermission::builder().ip_protocol("icmp").set_from_port(from).set_to_port(to).ip_ranges(range).build();
        let result = ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(rule).send().await;
        assert_eq!(result.is_err(), refused, "{from:?} {to:?}");
    }
}
