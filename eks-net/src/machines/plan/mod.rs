//! From what should exist and what exists: the plan.

mod balancers;
mod findings;
mod instances;
#[cfg(test)]
mod tests;
mod volumes;

use std::time::Duration;

use eks_core::{Action, Basis, Error, Finding, Plan, Step, StepKey};

use super::{
    grants, key_pair::CheckedKeyPair, keys, observed::ObservedMachines, op::MachineOp, permissions::OBSERVING,
    public_key::same_fingerprint, spec::MachinesSpec,
};
use crate::{
    found::Found,
    plan::{CALL, faulty, refused},
    tags::{self, Tags},
};

/// Pending to running. No log was found: an estimate.
pub(crate) const LAUNCH: Duration = Duration::from_secs(20);
/// Running until both status checks have passed. (Amazon EC2 User Guide, "Status checks for Amazon EC2 instances": every minute.)
pub(crate) const STATUS_CHECKS: Duration = Duration::from_secs(150);
/// Creating to available, attaching to attached, and back. Estimates.
pub(crate) const DISK: Duration = Duration::from_secs(4);

impl MachinesSpec {
    /// What must be done so that these machines exist. Pure: the same for the same spec and the same observation.
    ///
    /// Tags that others added, and things of ours that the spec no longer has, stay; the plan tells of them. What the spec no
    /// longer says of a thing that it still has, such as a listener or an attachment, is taken back.
    ///
    /// # Errors
    /// [`Error::Refused`] if what exists cannot be changed into what is wanted (an instance's image or type, a smaller volume, a
    /// load balancer's scheme), if somebody else has the name, or if two things carry one key.
    pub fn plan(&self, now: &ObservedMachines) -> Result<Plan, Error> {
        let mut planner = Planner { spec: self, now, steps: Vec::new(), findings: Vec::new() };
        for pair in &self.key_pairs {
            planner.key_pair(pair)?;
        }
        for instance in &self.instances {
            planner.instance(instance)?;
        }
        for volume in &self.volumes {
            planner.volume(volume)?;
            planner.attachment(volume)?;
        }
        for balancer in &self.balancers {
            planner.load_balancer(balancer)?;
            planner.registration(balancer)?;
        }
        planner.review();
        let mut builder = Plan::builder(&self.owner, keys::LAYER).basis(Basis::new(scope(Some(self.region.as_str())), now.facts()));
        builder = builder.observes(OBSERVING);
        for step in planner.steps {
            let op: MachineOp = step.op.decode().map_err(|error| faulty(&step.key, &error))?;
            builder = builder.step(step.refine(|action| grants::of(&self.owner, &op, action)));
        }
        for finding in planner.findings {
            builder = builder.finding(finding);
        }
        builder.build().map_err(|error| faulty("machines", &error))
    }
}

/// What the driver needs to observe again what a plan or teardown rests on.
pub(crate) fn scope(region: Option<&str>) -> serde_json::Value {
    serde_json::json!({ "region": region })
}

struct Planner<'a> {
    spec: &'a MachinesSpec,
    now: &'a ObservedMachines,
    steps: Vec<Step>,
    findings: Vec<Finding>,
}

impl Planner<'_> {
    /// A step that creates what is not there, keeps what is right, and changes the rest.
    fn step(&self, key: StepKey, title: String, id: Option<&str>, changes: Vec<String>, op: &MachineOp) -> Result<Step, Error> {
        let action = match id {
            None => Action::Create,
            Some(_) if changes.is_empty() => Action::Keep,
            Some(_) => Action::Update,
        };
        let step = Step::new(key.clone(), action, title, op).map_err(|error| faulty(&key, &error))?;
        let step = step.takes(CALL).changes(changes).permits(op.permissions()).permits(OBSERVING);
        Ok(match id {
            Some(id) => step.knows("id", id),
            None => step,
        })
    }

    /// All tags of what `key` makes.
    fn wanted(&self, key: &StepKey) -> Tags {
        self.spec.extra.of(&self.spec.owner, key)
    }

    /// Tags to put on, and how they change: all for what is not there, else those that differ.
    fn tags<T: Found>(&self, wanted: Tags, found: Option<&T>) -> (Tags, Vec<String>) {
        match found {
            Some(found) => tags::drift(&wanted, found.tags()),
            None => (wanted, Vec::new()),
        }
    }

    fn key_pair(&mut self, pair: &CheckedKeyPair) -> Result<(), Error> {
        let (key, name) = (pair.key(), pair.name.as_str());
        let found = self.now.made_by(&self.now.key_pairs, &key)?;
        if let Some(other) = self.now.foreign_key_pairs.iter().find(|other| other.name == name && found.is_none()) {
            let rule = format!("{} has this name, and we did not make it", other.id);
            return Err(refused(format!("key pair {name}"), rule, "use it with .existing_key_pair, or choose another name"));
        }
        let fingerprint = pair.key.fingerprint();
        if let Some(found) = found.filter(|found| !same_fingerprint(&found.fingerprint, &fingerprint)) {
            let rule =
                format!("its key has the fingerprint {}, the spec's has {fingerprint}, and a key cannot be changed", found.fingerprint);
            return Err(refused(
                &found.id,
                rule,
                format!("import the new key under another name than {name}, or delete this key pair first"),
            ));
        }
        let (tags, changes) = self.tags(self.wanted(&key), found);
        let op = MachineOp::KeyPair { id: found.map(|found| found.id.clone()), name: name.to_owned(), public_key: pair.text.clone(), tags };
        let title = format!("key pair {name}, {} {fingerprint}", pair.key.kind());
        let step = self.step(key, title, found.map(Found::id), changes, &op)?;
        self.steps.push(step);
        Ok(())
    }
}
