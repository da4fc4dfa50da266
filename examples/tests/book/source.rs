//! Reads codes and variants off the sources. It knows no grammar: only strings, brackets and the few ways in which codes are given.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::pages::root;

/// The crates whose errors users meet.
pub(crate) const CRATES: [&str; 7] = ["eks-core", "eks-net", "eks-cluster", "eks-nodes", "eks-k8s", "eks-env", "eks-view"];

/// The sources of a crate without tests and comments.
pub(crate) fn sources(of: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(of).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !is_test(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.iter().map(|path: &PathBuf| without_tests(&fs::read_to_string(path).expect("a source"))).collect()
}

fn is_test(path: &Path) -> bool {
    let own = path.strip_prefix(root()).expect("below the root");
    own.components().any(|part| part.as_os_str().to_string_lossy().contains("test")) || path.ends_with("machines/wrong.rs")
}

fn without_tests(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The arguments of the call whose opening bracket is the first character.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0, 1, Vec::new());
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => {
                while let Some((_, inside)) = characters.next() {
                    match inside {
                        '\\' => drop(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            // A character, not a lifetime: `','`, `'\n'`.
            '\'' => {
                let rest = &text[at + 1..];
                let length = if rest.starts_with('\\') { 2 } else { rest.chars().next().map_or(0, char::len_utf8) };
                if rest.get(length..).is_some_and(|after| after.starts_with('\'')) {
                    let rest_of_it = if rest.starts_with('\\') { 3 } else { 2 };
                    characters.nth(rest_of_it - 1);
                }
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    found.push(text[from..at].trim());
                    return found;
                }
            }
            ',' if depth == 1 => {
                found.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    Vec::new()
}

fn literal(argument: &str) -> Option<&str> {
    let inside = argument.strip_prefix('"')?.strip_suffix('"')?;
    let kebab = inside.starts_with(|c: char| c.is_ascii_lowercase())
        && inside.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !inside.ends_with('-');
    kebab.then_some(inside)
}

/// By which functions codes are given, as which argument, out of how many at least.
const GIVEN_BY: [(&str, usize, usize); 10] = [
    // `Problems::add(code, subject, rule, remedy)`; some checks have an `add` that knows the subject.
    ("add", 0, 3),
    // A gap of a network blocks or not: `add(blocks, code, …)`.
    ("add", 1, 6),
    ("fixable", 2, 4),
    ("wrong", 0, 2),
    ("say", 0, 3),
    ("refuse", 0, 3),
    ("find", 0, 3),
    ("check_name", 1, 3),
    ("check_text", 1, 3),
    ("check_list", 2, 4),
];

/// Codes that a source gives to problems, gaps and findings.
fn codes_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('(') {
        let before = &text[..at];
        let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |last| last + 1);
        let name = &before[start..];
        if before[..start].ends_with("fn ") || !GIVEN_BY.iter().any(|(function, ..)| *function == name) {
            continue;
        }
        let arguments = arguments(&text[at..]);
        for (_, place, least) in GIVEN_BY.iter().filter(|(function, ..)| *function == name) {
            if arguments.len() >= *least {
                found.extend(arguments.get(*place).and_then(|argument| literal(argument)).map(str::to_owned));
            }
        }
    }
    let fields = text.split("code: \"").skip(1).filter_map(|rest| rest.split('"').next());
    found.extend(fields.filter(|code| literal(&format!("\"{code}\"")).is_some()).map(str::to_owned));
    found
}

/// Codes of problems, gaps and findings of a crate.
pub(crate) fn codes(of: &str) -> BTreeSet<String> {
    sources(of).iter().flat_map(|text| codes_in(text)).collect()
}

/// The variants of an enum, given its text behind `pub enum `.
fn variants(text: &str) -> BTreeSet<String> {
    let Some(open) = text.find('{') else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    for part in arguments(&text[open..]) {
        // Attributes stand before the name.
        let mut rest = part;
        while let Some(after) = rest.strip_prefix("#[") {
            let end = 2 + after.find("]\n").map_or(after.len(), |end| end + 1);
            rest = rest.get(end..).unwrap_or_default().trim_start();
        }
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        if !name.is_empty() {
            found.insert(name);
        }
    }
    found
}

/// `Enum::Variant` of each variant of a public enum of a crate.
pub(crate) fn variants_of(crate_name: &str, name: &str) -> BTreeSet<String> {
    let mark = format!("pub enum {name} {{");
    let texts = sources(crate_name);
    let found: Vec<_> = texts.iter().filter(|text| text.contains(&mark)).collect();
    let [one] = found.as_slice() else { panic!("{crate_name} has {} public enums {name}", found.len()) };
    variants_in(one, name)
}

/// The same of a source.
pub(crate) fn variants_in(text: &str, name: &str) -> BTreeSet<String> {
    let at = text.find(&format!("pub enum {name} {{")).expect("the enum");
    variants(&text[at..]).into_iter().map(|variant| format!("{name}::{variant}")).collect()
}

/// Public types of a crate whose names end in `Error`, as the pages have them: variants of enums, names of structs.
pub(crate) fn error_types(crate_name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in sources(crate_name) {
        for (kind, is_enum) in [("pub enum ", true), ("pub struct ", false)] {
            for (at, _) in text.match_indices(kind) {
                let name: String = text[at + kind.len()..].chars().take_while(|c| c.is_alphanumeric()).collect();
                if !name.ends_with("Error") {
                    continue;
                }
                if is_enum {
                    found.extend(variants(&text[at..]).into_iter().map(|variant| format!("{name}::{variant}")));
                } else {
                    found.insert(name);
                }
            }
        }
    }
    found
}

#[test]
fn codes_are_read_off() {
    let text = r#"
        problems.add("subnet-overlap", &subject, format!("overlaps {a}, {b}"), "move it");
        gaps.add(true, "no-private", "network", rule, "add some", PAGE);
        fn add(&mut self, code: &'static str) {}
        wrong("key-form", "it is no key", ASK);
        list.add("not-a-code", 1);
        let problem = Problem { code: "tag-form", subject };
        values.add(',', "neither", x, y, z);
    "#;
    let found: Vec<_> = codes_in(text).into_iter().collect();
    assert_eq!(found, ["key-form", "no-private", "subnet-overlap", "tag-form"]);
}

#[test]
fn variants_are_read_off() {
    let text = "pub enum PlanError { #[error(\"two, {key}\")]\n Duplicate { key: u8, other: u8 },\n Cycle(Vec<(u8, u8)>), Empty, }";
    assert_eq!(variants(text).into_iter().collect::<Vec<_>>(), ["Cycle", "Duplicate", "Empty"]);
}
