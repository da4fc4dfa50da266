//! The states of a managed group. EKS API Reference, "Nodegroup", `status`.

use crate::states::states;

states! {
    /// State of a managed group.
    GroupStatus {
        /// It stands.
        Active = "ACTIVE",
        /// It never came to be; its issues tell why.
        CreateFailed = "CREATE_FAILED",
        /// EKS makes it.
        Creating = "CREATING",
        /// It stands, and something is wrong with it.
        Degraded = "DEGRADED",
        /// EKS could not remove everything; its issues tell what holds it.
        DeleteFailed = "DELETE_FAILED",
        /// EKS removes it.
        Deleting = "DELETING",
        /// EKS changes it.
        Updating = "UPDATING",
    }
}

impl GroupStatus {
    /// Whether it is there to be used, now or once the operation that runs has ended.
    pub(crate) fn stands(self) -> bool {
        matches!(self, Self::Active | Self::Creating | Self::Degraded | Self::Updating)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for status in GroupStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        assert_eq!("SOMETHING_NEW".parse(), Ok(GroupStatus::Unknown));
    }
}
