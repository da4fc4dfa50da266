//! Cluster insights: what EKS found when it looked through the cluster.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::KubernetesVersion;

/// How old insights may be: EKS looks every 24 hours by itself (EKS User Guide, "Cluster insights").
pub(crate) const FRESH: SignedDuration = SignedDuration::from_hours(24);

/// What an insight is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum InsightCategory {
    /// Whether the cluster can go to the next version.
    UpgradeReadiness,
    /// Whether it can go back.
    RollbackReadiness,
}

impl InsightCategory {
    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpgradeReadiness => "UPGRADE_READINESS",
            Self::RollbackReadiness => "ROLLBACK_READINESS",
        }
    }
}

/// What EKS says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum InsightStatus {
    /// No issue found.
    Passing,
    /// EKS cannot tell.
    Unknown,
    /// Something that matters for a later version, or that blocks nothing.
    Warning,
    /// Something that the next version breaks.
    Error,
}

/// A client that still uses a deprecated API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeprecatedClient {
    /// Its user agent.
    pub user_agent: String,
    /// Its requests over the last 30 days.
    pub requests: i32,
    /// Its last one.
    pub last_request: Option<Timestamp>,
}

impl DeprecatedClient {
    /// A client and how often it asked.
    pub fn new(user_agent: impl Into<String>, requests: i32, last_request: Option<Timestamp>) -> Self {
        Self { user_agent: user_agent.into(), requests, last_request }
    }
}

/// A deprecated API that is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeprecatedApi {
    /// The API: `/apis/policy/v1beta1/podsecuritypolicies`.
    pub usage: String,
    /// What replaces it, if anything does.
    pub replaced_with: Option<String>,
    /// The version that serves it no more.
    pub stop_serving: Option<KubernetesVersion>,
    /// The version from which on its replacement is served.
    pub replacement_since: Option<KubernetesVersion>,
    /// Who uses it.
    pub clients: Vec<DeprecatedClient>,
}

/// An add-on that does not fit the next version, and the versions of it that do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddonCompatibility {
    /// The add-on.
    pub name: String,
    /// Versions that fit.
    pub versions: Vec<String>,
}

/// One insight. Details are read for those that are not passing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Insight {
    /// Its id.
    pub id: String,
    /// Its name: `Kubelet version skew`.
    pub name: String,
    /// The version that it is about.
    pub version: Option<KubernetesVersion>,
    /// What EKS says.
    pub status: InsightStatus,
    /// Why.
    pub reason: String,
    /// What EKS recommends, if its details were read.
    pub recommendation: Option<String>,
    /// When EKS looked last.
    pub refreshed: Option<Timestamp>,
    /// Deprecated APIs in use.
    pub deprecated: Vec<DeprecatedApi>,
    /// Add-ons that do not fit.
    pub addons: Vec<AddonCompatibility>,
    /// Resources that it names.
    pub resources: Vec<String>,
}

impl Insight {
    /// An insight without details.
    pub fn new(id: impl Into<String>, name: impl Into<String>, version: Option<KubernetesVersion>, status: InsightStatus) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            version,
            status,
            reason: String::new(),
            recommendation: None,
            refreshed: None,
            deprecated: Vec::new(),
            addons: Vec::new(),
            resources: Vec::new(),
        }
    }

    /// Whether it speaks of a step to `version`. Insights on a rollback have but one step to speak of.
    pub(crate) fn is_about(&self, category: InsightCategory, version: KubernetesVersion) -> bool {
        category == InsightCategory::RollbackReadiness || self.version.is_none_or(|about| about == version)
    }

    /// Whether moving add-ons heals it. EKS User Guide, "Cluster insights", tells these names.
    pub(crate) fn is_about_addons(&self) -> bool {
        matches!(self.name.as_str(), "EKS add-on version compatibility" | "kube-proxy version skew") || !self.addons.is_empty()
    }

    /// Whether it is about the nodes' kubelets, which whoever knows all nodes judges better: EKS looks once a day.
    pub(crate) fn is_about_kubelets(&self) -> bool {
        self.name == "Kubelet version skew"
    }

    /// What is so, on one line.
    pub(crate) fn what(&self) -> String {
        let mut text = format!("insight {:?} is in {}", self.name, status_name(self.status));
        if !self.reason.is_empty() {
            text.push_str(": ");
            text.push_str(self.reason.trim_end_matches('.'));
        }
        for api in &self.deprecated {
            text.push_str(&format!("; {} is in use", api.usage));
            if let Some(version) = api.stop_serving {
                text.push_str(&format!(", served no more from {version}"));
            }
            if let Some(replacement) = &api.replaced_with {
                text.push_str(&format!(", replaced by {replacement}"));
            }
            let clients: Vec<_> =
                api.clients.iter().map(|client| format!("{} ({} requests in 30 days)", client.user_agent, client.requests)).collect();
            if !clients.is_empty() {
                text.push_str(&format!(", by {}", clients.join(", ")));
            }
        }
        for addon in &self.addons {
            text.push_str(&format!("; {} fits in {}", addon.name, addon.versions.join(", ")));
        }
        if !self.resources.is_empty() {
            text.push_str(&format!("; {}", self.resources.join(", ")));
        }
        text
    }
}

