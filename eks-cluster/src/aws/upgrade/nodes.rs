//! Who tells an upgrade of the nodes.

use std::{fmt, time::Duration};

use eks_core::{Class, Error, aws::failed, engine::BoxFuture};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    ClusterAccess, KubernetesVersion, ObservedCluster,
    aws::{Clusters, observe::all},
    upgrade::{NodeKind, NodeVersion, ObservedNodes},
};

/// The nodes of a cluster, as its API server tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenNodes {
    /// All of them.
    pub nodes: Vec<NodeVersion>,
    /// kube-proxy's version by its image, if it is there.
    pub kube_proxy: Option<KubernetesVersion>,
}

impl SeenNodes {
    /// Nodes, and kube-proxy's version if it is known.
    pub fn new(nodes: impl IntoIterator<Item = NodeVersion>, kube_proxy: Option<KubernetesVersion>) -> Self {
        Self { nodes: nodes.into_iter().collect(), kube_proxy }
    }
}

/// Reads the nodes of a cluster from Kubernetes.
pub trait ReadNodes: fmt::Debug + Send + Sync {
    /// The nodes now. API servers are replaced while their version changes, so a read may fail; with [`Class::Transient`] it is repeated.
    ///
    /// # Errors
    /// If Kubernetes cannot be read.
    fn read<'a>(&'a self, cluster: &'a ClusterAccess) -> BoxFuture<'a, Result<SeenNodes, Error>>;
}

/// How long a read of nodes that fails is repeated, outside of the runner, which has its own patience.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(3);

impl Clusters {
    /// The nodes, all of them if somebody reads Kubernetes for us.
    pub(super) async fn upgrade_nodes(&self, cluster: &ObservedCluster) -> Result<(ObservedNodes, Option<KubernetesVersion>), Error> {
        let began = Instant::now();
        loop {
            match self.seen_nodes(cluster).await {
                Err(error) if heals(&error) && began.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error),
                Ok(Some(seen)) => return Ok((ObservedNodes::all(seen.nodes), seen.kube_proxy)),
                Ok(None) => return Ok((ObservedNodes::managed_only(self.node_groups(cluster).await?), None)),
            }
        }
    }

    /// What Kubernetes tells, if somebody reads it for us.
    pub(super) async fn seen_nodes(&self, cluster: &ObservedCluster) -> Result<Option<SeenNodes>, Error> {
        let access = ClusterAccess::from_outputs(&cluster.outputs());
        match (&self.nodes, access) {
            (Some(reader), Some(access)) => reader.read(&access).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Managed node groups, each as one node of its version.
    async fn node_groups(&self, cluster: &ObservedCluster) -> Result<Vec<NodeVersion>, Error> {
        let mut pages = self.eks.list_nodegroups().cluster_name(cluster.name.as_str()).into_paginator().items().send();
        let mut asked = JoinSet::new();
        while let Some(group) = pages.next().await {
            let group = group.map_err(|error| failed("eks:ListNodegroups", cluster.name.as_str(), error))?;
            let (this, cluster) = (self.clone(), cluster.name.clone());
            asked.spawn(async move {
                let sent = this.eks.describe_nodegroup().cluster_name(cluster.as_str()).nodegroup_name(&group).send().await;
                let answer = super::super::found(sent.map_err(|error| failed("eks:DescribeNodegroup", &group, error)))?;
                let version = answer.and_then(|answer| answer.nodegroup).and_then(|group| group.version);
                let node = version.and_then(|version| NodeVersion::new(&group, NodeKind::Managed { group: group.clone() }, &version).ok());
                Ok(node.map(|node| (group, node)))
            });
        }
        Ok(all(asked).await?.into_values().collect())
    }
}

fn heals(error: &Error) -> bool {
    matches!(error.class(), Class::Transient | Class::Throttled | Class::Inconsistent)
}
