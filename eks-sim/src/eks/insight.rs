//! Cluster insights: what EKS finds when it looks through a cluster, and how it tells it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    cluster::{self, Cluster},
    insight_check, invalid_parameter, not_found, page, required, strings, uuid,
    version::minor,
};
use crate::{call::Args, error::ApiError, world::World};

/// "Amazon EKS refreshes cluster insights every 24 hours" (user guide, "Cluster insights").
const REFRESH_EVERY: f64 = 86_400.0;
/// "a rolling 30 day window" of deprecated APIs (user guide, "Update existing cluster to new Kubernetes version").
const WINDOW: f64 = 30.0 * 86_400.0;

/// A use of a deprecated API, as EKS tells it (API reference, DeprecationDetail and ClientStat).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "tests build it")]
pub struct DeprecatedUse {
    /// The API: `/apis/policy/v1beta1/podsecuritypolicies`.
    pub usage: String,
    /// What replaces it.
    pub replaced_with: String,
    /// The version that serves it no more: `1.37`.
    pub stop_serving_version: String,
    /// The client.
    pub user_agent: String,
    /// How often it asked.
    pub requests: u32,
}

/// What a cluster's insights are made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Insights {
    /// What EKS found when it looked last, and when that was.
    found: Option<(f64, Vec<Found>)>,
    /// Ids by category and name, which last.
    ids: BTreeMap<(&'static str, String), String>,
    /// Statuses and since when they are so.
    since: BTreeMap<(&'static str, String), (&'static str, f64)>,
    /// Uses of deprecated APIs, with their time.
    uses: Vec<(f64, DeprecatedUse)>,
    pub(super) refresh: Option<super::insight_refresh::Refresh>,
}

/// One insight.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) category: &'static str,
    /// The version that it is about.
    pub(super) version: String,
    pub(super) status: &'static str,
    pub(super) reason: String,
    pub(super) description: String,
    pub(super) recommendation: &'static str,
    /// Names of resources that are concerned.
    pub(super) resources: Vec<String>,
    pub(super) deprecations: Vec<Value>,
    pub(super) addons: Vec<Value>,
}

impl Insights {
    /// Uses of deprecated APIs that EKS still sees, with their time.
    pub(super) fn uses(&self, now: f64) -> impl Iterator<Item = &(f64, DeprecatedUse)> {
        self.uses.iter().filter(move |(at, _)| now - at <= WINDOW)
    }

    /// Whether a use was seen once and is not any more.
    pub(super) fn old_uses(&self, now: f64) -> impl Iterator<Item = &(f64, DeprecatedUse)> {
        self.uses.iter().filter(move |(at, _)| now - at > WINDOW)
    }
}

pub(crate) fn use_deprecated_api(world: &mut World, cluster: &str, used: DeprecatedUse) {
    let now = world.epoch_seconds();
    if let Ok(cluster) = cluster::find_mut(world, cluster) {
        cluster.insights.uses.push((now, used));
    }
}

pub(crate) fn enforce_upgrade_insights(world: &mut World, on: bool) {
    world.eks.enforces_upgrade_insights = on;
}

/// EKS looks through a cluster now.
pub(super) fn look(world: &mut World, name: &str) {
    let now = world.epoch_seconds();
    look_as_of(world, name, now);
}

/// What EKS saw at `at` is taken to be what is so now: its daily looks are not events of their own.
fn look_as_of(world: &mut World, name: &str, at: f64) {
    let mut found = insight_check::found(world, name);
    for insight in &mut found {
        let key = (insight.category, insight.name.clone());
        let known = cluster::find(world, name).ok().and_then(|cluster| cluster.insights.ids.get(&key).cloned());
        insight.id = known.unwrap_or_else(|| uuid(world, "eks-insight"));
        let Ok(cluster) = cluster::find_mut(world, name) else { return };
        cluster.insights.ids.insert(key.clone(), insight.id.clone());
        let since = cluster.insights.since.entry(key).or_insert((insight.status, at));
        if since.0 != insight.status {
            *since = (insight.status, at);
        }
    }
    if let Ok(cluster) = cluster::find_mut(world, name) {
        cluster.insights.found = Some((at, found));
    }
}

