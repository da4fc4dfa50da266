//! Whether what is said fits what the template declares.

use std::collections::BTreeMap;

use eks_core::{Problems, Ref};

use super::{
    More,
    closest::closest,
    generation::{ALL, Generation},
    summary::{TemplateParameter, TemplateSummary},
};
use crate::request::Argument;

/// How many allowed values a message lists.
const LISTED: usize = 8;

/// Names of further parameters, before anything was asked.
pub(super) fn check_names(more: &More, generation: Option<&Generation>, problems: &mut Problems) {
    for name in more.keys() {
        let subject = format!("parameter {name:?}");
        if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let rule = "names of template parameters are 1–255 letters and digits";
            problems.add("parameter-name", subject, rule, "use the name that the template declares");
        } else if generation.is_some_and(|generation| generation.declares(name)) {
            let rule = "is given by the spec or by a setter of the template's type";
            problems.add("parameter-typed", subject, rule, "use that instead of parameter()");
        }
    }
}

/// Everything that is wrong with the parameters, by what CloudFormation tells of the template.
pub(super) fn check_summary(
    given: &BTreeMap<String, Argument>,
    summary: &TemplateSummary,
    generation: Option<&'static Generation>,
    problems: &mut Problems,
) {
    for (name, argument) in given {
        match summary.parameters.get(name) {
            Some(declared) => check_value(name, declared, argument, problems),
            None => unknown(name, summary, generation, problems),
        }
    }
    for (name, declared) in &summary.parameters {
        if declared.default.is_none() && !given.contains_key(name) {
            let rule = format!("is declared without a default ({}), and is not given", declared.kind);
            let remedy = if name == "KeyName" { "give it with key_pair()" } else { "give it with parameter()" };
            problems.add("parameter-missing", format!("parameter {name}"), rule, remedy);
        }
    }
}

fn unknown(name: &str, summary: &TemplateSummary, generation: Option<&'static Generation>, problems: &mut Problems) {
    let typed = generation.filter(|generation| generation.declares(name));
    let remedy = match (typed, closest(name, summary.parameters.keys().map(String::as_str))) {
        (Some(typed), _) => {
            let other = ALL.iter().rev().find(|one| one.date != typed.date && looks_like(one, summary));
            let told = other.map(|one| format!(", which looks like that of {}", one.date)).unwrap_or_default();
            format!("give the address of the template of {}{told}", typed.date)
        }
        (None, Some(meant)) => format!("did you mean {meant}?"),
        (None, None) => "leave it out".to_owned(),
    };
    problems.add("parameter-unknown", format!("parameter {name}"), "is not declared by the template at this address", remedy);
}

/// Whether the template declares all that the generation has.
fn looks_like(generation: &Generation, summary: &TemplateSummary) -> bool {
    generation.parameters().all(|declared| summary.parameters.contains_key(declared.name))
}

fn check_value(name: &str, declared: &TemplateParameter, argument: &Argument, problems: &mut Problems) {
    let values = argument.references().iter().filter_map(|reference| match reference {
        Ref::Known(value) => Some(value.as_str()),
        Ref::Output(_) => None,
    });
    for value in values {
        let subject = || if declared.no_echo { format!("parameter {name}") } else { format!("parameter {name} = {value:?}") };
        if declared.no_echo && !is_dynamic_reference(value) {
            let rule = "is not echoed by CloudFormation, and its value would be in every saved plan";
            let remedy = "give a dynamic reference to where the secret is kept, such as {{resolve:secretsmanager:NAME}}";
            problems.add("parameter-secret", subject(), rule, remedy);
            continue;
        }
        if !declared.allowed.is_empty() && !declared.allowed.iter().any(|allowed| allowed == value) {
            problems.add("parameter-value", subject(), format!("must be one of {}", listed(value, &declared.allowed)), "use one of these");
        }
        let is_number = matches!(declared.kind.as_str(), "Number" | "List<Number>");
        if is_number && !value.parse::<f64>().is_ok_and(f64::is_finite) {
            problems.add("parameter-value", subject(), "must be a number", "correct it");
        }
    }
}

/// User Guide, "Get values stored in other services using dynamic references": the secret itself is read by CloudFormation.
fn is_dynamic_reference(value: &str) -> bool {
    value.strip_prefix("{{resolve:").and_then(|rest| rest.strip_suffix("}}")).is_some_and(|rest| !rest.contains(['{', '}']))
}

/// Few values all; of many, the nearest first.
fn listed(value: &str, allowed: &[String]) -> String {
    if allowed.len() <= LISTED {
        return allowed.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
    }
    match closest(value, allowed.iter().map(String::as_str)) {
        Some(meant) => format!("{} values that the template lists, such as {meant:?}", allowed.len()),
        None => format!("{} values that the template lists, from {:?} to {:?}", allowed.len(), allowed[0], allowed[allowed.len() - 1]),
    }
}
