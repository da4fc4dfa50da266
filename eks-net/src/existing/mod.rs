//! Networks that somebody else made: Terraform, eksctl, the console.
//!
//! An [`ExistingNetwork`] says which; a [`Survey`] is what was found of it, with every [`Gap`] between it and what EKS needs,
//! and the plan that mends those whose [`Fix`] is allowed. To **use** a network claims nothing of it; to **adopt** it puts our
//! tags on, so that a `NetworkSpec` of the same shape keeps it. Neither ever deletes what we did not make.

mod add;
mod adopt;
mod check;
mod fixes;
mod found;
pub(crate) mod marks;
mod spec;
mod survey;
#[cfg(test)]
mod tests;

pub use check::Gap;
pub use found::{ExistingNatGateway, ExistingRoute, ExistingRouteTable, ExistingSubnet, ExistingVpc, ObservedExisting};
#[cfg(feature = "aws")]
pub(crate) use spec::Vpc as VpcChoice;
pub use spec::{ExistingNetwork, ExistingNetworkBuilder, Fix};
pub use survey::{ChosenSubnet, Survey};
