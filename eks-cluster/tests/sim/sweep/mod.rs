//! A fault at every call, reads and polls too: whichever call of a flow is refused, lost, throttled or the process's last, running
//! again brings the account to where an undisturbed run brings it, makes nothing twice and touches nothing of others.
//!
//! A case is a new account, so the loop ends at the first number that a run does not reach any more.

mod access;
mod cluster;
mod identity;
mod stage;

use std::time::Duration;

use eks_sim::{Fault, When};

use crate::support::Tested;
pub(crate) use stage::{Act, Flow, Stage};

/// What goes wrong with a call. A read that is lost or throttled changes nothing and is asked again, and a process that dies
/// before a read leaves what it left after the call before; with `EVERY_FAULT` in the environment they are swept all the same.
fn faults(is_read: bool) -> Vec<Fault> {
    let refuse = Fault::Refuse { status: 403, code: "AccessDeniedException".to_owned(), message: "not today".to_owned() };
    let mut faults = vec![refuse, Fault::KillAfter];
    if !is_read || std::env::var_os("EVERY_FAULT").is_some() {
        faults.extend([Fault::LoseAnswer, Fault::Throttle, Fault::KillBefore]);
    }
    faults
}

fn is_read(call: &str) -> bool {
    ["Describe", "Get", "List"].iter().any(|verb| call.split(':').nth(1).is_some_and(|action| action.starts_with(verb)))
}

/// Sweeps a flow, call by call, until a run does not reach the number any more.
pub(crate) async fn survives_every_fault(flow: Flow) -> Tested {
    let undisturbed = Stage::before(flow).await?;
    let begin = undisturbed.calls();
    undisturbed.run().await?;
    let length = undisturbed.calls() - begin;
    let portrait = undisturbed.settled().await?;
    let (mut number, mut interrupted) = (begin, 0);
    loop {
        number += 1;
        let call = undisturbed.call(number).filter(|_| number <= begin + length).unwrap_or_default();
        let mut reached = false;
        for fault in faults(is_read(&call)) {
            let case = format!("{fault:?} of call {} of {length}, {call}", number - begin);
            let survived = one(flow, number, &fault, begin, &portrait).await.map_err(|error| format!("{case}: {error}"))?;
            reached |= survived != Survived::NotReached;
            interrupted += u64::from(survived == Survived::ByRunningAgain);
        }
        if !reached {
            break;
        }
    }
    // Concurrent calls make one run a little shorter or longer than another.
    assert!(number + 2 > begin + length, "{} of {length} calls", number - begin);
    assert!(interrupted >= length, "{interrupted} runs ended, over {length} calls");
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Survived {
    /// The run has fewer calls.
    NotReached,
    Within,
    ByRunningAgain,
}

async fn one(flow: Flow, number: u64, fault: &Fault, begin: u64, portrait: &[String]) -> Result<Survived, Box<dyn std::error::Error>> {
    let stage = Stage::before(flow).await?;
    assert_eq!(stage.calls(), begin, "the stage is the same for all");
    stage.account.sim.inject(When::Call(number), fault.clone());
    let first = stage.run().await;
    if stage.account.sim.faults_pending() > 0 {
        return first.map(|()| Survived::NotReached);
    }
    stage.account.sim.revive();
    let survived = match first {
        Ok(()) => Survived::Within,
        Err(error) if matches!(fault, Fault::LoseAnswer | Fault::Throttle) => return Err(format!("it ends the run: {error}").into()),
        Err(_) => {
            stage.run().await.map_err(|error| format!("running again does not mend it: {error}"))?;
            Survived::ByRunningAgain
        }
    };
    let found = stage.settled().await?;
    if found != *portrait {
        let lost: Vec<_> = portrait.iter().filter(|line| !found.contains(line)).collect();
        let more: Vec<_> = found.iter().filter(|line| !portrait.contains(line)).collect();
        return Err(format!("another account comes out: without {lost:#?}, with {more:#?}").into());
    }
    if number.is_multiple_of(4) {
        stage.torn_down().await?;
    }
    Ok(survived)
}

/// Long enough for what goes on by itself after a run: the API server learns of an entry, an add-on comes up.
pub(crate) const SETTLED: Duration = Duration::from_secs(60);
