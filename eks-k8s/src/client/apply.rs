//! Applying objects, and waiting until they work.

use std::{pin::pin, sync::Arc, time::Duration};

use eks_core::{
    Error, KEY_TAG, OWNER_TAG, Outputs,
    engine::{BoxFuture, StepContext},
};
use futures::future::{Either, select};
use kube::api::ListParams;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    api::{Collection, EVENTS, NODES},
    connect::Place,
    doubt::{Doubt, EVERY},
    watch::{Objects, Seen, Watch},
};
use crate::{
    Kind, ObjectRef,
    observed::{hostname, is_ready, phase},
};

const MINUTE: Duration = Duration::from_secs(60);
/// When a load balancer is late: a controller that cannot make it has said so by then.
const LATE: Duration = Duration::from_secs(15);

/// Applies an object, unless someone else's of that name is there.
pub(super) async fn object(place: &Place<'_>, kind: Kind, manifest: &Value, wait: bool, cx: &StepContext) -> Result<Outputs, Error> {
    let at = ObjectRef::of(kind, manifest);
    let collection = Collection::of(&place.client().await?, &at);
    // Server-side apply would take over an object that we did not make, and a teardown would then delete it.
    let live = collection.get(&at.name).await?;
    if let Some(live) = &live {
        check_ours(&at, live, cx)?;
    }
    let applied = collection.apply(&at.name, manifest, live.is_some()).await?;
    let uid = applied["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let mut outputs = Outputs::from([("id".to_owned(), uid.clone())]);
    if wait {
        outputs.extend(working(place, &at, &uid, cx).await?);
    }
    Ok(outputs)
}

fn check_ours(at: &ObjectRef, live: &Value, cx: &StepContext) -> Result<(), Error> {
    let mark = |place: &str, key: &str| live["metadata"][place][key].as_str();
    let ours = mark("labels", OWNER_TAG) == Some(cx.owner().as_str()) && mark("annotations", KEY_TAG) == Some(cx.key().as_str());
    let (rule, remedy) = if !ours {
        ("an object of that name is there that this owner did not make", "choose another name, or delete it")
    } else if live["metadata"]["deletionTimestamp"].is_string() {
        ("it is being deleted", "wait until it is gone, and plan again")
    } else {
        return Ok(());
    };
    Err(Error::Refused { subject: at.to_string(), rule: rule.to_owned(), remedy: remedy.to_owned() })
}

/// Waits until an object does what it is for; what it tells then.
async fn working(place: &Place<'_>, at: &ObjectRef, uid: &str, cx: &StepContext) -> Result<Outputs, Error> {
    let limit = match at.kind {
        Kind::Ingress | Kind::Service => 15 * MINUTE,
        Kind::Claim | Kind::Pod | Kind::StorageClass => 10 * MINUTE,
    };
    let watch = Watch::one(place, at.kind, &at.namespace, &at.name, at.to_string(), limit);
    let waiting = pin!(watch.until(cx, |objects| judge(at.kind, objects.get(uid))));
    let telling = pin!(why_not_yet(place, at, uid, cx));
    let result = match select(waiting, telling).await {
        Either::Left((result, _)) => result,
        Either::Right(((), waiting)) => waiting.await,
    };
    match result {
        // Why it hangs is told by events, which are worth a call only now.
        Err(Error::Timeout { subject, state, waited, polls }) => {
            let state = match warning(place, at, uid).await {
                Some(warning) => format!("{state} ({warning})"),
                None => state,
            };
            Err(Error::Timeout { subject, state, waited, polls })
        }
        result => result,
    }
}

fn judge(kind: Kind, live: Option<&Value>) -> Seen<Outputs> {
    let Some(live) = live else { return Seen::Not("not there".to_owned()) };
    match kind {
        Kind::Claim => match phase(live) {
            "Bound" => Seen::Done(Outputs::new()),
            "Lost" => Seen::Never { state: "Lost".to_owned(), reason: "its volume is gone; delete the claim and plan again".to_owned() },
            phase => Seen::Not(phase.to_owned()),
        },
        Kind::Pod => judge_pod(live),
        Kind::Ingress | Kind::Service => match hostname(live) {
            Some(hostname) => Seen::Done(Outputs::from([("hostname".to_owned(), hostname.to_owned())])),
            None => Seen::Not("no load balancer".to_owned()),
        },
        Kind::StorageClass => Seen::Done(Outputs::new()),
    }
}

fn judge_pod(pod: &Value) -> Seen<Outputs> {
    match phase(pod) {
        "Running" => Seen::Done(Outputs::new()),
        state @ ("Failed" | "Succeeded") => {
            let reason = pod.pointer("/status/message").and_then(Value::as_str).unwrap_or("its container ended");
            Seen::Never { state: state.to_owned(), reason: format!("{reason}; delete the Pod and plan again") }
        }
        state => {
            let waiting = pod.pointer("/status/containerStatuses/0/state/waiting");
            let unscheduled = pod.pointer("/status/conditions").and_then(Value::as_array).and_then(|conditions| {
                conditions.iter().find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False")
            });
            let why = waiting.or(unscheduled).map(|why| {
                let text = |key: &str| why[key].as_str().unwrap_or_default();
                [text("reason"), text("message")].iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(": ")
            });
            Seen::Not(match why.filter(|why| !why.is_empty()) {
                Some(why) => format!("{state} ({why})"),
                None => state.to_owned(),
            })
        }
    }
}

/// While a load balancer is late, tells what its controller warns of: no subnets, say, or no role. Most are in time, so it begins late.
async fn why_not_yet(place: &Place<'_>, at: &ObjectRef, uid: &str, cx: &StepContext) {
    if !matches!(at.kind, Kind::Ingress | Kind::Service) {
        return;
    }
    sleep(LATE).await;
    let events = Watch {
        place,
        resource: EVENTS,
        namespace: at.namespace.clone(),
        labels: None,
        fields: Some(warnings_of(uid)),
        subject: at.to_string(),
        limit: 15 * MINUTE,
    };
    events.beside(cx, |events| Some(format!("no load balancer ({})", last(events.values())?))).await;
}

fn warnings_of(uid: &str) -> String {
    format!("involvedObject.uid={uid},type=Warning")
}

fn last<'a>(events: impl Iterator<Item = &'a Value>) -> Option<String> {
    let last = events.max_by_key(|event| event["lastTimestamp"].as_str().unwrap_or_default())?;
    Some(format!("{}: {}", last["reason"].as_str()?, last["message"].as_str()?))
}

