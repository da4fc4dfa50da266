//! Every link leads somewhere: files and headings of the project are looked up; addresses of others are looked at, not asked for.

use std::path::{Component, Path, PathBuf};

use crate::pages::{self, Page};

/// The targets of links and pictures on a line, without what stands in code.
fn targets(line: &str) -> Vec<&str> {
    // Code may hold brackets; a link's text may hold code.
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("](") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let in_code = before.matches('`').count() % 2 == 1;
        let Some(end) = after.find(')') else { break };
        if !in_code {
            found.push(after[..end].split(' ').next().unwrap_or_default());
        }
        rest = &after[end..];
    }
    found
}

fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// What is wrong with a link.
fn fault(page: &Page, target: &str) -> Option<String> {
    if let Some(rest) = target.strip_prefix("https://") {
        let host = rest.split('/').next().unwrap_or_default();
        return (!host.contains('.') || rest.contains(char::is_whitespace)).then(|| "is no address".to_owned());
    }
    if target.contains("://") {
        return Some("is not https".to_owned());
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = match file {
        "" => page.path.clone(),
        file => plain(&page.path.parent().expect("a file").join(file)),
    };
    if !pages::root().join(&path).exists() {
        return Some(format!("there is no {}", path.display()));
    }
    if page.path.starts_with("docs/src") && !path.starts_with("docs/src") {
        return Some("leads out of the book".to_owned());
    }
    let anchor = anchor?;
    (!Page::read(&path).anchors().contains(anchor)).then(|| format!("{} has no heading {anchor}", path.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    let mut looked_at = 0;
    for page in pages::all() {
        for target in page.prose().flat_map(targets) {
            looked_at += 1;
            faults.extend(fault(&page, target).map(|fault| format!("{}: {target}: {fault}", page.path.display())));
        }
    }
    assert!(looked_at > 60, "only {looked_at} links were seen");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn wrong_links_are_noticed() {
    let page = Page::read(Path::new("docs/src/concepts.md"));
    assert_eq!(fault(&page, "embed.md#progress"), None);
    for wrong in ["nowhere.md", "embed.md#nowhere", "../../README.md", "http://aws.amazon.com", "https://nowhere"] {
        assert!(fault(&page, wrong).is_some(), "{wrong}");
    }
    assert_eq!(targets("see [`a`](b.md), ![c](d.svg \"e\") and `[f](g)`"), ["b.md", "d.svg"]);
}

#[test]
fn the_summary_has_every_chapter() {
    let summary = Page::read(Path::new("docs/src/SUMMARY.md"));
    let mut listed: Vec<_> = summary.prose().flat_map(targets).map(|target| Path::new("docs/src").join(target)).collect();
    listed.sort();
    let chapters: Vec<_> = pages::below("docs/src").into_iter().filter(|path| !path.ends_with("SUMMARY.md")).collect();
    assert_eq!(listed, chapters);
}

/// Rust samples of the guide are compiled, and most of them run, as doctests of this package.
#[test]
fn every_chapter_with_rust_is_a_doctest() {
    let library = std::fs::read_to_string(pages::root().join("examples/guide.rs")).expect("examples/guide.rs");
    for path in pages::below("docs/src") {
        // Without what it includes: other files are others' to compile.
        let text = std::fs::read_to_string(pages::root().join(&path)).expect("a chapter");
        let included = library.contains(&format!("\"../{}\"", path.display()));
        assert_eq!(text.contains("```rust"), included, "{}", path.display());
    }
}
