//! The closed set of operations on sets.

use eks_core::Operation;
use serde::{Deserialize, Serialize};

use super::{ObjectId, Planned, Wait};
use crate::{Access, AccessRef};

/// An operation of layer `objects`: of a plan's step, or of a removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SetOp {
    /// Applies an object server-side, then waits for what its set says.
    Apply {
        /// Where.
        access: AccessRef,
        /// The namespace if its kind has one and the manifest names none.
        namespace: String,
        /// All that it should have, with the marks of ownership; of a Secret a digest of its contents.
        object: Planned,
        /// Whether to take fields over from other managers.
        force: bool,
        /// What to wait for.
        wait: Option<Wait>,
    },
    /// Deletes an object and waits until it is gone.
    Delete {
        /// Where; `None` if the driver was given a client.
        access: Option<Access>,
        /// Which.
        object: ObjectId,
        /// Its uid: an object of the same name that came later is someone else's.
        uid: String,
        /// The set whose labels it must still carry then.
        set: String,
        /// For a claim: the persistent volume that it was bound to. If it goes with the claim, it is waited for.
        volume: Option<String>,
    },
}

impl Operation for SetOp {
    const LAYER: &'static str = "objects";
}
