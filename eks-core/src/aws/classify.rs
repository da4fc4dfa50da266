//! What an AWS error means.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
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
        "ConcurrentTagAccess"
        | "ConcurrentModification"
        | "EntityTemporarilyUnmodifiable"
        | "ResourcePropagationDelayException"
        | "ResourceContention" => Class::Inconsistent,
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

/// AWS's id of a request, in the headers in which services tell it ("Contacting Support" of the SDK's developer guide asks for it).
fn request_id(answer: &HttpResponse) -> Option<String> {
    let told = ["x-amzn-requestid", "x-amz-request-id"].iter().find_map(|name| answer.headers().get(*name));
    told.map(str::to_owned)
}

/// The error of a call, with its meaning. `call` is the IAM action, `subject` what it was about.
pub fn failed<E>(call: &str, subject: impl Into<String>, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let (class, code, request_id) = match &error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            let class = match (meta.code().map(class_of_code), service.raw().status().as_u16()) {
                // A gateway's answer has no code, or one that no service documents: its status tells.
                (None | Some(Class::Permanent), 429) => Class::Throttled,
                (None | Some(Class::Permanent), 500..) => Class::Transient,
                (class, _) => class.unwrap_or(Class::Permanent),
            };
            (class, meta.code().map(str::to_owned), request_id(service.raw()))
        }
        // The request may or may not have arrived; unless it was never sent (no credentials, no endpoint).
        SdkError::TimeoutError(_) => (Class::Transient, None, None),
        SdkError::ResponseError(answer) => (Class::Transient, None, request_id(answer.raw())),
        // `as_other` tells of connections that the server closed before it answered.
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() || failure.as_other().is_some() => {
            (Class::Transient, None, None)
        }
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
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::{
        body::SdkBody,
        error::{ErrorMetadata, metadata::Builder},
        retry::ErrorKind,
    };

    use super::*;

    /// An operation's error as the SDK makes it.
    #[derive(Debug, thiserror::Error)]
    #[error("an operation's error")]
    struct Said(ErrorMetadata);

    impl ProvideErrorMetadata for Said {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    fn answered(status: u16, meta: Builder) -> Error {
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        failed("ec2:CreateVpc", "net/vpc", SdkError::service_error(Said(meta.build()), response))
    }

    #[test]
    fn what_the_service_said_is_kept() {
        let error =
            answered(400, ErrorMetadata::builder().code("VpcLimitExceeded").message("The maximum number of VPCs has been reached."));
        assert_eq!((error.class(), error.code()), (Class::Quota, Some("VpcLimitExceeded")));
        assert_eq!(error.chain(), "ec2:CreateVpc for net/vpc failed with VpcLimitExceeded: The maximum number of VPCs has been reached.");
    }

    #[test]
    fn the_request_is_told_for_support() {
        let meta = ErrorMetadata::builder().code("InternalError").message("try again");
        let mut response = HttpResponse::new(500.try_into().unwrap(), SdkBody::empty());
        response.headers_mut().insert("x-amzn-requestid", "7a62c49f-347e-4fc4-9331-6e8eEXAMPLE");
        let error = failed("ec2:CreateVpc", "net/vpc", SdkError::service_error(Said(meta.build()), response));
        let Error::Call { request_id, .. } = &error else { panic!("{error}") };
        assert_eq!(request_id.as_deref(), Some("7a62c49f-347e-4fc4-9331-6e8eEXAMPLE"));
        assert!(error.to_string().ends_with("failed with InternalError (request 7a62c49f-347e-4fc4-9331-6e8eEXAMPLE)"), "{error}");
    }

    #[test]
    fn answers_without_a_known_code_are_told_by_their_status() {
        let class = |status| answered(status, ErrorMetadata::builder()).class();
        assert_eq!(
            (class(400), class(429), class(502), class(503)),
            (Class::Permanent, Class::Throttled, Class::Transient, Class::Transient)
        );
    }

    #[test]
    fn a_connection_that_closed_before_the_answer_may_have_carried_the_request() {
        let lost = ConnectorError::other("connection closed before message completed".into(), Some(ErrorKind::TransientError));
        assert_eq!(failed("ec2:CreateVpc", "net/vpc", SdkError::<Said, _>::dispatch_failure(lost)).class(), Class::Transient);
        let never_sent = ConnectorError::user("no credentials".into());
        assert_eq!(failed("ec2:CreateVpc", "net/vpc", SdkError::<Said, _>::dispatch_failure(never_sent)).class(), Class::Permanent);
    }

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
