//! ModifyVpcEndpoint and DeleteVpcEndpoints.

use serde_json::{Value, json};

use super::{
    Reply, done,
    endpoint::{Endpoint, EndpointKind, FULL_ACCESS},
    endpoint_create::{self, refuse},
    endpoint_service, ids, prefix_list,
    route::Target,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

pub(super) fn modify(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VpcEndpointId")?;
    let endpoint = ids::ENDPOINT.find(&world.ec2.endpoints, id)?;
    if endpoint.state == "deleting" {
        return Err(ApiError::new("IncorrectState", format!("VPC endpoint {id} is being deleted.")));
    }
    let kind = endpoint.kind;
    let foreign: &[&str] = match kind {
        EndpointKind::Gateway => &["AddSubnetId", "RemoveSubnetId", "AddSecurityGroupId", "RemoveSecurityGroupId", "PrivateDnsEnabled"],
        EndpointKind::Interface => &["AddRouteTableId", "RemoveRouteTableId"],
    };
    if let Some(name) = foreign.iter().find(|name| args.get(name).is_some()) {
        return refuse(format!("{name} is not supported for {} type VPC Endpoint.", kind.name()));
    }
    let policy = endpoint_create::policy(args)?;
    match kind {
        EndpointKind::Gateway => change_tables(world, id, args)?,
        EndpointKind::Interface => change_interfaces(world, id, args)?,
    }
    let endpoint = ids::ENDPOINT.find_mut(&mut world.ec2.endpoints, id)?;
    if args.bool("ResetPolicy") == Some(true) {
        endpoint.policy = FULL_ACCESS.to_owned();
    } else if let Some(policy) = policy {
        endpoint.policy = policy;
    }
    Ok(done())
}

fn change_tables(world: &mut World, id: &str, args: &Args) -> Result<(), ApiError> {
    let endpoint = &world.ec2.endpoints[id];
    let list = prefix_list::of_service(world, &endpoint.service).unwrap_or_default();
    let (added, removed) = (args.strings("AddRouteTableId"), args.strings("RemoveRouteTableId"));
    for table in &added {
        endpoint_create::check_table(&world.ec2, &endpoint.vpc, table, &list)?;
    }
    if let Some(stranger) = removed.iter().find(|table| !endpoint.tables.contains(table)) {
        return refuse(format!("Route table {stranger} is not associated with VPC endpoint {id}"));
    }
    for table in &added {
        endpoint_create::add_route(&mut world.ec2, table, &list, id);
    }
    drop_routes(world, id, |table| removed.iter().any(|gone| gone == table));
    let tables = &mut ids::ENDPOINT.find_mut(&mut world.ec2.endpoints, id)?.tables;
    tables.retain(|table| !removed.contains(table));
    tables.extend(added);
    Ok(())
}

/// Takes the endpoint's routes out of route tables.
fn drop_routes(world: &mut World, id: &str, from: impl Fn(&str) -> bool) {
    let leads_to = |target: &Target| matches!(target, Target::Endpoint(endpoint) if endpoint == id);
    for (_, table) in world.ec2.route_tables.iter_mut().filter(|(table, _)| from(table)) {
        table.routes.retain(|route| !leads_to(&route.target));
    }
}

fn change_interfaces(world: &mut World, id: &str, args: &Args) -> Result<(), ApiError> {
    let endpoint = &world.ec2.endpoints[id];
    let vpc_id = endpoint.vpc.clone();
    let (added, removed) = (args.strings("AddSubnetId"), args.strings("RemoveSubnetId"));
    if let Some(stranger) = removed.iter().find(|subnet| !endpoint.interfaces.contains_key(*subnet)) {
        return refuse(format!("Subnet {stranger} is not associated with VPC endpoint {id}"));
    }
    let stays = endpoint.interfaces.keys().filter(|subnet| !removed.contains(subnet));
    let fresh: Vec<_> = added.iter().filter(|subnet| !endpoint.interfaces.contains_key(*subnet)).cloned().collect();
    check_zones(world, stays, &fresh)?;
    endpoint_create::check_subnets(&world.ec2, &vpc_id, &fresh)?;

    let gone = args.strings("RemoveSecurityGroupId");
    let mut groups: Vec<_> = endpoint.groups.iter().filter(|group| !gone.contains(group)).cloned().collect();
    groups.extend(args.strings("AddSecurityGroupId").into_iter().filter(|group| !endpoint.groups.contains(group)));
    let groups = world.ec2.groups_for(&groups, fresh.first().map_or("", String::as_str), &vpc_id)?;

    let private_dns = args.bool("PrivateDnsEnabled").unwrap_or(endpoint.private_dns);
    if private_dns && !endpoint.private_dns {
        let service = endpoint_service::find(&world.region, &endpoint.service, endpoint.kind)?;
        let vpc = ids::VPC.find(&world.ec2.vpcs, &vpc_id)?;
        let named = Args(json!({"ServiceName": endpoint.service, "DnsOptions": args.get("DnsOptions")}));
        endpoint_create::check_private_dns(world, &vpc_id, vpc, service, &named)?;
    }

    for subnet in &removed {
        if let Some(interface) = ids::ENDPOINT.find_mut(&mut world.ec2.endpoints, id)?.interfaces.remove(subnet) {
            world.ec2.remove_interface(&interface);
        }
    }
    let endpoint = ids::ENDPOINT.find_mut(&mut world.ec2.endpoints, id)?;
    endpoint.private_dns = private_dns;
    endpoint.groups.clone_from(&groups);
    let kept: Vec<_> = endpoint.interfaces.values().cloned().collect();
    if !fresh.is_empty() {
        endpoint.state = "pending";
        let event = id.to_owned();
        world.take(Time::EndpointCreate, id, move |world| endpoint_create::settle(world, &event));
    }
    for interface in &kept {
        ids::NETWORK_INTERFACE.find_mut(&mut world.ec2.interfaces, interface)?.groups.clone_from(&groups);
    }
    fresh.iter().try_for_each(|subnet| endpoint_create::enter(world, id, &vpc_id, subnet, &groups))
}

/// A zone that the endpoint is in already takes no second subnet.
fn check_zones<'a>(world: &World, present: impl Iterator<Item = &'a String>, fresh: &[String]) -> Result<(), ApiError> {
    let zone = |id: &String| world.ec2.subnets.get(id).map(|subnet| subnet.zone.clone());
    let taken: Vec<_> = present.filter_map(zone).collect();
    match fresh.iter().find(|subnet| zone(subnet).is_some_and(|zone| taken.contains(&zone))) {
        Some(subnet) => {
            let message = format!("Found another VPC endpoint subnet in the availability zone of {subnet}");
            Err(ApiError::new("DuplicateSubnetsInSameZone", message))
        }
        None => Ok(()),
    }
}

