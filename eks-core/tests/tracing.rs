//! What a run tells `tracing`: the tree of spans, their names and fields, and no secret.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use eks_core::{
    Action, Basis, Class, Error, Facts, Op, Operation, Outputs, Owner, Plan, Removal, Step, StepKey, Survivor,
    engine::{BoxFuture, Driver, Engine, Poll, StepContext, Wait},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// In an operation's body and an output: for nobody's log.
const SECRET: &str = "hunter2-hunter2";

#[derive(Clone, Debug, Serialize, Deserialize)]
enum TestOp {
    Make { password: String },
    Await(u64),
    Fail(u32),
    Refuse,
}

impl Operation for TestOp {
    const LAYER: &'static str = "t";
}

struct Layer;

fn refused(class: Class, code: &str) -> Error {
    Error::Call { call: "t:Make".into(), subject: "it".into(), class, code: Some(code.into()), request_id: None, source: "no".into() }
}

impl Layer {
    async fn work(&self, op: &Op, cx: &StepContext) -> Result<Outputs, Error> {
        match op.decode::<TestOp>().unwrap() {
            TestOp::Make { password } => {
                tracing::debug!(rpc.system = "aws-api", rpc.service = "T", rpc.method = "Make", "called");
                Ok(Outputs::from([("password".to_owned(), password)]))
            }
            TestOp::Await(seconds) => cx.wait(Wait::typical("ready", "it", Duration::from_secs(seconds))).await,
            TestOp::Fail(times) if cx.attempt() <= times => Err(refused(Class::Throttled, "Throttling")),
            TestOp::Fail(_) => Ok(Outputs::new()),
            TestOp::Refuse => Err(refused(Class::Denied, "AccessDenied")),
        }
    }
}

impl Driver for Layer {
    fn layer(&self) -> &'static str {
        "t"
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        op.decode::<TestOp>().map(drop).map_err(|error| Error::Plan { subject: "t".into(), reason: error.to_string() })
    }

    fn observe<'a>(&'a self, _: &'a Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async { Ok(Facts::new()) })
    }

    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(self.work(&step.op, cx))
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.work(&removal.op, cx).await.map(drop) })
    }

    fn poll<'a>(&'a self, _: &'a str, ids: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        tracing::debug!(rpc.system = "aws-api", rpc.service = "T", rpc.method = "Describe", "polled");
        Box::pin(async move { Ok(ids.iter().map(|id| (id.clone(), Poll::Ready(Outputs::new()))).collect()) })
    }

    fn survivors<'a>(&'a self, _: &'a Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// A span or event: its name, where it is, and its fields.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: String,
    parent: Option<u64>,
    fields: BTreeMap<String, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// Collects everything, at every level.
#[derive(Clone, Default)]
struct Collector {
    next: Arc<AtomicU64>,
    spans: Arc<Mutex<BTreeMap<u64, Seen>>>,
    events: Arc<Mutex<Vec<Seen>>>,
    entered: Arc<Mutex<Vec<u64>>>,
}

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let current = || self.entered.lock().unwrap().last().copied();
        let parent = span.parent().map(Id::into_u64).or_else(|| span.is_contextual().then(current).flatten());
        let mut seen = Seen { name: span.metadata().name().to_owned(), parent, ..Seen::default() };
        span.record(&mut seen);
        self.spans.lock().unwrap().insert(id, seen);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        if let Some(seen) = self.spans.lock().unwrap().get_mut(&span.into_u64()) {
            values.record(seen);
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let current = || self.entered.lock().unwrap().last().copied();
        let parent = event.parent().map(Id::into_u64).or_else(|| event.is_contextual().then(current).flatten());
        let mut seen = Seen { parent, ..Seen::default() };
        event.record(&mut seen);
        seen.name = seen.fields.get("message").cloned().unwrap_or_default();
        self.events.lock().unwrap().push(seen);
    }

    fn enter(&self, span: &Id) {
        self.entered.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let mut entered = self.entered.lock().unwrap();
        if let Some(at) = entered.iter().rposition(|id| *id == span.into_u64()) {
            entered.remove(at);
        }
    }
}

fn key(name: &str) -> StepKey {
    StepKey::new(["t", name]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_run_is_a_tree_of_spans_without_secrets() {
    let collector = Collector::default();
    let _subscribed = tracing::subscriber::set_default(collector.clone());
    let owner = Owner::new("shop").unwrap();
    let step = |name: &str, operation: TestOp| Step::new(key(name), Action::Create, name, &operation).unwrap();
    let plan = Plan::builder(&owner, "t")
        .basis(Basis::new(json!({ "region": "eu-west-1" }), Facts::new()))
        .step(step("make", TestOp::Make { password: SECRET.to_owned() }))
        .step(step("await", TestOp::Await(30)))
        .step(step("fail", TestOp::Fail(2)))
        .step(step("refuse", TestOp::Refuse))
        .step(step("after", TestOp::Await(1)).after(key("refuse")))
        .build()
        .unwrap();
    let report = plan.apply(&Engine::new().driver(Layer)).await.unwrap_err();
    assert!(report.report().is_some());

    let spans = collector.spans.lock().unwrap().clone();
    let (run, of_run) = spans.iter().find(|(_, span)| span.name == "eks_rs.run").unwrap();
    for (field, value) in [
        ("cloud.provider", "aws"),
        ("cloud.region", "eu-west-1"),
        ("eks_rs.owner", "shop"),
        ("eks_rs.run.kind", "apply"),
        ("eks_rs.run.steps", "5"),
        ("eks_rs.run.complete", "false"),
        ("otel.status_code", "ERROR"),
    ] {
        assert_eq!(of_run.fields.get(field).map(String::as_str), Some(value), "{field}");
    }
    let of = |name: &str| {
        let found = spans.iter().find(|(_, span)| span.fields.get("eks_rs.step.key").is_some_and(|key| *key == format!("t/{name}")));
        found.map(|(id, span)| (*id, span.clone()))
    };
    let wanted = [
        ("make", "Make", "1", "done", None),
        ("await", "Await", "1", "done", None),
        ("fail", "Fail", "3", "done", None),
        ("refuse", "Refuse", "1", "failed", Some("AccessDenied")),
    ];
    for (name, operation, attempts, outcome, error) in wanted {
        let (_, span) = of(name).unwrap();
        assert_eq!((span.name.as_str(), span.parent), ("eks_rs.step", Some(*run)), "{name}");
        let field = |name: &str| span.fields.get(name).map(String::as_str);
        assert_eq!(
            (field("eks_rs.step.operation"), field("eks_rs.step.attempts"), field("eks_rs.step.outcome"), field("error.type")),
            (Some(operation), Some(attempts), Some(outcome), error),
            "{name}"
        );
    }
    assert!(of("after").is_none(), "what is not tried has no span");

    let events = collector.events.lock().unwrap().clone();
    let called = events.iter().find(|event| event.name == "called").unwrap();
    assert_eq!(called.parent, of("make").map(|(id, _)| id), "what a driver calls is told within its step");
    let polled: Vec<_> = events.iter().filter(|event| event.name == "polled").collect();
    assert!(!polled.is_empty() && polled.iter().all(|event| event.parent == Some(*run)), "a poll is told within the run: {polled:?}");
    assert_eq!(events.iter().filter(|event| event.name == "trying again").count(), 2);
    assert_eq!(events.iter().filter(|event| event.name == "skipped").count(), 1);
    let everything = format!("{spans:?}{events:?}");
    assert!(!everything.contains(SECRET), "{everything}");
}
