//! How subnets reach what is outside: NAT, transit gateways, VPC endpoints, IPv6.

mod endpoint;
mod ipv6;
mod kinds;
mod nat;
mod others;
pub(crate) mod price;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    endpoint::{CheckedEndpoint, FULL_ACCESS, NODES_NEED, OFTEN_NEEDED, check as check_endpoints, default_group, same_policy},
    ipv6::{IPV6_SUBNETS, index_in},
    kinds::{KINDS_TAG, Kind, kinds},
    nat::{Way, check_addresses},
    others::Others,
};
pub use self::{
    endpoint::{Endpoint, EndpointKind, Endpoints},
    nat::Nat,
};
