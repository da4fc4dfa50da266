//! What was observed, as plain facts: the basis on which a plan stands.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// What exists of a layer, by the key of the step that makes it: fields and their values. What does not exist has no entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(BTreeMap<String, BTreeMap<String, String>>);

impl Facts {
    /// Nothing exists.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a field of the resource `key`.
    pub fn note(&mut self, key: impl fmt::Display, field: impl Into<String>, value: impl fmt::Display) {
        self.0.entry(key.to_string()).or_default().insert(field.into(), value.to_string());
    }

    /// The fields of the resource `key`.
    pub fn get(&self, key: &str) -> Option<&BTreeMap<String, String>> {
        self.0.get(key)
    }

    /// Whether nothing exists.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where `found` is not as these facts say.
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let keys = self.0.keys().chain(found.0.keys().filter(|key| !self.0.contains_key(*key)));
        let mut differences = Vec::new();
        for key in keys {
            match (self.0.get(key), found.0.get(key)) {
                (Some(planned), Some(found)) => {
                    let fields = planned.keys().chain(found.keys().filter(|field| !planned.contains_key(*field)));
                    differences.extend(fields.filter(|field| planned.get(*field) != found.get(*field)).map(|field| Difference {
                        key: key.clone(),
                        field: Some(field.clone()),
                        planned: planned.get(field).cloned(),
                        found: found.get(field).cloned(),
                    }));
                }
                (planned, found) => differences.push(Difference {
                    key: key.clone(),
                    field: None,
                    planned: planned.and_then(|fields| fields.get("id").cloned()).or(planned.map(|_| "there".to_owned())),
                    found: found.and_then(|fields| fields.get("id").cloned()).or(found.map(|_| "there".to_owned())),
                }),
            }
        }
        differences
    }
}

/// One difference between what a plan was made on and what exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Difference {
    /// The resource.
    pub key: String,
    /// The field; `None` if the whole resource came or went.
    pub field: Option<String>,
    /// What the plan was made on.
    pub planned: Option<String>,
    /// What exists now.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        match &self.field {
            Some(field) => write!(f, "{} {field}: planned on {}, found {}", self.key, show(&self.planned), show(&self.found)),
            None => write!(f, "{}: planned on {}, found {}", self.key, show(&self.planned), show(&self.found)),
        }
    }
}

/// The basis of one layer's plan: how to observe it again, which `Debug` does not show, and what was observed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Basis {
    /// What the layer's driver needs to observe the same things again.
    pub scope: serde_json::Value,
    /// What it observed.
    pub facts: Facts,
}

impl fmt::Debug for Basis {
    /// As with operations: a scope may hold whole manifests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basis").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Basis {
    /// A basis from its parts.
    pub fn new(scope: serde_json::Value, facts: Facts) -> Self {
        Self { scope, facts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_by_field_and_by_resource() {
        let (mut planned, mut found) = (Facts::new(), Facts::new());
        planned.note("net/vpc", "id", "vpc-1");
        planned.note("net/vpc", "dns", true);
        planned.note("net/gone", "id", "igw-1");
        found.note("net/vpc", "id", "vpc-1");
        found.note("net/vpc", "dns", false);
        found.note("net/new", "id", "rtb-1");
        let lines: Vec<_> = planned.differences(&found).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "net/gone: planned on igw-1, found nothing",
                "net/vpc dns: planned on true, found false",
                "net/new: planned on nothing, found rtb-1",
            ]
        );
        assert!(planned.differences(&planned).is_empty());
    }
}
