//! What an update of a stack would do, as CloudFormation itself says: a change set, as data.

use std::fmt;

use eks_core::StackName;
use serde::{Deserialize, Serialize};

/// What an update of one stack would do. `Display` has a line for each resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StackDiff {
    /// The stack.
    pub stack: StackName,
    /// What would be done to its resources; nothing if the update changes none.
    pub changes: Vec<ResourceChange>,
    /// ARN of the change set, if it was kept to be carried out.
    pub change_set: Option<String>,
}

/// What would be done to one resource. CloudFormation API Reference, "ResourceChange".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResourceChange {
    /// Its logical id: `NodeGroup`.
    pub logical: String,
    /// Its type: `AWS::AutoScaling::AutoScalingGroup`.
    pub kind: String,
    /// What would be done.
    pub action: ChangeAction,
    /// Whether another resource takes its place.
    pub replacement: Replacement,
    /// What of it changes, and why.
    pub details: Vec<PropertyChange>,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeAction {
    /// It is made.
    Add,
    /// It is changed.
    Modify,
    /// It is deleted.
    Remove,
    /// CloudFormation cannot say yet.
    Undetermined,
}

/// Whether another resource takes the place of one that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "it is replaced, or not, or nobody knows yet")]
pub enum Replacement {
    /// It stays the same.
    No,
    /// That depends on what other changes lead to.
    Conditional,
    /// It is replaced.
    Yes,
}

/// A property, or other part of a resource, that changes. CloudFormation API Reference, "ResourceChangeDetail".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PropertyChange {
    /// `LaunchTemplateData`, or a part that is no property: `Tags`.
    pub name: String,
    /// Whether its change alone replaces the resource.
    pub replacement: Replacement,
    /// What causes it: a parameter, another resource or its attribute; nothing if the template itself was changed.
    pub cause: Option<String>,
    /// Whether its new value is known only when the update is carried out.
    pub dynamic: bool,
}

impl StackDiff {
    /// Whether no resource changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Resources that are deleted, or another takes the place of which, if only perhaps.
    pub fn lost(&self) -> impl Iterator<Item = &ResourceChange> {
        self.changes.iter().filter(|change| change.action == ChangeAction::Remove || change.replacement != Replacement::No)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        if self.is_empty() {
            return vec!["CloudFormation finds no resource to change".to_owned()];
        }
        self.changes.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Display for StackDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stack {}", self.stack)?;
        self.lines().iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl fmt::Display for ResourceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match (self.action, self.replacement) {
            (ChangeAction::Add, _) => "adds",
            (ChangeAction::Remove, _) => "removes",
            (ChangeAction::Undetermined, _) => "may change",
            (ChangeAction::Modify, Replacement::Yes) => "replaces",
            (ChangeAction::Modify, Replacement::Conditional) => "changes or replaces",
            (ChangeAction::Modify, Replacement::No) => "changes",
        };
        write!(f, "{action} {} ({})", self.logical, self.kind)?;
        for (at, detail) in self.details.iter().enumerate() {
            write!(f, "{}{}", if at > 0 { ", " } else { ": " }, detail.name)?;
            if let Some(cause) = &detail.cause {
                write!(f, " by {cause}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let change = |logical: &str, action, replacement, details| ResourceChange {
            logical: logical.to_owned(),
            kind: "AWS::X::Y".to_owned(),
            action,
            replacement,
            details,
        };
        let by = |name: &str, cause: Option<&str>| PropertyChange {
            name: name.to_owned(),
            replacement: Replacement::No,
            cause: cause.map(str::to_owned),
            dynamic: false,
        };
        let diff = StackDiff {
            stack: StackName::new("w").expect("a name"),
            changes: vec![
                change("New", ChangeAction::Add, Replacement::No, Vec::new()),
                change("Template", ChangeAction::Modify, Replacement::No, vec![by("Data", Some("Type")), by("Tags", None)]),
                change("Group", ChangeAction::Modify, Replacement::Yes, vec![by("Name", None)]),
                change("Rule", ChangeAction::Modify, Replacement::Conditional, vec![by("GroupId", Some("Group.GroupId"))]),
                change("Old", ChangeAction::Remove, Replacement::No, Vec::new()),
            ],
            change_set: None,
        };
        assert_eq!(
            diff.to_string(),
            "stack w\n  adds New (AWS::X::Y)\n  changes Template (AWS::X::Y): Data by Type, Tags\n  replaces Group (AWS::X::Y): Name\n  \
             changes or replaces Rule (AWS::X::Y): GroupId by Group.GroupId\n  removes Old (AWS::X::Y)"
        );
        assert_eq!(diff.lost().map(|change| change.logical.as_str()).collect::<Vec<_>>(), ["Group", "Rule", "Old"]);
    }
}
