//! A handle for each layer of an account, and one engine that drives them all.

use eks_cluster::Clusters;
use eks_core::{ClusterName, Owner, Plan, Teardown, Verdict, engine::Engine};
use eks_k8s::client::Objects;
use eks_net::Networks;
use eks_nodes::Workers;

use crate::{account::Account, environment::Failure, program::telling};

/// The handles, as a program that works with several layers holds them.
#[derive(Clone, Debug)]
pub struct Layers {
    /// Networks.
    pub networks: Networks,
    /// Control planes.
    pub clusters: Clusters,
    /// Workers.
    pub workers: Workers,
    /// Kubernetes objects.
    pub kubernetes: Objects,
    engine: Engine,
}

impl Layers {
    /// The handles of an account.
    pub fn of(account: &Account) -> Self {
        let config = account.config();
        let (networks, clusters, workers) = (Networks::new(config), Clusters::new(config), Workers::new(config));
        let kubernetes = account.kubernetes();
        let engine = account.engine().driver(networks.clone()).driver(clusters.clone());
        let engine = engine.driver(workers.clone()).driver(kubernetes.clone());
        Self { networks, clusters, workers, kubernetes, engine }
    }

    /// The engine with a driver for each layer. It shows nothing.
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// The engine, with lines of progress on standard output.
    pub fn telling(&self) -> Engine {
        telling(self.engine())
    }

    /// Everything of an owner's with this cluster, to be removed.
    ///
    /// # Errors
    /// If a layer cannot be observed.
    pub async fn teardown(&self, owner: &Owner, cluster: &ClusterName) -> Result<Teardown, Failure> {
        let access = self.clusters.access(cluster).await?;
        Ok(Teardown::join([
            self.kubernetes.teardown(owner, access).await?,
            self.workers.teardown(owner).await?,
            self.clusters.teardown(owner, cluster).await?,
            self.networks.teardown(owner).await?,
        ])?)
    }

    /// Applies a plan and shows how.
    ///
    /// # Errors
    /// If it is not applied wholly.
    pub async fn apply(&self, plan: &Plan) -> Result<(), Failure> {
        plan.apply(&self.telling()).await?;
        Ok(())
    }

    /// Carries a teardown out and shows how.
    ///
    /// # Errors
    /// If it ends without a verdict.
    pub async fn tear_down(&self, teardown: &Teardown) -> Result<Verdict, Failure> {
        Ok(teardown.apply(&self.telling()).await?.verdict)
    }
}
