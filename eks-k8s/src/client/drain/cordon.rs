//! Cordoning, with marks on the node itself: who closed it, and what it was before, so that nothing is opened but what was closed here,
//! whichever run opens it.

use std::collections::BTreeMap;

use eks_core::{Class, Error};
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    super::error::failed,
    calls::{Api, NODES},
};
use crate::{
    drain::{DRAINED, LABEL, Taint},
    owned::MANAGER,
};

/// On nodes that are drained: by which drain, and what they were before ([`Before`]).
const BEFORE: &str = "eks-rs/drain-before";
/// Taints that we put on, and for which drain: `{"retired:NoSchedule": "…"}`.
const TAINTS: &str = "eks-rs/drain-taints";

/// The value of the label: what we last did to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Closed by itself, not by a drain.
    Cordoned,
    /// A drain is at it, or was when it was killed.
    Draining,
    /// A drain has emptied it.
    Drained,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Self::Cordoned => "cordoned",
            Self::Draining => "draining",
            Self::Drained => DRAINED,
        }
    }

    /// That of a node that is closed; on one that takes Pods, a mark is a leftover and means nothing.
    fn of(node: &Value) -> Option<Self> {
        let label = node["metadata"]["labels"][LABEL].as_str().filter(|_| is_closed(node))?;
        [Self::Cordoned, Self::Draining, Self::Drained].into_iter().find(|mark| mark.name() == label)
    }
}

/// What a node was when a drain came to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Was {
    /// It took Pods.
    Open,
    /// We had cordoned it, not in a drain.
    Cordoned,
    /// Somebody else had.
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    /// The drain ([`id`]).
    of: String,
    was: Was,
}

