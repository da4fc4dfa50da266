//! From what should exist and what exists: the plan.

mod base;
mod blocks;
mod egress;
#[cfg(test)]
mod egress_tests;
mod endpoints;
mod findings;
mod gateways;
#[cfg(test)]
mod group_tests;
mod groups;
mod routing;
#[cfg(test)]
mod tests;

pub(crate) use routing::EVERYWHERE;

use std::{collections::BTreeSet, time::Duration};

use eks_core::{Action, Basis, Error, Finding, Plan, Ref, Step, StepKey, VpcId};

use crate::{
    egress::{Kind, Others},
    existing::marks,
    found::ByKey,
    grants::Grants,
    keys,
    observed::{Found, FoundSubnet, Observed},
    op::NetOp,
    permissions::{ATTRIBUTES, OBSERVING},
    spec::NetworkSpec,
    tags::{self, Tags},
};

/// What creating a NAT gateway typically takes, in published runs.
pub(crate) const NAT_CREATE: Duration = Duration::from_secs(114);
/// Until a regional NAT gateway is available: as a zonal one.
pub(crate) const REGIONAL_NAT_CREATE: Duration = NAT_CREATE;
/// Until an interface endpoint is available: its interfaces and its private DNS names are made.
pub(crate) const ENDPOINT_CREATE: Duration = Duration::from_secs(90);
/// Until a VPC's attachment to a transit gateway is available.
pub(crate) const TRANSIT_ATTACH: Duration = Duration::from_secs(60);
/// Until a block is associated.
pub(crate) const BLOCK_ASSOCIATE: Duration = Duration::from_secs(5);
/// One or two calls.
pub(crate) const CALL: Duration = Duration::from_secs(1);

impl NetworkSpec {
    /// What must be done so that this network exists. Pure: the same for the same spec and the same observation.
    ///
    /// Tags and rules that others added, and things of ours that the spec no longer has, stay; the plan tells of them.
    ///
    /// # Errors
    /// [`Error::Refused`], with everything at once, if what exists cannot be changed into what is wanted (a VPC's or subnet's
    /// block or zone, a security group's description), or if two things carry one key.
    pub fn plan(&self, now: &Observed) -> Result<Plan, Error> {
        let mut planner = Planner {
            spec: self,
            now,
            subnets: now.by_key(&now.subnets),
            vpc: Ref::id_of(keys::vpc()),
            steps: Vec::new(),
            findings: Vec::new(),
            refusals: Vec::new(),
        };
        let parts = [
            Planner::vpc,
            Planner::blocks,
            Planner::internet_gateway,
            Planner::subnets,
            Planner::gateways,
            Planner::route_tables,
            Planner::associations,
            Planner::security_groups,
            Planner::endpoints,
        ];
        for part in parts {
            let planned = part(&mut planner);
            planner.noted(planned)?;
        }
        all_refused(format!("network {}", self.owner), std::mem::take(&mut planner.refusals))?;
        planner.review();
        let mut scope = scope_with(Some(self.region().as_str()), &self.others());
        if !now.identified.is_empty() {
            scope["rules_of"] = serde_json::json!(now.identified);
        }
        let grants = Grants::plan(&self.owner, self.others().ids());
        let mut builder = Plan::builder(&self.owner, keys::LAYER).basis(Basis::new(scope, now.facts()));
        builder = builder.observes(OBSERVING).observes(ATTRIBUTES).observes(now.observing_more());
        // Whose a rule is that the spec does not have.
        builder = builder.observes((!now.identified.is_empty()).then_some("ec2:DescribeSecurityGroupRules"));
        for step in planner.steps {
            let op: NetOp = step.op.decode().map_err(|error| faulty(&step.key, &error))?;
            builder = builder.step(step.refine(|action| grants.of(&op, action)));
        }
        for finding in planner.findings {
            builder = builder.finding(finding);
        }
        builder.build().map_err(|error| faulty("network", &error))
    }
}

/// What the driver needs to observe again what a plan or teardown rests on.
pub(crate) fn scope(region: Option<&str>) -> serde_json::Value {
    serde_json::json!({ "region": region })
}

/// Likewise, with things of others that a spec names.
fn scope_with(region: Option<&str>, others: &Others) -> serde_json::Value {
    if others.is_empty() { scope(region) } else { serde_json::json!({ "region": region, "others": others }) }
}

/// A plan that does not come together.
pub(crate) fn faulty(subject: impl ToString, error: &dyn std::error::Error) -> Error {
    Error::Plan { subject: subject.to_string(), reason: error.to_string() }
}

/// Something that cannot become what is wanted.
pub(crate) fn refused(subject: impl ToString, rule: String, remedy: impl Into<String>) -> Error {
    Error::Refused { subject: subject.to_string(), rule, remedy: remedy.into() }
}

/// Several things that cannot become what is wanted, all in one error.
pub(crate) fn all_refused(subject: impl ToString, mut refusals: Vec<Error>) -> Result<(), Error> {
    // Two steps may meet the same thing.
    let mut seen = BTreeSet::new();
    refusals.retain(|refusal| seen.insert(refusal.to_string()));
    match refusals.len() {
        0 => Ok(()),
        1 => Err(refusals.remove(0)),
        count => {
            let lines: String = refusals.iter().map(|refusal| format!("\n  - {refusal}")).collect();
            Err(refused(subject, format!("{count} things stand against it"), format!("mend each, then plan again:{lines}")))
        }
    }
}

struct Planner<'a> {
    spec: &'a NetworkSpec,
    now: &'a Observed,
    /// The subnets that exist, of which there may be many.
    subnets: ByKey<'a, FoundSubnet>,
    vpc: Ref<VpcId>,
    steps: Vec<Step>,
    findings: Vec<Finding>,
    refusals: Vec<Error>,
}

impl Planner<'_> {
    /// Goes on after a refusal, so that all of them are told at once.
    fn noted(&mut self, planned: Result<(), Error>) -> Result<(), Error> {
        match planned {
            Err(refusal @ Error::Refused { .. }) => self.refusals.push(refusal),
            other => other?,
        }
        Ok(())
    }

    /// A step that creates what is not there, keeps what is right, and changes the rest.
    fn step(&self, key: StepKey, title: String, id: Option<&str>, changes: Vec<String>, op: &NetOp) -> Result<Step, Error> {
        let action = match id {
            None => Action::Create,
            Some(_) if changes.is_empty() => Action::Keep,
            Some(_) => Action::Update,
        };
        let step = Step::new(key.clone(), action, title, op).map_err(|error| faulty(&key, &error))?;
        let step = step.takes(CALL).changes(changes).permits(op.permissions().iter().copied());
        let step = step.permits(OBSERVING).permits(ATTRIBUTES);
        let step = step.permits(self.now.observing_more()).permits(self.spec.kinds().into_iter().map(Kind::observing));
        Ok(match id {
            Some(id) => step.knows("id", id),
            None => step,
        })
    }

    /// Tags to put on, and how they change: all for what is not there, else those that differ.
    fn tags<T: Found>(&self, wanted: Tags, found: Option<&T>) -> (Tags, Vec<String>) {
        match found {
            // It had a name, and perhaps other tags, before it was adopted.
            Some(found) if marks::is_adopted(found.tags()) => marks::drift_of_adopted(&wanted, found.tags()),
            Some(found) => tags::drift(&wanted, found.tags()),
            None => (wanted, Vec::new()),
        }
    }
}
