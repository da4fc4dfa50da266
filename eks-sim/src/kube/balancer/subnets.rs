//! Which subnets a load balancer is put into.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    super::{
        facts,
        store::{items, text},
    },
    annotation, is_internal,
};
use crate::{
    call::{Caller, Service},
    error::ApiError,
    world::World,
};

/// Subnets for a load balancer (`findELBSubnets`): of the VPC, not tagged for other clusters only; public ones route to an internet
/// gateway; one for each zone by role tag, then cluster tag, then id.
pub(super) fn subnets(world: &mut World, cluster: &str, service: &Value, caller: &Caller) -> Result<Vec<String>, ApiError> {
    let given = annotation(service, "subnets");
    if !given.is_empty() {
        return Ok(given.split(',').map(|subnet| subnet.trim().to_owned()).collect());
    }
    let internal = is_internal(service);
    let vpc = facts::cluster(world, cluster).unwrap_or_default().vpc;
    let filter = json!({"Filter": [{"Name": "vpc-id", "Value": [vpc]}]});
    let subnets = world.call(Service::Ec2, "DescribeSubnets", filter.clone(), caller)?;
    let tables = world.call(Service::Ec2, "DescribeRouteTables", filter, caller)?;
    let own = format!("kubernetes.io/cluster/{cluster}");
    let role = if internal { "kubernetes.io/role/internal-elb" } else { "kubernetes.io/role/elb" };
    let mut by_zone: BTreeMap<&str, (bool, bool, &str)> = BTreeMap::new();
    for subnet in items(&subnets, "/subnetSet") {
        let has = |key: &str| items(subnet, "/tagSet").iter().any(|tag| text(tag, "/key") == key);
        let clustered = items(subnet, "/tagSet").iter().any(|tag| text(tag, "/key").starts_with("kubernetes.io/cluster/"));
        let id = text(subnet, "/subnetId");
        if (clustered && !has(&own)) || (!internal && !is_public(&tables, id)) {
            continue;
        }
        let rank = (!has(role), !has(&own), id);
        let best = by_zone.entry(text(subnet, "/availabilityZone")).or_insert(rank);
        *best = (*best).min(rank);
    }
    if by_zone.is_empty() {
        return Err(ApiError::new("could not find any suitable subnets for creating the ELB", ""));
    }
    Ok(by_zone.into_values().map(|(_, _, id)| id.to_owned()).collect())
}

/// Whether a subnet's route table, its own or the VPC's main one, routes to an internet gateway.
pub(in super::super) fn is_public(tables: &Value, subnet: &str) -> bool {
    let tables = items(tables, "/routeTableSet");
    let associated = |table: &&Value, wanted: &dyn Fn(&Value) -> bool| items(table, "/associationSet").iter().any(wanted);
    let own = tables.iter().find(|table| associated(table, &|association| text(association, "/subnetId") == subnet));
    let table = own.or_else(|| tables.iter().find(|table| associated(table, &|association| association["main"] == true)));
    table.is_some_and(|table| items(table, "/routeSet").iter().any(|route| text(route, "/gatewayId").starts_with("igw-")))
}
