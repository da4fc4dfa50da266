//! Route tables, default routes, associations.

use std::net::{Ipv4Addr, Ipv6Addr};

use eks_core::{Action, Error, NatGatewayId, Ref, RouteTableId, Step, StepKey, Tier, ZoneName};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Planner;
use crate::{
    egress::Way,
    keys,
    observed::{Found, FoundRouteTable},
    op::{NetOp, RouteTarget},
    subnet::PlacedSubnet,
};

/// The destination of an IPv4 default route.
pub(crate) const EVERYWHERE: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
const EVERYWHERE_IPV6: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0));

/// A route table, as its routes see it.
struct Place<'a> {
    tier: Tier,
    zone: Option<&'a ZoneName>,
    found: Option<&'a FoundRouteTable>,
}

/// A default route that a table should have.
struct DefaultRoute {
    destination: IpNet,
    /// Its target, for people.
    to: String,
    target: RouteTarget,
    /// The step that makes the target.
    after: Option<StepKey>,
}

fn internet(destination: IpNet) -> DefaultRoute {
    let key = keys::internet_gateway();
    DefaultRoute { destination, to: key.to_string(), target: RouteTarget::InternetGateway(Ref::id_of(key.clone())), after: Some(key) }
}

fn egress_only() -> DefaultRoute {
    let key = keys::egress_only_gateway();
    let target = RouteTarget::EgressOnlyGateway(Ref::id_of(key.clone()));
    DefaultRoute { destination: EVERYWHERE_IPV6, to: key.to_string(), target, after: Some(key) }
}

