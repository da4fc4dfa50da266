//! What the API server refuses to store (Kubernetes' `pkg/apis/*/validation`).

mod storage;

use serde_json::{Value, json};

pub(super) use self::storage::quantity;
use self::storage::{claim, storage_class};
use super::{
    kinds::{self, Kind},
    select::selects,
    status::{Refusal, Verdict},
    store::{Key, items, text},
};

/// (cause's reason, what is wrong, field).
type Error = (&'static str, String, String);

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

fn invalid(field: impl Into<String>, value: &str, why: &str) -> Error {
    ("FieldValueInvalid", format!("Invalid value: \"{value}\": {why}"), field.into())
}

fn required(field: impl Into<String>) -> Error {
    ("FieldValueRequired", "Required value".to_owned(), field.into())
}

fn forbidden(field: impl Into<String>, why: &str) -> Error {
    ("FieldValueForbidden", format!("Forbidden: {why}"), field.into())
}

fn duplicate(field: impl Into<String>, value: &str) -> Error {
    ("FieldValueDuplicate", format!("Duplicate value: \"{value}\""), field.into())
}

fn unsupported(field: &str, value: &str, supported: &[&str]) -> Error {
    let list: Vec<String> = supported.iter().map(|value| format!("\"{value}\"")).collect();
    ("FieldValueNotSupported", format!("Unsupported value: \"{value}\": supported values: {}", list.join(", ")), field.to_owned())
}

/// Refuses JSON of the wrong types, as decoding does.
pub(super) fn decode(kind: &Kind, object: &Value) -> Verdict<()> {
    let maps: &[&str] = match kind {
        _ if *kind == kinds::CONFIG_MAP => &["/data", "/binaryData"],
        _ if *kind == kinds::SECRET => &["/data", "/stringData"],
        _ if *kind == kinds::STORAGE_CLASS => &["/parameters"],
        _ if *kind == kinds::SERVICE => &["/spec/selector"],
        _ if *kind == kinds::POD => &["/spec/nodeSelector"],
        _ => &[],
    };
    for pointer in ["/metadata/labels", "/metadata/annotations"].iter().chain(maps) {
        let path = pointer[1..].replace('/', ".");
        let fail = |value: &Value, goal: &str| {
            let found = match value {
                Value::Object(_) => "object",
                Value::Array(_) => "array",
                Value::Number(_) => "number",
                Value::Bool(_) => "bool",
                _ => "string",
            };
            let name = kind.kind;
            Err(Refusal::bad_request(format!(
                "{name} in version \"{}\" cannot be handled as a {name}: json: cannot unmarshal {found} into Go struct field {name}.{path} of type {goal}",
                kind.version
            )))
        };
        match object.pointer(pointer) {
            None | Some(Value::Null) => {}
            Some(Value::Object(members)) => {
                if let Some(value) = members.values().find(|value| !value.is_string() && !value.is_null()) {
                    return fail(value, "string");
                }
            }
            Some(other) => return fail(other, "map[string]string"),
        }
    }
    Ok(())
}

/// Refuses what cannot be stored. `old` is the object's former state.
pub(super) fn check(key: &Key, old: Option<&Value>, object: &Value) -> Verdict<()> {
    let kind = key.kind;
    let mut errors = Vec::new();
    if old.is_none() {
        name(kind, &key.name, &mut errors);
    }
    labels(object, &mut errors);
    let check: fn(Option<&Value>, &Value, &mut Vec<Error>) = match kind {
        _ if *kind == kinds::CONFIG_MAP => config_map,
        _ if *kind == kinds::STORAGE_CLASS => storage_class,
        _ if *kind == kinds::CLAIM => claim,
        _ if *kind == kinds::SERVICE => service,
        _ if *kind == kinds::INGRESS => ingress,
        _ if *kind == kinds::POD => pod,
        _ if *kind == kinds::DISRUPTION_BUDGET => disruption_budget,
        _ if [&kinds::DEPLOYMENT, &kinds::REPLICA_SET, &kinds::DAEMON_SET, &kinds::STATEFUL_SET].contains(&kind) => workload,
        _ => |_, _, _| {},
    };
    check(old, object, &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(Refusal::invalid(kind, &key.name, &errors)) }
}

fn is_label(text: &str) -> bool {
    let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    text.len() <= 63 && edge(text.chars().next()) && edge(text.chars().last()) && text.chars().all(inner)
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| is_label(part) || (part.len() > 63 && is_label(&part[..63])))
}

