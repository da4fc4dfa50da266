//! The states of a managed group. EKS API Reference, "Nodegroup", `status`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// State of a managed group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum GroupStatus {
    /// It stands.
    Active,
    /// It never came to be; its issues tell why.
    CreateFailed,
    /// EKS makes it.
    Creating,
    /// It stands, and something is wrong with it.
    Degraded,
    /// EKS could not remove everything; its issues tell what holds it.
    DeleteFailed,
    /// EKS removes it.
    Deleting,
    /// One that this version does not know.
    Unknown,
    /// EKS changes it.
    Updating,
}

impl GroupStatus {
    /// Every state that this version knows.
    pub const ALL: [Self; 7] =
        [Self::Active, Self::CreateFailed, Self::Creating, Self::Degraded, Self::DeleteFailed, Self::Deleting, Self::Updating];

    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::CreateFailed => "CREATE_FAILED",
            Self::Creating => "CREATING",
            Self::Degraded => "DEGRADED",
            Self::DeleteFailed => "DELETE_FAILED",
            Self::Deleting => "DELETING",
            Self::Unknown => "an unknown state",
            Self::Updating => "UPDATING",
        }
    }

    /// Whether it is there to be used, now or once the operation that runs has ended.
    pub(crate) fn stands(self) -> bool {
        matches!(self, Self::Active | Self::Creating | Self::Degraded | Self::Updating)
    }
}

impl FromStr for GroupStatus {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::ALL.into_iter().find(|status| status.as_str() == text).unwrap_or(Self::Unknown))
    }
}

impl fmt::Display for GroupStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for status in GroupStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!("SOMETHING_NEW".parse(), Ok(GroupStatus::Unknown));
    }
}
