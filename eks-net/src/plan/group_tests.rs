//! Plans for security groups and their rules.

use eks_core::{Plan, Step};

use crate::{
    IcmpTypes, Nat, NetOp, NetworkSpec, NetworkSpecBuilder, Observed, Rule, SecurityGroup, observed::FoundRule, testing, unused_groups,
};

fn builder() -> NetworkSpecBuilder {
    NetworkSpec::builder(&testing::owner(), "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"]).nat(Nat::None)
}

/// Three tiers of which each knows its neighbours, and what is outside.
fn tiers() -> NetworkSpec {
    let outside = "sg-0a1b2c3d4e5f60718".parse().unwrap();
    builder()
        .security_group(
            SecurityGroup::new("web", "web servers")
                .allow(Rule::tcp(443).from_cidr("0.0.0.0/0").from_cidr("::/0").described("HTTPS"))
                .allow(Rule::icmp_of(IcmpTypes::Code(3, 4)).from_cidr("0.0.0.0/0").described("path MTU discovery"))
                .allow(Rule::all().from_self())
                .allow_out(Rule::tcp(8080..=8090).to_group("app")),
        )
        .security_group(
            SecurityGroup::new("app", "application")
                .allow(Rule::tcp(8080..=8090).from_group("web"))
                .allow_out(Rule::tcp(5432).to_group_id(outside))
                .allow_out(Rule::tcp(443).to_prefix_list("pl-63a5400a", 1).described("S3")),
        )
        .security_group(SecurityGroup::new("vpn", "tunnels").allow(Rule::protocol(50).from_cidr("198.51.100.7/32")))
        .build()
        .unwrap()
}

fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{:?} {}: {}", step.action, step.key, step.changes.join("; "))).collect()
}

fn findings(plan: &Plan) -> Vec<String> {
    let of_groups = plan.findings().into_iter().filter(|finding| finding.step.as_str().contains("security-group"));
    of_groups.map(|finding| format!("{:?} {finding}", finding.severity)).collect()
}

fn rules(step: Option<&Step>) -> NetOp {
    step.expect("a step").op.decode().expect("an operation")
}

