//! Managed workers made, changed, resumed and torn down on the simulated account.
#![cfg(feature = "managed")]

mod account;

use std::collections::BTreeSet;

use account::{Account, Tested, minutes, owner, security_group_of};
use aws_sdk_ec2::types::Filter;
use eks_core::{Action, Error, Plan, PolicyScope, Verdict, engine::ApplyError};
use eks_nodes::{
    AmazonLinux2023, Capacity, Kubelet, LocalStorage, Managed, NodeRepair, Scope, Share, TaintEffect, UpdateStrategy, WorkersSpec,
    WorkersSpecBuilder,
};
use eks_sim::{Fault, Sim, When};

fn managed(account: &Account) -> WorkersSpecBuilder {
    account.spec().managed(Managed::new())
}

/// Plans and applies; the plan that was applied.
async fn made(account: &Account, spec: &WorkersSpec) -> Tested<Plan> {
    let plan = account.workers.plan(spec).await?;
    account.apply(&plan).await?;
    Ok(plan)
}

async fn is_noop(account: &Account, spec: &WorkersSpec) -> Tested {
    let again = account.workers.plan(spec).await?;
    assert!(again.is_noop(), "{again}");
    Ok(())
}

fn ready_nodes(sim: &Sim) -> usize {
    sim.ledger().iter().filter(|(_, times)| times.iter().any(|time| time.kind == "NodeReady")).count()
}

