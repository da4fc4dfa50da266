//! From what is wanted and what exists to steps.

use std::time::Duration;

use eks_core::{Action, Basis, Error, Finding, Plan, Price, Step, StepKey};

use crate::{
    actions,
    decide::{Decision, Told, decide},
    grants::Grants,
    instance::{GP3_USD_PER_GIB, InstanceType},
    observed::{Observed, Scope},
    op::WorkersOp,
    request::StackRequest,
    spec::WorkersSpec,
};

/// An instance profile, which CloudFormation holds for about two minutes, and some rules.
pub(crate) const BASE_TAKES: Duration = Duration::from_secs(130);
/// A launch template, an access entry, and instances until they run.
pub(crate) const GROUP_TAKES: Duration = Duration::from_secs(50);
/// Both, one after the other.
const AMAZON_TAKES: Duration = Duration::from_secs(180);
/// An instance that Amazon's template replaces: its `UpdatePolicy` pauses for five minutes after each.
const REPLACEMENT_TAKES: Duration = Duration::from_secs(330);

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
            let base = spec.base_name();
            // How large its groups are, and which parameters a template has that is read from S3.
            plan = plan.observes(["autoscaling:DescribeAutoScalingGroups"]);
            plan = plan.observes(spec.amazon.is_some().then_some("cloudformation:GetTemplateSummary"));
            for step in steps {
                let grants = spec.grants(if step.key == spec.base_key() { &base } else { spec.name.as_str() });
                plan = plan.observes(grants.of("cloudformation:DescribeStacks").unwrap_or_default());
                let group = spec.managed.as_ref().filter(|_| step.key == spec.key()).map(|settings| spec.group_grants(settings));
                plan = match group {
                    Some(group) => {
                        let seen = group.of("eks:DescribeNodegroup").unwrap_or_default();
                        plan.observes(seen).step(step.refine(|action| group.of(action)))
                    }
                    None => plan.step(step.refine(|action| grants.of(action))),
                };
            }
            plan = findings.into_iter().fold(plan, eks_core::PlanBuilder::finding);
        }
        plan.build().map_err(fault)
    }

    fn grants<'a>(&'a self, stack: &'a str) -> Grants<'a> {
        let spot = self.purchase.distribution().2.is_some();
        let vpc = self.network.vpc.known().map(|vpc| vpc.as_str());
        let policies = Some(crate::template::role_policies(self));
        Grants { owner: &self.owner, stack, cluster: self.cluster.name.as_str(), vpc, policies, gone_from: None, spot }
    }

    /// A stack that nobody looked for would be taken to be absent.
    fn seen(&self, now: &Observed) -> Result<(), Error> {
        match (now.scope(), Scope::of([self])) {
            (Scope::Named { region, names, groups, .. }, Scope::Named { region: wanted, names: needed, groups: managed, .. })
                if *region == wanted
                    && needed.iter().all(|name| names.contains(name))
                    && managed.iter().all(|group| groups.contains(group)) =>
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
        if let Some(settings) = &self.managed {
            return self.managed_steps(settings, now);
        }
        self.keeps_its_kind(now)?;
        self.keeps_what_works(now)?;
        let mut told = Told::new();
        let mut steps = Vec::new();
        if self.amazon.is_none() {
            let (key, request) = (self.base_key(), self.base_request());
            let decision = decide(request.clone(), &key, now, &told, &self.skip_in_rollback)?;
            told.extend(decision.told.clone().map(|outputs| (key.clone(), outputs)));
            let title = format!("role, instance profile and security group of workers {}", self.name);
            steps.push(step(key, title, decision, &request, BASE_TAKES)?.permits(actions::BASE.iter().copied()));
        }
        let key = self.key();
        let mut request = match &self.amazon {
            None => self.group_request(),
            Some(template) => template.request(self, now)?,
        };
        self.settle_size(&mut request, now);
        let mut decision = decide(request.clone(), &key, now, &told, &self.skip_in_rollback)?;
        let mut findings = self.findings(&key, &decision, now);
        self.tell_size(&key, &request, &mut decision, now, &mut findings);
        let title = match &self.amazon {
            None => self.title(),
            Some(template) => format!("{} by {}", self.title(), template.url()),
        };
        let takes = match (&self.amazon, decision.action) {
            (None, _) => GROUP_TAKES,
            (Some(_), Action::Update) => AMAZON_TAKES + REPLACEMENT_TAKES.saturating_mul(self.instances(now)),
            (Some(_), _) => AMAZON_TAKES,
        };
        let mut step = step(key, title, decision, &request, takes)?.after_all(&self.network.egress).permits(actions::GROUP.iter().copied());
        if self.amazon.is_some() {
            step = step.permits(actions::BASE.iter().copied()).permits(actions::AMAZON);
        }
        if self.makes_launch_configuration(now) {
            step = step.permits(actions::LAUNCH_CONFIGURATION);
        }
        if !self.hooks.is_empty() {
            step = step.permits(actions::HOOKS);
        }
        for price in self.prices(now) {
            step = step.costs(price);
        }
        steps.push(step);
        Ok((steps, findings))
    }

    /// `2 × t3.medium (2–3)`
    pub(crate) fn title(&self) -> String {
        let capacity = self.capacity;
        let others = self.instance_types.len().saturating_sub(1);
        let others = if others > 0 { format!(" or {others} other type{}", if others > 1 { "s" } else { "" }) } else { String::new() };
        let (base, percent, spot) = self.purchase.distribution();
        let purchase = match spot {
            None => String::new(),
            Some(_) if (base, percent) == (0, 0) => ", Spot".to_owned(),
            Some(_) => format!(", Spot but for {base} and {percent} % of the others"),
        };
        let zones = if self.per_zone { format!(" in each of {} zones", self.groups()) } else { String::new() };
        format!("{} × {}{others}{purchase} ({}–{}){zones}", capacity.desired(), self.instance_type(), capacity.min(), capacity.max())
    }

    /// At the price on demand of the first type.
    pub(crate) fn prices(&self, now: &Observed) -> Vec<Price> {
        let kind = self.instance_type();
        let hourly = InstanceType::parse(kind).and_then(InstanceType::usd_per_hour);
        let instance = hourly.map(|usd| Price::hourly(format!("{kind} instance"), usd));
        let gib = self.volume_gib();
        let volume = Price::monthly(format!("gp3 volume of {gib} GiB"), f64::from(gib) * GP3_USD_PER_GIB);
        (0..self.instances(now)).flat_map(|_| instance.iter().chain([&volume]).cloned()).collect()
    }
}

/// The step of one stack. Its needs are the steps that tell its parameters.
pub(crate) fn step(key: StepKey, title: String, decision: Decision, request: &StackRequest, takes: Duration) -> Result<Step, Error> {
    let references: Vec<_> = request.parameters.values().flat_map(|argument| argument.references()).collect();
    let title = decision.circumstance.map_or_else(|| title.clone(), |circumstance| format!("{title}, {circumstance}"));
    let mut step = Step::new(key, decision.action, title, &decision.op).map_err(fault)?.changes(decision.changes);
    step = references.into_iter().fold(step, |step, reference| step.uses(reference));
    if decision.action != Action::Keep {
        step = step.takes(takes);
    }
    if matches!(decision.op, WorkersOp::ContinueRollback { .. } | WorkersOp::RollBack { .. }) {
        step = step.permits(actions::RESTORE);
    }
    Ok(decision.outputs.into_iter().fold(step, |step, (name, value)| step.knows(name, value)))
}

pub(crate) fn fault(error: impl std::error::Error) -> Error {
    Error::Plan { subject: "nodes".to_owned(), reason: error.to_string() }
}
