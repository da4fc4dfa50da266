//! The chapter as people see it: progress in every form, the page about it, and the pictures in the guide.

use std::{
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use eks_examples::{
    account::Account,
    environment::{Environment, Variant},
    seeing::Story,
};
use eks_sim::{Fault, Sim, When};
use eks_view::{Line, Look, Progress, RunStatus};

/// What was written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panicked").clone()).expect("UTF-8")
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panicked").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An account on the day on which the plan was accepted.
fn account() -> Account {
    Account::on(Sim::builder().starting_at(UNIX_EPOCH + Duration::from_secs(1_795_305_600)).build())
}

#[tokio::test(start_paused = true)]
async fn all_see_the_same_run() {
    let account = account();
    let environment = Environment::new(&Variant::default(), &account).expect("valid specs");
    let plan = environment.plan().await.expect("a plan");
    let mut story = Story::of(environment.picture());
    story.plans(&plan);
    let (plain, json) = (Paper::default(), Paper::default());
    let others = Progress::json_lines(json.clone());
    let progress = story.run("Apply", Progress::plain(plain.clone())).also(others.observer()).also(Progress::terminal().observer());
    let report = plan.apply(&environment.engine().observer(progress.observer())).await.expect("applied");
    story.calls(&account);

    let steps = plan.changes().count();
    let text = plain.text();
    let done = text.lines().filter(|line| line.contains(" ✓ ")).count();
    assert_eq!(done, steps, "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains("▸ done in ")), "{text}");
    assert!(text.contains("· cluster/control-plane CREATING"), "{text}");

    let lines: Vec<Line> = json.text().lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    let run = eks_view::Run::of(&lines);
    assert_eq!((run.steps.len(), run.count(RunStatus::Done), run.complete), (steps, steps, true));
    assert_eq!(run.length().as_secs(), report.took.as_secs());
    // What the run waited for is the plan's critical path, within what chance does to steps of a second.
    let path: Vec<_> = run.critical_path().into_iter().map(ToString::to_string).collect();
    for key in ["cluster/control-plane", "nodes/chap10-worker", "k8s/nodes/chap10-worker", "k8s/pod/default/nginx"] {
        assert!(path.iter().any(|own| own == key), "{key}: {path:?}");
    }

    let page = story.page("Environment chap10", None);
    // For whoever wants to look at it in a browser.
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("chapter.html"), &page).expect("writable");
    for step in plan.changes() {
        assert!(page.contains(&format!("<code>{}</code>", step.key)), "{}", step.key);
    }
    assert!(page.contains("216.21") && page.contains("data:image/svg+xml;base64,") && page.contains("<td>CreateVpc</td>"));
    assert!(page.len() < 250_000, "{} bytes", page.len());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_tells_what_to_do() {
    let account = account();
    let environment = Environment::new(&Variant::default(), &account).expect("valid specs");
    let plan = environment.plan().await.expect("a plan");
    let sim = account.sim().expect("simulated");
    let when = When::Action { service: "ec2".to_owned(), action: "CreateNatGateway".to_owned(), nth: 1 };
    let message = "The maximum number of NAT gateways has been reached.".to_owned();
    sim.inject(when, Fault::Refuse { status: 400, code: "NatGatewayLimitExceeded".to_owned(), message });
    let error = plan.apply(&environment.engine()).await.expect_err("a quota");
    let explained = eks_view::explain(&error);
    let trouble = &explained.troubles[0];
    assert_eq!(trouble.place, "net/nat/us-east-1a");
    assert!(trouble.what.starts_with("ec2:CreateNatGateway"), "{trouble:?}");
    assert!(trouble.why.starts_with("NatGatewayLimitExceeded"), "{trouble:?}");
    assert!(trouble.remedy.contains("Service Quotas"), "{trouble:?}");
    assert!(trouble.request_id.as_ref().is_some_and(|id| !id.is_empty()), "for AWS's support: {trouble:?}");
    assert!(explained.then.iter().any(|then| then.starts_with("not tried because net/nat/us-east-1a failed")), "{explained:?}");
}

/// The pictures in the guide are real output. `UPDATE_PICTURES=1 cargo test --test seeing` draws them anew.
#[tokio::test(start_paused = true)]
async fn the_pictures_show_what_is_shown() {
    let account = account();
    let environment = Environment::new(&Variant::default(), &account).expect("valid specs");
    let plan = environment.plan().await.expect("a plan");
    let look = Look::coloured().width(104);
    let text = eks_view::plan(&plan).look(look).to_string();
    same("plan.svg", &format!("$ cargo run --example chapter\n\n{}", without_most(&text, 8)));

    let report = plan.apply(&environment.engine()).await.expect("applied");
    let again = environment.plan().await.expect("observable");
    let teardown = environment.teardown().await.expect("observable");
    let ending = teardown.apply(&environment.engine()).await.expect("torn down");
    let (took, gone) = (eks_view::clock(report.took), eks_view::clock(ending.report.took));
    let result = format!(
        "{} steps in {took}\n\n{}\n\n{}\n{} removals in {gone}\n\n{}",
        report.steps.len(),
        eks_view::plan(&again).look(look),
        eks_view::teardown(&teardown).look(look).to_string().lines().take(2).collect::<Vec<_>>().join("\n"),
        ending.report.steps.len(),
        eks_view::verdict(&ending.verdict).look(look),
    );
    same("result.svg", &result);
}

/// Of the first layer, so many rows, and how many more there are; without what is to be reviewed.
fn without_most(text: &str, rows: usize) -> String {
    let mut sections: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
    sections.retain(|section| !section.contains("to review"));
    let net: Vec<&str> = sections[1].lines().collect();
    let more = net.len() - 1 - rows;
    sections[1] = format!("{}\n    … {more} more", net[..=rows].join("\n"));
    sections.join("\n\n")
}

/// The picture of a text is the one that is kept.
fn same(name: &str, text: &str) {
    let svg = anstyle_svg::Term::new().render_svg(text);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures").join(name);
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        std::fs::write(&file, &svg).expect("writable");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == svg, "{name} is another; UPDATE_PICTURES=1 draws it anew");
}
