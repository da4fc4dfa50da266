//! One node: its Pods are evicted together, and it is empty when they are seen to be gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use eks_core::Error;
use futures::{StreamExt, stream::FuturesUnordered};
use kube::api::ListParams;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    calls::PODS,
    evict::{Answer, evict},
    follow::{Filter, Objects, follow},
    gate::Seen,
    run::Run,
    snapshot::{now, unreadable},
};
use crate::drain::{DrainEvent, Filtered, Pod, PodEnd, judge, read_pod};

/// Between attempts that nothing announces: kubectl's `EvictErrorRetryDelay`.
const RETRY: Duration = Duration::from_secs(5);
/// When a budget is asked in spite of what is known of it: a watch may be behind.
const ANYWAY: Duration = Duration::from_secs(30);

/// How long Pods that were deleted by force get, beyond their grace period.
const FORCED: Duration = Duration::from_secs(120);

/// What is known of a Pod's end, by uid.
pub(super) type Ends = BTreeMap<String, (Pod, PodEnd)>;

impl Run<'_> {
    /// Why a Pod of a node is not evicted.
    pub(super) fn filtered(&self, pod: &Pod) -> Option<Filtered> {
        judge(self.drain, pod, now(), |name| !self.daemon_sets.contains(&(pod.namespace.to_string(), name.to_owned())))
    }

    /// Empties a node; ends only when it is empty, or cannot be emptied. `ends` tells how far it came, whenever it is dropped.
    pub(super) async fn empty(&self, node: &str, ends: &std::sync::Mutex<Ends>) -> Result<(), Error> {
        let (told, pods) = watch::channel::<Objects<Pod>>(None);
        let fields = Filter::Fields(format!("spec.nodeName={node}"));
        let read = |object| read_pod(object).map_err(unreadable);
        tokio::select! {
            error = follow(&self.api, PODS, fields, read, &told) => Err(error),
            done = self.clear(pods, ends) => done,
        }
    }

    async fn clear(&self, mut pods: watch::Receiver<Objects<Pod>>, ends: &std::sync::Mutex<Ends>) -> Result<(), Error> {
        let mut started = BTreeSet::new();
        let mut at_first: Option<BTreeSet<String>> = None;
        let mut evictions = FuturesUnordered::new();
        loop {
            let present: Objects<Pod> = pods.borrow_and_update().clone();
            if let Some(present) = present {
                let mut left = 0;
                let at_first = at_first.get_or_insert_with(|| present.keys().cloned().collect());
                for (uid, pod) in &present {
                    // It came in spite of the cordon, and would come again.
                    if !at_first.contains(uid) && pod.placement.bears_cordon() {
                        continue;
                    }
                    match self.filtered(pod) {
                        Some(why) if why.refuses() => return Err(refused(pod, why)),
                        Some(why) => {
                            self.note(ends, pod, PodEnd::Stays(why));
                        }
                        None => {
                            left += 1;
                            if started.insert(uid.clone()) {
                                self.note(ends, pod, PodEnd::Held("not tried yet".to_owned()));
                                evictions.push(self.send_off(pod.clone(), pods.clone(), ends));
                            }
                        }
                    }
                }
                self.note_gone(ends, &present);
                if left == 0 {
                    // What is still on its way is told of.
                    while let Some(sent) = evictions.next().await {
                        sent?;
                    }
                    return Ok(());
                }
            }
            tokio::select! {
                changed = pods.changed() => if changed.is_err() { std::future::pending::<()>().await },
                Some(sent) = evictions.next(), if !evictions.is_empty() => sent?,
            }
        }
    }

    /// Tries to evict a Pod until it is going.
    async fn send_off(&self, pod: Pod, mut pods: watch::Receiver<Objects<Pod>>, ends: &std::sync::Mutex<Ends>) -> Result<(), Error> {
        let mut budgets = self.gates.budgets.clone();
        // When the budget is asked whatever is known of it.
        let mut anyway = Instant::now() + ANYWAY;
        let mut told = String::new();
        loop {
            let now = pods.borrow_and_update().as_ref().and_then(|pods| pods.get(&pod.uid).cloned());
            let Some(now) = now.filter(|pod| pod.deleted_at.is_none()) else {
                self.note(ends, &pod, PodEnd::Going);
                return Ok(());
            };
            budgets.borrow_and_update();
            let seen = if now.needs_no_budget() { Vec::new() } else { self.gates.of(&now) };
            let only = seen.first().filter(|_| seen.len() == 1).map(|seen| (self.gates.gate(&seen.0), seen));
            // Pods that are not ready may go without using the budget up, so they wait for nobody's turn.
            let free = |(budget, _): &Seen| !now.ready && budget.lets_unhealthy_go(budget.healthy);
            let turn = match &only {
                Some((gate, _)) if now.ready => tokio::select! {
                    biased;
                    turn = gate.turn.lock() => Some(turn),
                    () = changed(&mut pods, &mut budgets) => continue,
                },
                _ => None,
            };
            if let Some((gate, seen)) = &only
                && !gate.allows(seen)
                && !free(seen)
                && Instant::now() < anyway
            {
                let why = format!("budget {} needs {} ready Pods and has {}", seen.0.at(), seen.0.desired, seen.0.healthy);
                self.hold(ends, &now, why, &mut told);
                tokio::select! {
                    () = changed(&mut pods, &mut budgets) => {}
                    () = tokio::time::sleep_until(anyway) => {}
                }
                continue;
            }
            // It may be seen to be gone before we have the answer.
            self.note(ends, &now, PodEnd::Going);
            let answer = evict(&self.api, &now, self.drain.grace).await;
            let (why, after) = match answer {
                Answer::Accepted => {
                    if let Some((gate, seen)) = only.as_ref().filter(|(_, seen)| !free(seen)) {
                        gate.spend(seen);
                    }
                    self.tell(DrainEvent::Evicted { pod: now.at() });
                    self.note(ends, &now, PodEnd::Going);
                    return Ok(());
                }
                Answer::Gone => {
                    self.note(ends, &now, PodEnd::Going);
                    return Ok(());
                }
                Answer::Fatal(error) => return Err(error),
                Answer::Budget { why, after } => (why, after.unwrap_or(RETRY)),
                Answer::Later { why, after } => (why, after.unwrap_or(RETRY)),
                Answer::Terminating => ("its namespace is being deleted".to_owned(), RETRY),
                // Until somebody changes a budget or the Pod.
                Answer::Never(why) => (why, Duration::MAX),
            };
            anyway = Instant::now() + ANYWAY;
            self.hold(ends, &now, why, &mut told);
            // Not sooner than the server asked; of what it will never do, not before the Pod or the budgets that protect it are others.
            if after < Duration::MAX {
                sleep(after).await;
            } else {
                let same = |pod: &Pod| pod.deleted_at.is_none() && pod.labels == now.labels && names(&self.gates.of(pod)) == names(&seen);
                while pods.borrow_and_update().as_ref().and_then(|pods| pods.get(&now.uid)).is_some_and(same) {
                    budgets.borrow_and_update();
                    changed(&mut pods, &mut budgets).await;
                }
            }
            drop(turn);
        }
    }

    /// Keeps why a Pod does not go, and tells it if that is new.
    fn hold(&self, ends: &std::sync::Mutex<Ends>, pod: &Pod, why: String, told: &mut String) {
        if self.note(ends, pod, PodEnd::Held(why.clone())) && *told != why {
            told.clone_from(&why);
            self.tell(DrainEvent::Held { pod: pod.at(), why });
        }
    }

    /// Keeps how it stands with a Pod. Whether that is new.
    fn note(&self, ends: &std::sync::Mutex<Ends>, pod: &Pod, end: PodEnd) -> bool {
        let mut ends = ends.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = ends.entry(pod.uid.clone()).or_insert_with(|| (pod.clone(), PodEnd::Going));
        let fresh = known.1 != end && !matches!(known.1, PodEnd::Deleted | PodEnd::Gone | PodEnd::WentByItself);
        if !fresh {
            return false;
        }
        if let PodEnd::Stays(why) = end {
            self.tell(DrainEvent::Stays { pod: pod.at(), why });
        }
        known.1 = end;
        true
    }

    /// Pods that are no longer there.
    fn note_gone(&self, ends: &std::sync::Mutex<Ends>, present: &BTreeMap<String, Pod>) {
        let mut ends = ends.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (pod, end) in ends.iter_mut().filter(|(uid, _)| !present.contains_key(*uid)).map(|(_, known)| known) {
            let gone = match end {
                PodEnd::Going => PodEnd::Gone,
                PodEnd::Held(_) => PodEnd::WentByItself,
                PodEnd::Gone | PodEnd::WentByItself | PodEnd::Deleted | PodEnd::Stays(_) => continue,
            };
            *end = gone;
            self.tell(DrainEvent::Gone { pod: pod.at(), after: self.began.elapsed() });
        }
    }

    /// Deletes what is left on a node, past its budgets, and waits until it is gone: as long as the Pods have leave to take, and
    /// [`FORCED`]. Whether it is.
    pub(super) async fn force_out(&self, node: &str, ends: &std::sync::Mutex<Ends>) -> Result<bool, Error> {
        let params = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let (mut grace, mut failure) = (Duration::ZERO, None);
        let found = self.api.list(PODS, params).await?.0.into_iter();
        let found = found.map(|object| read_pod(object).map_err(unreadable)).collect::<Result<Vec<_>, _>>()?;
        // What stands in the way of the whole node is found before anything is deleted.
        if let Some((pod, why)) = found.iter().find_map(|pod| Some((pod, self.filtered(pod).filter(|why| why.refuses())?))) {
            return Err(refused(pod, why));
        }
        for pod in found {
            if self.filtered(&pod).is_some() {
                continue;
            }
            let own = self.drain.grace.filter(|_| pod.deleted_at.is_none()).unwrap_or(pod.grace);
            grace = grace.max(Duration::from_secs(u64::from(own)));
            if pod.deleted_at.is_some() {
                continue;
            }
            match self.api.delete_pod(&pod.namespace, &pod.name, &pod.uid, self.drain.grace).await {
                Ok(()) => {
                    self.tell(DrainEvent::Deleted { pod: pod.at() });
                    self.note(ends, &pod, PodEnd::Deleted);
                }
                // The others go nevertheless.
                Err(error) => failure = Some(error),
            }
        }
        match timeout(grace + FORCED, self.empty(node, ends)).await {
            _ if failure.is_some() => failure.map_or(Ok(false), Err),
            Ok(emptied) => emptied.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

/// Ends when something that is followed has changed.
async fn changed(pods: &mut watch::Receiver<Objects<Pod>>, budgets: &mut watch::Receiver<Objects<Seen>>) {
    let followed = tokio::select! {
        end = pods.changed() => end,
        end = budgets.changed() => end,
    };
    // Nobody follows any more: the drain is about to end.
    if followed.is_err() {
        std::future::pending::<()>().await;
    }
}

fn names(budgets: &[Seen]) -> Vec<String> {
    budgets.iter().map(|(budget, _)| budget.at()).collect()
}

pub(super) fn refused(pod: &Pod, why: Filtered) -> Error {
    Error::Refused {
        subject: format!("Pod {}", pod.at()),
        rule: format!("it {why}"),
        remedy: "let the drain take it (delete_local_data, force), or delete it".to_owned(),
    }
}
