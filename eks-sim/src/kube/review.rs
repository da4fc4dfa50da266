//! Reviews: who am I, and what may I do ("Authorization", checking API access; "SelfSubjectReview").

use bytes::Bytes;
use http::{Request, header};
use serde_json::{Value, json};

use super::{
    access::{self, User},
    kinds, protobuf,
    request::Verb,
    status::{Refusal, Verdict},
    store::text,
};

const VERBS: [Verb; 8] =
    [Verb::Get, Verb::List, Verb::Watch, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete, Verb::DeleteCollection];

/// The answer to a review; `None` if the request is none.
pub(super) fn answer(user: &User, request: &Request<Bytes>) -> Option<Verdict<Value>> {
    match request.uri().path() {
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            let info = json!({"username": user.name, "groups": user.groups});
            Some(Ok(json!({
                "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "status": {"userInfo": info},
            })))
        }
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => Some(may(user, request)),
        _ => None,
    }
}

fn may(user: &User, request: &Request<Bytes>) -> Verdict<Value> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = if content_type.starts_with(protobuf::MEDIA_TYPE) {
        protobuf::decode(request.body())
    } else {
        serde_json::from_slice(request.body()).map_err(|error| error.to_string())
    };
    let mut review: Value = body.map_err(Refusal::bad_request)?;
    let attribute = |name: &str| text(&review, &format!("/spec/resourceAttributes/{name}")).to_owned();
    let kind = kinds::ALL.into_iter().find(|kind| kind.group == attribute("group") && kind.plural == attribute("resource"));
    let verb = VERBS.into_iter().find(|verb| verb.name() == attribute("verb"));
    let refusal = match (verb, kind) {
        (Some(verb), Some(kind)) => {
            access::authorize(user, verb, kind, &attribute("namespace"), &attribute("name"), &attribute("subresource")).err()
        }
        // What nobody serves, the almighty alone may do.
        _ if user.groups.iter().any(|group| group == "system:masters") => None,
        _ => Some(Refusal::new(403, "Forbidden", "")),
    };
    review["kind"] = json!("SelfSubjectAccessReview");
    review["apiVersion"] = json!("authorization.k8s.io/v1");
    review["metadata"] = json!({});
    review["status"] = json!({"allowed": refusal.is_none()});
    Ok(review)
}
