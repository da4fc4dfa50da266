//! Clusters on the simulator, over the wire.
#![cfg(feature = "aws")]

#[cfg(feature = "kube")]
mod connect;
mod faults;
mod life;
mod plane;
mod support;
#[cfg(feature = "ec2")]
mod upgrade;