fn name(kind: &Kind, name: &str, errors: &mut Vec<Error>) {
    let field = "metadata.name";
    if name.is_empty() {
        errors.push(("FieldValueRequired", "Required value: name or generateName is required".to_owned(), field.to_owned()));
    } else if *kind == kinds::NAMESPACE {
        if !is_label(name) {
            errors.push(invalid(field, name, LABEL));
        }
    } else if *kind == kinds::SERVICE {
        if !is_label(name) || !name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
            errors.push(invalid(field, name, DNS_1035));
        }
    } else if !is_subdomain(name) {
        errors.push(invalid(field, name, SUBDOMAIN));
    }
}

fn labels(object: &Value, errors: &mut Vec<Error>) {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let edges = |text: &str| text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    for (key, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let name = key.rsplit('/').next().unwrap_or_default();
        if name.len() > 63 || !edges(name) || !name.chars().all(inner) {
            errors.push(invalid(
                "metadata.labels",
                key,
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            ));
        }
        if value.len() > 63 {
            errors.push(("FieldValueTooLong", "Too long: may not be more than 63 bytes".to_owned(), "metadata.labels".to_owned()));
        } else if !(value.is_empty() || edges(value) && value.chars().all(inner)) {
            errors.push(invalid("metadata.labels", value, "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"));
        }
    }
}

fn config_map(old: Option<&Value>, object: &Value, errors: &mut Vec<Error>) {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    for key in object["data"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        if key.is_empty() || key.len() > 253 || !key.chars().all(legal) {
            errors.push(invalid(
                format!("data[{key}]"),
                key,
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            ));
        }
    }
    if let Some(old) = old.filter(|old| old["immutable"] == true) {
        for field in ["data", "binaryData"] {
            if old[field] != object[field] {
                errors.push(forbidden(field, "field is immutable when `immutable` is set"));
            }
        }
    }
}

fn service(old: Option<&Value>, object: &Value, errors: &mut Vec<Error>) {
    let kind = text(object, "/spec/type");
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !types.contains(&kind) {
        errors.push(unsupported("spec.type", kind, &types));
    }
    let ports = items(object, "/spec/ports");
    if ports.is_empty() && kind != "ExternalName" && text(object, "/spec/clusterIP") != "None" {
        errors.push(required("spec.ports"));
    }
    for (index, port) in ports.iter().enumerate() {
        let field = format!("spec.ports[{index}]");
        if !port["port"].as_u64().is_some_and(|port| (1..=65_535).contains(&port)) {
            errors.push(invalid(format!("{field}.port"), &port["port"].to_string(), "must be between 1 and 65535, inclusive"));
        }
        if ports.len() > 1 && text(port, "/name").is_empty() {
            errors.push(required(format!("{field}.name")));
        }
        if ports[..index].iter().any(|earlier| earlier["port"] == port["port"] && earlier["protocol"] == port["protocol"]) {
            errors.push(duplicate(&field, &port["port"].to_string()));
        }
    }
    let class = text(object, "/spec/loadBalancerClass");
    if !class.is_empty() && kind != "LoadBalancer" {
        errors.push(forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'"));
    }
    let Some(old) = old else { return };
    let stays = text(old, "/spec/type") == "LoadBalancer" && kind == "LoadBalancer";
    if stays && text(old, "/spec/loadBalancerClass") != class {
        errors.push(invalid("spec.loadBalancerClass", class, "may not change once set"));
    }
    let (was, is) = (text(old, "/spec/clusterIP"), text(object, "/spec/clusterIP"));
    if !was.is_empty() && was != is && kind != "ExternalName" && text(old, "/spec/type") != "ExternalName" {
        errors.push(invalid("spec.clusterIPs[0]", is, "may not change once set"));
    }
}

/// `ValidateIngress`: rules or a default backend; a path type for each path, which begins with a slash where it is compared exactly.
fn ingress(_: Option<&Value>, object: &Value, errors: &mut Vec<Error>) {
    let rules = items(object, "/spec/rules");
    if rules.is_empty() && object.pointer("/spec/defaultBackend").is_none_or(Value::is_null) {
        errors.push(invalid("spec", "", "either `defaultBackend` or `rules` must be specified"));
    }
    for (r, rule) in rules.iter().enumerate() {
        for (p, path) in items(rule, "/http/paths").iter().enumerate() {
            let field = format!("spec.rules[{r}].http.paths[{p}]");
            let types = ["Exact", "ImplementationSpecific", "Prefix"];
            match text(path, "/pathType") {
                "" => errors.push(required(format!("{field}.pathType"))),
                kind if !types.contains(&kind) => errors.push(unsupported(&format!("{field}.pathType"), kind, &types)),
                kind if kind != types[1] && !text(path, "/path").starts_with('/') => {
                    errors.push(invalid(format!("{field}.path"), text(path, "/path"), "must be an absolute path"));
                }
                _ => {}
            }
            if path.pointer("/backend/service/name").is_none() && path.pointer("/backend/resource").is_none() {
                errors.push(required(format!("{field}.backend")));
            }
        }
    }
}

fn containers(spec: &Value, field: &str, errors: &mut Vec<Error>) {
    let list = items(spec, "/containers");
    if list.is_empty() {
        errors.push(required(format!("{field}.containers")));
    }
    for (index, container) in list.iter().enumerate() {
        for member in ["name", "image"] {
            if text(container, &format!("/{member}")).is_empty() {
                errors.push(required(format!("{field}.containers[{index}].{member}")));
            }
        }
        for (m, mount) in items(container, "/volumeMounts").iter().enumerate() {
            let name = text(mount, "/name");
            if !items(spec, "/volumes").iter().any(|volume| text(volume, "/name") == name) {
                let field = format!("{field}.containers[{index}].volumeMounts[{m}].name");
                errors.push(("FieldValueNotFound", format!("Not found: \"{name}\""), field));
            }
        }
    }
}

fn pod(old: Option<&Value>, object: &Value, errors: &mut Vec<Error>) {
    containers(&object["spec"], "spec", errors);
    let Some(old) = old else { return };
    let fixed = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
                container.remove("image");
            }
        }
        if let Some(spec) = spec.as_object_mut() {
            for name in ["activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations"] {
                spec.remove(name);
            }
        }
        spec
    };
    if fixed(old) != fixed(object) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        errors.push(forbidden("spec", why));
    }
}

