//! What an error of the API server means.

use eks_core::{BoxError, Class, Error};

/// The error of a call; `call` is verb and kind, `subject` the object.
pub(super) fn failed(call: impl Into<String>, subject: impl Into<String>, error: kube::Error) -> Error {
    let (class, code, source): (_, _, BoxError) = match error {
        kube::Error::Api(status) => {
            let class = match status.code {
                401 => Class::Denied,
                403 if status.message.contains("exceeded quota") => Class::Quota,
                403 => Class::Denied,
                404 => Class::NotFound,
                409 => Class::Conflict,
                410 => Class::Inconsistent,
                429 => Class::Throttled,
                500.. => Class::Transient,
                _ => Class::Permanent,
            };
            let code = if status.reason.is_empty() { status.code.to_string() } else { status.reason.clone() };
            // kube displays a status twice, the second time as debug output.
            (class, Some(code), status.message.clone().into())
        }
        // The request may or may not have arrived.
        error @ (kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_)) => {
            (Class::Transient, None, Box::new(error))
        }
        error => (Class::Permanent, None, Box::new(error)),
    };
    Error::Call { call: call.into(), subject: subject.into(), class, code, request_id: None, source }
}

/// A list that goes on for ever: asked again, it would do so again.
pub(super) fn endless(call: impl Into<String>, subject: impl Into<String>, pages: u32) -> Error {
    let source = format!("each of {pages} pages told of one more").into();
    Error::Call { call: call.into(), subject: subject.into(), class: Class::Permanent, code: None, request_id: None, source }
}

/// What is called where no client could be made.
pub(super) const CONNECT: &str = "connect";

/// For a step that runs just after its cluster was made: an access entry takes seconds to have effect, so being denied is
/// no verdict yet.
pub(super) fn soon_allowed(error: Error) -> Error {
    if error.class() == Class::Denied { error.with_class(Class::Inconsistent) } else { error }
}

/// Whether no API server answered at all.
pub(super) fn is_silent(error: &Error) -> bool {
    matches!(error, Error::Call { class: Class::Transient, code: None, .. })
}

/// Whether nothing was to be had from an API server: it was not reached, it did not answer, or it could not (5xx). One that refuses does
/// answer: to be denied (401, 403) says something of who asks, and nothing of the server.
pub(super) fn is_out_of_reach(error: &Error) -> bool {
    matches!(error, Error::Call { call, class, .. } if *class == Class::Transient || call == CONNECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, message: &str) -> Error {
        let status = kube::core::Status { code, ..kube::core::Status::failure(message, "Some") };
        failed("apply Pod", "default/nginx", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn classes() {
        for (code, class) in [
            (401, Class::Denied),
            (403, Class::Denied),
            (404, Class::NotFound),
            (409, Class::Conflict),
            (422, Class::Permanent),
            (429, Class::Throttled),
            (503, Class::Transient),
        ] {
            assert_eq!(status(code, "no").class(), class, "{code}");
        }
        assert_eq!(status(403, "exceeded quota: pods").class(), Class::Quota);
        assert!(!is_silent(&status(503, "no")) && is_silent(&failed("get", "x", kube::Error::Service("refused".into()))));
        assert!(is_out_of_reach(&status(503, "no")) && is_out_of_reach(&failed("get", "x", kube::Error::Service("refused".into()))));
        for code in [401, 403, 404, 422, 429] {
            assert!(!is_out_of_reach(&status(code, "no")), "{code} is an answer");
        }
        let endless = endless("list Pod", "all namespaces", 1_000);
        assert!(endless.class() == Class::Permanent && !is_silent(&endless) && !is_out_of_reach(&endless));
        assert_eq!(endless.chain(), "list Pod for all namespaces failed: each of 1000 pages told of one more");
        assert_eq!(soon_allowed(status(403, "no")).class(), Class::Inconsistent);
        assert_eq!(status(422, "too long").chain(), "apply Pod for default/nginx failed with Some: too long");
    }
}
