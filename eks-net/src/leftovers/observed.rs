//! What was found, as plain data.

use std::collections::BTreeSet;

use eks_core::{ClusterTrace, Owner, VpcId};

use super::{Leftover, Whose, judge::Judge};

/// What carries the names of clusters.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ObservedLeftovers {
    /// Whose clusters they are said to be.
    pub owner: Owner,
    /// The clusters.
    pub traces: Vec<ClusterTrace>,
    /// Where it was looked; `None` if it was not. A teardown is bound to it.
    pub region: Option<String>,
    /// VPCs that the owner made.
    pub vpcs: BTreeSet<VpcId>,
    /// What was found.
    pub found: Vec<Leftover>,
}

impl ObservedLeftovers {
    /// Nothing is there.
    pub fn nothing(owner: &Owner, traces: impl IntoIterator<Item = ClusterTrace>) -> Self {
        Self { owner: owner.clone(), traces: traces.into_iter().collect(), region: None, vpcs: BTreeSet::new(), found: Vec::new() }
    }

    /// Whose each of them is; what is somebody else's is left out.
    pub fn judged(&self) -> Vec<(&Leftover, Whose)> {
        let judge = Judge::of(self);
        self.found.iter().map(|found| (found, judge.whose(found))).filter(|(_, whose)| *whose != Whose::Others).collect()
    }

    /// Of what came to be in a VPC since a teardown was made, the ids of what is provably of this cluster.
    #[cfg(feature = "aws")]
    pub(crate) fn provably_of(owner: &Owner, cluster: ClusterTrace, made: Option<VpcId>, found: Vec<Leftover>) -> Vec<String> {
        let now = Self { vpcs: made.into_iter().collect(), found, ..Self::nothing(owner, [cluster]) };
        now.judged().into_iter().filter(|(_, whose)| *whose == Whose::Ours).map(|(found, _)| found.id.clone()).collect()
    }

    pub(crate) fn region(&self) -> &str {
        self.region.as_deref().unwrap_or_default()
    }
}
