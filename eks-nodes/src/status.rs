//! The states of a CloudFormation stack, and what each means for whoever wants it made or removed.

use eks_core::Error;

use crate::states::states;

states! {
    /// State of a stack. CloudFormation API Reference, "Stack", `StackStatus`.
    StackStatus {
        CreateComplete = "CREATE_COMPLETE",
        CreateFailed = "CREATE_FAILED",
        CreateInProgress = "CREATE_IN_PROGRESS",
        DeleteComplete = "DELETE_COMPLETE",
        DeleteFailed = "DELETE_FAILED",
        DeleteInProgress = "DELETE_IN_PROGRESS",
        ImportComplete = "IMPORT_COMPLETE",
        ImportInProgress = "IMPORT_IN_PROGRESS",
        ImportRollbackComplete = "IMPORT_ROLLBACK_COMPLETE",
        ImportRollbackFailed = "IMPORT_ROLLBACK_FAILED",
        ImportRollbackInProgress = "IMPORT_ROLLBACK_IN_PROGRESS",
        ReviewInProgress = "REVIEW_IN_PROGRESS",
        RollbackComplete = "ROLLBACK_COMPLETE",
        RollbackFailed = "ROLLBACK_FAILED",
        RollbackInProgress = "ROLLBACK_IN_PROGRESS",
        UpdateComplete = "UPDATE_COMPLETE",
        UpdateCompleteCleanupInProgress = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        UpdateFailed = "UPDATE_FAILED",
        UpdateInProgress = "UPDATE_IN_PROGRESS",
        UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE",
        UpdateRollbackCompleteCleanupInProgress = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED",
        UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS",
    }
}

/// What the stack is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a stack is made or removed")]
pub enum Purpose {
    /// It should be there as specified.
    Make,
    /// It should not be there.
    Remove,
}

/// What to do about a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// Compare it with what is wanted; update it where it differs.
    Compare,
    /// Continue the rollback of an update that could not be taken back, and wait until it is as it was before.
    ContinueRollback,
    /// Create it.
    Create,
    /// Delete it.
    Delete,
    /// Its deletion failed: find out what held its resources, remove what is a leftover for certain, and delete it again.
    Finish,
    /// Nothing: it is gone.
    Gone,
    /// Wait until the deletion that runs has ended, and create it again.
    Recreate,
    /// Leave it: a person must decide.
    Refuse(Refusal),
    /// Delete it, wait until it is gone, and create it again: it never came to be, and nothing that is used is lost.
    Replace,
    /// Roll back the update that failed and was left as it was, and wait until it is as it was before.
    RollBack,
    /// Wait until the operation that runs has ended, then look again.
    Wait,
}

/// Why a stack is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its deletion failed. Somebody wanted it gone, and what is left of it may still run.
    #[error("is in DELETE_FAILED and may still hold instances that run")]
    DeletionFailed,
    /// Resources that were imported could not be let go of. CloudFormation has no call that goes on from there.
    #[error("is in IMPORT_ROLLBACK_FAILED, from which only a person can bring it back")]
    ImportRollbackFailed,
    /// The state is not one of those that this version knows.
    #[error("is in a state that this version does not know")]
    UnknownStatus,
}

impl Refusal {
    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::DeletionFailed => "tear it down first",
            Self::ImportRollbackFailed => "repair what its events name and import again in CloudFormation, or delete it",
            Self::UnknownStatus => "use a newer version, or bring the stack into another state in CloudFormation",
        }
    }

    /// The error that says so of a stack.
    pub(crate) fn of(self, stack: &str, reason: Option<&str>) -> Error {
        let rule = reason.map_or_else(|| self.to_string(), |reason| format!("{self} ({reason})"));
        Error::Refused { subject: format!("stack {stack}"), rule, remedy: self.remedy().to_owned() }
    }
}

