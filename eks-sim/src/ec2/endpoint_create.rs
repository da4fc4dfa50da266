//! CreateVpcEndpoint.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Reply, State, attachment,
    endpoint::{self, Endpoint, EndpointKind},
    endpoint_service::{self, Service},
    ids, interface, prefix_list, quota,
    route::{Route, Target},
    subnet::Subnet,
    tags,
    vpc::Vpc,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// Endpoints word most refusals of parameters with this code.
pub(super) fn refuse<T>(message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::new("InvalidParameter", message))
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::ENDPOINT.tag_type, &[])?;
    let vpc_id = args.required("VpcId")?;
    ids::VPC.find(&world.ec2.vpcs, vpc_id)?;
    if let Some(id) = world.ec2.made_before("CreateVpcEndpoint", args)?.and_then(|made| made.first().cloned()) {
        let told = endpoint::render(world, &id, ids::ENDPOINT.find(&world.ec2.endpoints, &id)?);
        return Ok(json!({"vpcEndpoint": told, "clientToken": args.str("ClientToken")}));
    }
    // "Default: Gateway" (CreateVpcEndpoint).
    let kind = match args.str("VpcEndpointType").unwrap_or("Gateway") {
        "Gateway" => EndpointKind::Gateway,
        "Interface" => EndpointKind::Interface,
        other => return Err(ApiError::new("UnsupportedOperation", format!("The endpoint type {other} is not supported."))),
    };
    let service = endpoint_service::find(&world.region, args.required("ServiceName")?, kind)?;
    let policy = policy(args)?.unwrap_or_else(|| endpoint::FULL_ACCESS.to_owned());
    let fresh = Endpoint {
        kind,
        vpc: vpc_id.to_owned(),
        service: args.str("ServiceName").unwrap_or_default().to_owned(),
        state: "available",
        policy,
        tables: Vec::new(),
        interfaces: BTreeMap::new(),
        groups: Vec::new(),
        private_dns: false,
        created: world.timestamp(),
        label: world.draw.hex("endpoint-label", 8),
    };
    let id = match kind {
        EndpointKind::Gateway => gateway(world, args, fresh)?,
        EndpointKind::Interface => interface(world, args, service, fresh)?,
    };
    world.ec2.tag(&id, tags);
    world.ec2.remember("CreateVpcEndpoint", args, vec![id.clone()]);
    let told = endpoint::render(world, &id, &world.ec2.endpoints[&id]);
    Ok(json!({"vpcEndpoint": told, "clientToken": args.str("ClientToken")}))
}

/// "The policy must be in valid JSON format."
pub(super) fn policy(args: &Args) -> Result<Option<String>, ApiError> {
    let Some(text) = args.str("PolicyDocument").filter(|text| !text.is_empty()) else { return Ok(None) };
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(document) if document.get("Statement").is_some() => Ok(Some(text.to_owned())),
        _ => Err(ApiError::new("InvalidPolicyDocument", "The policy document is not a valid JSON policy.")),
    }
}

fn gateway(world: &mut World, args: &Args, mut endpoint: Endpoint) -> Result<String, ApiError> {
    for (parameter, what) in [("SubnetId", "Subnet IDs"), ("SecurityGroupId", "Security group IDs")] {
        if !args.list(parameter).is_empty() {
            return refuse(format!("{what} are not supported for Gateway type VPC Endpoint."));
        }
    }
    if args.bool("PrivateDnsEnabled") == Some(true) {
        return refuse("Private DNS is not supported for Gateway type VPC Endpoint.");
    }
    let gateways = world.ec2.endpoints.values().filter(|endpoint| endpoint.kind == EndpointKind::Gateway);
    let message = "The maximum number of gateway VPC endpoints has been reached.";
    quota::within(gateways.count(), quota::GATEWAY_ENDPOINTS, "VpcEndpointLimitExceeded", message)?;
    let list = prefix_list::of_service(world, &endpoint.service).unwrap_or_default();
    let tables = args.strings("RouteTableId");
    for table in &tables {
        check_table(&world.ec2, &endpoint.vpc, table, &list)?;
    }
    endpoint.tables = tables.clone();
    let id = world.id(ids::ENDPOINT.prefix);
    world.ec2.endpoints.insert(id.clone(), endpoint);
    for table in &tables {
        add_route(&mut world.ec2, table, &list, &id);
    }
    Ok(id)
}

