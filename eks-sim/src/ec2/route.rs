//! Route tables, their associations and routes.

use std::collections::BTreeMap;

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::{Reply, State, done, filter::Listing, ids, instance::InstanceState, quota, tags, vpc::parse_cidr};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Debug)]
pub(super) struct RouteTable {
    pub(super) vpc: String,
    /// Besides the local ones.
    pub(super) routes: Vec<Route>,
    /// Association id to subnet; the main association has none.
    pub(super) associations: BTreeMap<String, Option<String>>,
}

#[derive(Clone, Debug)]
pub(super) struct Route {
    /// A block in canonical form, or a prefix list.
    pub(super) destination: String,
    pub(super) target: Target,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    Gateway(String),
    Nat(String),
    Interface(String),
    Instance(String),
}

impl RouteTable {
    pub(super) fn new(vpc: &str) -> Self {
        Self { vpc: vpc.to_owned(), routes: Vec::new(), associations: BTreeMap::new() }
    }

    /// Whether it is the VPC's main route table.
    pub(super) fn is_main(&self) -> bool {
        self.associations.values().any(Option::is_none)
    }
}

impl State {
    /// Whether a route's target still takes traffic ("blackhole" otherwise).
    pub(super) fn is_active(&self, vpc: &str, route: &Route) -> bool {
        match &route.target {
            Target::Gateway(id) => self.internet_gateways.get(id).is_some_and(|gateway| gateway.vpc.as_deref() == Some(vpc)),
            Target::Nat(id) => self.nat_gateways.get(id).is_some_and(|nat| matches!(nat.state, "pending" | "available")),
            Target::Interface(id) => self.interfaces.get(id).is_some_and(|interface| interface.attachment.is_some()),
            Target::Instance(id) => self.instances.get(id).is_some_and(|instance| instance.state == InstanceState::Running),
        }
    }

    /// The route table that a subnet uses: its own, or the VPC's main one.
    pub(super) fn table_of(&self, subnet: &str) -> Option<&RouteTable> {
        let explicit = self.route_tables.values().find(|table| table.associations.values().any(|s| s.as_deref() == Some(subnet)));
        explicit.or_else(|| {
            let vpc = &self.subnets.get(subnet)?.vpc;
            self.route_tables.values().find(|table| table.vpc == *vpc && table.is_main())
        })
    }

    /// Where a subnet's traffic to the internet goes, if the route is active.
    pub(super) fn default_route(&self, subnet: &str) -> Option<&Target> {
        let table = self.table_of(subnet)?;
        let route = table.routes.iter().find(|route| route.destination == "0.0.0.0/0")?;
        self.is_active(&table.vpc, route).then_some(&route.target)
    }
}

const LISTING: Listing = Listing {
    set: "routeTableSet",
    ids: Some(("RouteTableId", &ids::ROUTE_TABLE)),
    key: "routeTableId",
    filters: &[
        ("route-table-id", "routeTableId"),
        ("vpc-id", "vpcId"),
        ("owner-id", "ownerId"),
        ("association.main", "associationSet.main"),
        ("association.subnet-id", "associationSet.subnetId"),
        ("association.route-table-id", "associationSet.routeTableId"),
        ("association.route-table-association-id", "associationSet.routeTableAssociationId"),
        ("route.destination-cidr-block", "routeSet.destinationCidrBlock"),
        ("route.gateway-id", "routeSet.gatewayId"),
        ("route.nat-gateway-id", "routeSet.natGatewayId"),
        ("route.instance-id", "routeSet.instanceId"),
        ("route.origin", "routeSet.origin"),
        ("route.state", "routeSet.state"),
    ],
    page: Some((5, 100)),
};

