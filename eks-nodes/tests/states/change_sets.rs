//! Updates as CloudFormation itself shows them, on the simulated account.

use eks_core::{Action, Error};
use eks_nodes::{Capacity, ChangeAction, LifecycleHook, Replacement, StackDiff, Transition, WorkersOp};
use eks_sim::{Fault, When};

use super::{
    account::{Account, Tested, minutes, owner},
    states::{GROUP, client},
};

/// Names of the change sets of both stacks.
async fn change_sets(account: &Account) -> Tested<Vec<String>> {
    let mut names = Vec::new();
    for stack in [GROUP, "chap10-worker-base"] {
        let found = client(account).list_change_sets().stack_name(stack).send().await?;
        names.extend(found.summaries().iter().filter_map(|set| set.change_set_name().map(str::to_owned)));
    }
    Ok(names)
}

fn of<'a>(diff: &'a StackDiff, logical: &str) -> &'a eks_nodes::ResourceChange {
    diff.changes.iter().find(|change| change.logical == logical).unwrap_or_else(|| panic!("{logical} in {diff}"))
}

async fn standing() -> Tested<Account> {
    let account = Account::new().await?;
    let spec = account.spec().build()?;
    assert_eq!(account.workers.diff(&spec).await?, [], "what is made has no diff");
    account.apply(&account.workers.plan(&spec).await?).await?;
    Ok(account)
}

