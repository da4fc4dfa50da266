//! From meaning to annotations: the AWS Load Balancer Controller's page "Ingress annotations".

use std::collections::BTreeMap;

use eks_core::{OWNER_TAG, Owner};
use serde_json::json;

use super::{Ingress, Listener, PREFIX};
use crate::{Controller, service::text_of};

/// Annotations for which there is a word of our own.
pub(super) const OWN: [&str; 24] = [
    "certificate-arn",
    "group.name",
    "group.order",
    "healthcheck-interval-seconds",
    "healthcheck-path",
    "healthcheck-port",
    "healthcheck-protocol",
    "healthcheck-timeout-seconds",
    "healthy-threshold-count",
    "inbound-cidrs",
    "listen-ports",
    "load-balancer-attributes",
    "load-balancer-name",
    "manage-backend-security-group-rules",
    "scheme",
    "security-groups",
    "ssl-policy",
    "ssl-redirect",
    "subnets",
    "success-codes",
    "tags",
    "target-group-attributes",
    "target-type",
    "unhealthy-threshold-count",
];

/// All annotations. The owner's tag comes first: by it a load balancer is found that outlived its cluster.
pub(super) fn all(ingress: &Ingress, owner: Option<&Owner>) -> BTreeMap<String, String> {
    let mut all = ingress.annotations.clone();
    let mut say = |suffix: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            all.insert(format!("{PREFIX}{suffix}"), value);
        }
    };
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    say("scheme", Some(if ingress.internet_facing { "internet-facing" } else { "internal" }.to_owned()));
    say("target-type", Some(ingress.target_type.to_string()));
    let listeners: Vec<_> = ingress
        .listeners
        .iter()
        .map(|listener| match listener {
            Listener::Http(port) => json!({"HTTP": port}),
            Listener::Https(port) => json!({"HTTPS": port}),
        })
        .collect();
    say("listen-ports", (!listeners.is_empty()).then(|| json!(listeners).to_string()));
    say("certificate-arn", Some(ingress.certificates.join(",")));
    say("ssl-policy", ingress.policy.clone());
    say("ssl-redirect", number(ingress.ssl_redirect));
    say("group.name", ingress.group.clone());
    say("group.order", number(ingress.group_order));
    let health = &ingress.health;
    say("healthcheck-protocol", health.protocol.map(|protocol| protocol.as_str().to_uppercase()));
    say("healthcheck-port", number(health.port));
    say("healthcheck-path", health.path.clone());
    say("healthcheck-interval-seconds", number(health.interval));
    say("healthcheck-timeout-seconds", number(health.timeout));
    say("healthy-threshold-count", number(health.healthy));
    say("unhealthy-threshold-count", number(health.unhealthy));
    say("success-codes", health.success_codes.clone());
    say("subnets", Some(ingress.subnets.join(",")));
    say("security-groups", Some(ingress.security_groups.join(",")));
    // Otherwise nobody lets the load balancer reach the targets.
    say("manage-backend-security-group-rules", (!ingress.security_groups.is_empty()).then(|| "true".to_owned()));
    say("inbound-cidrs", Some(ingress.inbound_cidrs.join(",")));
    say("load-balancer-attributes", Some(text_of(&ingress.attributes)));
    say("target-group-attributes", Some(text_of(&ingress.target_attributes)));
    say("load-balancer-name", ingress.load_balancer_name.clone());
    let owned = owner.filter(|_| ingress.controller != Controller::AutoMode).map(|owner| (OWNER_TAG.to_owned(), owner.to_string()));
    let tags = owned.iter().map(|(key, value)| (key, value)).chain(&ingress.tags);
    say("tags", Some(text_of(tags)));
    all
}
