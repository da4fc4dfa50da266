//! Networks that others made, on the simulated EC2: surveyed, mended, used, adopted, and left as they were.

mod foreigners;

use eks_core::{Owner, Plan, Ref, Tier, Verdict, engine::Engine};
use eks_net::{ExistingNetwork, ExistingNetworkBuilder, Fix, NetworkSpec, Networks, Survey};
use eks_sim::{Fault, Sim, When};
use foreigners::{Failed, Foreigner, Theirs, eksctl, everything, terraform};

type Done = Result<(), Failed>;

fn owner() -> Owner {
    Owner::new("shop").expect("a fine name")
}

fn choice() -> ExistingNetworkBuilder {
    ExistingNetwork::builder(&owner()).cluster("shop")
}

/// A process of its own: nothing is remembered but what the account holds.
fn process(sim: &Sim) -> (Networks, Engine) {
    let networks = Networks::new(&sim.sdk_config());
    (networks.clone(), Engine::new().driver(networks))
}

fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{:?} {}: {}", step.action, step.key, step.changes.join("; "))).collect()
}

fn codes(survey: &Survey) -> Vec<(&'static str, bool)> {
    survey.gaps().iter().map(|gap| (gap.code, gap.blocks)).collect()
}

async fn tear_down(sim: &Sim) -> Result<Verdict, Failed> {
    let (networks, engine) = process(sim);
    Ok(networks.teardown(&owner()).await?.apply(&engine).await?.verdict)
}

async fn refusal(networks: &Networks, choice: ExistingNetworkBuilder) -> Result<String, Failed> {
    match networks.survey(&choice.build()?).await {
        Err(error @ eks_core::Error::Refused { .. }) => Ok(error.to_string()),
        other => Err(format!("it was not refused: {other:?}").into()),
    }
}