impl Planner<'_> {
    pub(super) fn route_tables(&mut self) -> Result<(), Error> {
        for (tier, zone) in self.spec.tables() {
            let name = zone.as_ref().map(ZoneName::as_str);
            let key = keys::of_table("route-table", tier, name);
            let found = self.now.made_by(&self.now.route_tables, &key)?;
            let (tags, changes) = self.tags(self.spec.extra.of(&self.spec.owner, &key), found);
            let op = NetOp::RouteTable { id: found.map(|table| table.id.clone()), vpc: self.vpc.clone(), tags };
            let place = name.map(|zone| format!(" in {zone}")).unwrap_or_default();
            let title = format!("route table of {} subnets{place}", keys::tier_name(tier));
            let step = self.step(key.clone(), title, found.map(Found::id), changes, &op)?.uses(&self.vpc);
            self.steps.push(step);
            let place = Place { tier, zone: zone.as_ref(), found };
            for route in self.default_routes(tier, zone.as_ref()) {
                self.route(&place, &key, route)?;
            }
        }
        Ok(())
    }

    /// The default routes of a table. An intra table has none.
    fn default_routes(&self, tier: Tier, zone: Option<&ZoneName>) -> Vec<DefaultRoute> {
        let (v4, v6) = match tier {
            Tier::Public => (Some(internet(EVERYWHERE)), self.spec.ipv6.then(|| internet(EVERYWHERE_IPV6))),
            Tier::Private => (self.way_out(zone), self.spec.ipv6.then(egress_only)),
            _ => (None, None),
        };
        v4.into_iter().chain(v6).collect()
    }

    /// Where private subnets go out over IPv4: one way for all zones, or one for each.
    fn way_out(&self, zone: Option<&ZoneName>) -> Option<DefaultRoute> {
        let nat = |key: StepKey| DefaultRoute {
            destination: EVERYWHERE,
            to: key.to_string(),
            target: RouteTarget::NatGateway(Ref::id_of(key.clone())),
            after: Some(key),
        };
        let existing = |id: &NatGatewayId| DefaultRoute {
            destination: EVERYWHERE,
            to: id.to_string(),
            target: RouteTarget::NatGateway(Ref::Known(id.clone())),
            after: None,
        };
        match &self.spec.way {
            Way::None => None,
            Way::Zonal(zones) => zones.first().map(|first| nat(keys::nat(zone.unwrap_or(first).as_str()))),
            Way::Regional => Some(nat(keys::regional_nat())),
            Way::Existing(id) => Some(existing(id)),
            Way::ExistingIn(gateways) => zone.and_then(|zone| gateways.get(zone)).map(existing),
            Way::TransitGateway(id) => Some(DefaultRoute {
                destination: EVERYWHERE,
                to: id.to_string(),
                target: RouteTarget::TransitGateway(id.clone()),
                after: Some(keys::transit_gateway_attachment()),
            }),
        }
    }

    fn route(&mut self, place: &Place<'_>, table: &StepKey, route: DefaultRoute) -> Result<(), Error> {
        let DefaultRoute { destination, to, target, after } = route;
        let zone = place.zone.map(ZoneName::as_str);
        let key = keys::of_table(if destination == EVERYWHERE { "route" } else { "route-ipv6" }, place.tier, zone);
        let current = place.found.and_then(|table| table.default_route_to(destination)).map(String::as_str);
        // What is kept tells the id that the route must have: gateways were planned just before.
        let wanted = match &target {
            RouteTarget::TransitGateway(id) => Some(id.to_string()),
            RouteTarget::NatGateway(Ref::Known(id)) => Some(id.to_string()),
            _ => self.steps.iter().find(|step| Some(&step.key) == after.as_ref()).and_then(|step| step.outputs.get("id")).cloned(),
        };
        let mut changes = Vec::new();
        if let Some(current) = current.filter(|current| Some(*current) != wanted.as_deref()) {
            changes.push(format!("{destination}: {current} → {}", wanted.as_deref().unwrap_or(&to)));
        }
        let table: Ref<RouteTableId> = Ref::id_of(table.clone());
        let op = NetOp::Route { table: table.clone(), destination, target, replace: current.is_some() };
        let step = self.step(key, format!("{destination} → {to}"), current.and(place.found).map(Found::id), changes, &op)?;
        self.steps.push(after.into_iter().fold(step.uses(&table), Step::after));
        Ok(())
    }

    pub(super) fn associations(&mut self) -> Result<(), Error> {
        for subnet in &self.spec.subnets {
            let (tier, zone) = self.spec.table_of(subnet);
            let planned = self.association(subnet, keys::of_table("route-table", tier, zone.as_ref().map(ZoneName::as_str)));
            self.noted(planned)?;
        }
        Ok(())
    }

    fn association(&mut self, subnet: &PlacedSubnet, table: StepKey) -> Result<(), Error> {
        let wanted = self.now.made_by(&self.now.route_tables, &table)?;
        let found = self.subnets.get(&subnet.key())?;
        let current = found.and_then(|found| self.now.association(&found.id));
        // Adopted with its VPC, the main table serves a subnet without being associated.
        let by_main = wanted.filter(|table| table.is_main && found.is_some() && current.is_none());
        let mut changes = Vec::new();
        if let Some((other, _)) = current.filter(|(current, _)| wanted.is_none_or(|wanted| wanted.id != current.id)) {
            changes.push(format!("route table: {} → {}", other.id, wanted.map_or(table.as_str(), |wanted| wanted.id.as_str())));
        }
        let (table, subnet_id) = (Ref::id_of(table), Ref::id_of(subnet.key()));
        let replace = current.map(|(_, association)| association.clone());
        let op = NetOp::Association { table: table.clone(), subnet: subnet_id.clone(), replace: replace.clone() };
        let title = format!("{} by {table}", subnet.cidr);
        let id = replace.as_ref().map(AsRef::as_ref).or(by_main.map(Found::id));
        let mut step = self.step(subnet.association(), title, id, changes, &op)?;
        if step.action == Action::Update {
            // The association gets another id.
            step.outputs.clear();
        }
        self.steps.push(step.uses(&table).uses(&subnet_id));
        Ok(())
    }
}
