//! What EKS looks for: the checks that its user guide names, with their names and words as its examples show them ("View cluster
//! insights"). Which status a check has beyond "Error: the next version, Warning: a later one" is an assumption where no comment says more.

use serde_json::{Value, json};

use super::{
    catalogue,
    cluster::{self, Cluster},
    insight::{Found, ROLLBACK_WINDOW, beside},
    version::minor,
};
use crate::{kube, world::World};

const UPGRADE: &str = "UPGRADE_READINESS";
const ROLLBACK: &str = "ROLLBACK_READINESS";

/// Everything that EKS would find now.
pub(super) fn found(world: &mut World, name: &str) -> Vec<Found> {
    let Ok(cluster) = &cluster::find(world, name).cloned() else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(next) = beside(&cluster.version, 1) {
        found.extend(checks(world, cluster, UPGRADE, &next));
        found.extend(deprecations(world, cluster, &next));
    }
    // "These insights appear after you perform an upgrade and remain available during the 7-day rollback eligibility window" (user guide,
    // "Rollback cluster"), which names the checks.
    let now = world.epoch_seconds();
    let recent = |at: f64| now - at <= ROLLBACK_WINDOW.as_secs_f64();
    if let Some((previous, _)) = cluster.upgraded_from.as_ref().filter(|(_, at)| recent(*at)) {
        found.extend(checks(world, cluster, ROLLBACK, previous));
    }
    found
}

fn checks(world: &mut World, cluster: &Cluster, category: &'static str, target: &str) -> Vec<Found> {
    vec![
        kubelets(world, cluster, category, target),
        kube_proxy(cluster, category, target),
        addons(cluster, category, target),
        health(world, cluster, category, target),
    ]
}

fn insight(category: &'static str, name: &str, target: &str, description: &str, recommendation: &'static str) -> Found {
    Found {
        id: String::new(),
        name: name.to_owned(),
        category,
        version: target.to_owned(),
        status: "PASSING",
        reason: String::new(),
        description: description.to_owned(),
        recommendation,
        resources: Vec::new(),
        deprecations: Vec::new(),
        addons: Vec::new(),
    }
}

/// Whether a component on a node may run beside the API servers of a step from one version to another (Kubernetes, "Version Skew
/// Policy"): never newer than the older, at most three minor versions older than the newer.
fn fits(component: u32, from: u32, to: u32) -> bool {
    component <= from.min(to) && component + 3 >= from.max(to)
}

fn kubelets(world: &World, cluster: &Cluster, category: &'static str, target: &str) -> Found {
    let description = "Checks for kubelet versions of worker nodes in the cluster to see if upgrade would cause non compliance with \
                       supported Kubernetes kubelet version skew policy.";
    let advice = "Upgrade your worker nodes to match the Kubernetes version of your cluster control plane.";
    let mut insight = insight(category, "Kubelet version skew", target, description, advice);
    let (Some(from), Some(to)) = (minor(&cluster.version), minor(target)) else { return insight };
    // In a rollback, EKS takes Auto Mode's nodes back by itself (user guide, "Rollback cluster": no action is required for them). That it
    // therefore leaves them out here is an assumption.
    let counts = |node: &kube::SeenNode| !(category == ROLLBACK && node.is_auto_mode);
    let nodes: Vec<(String, Option<u32>)> = kube::seen_nodes(world, &cluster.name)
        .into_iter()
        .filter(counts)
        .map(|node| (node.name, node.kubelet.strip_prefix("v1.").and_then(|rest| rest.split('.').next()?.parse().ok())))
        .collect();
    let bad = nodes.iter().filter(|(_, version)| version.is_some_and(|version| !fits(version, from, to)));
    insight.resources = bad.map(|(name, _)| name.clone()).collect();
    (insight.status, insight.reason) = match () {
        () if !insight.resources.is_empty() => ("ERROR", "Node kubelet versions would break the version skew policy.".to_owned()),
        () if nodes.iter().any(|(_, version)| version.is_none()) => {
            ("UNKNOWN", "Unable to determine status of node kubelet versions.".to_owned())
        }
        () => ("PASSING", "Node kubelet versions match the cluster control plane version.".to_owned()),
    };
    insight
}

