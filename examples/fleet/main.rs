//! Many clusters from one process: each environment of the chapter under an owner of its own, all requests through one limiter, one table.
//!
//! `cargo run --example fleet` makes four on the embedded simulator, which refuses too many requests as AWS does, and tears them down;
//! `--count 1000 --at-once 100` is a longer day.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use eks_core::aws::Limiter;
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Layer, Variant},
    lives::{Life, live},
    program::{Place, say},
};
use eks_sim::Call;
use eks_view::clock;

/// Builds and tears down many environments of the chapter, all from one process.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    place: Place,
    /// How many environments.
    #[arg(long, default_value_t = 4)]
    count: usize,
    /// How many of them at a time.
    #[arg(long, default_value_t = 100)]
    at_once: usize,
    /// Which layers, from the network up.
    #[arg(long, value_enum, default_value = "k8s")]
    layers: Layer,
    /// Without the limiter, to see what AWS would say.
    #[arg(long)]
    unlimited: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    options.place.run_at(options.place.is_simulator(), async || fleet(&options).await)
}

async fn fleet(options: &Options) -> Result<(), Failure> {
    let (calls, throttled) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counted = (calls.clone(), throttled.clone());
    let on_call = move |call: &Call| {
        counted.0.fetch_add(1, Ordering::Relaxed);
        counted.1.fetch_add(u64::from(call.is_throttled()), Ordering::Relaxed);
    };
    let sim = options
        .place
        .simulator()
        .throttled(true)
        .log_at_least(1_000)
        .quotas_times(options.at_once.max(1))
        .standard_vcpus(u32::MAX)
        .on_call(on_call)
        .build();
    let account = if options.place.is_simulator() { Account::on(sim) } else { options.place.account().await? };
    let chapter = Variant::of(&account).await?;
    let variant = |number| Variant { owner: format!("team-{number:04}"), top: options.layers, ..chapter.clone() };
    let one = Environment::new(&variant(1), &account)?.plan().await?;
    let (takes, usd) = (clock(one.critical_path().0), one.usd_per_month());
    say(format_args!("{} environments, each {} steps, about {takes}, ${usd:.2} a month\n", options.count, one.changes().count()));
    options.place.confirm("fleet")?;
    let limiter = Limiter::new();
    let (began, on_the_wall) = (tokio::time::Instant::now(), Instant::now());
    let limiter = (!options.unlimited).then_some(&limiter);
    let lives = live(&account, limiter, (1..=options.count).map(variant).collect(), options.at_once).await?;

    say(format_args!("{:<12} {:>9} {:>9}  verdict", "owner", "applied", "removed"));
    for life in lives.iter().take(12) {
        say(format_args!("{:<12} {:>9} {:>9}  {}", life.owner, clock(life.applied), clock(life.torn_down), verdict(life)));
    }
    if lives.len() > 12 {
        say(format_args!("… and {} more", lives.len() - 12));
    }
    let times = |of: fn(&Life) -> Duration| {
        let mut times: Vec<_> = lives.iter().map(of).collect();
        times.sort();
        (times.first().copied().unwrap_or_default(), times.last().copied().unwrap_or_default())
    };
    let ((fastest, slowest), clean) = (times(|life| life.applied), lives.iter().filter(|life| life.clean).count());
    say("");
    say(format_args!("{clean} of {} clean; applied in {} to {}", lives.len(), clock(fastest), clock(slowest)));
    let calls = if options.place.is_simulator() { calls.load(Ordering::Relaxed) } else { account.calls() };
    let throttled = throttled.load(Ordering::Relaxed);
    say(format_args!("{} in all, {calls} calls, {throttled} of them throttled", clock(began.elapsed())));
    say(format_args!("{} s on this machine{}", on_the_wall.elapsed().as_secs(), memory()));
    for life in lives.iter().filter(|life| life.failure.is_some()).take(3) {
        say(format_args!("{}: {}", life.owner, life.failure.as_deref().unwrap_or_default()));
    }
    if clean == lives.len() { Ok(()) } else { Err("not every environment came and went".into()) }
}

fn verdict(life: &Life) -> &'static str {
    match (life.clean, &life.failure) {
        (true, _) => "clean",
        (false, Some(_)) => "failed",
        (false, None) => "leaked",
    }
}

/// The most memory that the process, with the simulated account in it, ever held; only Linux tells.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    peak.map_or_else(String::new, |kib| format!(", {} MiB at most, the simulated account included", kib / 1_024))
}
