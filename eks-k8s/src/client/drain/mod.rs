//! Draining nodes through the API: the forecast, the drain, and its parts.

mod calls;
mod cordon;
mod evict;
mod follow;
mod gate;
mod node;
mod run;
mod scale;
mod snapshot;

use eks_core::{Error, engine::CancellationToken};

use self::{calls::Api, run::Run};
use super::connect::Objects;
use crate::{
    Access,
    drain::{Cluster, Drain, DrainEvent, DrainReport, Forecast, Taint},
};

impl Objects {
    /// Reads what a forecast needs of a cluster: nodes, Pods, budgets, volumes, in pages; of DaemonSets only their metadata.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn snapshot(&self, access: Option<&Access>) -> Result<Cluster, Error> {
        snapshot::read(&Api::new(self.place(access.cloned()))).await
    }

    /// Tells what a drain would meet. Nothing is touched.
    ///
    /// # Errors
    /// [`Error::Refused`] if the drain contradicts itself; [`Error::Call`].
    pub async fn forecast(&self, access: Option<&Access>, drain: &Drain) -> Result<Forecast, Error> {
        run::check(drain)?;
        Ok(drain.forecast(&self.snapshot(access).await?))
    }

    /// Drains nodes: cordons all of them, evicts their Pods through the eviction API, and waits until they are gone. Run it again after
    /// it was killed, and it goes on; the nodes carry a label of ours.
    ///
    /// A client of kube should have `Config::default_retry` off: with it, kube itself repeats a refused eviction for minutes.
    /// An eviction that gives no answer within ten seconds is taken back and tried anew, so it works either way.
    ///
    /// Cancelled, or at the deadline, nodes that are not empty and that this drain cordoned take Pods again
    /// ([`Drain::keep_cordoned`] leaves them), and the report says how far it came.
    ///
    /// # Errors
    /// [`Error::Refused`] if the drain contradicts itself, a node is not there, Pods on it are of a kind that the drain does not take, or
    /// the forecast says that it would never end and the policy is to fail then; [`Error::Call`] for what no retry heals. Nodes are
    /// uncordoned then, too.
    pub async fn drain(
        &self,
        access: Option<&Access>,
        drain: &Drain,
        cancel: &CancellationToken,
        observer: impl Fn(DrainEvent) + Send + Sync,
    ) -> Result<DrainReport, Error> {
        run::check(drain)?;
        Run::new(Api::new(self.place(access.cloned())), drain, &observer).run(cancel).await
    }

    /// Cordons a node, and taints it if asked to. It gets the label `eks-rs/drain` if it was not cordoned before. Whether it was.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn cordon(&self, access: Option<&Access>, node: &str, taint: Option<&Taint>) -> Result<bool, Error> {
        cordon::cordon(&Api::new(self.place(access.cloned())), node, taint).await
    }

    /// Lets a node that we cordoned take Pods again, and takes our taint and label off. One that somebody else cordoned stays as it is.
    /// Whether anything was done.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn uncordon(&self, access: Option<&Access>, node: &str) -> Result<bool, Error> {
        cordon::uncordon(&Api::new(self.place(access.cloned())), node).await
    }

    /// Nodes that we have cordoned: those of drains that run, that ended, and that were killed.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn draining(&self, access: Option<&Access>) -> Result<Vec<String>, Error> {
        cordon::ours(&Api::new(self.place(access.cloned()))).await
    }

    /// Gives workloads back the replicas that drains of these nodes took from them by [`crate::drain::OnBlocked::ScaleUpFirst`], if a
    /// killed run could not. A drain of the same nodes does so, too.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn restore_replicas(&self, access: Option<&Access>, nodes: &[String]) -> Result<(), Error> {
        scale::restore(&Api::new(self.place(access.cloned())), nodes, &|_| ()).await
    }
}
