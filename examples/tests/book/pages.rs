//! The pages that people read, as Markdown.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("examples/ lies in the workspace")
}

/// A page.
pub(crate) struct Page {
    /// From the root of the workspace.
    pub(crate) path: PathBuf,
    /// Its text, with what it includes.
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let folder = path.parent().expect("a file");
        let lines = text.lines().map(|line| match line.strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}")) {
            Some(other) => Self::read(&folder.join(other)).text,
            None => line.to_owned(),
        });
        Self { path: path.to_owned(), text: lines.collect::<Vec<_>>().join("\n") }
    }

    /// The lines outside of code blocks.
    pub(crate) fn prose(&self) -> impl Iterator<Item = &str> {
        let mut code = false;
        self.text.lines().filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            code ^= fence;
            !code && !fence
        })
    }

    /// The headings of a level, as they are written.
    pub(crate) fn headings(&self, level: usize) -> BTreeSet<String> {
        let mark = format!("{} ", "#".repeat(level));
        self.prose().filter_map(|line| Some(line.strip_prefix(&mark)?.to_owned())).collect()
    }

    /// What can stand behind `#` in a link to this page: GitHub and mdBook make the same of a heading.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose().filter(|line| line.starts_with('#'));
        headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// The text below a heading of the second level, by heading.
    pub(crate) fn sections(&self) -> Vec<(&str, &str)> {
        let parts = self.text.split("\n## ").skip(1);
        parts.map(|part| part.split_once('\n').map_or((part, ""), |(heading, text)| (heading, text.trim()))).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

/// Every Markdown file below a folder, from the root of the workspace.
pub(crate) fn below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                found.push(path.strip_prefix(root()).expect("below the root").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Every page: those at the root, the guide, and the crates' own.
pub(crate) fn all() -> Vec<Page> {
    let mut paths: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).into();
    paths.extend(below("docs"));
    for entry in fs::read_dir(root()).into_iter().flatten().flatten() {
        let readme = entry.path().join("README.md");
        if readme.is_file() {
            paths.push(readme.strip_prefix(root()).expect("below the root").to_owned());
        }
    }
    paths.iter().map(|path| Page::read(path)).collect()
}

#[test]
fn anchors_are_as_github_and_mdbook_make_them() {
    assert_eq!(anchor("`ApplyError::Stale`"), "applyerrorstale");
    assert_eq!(anchor("Decisions, and why"), "decisions-and-why");
    assert_eq!(anchor("kubelet-lag"), "kubelet-lag");
}
