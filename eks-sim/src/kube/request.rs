//! A request as the API server understands it.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{
    kinds::{self, Kind},
    protobuf,
    status::{Refusal, Verdict},
};

/// Decoded `key=value` pairs of a query string.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(key, value)| (decode(key), decode(value))).collect()
}

/// What a request does, in RBAC's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// A request for a resource.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) verb: Verb,
    pub(super) kind: &'static Kind,
    pub(super) namespace: String,
    pub(super) name: String,
    /// `status`, `eviction`, …; empty for the resource itself.
    pub(super) sub: String,
    query: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) content_type: String,
    user_agent: String,
}

impl Ask {
    /// The resource that a request is for.
    pub(super) fn parse(request: &Request<Bytes>) -> Verdict<Self> {
        let path: Vec<String> = request
            .uri()
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Refusal::no_such_path()),
        };
        let (namespace, plural, rest) = match rest {
            // `namespaces/x/status` and `namespaces/x/finalize` are the namespace's own.
            ["namespaces", namespace, plural, rest @ ..] if !["status", "finalize"].contains(plural) => (*namespace, *plural, rest),
            [plural, rest @ ..] => ("", *plural, rest),
            [] => return Err(Refusal::no_such_path()),
        };
        let kind = kinds::find(group, version, plural).ok_or_else(Refusal::no_such_path)?;
        let (name, sub) = match rest {
            [] => ("", ""),
            [name] => (*name, ""),
            [name, sub] => (*name, *sub),
            _ => return Err(Refusal::no_such_path()),
        };
        if kind.namespaced == namespace.is_empty() && (!name.is_empty() || !kind.namespaced) {
            return Err(Refusal::no_such_path());
        }
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let mut ask = Self {
            verb: Verb::Get,
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            sub: sub.to_owned(),
            query: pairs(request.uri().query().unwrap_or_default()),
            body: request.body().clone(),
            content_type: header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_owned(),
            user_agent: header(header::USER_AGENT),
        };
        ask.verb = match (request.method(), name.is_empty()) {
            (&Method::GET, _) if ask.flag("watch") => Verb::Watch,
            (&Method::GET, true) => Verb::List,
            (&Method::GET, false) => Verb::Get,
            (&Method::POST, _) => Verb::Create,
            (&Method::PUT, false) => Verb::Update,
            (&Method::PATCH, false) => Verb::Patch,
            (&Method::DELETE, true) => Verb::DeleteCollection,
            (&Method::DELETE, false) => Verb::Delete,
            _ => return Err(Refusal::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")),
        };
        Ok(ask)
    }

    pub(super) fn option(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.query.iter().any(|(key, value)| key == name && matches!(value.as_str(), "" | "1" | "true" | "True"))
    }

    pub(super) fn dry_run(&self) -> bool {
        self.query.iter().any(|(key, value)| key == "dryRun" && value == "All")
    }

    /// Who the managed fields name: `fieldManager`, or the user agent up to the first slash.
    pub(super) fn manager(&self) -> String {
        let told = self.option("fieldManager");
        let agent = self.user_agent.split('/').next().unwrap_or_default();
        [told, agent, "unknown"].into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned()
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.option("timeoutSeconds").parse().ok().map(Duration::from_secs)
    }

    /// The body as JSON; YAML and protobuf are accepted where the content type says so.
    pub(super) fn json(&self) -> Verdict<Value> {
        if self.content_type == protobuf::MEDIA_TYPE {
            let known = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
            return protobuf::decode(&self.body).map_err(|why| {
                let message = format!("the body of the request was in an unknown format ({why}) - accepted media types include: {known}");
                Refusal::new(415, "UnsupportedMediaType", message)
            });
        }
        let parsed = if self.content_type.ends_with("yaml") {
            serde_yaml_ng::from_slice(&self.body).map_err(|error| error.to_string())
        } else {
            serde_json::from_slice(&self.body).map_err(|error| error.to_string())
        };
        parsed.map_err(|error| {
            Refusal::bad_request(format!("the object provided is unrecognized (must be of type {}): {error}", self.kind.kind))
        })
    }

    /// Options of a deletion: the body's, over the query's.
    pub(super) fn delete_options(&self, body: &Value) -> (Option<u64>, String) {
        let grace = body["gracePeriodSeconds"].as_u64().or_else(|| self.option("gracePeriodSeconds").parse().ok());
        let policy = body["propagationPolicy"].as_str().unwrap_or_else(|| self.option("propagationPolicy"));
        (grace, policy.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, uri: &str) -> Verdict<Ask> {
        Ask::parse(&Request::builder().method(method).uri(uri).body(Bytes::new()).expect("a request"))
    }

    #[test]
    fn paths_name_resources() {
        let ask = parse("GET", "/api/v1/namespaces/kube-system/configmaps/aws-auth").expect("a ConfigMap");
        assert_eq!((ask.verb, ask.kind.kind, &*ask.namespace, &*ask.name), (Verb::Get, "ConfigMap", "kube-system", "aws-auth"));
        let ask = parse("GET", "/apis/apps/v1/deployments?watch=true").expect("Deployments");
        assert_eq!((ask.verb, ask.kind.kind, &*ask.namespace), (Verb::Watch, "Deployment", ""));
        let ask = parse("PUT", "/api/v1/namespaces/x/finalize").expect("a Namespace");
        assert_eq!((ask.verb, ask.kind.kind, &*ask.name, &*ask.sub), (Verb::Update, "Namespace", "x", "finalize"));
        let ask = parse("POST", "/api/v1/namespaces/x/pods/p/eviction").expect("a Pod");
        assert_eq!((ask.verb, &*ask.name, &*ask.sub), (Verb::Create, "p", "eviction"));
    }

    #[test]
    fn unknown_paths_are_not_found() {
        for uri in ["/api/v1/nothing", "/apis/apps/v1beta1/deployments", "/api/v1/namespaces/x/nodes", "/api/v1/pods/p"] {
            assert_eq!(parse("GET", uri).map_err(|refusal| refusal.code).err(), Some(404), "{uri}");
        }
    }
}
