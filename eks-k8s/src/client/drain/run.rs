//! A whole drain: cordon all, empty them in order, and leave things as they should be however it ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use eks_core::{Class, Error, Problems, SpecError, engine::CancellationToken};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::ListParams;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    calls::{Api, BUDGETS, DAEMON_SETS, heals},
    cordon,
    follow::{Filter, Objects, follow},
    gate::{Gates, Seen},
    node::Ends,
    scale, snapshot,
};
use crate::drain::{Drain, DrainEvent, DrainReport, Forecast, NodeEnd, OnBlocked, Reader, Taint, read_budget};

/// Cordons at a time.
const CORDONS: usize = 16;
/// Before a mark is written again that the API server did not take.
const AGAIN: Duration = Duration::from_secs(5);
const CANCELLED: &str = "it was cancelled";

/// A drain that runs.
pub(super) struct Run<'a> {
    pub(super) api: Api<'a>,
    pub(super) drain: &'a Drain,
    /// By which nodes know it.
    id: String,
    observer: &'a (dyn Fn(DrainEvent) + Send + Sync),
    pub(super) gates: Gates,
    budgets: watch::Sender<Objects<Seen>>,
    pub(super) daemon_sets: BTreeSet<(String, String)>,
    pub(super) began: Instant,
    nodes: Mutex<BTreeMap<String, NodeEnd>>,
    ends: BTreeMap<String, Mutex<Ends>>,
}

/// Refuses a drain that contradicts itself.
pub(super) fn check(drain: &Drain) -> Result<(), Error> {
    drain.check().map_err(|error| refused("drain", &error))
}

pub(super) fn check_taint(taint: &Taint) -> Result<(), Error> {
    let mut problems = Problems::new();
    taint.check(&mut problems);
    problems.finish("taint", || ()).map_err(|error| refused("taint", &error))
}

