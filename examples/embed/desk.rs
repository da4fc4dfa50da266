//! Environments, and what is being done with them. Nothing is kept but in memory: what exists is in the account, found by its tags.

use std::{collections::HashMap, fmt, sync::Arc};

use eks_cluster::{ClusterSpec, KubernetesVersion};
use eks_core::{ClusterName, Owner, Plan, StackName, Verdict, engine::CancellationToken};
use eks_examples::{account::Account, environment::Failure, layers::Layers};
use eks_net::{Nat, NetworkSpec};
use eks_nodes::{Capacity, WorkersSpec};
use serde::Deserialize;
use tokio::sync::{Mutex, mpsc::UnboundedReceiver};

use self::log::Log;

pub(crate) mod log;
#[cfg(test)]
mod tests;

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

/// An environment that somebody asked for, or takes down.
#[derive(Default)]
struct Environment {
    plan: Option<Arc<Plan>>,
    run: Option<Run>,
    /// While it is taken down: cancelled when that has ended.
    leaving: Option<CancellationToken>,
}

/// A run, over or not.
struct Run {
    log: Log,
    stop: CancellationToken,
    /// Cancelled when it has ended, also by a panic: its calls have landed.
    ended: CancellationToken,
}

/// Something else is being done with the environment.
#[derive(Debug)]
pub(crate) struct Busy(&'static str);

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Busy {}

const LEAVING: Busy = Busy("it is being taken down: wait for the verdict");

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

    /// Every run and every teardown stops, and is waited for.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        let all = |environment: &Environment| [environment.run.as_ref().map(|run| run.ended.clone()), environment.leaving.clone()];
        let ends: Vec<_> = self.environments.lock().await.values().flat_map(all).flatten().collect();
        for ended in ends {
            ended.cancelled().await;
        }
    }

    /// Plans what is asked for. Nothing is done.
    pub(crate) async fn plan(&self, wish: Wish) -> Result<Arc<Plan>, Failure> {
        let Wish { owner, cidr, nodes } = wish;
        self.environments.lock().await.get(&owner).map_or(Ok(()), Environment::stays)?;
        let name = ClusterName::new(owner.as_str())?;
        let network = NetworkSpec::builder(&owner, &cidr).zones(self.zones.clone()).nat(Nat::Single).cluster(name.as_str()).build()?;
        let cluster = ClusterSpec::builder(&owner, name, KubernetesVersion::V1_36, network.refs()).build()?;
        let workers = WorkersSpec::builder(&owner, StackName::new(format!("{owner}-worker"))?, cluster.refs(), network.refs().private());
        let workers = workers.capacity(Capacity::new(nodes, nodes, nodes + 1)?).build()?;

        let network = self.layers.networks.plan(&network).await?;
        let cluster = self.layers.clusters.plan(&cluster.over(&network)).await?;
        let plan = Arc::new(Plan::join([network, cluster, self.layers.workers.plan(&workers).await?])?);
        let mut environments = self.environments.lock().await;
        let environment = environments.entry(owner).or_default();
        environment.stays()?;
        environment.plan = Some(plan.clone());
        Ok(plan)
    }

    /// Applies the plan, in the background: a client that goes away stops nothing.
    ///
    /// # Errors
    /// [`Busy`] if there is none, it is being applied, or everything is being taken down.
    pub(crate) async fn start(&self, owner: &Owner) -> Result<(), Busy> {
        let mut environments = self.environments.lock().await;
        let environment = environments.get_mut(owner).ok_or(Busy("there is no plan: POST /environments first"))?;
        environment.stays()?;
        if environment.is_running() {
            return Err(Busy("a run lasts: wait for its end, or DELETE it first"));
        }
        let plan = environment.plan.clone().ok_or(Busy("there is no plan: POST /environments first"))?;
        let (log, stop, ended) = (Log::default(), self.closing.child_token(), CancellationToken::new());
        let told = log.clone();
        let engine = self.layers.engine().cancelled_by(stop.clone()).observer(move |event| told.tell(event));
        let (ends, guard) = (log.clone(), ended.clone().drop_guard());
        tokio::spawn(async move {
            let result = plan.apply(&engine).await.map(drop);
            // Who hears of the end may start the next.
            drop(guard);
            ends.end(result);
        });
        environment.run = Some(Run { log, stop, ended });
        Ok(())
    }

    /// Stops a run and waits until it has ended: calls under way land, and until then no other one starts. A client that goes away stops it
    /// all the same. `false` if nothing runs.
    pub(crate) async fn stop(&self, owner: &Owner) -> bool {
        let ended = {
            let environments = self.environments.lock().await;
            let Some(run) = environments.get(owner).filter(|it| it.is_running()).and_then(|it| it.run.as_ref()) else { return false };
            run.stop.cancel();
            run.ended.clone()
        };
        ended.cancelled().await;
        true
    }

    /// A run's events, from its beginning.
    pub(crate) async fn listen(&self, owner: &Owner) -> Option<UnboundedReceiver<serde_json::Value>> {
        Some(self.environments.lock().await.get(owner)?.run.as_ref()?.log.listen())
    }

    /// Stops what runs, and takes everything of an owner's down. Until that has ended nothing is planned or started.
    ///
    /// # Errors
    /// [`Busy`] if it is being taken down; or whatever AWS says.
    pub(crate) async fn tear_down(self: &Arc<Self>, owner: &Owner) -> Result<Verdict, Failure> {
        let ended = CancellationToken::new();
        {
            let mut environments = self.environments.lock().await;
            let environment = environments.entry(owner.clone()).or_default();
            environment.stays()?;
            environment.leaving = Some(ended.clone());
        }
        let (desk, owner, guard) = (self.clone(), owner.clone(), ended.drop_guard());
        // A task of its own, as a client that goes away drops its request.
        tokio::spawn(async move {
            let _guard = guard;
            let verdict = desk.remove(&owner).await;
            let mut environments = desk.environments.lock().await;
            if verdict.is_ok() {
                environments.remove(&owner);
            } else if let Some(environment) = environments.get_mut(&owner) {
                environment.leaving = None;
            }
            verdict
        })
        .await?
    }

    async fn remove(&self, owner: &Owner) -> Result<Verdict, Failure> {
        self.stop(owner).await;
        let teardown = self.layers.teardown(owner, &ClusterName::new(owner.as_str())?).await?;
        let engine = self.layers.engine().cancelled_by(self.closing.child_token());
        Ok(teardown.apply(&engine).await?.verdict)
    }
}

impl Environment {
    fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.ended.is_cancelled())
    }

    /// Nobody takes it down. A teardown that panicked has ended.
    fn stays(&self) -> Result<(), Busy> {
        if self.leaving.as_ref().is_some_and(|ended| !ended.is_cancelled()) { Err(LEAVING) } else { Ok(()) }
    }
}
