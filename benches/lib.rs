//! What the measurements share: a layer that does nothing, specs of any size, and the hot paths.

pub mod cases;
pub mod fixtures;
pub mod idle;
#[cfg(feature = "token")]
pub mod signing;

pub use fixtures::network;
pub use idle::{Idle, plan, steps};
