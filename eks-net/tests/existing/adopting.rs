//! Adopted, and given back; and what is refused.

use eks_core::{Owner, Plan, Ref, Verdict};
use eks_net::{ExistingNetwork, Fix, NetworkSpec};
use eks_sim::Sim;

use crate::{
    Done, changes, choice,
    foreigners::{Failed, Foreigner, eksctl, everything, terraform},
    owner, process, refusal, sim_default, tear_down,
};

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

/// A rule of ours in a group of theirs names a group of ours, which could not be deleted while it is there.
#[tokio::test(start_paused = true)]
async fn rules_that_were_added_to_an_adopted_group_go() -> Done {
    let sim = Sim::new();
    let theirs = terraform(&sim, true).await?;
    let them = Foreigner::new(&sim, &[]);
    for subnet in &theirs.public {
        them.map_public_ip(subnet).await?;
    }
    let bastion = them.group(&theirs.vpc, "bastion").await?;
    let ssh = aws_sdk_ec2::types::IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22);
    let ssh = ssh.ip_ranges(aws_sdk_ec2::types::IpRange::builder().cidr_ip("192.0.2.0/24").build()).build();
    them.ec2.authorize_security_group_ingress().group_id(&bastion).ip_permissions(ssh).send().await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);
    let adopted = choice().vpc_named("prod").security_group("bastion").allow(Fix::Tags).adopt().build()?;
    networks.survey(&adopted).await?.plan()?.apply(&engine).await?;
    let bare = choice().vpc_named("prod").allow(Fix::Tags).adopt().build()?;
    let builder: eks_net::NetworkSpecBuilder = networks.survey(&bare).await?.network_spec()?.into();
    let from_web = || eks_net::Rule::tcp(22).from_group("web");
    let spec = builder
        .security_group(eks_net::SecurityGroup::new("web", "web"))
        .security_group(
            eks_net::SecurityGroup::new("bastion", "theirs").allow(from_web()).allow(eks_net::Rule::tcp(443).from_cidr("10.0.0.0/8")),
        )
        .build()?;
    networks.plan(&spec).await?.apply(&engine).await?;
    assert!(networks.plan(&spec).await?.is_noop(), "{}", networks.plan(&spec).await?);
    let teardown = networks.teardown(&owner()).await?;
    assert!(teardown.to_string().contains(&format!("our rules in {bastion}")), "{teardown}");
    let started = tokio::time::Instant::now();
    assert_eq!(tear_down(&sim).await?, Verdict::Clean);
    assert!(started.elapsed() < std::time::Duration::from_secs(300), "nothing waits for a rule that nobody takes out");
    assert_eq!(everything(&sim).await?, before);
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