/// What EKS knows of a cluster: it looks when the cluster is there, every 24 hours, and when its version has changed.
fn known(world: &mut World, name: &str) -> Result<Vec<(f64, Found)>, ApiError> {
    let now = world.epoch_seconds();
    let cluster = cluster::find(world, name)?;
    if !cluster.ready {
        return Ok(Vec::new());
    }
    let base = cluster.insights.found.as_ref().map_or(cluster.created, |(at, _)| *at);
    let days = ((now - base) / REFRESH_EVERY).floor();
    if cluster.insights.found.is_none() || days >= 1.0 {
        look_as_of(world, name, base + days * REFRESH_EVERY);
    }
    let found = cluster::find(world, name)?.insights.found.clone();
    Ok(found.into_iter().flat_map(|(at, found)| found.into_iter().map(move |insight| (at, insight))).collect())
}

/// Insights in ERROR about a step to a version, as they are now: EKS looks again before it acts.
pub(super) fn errors(world: &mut World, name: &str, category: &str, version: &str) -> Vec<Found> {
    let is_error = |insight: &Found| insight.category == category && insight.version == version && insight.status == "ERROR";
    insight_check::found(world, name).into_iter().filter(is_error).collect()
}

impl Cluster {
    fn tell(&self, at: f64, insight: &Found) -> Value {
        let since = self.insights.since.get(&(insight.category, insight.name.clone())).map_or(at, |(_, since)| *since);
        json!({
            "id": insight.id, "name": insight.name, "category": insight.category, "kubernetesVersion": insight.version,
            "lastRefreshTime": at, "lastTransitionTime": since, "description": insight.description,
            "insightStatus": {"status": insight.status, "reason": insight.reason},
        })
    }
}

pub(super) fn list(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "clusterName")?.to_owned();
    let filter = args.sub("filter");
    let allowed = |names: &[String], values: &[&str], what: &str| match names.iter().find(|name| !values.contains(&name.as_str())) {
        Some(wrong) => Err(invalid_parameter(format!("{wrong} is not a valid {what}"))),
        None => Ok(()),
    };
    let (categories, statuses) = (strings(&filter, "categories"), strings(&filter, "statuses"));
    let versions = strings(&filter, "kubernetesVersions");
    allowed(&categories, &["UPGRADE_READINESS", "MISCONFIGURATION", "ROLLBACK_READINESS"], "insight category")?;
    allowed(&statuses, &["PASSING", "WARNING", "ERROR", "UNKNOWN"], "insight status")?;
    let wanted = |values: &[String], value: &str| values.is_empty() || values.iter().any(|wanted| wanted == value);
    let found = known(world, &name)?;
    let cluster = cluster::find(world, &name)?;
    let list = found
        .iter()
        .filter(|(_, insight)| {
            wanted(&categories, insight.category) && wanted(&statuses, insight.status) && wanted(&versions, &insight.version)
        })
        .map(|(at, insight)| cluster.tell(*at, insight))
        .collect();
    page("insights", list, args)
}

pub(super) fn describe(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let (name, id) = (required(args, "clusterName")?.to_owned(), required(args, "id")?.to_owned());
    let found = known(world, &name)?;
    let cluster = cluster::find(world, &name)?;
    let missing = || not_found(format!("No insight found for ID: {id}")).field("clusterName", name.as_str());
    let (at, insight) = found.iter().find(|(_, insight)| insight.id == id).ok_or_else(missing)?;
    let mut told = cluster.tell(*at, insight);
    told["recommendation"] = json!(insight.recommendation);
    told["additionalInfo"] = json!({"Version skew policy": "https://kubernetes.io/releases/version-skew-policy/"});
    told["resources"] = insight
        .resources
        .iter()
        .map(|resource| json!({"insightStatus": {"status": insight.status}, "kubernetesResourceUri": resource}))
        .collect();
    told["categorySpecificSummary"] = json!({"deprecationDetails": insight.deprecations, "addonCompatibilityDetails": insight.addons});
    Ok(json!({"insight": told}))
}

/// A cluster whose version has changed is another one: EKS looks anew.
pub(super) fn version_changed(world: &mut World, name: &str) {
    look(world, name);
}

/// One minor version more or less than `version`.
pub(super) fn beside(version: &str, by: i32) -> Option<String> {
    Some(format!("1.{}", minor(version)?.checked_add_signed(by)?))
}

/// How long a rollback is possible (user guide, "Rollback cluster").
pub(super) const ROLLBACK_WINDOW: Duration = Duration::from_secs(7 * 86_400);
