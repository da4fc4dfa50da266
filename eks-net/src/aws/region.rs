//! Plans and teardowns belong to a Region. Another one would be observed as empty: that fits a plan made on nothing, and
//! passes for torn down.

use eks_core::Error;
use serde_json::Value;

use super::Networks;
use crate::plan::refused;

impl Networks {
    /// Refuses the scope of a plan or teardown that was made for another Region than this handle's.
    pub(super) fn here(&self, scope: &Value) -> Result<(), Error> {
        self.in_region("the plan was made", scope.get("region").and_then(Value::as_str))
    }

    /// Refuses what is for another Region than this handle's.
    pub(super) fn in_region(&self, what: &str, wanted: Option<&str>) -> Result<(), Error> {
        fits(self.region.as_deref(), "network", what, wanted)
    }
}

/// Refuses what is for another Region than `given`.
pub(super) fn fits(given: Option<&str>, subject: &str, what: &str, wanted: Option<&str>) -> Result<(), Error> {
    if wanted.is_some() && wanted == given {
        return Ok(());
    }
    let wanted = wanted.unwrap_or("no Region");
    let (given, remedy) = match given {
        Some(region) => (format!("is for {region}"), format!("give a configuration for {wanted}, or plan for {region}")),
        None => ("has no Region".to_owned(), format!("set its Region to {wanted}")),
    };
    Err(refused(subject, format!("{what} for {wanted}, and the SDK's configuration {given}"), remedy))
}
