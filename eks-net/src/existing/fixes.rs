//! The plan for an existing network: our tags, the fixes that are allowed, and what is added.

use std::collections::BTreeMap;

use eks_core::{Action, Basis, Error, Finding, KEY_TAG, OWNER_TAG, Plan, Ref, RouteTableId, Step, StepKey, SubnetId, Tier};

use super::{
    adopt,
    check::{serves_only, wanted_tags},
    marks::{self, Added},
    spec::Fix,
    survey::{ChosenSubnet, Survey, used_key},
};
use crate::{
    keys,
    observed::Found,
    op::{DnsAttribute, NetOp, RouteTarget},
    permissions::OBSERVING_EXISTING,
    plan::{CALL, EVERYWHERE, all_refused, faulty, refused},
    tags::Tags,
};

/// The steps of a plan in the making.
pub(super) struct Steps<'a> {
    pub(super) survey: &'a Survey,
    /// Keys of what is adopted, by id.
    pub(super) keys: BTreeMap<String, StepKey>,
    pub(super) all: Vec<Step>,
    pub(super) findings: Vec<Finding>,
    refusals: Vec<Error>,
}

pub(super) fn plan(survey: &Survey) -> Result<Plan, Error> {
    let steps = steps(survey)?;
    let scope = serde_json::json!({ "region": survey.now.region, "existing": survey.spec });
    let mut builder = Plan::builder(&survey.spec.owner, keys::LAYER).basis(Basis::new(scope, survey.now.facts()));
    let vpc = vpc_key(survey);
    for gap in survey.gaps().iter().filter(|gap| gap.fix.is_none_or(|fix| !survey.spec.allows(fix))) {
        builder = builder.finding(Finding::warning(vpc.clone(), gap.to_string()));
    }
    for finding in steps.findings {
        builder = builder.finding(finding);
    }
    for step in steps.all {
        builder = builder.step(step);
    }
    builder.build().map_err(|error| faulty("existing network", &error))
}

fn steps(survey: &Survey) -> Result<Steps<'_>, Error> {
    let keys = if survey.spec.adopt { adopt::keys(survey)? } else { BTreeMap::new() };
    let mut steps = Steps { survey, keys, all: Vec::new(), findings: Vec::new(), refusals: Vec::new() };
    steps.vpc()?;
    steps.routes()?;
    for subnet in &survey.subnets {
        steps.subnet(subnet)?;
    }
    steps.adopted()?;
    steps.added()?;
    let Steps { refusals, .. } = &mut steps;
    all_refused(format!("existing network {}", survey.vpc.id), std::mem::take(refusals))?;
    Ok(steps)
}

/// Keys of the steps that change something the layers above refer to.
pub(super) fn mended(survey: &Survey) -> Vec<StepKey> {
    // What cannot be planned is told by the plan.
    let steps = steps(survey).map(|steps| steps.all).unwrap_or_default();
    steps.into_iter().filter(|step| step.action == Action::Update).map(|step| step.key).collect()
}

pub(super) fn vpc_key(survey: &Survey) -> StepKey {
    if survey.spec.adopt { keys::vpc() } else { used_key(survey.vpc.id.as_str()) }
}

pub(super) fn subnet_key(survey: &Survey, id: &SubnetId) -> StepKey {
    let adopted = if survey.spec.adopt { adopt::keys(survey).ok() } else { None };
    adopted.and_then(|keys| keys.get(id.as_str()).cloned()).unwrap_or_else(|| used_key(id.as_str()))
}

