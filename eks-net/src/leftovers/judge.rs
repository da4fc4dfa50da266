//! Whose something is. Tags of controllers name a cluster, and a cluster's name is no proof.

use std::collections::BTreeSet;

use eks_core::{ClusterStanding, ClusterTrace, OWNER_TAG, Owner, VpcId};

use super::{Leftover, LeftoverKind, ObservedLeftovers};
use crate::existing::marks;

/// Whose something is that carries a cluster's name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whose {
    /// Provably of the owner's cluster.
    Ours,
    /// It may be; with what speaks against it. It is told, and stays.
    InDoubt(String),
    /// Somebody else's, by their mark or their cluster's name. It is left alone.
    Others,
}

/// What one judges by.
pub(crate) struct Judge<'a> {
    owner: &'a Owner,
    traces: &'a [ClusterTrace],
    /// VPCs that the owner made.
    made: &'a BTreeSet<VpcId>,
    /// Security groups of load balancers that are proven, by themselves, to be of the owner's cluster.
    held: BTreeSet<String>,
}

impl<'a> Judge<'a> {
    pub(crate) fn of(now: &'a ObservedLeftovers) -> Self {
        let mut judge = Self { owner: &now.owner, traces: &now.traces, made: &now.vpcs, held: BTreeSet::new() };
        let balancers = now.found.iter().filter(|found| found.kind.is_load_balancer());
        judge.held = balancers.filter(|found| judge.whose(found) == Whose::Ours).flat_map(|found| found.uses.clone()).collect();
        judge
    }

    /// Whose it is.
    pub(crate) fn whose(&self, found: &Leftover) -> Whose {
        let clusters = found.clusters();
        let Some(trace) = self.traces.iter().find(|trace| clusters.contains(trace.name.as_str())) else { return Whose::Others };
        let owned = found.tags.get(OWNER_TAG).map(String::as_str);
        if owned.is_some_and(|name| name != self.owner.as_str()) || self.is_somebodys(found) {
            return Whose::Others;
        }
        let doubt = |why: String| Whose::InDoubt(why);
        if clusters.len() > 1 {
            return doubt(format!("it says that it is of several clusters: {}", clusters.into_iter().collect::<Vec<_>>().join(", ")));
        }
        let (vpc, since) = match &trace.standing {
            // What it has elsewhere is its own.
            ClusterStanding::Others if owned.is_none() && !found.vpc.as_ref().is_some_and(|place| self.made.contains(place)) => {
                return Whose::Others;
            }
            ClusterStanding::Others => return doubt(format!("there is a cluster {} that does not carry our tag", trace.name)),
            ClusterStanding::Ours { vpc, since } => (vpc.as_ref(), *since),
            _ => (None, None),
        };
        // Whose clocks are compared may differ by a little; a cluster takes minutes before anything is made in it.
        if let (Some(made), Some(since)) = (found.since, since)
            && made < since
        {
            return doubt(format!("it is older than the cluster {}: of one that had its name before", trace.name));
        }
        let known_to_be_younger = found.since.is_some() && since.is_some();
        match &found.vpc {
            Some(place) if self.made.contains(place) => Whose::Ours,
            Some(place) if vpc == Some(place) && (known_to_be_younger || found.kind == LeftoverKind::ControlPlaneInterface) => Whose::Ours,
            Some(place) if vpc == Some(place) && self.held.contains(&found.id) => Whose::Ours,
            // EKS alone can write this tag, and makes such a group for a cluster of its own.
            Some(place) if vpc == Some(place) && found.is_of_eks() => Whose::Ours,
            Some(place) if vpc == Some(place) => {
                doubt(format!("we did not make {place}, and a cluster of that name may have been there before"))
            }
            Some(place) => doubt(format!("it lies in {place}, which we did not make, and where no cluster of ours is")),
            None if owned.is_some() || known_to_be_younger => Whose::Ours,
            None => doubt(format!("a cluster {} is not there any more, and another's may have had its name", trace.name)),
        }
    }

    /// Whether somebody's own mark is on it: what was adopted, what other owners use, and what a stack made, which goes with its stack.
    fn is_somebodys(&self, found: &Leftover) -> bool {
        let used = |key: &String| key.starts_with(marks::USED_BY);
        marks::is_adopted(&found.tags) || found.tags.keys().any(|key| used(key) || key == "aws:cloudformation:stack-id")
    }
}
