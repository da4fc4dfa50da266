//! What an update of a stack would do, as CloudFormation itself says: a change set, as data.

use std::{collections::BTreeMap, fmt};

use eks_core::{Error, Finding, Op, Plan, StackName, StepKey};
use serde::{Deserialize, Serialize};

use crate::op::WorkersOp;

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

    fn lines(&self) -> Vec<String> {
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

/// The same plan, in which each update carries out exactly the change set that was looked at.
pub(crate) fn with_change_sets(plan: &Plan, diffs: &BTreeMap<StepKey, StackDiff>) -> Result<Plan, Error> {
    let mut builder = Plan::builder(plan.owner(), "nodes");
    if let Some(basis) = plan.basis().get("nodes") {
        builder = builder.basis(basis.clone());
    }
    for step in plan.steps() {
        let mut step = step.clone();
        if let Some(diff) = diffs.get(&step.key) {
            step.changes.extend(diff.lines());
            step = step.permits(crate::actions::CHANGE_SETS);
            if let (WorkersOp::UpdateStack { id, stack }, Some(change_set)) = (step.op.decode().map_err(fault)?, &diff.change_set) {
                step.op = Op::encode(&WorkersOp::ExecuteChangeSet { id, change_set: change_set.clone(), stack }).map_err(fault)?;
            }
            for lost in diff.lost() {
                builder = builder.finding(Finding::warning(step.key.clone(), format!("the update {lost}; nothing on it is drained")));
            }
        }
        builder = builder.step(step);
    }
    for finding in plan.findings() {
        builder = builder.finding(finding.clone());
    }
    builder.build().map_err(fault)
}

fn fault(error: impl std::error::Error) -> Error {
    Error::Plan { subject: "nodes".to_owned(), reason: error.to_string() }
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
