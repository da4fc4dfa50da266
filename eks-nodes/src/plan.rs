//! From what is wanted and what exists to steps.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{Action, Basis, Error, Finding, Plan, Price, Step, StepKey, Tier};

use crate::{
    actions,
    decide::{Decision, Told, decide},
    instance::{GP3_USD_PER_GIB, InstanceType},
    mapping::RoleMapping,
    observed::{Observed, Scope},
    request::StackRequest,
    spec::WorkersSpec,
};

/// An instance profile, which CloudFormation holds for about two minutes, and some rules.
pub(crate) const BASE_TAKES: Duration = Duration::from_secs(130);
/// A launch template, an access entry, and instances until they run.
pub(crate) const GROUP_TAKES: Duration = Duration::from_secs(50);
/// Both, one after the other.
const AMAZON_TAKES: Duration = Duration::from_secs(180);

impl WorkersSpec {
    /// What must be done so that these workers exist. Pure: the same spec and the same account give the same plan.
    ///
    /// # Errors
    /// [`Error::Refused`] if a stack of the name is someone else's, or cannot become what is wanted.
    pub fn plan(&self, now: &Observed) -> Result<Plan, Error> {
        Self::plan_all([self], now)
    }

    /// The plan of several groups of workers, of one owner.
    ///
    /// # Errors
    /// As [`WorkersSpec::plan`]; [`Error::Plan`] if there is no spec, if two have one name, or if they are of different owners.
    pub fn plan_all<'a>(specs: impl IntoIterator<Item = &'a Self>, now: &Observed) -> Result<Plan, Error> {
        let specs: Vec<_> = specs.into_iter().collect();
        if let Some(other) = specs.iter().find(|spec| spec.owner != *now.owner()) {
            let reason = format!("is of owner {}, and owner {} was observed", other.owner, now.owner());
            return Err(Error::Plan { subject: format!("workers {}", other.name), reason });
        }
        let scope = serde_json::to_value(now.scope()).map_err(fault)?;
        let mut plan = Plan::builder(now.owner(), "nodes").basis(Basis::new(scope, now.facts()));
        for spec in specs {
            spec.seen(now)?;
            let (steps, findings) = spec.steps(now)?;
            plan = steps.into_iter().fold(plan, eks_core::PlanBuilder::step);
            plan = findings.into_iter().fold(plan, eks_core::PlanBuilder::finding);
        }
        plan.build().map_err(fault)
    }

    /// A stack that nobody looked for would be taken to be absent.
    fn seen(&self, now: &Observed) -> Result<(), Error> {
        match (now.scope(), Scope::of([self])) {
            (Scope::Named { region, names }, Scope::Named { region: wanted, names: needed })
                if *region == wanted && needed.iter().all(|name| names.contains(name)) =>
            {
                Ok(())
            }
            _ => Err(Error::Plan {
                subject: format!("workers {}", self.name),
                reason: format!("its stacks in {} were not observed", self.region()),
            }),
        }
    }

    fn steps(&self, now: &Observed) -> Result<(Vec<Step>, Vec<Finding>), Error> {
        let mut told = Told::new();
        let mut steps = Vec::new();
        if self.amazon.is_none() {
            let (key, request) = (self.base_key(), self.base_request());
            let decision = decide(request.clone(), &key, now, &told)?;
            told.extend(decision.told.clone().map(|outputs| (key.clone(), outputs)));
            let title = format!("role, instance profile and security group of workers {}", self.name);
            steps.push(step(key, title, decision, &request, BASE_TAKES)?.permits(actions::BASE));
        }
        let (key, request) = (self.key(), self.group_request());
        let decision = decide(request.clone(), &key, now, &told)?;
        let findings = self.findings(&key, &decision, now);
        let capacity = self.capacity;
        let title = match &self.amazon {
            None => format!("{} × {} ({}–{})", capacity.desired(), self.instance_type, capacity.min(), capacity.max()),
            Some(amazon) => format!("workers of {}", amazon.url),
        };
        let takes = if self.amazon.is_some() { AMAZON_TAKES } else { GROUP_TAKES };
        let mut step = step(key, title, decision, &request, takes)?.after_all(&self.network.egress).permits(actions::GROUP);
        if self.amazon.is_some() {
            step = step.permits(actions::BASE);
        }
        for price in self.prices() {
            step = step.costs(price);
        }
        steps.push(step);
        Ok((steps, findings))
    }

    fn prices(&self) -> Vec<Price> {
        let hourly = InstanceType::parse(&self.instance_type).and_then(InstanceType::usd_per_hour);
        let instance = hourly.map(|usd| Price::hourly(format!("{} instance", self.instance_type), usd));
        let gib = self.volume_gib;
        let volume = Price::monthly(format!("gp3 volume of {gib} GiB"), f64::from(gib) * GP3_USD_PER_GIB);
        (0..self.capacity.desired()).flat_map(|_| instance.iter().chain([&volume]).cloned()).collect()
    }

    fn findings(&self, key: &StepKey, decision: &Decision, now: &Observed) -> Vec<Finding> {
        let mut findings = Vec::new();
        let zones: BTreeSet<_> = self.network.subnets.iter().map(|subnet| &subnet.zone).collect();
        if let (1, Some(zone)) = (zones.len(), zones.first()) {
            findings.push(Finding::warning(key.clone(), format!("all workers are in {zone}, a single point of failure")));
        }
        let any = |tier: Tier| self.network.subnets.iter().any(|subnet| subnet.tier == tier);
        if any(Tier::Public) {
            findings.push(Finding::warning(
                key.clone(),
                "workers in public subnets can be reached from the internet where security groups let it",
            ));
        }
        if any(Tier::Intra) {
            findings.push(Finding::warning(
                key.clone(),
                "workers in intra subnets have no way out: they need VPC endpoints for ec2, ecr.api, ecr.dkr, s3, sts and eks",
            ));
        }
        if InstanceType::parse(&self.instance_type).and_then(InstanceType::usd_per_hour).is_none() {
            findings.push(Finding::note(key.clone(), format!("the price of {} is unknown here and not in the sum", self.instance_type)));
        }
        if self.amazon.is_some() {
            findings.push(Finding::note(key.clone(), "nodes join once the template, an access entry or aws-auth maps their role"));
        } else {
            match self.mapping {
                RoleMapping::AccessEntry => {}
                RoleMapping::AwsAuth => {
                    findings.push(Finding::note(key.clone(), "nodes join once ConfigMap aws-auth maps their role"));
                }
                RoleMapping::None => {
                    findings.push(Finding::warning(key.clone(), "no mapping of the nodes' role is planned; without one no node joins"));
                }
            }
            if self.hop_limit > 1 {
                findings.push(Finding::warning(key.clone(), "a metadata hop limit above 1 gives Pods the node's credentials"));
            }
        }
        if decision.action == Action::Update {
            findings.push(Finding::note(
                key.clone(),
                "an update in place drains nothing: nodes that run keep their settings until they are replaced; a new group and a drain replace them gently",
            ));
        }
        let desired = |name: &str| now.stack(name)?.parameters.get("NodeAutoScalingGroupDesiredCapacity")?.parse::<u32>().ok();
        if desired(self.name.as_str()).is_some_and(|before| before > self.capacity.desired()) {
            findings.push(Finding::warning(key.clone(), "fewer instances: Auto Scaling terminates nodes without draining them"));
        }
        findings
    }
}

/// The step of one stack. Its needs are the steps that tell its parameters.
fn step(key: StepKey, title: String, decision: Decision, request: &StackRequest, takes: Duration) -> Result<Step, Error> {
    let references: Vec<_> = request.parameters.values().flat_map(|argument| argument.references()).collect();
    let title = decision.circumstance.map_or_else(|| title.clone(), |circumstance| format!("{title}, {circumstance}"));
    let mut step = Step::new(key, decision.action, title, &decision.op).map_err(fault)?.changes(decision.changes);
    step = references.into_iter().fold(step, |step, reference| step.uses(reference));
    if decision.action != Action::Keep {
        step = step.takes(takes);
    }
    Ok(decision.outputs.into_iter().fold(step, |step, (name, value)| step.knows(name, value)))
}

fn fault(error: impl std::error::Error) -> Error {
    Error::Plan { subject: "nodes".to_owned(), reason: error.to_string() }
}
