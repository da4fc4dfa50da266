//! A flow under its own policy, and under that policy without each of its statements.

use std::error::Error;

use eks_core::{Policy, PolicyScope, engine::ApplyError};
use eks_sim::Sim;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;
pub(crate) type Done = Result<(), Failure>;

/// The simulator's account and Region.
pub(crate) fn scope() -> PolicyScope {
    PolicyScope::of_region("us-east-1", "123456789012").expect("a fine scope")
}

/// Reads are needed together; what only reads may be there for a second attempt or a fallback.
fn is_read(action: &str) -> bool {
    action.split(':').nth(1).is_some_and(|name| ["Describe", "List", "Get"].iter().any(|verb| name.starts_with(verb)))
}

/// The error, its sources, and what each step of a run failed with.
pub(crate) fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    if let Some(ApplyError::Incomplete { report }) = error.downcast_ref() {
        for (key, error) in report.failures() {
            text.push_str(&format!("\n{key}: {}", error.chain()));
        }
    }
    match error.source() {
        Some(source) => format!("{text}\n{}", self::text(source)),
        None => text,
    }
}

/// Stages an account with every permission, renders the policy of what is to be done there, and does it: under the policy, which must do;
/// and in an account of its own for each statement, without that statement, which must fail and name an action of it.
///
/// The figures are for whoever asks with `--nocapture`. `without_use` are actions other than reads that only a repair or a retry calls.
pub(crate) async fn least(
    name: &str,
    stage: impl AsyncFn(&Sim) -> Done,
    policy: impl AsyncFn(&Sim) -> Result<Policy, Failure>,
    run: impl AsyncFn(&Sim) -> Done,
    without_use: &[&str],
) {
    let whole = passes(name, &stage, &policy, &run, without_use).await;
    for statement in whole.statements() {
        let (sim, again) = prepare(name, &stage, &policy).await;
        assert_eq!(again, whole, "{name}: the same account, the same policy");
        sim.enforce(whole.without(&statement.sid).documents().expect("less is less")).expect("less is less");
        let told = match run(&sim).await {
            Ok(()) => panic!("{name} passes without {statement:#?}"),
            Err(error) => text(&*error),
        };
        let named = statement.actions.iter().any(|action| told.contains(action.as_str()));
        assert!(named, "{name} without {}: the error names none of {:?}: {told}", statement.sid, statement.actions);
    }
}

/// As [`least`] if `EVERY_STATEMENT` is set; else without a run for each statement.
pub(crate) async fn least_if_asked(
    name: &str,
    stage: impl AsyncFn(&Sim) -> Done,
    policy: impl AsyncFn(&Sim) -> Result<Policy, Failure>,
    run: impl AsyncFn(&Sim) -> Done,
    without_use: &[&str],
) {
    if std::env::var_os("EVERY_STATEMENT").is_some() {
        least(name, stage, policy, run, without_use).await;
    } else {
        passes(name, &stage, &policy, &run, without_use).await;
    }
}

async fn prepare(name: &str, stage: &impl AsyncFn(&Sim) -> Done, policy: &impl AsyncFn(&Sim) -> Result<Policy, Failure>) -> (Sim, Policy) {
    let sim = Sim::new();
    stage(&sim).await.unwrap_or_else(|error| panic!("{name}: not staged: {}", text(&*error)));
    let policy = policy(&sim).await.unwrap_or_else(|error| panic!("{name}: no policy: {}", text(&*error)));
    (sim, policy)
}

/// The flow passes under its policy, which allows nothing but reads that it does not use.
#[expect(clippy::print_stdout, reason = "the figures")]
pub(crate) async fn passes(
    name: &str,
    stage: &impl AsyncFn(&Sim) -> Done,
    policy: &impl AsyncFn(&Sim) -> Result<Policy, Failure>,
    run: &impl AsyncFn(&Sim) -> Done,
    without_use: &[&str],
) -> Policy {
    let (sim, whole) = prepare(name, stage, policy).await;
    let documents = whole.documents().expect("a policy that IAM takes");
    sim.enforce(&documents).expect("documents that IAM takes");
    let passed = run(&sim).await;
    let asked = sim.trust();
    let denied: Vec<_> = asked.iter().filter(|one| !one.allowed).collect();
    if let Err(error) = passed {
        panic!("{name} fails under its own policy: {}\ndenied: {denied:#?}\n{whole}", text(&*error));
    }
    assert!(denied.is_empty(), "{name} passes, and was denied {denied:?}");
    let used = |action: &str| is_read(action) || without_use.contains(&action) || asked.iter().any(|one| one.action == action);
    let idle: Vec<_> = whole.actions().into_iter().filter(|action| !used(action)).collect();
    assert!(idle.is_empty(), "{name}: allowed and not needed: {idle:?}");
    let (statements, actions) = (whole.statements().len(), whole.actions().len());
    println!("{name}: {statements} statements, {actions} actions, {} characters, {} documents", whole.characters(), documents.len());
    whole
}