fn render(world: &World, id: &str, table: &RouteTable) -> Value {
    let state = &world.ec2;
    let associations: Vec<_> = table
        .associations
        .iter()
        .map(|(association, subnet)| {
            json!({
                "routeTableAssociationId": association, "routeTableId": id, "main": subnet.is_none(), "subnetId": subnet,
                "associationState": {"state": "associated"},
            })
        })
        .collect();
    let local = |key: &str, block: String| json!({key: block, "gatewayId": "local", "state": "active", "origin": "CreateRouteTable"});
    let mut routes = Vec::new();
    if let Some(vpc) = state.vpcs.get(&table.vpc) {
        routes.extend(vpc.cidrs.iter().map(|(_, block)| local("destinationCidrBlock", block.to_string())));
        routes.extend(vpc.ipv6.iter().map(|(_, block)| local("destinationIpv6CidrBlock", block.to_string())));
    }
    routes.extend(table.routes.iter().map(|route| {
        let key = match &route.destination {
            text if text.starts_with("pl-") => "destinationPrefixListId",
            text if text.contains(':') => "destinationIpv6CidrBlock",
            _ => "destinationCidrBlock",
        };
        let status = if state.is_active(&table.vpc, route) { "active" } else { "blackhole" };
        let mut item = json!({key: route.destination, "state": status, "origin": "CreateRoute"});
        match &route.target {
            Target::Gateway(id) => item["gatewayId"] = json!(id),
            Target::Nat(id) => item["natGatewayId"] = json!(id),
            Target::Interface(id) => item["networkInterfaceId"] = json!(id),
            Target::Instance(id) => {
                item["instanceId"] = json!(id);
                item["instanceOwnerId"] = json!(world.account);
                item["networkInterfaceId"] = json!(state.primary_interface(id));
            }
        }
        item
    }));
    json!({
        "routeTableId": id, "vpcId": table.vpc, "associationSet": associations, "routeSet": routes, "propagatingVgwSet": [],
        "ownerId": world.account, "tagSet": state.tag_set(id),
    })
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::ROUTE_TABLE.tag_type, &[])?;
    let vpc = args.required("VpcId")?;
    ids::VPC.find(&world.ec2.vpcs, vpc)?;
    let before = world.ec2.made_before("CreateRouteTable", args)?.and_then(|made| made.first().cloned());
    let id = match before {
        Some(id) => id,
        None => {
            let count = world.ec2.route_tables.values().filter(|table| table.vpc == vpc).count();
            let message = "The maximum number of route tables has been reached.";
            quota::within(count, quota::ROUTE_TABLES_PER_VPC, "RouteTableLimitExceeded", message)?;
            let id = world.id(ids::ROUTE_TABLE.prefix);
            world.ec2.route_tables.insert(id.clone(), RouteTable::new(vpc));
            world.ec2.tag(&id, tags);
            world.ec2.remember("CreateRouteTable", args, vec![id.clone()]);
            id
        }
    };
    let table = ids::ROUTE_TABLE.find(&world.ec2.route_tables, &id)?;
    Ok(json!({"routeTable": render(world, &id, table), "clientToken": args.str("ClientToken")}))
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("RouteTableId")?;
    let state = &mut world.ec2;
    if !ids::ROUTE_TABLE.find(&state.route_tables, id)?.associations.is_empty() {
        return Err(ApiError::new("DependencyViolation", format!("The routeTable '{id}' has dependencies and cannot be deleted.")));
    }
    state.route_tables.remove(id);
    state.tags.remove(id);
    Ok(done())
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.route_tables.iter().map(|(id, table)| render(world, id, table)).collect();
    LISTING.reply(args, items)
}

pub(super) fn associate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("RouteTableId")?;
    let subnet_id = args.required("SubnetId")?;
    let table = ids::ROUTE_TABLE.find(&world.ec2.route_tables, id)?;
    let subnet = ids::SUBNET.find(&world.ec2.subnets, subnet_id)?;
    if table.vpc != subnet.vpc {
        let message = format!("Route table {id} and subnet {subnet_id} belong to different networks");
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    let present = world.ec2.route_tables.iter().find_map(|(table, found)| {
        let association = found.associations.iter().find(|(_, subnet)| subnet.as_deref() == Some(subnet_id))?;
        Some((table.clone(), association.0.clone()))
    });
    let association = match present {
        Some((table, association)) if table == id => association,
        Some(_) => {
            let message = format!("the specified association for route table {id} conflicts with an existing association");
            return Err(ApiError::new("Resource.AlreadyAssociated", message));
        }
        None => {
            let association = world.id("rtbassoc");
            let table = ids::ROUTE_TABLE.find_mut(&mut world.ec2.route_tables, id)?;
            table.associations.insert(association.clone(), Some(subnet_id.to_owned()));
            association
        }
    };
    Ok(json!({"associationId": association, "associationState": {"state": "associated"}}))
}

