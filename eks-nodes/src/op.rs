//! The operations on workers' stacks.

use std::collections::BTreeSet;

use eks_core::{Operation, StackName};
use serde::{Deserialize, Serialize};

use crate::{managed::GroupOp, request::StackRequest};

/// What a step of this layer does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkersOp {
    /// Waits for what an earlier run began.
    AwaitStack {
        /// The stack.
        name: StackName,
        /// Its ARN.
        id: String,
    },
    /// Continues the rollback of an update, and waits until the stack is as it was before.
    ContinueRollback {
        /// The stack.
        name: StackName,
        /// Its ARN.
        id: String,
        /// Logical ids of resources that may stay as they are where they cannot be restored.
        #[serde(default)]
        skip: BTreeSet<String>,
    },
    /// Creates a stack and waits for it.
    CreateStack {
        /// What is wanted.
        stack: StackRequest,
    },
    /// Deletes a stack and waits until it is gone. Removals only, never part of a plan.
    DeleteStack {
        /// The stack.
        name: StackName,
        /// Its ARN.
        id: String,
    },
    /// What is done to a managed node group.
    Group {
        /// What.
        group: GroupOp,
    },
    /// Nothing: the stack is as it should be.
    KeepStack {
        /// The stack.
        name: StackName,
    },
    /// Waits until a stack that is being deleted is gone, then creates it again. Deletes nothing.
    RecreateStack {
        /// ARN of the stack that goes.
        id: String,
        /// What is wanted.
        stack: StackRequest,
    },
    /// Clears away a stack that never came to be, then creates it again.
    ReplaceStack {
        /// ARN of what is left of the failed creation.
        id: String,
        /// What is wanted.
        stack: StackRequest,
    },
    /// Rolls back an update that failed and was left as it was, and waits until the stack is as it was before.
    RollBack {
        /// The stack.
        name: StackName,
        /// Its ARN.
        id: String,
    },
    /// Changes a stack in place and waits for it.
    UpdateStack {
        /// Its ARN.
        id: String,
        /// What is wanted.
        stack: StackRequest,
    },
}

impl Operation for WorkersOp {
    const LAYER: &'static str = "nodes";
}
