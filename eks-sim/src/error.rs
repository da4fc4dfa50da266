//! An error as AWS answers it.

use serde_json::{Map, Value};

/// What a service answers when it refuses: HTTP status, error code, message, and members that some errors carry.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Further members of a JSON error, such as `validZones`.
    pub(crate) fields: Map<String, Value>,
}

impl ApiError {
    /// A client error (HTTP 400), which is what nearly every AWS error is.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into(), fields: Map::new() }
    }

    /// The same error with another HTTP status.
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same error with a further member.
    pub(crate) fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// A required parameter is absent. EC2 and the query services say it in these words.
    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    /// The service has no such action.
    pub(crate) fn unknown_action(action: &str) -> Self {
        Self::new("InvalidAction", format!("The action {action} is not valid for this web service."))
    }
}
