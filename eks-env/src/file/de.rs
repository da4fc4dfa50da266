//! A tree, deserialized: what is wrong is told with its path, and a struct's unknown fields do not stop it.

use std::{cell::RefCell, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor, value::StrDeserializer},
};

use super::{
    closest::closest,
    tree::{Entry, Node, Path, Step, Value},
};

/// What stopped a deserialization, or would have.
#[derive(Clone, Debug)]
pub(crate) struct Misfit {
    pub(crate) code: &'static str,
    pub(crate) path: Path,
    /// Whether the key is at fault rather than its value.
    pub(crate) key: bool,
    pub(crate) rule: String,
    pub(crate) remedy: String,
}

/// An error on its way up; it takes its path from the first that knows one.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) path: Option<Path>,
    pub(crate) rule: String,
    pub(crate) remedy: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)
    }
}

impl std::error::Error for Wrong {}

impl Wrong {
    fn new(code: &'static str, rule: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, path: None, rule: rule.into(), remedy: remedy.into() }
    }

    fn at(mut self, path: &[Step]) -> Self {
        self.path.get_or_insert_with(|| path.to_vec());
        self
    }
}

fn choices(known: &[&str]) -> String {
    match known {
        [] => "there is none".to_owned(),
        [only] => (*only).to_owned(),
        [some @ .., last] => format!("{} or {last}", some.join(", ")),
    }
}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        // What checks a value by itself may tell rule and remedy.
        match text.split_once("; ") {
            Some((rule, remedy)) => Self::new("value", rule, remedy),
            None => Self::new("value", text, "correct it"),
        }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new("type", format!("{expected} is wanted here, and this is {found}"), "correct it")
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new("value", format!("{expected} is wanted here, and this is {found}"), "correct it")
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let remedy = match closest(variant, expected.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("give {}", choices(expected)),
        };
        Self::new("choice", format!("{variant:?} is not one of {}", choices(expected)), remedy)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("missing", format!("{field} is missing"), format!("add {field}"))
    }
}

/// A value of the tree, being deserialized.
pub(crate) struct At<'a> {
    node: &'a Node,
    path: Path,
    noted: &'a RefCell<Vec<Misfit>>,
}

impl<'a> At<'a> {
    pub(crate) fn top(node: &'a Node, noted: &'a RefCell<Vec<Misfit>>) -> Self {
        Self { node, path: Path::new(), noted }
    }

    fn inner(&self, node: &'a Node, step: Step) -> Self {
        Self { node, path: self.path.iter().cloned().chain([step]).collect(), noted: self.noted }
    }

    fn refused(&self, expected: &dyn de::Expected) -> Wrong {
        let kind = self.node.value.kind();
        let remedy = match &self.node.value {
            Value::Float(_) | Value::Integer(_) | Value::Bool(_) => "correct it; text that looks like this is put in quotes",
            _ => "correct it",
        };
        Wrong::new("type", format!("{expected} is wanted here, and this is {kind}"), remedy).at(&self.path)
    }

    fn map<V: Visitor<'a>>(self, known: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Wrong> {
        let Value::Map(entries) = &self.node.value else { return Err(self.refused(&"a map")) };
        let mut wanted = Vec::new();
        for entry in entries {
            match known.filter(|known| !known.contains(&entry.key.as_str())) {
                None => wanted.push(entry),
                Some(known) => self.unknown(&entry.key, known),
            }
        }
        let path = self.path.clone();
        visitor.visit_map(Entries { at: &self, entries: wanted.into_iter(), value: None }).map_err(|wrong| wrong.at(&path))
    }

    fn unknown(&self, key: &str, known: &'static [&'static str]) {
        let remedy = match closest(key, known.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let path: Path = self.path.iter().cloned().chain([Step::Key(key.to_owned())]).collect();
        let mut noted = self.noted.borrow_mut();
        if !noted.iter().any(|misfit| misfit.path == path && misfit.key) {
            noted.push(Misfit { code: "unknown-field", path, key: true, rule: format!("there is no field {key} here"), remedy });
        }
    }
}

struct Entries<'a, 'b> {
    at: &'b At<'a>,
    entries: std::vec::IntoIter<&'a Entry>,
    value: Option<&'a Entry>,
}

