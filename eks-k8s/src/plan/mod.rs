//! From what should exist and what exists to a plan. Pure.

mod balancer;
mod findings;
mod nodes;
mod object;
mod storage;
#[cfg(test)]
mod tests;
mod workload;

use std::time::Duration;

use eks_core::{Action, Error, OpError, Plan, PlanError, Step, StepKey};
use serde_json::Value;

use crate::{
    AccessRef, Kind, ObjectOp, ObjectsSpec, Observed, ingress,
    service::{address_price, is_public, kind_of, load_balancer_price},
};

/// A call to an API server.
const CALL: Duration = Duration::from_secs(1);

pub(crate) fn plan_error(error: &PlanError) -> Error {
    Error::Plan { subject: "layer k8s".to_owned(), reason: error.to_string() }
}

pub(crate) fn op_error(error: &OpError) -> Error {
    Error::Plan { subject: "layer k8s".to_owned(), reason: error.to_string() }
}

pub(crate) fn key_of(kind: Kind, namespace: &str, name: &str) -> Result<StepKey, Error> {
    kind.key(namespace, name).map_err(|error| Error::Plan { subject: format!("{kind} {name}"), reason: error.to_string() })
}

impl ObjectsSpec {
    /// What has to be done, given what exists.
    ///
    /// # Errors
    /// [`Error::Refused`] if what exists cannot become what is wanted in place, with the field and the way out.
    pub fn plan(&self, now: &Observed) -> Result<Plan, Error> {
        let mut plan = Plan::builder(&self.owner, "k8s").basis(now.basis()?);
        if !self.roles.is_empty() {
            plan = plan.step(self.aws_auth(now)?);
        }
        for workers in &self.nodes {
            plan = plan.step(self.await_nodes(workers, now)?);
        }
        for class in &self.classes {
            plan = self.object(plan, now, self.class(class))?;
        }
        plan = self.other_defaults(plan, now)?;
        for claim in &self.claims {
            let wanted = self.claimed(claim, now)?;
            plan = self.object(plan, now, wanted)?;
        }
        for pod in &self.pods {
            let wanted = self.pod(pod)?;
            plan = self.object(plan, now, wanted)?;
        }
        for service in &self.services {
            plan = self.object(plan, now, self.service(service))?;
        }
        for ingress in &self.ingresses {
            let wanted = self.ingress(ingress)?;
            plan = self.object(plan, now, wanted)?;
        }
        for finding in self.findings(now)?.into_iter().chain(self.ingress_findings()?).chain(self.balancers(now)?) {
            plan = plan.finding(finding);
        }
        plan.build().map_err(|error| plan_error(&error))
    }

    fn access(&self) -> AccessRef {
        AccessRef::from(&self.cluster)
    }

    /// A step that calls the API server.
    fn step(&self, key: StepKey, action: Action, title: impl Into<String>, op: &ObjectOp) -> Result<Step, Error> {
        let step = Step::new(key, action, title, op).map_err(|error| op_error(&error))?;
        Ok(step.uses(&self.cluster.endpoint).uses(&self.cluster.certificate_authority))
    }
}

fn fixed_key(text: &str) -> Result<StepKey, Error> {
    text.parse().map_err(|error: eks_core::KeyError| Error::Plan { subject: text.to_owned(), reason: error.to_string() })
}

/// What the load balancer of a live Service or Ingress costs a month, with its public addresses.
pub(crate) fn load_balancer_usd(kind: Kind, live: &Value) -> f64 {
    if kind == Kind::Ingress {
        let zones = if ingress::is_public(live) { crate::spec::PUBLIC_ZONES } else { 0 };
        return ingress::application_price(zones).map(|price| price.usd_per_month).sum();
    }
    let addresses = if is_public(live) { f64::from(crate::spec::PUBLIC_ZONES) } else { 0.0 };
    load_balancer_price(kind_of(live)).usd_per_month + addresses * address_price().usd_per_month
}
