//! Clusters on the simulator, over the wire.
#![cfg(feature = "aws")]

#[cfg(feature = "kube")]
mod connect;
mod faults;
#[cfg(feature = "kube")]
mod hours;
mod life;
mod plane;
mod support;
mod sweep;
