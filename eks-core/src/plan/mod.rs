//! Plans: graphs of fully decided steps.

mod build;
mod display;
mod graph;
mod phase;
mod step;

pub use build::{Plan, PlanBuilder, PlanError};
pub(crate) use display::clock;
pub(crate) use graph::{longest_chain, sort};
pub use step::{Action, Step};