impl Steps<'_> {
    /// A step that creates what is not there, keeps what needs no change, and updates the rest.
    pub(super) fn step(&mut self, key: StepKey, title: String, id: Option<&str>, changes: Vec<String>, op: &NetOp) -> Result<(), Error> {
        let action = match id {
            None => Action::Create,
            Some(_) if changes.is_empty() => Action::Keep,
            Some(_) => Action::Update,
        };
        let step = Step::new(key.clone(), action, title, op).map_err(|error| faulty(&key, &error))?;
        let step = step.takes(CALL).changes(changes).permits(op.permissions().iter().copied()).permits(OBSERVING_EXISTING);
        self.all.push(match id {
            Some(id) => step.knows("id", id),
            None => step,
        });
        Ok(())
    }

    /// Says more about the last step.
    pub(super) fn amend(&mut self, say: impl FnOnce(Step) -> Step) {
        if let Some(step) = self.all.pop() {
            self.all.push(say(step));
        }
    }

    /// Tags to put on: our claim, if it is adopted, and `wanted`, where tags may be mended.
    pub(super) fn tags<T: Found>(&mut self, found: &T, wanted: &Tags) -> (StepKey, Tags, Vec<String>) {
        self.tags_of(found.id(), found.tags(), wanted)
    }

    fn tags_of(&mut self, id: &str, found: &Tags, wanted: &Tags) -> (StepKey, Tags, Vec<String>) {
        let owner = &self.survey.spec.owner;
        self.check_claim(id, found);
        let nothing = Tags::new();
        let wanted = if self.survey.spec.allows(Fix::Tags) { wanted } else { &nothing };
        let (key, added) = match self.keys.get(id) {
            // What we made ourselves needs no claim.
            Some(key) if found.get(OWNER_TAG).is_some_and(|name| name == owner.as_str()) && !marks::is_adopted(found) => {
                (key.clone(), Added::default())
            }
            Some(key) => (key.clone(), marks::adopt(owner, key, wanted, found)),
            None => (used_key(id), marks::add(&marks::used_by(owner), wanted, found)),
        };
        if added.overflows {
            let rule = "one tag must remember the keys of all that are added, and its 256 characters have no room".to_owned();
            self.refusals.push(refused(id, rule, "name fewer clusters, or tag the subnets yourself"));
        }
        for kept in &added.kept {
            self.findings.push(Finding::note(key.clone(), format!("{id}: {kept}; others gave it this value, which stays")));
        }
        (key, added.tags, added.changes)
    }

    /// One thing has one owner and one key: nobody's network is taken over.
    fn check_claim(&mut self, id: &str, found: &Tags) {
        let owner = &self.survey.spec.owner;
        let Some(wanted) = self.keys.get(id) else { return };
        match (found.get(OWNER_TAG), found.get(KEY_TAG)) {
            (Some(other), _) if other != owner.as_str() => {
                let verb = if marks::is_adopted(found) { "adopted" } else { "made" };
                let rule = format!("the owner {other} has {verb} it, so that {owner} cannot adopt it");
                self.refusals.push(refused(id, rule, format!("use it without adopting it, or tear {other}'s network down first")));
            }
            (Some(_), Some(key)) if key != wanted.as_str() => {
                let rule = format!("it is {key} already, and would now be {wanted}");
                self.refusals.push(refused(id, rule, "choose the same subnets as before, or tear down what was adopted first"));
            }
            _ => {}
        }
    }

    fn vpc(&mut self) -> Result<(), Error> {
        let vpc = &self.survey.vpc;
        let (key, tags, mut changes) = self.tags(vpc, &Tags::new());
        let mut dns = Vec::new();
        if self.survey.spec.allows(Fix::Dns) {
            let attributes = [
                (vpc.dns_support, DnsAttribute::Support, "enableDnsSupport"),
                (vpc.dns_hostnames, DnsAttribute::Hostnames, "enableDnsHostnames"),
            ];
            for (_, attribute, name) in attributes.into_iter().filter(|(on, ..)| !on) {
                dns.push(attribute);
                changes.push(format!("{name}: false → true"));
            }
        }
        let Some(cidr) = vpc.cidrs.first().copied() else {
            return Err(refused(&vpc.id, "it has no IPv4 block".to_owned(), "choose another VPC"));
        };
        let op = NetOp::Vpc { id: Some(vpc.id.clone()), cidr, ipv6: false, dns, tags };
        self.step(key, format!("VPC {} {cidr}, not made by us", vpc.id), Some(vpc.id.as_str()), changes, &op)
    }

    fn subnet(&mut self, subnet: &ChosenSubnet) -> Result<(), Error> {
        let Some(cidr) = subnet.cidr else { return Ok(()) };
        let wanted = wanted_tags(&self.survey.spec, subnet);
        // A role's empty value is as good as 1.
        let wanted = wanted.into_iter().filter(|(key, _)| subnet.tags.get(key).is_none_or(|value| !value.is_empty())).collect();
        let (key, tags, mut changes) = self.tags_of(subnet.id.as_str(), &subnet.tags, &wanted);
        let lacks_addresses = subnet.tier == Tier::Public && !subnet.map_public_ip && self.survey.spec.allows(Fix::PublicAddresses);
        let map_public_ip = lacks_addresses.then_some(true);
        if lacks_addresses {
            changes.push("MapPublicIpOnLaunch: false → true".to_owned());
        }
        let (vpc, zone) = (Ref::Known(self.survey.vpc.id.clone()), subnet.zone.clone());
        let tier = keys::tier_name(subnet.tier);
        let title = format!("{tier} subnet {} {cidr} in {zone}, {} addresses free", subnet.id, subnet.free_addresses);
        let op = NetOp::Subnet { id: Some(subnet.id.clone()), vpc, cidr, zone, ipv6: None, map_public_ip, assign_ipv6: false, tags };
        self.step(key, title, Some(subnet.id.as_str()), changes, &op)
    }

    /// Default routes of public tables.
    fn routes(&mut self) -> Result<(), Error> {
        let (survey, now) = (self.survey, &self.survey.now);
        let Some(gateway) = now.attached(&survey.vpc.id).filter(|_| survey.spec.allows(Fix::Routes)) else { return Ok(()) };
        let public: Vec<&ChosenSubnet> = survey.subnets.iter().filter(|subnet| subnet.tier == Tier::Public).collect();
        let ids = public.iter().map(|subnet| &subnet.id).collect();
        let mut tables: Vec<&RouteTableId> = public.iter().filter_map(|subnet| subnet.route_table.as_ref()).collect();
        tables.sort();
        tables.dedup();
        for table in now.route_tables.iter().filter(|table| tables.contains(&&table.id) && serves_only(&survey.spec, now, table, &ids)) {
            let way = table.default_route();
            if way.is_some_and(|route| !route.is_blackhole) {
                continue;
            }
            let was = way.map_or("none".to_owned(), |route| format!("{} (blackhole)", route.target));
            let target = RouteTarget::InternetGateway(Ref::Known(gateway.clone()));
            let op = NetOp::Route { table: Ref::Known(table.id.clone()), destination: EVERYWHERE, target, replace: way.is_some() };
            let key = keys::key(["existing-route", table.id.as_str()]);
            let changes = vec![format!("0.0.0.0/0: {was} → {gateway}")];
            self.step(key, format!("0.0.0.0/0 of {}", table.id), Some(table.id.as_str()), changes, &op)?;
        }
        Ok(())
    }
}
