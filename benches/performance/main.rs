//! Measures everything and writes `docs/performance.md`: `cargo run -p eks-benches --features performance --example performance`.
//!
//! Simulated times, calls and counts come from the simulator, and are the same on every machine; what is timed by the clock is compiled as
//! for a release, but where it says otherwise. `-- --builds` also measures builds anew, which takes some minutes;
//! `-- --quick` leaves out what compiles more than this.

mod cost;
mod life;
mod peers;

use std::{
    fmt::{self, Write as _},
    fs,
    path::Path,
    time::Duration,
};

use eks_benches::cases::CASES;
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    progress::clock,
};

use crate::{
    cost::{Builds, Growth, SETS},
    life::{Life, Upgrade},
    peers::{CREATE, Peer, TEARDOWN, Times, UPGRADE, replay},
};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;

const HEAD: &str = "# Performance

Written by `cargo run -p eks-benches --features performance --example performance`; no figure is set by hand. Simulated times and counts are
the same on every machine. What a clock measured is **noisy**: it tells ratios and how cost grows, not more.
";

fn main() -> Result<(), Failure> {
    let machine = cost::machine()?;
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let quick = asked("--quick");
    let builds = if asked("--builds") { Builds::measure(&machine)? } else { Builds::read()? };
    let mut page = String::from(HEAD);
    simulated(&mut page)?;
    growth(&mut page, &machine, &cost::growth()?)?;
    if quick {
        writeln!(
            page,
            "\nAllocating blocks beside `ipnet` and Python, and draining, are left out of this page, which was written with `--quick`."
        )?;
    } else {
        writeln!(page, "\n## Allocating blocks\n\nBeside a scan with `ipnet`, and Python's libraries; by the clock.\n")?;
        writeln!(page, "```text\n{}\n```", cost::bench("cidr", &["--", "--python"])?.trim())?;
        writeln!(page, "\n## Draining\n\nAgainst a canned API server, unoptimised, as tests are compiled.\n")?;
        writeln!(page, "```text\n{}\n```", cost::drain()?.trim())?;
    }
    compiling(&mut page, &builds)?;
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md"), page)?;
    Ok(())
}

fn mean<T>(all: &[T], of: impl Fn(&T) -> Duration) -> Duration {
    all.iter().map(of).sum::<Duration>() / u32::try_from(all.len()).unwrap_or(1)
}

fn over(took: Duration, floor: Duration) -> String {
    format!("{:+.1} %", (took.as_secs_f64() / floor.as_secs_f64() - 1.0) * 100.0)
}

/// What happens on the simulator, and what other tools would have made of the same services.
fn simulated(page: &mut String) -> Result<(), Failure> {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let lives = SEEDS.map(|seed| runtime()?.block_on(life::live(seed))).collect::<Result<Vec<Life>, _>>()?;
    let upgrades = SEEDS.map(|seed| runtime()?.block_on(life::upgrade(seed))).collect::<Result<Vec<Upgrade>, _>>()?;
    let first = &lives[0];
    writeln!(page, "\n## The chapter on the simulator\n")?;
    writeln!(
        page,
        "Network, control plane, add-ons, two workers, storage, load balancers: {} steps. Simulated time, mean of seeds {} to {}; the floor is \
         the longest chain of the services' own times, which no client can beat.\n",
        first.resources,
        SEEDS.start(),
        SEEDS.end()
    )?;
    writeln!(page, "| | takes | floor | over it | calls |\n|---|---:|---:|---:|---:|")?;
    let mut row = |what: &str, took: Duration, floor: Duration, calls: u64| {
        writeln!(page, "| {what} | {} | {} | {} | {calls} |", clock(took), clock(floor), over(took, floor))
    };
    row("create", mean(&lives, |life| life.create), mean(&lives, |life| life.create_floor), first.create_calls)?;
    let took = mean(&upgrades, |upgrade| upgrade.plane + upgrade.workers);
    row("upgrade by a minor version, workers replaced", took, mean(&upgrades, |upgrade| upgrade.floor), upgrades[0].calls)?;
    row("teardown", mean(&lives, |life| life.teardown), mean(&lives, |life| life.teardown_floor), first.teardown_calls)?;
    writeln!(
        page,
        "\nThe floor of the teardown is that of workers, control plane and its network interfaces, one after the other. To plan again, where \
         there is nothing to do, takes {} calls. Calls are those of the first seed, polls included.\n\n\
         Terraform publishes no count of calls, and no server that it and we can both use makes this environment (moto has no add-ons and no \
         access entries), so there is no row for its calls.",
        first.again_calls
    )?;
    writeln!(
        page,
        "\n### Beside other tools: modelled\n\nNobody ran them here. Their published order of operations and their polling, read in their code \
         (`benches/performance/peers.rs` names the files), are replayed over the very service times of the runs above. What is in doubt is \
         decided for them: latency of calls, CloudFormation's lag, and its two minutes for an instance profile are left out, for us they are \
         in. Median, and tenth to ninetieth of a hundred draws a seed.\n"
    )?;
    let mut times: Vec<Times> = lives.iter().map(|life| life.times).collect();
    for (times, upgrade) in times.iter_mut().zip(&upgrades) {
        times.version = upgrade.service;
    }
    let create = "Create, until nodes are Ready and CoreDNS is healthy (later objects are the same work for all)";
    beside(page, create, mean(&lives, |life| life.ready), &CREATE, &times)?;
    let upgrade = "Upgrade of the control plane alone: what happens to nodes then is left to the user, or no drain";
    beside(page, upgrade, mean(&upgrades, |upgrade| upgrade.version), &UPGRADE, &times)?;
    let teardown = "Teardown: ours with load balancers, volumes and a verdict, theirs of workers and control plane alone. How CDK and CAPA order \
                    it was not read";
    beside(page, teardown, mean(&lives, |life| life.teardown), &TEARDOWN, &times)?;
    let (calls, wall) = (lives.iter().map(|life| life.calls).sum::<u64>(), lives.iter().map(|life| life.wall).sum::<Duration>());
    writeln!(
        page,
        "\n### The simulator itself\n\n{:.0} calls a second, unoptimised as tests are compiled, with the AWS SDK's work and ours in it, on one \
         core; a whole life takes {:.1} s. Noisy.",
        cost::rate(calls, wall),
        wall.as_secs_f64() / lives.len() as f64
    )?;
    let account = Account::simulated();
    let plan = runtime()?.block_on(async { Environment::new(&Variant::default(), &account)?.plan().await })?;
    writeln!(
        page,
        "\n### Memory\n\nA plan of the chapter, whole: {} KiB, so that of 1,000 environments {} MiB (mean of a thousand, held at once). What \
         running them at once takes, with the simulated account in it: `cargo run --example fleet -- --count 1000` tells.",
        cost::plan_memory(&plan)?,
        cost::plan_memory(&plan)? * 1_000 / 1_024
    )?;
    Ok(())
}

