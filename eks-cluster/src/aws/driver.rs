//! The runner's view of this layer.

use std::collections::BTreeMap;

use eks_core::{
    Action, ClusterName, Error, Facts, Op, Operation, Outputs, Owner, Removal, Step, Survivor,
    engine::{BoxFuture, Driver, Poll, StepContext},
};

use super::{Clusters, wait};
use crate::{
    ClusterOp, Scope,
    plan::{broken, refused},
};

impl Driver for Clusters {
    fn layer(&self) -> &'static str {
        ClusterOp::LAYER
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        match op.decode().map_err(broken)? {
            // Elsewhere the cluster would seem gone, and its roles, which IAM has for all Regions, would go under it.
            ClusterOp::DeleteCluster { cluster, region, .. } | ClusterOp::DeleteAddon { cluster, region, .. } => {
                self.covers("teardown", &cluster, &region)
            }
            _ => Ok(()),
        }
    }

    fn observe<'a>(&'a self, owner: &'a Owner, scope: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async move {
            if let Some(scope) = self.upgrade_scope(scope)? {
                return Ok(self.observe_upgrade(owner, &scope).await?.facts());
            }
            // Dates are no facts.
            let scope = Scope { calendar: false, ..self.decoded("plan", scope)? };
            self.observe(owner, &scope).await?.facts()
        })
    }

    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async move {
            // On an update it exists; on a later attempt an earlier call may have taken effect.
            let may_exist = step.action == Action::Update || cx.attempt() > 1;
            match step.op.decode().map_err(broken)? {
                ClusterOp::Role(request) => self.ensure_role(&request, may_exist, cx).await,
                ClusterOp::ControlPlane(wanted) => self.create_cluster(&wanted, cx).await,
                ClusterOp::ChangeControlPlane { cluster, changes } => self.change_cluster(&cluster, &changes, cx).await,
                ClusterOp::Addon { cluster, addon } => self.create_addon(&cluster, &addon, cx).await,
                ClusterOp::ChangeAddon { cluster, addon } => self.change_addon(&cluster, &addon, cx).await,
                ClusterOp::AwaitAddon { cluster, addon } => cx.wait(wait::addon_settled(&cluster, &addon)).await,
                ClusterOp::Access { cluster, entry } => self.ensure_access(&cluster, &entry, may_exist, cx).await,
                ClusterOp::Upgrade(op) => self.run_upgrade(&op, cx).await,
                ClusterOp::OidcProvider { issuer, cluster_arn } => self.ensure_provider(&issuer, &cluster_arn, may_exist, cx).await,
                ClusterOp::PodIdentity { cluster, association } => self.ensure_association(&cluster, &association, may_exist, cx).await,
                ClusterOp::DeleteCluster { .. }
                | ClusterOp::DeleteAddon { .. }
                | ClusterOp::DeleteOidcProvider { .. }
                | ClusterOp::DeleteRole { .. } => Err(broken("a plan never deletes")),
            }
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match removal.op.decode().map_err(broken)? {
                ClusterOp::DeleteCluster { cluster, created, unprotect, .. } => self.delete_cluster(&cluster, created, unprotect, cx).await,
                ClusterOp::DeleteRole { name } => self.delete_role(&name, cx).await,
                ClusterOp::DeleteOidcProvider { arn } => self.delete_provider(&arn, cx).await,
                ClusterOp::DeleteAddon { cluster, addon, preserve, .. } => self.delete_addon(&cluster, &addon, preserve, cx).await,
                _ => Err(broken("a teardown only deletes")),
            }
        })
    }

    fn poll<'a>(&'a self, kind: &'a str, ids: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(self.states(kind, ids))
    }

    fn survivors<'a>(&'a self, owner: &'a Owner, scope: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async move {
            let scope = self.decoded("teardown", scope)?;
            Ok(self.observe(owner, &scope).await?.survivors(owner, &scope))
        })
    }
}

impl Clusters {
    /// The scope of a saved plan or teardown, if this handle sees what it names.
    fn decoded(&self, what: &str, scope: &serde_json::Value) -> Result<Scope, Error> {
        let scope: Scope = serde_json::from_value(scope.clone()).map_err(broken)?;
        self.covers(what, &scope.cluster, &scope.region)?;
        Ok(scope)
    }

    pub(super) fn covers(&self, what: &str, cluster: &ClusterName, region: &str) -> Result<(), Error> {
        if region == self.region {
            return Ok(());
        }
        Err(refused(
            format!("{what} of cluster {cluster}"),
            format!("was made for {region}, the SDK's configuration is for {}", self.region),
            format!("give a configuration for {region}"),
        ))
    }
}
