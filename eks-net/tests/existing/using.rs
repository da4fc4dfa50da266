//! Surveyed and used: only what is allowed is done, and all of it is taken back.

use eks_core::{Owner, Ref, Tier, Verdict};
use eks_net::{ExistingNetwork, Fix};
use eks_sim::Sim;

use crate::{
    Done, changes, choice, codes,
    foreigners::{Failed, Foreigner, everything, terraform},
    owner, process, sim_default, tear_down,
};

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

/// Each needs the load balancers' tags; they go with the last.
#[tokio::test(start_paused = true)]
async fn what_two_owners_need_stays_until_neither_does() -> Done {
    let sim = Sim::new();
    terraform(&sim, true).await?;
    let before = everything(&sim).await?;
    let (networks, engine) = process(&sim);
    let of = |name: &str| -> Result<ExistingNetwork, Failed> {
        Ok(ExistingNetwork::builder(&Owner::new(name)?).cluster(name).vpc_named("prod").allow(Fix::Tags).build()?)
    };
    let (one, two) = (of("one")?, of("two")?);
    for spec in [&one, &two] {
        networks.survey(spec).await?.plan()?.apply(&engine).await?;
    }
    for spec in [&one, &two] {
        assert!(networks.survey(spec).await?.plan()?.is_noop(), "{}", networks.survey(spec).await?.plan()?);
    }
    assert_eq!(networks.teardown(one.owner()).await?.apply(&engine).await?.verdict, Verdict::Clean);
    assert!(networks.survey(&two).await?.plan()?.is_noop(), "{}", networks.survey(&two).await?.plan()?);
    assert_eq!(networks.teardown(two.owner()).await?.apply(&engine).await?.verdict, Verdict::Clean);
    assert_eq!(everything(&sim).await?, before);
    Ok(())
}
