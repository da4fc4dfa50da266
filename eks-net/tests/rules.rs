//! Rules of security groups on the simulated EC2: made, changed, told apart from those of others, torn down, through faults.

#[expect(dead_code, reason = "the chapter's network is for others")]
mod common;

use std::collections::BTreeSet;

use aws_sdk_ec2::{
    Client,
    types::{Filter, IpPermission, IpRange, SecurityGroupRule, UserIdGroupPair},
};
use common::{counts, owner, process, tear_down};
use eks_core::{Plan, Verdict, engine::Engine};
use eks_net::{IcmpTypes, Nat, NetworkSpec, NetworkSpecBuilder, Networks, Rule, SecurityGroup};
use eks_sim::{Fault, Sim, When};

type Done = Result<(), Box<dyn std::error::Error>>;

fn network() -> NetworkSpecBuilder {
    NetworkSpec::builder(&owner(), "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"]).nat(Nat::None)
}

/// Two groups that name each other, and themselves.
fn before() -> NetworkSpec {
    let web = SecurityGroup::new("web", "web servers")
        .allow(Rule::tcp(80).from_cidr("0.0.0.0/0").from_cidr("::/0").described("HTTP"))
        .allow(Rule::tcp(443).from_cidr("0.0.0.0/0"))
        .allow(Rule::icmp_of(IcmpTypes::Code(3, 4)).from_cidr("0.0.0.0/0"))
        .allow(Rule::all().from_self())
        .allow_out(Rule::tcp(8080).to_group("app"))
        .allow_out(Rule::udp(53).to_cidr("10.0.0.2/32").described("DNS"));
    let app = SecurityGroup::new("app", "application").allow(Rule::tcp(8080).from_group("web")).allow(Rule::protocol(50).from_self());
    network().security_group(web).security_group(app).build().expect("fine")
}

/// The same with rules added, taken away and described otherwise, each way.
fn after() -> NetworkSpec {
    let web = SecurityGroup::new("web", "web servers")
        .allow(Rule::tcp(80).from_cidr("0.0.0.0/0").described("to be redirected"))
        .allow(Rule::tcp(443).from_cidr("0.0.0.0/0").from_cidr("::/0"))
        .allow(Rule::all().from_self())
        .allow_out(Rule::tcp(8080..=8090).to_group("app"))
        .allow_out(Rule::udp(53).to_cidr("10.0.0.2/32"));
    let app = SecurityGroup::new("app", "application").allow(Rule::tcp(8080..=8090).from_group("web"));
    network().security_group(web).security_group(app).build().expect("fine")
}

async fn stand(sim: &Sim, spec: &NetworkSpec) -> Result<(Networks, Engine), Box<dyn std::error::Error>> {
    let (networks, engine) = process(sim);
    networks.plan(spec).await?.apply(&engine).await?;
    Ok((networks, engine))
}

fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().flat_map(|step| step.changes.iter().map(|change| format!("{}: {change}", step.key))).collect()
}

/// Every rule of the network's groups as somebody else's client sees it: group's name, direction, what, and description.
async fn seen(client: &Client) -> Result<BTreeSet<String>, Box<dyn std::error::Error>> {
    let groups = client.describe_security_groups().send().await?;
    let name = |id: Option<&str>| {
        let group = groups.security_groups().iter().find(|group| group.group_id() == id);
        group.and_then(|group| group.group_name()).unwrap_or_default().to_owned()
    };
    let rules = client.describe_security_group_rules().send().await?;
    let of = rules.security_group_rules().iter().filter(|rule| name(rule.group_id()) != "default");
    Ok(of
        .map(|rule| {
            let peer = rule.referenced_group_info().map(|group| name(group.group_id()));
            let peer = peer.or(rule.cidr_ipv4().or(rule.cidr_ipv6()).map(str::to_owned)).unwrap_or_default();
            let way = if rule.is_egress() == Some(true) { "out" } else { "in" };
            format!(
                "{} {way} {} {}-{} {peer} {:?}",
                name(rule.group_id()),
                rule.ip_protocol().unwrap_or_default(),
                rule.from_port().unwrap_or_default(),
                rule.to_port().unwrap_or_default(),
                rule.description().unwrap_or_default()
            )
        })
        .collect())
}

