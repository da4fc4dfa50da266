//! From a text to a document, with everything that is wrong about its form.

use std::cell::RefCell;

use serde::Deserialize;

use super::{
    de::{At, Misfit},
    document::Document,
    error::FileProblem,
    parse,
    source::Source,
    tree::{Node, shown},
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

/// The end of a misfit's path, if it is a key.
fn last(misfit: &Misfit) -> String {
    match misfit.path.last() {
        Some(super::tree::Step::Key(key)) => format!("{key} "),
        _ => "\0".to_owned(),
    }
}

/// A misfit at its line.
pub(crate) fn located(source: &Source<'_>, tree: &Node, misfit: Misfit) -> FileProblem {
    let place = if misfit.key { tree.key_place(&misfit.path) } else { tree.at(&misfit.path).map(|node| node.place) };
    let place = place.unwrap_or_default();
    FileProblem::new(source, place, shown(&misfit.path), misfit.code, None, (misfit.rule, misfit.remedy))
}
