//! Draining nodes through the API: the forecast, the drain, and its parts.

mod closing;
mod cordon;
mod evict;
mod follow;
mod gate;
mod node;
mod run;
mod scale;
mod snapshot;

use std::collections::BTreeMap;

use eks_core::{Error, engine::CancellationToken};

use self::run::Run;
// As the parts of a drain know it.
use super::{
    calls::{self, Api},
    connect::Objects,
};
use crate::{
    Access,
    drain::{Cluster, Drain, DrainEvent, DrainReport, Forecast, Node, Taint},
};

impl Objects {
    /// Reads what a forecast needs of a cluster: nodes, Pods, budgets, volumes, in pages; of DaemonSets and namespaces only their
    /// metadata.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn snapshot(&self, access: Option<&Access>) -> Result<Cluster, Error> {
        snapshot::read(&Api::new(self.place(access.cloned()))).await
    }

    /// The nodes of a cluster, by name.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn nodes(&self, access: Option<&Access>) -> Result<BTreeMap<String, Node>, Error> {
        snapshot::nodes(&Api::new(self.place(access.cloned()))).await
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
    /// it was killed, and it goes on: a drain of the same nodes is the same drain, whatever its policy. The label `eks-rs/drain` of a node
    /// tells how far it came (`draining`, `drained`), and an annotation what the node was before.
    ///
    /// A client of kube should have `Config::default_retry` off: with it, kube itself repeats a refused eviction for minutes.
    /// An eviction that gives no answer within ten seconds is taken back and tried anew, so it works either way.
    ///
    /// Cancelled, or at the deadline, nodes that are not empty become what they were before this drain: those that it closed take Pods
    /// again ([`Drain::keep_cordoned`] leaves them closed), and those that were closed by [`Objects::cordon`], by another drain or by anybody
    /// else stay so. The report says how far it came.
    ///
    /// However it ends, replicas that it or an earlier run raised ([`crate::drain::OnBlocked::ScaleUpFirst`]) are lowered again. A StatefulSet loses its last
    /// Pod then, ready or not, so the others are waited for, at most five minutes; if they do not get ready, the number stays, and
    /// the report says so.
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

    /// Cordons a node, and taints it if asked to. It gets the label `eks-rs/drain: cordoned` if it was not cordoned before, and no drain that
    /// is given up opens it again. Whether it was.
    ///
    /// # Errors
    /// [`Error::Refused`] for a taint that Kubernetes does not take, or that ends Pods (`NoExecute`); [`Error::Call`].
    pub async fn cordon(&self, access: Option<&Access>, node: &str, taint: Option<&Taint>) -> Result<bool, Error> {
        taint.map_or(Ok(()), run::check_taint)?;
        cordon::cordon(&Api::new(self.place(access.cloned())), node, taint).await
    }

    /// Lets a node that we closed, by a drain or not, take Pods again, and takes our taints and marks off. One that somebody else cordoned stays as it is.
    /// Whether anything was done.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn uncordon(&self, access: Option<&Access>, node: &str) -> Result<bool, Error> {
        cordon::uncordon(&Api::new(self.place(access.cloned())), node).await
    }

    /// Nodes that we have cordoned, and those of drains that run, that ended, and that were killed.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn draining(&self, access: Option<&Access>) -> Result<Vec<String>, Error> {
        cordon::ours(&Api::new(self.place(access.cloned()))).await
    }

    /// Gives workloads back the replicas that drains of these nodes took from them by [`crate::drain::OnBlocked::ScaleUpFirst`], if a
    /// killed run could not. Any drain of one of these nodes does so, too. Those that keep it, as too few of their Pods are ready.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn restore_replicas(&self, access: Option<&Access>, nodes: &[String]) -> Result<Vec<String>, Error> {
        scale::restore(&Api::new(self.place(access.cloned())), nodes, &CancellationToken::new(), &|_| ()).await
    }

    /// Closes nodes that are to be replaced: cordons and taints them ([`crate::replacing::TAINT`]), and has load balancers let them go
    /// ([`crate::replacing::EXCLUDE_LABEL`]). An annotation of each node tells what of it was done, and for which mark; a drain finds such a
    /// node closed, and leaves it so however it ends. A node that is gone is left out. Those that were changed.
    ///
    /// # Errors
    /// [`Error::Refused`] for a mark that is no value of a label; [`Error::Call`].
    pub async fn close_nodes(&self, access: Option<&Access>, nodes: &[String], mark: &str) -> Result<Vec<String>, Error> {
        closing::check(mark)?;
        closing::change_all(&Api::new(self.place(access.cloned())), nodes, |node| closing::closed(node, mark)).await
    }

    /// As [`Objects::close_nodes`], but load balancers go on sending to them: where only nodes with Pods of a Service pass health checks
    /// (`externalTrafficPolicy: Local`), a node must have lost its Pods before it is let go, or nobody answers.
    ///
    /// # Errors
    /// As those of [`Objects::close_nodes`].
    pub async fn shut_nodes(&self, access: Option<&Access>, nodes: &[String], mark: &str) -> Result<Vec<String>, Error> {
        closing::check(mark)?;
        closing::change_all(&Api::new(self.place(access.cloned())), nodes, |node| closing::shut(node, mark)).await
    }

    /// Takes back what was done to nodes for this mark, and nothing else: one that was closed before, or by somebody else since, stays closed, as
    /// far as the node's managed fields tell: the API server keeps them of every node that was made with a label, as kubelets make theirs. Those
    /// that were changed.
    ///
    /// # Errors
    /// As those of [`Objects::close_nodes`].
    pub async fn open_nodes(&self, access: Option<&Access>, nodes: &[String], mark: &str) -> Result<Vec<String>, Error> {
        closing::check(mark)?;
        closing::change_all(&Api::new(self.place(access.cloned())), nodes, |node| closing::opened(node, mark)).await
    }
}
