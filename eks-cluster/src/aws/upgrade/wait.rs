//! What the steps of an upgrade wait for.

use std::time::Duration;

use aws_sdk_eks::types::InsightsRefreshStatus;
use eks_core::{
    ClusterName, Error, Outputs,
    aws::failed,
    engine::{Poll, Wait},
};

use crate::{
    KubernetesVersion, ObservedAddon,
    aws::{
        Clusters,
        wait::{CLUSTER_UPDATE, or_unknown},
    },
    plan::{addon_typical, broken},
    upgrade::{AddonHop, ControlPlaneHop, REFRESH_TYPICAL, UPGRADE_TYPICAL},
};

const INSIGHTS: &str = "insights-refreshed";
const VERSION: &str = "cluster-version";
const ADDON_VERSION: &str = "addon-version";
const ADDON_FREE: &str = "addon-free";

/// AWS's word is "several minutes"; more than 45 were reported.
const LONGEST_UPDATE: Duration = Duration::from_secs(90 * 60);

pub(super) fn insights_refreshed(cluster: &ClusterName) -> Wait {
    Wait::typical(INSIGHTS, cluster.as_str(), REFRESH_TYPICAL).first(Duration::from_secs(5))
}

/// How long EKS waits for Auto Mode's nodes in a rollback, in minutes, if nobody says (API reference, RollbackConfig).
const ROLLBACK_MINUTES: u16 = 720;

/// A rollback on EKS Auto Mode waits for nodes first, as long as it is told to.
pub(super) fn version_updated(hop: &ControlPlaneHop, id: &str) -> Wait {
    let minutes = if hop.is_rollback() { hop.timeout_minutes.unwrap_or(ROLLBACK_MINUTES) } else { 0 };
    let nodes = Duration::from_secs(u64::from(minutes) * 60);
    let wait = Wait::typical(CLUSTER_UPDATE, format!("{}/{id}", hop.cluster), UPGRADE_TYPICAL);
    wait.every(Duration::from_secs(6)).limit(LONGEST_UPDATE + nodes)
}

/// An update that is done may not be seen everywhere yet.
pub(super) fn version_seen(cluster: &ClusterName, version: KubernetesVersion) -> Wait {
    let wait = Wait::typical(VERSION, format!("{cluster}/{version}"), UPGRADE_TYPICAL);
    wait.first(Duration::from_secs(1)).every(Duration::from_secs(4))
}

pub(super) fn addon_moved(hop: &AddonHop) -> Wait {
    let id = format!("{}/{}/{}/{}", hop.cluster, hop.name, hop.to, hop.may_be_degraded);
    Wait::typical(ADDON_VERSION, id, addon_typical(&hop.name)).every(Duration::from_secs(3))
}

/// An add-on that something else may be changing, while EKS does not tell so yet.
pub(super) fn addon_free(cluster: &ClusterName, name: &str) -> Wait {
    let wait = Wait::typical(ADDON_FREE, format!("{cluster}/{name}"), addon_typical(name)).first(Duration::from_secs(5));
    wait.every(Duration::from_secs(4)).limit(Duration::from_secs(30 * 60))
}

impl Clusters {
    /// `None` if it is not seen.
    pub(in crate::aws) async fn upgrade_state(&self, kind: &str, cluster: &ClusterName, rest: &str) -> Result<Option<Poll>, Error> {
        match kind {
            INSIGHTS => self.refresh_state(cluster).await.map(Some),
            VERSION => Ok(self.describe(cluster).await?.map(|found| {
                if found.version == rest && found.status == "ACTIVE" {
                    Poll::Ready(found.outputs())
                } else {
                    Poll::Pending { state: format!("{} at {}", found.status, found.version) }
                }
            })),
            ADDON_VERSION => {
                let mut parts = rest.split('/');
                let (Some(name), Some(to), Some(degraded)) = (parts.next(), parts.next(), parts.next()) else {
                    return Err(broken(format!("{rest} names no add-on and version")));
                };
                Ok(self.addon(cluster, name).await?.map(|found| judge_addon(&found, to, degraded == "true")))
            }
            ADDON_FREE => Ok(self.addon(cluster, rest).await?.map(|found| match found.status.as_str() {
                "CREATING" | "UPDATING" => Poll::Pending { state: found.status },
                _ => Poll::Ready(Outputs::new()),
            })),
            other => Err(broken(format!("nothing is known of waiting for {other}"))),
        }
    }

    pub(super) async fn refresh_state(&self, cluster: &ClusterName) -> Result<Poll, Error> {
        let sent = self.eks.describe_insights_refresh().cluster_name(cluster.as_str()).send().await;
        let refresh = sent.map_err(|error| failed("eks:DescribeInsightsRefresh", cluster.as_str(), error))?;
        let state = refresh.status().map(InsightsRefreshStatus::as_str).unwrap_or("not told").to_owned();
        Ok(match refresh.status() {
            Some(InsightsRefreshStatus::Completed) => Poll::Ready(Outputs::new()),
            Some(InsightsRefreshStatus::Failed) => {
                let reason = refresh.message().unwrap_or("EKS tells no reason").to_owned();
                Poll::Failed { state, reason: format!("{reason}; run again, and EKS looks again") }
            }
            _ => Poll::Pending { state },
        })
    }
}

/// An add-on on its way to a version. Pods that are not there yet are no failure: nodes and API servers come and go meanwhile.
fn judge_addon(addon: &ObservedAddon, to: &str, may_be_degraded: bool) -> Poll {
    let reasons = || or_unknown(addon.issues.iter().map(|(code, message)| format!("{code}: {message}")).collect());
    let state = format!("{} at {}", addon.status, addon.version);
    let lasting = addon.issues.iter().any(|(code, _)| crate::addon::lasts(code));
    match addon.status.as_str() {
        "ACTIVE" if addon.version == to => {
            Poll::Ready([("id".to_owned(), addon.arn.clone()), ("version".to_owned(), addon.version.clone())].into())
        }
        "UPDATE_FAILED" | "DELETE_FAILED" | "CREATE_FAILED" => Poll::Failed { state, reason: reasons() },
        "DEGRADED" if lasting => Poll::Failed { state, reason: reasons() },
        "DEGRADED" if may_be_degraded && addon.version == to => {
            Poll::Ready([("id".to_owned(), addon.arn.clone()), ("version".to_owned(), addon.version.clone())].into())
        }
        _ => Poll::Pending { state },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::addon;

    #[test]
    fn add_ons_on_their_way() {
        let judge = |status: &str, version: &str, issue: Option<&str>, degraded| {
            let (_, mut addon) = addon("coredns", status);
            addon.version = version.to_owned();
            addon.issues = issue.iter().map(|code| ((*code).to_owned(), "m".to_owned())).collect();
            judge_addon(&addon, "v2", degraded)
        };
        assert!(matches!(judge("ACTIVE", "v2", None, false), Poll::Ready(_)));
        // An update that was only just asked for is not seen yet.
        assert!(matches!(judge("ACTIVE", "v1", None, false), Poll::Pending { .. }));
        assert!(matches!(judge("UPDATING", "v1", None, false), Poll::Pending { .. }));
        let few = Some("InsufficientNumberOfReplicas");
        assert!(matches!(judge("DEGRADED", "v2", few, false), Poll::Pending { .. }));
        assert!(matches!(judge("DEGRADED", "v2", few, true), Poll::Ready(_)));
        assert!(matches!(judge("DEGRADED", "v2", Some("ConfigurationConflict"), true), Poll::Failed { .. }));
        assert!(matches!(judge("UPDATE_FAILED", "v2", None, true), Poll::Failed { .. }));
    }
}
