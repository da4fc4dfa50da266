//! Who becomes whom in the cluster.

use std::collections::BTreeSet;

use eks_core::RoleArn;
use serde::{Deserialize, Serialize};
use serde_yaml_ng::Value;

use super::Principal;

/// The group that may do everything.
pub(super) const ADMINISTRATORS: &str = "system:masters";

/// Who a role or user becomes in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mapping {
    /// The role or user.
    pub principal: Principal,
    /// User name, with the authenticator's placeholders.
    pub username: String,
    /// Groups.
    pub groups: Vec<String>,
}

impl Mapping {
    /// A mapping to a user name, in no group yet.
    pub fn new(principal: Principal, username: impl Into<String>) -> Self {
        Self { principal, username: username.into(), groups: Vec::new() }
    }

    /// In this group, too.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// The mapping that Linux nodes join by. (EKS user guide, "Grant IAM users access to Kubernetes with a ConfigMap".)
    pub fn node(role: &RoleArn) -> Self {
        Self::new(role.into(), "system:node:{{EC2PrivateDNSName}}").group("system:bootstrappers").group("system:nodes")
    }

    /// The key under which an entry names its role or user.
    pub(super) fn arn_key(&self) -> &'static str {
        if self.principal.is_role() { "rolearn" } else { "userarn" }
    }

    /// The lines of its entry, without indentation.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("- {}: {}", self.arn_key(), self.principal), format!("  username: {}", scalar(&self.username))];
        if self.groups.is_empty() {
            return lines;
        }
        lines.push("  groups:".to_owned());
        lines.extend(self.groups.iter().map(|group| format!("  - {}", scalar(group))));
        lines
    }

    /// The mapping that an entry of the document makes, which names this ARN.
    pub(super) fn of(item: &Value, arn: &str) -> Option<Self> {
        let username = field(item, "username").and_then(Value::as_str).unwrap_or_default();
        let groups = groups(item).into_iter().flatten().map(str::to_owned).collect();
        // ARNs are compared in lower case, so one that begins with ARN:AWS: counts, too.
        let principal = Principal::parse(arn).or_else(|_| Principal::parse(&arn.to_lowercase())).ok()?;
        Some(Self { principal, username: username.to_owned(), groups })
    }

    /// Whether an entry is of the same role or user.
    pub(super) fn is_of(&self, item: &Value) -> bool {
        field(item, self.arn_key()).and_then(Value::as_str).is_some_and(|arn| self.principal.is(arn))
    }

    /// Whether an entry gives the user name and groups, whatever other groups it gives.
    pub(super) fn agrees(&self, item: &Value) -> bool {
        self.is_user(item) && self.lacking(item).is_empty()
    }

    /// Whether an entry gives the user name.
    pub(super) fn is_user(&self, item: &Value) -> bool {
        field(item, "username").and_then(Value::as_str) == Some(self.username.as_str())
    }

    /// Groups that an entry does not give.
    pub(super) fn lacking(&self, item: &Value) -> Vec<&str> {
        let given = groups(item);
        self.groups.iter().map(String::as_str).filter(|group| !given.contains(&Some(group))).collect()
    }

    /// Whether an entry says this and nothing more, in whatever order.
    pub(super) fn equals(&self, item: &Value) -> bool {
        self.is_of(item)
            && self.agrees(item)
            && groups(item).len() == self.groups.len()
            && item.as_mapping().is_some_and(|fields| fields.len() == if self.groups.is_empty() { 2 } else { 3 })
    }
}

/// A field of an entry; the authenticator reads keys in any case.
pub(super) fn field<'a>(item: &'a Value, name: &str) -> Option<&'a Value> {
    item.as_mapping()?.iter().find(|(key, _)| key.as_str().is_some_and(|key| key.eq_ignore_ascii_case(name))).map(|(_, value)| value)
}

/// What an entry names.
pub(super) fn arn(item: &Value) -> Option<&Value> {
    field(item, "rolearn").or_else(|| field(item, "userarn"))
}

/// The groups of an entry; `None` for what is no text.
pub(super) fn groups(item: &Value) -> BTreeSet<Option<&str>> {
    field(item, "groups").and_then(Value::as_sequence).into_iter().flatten().map(Value::as_str).collect()
}

/// A text in YAML: plain where no reader takes it for anything else, else in quotes. Go's readers follow YAML 1.1, in which `0123` is a
/// number and `yes` a truth.
pub(super) fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '.' | '/' | '{' | '}' | '@' | '-');
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(safe)
        && !text.ends_with(':')
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    // JSON's strings are YAML's double-quoted ones.
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scalars_stay_themselves(text in "[ -~]{0,12}") {
            let line = format!("- k: {}\n", scalar(&text));
            let value: Value = serde_yaml_ng::from_str(&line).unwrap();
            prop_assert_eq!(value[0]["k"].as_str(), Some(text.as_str()), "{}", line);
        }
    }

    #[test]
    fn placeholders_alone_are_quoted() {
        assert_eq!(scalar("{{SessionName}}"), "\"{{SessionName}}\"");
        assert_eq!(scalar("system:node:{{EC2PrivateDNSName}}"), "system:node:{{EC2PrivateDNSName}}");
        for word in ["0123", "yes", "Null", "a: b", "x:", "a b", ""] {
            assert_eq!(scalar(word), format!("{word:?}"));
        }
    }
}
