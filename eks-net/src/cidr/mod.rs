//! Address blocks: the rules for them, who has which, and how a VPC is carved into subnets.

mod allocator;
mod association;
mod block;
mod budget;
mod group;
mod interfaces;
mod layout;
mod space;
#[cfg(test)]
mod tests;
mod tree;
mod v6;

pub use allocator::{Allocator, AllocatorError, Block};
pub use association::{Restriction, check_association};
pub(crate) use block::{PREFIXES, any, check_apart, check_subnet, check_vpc, first_fit, ipv4, overlap};
pub use block::{reserved_addresses, usable_addresses};
pub use budget::IpBudget;
pub use group::{Size, SubnetGroup};
pub use interfaces::InterfaceLimits;
pub(crate) use layout::{Derived, place};
pub use space::Space;
pub use v6::{nth_block, reserved_ipv6_addresses};
