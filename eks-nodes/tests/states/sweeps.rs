//! Runs that die after any call, from every state that needs more than making or removing: a later run ends where it should.

use eks_core::engine::ApplyError;
use eks_nodes::StackStatus;
use eks_sim::{Fault, When};

use super::{
    account::{Account, Tested, owner},
    states::bring,
};

/// The number of the last call. Not how many are in the log: a dead process's calls are not, and yet have numbers.
fn calls(account: &Account) -> u64 {
    account.sim.log().calls().last().map_or(0, |call| call.number)
}

async fn made(account: &Account, spec: &eks_nodes::WorkersSpec) -> Tested {
    for _ in 0..5 {
        let plan = account.workers.plan(spec).await?;
        if plan.is_noop() {
            return Ok(());
        }
        match account.apply(&plan).await {
            // What a dead run began ended between plan and application, which does nothing then: planned again, it goes on.
            Ok(_) | Err(ApplyError::Stale { .. }) => {}
            Err(error) => return Err(format!("{error}\n{plan}").into()),
        }
    }
    Err("no end".into())
}

async fn gone(account: &Account) -> Tested {
    let ending = account.workers.teardown(&owner()).await?.apply(&account.engine()).await?;
    assert!(ending.verdict.is_clean(), "{:?}", ending.verdict);
    assert_eq!(account.ours(), [""; 0]);
    Ok(())
}

/// From the status, a run dies after each of its calls; how many those were.
async fn killed_after_any_call(status: StackStatus, removing: bool) -> Tested<u64> {
    let account = Account::new().await?;
    for nth in 1.. {
        let spec = bring(&account, status).await.map_err(|error| format!("{status}: {error}"))?;
        account.sim.inject(When::Call(calls(&account) + nth), Fault::KillAfter);
        // Whether it dies while it plans or while it applies is all one.
        let run = async {
            if removing {
                account.workers.teardown(&owner()).await?.apply(&account.engine()).await?;
                Ok::<_, Box<dyn std::error::Error>>(())
            } else {
                made(&account, &spec).await
            }
        };
        let ended = run.await;
        if account.sim.faults_pending() > 0 {
            // It had fewer calls than that: every one of them was the last of some run.
            ended?;
            return Ok(nth);
        }
        account.sim.revive();
        if !removing {
            // The deletion that the dead run began may have failed since, or fail while it is waited for: a plan refuses that by design,
            // and says so; a teardown finishes it.
            let again = match made(&account, &spec).await {
                Err(error) if error.to_string().contains("DELETE_FAILED") => {
                    gone(&account).await?;
                    made(&account, &spec).await
                }
                other => other,
            };
            again.map_err(|error| format!("{status}, killed after call {nth}: {error}"))?;
            assert_eq!((account.count("cloudformation/stack"), account.running_instances()), (2, 2), "{status}, call {nth}");
        }
        gone(&account).await.map_err(|error| format!("{status}, killed after call {nth}: {error}"))?;
    }
    unreachable!("the loop ends with the run")
}

async fn swept(status: StackStatus, removing: bool) -> Tested {
    let calls = killed_after_any_call(status, removing).await?;
    assert!(calls > 5, "{calls} calls");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_update_is_killed_after_any_call() -> Tested {
    swept(StackStatus::UpdateInProgress, false).await
}

#[tokio::test(start_paused = true)]
async fn a_replacement_of_what_was_rolled_back_is_killed_after_any_call() -> Tested {
    swept(StackStatus::RollbackComplete, false).await
}

#[tokio::test(start_paused = true)]
async fn a_replacement_of_what_could_not_be_rolled_back_is_killed_after_any_call() -> Tested {
    swept(StackStatus::RollbackFailed, false).await
}

#[tokio::test(start_paused = true)]
async fn a_rollback_of_an_update_is_killed_after_any_call() -> Tested {
    swept(StackStatus::UpdateFailed, false).await
}

#[tokio::test(start_paused = true)]
async fn a_continued_rollback_is_killed_after_any_call() -> Tested {
    swept(StackStatus::UpdateRollbackFailed, false).await
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_failed_is_finished_though_killed_after_any_call() -> Tested {
    swept(StackStatus::DeleteFailed, true).await
}
