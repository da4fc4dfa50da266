//! Sets of any objects: applied in order, waited for, pruned when asked, torn down in reverse.

mod difference;
mod field;
mod id;
mod manifest;
mod observed;
mod op;
mod order;
mod plan;
mod rollout;
mod set;
mod teardown;
#[cfg(test)]
mod tests;
mod wait;

pub use id::ObjectId;
pub use observed::{FieldConflict, SetObject, SetObserved};
#[cfg(feature = "client")]
pub(crate) use observed::{SetScope, is_ours};
pub use op::SetOp;
pub use set::{ObjectSet, ObjectSetBuilder, SET_LABEL};
pub use teardown::SetMember;
#[cfg(feature = "client")]
pub(crate) use teardown::{SetLeavings, removing};
pub use wait::{Judgement, Wait};
