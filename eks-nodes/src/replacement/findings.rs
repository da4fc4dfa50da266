//! What a reviewer of a replacement should see.

use eks_core::{Finding, StepKey};
use eks_k8s::{drain::Forecast, replacing::AutoscalerKind};

use super::{observed::ReplacementObserved, plan::some, spec::Replacement};

impl Replacement {
    /// `at` is a step that is in the plan.
    pub(crate) fn replacement_findings(&self, now: &ReplacementObserved, forecast: &Forecast, at: &StepKey) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut warn = |text: String| findings.push(Finding::warning(at.clone(), text));
        if !now.letting_in.is_empty() {
            let groups: Vec<String> = now.letting_in.iter().map(ToString::to_string).collect();
            warn(format!(
                "security group {} of others lets the old nodes in by their security group, and not the new ones: let both in before Pods move, and \
                 take the old one out before its stack can go",
                some(&groups)
            ));
        }
        for rule in now.rules.iter().filter(|rule| !rule.ours) {
            warn(format!("rule {} of {} lets {} in and is not ours: it must go before the old stack can", rule.id, rule.group, rule.peer));
        }
        let worse = now.health.regressions(&self.baseline(now));
        if !worse.is_empty() {
            let worse: Vec<String> = worse.iter().map(ToString::to_string).collect();
            warn(format!("worse than when the replacement began, so that no node is drained until it is mended: {}", some(&worse)));
        } else if !now.health.is_good() {
            let workloads = now.health.workloads.iter().filter(|workload| workload.available < workload.wanted);
            let mut ill: Vec<String> =
                workloads.map(|workload| format!("{} {}/{}", workload.kind, workload.namespace, workload.name)).collect();
            ill.extend(now.health.nodes.iter().filter(|node| !node.ready && !node.closed).map(|node| format!("node {}", node.name)));
            ill.extend(now.health.troubles.iter().map(|trouble| format!("Pod {} ({})", trouble.pod, trouble.why)));
            if !ill.is_empty() {
                warn(format!("not all is well as it is, and what is ill now counts as no regression: {}", some(&ill)));
            }
        }
        let lost: Vec<String> = forecast.homeless.iter().filter(|pod| !pod.made_anew).map(|homeless| homeless.pod.to_string()).collect();
        if !lost.is_empty() {
            warn(format!("nothing makes these Pods anew: {}", some(&lost)));
        }
        if !forecast.blocked.is_empty() {
            let blocked: Vec<String> = forecast.blocked.iter().map(|blocked| format!("{} ({})", blocked.pod, blocked.why)).collect();
            warn(format!("these Pods are blocked as it is: {}", some(&blocked)));
        }
        let pools: Vec<String> =
            now.autoscalers.iter().filter(|one| one.kind == AutoscalerKind::Karpenter).map(ToString::to_string).collect();
        if !pools.is_empty() {
            let text = format!("{} may make nodes for Pods that wait, and is not paused: its nodes are not of the old group", some(&pools));
            findings.push(Finding::note(at.clone(), text));
        }
        findings
    }
}
