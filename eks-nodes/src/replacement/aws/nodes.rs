//! What is done to nodes.

use std::time::Duration;

use eks_core::{
    Class, Error, InstanceId,
    engine::{CancellationToken, StepContext},
};
use eks_k8s::{
    Access,
    drain::{Drain, DrainEvent},
};

use super::Replacements;
use crate::replacement::plan::NOTICE;

/// How often a drain is begun anew because a node was gone when its turn came.
const TRIES: u32 = 3;

impl Replacements {
    /// The nodes that are there of these instances; one that is gone was interrupted or lost, and has no Pods to be moved.
    async fn nodes_of(&self, access: &Access, instances: &[InstanceId]) -> Result<Vec<String>, Error> {
        let nodes = self.objects.nodes(Some(access)).await?;
        let named = |id: &str| instances.iter().any(|one| one.as_str() == id);
        Ok(nodes.into_iter().filter(|(_, node)| node.instance.as_deref().is_some_and(named)).map(|(name, _)| name).collect())
    }

    /// Empties nodes. One that joined after the plan was made is closed first.
    pub(super) async fn drain(
        &self,
        cx: &StepContext,
        access: &Access,
        instances: &[InstanceId],
        drain: &Drain,
        mark: &str,
    ) -> Result<(), Error> {
        let mut tries = 1;
        loop {
            let nodes = self.nodes_of(access, instances).await?;
            if nodes.is_empty() {
                return Ok(());
            }
            self.objects.shut_nodes(Some(access), &nodes, mark).await?;
            let subject = nodes.join(", ");
            let drain = drain.for_nodes(&nodes).in_parallel(nodes.len());
            let never = CancellationToken::new();
            let tell = |event: DrainEvent| {
                if let Some((subject, state)) = told(&event) {
                    cx.waiting(subject, state);
                }
            };
            let report = match cx.aside(&subject, self.objects.drain(Some(access), &drain, &never, tell)).await {
                Err(error) if error.class() == Class::NotFound && tries < TRIES => {
                    tries += 1;
                    continue;
                }
                report => report?,
            };
            if report.is_complete() {
                return Ok(());
            }
            return Err(Error::Terminal {
                subject,
                state: "a drain that was given up".to_owned(),
                reason: format!(
                    "{report}; remove what holds the Pods, or choose another policy (OnBlocked), and plan again; or go back with \
                     Replacement::back"
                ),
            });
        }
    }

    /// Has load balancers let nodes go, and waits for as long as they go on: those of the plan, and those that have come since.
    pub(super) async fn deregister(
        &self,
        cx: &StepContext,
        access: &Access,
        instances: &[InstanceId],
        mark: &str,
        delay: Duration,
    ) -> Result<(), Error> {
        let nodes = self.nodes_of(access, instances).await?;
        if nodes.is_empty() {
            return Ok(());
        }
        let delay = delay.max(self.objects.deregistration(Some(access)).await?.longest());
        self.objects.close_nodes(Some(access), &nodes, mark).await?;
        self.pass(cx, &format!("load balancers of {}", nodes.join(", ")), delay + NOTICE).await
    }
}

/// What of a drain people want to watch.
fn told(event: &DrainEvent) -> Option<(String, String)> {
    Some(match event {
        DrainEvent::Evicted { pod } => (pod.to_string(), "evicted".to_owned()),
        DrainEvent::Held { pod, why } => (pod.to_string(), format!("held: {why}")),
        DrainEvent::Gone { pod, .. } => (pod.to_string(), "gone".to_owned()),
        DrainEvent::Deleted { pod } => (pod.to_string(), "deleted past its budget".to_owned()),
        DrainEvent::Scaled { workload, from, to } => (workload.clone(), format!("{from} → {to} replicas")),
        DrainEvent::LeftScaled { workload } => (workload.clone(), "keeps one replica more".to_owned()),
        DrainEvent::Drained { node, .. } => (node.clone(), "drained".to_owned()),
        _ => return None,
    })
}
