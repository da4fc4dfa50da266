//! The runner: carries out plans and teardowns along their true dependencies.
//!
//! Steps start as soon as what they need is done. There are two retry layers and never three: the SDK retries throttling and
//! network faults of calls that may be repeated; the runner retries what only time heals (a role not yet assumable) and
//! whole steps that re-read before they create. Waiting is polling, several ids in one call, without jitter.
//!
//! A failed step does not stop independent ones. Cancellation and the deadline stop new steps and waits, let calls in flight
//! land, and end in the report of what is done; running again continues.
//!
//! # Tracing
//! A run is a span of `tracing`, each step a span in it, and whatever a driver calls is told within its step's: the AWS SDK's own spans
//! (`rpc.system`, `rpc.service`, `rpc.method`) and those of `kube`. A poll looks for all steps that wait for things of one kind, so what it
//! calls is told within the run's span. Names are those of OpenTelemetry's semantic conventions (cloud, error, rpc)
//! where there are some. No field holds an operation's body, an output or a credential. Without a subscriber, nothing is computed but
//! whether there is one.
//!
//! | span or event | level | fields |
//! |---|---|---|
//! | `eks_rs.run` | info | `cloud.provider`, `cloud.region`, `eks_rs.owner`, `eks_rs.run.kind` (`apply`, `teardown`), `eks_rs.run.steps`, `eks_rs.run.complete`, `otel.name`, `otel.status_code` |
//! | `eks_rs.step` | info | `eks_rs.step.key`, `.layer`, `.action` (`run`, `remove`), `.operation`, `.attempts`, `.outcome` (`done`, `failed`, `not_started`), `error.type` (the service's code, or the kind of failure), `otel.name`, `otel.status_code` |
//! | `waiting` | debug | `eks_rs.step.key`, `eks_rs.wait.subject`, `eks_rs.wait.state`, `eks_rs.wait.seconds` |
//! | `trying again` | warn | `eks_rs.step.key`, `eks_rs.step.attempt`, `eks_rs.retry.seconds`, `error.message` |
//! | `skipped` | warn | `eks_rs.step.key`, `eks_rs.step.because` |

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
mod trace;

pub use apply::{ApplyError, Ending};
pub use context::{StepContext, Wait};
pub use driver::{BoxFuture, Driver, Poll};
pub use event::{Event, PlannedStep, Purpose};
pub use nodes::WatchNodes;
pub use report::{Report, Status, StepReport};
pub use settings::Engine;
pub use tokio_util::sync::CancellationToken;
