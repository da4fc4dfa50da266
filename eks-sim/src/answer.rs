//! Answers that a service should not give, and that a proxy, a broken endpoint or a later version does give.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use regex_lite::{Captures, Regex};
use serde_json::{Map, Value, json};

use crate::transport::Body;

/// What is done to an answer on its way to the client. What has no place in an answer (a list in one without lists) leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It ends in the middle.
    Truncated,
    /// It has no body.
    Empty,
    /// So many bytes of no meaning instead.
    Junk(usize),
    /// A proxy's page in HTML instead, with this status.
    Html(u16),
    /// Another status, with the same body.
    Status(u16),
    /// Another content type, with the same body.
    ContentType(String),
    /// Every other letter of values is a byte that UTF-8 does not know.
    NotUtf8,
    /// The first thing of each list is there so many times.
    Repeated(usize),
    /// Each state and phase is one that nobody has heard of.
    UnknownStates,
    /// No value is there, only what would hold them.
    WithoutValues,
    /// Each value is null; in XML, each element is empty.
    Nulls,
    /// There is always one more page; with `new`, its token is always another one.
    EndlessPages {
        /// Whether each token is a new one.
        new: bool,
    },
}

/// Names of elements and members that tell a state (each service's API reference).
const STATES: [&str; 14] = [
    "state",
    "status",
    "State",
    "Status",
    "StackStatus",
    "ResourceStatus",
    "LifecycleState",
    "ExecutionStatus",
    "statusCode",
    "attachmentStatus",
    "phase",
    "instanceLifecycle",
    "authenticationMode",
    "type",
];

impl Answer {
    /// The answer as it arrives. `number` is the call's; a stream (a watch) is not touched.
    pub(crate) async fn arrives(&self, number: u64, service: &str, response: Response<Body>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        let body = match body.whole() {
            Ok(body) => body,
            Err(stream) => return Response::from_parts(parts, stream),
        };
        let Ok(collected) = body.collect().await;
        let body = collected.to_bytes();
        let is_json = !body.starts_with(b"<");
        let changed: Bytes = match self {
            Self::Truncated => body.slice(..body.len() / 2),
            Self::Empty => Bytes::new(),
            Self::Junk(bytes) => vec![b'x'; *bytes].into(),
            Self::Html(_) => {
                "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>nginx &nbsp; <br></body></html>\n".into()
            }
            Self::Status(_) | Self::ContentType(_) => body,
            Self::NotUtf8 => spoiled(&body).into(),
            Self::Repeated(times) if is_json => changed(&body, |value| repeat(value, *times)),
            Self::Repeated(times) => repeated(&String::from_utf8_lossy(&body), *times).into(),
            Self::UnknownStates if is_json => {
                changed(&body, |value| members(value, &|name, _| STATES.contains(&name).then(|| Some(json!("REIMAGINED")))))
            }
            Self::UnknownStates => leaves(&body, |name, text| {
                let text = if STATES.contains(&name) { "REIMAGINED" } else { text };
                format!("<{name}>{text}</{name}>")
            }),
            Self::WithoutValues if is_json => changed(&body, |value| members(value, &|_, _| Some(None))),
            Self::WithoutValues => leaves(&body, |_, _| String::new()),
            Self::Nulls if is_json => changed(&body, |value| members(value, &|_, _| Some(Some(Value::Null)))),
            Self::Nulls => leaves(&body, |name, _| format!("<{name}></{name}>")),
            Self::EndlessPages { new } => {
                let token = if *new { format!("page-{number}") } else { "page".to_owned() };
                if is_json {
                    changed(&body, |value| one_more(value, service, &token))
                } else {
                    one_more_xml(&String::from_utf8_lossy(&body), service, &token).into()
                }
            }
        };
        if let Self::Html(status) | Self::Status(status) = self {
            parts.status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
        }
        let kind = match self {
            Self::Html(_) => Some("text/html"),
            Self::ContentType(kind) => Some(kind.as_str()),
            _ => None,
        };
        if let Some(kind) = kind.and_then(|kind| HeaderValue::from_str(kind).ok()) {
            parts.headers.insert(header::CONTENT_TYPE, kind);
        }
        Response::from_parts(parts, Body::full(changed))
    }
}

fn spoiled(body: &[u8]) -> Vec<u8> {
    let is_letter = |at: usize, byte: u8| at % 2 == 0 && byte.is_ascii_lowercase();
    body.iter().enumerate().map(|(at, byte)| if is_letter(at, *byte) { 0xff } else { *byte }).collect()
}

fn changed(body: &Bytes, change: impl FnOnce(&mut Value)) -> Bytes {
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            change(&mut value);
            value.to_string().into()
        }
        Err(_) => body.clone(),
    }
}

/// Puts another value, or none, in the place of each member that is no structure and no list.
fn members(value: &mut Value, change: &dyn Fn(&str, &Value) -> Option<Option<Value>>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| members(item, change)),
        Value::Object(fields) => {
            let old = std::mem::take(fields);
            *fields = old.into_iter().filter_map(|(name, value)| member(name, value, change)).collect::<Map<_, _>>();
        }
        _ => {}
    }
}

