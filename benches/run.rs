//! What the runner itself costs: steps that do nothing.

use eks_benches::{Idle, plan, steps};
use eks_core::engine::Engine;

fn main() {
    divan::main();
}

#[divan::bench(args = [10, 1_000, 10_000])]
fn apply(bencher: divan::Bencher, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (plan, engine) = (plan(steps(count)), Engine::new().driver(Idle));
    bencher.counter(divan::counter::ItemsCount::new(count)).bench(|| runtime.block_on(plan.apply(&engine)).expect("nothing can fail"));
}
