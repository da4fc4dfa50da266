//! Intrinsic functions and conditions.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::template::{Template, get_att, single, sub_parts};

/// What a made resource answers to `Ref` and `Fn::GetAtt`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) attributes: Map<String, Value>,
}

/// Everything that a template's expressions can refer to.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Parameters and pseudo parameters: strings, or lists of strings.
    pub(super) values: BTreeMap<String, Value>,
    pub(super) resources: BTreeMap<String, Facts>,
    pub(super) conditions: BTreeMap<String, bool>,
    pub(super) mappings: Value,
    pub(super) zones: Vec<String>,
}

impl Scope {
    /// Evaluates the template's conditions; they may name each other in any order.
    pub(super) fn decide(&mut self, template: &Template) -> Result<(), String> {
        let mut left = template.conditions();
        while !left.is_empty() {
            let ready: Vec<_> = left
                .iter()
                .filter(|(_, body)| named_conditions(body).iter().all(|name| self.conditions.contains_key(name)))
                .map(|(name, body)| (name.clone(), body.clone()))
                .collect();
            if ready.is_empty() {
                let names = left.into_keys().collect::<Vec<_>>().join(", ");
                return Err(format!("Template format error: Unresolved condition dependencies [{names}] in the Conditions block"));
            }
            for (name, body) in ready {
                let holds = self.condition(&body)?;
                left.remove(&name);
                self.conditions.insert(name, holds);
            }
        }
        Ok(())
    }

    fn condition(&self, body: &Value) -> Result<bool, String> {
        let (function, argument) =
            body.as_object().and_then(single).ok_or("Template format error: Conditions can only be boolean operations")?;
        let list = argument.as_array().map_or(&[][..], Vec::as_slice);
        match function {
            "Condition" => self.named(argument.as_str().unwrap_or_default()),
            "Fn::Equals" => match list {
                [left, right] => Ok(self.text(left)? == self.text(right)?),
                _ => Err("Template error: Fn::Equals requires a list argument with two elements".to_owned()),
            },
            "Fn::Not" => match list {
                [one] => Ok(!self.condition(one)?),
                _ => Err("Template error: Fn::Not requires a list argument with one element".to_owned()),
            },
            "Fn::And" | "Fn::Or" if (2..=10).contains(&list.len()) => {
                let values = list.iter().map(|one| self.condition(one)).collect::<Result<Vec<_>, _>>()?;
                Ok(if function == "Fn::And" { values.iter().all(|v| *v) } else { values.iter().any(|v| *v) })
            }
            _ => Err(format!("Template error: {function} is not valid in a condition")),
        }
    }

    fn named(&self, name: &str) -> Result<bool, String> {
        self.conditions.get(name).copied().ok_or_else(|| format!("Template error: unresolved condition dependency {name} in Fn::If"))
    }

    /// A value with every function carried out; `None` is `AWS::NoValue`, which removes the property.
    pub(super) fn value(&self, value: &Value) -> Result<Option<Value>, String> {
        match value {
            Value::Array(items) => {
                let items = items.iter().filter_map(|item| self.value(item).transpose()).collect::<Result<Vec<_>, _>>()?;
                Ok(Some(items.into()))
            }
            Value::Object(members) => {
                if let Some((function, argument)) = single(members)
                    && (function == "Ref" || function.starts_with("Fn::"))
                {
                    return self.function(function, argument);
                }
                let mut out = Map::new();
                for (name, member) in members {
                    if let Some(member) = self.value(member)? {
                        out.insert(name.clone(), member);
                    }
                }
                Ok(Some(out.into()))
            }
            other => Ok(Some(other.clone())),
        }
    }

