//! What the runnable programs share: where they run, how they show progress, and the environment of the chapter.
//!
//! The programs themselves are the examples: `cargo run --example chapter`.

pub mod account;
pub mod environment;
pub mod floor;
pub mod lives;
pub mod mess;
pub mod owned;
pub mod progress;
pub mod seeing;
pub mod sweep;
pub mod workloads;

#[cfg(doctest)]
mod guide;
