//! Applying a cluster's plan where EKS has room for it.

use std::collections::BTreeSet;

use eks_core::{
    Error,
    engine::{ApplyError, Engine, Report},
};

use super::Clusters;
use crate::{ClusterSpec, UnsupportedZones};

/// A cluster that stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Applied {
    /// The spec that was carried out: the given one, or the same in other zones.
    pub spec: ClusterSpec,
    /// What was done.
    pub report: Report,
}

/// Why a cluster was not planned or not wholly applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// It could not be planned.
    #[error("the cluster could not be planned")]
    Plan(#[from] Error),
    /// It could not be applied.
    #[error("the cluster's plan could not be applied")]
    Apply(#[from] ApplyError),
    /// EKS refuses zones, and too few others are offered.
    #[error("EKS refuses zones of the network, and too few others are offered")]
    Zones(#[from] eks_core::SpecError),
}

impl Clusters {
    /// Plans and applies a cluster over a network that stands. Where EKS refuses zones, plans it again with the network's subnets in the
    /// zones that EKS takes, and goes on; nothing else is made again. Later plans of the same spec keep the cluster in its zones.
    ///
    /// ```no_run
    /// # async fn f(clusters: eks_cluster::Clusters, spec: eks_cluster::ClusterSpec) -> Result<(), Box<dyn std::error::Error>> {
    /// let engine = eks_core::engine::Engine::new().driver(clusters.clone());
    /// let applied = clusters.apply(&spec, &engine).await?;
    /// println!("{} subnets", applied.spec.region());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn apply(&self, spec: &ClusterSpec, engine: &Engine) -> Result<Applied, PlaceError> {
        let mut spec = spec.clone();
        loop {
            let error = match self.plan(&spec).await?.apply(engine).await {
                Ok(report) => return Ok(Applied { spec, report }),
                Err(error) => error,
            };
            let refused = error.report().and_then(|report| report.caused_by::<UnsupportedZones>()).map(|zones| zones.valid.clone());
            let Some(valid) = refused else { return Err(error.into()) };
            let elsewhere = spec.in_zones(&valid)?;
            // Each turn leaves at least one zone, so it ends; an answer that refuses none of ours is no reason to ask again.
            if zones(&elsewhere) == zones(&spec) {
                return Err(error.into());
            }
            spec = elsewhere;
        }
    }
}

fn zones(spec: &ClusterSpec) -> BTreeSet<&str> {
    spec.network.subnets.iter().map(|subnet| subnet.zone.as_str()).collect()
}
