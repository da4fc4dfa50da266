//! What to do about one group.

use std::collections::BTreeSet;

use eks_core::{Action, Error, Outputs, Ref, StepKey};

use super::{
    issue::told,
    observed::NodeGroup,
    op::GroupOp,
    refuse::refused,
    request::{GroupRequest, GroupUpdate, Roll},
    status::GroupStatus,
};
use crate::{
    observed::Observed,
    template::{TEMPLATE_ID, TEMPLATE_VERSION},
};

/// A decision on one group.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) action: Action,
    pub(super) changes: Vec<String>,
    pub(super) op: GroupOp,
    /// What the step's title must add to what is made, if it is not simply made.
    pub(super) circumstance: Option<&'static str>,
    pub(super) outputs: Outputs,
    /// Every node will be replaced.
    pub(super) rolls: bool,
}

/// What is wanted, and what is known of the stack that the group stands on.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) group: GroupRequest,
    /// Of Kubernetes.
    pub(super) version: &'a str,
    pub(super) force: bool,
    /// Outputs of the stack as it stands; none of one that will be made.
    pub(super) base: Option<&'a Outputs>,
    /// The stack will have another version of the launch template.
    pub(super) template_changes: bool,
}

pub(super) fn decide(wanted: Wanted<'_>, key: &StepKey, now: &Observed) -> Result<Decision, Error> {
    let decision = |action, op| Decision { action, changes: Vec::new(), op, circumstance: None, outputs: Outputs::new(), rolls: false };
    let (cluster, name) = (wanted.group.cluster.clone(), wanted.group.name.clone());
    let Some(found) = now.group(cluster.as_str(), name.as_str()) else {
        return Ok(decision(Action::Create, GroupOp::Create { group: wanted.group }));
    };
    let subject = || format!("managed node group {}", found.name.name);
    if found.key(now.owner()).as_ref() != Some(key) {
        let remedy = "choose another name, or delete that group".to_owned();
        return Err(Error::Refused { subject: subject(), rule: "exists already, and is not this plan's".to_owned(), remedy });
    }
    let status = found.status;
    Ok(match status {
        GroupStatus::Active | GroupStatus::Degraded => {
            let (update, changes) = compare(&wanted, found)?;
            if update.is_empty() {
                return Ok(Decision { outputs: outputs(found), ..decision(Action::Keep, GroupOp::Keep { name }) });
            }
            let rolls = update.roll.is_some();
            Decision { changes, rolls, outputs: outputs(found), ..decision(Action::Update, GroupOp::Update { cluster, name, update }) }
        }
        GroupStatus::CreateFailed => {
            let changes = vec![format!("deletes what is left of the failed creation first: {}", told(&found.issues))];
            let op = GroupOp::Replace { group: wanted.group };
            Decision { changes, circumstance: Some("after what is left of a failed creation"), ..decision(Action::Create, op) }
        }
        GroupStatus::Creating => {
            Decision { circumstance: Some("begun by an earlier run"), ..decision(Action::Create, GroupOp::Await { cluster, name }) }
        }
        GroupStatus::Updating => Decision {
            changes: vec![format!("{status}: waits until it has ended; then plan again")],
            circumstance: Some("being changed already"),
            ..decision(Action::Update, GroupOp::Await { cluster, name })
        },
        GroupStatus::Deleting => Decision {
            changes: vec![format!("waits first until the deletion that runs has ended: {status}")],
            circumstance: Some("once the group that is being deleted is gone"),
            ..decision(Action::Create, GroupOp::Recreate { group: wanted.group })
        },
        GroupStatus::DeleteFailed | GroupStatus::Unknown => {
            let rule = format!("is in {status} ({})", told(&found.issues));
            return Err(Error::Refused { subject: subject(), rule, remedy: "tear it down first".to_owned() });
        }
    })
}

/// What a group that stands tells.
pub(super) fn outputs(group: &NodeGroup) -> Outputs {
    let mut outputs = Outputs::from([("id".to_owned(), group.arn.clone()), ("NodeInstanceRole".to_owned(), group.role.clone())]);
    if let Some(name) = &group.scaling_group {
        outputs.insert("NodeAutoScalingGroup".to_owned(), name.clone());
    }
    outputs
}

