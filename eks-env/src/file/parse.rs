//! YAML and TOML, read into a tree.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    source::Place,
    tree::{Entry, Node, Value},
};

/// What is wrong with the text itself.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// A YAML value.
struct Yaml(Value);

/// YAML 1.2, one document.
pub(crate) fn yaml(text: &str) -> Result<Node, Unreadable> {
    let read: Result<Option<Spanned<Yaml>>, _> = serde_saphyr::from_str(text);
    match read {
        Ok(Some(Spanned { value: Yaml(value), referenced, .. })) => Ok(Node { place: spot(&referenced), value }),
        Ok(None) => Ok(Node { place: Place::default(), value: Value::Map(Vec::new()) }),
        Err(error) => {
            let place = error.location().map(|location| yaml_place(text, &location)).unwrap_or_default();
            let plain = error.without_snippet().to_string();
            let message = plain.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
            Err(Unreadable { place, message })
        }
    }
}

/// Of an error, which may know the line only.
fn yaml_place(text: &str, location: &serde_saphyr::Location) -> Place {
    let span = location.span();
    if let (Some(from), Some(length)) = (span.byte_offset(), span.byte_len()) {
        let from = usize::try_from(from).unwrap_or_default();
        return Place { from, to: from + usize::try_from(length).unwrap_or_default() };
    }
    let line = usize::try_from(location.line()).unwrap_or(1).max(1);
    let column = usize::try_from(location.column()).unwrap_or(1).max(1);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let from = start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at);
    Place { from, to: from + usize::try_from(span.len()).unwrap_or_default() }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Yaml)
    }
}

struct Any;

/// The place of a value, in bytes where the parser tells them.
fn spot(location: &serde_saphyr::Location) -> Place {
    let span = location.span();
    let from = usize::try_from(span.byte_offset().unwrap_or_else(|| span.offset())).unwrap_or_default();
    Place { from, to: from + usize::try_from(span.byte_len().unwrap_or_else(|| span.len())).unwrap_or_default() }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Spanned { value: Yaml(value), referenced, .. }) = list.next_element()? {
            items.push(Node { place: spot(&referenced), value });
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let Spanned { value: Yaml(value), referenced, .. } = map.next_value()?;
            if entries.iter().any(|entry| entry.key == key.value) {
                return Err(de::Error::custom(format!("{} is given twice", key.value)));
            }
            entries.push(Entry { key: key.value, key_place: spot(&key.referenced), node: Node { place: spot(&referenced), value } });
        }
        Ok(Value::Map(entries))
    }
}

/// TOML 1.1.
pub(crate) fn toml(text: &str) -> Result<Node, Unreadable> {
    match DeTable::parse(text) {
        Ok(table) => {
            let place = Place { from: 0, to: 0 };
            Ok(Node { place, value: toml_table(table.get_ref()) })
        }
        Err(error) => {
            let place = error.span().map(|span| Place { from: span.start, to: span.end }).unwrap_or_default();
            Err(Unreadable { place, message: error.message().lines().collect::<Vec<_>>().join(", ") })
        }
    }
}

fn toml_table(table: &DeTable<'_>) -> Value {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| {
            let key_place = Place { from: key.span().start, to: key.span().end };
            let place = Place { from: value.span().start, to: value.span().end };
            // A table's own place is its header, or nothing: its key tells better where it is.
            let place = if matches!(value.get_ref(), DeValue::Table(_)) { key_place } else { place };
            Entry { key: key.get_ref().to_string(), key_place, node: Node { place, value: toml_value(value.get_ref()) } }
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_place);
    Value::Map(entries)
}

fn toml_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::String(number.to_string()),
        },
        DeValue::Float(number) => number.as_str().parse().map_or_else(|_| Value::String(number.to_string()), Value::Float),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(moment) => Value::String(moment.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node { place: Place { from: item.span().start, to: item.span().end }, value: toml_value(item.get_ref()) })
                .collect(),
        ),
        DeValue::Table(table) => toml_table(table),
    }
}