impl<'a> MapAccess<'a> for Entries<'a, '_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.value = Some(entry);
        let path = || self.at.path.iter().cloned().chain([Step::Key(entry.key.clone())]).collect::<Path>();
        let key: StrDeserializer<'a, Wrong> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|wrong| wrong.at(&path()))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let Some(entry) = self.value.take() else { return Err(Wrong::new("value", "a value without a key", "correct it")) };
        let inner = self.at.inner(&entry.node, Step::Key(entry.key.clone()));
        let path = inner.path.clone();
        seed.deserialize(inner).map_err(|wrong| wrong.at(&path))
    }
}

struct Items<'a, 'b> {
    at: &'b At<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'a> SeqAccess<'a> for Items<'a, '_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        for (place, node) in self.items.by_ref() {
            // An item that was taken out, because it is wrong and told.
            if matches!(node.value, Value::Null) {
                let path: Path = self.at.path.iter().cloned().chain([Step::Item(place)]).collect();
                if self.at.noted.borrow().iter().any(|misfit| misfit.path.starts_with(&path)) {
                    continue;
                }
            }
            let inner = self.at.inner(node, Step::Item(place));
            let path = inner.path.clone();
            return seed.deserialize(inner).map(Some).map_err(|wrong| wrong.at(&path));
        }
        Ok(None)
    }
}

macro_rules! plainly {
    ($($method:ident),+) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.deserialize_any(visitor)
        }
    )+};
}

impl<'a> Deserializer<'a> for At<'a> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let path = self.path.clone();
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => match u64::try_from(*value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(*value),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(value) => visitor.visit_borrowed_str(value),
            Value::List(items) => visitor.visit_seq(Items { at: &self, items: items.iter().enumerate() }),
            Value::Map(_) => return self.map(None, visitor),
        }
        .map_err(|wrong| wrong.at(&path))
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.map(Some(fields), visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.map(None, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if matches!(self.node.value, Value::String(_)) { self.deserialize_any(visitor) } else { Err(self.refused(&"text")) }
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let path = self.path.clone();
        match &self.node.value {
            Value::String(word) => visitor.visit_enum(Variant { at: &self, word, of: None }).map_err(|wrong| wrong.at(&path)),
            Value::Map(entries) if entries.len() == 1 => {
                let entry = &entries[0];
                visitor.visit_enum(Variant { at: &self, word: &entry.key, of: Some(&entry.node) }).map_err(|wrong| wrong.at(&path))
            }
            _ => {
                let rule = format!("one of {} is wanted here, and this is {}", choices(variants), self.node.value.kind());
                Err(Wrong::new("choice", rule, "choose one").at(&path))
            }
        }
    }

    plainly! {
        deserialize_bool, deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_u8, deserialize_u16,
        deserialize_u32, deserialize_u64, deserialize_f32, deserialize_f64, deserialize_char, deserialize_bytes, deserialize_byte_buf,
        deserialize_unit, deserialize_seq, deserialize_identifier, deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _length: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(self, _name: &'static str, _length: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_any(visitor)
    }
}

/// A word, or a map of one word and what belongs to it.
struct Variant<'a, 'b> {
    at: &'b At<'a>,
    word: &'a str,
    of: Option<&'a Node>,
}

impl<'a, 'b> EnumAccess<'a> for Variant<'a, 'b> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        let word: StrDeserializer<'a, Wrong> = self.word.into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'a> Variant<'a, '_> {
    fn inner(&self) -> Result<At<'a>, Wrong> {
        let lacks = || Wrong::new("choice", format!("{} needs more to be said", self.word), format!("write it as {}: …", self.word));
        self.of.map(|node| self.at.inner(node, Step::Key(self.word.to_owned()))).ok_or_else(lacks)
    }
}

impl<'a> VariantAccess<'a> for Variant<'a, '_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        match self.of {
            None => Ok(()),
            Some(_) => Err(Wrong::new("choice", format!("nothing belongs to {}", self.word), format!("write {} alone", self.word))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Wrong> {
        seed.deserialize(self.inner()?)
    }

    fn tuple_variant<V: Visitor<'a>>(self, _length: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.inner()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'a>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        self.inner()?.map(Some(fields), visitor)
    }
}
