//! Operations: one closed, serialisable enum per crate, carried by steps without the core knowing it.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The closed set of operations of one layer.
pub trait Operation: Serialize + DeserializeOwned {
    /// The layer: the first segment of its step keys.
    const LAYER: &'static str;
}

/// An operation in a plan: the layer that knows it, and its serialised form, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Op {
    /// The layer.
    pub layer: String,
    /// The operation.
    pub body: serde_json::Value,
}

impl fmt::Debug for Op {
    /// A body may hold what is for nobody's log: user data, manifests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Op").field("layer", &self.layer).finish_non_exhaustive()
    }
}

/// An operation that is not one of its layer's.
#[derive(Debug, thiserror::Error)]
#[error("not an operation of layer {layer}")]
#[non_exhaustive]
pub struct OpError {
    /// The layer that was asked.
    pub layer: String,
    /// Why not.
    #[source]
    pub source: serde_json::Error,
}

impl Op {
    /// Wraps an operation.
    ///
    /// # Errors
    /// If it cannot be serialised, which only maps with other keys than strings cannot.
    pub fn encode<O: Operation>(operation: &O) -> Result<Self, OpError> {
        let body = serde_json::to_value(operation).map_err(|source| OpError { layer: O::LAYER.to_owned(), source })?;
        Ok(Self { layer: O::LAYER.to_owned(), body })
    }

    /// The operation.
    ///
    /// # Errors
    /// If it is not one of this layer's: the plan was made by another version, or changed by hand.
    pub fn decode<O: Operation>(&self) -> Result<O, OpError> {
        O::deserialize(&self.body).map_err(|source| OpError { layer: O::LAYER.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_not_shown() {
        let op = Op { layer: "objects".to_owned(), body: json!({"apply": {"data": {"password": "c2VjcmV0"}}}) };
        assert_eq!(format!("{op:?}"), "Op { layer: \"objects\", .. }");
    }
}
