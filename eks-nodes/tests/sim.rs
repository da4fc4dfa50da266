//! Workers made, changed, resumed and torn down on the simulated account.

mod account;

use std::{collections::BTreeSet, error::Error};

use account::{Account, Tested, minutes, owner, security_group_of};
use aws_sdk_cloudformation::{
    config::Region,
    types::{ChangeSetType, Tag},
};
use eks_core::{
    Action, Plan, Teardown, Verdict,
    engine::{ApplyError, Engine},
};
use eks_nodes::{Capacity, LifecycleHook, Purchase, Scope, SpotAllocation, Transition, Workers};
use eks_sim::{Fault, When};

fn action(action: &str, nth: u64) -> When {
    When::Action { service: "cloudformation".to_owned(), action: action.to_owned(), nth }
}

/// Of the calls after this number, those that neither the plan nor the teardown says to need.
fn unlisted(account: &Account, since: u64, plan: &Plan, teardown: &Teardown) -> Vec<String> {
    let listed: BTreeSet<_> = plan.iam_actions().into_iter().chain(teardown.iam_actions()).collect();
    let log = account.sim.log();
    let asked = log.calls().iter().filter(|call| call.number > since && ["autoscaling", "cloudformation", "ssm"].contains(&&*call.service));
    // IAM's prefixes of these services are their names.
    let asked: BTreeSet<_> = asked.map(|call| format!("{}:{}", call.service, call.action)).collect();
    assert!(!asked.is_empty());
    asked.into_iter().filter(|action| !listed.contains(action.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_called_is_listed() -> Tested {
    let account = Account::new().await?;
    // A group that stands, and one whose instances never come.
    for (capacity, stands) in [(Capacity::new(2, 2, 3)?, true), (Capacity::new(2, 40, 40)?, false)] {
        let since = calls(&account);
        let plan = account.workers.plan(&account.spec().capacity(capacity).build()?).await?;
        assert_eq!(account.apply(&plan).await.is_ok(), stands);
        let teardown = account.workers.teardown(&owner()).await?;
        assert!(teardown.apply(&account.engine()).await?.verdict.is_clean());
        assert_eq!(unlisted(&account, since, &plan, &teardown), [""; 0]);
        assert_eq!(account.sim.log().count("autoscaling", "DescribeScalingActivities") > 0, !stands);
    }
    Ok(())
}

/// Nothing is left, and the verdict says so.
async fn torn_down(account: &Account) -> Tested {
    let teardown = account.workers.teardown(&owner()).await?;
    let ending = teardown.apply(&account.engine()).await?;
    assert_eq!(ending.verdict, Verdict::Clean);
    assert_eq!(account.ours(), [""; 0]);
    assert_eq!((account.count("iam/role"), account.count("eks/access-entry"), account.count("ec2/volume")), (1, 1, 0), "the cluster's own");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn workers_join_and_go() -> Tested {
    let account = Account::new().await?;
    let spec = account.spec().label("team", "books").build()?;
    let before = account.sim.log().calls().len();
    let plan = account.workers.plan(&spec).await?;
    assert_eq!(account.sim.log().calls().len() - before, 2, "one call a stack");
    let report = account.apply(&plan).await?;
    assert_eq!(account.running_instances(), 2);
    assert!(report.output("nodes/chap10-worker/base", "NodeInstanceRole").is_some_and(|role| role.starts_with("arn:aws:iam::")));
    minutes(3).await;
    let ledger = account.sim.ledger();
    let ready = ledger.iter().filter(|(_, times)| times.iter().any(|time| time.kind == "NodeReady")).count();
    assert_eq!(ready, 2, "both nodes have joined");
    let again = account.workers.plan(&spec).await?;
    assert!(again.is_noop(), "{again}");
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn a_change_is_made_in_place() -> Tested {
    let account = Account::new().await?;
    account.apply(&account.workers.plan(&account.spec().build()?).await?).await?;
    let spec = account.spec().capacity(Capacity::new(1, 3, 3)?).label("team", "books").session_manager(true).build()?;
    let plan = account.workers.plan(&spec).await?;
    assert_eq!(plan.steps().iter().map(|step| step.action).collect::<Vec<_>>(), [Action::Update, Action::Update]);
    account.apply(&plan).await?;
    minutes(3).await;
    assert_eq!(account.running_instances(), 3);
    let again = account.workers.plan(&spec).await?;
    assert!(again.is_noop(), "{again}");
    torn_down(&account).await
}

/// A group in each zone, of several types, bought as Spot, with a hook before termination that nobody completes: it ends by itself.
#[tokio::test(start_paused = true)]
async fn types_spot_zones_and_hooks() -> Tested {
    let account = Account::new().await?;
    let spec = account
        .spec()
        .capacity(Capacity::new(1, 1, 2)?)
        .instance_types(["t3.medium", "t3a.medium"])
        .purchase(Purchase::Spot(SpotAllocation::PriceCapacityOptimized))
        .group_per_zone(true)
        .instance_warmup(60)
        .lifecycle_hook(LifecycleHook::new("drain", Transition::Terminating, 30))
        .build()?;
    let plan = account.workers.plan(&spec).await?;
    let before = account.sim.log().calls().len() as u64;
    let report = account.apply(&plan).await?;
    assert_eq!(unlisted(&account, before, &plan, &account.workers.teardown(plan.owner()).await?), [""; 0]);
    assert_eq!(report.output("nodes/chap10-worker", "NodeZones"), Some("us-east-1a,us-east-1b"));
    assert_eq!((account.running_instances(), account.count("autoscaling/group")), (2, 2));
    let again = account.workers.plan(&spec).await?;
    assert!(again.is_noop(), "{again}");
    let one = account.workers.plan(&account.spec().build()?).await.expect_err("two groups would be deleted");
    assert!(one.to_string().contains("an Auto Scaling group of its own in us-east-1a, us-east-1b"), "{one}");
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn a_failed_creation_tells_its_cause_and_is_replaced() -> Tested {
    let account = Account::new().await?;
    let wrong = account.spec().extra_policy("arn:aws:iam::123456789012:policy/missing").build()?;
    let plan = account.workers.plan(&wrong).await?;
    let error = account.apply(&plan).await.expect_err("no such policy");
    let text = error.to_string();
    assert!(text.contains("AWS::IAM::Role NodeInstanceRole: ") && text.contains("missing"), "{text}");
    assert!(!text.contains("cancelled"), "{text}");
    let spec = account.spec().build()?;
    let plan = account.workers.plan(&spec).await?;
    assert!(plan.to_string().contains("deletes what is left of the failed creation first: ROLLBACK_"), "{plan}");
    account.apply(&plan).await?;
    assert!(account.workers.plan(&spec).await?.is_noop());
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn instances_that_never_come_are_explained() -> Tested {
    let account = Account::new().await?;
    let spec = account.spec().capacity(Capacity::new(2, 40, 40)?).build()?;
    let error = account.apply(&account.workers.plan(&spec).await?).await.expect_err("more vCPUs than the quota");
    let text = error.to_string();
    assert!(text.contains("vCPU"), "{text}");
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn lost_answers_make_nothing_twice() -> Tested {
    let account = Account::new().await?;
    for call in ["CreateStack", "DescribeStacks", "DeleteStack"] {
        account.sim.inject(action(call, 1), Fault::LoseAnswer);
        account.sim.inject(action(call, 2), Fault::Throttle);
        account.sim.inject(action(call, 3), Fault::TimeOut);
    }
    let spec = account.spec().build()?;
    account.apply(&account.workers.plan(&spec).await?).await?;
    assert_eq!((account.count("cloudformation/stack"), account.count("autoscaling/group")), (2, 1));
    assert!(account.workers.plan(&spec).await?.is_noop());
    torn_down(&account).await?;
    assert_eq!(account.sim.faults_pending(), 0);
    Ok(())
}

/// The number of the last call. Not how many are in the log: a dead process's calls are not, and yet have numbers.
fn calls(account: &Account) -> u64 {
    account.sim.log().calls().last().map_or(0, |call| call.number)
}

/// Makes and removes workers, dying at the n-th call of each, and going on as another process would. Whether both had so many calls.
async fn killed_at(account: &Account, n: u64, fault: &Fault) -> Tested<bool> {
    let spec = account.spec().build()?;
    let plan = account.workers.plan(&spec).await?;
    account.sim.inject(When::Call(calls(account) + n), fault.clone());
    let made = account.apply(&plan).await;
    if account.sim.faults_pending() > 0 {
        made?;
        return Ok(false);
    }
    account.sim.revive();
    let plan = account.workers.plan(&spec).await?;
    account.apply(&plan).await.map_err(|error| format!("after {fault:?} at call {n}: {error}\n{plan}"))?;
    let again = account.workers.plan(&spec).await?;
    assert!(again.is_noop(), "after {fault:?} at call {n}: {again}");
    assert_eq!((account.count("cloudformation/stack"), account.running_instances()), (2, 2), "after {fault:?} at call {n}");

    let teardown = account.workers.teardown(&owner()).await?;
    account.sim.inject(When::Call(calls(account) + n), fault.clone());
    let removed = teardown.apply(&account.engine()).await;
    if account.sim.faults_pending() > 0 {
        assert!(removed?.verdict.is_clean());
        return Ok(false);
    }
    account.sim.revive();
    torn_down(account).await?;
    Ok(true)
}

async fn killed_at_any_call(fault: Fault) -> Tested {
    let account = Account::new().await?;
    let mut call = 1;
    while killed_at(&account, call, &fault).await? {
        call += 1;
    }
    assert!(call > 10, "{call} calls");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn killed_before_any_call_it_resumes() -> Tested {
    killed_at_any_call(Fault::KillBefore).await
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_call_it_resumes() -> Tested {
    killed_at_any_call(Fault::KillAfter).await
}

#[tokio::test(start_paused = true)]
async fn what_is_in_progress_is_awaited() -> Tested {
    let account = Account::new().await?;
    let spec = account.spec().build()?;
    let plan = account.workers.plan(&spec).await?;
    account.sim.inject(action("CreateStack", 1), Fault::KillAfter);
    assert!(account.apply(&plan).await.is_err());
    account.sim.revive();
    let plan = account.workers.plan(&spec).await?;
    assert!(plan.to_string().contains("begun by an earlier run"), "{plan}");
    minutes(5).await;
    account.apply(&plan).await.map_err(|error| format!("its arrival made the plan stale: {error}"))?;
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn what_is_being_deleted_is_made_again_once_it_is_gone() -> Tested {
    let account = Account::new().await?;
    let spec = account.spec().build()?;
    for wait in [0, 5] {
        account.apply(&account.workers.plan(&spec).await?).await?;
        // Another process's teardown, which died once it had asked for the deletion of the instances.
        account.sim.inject(action("DeleteStack", 1), Fault::KillAfter);
        assert!(account.workers.teardown(&owner()).await?.apply(&account.engine()).await.is_err());
        account.sim.revive();
        let plan = account.workers.plan(&spec).await?;
        assert!(plan.to_string().contains("once the stack that is being deleted is gone"), "{plan}");
        minutes(wait).await;
        let asked = account.sim.log().count("cloudformation", "DeleteStack");
        account.apply(&plan).await.map_err(|error| format!("after {wait} minutes: {error}"))?;
        assert_eq!(account.sim.log().count("cloudformation", "DeleteStack"), asked, "a plan that only waits deletes nothing");
        assert_eq!((account.count("cloudformation/stack"), account.running_instances()), (2, 2));
        assert!(account.workers.plan(&spec).await?.is_noop());
        torn_down(&account).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_change_sets_only_is_made_again() -> Tested {
    let account = Account::new().await?;
    let client = aws_sdk_cloudformation::Client::new(&account.sim.sdk_config());
    let mut reviewed =
        client.create_change_set().stack_name("chap10-worker").change_set_name("by-hand").change_set_type(ChangeSetType::Create);
    reviewed = reviewed.template_body(r#"{"Resources":{"G":{"Type":"AWS::EC2::InternetGateway"}}}"#);
    for (key, value) in owner().tags(&"nodes/chap10-worker".parse()?) {
        reviewed = reviewed.tags(Tag::builder().key(key).value(value).build());
    }
    reviewed.send().await?;
    minutes(1).await;
    let spec = account.spec().build()?;
    let plan = account.workers.plan(&spec).await?;
    assert!(plan.to_string().contains("deletes a stack of change sets without resources first: REVIEW_IN_PROGRESS"), "{plan}");
    account.apply(&plan).await?;
    assert!(account.workers.plan(&spec).await?.is_noop());
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn a_leak_is_told_with_its_reason() -> Tested {
    let account = Account::new().await?;
    account.apply(&account.workers.plan(&account.spec().build()?).await?).await?;
    let subnet = account.network.subnets[0].id.known().expect("known").to_string();
    let group = security_group_of(&account).await?;
    let left = account.ec2.create_network_interface().subnet_id(subnet).groups(group).send().await?;
    let left = left.network_interface().and_then(|interface| interface.network_interface_id()).expect("an id").to_owned();
    let ending = account.workers.teardown(&owner()).await?.apply(&account.engine()).await?;
    let [survivor] = ending.verdict.survivors() else { panic!("{:?}", ending.verdict) };
    assert!(survivor.id.contains("stack/chap10-worker-base/"), "{survivor}");
    assert!(survivor.why.contains("NodeSecurityGroup"), "{survivor}");
    let refused = account.workers.plan(&account.spec().build()?).await.expect_err("its deletion failed");
    let text = refused.to_string();
    assert!(text.contains("chap10-worker-base: is in DELETE_FAILED") && text.ends_with("; tear it down first"), "{text}");
    account.ec2.delete_network_interface().network_interface_id(left).send().await?;
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn others_stacks_stay() -> Tested {
    let account = Account::new().await?;
    let config = account.sim.sdk_config();
    let template = r#"{"Resources":{"G":{"Type":"AWS::EC2::InternetGateway"}}}"#;
    let client = aws_sdk_cloudformation::Client::new(&config);
    client.create_stack().stack_name("chap10-worker").template_body(template).send().await?;
    minutes(1).await;
    let spec = account.spec().build()?;
    let error = account.workers.plan(&spec).await.expect_err("not ours");
    assert!(error.to_string().contains("not this plan's"), "{error}");
    assert!(account.workers.teardown(&owner()).await?.removals().is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_no_longer_fits_is_refused() -> Tested {
    let account = Account::new().await?;
    let spec = account.spec().build()?;
    let plan = account.workers.plan(&spec).await?;
    account.apply(&plan).await?;
    assert!(matches!(account.apply(&plan).await, Err(ApplyError::Stale { .. })));
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn plans_and_teardowns_are_bound_to_their_region() -> Tested {
    let account = Account::new().await?;
    let spec = account.spec().build()?;
    let plan = account.workers.plan(&spec).await?;
    let elsewhere = account.sim.sdk_config().to_builder().region(Region::from_static("eu-west-1")).build();
    let elsewhere = Workers::new(&elsewhere);
    let engine = Engine::new().driver(elsewhere.clone());
    let before = calls(&account);
    let told = "are to be looked for in us-east-1, and the SDK's configuration is for eu-west-1";
    let errors: [Box<dyn Error>; 3] = [
        elsewhere.plan(&spec).await.expect_err("another Region").into(),
        plan.apply(&engine).await.expect_err("another Region").into(),
        account.workers.teardown(&owner()).await?.apply(&engine).await.expect_err("another Region").into(),
    ];
    for error in errors {
        let text = format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default());
        assert!(text.contains(told), "{text}");
    }
    // Stacks; and clusters and the groups of the one that there is.
    let observation = if cfg!(feature = "managed") { 3 } else { 1 };
    assert_eq!(calls(&account) - before, observation, "only the observation of the teardown");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn several_groups_are_one_plan() -> Tested {
    let account = Account::new().await?;
    let (old, new) = (account.spec().build()?, account.named("chap10-v11").build()?);
    account.apply(&account.workers.plan_all(&[&old, &new]).await?).await?;
    assert_eq!(account.running_instances(), 4);
    assert!(account.workers.plan_all(&[&old, &new]).await?.is_noop());
    assert_eq!(account.workers.observe(&owner(), Scope::owned("us-east-1")).await?.stacks().count(), 4);
    torn_down(&account).await
}

/// Resizes every group, as an autoscaler does.
async fn autoscaled(account: &Account, sizes: &[i32]) -> Tested<Vec<i32>> {
    let scaling = aws_sdk_autoscaling::Client::new(&account.sim.sdk_config());
    let told = scaling.describe_auto_scaling_groups().send().await?;
    for (group, desired) in told.auto_scaling_groups().iter().zip(sizes) {
        let name = group.auto_scaling_group_name().expect("a name");
        scaling.set_desired_capacity().auto_scaling_group_name(name).desired_capacity(*desired).send().await?;
    }
    minutes(3).await;
    let told = scaling.describe_auto_scaling_groups().send().await?;
    Ok(told.auto_scaling_groups().iter().filter_map(|group| group.desired_capacity()).collect())
}

/// What an autoscaler moved stays: in one group, and in each zone's; also if it moves after the plan was made.
#[tokio::test(start_paused = true)]
async fn an_update_keeps_the_size_that_an_autoscaler_chose() -> Tested {
    for per_zone in [false, true] {
        let account = Account::new().await?;
        let (sizes, later): (&[i32], &[i32]) = if per_zone { (&[2, 3], &[3, 4]) } else { (&[3], &[5]) };
        let total = |sizes: &[i32]| usize::try_from(sizes.iter().sum::<i32>()).expect("some");
        let spec = |desired, gib| {
            account
                .spec()
                .capacity(Capacity::new(1, desired, 6)?)
                .group_per_zone(per_zone)
                .volume_gib(gib)
                .build()
                .map_err(Box::<dyn Error>::from)
        };
        let first = spec(1, 20)?;
        account.apply(&account.workers.plan(&first).await?).await?;
        assert_eq!(autoscaled(&account, sizes).await?, sizes);
        let before = account.sim.log().calls().len();
        let plan = account.workers.plan(&first).await?;
        assert!(plan.is_noop(), "only the autoscaler moved it: {plan}");
        assert_eq!(account.sim.log().calls().len() - before, 3, "two stacks, and all groups at once");

        let larger = spec(1, 30)?;
        let plan = account.workers.plan(&larger).await?;
        let told = plan.to_string();
        assert!(sizes.iter().all(|size| told.contains(&format!("stays {size}, as it is now; the spec says 1"))), "{told}");
        assert_eq!(autoscaled(&account, later).await?, later);
        account.apply(&plan).await.map_err(|error| format!("an autoscaler makes no plan stale: {error}"))?;
        assert_eq!(account.running_instances(), total(later), "per zone: {per_zone}");
        assert!(account.workers.plan(&larger).await?.is_noop());

        // The spec says another number, and that is meant.
        let resized = spec(2, 30)?;
        account.apply(&account.workers.plan(&resized).await?).await?;
        minutes(3).await;
        assert_eq!(account.running_instances(), 2 * sizes.len());
        assert!(account.workers.plan(&resized).await?.is_noop());
        torn_down(&account).await?;
    }
    Ok(())
}
