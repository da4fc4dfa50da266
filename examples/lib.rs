//! What the runnable programs share: where they run, and how they show progress.
//!
//! The programs themselves are the examples: `cargo run --example chapter`.

pub mod account;
pub mod progress;
