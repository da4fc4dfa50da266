//! A whole drain: cordon all, empty them in order, and leave things as they should be however it ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use eks_core::{Error, engine::CancellationToken};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::ListParams;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    calls::{Api, BUDGETS, DAEMON_SETS},
    cordon,
    follow::{Objects, follow},
    gate::{Gates, Seen},
    node::Ends,
    scale, snapshot,
};
use crate::drain::{Drain, DrainEvent, DrainReport, Forecast, NodeEnd, OnBlocked, Reader, read_budget};

/// Cordons at a time.
const CORDONS: usize = 16;
/// How long Pods that were deleted by force get, beyond their grace period.
const FORCED: Duration = Duration::from_secs(120);

/// A drain that runs.
pub(super) struct Run<'a> {
    pub(super) api: Api<'a>,
    pub(super) drain: &'a Drain,
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
    drain.check().map_err(|error| {
        let rules: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
        Error::Refused { subject: "drain".to_owned(), rule: rules.join("; "), remedy: "correct it; nothing was touched".to_owned() }
    })
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
        let raise = self.prepare().await?;
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
                () = cancel.cancelled() => "it was cancelled".to_owned(),
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
            error = follow(&self.api, BUDGETS, None, read, &self.budgets) => Err(error),
            done = self.go(&raise) => done.map(|()| None),
        };
        let ended = match ended {
            Ok(Some(_)) if self.drain.on_blocked == OnBlocked::ForceDelete && !cancel.is_cancelled() => self.force(cancel).await,
            ended => ended,
        };
        let undone = if matches!(ended, Ok(None)) { Ok(()) } else { self.undo().await };
        // What a killed run raised, too.
        let scales = self.drain.on_blocked == OnBlocked::ScaleUpFirst;
        let restored = if scales { scale::restore(&self.api, &self.drain.nodes, self.observer).await } else { Ok(()) };
        let given_up = ended?;
        undone.and(restored)?;
        Ok(self.report(given_up))
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
                let before = cordon::cordon(&self.api, &node, self.drain.taint.as_ref()).await?;
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
                self.drained(&node);
                Ok::<_, Error>(())
            })
            .buffer_unordered(self.drain.in_parallel)
            .try_collect()
            .await
    }

    fn drained(&self, node: &str) {
        locked(&self.nodes).insert(node.to_owned(), NodeEnd::Drained);
        self.tell(DrainEvent::Drained { node: node.to_owned(), after: self.began.elapsed() });
    }

    fn unfinished(&self) -> Vec<String> {
        let nodes = locked(&self.nodes);
        self.drain.nodes.iter().filter(|node| nodes.get(*node) != Some(&NodeEnd::Drained)).cloned().collect()
    }

    /// Deletes what is left after the deadline. Why it was given up, if it did not help.
    async fn force(&self, cancel: &CancellationToken) -> Result<Option<String>, Error> {
        let limit = FORCED + Duration::from_secs(u64::from(self.drain.grace.unwrap_or(30)));
        let nodes = self.unfinished();
        let forced = stream::iter(nodes)
            .map(|node| async move {
                // The deadline may have come before this node's turn: what is deleted must not come back to it.
                cordon::cordon(&self.api, &node, self.drain.taint.as_ref()).await?;
                self.force_out(&node, &self.ends[&node]).await?;
                self.drained(&node);
                Ok::<_, Error>(())
            })
            .buffer_unordered(self.drain.in_parallel)
            .try_collect::<()>();
        tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(Some("it was cancelled".to_owned())),
            done = timeout(limit, forced) => match done {
                Ok(done) => done.map(|()| None),
                Err(_) => Ok(Some("Pods that were deleted by force are still going; is the node's kubelet dead?".to_owned())),
            },
        }
    }

    /// Lets nodes that are not empty take Pods again.
    async fn undo(&self) -> Result<(), Error> {
        if self.drain.keep_cordoned {
            return Ok(());
        }
        let mut failure = Ok(());
        for node in self.unfinished() {
            match cordon::uncordon(&self.api, &node).await {
                Ok(true) => {
                    locked(&self.nodes).insert(node.clone(), NodeEnd::Uncordoned);
                    self.tell(DrainEvent::Uncordoned { node });
                }
                Ok(false) => {}
                Err(error) => failure = Err(error),
            }
        }
        failure
    }

    fn report(&self, given_up: Option<String>) -> DrainReport {
        let pods = self.ends.values().flat_map(|ends| locked(ends).values().map(|(pod, end)| (pod.at(), end.clone())).collect::<Vec<_>>());
        let mut pods: Vec<_> = pods.collect();
        pods.sort_by(|a, b| a.0.cmp(&b.0));
        DrainReport { nodes: locked(&self.nodes).clone(), pods, given_up, took: self.began.elapsed(), calls: self.api.calls() }
    }
}
