//! VPC endpoints.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Error, Price, Ref, RouteTableId, SecurityGroupId, StepKey, SubnetId, Tier, ZoneName};

use super::{CALL, ENDPOINT_CREATE, Planner, refused};
use crate::{
    egress::{CheckedEndpoint, EndpointKind, FULL_ACCESS, price::ENDPOINT_HOURLY, same_policy},
    keys,
    observed::{Found, FoundEndpoint},
    op::NetOp,
};

/// What an endpoint is to get, and to lose.
#[derive(Default)]
struct Wanted {
    route_tables: Vec<Ref<RouteTableId>>,
    subnets: Vec<Ref<SubnetId>>,
    groups: Vec<Ref<SecurityGroupId>>,
    no_longer: Vec<SecurityGroupId>,
    private_dns: Option<bool>,
    policy: Option<String>,
    changes: Vec<String>,
}

impl Planner<'_> {
    pub(super) fn endpoints(&mut self) -> Result<(), Error> {
        self.spec.endpoints.iter().try_for_each(|endpoint| self.endpoint(endpoint))
    }

    fn endpoint(&mut self, endpoint: &CheckedEndpoint) -> Result<(), Error> {
        let (spec, key) = (self.spec, endpoint.key());
        let found = self.now.made_by(self.now.endpoints.iter().filter(|endpoint| endpoint.is_live()), &key)?;
        if let Some(other) = found.filter(|found| (found.kind, &found.service) != (Some(endpoint.kind), &endpoint.name)) {
            let rule = format!("it leads to {}, the spec to {}, and neither service nor kind can be changed", other.service, endpoint.name);
            return Err(refused(&other.id, rule, "delete it and plan again"));
        }
        let (tags, mut changes) = self.tags(spec.extra.of(&spec.owner, &key), found);
        if let Some(found) = found.filter(|found| !found.state.eq_ignore_ascii_case("available")) {
            changes.push(format!("state: {} → available", found.state));
        }
        let mut wanted = match endpoint.kind {
            EndpointKind::Gateway => self.reached_by_routes(found)?,
            EndpointKind::Interface => self.reached_by_interfaces(endpoint, found)?,
        };
        if found.map_or(endpoint.policy.is_some(), |found| !same_policy(endpoint.policy.as_ref(), found.policy.as_deref())) {
            wanted.policy = Some(endpoint.policy.as_ref().map_or_else(|| FULL_ACCESS.to_owned(), ToString::to_string));
            let is = if endpoint.policy.is_some() { "the spec's" } else { "everything allowed" };
            wanted.changes.push(format!("policy: another → {is}"));
        }
        if found.is_some() {
            changes.append(&mut wanted.changes);
        }
        let Wanted { route_tables, subnets, groups, no_longer, private_dns, policy, .. } = wanted;
        let needs: BTreeSet<StepKey> = route_tables
            .iter()
            .filter_map(Ref::step)
            .chain(subnets.iter().filter_map(Ref::step))
            .chain(groups.iter().filter_map(Ref::step))
            .cloned()
            .collect();
        let op = NetOp::Endpoint {
            id: found.map(|found| found.id.clone()),
            vpc: self.vpc.clone(),
            service: endpoint.name.clone(),
            kind: endpoint.kind,
            route_tables,
            subnets,
            groups,
            no_longer,
            private_dns,
            policy,
            generation: self.endpoint_generation(&key),
            tags,
        };
        let title = format!("{} endpoint for {}", endpoint.kind.as_str(), endpoint.service);
        let mut step = self.step(key, title, found.map(Found::id), changes, &op)?.uses(&self.vpc).after_all(&needs);
        step = step.takes(if endpoint.kind == EndpointKind::Interface { ENDPOINT_CREATE } else { CALL });
        if endpoint.kind == EndpointKind::Interface {
            for zone in self.spec.inner_subnets().keys() {
                step = step.costs(Price::hourly(format!("VPC endpoint in {zone}"), ENDPOINT_HOURLY));
            }
        }
        self.steps.push(step);
        Ok(())
    }

    /// A gateway is in the route tables of all subnets but the public ones, which have the internet.
    fn reached_by_routes(&self, found: Option<&FoundEndpoint>) -> Result<Wanted, Error> {
        let mut wanted = Wanted::default();
        for (tier, zone) in self.spec.tables().into_iter().filter(|(tier, _)| *tier != Tier::Public) {
            let key = keys::of_table("route-table", tier, zone.as_ref().map(ZoneName::as_str));
            let table = self.now.made_by(&self.now.route_tables, &key)?;
            let there = found.zip(table).is_some_and(|(found, table)| found.route_tables.contains(&table.id));
            if !there {
                wanted.changes.push(format!("route tables: none → {key}"));
                wanted.route_tables.push(Ref::id_of(key));
            }
        }
        Ok(wanted)
    }

    /// Interfaces are in one subnet of each zone: whichever it is, it serves its zone.
    fn reached_by_interfaces(&self, endpoint: &CheckedEndpoint, found: Option<&FoundEndpoint>) -> Result<Wanted, Error> {
        let mut wanted = Wanted::default();
        let served = self.zones_of_found(found.into_iter().flat_map(|found| &found.subnets));
        for (zone, subnet) in self.spec.inner_subnets().into_iter().filter(|(zone, _)| !served.contains(zone)) {
            wanted.changes.push(format!("subnet in {zone}: none → {}", subnet.key()));
            wanted.subnets.push(Ref::id_of(subnet.key()));
        }
        let key = keys::security_group(&endpoint.group);
        let group = self.now.made_by(&self.now.security_groups, &key)?;
        if !found.zip(group).is_some_and(|(found, group)| found.groups.contains(&group.id)) {
            wanted.changes.push(format!("security groups: none → {key}"));
            wanted.groups.push(Ref::id_of(key));
        }
        // Ours that the spec no longer has go; what others put on stays.
        let ours: BTreeMap<&SecurityGroupId, StepKey> =
            self.now.ours(&self.now.security_groups).into_iter().map(|(key, group)| (&group.id, key)).collect();
        let others = found.into_iter().flat_map(|found| &found.groups).filter(|id| group.is_none_or(|group| group.id != **id));
        for id in others.filter(|id| ours.contains_key(id)) {
            wanted.changes.push(format!("security groups: {id} → none"));
            wanted.no_longer.push(id.clone());
        }
        if found.is_none_or(|found| found.private_dns != endpoint.private_dns) {
            wanted.private_dns = Some(endpoint.private_dns);
            wanted.changes.push(format!("private DNS: {} → {}", !endpoint.private_dns, endpoint.private_dns));
        }
        Ok(wanted)
    }

    /// The zones of subnets that exist.
    pub(super) fn zones_of_found<'a>(&self, subnets: impl IntoIterator<Item = &'a SubnetId>) -> BTreeSet<&ZoneName> {
        let ids: BTreeSet<&SubnetId> = subnets.into_iter().collect();
        self.now.subnets.iter().filter(|subnet| ids.contains(&subnet.id)).map(|subnet| &subnet.zone).collect()
    }

    /// What tells the token of the next endpoint from those of the ones before it.
    fn endpoint_generation(&self, key: &StepKey) -> String {
        let before = self.now.endpoints.iter().filter(|endpoint| endpoint.key(&self.now.owner).as_ref() == Some(key));
        let mut dead: Vec<_> = before.filter(|endpoint| !endpoint.is_live()).map(|endpoint| endpoint.id.to_string()).collect();
        dead.sort();
        dead.join(",")
    }
}
