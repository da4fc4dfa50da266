//! REST with JSON (EKS) and JSON 1.1 (SSM).

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value, json};

use super::{query, respond};
use crate::{call::Args, error::ApiError, transport::Body};

/// Parameters of a REST call: body, then query string (repeated keys become lists), then path.
pub(super) fn args(request: &Request<Bytes>, path_args: Vec<(&'static str, String)>) -> Args {
    let mut members = match serde_json::from_slice(request.body()) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    for (key, value) in query::pairs(request.uri().query().unwrap_or_default()) {
        match members.get_mut(&key) {
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = json!([first.clone(), value]),
            None => {
                members.insert(key, value.into());
            }
        }
    }
    for (key, value) in path_args {
        members.insert(key.to_owned(), value.into());
    }
    Args(Value::Object(members))
}

pub(super) fn encode(value: &Value, request_id: &str) -> Response<Body> {
    respond(200, "application/json", request_id, value.to_string())
}

pub(super) fn encode_error(error: &ApiError, request_id: &str) -> Response<Body> {
    let mut members = error.fields.clone();
    members.insert("message".to_owned(), error.message.clone().into());
    let mut response = respond(error.status, "application/json", request_id, Value::Object(members).to_string());
    if let Ok(code) = error.code.parse() {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

pub(super) fn encode_aws_json(value: &Value, request_id: &str) -> Response<Body> {
    respond(200, "application/x-amz-json-1.1", request_id, value.to_string())
}

pub(super) fn encode_aws_json_error(error: &ApiError, request_id: &str) -> Response<Body> {
    let mut members = error.fields.clone();
    members.insert("__type".to_owned(), error.code.clone().into());
    members.insert("message".to_owned(), error.message.clone().into());
    respond(error.status, "application/x-amz-json-1.1", request_id, Value::Object(members).to_string())
}
