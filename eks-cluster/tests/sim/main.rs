//! Clusters on the simulator, over the wire.
#![cfg(feature = "aws")]

mod addons;
#[cfg(feature = "kube")]
mod connect;
mod faults;
#[cfg(feature = "kube")]
mod hours;
mod identity;
mod life;
mod plane;
mod support;
mod sweep;
