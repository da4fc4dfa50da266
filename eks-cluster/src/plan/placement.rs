//! Subnets of a control plane that exists. Amazon EKS User Guide, "VPC requirements and considerations": they may change, within the
//! VPC and within the zones that the cluster was made in, each of which must keep one.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Error, Finding, Plan, Ref, StepKey, SubnetRef, ZoneName};

use super::{control_plane_key, refused, refused_by};
use crate::{ClusterSpec, Observed, ObservedCluster, change::are};

/// Where the control plane should be.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// Those of the offered subnets that lie in the cluster's zones.
    pub(super) subnets: Vec<SubnetRef>,
    /// Whether they are others than it has.
    pub(super) moves: bool,
    pub(super) findings: Vec<Finding>,
}

impl ClusterSpec {
    /// The same cluster over a network's plan: references to what exists become its ids, so that this cluster's plan compares them with
    /// what the cluster has, and changes the cluster's subnets and groups with the network's. Without it, references to steps of other
    /// plans are compared by their number only.
    ///
    /// ```
    /// # use eks_cluster::ClusterSpec;
    /// # fn plans(cluster: &ClusterSpec, network: eks_core::Plan) -> ClusterSpec {
    /// cluster.over(&network)
    /// # }
    /// ```
    #[must_use]
    pub fn over(&self, network: &Plan) -> Self {
        let told = |step: &StepKey, name: &str| network.step(step.as_str()).and_then(|step| step.outputs.get(name)).map(String::as_str);
        let mut spec = self.clone();
        for subnet in &mut spec.network.subnets {
            resolve(&mut subnet.id, told);
        }
        spec.network.security_groups.values_mut().for_each(|group| resolve(group, told));
        spec.security_groups.iter_mut().for_each(|group| resolve(group, told));
        resolve(&mut spec.network.vpc, told);
        spec.is_over_network = true;
        spec
    }

    /// Which of the offered subnets the cluster keeps or gets.
    pub(super) fn placed(&self, cluster: &ObservedCluster, now: &Observed) -> Result<Placed, Error> {
        let offered = &self.network.subnets;
        let mut zones: BTreeMap<&str, &ZoneName> =
            offered.iter().filter_map(|subnet| Some((subnet.id.known()?.as_str(), &subnet.zone))).collect();
        let read = now.preflight.as_ref().and_then(|preflight| preflight.subnets.as_ref());
        zones.extend(read.into_iter().flatten().map(|(id, facts)| (id.as_str(), &facts.zone)));
        let located: Vec<_> = cluster.subnets.iter().filter_map(|id| zones.get(id.as_str()).copied()).collect();
        let is_located = located.len() == cluster.subnets.len();
        let has: BTreeSet<_> = located.into_iter().collect();

        let mut placed = Placed::default();
        for subnet in offered {
            if !is_located || has.contains(&subnet.zone) {
                placed.subnets.push(subnet.clone());
            }
        }
        if is_located {
            let others: BTreeSet<_> = offered.iter().map(|subnet| &subnet.zone).filter(|zone| !has.contains(zone)).collect();
            for zone in others {
                let message = format!("the control plane has no subnet in {zone}, and EKS keeps it in its zones; nodes may run there");
                placed.findings.push(Finding::note(control_plane_key(), message));
            }
        }
        let wanted: Vec<_> = placed.subnets.iter().map(|subnet| subnet.id.clone()).collect();
        placed.moves = if self.is_over_network || wanted.iter().all(|id| id.known().is_some()) {
            !are(&wanted, &cluster.subnets)
        } else {
            self.refuse_unlike(cluster, &wanted)?;
            false
        };
        if placed.moves {
            self.refuse_lost_zones(&placed, &has)?;
            self.preflight_new(cluster, now, &placed)?;
        }
        Ok(placed)
    }

    /// Whether the control plane would get other subnets, as far as that is known without looking at them.
    #[cfg(feature = "aws")]
    pub(crate) fn moves(&self, cluster: &ObservedCluster, now: &Observed) -> bool {
        self.placed(cluster, now).is_ok_and(|placed| placed.moves)
    }

    /// Ids that an earlier step will tell are not known yet, but their number is.
    fn refuse_unlike(&self, cluster: &ObservedCluster, wanted: &[Ref<eks_core::SubnetId>]) -> Result<(), Error> {
        let fits = wanted.len() == cluster.subnets.len();
        if fits && wanted.iter().filter_map(Ref::known).all(|id| cluster.subnets.contains(id.as_str())) {
            return Ok(());
        }
        let ids = cluster.subnets.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let others = if fits { "others".to_owned() } else { wanted.len().to_string() };
        Err(refused(
            format!("cluster {}", self.name),
            format!("its subnets are {ids}, the spec gives {others}, some of which no plan has told yet"),
            "plan it over the network's plan (ClusterSpec::over), so that they can be compared and changed",
        ))
    }

    fn refuse_lost_zones(&self, placed: &Placed, has: &BTreeSet<&ZoneName>) -> Result<(), Error> {
        let wanted: BTreeSet<_> = placed.subnets.iter().map(|subnet| &subnet.zone).collect();
        let lost: Vec<_> = has.difference(&wanted).map(ToString::to_string).collect();
        if lost.is_empty() {
            return Ok(());
        }
        Err(refused(
            format!("cluster {}", self.name),
            format!("was made with subnets in {}, where the spec gives none; EKS keeps a control plane in all its zones", lost.join(", ")),
            "give a subnet in each of them, or make another cluster",
        ))
    }

    /// EKS holds new subnets to the rules for new clusters.
    fn preflight_new(&self, cluster: &ObservedCluster, now: &Observed, placed: &Placed) -> Result<(), Error> {
        let Some(facts) = &now.preflight else { return Ok(()) };
        let mut fresh = self.clone();
        fresh.network.subnets = placed.subnets.clone();
        fresh.network.subnets.retain(|subnet| subnet.id.known().is_none_or(|id| !cluster.subnets.contains(id.as_str())));
        // Each zone is one that the cluster is in already.
        let facts = crate::Preflight { zone_ids: BTreeMap::new(), clusters: None, ..facts.clone() };
        fresh.preflight(&facts).map(|_| ()).map_err(refused_by)
    }
}

/// A reference to what a plan tells becomes that.
fn resolve<'a, T: std::str::FromStr>(reference: &mut Ref<T>, told: impl Fn(&StepKey, &str) -> Option<&'a str>) {
    if let Ref::Output(output) = reference
        && let Some(value) = told(&output.step, &output.name).and_then(|text| text.parse().ok())
    {
        *reference = Ref::Known(value);
    }
}
