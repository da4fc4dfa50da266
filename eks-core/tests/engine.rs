//! The runner, on a scripted layer and paused time.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use eks_core::{
    Action, After, Basis, Class, Error, Facts, Op, Operation, Outputs, Owner, Plan, PlanBuilder, PlanError, Ref, Removal, Step, StepKey,
    Survivor, Teardown, Verdict,
    engine::{ApplyError, BoxFuture, CancellationToken, Driver, Engine, Event, Poll, Status, StepContext, Wait},
    saved::SavedError,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

/// What a scripted step does.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum TestOp {
    /// Takes seconds.
    Take(u64),
    /// Takes no time, but gets ready only after seconds, seen by polling.
    Ready(u64),
    /// Fails so many times with this class, then works.
    Fail(u32, String),
    /// Tells what it was told.
    Copy(Ref<String>),
    /// Waits so many seconds, then fails with this class; always.
    Late(u64, String),
    /// Never gets ready.
    Broken,
    /// The same, and so many seconds later it is certain.
    Doubted(u64),
}

impl Operation for TestOp {
    const LAYER: &'static str = "t";
}

#[derive(Clone, Default)]
struct Script {
    facts: Facts,
    survivors: Vec<Survivor>,
    started: Arc<Mutex<BTreeMap<String, Instant>>>,
    polled: Arc<Mutex<Vec<Vec<String>>>>,
    in_flight: Arc<Mutex<(usize, usize)>>,
}

fn class(name: &str) -> Class {
    match name {
        "inconsistent" => Class::Inconsistent,
        "throttled" => Class::Throttled,
        "denied" => Class::Denied,
        "conflict" => Class::Conflict,
        other => panic!("no class {other}"),
    }
}

fn refused(name: &str) -> Error {
    Error::Call { call: "t:Make".into(), subject: "it".into(), class: class(name), code: None, request_id: None, source: "no".into() }
}

impl Script {
    async fn work(&self, op: &Op, cx: &StepContext) -> Result<Outputs, Error> {
        let key = cx.key().to_string();
        {
            let mut flight = self.in_flight.lock().unwrap();
            flight.0 += 1;
            flight.1 = flight.1.max(flight.0);
        }
        self.started.lock().unwrap().entry(key.clone()).or_insert_with(Instant::now);
        let result = match op.decode::<TestOp>().unwrap() {
            TestOp::Take(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(Outputs::from([("id".to_owned(), key)]))
            }
            TestOp::Ready(seconds) => {
                self.in_flight.lock().unwrap().0 -= 1;
                let waited = cx.wait(Wait::typical("thing", format!("{seconds}/{key}"), Duration::from_secs(seconds))).await;
                self.in_flight.lock().unwrap().0 += 1;
                waited
            }
            TestOp::Fail(times, name) if cx.attempt() <= times => Err(refused(&name)),
            TestOp::Fail(..) => Ok(Outputs::new()),
            TestOp::Copy(from) => Ok(Outputs::from([("id".to_owned(), cx.resolve(&from)?)])),
            TestOp::Late(seconds, name) => {
                let late = async {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    Ok(())
                };
                cx.aside("late", late).await?;
                Err(refused(&name))
            }
            TestOp::Broken => cx.wait(Wait::typical("thing", "broken", Duration::from_secs(10))).await,
            TestOp::Doubted(seconds) => {
                let (began, wait) =
                    (Instant::now(), Wait::typical("thing", format!("{}/{key}", seconds / 2 + 300), Duration::from_secs(600)));
                let doubt = || -> BoxFuture<'_, Option<Error>> {
                    Box::pin(async move { (began.elapsed().as_secs() >= seconds).then(|| refused("denied")) })
                };
                cx.unless(cx.wait(wait), Duration::from_secs(20), doubt).await
            }
        };
        self.in_flight.lock().unwrap().0 -= 1;
        result
    }
}

