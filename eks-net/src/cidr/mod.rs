//! IPv4 blocks: the rules for them, and how a VPC is carved into subnets.

mod allocator;
mod block;
mod group;
mod layout;
mod space;
mod tree;

pub use allocator::{Allocator, AllocatorError, Block};
pub(crate) use block::{PREFIXES, any, check_subnet, check_vpc, first_fit, ipv4, is_world, overlap};
pub use block::{reserved_addresses, usable_addresses};
pub use group::{Size, SubnetGroup};
pub(crate) use layout::{Derived, place};
pub use space::Space;