    fn function(&self, function: &str, argument: &Value) -> Result<Option<Value>, String> {
        let list = argument.as_array().map_or(&[][..], Vec::as_slice);
        let value = match (function, list) {
            ("Ref", _) => {
                let name = argument.as_str().unwrap_or_default();
                if name == "AWS::NoValue" {
                    return Ok(None);
                }
                self.named_value(name)?
            }
            ("Fn::GetAtt", _) => {
                let (name, attribute) =
                    get_att(argument).ok_or("Template error: every Fn::GetAtt object requires two non-empty parameters")?;
                self.attribute(&name, &attribute)?
            }
            ("Fn::Sub", _) => self.substitute(argument)?.into(),
            ("Fn::Base64", _) => STANDARD.encode(self.text(argument)?).into(),
            ("Fn::Join", [separator, parts]) => {
                let parts = self.value(parts)?.unwrap_or_default();
                let parts = parts.as_array().ok_or("Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings")?;
                parts.iter().map(plain).collect::<Result<Vec<_>, _>>()?.join(&self.text(separator)?).into()
            }
            ("Fn::Split", [separator, text]) => {
                let separator = self.text(separator)?;
                self.text(text)?.split(separator.as_str()).map(Value::from).collect()
            }
            ("Fn::Select", [index, items]) => {
                let index: usize =
                    self.text(index)?.parse().map_err(|_| "Template error: Fn::Select requires an integer as its first argument")?;
                let items = self.value(items)?.unwrap_or_default();
                items
                    .as_array()
                    .and_then(|items| items.get(index))
                    .cloned()
                    .ok_or_else(|| format!("Template error: Fn::Select cannot select nonexistent value at index {index}"))?
            }
            ("Fn::If", [condition, yes, no]) => {
                return self.value(if self.named(condition.as_str().unwrap_or_default())? { yes } else { no });
            }
            ("Fn::FindInMap", [map, first, second, ..]) => {
                let (map, first, second) = (self.text(map)?, self.text(first)?, self.text(second)?);
                let found = self.mappings.get(&map).and_then(|map| map.get(&first)).and_then(|row| row.get(&second));
                let default = list.get(3).and_then(|options| options.get("DefaultValue"));
                match (found, default) {
                    (Some(found), _) => found.clone(),
                    (None, Some(default)) => return self.value(default),
                    (None, None) => return Err(format!("Template error: Unable to get mapping for {map}::{first}::{second}")),
                }
            }
            // One Region is simulated: any Region's zones are this one's.
            ("Fn::GetAZs", _) => self.zones.iter().cloned().map(Value::from).collect(),
            _ => return Err(format!("Template error: {function} is malformed or not supported")),
        };
        Ok(Some(value))
    }

    fn named_value(&self, name: &str) -> Result<Value, String> {
        self.values
            .get(name)
            .cloned()
            .or_else(|| self.resources.get(name).map(|facts| facts.id.clone().into()))
            .ok_or_else(|| format!("Unresolved resource dependencies [{name}] in the Resources block of the template"))
    }

    fn attribute(&self, name: &str, attribute: &str) -> Result<Value, String> {
        self.resources
            .get(name)
            .and_then(|facts| facts.attributes.get(attribute))
            .cloned()
            .ok_or_else(|| format!("Attribute '{attribute}' of resource {name} does not exist"))
    }

    fn substitute(&self, argument: &Value) -> Result<String, String> {
        let (text, own) = sub_parts(argument);
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else { break };
            out.push_str(&rest[..start]);
            let name = rest[start + 2..start + length].trim();
            match name.strip_prefix('!') {
                Some(literal) => out.push_str(&format!("${{{literal}}}")),
                None => out.push_str(&self.variable(name, &own)?),
            }
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn variable(&self, name: &str, own: &Value) -> Result<String, String> {
        if let Some(value) = own.get(name) {
            return self.text(value);
        }
        match name.split_once('.') {
            Some((resource, attribute)) => plain(&self.attribute(resource, attribute)?),
            None => plain(&self.named_value(name)?),
        }
    }

    /// A value that must be a single text.
    pub(super) fn text(&self, value: &Value) -> Result<String, String> {
        plain(&self.value(value)?.unwrap_or_default())
    }
}

fn named_conditions(body: &Value) -> Vec<String> {
    match body {
        Value::Object(members) => match single(members) {
            Some(("Condition", Value::String(name))) => vec![name.clone()],
            Some(("Fn::If", Value::Array(parts))) => {
                let first = parts.first().and_then(Value::as_str).map(str::to_owned);
                first.into_iter().chain(parts.iter().flat_map(named_conditions)).collect()
            }
            _ => members.values().flat_map(named_conditions).collect(),
        },
        Value::Array(items) => items.iter().flat_map(named_conditions).collect(),
        _ => Vec::new(),
    }
}

/// The text of a scalar.
pub(super) fn plain(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Err("Template error: a null value is not allowed".to_owned()),
        Value::Array(_) | Value::Object(_) => Err("Template validation error: a string was expected, not a list or map".to_owned()),
    }
}