impl Driver for Script {
    fn layer(&self) -> &'static str {
        "t"
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        op.decode::<TestOp>().map(drop).map_err(|error| Error::Plan { subject: "t".into(), reason: error.to_string() })
    }

    fn observe<'a>(&'a self, _: &'a Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async { Ok(self.facts.clone()) })
    }

    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(self.work(&step.op, cx))
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { self.work(&removal.op, cx).await.map(drop) })
    }

    fn poll<'a>(&'a self, _: &'a str, ids: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        self.polled.lock().unwrap().push(ids.to_vec());
        let started = self.started.lock().unwrap().clone();
        Box::pin(async move {
            let state = |id: &String| {
                let Some((seconds, key)) = id.split_once('/') else {
                    return Poll::Failed { state: "FAILED".into(), reason: "no capacity".into() };
                };
                let ready = started[key].elapsed() >= Duration::from_secs(seconds.parse().unwrap());
                if ready {
                    Poll::Ready(Outputs::from([("id".to_owned(), key.to_owned())]))
                } else {
                    Poll::Pending { state: "PENDING".into() }
                }
            };
            Ok(ids.iter().map(|id| (id.clone(), state(id))).collect())
        })
    }

    fn survivors<'a>(&'a self, _: &'a Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async { Ok(self.survivors.clone()) })
    }
}

fn key(name: &str) -> StepKey {
    format!("t/{name}").parse().unwrap()
}

fn owner() -> Owner {
    Owner::new("o").unwrap()
}

fn plan(steps: &[(&str, TestOp, &[&str])]) -> Plan {
    let builder = Plan::builder(&owner(), "t").basis(Basis::new(json!({}), Facts::new()));
    steps
        .iter()
        .map(|(name, op, needs)| {
            let step = Step::new(key(name), Action::Create, *name, op).unwrap();
            needs.iter().fold(step, |step, need| step.after(key(need)))
        })
        .fold(builder, PlanBuilder::step)
        .build()
        .unwrap()
}

fn status(error: &ApplyError, name: &str) -> Status {
    error.report().unwrap().steps[&key(name)].status.clone()
}

#[tokio::test(start_paused = true)]
async fn steps_start_as_soon_as_their_own_needs_are_done() {
    let plan = plan(&[
        ("slow", TestOp::Take(100), &[]),
        ("fast", TestOp::Take(10), &[]),
        ("after-fast", TestOp::Take(50), &["fast"]),
        ("last", TestOp::Take(1), &["slow", "after-fast"]),
    ]);
    let report = plan.apply(&Engine::new().driver(Script::default())).await.unwrap();
    assert_eq!(report.took.as_secs(), 101, "the critical path and no more");
    assert_eq!(report.steps[&key("after-fast")].began.as_secs(), 10, "no barrier between levels");
}

/// Who doubts is asked every twenty seconds, ends what is doomed, and costs nothing otherwise.
#[tokio::test(start_paused = true)]
async fn a_wait_ends_as_soon_as_it_is_doomed() {
    let plan_of = |seconds| plan(&[("a", TestOp::Doubted(seconds), &[])]);
    let error = plan_of(50).apply(&Engine::new().driver(Script::default())).await.unwrap_err();
    let report = error.report().unwrap();
    assert_eq!((status(&error, "a"), report.took.as_secs()), (Status::Failed, 60), "at the third question");
    let report = plan_of(1000).apply(&Engine::new().driver(Script::default())).await.unwrap();
    assert!((800..=810).contains(&report.took.as_secs()), "{:?}", report.took);
}

#[tokio::test(start_paused = true)]
async fn the_limit_counts_calls_not_waits() {
    let script = Script::default();
    let steps: Vec<_> = (0..12).map(|n| format!("take-{n}")).collect();
    let mut all: Vec<(&str, TestOp, &[&str])> = steps.iter().map(|name| (name.as_str(), TestOp::Take(10), &[][..])).collect();
    all.insert(0, ("wait", TestOp::Ready(1000), &[]));
    let report = plan(&all).apply(&Engine::new().driver(script.clone()).concurrency(3)).await.unwrap();
    assert_eq!(script.in_flight.lock().unwrap().1, 3);
    assert!((1000..1015).contains(&report.took.as_secs()), "twelve steps of 10 s, three at once, beside one wait: {:?}", report.took);
}

#[tokio::test(start_paused = true)]
async fn several_ids_are_polled_in_one_call() {
    let script = Script::default();
    let plan = plan(&[("a", TestOp::Ready(110), &[]), ("b", TestOp::Ready(114), &[]), ("c", TestOp::Ready(120), &[])]);
    let report = plan.apply(&Engine::new().driver(script.clone())).await.unwrap();
    assert!(report.took.as_secs_f64() <= 120.0 * 1.03, "{:?}", report.took);
    let polled = script.polled.lock().unwrap();
    assert_eq!(report.polls, polled.len() as u64);
    assert!(polled.iter().any(|ids| ids.len() == 3));
    assert!(polled.len() < 40, "one call for all three each time, not one for each: {}", polled.len());
}