/// "You can't have more than one endpoint route to the same service in a route table" ("Gateway endpoints").
pub(super) fn check_table(state: &State, vpc: &str, table: &str, list: &str) -> Result<(), ApiError> {
    ids::ROUTE_TABLE.check(table)?;
    let missing = || ApiError::new("InvalidRouteTableId.NotFound", format!("The route table ID '{table}' does not exist"));
    let found = state.route_tables.get(table).ok_or_else(missing)?;
    if found.vpc != vpc {
        return refuse(format!("Route table {table} does not belong to VPC {vpc}"));
    }
    if found.routes.iter().any(|route| route.destination == list) {
        let message = format!("route table {table} already has a route with destination-prefix-list-id {list}");
        return Err(ApiError::new("RouteAlreadyExists", message));
    }
    let message = "The maximum number of routes has been reached.";
    quota::within(found.routes.len(), quota::ROUTES_PER_TABLE, "RouteLimitExceeded", message)
}

pub(super) fn add_route(state: &mut State, table: &str, list: &str, endpoint: &str) {
    if let Some(table) = state.route_tables.get_mut(table) {
        table.routes.push(Route { destination: list.to_owned(), target: Target::Endpoint(endpoint.to_owned()) });
    }
}

fn interface(world: &mut World, args: &Args, service: &Service, mut endpoint: Endpoint) -> Result<String, ApiError> {
    if !args.list("RouteTableId").is_empty() {
        return refuse("Route table IDs are only supported for Gateway type VPC Endpoint.");
    }
    if args.str("IpAddressType").is_some_and(|kind| kind != "ipv4") {
        return refuse(format!("The IP address type is not supported by the service {}.", endpoint.service));
    }
    let of_vpc = |other: &&Endpoint| other.kind == EndpointKind::Interface && other.vpc == endpoint.vpc;
    let count = world.ec2.endpoints.values().filter(of_vpc).count();
    let message = "The maximum number of VPC endpoints of the VPC has been reached.";
    quota::within(count, quota::INTERFACE_ENDPOINTS_PER_VPC, "VpcEndpointLimitExceeded", message)?;
    let subnets = args.strings("SubnetId");
    check_subnets(&world.ec2, &endpoint.vpc, &subnets)?;
    let first = subnets.first().map_or("", String::as_str);
    // "If this parameter is not specified, we use the default security group for the VPC."
    endpoint.groups = world.ec2.groups_for(&args.strings("SecurityGroupId"), first, &endpoint.vpc)?;
    // "Default: true" of PrivateDnsEnabled. For S3 and DynamoDB it must be asked for, since it needs what not every VPC has:
    // assumption.
    let by_default = !service.is_s3() && service.private_dns(&world.region).is_some();
    endpoint.private_dns = args.bool("PrivateDnsEnabled").unwrap_or(by_default);
    if endpoint.private_dns {
        let vpc = ids::VPC.find(&world.ec2.vpcs, &endpoint.vpc)?;
        check_private_dns(world, &endpoint.vpc, vpc, service, args)?;
    }
    endpoint.state = "pending";
    let id = world.id(ids::ENDPOINT.prefix);
    let (vpc, groups) = (endpoint.vpc.clone(), endpoint.groups.clone());
    world.ec2.endpoints.insert(id.clone(), endpoint);
    for subnet in &subnets {
        enter(world, &id, &vpc, subnet, &groups)?;
    }
    let event = id.clone();
    world.take(Time::EndpointCreate, &id, move |world| settle(world, &event));
    Ok(id)
}

