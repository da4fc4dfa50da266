//! Closing nodes for good, which are to be replaced: marks on the node itself tell what was done for whom, so that the way back, in whichever
//! run, opens what was closed here and nothing else.

use std::collections::BTreeMap;

use eks_core::{Error, Problems};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    calls::{Api, NODES},
    cordon::{closed_by_others, forgotten, is_closed, taints},
    run,
};
use crate::{
    drain::Taint,
    replacing::{EXCLUDE_LABEL, TAINT},
};

/// What was done to a node, by mark ([`Done`]).
const DONE: &str = "eks-rs/replacing";
/// The value of the label that we set: another one is somebody else's.
const OURS: &str = "eks-rs";
const EFFECT: &str = "NoSchedule";
/// Nodes at a time.
const AT_ONCE: usize = 16;

/// What was done to a node for a mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Done {
    cordoned: bool,
    tainted: bool,
    excluded: bool,
}

/// Refuses a mark that the taint cannot carry.
pub(super) fn check(mark: &str) -> Result<(), Error> {
    let mut problems = Problems::new();
    if mark.is_empty() {
        problems.add("mark", "mark", "it is empty, so nobody knows whose a closed node is", "name the replacement");
    }
    problems.finish("mark", || ()).map_err(|error| run::refused("mark", &error))?;
    run::check_taint(&Taint { key: TAINT.to_owned(), value: mark.to_owned(), effect: EFFECT.to_owned() })
}

