//! What steps wait for, and how EKS's states are judged.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_eks::types::UpdateStatus;
use eks_core::{
    Class, ClusterName, Error, Outputs,
    aws::failed,
    engine::{Poll, Wait},
};

use tokio::task::JoinSet;

use super::{Clusters, observe::all};
use crate::{
    ObservedAddon, ObservedCluster,
    addon::{diagnosis, lasts},
    plan::{CREATE_TYPICAL, addon_typical, broken},
    teardown::ADDON_DELETE_TYPICAL,
};

const CLUSTER_ACTIVE: &str = "cluster-active";
pub(super) const CLUSTER_GONE: &str = "cluster-gone";
pub(super) const CLUSTER_UPDATE: &str = "cluster-update";
const ADDON_ACTIVE: &str = "addon-active";
const ADDON_GONE: &str = "addon-gone";
const ADDON_IDLE: &str = "addon-idle";

/// A new control plane. It is the longest wait of a plan, so it is looked at often: half an interval is lost on average.
pub(super) fn cluster_active(name: &ClusterName) -> Wait {
    Wait::typical(CLUSTER_ACTIVE, name.as_str(), CREATE_TYPICAL).every(Duration::from_secs(6)).limit(Duration::from_secs(40 * 60))
}

/// A control plane that something has changed.
pub(super) fn cluster_settled(name: &ClusterName) -> Wait {
    cluster_active(name).first(Duration::from_secs(6))
}

/// A control plane that something else may be changing, while EKS still tells it ACTIVE.
pub(super) fn cluster_free(name: &ClusterName) -> Wait {
    cluster_active(name).first(Duration::from_secs(15))
}

/// EKS's updates end within an hour.
pub(super) fn cluster_updated(name: &ClusterName, id: &str, typical: Duration) -> Wait {
    Wait::typical(CLUSTER_UPDATE, format!("{name}/{id}"), typical).every(Duration::from_secs(4)).limit(Duration::from_secs(60 * 60))
}

pub(super) fn addon_active(cluster: &ClusterName, name: &str) -> Wait {
    Wait::typical(ADDON_ACTIVE, format!("{cluster}/{name}"), addon_typical(name))
}

/// An add-on whose nodes are Ready: its Pods may run already.
pub(super) fn addon_settled(cluster: &ClusterName, name: &str) -> Wait {
    addon_active(cluster, name).first(Duration::from_secs(1)).every(Duration::from_secs(4))
}

/// An add-on that something else is making or changing: until EKS takes an update of it again.
pub(super) fn addon_idle(cluster: &ClusterName, name: &str) -> Wait {
    let wait = Wait::typical(ADDON_IDLE, format!("{cluster}/{name}"), addon_typical(name));
    wait.first(Duration::from_secs(1)).every(Duration::from_secs(4)).limit(Duration::from_secs(60 * 60))
}

pub(super) fn addon_gone(cluster: &ClusterName, name: &str) -> Wait {
    Wait::typical(ADDON_GONE, format!("{cluster}/{name}"), ADDON_DELETE_TYPICAL)
}

impl Clusters {
    /// EKS describes one thing a call, so all are asked at once; what one's call fails with is that one's state.
    pub(super) async fn states(&self, kind: &str, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
        let mut asked = JoinSet::new();
        for id in ids {
            let (this, kind, id) = (self.clone(), kind.to_owned(), id.clone());
            asked.spawn(async move {
                let state = this.state(&kind, &id).await.unwrap_or_else(|error| Some(judge_error(&error)));
                Ok(state.map(|state| (id, state)))
            });
        }
        all(asked).await
    }

    /// `None` if it is not seen.
    async fn state(&self, kind: &str, id: &str) -> Result<Option<Poll>, Error> {
        let (cluster, rest) = id.split_once('/').unwrap_or((id, ""));
        let cluster: ClusterName = cluster.parse().map_err(broken)?;
        match kind {
            CLUSTER_ACTIVE => Ok(self.describe(&cluster).await?.map(|found| judge_cluster(&found))),
            CLUSTER_GONE => Ok(Some(self.describe(&cluster).await?.map_or(Poll::Ready(Outputs::new()), |found| judge_deletion(&found)))),
            CLUSTER_UPDATE => self.update(&cluster, rest).await.map(Some),
            ADDON_IDLE => Ok(self.addon(&cluster, rest).await?.map(|found| judge_change(&found))),
            ADDON_ACTIVE => Ok(self.addon(&cluster, rest).await?.map(|found| judge_addon(&found))),
            ADDON_GONE => Ok(Some(self.addon(&cluster, rest).await?.map_or(Poll::Ready(Outputs::new()), |found| judge_removal(&found)))),
            other => self.upgrade_state(other, &cluster, rest).await,
        }
    }

    async fn update(&self, cluster: &ClusterName, id: &str) -> Result<Poll, Error> {
        let sent = self.eks.describe_update().name(cluster.as_str()).update_id(id).send().await;
        let update = sent.map_err(|error| failed("eks:DescribeUpdate", id, error))?.update;
        let Some((status, errors)) = update.and_then(|update| Some((update.status?, update.errors.unwrap_or_default()))) else {
            return Ok(Poll::Pending { state: "not told".to_owned() });
        };
        let state = status.as_str().to_owned();
        let reasons = errors.iter().map(|error| {
            let code = error.error_code().map(|code| code.as_str()).unwrap_or("Unknown");
            format!("{code}: {}", error.error_message().unwrap_or("no message"))
        });
        Ok(match status {
            UpdateStatus::Successful => Poll::Ready(Outputs::new()),
            UpdateStatus::Failed | UpdateStatus::Cancelled => Poll::Failed { state, reason: or_unknown(reasons.collect()) },
            _ => Poll::Pending { state },
        })
    }
}

