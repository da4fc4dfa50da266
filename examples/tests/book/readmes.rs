//! Each crate's README is the beginning of its own documentation. `UPDATE_READMES=1 cargo test --test book` writes them anew.

use std::fs;

use crate::pages::root;

/// The crates that are published.
const CRATES: [&str; 7] = ["eks-core", "eks-net", "eks-cluster", "eks-nodes", "eks-k8s", "eks-view", "eks-sim"];

/// The crate's documentation as a page for people: what it does, an example, its features, what it does not do.
fn readme(name: &str, library: &str) -> String {
    let mut text = format!("# {name}\n\n");
    let (mut code, mut wanted) = (false, true);
    for line in library.lines() {
        // A fence whose example needs a feature.
        let fence =
            line.strip_prefix("#![cfg_attr(feature").and_then(|rest| Some(rest.split_once("doc = \"```")?.1.trim_end_matches("\")]")));
        let line = match (fence, line.strip_prefix("//!")) {
            (Some(kind), _) => format!("```{kind}"),
            (None, Some(line)) => line.strip_prefix(' ').unwrap_or(line).to_owned(),
            (None, None) if line.starts_with("#![cfg_attr(not(feature") => continue,
            (None, None) => break,
        };
        if let Some(kind) = line.strip_prefix("```") {
            let opening = !code;
            code = opening;
            if wanted {
                text.push_str(&match kind {
                    "" | "no_run" if opening => "```rust\n".to_owned(),
                    kind => format!("```{kind}\n"),
                });
            }
            continue;
        }
        if !code && line.starts_with("# ") {
            wanted = ["# Features", "# What this crate does not do"].contains(&line.as_str());
        }
        let hidden = code && (line == "#" || line.starts_with("# "));
        if wanted && !hidden {
            let line = if code { line } else { without_types(&line) };
            text.push_str(&if line.starts_with("# ") && !code { format!("#{line}\n") } else { format!("{line}\n") });
        }
    }
    let guide = "https://github.com/eks-rs/eks-rs/blob/main/docs/src/introduction.md";
    format!(
        "{}\n\nOne of the [eks-rs](https://github.com/eks-rs/eks-rs) crates; there is a [guide]({guide}). Rust 1.94.1 or newer. Licensed under MIT or \
         Apache-2.0, at your option.\n",
        text.trim_end()
    )
}

/// Links to types lead nowhere outside of rustdoc: ``[`Plan`](crate::Plan)`` becomes `` `Plan` ``.
fn without_types(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("[`") {
        let Some(end) = rest[at..].find("`]").map(|end| at + end) else { break };
        out.push_str(&rest[..at]);
        out.push_str(&rest[at + 1..=end]);
        rest = &rest[end + 2..];
        if rest.starts_with('(') {
            rest = rest.split_once(')').map_or(rest, |(_, after)| after);
        }
    }
    out + rest
}

#[test]
fn each_crate_has_a_readme_of_its_own() {
    let update = std::env::var_os("UPDATE_READMES").is_some();
    for name in CRATES {
        let folder = root().join(name);
        let text = readme(name, &fs::read_to_string(folder.join("src/lib.rs")).expect("a library"));
        if update {
            fs::write(folder.join("README.md"), &text).expect("the README can be written");
        }
        let written = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
        assert!(written == text, "{name}/README.md is not its crate documentation; UPDATE_READMES=1 cargo test --test book writes it");
    }
}

/// What crates.io and docs.rs show; the crate's page tells every feature.
#[test]
fn each_crate_tells_its_features() {
    for name in CRATES {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        let library = fs::read_to_string(root().join(name).join("src/lib.rs")).expect("a library");
        assert!(manifest.contains(&format!("documentation = \"https://docs.rs/{name}\"")), "{name}");
        assert!(manifest.contains("rustdoc-args = [\"--cfg\", \"docsrs\"]"), "{name}");
        let features = manifest.split("[features]\n").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap_or_default();
        for feature in features.lines().filter_map(|line| line.split_once(" = ").map(|(feature, _)| feature)).filter(|it| *it != "default")
        {
            assert!(library.contains(&format!("//! | `{feature}` |")), "{name}: the table of features lacks {feature}");
        }
    }
}

#[test]
fn documentation_becomes_a_page() {
    let library = "//! Does [`This`](crate::This) and [that].\n//!\n//! ```\n//! # hidden();\n//! shown();\n//! ```\n//!\n//! # Inner\n//! no\n//!\n//! # Features\n//! none\n\nmod a;\n";
    let page = readme("eks-x", library);
    assert!(page.starts_with("# eks-x\n\nDoes `This` and [that].\n\n```rust\nshown();\n```\n\n## Features\nnone\n\nOne of"), "{page}");
}