fn done(node: &Value) -> BTreeMap<String, Done> {
    node["metadata"]["annotations"][DONE].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn is_ours(taint: &Value) -> bool {
    taint["key"] == TAINT && taint["effect"] == EFFECT
}

/// What is to be changed of a node to close it; `None` if it is closed for this mark.
pub(super) fn closed(node: &Value, mark: &str) -> Option<Value> {
    change_of(node, mark, true)
}

/// The same, but load balancers go on sending to it.
pub(super) fn shut(node: &Value, mark: &str) -> Option<Value> {
    change_of(node, mark, false)
}

fn change_of(node: &Value, mark: &str, excluded: bool) -> Option<Value> {
    let mut all = done(node);
    let known = all.get(mark).copied();
    let mut own = known.unwrap_or_default();
    let mut patch = json!({});
    if !is_closed(node) {
        patch["spec"]["unschedulable"] = json!(true);
        own.cordoned = true;
    }
    let mut taints = taints(node);
    if !taints.iter().any(is_ours) {
        taints.push(json!({"key": TAINT, "value": mark, "effect": EFFECT}));
        patch["spec"]["taints"] = json!(taints);
        own.tainted = true;
    }
    if excluded && node["metadata"]["labels"][EXCLUDE_LABEL].is_null() {
        patch["metadata"]["labels"][EXCLUDE_LABEL] = json!(OURS);
        own.excluded = true;
    }
    if known == Some(own) && patch == json!({}) {
        return None;
    }
    all.insert(mark.to_owned(), own);
    patch["metadata"]["annotations"][DONE] = json!(json!(all).to_string());
    Some(patch)
}

/// What is to be changed of a node when a mark no longer closes it. What another mark needs as well becomes its to take back.
pub(super) fn opened(node: &Value, mark: &str) -> Option<Value> {
    let mut all = done(node);
    let own = all.remove(mark)?;
    let mut patch = json!({});
    let ours = |taint: &Value| own.tainted && is_ours(taint);
    if let Some((heir, other)) = all.iter_mut().next() {
        other.cordoned |= own.cordoned;
        other.excluded |= own.excluded;
        other.tainted |= own.tainted;
        let mut taints = taints(node);
        if let Some(taint) = taints.iter_mut().find(|taint| ours(taint)) {
            taint["value"] = json!(heir);
            patch["spec"]["taints"] = json!(taints);
        }
        patch["metadata"]["annotations"][DONE] = json!(json!(all).to_string());
        return Some(patch);
    }
    patch["metadata"]["annotations"][DONE] = Value::Null;
    if own.excluded && node["metadata"]["labels"][EXCLUDE_LABEL] == OURS {
        patch["metadata"]["labels"][EXCLUDE_LABEL] = Value::Null;
    }
    let mut taints = taints(node);
    if taints.iter().any(ours) {
        taints.retain(|taint| !ours(taint));
        patch["spec"]["taints"] = json!(taints);
    }
    if own.cordoned && is_closed(node) && !closed_by_others(node) {
        patch["spec"]["unschedulable"] = json!(false);
        forgotten(node, &mut patch);
    }
    Some(patch)
}

/// Makes such a change to each node that is there. Those that were changed.
pub(super) async fn change_all(
    api: &Api<'_>,
    nodes: &[String],
    change: impl Fn(&Value) -> Option<Value> + Copy,
) -> Result<Vec<String>, Error> {
    let changed = stream::iter(nodes.to_vec())
        .map(|node| async move { Ok::<_, Error>((api.edit(NODES, &node, change).await?.is_some_and(|(_, changed)| changed), node)) })
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(changed.into_iter().filter_map(|(changed, node)| changed.then_some(node)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::drain::cordon, fixture::merged};

    fn node(closed: bool) -> Value {
        let theirs = json!({"key": "gpu", "effect": "NoSchedule"});
        json!({"metadata": {"labels": {"a": "b"}, "annotations": {}}, "spec": {"unschedulable": closed, "taints": [theirs]}})
    }

    #[test]
    fn the_way_back_leaves_a_node_as_it_was() {
        let mut excluded = node(false);
        excluded["metadata"]["labels"][EXCLUDE_LABEL] = json!("true");
        for before in [node(false), node(true), excluded] {
            let during = merged(&before, closed(&before, "a"));
            assert_eq!(during["spec"]["unschedulable"], true);
            assert!(during["metadata"]["labels"][EXCLUDE_LABEL].is_string());
            assert_eq!(during["spec"]["taints"][1], json!({"key": TAINT, "value": "a", "effect": "NoSchedule"}));
            assert_eq!(closed(&during, "a"), None, "a second run finds it done");
            assert_eq!(opened(&during, "b"), None, "another mark has closed nothing");
            assert_eq!(merged(&during, opened(&during, "a")), before);
        }
    }

    #[test]
    fn load_balancers_may_let_go_later() {
        let shut = merged(&node(false), shut(&node(false), "a"));
        assert_eq!(shut["metadata"]["labels"], node(false)["metadata"]["labels"]);
        assert_eq!(super::shut(&shut, "a"), None);
        let closed = merged(&shut, closed(&shut, "a"));
        assert!(closed["metadata"]["labels"][EXCLUDE_LABEL].is_string());
        assert_eq!(super::shut(&closed, "a"), None, "nothing is taken back");
        for during in [&shut, &closed] {
            assert_eq!(merged(during, opened(during, "a")), node(false));
        }
    }

    #[test]
    fn what_two_marks_closed_is_open_after_both() {
        let first = merged(&node(false), closed(&node(false), "a"));
        let both = merged(&first, closed(&first, "b"));
        let second = merged(&both, opened(&both, "a"));
        assert_eq!((&second["spec"]["unschedulable"], &second["spec"]["taints"][1]["value"]), (&json!(true), &json!("b")));
        assert_eq!(merged(&second, opened(&second, "b")), node(false));
    }

    #[test]
    fn a_drain_in_between_opens_nothing_and_is_forgotten() {
        let during = merged(&node(false), closed(&node(false), "a"));
        for patch in [cordon::tests::drained(&during), cordon::tests::given_up(&during)] {
            assert_eq!(patch["spec"]["unschedulable"], true);
            assert_eq!(merged(&patch, opened(&patch, "a")), node(false));
        }
        // One that a drain had closed before us stays its own.
        let theirs = cordon::tests::drained(&node(false));
        let both = merged(&theirs, closed(&theirs, "a"));
        assert_eq!(merged(&both, opened(&both, "a")), theirs);
    }

    #[test]
    fn what_others_closed_since_is_theirs() {
        let mut during = merged(&node(false), closed(&node(false), "a"));
        during["metadata"]["managedFields"] =
            json!([{"manager": "kubectl-cordon", "operation": "Update", "fieldsV1": {"f:spec": {"f:unschedulable": {}}}}]);
        let after = merged(&during, opened(&during, "a"));
        assert_eq!((&after["spec"]["unschedulable"], &after["spec"]["taints"]), (&json!(true), &node(false)["spec"]["taints"]));
        during["metadata"]["labels"][EXCLUDE_LABEL] = json!("true");
        assert_eq!(merged(&during, opened(&during, "a"))["metadata"]["labels"][EXCLUDE_LABEL], "true");
    }

    #[test]
    fn a_mark_is_the_value_of_a_label() {
        assert!(check("chap10-v135").is_ok());
        for mark in ["", "a b", &"x".repeat(64)] {
            assert!(matches!(check(mark), Err(Error::Refused { .. })), "{mark:?}");
        }
    }
}