const BEFORE: [&str; 10] = [
    r#"app in 50 -1--1 app """#,
    r#"app in tcp 8080-8080 web """#,
    r#"app out -1 -1--1 0.0.0.0/0 """#,
    r#"web in -1 -1--1 web """#,
    r#"web in icmp 3-4 0.0.0.0/0 """#,
    r#"web in tcp 443-443 0.0.0.0/0 """#,
    r#"web in tcp 80-80 0.0.0.0/0 "HTTP""#,
    r#"web in tcp 80-80 ::/0 "HTTP""#,
    r#"web out tcp 8080-8080 app """#,
    r#"web out udp 53-53 10.0.0.2/32 "DNS""#,
];

const AFTER: [&str; 8] = [
    r#"app in tcp 8080-8090 web """#,
    r#"app out -1 -1--1 0.0.0.0/0 """#,
    r#"web in -1 -1--1 web """#,
    r#"web in tcp 443-443 0.0.0.0/0 """#,
    r#"web in tcp 443-443 ::/0 """#,
    r#"web in tcp 80-80 0.0.0.0/0 "to be redirected""#,
    r#"web out tcp 8080-8090 app """#,
    r#"web out udp 53-53 10.0.0.2/32 """#,
];

fn these<'a>(rules: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    rules.into_iter().map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn rules_are_made_changed_and_torn_down() -> Done {
    let sim = Sim::new();
    let (networks, engine) = stand(&sim, &before()).await?;
    let other = Client::new(&sim.sdk_config());
    assert_eq!(seen(&other).await?, these(BEFORE));
    let calls = || (sim.log().len(), sim.log().count("ec2", "DescribeSecurityGroupRules"));
    let start = calls();
    let again = networks.plan(&before()).await?;
    assert!(again.is_noop(), "{again}");
    assert_eq!(calls(), (start.0 + 9, start.1));
    let ours = Filter::builder().name("tag:eks-rs/owner").values(owner().as_str()).build();
    let tagged = other.describe_security_group_rules().filters(ours).send().await?;
    assert_eq!(tagged.security_group_rules().len(), BEFORE.len() - 1, "all but what EC2 made");

    let start = calls();
    let plan = networks.plan(&after()).await?;
    assert_eq!(calls(), (start.0 + 10, start.1 + 1), "whose the rules are is one call");
    let [web, app] = ["web", "app"]
        .map(|name| plan.step(&format!("net/security-group/{name}")).map(|step| step.outputs["id"].clone()).unwrap_or_default());
    assert_eq!(
        changes(&plan),
        [
            "net/security-group-rules/web: rule tcp 443 from ::/0: none → allowed",
            "net/security-group-rules/web: rule tcp 8080-8090 to ‹net/security-group/app›: none → allowed",
            "net/security-group-rules/web: description of tcp 80 from 0.0.0.0/0: HTTP → to be redirected",
            "net/security-group-rules/web: description of udp 53 to 10.0.0.2/32: DNS → none",
            "net/security-group-rules/web: rule tcp 80 from ::/0: allowed → none",
            "net/security-group-rules/web: rule icmp type 3 code 4 from 0.0.0.0/0: allowed → none",
            "net/security-group-rules/web: rule tcp 8080 to APP: allowed → none",
            "net/security-group-rules/app: rule tcp 8080-8090 from ‹net/security-group/web›: none → allowed",
            "net/security-group-rules/app: rule tcp 8080 from WEB: allowed → none",
            "net/security-group-rules/app: rule protocol 50 from APP: allowed → none",
        ]
        .map(|line| line.replace("WEB", &web).replace("APP", &app))
    );
    let start = calls();
    plan.apply(&engine).await?;
    let permitted = plan.iam_actions();
    let log = sim.log();
    let called: BTreeSet<String> = log.calls()[start.0..].iter().map(|call| format!("{}:{}", call.service, call.action)).collect();
    assert!(called.iter().all(|action| permitted.contains(action.as_str())), "{called:?}");
    assert_eq!(seen(&other).await?, these(AFTER));
    assert!(networks.plan(&after()).await?.is_noop());

    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}

/// A rule of somebody else's in the group of this name, in the direction that `egress` tells.
async fn add_foreign(client: &Client, group: &str, egress: bool) -> Result<SecurityGroupRule, Box<dyn std::error::Error>> {
    let named = Filter::builder().name("group-name").values(group).build();
    let groups = client.describe_security_groups().filters(named).send().await?;
    let id = groups.security_groups()[0].group_id().unwrap_or_default();
    let range = IpRange::builder().cidr_ip("192.0.2.0/24").description("by hand").build();
    let rule = IpPermission::builder().ip_protocol("tcp").from_port(9).to_port(9).ip_ranges(range).build();
    let made = if egress {
        let answer = client.authorize_security_group_egress().group_id(id).ip_permissions(rule).send().await?;
        answer.security_group_rules().to_vec()
    } else {
        let answer = client.authorize_security_group_ingress().group_id(id).ip_permissions(rule).send().await?;
        answer.security_group_rules().to_vec()
    };
    made.into_iter().next().ok_or_else(|| "EC2 tells the rule".into())
}

