//! The operations on managed groups.

use eks_core::{ClusterName, StackName};
use serde::{Deserialize, Serialize};

use super::request::{GroupRequest, GroupUpdate};

/// What a step does to a managed group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupOp {
    /// Waits for what an earlier run, or somebody else, began.
    Await {
        /// The cluster.
        cluster: ClusterName,
        /// The group.
        name: StackName,
    },
    /// Creates the group and waits until its nodes are there.
    Create {
        /// What is wanted.
        group: GroupRequest,
    },
    /// Deletes the group and waits until it is gone. Removals only, never part of a plan.
    Delete {
        /// The cluster.
        cluster: ClusterName,
        /// The group.
        name: StackName,
    },
    /// Nothing: the group is as it should be.
    Keep {
        /// The group.
        name: StackName,
    },
    /// Waits until a group that is being deleted is gone, then creates it again. Deletes nothing.
    Recreate {
        /// What is wanted.
        group: GroupRequest,
    },
    /// Clears away a group whose creation failed, then creates it again.
    Replace {
        /// What is wanted.
        group: GroupRequest,
    },
    /// Changes the group in place and waits for it.
    Update {
        /// The cluster.
        cluster: ClusterName,
        /// The group.
        name: StackName,
        /// What changes.
        update: GroupUpdate,
    },
}
