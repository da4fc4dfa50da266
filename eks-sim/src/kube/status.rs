//! Refusals, as the API server words them: `Status` objects.

use http::StatusCode;
use serde_json::{Value, json};

use super::kinds::Kind;

/// Why the API server refuses.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) message: String,
    details: Value,
}

/// What an admitted request may end in.
pub(super) type Verdict<T> = Result<T, Refusal>;

impl Refusal {
    pub(super) fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.to_owned(), message: message.into(), details: Value::Null }
    }

    /// The object that the refusal is about.
    fn about(mut self, kind: &Kind, name: &str) -> Self {
        // For Invalid, `kind` is the kind; for all others the resource (apimachinery's `errors` package).
        let told = if self.reason == "Invalid" { kind.kind } else { kind.plural };
        self.details = json!({"name": name, "kind": told});
        if !kind.group.is_empty() {
            self.details["group"] = json!(kind.group);
        }
        self
    }

    /// Adds causes: (reason, message, field).
    pub(super) fn causes(mut self, causes: &[(&str, String, String)]) -> Self {
        if self.details.is_null() {
            self.details = json!({});
        }
        let cause = |(reason, message, field): &(&str, String, String)| {
            let mut cause = json!({"reason": reason, "message": message});
            if !field.is_empty() {
                cause["field"] = json!(field);
            }
            cause
        };
        self.details["causes"] = causes.iter().map(cause).collect();
        self
    }

    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        if self.details.is_null() {
            self.details = json!({});
        }
        self.details["retryAfterSeconds"] = json!(seconds);
        self
    }

    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.qualified())).about(kind, name)
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(super) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", kind.qualified())).about(kind, name)
    }

    pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified());
        Self::new(409, "Conflict", message).about(kind, name)
    }

    pub(super) fn modified(kind: &Kind, name: &str) -> Self {
        Self::conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again")
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(super) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        Self::new(403, "Forbidden", format!("{}{named} is forbidden: {why}", kind.qualified())).about(kind, name)
    }

    /// Validation failed: (cause's reason, what is wrong, field).
    pub(super) fn invalid(kind: &Kind, name: &str, errors: &[(&str, String, String)]) -> Self {
        let told: Vec<String> = errors.iter().map(|(_, message, field)| format!("{field}: {message}")).collect();
        let told = if told.len() == 1 { told.concat() } else { format!("[{}]", told.join(", ")) };
        let qualified = if kind.group.is_empty() { kind.kind.to_owned() } else { format!("{}.{}", kind.kind, kind.group) };
        Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {told}")).about(kind, name).causes(errors)
    }

    pub(super) fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// A refusal that a fault asks for.
    pub(super) fn injected(status: u16, reason: &str, message: &str) -> Self {
        Self::new(status, reason, message)
    }

    pub(super) fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The `Retry-After` header, which client-go obeys.
    pub(super) fn retry_after_seconds(&self) -> Option<u64> {
        self.details.get("retryAfterSeconds").and_then(Value::as_u64)
    }

    pub(super) fn object(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}
