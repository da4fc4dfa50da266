//! What planning costs by the number of steps: ordering, the critical path, saving and reading.

use eks_benches::{plan, steps};
use eks_core::Plan;

fn main() {
    divan::main();
}

const SIZES: [usize; 3] = [10, 1_000, 10_000];

#[divan::bench(args = SIZES)]
fn build_and_order(bencher: divan::Bencher, count: usize) {
    bencher.with_inputs(|| steps(count)).bench_values(plan);
}

#[divan::bench(args = SIZES)]
fn critical_path(bencher: divan::Bencher, count: usize) {
    let plan = plan(steps(count));
    bencher.bench(|| plan.critical_path().0);
}

#[divan::bench(args = SIZES)]
fn save_and_read(bencher: divan::Bencher, count: usize) {
    let plan = plan(steps(count));
    bencher.bench(|| Plan::from_json(&plan.to_json().expect("JSON")).expect("the same plan"));
}