/// Nothing is left, of ours or of EKS's making.
async fn torn_down(account: &Account) -> Tested {
    let teardown = account.workers.teardown(&owner()).await?;
    let ending = teardown.apply(&account.engine()).await?;
    assert_eq!(ending.verdict, Verdict::Clean);
    assert_eq!(account.ours(), [""; 0]);
    for (kind, left) in [("iam/role", 1), ("eks/access-entry", 1), ("ec2/volume", 0), ("iam/instance-profile", 0), ("autoscaling/group", 0)]
    {
        assert_eq!(account.count(kind), left, "{kind}: the cluster's own");
    }
    assert_eq!((account.count("ec2/launch-template"), account.count("eks/nodegroup")), (0, 0));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_group_joins_and_goes() -> Tested {
    let account = Account::new().await?;
    let spec = managed(&account).label("team", "books").build()?;
    let before = account.sim.log().calls().len();
    let plan = account.workers.plan(&spec).await?;
    assert_eq!(account.sim.log().calls().len() - before, 3, "two names of stacks, and the group");
    let report = account.apply(&plan).await?;
    assert_eq!((account.running_instances(), ready_nodes(&account.sim)), (2, 2), "the step waits for nodes that are Ready");
    let name = report.output("nodes/chap10-worker", "NodeAutoScalingGroup").unwrap_or_default();
    assert!(name.starts_with("eks-chap10-worker-"), "{name}");
    let volumes = account.ec2.describe_volumes().send().await?;
    assert_eq!(volumes.volumes().len(), 2);
    for volume in volumes.volumes() {
        assert_eq!((volume.size(), volume.encrypted()), (Some(20), Some(true)), "as our launch template has it");
        assert!(volume.tags().iter().any(|tag| tag.key() == Some("eks-rs/owner")));
    }
    is_noop(&account, &spec).await?;
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn what_is_called_is_listed() -> Tested {
    let account = Account::new().await?;
    let since = account.sim.log().calls().last().map_or(0, |call| call.number);
    let plan = made(&account, &managed(&account).build()?).await?;
    let update = made(&account, &managed(&account).volume_gib(30).label("a", "b").build()?).await?;
    let teardown = account.workers.teardown(&owner()).await?;
    assert!(teardown.apply(&account.engine()).await?.verdict.is_clean());
    let listed: BTreeSet<_> = plan.iam_actions().into_iter().chain(update.iam_actions()).chain(teardown.iam_actions()).collect();
    let log = account.sim.log();
    let asked = log.calls().iter().filter(|call| call.number > since).map(|call| format!("{}:{}", call.service, call.action));
    let asked: BTreeSet<_> = asked.collect();
    assert!(asked.contains("eks:UpdateNodegroupVersion"), "{asked:?}");
    assert_eq!(asked.into_iter().filter(|action| !listed.contains(action.as_str())).collect::<Vec<_>>(), [""; 0]);
    Ok(())
}

/// Made, changed and removed, each under the policy that it says to need.
#[tokio::test(start_paused = true)]
async fn each_passes_under_its_own_policy() -> Tested {
    let account = Account::new().await?;
    let scope = PolicyScope::of_region("us-east-1", "123456789012")?;
    for spec in [managed(&account).build()?, managed(&account).volume_gib(30).label("a", "b").build()?] {
        let plan = account.workers.plan(&spec).await?;
        account.sim.enforce(plan.policy(&scope).documents()?)?;
        account.apply(&plan).await?;
        account.sim.trust();
        is_noop(&account, &spec).await?;
    }
    let teardown = account.workers.teardown(&owner()).await?;
    account.sim.enforce(teardown.policy(&scope).documents()?)?;
    assert_eq!(teardown.apply(&account.engine()).await?.verdict, Verdict::Clean);
    account.sim.trust();
    torn_down(&account).await
}

/// Whoever may not look for groups pulls nothing from under one: the stack that it stands on stays, and is told.
#[tokio::test(start_paused = true)]
async fn what_a_group_stands_on_stays_where_groups_cannot_be_seen() -> Tested {
    let account = Account::new().await?;
    made(&account, &managed(&account).build()?).await?;
    for denied in ["eks:ListClusters", "eks:ListNodegroups", "eks:DescribeNodegroup"] {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}},{{"Effect":"Deny","Action":"{denied}","Resource":"*"}}]}}"#
        );
        account.sim.enforce([policy])?;
        let teardown = account.workers.teardown(&owner()).await?;
        assert_eq!(teardown.removals().len(), 0, "{denied}: {teardown}");
        assert!(teardown.to_string().contains("stack chap10-worker-base stays"), "{denied}: {teardown}");
        let verdict = teardown.apply(&account.engine()).await?.verdict;
        account.sim.trust();
        let Verdict::Leaked(left) = verdict else { panic!("{denied}: clean") };
        assert!(left[0].id.contains("chap10-worker-base") && left[0].why.contains(denied), "{left:?}");
    }
    is_noop(&account, &managed(&account).build()?).await?;
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn settings_change_in_place() -> Tested {
    let account = Account::new().await?;
    made(&account, &managed(&account).label("old", "1").build()?).await?;
    let settings = Managed::new()
        .max_unavailable(Share::Percent(50))
        .update_strategy(UpdateStrategy::Minimal)
        .node_repair(NodeRepair::new().parallel(Share::Nodes(1)).stops_above(Share::Percent(20)));
    let spec = account
        .spec()
        .managed(settings)
        .capacity(Capacity::new(3, 3, 5)?)
        .label("new", "2")
        .taint("k", "v", TaintEffect::NoSchedule)
        .build()?;
    let instances = || {
        let inventory = account.sim.inventory();
        let running = inventory.items().iter().filter(|item| item.kind == "ec2/instance" && item.state == "running");
        running.map(|item| item.id.clone()).collect::<BTreeSet<_>>()
    };
    let before = instances();
    let plan = account.workers.plan(&spec).await?;
    assert_eq!(plan.steps().iter().map(|step| step.action).collect::<Vec<_>>(), [Action::Keep, Action::Update], "{plan}");
    account.apply(&plan).await?;
    is_noop(&account, &spec).await?;
    minutes(3).await;
    assert_eq!(instances().len(), 3);
    assert!(before.is_subset(&instances()), "no node was replaced");
    // What an autoscaler did stays.
    let scaling = aws_sdk_autoscaling::Client::new(&account.sim.sdk_config());
    let group = scaling.describe_auto_scaling_groups().send().await?.auto_scaling_groups()[0].auto_scaling_group_name().map(str::to_owned);
    scaling.set_desired_capacity().auto_scaling_group_name(group.expect("a name")).desired_capacity(4).send().await?;
    is_noop(&account, &spec).await?;
    let wider = account.spec().managed(Managed::new()).capacity(Capacity::new(1, 1, 9)?).build()?;
    made(&account, &wider).await?;
    minutes(3).await;
    assert_eq!(instances().len(), 4, "bounds changed, the number did not");
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn a_launch_template_and_a_version_replace_every_node() -> Tested {
    let mut account = Account::new().await?;
    made(&account, &managed(&account).build()?).await?;
    let instances = |account: &Account| {
        let inventory = account.sim.inventory();
        let running = inventory.items().iter().filter(|item| item.kind == "ec2/instance" && item.state == "running");
        running.map(|item| item.id.clone()).collect::<BTreeSet<_>>()
    };
    let first = instances(&account);
    let family = AmazonLinux2023::new().local_storage(LocalStorage::Raid0);
    let told =
        |account: &Account| managed(account).family(family.clone()).kubelet(Kubelet::new().image_gc(60, 70)).max_pods(20).volume_gib(30);
    let spec = told(&account).build()?;
    let plan = made(&account, &spec).await?;
    assert!(plan.to_string().contains("replaces every node"), "{plan}");
    let second = instances(&account);
    assert_eq!((second.len(), first.intersection(&second).count()), (2, 0));
    is_noop(&account, &spec).await?;
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    eks.update_cluster_version().name("chap10").version("1.36").send().await?;
    minutes(12).await;
    account.cluster.version = "1.36".to_owned();
    let spec = told(&account).build()?;
    let plan = account.workers.plan(&spec).await?;
    assert_eq!(plan.step("nodes/chap10-worker").expect("a step").changes, ["version: 1.35 → 1.36"]);
    account.apply(&plan).await?;
    let third = instances(&account);
    assert_eq!((third.len(), second.intersection(&third).count()), (2, 0));
    is_noop(&account, &spec).await?;
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn a_failed_group_tells_why_and_is_made_again() -> Tested {
    let account = Account::new().await?;
    // 64 vCPUs are 32 instances of two.
    let many = managed(&account).capacity(Capacity::new(40, 40, 40)?).build()?;
    let failed = account.apply(&account.workers.plan(&many).await?).await.expect_err("the quota");
    let text = failed.to_string();
    for word in
        ["CREATE_FAILED (InstanceLimitExceeded)", "more vCPU capacity than your current vCPU limit", "ask for a higher quota of vCPUs"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    let spec = managed(&account).build()?;
    let plan = account.workers.plan(&spec).await?;
    assert!(plan.to_string().contains("after what is left of a failed creation"), "{plan}");
    account.apply(&plan).await?;
    assert_eq!(account.running_instances(), 2);
    is_noop(&account, &spec).await?;
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn both_kinds_are_one_plan_and_others_groups_stay() -> Tested {
    let account = Account::new().await?;
    let (stack, group) = (account.spec().build()?, account.named("web").managed(Managed::new()).build()?);
    account.apply(&account.workers.plan_all(&[&stack, &group]).await?).await?;
    assert_eq!(account.running_instances(), 4);
    let again = account.workers.plan_all(&[&stack, &group]).await?;
    assert!(again.is_noop(), "{again}");
    let of_group = Filter::builder().name("tag:eks:nodegroup-name").values("web").build();
    let told = account.ec2.describe_instances().filters(of_group).send().await?;
    let instances = told.reservations().iter().flat_map(|reservation| reservation.instances());
    let groups: Vec<_> = instances.map(|instance| instance.security_groups()[0].group_id().unwrap_or_default().to_owned()).collect();
    let cluster_group = account.cluster.cluster_security_group.known().expect("known").to_string();
    assert_eq!(groups, [cluster_group.clone(), cluster_group.clone()], "EKS gives its own group");
    assert_ne!(security_group_of(&account).await?, cluster_group, "a stack has one of its own");
    let error = Plan::join([account.workers.plan(&stack).await?, account.workers.plan(&group).await?]).expect_err("one layer");
    assert!(error.to_string().contains("nodes"), "{error}");
    // A group of somebody else's, on the same cluster.
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let told = eks.describe_nodegroup().cluster_name("chap10").nodegroup_name("web").send().await?;
    let ours = told.nodegroup().expect("a group");
    let subnets = account.network.subnets.iter().filter_map(|subnet| subnet.id.known()).map(ToString::to_string).collect();
    let theirs = eks.create_nodegroup().cluster_name("chap10").nodegroup_name("theirs").node_role(ours.node_role().expect("a role"));
    theirs.set_subnets(Some(subnets)).send().await?;
    minutes(5).await;
    let name = account.named("theirs").managed(Managed::new()).build()?;
    let refused = account.workers.plan(&name).await.expect_err("not ours");
    assert!(matches!(&refused, Error::Refused { .. }) && refused.to_string().contains("not this plan's"), "{refused}");
    let seen = account.workers.observe(&owner(), Scope::owned("us-east-1")).await?;
    assert_eq!(seen.groups().map(|group| group.name.name.as_str()).collect::<Vec<_>>(), ["web"]);
    eks.delete_nodegroup().cluster_name("chap10").nodegroup_name("theirs").send().await?;
    minutes(5).await;
    torn_down(&account).await
}

/// The number of the last call.
fn calls(account: &Account) -> u64 {
    account.sim.log().calls().last().map_or(0, |call| call.number)
}

/// Plans and applies until nothing is left to do: what somebody else's update holds is planned again when it has ended.
async fn converges(account: &Account, spec: &WorkersSpec, told: &str) -> Tested {
    for _ in 0..3 {
        let plan = account.workers.plan(spec).await?;
        if plan.is_noop() {
            return Ok(());
        }
        match account.apply(&plan).await {
            // The update that was under way has ended meanwhile.
            Err(ApplyError::Stale { .. }) => {}
            applied => drop(applied.map_err(|error| format!("{told}: {error}\n{plan}"))?),
        }
    }
    is_noop(account, spec).await
}

/// What is done while the process dies.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Made,
    Changed,
    Removed,
}

/// Does it, with a fault at the n-th call, or with none. The actions that were called.
async fn done(account: &Account, phase: Phase, fault: Option<(u64, &Fault)>) -> Tested<Vec<String>> {
    let told = format!("{phase:?}, {fault:?}");
    let before = managed(account).build()?;
    let after = managed(account).volume_gib(30).label("a", "b").capacity(Capacity::new(1, 2, 4)?).build()?;
    if !matches!(phase, Phase::Made) {
        made(account, &before).await?;
    }
    let spec = if matches!(phase, Phase::Changed) { after } else { before };
    let engine = account.engine();
    let (plan, teardown) = (account.workers.plan(&spec).await?, account.workers.teardown(&owner()).await?);
    let since = calls(account);
    if let Some((n, fault)) = fault {
        account.sim.inject(When::Call(since + n), fault.clone());
    }
    let ended = match phase {
        Phase::Removed => teardown.apply(&engine).await.map(drop),
        Phase::Made | Phase::Changed => account.apply(&plan).await.map(drop),
    };
    let log = account.sim.log();
    let called = log.calls().iter().filter(|call| call.number > since).map(|call| call.action.clone()).collect();
    if fault.is_none() {
        ended?;
    }
    assert_eq!(account.sim.faults_pending(), 0, "{told}");
    account.sim.revive();
    if !matches!(phase, Phase::Removed) {
        converges(account, &spec, &told).await?;
        assert_eq!((account.count("eks/nodegroup"), account.running_instances()), (1, 2), "{told}");
    }
    torn_down(account).await.map_err(|error| format!("{told}: {error}"))?;
    Ok(called)
}

/// Dies at each call, and goes on as another process would. A poll that repeats the one before leaves nothing of its own: it is swept
/// with `EVERY_FAULT=1`.
async fn killed_at_any_call(phase: Phase) -> Tested {
    let called = done(&Account::new().await?, phase, None).await?;
    assert!(called.len() > 10, "{called:?}");
    let every = std::env::var_os("EVERY_FAULT").is_some();
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        for (at, action) in called.iter().enumerate() {
            let repeats = at > 0 && called[at - 1] == *action && action.starts_with("Describe");
            if every || !repeats {
                // The same account gives the same answers at the same times.
                done(&Account::new().await?, phase, Some((at as u64 + 1, &fault))).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_while_it_is_made() -> Tested {
    killed_at_any_call(Phase::Made).await
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_while_it_changes() -> Tested {
    killed_at_any_call(Phase::Changed).await
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_while_it_goes() -> Tested {
    killed_at_any_call(Phase::Removed).await
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_throttling_make_nothing_twice() -> Tested {
    let account = Account::new().await?;
    let call = |action: &str, nth| When::Action { service: "eks".to_owned(), action: action.to_owned(), nth };
    for action in
        ["CreateNodegroup", "DescribeNodegroup", "UpdateNodegroupConfig", "UpdateNodegroupVersion", "DescribeUpdate", "DeleteNodegroup"]
    {
        account.sim.inject(call(action, 1), Fault::LoseAnswer);
        account.sim.inject(call(action, 2), Fault::Throttle);
    }
    made(&account, &managed(&account).build()?).await?;
    let spec = managed(&account).volume_gib(30).label("a", "b").build()?;
    made(&account, &spec).await?;
    is_noop(&account, &spec).await?;
    assert_eq!((account.count("eks/nodegroup"), account.running_instances()), (1, 2));
    torn_down(&account).await?;
    assert_eq!(account.sim.faults_pending(), 0);
    Ok(())
}
