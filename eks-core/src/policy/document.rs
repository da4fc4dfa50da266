//! The policy of a plan: statements, and the documents that IAM takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{merge::merge, permission::Permission, scope::PolicyScope};

/// Characters of a managed policy, white space not counted (IAM user guide, "IAM and AWS STS quotas").
const MANAGED: usize = 6_144;
/// Characters of all inline policies of a role together (the same page).
const INLINE: usize = 10_240;
/// Managed policies of a user or role, unless the quota was raised (the same page).
const ATTACHED: usize = 10;

/// One statement: what is allowed, on what, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Statement {
    /// Its name, unique in the policy: what it is about.
    pub sid: String,
    /// IAM actions.
    pub actions: BTreeSet<String>,
    /// ARNs, with `*`.
    pub resources: BTreeSet<String>,
    /// By operator and key: the values.
    pub conditions: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Statement {
    fn value(&self) -> Value {
        let mut value =
            json!({"Sid": self.sid, "Effect": "Allow", "Action": one_or_all(&self.actions), "Resource": one_or_all(&self.resources)});
        if !self.conditions.is_empty() {
            let operator = |(operator, keys): (&String, &BTreeMap<String, BTreeSet<String>>)| {
                let keys = keys.iter().map(|(key, values)| (key.clone(), one_or_all(values))).collect();
                (operator.clone(), Value::Object(keys))
            };
            value["Condition"] = Value::Object(self.conditions.iter().map(operator).collect());
        }
        value
    }
}

fn one_or_all(set: &BTreeSet<String>) -> Value {
    match set.first() {
        Some(one) if set.len() == 1 => json!(one),
        _ => json!(set),
    }
}

/// What a principal must be allowed so that a plan or teardown succeeds, and nothing else: the same for the same plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// A policy that IAM would not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// More documents than a principal can have.
    #[error(
        "the policy needs {0} managed policies, and a role or user has at most {ATTACHED}; apply layer by layer, or have IAM raise the quota \"Managed policies attached to an IAM role\""
    )]
    Documents(usize),
    /// One statement is longer than a document may be.
    #[error("statement {sid} has {characters} characters, and a managed policy at most {MANAGED}; apply layer by layer")]
    Statement {
        /// Its name.
        sid: String,
        /// Its length.
        characters: usize,
    },
    /// It does not fit into a role.
    #[error("the policy has {0} characters, and the inline policies of a role at most {INLINE}; use its managed documents")]
    Inline(usize),
}

impl Policy {
    /// The least policy for these permissions.
    pub(crate) fn new<'a>(permissions: impl IntoIterator<Item = &'a Permission>, scope: &PolicyScope) -> Self {
        let permissions: BTreeSet<Permission> = permissions.into_iter().cloned().collect();
        let fill = |set: BTreeSet<String>| -> BTreeSet<String> { set.iter().map(|text| scope.fill(text)).collect() };
        let mut names = BTreeMap::new();
        let mut statements = Vec::new();
        for (actions, resources, flat) in merge(&permissions) {
            let mut conditions: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
            for ((operator, key), values) in flat {
                conditions.entry(operator).or_default().insert(key, fill(values));
            }
            let sid = sid(&actions, &mut names);
            statements.push(Statement { sid, actions, resources: fill(resources), conditions });
        }
        Self { statements }
    }

    /// The statements.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Whether nothing needs to be allowed.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Every action that it allows.
    pub fn actions(&self) -> BTreeSet<&str> {
        self.statements.iter().flat_map(|statement| &statement.actions).map(String::as_str).collect()
    }

    /// The same without one statement: to see what it is for.
    #[must_use]
    pub fn without(&self, sid: &str) -> Self {
        Self { statements: self.statements.iter().filter(|statement| statement.sid != sid).cloned().collect() }
    }

    /// Managed policies' documents, as few as hold it: each of at most 6,144 characters. None for a policy that allows nothing.
    ///
    /// # Errors
    /// [`PolicyError`] if there would be more than ten, which is what a role or user can have.
    pub fn documents(&self) -> Result<Vec<String>, PolicyError> {
        let documents = self.split()?;
        if documents.len() > ATTACHED { Err(PolicyError::Documents(documents.len())) } else { Ok(documents) }
    }

    /// As [`Policy::documents`], however many.
    fn split(&self) -> Result<Vec<String>, PolicyError> {
        let mut documents: Vec<Vec<&Statement>> = Vec::new();
        // The longest first, each into the first document with room: near enough to the fewest, and always the same.
        let mut order: Vec<_> = self.statements.iter().map(|statement| (characters(&statement.value().to_string()), statement)).collect();
        order.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.sid.cmp(&b.1.sid)));
        for (length, statement) in order {
            if characters(&document([statement])) > MANAGED {
                return Err(PolicyError::Statement { sid: statement.sid.clone(), characters: length });
            }
            let room = documents.iter_mut().find(|held| characters(&document(held.iter().copied().chain([statement]))) <= MANAGED);
            match room {
                Some(held) => held.push(statement),
                None => documents.push(vec![statement]),
            }
        }
        for held in &mut documents {
            held.sort_by(|a, b| a.sid.cmp(&b.sid));
        }
        Ok(documents.into_iter().map(document).collect())
    }

    /// One document for a role's inline policy.
    ///
    /// # Errors
    /// [`PolicyError::Inline`] above 10,240 characters, which is what a role's inline policies together may have.
    pub fn inline(&self) -> Result<String, PolicyError> {
        let text = document(&self.statements);
        let length = characters(&text);
        if length > INLINE { Err(PolicyError::Inline(length)) } else { Ok(text) }
    }

    /// How many characters IAM counts: all of one document's but white space.
    pub fn characters(&self) -> usize {
        characters(&document(&self.statements))
    }
}

