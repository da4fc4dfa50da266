//! Bodies in protobuf, which kubectl sends for the few kinds that it makes itself ("Kubernetes API Concepts", alternate
//! representations): an envelope with the object in it. Answers are JSON, which clients always accept.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

/// The content type.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// Before the envelope.
const MAGIC: &[u8] = b"k8s\0";

/// A message: number, name and type of each field (`generated.proto` of `k8s.io/api` and `k8s.io/apimachinery`).
type Message = &'static [(u64, &'static str, Type)];

#[derive(Clone, Copy)]
enum Type {
    Text,
    /// Base64 in JSON.
    Bytes,
    Bool,
    Int,
    Of(Message),
    List(&'static Self),
    /// From text to text or bytes.
    Map(&'static Self),
}

use Type::{Bool, Bytes, Int, List, Map as Mapping, Of, Text};

static OBJECT_META: Message = &[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (5, "uid", Text),
    (6, "resourceVersion", Text),
    (11, "labels", Mapping(&Text)),
    (12, "annotations", Mapping(&Text)),
    (14, "finalizers", List(&Text)),
];
static CONFIG_MAP: Message =
    &[(1, "metadata", Of(OBJECT_META)), (2, "data", Mapping(&Text)), (3, "binaryData", Mapping(&Bytes)), (4, "immutable", Bool)];
static SECRET: Message = &[
    (1, "metadata", Of(OBJECT_META)),
    (2, "data", Mapping(&Bytes)),
    (3, "type", Text),
    (4, "stringData", Mapping(&Text)),
    (5, "immutable", Bool),
];
static NAMED: Message = &[(1, "metadata", Of(OBJECT_META))];
static PRECONDITIONS: Message = &[(1, "uid", Text), (2, "resourceVersion", Text)];
static DELETE_OPTIONS: Message = &[
    (1, "gracePeriodSeconds", Int),
    (2, "preconditions", Of(PRECONDITIONS)),
    (3, "orphanDependents", Bool),
    (4, "propagationPolicy", Text),
    (5, "dryRun", List(&Text)),
];
static EVICTION: Message = &[(1, "metadata", Of(OBJECT_META)), (2, "deleteOptions", Of(DELETE_OPTIONS))];
static RESOURCE_ATTRIBUTES: Message = &[
    (1, "namespace", Text),
    (2, "verb", Text),
    (3, "group", Text),
    (4, "version", Text),
    (5, "resource", Text),
    (6, "subresource", Text),
    (7, "name", Text),
];
static ACCESS_REVIEW: Message = &[(2, "spec", Of(&[(1, "resourceAttributes", Of(RESOURCE_ATTRIBUTES))]))];

fn message(api_version: &str, kind: &str) -> Option<Message> {
    Some(match (api_version, kind) {
        ("v1", "ConfigMap") => CONFIG_MAP,
        ("v1", "Secret") => SECRET,
        ("v1", "Namespace" | "ServiceAccount") | ("authentication.k8s.io/v1", "SelfSubjectReview") => NAMED,
        ("v1" | "meta.k8s.io/v1", "DeleteOptions") => DELETE_OPTIONS,
        ("policy/v1", "Eviction") => EVICTION,
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview") => ACCESS_REVIEW,
        _ => return None,
    })
}

/// A body as JSON; the error says why not.
pub(super) fn decode(body: &[u8]) -> Result<Value, String> {
    static TYPE_META: Message = &[(1, "apiVersion", Text), (2, "kind", Text)];
    static ENVELOPE: Message = &[(1, "typeMeta", Of(TYPE_META)), (2, "raw", Bytes)];
    let broken = || "it is no protobuf".to_owned();
    let envelope = read(body.strip_prefix(MAGIC).ok_or_else(broken)?, ENVELOPE).ok_or_else(broken)?;
    let text = |name: &str| envelope["typeMeta"][name].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let message = message(&api_version, &kind).ok_or_else(|| format!("protobuf of {kind} in {api_version} is not simulated"))?;
    let raw = BASE64_STANDARD.decode(envelope["raw"].as_str().unwrap_or_default()).map_err(|_| broken())?;
    let mut object = read(&raw, message).ok_or_else(broken)?;
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    Ok(object)
}

fn read(mut bytes: &[u8], message: Message) -> Option<Value> {
    let mut object = Map::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let known = message.iter().find(|(number, ..)| *number == key >> 3);
        match (key & 7, known) {
            (0, Some((_, name, Bool))) => drop(object.insert((*name).to_owned(), json!(varint(&mut bytes)? != 0))),
            (0, Some((_, name, Int))) => drop(object.insert((*name).to_owned(), json!(varint(&mut bytes)?.cast_signed()))),
            (0, _) => drop(varint(&mut bytes)?),
            (1, _) => drop(take(&mut bytes, 8)?),
            (5, _) => drop(take(&mut bytes, 4)?),
            (2, known) => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let field = take(&mut bytes, length)?;
                match known {
                    Some((_, name, List(of))) => {
                        let list = object.entry(*name).or_insert_with(|| json!([]));
                        list.as_array_mut()?.push(value(field, **of)?);
                    }
                    Some((_, name, Mapping(of))) => {
                        let (key, item) = entry(field, **of)?;
                        object.entry(*name).or_insert_with(|| json!({})).as_object_mut()?.insert(key, item);
                    }
                    // Text that is not set is sent empty.
                    Some((_, _, Text)) if field.is_empty() => {}
                    Some((_, name, kind)) => drop(object.insert((*name).to_owned(), value(field, *kind)?)),
                    None => {}
                }
            }
            _ => return None,
        }
    }
    Some(Value::Object(object))
}