#[tokio::test(start_paused = true)]
async fn outputs_reach_the_steps_that_need_them() {
    let from = Ref::id_of(key("a"));
    let report = plan(&[("a", TestOp::Take(1), &[]), ("b", TestOp::Copy(from), &["a"])])
        .apply(&Engine::new().driver(Script::default()))
        .await
        .unwrap();
    assert_eq!(report.output("t/b", "id"), Some("t/a"));
}

#[tokio::test(start_paused = true)]
async fn what_time_heals_is_tried_again() {
    let plan = plan(&[("a", TestOp::Fail(4, "inconsistent".into()), &[]), ("b", TestOp::Fail(3, "throttled".into()), &[])]);
    let report = plan.apply(&Engine::new().driver(Script::default())).await.unwrap();
    assert_eq!((report.steps[&key("a")].attempts, report.steps[&key("b")].attempts), (5, 4));
    assert_eq!(report.steps[&key("a")].took.as_secs(), 8, "every two seconds");
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_what_needs_it_and_nothing_else() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let plan = plan(&[
        ("bad", TestOp::Fail(9, "denied".into()), &[]),
        ("child", TestOp::Take(1), &["bad"]),
        ("grandchild", TestOp::Take(1), &["child"]),
        ("broken", TestOp::Broken, &[]),
        ("other", TestOp::Take(60), &[]),
        ("after-other", TestOp::Take(60), &["other"]),
    ]);
    let engine = Engine::new().driver(Script::default()).observer(move |event: &Event| seen.lock().unwrap().push(event.clone()));
    let error = plan.apply(&engine).await.unwrap_err();
    assert_eq!(status(&error, "after-other"), Status::Done);
    assert_eq!(status(&error, "grandchild"), Status::Skipped { because: key("bad") });
    assert_eq!(
        error.to_string(),
        "2 of 6 steps are done, 2 were not tried; run again to continue\n  t/bad: t:Make for it failed: no\n  t/broken: broken entered FAILED: no capacity"
    );
    let skipped = |event: &Event| matches!(event, Event::StepSkipped { key: skipped, .. } if *skipped == key("grandchild"));
    assert!(events.lock().unwrap().iter().any(skipped));
}

