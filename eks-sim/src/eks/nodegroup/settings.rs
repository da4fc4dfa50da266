//! The settings that creation and update share, checked (API reference, CreateNodegroup, UpdateNodegroupConfig).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ApiError, Args, Taint};
use crate::eks::invalid_parameter;

/// Nodes in a group (user guide, "View and manage Amazon EKS and Fargate service quotas"; adjustable).
const MOST_NODES: i64 = 450;
/// NodegroupUpdateConfig: "The maximum number is 100."
const MOST_UNAVAILABLE: i64 = 100;
/// "Node taints on managed node groups": at most 50.
const MOST_TAINTS: usize = 50;
/// Prefixes that no label may have; the words are those that users met.
const RESERVED: [&str; 3] = ["kubernetes.io/", "k8s.io/", "eks.amazonaws.com/"];

/// Minimum, maximum and desired size, those that are not given as they were.
pub(super) fn sizes(given: &Args, before: (i64, i64, i64)) -> Result<(i64, i64, i64), ApiError> {
    let of = |name: &str, before: i64| given.int(name).unwrap_or(before);
    let (min, max, desired) = (of("minSize", before.0), of("maxSize", before.1), of("desiredSize", before.2));
    if min < 0 || max < 1 || desired < 0 {
        return Err(invalid_parameter("minSize and desiredSize must be at least 0, maxSize at least 1"));
    }
    if min > desired {
        return Err(invalid_parameter(format!("Minimum capacity {min} can't be greater than desired size {desired}")));
    }
    if desired > max {
        return Err(invalid_parameter(format!("desired capacity {desired} can't be greater than max size {max}")));
    }
    if max > MOST_NODES {
        let message = format!("maxSize {max} is more than the limit of {MOST_NODES} nodes for a node group");
        return Err(ApiError::new("ResourceLimitExceededException", message));
    }
    Ok((min, max, desired))
}

/// `maxUnavailable` or `maxUnavailablePercentage`, one node unless told; and the strategy.
pub(super) fn update_config(given: &Args) -> Result<Value, ApiError> {
    let (count, percent) = (given.int("maxUnavailable"), given.int("maxUnavailablePercentage"));
    let strategy = given.str("updateStrategy").unwrap_or("DEFAULT");
    if !matches!(strategy, "DEFAULT" | "MINIMAL") {
        return Err(invalid_parameter("updateStrategy must be one of [DEFAULT, MINIMAL]"));
    }
    let mut config = match (count, percent) {
        (Some(_), Some(_)) => return Err(invalid_parameter("Specify either maxUnavailable or maxUnavailablePercentage, not both")),
        (Some(count), None) if (1..=MOST_UNAVAILABLE).contains(&count) => json!({"maxUnavailable": count}),
        (None, Some(percent)) if (1..=100).contains(&percent) => json!({"maxUnavailablePercentage": percent}),
        (None, None) => json!({"maxUnavailable": 1}),
        _ => return Err(invalid_parameter("maxUnavailable and maxUnavailablePercentage must be between 1 and 100")),
    };
    config["updateStrategy"] = json!(strategy);
    Ok(config)
}

/// "When using this, you cannot also set …" of each pair (NodeRepairConfig).
pub(super) fn repair(given: &Args) -> Result<Value, ApiError> {
    for what in ["maxUnhealthyNodeThreshold", "maxParallelNodesRepaired"] {
        let (count, percent) = (format!("{what}Count"), format!("{what}Percentage"));
        if given.get(&count).is_some() && given.get(&percent).is_some() {
            return Err(invalid_parameter(format!("Specify either {count} or {percent}, not both")));
        }
    }
    let mut config = given.0.clone();
    if !config.is_object() {
        config = json!({});
    }
    config["enabled"] = json!(given.bool("enabled").unwrap_or(false));
    Ok(config)
}

/// A map of labels.
pub(super) fn labels(given: Option<&Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let labels: BTreeMap<String, String> = given
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    for (key, value) in &labels {
        if RESERVED.iter().any(|prefix| key.starts_with(prefix)) {
            return Err(invalid_parameter("Label cannot contain reserved prefixes [kubernetes.io/, k8s.io/, eks.amazonaws.com/]"));
        }
        if key.is_empty() || value.len() > 63 {
            return Err(invalid_parameter(format!("The label {key} is invalid")));
        }
    }
    Ok(labels)
}

/// A list of taints.
pub(super) fn taints(given: &[Args]) -> Result<Vec<Taint>, ApiError> {
    let taints: Vec<Taint> = given
        .iter()
        .map(|taint| {
            let text = |name: &str| taint.str(name).unwrap_or_default().to_owned();
            Taint { key: text("key"), value: text("value"), effect: text("effect") }
        })
        .collect();
    if taints.len() > MOST_TAINTS {
        return Err(invalid_parameter(format!("A node group can have at most {MOST_TAINTS} taints")));
    }
    for (at, taint) in taints.iter().enumerate() {
        let known = matches!(taint.effect.as_str(), "NO_SCHEDULE" | "NO_EXECUTE" | "PREFER_NO_SCHEDULE");
        let twice = taints[..at].iter().any(|other| other.key == taint.key && other.effect == taint.effect);
        if taint.key.is_empty() || !known || twice {
            return Err(invalid_parameter(format!("The taint {} is invalid", taint.key)));
        }
    }
    Ok(taints)
}

impl Taint {
    /// As Kubernetes writes it: `key=value:NoSchedule`.
    pub(super) fn in_kubernetes(&self) -> (String, String, &'static str) {
        let effect = match self.effect.as_str() {
            "NO_EXECUTE" => "NoExecute",
            "PREFER_NO_SCHEDULE" => "PreferNoSchedule",
            _ => "NoSchedule",
        };
        (self.key.clone(), self.value.clone(), effect)
    }
}
