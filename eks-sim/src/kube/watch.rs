//! Watches: one JSON event a line, until the client goes or the time is over.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::{
    kinds::Kind,
    select::Selector,
    status::Refusal,
    store::{Change, Cluster},
};
use crate::sim::Sim;

/// The API server ends watches after a random time from its `--min-request-timeout` of 30 minutes on.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// `bookmarkFrequency` of the watch cache.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// What a watch is for.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) cluster: String,
    pub(super) kind: &'static Kind,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    /// Begins with an ADDED for each object that is there.
    pub(super) initial: bool,
    /// Tells by a bookmark where the beginning ends (streaming lists).
    pub(super) marks_initial_end: bool,
    pub(super) bookmarks: bool,
    pub(super) since: u64,
    pub(super) timeout: Option<Duration>,
}

impl Watch {
    /// Starts the watch; its lines.
    pub(super) fn start(self, sim: &Sim) -> UnboundedReceiver<Bytes> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sim = sim.clone();
        tokio::spawn(self.run(sim, sender));
        receiver
    }

    async fn run(mut self, sim: Sim, sender: UnboundedSender<Bytes>) {
        let clock = sim.clock();
        let end = clock.now() + self.timeout.unwrap_or(LONGEST).min(LONGEST);
        let mut bookmark = clock.now() + BOOKMARKS;
        let mut changes = sim.watched();
        loop {
            let (lines, goes_on) = sim.with(|world| match world.kube.clusters.get(&self.cluster) {
                // The client's process is dead, or the API server is.
                _ if world.killed => (Vec::new(), false),
                None => (Vec::new(), false),
                Some(cluster) => self.read(cluster),
            });
            for line in lines {
                if sender.send(line).is_err() {
                    return;
                }
            }
            if !goes_on || clock.now() >= end {
                return;
            }
            if self.bookmarks && clock.now() >= bookmark {
                bookmark = clock.now() + BOOKMARKS;
                if sender.send(self.bookmark(false)).is_err() {
                    return;
                }
            }
            let until = if self.bookmarks { bookmark.min(end) } else { end };
            tokio::select! {
                () = sender.closed() => return,
                () = clock.sleep_until(until) => {}
                () = sim.changed(&mut changes) => {}
            }
        }
    }

    /// What has happened since the last reading, and whether the watch goes on.
    fn read(&mut self, cluster: &Cluster) -> (Vec<Bytes>, bool) {
        let mut lines = Vec::new();
        if std::mem::take(&mut self.initial) {
            let objects = cluster.list(self.kind, self.namespace.as_deref());
            lines.extend(objects.filter(|(_, object)| self.selector.matches(object)).map(|(_, object)| line("ADDED", object)));
            self.since = cluster.revision;
            if self.marks_initial_end {
                lines.push(self.bookmark(true));
            }
            return (lines, true);
        }
        if self.since < cluster.forgotten {
            lines.push(line("ERROR", &Refusal::expired(self.since, cluster.forgotten).object()));
            return (lines, false);
        }
        let start = cluster.history.partition_point(|change| change.revision <= self.since);
        lines.extend(cluster.history.iter().skip(start).filter_map(|change| self.event(change)));
        self.since = self.since.max(cluster.revision);
        (lines, true)
    }

    /// A change as this watch sees it: an object that begins or ceases to match is added or deleted.
    fn event(&self, change: &Change) -> Option<Bytes> {
        if change.key.kind != self.kind || self.namespace.as_ref().is_some_and(|wanted| *wanted != change.key.namespace) {
            return None;
        }
        let matching = |object: &Option<Arc<Value>>| object.clone().filter(|object| self.selector.matches(object));
        match (matching(&change.before), matching(&change.after)) {
            (None, None) => None,
            (None, Some(after)) => Some(line("ADDED", &after)),
            (Some(_), Some(after)) => Some(line("MODIFIED", &after)),
            (Some(before), None) => {
                let mut last = (*before).clone();
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                Some(line("DELETED", &last))
            }
        }
    }

    fn bookmark(&self, initial_end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": self.since.to_string(), "creationTimestamp": null});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        line("BOOKMARK", &json!({"kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata}))
    }
}

fn line(event: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": event, "object": object})))
}
