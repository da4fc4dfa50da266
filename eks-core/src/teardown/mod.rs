//! Teardowns: a type of their own, so that no code path deletes by accident.

mod build;
mod display;
mod verdict;

pub use build::{After, Removal, Teardown, TeardownBuilder};
pub use verdict::{Survivor, Verdict};