fn value(field: &[u8], kind: Type) -> Option<Value> {
    Some(match kind {
        Text => json!(std::str::from_utf8(field).ok()?),
        Bytes => json!(BASE64_STANDARD.encode(field)),
        Of(message) => read(field, message)?,
        Bool | Int | List(_) | Mapping(_) => return None,
    })
}

/// A map's entry is a message of key and value.
fn entry(mut field: &[u8], of: Type) -> Option<(String, Value)> {
    let (mut key, mut item) = (String::new(), value(&[], of)?);
    while !field.is_empty() {
        let number = varint(&mut field)?;
        let length = usize::try_from(varint(&mut field)?).ok()?;
        let part = take(&mut field, length)?;
        match number {
            10 => key = std::str::from_utf8(part).ok()?.to_owned(),
            18 => item = value(part, of)?,
            _ => return None,
        }
    }
    Some((key, item))
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `kubectl create configmap x --from-literal=a=b` sends, by the protobuf encoding's rules: field number and wire type,
    /// length, content.
    #[test]
    fn a_config_map() {
        let metadata = b"\x0a\x01x\x12\x00\x1a\x07default\x5a\x0a\x0a\x04team\x12\x02me";
        let mut raw = vec![0x0a, u8::try_from(metadata.len()).unwrap()];
        raw.extend(metadata);
        raw.extend(b"\x12\x06\x0a\x01a\x12\x01b\x20\x01");
        let mut body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12".to_vec();
        body.push(u8::try_from(raw.len()).unwrap());
        body.extend(&raw);
        body.extend(b"\x1a\x00\x22\x00");
        let wanted = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}, "immutable": true,
            "metadata": {"name": "x", "namespace": "default", "labels": {"team": "me"}},
        });
        assert_eq!(decode(&body), Ok(wanted));
        for cut in 0..body.len() - 4 {
            assert_ne!(decode(&body[..cut]), decode(&body), "{cut} bytes are not the whole");
        }
    }

    #[test]
    fn what_is_not_known_is_told() {
        let body = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x00";
        assert_eq!(decode(body), Err("protobuf of Pod in v1 is not simulated".to_owned()));
    }
}
