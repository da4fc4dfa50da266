//! What a layer must be able to do.

use std::{collections::BTreeMap, future::Future, pin::Pin};

use super::StepContext;
use crate::{Error, Facts, Op, Outputs, Owner, Removal, Step, Survivor};

/// A boxed, sendable future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The state of something that a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "drivers make it, the runner reads it; both must know every state")]
pub enum Poll {
    /// It is as it should be; with what it now tells.
    Ready(Outputs),
    /// Not yet.
    Pending {
        /// AWS's name for its state.
        state: String,
    },
    /// It will never be.
    Failed {
        /// AWS's name for its state.
        state: String,
        /// The reason that AWS gives, and what to do about it.
        reason: String,
    },
}

/// Carries out the operations of one layer. Implemented once by each crate.
pub trait Driver: Send + Sync {
    /// The layer.
    fn layer(&self) -> &'static str;

    /// Whether `op` is one of this layer's; asked for every step before the first call.
    ///
    /// # Errors
    /// If it is not.
    fn check(&self, op: &Op) -> Result<(), Error>;

    /// Observes what `scope` names, as facts.
    fn observe<'a>(&'a self, owner: &'a Owner, scope: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>>;

    /// Carries out a step and tells its outputs.
    ///
    /// The plan's basis was observed just before the run. On a later attempt ([`StepContext::attempt`] above 1) an earlier
    /// call may have taken effect although its answer was lost: a create without an idempotency token must look for what
    /// carries the step's tags before it creates.
    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>>;

    /// Carries out a removal and waits until it is gone. What is not there is removed.
    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>>;

    /// The states of several things of one kind, in one call. An id that is absent from the answer is pending.
    fn poll<'a>(&'a self, kind: &'a str, ids: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>>;

    /// Looks, after a teardown, for everything of the owner's that is left.
    fn survivors<'a>(&'a self, owner: &'a Owner, scope: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>>;
}
