//! Proves on the simulator that nothing is lost and nothing leaks: every call of every flow goes wrong in every way, or is a process's last,
//! and running again from nothing but the account comes to the same end.
//!
//! `cargo run --example reliability` takes a sample; `--full` takes every call; a case that fails prints the command that runs it alone.
//!
//! It ends with 0 if every case converged, and with 1 otherwise.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use clap::{Parser, ValueEnum};
use eks_examples::{
    environment::Failure,
    sweep::{
        Case, Flow, Settings, Trouble, page,
        run::{Calls, sweep},
    },
};

/// Makes every call of every flow go wrong in every way, and counts what comes out.
#[derive(Debug, Parser)]
struct Options {
    /// Every call of each flow, instead of a sample.
    #[arg(long, conflicts_with_all = ["sample", "call"])]
    full: bool,
    /// How many calls of each flow, for each fault.
    #[arg(long, default_value_t = 12)]
    sample: u64,
    /// The one call with this number.
    #[arg(long, conflicts_with = "sample")]
    call: Option<u64>,
    /// Only these flows.
    #[arg(long, value_enum, value_delimiter = ',')]
    flow: Vec<Flow>,
    /// Only these faults.
    #[arg(long, value_enum, value_delimiter = ',')]
    fault: Vec<Trouble>,
    /// Cases at once; as many as there are processors, if not told.
    #[arg(long)]
    jobs: Option<usize>,
    /// Seeds the simulator's times and ids.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes docs/reliability.md, which tells of every flow and fault.
    #[arg(long, conflicts_with_all = ["flow", "fault", "call"])]
    markdown: bool,
    /// Tells of every case, not only of those that fail.
    #[arg(long, short)]
    verbose: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool, Failure> {
    let settings = Settings {
        flows: chosen(&options.flow),
        troubles: chosen(&options.fault),
        calls: match options.call {
            Some(number) => Calls::One(number),
            None if options.full => Calls::All,
            None => Calls::Some(options.sample),
        },
        jobs: options.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)),
        seed: options.seed,
    };
    let (began, lived, terminal) = (Instant::now(), AtomicUsize::new(0), std::io::stderr().is_terminal());
    let table = sweep(&settings, |case| {
        let count = lived.fetch_add(1, Ordering::Relaxed) + 1;
        tell(case, options, count, terminal);
    })?;
    let mut out = std::io::stdout();
    writeln!(out, "{table}")?;
    let total = table.total();
    writeln!(out, "{} of {} cases converged, in {} s", total.converged, total.cases, began.elapsed().as_secs())?;
    if options.markdown {
        page::write(&settings, &table)?;
        writeln!(out, "docs/reliability.md is written")?;
    }
    if total.cases == 0 {
        return Err("no such case: the flow makes fewer calls, or the account has nothing stale to tell there".into());
    }
    Ok(total.converged == total.cases && total.duplicates + total.leaks + total.touched + total.panics == 0)
}

/// All, unless some are named.
fn chosen<T: ValueEnum>(named: &[T]) -> Vec<T> {
    if named.is_empty() { T::value_variants().to_vec() } else { named.to_vec() }
}

fn tell(case: &Case, options: &Options, count: usize, terminal: bool) {
    let mut err = std::io::stderr();
    // Nobody may be listening.
    let line = if terminal { "\r\x1b[K" } else { "" };
    let _ = if !case.converged {
        writeln!(err, "{line}FAILED {case}\n  seed {}: {}", options.seed, case.command(options.seed))
    } else if options.verbose {
        writeln!(err, "{line}{case}: {} calls{}", case.calls, if case.reported > 0 { ", twice, and told" } else { "" })
    } else if terminal {
        write!(err, "{line}{count} cases, {case}")
    } else {
        Ok(())
    };
}
