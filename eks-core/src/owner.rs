//! Who owns a resource: the tags that replace a state file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::StepKey;

/// Tag that names the owner of a resource.
pub const OWNER_TAG: &str = "eks-rs/owner";
/// Tag that names the step which made a resource.
pub const KEY_TAG: &str = "eks-rs/key";

/// The name under which an environment's resources are found again. One owner, one environment in an account and Region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Owner(String);

/// Text that cannot name an owner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name an owner: 1–40 of a-z 0-9 -, beginning with a letter, ending with a letter or digit; it becomes part of AWS and Kubernetes names"
)]
#[non_exhaustive]
pub struct OwnerError(pub String);

impl Owner {
    /// Checks the name: it becomes part of role, stack and label names, so their common rule applies.
    ///
    /// # Errors
    /// [`OwnerError`] if it is not 1–40 of `a-z`, `0-9`, `-`, beginning with a letter and not ending with a hyphen.
    pub fn new(name: impl Into<String>) -> Result<Self, OwnerError> {
        let name = name.into();
        let fine = (1..=40).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && !name.ends_with('-');
        if fine { Ok(Self(name)) } else { Err(OwnerError(name)) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tags of the resource that `key` makes, to be put on in the create call itself: `Name`, owner and key.
    pub fn tags(&self, key: &StepKey) -> Vec<(String, String)> {
        let name = key.as_str().split('/').skip(1).collect::<Vec<_>>().join("-");
        vec![
            ("Name".to_owned(), format!("{}-{name}", self.0)),
            (OWNER_TAG.to_owned(), self.0.clone()),
            (KEY_TAG.to_owned(), key.to_string()),
        ]
    }

    /// An idempotency token for the create call of `key`: the same for every run of this owner, and for a second
    /// `generation` (the resource was deleted since) another. 1–64 letters, digits and hyphens, beginning with a letter.
    pub fn token(&self, key: &StepKey, generation: &str) -> String {
        // FNV-1a, 128 bit: a name for the pair, not a secret.
        let hash = [self.0.as_str(), "\0", key.as_str(), "\0", generation]
            .iter()
            .flat_map(|part| part.bytes())
            .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
                (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
            });
        format!("eks-rs-{hash:032x}")
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Owner {
    type Error = OwnerError;

    fn try_from(name: String) -> Result<Self, OwnerError> {
        Self::new(name)
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(Owner::new("chap10").is_ok());
        for wrong in ["", "10chap", "Chap", "a_b", "a-", &"a".repeat(41)] {
            assert!(Owner::new(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn tokens_differ_by_owner_key_and_generation() {
        let (a, b) = (Owner::new("a").unwrap(), Owner::new("b").unwrap());
        let (x, y): (StepKey, StepKey) = ("net/x".parse().unwrap(), "net/y".parse().unwrap());
        let tokens = [a.token(&x, ""), a.token(&y, ""), b.token(&x, ""), a.token(&x, "1")];
        assert_eq!(a.token(&x, ""), tokens[0]);
        assert_eq!(tokens.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert!(tokens.iter().all(|t| t.len() <= 64));
    }
}
