//! One eviction, and what its answer means ("API-initiated Eviction", kubernetes.io; `pkg/drain/drain.go` of kubectl).

use std::time::Duration;

use eks_core::{Class, Error};
use http::header::RETRY_AFTER;
use kube::{
    api::{PostParams, Request},
    client::Body,
    core::Status,
};
use tokio::time::timeout;

use super::{
    super::error::failed,
    calls::{Api, eviction, is_unauthorized},
};
use crate::drain::Pod;

/// How long an eviction may go unanswered: behind kube's own retries of 429 it would, for minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the API server says to an eviction.
#[derive(Debug)]
pub(super) enum Answer {
    /// The Pod is going.
    Accepted,
    /// It is not there, or another one has its name.
    Gone,
    /// Its budget allows none now.
    Budget { why: String, after: Option<Duration> },
    /// Too many requests, or the service failed: later.
    Later { why: String, after: Option<Duration> },
    /// Its namespace is being deleted, and it with it, soon.
    Terminating,
    /// As things are, the answer will stay the same.
    Never(String),
    /// We may not, or the request is wrong: every other eviction would end so.
    Fatal(Error),
}

/// Asks for the eviction of exactly this Pod.
pub(super) async fn evict(api: &Api<'_>, pod: &Pod, grace: Option<u32>) -> Answer {
    match once(api, pod, grace).await {
        Answer::Fatal(error) if is_unauthorized(&error) && api.renew().await => once(api, pod, grace).await,
        answer => answer,
    }
}

async fn once(api: &Api<'_>, pod: &Pod, grace: Option<u32>) -> Answer {
    let path = format!("/api/v1/namespaces/{}/pods", pod.namespace);
    let body = eviction(&pod.namespace, &pod.name, &pod.uid, grace);
    let request = Request::new(path).create_subresource("eviction", &pod.name, &PostParams::default(), body);
    let failure = |error| failed("evict Pod", pod.at().to_string(), error);
    let request = match request {
        Ok(request) => request.map(Body::from),
        Err(error) => return Answer::Fatal(failure(kube::Error::BuildRequest(error))),
    };
    let client = match api.client().await {
        Ok(client) => client,
        Err(error) => return Answer::Fatal(error),
    };
    let call = async {
        let response = client.send(request).await?;
        let code = response.status().as_u16();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        Ok::<_, kube::Error>((code, after, response.into_body().collect_bytes().await?))
    };
    match timeout(PATIENCE, call).await {
        Ok(Ok((200..=299, _, _))) => Answer::Accepted,
        Ok(Ok((code, after, body))) => {
            let status = serde_json::from_slice::<Status>(&body).unwrap_or_else(|_| Status::failure("no status", ""));
            judge(code, after, Status { code, ..status }, failure)
        }
        Ok(Err(error)) => {
            let error = failure(error);
            if error.class() == Class::Transient { Answer::Later { why: error.chain(), after: None } } else { Answer::Fatal(error) }
        }
        // It may have been accepted: then the Pod is seen to go, and another try is accepted as well.
        Err(_) => Answer::Later { why: "no answer in 10 s".to_owned(), after: None },
    }
}

fn judge(code: u16, after: Option<Duration>, status: Status, failure: impl FnOnce(kube::Error) -> Error) -> Answer {
    let caused = |reason: &str| status.details.iter().flat_map(|details| &details.causes).find(|cause| cause.reason == reason);
    match code {
        404 | 409 if code == 404 || status.message.contains("UID") => Answer::Gone,
        409 => Answer::Later { why: status.message, after },
        429 => match caused("DisruptionBudget") {
            Some(cause) => Answer::Budget { why: cause.message.clone(), after },
            // API Priority and Fairness names no budget.
            None => Answer::Later { why: status.message, after },
        },
        403 if caused("NamespaceTerminating").is_some() => Answer::Terminating,
        // "misconfiguration, for example multiple PodDisruptionBudgets that refer the same Pod".
        500 if status.message.contains("PodDisruptionBudget") => Answer::Never(status.message),
        408 | 500.. => Answer::Later { why: status.message, after },
        _ => Answer::Fatal(failure(kube::Error::Api(Box::new(status)))),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::response::StatusDetails;
    use serde_json::json;

    use super::*;

    fn answer(code: u16, message: &str, cause: &str) -> Answer {
        let cause = json!({"reason": cause, "message": format!("because of {cause}"), "field": ""});
        let details: StatusDetails = serde_json::from_value(json!({"causes": [cause]})).expect("details");
        let status = Status { code, details: Some(details), ..Status::failure(message, "") };
        judge(code, None, status, |error| failed("evict", "a/b", error))
    }

    #[test]
    fn every_answer_has_its_meaning() {
        assert!(matches!(answer(404, "not found", ""), Answer::Gone));
        assert!(matches!(answer(409, "Precondition failed: UID in precondition: a, UID in object meta: b", ""), Answer::Gone));
        assert!(matches!(answer(409, "the object has been modified", ""), Answer::Later { .. }));
        assert!(
            matches!(answer(429, "would violate", "DisruptionBudget"), Answer::Budget { why, .. } if why == "because of DisruptionBudget")
        );
        assert!(matches!(answer(429, "too many requests", ""), Answer::Later { .. }));
        assert!(matches!(answer(403, "is being terminated", "NamespaceTerminating"), Answer::Terminating));
        assert!(matches!(answer(403, "no", ""), Answer::Fatal(error) if error.class() == Class::Denied));
        assert!(matches!(answer(500, "This pod has more than one PodDisruptionBudget, which …", ""), Answer::Never(_)));
        assert!(matches!(answer(500, "etcd", ""), Answer::Later { .. }));
        assert!(matches!(answer(503, "later", ""), Answer::Later { .. }));
        assert!(matches!(answer(422, "no", ""), Answer::Fatal(_)));
    }
}
