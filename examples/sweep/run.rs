//! Many cases, on several threads.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::runtime::{Builder, Runtime};

use super::{Case, Flow, Table, Trouble, case::Stage};
use crate::environment::Failure;

/// As a program's main thread has it: an unoptimised build keeps the futures of four layers there.
const STACK: usize = 8 << 20;

/// Which cases.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Settings {
    /// The flows.
    pub flows: Vec<Flow>,
    /// What befalls them.
    pub troubles: Vec<Trouble>,
    /// Which calls of each flow.
    pub calls: Calls,
    /// How many cases are lived at once.
    pub jobs: usize,
    /// Of the simulator.
    pub seed: u64,
}

/// Which calls of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "not a published crate")]
pub enum Calls {
    /// Every one.
    All,
    /// So many for each trouble, evenly spread; each trouble has others.
    Some(u64),
    /// The one with this number.
    One(u64),
}

impl Calls {
    /// Numbers of calls, of a flow that makes `of`, for the trouble with that place among `troubles`.
    fn numbers(self, of: u64, place: u64, troubles: u64) -> Vec<u64> {
        match self {
            Self::Some(count) if count < of => (0..count).map(|nth| 1 + (nth * troubles + place) * of / (count * troubles)).collect(),
            Self::All | Self::Some(_) => (1..=of).collect(),
            Self::One(number) => vec![number],
        }
    }
}

/// Lives all cases; `told` hears of each when it has ended.
///
/// # Errors
/// If a flow fails although nothing disturbs it.
pub fn sweep(settings: &Settings, told: impl Fn(&Case) + Sync) -> Result<Table, Failure> {
    count_panics();
    let mut table = Table::default();
    for (at, &flow) in (0_u64..).zip(&settings.flows) {
        let stage = set(flow, settings.seed).map_err(|failure| format!("{flow}, undisturbed: {failure}"))?;
        table.flow(flow, stage.calls());
        let troubles: Vec<Trouble> =
            settings.troubles.iter().copied().filter(|trouble| (flow, *trouble) != (Flow::Abandon, Trouble::SecondRun)).collect();
        let mut cases = Vec::new();
        let of = troubles.len() as u64;
        for (place, &trouble) in (0..).zip(&troubles) {
            // Turned by one from flow to flow, or one fault would be at the first call of each, another at its last ones.
            let numbers = settings.calls.numbers(stage.calls(), (place + at) % of, of);
            cases.extend(numbers.into_iter().map(|number| (trouble, number)));
        }
        // From call to call, so that whoever watches sees how far it is.
        cases.sort_by_key(|&(trouble, number)| (number, trouble));
        let (next, stage, lived) = (AtomicUsize::new(0), Mutex::new(stage), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..settings.jobs.clamp(1, cases.len().max(1)) {
                let work = || {
                    let stage = stage.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    while let Some(&(trouble, number)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Some(case) = live(&stage, flow, trouble, number) {
                            told(&case);
                            lived.lock().unwrap_or_else(PoisonError::into_inner).push(case);
                        }
                    }
                };
                // One that cannot be had leaves its cases to the others.
                let _ = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
            }
        });
        if next.into_inner() < cases.len() {
            return Err("no thread can be had".into());
        }
        let mut lived = lived.into_inner().unwrap_or_else(PoisonError::into_inner);
        lived.sort_by_key(|case| (case.number, case.trouble));
        lived.into_iter().for_each(|case| table.add(case));
    }
    Ok(table)
}

fn set(flow: Flow, seed: u64) -> Result<Stage, Failure> {
    thread::scope(|scope| {
        let work = || runtime()?.block_on(Stage::set(flow, seed));
        thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?.join().unwrap_or_else(|_| Err("it panicked".into()))
    })
}

/// One case on a runtime of its own, whose clock is paused.
fn live(stage: &Stage, flow: Flow, trouble: Trouble, number: u64) -> Option<Case> {
    PANICS.set(0);
    let lived = catch_unwind(AssertUnwindSafe(|| match runtime() {
        Ok(runtime) => runtime.block_on(stage.live(trouble, number)),
        Err(error) => Some(Case::broken(flow, trouble, number, error.to_string())),
    }));
    let mut case = lived.unwrap_or_else(|_| Some(Case::broken(flow, trouble, number, "it panicked".to_owned())))?;
    // Also those in tasks, whose panics the runtime catches.
    case.panics = PANICS.get();
    case.converged &= case.panics == 0;
    Some(case)
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().start_paused(true).build()
}

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Counts the panics of each thread, beside what is done about them already.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_and_each_trouble_has_its_own_calls() {
        assert_eq!(Calls::All.numbers(3, 1, 2), [1, 2, 3]);
        assert_eq!(Calls::Some(5).numbers(3, 0, 2), [1, 2, 3]);
        assert_eq!(Calls::One(7).numbers(3, 0, 2), [7]);
        assert_eq!(Calls::Some(2).numbers(100, 0, 2), [1, 51]);
        assert_eq!(Calls::Some(2).numbers(100, 1, 2), [26, 76]);
    }
}