/// Of kube-proxy that is no add-on the version is not known here: it is taken to have come with the control plane's.
fn kube_proxy(cluster: &Cluster, category: &'static str, target: &str) -> Found {
    let description = "Checks version of kube-proxy in cluster to see if upgrade would cause non compliance with supported Kubernetes \
                       kube-proxy version skew policy.";
    let advice = "Update kube-proxy to a version that is supported beside the control plane.";
    let mut insight = insight(category, "kube-proxy version skew", target, description, advice);
    let own = cluster.addons.get("kube-proxy").and_then(|addon| addon.version.strip_prefix("v1.")?.split('.').next()?.parse().ok());
    let (Some(from), Some(to)) = (minor(&cluster.version), minor(target)) else { return insight };
    (insight.status, insight.reason) = if own.is_none_or(|own| fits(own, from, to)) {
        ("PASSING", "kube-proxy versions match the cluster control plane version.".to_owned())
    } else {
        ("ERROR", "kube-proxy versions would break the version skew policy.".to_owned())
    };
    insight
}

/// kube-proxy has a check of its own.
fn addons(cluster: &Cluster, category: &'static str, target: &str) -> Found {
    let description = "Checks version of installed EKS add-ons to ensure they are compatible with the next version of Kubernetes. ";
    let advice = "Update your EKS add-ons to a version that is compatible.";
    let mut insight = insight(category, "EKS add-on version compatibility", target, description, advice);
    for addon in cluster.addons.values().filter(|addon| addon.name != "kube-proxy") {
        let fits = catalogue::find(&addon.name).map(|kind| kind.versions(target)).unwrap_or_default();
        if !fits.is_empty() && !fits.contains(&addon.version) {
            insight.addons.push(json!({"name": addon.name, "compatibleVersions": fits}));
        }
    }
    (insight.status, insight.reason) = if insight.addons.is_empty() {
        ("PASSING", "All installed EKS add-on versions are compatible with next Kubernetes version.".to_owned())
    } else {
        ("ERROR", "Installed EKS add-on versions are not compatible with next Kubernetes version.".to_owned())
    };
    insight
}

fn health(world: &mut World, cluster: &Cluster, category: &'static str, target: &str) -> Found {
    let description = "Checks for any cluster health issues that prevent successful upgrade to the next Kubernetes version on EKS.";
    let mut insight = insight(category, "Cluster health issues", target, description, "Resolve the health issues of your cluster.");
    let issues = cluster.health_issues(world);
    (insight.status, insight.reason) = if issues.is_empty() {
        ("PASSING", "No cluster health issues detected.".to_owned())
    } else {
        let codes: Vec<&str> = issues.iter().filter_map(|issue| issue["code"].as_str()).collect();
        ("ERROR", format!("Cluster health issues detected: {}", codes.join(", ")))
    };
    insight
}

/// One insight for each version that serves no more what is in use: in error if that is the next one, a warning if it is a later one
/// ("View cluster insights").
fn deprecations(world: &World, cluster: &Cluster, next: &str) -> Vec<Found> {
    let now = world.epoch_seconds();
    let mut versions: Vec<&str> =
        cluster.insights.uses(now).chain(cluster.insights.old_uses(now)).map(|(_, used)| &*used.stop_serving_version).collect();
    versions.sort_unstable();
    versions.dedup();
    let later = |version: &&str| minor(version) >= minor(next);
    versions.into_iter().filter(later).map(|version| deprecation(cluster, version, next, now)).collect()
}

fn deprecation(cluster: &Cluster, version: &str, next: &str, now: f64) -> Found {
    let name = format!("Deprecated APIs removed in Kubernetes v{version}");
    let description = format!(
        "Checks for usage of deprecated APIs that are scheduled for removal in Kubernetes v{version}. Upgrading your cluster before \
         migrating to the updated APIs supported by v{version} could cause application impact."
    );
    let advice = "Update manifests and API clients to use newer Kubernetes APIs if applicable before upgrading to Kubernetes.";
    let mut insight = insight(UPGRADE, &name, version, &description, advice);
    let detail = |(at, used): &(f64, super::insight::DeprecatedUse)| -> Value {
        json!({
            "usage": used.usage, "replacedWith": used.replaced_with, "stopServingVersion": used.stop_serving_version,
            "clientStats": [{"userAgent": used.user_agent, "numberOfRequestsLast30Days": used.requests, "lastRequestTime": at}],
        })
    };
    insight.deprecations = cluster.insights.uses(now).filter(|(_, used)| used.stop_serving_version == version).map(detail).collect();
    (insight.status, insight.reason) = match () {
        () if insight.deprecations.is_empty() => ("PASSING", "No deprecated API usage detected within the last 30 days.".to_owned()),
        () if version == next => {
            ("ERROR", "Deprecated API usage detected within last 30 days and your cluster is on the version before.".to_owned())
        }
        () => ("WARNING", "Deprecated API usage detected within last 30 days.".to_owned()),
    };
    insight
}
