//! One step of a plan.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Op, OpError, Operation, Outputs, Permission, Price, Ref, StepKey};

/// What a step does. A plan never deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a fourth action would change what a plan is")]
pub enum Action {
    /// Makes what is not there.
    Create,
    /// Nothing: it is there as it should be. Its outputs are known.
    Keep,
    /// Changes what is there, in place.
    Update,
}

/// One fully decided step: no choice is left for run time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// Its key, which is also put into the tags of what it makes.
    pub key: StepKey,
    /// What it does.
    pub action: Action,
    /// What it makes, for people: `VPC 10.0.0.0/16`.
    pub title: String,
    /// For an update: each change, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Steps that must be done first. The true dependencies, no more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<StepKey>,
    /// How long it typically takes.
    pub typical: Duration,
    /// What it costs, once it exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<Price>,
    /// What carrying it out must be permitted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub permissions: BTreeSet<Permission>,
    /// Outputs that are known already: all of them for a kept step.
    #[serde(default, skip_serializing_if = "Outputs::is_empty")]
    pub outputs: Outputs,
    /// The operation.
    pub op: Op,
}

impl Step {
    /// A step that needs nothing, costs nothing and takes no time.
    ///
    /// # Errors
    /// If the operation cannot be serialised.
    pub fn new<O: Operation>(key: StepKey, action: Action, title: impl Into<String>, operation: &O) -> Result<Self, OpError> {
        Ok(Self {
            key,
            action,
            title: title.into(),
            changes: Vec::new(),
            needs: BTreeSet::new(),
            typical: Duration::ZERO,
            prices: Vec::new(),
            permissions: BTreeSet::new(),
            outputs: Outputs::new(),
            op: Op::encode(operation)?,
        })
    }

    /// A step that must be done first.
    #[must_use]
    pub fn after(mut self, key: StepKey) -> Self {
        self.needs.insert(key);
        self
    }

    /// Steps that must be done first.
    #[must_use]
    pub fn after_all<'a>(mut self, keys: impl IntoIterator<Item = &'a StepKey>) -> Self {
        self.needs.extend(keys.into_iter().cloned());
        self
    }

    /// A value that it uses; the step that tells it must be done first.
    #[must_use]
    pub fn uses<T>(mut self, reference: &Ref<T>) -> Self {
        self.needs.extend(reference.step().cloned());
        self
    }

    /// How long it typically takes.
    #[must_use]
    pub fn takes(mut self, typical: Duration) -> Self {
        self.typical = typical;
        self
    }

    /// What it costs.
    #[must_use]
    pub fn costs(mut self, price: Price) -> Self {
        self.prices.push(price);
        self
    }

    /// What it must be permitted: [`Permission`]s, or IAM actions on every resource.
    #[must_use]
    pub fn permits<P: Into<Permission>>(mut self, permissions: impl IntoIterator<Item = P>) -> Self {
        self.permissions.extend(permissions.into_iter().map(Into::into));
        self
    }

    /// Says more of the IAM actions that are permitted on every resource: what `with` tells of one takes its place.
    #[must_use]
    pub fn refine(mut self, with: impl Fn(&str) -> Option<Vec<Permission>>) -> Self {
        self.permissions = Permission::refine(self.permissions, with);
        self
    }

    /// IAM actions that it needs.
    pub fn iam_actions(&self) -> BTreeSet<&str> {
        self.permissions.iter().map(Permission::action).collect()
    }

    /// For an update: what changes.
    #[must_use]
    pub fn changes(mut self, changes: impl IntoIterator<Item = String>) -> Self {
        self.changes.extend(changes);
        self
    }

    /// An output that is known already.
    #[must_use]
    pub fn knows(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.outputs.insert(name.into(), value.to_string());
        self
    }
}
