//! Clusters on the simulator, over the wire.
#![cfg(feature = "aws")]

mod access;
mod addons;
mod budget;
#[cfg(feature = "kube")]
mod connect;
mod faults;
#[cfg(feature = "kube")]
mod hours;
mod identity;
mod life;
mod plane;
#[cfg(feature = "kube")]
mod reach;
mod support;
mod sweep;
#[cfg(feature = "ec2")]
mod upgrade;
mod zones;