#[tokio::test(start_paused = true)]
async fn a_diff_tells_what_changes_and_why_and_leaves_nothing() -> Tested {
    let account = standing().await?;
    assert_eq!(account.workers.diff(&account.spec().build()?).await?, []);
    let spec = account.spec().instance_type("t3.large").capacity(Capacity::new(1, 2, 3)?).session_manager(true).build()?;
    let diffs = account.workers.diff(&spec).await?;
    assert_eq!(diffs.len(), 2, "{diffs:?}");
    let [group, base] = &diffs[..] else { panic!("{diffs:?}") };
    assert_eq!((group.stack.as_str(), base.stack.as_str()), (GROUP, "chap10-worker-base"));

    let template = of(group, "NodeLaunchTemplate");
    assert_eq!((template.action, template.replacement), (ChangeAction::Modify, Replacement::No));
    assert_eq!(template.to_string(), "changes NodeLaunchTemplate (AWS::EC2::LaunchTemplate): LaunchTemplateData by NodeInstanceType");
    let nodes = of(group, "NodeGroup");
    assert_eq!((nodes.action, nodes.replacement), (ChangeAction::Modify, Replacement::No));
    let version = nodes.details.iter().find(|detail| detail.name == "LaunchTemplate").expect("of the new version");
    assert!(version.dynamic && version.cause.as_deref() == Some("NodeLaunchTemplate.LatestVersionNumber"), "{version:?}");
    assert!(nodes.details.iter().any(|detail| detail.cause.as_deref() == Some("NodeAutoScalingGroupMinSize")), "{nodes}");
    assert_eq!(of(base, "NodeInstanceRole").to_string(), "changes NodeInstanceRole (AWS::IAM::Role): ManagedPolicyArns");
    assert_eq!(change_sets(&account).await?, [""; 0], "nothing is left");
    assert_eq!(account.running_instances(), 2);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn exactly_what_was_shown_is_carried_out() -> Tested {
    let account = standing().await?;
    let spec = account
        .spec()
        .capacity(Capacity::new(1, 3, 3)?)
        .lifecycle_hook(LifecycleHook::new("drain", Transition::Terminating, 30))
        .build()?;
    let plan = account.workers.plan_with_change_sets(&[&spec]).await?;
    let step = plan.step("nodes/chap10-worker").expect("a step");
    assert_eq!(step.action, Action::Update);
    assert!(matches!(step.op.decode()?, WorkersOp::ExecuteChangeSet { .. }));
    assert!(step.changes.iter().any(|line| line.starts_with("changes NodeGroup (AWS::AutoScaling::AutoScalingGroup): ")), "{plan}");
    assert_eq!(change_sets(&account).await?.len(), 1);
    let before = account.sim.log().count("cloudformation", "UpdateStack");
    account
        .sim
        .inject(When::Action { service: "cloudformation".to_owned(), action: "ExecuteChangeSet".to_owned(), nth: 1 }, Fault::LoseAnswer);
    account.apply(&plan).await?;
    assert_eq!(account.sim.log().count("cloudformation", "UpdateStack"), before);
    minutes(3).await;
    assert_eq!(account.running_instances(), 3);
    assert!(account.workers.plan(&spec).await?.is_noop());
    assert_eq!(change_sets(&account).await?, [""; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_change_set_of_a_stack_that_changed_is_refused() -> Tested {
    let account = standing().await?;
    let spec = account.spec().capacity(Capacity::new(1, 3, 3)?).build()?;
    let plan = account.workers.plan_with_change_sets(&[&spec]).await?;
    // Somebody tags the stack: no fact of the plan, and yet not the stack that was looked at.
    let found = client(&account).describe_stacks().stack_name(GROUP).send().await?.stacks()[0].clone();
    let kept = found.parameters().iter().filter_map(|parameter| parameter.parameter_key());
    let kept = kept.map(|key| aws_sdk_cloudformation::types::Parameter::builder().parameter_key(key).use_previous_value(true).build());
    let tag = aws_sdk_cloudformation::types::Tag::builder().key("team").value("books").build();
    let tags = found.tags().iter().cloned().chain([tag]).collect();
    let call = client(&account).update_stack().stack_name(GROUP).use_previous_template(true).set_tags(Some(tags));
    call.set_parameters(Some(kept.collect())).send().await?;
    minutes(5).await;
    let error = account.apply(&plan).await.expect_err("obsolete");
    let report = error.report().expect("tried");
    let (_, error) = report.failures().next().expect("refused");
    let Error::Refused { rule, remedy, .. } = error else { panic!("{error}") };
    assert!(rule.contains("not what was shown") && remedy == "plan again", "{error}");
    account.apply(&account.workers.plan(&spec).await?).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_diff_left_goes_with_the_next() -> Tested {
    let account = standing().await?;
    let spec = account.spec().capacity(Capacity::new(1, 3, 3)?).build()?;
    // Somebody else's, of the form in which it is.
    let found = client(&account).describe_stacks().stack_name(GROUP).send().await?.stacks()[0].clone();
    let kept = found.parameters().iter().filter_map(|parameter| parameter.parameter_key());
    let kept = kept.map(|key| aws_sdk_cloudformation::types::Parameter::builder().parameter_key(key).use_previous_value(true).build());
    let by_hand = client(&account).create_change_set().stack_name(GROUP).change_set_name("by-hand").use_previous_template(true);
    by_hand.set_parameters(Some(kept.collect())).send().await?;
    let others = change_sets(&account).await?;
    assert_eq!(others, ["by-hand"]);
    let before = account.sim.log().calls().last().map_or(0, |call| call.number);
    account.workers.diff(&spec).await?;
    let calls = account.sim.log().calls().last().map_or(0, |call| call.number) - before;
    for nth in 1..=calls {
        let now = account.sim.log().calls().last().map_or(0, |call| call.number);
        account.sim.inject(When::Call(now + nth), Fault::KillAfter);
        // The last call may have been made: what it told is lost with the process.
        let told = account.workers.diff(&spec).await;
        account.sim.revive();
        assert!(told.is_err() || account.sim.faults_pending() > 0, "call {nth}");
        account.workers.diff(&spec).await?;
        assert_eq!(change_sets(&account).await?, others, "after call {nth}");
        let seen = account.workers.observe(&owner(), eks_nodes::Scope::owned("us-east-1")).await?;
        assert!(seen.stacks().all(|stack| stack.status.is_settled()), "no stack is left in review");
    }
    Ok(())
}
