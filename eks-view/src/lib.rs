//! How a person sees what the `eks-rs` crates do: live progress, coloured plans, errors to act on, and a run as one HTML page.
//!
//! ```
//! use eks_core::{Owner, Plan, engine::Engine};
//! use eks_view::{Look, Progress, Recorder};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let plan = Plan::builder(&Owner::new("park")?, "garden").build()?;
//! eks_view::print(|look| eks_view::plan(&plan).look(look))?; // coloured on a terminal, plain elsewhere
//!
//! let recorder = Recorder::new();
//! let progress = Progress::auto().also(recorder.observer()); // live lines, or plain ones in a log
//! let engine = Engine::new().observer(progress.observer());
//! if let Err(error) = plan.apply(&engine).await {
//!     eprintln!("{}", eks_view::error(&error)); // where, what, why, what to do, request id
//! }
//! # #[cfg(feature = "report")]
//! let page = eks_view::Page::new("The park").run("Apply", &recorder.run()).plan(&plan).html();
//! # Ok(()) }
//! ```
//!
//! # Features
//! | feature | default | brings |
//! |---|---|---|
//! | `terminal` | yes | live lines: indicatif and console |
//! | `report` | yes | a run as one HTML page |
//!
//! # What this crate does not do
//! It decides nothing and calls nothing: it reads plans and events. It writes only where it is told to, and logs nothing.

// docs.rs tells beside each item which feature brings it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod board;
mod explain;
mod line;
mod look;
mod progress;
#[cfg(feature = "report")]
mod report;
mod run;
mod text;

pub use explain::{Explained, Trouble, explain};
pub use line::{LINE_VERSION, Line, PlannedLine, What};
pub use look::{Look, clock};
pub use progress::Progress;
#[cfg(feature = "report")]
pub use report::Page;
pub use run::{Recorder, Run, RunStatus, RunStep, SeenRetry, SeenState};
pub use text::{ErrorView, PlanView, TeardownView, VerdictView, error, plan, print, teardown, verdict};
