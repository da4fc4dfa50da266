//! Answers that no service should give, in every operation of the chapter's life: each ends, in an error that says where, or does no harm; and
//! once answers are whole again, the next run makes what an undisturbed one would have made.
//!
//! Without `EVERY_CALL=1`, each answer is given to one operation; with it, to every one.

use std::{collections::BTreeSet, error::Error, panic::AssertUnwindSafe, time::Duration};

use eks_core::engine::ApplyError;
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    sweep::{foreign, portrait::Portrait},
};
use eks_sim::{Answer, Call, Fault, Sim, Snapshot, When};

/// Simulated: no run of the chapter takes a third of it, and waits for what never comes end before.
const END: Duration = Duration::from_secs(6 * 3600);
/// A run of the chapter makes some six hundred.
const CALLS: usize = 12_000;

/// Operations whose next page our clients ask for.
const PAGED: [&str; 4] = ["DescribeVpcs", "DescribeSubnets", "ListAccessEntries", "ListNodegroups"];

fn answers(every: bool) -> Vec<Answer> {
    vec![
        Answer::Truncated,
        Answer::Empty,
        Answer::Junk(if every { 10 << 20 } else { 1 << 20 }),
        Answer::Html(200),
        Answer::Html(502),
        Answer::Status(204),
        Answer::Status(302),
        Answer::Status(418),
        Answer::ContentType("text/plain".to_owned()),
        Answer::NotUtf8,
        Answer::Repeated(1),
        Answer::Repeated(if every { 100_000 } else { 1_000 }),
        Answer::UnknownStates,
        Answer::WithoutValues,
        Answer::Nulls,
        Answer::EndlessPages { new: false },
        Answer::EndlessPages { new: true },
    ]
}

/// What a flow does, from nothing but the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    Create,
    Teardown,
}

async fn run(sim: &Sim, flow: Flow) -> Result<(), Failure> {
    let environment = Environment::new(&Variant::default(), &Account::on(sim.clone()))?;
    match flow {
        Flow::Create => drop(environment.plan().await?.apply(&environment.engine()).await?),
        Flow::Teardown => {
            let ending = environment.teardown().await?.apply(&environment.engine()).await?;
            if !ending.verdict.is_clean() {
                return Err(format!("it leaks: {}", ending.verdict).into());
            }
        }
    }
    Ok(())
}

/// The error, its sources, and what each step of a run failed with.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    if let Some(ApplyError::Incomplete { report }) = error.downcast_ref() {
        report.failures().for_each(|(key, error)| text.push_str(&format!("\n{key}: {}", error.chain())));
    }
    error.source().map_or(text.clone(), |source| format!("{text}: {}", told(source)))
}

/// What the account looks like, of a copy that nobody misses.
async fn portrait(sim: &Sim) -> Portrait {
    let copy = sim.snapshot().open();
    tokio::time::sleep(foreign::SETTLED).await;
    Portrait::of(&copy, &BTreeSet::new()).await.expect("a portrait")
}

/// An undisturbed run: what it leaves, and how many calls it makes.
struct Whole {
    portrait: Portrait,
    calls: usize,
}

/// A Kubernetes path without the names in it, so that objects of a kind are one operation.
fn operation(call: &Call) -> (String, String) {
    let action = match call.action.split_once(' ') {
        Some((method, path)) => {
            let kind = ["/api/", "/apis/"].iter().any(|head| path.starts_with(head));
            let segments: Vec<_> = path.split('/').take(if kind && path.contains("/namespaces/") { 8 } else { 6 }).collect();
            format!("{method} {}", segments.join("/"))
        }
        None => call.action.clone(),
    };
    (call.service.clone(), action)
}

struct Figures {
    cases: usize,
    harmless: usize,
    refused: usize,
    most_calls: usize,
    longest: Duration,
}

