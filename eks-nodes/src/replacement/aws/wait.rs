//! What steps of this layer wait for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock, PoisonError},
    time::Duration,
};

use eks_core::{
    Error, InstanceId, Outputs,
    aws::failed,
    engine::{Poll, StepContext, Wait},
};
use eks_k8s::{Access, drain::Node, replacing::Health};

use tokio::time::Instant;

use super::Replacements;

/// Instances are gone, and so are their nodes.
pub(super) const GONE: &str = "instances-gone";
/// Nothing is worse than before.
pub(super) const HEALTHY: &str = "workloads-healthy";
/// So many nodes are Ready.
pub(super) const READY: &str = "nodes-ready";
/// Time has passed.
pub(super) const PASSED: &str = "time-passed";

/// DescribeAutoScalingInstances takes so many ids (Auto Scaling API Reference).
const IDS: usize = 50;
/// A node whose instance has ended is not Ready within a minute; one that is after this long runs on.
const RUNS_ON: Duration = Duration::from_secs(5 * 60);
/// How many things a state names.
const NAMED: usize = 3;

/// What is waited for, as a poll needs to know it.
#[derive(Clone, Debug)]
pub(super) enum Waited {
    /// And when none of them was in a group any more.
    Gone(Access, Vec<InstanceId>, Arc<OnceLock<Instant>>),
    Healthy(Access, Box<Health>),
    Ready(Access, (String, String), u32),
}

impl Replacements {
    /// Waits; the wait's id is what observers see.
    pub(super) async fn wait(&self, cx: &StepContext, wait: Wait, what: Option<Waited>) -> Result<Outputs, Error> {
        let id = wait.id.clone();
        if let Some(what) = what {
            self.waits.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), what);
        }
        let ended = cx.wait(wait).await;
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        ended
    }

    /// Waits for as long as this takes, at the pace of the server.
    pub(super) async fn pass(&self, cx: &StepContext, subject: &str, time: Duration) -> Result<(), Error> {
        let wait = Wait::typical(PASSED, subject, time).first(time).every(Duration::from_secs(1));
        self.wait(cx, wait, None).await.map(drop)
    }

    pub(super) async fn states(&self, kind: &str, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
        if kind == PASSED {
            return Ok(ids.iter().map(|id| (id.clone(), Poll::Ready(Outputs::new()))).collect());
        }
        let waited: Vec<(String, Waited)> = {
            let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
            ids.iter().filter_map(|id| Some((id.clone(), waits.get(id)?.clone()))).collect()
        };
        let mut states = BTreeMap::new();
        match kind {
            GONE => self.gone(&waited, &mut states).await?,
            HEALTHY => {
                for (id, waited) in &waited {
                    let Waited::Healthy(access, before) = waited else { continue };
                    let worse = self.objects.health(Some(access)).await?.regressions(before);
                    states.insert(id.clone(), told(worse.iter().map(ToString::to_string)));
                }
            }
            READY => {
                for (id, waited) in &waited {
                    let Waited::Ready(access, (key, value), count) = waited else { continue };
                    let nodes = self.objects.nodes(Some(access)).await?;
                    let ready = nodes.values().filter(|node| node.ready && node.labels.get(key) == Some(value)).count();
                    let short = (ready < *count as usize).then(|| format!("{ready} of {count} nodes Ready"));
                    states.insert(id.clone(), told(short.into_iter()));
                }
            }
            other => return Err(Error::Plan { subject: other.to_owned(), reason: "no such wait in this layer".to_owned() }),
        }
        Ok(states)
    }

    async fn gone(&self, waited: &[(String, Waited)], states: &mut BTreeMap<String, Poll>) -> Result<(), Error> {
        let all: BTreeSet<&InstanceId> = waited.iter().flat_map(|(_, one)| instances(one)).collect();
        let members = self.members(all.into_iter()).await?;
        for (id, waited) in waited {
            let Waited::Gone(access, instances, since) = waited else { continue };
            let left: Vec<String> = instances.iter().filter_map(|one| Some(format!("{one} {}", members.get(one.as_str())?))).collect();
            if !left.is_empty() {
                states.insert(id.clone(), told(left.into_iter()));
                continue;
            }
            // The node goes after its instance; it is looked for only then.
            let nodes = self.nodes_left(access, instances).await?;
            let too_long = since.get_or_init(Instant::now).elapsed() >= RUNS_ON;
            let poll = match nodes.iter().find(|(_, node)| too_long && node.ready) {
                Some((name, node)) => Poll::Failed {
                    state: "left the group and runs on".to_owned(),
                    reason: format!(
                        "instance {} is in no Auto Scaling group, and its node {name} is Ready: attach it to the group and plan again, or \
                         drain and terminate it",
                        node.instance.as_deref().unwrap_or_default()
                    ),
                },
                None => told(nodes.keys().map(|name| format!("node {name}"))),
            };
            states.insert(id.clone(), poll);
        }
        Ok(())
    }

    /// Of these instances, those that are in an Auto Scaling group, with their states.
    pub(super) async fn members<'a>(&self, ids: impl Iterator<Item = &'a InstanceId>) -> Result<BTreeMap<String, String>, Error> {
        let ids: Vec<String> = ids.map(ToString::to_string).collect();
        let mut members = BTreeMap::new();
        for some in ids.chunks(IDS) {
            let asked = self.scaling.describe_auto_scaling_instances().set_instance_ids(Some(some.to_vec())).send().await;
            let answer = asked.map_err(|error| failed("autoscaling:DescribeAutoScalingInstances", some.join(", "), error))?;
            for one in answer.auto_scaling_instances.unwrap_or_default() {
                members.insert(one.instance_id.unwrap_or_default(), one.lifecycle_state.unwrap_or_default());
            }
        }
        members.retain(|_, state| state != "Terminated");
        Ok(members)
    }

    async fn nodes_left(&self, access: &Access, instances: &[InstanceId]) -> Result<BTreeMap<String, Node>, Error> {
        let mut nodes = self.objects.nodes(Some(access)).await?;
        let of_them = |node: &Node| instances.iter().any(|one| node.instance.as_deref() == Some(one.as_str()));
        nodes.retain(|_, node| of_them(node));
        Ok(nodes)
    }
}

fn instances(waited: &Waited) -> &[InstanceId] {
    match waited {
        Waited::Gone(_, instances, _) => instances,
        _ => &[],
    }
}

/// Ready if nothing is left to wait for.
fn told(left: impl Iterator<Item = String>) -> Poll {
    let left: Vec<String> = left.collect();
    if left.is_empty() {
        return Poll::Ready(Outputs::new());
    }
    let more = left.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Poll::Pending { state: format!("{}{more}", left[..left.len().min(NAMED)].join("; ")) }
}
