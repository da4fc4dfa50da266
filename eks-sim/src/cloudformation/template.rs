//! Template text into a tree, and the checks that CloudFormation makes before any resource is touched.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use serde_yaml_ng as yaml;

use super::resources;

/// Pseudo parameters (User Guide, "Get AWS values using pseudo parameters").
pub(super) const PSEUDO: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

const SECTIONS: [&str; 10] = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
];

/// A template that passed the format checks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Template {
    /// As it was submitted, for GetTemplate.
    pub(super) text: String,
    root: Value,
}

/// A name that a template refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reference {
    /// `Ref` or a plain `${Name}`: a parameter, a resource, or a pseudo parameter.
    Name(String),
    /// `Fn::GetAtt` or `${Resource.Attribute}`.
    Attribute(String, String),
}

impl Template {
    /// Parses and checks a template; the error is AWS's message for a ValidationError.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let root = tree(text)?;
        let Value::Object(members) = &root else {
            return Err("Template format error: unsupported structure.".to_owned());
        };
        let unknown: Vec<_> = members.keys().map(String::as_str).filter(|name| !SECTIONS.contains(name) && *name != "Transform").collect();
        if !unknown.is_empty() {
            return Err(format!("Invalid template property or properties [{}]", unknown.join(", ")));
        }
        if let Some(version) = members.get("AWSTemplateFormatVersion").and_then(Value::as_str).filter(|text| *text != "2010-09-09") {
            return Err(format!("Template format error: {version} is not a supported value for AWSTemplateFormatVersion."));
        }
        let template = Self { text: text.to_owned(), root };
        template.check()?;
        Ok(template)
    }

    fn section(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.root.get(name).and_then(Value::as_object).into_iter().flatten()
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.section("Parameters")
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.section("Resources")
    }

    pub(super) fn outputs(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.section("Outputs")
    }

    pub(super) fn conditions(&self) -> BTreeMap<String, Value> {
        self.section("Conditions").map(|(name, body)| (name.clone(), body.clone())).collect()
    }

    pub(super) fn mappings(&self) -> Value {
        self.root.get("Mappings").cloned().unwrap_or_default()
    }

    pub(super) fn resource(&self, logical: &str) -> Option<&Value> {
        self.root.get("Resources")?.get(logical)
    }

    pub(super) fn description(&self) -> Option<&str> {
        self.root.get("Description").and_then(Value::as_str)
    }

    /// The section as text, as GetTemplateSummary tells it.
    pub(super) fn metadata(&self) -> Option<String> {
        self.root.get("Metadata").map(Value::to_string)
    }

    pub(super) fn transforms(&self) -> Vec<String> {
        match self.root.get("Transform") {
            Some(Value::String(name)) => vec![name.clone()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn kinds(&self) -> BTreeSet<String> {
        self.resources().filter_map(|(_, body)| body.get("Type")?.as_str().map(str::to_owned)).collect()
    }

    /// The capabilities that the template needs, with the reason (User Guide, "Acknowledging IAM resources").
    pub(super) fn capabilities(&self) -> (Vec<&'static str>, Vec<String>) {
        let mut named = false;
        let mut kinds = BTreeSet::new();
        for (_, body) in self.resources() {
            let kind = body.get("Type").and_then(Value::as_str).unwrap_or_default();
            if !matches!(kind, "AWS::IAM::Role" | "AWS::IAM::InstanceProfile") {
                continue;
            }
            kinds.insert(kind.to_owned());
            let properties = body.get("Properties");
            named |= ["RoleName", "InstanceProfileName"].iter().any(|name| properties.is_some_and(|p| p.get(name).is_some()));
        }
        let needed = if kinds.is_empty() {
            Vec::new()
        } else if named {
            vec!["CAPABILITY_NAMED_IAM"]
        } else {
            vec!["CAPABILITY_IAM"]
        };
        (needed, kinds.into_iter().collect())
    }

    fn check(&self) -> Result<(), String> {
        let resources: BTreeSet<_> = self.resources().map(|(name, _)| name.clone()).collect();
        if resources.is_empty() {
            return Err("Template format error: At least one Resources member must be defined.".to_owned());
        }
        let mut unknown = BTreeSet::new();
        for (logical, body) in self.resources() {
            if !logical.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err(format!("Template format error: Resource name {logical} is non alphanumeric."));
            }
            let kind = body.get("Type").and_then(Value::as_str).ok_or_else(|| {
                format!("Template format error: [/Resources/{logical}] Every Resources object must contain a Type member.")
            })?;
            if !resources::is_known(kind) {
                unknown.insert(kind);
            }
        }
        if !unknown.is_empty() {
            return Err(format!(
                "Template format error: Unrecognized resource types: [{}]",
                unknown.into_iter().collect::<Vec<_>>().join(", ")
            ));
        }
        let conditions = self.conditions();
        for block in ["Resources", "Outputs"] {
            for (_, body) in self.section(block) {
                self.check_references(block, body, &resources)?;
                if let Some(name) = body.get("Condition").and_then(Value::as_str).filter(|name| !conditions.contains_key(*name)) {
                    return Err(format!(
                        "Template format error: Unresolved condition dependency {name} in the {block} block of the template"
                    ));
                }
            }
        }
        self.check_cycles(&resources)
    }

    fn check_references(&self, block: &str, body: &Value, resources: &BTreeSet<String>) -> Result<(), String> {
        let mut found = BTreeSet::new();
        references(body, &|_| None, &mut found);
        let mut unresolved = BTreeSet::new();
        for reference in found {
            match reference {
                Reference::Name(name) => {
                    let known =
                        resources.contains(&name) || PSEUDO.contains(&name.as_str()) || self.parameters().any(|(known, _)| *known == name);
                    if !known {
                        unresolved.insert(name);
                    }
                }
                Reference::Attribute(name, attribute) => {
                    let kind = self.resource(&name).and_then(|body| body.get("Type")).and_then(Value::as_str);
                    let Some(kind) = kind else {
                        return Err(format!("Template error: instance of Fn::GetAtt references undefined resource {name}"));
                    };
                    if !resources::has_attribute(kind, &attribute) {
                        return Err(format!("Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"));
                    }
                }
            }
        }
        unresolved.extend(depends_on(body).into_iter().filter(|name| !resources.contains(name)));
        if unresolved.is_empty() {
            return Ok(());
        }
        let names = unresolved.into_iter().collect::<Vec<_>>().join(", ");
        Err(format!("Template format error: Unresolved resource dependencies [{names}] in the {block} block of the template"))
    }

    fn check_cycles(&self, resources: &BTreeSet<String>) -> Result<(), String> {
        let mut left: BTreeMap<_, _> = resources.iter().map(|name| (name.clone(), self.dependencies(name, &|_| None))).collect();
        loop {
            let free: Vec<_> =
                left.iter().filter(|(_, needs)| needs.iter().all(|need| !left.contains_key(need))).map(|(name, _)| name.clone()).collect();
            if free.is_empty() {
                break;
            }
            free.iter().for_each(|name| drop(left.remove(name)));
        }
        if left.is_empty() {
            return Ok(());
        }
        let names = left.into_keys().collect::<Vec<_>>().join(", ");
        Err(format!("Circular dependency between resources: [{names}]"))
    }

    /// The resources that `logical` needs first. `choose` tells a condition's value, where it is known: CloudFormation
    /// follows only the branch that `Fn::If` takes.
    pub(super) fn dependencies(&self, logical: &str, choose: &dyn Fn(&str) -> Option<bool>) -> BTreeSet<String> {
        let Some(body) = self.resource(logical) else { return BTreeSet::new() };
        let mut found = BTreeSet::new();
        references(body, choose, &mut found);
        let mut names: BTreeSet<_> = found
            .into_iter()
            .map(|reference| match reference {
                Reference::Name(name) | Reference::Attribute(name, _) => name,
            })
            .chain(depends_on(body))
            .filter(|name| self.resource(name).is_some())
            .collect();
        names.remove(logical);
        names
    }
}

fn depends_on(body: &Value) -> Vec<String> {
    match body.get("DependsOn") {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Every `Ref`, `Fn::GetAtt` and `Fn::Sub` variable below `value`.
fn references(value: &Value, choose: &dyn Fn(&str) -> Option<bool>, found: &mut BTreeSet<Reference>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, choose, found)),
        Value::Object(members) => {
            if let Some((function, argument)) = single(members) {
                match function {
                    "Ref" => {
                        found.extend(argument.as_str().map(|name| Reference::Name(name.to_owned())));
                        return;
                    }
                    "Fn::GetAtt" => {
                        found.extend(get_att(argument).map(|(name, attribute)| Reference::Attribute(name, attribute)));
                        return;
                    }
                    "Fn::Sub" => {
                        let (text, own) = sub_parts(argument);
                        references(&own, choose, found);
                        found.extend(variables(text).filter(|name| own.get(name).is_none()).map(|name| match name.split_once('.') {
                            Some((resource, attribute)) => Reference::Attribute(resource.to_owned(), attribute.to_owned()),
                            None => Reference::Name(name.to_owned()),
                        }));
                        return;
                    }
                    "Fn::If" => {
                        if let Some([condition, yes, no]) = argument.as_array().map(Vec::as_slice)
                            && let Some(chosen) = condition.as_str().and_then(choose)
                        {
                            references(if chosen { yes } else { no }, choose, found);
                            return;
                        }
                    }
                    _ => {}
                }
            }
            members.values().for_each(|member| references(member, choose, found));
        }
        _ => {}
    }
}