#[test]
fn rules_of_every_kind() {
    let plan = tiers().plan(&Observed::nothing(&testing::owner())).unwrap();
    let groups: Vec<String> = plan
        .steps()
        .iter()
        .filter(|step| step.key.as_str().contains("security-group"))
        .map(|step| {
            format!("{} {}\n  needs {}", step.key, step.title, step.needs.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(" "))
        })
        .collect();
    insta::assert_snapshot!(groups.join("\n"), @r"
    net/security-group/web security group web
      needs net/vpc
    net/security-group/app security group app
      needs net/vpc
    net/security-group-rules/web tcp 443 from 0.0.0.0/0, tcp 443 from ::/0, icmp type 3 code 4 from 0.0.0.0/0, all from ‹net/security-group/web›, tcp 8080-8090 to ‹net/security-group/app›
      needs net/security-group/app net/security-group/web
    net/security-group-rules/app tcp 8080-8090 from ‹net/security-group/web›, tcp 5432 to sg-0a1b2c3d4e5f60718, tcp 443 to pl-63a5400a
      needs net/security-group/app net/security-group/web
    net/security-group/vpn security group vpn
      needs net/vpc
    net/security-group-rules/vpn protocol 50 from 198.51.100.7/32
      needs net/security-group/vpn
    ");
    assert_eq!(
        findings(&plan),
        [
            "Note net/security-group-rules/web: open to the world: tcp 443 from 0.0.0.0/0",
            "Note net/security-group-rules/web: open to the world: tcp 443 from ::/0",
            "Note net/security-group-rules/web: open to the world: icmp type 3 code 4 from 0.0.0.0/0",
        ]
    );
    let actions: Vec<_> = plan.iam_actions().into_iter().filter(|action| action.contains("SecurityGroup")).collect();
    assert_eq!(
        actions,
        [
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateSecurityGroup",
            "ec2:DescribeSecurityGroups",
            "ec2:RevokeSecurityGroupEgress",
        ]
    );
    assert_eq!(Plan::from_json(&plan.to_json().unwrap()).unwrap(), plan);
}

#[test]
fn a_group_with_rules_for_what_goes_out_loses_the_one_it_is_made_with() {
    let plan = tiers().plan(&Observed::nothing(&testing::owner())).unwrap();
    let defaults = |key: &str| match rules(plan.step(key)) {
        NetOp::SecurityGroupRules { defaults, .. } => defaults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(defaults("net/security-group-rules/web"), ["all to 0.0.0.0/0"]);
    assert_eq!(defaults("net/security-group-rules/vpn"), [""; 0]);
}

#[test]
fn standing_groups_need_nothing() {
    let spec = tiers();
    let mut now = testing::standing(&spec);
    assert_eq!(changes_of_groups(&spec, &now), [""; 0]);
    // Somebody gave the VPC IPv6: EC2 has made the group with a second rule for what goes out.
    let [_, six] = crate::SecurityGroupRule::defaults();
    now.security_groups[2].rules.push(six.into());
    assert_eq!(changes_of_groups(&spec, &now), [""; 0]);
    // Without any there is nothing that goes out, which no spec says.
    now.security_groups[2].rules.retain(|found| !found.rule.is_default());
    assert_eq!(changes_of_groups(&spec, &now), ["Update net/security-group-rules/vpn: rule all to 0.0.0.0/0: none → allowed"]);
}

fn changes_of_groups(spec: &NetworkSpec, now: &Observed) -> Vec<String> {
    changes(&spec.plan(now).unwrap()).into_iter().filter(|line| line.contains("security-group")).collect()
}

#[test]
fn an_adopted_group_is_not_opened() {
    let spec = tiers();
    let mut now = testing::standing(&spec);
    for group in &mut now.security_groups {
        group.tags.insert(crate::existing::marks::ADOPTED_TAG.to_owned(), String::new());
        group.rules.retain(|found| !found.rule.is_default());
    }
    assert_eq!(changes_of_groups(&spec, &now), [""; 0]);
    // Nor closed: what is there is not EC2's work on our behalf.
    let [everything_out, _] = crate::SecurityGroupRule::defaults();
    now.security_groups[0].rules.push(everything_out.into());
    assert_eq!(changes_of_groups(&spec, &now), [""; 0]);
}

/// A network that stood before its rules were changed; its rules have ids, and those of the first group are ours.
fn changed() -> (NetworkSpec, Observed) {
    let before = builder()
        .security_group(
            SecurityGroup::new("web", "web servers")
                .allow(Rule::tcp(80).from_cidr("0.0.0.0/0"))
                .allow(Rule::tcp(443).from_cidr("0.0.0.0/0").described("HTTP")),
        )
        .build()
        .unwrap();
    let mut now = testing::standing(&before);
    let group = &mut now.security_groups[0];
    for (number, found) in group.rules.iter_mut().enumerate() {
        found.id = Some(testing::id("sgr", number));
        if !found.rule.is_default() {
            found.tags = before.extra.of(&before.owner, &before.security_groups[0].rules_key());
        }
    }
    let by_hand = Rule::tcp(22).from_cidr("0.0.0.0/0");
    let by_hand = builder().security_group(SecurityGroup::new("web", "by hand").allow(by_hand)).build().unwrap();
    let foreign = by_hand.security_groups[0].rules[0].clone();
    group.rules.push(FoundRule { id: Some(testing::id("sgr", 9)), ..foreign.into() });
    group.other.push("tcp 443 from us-east-1/pl-0a1b2c3d".to_owned());
    now.identified.insert(group.id.clone());
    let after = builder()
        .security_group(
            SecurityGroup::new("web", "web servers")
                .allow(Rule::tcp(443).from_cidr("0.0.0.0/0").described("HTTPS"))
                .allow(Rule::udp(443).from_cidr("0.0.0.0/0"))
                .allow_out(Rule::tcp(443).to_cidr("0.0.0.0/0")),
        )
        .build()
        .unwrap();
    (after, now)
}

#[test]
fn only_what_is_ours_is_changed() {
    let (spec, now) = changed();
    let plan = spec.plan(&now).unwrap();
    assert_eq!(
        plan.step("net/security-group-rules/web").unwrap().changes,
        [
            "rule udp 443 from 0.0.0.0/0: none → allowed",
            "rule tcp 443 to 0.0.0.0/0: none → allowed",
            "description of tcp 443 from 0.0.0.0/0: HTTP → HTTPS",
            "rule tcp 80 from 0.0.0.0/0: allowed → none",
            "rule all to 0.0.0.0/0: allowed → none",
        ]
    );
    let NetOp::SecurityGroupRules { add, describe, revoke, defaults, .. } = rules(plan.step("net/security-group-rules/web")) else {
        panic!("other rules")
    };
    assert_eq!((add.len(), describe.len(), revoke.len(), defaults.len()), (2, 1, 1, 1));
    assert_eq!((describe[0].rule.id.as_str(), revoke[0].id.as_str()), ("sgr-00000000000000001", "sgr-00000000000000000"));
    assert_eq!(
        findings(&plan),
        [
            "Warning net/security-group/web: sg-00000000000000000 has rules that the spec does not; they stay: tcp 22 from 0.0.0.0/0",
            "Note net/security-group/web: sg-00000000000000000 has rules that the spec does not; they stay: tcp 443 from us-east-1/pl-0a1b2c3d",
            "Note net/security-group-rules/web: open to the world: tcp 443 from 0.0.0.0/0",
            "Note net/security-group-rules/web: open to the world: udp 443 from 0.0.0.0/0",
        ]
    );
    let basis = serde_json::to_value(&plan.basis()["net"]).unwrap();
    assert_eq!(basis["scope"]["rules_of"], serde_json::json!(["sg-00000000000000000"]));
}

#[test]
fn whose_rules_are_is_looked_for_only_where_it_matters() {
    let (spec, mut now) = changed();
    for found in &mut now.security_groups[0].rules {
        (found.id, found.tags) = (None, crate::Tags::new());
    }
    now.identified.clear();
    let plan = spec.plan(&now).unwrap();
    let NetOp::SecurityGroupRules { describe, revoke, .. } = rules(plan.step("net/security-group-rules/web")) else {
        panic!("other rules")
    };
    assert!(describe.is_empty() && revoke.is_empty());
    assert!(findings(&plan)[0].contains("and whose they are was not looked for; they stay: tcp 80 from 0.0.0.0/0, tcp 22 from 0.0.0.0/0"));
    #[cfg(feature = "aws")]
    {
        assert_eq!(spec.groups_in_doubt(&now).into_iter().collect::<Vec<_>>(), [now.security_groups[0].id.clone()]);
        let spec = testing::chapter();
        assert!(spec.groups_in_doubt(&testing::standing(&spec)).is_empty());
    }
}

#[test]
fn what_is_open_to_the_world_and_what_changes_nothing() {
    let spec = builder()
        .security_group(
            SecurityGroup::new("open", "all sorts")
                .allow(Rule::tcp(3000..=6000).from_cidr("0.0.0.0/0"))
                .allow(Rule::tcp(0..=65_535).from_cidr("::/0"))
                .allow(Rule::tcp(22).from_cidr("0.0.0.0/1").from_cidr("128.0.0.0/1"))
                .allow(Rule::tcp(5432).from_cidr("10.0.0.0/8"))
                .allow(Rule::tcp(5432).from_group("open"))
                .allow_out(Rule::all().to_cidr("0.0.0.0/0")),
        )
        .build()
        .unwrap();
    let plan = spec.plan(&Observed::nothing(&testing::owner())).unwrap();
    insta::assert_snapshot!(findings(&plan).join("\n"), @r"
    Warning net/security-group-rules/open: open to the world: tcp 3000-6000 from 0.0.0.0/0 (MySQL 3306, RDP 3389, PostgreSQL 5432, Redshift 5439, OpenSearch Dashboards 5601, CouchDB 5984)
    Warning net/security-group-rules/open: open to the world: tcp 0-65535 from ::/0 (every TCP port, SSH, RDP and databases among them)
    Warning net/security-group-rules/open: open to the world: tcp 22 from 0.0.0.0/1, tcp 22 from 128.0.0.0/1 together let in tcp 22 (SSH 22)
    Note net/security-group-rules/open: tcp 5432 from 10.0.0.0/8 changes nothing: tcp 3000-6000 from 0.0.0.0/0 lets the same in already
    ");
}

#[test]
fn groups_that_nothing_uses() {
    let plan = tiers().plan(&Observed::nothing(&testing::owner())).unwrap();
    let unused = |plan: &Plan| unused_groups(plan).into_iter().map(|finding| finding.step.to_string()).collect::<Vec<_>>();
    assert_eq!(unused(&plan), ["net/security-group/vpn"]);
    let used = Step::new("nodes/workers".parse().unwrap(), eks_core::Action::Create, "workers", &Workers).unwrap();
    let used = used.after("net/security-group/vpn".parse().unwrap());
    let basis = eks_core::Basis::new(serde_json::Value::Null, eks_core::Facts::new());
    let nodes = Plan::builder(&testing::owner(), "nodes").basis(basis).step(used).build().unwrap();
    assert_eq!(unused(&Plan::join([plan.clone(), nodes]).unwrap()), [""; 0]);
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Workers;

impl eks_core::Operation for Workers {
    const LAYER: &'static str = "nodes";
}

#[test]
fn a_review_of_what_stands() {
    let mut now = testing::standing(&tiers());
    let review = |now: &Observed| now.review_security_groups().into_iter().map(|finding| finding.to_string()).collect::<Vec<_>>();
    let open = [
        "net/security-group/web: open to the world: tcp 443 from 0.0.0.0/0",
        "net/security-group/web: open to the world: tcp 443 from ::/0",
        "net/security-group/web: open to the world: icmp type 3 code 4 from 0.0.0.0/0",
    ];
    assert_eq!(review(&now), open);
    now.looked_for_interfaces = true;
    let unused = "net/security-group/vpn: sg-00000000000000002 is unused: no network interface has it, and no other group names it";
    assert_eq!(review(&now), [open.as_slice(), &[unused]].concat());
}