/// The same tree with every scalar as text: resource properties, like query parameters, are compared and sent as text.
pub(super) fn texts(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(texts).collect(),
        Value::Object(members) => members.into_iter().map(|(name, member)| (name, texts(member))).collect::<Map<_, _>>().into(),
        Value::Null => Value::Null,
        scalar => plain(&scalar).map_or(scalar, Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        Scope {
            values: BTreeMap::from([
                ("Name".to_owned(), json!("n")),
                ("List".to_owned(), json!(["a", "b"])),
                ("AWS::Region".to_owned(), json!("us-east-1")),
            ]),
            resources: BTreeMap::from([(
                "R".to_owned(),
                Facts { id: "r-1".to_owned(), attributes: Map::from_iter([("Arn".to_owned(), json!("arn:r"))]) },
            )]),
            conditions: BTreeMap::from([("Yes".to_owned(), true)]),
            mappings: json!({"M": {"us-east-1": {"k": "v"}}}),
            zones: vec!["us-east-1a".to_owned(), "us-east-1b".to_owned()],
        }
    }

    fn value(text: Value) -> Value {
        scope().value(&text).expect("valid").expect("some")
    }

    #[test]
    fn functions_nest() {
        assert_eq!(value(json!({"Fn::Join": ["-", [{"Ref": "Name"}, {"Fn::Select": [1, {"Ref": "List"}]}]]})), json!("n-b"));
        assert_eq!(value(json!({"Fn::Sub": "${R}/${R.Arn}/${!Lit}/${AWS::Region}"})), json!("r-1/arn:r/${Lit}/us-east-1"));
        assert_eq!(value(json!({"Fn::Sub": ["${A}-${Name}", {"A": {"Fn::Join": ["", ["x", 1]]}}]})), json!("x1-n"));
        assert_eq!(value(json!({"Fn::Base64": {"Fn::Sub": "${Name}"}})), json!("bg=="));
        assert_eq!(value(json!({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "k"]})), json!("v"));
        assert_eq!(value(json!({"Fn::Select": ["1", {"Fn::GetAZs": ""}]})), json!("us-east-1b"));
        assert_eq!(value(json!({"Fn::Split": [",", "a,b"]})), json!(["a", "b"]));
    }

    #[test]
    fn no_value_removes_members_and_items() {
        let no = json!({"Fn::If": ["Yes", {"Ref": "AWS::NoValue"}, 1]});
        assert_eq!(value(json!({"a": no, "b": [no, 2]})), json!({"b": [2]}));
    }

    #[test]
    fn conditions_resolve_in_any_order() {
        let template = Template::parse(
            &json!({
                "Conditions": {
                    "A": {"Fn::And": [{"Condition": "B"}, {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, "x"]}]}]},
                    "B": {"Fn::Or": [{"Fn::Equals": ["1", 1]}, {"Fn::Equals": ["1", "2"]}]}
                },
                "Resources": {"P": {"Type": "AWS::IAM::InstanceProfile"}}
            })
            .to_string(),
        )
        .expect("valid");
        let mut scope = scope();
        scope.decide(&template).expect("decidable");
        assert!(scope.conditions["A"] && scope.conditions["B"]);
    }

    #[test]
    fn missing_mapping_is_an_error() {
        let error = scope().value(&json!({"Fn::FindInMap": ["M", "eu-west-1", "k"]})).expect_err("missing");
        assert_eq!(error, "Template error: Unable to get mapping for M::eu-west-1::k");
    }
}
