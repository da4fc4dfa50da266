//! Classic load balancers and their instances.

use std::collections::BTreeSet;

use eks_core::{Action, Error, InstanceId, Price, Ref, SubnetId};

use super::{CALL, Planner, refused};
use crate::{
    egress::price::ADDRESS_HOURLY,
    found::Found,
    machines::{
        keys,
        load_balancer::{Listener, PlacedBalancer},
        observed::FoundLoadBalancer,
        op::{Balancer, BalancerChange, MachineOp},
        price,
    },
};

impl<'a> Planner<'a> {
    /// The one of this name, which must be ours.
    fn found_balancer(&self, wanted: &PlacedBalancer) -> Result<Option<&'a FoundLoadBalancer>, Error> {
        let found = self.now.load_balancers.iter().find(|found| found.id == wanted.name);
        if found.is_some_and(|found| found.key(&self.now.owner) != Some(wanted.key())) {
            let rule = "one of this name is there, and we did not make it".to_owned();
            return Err(refused(format!("load balancer {}", wanted.name), rule, "choose another name"));
        }
        Ok(found)
    }

    pub(super) fn load_balancer(&mut self, wanted: &PlacedBalancer) -> Result<(), Error> {
        let key = wanted.key();
        let found = self.found_balancer(wanted)?;
        let (tags, mut told) = self.tags(self.wanted(&key), found);
        let subnets: Vec<Ref<SubnetId>> = wanted.subnets.iter().map(|subnet| subnet.id.clone()).collect();
        let op = match found {
            None => {
                let balancer = Balancer {
                    name: wanted.name.clone(),
                    internal: wanted.internal,
                    subnets,
                    groups: wanted.groups.clone(),
                    listeners: wanted.listeners.clone(),
                    health_check: wanted.health_check.clone(),
                    attributes: wanted.attributes,
                };
                MachineOp::LoadBalancer { balancer: Box::new(balancer), tags }
            }
            Some(found) => {
                let changes = self.balancer_changes(wanted, found, &mut told)?;
                MachineOp::ChangeLoadBalancer { name: found.id.clone(), changes, tags }
            }
        };
        let scheme = if wanted.internal { "internal" } else { "internet-facing" };
        let listeners: Vec<String> = wanted.listeners.iter().map(ToString::to_string).collect();
        let title = format!("{scheme} load balancer {}, {}", wanted.name, listeners.join(", "));
        let mut step = self.step(key, title, found.map(Found::id), told, &op)?;
        step = wanted.subnets.iter().fold(step, |step, subnet| step.uses(&subnet.id));
        step = wanted.groups.iter().fold(step, |step, group| step.uses(group));
        if let Some(gateway) = self.spec.internet_gateway().filter(|_| !wanted.internal) {
            step = step.after(gateway);
        }
        if let Some(found) = found {
            step = step.knows("dns_name", &found.dns_name);
        }
        step = step.costs(Price::hourly("classic load balancer", price::BALANCER_HOURLY));
        if !wanted.internal {
            let addresses = u32::try_from(wanted.subnets.len()).unwrap_or(u32::MAX);
            step = step.costs(Price::hourly("its public IPv4 addresses", ADDRESS_HOURLY * f64::from(addresses)));
        }
        self.steps.push(step);
        Ok(())
    }

    fn balancer_changes(
        &self,
        wanted: &PlacedBalancer,
        found: &FoundLoadBalancer,
        told: &mut Vec<String>,
    ) -> Result<Vec<BalancerChange>, Error> {
        if found.internal != wanted.internal {
            let name = |internal| if internal { "internal" } else { "internet-facing" };
            let rule = format!("it is {}, the spec has {}, and that cannot be changed", name(found.internal), name(wanted.internal));
            return Err(refused(format!("load balancer {}", found.id), rule, "give the new one a name of its own"));
        }
        let mut changes = listener_changes(&wanted.listeners, &found.listeners, told);
        if found.health_check.as_ref() != Some(&wanted.health_check) {
            let is = found.health_check.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
            told.push(format!("health check: {is} → {}", wanted.health_check));
            changes.push(BalancerChange::HealthCheck(wanted.health_check.clone()));
        }
        self.subnet_changes(wanted, found, &mut changes, told)?;
        let name = |group| self.now.resolved(group).map_or_else(|| format!("{group}"), str::to_owned);
        let should: BTreeSet<String> = wanted.groups.iter().map(name).collect();
        let is: BTreeSet<String> = found.groups.iter().map(ToString::to_string).collect();
        if !should.is_empty() && should != is {
            told.push(format!("groups: {} → {}", joined(&is), joined(&should)));
            changes.push(BalancerChange::Groups(wanted.groups.clone()));
        }
        if let Some(is) = found.attributes.filter(|is| *is != wanted.attributes) {
            let should = wanted.attributes;
            let mut field = |what: &str, is: String, should: String| {
                if is != should {
                    told.push(format!("{what}: {is} → {should}"));
                }
            };
            let draining = |seconds: Option<u32>| seconds.map_or_else(|| "off".to_owned(), |seconds| format!("{seconds} s"));
            field("cross-zone", is.cross_zone.to_string(), should.cross_zone.to_string());
            field("connection draining", draining(is.draining), draining(should.draining));
            field("idle timeout", format!("{} s", is.idle_timeout), format!("{} s", should.idle_timeout));
            changes.push(BalancerChange::Attributes(should));
        }
        Ok(changes)
    }

    fn subnet_changes(
        &self,
        wanted: &PlacedBalancer,
        found: &FoundLoadBalancer,
        changes: &mut Vec<BalancerChange>,
        told: &mut Vec<String>,
    ) -> Result<(), Error> {
        let has = |id: &Ref<SubnetId>| self.now.resolved(id).is_some_and(|id| found.subnets.iter().any(|have| have.as_str() == id));
        let missing: Vec<Ref<SubnetId>> = wanted.subnets.iter().map(|subnet| subnet.id.clone()).filter(|id| !has(id)).collect();
        let should: BTreeSet<&str> = wanted.subnets.iter().filter_map(|subnet| self.now.resolved(&subnet.id)).collect();
        let extra: Vec<SubnetId> = found.subnets.iter().filter(|have| !should.contains(have.as_str())).cloned().collect();
        if !extra.is_empty() && extra.len() == found.subnets.len() {
            let rule = "none of its subnets is in the spec, and it must keep one while they change".to_owned();
            return Err(refused(format!("load balancer {}", found.id), rule, "change them in two steps, or make one of another name"));
        }
        if !extra.is_empty() {
            // First: it has one subnet a zone.
            told.push(format!("subnets: without {}", extra.iter().map(SubnetId::as_str).collect::<Vec<_>>().join(", ")));
            changes.push(BalancerChange::DetachSubnets(extra));
        }
        if !missing.is_empty() {
            told.push(format!("subnets: with {}", missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
            changes.push(BalancerChange::AttachSubnets(missing));
        }
        Ok(())
    }

    pub(super) fn registration(&mut self, wanted: &PlacedBalancer) -> Result<(), Error> {
        let found = self.found_balancer(wanted)?;
        let has: Vec<&InstanceId> = found.iter().flat_map(|found| &found.instances).map(|one| &one.instance).collect();
        let should: Vec<Option<&InstanceId>> = wanted.instances.iter().map(|id| self.now.instance_behind(id)).collect();
        let missing = wanted.instances.iter().zip(&should).filter(|(_, id)| id.is_none_or(|id| !has.contains(&id)));
        let missing: Vec<Ref<InstanceId>> = missing.map(|(id, _)| id.clone()).collect();
        // What others registered stays.
        let extra = has.iter().filter(|id| !should.contains(&Some(**id)) && self.now.our_instance(id).is_some());
        let extra: Vec<InstanceId> = extra.map(|id| (*id).clone()).collect();
        if wanted.instances.is_empty() && extra.is_empty() {
            return Ok(());
        }
        let some = found.filter(|_| !extra.is_empty() || missing.len() < wanted.instances.len());
        let mut changes: Vec<String> = Vec::new();
        if some.is_some() {
            changes.extend(missing.iter().map(|id| format!("instances: with {}", self.shown(id))));
            changes.extend(extra.iter().map(|id| format!("instances: without {id}")));
        }
        let health = wanted.in_service.then(|| wanted.health_check.clone());
        let takes = if wanted.in_service { wanted.health_check.until_in_service() } else { CALL };
        let op = MachineOp::Registration { name: wanted.name.clone(), register: missing, deregister: extra, health };
        let names: Vec<String> = wanted.instances.iter().map(|id| self.shown(id)).collect();
        let title = format!("{} behind {}", if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }, wanted.name);
        let mut step = self.step(keys::registration(&wanted.name), title, some.map(Found::id), changes, &op)?;
        step = wanted.instances.iter().fold(step, |step, id| step.uses(id));
        if step.action != Action::Keep {
            step = step.takes(takes);
        }
        self.steps.push(step.after(wanted.key()));
        Ok(())
    }

    /// An instance by the name that the spec gives it, or its id.
    fn shown(&self, id: &Ref<InstanceId>) -> String {
        match id {
            Ref::Known(id) => id.to_string(),
            Ref::Output(output) => keys::name(&output.step).to_owned(),
        }
    }
}

fn joined(all: &BTreeSet<String>) -> String {
    all.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Ports that go, certificates that change, listeners that come.
fn listener_changes(wanted: &[Listener], found: &[Listener], told: &mut Vec<String>) -> Vec<BalancerChange> {
    let (mut go, mut come, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for is in found {
        match wanted.iter().find(|should| should.port == is.port) {
            Some(should) if should == is => {}
            Some(should) if should.same_but_certificate(is) && should.certificate.is_some() => {
                told.push(format!("listener: {is} → {should}"));
                changes.extend(should.certificate.clone().map(|arn| BalancerChange::Certificate(should.port, arn)));
            }
            Some(should) => {
                told.push(format!("listener: {is} → {should}"));
                go.push(is.port);
                come.push(should.clone());
            }
            None => {
                told.push(format!("listener: {is} → none"));
                go.push(is.port);
            }
        }
    }
    for should in wanted.iter().filter(|should| found.iter().all(|is| is.port != should.port)) {
        told.push(format!("listener: none → {should}"));
        come.push(should.clone());
    }
    if !go.is_empty() {
        changes.push(BalancerChange::RemoveListeners(go));
    }
    if !come.is_empty() {
        changes.push(BalancerChange::AddListeners(come));
    }
    changes
}