pub(super) fn refused(subject: &str, error: &SpecError) -> Error {
    let rules: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
    Error::Refused { subject: subject.to_owned(), rule: rules.join("; "), remedy: "correct it; nothing was touched".to_owned() }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Run<'a> {
    pub(super) fn new(api: Api<'a>, drain: &'a Drain, observer: &'a (dyn Fn(DrainEvent) + Send + Sync)) -> Self {
        let (budgets, seen) = watch::channel(None);
        Self {
            api,
            drain,
            id: cordon::id(&drain.nodes),
            observer,
            gates: Gates::new(seen),
            budgets,
            daemon_sets: BTreeSet::new(),
            began: Instant::now(),
            nodes: Mutex::new(drain.nodes.iter().map(|node| (node.clone(), NodeEnd::Untouched)).collect()),
            ends: drain.nodes.iter().map(|node| (node.clone(), Mutex::default())).collect(),
        }
    }

    pub(super) fn tell(&self, event: DrainEvent) {
        (self.observer)(event);
    }

    pub(super) async fn run(mut self, cancel: &CancellationToken) -> Result<DrainReport, Error> {
        let prepared = tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(None),
            prepared = self.prepare() => prepared.map(Some),
        };
        let (ended, undone) = match prepared {
            Ok(Some(raise)) => {
                let ended = self.attempt(&raise, cancel).await;
                let undone = if matches!(ended, Ok(None)) { Ok(()) } else { self.undo(self.unfinished()).await };
                (ended, undone)
            }
            // Nothing was touched; but an earlier run of this drain may have been killed.
            Ok(None) => (Ok(Some(CANCELLED.to_owned())), self.undo_earlier().await),
            Err(error) => (Err(error), self.undo_earlier().await),
        };
        // However it ends, and whichever run raised them.
        let restored = match scale::restore(&self.api, &self.drain.nodes, cancel, self.observer).await {
            // Who may not see workloads has raised none.
            Err(error) if error.class() == Class::Denied && self.drain.on_blocked != OnBlocked::ScaleUpFirst => Ok(Vec::new()),
            restored => restored,
        };
        let given_up = ended?;
        undone?;
        Ok(self.report(given_up, restored?))
    }

    /// Drains until it is done, cancelled or late; past the budgets at last, if that is the policy. Why it was given up.
    async fn attempt(&self, raise: &[scale::Workload], cancel: &CancellationToken) -> Result<Option<String>, Error> {
        // From here on: until now nothing has been tried.
        let deadline = self.drain.deadline.map(|after| Instant::now() + after);
        let stop = async {
            let late = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => CANCELLED.to_owned(),
                () = late => "its deadline passed".to_owned(),
            }
        };
        let read = |object: serde_json::Value| {
            let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
            Ok((read_budget(object).map_err(snapshot::unreadable)?, version))
        };
        let ended = tokio::select! {
            biased;
            why = stop => Ok(Some(why)),
            error = follow(&self.api, BUDGETS, Filter::All, read, &self.budgets) => Err(error),
            done = self.go(raise) => done.map(|()| None),
        };
        match ended {
            Ok(Some(_)) if self.drain.on_blocked == OnBlocked::ForceDelete && !cancel.is_cancelled() => self.force(cancel).await,
            ended => ended,
        }
    }

    /// Looks at everything that can be refused before anything is touched. What is to be scaled up.
    async fn prepare(&mut self) -> Result<Vec<scale::Workload>, Error> {
        if matches!(self.drain.on_blocked, OnBlocked::Wait | OnBlocked::ForceDelete) {
            let mut reader = Reader::new(0);
            self.api.pages(DAEMON_SETS, ListParams::default(), true, |page| reader.daemon_sets(page).map_err(snapshot::unreadable)).await?;
            self.daemon_sets = reader.finish().daemon_sets;
            return Ok(Vec::new());
        }
        let cluster = snapshot::read(&self.api).await?;
        let forecast = self.drain.forecast(&cluster);
        let raise = if self.drain.on_blocked == OnBlocked::ScaleUpFirst { scale::wanted(&cluster, &forecast) } else { Vec::new() };
        self.refuse(&forecast)?;
        self.daemon_sets = cluster.daemon_sets;
        Ok(raise)
    }

    fn refuse(&self, forecast: &Forecast) -> Result<(), Error> {
        use crate::drain::Blocker;
        let hopeless = forecast.blocked.iter().any(|blocked| matches!(blocked.why, Blocker::Filter(_))) || !forecast.missing.is_empty();
        if hopeless || (self.drain.on_blocked == OnBlocked::Fail && forecast.is_blocked()) {
            return Err(Error::Refused {
                subject: "drain".to_owned(),
                rule: format!("it would never end: {forecast}"),
                remedy: "remove what blocks it; nothing was touched".to_owned(),
            });
        }
        Ok(())
    }

    async fn go(&self, raise: &[scale::Workload]) -> Result<(), Error> {
        stream::iter(self.drain.nodes.clone())
            .map(|node| async move {
                let before = cordon::begin(&self.api, &node, &self.id, self.drain.taint.as_ref()).await?;
                locked(&self.nodes).insert(node.clone(), NodeEnd::Cordoned);
                self.tell(DrainEvent::Cordoned { node, before });
                Ok::<_, Error>(())
            })
            .buffer_unordered(CORDONS)
            .try_collect::<()>()
            .await?;
        for workload in raise {
            scale::raise(&self.api, workload, &self.drain.nodes, self.observer).await?;
        }
        // Until budgets are known, nobody knows whose turn it is.
        let mut budgets = self.gates.budgets.clone();
        while budgets.borrow_and_update().is_none() {
            if budgets.changed().await.is_err() {
                break;
            }
        }
        stream::iter(self.drain.nodes.clone())
            .map(|node| async move {
                self.empty(&node, &self.ends[&node]).await?;
                self.drained(&node).await
            })
            .buffer_unordered(self.drain.in_parallel)
            .try_collect()
            .await
    }

    async fn drained(&self, node: &str) -> Result<(), Error> {
        // It has waited for Pods as long as that took; so it does for the API server.
        while let Err(error) = cordon::end(&self.api, node).await {
            if !heals(&error) {
                return Err(error);
            }
            sleep(AGAIN).await;
        }
        locked(&self.nodes).insert(node.to_owned(), NodeEnd::Drained);
        self.tell(DrainEvent::Drained { node: node.to_owned(), after: self.began.elapsed() });
        Ok(())
    }

    fn unfinished(&self) -> Vec<String> {
        let nodes = locked(&self.nodes);
        self.drain.nodes.iter().filter(|node| nodes.get(*node) != Some(&NodeEnd::Drained)).cloned().collect()
    }

    /// Deletes what is left after the deadline, each node in its own time. Why it was given up, if it did not help everywhere.
    async fn force(&self, cancel: &CancellationToken) -> Result<Option<String>, Error> {
        let forced = stream::iter(self.unfinished())
            .map(|node| async move {
                // The deadline may have come before this node's turn: what is deleted must not come back to it.
                match cordon::begin(&self.api, &node, &self.id, self.drain.taint.as_ref()).await {
                    Err(error) if error.class() != Class::NotFound => return Err(error),
                    // Of a node that is gone, Pods go soon.
                    _ => {}
                }
                locked(&self.nodes).insert(node.clone(), NodeEnd::Cordoned);
                let done = self.force_out(&node, &self.ends[&node]).await?;
                if done {
                    self.drained(&node).await?;
                }
                Ok::<_, Error>((!done).then_some(node))
            })
            .buffer_unordered(self.drain.in_parallel)
            .collect::<Vec<_>>();
        let forced = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Some(CANCELLED.to_owned())),
            forced = forced => forced,
        };
        // An error on one node has kept no other from being emptied.
        let mut left: Vec<String> = forced.into_iter().collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect();
        left.sort();
        let why = "Pods that were deleted are still going: is the kubelet dead, or does a finalizer hold them? On";
        Ok((!left.is_empty()).then(|| format!("{why} {}", left.join(", "))))
    }

    /// Makes nodes what they were before this drain.
    async fn undo(&self, nodes: Vec<String>) -> Result<(), Error> {
        let undone = stream::iter(nodes)
            .map(|node| async move {
                if self.drain.keep_cordoned {
                    return cordon::keep(&self.api, &node, &self.id).await;
                }
                if cordon::undo(&self.api, &node, &self.id).await? {
                    locked(&self.nodes).insert(node.clone(), NodeEnd::Uncordoned);
                    self.tell(DrainEvent::Uncordoned { node });
                }
                Ok(())
            })
            .buffer_unordered(CORDONS)
            .collect::<Vec<_>>();
        undone.await.into_iter().collect()
    }

    /// The same, for those at which an earlier run of this drain was killed.
    async fn undo_earlier(&self) -> Result<(), Error> {
        let mut nodes = match cordon::begun_before(&self.api).await {
            Err(error) if error.class() == Class::Denied => return Ok(()),
            nodes => nodes?,
        };
        nodes.retain(|node| self.drain.nodes.contains(node));
        self.undo(nodes).await
    }

    fn report(&self, given_up: Option<String>, left_scaled: Vec<String>) -> DrainReport {
        let pods = self.ends.values().flat_map(|ends| locked(ends).values().map(|(pod, end)| (pod.at(), end.clone())).collect::<Vec<_>>());
        let mut pods: Vec<_> = pods.collect();
        pods.sort_by(|a, b| a.0.cmp(&b.0));
        let (took, calls) = (self.began.elapsed(), self.api.calls());
        DrainReport { nodes: locked(&self.nodes).clone(), pods, left_scaled, given_up, took, calls }
    }
}
