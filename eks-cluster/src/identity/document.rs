//! Policy documents as types. IAM User Guide, "IAM JSON policy element reference".

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the policy language in which everything of ours is written.
const LANGUAGE: &str = "2012-10-17";

/// Conditions: operator, then key, then values. All of them must be met.
pub type Conditions = BTreeMap<String, BTreeMap<String, OneOrMore>>;

/// A trust policy: who may act under a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustPolicy {
    /// `2012-10-17`
    pub version: String,
    /// The statements.
    pub statement: Vec<TrustStatement>,
}

/// One statement of a trust policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustStatement {
    /// A name for people; it means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// `Allow`
    pub effect: String,
    /// Who.
    pub principal: TrustPrincipal,
    /// `sts:AssumeRole`, and for EKS Pod Identity `sts:TagSession`.
    pub action: OneOrMore,
    /// Only then.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub condition: Conditions,
}

/// Who is meant by a trust statement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustPrincipal {
    /// A service: `eks.amazonaws.com`.
    #[serde(rename = "Service", default, skip_serializing_if = "Option::is_none")]
    pub service: Option<OneOrMore>,
    /// ARN of an identity provider.
    #[serde(rename = "Federated", default, skip_serializing_if = "Option::is_none")]
    pub federated: Option<OneOrMore>,
    /// ARN of a role, user or account.
    #[serde(rename = "AWS", default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<OneOrMore>,
}

/// IAM writes a list of one as a string as well.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "the policy grammar has these two forms")]
pub enum OneOrMore {
    /// A string.
    One(String),
    /// A list.
    More(Vec<String>),
}

impl OneOrMore {
    fn sorted(&self) -> Vec<&str> {
        let mut values: Vec<&str> = match self {
            Self::One(one) => vec![one],
            Self::More(more) => more.iter().map(String::as_str).collect(),
        };
        values.sort_unstable();
        values
    }
}

impl PartialEq for OneOrMore {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl Eq for OneOrMore {}

impl From<&str> for OneOrMore {
    fn from(one: &str) -> Self {
        Self::One(one.to_owned())
    }
}

impl<S: Into<String>> FromIterator<S> for OneOrMore {
    fn from_iter<I: IntoIterator<Item = S>>(values: I) -> Self {
        Self::More(values.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for OneOrMore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(one) => f.write_str(one),
            Self::More(more) => f.write_str(&more.join(", ")),
        }
    }
}

impl TrustPolicy {
    /// Lets a service act under the role.
    pub(crate) fn of(service: &str, actions: &[&str]) -> Self {
        let principal = TrustPrincipal { service: Some(service.into()), ..TrustPrincipal::default() };
        Self::one(principal, actions.iter().copied().collect(), Conditions::new())
    }

    /// Lets tokens of an identity provider act under the role, if their claims are these.
    pub(crate) fn web_identity(provider: &str, condition: Conditions) -> Self {
        let principal = TrustPrincipal { federated: Some(provider.into()), ..TrustPrincipal::default() };
        Self::one(principal, "sts:AssumeRoleWithWebIdentity".into(), condition)
    }

    fn one(principal: TrustPrincipal, action: OneOrMore, condition: Conditions) -> Self {
        let statement = TrustStatement { sid: None, effect: "Allow".to_owned(), principal, action, condition };
        Self { version: LANGUAGE.to_owned(), statement: vec![statement] }
    }

    /// The same, with sessions that carry tags.
    pub(crate) fn and_tags_sessions(mut self) -> Self {
        for statement in &mut self.statement {
            statement.action = ["sts:AssumeRole", "sts:TagSession"].into_iter().collect();
        }
        self
    }

    /// Whether a document says the same, whatever it calls its statements. One with anything that we would not write does not.
    pub(crate) fn is_said_by(&self, document: &str) -> bool {
        serde_json::from_str::<Self>(document).is_ok_and(|mut found| {
            found.statement.iter_mut().for_each(|statement| statement.sid = None);
            found == *self
        })
    }
}

/// A permissions policy: what may be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyDocument {
    /// `2012-10-17`
    pub version: String,
    /// The statements.
    pub statement: Vec<PolicyStatement>,
}

/// One statement of a permissions policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyStatement {
    /// A name for people; it means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// `Allow` or `Deny`.
    pub effect: String,
    /// What: `s3:GetObject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<OneOrMore>,
    /// Everything but this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_action: Option<OneOrMore>,
    /// To what, by ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<OneOrMore>,
    /// To everything but this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_resource: Option<OneOrMore>,
    /// Only then.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub condition: Conditions,
}

impl PolicyDocument {
    /// A document of these statements.
    pub fn new(statements: impl IntoIterator<Item = PolicyStatement>) -> Self {
        Self { version: LANGUAGE.to_owned(), statement: statements.into_iter().collect() }
    }

    /// Characters that count against IAM's quotas: all but white space.
    pub fn size(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.chars().filter(|c| !c.is_whitespace()).count())
    }

    /// Whether a document says the same, in whatever form.
    pub(crate) fn is_said_by(&self, document: &str) -> bool {
        match serde_json::from_str::<Self>(document) {
            Ok(found) => found == *self,
            // A single statement may stand without its list.
            Err(_) => serde_json::from_str::<Value>(document).is_ok_and(|mut found| {
                let single = found.get("Statement").filter(|statement| statement.is_object()).cloned();
                if let Some(single) = single {
                    found["Statement"] = Value::Array(vec![single]);
                }
                serde_json::from_value::<Self>(found).is_ok_and(|found| found == *self)
            }),
        }
    }
}

impl std::str::FromStr for PolicyDocument {
    type Err = serde_json::Error;

    /// A document in JSON, in the policy language of 2012-10-17.
    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl PolicyStatement {
    /// Allows `actions` on `resources`.
    pub fn allow<A: Into<String>, R: Into<String>>(actions: impl IntoIterator<Item = A>, resources: impl IntoIterator<Item = R>) -> Self {
        Self {
            effect: "Allow".to_owned(),
            action: Some(actions.into_iter().collect()),
            resource: Some(resources.into_iter().collect()),
            ..Self::default()
        }
    }

    /// Only if `key` compares so to one of `values`: `.when("StringEquals", "aws:RequestTag/team", ["shop"])`.
    #[must_use]
    pub fn when<V: Into<String>>(
        mut self,
        operator: impl Into<String>,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.condition.entry(operator.into()).or_default().insert(key.into(), values.into_iter().collect());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_in_other_words() -> Result<(), serde_json::Error> {
        let document = PolicyDocument::new([PolicyStatement::allow(["s3:GetObject", "s3:ListBucket"], ["*"])]);
        let said = |text: &str| document.is_said_by(text);
        assert!(said(&serde_json::to_string(&document)?));
        assert!(said(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:ListBucket","s3:GetObject"],"Resource":"*"}}"#
        ));
        assert!(!said(r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#));
        assert!(!said("no JSON"));
        let read: PolicyDocument =
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Deny","NotAction":"s3:*","NotResource":["x"]}]}"#.parse()?;
        assert_eq!(read.statement[0].not_action, Some("s3:*".into()));
        assert!("{}".parse::<PolicyDocument>().is_err());
        Ok(())
    }

    #[test]
    fn white_space_does_not_count() {
        let document = PolicyDocument::new([PolicyStatement::allow(["a:b"], ["a b"])]);
        assert_eq!(
            document.size(),
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["a:b"],"Resource":["ab"]}]}"#.len()
        );
    }
}
