//! Managed node groups, in a document.

use serde::{Deserialize, Serialize};

use super::words::{Text, UpdateStrategy};

/// Settings of a managed node group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Managed {
    /// A role that exists. Default: one of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Text<eks_core::RoleArn>>,
    /// Release of the image. Default: the newest when the group is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
    /// How many nodes may be away during an update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_unavailable: Option<Share>,
    /// How nodes are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) update_strategy: Option<UpdateStrategy>,
    /// Repairs nodes that are not well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node_repair: Option<NodeRepair>,
    /// Updates go past Pods that cannot be drained. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) force_updates: Option<bool>,
}

/// A number or a part of the nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Share {
    /// So many.
    Nodes(u32),
    /// So many of a hundred.
    Percent(u8),
}

/// How nodes are repaired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeRepair {
    /// Above so many nodes that are not well nothing is repaired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stops_above: Option<Share>,
    /// So many at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parallel: Option<Share>,
}

impl From<Share> for eks_nodes::Share {
    fn from(share: Share) -> Self {
        match share {
            Share::Nodes(nodes) => Self::Nodes(nodes),
            Share::Percent(percent) => Self::Percent(percent),
        }
    }
}

impl Managed {
    pub(crate) fn settings(self) -> eks_nodes::Managed {
        let mut managed = eks_nodes::Managed::new();
        managed = self.role.into_iter().fold(managed, |managed, role| managed.role(role.0));
        managed = self.release.into_iter().fold(managed, |managed, release| managed.release(release));
        managed = self.max_unavailable.into_iter().fold(managed, |managed, share| managed.max_unavailable(share.into()));
        managed = self.update_strategy.into_iter().fold(managed, |managed, strategy| managed.update_strategy(strategy.into()));
        if let Some(NodeRepair { stops_above, parallel }) = self.node_repair {
            let repair = stops_above.into_iter().fold(eks_nodes::NodeRepair::new(), |repair, share| repair.stops_above(share.into()));
            managed = managed.node_repair(parallel.into_iter().fold(repair, |repair, share| repair.parallel(share.into())));
        }
        self.force_updates.into_iter().fold(managed, eks_nodes::Managed::force_updates)
    }
}