/// One case: every answer of an operation is changed for a run, then none is.
#[expect(clippy::print_stdout, reason = "the cases, for whoever asks with --nocapture")]
async fn case(from: &Snapshot, flow: Flow, (service, action): &(String, String), answer: &Answer, whole: &Whole, figures: &mut Figures) {
    let site = format!("{flow:?}, {service} {action}, {answer:?}");
    let sim = from.open();
    let (calls, began) = (sim.log().len(), sim.clock().now());
    sim.inject(When::Every { service: service.clone(), action: action.clone() }, Fault::Answer(answer.clone()));
    let ended = futures::FutureExt::catch_unwind(AssertUnwindSafe(tokio::time::timeout(END, run(&sim, flow)))).await;
    let ended = ended.unwrap_or_else(|_| panic!("{site}: a panic")).unwrap_or_else(|_| panic!("{site}: no end within {END:?}"));
    let (calls, took) = (sim.log().len() - calls, sim.clock().now() - began);
    assert!(calls <= CALLS, "{site}: {calls} calls");
    let is_refused = ended.is_err();
    match ended {
        Ok(()) => figures.harmless += 1,
        Err(error) => {
            figures.refused += 1;
            let told = told(&*error);
            // An error tells an action of AWS as it is, and Kubernetes' kind in the singular.
            let said = told.to_lowercase();
            let common = ["apis", "namespaces", "default"];
            let words = action.split(['/', ' ']).filter(|word| word.len() > 3 && !common.contains(word));
            let mut stems = words.map(|word| word.trim_end_matches(['e', 's']).to_lowercase());
            let names = said.contains(service.as_str()) || stems.any(|stem| said.contains(&stem));
            assert!(names, "{site}: an error that does not say where: {told}");
        }
    }
    if matches!(answer, Answer::EndlessPages { .. }) && PAGED.contains(&action.as_str()) {
        assert!(is_refused || calls > whole.calls, "{site}: no page was asked for: {calls} calls, {} undisturbed", whole.calls);
    }
    println!("{site}: {calls} calls, {} s", took.as_secs());
    figures.cases += 1;
    figures.most_calls = figures.most_calls.max(calls);
    figures.longest = figures.longest.max(took);
    // The answers are whole again.
    sim.heal();
    let mut tries = 0;
    while let Err(error) = run(&sim, flow).await {
        tries += 1;
        assert!(tries < 4, "{site}: does not converge: {}", told(&*error));
        // What the broken run began goes on.
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    let differences = portrait(&sim).await.against(&whole.portrait);
    assert!(differences.is_empty(), "{site}: other things than an undisturbed run leaves: {differences:#?}");
}

#[tokio::test(start_paused = true)]
async fn every_operation_survives_answers_that_make_no_sense() {
    let every = std::env::var_os("EVERY_CALL").is_some();
    let empty = Sim::new();
    let from_nothing = empty.snapshot();
    run(&empty, Flow::Create).await.expect("undisturbed");
    let made = Whole { portrait: portrait(&empty).await, calls: empty.log().len() };
    let standing = empty.snapshot();
    let create: Vec<_> = empty.log().calls().iter().map(operation).collect();
    run(&empty, Flow::Teardown).await.expect("undisturbed");
    let teardown: Vec<_> = empty.log().calls()[create.len()..].iter().map(operation).collect();
    let gone = Whole { portrait: portrait(&empty).await, calls: teardown.len() };

    let answers = answers(every);
    for (flow, from, whole, operations) in [(Flow::Create, &from_nothing, &made, &create), (Flow::Teardown, &standing, &gone, &teardown)] {
        let operations: Vec<_> = operations.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let cases: Vec<_> = match every {
            true => operations.iter().flat_map(|operation| answers.iter().map(move |answer| (operation, answer))).collect(),
            // Each answer once in one of the flows, to operations that lie apart; pages have no end where there are pages.
            false => {
                let turn = usize::from(flow == Flow::Teardown);
                let mine = answers.iter().enumerate().filter(|(number, _)| number % 2 == turn);
                let place = |(number, answer): (usize, _)| {
                    let lists = |at: &usize| {
                        let (_, action) = &operations[*at];
                        !matches!(answer, &Answer::EndlessPages { .. }) || PAGED.contains(&action.as_str())
                    };
                    let from = number * 37 % operations.len();
                    (from..operations.len()).chain(0..from).find(lists).map(|at| (&operations[at], answer))
                };
                mine.filter_map(place).collect()
            }
        };
        let mut figures = Figures { cases: 0, harmless: 0, refused: 0, most_calls: 0, longest: Duration::ZERO };
        for (operation, answer) in cases {
            case(from, flow, operation, answer, whole, &mut figures).await;
        }
        println!(
            "{flow:?}: {} operations, {} answers, {} cases: {} ended in an error, {} did no harm; {} calls and {} s at most; all converged, 0 panics",
            operations.len(),
            answers.len(),
            figures.cases,
            figures.refused,
            figures.harmless,
            figures.most_calls,
            figures.longest.as_secs()
        );
    }
}
