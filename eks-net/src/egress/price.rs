//! What ways out cost, in us-east-1, before traffic. (Amazon VPC pricing; AWS Transit Gateway pricing; AWS PrivateLink pricing.)

use eks_core::HOURS_PER_MONTH;

/// US dollars an hour for a NAT gateway: for a regional one, in each zone.
pub(crate) const NAT_HOURLY: f64 = 0.045;
/// US dollars an hour for a public IPv4 address, used or not.
pub(crate) const ADDRESS_HOURLY: f64 = 0.005;
/// US dollars an hour for an interface endpoint, in each zone.
pub(crate) const ENDPOINT_HOURLY: f64 = 0.01;
/// US dollars an hour for a VPC's attachment to a transit gateway.
pub(crate) const TRANSIT_HOURLY: f64 = 0.05;

/// What one NAT gateway and its address cost a month.
pub(crate) fn nat_monthly() -> f64 {
    monthly(NAT_HOURLY + ADDRESS_HOURLY, 1)
}

/// What so many of something cost a month.
pub(crate) fn monthly(hourly: f64, count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * hourly * HOURS_PER_MONTH
}