/// The route table that has this association, and what is associated.
fn association(state: &State, id: &str) -> Result<(String, Option<String>), ApiError> {
    state
        .route_tables
        .iter()
        .find_map(|(table, found)| Some((table.clone(), found.associations.get(id)?.clone())))
        .ok_or_else(|| ApiError::new("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist")))
}

pub(super) fn disassociate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("AssociationId")?;
    let (table, subnet) = association(&world.ec2, id)?;
    if subnet.is_none() {
        return Err(ApiError::new("InvalidParameterValue", format!("cannot disassociate the main route table association {id}")));
    }
    ids::ROUTE_TABLE.find_mut(&mut world.ec2.route_tables, &table)?.associations.remove(id);
    Ok(done())
}

/// Also how another table becomes the VPC's main one: by replacing the main association.
pub(super) fn replace_association(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("AssociationId")?;
    let to = args.required("RouteTableId")?;
    let (from, subnet) = association(&world.ec2, id)?;
    let vpc = world.ec2.route_tables[&from].vpc.clone();
    if ids::ROUTE_TABLE.find(&world.ec2.route_tables, to)?.vpc != vpc {
        let message = format!("Route table {to} and route table {from} belong to different networks");
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    let association = world.id("rtbassoc");
    ids::ROUTE_TABLE.find_mut(&mut world.ec2.route_tables, &from)?.associations.remove(id);
    ids::ROUTE_TABLE.find_mut(&mut world.ec2.route_tables, to)?.associations.insert(association.clone(), subnet);
    Ok(json!({"newAssociationId": association, "associationState": {"state": "associated"}}))
}

/// The destination of a call on a route, in canonical form.
fn destination(args: &Args) -> Result<String, ApiError> {
    let given = [
        args.str("DestinationCidrBlock").map(|text| parse_cidr("destinationCidrBlock", text).map(|net| net.to_string())),
        args.str("DestinationIpv6CidrBlock").map(|text| {
            text.parse::<Ipv6Net>().map(|net| net.trunc().to_string()).map_err(|_| {
                let message = format!("Value ({text}) for parameter destinationIpv6CidrBlock is invalid. This is not a valid CIDR block.");
                ApiError::new("InvalidParameterValue", message)
            })
        }),
        args.str("DestinationPrefixListId").map(|text| Ok(text.to_owned())),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(destination), None) => destination,
        (None, _) => Err(ApiError::missing("destinationCidrBlock")),
        _ => Err(ApiError::new("InvalidParameterCombination", "The request must contain exactly one destination")),
    }
}