/// The runner's rule for polls that fail, for one of several.
fn judge_error(error: &Error) -> Poll {
    match error.class() {
        Class::Inconsistent | Class::NotFound | Class::Throttled | Class::Transient => {
            Poll::Pending { state: format!("unknown ({error})") }
        }
        _ => Poll::Failed { state: "an unknown state".to_owned(), reason: error.chain() },
    }
}

pub(super) fn or_unknown(reasons: Vec<String>) -> String {
    if reasons.is_empty() { "EKS tells no reason".to_owned() } else { reasons.join("; ") }
}

fn told(cluster: &ObservedCluster) -> Vec<String> {
    cluster.issues.iter().map(|issue| issue.with_remedy()).collect()
}

fn judge_cluster(cluster: &ObservedCluster) -> Poll {
    let state = cluster.status.clone();
    match state.as_str() {
        "ACTIVE" => Poll::Ready(cluster.outputs()),
        "FAILED" => {
            let reason = format!("{}; tear it down, mend the cause, and plan again", or_unknown(told(cluster)));
            Poll::Failed { state, reason }
        }
        "DELETING" => Poll::Failed { state, reason: "somebody deletes it".to_owned() },
        _ => Poll::Pending { state },
    }
}

/// A deletion that fails leaves the cluster ACTIVE or FAILED with the reason among its issues.
fn judge_deletion(cluster: &ObservedCluster) -> Poll {
    let state = cluster.status.clone();
    if state == "FAILED" { Poll::Failed { state, reason: or_unknown(told(cluster)) } } else { Poll::Pending { state } }
}

/// EKS keeps an add-on that it cannot delete.
fn judge_removal(addon: &ObservedAddon) -> Poll {
    let state = addon.status.clone();
    if state == "DELETE_FAILED" { Poll::Failed { state, reason: diagnosis(&addon.issues) } } else { Poll::Pending { state } }
}

/// A creation or an update, however it ends.
fn judge_change(addon: &ObservedAddon) -> Poll {
    let state = addon.status.clone();
    match state.as_str() {
        "DELETING" => Poll::Failed { state, reason: "somebody deletes it".to_owned() },
        _ if addon.is_changing() => Poll::Pending { state },
        _ => Poll::Ready(Outputs::new()),
    }
}

fn judge_addon(addon: &ObservedAddon) -> Poll {
    let reasons = || diagnosis(&addon.issues);
    let state = addon.status.clone();
    match state.as_str() {
        "ACTIVE" => Poll::Ready([("id".to_owned(), addon.arn.clone()), ("version".to_owned(), addon.version.clone())].into()),
        _ if addon.has_failed() => Poll::Failed { state, reason: reasons() },
        "DEGRADED" if addon.issues.iter().any(|(code, _)| lasts(code)) => Poll::Failed { state, reason: reasons() },
        _ => Poll::Pending { state },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        HealthIssue,
        testing::{addon, cluster},
    };

    #[test]
    fn an_addon_without_nodes_is_pending_and_one_in_conflict_has_failed() {
        let judge = |status: &str, code: &str| {
            let (_, mut addon) = addon("coredns", status);
            addon.issues = if code.is_empty() { vec![] } else { vec![(code.to_owned(), "m".to_owned())] };
            judge_addon(&addon)
        };
        assert!(matches!(judge("ACTIVE", ""), Poll::Ready(_)));
        assert!(matches!(judge("CREATING", ""), Poll::Pending { .. }));
        assert!(matches!(judge("DEGRADED", "InsufficientNumberOfReplicas"), Poll::Pending { .. }));
        assert!(matches!(judge("DEGRADED", "ConfigurationConflict"), Poll::Failed { .. }));
        assert!(matches!(judge("CREATE_FAILED", ""), Poll::Failed { .. }));
    }

    #[test]
    fn a_change_is_over_however_it_ended() {
        let judge = |status: &str| judge_change(&addon("coredns", status).1);
        for status in ["CREATING", "UPDATING"] {
            assert!(matches!(judge(status), Poll::Pending { .. }), "{status}");
        }
        for status in ["ACTIVE", "DEGRADED", "CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED"] {
            assert!(matches!(judge(status), Poll::Ready(_)), "{status}");
        }
        assert!(matches!(judge("DELETING"), Poll::Failed { .. }));
    }

    #[test]
    fn a_failed_cluster_tells_its_issues() {
        let failed =
            ObservedCluster { status: "FAILED".to_owned(), issues: vec![HealthIssue::new("VpcNotFound", "vpc-1", vec![])], ..cluster() };
        let Poll::Failed { reason, .. } = judge_cluster(&failed) else { panic!("not failed") };
        assert!(reason.starts_with("VpcNotFound: vpc-1; the VPC is gone, and with it the cluster: tear it down"), "{reason}");
        assert!(matches!(judge_deletion(&cluster()), Poll::Pending { .. }));
    }
}
