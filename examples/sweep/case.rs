//! One case: a flow, what befalls it at which call, and whether it comes to the same end all the same.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use eks_sim::{Outcome, Sim, Snapshot, When};
use tokio::sync::Notify;

use super::{
    Flow, Trouble,
    flow::{Base, Came, is_overtaken, refusal, take_down},
    foreign,
    portrait::{Differences, Portrait},
};
use crate::{account::Account, environment::Failure};

/// How long a process may take, in simulated time: the slowest flow takes less than an hour.
const PATIENCE: Duration = Duration::from_secs(12 * 3600);
/// How many calls all processes of a case may make: the longest flow makes about a thousand.
const CALLS: u64 = 20_000;
/// How many processes may be needed after the first: one that does what is left, and one that finds nothing left to do; and two more for
/// those that only say that what they saw has changed since, as it may while the account still reacts to an earlier process.
const PROCESSES: u32 = 4;

/// Where a flow begins, and where it ends if nothing disturbs it.
#[derive(Clone, Debug)]
pub struct Stage {
    flow: Flow,
    base: Snapshot,
    /// The flow's calls: number in the log, service, action.
    calls: Vec<(u64, String, String)>,
    foreign: BTreeSet<String>,
    statement: Vec<String>,
    /// What an undisturbed run leaves.
    portrait: Portrait,
    /// The account when only others had settled in it.
    settled: Portrait,
}

/// What a case came to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Case {
    /// The flow.
    pub flow: Flow,
    /// What befell it.
    pub trouble: Trouble,
    /// At which of its calls, from 1.
    pub number: u64,
    /// Which call that is.
    pub call: String,
    /// Calls of all processes.
    pub calls: u64,
    /// Whether it came to the end of an undisturbed run.
    pub converged: bool,
    /// Whether the first process got there by itself.
    pub at_once: bool,
    /// Things that are there twice under one mark, and nobody tells.
    pub duplicates: usize,
    /// Things that are there twice, told by the next run, and removed by a teardown.
    pub reported: usize,
    /// Things that are left and should not be.
    pub leaks: usize,
    /// Things of others that are not as they were.
    pub touched: usize,
    /// Panics in it.
    pub panics: usize,
    /// What is wrong.
    pub problem: Option<String>,
}

impl Case {
    fn new(flow: Flow, trouble: Trouble, number: u64, call: String) -> Self {
        let (calls, converged, at_once, problem) = (0, false, false, None);
        let [duplicates, reported, leaks, touched, panics] = [0; 5];
        Self { flow, trouble, number, call, calls, converged, at_once, duplicates, reported, leaks, touched, panics, problem }
    }

    /// One that did not get as far as a judgement.
    pub(super) fn broken(flow: Flow, trouble: Trouble, number: u64, problem: String) -> Self {
        Self { problem: Some(problem), ..Self::new(flow, trouble, number, String::new()) }
    }

    /// The command that lives this case alone.
    pub fn command(&self, seed: u64) -> String {
        let (flow, fault, call) = (self.flow.option(), self.trouble.option(), self.number);
        format!("cargo run --example reliability -- --flow {flow} --fault {fault} --call {call} --seed {seed}")
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} at call {} ({})", self.flow.option(), self.trouble, self.number, self.call)?;
        self.problem.as_ref().map_or(Ok(()), |problem| write!(f, ": {problem}"))
    }
}

/// An account that is watched for processes that do not end.
struct Watched {
    sim: Sim,
    too_many: Arc<Notify>,
}

impl Watched {
    /// Opens a snapshot; `at` is told of when the call with that number in the log has ended.
    fn open(base: &Snapshot, at: Option<(u64, Arc<Notify>)>) -> Self {
        let (made, too_many) = (AtomicU64::new(0), Arc::new(Notify::new()));
        let tell = too_many.clone();
        let sim = base.open_telling(move |call| {
            let made = made.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some((_, reached)) = at.as_ref().filter(|(number, _)| *number == call.number) {
                reached.notify_one();
            }
            if made > CALLS {
                tell.notify_one();
            }
        });
        Self { sim, too_many }
    }

