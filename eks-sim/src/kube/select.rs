//! Label and field selectors.

use serde_json::Value;

use super::{
    kinds::{self, Kind},
    status::{Refusal, Verdict},
    store::{items, text},
};

/// A parsed `labelSelector` and `fieldSelector`.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    pub(super) fn parse(kind: &Kind, labels: &str, fields: &str) -> Verdict<Self> {
        let labels = split(labels).into_iter().map(|term| requirement(&term)).collect::<Verdict<_>>()?;
        let fields = fields.split(',').filter(|term| !term.is_empty()).map(|term| field(kind, term)).collect::<Verdict<_>>()?;
        Ok(Self { labels, fields })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.matches(labels))
            && self.fields.iter().all(|(path, equal, wanted)| (field_value(object, path) == *wanted) == *equal)
    }
}

impl Requirement {
    fn matches(&self, labels: &Value) -> bool {
        let has = |key: &str, values: &[String]| labels[key].as_str().is_some_and(|value| values.iter().any(|wanted| wanted == value));
        match self {
            Self::In(key, values) => has(key, values),
            Self::NotIn(key, values) => !has(key, values),
            Self::Exists(key) => labels[key].is_string(),
            Self::Absent(key) => !labels[key].is_string(),
        }
    }
}

/// Splits at commas that are not inside parentheses.
fn split(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut depth = 0_u32;
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match terms.last_mut() {
            Some(term) if letter != ',' || depth > 0 => term.push(letter),
            _ => terms.push(String::new()),
        }
    }
    terms.into_iter().map(|term| term.trim().to_owned()).filter(|term| !term.is_empty()).collect()
}

fn requirement(term: &str) -> Verdict<Requirement> {
    let unparsable = || Refusal::bad_request(format!("unable to parse requirement: {term}"));
    let key = |text: &str| {
        let text = text.trim();
        if text.is_empty() || text.contains(' ') { Err(unparsable()) } else { Ok(text.to_owned()) }
    };
    for (operator, negated) in [(" notin ", true), (" in ", false), (" notin(", true), (" in(", false)] {
        if let Some((name, rest)) = term.split_once(operator) {
            let values = rest.trim().trim_start_matches('(').strip_suffix(')').ok_or_else(unparsable)?;
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            return Ok(if negated { Requirement::NotIn(key(name)?, values) } else { Requirement::In(key(name)?, values) });
        }
    }
    if let Some((name, value)) = term.split_once("!=") {
        return Ok(Requirement::NotIn(key(name)?, vec![value.trim().to_owned()]));
    }
    if let Some((name, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Ok(Requirement::In(key(name)?, vec![value.trim().to_owned()]));
    }
    Ok(match term.strip_prefix('!') {
        Some(name) => Requirement::Absent(key(name)?),
        None => Requirement::Exists(key(term)?),
    })
}

fn field(kind: &Kind, term: &str) -> Verdict<(String, bool, String)> {
    let (path, equal, value) = if let Some((path, value)) = term.split_once("!=") {
        (path, false, value)
    } else {
        let (path, value) = term.split_once("==").or_else(|| term.split_once('=')).unwrap_or((term, ""));
        (path, true, value)
    };
    let known: &[&str] = match kind {
        _ if *kind == kinds::POD => {
            &["spec.nodeName", "status.phase", "status.podIP", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName"]
        }
        _ if *kind == kinds::NODE => &["spec.unschedulable"],
        _ if *kind == kinds::NAMESPACE => &["status.phase"],
        _ if *kind == kinds::SECRET => &["type"],
        _ if *kind == kinds::SERVICE => &["spec.clusterIP", "spec.type"],
        _ if *kind == kinds::EVENT => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &[],
    };
    if ["metadata.name", "metadata.namespace"].contains(&path) || known.contains(&path) {
        Ok((path.to_owned(), equal, value.to_owned()))
    } else {
        Err(Refusal::bad_request(format!("field label not supported: {path}")))
    }
}

fn field_value(object: &Value, path: &str) -> String {
    let pointer = format!("/{}", path.replace('.', "/"));
    match object.pointer(&pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(value)) => value.to_string(),
        // An absent boolean is false to field selectors.
        None if path == "spec.unschedulable" => "false".to_owned(),
        _ => String::new(),
    }
}

/// Whether a `metav1.LabelSelector` selects an object. An absent or empty selector selects by `empty`.
pub(super) fn selects(selector: &Value, object: &Value, empty: bool) -> bool {
    let labels = &object["metadata"]["labels"];
    let expressions = items(selector, "/matchExpressions");
    let pairs = selector["matchLabels"].as_object();
    if expressions.is_empty() && pairs.is_none_or(serde_json::Map::is_empty) {
        return empty;
    }
    pairs.is_none_or(|pairs| pairs.iter().all(|(key, value)| &labels[key] == value))
        && expressions.iter().all(|expression| expression_matches(expression, labels))
}

/// A selector requirement of `matchExpressions` or a node selector's, on labels.
pub(super) fn expression_matches(expression: &Value, labels: &Value) -> bool {
    let key = text(expression, "/key");
    let has = items(expression, "/values").contains(&labels[key]);
    match text(expression, "/operator") {
        "In" => has,
        "NotIn" => !has,
        "Exists" => labels[key].is_string(),
        "DoesNotExist" => !labels[key].is_string(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors_are_kubernetes() {
        let object = json!({"metadata": {"name": "a", "labels": {"app": "web", "tier": "front"}}});
        let matches = |labels: &str| Selector::parse(&kinds::POD, labels, "").map(|selector| selector.matches(&object));
        for (selector, expected) in [
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (web, api),tier notin (back)", true),
            ("app in (api)", false),
            ("!app", false),
            ("tier,!missing", true),
            ("missing notin (x)", true),
        ] {
            assert_eq!(matches(selector), Ok(expected), "{selector}");
        }
        assert_eq!(matches("a b").map_err(|refusal| refusal.code), Err(400));
    }

    #[test]
    fn only_supported_fields_select() {
        assert!(Selector::parse(&kinds::POD, "", "spec.nodeName=a,status.phase!=Failed").is_ok());
        assert_eq!(
            Selector::parse(&kinds::CONFIG_MAP, "", "data.x=a").map_err(|refusal| refusal.message).err().as_deref(),
            Some("field label not supported: data.x")
        );
    }
}