fn status_name(status: InsightStatus) -> &'static str {
    match status {
        InsightStatus::Passing => "PASSING",
        InsightStatus::Unknown => "UNKNOWN",
        InsightStatus::Warning => "WARNING",
        InsightStatus::Error => "ERROR",
    }
}

/// What to do about an insight that blocks.
pub(crate) fn remedy(insight: &Insight) -> String {
    let first = insight.recommendation.as_deref().map(|text| text.trim_end_matches('.')).unwrap_or("mend what it names");
    let window = if insight.deprecated.is_empty() { "" } else { "; EKS looks 30 days back, so it stays in ERROR for a while" };
    format!(
        "{first}, and have EKS look again (Clusters::refresh_insights){window}; or accept it by name, as accept_insight({:?})",
        insight.name
    )
}

/// Insights in ERROR that do not hold an upgrade back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AcceptedInsights {
    /// None of them.
    #[default]
    None,
    /// Those of these names.
    Named(BTreeSet<String>),
    /// All of them.
    All,
}

impl AcceptedInsights {
    pub(crate) fn accepts(&self, insight: &Insight) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.contains(&insight.name),
            Self::All => true,
        }
    }

    pub(crate) fn also(self, name: String) -> Self {
        match self {
            Self::None => Self::Named([name].into()),
            Self::Named(mut names) => {
                names.insert(name);
                Self::Named(names)
            }
            Self::All => Self::All,
        }
    }
}

/// Insights that hold a step to `version` back.
pub(crate) fn blocking<'a>(
    insights: &'a [Insight],
    category: InsightCategory,
    version: KubernetesVersion,
    accepted: &'a AcceptedInsights,
) -> impl Iterator<Item = &'a Insight> {
    insights
        .iter()
        .filter(move |insight| insight.status == InsightStatus::Error && insight.is_about(category, version) && !accepted.accepts(insight))
}

/// How long ago EKS looked at what concerns `version`; `None` if it never did.
pub(crate) fn age(insights: &[Insight], category: InsightCategory, version: KubernetesVersion, now: Timestamp) -> Option<SignedDuration> {
    let told = |insight: &&Insight| insight.version == Some(version) || category == InsightCategory::RollbackReadiness;
    let about: Vec<_> = insights.iter().filter(told).collect();
    let oldest = about.iter().map(|insight| insight.refreshed).min().flatten()?;
    Some(now.duration_since(oldest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_about_the_next_version_block() {
        let about = |name: &str, version, status| Insight::new("i", name, Some(version), status);
        let insights = [
            about("a", KubernetesVersion::V1_35, InsightStatus::Error),
            about("b", KubernetesVersion::V1_36, InsightStatus::Error),
            about("c", KubernetesVersion::V1_35, InsightStatus::Warning),
            Insight::new("i", "d", None, InsightStatus::Error),
        ];
        let names = |accepted: AcceptedInsights| {
            let found = blocking(&insights, InsightCategory::UpgradeReadiness, KubernetesVersion::V1_35, &accepted);
            found.map(|insight| insight.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(AcceptedInsights::None), ["a", "d"]);
        assert_eq!(names(AcceptedInsights::None.also("a".to_owned())), ["d"]);
        assert!(names(AcceptedInsights::All.also("a".to_owned())).is_empty());
    }

    #[test]
    fn insights_are_as_old_as_the_oldest_of_them() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let at = |text: &str| Insight {
            refreshed: Some(text.parse().unwrap()),
            ..Insight::new("i", "n", Some(KubernetesVersion::V1_35), InsightStatus::Passing)
        };
        let insights = [at("2026-11-22T11:00:00Z"), at("2026-11-21T11:00:00Z")];
        assert_eq!(age(&insights, InsightCategory::UpgradeReadiness, KubernetesVersion::V1_35, now), Some(SignedDuration::from_hours(25)));
        assert_eq!(age(&insights, InsightCategory::UpgradeReadiness, KubernetesVersion::V1_36, now), None);
    }
}