/// Which drain this is: that of these nodes, in whichever run, under whichever policy.
pub(super) fn id(nodes: &[String]) -> String {
    let mut sorted: Vec<&str> = nodes.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    // FNV-1a: the same in every version of this program.
    let hash =
        sorted.join(",").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

pub(super) fn is_closed(node: &Value) -> bool {
    node["spec"]["unschedulable"] == true
}

/// Whether somebody else has closed the node since we did (`metadata.managedFields`, "Server-Side Apply", kubernetes.io).
/// Not seen on a node that was made with nothing but a name, as no kubelet does: the API server records writers only of objects that have
/// owned fields, or are applied.
pub(super) fn closed_by_others(node: &Value) -> bool {
    let entries = node["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut managers =
        entries.filter(|entry| !entry["fieldsV1"]["f:spec"]["f:unschedulable"].is_null()).map(|entry| &entry["manager"]).peekable();
    managers.peek().is_some() && managers.all(|manager| *manager != MANAGER)
}

fn before(node: &Value) -> Option<Before> {
    serde_json::from_str(node["metadata"]["annotations"][BEFORE].as_str()?).ok()
}

pub(super) fn taints(node: &Value) -> Vec<Value> {
    node["spec"]["taints"].as_array().cloned().unwrap_or_default()
}

fn told(taint: &Value) -> String {
    format!("{}:{}", taint["key"].as_str().unwrap_or_default(), taint["effect"].as_str().unwrap_or_default())
}

/// Our taints on a node, and for whom they are there.
fn our_taints(node: &Value) -> BTreeMap<String, String> {
    node["metadata"]["annotations"][TAINTS].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Puts a taint on, for a drain or (empty) for itself. The list is replaced as a whole, which the resource version makes safe.
fn tainted(node: &Value, taint: &Taint, of: &str, patch: &mut Value) {
    let mut all = taints(node);
    if all.iter().any(|other| other["key"] == taint.key.as_str() && other["effect"] == taint.effect.as_str()) {
        return;
    }
    let mut fresh = json!({"key": taint.key, "effect": taint.effect});
    if !taint.value.is_empty() {
        fresh["value"] = json!(taint.value);
    }
    let mut ours = our_taints(node);
    ours.insert(told(&fresh), of.to_owned());
    all.push(fresh);
    patch["spec"]["taints"] = json!(all);
    patch["metadata"]["annotations"][TAINTS] = json!(json!(ours).to_string());
}

/// Takes our taints off that were put on for these.
fn untainted(node: &Value, whose: impl Fn(&str) -> bool, patch: &mut Value) {
    let (goes, stays): (BTreeMap<_, _>, BTreeMap<_, _>) = our_taints(node).into_iter().partition(|(_, of)| whose(of));
    if goes.is_empty() {
        return;
    }
    let mut all = taints(node);
    all.retain(|taint| !goes.contains_key(&told(taint)));
    patch["spec"]["taints"] = json!(all);
    patch["metadata"]["annotations"][TAINTS] = if stays.is_empty() { Value::Null } else { json!(json!(stays).to_string()) };
}

fn changes(patch: Value) -> Option<Value> {
    patch.as_object().is_some_and(|patch| !patch.is_empty()).then_some(patch)
}

/// Writes on a node that a drain has come to it.
fn begun(of: &str, was: Was, patch: &mut Value) {
    patch["metadata"]["labels"][LABEL] = json!(Mark::Draining.name());
    patch["metadata"]["annotations"][BEFORE] = json!(json!(Before { of: of.to_owned(), was }).to_string());
}

/// What is to be changed of a node for a drain of it; `None` if it is as it should be.
fn closed_for(node: &Value, of: &str, taint: Option<&Taint>) -> Option<Value> {
    let mut patch = json!({});
    match Mark::of(node) {
        _ if !is_closed(node) => {
            begun(of, Was::Open, &mut patch);
            patch["spec"]["unschedulable"] = json!(true);
        }
        None => begun(of, Was::Closed, &mut patch),
        Some(Mark::Cordoned) => begun(of, Was::Cordoned, &mut patch),
        // By this drain, when it was killed; or by another one, to which it belongs.
        Some(Mark::Draining | Mark::Drained) => {}
    }
    if let Some(taint) = taint {
        tainted(node, taint, of, &mut patch);
    }
    changes(patch)
}

/// What is to be changed of a node that is cordoned by itself.
fn closed(node: &Value, taint: Option<&Taint>) -> Option<Value> {
    let mut patch = json!({});
    if !is_closed(node) {
        patch = json!({"metadata": {"labels": {LABEL: Mark::Cordoned.name()}}, "spec": {"unschedulable": true}});
        if before(node).is_some() {
            patch["metadata"]["annotations"][BEFORE] = Value::Null;
        }
    } else if let (Some(Mark::Draining), Some(Before { of, was: Was::Open })) = (Mark::of(node), before(node)) {
        // The drain that is at it leaves it closed, then.
        begun(&of, Was::Cordoned, &mut patch);
    }
    if let Some(taint) = taint {
        tainted(node, taint, "", &mut patch);
    }
    changes(patch)
}

/// What is to be changed of a node to make it what it was before this drain.
fn as_before(node: &Value, of: &str) -> Option<Value> {
    let mut patch = json!({});
    if let Some(before) = before(node).filter(|before| before.of == of)
        && node["metadata"]["labels"][LABEL] == Mark::Draining.name()
    {
        let label = if before.was == Was::Cordoned { json!(Mark::Cordoned.name()) } else { Value::Null };
        patch = json!({"metadata": {"labels": {LABEL: label}, "annotations": {BEFORE: null}}});
        if before.was == Was::Open && is_closed(node) && !closed_by_others(node) {
            patch["spec"]["unschedulable"] = json!(false);
        }
    }
    // One that was drained before keeps the taint that a first run put on.
    if Mark::of(node) != Some(Mark::Drained) {
        untainted(node, |whose| whose == of, &mut patch);
    }
    changes(patch)
}

/// What is to be changed of a node that stays closed although this drain of it was given up: the next one finds it so.
fn kept(node: &Value, of: &str) -> Option<Value> {
    let before = before(node).filter(|before| before.of == of && Mark::of(node) == Some(Mark::Draining))?;
    let label = if before.was == Was::Closed { Value::Null } else { json!(Mark::Cordoned.name()) };
    Some(json!({"metadata": {"labels": {LABEL: label}, "annotations": {BEFORE: null}}}))
}

/// What is to be changed of a node that is empty: it stays closed, even if another drain that came to it is given up.
fn emptied(node: &Value) -> Option<Value> {
    (Mark::of(node) == Some(Mark::Draining)).then(|| json!({"metadata": {"labels": {LABEL: Mark::Drained.name()}}}))
}

/// What is to be changed of a node that we closed, in a drain or not, to let it take Pods again.
fn opened(node: &Value) -> Option<Value> {
    let mut patch = json!({});
    if node["metadata"]["labels"][LABEL].is_string() {
        patch = json!({"metadata": {"labels": {LABEL: null}, "annotations": {BEFORE: null}}});
        let others = before(node).is_some_and(|before| before.was == Was::Closed) || closed_by_others(node);
        if is_closed(node) && !others {
            patch["spec"]["unschedulable"] = json!(false);
        }
    }
    untainted(node, |_| true, &mut patch);
    changes(patch)
}

/// Forgets, in this patch, drains that found the node closed: whoever closed it opens it.
pub(super) fn forgotten(node: &Value, patch: &mut Value) {
    if before(node).is_some_and(|before| before.was == Was::Closed) {
        patch["metadata"]["labels"][LABEL] = Value::Null;
        patch["metadata"]["annotations"][BEFORE] = Value::Null;
    }
}

/// Makes such a change. Whether the node takes Pods again by it; `None` if it is gone.
async fn change(api: &Api<'_>, node: &str, of: impl Fn(&Value) -> Option<Value>) -> Result<Option<bool>, Error> {
    let edited = api.edit(NODES, node, &of).await?;
    Ok(edited.map(|(before, changed)| changed && of(&before).is_some_and(|patch| patch["spec"]["unschedulable"] == false)))
}

fn gone(node: &str) -> Error {
    failed("cordon", format!("node {node}"), kube::Error::Service("it is gone".into())).with_class(Class::NotFound)
}

/// Closes a node for a drain; whether it was closed before.
pub(super) async fn begin(api: &Api<'_>, node: &str, of: &str, taint: Option<&Taint>) -> Result<bool, Error> {
    let (before, _) = api.edit(NODES, node, |node| closed_for(node, of, taint)).await?.ok_or_else(|| gone(node))?;
    Ok(is_closed(&before))
}

/// Cordons; whether the node was cordoned before.
pub(super) async fn cordon(api: &Api<'_>, node: &str, taint: Option<&Taint>) -> Result<bool, Error> {
    let (before, _) = api.edit(NODES, node, |node| closed(node, taint)).await?.ok_or_else(|| gone(node))?;
    Ok(is_closed(&before))
}

/// Makes a node what it was before a drain. Whether it takes Pods again.
pub(super) async fn undo(api: &Api<'_>, node: &str, of: &str) -> Result<bool, Error> {
    Ok(change(api, node, |node| as_before(node, of)).await? == Some(true))
}

/// Leaves a node closed that a drain gave up.
pub(super) async fn keep(api: &Api<'_>, node: &str, of: &str) -> Result<(), Error> {
    change(api, node, |node| kept(node, of)).await.map(drop)
}

/// Writes on a node that it is drained.
pub(super) async fn end(api: &Api<'_>, node: &str) -> Result<(), Error> {
    change(api, node, emptied).await.map(drop)
}

/// Opens what we closed. Whether anything was done.
pub(super) async fn uncordon(api: &Api<'_>, node: &str) -> Result<bool, Error> {
    Ok(api.edit(NODES, node, opened).await?.is_some_and(|(_, changed)| changed))
}

/// Nodes with a mark of ours.
pub(super) async fn ours(api: &Api<'_>) -> Result<Vec<String>, Error> {
    marked(api, LABEL).await
}

/// Nodes that a drain is at, or was when it was killed.
pub(super) async fn begun_before(api: &Api<'_>) -> Result<Vec<String>, Error> {
    marked(api, &format!("{LABEL}={}", Mark::Draining.name())).await
}

async fn marked(api: &Api<'_>, selector: &str) -> Result<Vec<String>, Error> {
    let (nodes, _) = api.list(NODES, ListParams::default().labels(selector)).await?;
    Ok(nodes.iter().filter_map(|node| node["metadata"]["name"].as_str()).map(str::to_owned).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fixture::merged as merge;

    fn merged(node: Value, patch: Option<Value>) -> Value {
        merge(&node, patch)
    }

    fn node(closed: bool) -> Value {
        let theirs = json!({"key": "gpu", "effect": "NoSchedule"});
        json!({"metadata": {"labels": {"a": "b"}, "annotations": {}}, "spec": {"unschedulable": closed, "taints": [theirs]}})
    }

    fn taint(key: &str) -> Taint {
        Taint { key: key.to_owned(), value: "yes".to_owned(), effect: "NoSchedule".to_owned() }
    }

    /// Each way to come to a node, and what giving up makes of it.
    #[test]
    fn giving_up_leaves_a_node_as_it_was() {
        let retired = taint("retired");
        let cordoned = merged(node(false), closed(&node(false), Some(&taint("slow"))));
        for before in [node(false), node(true), cordoned] {
            let during = merged(before.clone(), closed_for(&before, "this", Some(&retired)));
            assert_eq!(during["spec"]["unschedulable"], true);
            assert_eq!(during["metadata"]["labels"][LABEL], "draining");
            assert_eq!(closed_for(&during, "this", Some(&retired)), None, "a second run finds it done");
            assert_eq!(merged(during.clone(), as_before(&during, "this")), before);
        }
    }

    #[test]
    fn what_another_drain_closed_is_its_own() {
        let theirs = merged(node(false), closed_for(&node(false), "that", None));
        let both = merged(theirs.clone(), closed_for(&theirs, "this", Some(&taint("retired"))));
        assert_eq!(merged(both.clone(), as_before(&both, "this")), theirs, "but for our taint");
        // We have emptied it: then it stays closed when they give up.
        let empty = merged(theirs.clone(), emptied(&theirs));
        assert_eq!((as_before(&empty, "that"), as_before(&empty, "this")), (None, None));
        assert_eq!(closed_for(&empty, "this", None), None);
        assert_eq!(merged(empty.clone(), opened(&empty)), node(false));
    }

    #[test]
    fn what_others_closed_is_theirs() {
        let during = merged(node(true), closed_for(&node(true), "this", None));
        let empty = merged(during.clone(), emptied(&during));
        assert_eq!(merged(empty.clone(), opened(&empty)), node(true));
        // Opened and closed again by an administrator, in the middle of a drain.
        let mut theirs = merged(node(false), closed_for(&node(false), "this", None));
        let by = |manager: &str| json!([{"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {"f:unschedulable": {}}}}]);
        theirs["metadata"]["managedFields"] = by("kubectl-cordon");
        for patch in [as_before(&theirs, "this"), opened(&theirs)] {
            let after = merged(theirs.clone(), patch);
            assert_eq!((&after["spec"]["unschedulable"], &after["metadata"]["labels"][LABEL]), (&json!(true), &Value::Null));
        }
        theirs["metadata"]["managedFields"] = by(MANAGER);
        assert_eq!(merged(theirs.clone(), as_before(&theirs, "this"))["spec"]["unschedulable"], false);
    }

    #[test]
    fn a_node_may_be_cordoned_in_the_middle_of_a_drain() {
        let during = merged(node(false), closed_for(&node(false), "this", None));
        let cordoned = merged(during.clone(), closed(&during, None));
        let after = merged(cordoned.clone(), as_before(&cordoned, "this"));
        assert_eq!((&after["spec"]["unschedulable"], &after["metadata"]["labels"][LABEL]), (&json!(true), &json!("cordoned")));
        assert_eq!(merged(after.clone(), opened(&after)), node(false));
        // What a drain leaves closed is cordoned for the next one, too.
        let left = merged(during.clone(), kept(&during, "this"));
        let again = merged(left.clone(), closed_for(&left, "this", None));
        assert_eq!(merged(again.clone(), as_before(&again, "this")), left);
    }

    #[test]
    fn a_mark_on_an_open_node_means_nothing() {
        let mut stale = merged(node(false), closed_for(&node(false), "that", None));
        stale = merged(stale.clone(), emptied(&stale));
        stale["spec"]["unschedulable"] = json!(false);
        let during = merged(stale.clone(), closed_for(&stale, "this", None));
        assert_eq!(during["metadata"]["labels"][LABEL], "draining");
        assert_eq!(merged(during.clone(), as_before(&during, "this")), node(false));
    }

    #[test]
    fn a_drain_is_known_by_its_nodes() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(id(&names(&["a", "b"])), id(&names(&["b", "a"])));
        assert_ne!(id(&names(&["a", "b"])), id(&names(&["a"])));
    }

    /// A node that a drain has emptied.
    pub(in super::super) fn drained(node: &Value) -> Value {
        let during = merged(node.clone(), closed_for(node, "this", None));
        merged(during.clone(), emptied(&during))
    }

    /// A node that a drain came to and left again.
    pub(in super::super) fn given_up(node: &Value) -> Value {
        let during = merged(node.clone(), closed_for(node, "this", None));
        merged(during.clone(), as_before(&during, "this"))
    }
}