#[tokio::test(start_paused = true)]
async fn terraforms_network_is_used_and_left_as_it_was() -> Done {
    let sim = Sim::new();
    let theirs = terraform(&sim, true).await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);

    let calls = sim.log().len();
    let survey = networks.survey(&choice().vpc_named("prod").build()?).await?;
    assert_eq!(sim.log().len() - calls, 6);
    let tiers: Vec<_> = survey.subnets().iter().map(|subnet| (subnet.zone.as_str(), subnet.tier, subnet.id.as_str())).collect();
    assert_eq!(
        tiers,
        [
            ("us-east-1a", Tier::Private, theirs.private[0].as_str()),
            ("us-east-1a", Tier::Public, theirs.public[0].as_str()),
            ("us-east-1b", Tier::Private, theirs.private[1].as_str()),
            ("us-east-1b", Tier::Public, theirs.public[1].as_str()),
        ]
    );
    // Nothing is allowed: nothing is done, and all is told.
    let plan = survey.plan()?;
    assert!(plan.is_noop(), "{plan}");
    let told: Vec<_> = codes(&survey).into_iter().map(|(code, blocks)| format!("{code} {blocks}")).collect();
    assert_eq!(told.iter().filter(|code| *code == "role-tag false").count(), 4);
    assert_eq!(told.iter().filter(|code| *code == "cluster-tag false").count(), 4);
    assert_eq!(told.iter().filter(|code| *code == "public-no-addresses false").count(), 2);
    assert_eq!(told.len(), 10, "{told:?}");
    assert_eq!(plan.findings().len(), 10);
    let refs = survey.refs();
    assert_eq!(refs.vpc, Ref::Known(theirs.vpc.parse()?));
    assert!(refs.egress.is_empty() && refs.subnets.iter().all(|subnet| subnet.id.known().is_some()));
    assert_eq!(refs.clone().private().subnets.len(), 2);

    // Tags are allowed.
    let spec = choice().vpc_named("prod").allow(Fix::Tags).build()?;
    let plan = networks.survey(&spec).await?.plan()?;
    let expected = |subnet: &str, role: &str| {
        format!(
            "Update net/existing/{subnet}: tag eks-rs/used-by/shop: none → kubernetes.io/cluster/shop kubernetes.io/role/{role}; \
             tag kubernetes.io/cluster/shop: none → shared; tag kubernetes.io/role/{role}: none → 1"
        )
    };
    assert_eq!(
        changes(&plan),
        [
            expected(&theirs.private[0], "internal-elb"),
            expected(&theirs.public[0], "elb"),
            expected(&theirs.private[1], "internal-elb"),
            expected(&theirs.public[1], "elb"),
        ]
    );
    let since = sim.log().len();
    plan.apply(&engine).await?;
    let permitted = plan.iam_actions();
    let log = sim.log();
    let missing: Vec<_> =
        log.calls()[since..].iter().filter(|call| !permitted.contains(format!("{}:{}", call.service, call.action).as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let again = networks.survey(&spec).await?;
    assert!(again.plan()?.is_noop(), "{}", again.plan()?);
    assert!(again.gaps().iter().all(|gap| gap.code == "public-no-addresses"));

    let teardown = networks.teardown(&owner()).await?;
    let text = teardown.to_string();
    assert!(text.contains("4 to remove"), "{text}");
    assert!(text.contains(&format!("our tags (we did not make it) of {}", theirs.public[0])), "{text}");
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    assert_eq!(everything(&sim).await?, before);
    assert!(networks.teardown(&owner()).await?.is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn tags_of_others_stay() -> Done {
    let sim = Sim::new();
    let theirs = terraform(&sim, true).await?;
    let them = Foreigner::new(&sim, &[]);
    them.tag(&theirs.public[0], "kubernetes.io/role/elb", "").await?;
    them.tag(&theirs.public[1], "kubernetes.io/role/elb", "0").await?;
    them.tag(&theirs.private[0], "kubernetes.io/cluster/shop", "owned").await?;
    them.tag(&theirs.private[1], "kubernetes.io/cluster/other", "shared").await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);
    let spec = choice().vpc(theirs.vpc.clone()).allow(Fix::Tags).build()?;
    let survey = networks.survey(&spec).await?;
    let rule = |id: &str, code: &str| survey.gaps().iter().find(|gap| gap.subject == id && gap.code == code).map(|gap| gap.rule.clone());
    assert_eq!(rule(&theirs.public[0], "role-tag"), None, "an empty value is as good as 1");
    assert!(rule(&theirs.public[1], "role-tag").is_some_and(|rule| rule.contains("is \"0\"")));
    assert_eq!(rule(&theirs.private[0], "cluster-tag"), None, "any value will do");
    assert!(rule(&theirs.private[1], "cluster-tag").is_some_and(|rule| rule.contains("tagged for other clusters only")));
    let plan = survey.plan()?;
    assert!(plan.findings().iter().any(|finding| finding.message.contains("others gave it this value, which stays")), "{plan}");
    plan.apply(&engine).await?;
    assert!(networks.survey(&spec).await?.plan()?.is_noop());
    // One of ours is made theirs while we use the network.
    them.tag(&theirs.public[0], "kubernetes.io/cluster/shop", "owned").await?;
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    them.ec2
        .delete_tags()
        .resources(&theirs.public[0])
        .tags(aws_sdk_ec2::types::Tag::builder().key("kubernetes.io/cluster/shop").value("owned").build())
        .send()
        .await?;
    assert_eq!(everything(&sim).await?, before);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn attributes_and_routes_are_mended_if_that_is_allowed() -> Done {
    let sim = Sim::new();
    let them = Foreigner::new(&sim, &[]);
    let vpc = them.vpc("10.30.0.0/16", "bare", false).await?;
    let gateway = them.internet_gateway(&vpc, "bare").await?;
    let (a, b) = (
        them.subnet(&vpc, "10.30.0.0/24", "us-east-1a", "a", &[]).await?,
        them.subnet(&vpc, "10.30.1.0/24", "us-east-1b", "b", &[]).await?,
    );
    let table = them.table(&vpc, "bare", &[&a, &b]).await?;
    let (networks, engine) = process(&sim);
    let bare = || choice().vpc(vpc.clone()).public_subnet(a.clone()).public_subnet(b.clone());
    let survey = networks.survey(&bare().build()?).await?;
    let refused = survey.plan().expect_err("three gaps").to_string();
    for said in [
        "3 things stand against it",
        "enableDnsHostnames is off: nodes cannot register with the cluster; allow Fix::Dns, or do it yourself",
        "a public subnet needs a default route to an attached internet gateway, and its leads to: none; allow Fix::Routes",
        "Amazon VPC User Guide, \"DNS attributes for your VPC\"",
    ] {
        assert!(refused.contains(said), "{said:?} is not said in {refused}");
    }
    let all = bare().allow(Fix::Dns).allow(Fix::Routes).allow(Fix::PublicAddresses).build()?;
    let survey = networks.survey(&all).await?;
    let plan = survey.plan()?;
    assert_eq!(
        changes(&plan),
        [
            format!("Update net/existing/{vpc}: enableDnsHostnames: false → true"),
            format!("Update net/existing-route/{table}: 0.0.0.0/0: none → {gateway}"),
            format!("Update net/existing/{a}: MapPublicIpOnLaunch: false → true"),
            format!("Update net/existing/{b}: MapPublicIpOnLaunch: false → true"),
        ]
    );
    // Who uses what is being mended waits for it.
    assert_eq!(survey.refs().vpc.step().map(eks_core::StepKey::as_str), Some(format!("net/existing/{vpc}").as_str()));
    let report = plan.apply(&engine).await?;
    assert_eq!(report.output(&format!("net/existing/{vpc}"), "id"), Some(vpc.as_str()));
    let again = networks.survey(&all).await?;
    assert!(again.plan()?.is_noop());
    assert!(again.gaps().iter().all(|gap| !gap.blocks), "{:?}", again.gaps());
    assert!(again.refs().vpc.known().is_some());

    // The gateway is detached and another is there.
    them.ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await?;
    let other = them.internet_gateway(&vpc, "second").await?;
    let plan = networks.survey(&all).await?.plan()?;
    assert_eq!(changes(&plan), [format!("Update net/existing-route/{table}: 0.0.0.0/0: {gateway} (blackhole) → {other}")]);
    plan.apply(&engine).await?;
    assert!(networks.survey(&all).await?.plan()?.is_noop());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn private_subnets_are_added_in_free_blocks_and_removed() -> Done {
    let sim = Sim::new();
    let theirs = sim_default(&sim).await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);
    let spec = || choice().vpc(theirs.vpc.clone()).public_subnet(theirs.public[0].clone()).public_subnet(theirs.public[1].clone());
    let all = networks.survey(&choice().vpc(theirs.vpc.clone()).build()?).await?;
    let refused = all.plan().expect_err("a zone without control planes").to_string();
    assert!(refused.contains("us-east-1e is use1-az3, where EKS has no control planes"), "{refused}");
    let codes: Vec<_> = codes(&networks.survey(&spec().build()?).await?).into_iter().map(|(code, _)| code).collect();
    assert!(codes.contains(&"vpc-default") && codes.contains(&"no-private"), "{codes:?}");

    let spec = spec().add_private_subnets(20).build()?;
    let calls = sim.log().len();
    let survey = networks.survey(&spec).await?;
    assert!(sim.log().len() - calls <= 9);
    let plan = survey.plan()?;
    // Six zones have the first six /20 of 172.31.0.0/16: the next ones are free.
    assert_eq!(
        plan.step("net/subnet/private/us-east-1a").map(|it| it.title.as_str()),
        Some("private subnet 172.31.96.0/20 in us-east-1a, 4091 addresses")
    );
    assert_eq!(
        plan.step("net/subnet/private/us-east-1b").map(|it| it.title.as_str()),
        Some("private subnet 172.31.112.0/20 in us-east-1b, 4091 addresses")
    );
    assert!((plan.added_usd_per_month() - 36.5).abs() < 0.01);
    let refs = survey.refs();
    assert_eq!(refs.clone().private().subnets.len(), 2);
    assert_eq!(refs.egress.len(), 3);
    plan.apply(&engine).await?;
    let again = networks.survey(&spec).await?;
    assert!(again.plan()?.is_noop(), "{}", again.plan()?);
    assert!(again.refs().private().subnets.iter().all(|subnet| subnet.id.known().is_some()));
    let inventory = sim.inventory();
    assert_eq!((inventory.count("ec2/subnet"), inventory.count("ec2/nat-gateway"), inventory.count("ec2/route-table")), (2, 1, 1));

    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    assert_eq!(everything(&sim).await?, before);
    Ok(())
}

/// The default VPC of the account: public subnets only, all by the main route table.
async fn sim_default(sim: &Sim) -> Result<Theirs, Failed> {
    let them = Foreigner::new(sim, &[]);
    let vpcs = them.ec2.describe_vpcs().send().await?;
    let vpc = vpcs.vpcs().first().and_then(|vpc| vpc.vpc_id()).ok_or("every account has one")?;
    let mut subnets: Vec<(String, String)> = Vec::new();
    for subnet in them.ec2.describe_subnets().send().await?.subnets() {
        subnets.push((subnet.availability_zone().unwrap_or_default().to_owned(), subnet.subnet_id().unwrap_or_default().to_owned()));
    }
    subnets.sort();
    Ok(Theirs { vpc: vpc.to_owned(), public: subnets.into_iter().map(|(_, id)| id).collect(), ..Theirs::default() })
}

#[tokio::test(start_paused = true)]
async fn a_network_with_a_gateway_gets_no_second_one() -> Done {
    let sim = Sim::new();
    let theirs = terraform(&sim, true).await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);
    let spec = choice().vpc_named("prod").public_subnet(theirs.public[0].clone()).public_subnet(theirs.public[1].clone());
    let spec = spec.add_private_subnets(22).build()?;
    let plan = networks.survey(&spec).await?.plan()?;
    assert_eq!(plan.added_usd_per_month(), 0.0);
    assert_eq!(plan.step("net/route/private").map(|step| step.title.clone()), Some(format!("0.0.0.0/0 → {}", theirs.nat[0])));
    // 10.20.1.0/24 and 10.20.2.0/24 are taken, and 10.20.101.0/24 and on.
    let titles: Vec<_> = plan.steps().iter().map(|step| step.title.as_str()).filter(|title| title.starts_with("private subnet")).collect();
    assert_eq!(
        titles,
        ["private subnet 10.20.4.0/22 in us-east-1a, 1019 addresses", "private subnet 10.20.8.0/22 in us-east-1b, 1019 addresses"]
    );
    plan.apply(&engine).await?;
    assert!(networks.survey(&spec).await?.plan()?.is_noop());
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    assert_eq!(everything(&sim).await?, before);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn adopted_a_networkspec_of_its_shape_keeps_it_and_a_teardown_leaves_it() -> Done {
    for single in [true, false] {
        let sim = Sim::new();
        let theirs = terraform(&sim, single).await?;
        let them = Foreigner::new(&sim, &[]);
        let group = them.group(&theirs.vpc, "bastion").await?;
        for subnet in &theirs.public {
            them.map_public_ip(subnet).await?;
        }
        let before = everything(&sim).await?;
        let (networks, engine) = process(&sim);
        let spec = choice().vpc_named("prod").security_group("bastion").allow(Fix::Tags).adopt().build()?;
        let calls = sim.log().len();
        let survey = networks.survey(&spec).await?;
        assert_eq!(sim.log().len() - calls, 9);
        let plan = survey.plan()?;
        assert!(plan.steps().iter().all(|step| step.action == eks_core::Action::Update), "{plan}");
        let gateways = if single { 1 } else { 2 };
        // VPC, internet gateway, four subnets, public table, group; NAT gateway, address and private table for each way out.
        assert_eq!(plan.steps().len(), 8 + 3 * gateways, "{plan}");
        assert_eq!(
            plan.step("net/vpc").map(|step| step.changes.clone()),
            Some(
                ["eks-rs/adopted: none → ", "eks-rs/key: none → net/vpc", "eks-rs/owner: none → shop"]
                    .map(|tag| format!("tag {tag}"))
                    .to_vec()
            )
        );
        plan.apply(&engine).await?;
        let again = networks.survey(&spec).await?;
        assert!(again.plan()?.is_noop(), "{}", again.plan()?);

        let same = again.network_spec()?;
        let kept = networks.plan(&same).await?;
        assert!(kept.is_noop(), "{kept}");
        assert!(kept.step("net/vpc").is_some_and(|step| step.outputs.get("id") == Some(&theirs.vpc)));

        let text = networks.teardown(&owner()).await?.to_string();
        assert!(text.contains(&format!("our tags (we did not make it) of VPC {}", theirs.vpc)), "{text}");
        assert!(text.contains(&group) && !text.contains("- net/vpc VPC"), "{text}");
        assert_eq!(tear_down(&sim).await?, Verdict::Clean);
        assert_eq!(everything(&sim).await?, before);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_a_networkspec_adds_to_an_adopted_network_goes_and_the_rest_stays() -> Done {
    let sim = Sim::new();
    let theirs = terraform(&sim, true).await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);
    let spec = choice().vpc_named("prod").allow(Fix::Tags).adopt().build()?;
    networks.survey(&spec).await?.plan()?.apply(&engine).await?;
    let builder: eks_net::NetworkSpecBuilder = networks.survey(&spec).await?.network_spec()?.into();
    let more = builder
        .subnet(eks_net::Subnet::private("us-east-1c", "10.20.3.0/24"))
        .security_group(eks_net::SecurityGroup::new("web", "web").allow(eks_net::Rule::tcp(80).from_cidr("10.0.0.0/8")))
        .cluster("second")
        .tag("team", "platform")
        .build()?;
    let plan = networks.plan(&more).await?;
    let lines = changes(&plan);
    assert!(lines.iter().any(|line| line == "Update net/vpc: tag eks-rs/adopted:  → team; tag team: none → platform"), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("tag Name")), "their names stay: {lines:#?}");
    // Attributes of theirs are changed by a NetworkSpec as by Fix::PublicAddresses: that is told, and stays.
    plan.apply(&engine).await?;
    assert!(networks.plan(&more).await?.is_noop(), "{}", networks.plan(&more).await?);
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    let off = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(false).build();
    for subnet in &theirs.public {
        Foreigner::new(&sim, &[]).ec2.modify_subnet_attribute().subnet_id(subnet).map_public_ip_on_launch(off.clone()).send().await?;
    }
    assert_eq!(everything(&sim).await?, before);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn rules_of_others_in_an_adopted_vpc_are_not_revoked() -> Done {
    let sim = Sim::new();
    let theirs = terraform(&sim, true).await?;
    let them = Foreigner::new(&sim, &[]);
    let bastion = them.group(&theirs.vpc, "bastion").await?;
    let (networks, engine) = process(&sim);
    let spec = choice().vpc_named("prod").allow(Fix::Tags).adopt().build()?;
    networks.survey(&spec).await?.plan()?.apply(&engine).await?;
    let builder: eks_net::NetworkSpecBuilder = networks.survey(&spec).await?.network_spec()?.into();
    let ours = builder.security_group(eks_net::SecurityGroup::new("web", "web")).build()?;
    let report = networks.plan(&ours).await?.apply(&engine).await?;
    let web = report.output("net/security-group/web", "id").ok_or("a group")?;
    let pair = aws_sdk_ec2::types::UserIdGroupPair::builder().group_id(web).build();
    let rule = aws_sdk_ec2::types::IpPermission::builder().ip_protocol("-1").user_id_group_pairs(pair).build();
    them.ec2.authorize_security_group_ingress().group_id(&bastion).ip_permissions(rule.clone()).send().await?;
    // Their rule holds our group, and stays; the verdict says so.
    let verdict = tear_down(&sim).await?;
    let left: Vec<_> = verdict.survivors().iter().map(|survivor| (survivor.kind.as_str(), survivor.id.as_str())).collect();
    assert!(left.contains(&("security group", web)), "{verdict}");
    let groups = them.ec2.describe_security_groups().group_ids(&bastion).send().await?;
    assert_eq!(groups.security_groups()[0].ip_permissions().len(), 1);
    them.ec2.revoke_security_group_ingress().group_id(&bastion).ip_permissions(rule).send().await?;
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn several_tables_where_a_networkspec_has_one_stay_theirs() -> Done {
    let sim = Sim::new();
    let theirs = eksctl(&sim).await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);
    let spec = choice().vpc(theirs.vpc.clone()).allow(Fix::Tags).adopt().build()?;
    let survey = networks.survey(&spec).await?;
    // Role tags are there; only those of other clusters' names lack.
    assert!(survey.gaps().iter().all(|gap| gap.code == "cluster-tag"), "{:?}", survey.gaps());
    let plan = survey.plan()?;
    let told = plan.findings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(theirs.private_tables.iter().all(|table| told.contains(table.as_str())) && told.contains("stay theirs"), "{told}");
    plan.apply(&engine).await?;
    let next = networks.plan(&networks.survey(&spec).await?.network_spec()?).await?;
    assert!(
        changes(&next).iter().all(|line| line.contains("net/route-table/private")
            || line.contains("net/route/private")
            || line.contains("net/association/private")),
        "{next}"
    );
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    assert_eq!(everything(&sim).await?, before);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_default_vpc_is_adopted_with_its_main_table() -> Done {
    let sim = Sim::new();
    let theirs = sim_default(&sim).await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);
    let spec = choice()
        .vpc(theirs.vpc.clone())
        .subnet(theirs.public[0].clone())
        .subnet(theirs.public[1].clone())
        .allow(Fix::Tags)
        .adopt()
        .build()?;
    networks.survey(&spec).await?.plan()?.apply(&engine).await?;
    let kept = networks.plan(&networks.survey(&spec).await?.network_spec()?).await?;
    assert!(kept.is_noop(), "{kept}");
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    assert_eq!(everything(&sim).await?, before);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_thing_has_one_owner_but_any_number_of_users() -> Done {
    let sim = Sim::new();
    let theirs = terraform(&sim, true).await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);
    let first = ExistingNetwork::builder(&Owner::new("first")?).vpc_named("prod").adopt().build()?;
    networks.survey(&first).await?.plan()?.apply(&engine).await?;
    let refused = networks.survey(&choice().vpc_named("prod").adopt().build()?).await?.plan().expect_err("another has it").to_string();
    assert!(
        refused
            .contains(&format!("{}: the owner first has adopted it, so that shop cannot adopt it; use it without adopting it", theirs.vpc)),
        "{refused}"
    );
    // Both saw it free: the second is told that it no longer is.
    let used = choice().vpc_named("prod").allow(Fix::Tags).build()?;
    let plan = networks.survey(&used).await?.plan()?;
    plan.apply(&engine).await?;
    assert!(networks.survey(&used).await?.plan()?.is_noop());
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    assert!(networks.survey(&first).await?.plan()?.is_noop(), "the adopter's tags are untouched");
    let ending = networks.teardown(first.owner()).await?.apply(&engine).await?;
    assert_eq!(ending.verdict, Verdict::Clean);
    assert_eq!(everything(&sim).await?, before);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn two_that_adopt_at_once_do_not_both() -> Done {
    let sim = Sim::new();
    terraform(&sim, true).await?;
    let (networks, engine) = process(&sim);
    let plan_of = async |name: &str| -> Result<Plan, Failed> {
        let spec = ExistingNetwork::builder(&Owner::new(name)?).vpc_named("prod").adopt().build()?;
        Ok(networks.survey(&spec).await?.plan()?)
    };
    let (one, other) = (plan_of("one").await?, plan_of("other").await?);
    one.apply(&engine).await?;
    let stale = other.apply(&engine).await.expect_err("it is taken").to_string();
    assert!(stale.contains("tag eks-rs/owner: planned on nothing, found one"), "{stale}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_not_meant_or_not_there_is_refused() -> Done {
    let sim = Sim::new();
    let theirs = terraform(&sim, true).await?;
    let them = Foreigner::new(&sim, &[]);
    let second = them.vpc("10.40.0.0/16", "prod", true).await?;
    let elsewhere = them.subnet(&second, "10.40.0.0/24", "us-east-1a", "x", &[]).await?;
    let (networks, _) = process(&sim);
    let ids = {
        let mut ids = [theirs.vpc.as_str(), second.as_str()];
        ids.sort_unstable();
        ids.join(" and ")
    };
    let twice = refusal(&networks, choice().vpc_named("prod")).await?;
    assert_eq!(twice, format!("the VPC tagged Name=prod: {ids} are meant; give the id, or more tags"));
    assert!(networks.survey(&choice().vpc_named("prod").vpc_tagged("Terraform", "true").build()?).await.is_ok());
    // An asterisk is an asterisk.
    let star = refusal(&networks, choice().vpc_named("pro*")).await?;
    assert!(star.starts_with("the VPC tagged Name=pro*: there is none in us-east-1"), "{star}");
    let unknown = refusal(&networks, choice().vpc("vpc-0a1b2c3d4e5f60718")).await?;
    assert!(
        unknown.contains("vpc-0a1b2c3d4e5f60718: there is none in us-east-1, with these credentials; check it, and the Region"),
        "{unknown}"
    );
    let two = refusal(&networks, choice().subnet(theirs.public[0].clone()).subnet(elsewhere.clone())).await?;
    assert_eq!(two, format!("subnets: they lie in {ids}, and a cluster has one VPC; choose subnets of one VPC"));
    let gone = "subnet-0a1b2c3d4e5f60718";
    let several = choice()
        .vpc(theirs.vpc.clone())
        .subnet(elsewhere.clone())
        .subnet(gone)
        .security_group("web")
        .security_group("sg-0a1b2c3d4e5f60718");
    let several = refusal(&networks, several).await?;
    for said in [
        "4 things stand against it".to_owned(),
        format!("{elsewhere}: {} has no such subnet", theirs.vpc),
        format!("{gone}: {} has no such subnet", theirs.vpc),
        format!("security group web: {} has no security group of this name", theirs.vpc),
        format!("sg-0a1b2c3d4e5f60718: {} has no such security group", theirs.vpc),
    ] {
        assert!(several.contains(&said), "{said:?} is not said in {several}");
    }
    let none = refusal(&networks, choice().vpc(theirs.vpc.clone()).subnets_tagged("tier", "app")).await?;
    assert!(none.contains("has none tagged tier=app"), "{none}");
    let nothing = refusal(&networks, choice().subnet(gone)).await?;
    assert!(nothing.starts_with("subnets: none of the chosen ones is in us-east-1"), "{nothing}");
    let full = refusal(
        &networks,
        choice()
            .vpc(theirs.vpc.clone())
            .public_subnet(theirs.public[0].clone())
            .public_subnet(theirs.public[1].clone())
            .add_private_subnets(16),
    )
    .await?;
    assert!(full.contains("has no /16 left; choose a longer prefix"), "{full}");
    // By subnets alone.
    let alone = choice().subnet(theirs.private[0].clone()).subnet(theirs.private[1].clone()).build()?;
    let calls = sim.log().len();
    assert_eq!(networks.survey(&alone).await?.refs().vpc, Ref::Known(theirs.vpc.parse()?));
    assert_eq!(sim.log().len() - calls, 6);
    assert!(networks.survey(&alone).await?.plan()?.is_noop());
    Ok(())
}

/// Applies with a fault at each call in turn; a second process finishes; then the teardown leaves all as it was.
async fn survives(fault: Fault, spec: &ExistingNetwork, make: impl AsyncFn(&Sim) -> Result<Theirs, Failed>) -> Done {
    let mut number = 1;
    loop {
        let sim = Sim::builder().speed(60.0).build();
        make(&sim).await?;
        let before = everything(&sim).await?;
        let (networks, engine) = process(&sim);
        let plan = networks.survey(spec).await?.plan()?;
        sim.inject(When::Call(sim.log().len() as u64 + number), fault.clone());
        let applied = plan.apply(&engine).await;
        if sim.faults_pending() > 0 {
            assert!(number > 10, "adoption makes more calls than {number}");
            return Ok(());
        }
        let kills = matches!(fault, Fault::KillBefore | Fault::KillAfter);
        assert_eq!(applied.is_err(), kills, "{fault:?} at call {number}: {applied:?}");
        sim.revive();
        let (networks, engine) = process(&sim);
        networks.survey(spec).await?.plan()?.apply(&engine).await?;
        assert!(networks.survey(spec).await?.plan()?.is_noop(), "{fault:?} at call {number}");
        assert_eq!(tear_down(&sim).await?, Verdict::Clean, "{fault:?} at call {number}");
        assert_eq!(everything(&sim).await?, before, "{fault:?} at call {number}");
        number += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn adoption_survives_a_fault_at_any_call() -> Done {
    let spec = choice().vpc_named("prod").allow(Fix::Tags).adopt().build()?;
    // A kill before a call is one after the call before it.
    for fault in [Fault::KillAfter, Fault::LoseAnswer, Fault::Throttle] {
        survives(fault, &spec, async |sim| terraform(sim, true).await).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn added_subnets_survive_a_kill_at_any_call() -> Done {
    let sim = Sim::new();
    let theirs = sim_default(&sim).await?;
    let spec = choice().vpc(theirs.vpc.clone()).public_subnet(theirs.public[0].clone()).public_subnet(theirs.public[1].clone());
    // The ids of a default VPC are those of its seed.
    let spec = spec.add_private_subnets(24).allow(Fix::Tags).build()?;
    survives(Fault::KillAfter, &spec, async |sim| sim_default(sim).await).await
}

#[tokio::test(start_paused = true)]
async fn a_killed_teardown_of_an_adopted_network_is_finished_by_another() -> Done {
    let spec = choice().vpc_named("prod").allow(Fix::Tags).adopt().build()?;
    let mut number = 1;
    loop {
        let sim = Sim::builder().speed(60.0).build();
        terraform(&sim, true).await?;
        let before = everything(&sim).await?;
        let (networks, engine) = process(&sim);
        networks.survey(&spec).await?.plan()?.apply(&engine).await?;
        let teardown = networks.teardown(&owner()).await?;
        sim.inject(When::Call(sim.log().len() as u64 + number), Fault::KillAfter);
        let ending = teardown.apply(&engine).await;
        if sim.faults_pending() > 0 {
            assert_eq!(ending?.verdict, Verdict::Clean);
            return Ok(());
        }
        assert!(ending.is_err(), "call {number}: silence is no proof");
        sim.revive();
        assert_eq!(tear_down(&sim).await?, Verdict::Clean, "call {number}");
        assert_eq!(everything(&sim).await?, before, "call {number}");
        number += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_of_ours_is_not_adopted_but_ours() -> Done {
    let sim = Sim::new();
    let (networks, engine) = process(&sim);
    let ours = NetworkSpec::builder(&owner(), "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"]).cluster("shop").build()?;
    let report = networks.plan(&ours).await?.apply(&engine).await?;
    let vpc = report.output("net/vpc", "id").ok_or("a VPC")?;
    let spec = choice().vpc(vpc).allow(Fix::Tags).adopt().build()?;
    assert!(networks.survey(&spec).await?.plan()?.is_noop(), "{}", networks.survey(&spec).await?.plan()?);
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    assert_eq!(sim.inventory().items().len(), 0, "what we made goes");
    Ok(())
}
