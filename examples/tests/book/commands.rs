//! Every command that a page quotes exists, with its flags.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::pages::{self, root};

/// What follows a prefix in the pages, up to the end of the command.
fn quoted(prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for page in pages::all() {
        for rest in page.text.split(prefix).skip(1) {
            let end = rest.find(['`', '\n', '#', '|', '>', ';', '"']).unwrap_or(rest.len());
            found.insert(rest[..end].trim().to_owned());
        }
    }
    found
}

/// The programs of the workspace, built.
fn programs() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "-p", "eks-examples", "--examples", "-p", "eks-sim", "--bin", "eks-sim"]).current_dir(root());
    assert!(build.status().expect("cargo").success());
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("target/debug").to_owned()
}

#[test]
fn quoted_programs_take_the_quoted_flags() {
    let folder = programs();
    let mut wrong = Vec::new();
    let mut ask = |program: PathBuf, flags: &str, command: &str| {
        let arguments = flags.split_whitespace().map(|word| if word == "N" { "1" } else { word });
        let mut asked = Command::new(&program);
        // Clap reads from the left: what it does not know is an error before it comes to --help.
        asked.args(arguments).arg("--help").stdout(Stdio::null()).stderr(Stdio::piped()).env_remove("RUST_LOG");
        match asked.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => wrong.push(format!("{command}: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => wrong.push(format!("{command}: {} does not run: {error}", program.display())),
        }
    };
    let mut count = 0;
    for prefix in ["cargo run --example ", "cargo run --quiet --example "] {
        for command in quoted(prefix) {
            let (name, flags) = command.split_once(" -- ").unwrap_or((command.as_str(), ""));
            if name.chars().all(char::is_uppercase) {
                continue;
            }
            count += 1;
            ask(folder.join("examples").join(name.trim()), flags, &command);
        }
    }
    for command in quoted("cargo run -p eks-sim -- ") {
        count += 1;
        ask(folder.join("eks-sim"), &command, &command);
    }
    assert!(count >= 8, "only {count} commands were seen");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn quoted_tests_exist() {
    let folders: Vec<_> = fs::read_dir(root()).expect("the workspace").flatten().map(|entry| entry.path().join("tests")).collect();
    for command in quoted("cargo test ") {
        let mut words = command.split_whitespace();
        while let Some(word) = words.next() {
            if word == "--test" {
                let name = words.next().expect("a name");
                let there =
                    folders.iter().any(|folder| folder.join(format!("{name}.rs")).is_file() || folder.join(name).join("main.rs").is_file());
                assert!(there, "cargo test {command}: no package has the test {name}");
            }
        }
    }
}

/// What the guide shows that a program prints, the program prints.
#[test]
fn the_simulator_greets_as_quoted() {
    let main = fs::read_to_string(root().join("eks-sim/src/main.rs")).expect("the simulator's program");
    assert!(main.contains("eks-sim ready on http://"));
}