fn workload(old: Option<&Value>, object: &Value, errors: &mut Vec<Error>) {
    let selector = &object["spec"]["selector"];
    if !selector.is_object() {
        errors.push(required("spec.selector"));
    } else if !selects(selector, &object["spec"]["template"], false) {
        let labels = object["spec"]["template"]["metadata"]["labels"].to_string();
        errors.push((
            "FieldValueInvalid",
            format!("Invalid value: {labels}: `selector` does not match template `labels`"),
            "spec.template.metadata.labels".to_owned(),
        ));
    }
    let mut template = object["spec"]["template"]["spec"].clone();
    // Claim templates become volumes of a StatefulSet's Pods (`volumeClaimTemplates`: "takes precedence over any volumes in the template").
    let claims = items(object, "/spec/volumeClaimTemplates").iter().map(|claim| json!({"name": claim["metadata"]["name"]}));
    let volumes: Vec<Value> = items(&template, "/volumes").iter().cloned().chain(claims).collect();
    if !volumes.is_empty() {
        template["volumes"] = json!(volumes);
    }
    containers(&template, "spec.template.spec", errors);
    if old.is_some_and(|old| &old["spec"]["selector"] != selector) {
        errors.push(("FieldValueInvalid", format!("Invalid value: {selector}: field is immutable"), "spec.selector".to_owned()));
    }
}

fn disruption_budget(_: Option<&Value>, object: &Value, errors: &mut Vec<Error>) {
    let spec = &object["spec"];
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        let why = "minAvailable and maxUnavailable cannot be both set";
        errors.push(("FieldValueInvalid", format!("Invalid value: {spec}: {why}"), "spec".to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_rfc_1123() {
        for (kind, name, ok) in [
            (&kinds::CONFIG_MAP, "aws-auth", true),
            (&kinds::CONFIG_MAP, "a.b", true),
            (&kinds::CONFIG_MAP, "Big", false),
            (&kinds::CONFIG_MAP, "-a", false),
            (&kinds::NAMESPACE, "a.b", false),
            (&kinds::SERVICE, "1a", false),
        ] {
            assert_eq!(
                check(&Key::new(kind, "", name), None, &json!({"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}})).is_ok(),
                ok,
                "{name}"
            );
        }
    }

    #[test]
    fn a_topology_key_comes_once() {
        let twice = json!({"key": "zone", "values": ["a"]});
        let class = json!({
            "provisioner": "ebs.csi.aws.com", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
            "allowedTopologies": [{"matchLabelExpressions": [twice, twice]}],
        });
        let refusal = check(&Key::new(&kinds::STORAGE_CLASS, "", "gp3"), None, &class).expect_err("a duplicate");
        assert_eq!(
            refusal.message,
            "StorageClass.storage.k8s.io \"gp3\" is invalid: allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"zone\""
        );
    }

    #[test]
    fn quantities_are_bytes() {
        assert_eq!(quantity(&json!("10Gi")), Some(10 << 30));
        assert_eq!(quantity(&json!("1.5k")), Some(1_500));
        assert_eq!(quantity(&json!("ten")), None);
    }
}
