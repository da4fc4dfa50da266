//! Route tables and their associations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Reply, State, done,
    filter::Listing,
    ids, invalid, quota,
    route::{Route, Target},
    tags,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// What a route table is associated with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Associated {
    /// The VPC: each subnet without a table of its own.
    Main,
    Subnet(String),
    /// A gateway, such as a regional NAT gateway.
    Gateway(String),
}

impl Associated {
    fn subnet(&self) -> Option<&str> {
        if let Self::Subnet(id) = self { Some(id) } else { None }
    }

    pub(super) fn is_subnet(&self, id: &str) -> bool {
        self.subnet() == Some(id)
    }

    fn gateway(&self) -> Option<&str> {
        if let Self::Gateway(id) = self { Some(id) } else { None }
    }
}

#[derive(Clone, Debug)]
pub(super) struct RouteTable {
    pub(super) vpc: String,
    /// Besides the local ones.
    pub(super) routes: Vec<Route>,
    pub(super) associations: BTreeMap<String, Associated>,
}

impl RouteTable {
    pub(super) fn new(vpc: &str) -> Self {
        Self { vpc: vpc.to_owned(), routes: Vec::new(), associations: BTreeMap::new() }
    }

    /// Whether it is the VPC's main route table.
    pub(super) fn is_main(&self) -> bool {
        self.associations.values().any(|associated| *associated == Associated::Main)
    }

    /// Whether AWS made it for a gateway.
    pub(super) fn is_of_gateway(&self) -> bool {
        self.associations.values().any(|associated| associated.gateway().is_some())
    }
}

impl State {
    /// The route table that a subnet uses: its own, or the VPC's main one.
    pub(super) fn table_of(&self, subnet: &str) -> Option<&RouteTable> {
        let explicit = self.route_tables.values().find(|table| table.associations.values().any(|found| found.is_subnet(subnet)));
        explicit.or_else(|| {
            let vpc = &self.subnets.get(subnet)?.vpc;
            self.route_tables.values().find(|table| table.vpc == *vpc && table.is_main())
        })
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
        ("association.gateway-id", "associationSet.gatewayId"),
        ("association.route-table-id", "associationSet.routeTableId"),
        ("association.route-table-association-id", "associationSet.routeTableAssociationId"),
        ("route.destination-cidr-block", "routeSet.destinationCidrBlock"),
        ("route.destination-ipv6-cidr-block", "routeSet.destinationIpv6CidrBlock"),
        ("route.destination-prefix-list-id", "routeSet.destinationPrefixListId"),
        ("route.egress-only-internet-gateway-id", "routeSet.egressOnlyInternetGatewayId"),
        ("route.gateway-id", "routeSet.gatewayId"),
        ("route.nat-gateway-id", "routeSet.natGatewayId"),
        ("route.instance-id", "routeSet.instanceId"),
        ("route.transit-gateway-id", "routeSet.transitGatewayId"),
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
        .map(|(association, with)| {
            json!({
                "routeTableAssociationId": association, "routeTableId": id, "main": *with == Associated::Main,
                "subnetId": with.subnet(), "gatewayId": with.gateway(),
                "associationState": {"state": "associated"},
            })
        })
        .collect();
    let local = |key: &str, block: String| json!({key: block, "gatewayId": "local", "state": "active", "origin": "CreateRouteTable"});
    let mut routes = Vec::new();
    if let Some(vpc) = state.vpcs.get(&table.vpc) {
        routes.extend(vpc.cidrs.iter().map(|block| local("destinationCidrBlock", block.net.to_string())));
        routes.extend(vpc.ipv6.iter().map(|block| local("destinationIpv6CidrBlock", block.net.to_string())));
    }
    routes.extend(table.routes.iter().map(|route| render_route(world, &table.vpc, route)));
    json!({
        "routeTableId": id, "vpcId": table.vpc, "associationSet": associations, "routeSet": routes, "propagatingVgwSet": [],
        "ownerId": world.account, "tagSet": state.tag_set(id),
    })
}

fn render_route(world: &World, vpc: &str, route: &Route) -> Value {
    let key = match &route.destination {
        text if text.starts_with("pl-") => "destinationPrefixListId",
        text if text.contains(':') => "destinationIpv6CidrBlock",
        _ => "destinationCidrBlock",
    };
    let status = if world.ec2.is_active(vpc, route) { "active" } else { "blackhole" };
    let mut item = json!({key: route.destination, "state": status, "origin": "CreateRoute"});
    match &route.target {
        Target::Gateway(id) | Target::Endpoint(id) => item["gatewayId"] = json!(id),
        Target::Nat(id) => item["natGatewayId"] = json!(id),
        Target::Transit(id) => item["transitGatewayId"] = json!(id),
        Target::EgressOnly(id) => item["egressOnlyInternetGatewayId"] = json!(id),
        Target::Interface(id) => item["networkInterfaceId"] = json!(id),
        Target::Instance(id) => {
            item["instanceId"] = json!(id);
            item["instanceOwnerId"] = json!(world.account);
            item["networkInterfaceId"] = json!(world.ec2.primary_interface(id));
        }
    }
    item
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
    state.forget_table(id);
    state.tags.remove(id);
    Ok(done())
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world
        .ec2
        .route_tables
        .iter()
        .filter(|(id, _)| LISTING.wants(&world.ec2, args, id))
        .map(|(id, table)| render(world, id, table))
        .collect();
    LISTING.reply(args, items)
}

pub(super) fn associate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("RouteTableId")?;
    let subnet_id = args.required("SubnetId")?;
    let table = ids::ROUTE_TABLE.find(&world.ec2.route_tables, id)?;
    let subnet = ids::SUBNET.find(&world.ec2.subnets, subnet_id)?;
    if table.vpc != subnet.vpc {
        let message = format!("Route table {id} and subnet {subnet_id} belong to different networks");
        return Err(invalid(message));
    }
    let present = world.ec2.route_tables.iter().find_map(|(table, found)| {
        let association = found.associations.iter().find(|(_, with)| with.is_subnet(subnet_id))?;
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
            table.associations.insert(association.clone(), Associated::Subnet(subnet_id.to_owned()));
            association
        }
    };
    Ok(json!({"associationId": association, "associationState": {"state": "associated"}}))
}

