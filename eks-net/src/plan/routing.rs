//! Route tables, default routes, associations.

use eks_core::{Action, Error, Ref, StepKey, Tier, ZoneName};

use super::Planner;
use crate::{
    keys,
    observed::{Found, FoundRouteTable},
    op::{NetOp, RouteTarget},
    subnet::PlacedSubnet,
};

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
            if let Some((gateway, target)) = self.default_route(tier, zone.as_ref()) {
                self.route(keys::of_table("route", tier, name), key, found, gateway, target)?;
            }
        }
        Ok(())
    }

    /// The gateway that a table's default route leads to.
    fn default_route(&self, tier: Tier, zone: Option<&ZoneName>) -> Option<(StepKey, RouteTarget)> {
        if tier == Tier::Public {
            let gateway = keys::internet_gateway();
            return Some((gateway.clone(), RouteTarget::InternetGateway(Ref::id_of(gateway))));
        }
        // One for all zones, or one in each.
        let first = self.spec.nat_zones.first()?;
        let gateway = keys::nat(zone.unwrap_or(first).as_str());
        Some((gateway.clone(), RouteTarget::NatGateway(Ref::id_of(gateway))))
    }

    fn route(
        &mut self,
        key: StepKey,
        table: StepKey,
        found: Option<&FoundRouteTable>,
        to: StepKey,
        target: RouteTarget,
    ) -> Result<(), Error> {
        // The gateway was planned just before: what it keeps tells the id that the route must have.
        let wanted = self.steps.iter().find(|step| step.key == to).and_then(|step| step.outputs.get("id")).map(String::as_str);
        let current = found.and_then(|table| table.default_route.as_deref());
        let mut changes = Vec::new();
        if let Some(current) = current.filter(|current| Some(*current) != wanted) {
            changes.push(format!("0.0.0.0/0: {current} → {}", wanted.unwrap_or(to.as_str())));
        }
        let table = Ref::id_of(table);
        let op = NetOp::Route { table: table.clone(), target, replace: current.is_some() };
        let step = self.step(key, format!("0.0.0.0/0 → {to}"), current.and(found).map(Found::id), changes, &op)?;
        self.steps.push(step.uses(&table).after(to));
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
        let found = self.now.made_by(&self.now.subnets, &subnet.key())?;
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