/// The only member of an object, as intrinsic functions are written.
pub(super) fn single(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut iter = members.iter();
    match (iter.next(), iter.next()) {
        (Some((name, value)), None) => Some((name.as_str(), value)),
        _ => None,
    }
}

/// Resource and attribute of a `Fn::GetAtt`, in either of its forms.
pub(super) fn get_att(argument: &Value) -> Option<(String, String)> {
    match argument {
        Value::String(text) => text.split_once('.').map(|(name, attribute)| (name.to_owned(), attribute.to_owned())),
        Value::Array(parts) => Some((parts.first()?.as_str()?.to_owned(), parts.get(1)?.as_str()?.to_owned())),
        _ => None,
    }
}

/// Text and own variables of a `Fn::Sub`.
pub(super) fn sub_parts(argument: &Value) -> (&str, Value) {
    match argument {
        Value::String(text) => (text, Value::Null),
        Value::Array(parts) => (parts.first().and_then(Value::as_str).unwrap_or_default(), parts.get(1).cloned().unwrap_or_default()),
        _ => ("", Value::Null),
    }
}

/// The `${Name}` variables of a `Fn::Sub` text; `${!Name}` is literal.
pub(super) fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.trim()).filter(|name| !name.starts_with('!'))
}

fn tree(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    // YAML is tried for anything else, as YAML's flow style may begin with a brace too.
    match yaml::from_str::<yaml::Value>(text) {
        Ok(value) => Ok(untag(value)),
        Err(error) => {
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            let format = if text.trim_start().starts_with('{') { "JSON" } else { "YAML" };
            Err(format!("Template format error: {format} not well-formed. (line {line}, column {column})"))
        }
    }
}

