//! Step keys: the logical names of everything a plan makes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The logical name of a resource and of the step that makes it: `net/subnet/private/us-east-1a`.
///
/// Segments are joined by `/`; the first names the layer. The key is put into the resource's tags, so that a later run
/// recognises it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StepKey(String);

/// Text that is not a step key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a step key: two or more segments of a-z A-Z 0-9 . _ - joined by /, at most 200 characters")]
#[non_exhaustive]
pub struct KeyError(pub String);

impl StepKey {
    /// Joins segments.
    ///
    /// # Errors
    /// [`KeyError`] if a segment is empty or holds another character than letters, digits, `.`, `_`, `-`.
    pub fn new<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Result<Self, KeyError> {
        let segments: Vec<_> = segments.into_iter().map(|segment| segment.as_ref().to_owned()).collect();
        segments.join("/").parse()
    }

    /// The layer: the first segment.
    pub fn layer(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for StepKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let fine = text.len() <= 200
            && text.split('/').count() >= 2
            && text.split('/').all(|segment| {
                !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            });
        if fine { Ok(Self(text.to_owned())) } else { Err(KeyError(text.to_owned())) }
    }
}

impl TryFrom<String> for StepKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<StepKey> for String {
    fn from(key: StepKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let key = StepKey::new(["net", "subnet", "private", "us-east-1a"]).unwrap();
        assert_eq!((key.as_str(), key.layer()), ("net/subnet/private/us-east-1a", "net"));
        for wrong in ["", "net", "net/", "/net", "net//vpc", "net/a b"] {
            assert!(wrong.parse::<StepKey>().is_err(), "{wrong:?}");
        }
    }
}
