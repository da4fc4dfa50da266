//! Waiting for stacks.

use std::collections::BTreeMap;

use eks_core::{Error, Outputs, engine::Poll};

use super::Workers;
use crate::{
    observed::Stack,
    status::{Next, Purpose, StackStatus},
};

/// What a stack is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// It is gone.
    Deleted,
    /// No operation runs, whatever its end.
    Settled,
    /// It is as it was before an update that failed.
    Restored,
    /// It is there and usable, made or changed.
    Standing,
    /// The update has been carried out, not rolled back.
    Updated,
}

impl Goal {
    const ALL: [Self; 5] = [Self::Deleted, Self::Restored, Self::Settled, Self::Standing, Self::Updated];

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Deleted => "stack-deleted",
            Self::Restored => "stack-restored",
            Self::Settled => "stack-settled",
            Self::Standing => "stack-standing",
            Self::Updated => "stack-updated",
        }
    }

    fn of(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|goal| goal.kind() == kind)
    }

    /// What the state means for the goal.
    ///
    /// A creation or update that rolls back has failed at once: the cause is known, and a later plan waits for the rollback.
    fn judge(self, stack: &Stack) -> Poll {
        let ready = || Poll::Ready(outputs(stack));
        let pending = || Poll::Pending { state: stack.status.to_string() };
        // The events tell more; whoever waits reads them.
        let failed = || Poll::Failed { state: stack.status.to_string(), reason: stack.reason.clone().unwrap_or_default() };
        match (self, stack.status) {
            (Self::Deleted, StackStatus::DeleteComplete) => ready(),
            (Self::Deleted, StackStatus::DeleteFailed) => failed(),
            // Deletion begins a moment after it is asked for.
            (Self::Deleted, _) => pending(),
            (Self::Settled, status) if status.is_settled() => ready(),
            (Self::Settled, _) => pending(),
            (Self::Standing, status) => match status.next(Purpose::Make) {
                Next::Compare => ready(),
                Next::Wait => pending(),
                _ => failed(),
            },
            (Self::Restored, status) => match status.next(Purpose::Make) {
                Next::Compare => ready(),
                Next::Wait => pending(),
                _ => failed(),
            },
            (Self::Updated, StackStatus::UpdateComplete) => ready(),
            (Self::Updated, StackStatus::UpdateInProgress | StackStatus::UpdateCompleteCleanupInProgress) => pending(),
            (Self::Updated, _) => failed(),
        }
    }
}

pub(super) fn outputs(stack: &Stack) -> Outputs {
    let mut outputs: Outputs = stack.outputs.clone();
    outputs.insert("id".to_owned(), stack.id.clone());
    outputs
}

impl Workers {
    /// The states of stacks, by ARN. One that is waited for is described by its ARN; several are found in one listing, and
    /// only those that it no longer shows are described one by one.
    pub(crate) async fn look(&self, kind: &str, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
        let goal =
            Goal::of(kind).ok_or_else(|| Error::Plan { subject: kind.to_owned(), reason: "no such wait in this layer".to_owned() })?;
        let listed = if ids.len() > 1 { self.list().await? } else { Vec::new() };
        let mut found = BTreeMap::new();
        for id in ids {
            let stack = match listed.iter().find(|stack| stack.id == *id) {
                Some(stack) => Some(stack.clone()),
                None => self.describe(id).await?,
            };
            // Deleted stacks stay visible by ARN for 90 days, so absence is a stack too new to be seen.
            let Some(stack) = stack else { continue };
            found.insert(id.clone(), goal.judge(&stack));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(goal: Goal, status: StackStatus) -> &'static str {
        let stack = Stack {
            name: "s".to_owned(),
            id: "arn:s".to_owned(),
            status,
            reason: None,
            parameters: BTreeMap::new(),
            outputs: BTreeMap::new(),
            tags: BTreeMap::new(),
        };
        match goal.judge(&stack) {
            Poll::Ready(_) => "ready",
            Poll::Pending { .. } => "pending",
            Poll::Failed { .. } => "failed",
        }
    }

    #[test]
    fn goals() {
        for (goal, status, expected) in [
            (Goal::Standing, StackStatus::CreateInProgress, "pending"),
            (Goal::Standing, StackStatus::CreateComplete, "ready"),
            // The SDK's waiter takes this for success too late, and any UPDATE_ state for success.
            (Goal::Standing, StackStatus::RollbackInProgress, "failed"),
            (Goal::Standing, StackStatus::UpdateRollbackComplete, "ready"),
            (Goal::Restored, StackStatus::UpdateRollbackInProgress, "pending"),
            (Goal::Restored, StackStatus::UpdateRollbackFailed, "failed"),
            (Goal::Restored, StackStatus::UpdateRollbackComplete, "ready"),
            (Goal::Updated, StackStatus::UpdateCompleteCleanupInProgress, "pending"),
            (Goal::Updated, StackStatus::UpdateRollbackInProgress, "failed"),
            (Goal::Deleted, StackStatus::CreateComplete, "pending"),
            (Goal::Deleted, StackStatus::DeleteFailed, "failed"),
            (Goal::Deleted, StackStatus::DeleteComplete, "ready"),
            (Goal::Settled, StackStatus::RollbackInProgress, "pending"),
            (Goal::Settled, StackStatus::RollbackComplete, "ready"),
        ] {
            assert_eq!(judged(goal, status), expected, "{goal:?} {status}");
        }
    }

    #[test]
    fn every_goal_ends() {
        for goal in Goal::ALL {
            assert_eq!(Goal::of(goal.kind()), Some(goal));
            assert!(StackStatus::ALL.iter().any(|status| judged(goal, *status) == "ready"));
        }
    }
}