fn beside(page: &mut String, title: &str, ours: Duration, peers: &[Peer], times: &[Times]) -> fmt::Result {
    writeln!(page, "\n{title}:\n\n| | takes | of ours |\n|---|---:|---:|\n| eks-rs, simulated | {} | 1.00 × |", clock(ours))?;
    for (name, peer) in peers {
        let [low, middle, high] = replay(*peer, times);
        let ratio = middle.as_secs_f64() / ours.as_secs_f64();
        writeln!(page, "| {name}, modelled | {} ({} to {}) | {ratio:.2} × |", clock(middle), clock(low), clock(high))?;
    }
    Ok(())
}

/// Hot paths by size.
fn growth(page: &mut String, machine: &str, growth: &Growth) -> fmt::Result {
    writeln!(
        page,
        "\n## How cost grows\n\nNanoseconds for one of each size; the last column is the growth of one's cost from the middle size to the \
        largest: 1 is linear, n log n would be 1.3. By the clock of {machine}; noisy.\n"
    )?;
    writeln!(page, "| | of | small | middle | large | growth |\n|---|---|---:|---:|---:|---:|")?;
    let runner = ("run/apply", "step", "the runner, over steps that do nothing");
    let all = std::iter::once(runner).chain(CASES.iter().map(|case| (case.name, case.unit, case.what)));
    #[expect(clippy::cast_precision_loss, reason = "sizes")]
    for (name, unit, what) in all {
        let each: Vec<(usize, f64)> = growth.get(name).into_iter().flatten().map(|(size, all)| (*size, all / *size as f64)).collect();
        match each.as_slice() {
            [small, middle, large] => {
                let told = |one: &(usize, f64)| format!("{:.0} ({})", one.1, one.0);
                writeln!(page, "| {what} | {unit} | {} | {} | {} | {:.2} |", told(small), told(middle), told(large), large.1 / middle.1)?;
            }
            [one] => writeln!(page, "| {what} | {unit} | {:.0} | | | |", one.1)?,
            _ => {}
        }
    }
    let second = growth.get("token/sign").and_then(|sizes| sizes.get(&1)).map(|nanoseconds| 1e9 / nanoseconds);
    writeln!(page, "\nTokens for the Kubernetes API: {:.0} a second on one core, each signed.", second.unwrap_or_default())
}

/// Crates of each feature set, and what building them takes.
fn compiling(page: &mut String, builds: &Builds) -> Result<(), Failure> {
    writeln!(page, "\n## Compiling\n\nCrates that each feature set compiles, itself included.")?;
    if builds.cpu.is_empty() {
        writeln!(page, "How long that takes was not measured; `-- --builds` does.")?;
    } else {
        writeln!(
            page,
            "Seconds of CPU are those of a build from nothing, unoptimised, on {}; the AWS SDK's are minutes, and left out.",
            builds.machine
        )?;
    }
    writeln!(page, "\n| crate | features | crates | CPU |\n|---|---|---:|---:|")?;
    for (package, features, _) in SETS {
        let cpu = builds.cpu.get(&format!("{package} [{features}]")).map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.0} s"));
        let told = if features.is_empty() { "none".to_owned() } else { format!("`{}`", features.replace(',', "`, `")) };
        writeln!(page, "| `{package}` | {told} | {} | {cpu} |", cost::crates(package, features)?)?;
    }
    Ok(())
}