/// IAM does not count white space.
fn characters(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

fn whole<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements.into_iter().map(Statement::value).collect::<Vec<_>>()})
}

fn document<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> String {
    whole(statements).to_string()
}

/// `Ec2CreateVpc`, `ReadEc2AndMore2`: letters and digits only, unique.
fn sid(actions: &BTreeSet<String>, names: &mut BTreeMap<String, usize>) -> String {
    let reads = |action: &String| {
        action.split(':').nth(1).is_some_and(|name| ["Describe", "List", "Get"].iter().any(|verb| name.starts_with(verb)))
    };
    let title = |text: &str| text.chars().take(1).flat_map(char::to_uppercase).chain(text.chars().skip(1)).collect::<String>();
    let services: BTreeSet<_> = actions.iter().filter_map(|action| action.split(':').next()).map(title).collect();
    let services: String = services.into_iter().collect();
    let base = match actions.first() {
        _ if actions.iter().all(reads) => format!("Read{services}"),
        Some(first) => {
            let more = if actions.len() > 1 { format!("And{}More", actions.len() - 1) } else { String::new() };
            let (service, name) = first.split_once(':').unwrap_or(("", first));
            format!("{}{name}{more}", title(service))
        }
        None => "Nothing".to_owned(),
    };
    let base: String = base.chars().filter(char::is_ascii_alphanumeric).collect();
    let count = names.entry(base.clone()).or_default();
    *count += 1;
    if *count == 1 { base } else { format!("{base}{count}") }
}

impl fmt::Display for Policy {
    /// One document for a reader, indented; IAM takes [`Policy::documents`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", whole(&self.statements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> PolicyScope {
        PolicyScope::of_region("eu-west-1", "123456789012").unwrap()
    }

    #[test]
    fn a_document_as_iam_takes_it() {
        let all = [
            Permission::new("ec2:DescribeVpcs"),
            Permission::new("ec2:CreateVpc").on("arn:${Partition}:ec2:${Region}:${Account}:vpc/*").when(
                "StringEquals",
                "aws:RequestTag/eks-rs/owner",
                ["shop"],
            ),
        ];
        let policy = Policy::new(&all, &scope());
        let expected = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "Ec2CreateVpc", "Effect": "Allow", "Action": "ec2:CreateVpc", "Resource": "arn:aws:ec2:eu-west-1:123456789012:vpc/*",
                "Condition": {"StringEquals": {"aws:RequestTag/eks-rs/owner": "shop"}}},
            {"Sid": "ReadEc2", "Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"},
        ]});
        let documents = policy.documents().unwrap();
        assert_eq!(documents.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()).collect::<Vec<_>>(), [expected]);
        assert_eq!(policy.without("ReadEc2").actions(), ["ec2:CreateVpc"].into());
        assert_eq!(Policy::default().documents().unwrap(), [""; 0]);
    }

    #[test]
    fn documents_stay_within_what_iam_takes() {
        let many =
            |count: usize| -> Vec<_> { (0..count).map(|n| Permission::new(format!("s:Do{n}")).on(format!("arn:{n:0>180}"))).collect() };
        let policy = Policy::new(&many(100), &scope());
        let documents = policy.documents().unwrap();
        assert!(documents.len() > 1 && documents.iter().all(|text| text.len() <= MANAGED), "{}", documents.len());
        let statements: usize =
            documents.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()["Statement"].as_array().unwrap().len()).sum();
        assert_eq!(statements, 100);
        assert_eq!(policy.inline(), Err(PolicyError::Inline(policy.characters())));
        assert!(matches!(Policy::new(&many(400), &scope()).documents(), Err(PolicyError::Documents(11..))));
        let long = Permission::new("s:Do").on("x".repeat(MANAGED));
        assert!(matches!(Policy::new([&long], &scope()).documents(), Err(PolicyError::Statement { .. })));
    }

    #[test]
    fn names_are_unique_letters_and_digits() {
        let all = [Permission::new("ec2:CreateTags").on("a"), Permission::new("ec2:CreateTags").on("b").when("Null", "k", ["true"])];
        let policy = Policy::new(&all, &scope());
        let names: Vec<_> = policy.statements().iter().map(|statement| statement.sid.as_str()).collect();
        assert_eq!(names, ["Ec2CreateTags", "Ec2CreateTags2"]);
    }
}
