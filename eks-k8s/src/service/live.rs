//! What a live Service's load balancer is, and what load balancers cost.

use eks_core::Price;
use serde_json::Value;

use super::LoadBalancerKind;
use crate::kind::DECIDES;

/// A month of a public IPv4 address in use, us-east-1.
pub(crate) fn address_price() -> Price {
    Price::hourly("public IPv4 address", 0.005)
}

/// A month of a load balancer, us-east-1, before traffic.
pub(crate) fn load_balancer_price(kind: LoadBalancerKind) -> Price {
    match kind {
        LoadBalancerKind::Classic => Price::hourly("Classic Load Balancer", 0.025),
        LoadBalancerKind::Network => Price::hourly("Network Load Balancer", 0.0225),
    }
}

/// The kind of load balancer that a live Service has.
pub(crate) fn kind_of(live: &Value) -> LoadBalancerKind {
    let typed = live.pointer("/metadata/annotations").and_then(|all| all.get(DECIDES[2])).and_then(Value::as_str);
    let classed = live.pointer("/spec/loadBalancerClass").is_some_and(|class| !class.is_null());
    if classed || typed.is_some_and(|kind| kind != "classic") { LoadBalancerKind::Network } else { LoadBalancerKind::Classic }
}

/// Whether the load balancer of a live Service has public addresses.
pub(crate) fn is_public(live: &Value) -> bool {
    let annotation = |key: &str| live.pointer("/metadata/annotations").and_then(|all| all.get(key)).and_then(Value::as_str);
    let [internal, scheme, _] = DECIDES.map(annotation);
    let elsewhere = matches!(annotation(DECIDES[2]), Some("external" | "nlb-ip"));
    match live.pointer("/spec/loadBalancerClass").filter(|class| !class.is_null()) {
        Some(_) => scheme == Some("internet-facing"),
        None if elsewhere => scheme == Some("internet-facing"),
        // Any value but "false" and none (cloud provider, `EnsureLoadBalancer`); 0.0.0.0/0 is how it was written in 2018.
        None => matches!(internal, None | Some("" | "false")),
    }
}
