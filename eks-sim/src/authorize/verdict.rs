//! What became of a question, and how each service words a refusal.

use std::fmt;

use super::need::Need;
use crate::{call::Service, error::ApiError, iam::Decision};

/// One permission that a call needed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authorization {
    /// `ec2:CreateVpc`.
    pub action: String,
    /// The resource's ARN, or `*` for an action that knows no resources.
    pub resource: String,
    /// Whether the policies allowed it.
    pub allowed: bool,
}

/// A document that IAM would not take as a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(String);

impl PolicyError {
    pub(super) fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no policy: {}", self.0)
    }
}

impl std::error::Error for PolicyError {}

/// The refusal as the service answers it (IAM user guide, "Troubleshoot access denied error messages"; EC2 API reference, "Client error
/// codes": UnauthorizedOperation).
pub(super) fn refuse(service: Service, arn: &str, need: &Need, decision: Decision) -> ApiError {
    let Need { action, resource, .. } = need;
    let why = match decision {
        Decision::ExplicitlyDenied => "with an explicit deny in an identity-based policy".to_owned(),
        _ => format!("because no identity-based policy allows the {action} action"),
    };
    let message = format!("User: {arn} is not authorized to perform: {action} on resource: {resource} {why}");
    match service {
        Service::Ec2 => {
            let encoded: String = format!("{action} {resource}").bytes().map(|byte| format!("{byte:02x}")).collect();
            let message =
                format!("You are not authorized to perform this operation. {message}. Encoded authorization failure message: {encoded}");
            ApiError::new("UnauthorizedOperation", message).status(403)
        }
        Service::Eks => ApiError::new("AccessDeniedException", message).status(403),
        Service::Ssm => ApiError::new("AccessDeniedException", message),
        _ => ApiError::new("AccessDenied", message).status(403),
    }
}
