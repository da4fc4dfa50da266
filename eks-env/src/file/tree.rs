//! A file as a tree of values that know where they are written.

use super::source::Place;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What YAML and TOML have in common.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Item(usize),
}

/// The way to a value, from the top.
pub(crate) type Path = Vec<Step>;

impl Value {
    /// In words, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::String(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// The value at the end of a path, if there is one.
    pub(crate) fn at(&self, path: &[Step]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match (first, &self.value) {
            (Step::Key(key), Value::Map(entries)) => entries.iter().find(|entry| entry.key == *key)?.node.at(rest),
            (Step::Item(place), Value::List(items)) => items.get(*place)?.at(rest),
            _ => None,
        }
    }

    /// Where the key of a path's end is written, or the value if it has none.
    pub(crate) fn key_place(&self, path: &[Step]) -> Option<Place> {
        let (last, parents) = path.split_last()?;
        match (last, &self.at(parents)?.value) {
            (Step::Key(key), Value::Map(entries)) => entries.iter().find(|entry| entry.key == *key).map(|entry| entry.key_place),
            _ => self.at(path).map(|node| node.place),
        }
    }

    /// Takes a value out of its map or list. Whether there was one.
    pub(crate) fn remove(&mut self, path: &[Step]) -> bool {
        let Some((last, parents)) = path.split_last() else { return false };
        let mut node = self;
        for step in parents {
            let inner = match (step, &mut node.value) {
                (Step::Key(key), Value::Map(entries)) => entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.node),
                (Step::Item(place), Value::List(items)) => items.get_mut(*place),
                _ => None,
            };
            match inner {
                Some(inner) => node = inner,
                None => return false,
            }
        }
        match (last, &mut node.value) {
            (Step::Key(key), Value::Map(entries)) => {
                let before = entries.len();
                entries.retain(|entry| entry.key != *key);
                entries.len() < before
            }
            // The others keep their places.
            (Step::Item(place), Value::List(items)) => items.get_mut(*place).is_some_and(|item| {
                let was = !matches!(item.value, Value::Null);
                item.value = Value::Null;
                was
            }),
            _ => false,
        }
    }
}

/// `network.subnets[1].cidr`
pub(crate) fn shown(path: &[Step]) -> String {
    path.iter().fold(String::new(), |mut text, step| {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Item(place) => text.push_str(&format!("[{place}]")),
        }
        text
    })
}
