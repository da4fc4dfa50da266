//! Label selectors, as `metav1.LabelSelector` and node selector terms have them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One requirement on labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "the API's three parts")]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`; for nodes `Gt` and `Lt`, too.
    pub operator: String,
    /// What it is compared with.
    #[serde(default)]
    pub values: Vec<String>,
}

impl Requirement {
    /// Whether a label's value, or its absence, satisfies the requirement. An operator that does not exist is satisfied by nothing.
    pub fn accepts(&self, found: Option<&str>) -> bool {
        let listed = |found: &str| self.values.iter().any(|value| value == found);
        let number = |text: &str| text.parse::<i64>().ok();
        let bound = || self.values.first().and_then(|value| number(value));
        match self.operator.as_str() {
            "In" => found.is_some_and(listed),
            "NotIn" => !found.is_some_and(listed),
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            "Gt" => found.and_then(number).zip(bound()).is_some_and(|(found, bound)| found > bound),
            "Lt" => found.and_then(number).zip(bound()).is_some_and(|(found, bound)| found < bound),
            _ => false,
        }
    }

    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.accepts(labels.get(&self.key).map(String::as_str))
    }
}

/// A label selector. An empty one selects every object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::exhaustive_structs, reason = "the API's two parts")]
pub struct Selector {
    /// Labels that must be there.
    pub match_labels: BTreeMap<String, String>,
    /// And what else must hold.
    pub match_expressions: Vec<Requirement>,
}

impl Selector {
    /// Whether it selects an object with these labels.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.matches(labels))
    }
}