#[tokio::test(start_paused = true)]
async fn rules_of_others_survive_everything_but_the_teardown() -> Done {
    let sim = Sim::new();
    let (networks, engine) = stand(&sim, &before()).await?;
    let other = Client::new(&sim.sdk_config());
    add_foreign(&other, "web", false).await?;
    add_foreign(&other, "web", true).await?;
    // What the spec will have, too, made and described by somebody else.
    let app = networks.observe(&owner()).await?.security_groups.into_iter().find(|group| group.name == "app").ok_or("a group")?;
    let web = networks.observe(&owner()).await?.security_groups.into_iter().find(|group| group.name == "web").ok_or("a group")?;
    let pair = UserIdGroupPair::builder().group_id(web.id.as_str()).description("theirs").build();
    let same = IpPermission::builder().ip_protocol("tcp").from_port(8080).to_port(8090).user_id_group_pairs(pair).build();
    other.authorize_security_group_ingress().group_id(app.id.as_str()).ip_permissions(same).send().await?;

    let same = networks.plan(&before()).await?;
    assert!(same.is_noop(), "{same}");
    let told: Vec<String> = same.findings().iter().map(ToString::to_string).filter(|text| text.contains("they stay")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|text| text.ends_with("they stay: tcp 9 from 192.0.2.0/24, tcp 9 to 192.0.2.0/24")), "{told:?}");
    assert!(same.apply(&engine).await?.is_complete(), "the basis holds their ids");

    let plan = networks.plan(&after()).await?;
    assert!(
        plan.findings().iter().any(|finding| finding.message.contains("described otherwise (theirs); it is not ours and stays")),
        "{plan}"
    );
    plan.apply(&engine).await?;
    let mut expected = these(AFTER);
    expected.remove(AFTER[0]);
    expected.extend([
        r#"web in tcp 9-9 192.0.2.0/24 "by hand""#.to_owned(),
        r#"web out tcp 9-9 192.0.2.0/24 "by hand""#.to_owned(),
        r#"app in tcp 8080-8090 web "theirs""#.to_owned(),
    ]);
    assert_eq!(seen(&other).await?, expected);
    assert!(networks.plan(&after()).await?.is_noop());
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_somebody_elses_rule_overtook_is_refused() -> Done {
    let sim = Sim::new();
    let (networks, engine) = stand(&sim, &before()).await?;
    let plan = Plan::from_json(&networks.plan(&after()).await?.to_json()?)?;
    add_foreign(&Client::new(&sim.sdk_config()), "app", false).await?;
    let refused = plan.apply(&engine).await.expect_err("another basis").to_string();
    assert!(refused.contains("net/security-group/app ingress"), "{refused}");
    Ok(())
}

/// Rules are added before others are revoked; where the quota has no room for both, the other way about.
#[tokio::test(start_paused = true)]
async fn all_rules_can_be_exchanged_at_once() -> Done {
    let many = |from: u16| {
        let group =
            (from..from + 60).fold(SecurityGroup::new("web", "web"), |group, port| group.allow(Rule::tcp(port).from_cidr("10.0.0.0/8")));
        network().security_group(group).build()
    };
    let sim = Sim::new();
    let (networks, engine) = stand(&sim, &many(100)?).await?;
    networks.plan(&many(130)?).await?.apply(&engine).await?;
    assert!(networks.plan(&many(130)?).await?.is_noop());
    assert_eq!(seen(&Client::new(&sim.sdk_config())).await?.len(), 61);
    Ok(())
}

