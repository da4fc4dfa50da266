//! From a text to a document, with everything that is wrong about its form.

use std::cell::RefCell;

use serde::Deserialize;

use super::{
    de::{At, Misfit},
    document::Document,
    error::FileProblem,
    parse,
    source::Source,
    tree::{Node, Path, Step, Value, shown},
};

/// In which language a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Yaml,
    Toml,
}

/// The tree of a text.
pub(crate) fn tree(source: &Source<'_>, format: Format) -> Result<Node, Box<FileProblem>> {
    let tree = match format {
        Format::Yaml => parse::yaml(source.text),
        Format::Toml => parse::toml(source.text),
    };
    tree.map_err(|unreadable| {
        let remedy = match format {
            Format::Yaml => "correct the YAML; text that has : or # in it is put in quotes",
            Format::Toml => "correct the TOML; text is put in quotes",
        };
        let said = (unreadable.message, remedy.to_owned());
        Box::new(FileProblem::new(source, unreadable.place, String::new(), "syntax", None, said))
    })
}

/// The document, and what is wrong with its form. There is no document if too much is wrong.
///
/// A deserialization ends at the first value that does not fit. Such a value is noted and taken out, and the rest read again, so that
/// everything is told at once.
pub(crate) fn document(tree: &Node) -> (Option<Document>, Vec<Misfit>) {
    let noted = RefCell::new(Vec::new());
    let mut rest = tree.clone();
    loop {
        let read = Document::deserialize(At::top(&rest, &noted));
        let Err(wrong) = read else { return (read.ok(), noted.into_inner()) };
        let path = wrong.path.unwrap_or_default();
        // What is missing because it was taken out is told already.
        let follows = wrong.code == "missing"
            && noted.borrow().iter().any(|misfit: &Misfit| {
                misfit.path.len() > path.len() && misfit.path.starts_with(&path) && wrong.rule.starts_with(&last(misfit))
            });
        if !follows {
            let (code, rule, remedy) = (wrong.code, wrong.rule, wrong.remedy);
            noted.borrow_mut().push(Misfit { code, path: path.clone(), key: code == "missing", rule, remedy });
        }
        if !rest.remove(&path) {
            return (None, noted.into_inner());
        }
    }
}

/// Fields whose values are of another's form: an add-on's, IAM's.
const FREE: [&str; 4] = ["configuration", "policy", "inlinePolicies", "sessionPolicy"];

/// Values in fields of a free form that are nothing, or no number: TOML cannot say them, and no add-on and no policy needs them.
pub(crate) fn nothings(tree: &Node) -> Vec<Misfit> {
    let mut found = Vec::new();
    seek(tree, &Path::new(), false, &mut found);
    found
}

fn seek(node: &Node, path: &Path, free: bool, found: &mut Vec<Misfit>) {
    let inner = |step: Step| path.iter().cloned().chain([step]).collect::<Path>();
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                let at = inner(Step::Key(entry.key.clone()));
                // The field itself may be left empty.
                let is_field = !free && FREE.contains(&entry.key.as_str());
                if !(is_field && matches!(entry.node.value, Value::Null)) {
                    seek(&entry.node, &at, free || is_field, found);
                }
            }
        }
        Value::List(items) => items.iter().enumerate().for_each(|(place, item)| seek(item, &inner(Step::Item(place)), free, found)),
        Value::Null if free => found.push(nothing(path, "a value is wanted here, and this is nothing")),
        Value::Float(number) if free && !number.is_finite() => found.push(nothing(path, "a number is wanted here, and this is none")),
        _ => {}
    }
}

fn nothing(path: &Path, rule: &str) -> Misfit {
    Misfit { code: "value", path: path.clone(), key: false, rule: rule.to_owned(), remedy: "leave it out, or give a value".to_owned() }
}

/// The end of a misfit's path, if it is a key.
fn last(misfit: &Misfit) -> String {
    match misfit.path.last() {
        Some(Step::Key(key)) => format!("{key} "),
        _ => "\0".to_owned(),
    }
}

/// A misfit at its line.
pub(crate) fn located(source: &Source<'_>, tree: &Node, misfit: Misfit) -> FileProblem {
    let place = if misfit.key { tree.key_place(&misfit.path) } else { tree.at(&misfit.path).map(|node| node.place) };
    let place = place.unwrap_or_default();
    FileProblem::new(source, place, shown(&misfit.path), misfit.code, None, (misfit.rule, misfit.remedy))
}
