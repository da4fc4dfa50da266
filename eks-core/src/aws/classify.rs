//! What an AWS error means.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::{BoxError, Class, Error};

/// The meaning of a service's error code, where the code alone tells it.
///
/// Sources: EC2 error codes reference, and the error lists of the IAM, EKS, CloudFormation, SSM and Elastic Load Balancing
/// API references.
pub fn class_of_code(code: &str) -> Class {
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestThrottled"
        | "EC2ThrottledException"
        | "DependencyThrottle" => Class::Throttled,
        "InternalError"
        | "InternalFailure"
        | "Unavailable"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "ServerException"
        | "ServiceFailure"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "InsufficientInstanceCapacity"
        | "InsufficientAddressCapacity"
        | "InsufficientVolumeCapacity" => Class::Transient,
        "UnauthorizedOperation"
        | "AuthFailure"
        | "AccessDenied"
        | "AccessDeniedException"
        | "OptInRequired"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Class::Denied,
        "ConcurrentTagAccess" | "ConcurrentModification" | "ResourcePropagationDelayException" | "ResourceContention" => {
            Class::Inconsistent
        }
        "DependencyViolation"
        | "DeleteConflict"
        | "ResourceInUse"
        | "ResourceInUseException"
        | "ScalingActivityInProgress"
        | "VolumeInUse" => Class::Conflict,
        "EntityAlreadyExists" | "AlreadyExistsException" | "RouteAlreadyExists" => Class::Conflict,
        "NoSuchEntity" | "NatGatewayNotFound" | "ResourceNotFoundException" | "ParameterNotFound" | "LoadBalancerNotFound" => {
            Class::NotFound
        }
        "LimitExceeded" | "LimitExceededException" | "ResourceLimitExceededException" => Class::Quota,
        _ if code.ends_with(".InUse") || code.ends_with(".Duplicate") || code.ends_with(".AlreadyAssociated") => Class::Conflict,
        _ if code.ends_with(".NotFound") => Class::NotFound,
        _ if code.ends_with("LimitExceeded") => Class::Quota,
        _ => Class::Permanent,
    }
}

/// The error of a call, with its meaning. `call` is the IAM action, `subject` what it was about.
pub fn failed<E, R>(call: &str, subject: impl Into<String>, error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let (class, code, request_id) = match &error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            let class = meta.code().map_or(Class::Permanent, class_of_code);
            (class, meta.code().map(str::to_owned), meta.extra("aws_request_id").map(str::to_owned))
        }
        // The request may or may not have arrived; unless it was never sent (no credentials, no endpoint).
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => (Class::Transient, None, None),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => (Class::Transient, None, None),
        _ => (Class::Permanent, None, None),
    };
    // An SDK error that its model does not name displays nothing of what the service said: keep the service's words.
    let source: BoxError = match error {
        SdkError::ServiceError(service) => match service.err().meta().message() {
            Some(message) => message.into(),
            None => Box::new(service.into_err()),
        },
        other => Box::new(other),
    };
    Error::Call { call: call.to_owned(), subject: subject.into(), class, code, request_id, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for (code, class) in [
            ("InvalidVpcID.NotFound", Class::NotFound),
            ("NatGatewayNotFound", Class::NotFound),
            ("InvalidGroup.Duplicate", Class::Conflict),
            ("InvalidIPAddress.InUse", Class::Conflict),
            ("Resource.AlreadyAssociated", Class::Conflict),
            ("AddressLimitExceeded", Class::Quota),
            ("RequestLimitExceeded", Class::Throttled),
            ("DependencyViolation", Class::Conflict),
            ("InvalidVpc.Range", Class::Permanent),
            ("UnauthorizedOperation", Class::Denied),
            ("ServerException", Class::Transient),
        ] {
            assert_eq!(class_of_code(code), class, "{code}");
        }
    }
}