/// What a group lets out goes with the last rule for that, and comes back with it.
#[tokio::test(start_paused = true)]
async fn everything_goes_out_again_when_nothing_is_said_of_it() -> Done {
    let sim = Sim::new();
    let (networks, engine) = stand(&sim, &before()).await?;
    let silent = network()
        .security_group(SecurityGroup::new("web", "web servers"))
        .security_group(SecurityGroup::new("app", "application").allow_out(Rule::tcp(443).to_cidr("::/0")))
        .build()?;
    networks.plan(&silent).await?.apply(&engine).await?;
    let other = Client::new(&sim.sdk_config());
    assert_eq!(seen(&other).await?, these([r#"web out -1 -1--1 0.0.0.0/0 """#, r#"app out tcp 443-443 ::/0 """#]));
    assert!(networks.plan(&silent).await?.is_noop());
    networks.plan(&before()).await?.apply(&engine).await?;
    assert_eq!(seen(&other).await?, these(BEFORE));
    Ok(())
}

/// Changes the rules with a fault at one call of the change after another; tells when there are no more calls.
async fn with_fault_at(number: u64, fault: Fault) -> Result<bool, Box<dyn std::error::Error>> {
    let named = format!("{fault:?} at call {number}");
    let sim = Sim::new();
    let (networks, engine) = stand(&sim, &before()).await?;
    let other = Client::new(&sim.sdk_config());
    add_foreign(&other, "web", false).await?;
    let plan = networks.plan(&after()).await?;
    sim.inject(When::Call(sim.log().len() as u64 + number), fault.clone());
    let applied = plan.apply(&engine).await;
    if sim.faults_pending() > 0 {
        return Ok(false);
    }
    if matches!(fault, Fault::KillBefore | Fault::KillAfter) {
        assert!(applied.is_err(), "{named}: the process is dead");
        sim.revive();
        let (networks, engine) = process(&sim);
        networks.plan(&after()).await?.apply(&engine).await.map_err(|error| format!("{named}: {error}"))?;
    } else {
        applied.map_err(|error| format!("{named}: {error}"))?;
    }
    let mut expected = these(AFTER);
    expected.insert(r#"web in tcp 9-9 192.0.2.0/24 "by hand""#.to_owned());
    assert_eq!(seen(&other).await?, expected, "{named}");
    let again = process(&sim).0.plan(&after()).await?;
    assert!(again.is_noop(), "{named}: {again}");
    Ok(true)
}

#[tokio::test(start_paused = true)]
async fn a_change_of_rules_comes_through_a_fault_at_any_call() -> Done {
    let internal = Fault::Refuse { status: 500, code: "InternalError".to_owned(), message: "An internal error has occurred".to_owned() };
    // What nothing came of is seen by the calls before it, mostly.
    for (fault, every) in [(Fault::LoseAnswer, 1), (Fault::KillAfter, 1), (Fault::KillBefore, 3), (Fault::Throttle, 3), (internal, 3)] {
        let mut number = 1;
        while with_fault_at(number, fault.clone()).await? {
            number += every;
        }
        // Ten to observe again; then, for two groups, adding, describing and revoking, each way.
        assert!(number > 10 + 8, "{fault:?}: {number} calls");
    }
    Ok(())
}

/// A group that was made when the process died has the rule for everything out; the next run takes it away.
#[tokio::test(start_paused = true)]
async fn a_group_is_not_left_open() -> Done {
    for action in ["CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress"] {
        for fault in [Fault::KillAfter, Fault::KillBefore] {
            let sim = Sim::new();
            let (networks, engine) = process(&sim);
            let plan = networks.plan(&before()).await?;
            sim.inject(When::Action { service: "ec2".to_owned(), action: action.to_owned(), nth: 1 }, fault.clone());
            assert!(plan.apply(&engine).await.is_err());
            sim.revive();
            let (networks, engine) = process(&sim);
            networks.plan(&before()).await?.apply(&engine).await?;
            assert_eq!(seen(&Client::new(&sim.sdk_config())).await?, these(BEFORE), "{fault:?} at {action}");
            assert!(networks.plan(&before()).await?.is_noop());
        }
    }
    Ok(())
}

/// Nothing but the network's own groups is looked at, and what nobody uses is told.
#[tokio::test(start_paused = true)]
async fn a_review_tells_what_is_unused() -> Done {
    let sim = Sim::new();
    let (networks, _) = stand(&sim, &before()).await?;
    let review = networks.observe_with_interfaces(&owner()).await?.review_security_groups();
    assert!(review.iter().all(|finding| !finding.message.contains("unused")), "they name each other: {review:?}");
    let lonely = network().security_group(SecurityGroup::new("lonely", "of nobody")).build()?;
    let sim = Sim::new();
    let (networks, _) = stand(&sim, &lonely).await?;
    let now = networks.observe_with_interfaces(&owner()).await?;
    assert_eq!(now.review_security_groups().len(), 1);
    let subnet = now.subnets[0].id.as_str();
    let group = now.security_groups.iter().find(|group| group.name == "lonely").ok_or("a group")?;
    let other = Client::new(&sim.sdk_config());
    other.create_network_interface().subnet_id(subnet).groups(group.id.as_str()).send().await?;
    assert_eq!(networks.observe_with_interfaces(&owner()).await?.review_security_groups(), []);
    Ok(())
}