/// The last warning about an object, if there is one and it can be read.
async fn warning(place: &Place<'_>, at: &ObjectRef, uid: &str) -> Option<String> {
    let events = Collection::within(&place.client().await.ok()?, EVENTS, &at.namespace);
    let params = ListParams::default().fields(&warnings_of(uid));
    // Events explain a failure; that they cannot be read is not another one.
    let (events, _) = events.list(params).await.ok()?;
    last(events.iter())
}

/// Waits until a group has as many Ready nodes as it should, or whoever watches their machines is certain that it will not.
pub(super) async fn nodes(
    place: &Place<'_>,
    group: &str,
    label: &(String, String),
    desired: u32,
    cx: &StepContext,
) -> Result<Outputs, Error> {
    let watch = Watch {
        place,
        resource: NODES,
        namespace: String::new(),
        labels: Some(format!("{}={}", label.0, label.1)),
        fields: None,
        subject: format!("nodes of {group}"),
        limit: 20 * MINUTE,
    };
    let doubt = Arc::new(Doubt::new(place, group, label, desired));
    let asked = || -> BoxFuture<'_, Option<Error>> {
        let doubt = doubt.clone();
        Box::pin(async move { doubt.ask().await })
    };
    let ready = cx.unless(watch.until(cx, |nodes| judge_nodes(nodes, desired)), EVERY, asked).await?;
    Ok(Outputs::from([("id".to_owned(), group.to_owned()), ("ready".to_owned(), ready.to_string())]))
}

fn judge_nodes(nodes: &Objects, desired: u32) -> Seen<usize> {
    let ready = nodes.values().filter(|node| is_ready(node)).count();
    if ready >= desired as usize {
        return Seen::Done(ready);
    }
    let mut state = format!("{ready} of {desired} nodes Ready");
    let why = nodes.values().filter(|node| !is_ready(node)).find_map(|node| {
        let conditions = node.pointer("/status/conditions")?.as_array()?;
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
        Some(format!("; {}: {}", node["metadata"]["name"].as_str()?, why_not_ready(ready)?))
    });
    state.extend(why);
    Seen::Not(state)
}

/// Why a node is not Ready, in one short line: the end of the kubelet's message, which names the cause, or else its reason.
fn why_not_ready(condition: &Value) -> Option<&str> {
    const SHORT: usize = 60;
    let cause = condition["message"].as_str().and_then(|message| message.rsplit("message:").next()).map(str::trim);
    cause.filter(|cause| (1..=SHORT).contains(&cause.len())).or_else(|| condition["reason"].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state<T>(seen: Seen<T>) -> String {
        match seen {
            Seen::Done(_) => "done".to_owned(),
            Seen::Never { state, reason } => format!("{state}! {reason}"),
            Seen::Not(state) => state,
        }
    }

    #[test]
    fn pods_tell_why_they_wait() {
        for (status, told) in [
            (json!({"phase": "Running"}), "done"),
            (json!({"phase": "Pending"}), "Pending"),
            (
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}]}),
                "Pending (Unschedulable: 0/2 nodes)",
            ),
            (
                json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
                "Pending (ImagePullBackOff)",
            ),
            (json!({"phase": "Failed", "message": "evicted"}), "Failed! evicted; delete the Pod and plan again"),
        ] {
            assert_eq!(state(judge(Kind::Pod, Some(&json!({"status": status})))), told);
        }
        assert_eq!(state(judge(Kind::Pod, None)), "not there");
    }

    #[test]
    fn why_a_node_is_not_ready_is_short() {
        let runtime = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:";
        for (message, told) in [
            (
                format!("{runtime}Network plugin returns error: cni plugin not initialized"),
                "Network plugin returns error: cni plugin not initialized",
            ),
            (format!("{runtime}{}", "x".repeat(61)), "KubeletNotReady"),
            (runtime.to_owned(), "KubeletNotReady"),
        ] {
            let condition = json!({"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": message});
            assert_eq!(why_not_ready(&condition), Some(told));
        }
    }

    #[test]
    fn nodes_are_counted() {
        let node = |name: &str, ready: &str| json!({"metadata": {"name": name, "uid": name}, "status": {"conditions": [{"type": "Ready", "status": ready, "message": "cni plugin not initialized"}]}});
        let nodes = Objects::from([("a".to_owned(), node("ip-a", "True")), ("b".to_owned(), node("ip-b", "False"))]);
        assert_eq!(state(judge_nodes(&nodes, 2)), "1 of 2 nodes Ready; ip-b: cni plugin not initialized");
        assert_eq!(state(judge_nodes(&nodes, 1)), "done");
        assert_eq!(state(judge_nodes(&Objects::new(), 1)), "0 of 1 nodes Ready");
    }
}
