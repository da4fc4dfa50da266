//! Things of others that a spec names by their ids. They carry no tag of ours, so what a plan stands on names them.

use std::collections::BTreeSet;

use eks_core::{AllocationId, NatGatewayId};
use serde::{Deserialize, Serialize};

/// What is looked for by id, with one call for each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Others {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) nat_gateways: Vec<NatGatewayId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) addresses: Vec<AllocationId>,
}

impl Others {
    /// Ids of all of them.
    pub(crate) fn ids(&self) -> BTreeSet<String> {
        let gateways = self.nat_gateways.iter().map(ToString::to_string);
        gateways.chain(self.addresses.iter().map(ToString::to_string)).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.nat_gateways.is_empty() && self.addresses.is_empty()
    }
}
