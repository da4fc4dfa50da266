//! AWS's wire protocols: requests in, replies out. Behaviour is elsewhere.

mod query;
mod rest_json;
mod xml;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde_json::Value;

use crate::{
    call::{Args, Service},
    eks,
    error::ApiError,
    transport::Body,
};

/// A request, decoded.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) service: Service,
    pub(crate) action: String,
    pub(crate) args: Args,
    pub(crate) access_key: String,
}

/// Finds service, action, parameters and signer in a request.
pub(crate) fn decode(request: &Request<Bytes>) -> Result<Decoded, Box<Response<Body>>> {
    let Some((access_key, service)) = credential_scope(request) else {
        let error = ApiError::new("MissingAuthenticationToken", "Request is missing Authentication Token").status(403);
        return Err(Box::new(rest_json::encode_error(&error, "00000000-0000-0000-0000-000000000000")));
    };
    let Some(service) = Service::from_signing_name(&service) else {
        let error = ApiError::new("UnknownOperationException", format!("the simulator has no service {service}")).status(404);
        return Err(Box::new(rest_json::encode_error(&error, "00000000-0000-0000-0000-000000000000")));
    };
    let (action, args) = match service {
        Service::Eks => {
            let path = request.uri().path();
            match eks::route(request.method().as_str(), path) {
                Some((action, path_args)) => (action.to_owned(), rest_json::args(request, path_args)),
                None => (format!("{} {path}", request.method()), Args::default()),
            }
        }
        Service::Ssm => {
            let target = request.headers().get("x-amz-target").and_then(|v| v.to_str().ok()).unwrap_or_default();
            let action = target.rsplit('.').next().unwrap_or_default().to_owned();
            (action, Args(serde_json::from_slice(request.body()).unwrap_or(Value::Null)))
        }
        _ => query::decode(request),
    };
    Ok(Decoded { service, action, args, access_key })
}

/// The reply to a call of `service`, in its protocol.
pub(crate) fn encode(service: Service, action: &str, result: &Result<Value, ApiError>, request_id: &str) -> Response<Body> {
    match (service, result) {
        (Service::Eks, Ok(value)) => rest_json::encode(value, request_id),
        (Service::Eks, Err(error)) => rest_json::encode_error(error, request_id),
        (Service::Ssm, Ok(value)) => rest_json::encode_aws_json(value, request_id),
        (Service::Ssm, Err(error)) => rest_json::encode_aws_json_error(error, request_id),
        (Service::Ec2, Ok(value)) => xml::encode_ec2(action, value, request_id),
        (Service::Ec2, Err(error)) => xml::encode_ec2_error(error, request_id),
        (_, Ok(value)) => xml::encode_query(service, action, value, request_id),
        (_, Err(error)) => xml::encode_query_error(service, error, request_id),
    }
}

/// Access key and service of the SigV4 credential scope, in the header or (presigned) in the query.
fn credential_scope(request: &Request<Bytes>) -> Option<(String, String)> {
    let from_header = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|text| {
        let start = text.find("Credential=")? + "Credential=".len();
        text[start..].split(',').next().map(str::to_owned)
    });
    let scope = from_header.or_else(|| {
        query::pairs(request.uri().query().unwrap_or_default()).into_iter().find(|(key, _)| key == "X-Amz-Credential").map(|(_, v)| v)
    })?;
    let mut parts = scope.trim().split('/');
    let access_key = parts.next()?.to_owned();
    let service = parts.nth(2)?.to_owned();
    Some((access_key, service))
}

/// A whole answer with this content type.
fn respond(status: u16, content_type: &str, request_id: &str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in [("content-type", content_type), ("x-amzn-requestid", request_id)] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
