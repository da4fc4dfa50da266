//! Everything of one owner's in an account, found from nothing but the account, and how it is taken down.

use std::collections::BTreeSet;

use eks_cluster::{Clusters, Scope};
use eks_core::{ClusterName, ClusterStanding, ClusterTrace, Owner, Teardown, engine::Engine};
use eks_k8s::{Unanswered, client::Objects};
use eks_net::{
    Networks,
    leftovers::{Handling, Leftovers},
    machines::Machines,
};
use eks_nodes::Workers;

use crate::{account::Account, environment::Failure};

/// How a teardown is meant.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Choices {
    /// The cluster, where the account tells of several.
    pub cluster: Option<ClusterName>,
    /// Whether a cluster goes although its deletion protection is on.
    pub unprotect: bool,
    /// What becomes of what Kubernetes did not let go of.
    pub leftovers: Handling,
    /// What is done where Kubernetes does not answer.
    pub unanswered: Unanswered,
}

/// The handles of every layer, and the clusters that the account tells of.
#[derive(Debug)]
pub struct Owned {
    owner: Owner,
    region: String,
    traces: Vec<ClusterTrace>,
    networks: Networks,
    machines: Machines,
    leftovers: Leftovers,
    clusters: Clusters,
    workers: Workers,
    kubernetes: Objects,
    engine: Engine,
}

impl Owned {
    /// Looks for the clusters of an owner: those that carry its tag, and those that roles, identity providers and subnets of the owner's
    /// still name.
    ///
    /// # Errors
    /// If the account cannot be looked through.
    pub async fn find(account: &Account, owner: &str) -> Result<Self, Failure> {
        let owner = Owner::new(owner)?;
        let config = account.config();
        let region = config.region().map(ToString::to_string).ok_or("no Region is configured: set AWS_REGION, or give --region")?;
        let (networks, clusters, workers) = (Networks::new(config), Clusters::new(config), Workers::new(config));
        let (machines, leftovers, kubernetes) = (Machines::new(config), Leftovers::new(config), account.kubernetes());
        let named: BTreeSet<ClusterName> = networks
            .observe(&owner)
            .await?
            .subnets
            .iter()
            .flat_map(|subnet| subnet.tags.keys())
            .filter_map(|key| key.strip_prefix("kubernetes.io/cluster/")?.parse().ok())
            .collect();
        let traces = clusters.traces(&owner, named).await?;
        let engine = account.engine().driver(networks.clone()).driver(machines.clone()).driver(leftovers.clone());
        let engine = engine.driver(clusters.clone()).driver(workers.clone()).driver(kubernetes.clone());
        Ok(Self { owner, region, traces, networks, machines, leftovers, clusters, workers, kubernetes, engine })
    }

    /// The engine with a driver for each layer.
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// The clusters that the account tells of.
    pub fn traces(&self) -> &[ClusterTrace] {
        &self.traces
    }

    /// The cluster to take down: the one that is there, or was last.
    ///
    /// # Errors
    /// If several could be meant.
    fn cluster(&self, wanted: Option<&ClusterName>) -> Result<ClusterName, Failure> {
        if let Some(name) = wanted {
            return Ok(name.clone());
        }
        let of = |there: bool| {
            let alike = move |trace: &&ClusterTrace| match trace.standing {
                ClusterStanding::Ours { .. } => there,
                ClusterStanding::Gone => !there,
                _ => false,
            };
            self.traces.iter().filter(alike).map(|trace| trace.name.clone()).collect::<Vec<_>>()
        };
        let mut names = of(true);
        if names.is_empty() {
            names = of(false);
        }
        match names.as_slice() {
            // Roles are looked for all the same: a run may have ended after the first of them.
            [] => Ok(ClusterName::new(self.owner.as_str())?),
            [name] => Ok(name.clone()),
            several => {
                let several: Vec<_> = several.iter().map(ToString::to_string).collect();
                Err(format!("several clusters are named: {}; say which one by --cluster", several.join(", ")).into())
            }
        }
    }

    /// Everything of the owner's, to be removed, and what stays.
    ///
    /// # Errors
    /// If a layer cannot be looked through, several clusters could be meant, or another cluster of the owner's stands: workers and networks
    /// go by their owner, and it would lose its own.
    pub async fn teardown(&self, choices: &Choices) -> Result<Teardown, Failure> {
        let name = self.cluster(choices.cluster.as_ref())?;
        let stands = |trace: &&ClusterTrace| trace.name != name && matches!(trace.standing, ClusterStanding::Ours { .. });
        if let Some(other) = self.traces.iter().find(stands) {
            let other = &other.name;
            return Err(format!("the cluster {other} stands as well, and would lose its workers and network; delete it alone first").into());
        }
        let ours = self.traces.iter().any(|trace| trace.name == name && matches!(trace.standing, ClusterStanding::Ours { .. }));
        let access = if ours { self.clusters.access(&name).await? } else { None };
        let scope = Scope::everything(name.clone(), &self.region);
        let scope = if choices.unprotect { scope.unprotect() } else { scope };
        let layers = [
            self.kubernetes.teardown_or(&self.owner, access, choices.unanswered).await?,
            self.workers.teardown(&self.owner).await?,
            self.clusters.teardown_of(&self.owner, &scope).await?,
            self.machines.teardown(&self.owner).await?,
            self.networks.teardown(&self.owner).await?,
        ];
        let mut traces = self.traces.clone();
        if choices.cluster.is_some() && traces.iter().all(|trace| trace.name != name) {
            // A person says that it was there. Whose it was, its leavings must prove themselves.
            traces.push(ClusterTrace { name, standing: ClusterStanding::Gone });
        }
        // It tells which clusters go; what others have is in use.
        let above = Teardown::join(layers)?;
        let left = self.leftovers.teardown(&self.owner, traces, choices.leftovers, Some(&above)).await?;
        Ok(Teardown::join([above, left])?)
    }
}
