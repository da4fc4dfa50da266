//! Routes.

use ipnet::{Ipv4Net, Ipv6Net};

use super::{Reply, State, done, ids, instance::InstanceState, invalid, quota, vpc::parse_cidr};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Route {
    /// A block in canonical form, or a prefix list.
    pub(super) destination: String,
    pub(super) target: Target,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    Gateway(String),
    EgressOnly(String),
    /// A gateway endpoint, which AWS alone makes a target.
    Endpoint(String),
    Nat(String),
    Interface(String),
    Instance(String),
    Transit(String),
}

impl State {
    /// Whether a route's target still takes traffic ("blackhole" otherwise).
    pub(super) fn is_active(&self, vpc: &str, route: &Route) -> bool {
        match &route.target {
            Target::Gateway(id) => self.internet_gateways.get(id).is_some_and(|gateway| gateway.vpc.as_deref() == Some(vpc)),
            Target::EgressOnly(id) => self.egress_only_gateways.get(id).is_some_and(|gateway| gateway.vpc == vpc),
            Target::Endpoint(id) => self.endpoints.contains_key(id),
            Target::Nat(id) => self.nat_gateways.get(id).is_some_and(|nat| matches!(nat.state, "pending" | "available")),
            Target::Interface(id) => self.interfaces.get(id).is_some_and(|interface| interface.attachment.is_some()),
            Target::Transit(id) => self.is_attached(vpc, id),
            Target::Instance(id) => self.instances.get(id).is_some_and(|instance| instance.state == InstanceState::Running),
        }
    }

    /// Where a subnet's traffic to the internet goes, if the route is active.
    pub(super) fn default_route(&self, subnet: &str) -> Option<&Target> {
        let table = self.table_of(subnet)?;
        let route = table.routes.iter().find(|route| route.destination == "0.0.0.0/0")?;
        self.is_active(&table.vpc, route).then_some(&route.target)
    }
}

