//! What does not change on a Service that has a load balancer.

use serde_json::Value;

use super::PREFIX;
use crate::{diff::Change, kind::DECIDES};

/// Changes that would leak the load balancer, or that its controller does not carry out, each with the reason.
pub(crate) fn frozen(live: &Value, wanted: &Value, found: &[Change]) -> Vec<String> {
    let annotation = |object: &Value, key: &str| object["metadata"]["annotations"][key].as_str().map(str::to_owned);
    let class = |object: &Value| object.pointer("/spec/loadBalancerClass").and_then(Value::as_str).map(str::to_owned);
    let mut refused = Vec::new();
    for change in found {
        let why = match change.path.as_str() {
            "spec.loadBalancerClass" => "loadBalancerClass does not change once it is set",
            "spec.type" => "another type would leave its load balancer behind",
            _ => continue,
        };
        refused.push(format!("{change}: {why}"));
    }
    // What is no longer wanted is no difference of the manifest, yet it decided which balancer exists.
    for key in DECIDES {
        let (there, wanted) = (annotation(live, key), annotation(wanted, key));
        if meaning(key, there.as_deref()) != meaning(key, wanted.as_deref()) {
            let show = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
            let why = "on a Service that has a load balancer, this annotation leaks it";
            refused.push(format!("annotation {key}: {} → {}: {why}", show(there), show(wanted)));
        }
    }
    let name = format!("{PREFIX}-name");
    let addresses = format!("{PREFIX}-eip-allocations");
    for (key, why, applies) in [
        (&name, "the name of a load balancer is given once; a change has no effect", true),
        (&addresses, "the cloud provider gives addresses once; a change has no effect", class(live).is_none()),
    ] {
        let (there, wanted) = (annotation(live, key), annotation(wanted, key));
        if applies && there != wanted {
            let show = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
            refused.push(format!("annotation {key}: {} → {}: {why}", show(there), show(wanted)));
        }
    }
    refused
}

/// What a deciding annotation says: 0.0.0.0/0 was how "true" was written in 2018.
fn meaning<'a>(key: &str, value: Option<&'a str>) -> Option<&'a str> {
    match value {
        Some("" | "false") if key == DECIDES[0] => None,
        Some(_) if key == DECIDES[0] => Some("true"),
        other => other,
    }
}
