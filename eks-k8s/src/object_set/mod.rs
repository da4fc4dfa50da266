//! Sets of any objects: applied in order, waited for, pruned when asked, torn down in reverse.

mod claims;
mod difference;
mod field;
mod id;
mod manifest;
mod observed;
mod op;
mod order;
mod plan;
mod rollout;
mod secret;
mod set;
mod teardown;
#[cfg(test)]
mod tests;
mod turn;
mod wait;

pub use id::ObjectId;
pub use observed::{FieldConflict, SetObject, SetObserved};
#[cfg(feature = "client")]
pub(crate) use observed::{SetPart, SetScope, is_ours};
pub use op::SetOp;
#[cfg(feature = "client")]
pub(crate) use order::is_built_in;
#[cfg(feature = "client")]
pub(crate) use secret::Contents;
pub use secret::{Manifest, Planned};
pub use set::{ObjectSet, ObjectSetBuilder, SET_LABEL};
#[cfg(feature = "client")]
pub(crate) use teardown::{SetLeavings, removing};
pub use teardown::{SetMember, SetMembers};
pub use wait::{Judgement, Wait};
