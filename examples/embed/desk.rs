//! Environments, and what is being done with them. Nothing is kept but in memory: what exists is in the account, found by its tags.

use std::{collections::HashMap, sync::Arc};

use eks_cluster::{ClusterSpec, KubernetesVersion};
use eks_core::{ClusterName, Owner, Plan, StackName, Verdict, engine::CancellationToken};
use eks_examples::{account::Account, environment::Failure, layers::Layers};
use eks_net::{Nat, NetworkSpec};
use eks_nodes::{Capacity, WorkersSpec};
use serde::Deserialize;
use tokio::{
    sync::{Mutex, mpsc::UnboundedReceiver},
    task::JoinHandle,
};

use self::log::Log;

pub(crate) mod log;

/// What a client asks for: a network, a control plane, and workers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) owner: Owner,
    cidr: String,
    #[serde(default = "two")]
    nodes: u32,
}

fn two() -> u32 {
    2
}

/// An environment that somebody asked for.
struct Environment {
    plan: Arc<Plan>,
    run: Option<Run>,
}

/// A run, over or not.
struct Run {
    log: Log,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// All of them.
pub(crate) struct Desk {
    layers: Layers,
    zones: Vec<String>,
    environments: Mutex<HashMap<Owner, Environment>>,
    closing: CancellationToken,
}

impl Desk {
    pub(crate) async fn new(account: &Account) -> Result<Self, Failure> {
        let (layers, zones) = (Layers::of(account), account.zones(2).await?);
        Ok(Self { layers, zones, environments: Mutex::default(), closing: CancellationToken::new() })
    }

    /// Ends when the service does.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// Every run stops, and is waited for.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        let runs: Vec<_> =
            self.environments.lock().await.values_mut().filter_map(|environment| environment.run.as_mut()?.task.take()).collect();
        for run in runs {
            // One that panicked has ended, too.
            let _ = run.await;
        }
    }

    /// Plans what is asked for. Nothing is done.
    pub(crate) async fn plan(&self, wish: Wish) -> Result<Arc<Plan>, Failure> {
        let Wish { owner, cidr, nodes } = wish;
        let name = ClusterName::new(owner.as_str())?;
        let network = NetworkSpec::builder(&owner, &cidr).zones(self.zones.clone()).nat(Nat::Single).cluster(name.as_str()).build()?;
        let cluster = ClusterSpec::builder(&owner, name, KubernetesVersion::V1_36, network.refs()).build()?;
        let workers = WorkersSpec::builder(&owner, StackName::new(format!("{owner}-worker"))?, cluster.refs(), network.refs().private());
        let workers = workers.capacity(Capacity::new(nodes, nodes, nodes + 1)?).build()?;

        let network = self.layers.networks.plan(&network).await?;
        let cluster = self.layers.clusters.plan(&cluster.over(&network)).await?;
        let plan = Arc::new(Plan::join([network, cluster, self.layers.workers.plan(&workers).await?])?);
        let mut environments = self.environments.lock().await;
        let run = environments.remove(&owner).and_then(|before| before.run);
        environments.insert(owner, Environment { plan: plan.clone(), run });
        Ok(plan)
    }

    /// Applies the plan, in the background: a client that goes away stops nothing. `false` if there is none, or it is being applied.
    pub(crate) async fn start(&self, owner: &Owner) -> bool {
        let mut environments = self.environments.lock().await;
        let Some(environment) = environments.get_mut(owner).filter(|environment| !environment.is_running()) else { return false };
        let (plan, log, stop) = (environment.plan.clone(), Log::default(), self.closing.child_token());
        let told = log.clone();
        let engine = self.layers.engine().cancelled_by(stop.clone()).observer(move |event| told.tell(event));
        let ends = log.clone();
        let task = tokio::spawn(async move { ends.end(plan.apply(&engine).await.map(drop)) });
        environment.run = Some(Run { log, stop, task: Some(task) });
        true
    }

    /// Stops a run and waits until it has ended: calls under way land. `false` if nothing runs.
    pub(crate) async fn stop(&self, owner: &Owner) -> bool {
        let run = self.environments.lock().await.get_mut(owner).and_then(|environment| {
            let run = environment.run.as_mut()?;
            run.stop.cancel();
            run.task.take()
        });
        match run {
            Some(run) => run.await.is_ok(),
            None => false,
        }
    }

    /// A run's events, from its beginning.
    pub(crate) async fn listen(&self, owner: &Owner) -> Option<UnboundedReceiver<serde_json::Value>> {
        Some(self.environments.lock().await.get(owner)?.run.as_ref()?.log.listen())
    }

    /// Stops what runs, and takes everything of an owner's down.
    pub(crate) async fn tear_down(&self, owner: &Owner) -> Result<Verdict, Failure> {
        self.stop(owner).await;
        let teardown = self.layers.teardown(owner, &ClusterName::new(owner.as_str())?).await?;
        let engine = self.layers.engine().cancelled_by(self.closing.child_token());
        // A task of its own, as a client that goes away drops its request.
        let verdict = tokio::spawn(async move { teardown.apply(&engine).await }).await??.verdict;
        self.environments.lock().await.remove(owner);
        Ok(verdict)
    }
}

impl Environment {
    fn is_running(&self) -> bool {
        self.run.as_ref().and_then(|run| run.task.as_ref()).is_some_and(|task| !task.is_finished())
    }
}
