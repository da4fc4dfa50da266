//! What shows that principals enter by their entries.

use std::{collections::BTreeMap, fmt};

use super::KubernetesIdentity;

/// How an entry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// As it should be, and in effect.
    Stands,
    /// It is not there.
    Missing,
    /// It is not as it should be, field by field.
    Differs(Vec<String>),
    /// Its role is younger than it: another role under the same name, which EKS does not let in.
    OfEarlierRole,
    /// Its role is gone.
    RoleGone,
    /// It is younger than a minute; EKS says that entries take several seconds to be in effect.
    TooYoung,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stands => f.write_str("has its entry"),
            Self::Missing => f.write_str("has no entry"),
            Self::Differs(lines) => write!(f, "has another entry ({})", lines.join("; ")),
            Self::OfEarlierRole => {
                f.write_str("was made again after its entry, which lets only the earlier role in: delete the entry, and plan again")
            }
            Self::RoleGone => f.write_str("is gone from IAM"),
            Self::TooYoung => f.write_str("has an entry that is younger than a minute"),
        }
    }
}

/// What was seen of entries and of those who enter by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessProof {
    pub(crate) standing: BTreeMap<String, Standing>,
    pub(super) entered: BTreeMap<String, KubernetesIdentity>,
}

impl AccessProof {
    /// Adds that a principal, by the ARN that its entry has, entered as this identity.
    #[must_use]
    pub fn entered(mut self, principal: impl Into<String>, identity: KubernetesIdentity) -> Self {
        self.entered.insert(principal.into(), identity);
        self
    }

    /// How the entry of a principal stands, if it was looked at.
    pub fn standing(&self, principal: &str) -> Option<&Standing> {
        self.standing.get(principal)
    }

    /// Every entry that was looked at.
    pub fn standings(&self) -> &BTreeMap<String, Standing> {
        &self.standing
    }

    /// Whether an administrator was seen to enter, and not by aws-auth: that gives system:masters, which no entry does.
    pub(crate) fn entered_by_entry(&self, principal: &str) -> bool {
        self.entered.get(principal).is_some_and(|identity| !identity.groups.contains("system:masters"))
    }
}
