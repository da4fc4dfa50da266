//! What a reviewer of a plan of managed workers should see.

use eks_core::{Finding, StepKey, Tier};

use super::{decide::Decision, settings::Managed};
use crate::{observed::Observed, spec::WorkersSpec};

impl WorkersSpec {
    pub(super) fn managed_findings(&self, settings: &Managed, key: &StepKey, decision: &Decision, now: &Observed) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.place_findings(key, &mut findings);
        self.image_findings(key, &mut findings);
        self.purchase_findings(key, &mut findings);
        let mut warn = |text: String| findings.push(Finding::warning(key.clone(), text));
        if self.network.subnets.iter().any(|subnet| subnet.tier == Tier::Public) {
            warn("managed nodes in public subnets need MapPublicIpOnLaunch there, or the group fails".to_owned());
        }
        if self.hop_limit > 1 {
            warn("a metadata hop limit above 1 gives Pods the node's credentials".to_owned());
        }
        let Some(found) = now.group(self.cluster.name.as_str(), self.name.as_str()) else { return findings };
        if found.status.stands() {
            found.issues.iter().for_each(|issue| warn(format!("EKS finds: {issue}")));
        }
        if decision.rolls {
            let (nodes, batch) = (found.scaling.desired, settings.batch().of(found.scaling.desired));
            let held = if settings.force { "then ends them all the same" } else { "then the update fails and tells which" };
            warn(format!(
                "replaces every node: {nodes} in rounds of {batch}, drained by eviction; Pods that a budget holds get 15 minutes, {held}"
            ));
        }
        let (desired, wanted) = (found.scaling.desired, self.capacity);
        if desired > wanted.max() {
            warn(format!("{desired} nodes, and at most {} are wanted: EKS ends the others at once, whatever budgets say", wanted.max()));
        } else if desired != wanted.desired() && desired >= wanted.min() {
            let text =
                format!("{desired} nodes, as an autoscaler or somebody left it; the spec's {} counts at creation only", wanted.desired());
            findings.push(Finding::note(key.clone(), text));
        }
        findings
    }
}
