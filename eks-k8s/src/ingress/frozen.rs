//! What does not change on an Ingress that has a load balancer.

use serde_json::Value;

use super::PREFIX;

/// Changes that would give it another load balancer, under another hostname, or that have no effect; each with the reason.
pub(crate) fn frozen(live: &Value, wanted: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let annotation = |object: &Value, suffix: &str| text(&object["metadata"]["annotations"][format!("{PREFIX}{suffix}")]);
    let class = |object: &Value| text(&object["spec"]["ingressClassName"]);
    let scheme = |object: &Value| annotation(object, "scheme").or_else(|| Some("internal".to_owned()));
    let another = "it would get another load balancer under another hostname, while the old one is deleted";
    let compared = [
        ("spec.ingressClassName", class(live), class(wanted), "another controller would make another load balancer"),
        ("scheme", scheme(live), scheme(wanted), another),
        ("group.name", annotation(live, "group.name"), annotation(wanted, "group.name"), another),
        (
            "load-balancer-name",
            annotation(live, "load-balancer-name"),
            annotation(wanted, "load-balancer-name"),
            "the name of a load balancer is given once; a change has no effect",
        ),
    ];
    let show = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
    let differs = compared.into_iter().filter(|(_, there, wanted, _)| there != wanted);
    differs.map(|(what, there, wanted, why)| format!("{what}: {} → {}: {why}", show(there), show(wanted))).collect()
}