/// YAML into JSON, short-form intrinsics (`!Ref`) into their full form.
fn untag(value: yaml::Value) -> Value {
    match value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Bool(value) => value.into(),
        yaml::Value::Number(number) => number
            .as_i64()
            .map(Value::from)
            .or_else(|| number.as_u64().map(Value::from))
            .or_else(|| number.as_f64().map(Value::from))
            .unwrap_or_default(),
        yaml::Value::String(text) => text.into(),
        yaml::Value::Sequence(items) => items.into_iter().map(untag).collect(),
        yaml::Value::Mapping(members) => {
            members.into_iter().map(|(key, value)| (key_text(key), untag(value))).collect::<Map<_, _>>().into()
        }
        yaml::Value::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let name = name.trim_start_matches('!');
            let argument = untag(tagged.value);
            match (name, &argument) {
                ("Ref" | "Condition", _) => json!({ name: argument }),
                ("GetAtt", Value::String(text)) => match text.split_once('.') {
                    Some((resource, attribute)) => json!({ "Fn::GetAtt": [resource, attribute] }),
                    None => json!({ "Fn::GetAtt": argument }),
                },
                _ => json!({ (format!("Fn::{name}")): argument }),
            }
        }
    }
}

fn key_text(key: yaml::Value) -> String {
    match untag(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "AWS::IAM::InstanceProfile";

    #[test]
    fn short_forms_become_full_forms() {
        let text = "
Resources:
  P:
    Type: AWS::IAM::InstanceProfile
    Properties:
      Roles: [!Ref R]
      Path: !Sub '/${AWS::StackName}/'
      X: !GetAtt R.Arn
      Y: !If [C, !Ref 'AWS::NoValue', 1]
  R:
    Type: AWS::IAM::Role
Conditions:
  C: !Equals [!Ref 'AWS::Region', us-east-1]
";
        let template = Template::parse(text).expect("valid");
        assert_eq!(
            template.resource("P").expect("there")["Properties"],
            json!({
                "Roles": [{"Ref": "R"}], "Path": {"Fn::Sub": "/${AWS::StackName}/"}, "X": {"Fn::GetAtt": ["R", "Arn"]},
                "Y": {"Fn::If": ["C", {"Ref": "AWS::NoValue"}, 1]}
            })
        );
        assert_eq!(template.dependencies("P", &|_| None), BTreeSet::from(["R".to_owned()]));
        assert_eq!(template.capabilities().0, ["CAPABILITY_IAM"]);
    }

    fn error(template: Value) -> String {
        Template::parse(&template.to_string()).expect_err("invalid")
    }

    #[test]
    fn format_errors_are_in_the_words_of_aws() {
        assert_eq!(error(json!([])), "Template format error: unsupported structure.");
        assert_eq!(error(json!({"Resources": {}})), "Template format error: At least one Resources member must be defined.");
        assert_eq!(
            error(json!({"Resources": {"A": {"Type": "AWS::No::Thing"}}})),
            "Template format error: Unrecognized resource types: [AWS::No::Thing]"
        );
        assert_eq!(
            error(json!({"Resources": {"A": {"Type": PROFILE, "Properties": {"Roles": [{"Ref": "B"}]}}}})),
            "Template format error: Unresolved resource dependencies [B] in the Resources block of the template"
        );
        assert_eq!(
            error(json!({"Resources": {"A": {"Type": PROFILE}}, "Outputs": {"O": {"Value": {"Fn::GetAtt": ["A", "Nope"]}}}})),
            "Template error: resource A does not support attribute type Nope in Fn::GetAtt"
        );
        assert_eq!(
            error(json!({"Resources": {"A": {"Type": PROFILE, "DependsOn": "B"}, "B": {"Type": PROFILE, "DependsOn": ["A"]}}})),
            "Circular dependency between resources: [A, B]"
        );
        assert!(Template::parse("a: [1").expect_err("invalid").starts_with("Template format error: YAML not well-formed. (line "));
    }

    #[test]
    fn only_the_branch_taken_is_a_dependency() {
        let template = Template::parse(
            &json!({
                "Conditions": {"C": {"Fn::Equals": ["a", "b"]}},
                "Resources": {
                    "A": {"Type": PROFILE, "Properties": {"Roles": [{"Fn::If": ["C", {"Ref": "B"}, {"Fn::Sub": "${D} ${!E}"}]}]}},
                    "B": {"Type": PROFILE}, "D": {"Type": PROFILE}
                }
            })
            .to_string(),
        )
        .expect("valid");
        assert_eq!(template.dependencies("A", &|_| Some(false)), BTreeSet::from(["D".to_owned()]));
    }
}
