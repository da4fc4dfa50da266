//! A sample of the sweep: each flow, each fault, calls all along. `cargo run --example reliability -- --full` is the whole of it.

use std::sync::Mutex;

use clap::ValueEnum;
use eks_examples::sweep::{
    Case, Flow, Settings, Trouble,
    run::{Calls, sweep},
};

const SEED: u64 = 1;

#[test]
fn wherever_a_run_is_disturbed_the_next_one_comes_to_the_same_end() {
    let settings = Settings {
        flows: Flow::value_variants().to_vec(),
        troubles: Trouble::value_variants().to_vec(),
        calls: Calls::Some(1),
        jobs: 2,
        seed: SEED,
    };
    let disturbed = Mutex::new(Vec::new());
    let keep = |case: &Case| disturbed.lock().expect("nobody panics").push(case.call.clone());
    let table = sweep(&settings, keep).expect("undisturbed, every flow gets through");
    let failed: Vec<String> = table.failures().iter().map(|case| format!("{case}\n  {}", case.command(SEED))).collect();
    assert!(failed.is_empty(), "{table}\n{}", failed.join("\n"));
    let total = table.total();
    assert_eq!((total.converged, total.duplicates, total.leaks), (total.cases, 0, 0), "{table}");
    assert_eq!((total.touched, total.panics), (0, 0), "{table}");
    for flow in Flow::value_variants() {
        // Nothing may be stale at a call; and who abandons a creation does not begin it twice.
        let may_lack = |trouble: Trouble| trouble == Trouble::Stale || (*flow, trouble) == (Flow::Abandon, Trouble::SecondRun);
        for trouble in Trouble::value_variants().iter().filter(|trouble| !may_lack(**trouble)) {
            assert_eq!(table.rows().get(&(*flow, *trouble)).map(|row| row.cases), Some(1), "{flow}, {trouble}: {table}");
        }
    }
    assert!(table.rows().keys().any(|(_, trouble)| *trouble == Trouble::Stale), "{table}");
    let disturbed = disturbed.into_inner().expect("nobody panics");
    let writes = |call: &String| {
        !["Describe", "Get", "List", "GET"].iter().any(|verb| call.split(' ').nth(1).is_some_and(|word| word.starts_with(verb)))
    };
    assert!(disturbed.iter().any(writes), "only reads are disturbed: {disturbed:?}");
}