/// The destination of a call on a route, in canonical form.
fn destination(state: &State, args: &Args) -> Result<String, ApiError> {
    let given = [
        args.str("DestinationCidrBlock").map(|text| parse_cidr("destinationCidrBlock", text).map(|net| net.to_string())),
        args.str("DestinationIpv6CidrBlock").map(|text| {
            text.parse::<Ipv6Net>().map(|net| net.trunc().to_string()).map_err(|_| {
                let message = format!("Value ({text}) for parameter destinationIpv6CidrBlock is invalid. This is not a valid CIDR block.");
                invalid(message)
            })
        }),
        args.str("DestinationPrefixListId").map(|text| ids::PREFIX_LIST.find(&state.prefix_lists, text).map(|_| text.to_owned())),
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
    const TARGETS: [&str; 6] =
        ["TransitGatewayId", "GatewayId", "EgressOnlyInternetGatewayId", "NatGatewayId", "NetworkInterfaceId", "InstanceId"];
    let mut given = TARGETS.iter().filter_map(|name| args.str(name).map(|id| (*name, id.to_owned())));
    let (Some((name, id)), None) = (given.next(), given.next()) else {
        let message = "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, \
                       egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId, vpcEndpointId, coreNetworkArn or instanceId";
        let code = if TARGETS.iter().any(|name| args.str(name).is_some()) { "InvalidParameterCombination" } else { "MissingParameter" };
        return Err(ApiError::new(code, message));
    };
    let elsewhere = |what: &str| invalid(format!("route table {table_id} and {what} {id} belong to different networks"));
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
        "EgressOnlyInternetGatewayId" => {
            // The code is that of an internet gateway ("Error codes for the Amazon EC2 API" has none of its own).
            let gateway = state.egress_only_gateways.get(&id);
            let gateway = gateway.ok_or_else(|| ids::EGRESS_ONLY_GATEWAY.not_found(&id))?;
            if gateway.vpc != vpc {
                return Err(elsewhere("egress only internet gateway"));
            }
            Ok(Target::EgressOnly(id))
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
        "TransitGatewayId" => {
            // A transit gateway is there for a VPC that is attached to it ("Add a route to the VPC route table").
            ids::TRANSIT_GATEWAY.check(&id)?;
            if !state.is_attached(vpc, &id) {
                return Err(ids::TRANSIT_GATEWAY.not_found(&id));
            }
            Ok(Target::Transit(id))
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

/// "You cannot explicitly add, modify, or delete an endpoint route in your route table by using the route table APIs" ("Gateway
/// endpoints").
fn of_endpoint(destination: &str, table: &str) -> ApiError {
    invalid(format!("cannot remove VPC endpoint route {destination} in route table {table}"))
}

impl Route {
    fn is_of_endpoint(&self) -> bool {
        matches!(self.target, Target::Endpoint(_))
    }
}

pub(super) fn create(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    put(world, args, false)
}

pub(super) fn replace(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    put(world, args, true)
}

/// CreateRoute: an egress-only gateway takes IPv6 traffic only, a NAT gateway IPv4 traffic only, besides the NAT64 prefix
/// ("DNS64 and NAT64", VPC user guide).
fn check_family(destination: &str, target: &Target) -> Result<(), ApiError> {
    let ipv6 = destination.contains(':');
    match target {
        Target::EgressOnly(id) if !ipv6 => {
            Err(invalid(format!("{destination} cannot be routed to {id}: an egress only internet gateway takes IPv6 traffic only")))
        }
        Target::Nat(id) if ipv6 && destination != "64:ff9b::/96" => {
            Err(invalid(format!("{destination} cannot be routed to {id}: a NAT gateway takes IPv4 traffic only")))
        }
        _ => Ok(()),
    }
}

fn put(world: &mut World, args: &Args, replace: bool) -> Reply {
    let id = args.required("RouteTableId")?;
    let destination = destination(&world.ec2, args)?;
    let state = &mut world.ec2;
    let table = ids::ROUTE_TABLE.find(&state.route_tables, id)?;
    let target = target(state, id, &table.vpc, args)?;
    let vpc = state.vpcs.get(&table.vpc);
    if vpc.is_some_and(|vpc| vpc.is_local(&destination)) {
        let message = format!("The destination CIDR block {destination} is equal to or more specific than one of this VPC's CIDR blocks.");
        return Err(invalid(message));
    }
    check_family(&destination, &target)?;
    // A route inside the VPC may go to an interface only ("Route tables", VPC user guide).
    let inside = destination.parse::<Ipv4Net>().is_ok_and(|net| vpc.is_some_and(|vpc| vpc.covers(&net)))
        || destination.parse::<Ipv6Net>().is_ok_and(|net| vpc.is_some_and(|vpc| vpc.covers_ipv6(&net)));
    if inside && matches!(target, Target::Gateway(_) | Target::EgressOnly(_)) {
        let message = format!(
            "The destination CIDR block {destination} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance."
        );
        return Err(invalid(message));
    }
    let present = table.routes.iter().position(|route| route.destination == destination);
    let count = table.routes.len();
    let table = ids::ROUTE_TABLE.find_mut(&mut state.route_tables, id)?;
    match (present, replace) {
        (Some(index), true) if table.routes[index].is_of_endpoint() => return Err(of_endpoint(&destination, id)),
        (Some(index), true) => table.routes[index].target = target,
        // The same route again is answered as done; another target is not.
        (Some(index), false) if table.routes[index].target == target => {}
        (Some(_), false) => {
            return Err(ApiError::new("RouteAlreadyExists", format!("The route identified by {destination} already exists.")));
        }
        (None, true) => {
            let message = format!("There is no route defined for '{destination}' in the route table. Use CreateRoute instead.");
            return Err(invalid(message));
        }
        (None, false) => {
            let message = "The maximum number of routes has been reached.";
            quota::within(count, quota::ROUTES_PER_TABLE, "RouteLimitExceeded", message)?;
            table.routes.push(Route { destination, target });
        }
    }
    Ok(done())
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("RouteTableId")?;
    let destination = destination(&world.ec2, args)?;
    let state = &mut world.ec2;
    let table = ids::ROUTE_TABLE.find_mut(&mut state.route_tables, id)?;
    let local = state.vpcs.get(&table.vpc).is_some_and(|vpc| vpc.is_local(&destination));
    if local {
        return Err(invalid(format!("cannot remove local route {destination} in route table {id}")));
    }
    let Some(index) = table.routes.iter().position(|route| route.destination == destination) else {
        let message = format!("no route with destination-cidr-block {destination} in route table {id}");
        return Err(ApiError::new("InvalidRoute.NotFound", message));
    };
    if table.routes[index].is_of_endpoint() {
        return Err(of_endpoint(&destination, id));
    }
    table.routes.remove(index);
    Ok(done())
}
