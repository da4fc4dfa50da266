//! The sweep: every call of every flow goes wrong in every way, and running again from nothing but the account mends it.
//!
//! A *flow* is what one process does to an account. A *case* is a flow, a *trouble*, and the number of the call that it befalls; it
//! ends when a fresh process finds nothing left to do, and is judged by comparison with a run that nothing disturbed. Everything is
//! lived on the simulator, from one snapshot for each flow, so a case can be run again alone.

pub mod case;
mod configuration;
pub mod flow;
pub mod foreign;
pub mod page;
pub mod portrait;
pub mod run;
pub mod table;
pub mod trouble;

pub use self::{case::Case, flow::Flow, run::Settings, table::Table, trouble::Trouble};