/// The target of a call on a route, which must exist and be of the table's VPC.
fn target(state: &State, table_id: &str, vpc: &str, args: &Args) -> Result<Target, ApiError> {
    const TARGETS: [&str; 4] = ["GatewayId", "NatGatewayId", "NetworkInterfaceId", "InstanceId"];
    let mut given = TARGETS.iter().filter_map(|name| args.str(name).map(|id| (*name, id.to_owned())));
    let (Some((name, id)), None) = (given.next(), given.next()) else {
        let message = "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, \
                       egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId, vpcEndpointId, coreNetworkArn or instanceId";
        let code = if TARGETS.iter().any(|name| args.str(name).is_some()) { "InvalidParameterCombination" } else { "MissingParameter" };
        return Err(ApiError::new(code, message));
    };
    let elsewhere =
        |what: &str| ApiError::new("InvalidParameterValue", format!("route table {table_id} and {what} {id} belong to different networks"));
    match name {
        "GatewayId" => {
            let gateway = state.internet_gateways.get(&id);
            let gateway =
                gateway.ok_or_else(|| ApiError::new("InvalidGatewayID.NotFound", format!("The gateway ID '{id}' does not exist")))?;
            if gateway.vpc.as_deref() != Some(vpc) {
                return Err(elsewhere("network gateway"));
            }
            Ok(Target::Gateway(id))
        }
        "NatGatewayId" => {
            // CreateRoute has a code of its own for it, unlike the NAT gateway actions.
            let nat = state.nat_gateways.get(&id).filter(|nat| nat.state != "deleted");
            let nat =
                nat.ok_or_else(|| ApiError::new("InvalidNatGatewayID.NotFound", format!("The natGateway ID '{id}' does not exist")))?;
            if nat.vpc != vpc {
                return Err(elsewhere("NAT gateway"));
            }
            Ok(Target::Nat(id))
        }
        "NetworkInterfaceId" => {
            if ids::NETWORK_INTERFACE.find(&state.interfaces, &id)?.vpc != vpc {
                return Err(elsewhere("interface"));
            }
            Ok(Target::Interface(id))
        }
        _ => {
            ids::INSTANCE.find(&state.instances, &id)?;
            Ok(Target::Instance(id))
        }
    }
}

pub(super) fn create_route(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    put_route(world, args, false)
}

pub(super) fn replace_route(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    put_route(world, args, true)
}

fn put_route(world: &mut World, args: &Args, replace: bool) -> Reply {
    let id = args.required("RouteTableId")?;
    let destination = destination(args)?;
    let state = &mut world.ec2;
    let table = ids::ROUTE_TABLE.find(&state.route_tables, id)?;
    let target = target(state, id, &table.vpc, args)?;
    let vpc = state.vpcs.get(&table.vpc);
    if vpc.is_some_and(|vpc| vpc.cidrs.iter().any(|(_, block)| block.to_string() == destination)) {
        let message = format!("The destination CIDR block {destination} is equal to or more specific than one of this VPC's CIDR blocks.");
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    // A route inside the VPC may go to an interface only ("Route tables", VPC user guide).
    let inside = destination.parse::<Ipv4Net>().is_ok_and(|net| vpc.is_some_and(|vpc| vpc.covers(&net)));
    if inside && matches!(target, Target::Gateway(_)) {
        let message = format!(
            "The destination CIDR block {destination} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance."
        );
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    let present = table.routes.iter().position(|route| route.destination == destination);
    let count = table.routes.len();
    let table = ids::ROUTE_TABLE.find_mut(&mut state.route_tables, id)?;
    match (present, replace) {
        (Some(index), true) => table.routes[index].target = target,
        // The same route again is answered as done; another target is not.
        (Some(index), false) if table.routes[index].target == target => {}
        (Some(_), false) => {
            return Err(ApiError::new("RouteAlreadyExists", format!("The route identified by {destination} already exists.")));
        }
        (None, true) => {
            let message = format!("There is no route defined for '{destination}' in the route table. Use CreateRoute instead.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        (None, false) => {
            let message = "The maximum number of routes has been reached.";
            quota::within(count, quota::ROUTES_PER_TABLE, "RouteLimitExceeded", message)?;
            table.routes.push(Route { destination, target });
        }
    }
    Ok(done())
}

pub(super) fn delete_route(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("RouteTableId")?;
    let destination = destination(args)?;
    let state = &mut world.ec2;
    let table = ids::ROUTE_TABLE.find_mut(&mut state.route_tables, id)?;
    let local = state.vpcs.get(&table.vpc).is_some_and(|vpc| vpc.cidrs.iter().any(|(_, block)| block.to_string() == destination));
    if local {
        return Err(ApiError::new("InvalidParameterValue", format!("cannot remove local route {destination} in route table {id}")));
    }
    let Some(index) = table.routes.iter().position(|route| route.destination == destination) else {
        let message = format!("no route with destination-cidr-block {destination} in route table {id}");
        return Err(ApiError::new("InvalidRoute.NotFound", message));
    };
    table.routes.remove(index);
    Ok(done())
}
