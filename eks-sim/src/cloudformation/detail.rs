//! What a change set tells of each resource: which properties change, and what causes it (API Reference, "ResourceChangeDetail").

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    resources,
    stack::{Definition, Resource, Stack},
    template::{Reference, references},
};

/// A property as the template writes it, and what it refers to.
fn references_of(definition: &Definition, logical: &str, property: &str) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    if let Some(written) = definition.template.resource(logical).and_then(|body| body.get("Properties")?.get(property)) {
        references(written, &|_| None, &mut found);
    }
    found
}

fn properties(definition: &Definition, logical: &str) -> Vec<String> {
    let written = definition.template.resource(logical).and_then(|body| body.get("Properties")).and_then(Value::as_object);
    written.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

fn name_of(reference: &Reference) -> &str {
    match reference {
        Reference::Name(name) | Reference::Attribute(name, _) => name,
    }
}

/// Whether another resource takes the place of this one for certain.
pub(super) fn replaced(stack: &Stack, resource: &Resource) -> bool {
    let old = stack.resources.get(&resource.logical);
    old.is_some_and(|old| resources::replaces(&resource.kind, &old.properties, &resource.properties))
}

/// Existing resources that do not change themselves, and have something of one that does: an attribute, or the id of one that is replaced.
pub(super) fn affected(stack: &Stack, definition: &Definition, changes: &[(&'static str, Resource)]) -> Vec<Resource> {
    let modified = |logical: &str| changes.iter().find(|(action, resource)| *action == "Modify" && resource.logical == logical);
    let has = |reference: &Reference| {
        modified(name_of(reference)).is_some_and(|(_, resource)| matches!(reference, Reference::Attribute(..)) || replaced(stack, resource))
    };
    let unchanged = stack.resources.values().filter(|resource| !changes.iter().any(|(_, changed)| changed.logical == resource.logical));
    unchanged
        .filter(|resource| {
            properties(definition, &resource.logical)
                .iter()
                .any(|property| references_of(definition, &resource.logical, property).iter().any(has))
        })
        .cloned()
        .collect()
}

/// The properties of a resource that change, each with its cause: a change of another resource counts where this one has an attribute
/// of it, or the id of one that is replaced.
pub(super) fn details(stack: &Stack, definition: &Definition, resource: &Resource, changes: &[(&'static str, Resource)]) -> Vec<Value> {
    let Some(old) = stack.resources.get(&resource.logical) else { return Vec::new() };
    let mut names: BTreeSet<String> = properties(definition, &resource.logical).into_iter().collect();
    names.extend(old.properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    let has = |reference: &&Reference| {
        let other = changes.iter().find(|(action, other)| *action == "Modify" && other.logical == name_of(reference));
        let other = other.filter(|(_, other)| other.logical != resource.logical);
        other.is_some_and(|(_, other)| matches!(reference, Reference::Attribute(..)) || replaced(stack, other))
    };
    let changed = |name: &str| stack.definition.parameters.get(name) != definition.parameters.get(name);
    let mut details = Vec::new();
    for name in names {
        let found = references_of(definition, &resource.logical, &name);
        let certain = old.properties.get(&name) != resource.properties.get(&name);
        let dynamic = found.iter().find(has);
        if !certain && dynamic.is_none() {
            continue;
        }
        let recreation = match (resources::is_create_only(&resource.kind, &name), certain) {
            (false, _) => "Never",
            (true, true) => "Always",
            (true, false) => "Conditionally",
        };
        let (source, entity) = match dynamic {
            Some(Reference::Attribute(resource, attribute)) => ("ResourceAttribute", Some(format!("{resource}.{attribute}"))),
            Some(Reference::Name(resource)) => ("ResourceReference", Some(resource.clone())),
            None => match found.iter().find(|reference| matches!(reference, Reference::Name(name) if changed(name))) {
                Some(reference) => ("ParameterReference", Some(name_of(reference).to_owned())),
                None => ("DirectModification", None),
            },
        };
        details.push(json!({
            "Target": {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation, "Path": format!("/Properties/{name}")},
            "Evaluation": if certain && dynamic.is_none() { "Static" } else { "Dynamic" },
            "ChangeSource": source,
            "CausingEntity": entity,
        }));
    }
    details
}
