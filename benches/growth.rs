//! Times every hot path at its sizes: a line for each, `name size nanoseconds` of CPU for all of it. For `cargo run --example performance`.

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use eks_benches::{
    Idle,
    cases::{CASES, Run},
    plan, steps,
};
use eks_core::engine::Engine;

/// What this thread has used of a processor, so that what else runs on the machine counts little; the clock where the system does not tell
/// (Linux, "Scheduler Statistics", `/proc/<pid>/schedstat`: nanoseconds on a processor).
fn used(since: Instant) -> Duration {
    let told = fs::read_to_string("/proc/self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// The mean of as many runs as a fifth of a second has room for; the system counts in steps of some milliseconds.
fn mean(mut run: Run) -> Duration {
    run();
    let (since, mut runs) = (Instant::now(), 0_u32);
    let before = used(since);
    loop {
        // Looking costs as much as a short run.
        let batch = (runs / 4).max(1);
        for _ in 0..batch {
            run();
        }
        runs += batch;
        let spent = used(since).saturating_sub(before);
        if spent >= Duration::from_millis(200) {
            return spent / runs;
        }
    }
}

/// The runner over steps that do nothing.
fn apply(count: usize) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (plan, engine) = (plan(steps(count)), Engine::new().driver(Idle));
    Box::new(move || drop(black_box(runtime.block_on(plan.apply(&engine)).expect("nothing can fail"))))
}

#[expect(clippy::print_stdout, reason = "a program for another one")]
fn main() {
    for count in [10, 1_000, 10_000] {
        println!("run/apply {count} {}", mean(apply(count)).as_nanos());
    }
    for case in CASES {
        let mut sizes = case.sizes.to_vec();
        sizes.dedup();
        for size in sizes {
            println!("{} {size} {}", case.name, mean((case.prepare)(size)).as_nanos());
        }
    }
}
