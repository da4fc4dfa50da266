//! What a reviewer of the plan should see.

use std::collections::BTreeSet;

use eks_core::{Finding, StepKey, Tier};

use super::Planner;
use crate::{
    found::Found,
    machines::{
        keys,
        observed::{FoundInstance, FoundLoadBalancer},
        price,
        volume::OnTeardown,
    },
};

impl Planner<'_> {
    pub(super) fn review(&mut self) {
        for pair in &self.spec.key_pairs {
            self.findings.extend(pair.key.review().map(|message| Finding::warning(pair.key(), message)));
        }
        self.review_instances();
        self.review_volumes();
        self.review_health();
        self.review_what_is_not_wanted();
    }

    fn review_instances(&mut self) {
        for wanted in &self.spec.instances {
            let (key, name) = (wanted.key(), &wanted.instance_type);
            let mut warn = |message: &str| self.findings.push(Finding::warning(key.clone(), message));
            if !wanted.metadata.tokens_required {
                warn("IMDSv1 answers: whoever makes a program on it fetch an address reads its credentials");
            }
            if !wanted.root.encrypted {
                warn("its root volume is not encrypted");
            }
            if wanted.public_ip && wanted.subnet.tier != Tier::Public {
                warn("it has a public address in a subnet without a route from the internet");
            }
            if wanted.protected {
                let there = self.now.instances.iter().any(|found| found.is_live() && found.key(&self.now.owner).as_ref() == Some(&key));
                let message = if there {
                    "termination protection is put on at launch, and not looked at afterwards: see disableApiTermination"
                } else {
                    "protected from termination: a teardown leaves it until the protection is taken off"
                };
                self.findings.push(Finding::note(key.clone(), message));
            }
            if price::instance_hourly(name).is_none() {
                self.findings.push(Finding::note(key.clone(), format!("the price of {name} is not known here, and not in the sum")));
            }
            if self.root_gib(wanted).is_none() {
                let message = "the size of its root volume is its image's; its price is not in the sum";
                self.findings.push(Finding::note(key.clone(), message));
            }
            let live = |found: &&FoundInstance| found.is_live() && found.key(&self.now.owner).as_ref() == Some(&key);
            if let Some(found) = self.now.instances.iter().find(live).filter(|found| found.state.starts_with("stop")) {
                let message = format!("{} is {}: it stays so; aws ec2 start-instances --instance-ids {}", found.id, found.state, found.id);
                self.findings.push(Finding::warning(key, message));
            }
        }
    }

    fn review_volumes(&mut self) {
        for wanted in &self.spec.volumes {
            let key = wanted.key();
            if !wanted.disk.encrypted {
                self.findings.push(Finding::warning(key.clone(), "it is not encrypted"));
            }
            if wanted.on_teardown == OnTeardown::Retain {
                self.findings.push(Finding::note(key.clone(), "it outlives the teardown, and is paid for until somebody deletes it"));
            }
            let found = self.now.volumes.iter().find(|found| found.key(&self.now.owner).as_ref() == Some(&key));
            if let (None, Some(held)) = (&wanted.attach, found.and_then(|found| found.held.as_ref()))
                && self.now.our_instance(&held.instance).is_none()
            {
                let message = format!("it is attached to {}, which we did not make; it stays so", held.instance);
                self.findings.push(Finding::note(key, message));
            }
        }
    }

    /// The health of every instance behind a load balancer, as it was read.
    fn review_health(&mut self) {
        for wanted in &self.spec.balancers {
            let key = keys::registration(&wanted.name);
            let found = self.now.load_balancers.iter().find(|found| found.id == wanted.name);
            self.findings.extend(found.iter().flat_map(|found| health(&key, found)));
        }
    }

    /// Things of ours whose steps the spec no longer has. A plan never deletes.
    fn review_what_is_not_wanted(&mut self) {
        let now = self.now;
        let wanted: BTreeSet<String> = self.steps.iter().map(|step| step.key.to_string()).collect();
        let live: Vec<_> = now.instances.iter().filter(|instance| instance.is_live()).cloned().collect();
        let mut found = ids(now.ours(&now.key_pairs));
        found.extend(ids(now.ours(&live)));
        let volumes = now.data_volumes();
        found.extend(ids(now.ours(&volumes)));
        found.extend(ids(now.ours(&now.load_balancers)));
        for (key, id) in found.into_iter().filter(|(key, _)| !wanted.contains(key.as_str())) {
            self.findings.push(Finding::note(key, format!("{id} is no longer in the spec; it stays until the teardown")));
        }
    }
}

fn ids<T: Found>(found: Vec<(StepKey, &T)>) -> Vec<(StepKey, String)> {
    found.into_iter().map(|(key, found)| (key, found.id().to_owned())).collect()
}

fn health(key: &StepKey, found: &FoundLoadBalancer) -> Vec<Finding> {
    let asked = found.instances.iter().filter(|one| !one.state.is_empty());
    asked
        .map(|one| match one.state.as_str() {
            "InService" => Finding::note(key.clone(), format!("{} is InService", one.instance)),
            state => Finding::warning(key.clone(), format!("{} is {state} ({}: {})", one.instance, one.reason_code, one.description)),
        })
        .collect()
}