/// What cannot be deleted is told in the reply, and the rest deleted (DeleteVpcEndpoints).
pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let wanted = args.strings("VpcEndpointId");
    if wanted.is_empty() {
        return Err(ApiError::missing("VpcEndpointId"));
    }
    for id in &wanted {
        ids::ENDPOINT.check(id)?;
    }
    let mut unsuccessful: Vec<Value> = Vec::new();
    for id in wanted {
        let Some(endpoint) = world.ec2.endpoints.get_mut(&id) else {
            let message = format!("The Vpc Endpoint Id '{id}' does not exist");
            unsuccessful.push(json!({"resourceId": id, "error": {"code": "InvalidVpcEndpoint.NotFound", "message": message}}));
            continue;
        };
        if endpoint.state == "deleting" {
            continue;
        }
        begin(endpoint);
        let time = if endpoint.kind == EndpointKind::Gateway { Time::GatewayEndpointDelete } else { Time::EndpointDelete };
        // "Deleting a gateway endpoint also deletes the endpoint routes."
        drop_routes(world, &id, |_| true);
        let event = id.clone();
        world.take(time, &id, move |world| finish(world, &event));
    }
    Ok(json!({"unsuccessful": unsuccessful}))
}

fn begin(endpoint: &mut Endpoint) {
    endpoint.state = "deleting";
    endpoint.tables.clear();
}

/// Its interfaces go last: until then they keep their subnets and security groups.
fn finish(world: &mut World, id: &str) {
    let interfaces = world.ec2.endpoints.remove(id).map(|endpoint| endpoint.interfaces).unwrap_or_default();
    for interface in interfaces.values() {
        world.ec2.remove_interface(interface);
    }
    world.ec2.tags.remove(id);
}