impl StackStatus {
    /// What to do about a stack in this state. Exhaustive: a new state must be decided here.
    ///
    /// CloudFormation User Guide, "Stack status codes", "Continue rolling back an update" and "Choose how to handle failures when
    /// provisioning resources"; API Reference, "RollbackStack": from CREATE_FAILED and UPDATE_FAILED.
    pub fn next(self, purpose: Purpose) -> Next {
        match (self, purpose) {
            (Self::CreateComplete | Self::UpdateComplete | Self::UpdateRollbackComplete, Purpose::Make)
            | (Self::ImportComplete | Self::ImportRollbackComplete, Purpose::Make) => Next::Compare,
            (Self::DeleteComplete, Purpose::Make) => Next::Create,
            (Self::DeleteComplete, Purpose::Remove) => Next::Gone,
            // A stack whose creation failed can only be deleted. One in review has change sets and no resources.
            (Self::CreateFailed | Self::ReviewInProgress | Self::RollbackComplete | Self::RollbackFailed, Purpose::Make)
            | (Self::RollbackInProgress, Purpose::Make) => Next::Replace,
            (Self::DeleteInProgress, Purpose::Make) => Next::Recreate,
            // Both lead back to what worked before; then it is compared.
            (Self::UpdateFailed, Purpose::Make) => Next::RollBack,
            (Self::UpdateRollbackFailed, Purpose::Make) => Next::ContinueRollback,
            (Self::DeleteFailed, Purpose::Make) => Next::Refuse(Refusal::DeletionFailed),
            (Self::DeleteFailed, Purpose::Remove) => Next::Finish,
            (Self::ImportRollbackFailed, Purpose::Make) => Next::Refuse(Refusal::ImportRollbackFailed),
            (Self::Unknown, _) => Next::Refuse(Refusal::UnknownStatus),
            (Self::CreateInProgress, Purpose::Make) => Next::Wait,
            // CloudFormation refuses to delete what it is updating.
            (Self::UpdateInProgress | Self::UpdateCompleteCleanupInProgress | Self::UpdateRollbackInProgress, _)
            | (Self::UpdateRollbackCompleteCleanupInProgress | Self::ImportInProgress | Self::ImportRollbackInProgress, _)
            | (Self::RollbackInProgress | Self::DeleteInProgress, Purpose::Remove) => Next::Wait,
            (
                Self::CreateComplete
                | Self::CreateFailed
                | Self::CreateInProgress
                | Self::ImportComplete
                | Self::ImportRollbackComplete
                | Self::ImportRollbackFailed
                | Self::ReviewInProgress
                | Self::RollbackComplete
                | Self::RollbackFailed
                | Self::UpdateComplete
                | Self::UpdateFailed
                | Self::UpdateRollbackComplete
                | Self::UpdateRollbackFailed,
                Purpose::Remove,
            ) => Next::Delete,
        }
    }

    /// Whether no operation runs.
    pub fn is_settled(self) -> bool {
        !self.as_str().ends_with("_IN_PROGRESS") || self == Self::ReviewInProgress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for status in StackStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        assert_eq!(StackStatus::ALL.len(), 23);
        assert_eq!("SOMETHING_NEW".parse(), Ok(StackStatus::Unknown));
    }

    /// Every state has an action, or a refusal that says what to do. From the User Guide's "Stack status codes", not from the code.
    #[test]
    fn every_state_is_decided() {
        let mut states = StackStatus::ALL.to_vec();
        states.push(StackStatus::Unknown);
        let table: Vec<_> = states
            .iter()
            .map(|status| {
                let (make, remove) = (status.next(Purpose::Make), status.next(Purpose::Remove));
                format!("{status:<46} {:<30} {remove:?}", format!("{make:?}"))
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"), @r##"
        CREATE_COMPLETE                                Compare                        Delete
        CREATE_FAILED                                  Replace                        Delete
        CREATE_IN_PROGRESS                             Wait                           Delete
        DELETE_COMPLETE                                Create                         Gone
        DELETE_FAILED                                  Refuse(DeletionFailed)         Finish
        DELETE_IN_PROGRESS                             Recreate                       Wait
        IMPORT_COMPLETE                                Compare                        Delete
        IMPORT_IN_PROGRESS                             Wait                           Wait
        IMPORT_ROLLBACK_COMPLETE                       Compare                        Delete
        IMPORT_ROLLBACK_FAILED                         Refuse(ImportRollbackFailed)   Delete
        IMPORT_ROLLBACK_IN_PROGRESS                    Wait                           Wait
        REVIEW_IN_PROGRESS                             Replace                        Delete
        ROLLBACK_COMPLETE                              Replace                        Delete
        ROLLBACK_FAILED                                Replace                        Delete
        ROLLBACK_IN_PROGRESS                           Replace                        Wait
        UPDATE_COMPLETE                                Compare                        Delete
        UPDATE_COMPLETE_CLEANUP_IN_PROGRESS            Wait                           Wait
        UPDATE_FAILED                                  RollBack                       Delete
        UPDATE_IN_PROGRESS                             Wait                           Wait
        UPDATE_ROLLBACK_COMPLETE                       Compare                        Delete
        UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS   Wait                           Wait
        UPDATE_ROLLBACK_FAILED                         ContinueRollback               Delete
        UPDATE_ROLLBACK_IN_PROGRESS                    Wait                           Wait
        an unknown state                               Refuse(UnknownStatus)          Refuse(UnknownStatus)
        "##);
    }

    #[test]
    fn refusals_say_what_to_do() {
        for refusal in [Refusal::DeletionFailed, Refusal::ImportRollbackFailed, Refusal::UnknownStatus] {
            let error = refusal.of("w", Some("why")).to_string();
            assert!(error.starts_with("stack w: is in ") && error.ends_with(&format!("(why); {}", refusal.remedy())), "{error}");
        }
    }
}