/// The route table that has this association, and what is associated.
fn association(state: &State, id: &str) -> Result<(String, Associated), ApiError> {
    state
        .route_tables
        .iter()
        .find_map(|(table, found)| Some((table.clone(), found.associations.get(id)?.clone())))
        .ok_or_else(|| ApiError::new("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist")))
}

pub(super) fn disassociate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("AssociationId")?;
    let (table, with) = association(&world.ec2, id)?;
    match with {
        Associated::Subnet(_) => {}
        Associated::Main => return Err(invalid(format!("cannot disassociate the main route table association {id}"))),
        Associated::Gateway(_) => return Err(invalid(format!("cannot disassociate the route table of a gateway {id}"))),
    }
    ids::ROUTE_TABLE.find_mut(&mut world.ec2.route_tables, &table)?.associations.remove(id);
    Ok(done())
}

/// Also how another table becomes the VPC's main one: by replacing the main association.
pub(super) fn replace_association(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("AssociationId")?;
    let to = args.required("RouteTableId")?;
    let (from, with) = association(&world.ec2, id)?;
    let vpc = world.ec2.route_tables[&from].vpc.clone();
    if ids::ROUTE_TABLE.find(&world.ec2.route_tables, to)?.vpc != vpc {
        let message = format!("Route table {to} and route table {from} belong to different networks");
        return Err(invalid(message));
    }
    let association = world.id("rtbassoc");
    ids::ROUTE_TABLE.find_mut(&mut world.ec2.route_tables, &from)?.associations.remove(id);
    ids::ROUTE_TABLE.find_mut(&mut world.ec2.route_tables, to)?.associations.insert(association.clone(), with);
    Ok(json!({"newAssociationId": association, "associationState": {"state": "associated"}}))
}
