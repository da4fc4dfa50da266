//! The runner: carries out plans and teardowns along their true dependencies.
//!
//! Steps start as soon as what they need is done. There are two retry layers and never three: the SDK retries throttling and
//! network faults of calls that may be repeated; the runner retries what only time heals (a role not yet assumable) and
//! whole steps that re-read before they create. Waiting is polling, several ids in one call, without jitter.
//!
//! A failed step does not stop independent ones. Cancellation and the deadline stop new steps and waits, let calls in flight
//! land, and end in the report of what is done; running again continues.

mod apply;
mod context;
mod driver;
mod event;
mod nodes;
mod poll;
mod report;
mod retry;
mod run;
mod settings;

pub use apply::{ApplyError, Ending};
pub use context::{StepContext, Wait};
pub use driver::{BoxFuture, Driver, Poll};
pub use event::{Event, PlannedStep, Purpose};
pub use nodes::WatchNodes;
pub use report::{Report, Status, StepReport};
pub use settings::Engine;
pub use tokio_util::sync::CancellationToken;
