//! A sample of the sweep: each flow, each fault, calls all along. `cargo run --example reliability -- --full` is the whole of it.

use clap::ValueEnum;
use eks_examples::sweep::{
    Flow, Settings, Trouble,
    run::{Calls, sweep},
};

const SEED: u64 = 1;

#[test]
fn wherever_a_run_is_disturbed_the_next_one_comes_to_the_same_end() {
    let settings = Settings {
        flows: Flow::value_variants().to_vec(),
        troubles: Trouble::value_variants().to_vec(),
        calls: Calls::Some(3),
        jobs: 2,
        seed: SEED,
    };
    let table = sweep(&settings, |_| ()).expect("undisturbed, every flow gets through");
    let failed: Vec<String> = table.failures().iter().map(|case| format!("{case}\n  {}", case.command(SEED))).collect();
    assert!(failed.is_empty(), "{table}\n{}", failed.join("\n"));
    let total = table.total();
    assert_eq!((total.duplicates, total.leaks, total.touched, total.panics), (0, 0, 0, 0), "{table}");
    // Only a stale answer may have nothing to befall.
    for ((flow, trouble), row) in table.rows() {
        assert!(row.cases == 3 || *trouble == Trouble::Stale, "{flow}, {trouble}: {row:?}");
        assert_eq!(row.converged, row.cases, "{flow}, {trouble}");
    }
    assert_eq!(table.rows().len(), Flow::value_variants().len() * Trouble::value_variants().len() - 1, "{table}");
}