#[tokio::test(start_paused = true)]
async fn cancellation_lets_calls_land_and_reports_what_is_done() {
    let token = CancellationToken::new();
    let plan = plan(&[
        ("done", TestOp::Take(5), &[]),
        ("in-flight", TestOp::Take(30), &[]),
        ("waiting", TestOp::Ready(1000), &[]),
        ("later", TestOp::Take(1), &["in-flight"]),
    ]);
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        cancel.cancel();
    });
    let error = plan.apply(&Engine::new().driver(Script::default()).cancelled_by(token)).await.unwrap_err();
    assert_eq!([status(&error, "done"), status(&error, "in-flight")], [Status::Done, Status::Done]);
    assert_eq!([status(&error, "waiting"), status(&error, "later")], [Status::Failed, Status::NotStarted]);
    assert!(error.to_string().contains("t/waiting: 1000/t/waiting: stopped waiting, cancelled"), "{error}");
    assert_eq!(error.report().unwrap().took.as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stops_a_run() {
    let plan = plan(&[("waiting", TestOp::Ready(1000), &[])]);
    let error = plan.apply(&Engine::new().driver(Script::default()).deadline(Duration::from_secs(60))).await.unwrap_err();
    assert_eq!(error.report().unwrap().took.as_secs(), 60);
    assert!(error.to_string().contains("the deadline passed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_no_longer_fits_is_refused_with_the_differences() {
    let saved = plan(&[("a", TestOp::Take(1), &[])]).to_json().unwrap();
    let mut script = Script::default();
    script.facts.note("t/a", "id", "vpc-1");
    let error = Plan::from_json(&saved).unwrap().apply(&Engine::new().driver(script.clone())).await.unwrap_err();
    assert_eq!(error.to_string(), "the plan no longer fits what exists; plan again\n  t/a: planned on nothing, found vpc-1");
    assert!(script.started.lock().unwrap().is_empty(), "nothing was done");
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_changed_by_hand_is_refused_before_the_first_call() {
    let saved = plan(&[("a", TestOp::Take(1), &[])]).to_json().unwrap();
    let error = Plan::from_json(&saved.replace("Take", "Format")).unwrap_err();
    assert!(matches!(error, PlanError::Saved(SavedError::Changed)), "{error}");
    // Whoever writes a digest of their own is refused by the layer, unless it is an operation after all.
    let mut forged: serde_json::Value = serde_json::from_str(&saved.replace("Take", "Format")).unwrap();
    forged.as_object_mut().unwrap().remove("digest");
    let forged = eks_core::saved::seal(forged, None).unwrap().to_string();
    let error = Plan::from_json(&forged).unwrap().apply(&Engine::new().driver(Script::default())).await.unwrap_err();
    assert!(matches!(error, ApplyError::Operation { .. }), "{error}");
    let nobody = plan(&[("a", TestOp::Take(1), &[])]).apply(&Engine::new()).await.unwrap_err();
    assert_eq!(nobody.to_string(), "the engine has no driver for layer t; add it with Engine::driver");
}

fn teardown(removals: &[(&str, TestOp, &[&str])]) -> Teardown {
    removals
        .iter()
        .map(|(name, op, after)| {
            let removal = Removal::new(key(name), *name, format!("id-{name}"), op).unwrap();
            after.iter().fold(removal, |removal, name| removal.after(After::Key(key(name))))
        })
        .fold(Teardown::builder(&owner(), "t", json!({})), eks_core::TeardownBuilder::removal)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_refuses_does_nothing() {
    let why = eks_core::Finding::warning("other/a".parse().unwrap(), "it is protected");
    let refuses = Teardown::builder(&owner(), "other", json!({})).refuses(why).build().unwrap();
    let joined = Teardown::join([teardown(&[("a", TestOp::Take(1), &[])]), refuses]).unwrap();
    assert!(joined.to_string().ends_with("!! nothing will be done: other/a: it is protected"), "{joined}");
    let saved = serde_json::to_string(&joined).unwrap();
    let script = Script::default();
    let refused = serde_json::from_str::<Teardown>(&saved).unwrap().apply(&Engine::new().driver(script.clone())).await.unwrap_err();
    assert_eq!(refused.to_string(), "nothing was torn down\n  other/a: it is protected");
    assert!(script.started.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_teardown_waits_for_what_lets_go_slowly_and_ends_clean() {
    let teardown = teardown(&[("subnet", TestOp::Fail(30, "conflict".into()), &["cluster"]), ("cluster", TestOp::Take(60), &[])]);
    let ending = teardown.apply(&Engine::new().driver(Script::default())).await.unwrap();
    assert_eq!(ending.verdict, Verdict::Clean);
    assert_eq!(ending.report.took.as_secs(), 60 + 30 * 5, "a dependency that vanishes late is tried every five seconds");
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_late_each_time_ends() {
    let ending =
        teardown(&[("stack", TestOp::Late(90, "conflict".into()), &[])]).apply(&Engine::new().driver(Script::default())).await.unwrap();
    assert!(ending.report.took <= Duration::from_secs(90 + 15 * 60 + 90), "{:?}", ending.report.took);
    assert_eq!(ending.report.steps[&key("stack")].status, Status::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_leak_says_why() {
    let survivor = Survivor::new("subnet", "id-subnet", "it is still there", "delete it", 1.5);
    let script = Script { survivors: vec![survivor], ..Script::default() };
    let ending = teardown(&[("subnet", TestOp::Fail(999, "denied".into()), &[])]).apply(&Engine::new().driver(script)).await.unwrap();
    assert_eq!(
        ending.verdict.to_string(),
        "verdict: leaked, 1 left, $1.50 a month\n  ! subnet id-subnet: t:Make for it failed: no; delete it ($1.50 a month)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panicking_observer_ends_the_wait_and_says_so() {
    let observer = |event: &Event| assert!(!matches!(event, Event::StepWaiting { .. }), "an observer's own bug");
    let error = plan(&[("waiting", TestOp::Ready(1000), &[])])
        .apply(&Engine::new().driver(Script::default()).observer(observer))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nobody polls it any more"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_is_cancelled_between_two_attempts_is_incomplete() {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(12)).await;
        cancel.cancel();
    });
    let teardown = teardown(&[("subnet", TestOp::Fail(999, "conflict".into()), &[])]);
    let error = teardown.apply(&Engine::new().driver(Script::default()).cancelled_by(token)).await.unwrap_err();
    assert!(matches!(error, ApplyError::Incomplete { .. }), "{error}");
}

#[test]
fn a_run_can_be_spawned() {
    fn sendable<T: Send>(_: T) {}
    let (plan, engine) = (plan(&[]), Engine::new());
    sendable(plan.apply(&engine));
    sendable(teardown(&[]).apply(&engine));
}
