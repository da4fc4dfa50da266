//! What Kubernetes tells of nodes that are waited for, for whoever knows the machines behind them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use eks_core::{AwaitedNodes, ConfigMapAccess, Error, SeenNode};
use kube::{Client, api::ListParams};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    api::{CONFIG_MAPS, Collection, DAEMON_SETS, NODES},
    connect::Place,
};
use crate::{
    AwsAuth,
    aws_auth::record::{NAME, NAMESPACE},
    observed::is_ready,
};

/// The pause between two questions. Three calls to the API server each, and a dozen to AWS.
pub(super) const EVERY: Duration = Duration::from_secs(20);

/// Doubts whether awaited nodes will come.
pub(super) struct Doubt<'a> {
    place: &'a Place<'a>,
    group: &'a str,
    label: &'a (String, String),
    desired: u32,
    began: Instant,
    /// Since when each node that is not Ready has been seen so, by uid.
    unready: Mutex<BTreeMap<String, Instant>>,
}

impl<'a> Doubt<'a> {
    pub(super) fn new(place: &'a Place<'a>, group: &'a str, label: &'a (String, String), desired: u32) -> Self {
        Self { place, group, label, desired, began: Instant::now(), unready: Mutex::default() }
    }

    /// Why they will not come; `None` if nobody was asked, or nobody is certain.
    pub(super) async fn ask(&self) -> Option<Error> {
        let watch = self.place.watch()?;
        let client = self.place.client().await.ok();
        let (nodes, aws_auth, daemon_sets) = match &client {
            Some(client) => (self.nodes(client).await, aws_auth(client).await, daemon_sets(client).await),
            None => (None, None, None),
        };
        let awaited = AwaitedNodes {
            cluster: self.place.cluster(),
            group: self.group.to_owned(),
            desired: self.desired,
            waited: self.began.elapsed(),
            nodes,
            aws_auth,
            daemon_sets,
        };
        let diagnosis = watch.doom(&awaited).await?;
        Some(Error::Diagnosed { subject: format!("nodes of {}", self.group), diagnosis: Box::new(diagnosis) })
    }

    /// Every node, whatever its labels: one that joined without the label is no riddle.
    async fn nodes(&self, client: &Client) -> Option<Vec<SeenNode>> {
        let (nodes, _) = Collection::all(client, NODES).list(ListParams::default()).await.ok()?;
        let mut unready = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        unready.retain(|uid, _| nodes.iter().any(|node| node["metadata"]["uid"] == uid.as_str() && !is_ready(node)));
        let seen = nodes.iter().map(|node| {
            let uid = node["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            let ready = is_ready(node);
            let since = if ready { now } else { *unready.entry(uid).or_insert(now) };
            seen(node, ready, now - since, self.label)
        });
        Some(seen.collect())
    }
}

fn seen(node: &Value, ready: bool, not_ready_for: Duration, label: &(String, String)) -> SeenNode {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let message = conditions.filter(|condition| condition["type"] == "Ready").find_map(|condition| condition["message"].as_str());
    SeenNode {
        name: node["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        // `aws:///us-east-1a/i-0123456789abcdef0`
        instance: node["spec"]["providerID"].as_str().and_then(|id| id.rsplit('/').next()).map(str::to_owned),
        labelled: node["metadata"]["labels"][&label.0] == label.1.as_str(),
        ready,
        not_ready_for,
        message: message.unwrap_or_default().to_owned(),
    }
}

async fn aws_auth(client: &Client) -> Option<ConfigMapAccess> {
    match Collection::within(client, CONFIG_MAPS, NAMESPACE).get(NAME).await.ok()? {
        None => Some(ConfigMapAccess::default()),
        // What cannot be read is somebody else's riddle.
        Some(map) => AwsAuth::read(&map).ok().map(|document| document.access()),
    }
}

/// Of every namespace: network plugins have their own.
async fn daemon_sets(client: &Client) -> Option<Vec<String>> {
    let (sets, _) = Collection::all(client, DAEMON_SETS).list(ListParams::default()).await.ok()?;
    Some(sets.iter().filter_map(|set| set["metadata"]["name"].as_str()).map(str::to_owned).collect())
}
