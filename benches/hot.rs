//! Does one hot path once, for `.ci/instructions`: `hot plan/build 1000`. Without arguments: the names, each with the guard's size.

use std::process::ExitCode;

use eks_benches::cases::{CASES, Run, case};

/// Large enough to show how cost grows; callgrind is some fifty times slower.
const GUARDED: usize = 200;

/// The only part that callgrind counts, by its name. Once without being counted would be fairer to caches, which it does not look at.
#[inline(never)]
fn counted(run: &mut Run) {
    run();
}

#[expect(clippy::print_stdout, reason = "a program for a script")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            for case in CASES {
                println!("{} {}", case.name, case.sizes[1].min(GUARDED));
            }
            ExitCode::SUCCESS
        }
        [name, size] => match (case(name), size.parse()) {
            (Some(case), Ok(size)) => {
                let mut run = (case.prepare)(size);
                // What is made once for all later ones, such as tables, is none of its cost.
                run();
                counted(&mut run);
                ExitCode::SUCCESS
            }
            _ => ExitCode::FAILURE,
        },
        _ => ExitCode::FAILURE,
    }
}
