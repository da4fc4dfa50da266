//! A fault at every call of an upgrade and of a rollback.

use std::time::Duration;

use eks_cluster::Addon;
use eks_sim::{Fault, When};

use super::{Journey, account, account_with, back, upgrade, version};
use crate::support::{Account, Tested};

fn refusal() -> Fault {
    Fault::Refuse { status: 500, code: "ServerException".to_owned(), message: "These errors are usually caused by EKS".to_owned() }
}

/// Every fault at every call.
fn every(_: usize) -> Vec<Fault> {
    vec![Fault::KillBefore, Fault::KillAfter, Fault::LoseAnswer, Fault::Throttle, refusal()]
}

/// A kill after every call, which is as good as one before the next, and of the other faults one a call in turn.
fn in_turn(call: usize) -> Vec<Fault> {
    let others = [Fault::LoseAnswer, refusal(), Fault::Throttle];
    vec![Fault::KillAfter, others[call % others.len()].clone()]
}

/// Hits every call of a journey with faults, killed runs with a second one after them; at the end the cluster has the version `goal`, by as
/// many updates as without faults.
async fn sweep<S>(start: impl Fn() -> S, faults: fn(usize) -> Vec<Fault>, goal: &str, updates: usize) -> Tested
where
    S: Future<Output = Result<(Account, Journey), Box<dyn std::error::Error>>>,
{
    let (whole, journey) = start().await?;
    let before = whole.sim.log().len();
    journey.run(&whole).await?;
    let calls = whole.sim.log().len() - before;
    let (mut hit, mut runs_again) = (0, 0);
    for number in 1..=calls {
        for fault in faults(number) {
            let (account, journey) = start().await?;
            let case = format!("{fault:?} at call {number} of {calls}");
            let call = account.sim.log().len() + number;
            let kills = matches!(fault, Fault::KillBefore | Fault::KillAfter);
            account.sim.inject(When::Call(u64::try_from(call)?), fault);
            let first = journey.run(&account).await;
            if account.sim.faults_pending() > 0 {
                // Concurrent calls make the log of one run a little longer than that of another.
                first.map_err(|error| format!("{case}: {error}"))?;
                continue;
            }
            hit += 1;
            if kills {
                account.sim.revive();
                runs_again += 1;
                journey.run(&account).await.map_err(|error| format!("{case}, run again: {error}"))?;
            } else {
                first.map_err(|error| format!("{case}: {error}"))?;
            }
            let after = journey.plan(&account).await.map_err(|error| format!("{case}: {error}"))?;
            assert!(after.is_done(), "{case}: {after}");
            assert_eq!(version(&account).await?, goal, "{case}");
            let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
            let told = eks.list_updates().name(account.name.as_str()).send().await?;
            assert_eq!(told.update_ids().len(), updates, "{case}: no hop is asked for twice");
        }
    }
    let all = faults(0);
    let kills = all.iter().filter(|fault| matches!(fault, Fault::KillBefore | Fault::KillAfter)).count();
    let near = |count: usize, kinds: usize| count > kinds * calls.saturating_sub(10);
    assert!(near(hit, all.len()) && near(runs_again, kills), "{hit} faults over {calls} calls, {runs_again} runs again");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_fault_at_every_call_of_two_hops_converges() -> Tested {
    let start = async || {
        let (account, _) = account(34).await?;
        let up = Journey::Up(upgrade(&account, 36).build()?);
        Ok((account, up))
    };
    sweep(start, every, "1.36", 2).await
}

#[tokio::test(start_paused = true)]
async fn a_fault_at_every_call_of_a_hop_that_needs_an_add_on_first_converges() -> Tested {
    let start = async || {
        let (account, _) = account_with(34, Addon::new("kube-proxy").version("v1.31.1-eksbuild.1")).await?;
        let up = Journey::Up(upgrade(&account, 35).build()?);
        Ok((account, up))
    };
    let (account, journey) = start().await?;
    let planned = journey.plan(&account).await?;
    assert!(planned.plan().step("cluster/upgrade/1.35/prepare/kube-proxy").is_some(), "{planned}");
    sweep(start, in_turn, "1.35", 1).await
}

#[tokio::test(start_paused = true)]
async fn a_fault_at_every_call_of_a_rollback_converges() -> Tested {
    let start = async || {
        let (account, _) = account(34).await?;
        Journey::Up(upgrade(&account, 35).build()?).run(&account).await?;
        // EKS has looked by itself, and saw the add-ons as they are before the rollback.
        tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
        let back = Journey::Back(back(&account, 34)?);
        Ok((account, back))
    };
    let (account, journey) = start().await?;
    let planned = journey.plan(&account).await?;
    assert!(planned.plan().step("cluster/rollback/1.34/prepare/kube-proxy").is_some(), "{planned}");
    sweep(start, in_turn, "1.34", 2).await
}
