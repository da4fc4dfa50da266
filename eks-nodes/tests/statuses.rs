//! Every status that a stack can reach, reached on the simulated account, and what plans and teardowns then do.

mod account;
#[path = "states/change_sets.rs"]
mod change_sets;
mod states;
#[path = "states/sweeps.rs"]
mod sweeps;

use account::{Account, Tested, minutes, owner};
use eks_core::{Error, engine::ApplyError};
use eks_nodes::{Next, Purpose, Refusal, Scope, StackFailure, StackStatus, WorkersSpec};
use states::{BASE, GROUP, bring, held_by_policy, hold, status_of, unreachable};

/// Plans and applies until nothing is left to do, as somebody does who follows "then plan again". How often that was.
async fn converged(account: &Account, spec: &WorkersSpec) -> Tested<usize> {
    for round in 0..4 {
        let plan = account.workers.plan(spec).await?;
        if plan.is_noop() {
            return Ok(round);
        }
        account.apply(&plan).await.map_err(|error| format!("{error}\n{plan}"))?;
    }
    Err(format!("no end: {}", account.workers.plan(spec).await?).into())
}

async fn torn_down(account: &Account) -> Tested {
    let ending = account.workers.teardown(&owner()).await?.apply(&account.engine()).await?;
    assert!(ending.verdict.is_clean(), "{:?}", ending.verdict);
    assert_eq!(account.ours(), [""; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_reachable_status_becomes_what_is_wanted_or_is_refused() -> Tested {
    for status in StackStatus::ALL.iter().copied().filter(|status| !unreachable(*status)) {
        let account = Account::new().await?;
        let spec = bring(&account, status).await.map_err(|error| format!("{status}: {error}"))?;
        // A deleted stack has no name any more.
        let expected = (status != StackStatus::DeleteComplete).then_some(status);
        let seen = [status_of(&account, BASE).await?, status_of(&account, GROUP).await?];
        assert!(seen.contains(&expected), "{status}: {seen:?}");
        match status.next(Purpose::Make) {
            Next::Refuse(refusal) => {
                assert_eq!(refusal, Refusal::DeletionFailed);
                let Err(Error::Refused { rule, remedy, .. }) = account.workers.plan(&spec).await else { panic!("{status}") };
                assert!(rule.starts_with(&refusal.to_string()), "{rule}");
                assert_eq!(remedy, refusal.remedy());
            }
            _ => {
                converged(&account, &spec).await.map_err(|error| format!("{status}: {error}"))?;
                assert_eq!((account.count("cloudformation/stack"), account.running_instances()), (2, 2), "{status}");
            }
        }
        torn_down(&account).await.map_err(|error| format!("{status}: {error}"))?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_reachable_status_is_torn_down() -> Tested {
    for status in StackStatus::ALL.iter().copied().filter(|status| !unreachable(*status)) {
        let account = Account::new().await?;
        bring(&account, status).await.map_err(|error| format!("{status}: {error}"))?;
        torn_down(&account).await.map_err(|error| format!("{status}: {error}"))?;
    }
    Ok(())
}

fn failure(error: &ApplyError) -> &StackFailure {
    let report = error.report().unwrap_or_else(|| panic!("{error}"));
    report.caused_by::<StackFailure>().unwrap_or_else(|| panic!("{error}"))
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_rolled_back_is_named_and_skipped_only_if_asked() -> Tested {
    let account = Account::new().await?;
    let spec = bring(&account, StackStatus::UpdateRollbackFailed).await?;
    states::without_role(&account).await?;
    let plan = account.workers.plan(&spec).await?;
    assert!(plan.to_string().contains("UPDATE_ROLLBACK_FAILED: continues the rollback; then plan again"), "{plan}");
    let error = account.apply(&plan).await.expect_err("the role is gone");
    let failed = failure(&error);
    assert_eq!(failed.status, StackStatus::UpdateRollbackFailed);
    assert_eq!(failed.resources.iter().map(|resource| resource.logical.as_str()).collect::<Vec<_>>(), ["NodeInstanceRole"]);
    assert!(error.to_string().contains("skip_in_rollback([NodeInstanceRole])"), "{error}");

    // Others than those that failed are not skipped, though they are named: CloudFormation would refuse.
    let skipping = account.spec().skip_in_rollback(["NodeInstanceRole", "NodeSecurityGroup"]).build()?;
    let plan = account.workers.plan(&skipping).await?;
    assert!(plan.to_string().contains("without NodeInstanceRole, NodeSecurityGroup, which stays as it is"), "{plan}");
    account.apply(&plan).await?;
    assert_eq!(status_of(&account, BASE).await?, Some(StackStatus::UpdateRollbackComplete));
    assert!(account.workers.plan(&skipping).await?.is_noop());
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn leftovers_of_the_cni_are_removed_and_the_rest_is_told() -> Tested {
    let account = Account::new().await?;
    account.apply(&account.workers.plan(&account.spec().build()?).await?).await?;
    let leftover = hold(&account, BASE, "NodeSecurityGroup", "aws-K8S-i-0123456789abcdef0").await?;
    let rule = states::rule_of_another_group(&account).await?;
    let policy = held_by_policy(&account).await?;
    let teardown = account.workers.teardown(&owner()).await?;
    let ending = teardown.apply(&account.engine()).await?;
    assert!(!ending.verdict.is_clean());
    let failed = ending.report.caused_by::<StackFailure>().expect("typed");
    let text = failed.to_string();
    assert!(!text.contains(&leftover), "what is removed is not told: {text}");
    assert!(text.contains(&rule) && text.contains(&policy), "{text}");
    assert!(states::interface_is_gone(&account, &leftover).await?);
    assert!(!failed.resources.iter().all(|resource| resource.blockers.is_empty()));

    states::repair(&account, &rule, &policy).await?;
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn an_interface_of_others_stays() -> Tested {
    let account = Account::new().await?;
    account.apply(&account.workers.plan(&account.spec().build()?).await?).await?;
    let theirs = hold(&account, BASE, "NodeSecurityGroup", "by hand").await?;
    let ending = account.workers.teardown(&owner()).await?.apply(&account.engine()).await?;
    let text = ending.report.caused_by::<StackFailure>().expect("typed").to_string();
    assert!(text.contains(&theirs) && text.contains("delete it if nobody needs it"), "{text}");
    assert!(!states::interface_is_gone(&account, &theirs).await?);
    assert!(ending.report.took.as_secs() < 15 * 60, "nobody waits for what does not go by itself: {:?}", ending.report.took);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn protection_is_refused_with_its_remedy() -> Tested {
    let account = Account::new().await?;
    account.apply(&account.workers.plan(&account.spec().build()?).await?).await?;
    let client = states::client(&account);
    client.update_termination_protection().stack_name(BASE).enable_termination_protection(true).send().await?;
    let ending = account.workers.teardown(&owner()).await?.apply(&account.engine()).await?;
    let (key, error) = ending.report.failures().next().expect("refused");
    assert_eq!(key.as_str(), "nodes/chap10-worker/base");
    let Error::Refused { rule, remedy, .. } = error else { panic!("{error}") };
    assert_eq!(rule, "is protected from deletion");
    assert!(remedy.contains("--no-enable-termination-protection"), "{remedy}");
    client.update_termination_protection().stack_name(BASE).enable_termination_protection(false).send().await?;
    torn_down(&account).await
}

/// A creation that never ends: CloudFormation's own limit is twenty minutes, and a stack that somebody made without it has ours.
#[tokio::test(start_paused = true)]
async fn what_never_ends_is_given_up() -> Tested {
    let account = Account::new().await?;
    let spec = account.spec().build()?;
    states::endless_creation(&account).await?;
    let plan = account.workers.plan(&spec).await?;
    let error = account.apply(&plan).await.expect_err("no instance ever comes");
    let failed = failure(&error);
    assert_eq!(failed.status, StackStatus::CreateInProgress);
    assert_eq!(failed.unready, ["Group (CREATE_IN_PROGRESS)"]);
    assert!(failed.to_string().contains("still CREATE_IN_PROGRESS after 25 minutes"), "{failed}");
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn unknown_states_are_refused() -> Tested {
    let account = Account::new().await?;
    let spec = account.spec().build()?;
    account.apply(&account.workers.plan(&spec).await?).await?;
    let mut stacks: Vec<_> = account.workers.observe(&owner(), Scope::of([&spec])).await?.stacks().cloned().collect();
    stacks.iter_mut().for_each(|stack| stack.status = "SOMETHING_NEW".parse().expect("infallible"));
    let seen = eks_nodes::Observed::new(&owner(), Scope::of([&spec]), stacks)?;
    let error = spec.plan(&seen).expect_err("nobody knows what it means");
    assert!(error.to_string().contains("is in a state that this version does not know"), "{error}");
    minutes(1).await;
    torn_down(&account).await
}