fn member(name: String, mut value: Value, change: &dyn Fn(&str, &Value) -> Option<Option<Value>>) -> Option<(String, Value)> {
    if value.is_object() || value.is_array() {
        members(&mut value, change);
        return Some((name, value));
    }
    match change(&name, &value) {
        Some(other) => other.map(|other| (name, other)),
        None => Some((name, value)),
    }
}

fn repeat(value: &mut Value, times: usize) {
    match value {
        Value::Array(items) => {
            // What is inside is repeated only once more, or the answer would grow by powers.
            if let Some(first) = items.first().cloned() {
                items.extend(std::iter::repeat_n(first, times));
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(|value| repeat(value, times)),
        _ => {}
    }
}

/// The first `item` or `member` of XML, with all that is in it, so many times more.
fn repeated(xml: &str, times: usize) -> String {
    for name in ["item", "member"] {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let Some(start) = xml.find(&open) else { continue };
        let (mut depth, mut at) = (0_usize, start);
        loop {
            let next = |what: &str| xml[at..].find(what).map(|found| at + found);
            match (next(&open), next(&close)) {
                (Some(inner), Some(outer)) if inner < outer => (depth, at) = (depth + 1, inner + open.len()),
                (_, Some(outer)) => (depth, at) = (depth - 1, outer + close.len()),
                (_, None) => return xml.to_owned(),
            }
            if depth == 0 {
                let item = &xml[start..at];
                return [&xml[..at], &item.repeat(times), &xml[at..]].concat();
            }
        }
    }
    xml.to_owned()
}

/// Puts something else in the place of each element of XML that has text only.
fn leaves(body: &[u8], write: impl Fn(&str, &str) -> String) -> Bytes {
    let text = String::from_utf8_lossy(body);
    // The pattern is well-formed.
    let Ok(leaf) = Regex::new("<([A-Za-z0-9]+)>([^<]*)</[A-Za-z0-9]+>") else { return Bytes::new() };
    leaf.replace_all(&text, |found: &Captures<'_>| write(&found[1], &found[2])).into_owned().into()
}

fn one_more(value: &mut Value, service: &str, token: &str) {
    let Some(fields) = value.as_object_mut() else { return };
    match service {
        "kubernetes" => {
            if let (true, Some(metadata)) = (fields.contains_key("items"), fields.get_mut("metadata")) {
                metadata["continue"] = json!(token);
            }
        }
        "ssm" => drop(fields.insert("NextToken".to_owned(), json!(token))),
        _ => drop(fields.insert("nextToken".to_owned(), json!(token))),
    }
}

fn one_more_xml(xml: &str, service: &str, token: &str) -> String {
    let (last, more) = match service {
        "ec2" => ("Response>", format!("<nextToken>{token}</nextToken>")),
        "iam" => ("Result>", format!("<IsTruncated>true</IsTruncated><Marker>{token}</Marker>")),
        "elasticloadbalancing" => ("Result>", format!("<NextMarker>{token}</NextMarker>")),
        _ => ("Result>", format!("<NextToken>{token}</NextToken>")),
    };
    // Instead of what the answer says of it itself.
    let Ok(own) = Regex::new("<(IsTruncated|Marker|NextMarker|nextToken|NextToken)>[^<]*</[A-Za-z]+>") else { return xml.to_owned() };
    let xml = own.replace_all(xml, "");
    match xml.rfind(last).and_then(|at| xml[..at].rfind("</")) {
        Some(at) => [&xml[..at], &more, &xml[at..]].concat(),
        None => xml.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_xml() {
        let xml = "<R><vpcSet><item><id>1</id><tagSet><item><key>a</key></item></tagSet></item></vpcSet><state>ok</state></R>";
        assert_eq!(
            repeated(xml, 1),
            "<R><vpcSet><item><id>1</id><tagSet><item><key>a</key></item></tagSet></item><item><id>1</id><tagSet><item><key>a</key></item></tagSet></item></vpcSet><state>ok</state></R>"
        );
        assert_eq!(leaves(xml.as_bytes(), |_, _| String::new()), "<R><vpcSet><item><tagSet><item></item></tagSet></item></vpcSet></R>");
        assert_eq!(one_more_xml("<XResponse><a/></XResponse>", "ec2", "t"), "<XResponse><a/><nextToken>t</nextToken></XResponse>");
        assert_eq!(
            one_more_xml("<LResponse><LResult><IsTruncated>false</IsTruncated></LResult></LResponse>", "iam", "t"),
            "<LResponse><LResult><IsTruncated>true</IsTruncated><Marker>t</Marker></LResult></LResponse>"
        );
    }

    #[test]
    fn of_json() {
        let mut value = json!({"clusters": [{"name": "a", "status": "ACTIVE"}], "n": 1});
        repeat(&mut value, 2);
        assert_eq!(value["clusters"].as_array().map(Vec::len), Some(3));
        members(&mut value, &|_, _| Some(None));
        assert_eq!(value, json!({"clusters": [{}, {}, {}]}));
        one_more(&mut value, "eks", "t");
        assert_eq!(value["nextToken"], "t");
    }
}