/// Where the group differs from what is wanted.
fn compare(wanted: &Wanted<'_>, found: &NodeGroup) -> Result<(GroupUpdate, Vec<String>), Error> {
    fixed(wanted, found)?;
    let (mut update, mut changes) = (GroupUpdate::default(), Vec::new());
    let group = &wanted.group;
    let sizes = (group.scaling.min, group.scaling.max);
    if sizes != (found.scaling.min, found.scaling.max) {
        update.scaling = Some(sizes);
        changes.push(format!("size: {}–{} → {}–{}", found.scaling.min, found.scaling.max, sizes.0, sizes.1));
    }
    for (name, value) in group.labels.iter().filter(|(name, value)| found.labels.get(*name) != Some(value)) {
        changes.push(format!("label {name}: {} → {value}", found.labels.get(name).map_or("none", String::as_str)));
        update.labels.insert(name.clone(), value.clone());
    }
    for name in found.labels.keys().filter(|name| !group.labels.contains_key(*name)) {
        changes.push(format!("label {name}: goes"));
        update.labels_gone.insert(name.clone());
    }
    let same = |taints: &BTreeSet<_>, one: &super::GroupTaint| {
        taints.iter().any(|other: &super::GroupTaint| (&other.key, other.effect) == (&one.key, one.effect))
    };
    for taint in group.taints.difference(&found.taints) {
        changes.push(format!("taint {taint}: comes"));
        update.taints.insert(taint.clone());
    }
    for taint in found.taints.iter().filter(|taint| !same(&group.taints, taint)) {
        changes.push(format!("taint {taint}: goes"));
        update.taints_gone.insert(taint.clone());
    }
    if (group.max_unavailable, group.strategy) != (found.max_unavailable, found.strategy) {
        update.updates = Some((group.max_unavailable, group.strategy));
        let before = format!("{} {}", found.max_unavailable, found.strategy.as_str());
        changes.push(format!("unavailable in updates: {before} → {} {}", group.max_unavailable, group.strategy.as_str()));
    }
    if group.repair != found.repair {
        update.repair = Some(group.repair);
        let word = |repair: bool| if repair { "on" } else { "off" };
        changes.push(format!("node repair: {} → {}", word(found.repair.is_some()), word(group.repair.is_some())));
    }
    update.roll = roll(wanted, found, &mut changes)?;
    Ok((update, changes))
}

/// What an update cannot change. EKS API Reference, "UpdateNodegroupConfig" and "UpdateNodegroupVersion".
fn fixed(wanted: &Wanted<'_>, found: &NodeGroup) -> Result<(), Error> {
    let group = &wanted.group;
    let mut rules = Vec::new();
    let mut differs = |what: &str, found: &str, wanted: &str| {
        if found != wanted {
            rules.push(format!("has {what} {found}, and {wanted} is wanted"));
        }
    };
    differs("AMI type", &found.ami_type, &group.ami_type);
    differs("capacity type", &found.capacity_type, if group.spot { "SPOT" } else { "ON_DEMAND" });
    if !found.instance_types.is_empty() {
        differs("instance types", &found.instance_types.join(", "), &group.instance_types.join(", "));
    }
    let known: Option<BTreeSet<String>> = group.subnets.iter().map(|subnet| subnet.known().map(ToString::to_string)).collect();
    if let Some(subnets) = known {
        let list = |subnets: &BTreeSet<String>| subnets.iter().cloned().collect::<Vec<_>>().join(", ");
        differs("subnets", &list(&found.subnets), &list(&subnets));
    }
    let base = |name: &str| wanted.base.and_then(|outputs| outputs.get(name)).map(String::as_str);
    let own = group.template.id.step();
    let role = match &group.role {
        Ref::Known(role) => Some(role.to_string()),
        Ref::Output(output) if own == Some(&output.step) => base(&output.name).map(str::to_owned),
        // What another step will tell is not known here; that the stack's own role goes, and its policies from under the nodes, is.
        Ref::Output(output) => (base("NodeInstanceRole") == Some(found.role.as_str())).then(|| format!("{}'s", output.step)),
    };
    if let Some(role) = role {
        differs("role", &found.role, &role);
    }
    let template = found.template.as_ref().map_or("none", |(id, _)| id.as_str());
    match (wanted.base, base(TEMPLATE_ID)) {
        (_, Some(id)) => differs("launch template", template, id),
        (Some(_), None) => differs("launch template", template, "one that is yet to be made"),
        (None, None) => {}
    }
    if rules.is_empty() {
        return Ok(());
    }
    Err(refused(format!("managed node group {}", found.name.name), format!("{}, which EKS changes in no group", rules.join("; "))))
}

/// Another version, release or launch template replaces every node.
fn roll(wanted: &Wanted<'_>, found: &NodeGroup, changes: &mut Vec<String>) -> Result<Option<Roll>, Error> {
    let before = changes.len();
    let minor = |version: &str| version.strip_prefix("1.").and_then(|minor| minor.parse::<u16>().ok());
    if wanted.version != found.version {
        // "You cannot roll back a node group to an earlier Kubernetes version or AMI version."
        if minor(wanted.version) < minor(&found.version) {
            let rule = format!("has Kubernetes {}, and EKS never takes a group back to {}", found.version, wanted.version);
            return Err(refused(format!("managed node group {}", found.name.name), rule));
        }
        changes.push(format!("version: {} → {}", found.version, wanted.version));
    }
    if let Some(release) = wanted.group.release.as_ref().filter(|release| **release != found.release) {
        changes.push(format!("release: {} → {release}", found.release));
    }
    let newest = wanted.base.and_then(|outputs| outputs.get(TEMPLATE_VERSION));
    let used = found.template.as_ref().map_or("none", |(_, version)| version.as_str());
    if wanted.template_changes {
        changes.push(format!("launch template: version {used} → the stack's next one"));
    } else if let Some(newest) = newest.filter(|newest| *newest != used) {
        changes.push(format!("launch template: version {used} → {newest}"));
    }
    let rolls = changes.len() > before;
    // Asked for neither version nor release, EKS takes the newest release of the version ("UpdateNodegroupVersion").
    if rolls && wanted.version == found.version && wanted.group.release.is_none() {
        changes.push(format!("release: {} → the newest of {}; release() pins it", found.release, found.version));
    }
    Ok(rolls.then(|| Roll {
        version: wanted.version.to_owned(),
        release: wanted.group.release.clone(),
        template: wanted.group.template.clone(),
        force: wanted.force,
    }))
}
