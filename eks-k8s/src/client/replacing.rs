//! Reading what a replacement of nodes has to know, and pausing who would change their number meanwhile.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use eks_core::{Class, Error};
use futures::future::{join_all, try_join, try_join_all};
use kube::api::ListParams;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    calls::{Api, DAEMON_SETS, DEPLOYMENTS, INGRESS_CLASSES, INGRESSES, NODE_POOLS, NODES, PODS, REPLICA_SETS, SERVICES, STATEFUL_SETS},
    connect::Objects,
    error::failed,
};
use crate::{
    Access,
    replacing::{Autoscaler, Deregistration, Health, HealthReader, Listed, paused, resumed},
};

/// How long a paused Deployment's Pods get to end, and how often they are looked for.
const ENDING: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_secs(2);

impl Objects {
    /// Who changes the number of nodes by itself: Deployments of the Cluster Autoscaler, and NodePools of Karpenter and of Auto Mode. Two
    /// lists.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn autoscalers(&self, access: Option<&Access>) -> Result<Vec<Autoscaler>, Error> {
        let api = Api::new(self.place(access.cloned()));
        let (deployments, pools) = try_join(deployments(&api), served(&api, NODE_POOLS)).await?;
        let mut found: Vec<Autoscaler> = deployments.iter().filter_map(Autoscaler::of_deployment).collect();
        found.extend(pools.iter().map(Autoscaler::of_node_pool));
        found.sort();
        Ok(found)
    }

    /// Scales every Deployment of the Cluster Autoscaler to zero, and waits until the Pods of those that this mark pauses have ended, whichever
    /// run paused them. What it had is written on it. One that somebody else turned off is left so, and NodePools are not touched. Those that
    /// were changed.
    ///
    /// # Errors
    /// [`Error::Timeout`] if Pods do not end; [`Error::Call`].
    pub async fn pause_autoscalers(&self, access: Option<&Access>, mark: &str) -> Result<Vec<Autoscaler>, Error> {
        let api = Api::new(self.place(access.cloned()));
        let changed = change(&api, |deployment| paused(deployment, mark)).await?;
        let all: Vec<Autoscaler> = deployments(&api).await?.iter().filter_map(Autoscaler::of_deployment).collect();
        let paused = all.iter().filter(|autoscaler| autoscaler.paused_for.iter().any(|other| other == mark));
        try_join_all(paused.map(|autoscaler| ended(&api, autoscaler))).await?;
        Ok(changed)
    }

    /// Gives every Deployment of the Cluster Autoscaler back what it had before it was paused for this mark, unless another mark pauses it, too.
    /// A number that somebody else has set since stays. Those that were changed.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn resume_autoscalers(&self, access: Option<&Access>, mark: &str) -> Result<Vec<Autoscaler>, Error> {
        change(&Api::new(self.place(access.cloned())), |deployment| resumed(deployment, mark)).await
    }

    /// How workloads, nodes and Pods are: six lists at once, page by page.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn health(&self, access: Option<&Access>) -> Result<Health, Error> {
        let api = Api::new(self.place(access.cloned()));
        let mut tries = 1;
        loop {
            match health(&api).await {
                // The API server has forgotten the version that a list began with (410).
                Err(error) if tries < 3 && error.class() == Class::Inconsistent => tries += 1,
                read => return read,
            }
        }
    }

    /// The minor version of the API server: `1.36`.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn version(&self, access: Option<&Access>) -> Result<String, Error> {
        let told = Api::new(self.place(access.cloned())).get("", "version").await?.unwrap_or_default();
        let part = |name: &str| told[name].as_str().unwrap_or_default().trim_end_matches('+').to_owned();
        Ok(format!("{}.{}", part("major"), part("minor")))
    }

    /// How long load balancers of Services and Ingresses go on sending to a node that they have let go. Three lists.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn deregistration(&self, access: Option<&Access>) -> Result<Deregistration, Error> {
        let api = Api::new(self.place(access.cloned()));
        let lists = try_join_all([SERVICES, INGRESSES, INGRESS_CLASSES].map(|path| served(&api, path))).await?;
        let [services, ingresses, classes] = &lists[..] else { return Ok(Deregistration::default()) };
        Ok(Deregistration::of_objects(services, ingresses, classes))
    }
}

async fn deployments(api: &Api<'_>) -> Result<Vec<Value>, Error> {
    Ok(api.list(DEPLOYMENTS, ListParams::default()).await?.0)
}

/// Objects of a kind that not every API server has.
async fn served(api: &Api<'_>, path: &str) -> Result<Vec<Value>, Error> {
    match api.list(path, ListParams::default()).await {
        Ok((found, _)) => Ok(found),
        Err(error) if error.class() == Class::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn change(api: &Api<'_>, patch: impl Fn(&Value) -> Option<Value> + Copy) -> Result<Vec<Autoscaler>, Error> {
    let found: Vec<Autoscaler> = deployments(api).await?.iter().filter_map(Autoscaler::of_deployment).collect();
    let edits = found.into_iter().map(|autoscaler| async move {
        let path = path_of(&autoscaler);
        let edited = api.edit(&path, &autoscaler.name, patch).await?;
        Ok::<_, Error>(edited.and_then(|(_, changed)| changed.then_some(autoscaler)))
    });
    let mut changed = Vec::new();
    for edited in join_all(edits).await {
        changed.extend(edited?);
    }
    Ok(changed)
}

fn path_of(autoscaler: &Autoscaler) -> String {
    format!("/apis/apps/v1/namespaces/{}/deployments", autoscaler.namespace)
}

/// Waits until a Deployment that was scaled to zero has no Pods: its controller has seen the change, and counts none.
async fn ended(api: &Api<'_>, autoscaler: &Autoscaler) -> Result<(), Error> {
    let (path, began, mut polls) = (path_of(autoscaler), Instant::now(), 0);
    loop {
        let Some(found) = api.get(&path, &autoscaler.name).await? else { return Ok(()) };
        let left = found["status"]["replicas"].as_u64().unwrap_or_default();
        let is_seen = found["status"]["observedGeneration"].as_i64() >= found["metadata"]["generation"].as_i64();
        if left == 0 && is_seen {
            return Ok(());
        }
        polls += 1;
        if began.elapsed() >= ENDING {
            return Err(Error::Timeout {
                subject: autoscaler.to_string(),
                state: format!("{left} Pods left"),
                waited: began.elapsed(),
                polls,
            });
        }
        sleep(LOOK).await;
    }
}

async fn health(api: &Api<'_>) -> Result<Health, Error> {
    let reader = Mutex::new(HealthReader::new());
    let lists = [
        (NODES, Listed::Nodes),
        (PODS, Listed::Pods),
        (DEPLOYMENTS, Listed::Deployments),
        (STATEFUL_SETS, Listed::StatefulSets),
        (DAEMON_SETS, Listed::DaemonSets),
        (REPLICA_SETS, Listed::ReplicaSets),
    ];
    try_join_all(lists.map(|(path, of)| {
        let reader = &reader;
        api.pages(path, ListParams::default(), false, move |page| {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.page(of, page).map_err(|error| failed("list", path, kube::Error::SerdeError(error.source)))
        })
    }))
    .await?;
    Ok(reader.into_inner().unwrap_or_else(PoisonError::into_inner).finish())
}
