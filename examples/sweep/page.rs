//! The page `docs/reliability.md`, written by the command that it names.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Settings, Table, run::Calls};

/// The crates whose versions matter to what was run.
const VERSIONS: [&str; 5] = ["eks-core", "eks-sim", "aws-sdk-ec2", "aws-sdk-eks", "kube"];

/// Where it lies.
pub fn path() -> PathBuf {
    docs().join("reliability.md")
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Writes the page: what was run, the table, and every section of `docs/reliability/`.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write(settings: &Settings, table: &Table) -> io::Result<()> {
    fs::write(path(), text(settings, table, &sections()?))
}

/// What other commands wrote: files of `docs/reliability/`, in the order of their names.
fn sections() -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    match fs::read_dir(docs().join("reliability")) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.into_iter().map(fs::read_to_string).collect()
}

fn text(settings: &Settings, table: &Table, sections: &[String]) -> String {
    let total = table.total();
    let (option, scope) = match settings.calls {
        Calls::All => ("--full".to_owned(), "every call of every flow".to_owned()),
        Calls::Some(count) => {
            let scope = format!(
                "a sample: {count} calls of each flow for each fault, evenly spread, each fault at others, turned from flow to flow"
            );
            (format!("--sample {count}"), scope)
        }
        Calls::One(number) => (format!("--call {number}"), format!("call {number} of each flow")),
    };
    let flows: Vec<String> = table.flows().iter().map(|(flow, calls)| format!("{flow} {calls}")).collect();
    let mut page = String::new();
    // A String takes everything.
    let _ = write!(
        page,
        "# Reliability\n\n\
         Written by `cargo run --example reliability -- {option} --seed {} --markdown`. Do not edit: run it again.\n\n\
         **{} cases, {} converged, {} duplicates, {} leaks, {} things of others touched, {} panics**, over {} calls; {scope}.\n\n",
        settings.seed, total.cases, total.converged, total.duplicates, total.leaks, total.touched, total.panics, total.calls,
    );
    page.push_str(METHOD);
    let _ = write!(page, "\nCalls of each flow, undisturbed: {}.\n\n{table}\n", flows.join(", "));
    if !table.failures().is_empty() {
        page.push_str("## What does not converge\n\n");
        for case in table.failures() {
            let line = case.problem.as_deref().and_then(|problem| problem.lines().find(|line| !line.is_empty())).unwrap_or_default();
            let _ = writeln!(
                page,
                "- {}, {} at call {} ({}): {line}\n  `{}`",
                case.flow,
                case.trouble,
                case.number,
                case.call,
                case.command(settings.seed)
            );
        }
        page.push('\n');
    }
    let _ = writeln!(page, "Run with {}.", versions().join(", "));
    for section in sections {
        let _ = write!(page, "\n{}\n", section.trim());
    }
    page
}

const METHOD: &str = "\
## The sweep

A *case* is a flow, something that befalls it, and the number of the call in the simulator's log at which it does. The account is that of
`eks-sim`, at the wire. Whatever became of the first process, fresh ones follow, which know nothing but the account, until one finds nothing
left to do. Then the account is compared with the one that an undisturbed run leaves: every resource with its tags, state and price,
every rule, route, subnet, node and mark of ours, under the names of what they join; the cluster's version, logging, endpoints, encryption
and authentication; add-ons, access entries and their policies; what each role trusts and may do; sizes, suspended processes and tags of Auto
Scaling groups; but for ids and hashes. Three flows end with nothing of ours, and the account's own VPC exactly as before anything was made. Things
of others stand in the account from the start, under names and tags that look like ours: a VPC with a subnet and a security group, a volume, an
address, two roles, a stack, a load balancer. All that AWS tells of them must be the same afterwards, to the letter.

Flows: `create` (all four layers of the chapter as one plan), `change` (a rule, an add-on, a label of nodes, a worker and a StorageClass
more), `upgrade` (control plane 1.35 to 1.36, then a rolling replacement of the workers), `teardown` (from the owner's name alone), `abandon` (a
creation that is interrupted and then torn down), `adopt` (a cluster in a VPC of others, which gets subnets and tags) and `release` (that is
torn down again).

At the call: it is refused; it takes effect and the answer is lost; it is throttled; it hangs until the client gives up; it gets a stale
answer, as if nothing had happened since the flow began (where that is no other answer, there is no case; of Kubernetes, only reading one object
is answered so, with NotFound); the process dies before it, or after it; a second run of the same owner begins after it, and both go on at once.

Columns: `converged`, the account is that of an undisturbed run and nobody panicked; `at once`, the first process got there by itself (with
a second run: both); `calls`, of all processes; `duplicates`, things that bear one mark twice, untold; `told`, such as two runs at once made,
which the next plan refuses by their mark, and a teardown removes; `leaks`, other things that should not be there; `touched`, things of others that
are not as they were.
";

/// Versions as the lock file has them.
fn versions() -> Vec<String> {
    let lock = include_str!("../../Cargo.lock");
    let version = |name: &str| {
        let entry = lock.split(&format!("name = \"{name}\"\n")).nth(1)?;
        entry.lines().next()?.strip_prefix("version = \"")?.strip_suffix('"').map(|version| format!("{name} {version}"))
    };
    VERSIONS.iter().filter_map(|name| version(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Flow, Trouble};

    #[test]
    fn the_page_names_its_command_and_takes_in_other_sections() {
        let settings = Settings { flows: vec![Flow::Create], troubles: vec![Trouble::Lost], calls: Calls::Some(3), jobs: 1, seed: 7 };
        let page = text(&settings, &Table::default(), &["## Fuzzing\n\nNothing broke.\n".to_owned()]);
        assert!(page.contains("`cargo run --example reliability -- --sample 3 --seed 7 --markdown`"), "{page}");
        assert!(page.ends_with("\n## Fuzzing\n\nNothing broke.\n"), "{page}");
        assert_eq!(versions().len(), VERSIONS.len(), "{:?}", versions());
    }
}
