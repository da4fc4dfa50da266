//! Event objects.

use serde_json::{Value, json};

use super::{
    kinds,
    store::{self, Key, text},
};
use crate::world::World;

/// Records an event about an object; the same one again only counts up.
pub(super) fn record(world: &mut World, cluster: &str, about: &Value, warning: bool, reason: &str, message: &str, source: &str) {
    let namespace = Some(text(about, "/metadata/namespace")).filter(|namespace| !namespace.is_empty()).unwrap_or("default").to_owned();
    let now = store::now(world);
    let uid = text(about, "/metadata/uid");
    let same = store::all(world, cluster, &kinds::EVENT).into_iter().find(|(_, event)| {
        text(event, "/involvedObject/uid") == uid && text(event, "/reason") == reason && text(event, "/message") == message
    });
    if let Some((key, _)) = same {
        store::edit(world, cluster, &key, |event| {
            event["count"] = json!(event["count"].as_u64().unwrap_or(1) + 1);
            event["lastTimestamp"] = json!(now);
        });
        return;
    }
    let name = format!("{}.{}", text(about, "/metadata/name"), world.draw.hex("event", 16));
    let event = json!({
        "metadata": {},
        "involvedObject": {
            "kind": about["kind"], "apiVersion": about["apiVersion"], "namespace": namespace, "name": about["metadata"]["name"],
            "uid": uid, "resourceVersion": about["metadata"]["resourceVersion"],
        },
        "type": if warning { "Warning" } else { "Normal" }, "reason": reason, "message": message, "source": {"component": source},
        "reportingComponent": source, "reportingInstance": "", "count": 1, "firstTimestamp": now, "lastTimestamp": now,
    });
    store::create(world, cluster, &Key::new(&kinds::EVENT, &namespace, &name), event);
}