/// The endpoint has what it was told to have.
pub(super) fn settle(world: &mut World, id: &str) {
    if let Some(endpoint) = world.ec2.endpoints.get_mut(id).filter(|endpoint| endpoint.state == "pending") {
        endpoint.state = "available";
    }
}

/// Subnets of an interface endpoint: of its VPC, one in each zone, with an address left.
pub(super) fn check_subnets(state: &State, vpc: &str, wanted: &[String]) -> Result<(), ApiError> {
    let mut zones: Vec<&str> = Vec::new();
    for id in wanted {
        let subnet = subnet(state, id)?;
        if subnet.vpc != vpc {
            return refuse(format!("Subnet {id} does not belong to VPC {vpc}"));
        }
        if zones.contains(&subnet.zone.as_str()) {
            let message = format!("Found another VPC endpoint subnet in the availability zone of {id}");
            return Err(ApiError::new("DuplicateSubnetsInSameZone", message));
        }
        zones.push(&subnet.zone);
        if state.free_in(id) == 0 {
            let message = format!("The specified subnet '{id}' does not have enough free addresses to satisfy the request.");
            return Err(ApiError::new("InsufficientFreeAddressesInSubnet", message));
        }
    }
    Ok(())
}

pub(super) fn subnet<'a>(state: &'a State, id: &str) -> Result<&'a Subnet, ApiError> {
    ids::SUBNET.check(id)?;
    let missing = || ApiError::new("InvalidSubnetId.NotFound", format!("The subnet ID '{id}' does not exist"));
    state.subnets.get(id).ok_or_else(missing)
}

/// "Private DNS": needs both DNS attributes of the VPC, and the service's name must not be taken in it; S3's is for on-premises
/// resolvers by default, which needs a gateway endpoint beside it ("Private DNS for Amazon S3").
pub(super) fn check_private_dns(world: &World, id: &str, vpc: &Vpc, service: &Service, args: &Args) -> Result<(), ApiError> {
    let full = args.str("ServiceName").unwrap_or_default();
    let Some(name) = service.private_dns(&world.region) else {
        return refuse(format!("Private DNS can't be enabled because the service {full} does not provide a private DNS name."));
    };
    if !vpc.dns_support || !vpc.dns_hostnames {
        return refuse(format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {id}"
        ));
    }
    let s3 = endpoint_service::service_name(&world.region, "s3");
    let of_service = |endpoint: &Endpoint| endpoint.vpc == id && endpoint.service == s3;
    let has_gateway = world.ec2.endpoints.values().any(|endpoint| of_service(endpoint) && endpoint.kind == EndpointKind::Gateway);
    let inbound_only = args.sub("DnsOptions").bool("PrivateDnsOnlyForInboundResolverEndpoint") != Some(false);
    if service.is_s3() && inbound_only && !has_gateway {
        return refuse(format!(
            "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {id} must have a Gateway endpoint for the service."
        ));
    }
    if world.ec2.private_name(id, full).is_some() {
        let message =
            format!("private-dns-enabled cannot be set because there is already a conflicting DNS domain for {name} in the VPC {id}");
        return refuse(message);
    }
    Ok(())
}

/// Gives an endpoint an interface in a subnet.
pub(super) fn enter(world: &mut World, id: &str, vpc: &str, subnet: &str, groups: &[String]) -> Result<(), ApiError> {
    let groups = world.ec2.groups_for(groups, subnet, vpc)?;
    let wanted = interface::Wanted {
        subnet: subnet.to_owned(),
        groups,
        description: format!("VPC Endpoint Interface {id}"),
        interface_type: Some("vpc_endpoint".to_owned()),
        requester: Some("amazon-aws".to_owned()),
        ..interface::Wanted::default()
    };
    let interface = interface::make(world, wanted)?;
    attachment::attach_to(world, &interface, None, 1, false);
    ids::ENDPOINT.find_mut(&mut world.ec2.endpoints, id)?.interfaces.insert(subnet.to_owned(), interface);
    Ok(())
}