    async fn bounded<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.too_many.notified() => Err(format!("watchdog: more than {CALLS} calls").into()),
            ended = tokio::time::timeout(PATIENCE, work) => ended.map_err(|_| Failure::from("watchdog: more than twelve hours"))?,
        }
    }

    /// Processes, one after the other, until one finds nothing left to do.
    async fn converge(&self, flow: Flow) -> Result<(), Failure> {
        for _ in 0..PROCESSES {
            match self.bounded(flow.again(&Account::on(self.sim.clone()))).await {
                Ok(Came::ToTheEnd) => return Ok(()),
                Ok(Came::Further) => {}
                Err(failure) if is_overtaken(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(format!("{PROCESSES} processes later something is still left to do").into())
    }
}

impl Stage {
    /// Lives the flow undisturbed.
    ///
    /// # Errors
    /// If it fails.
    pub async fn set(flow: Flow, seed: u64) -> Result<Self, Failure> {
        let Base { snapshot: base, others: foreign, settled } = flow.base(seed).await?;
        // These calls are none of the flow's.
        let statement = foreign::statement(&base.open(), &foreign).await?;
        let watched = Watched::open(&base, None);
        let sim = &watched.sim;
        let began = sim.log().len();
        watched.bounded(flow.first(&Account::on(sim.clone()))).await?;
        // Numbers are drawn when calls begin, and calls are logged when they end: those under way at once end in another order, and one that
        // its client gave up leaves a gap.
        let mut calls: Vec<_> =
            sim.log().calls()[began..].iter().map(|call| (call.number, call.service.clone(), call.action.clone())).collect();
        calls.sort();
        watched.converge(flow).await?;
        tokio::time::sleep(foreign::SETTLED).await;
        let portrait = Portrait::of(sim, &foreign).await?;
        if flow.takes_down() && portrait != settled {
            return Err(format!("the account is not as it was before: {:#?}", portrait.against(&settled)).into());
        }
        Ok(Self { flow, base, calls, foreign, statement, portrait, settled })
    }

    /// How many calls the flow makes.
    pub fn calls(&self) -> u64 {
        self.calls.len() as u64
    }

    /// The case in which `trouble` befalls the flow's call with this number; `None` if that is no case: the account has nothing stale to
    /// tell there, or the flow makes fewer calls.
    pub async fn live(&self, trouble: Trouble, number: u64) -> Option<Case> {
        let (logged, service, action) = self.calls.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
        if !trouble.befalls(service, action) {
            return None;
        }
        let reached = Arc::new(Notify::new());
        let watched = Watched::open(&self.base, (trouble == Trouble::SecondRun).then(|| (*logged, reached.clone())));
        let sim = &watched.sim;
        let began = sim.log().len();
        let mut case = Case::new(self.flow, trouble, number, format!("{service} {action}"));
        case.at_once = match trouble.fault(service) {
            Some(fault) => {
                if trouble == Trouble::Stale {
                    sim.remember();
                }
                sim.inject(When::Call(*logged), fault);
                let first = watched.bounded(self.flow.first(&Account::on(sim.clone()))).await;
                if sim.faults_pending() > 0 {
                    case.problem = Some("the fault never happened".to_owned());
                    return Some(case);
                }
                let log = sim.log();
                let is_stale = || service == "kubernetes" || log.calls()[began..].iter().any(|call| call.outcome == Outcome::Stale);
                if trouble == Trouble::Stale && !is_stale() {
                    return None;
                }
                first.is_ok()
            }
            None => self.at_once(&watched, &reached).await,
        };
        sim.revive();
        let ended = watched.converge(self.flow).await;
        case.calls = (sim.log().len() - began) as u64;
        self.judge(&watched, ended, &mut case).await;
        Some(case)
    }

    /// Two processes at once, the second from when the call is reached; whether both got there by themselves.
    async fn at_once(&self, watched: &Watched, reached: &Notify) -> bool {
        let (one, other) = (Account::on(watched.sim.clone()), Account::on(watched.sim.clone()));
        let first = async {
            let first = watched.bounded(self.flow.first(&one)).await;
            // A run that is shorter than the undisturbed one lets the second begin all the same.
            reached.notify_one();
            first
        };
        let second = async {
            reached.notified().await;
            watched.bounded(self.flow.again(&other)).await
        };
        let (first, second) = tokio::join!(first, second);
        first.is_ok() && second.is_ok()
    }

    /// Compares the account with the one that an undisturbed run leaves.
    async fn judge(&self, watched: &Watched, ended: Result<(), Failure>, case: &mut Case) {
        let sim = &watched.sim;
        tokio::time::sleep(foreign::SETTLED).await;
        let looked = async {
            let statement = foreign::statement(sim, &self.foreign).await?;
            Ok::<_, Failure>((Portrait::of(sim, &self.foreign).await?, statement))
        };
        let (portrait, statement) = match looked.await {
            Ok(looked) => looked,
            Err(failure) => return case.problem = Some(format!("the account cannot be looked at: {failure}")),
        };
        let mut differences = portrait.against(&self.portrait);
        let mut others = changes(&self.statement, &statement);
        // Two that were made at once are no secret, if the next run refuses by their mark; a teardown removes them.
        let names = |told: &String| differences.duplicates.iter().filter_map(|twice| twice.split(' ').nth(1)).any(|key| told.contains(key));
        let told = ended.as_ref().err().and_then(refusal).filter(|told| case.trouble == Trouble::SecondRun && names(told));
        if let Some(told) = &told {
            case.reported = differences.duplicates.len();
            match self.torn_down(watched, case).await {
                Ok((left, statement)) => {
                    if !left.is_empty() {
                        case.problem = Some(format!("told ({told}), and after the teardown {left:#?}"));
                    }
                    others = changes(&self.statement, &statement);
                    differences = left;
                }
                Err(failure) => case.problem = Some(format!("told ({told}), and not torn down: {failure}")),
            }
        }
        case.touched = others.len();
        case.duplicates = differences.duplicates.len();
        case.leaks = differences.left.len();
        case.converged = (ended.is_ok() || told.is_some()) && differences.is_empty() && case.touched == 0 && case.problem.is_none();
        if !case.converged && case.problem.is_none() {
            let ended = ended.err().map(|failure| failure.to_string()).unwrap_or_default();
            case.problem = Some(format!("{ended}\n{differences:#?}\nof others: {others:#?}"));
        }
    }

    /// What is left after a teardown that should not be, and what AWS then tells of others.
    async fn torn_down(&self, watched: &Watched, case: &mut Case) -> Result<(Differences, Vec<String>), Failure> {
        let (sim, account) = (&watched.sim, Account::on(watched.sim.clone()));
        let began = sim.log().len();
        for _ in 0..PROCESSES {
            if watched.bounded(take_down(&account)).await? == Came::ToTheEnd {
                break;
            }
        }
        case.calls += (sim.log().len() - began) as u64;
        tokio::time::sleep(foreign::SETTLED).await;
        let left = Portrait::of(sim, &self.foreign).await?.against(&self.settled);
        Ok((left, foreign::statement(sim, &self.foreign).await?))
    }
}

/// What was told of others before and is no longer.
fn changes(before: &[String], after: &[String]) -> Vec<String> {
    before.iter().filter(|line| !after.contains(line)).cloned().collect()
}
