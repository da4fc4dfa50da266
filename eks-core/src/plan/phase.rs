//! Phases: what of a plan can be applied from where some layers cannot be reached.

use std::collections::BTreeSet;

use crate::{Plan, StepKey};

impl Plan {
    /// The part of the plan that needs none of these layers, and the steps that are left for later: those of the layers, and
    /// whatever needs one of them, directly or not.
    ///
    /// A cluster with a private endpoint is made in two phases: first this part without `k8s` and `objects`, from anywhere
    /// with AWS credentials; then, where the endpoint can be reached, the same specs are planned again. What the first phase
    /// made is kept in that plan, so that references to it resolve, and only what was left is done.
    ///
    /// The layers need not be planned: where they cannot be observed, take this part of each plan before [`Plan::join`], which
    /// would miss them. Findings of steps that are left go with them.
    ///
    /// ```
    /// # use eks_core::{Action, Operation, Owner, Plan, Step};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Net;
    /// # impl Operation for Net { const LAYER: &'static str = "net"; }
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct K8s;
    /// # impl Operation for K8s { const LAYER: &'static str = "k8s"; }
    /// # let owner = Owner::new("shop")?;
    /// # let network = Plan::builder(&owner, "net").step(Step::new("net/vpc".parse()?, Action::Create, "VPC", &Net)?).build()?;
    /// # let objects = Plan::builder(&owner, "k8s").step(Step::new("k8s/pod/web".parse()?, Action::Create, "Pod", &K8s)?).build()?;
    /// let plan = Plan::join([network, objects])?;
    /// let (first, later) = plan.without_layers(["k8s"]);
    /// assert_eq!(first.steps()[0].key.as_str(), "net/vpc");
    /// assert_eq!(later[0].as_str(), "k8s/pod/web");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without_layers<'a>(&self, layers: impl IntoIterator<Item = &'a str>) -> (Self, Vec<StepKey>) {
        let layers: BTreeSet<&str> = layers.into_iter().collect();
        let mut first = self.clone();
        let mut later: Vec<StepKey> = Vec::new();
        let waits = |key: &StepKey, later: &[StepKey]| layers.contains(key.layer()) || later.contains(key);
        // Steps come in order: whatever a step needs was judged before it.
        first.steps.retain(|step| {
            let stays = !waits(&step.key, &later) && !step.needs.iter().any(|need| waits(need, &later));
            if !stays {
                later.push(step.key.clone());
            }
            stays
        });
        first.findings.retain(|finding| !waits(&finding.step, &later));
        first.basis.retain(|layer, _| !layers.contains(layer.as_str()));
        first.observing.retain(|layer, _| !layers.contains(layer.as_str()));
        (first, later)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Action, Basis, Facts, Operation, Owner, Step};

    #[derive(Serialize, Deserialize)]
    struct Nothing;

    impl Operation for Nothing {
        const LAYER: &'static str = "t";
    }

    fn plan(layer: &str, steps: &[(&str, &[&str])]) -> Plan {
        let builder = Plan::builder(&Owner::new("o").unwrap(), layer).basis(Basis::new(serde_json::Value::Null, Facts::new()));
        let step = |(key, needs): &(&str, &[&str])| {
            let mut step = Step::new(key.parse().unwrap(), Action::Create, *key, &Nothing).unwrap();
            step.op.layer = layer.to_owned();
            needs.iter().fold(step, |step, need| step.after(need.parse().unwrap()))
        };
        steps.iter().map(step).fold(builder, crate::PlanBuilder::step).build().unwrap()
    }

    /// An add-on that waits for nodes to be Ready is of an AWS layer, and yet for later.
    #[test]
    fn what_needs_the_layer_waits_with_it() {
        let cluster = plan("cluster", &[("cluster/plane", &[]), ("cluster/dns", &["k8s/nodes"]), ("cluster/last", &["cluster/dns"])]);
        let nodes = plan("nodes", &[("nodes/workers", &["cluster/plane"])]);
        let objects = plan("k8s", &[("k8s/nodes", &["nodes/workers"])]);
        let joined = Plan::join([cluster, nodes, objects]).unwrap();
        let (first, later) = joined.without_layers(["k8s", "objects"]);
        assert_eq!(first.steps().iter().map(|step| step.key.as_str()).collect::<Vec<_>>(), ["cluster/plane", "nodes/workers"]);
        assert_eq!(
            later.iter().map(StepKey::as_str).collect::<BTreeSet<_>>(),
            BTreeSet::from(["k8s/nodes", "cluster/dns", "cluster/last"])
        );
        assert_eq!(first.basis().keys().collect::<Vec<_>>(), ["cluster", "nodes"]);
        first.whole().unwrap();
        assert_eq!(joined.without_layers([]), (joined.clone(), vec![]));
    }

    /// The first phase again, from where the API server is out of reach: nobody can plan `k8s`.
    #[test]
    fn a_layer_that_is_not_planned_is_left_too() {
        let mut cluster = plan("cluster", &[("cluster/plane", &[]), ("cluster/dns", &["k8s/nodes"]), ("cluster/last", &["cluster/dns"])]);
        let of = |key: &str| crate::Finding::warning(key.parse().unwrap(), "look");
        cluster.findings = vec![of("cluster/plane"), of("cluster/last")];
        let nodes = plan("nodes", &[("nodes/workers", &["cluster/plane"])]);
        assert!(matches!(Plan::join([cluster.clone(), nodes.clone()]), Err(crate::PlanError::Missing { .. })));
        let parts = [cluster, nodes].map(|plan| plan.without_layers(["k8s", "objects"]));
        assert_eq!(parts.iter().flat_map(|(_, later)| later).map(StepKey::as_str).collect::<Vec<_>>(), ["cluster/dns", "cluster/last"]);
        let first = Plan::join(parts.map(|(first, _)| first)).unwrap();
        assert_eq!(first.steps().iter().map(|step| step.key.as_str()).collect::<Vec<_>>(), ["cluster/plane", "nodes/workers"]);
        assert_eq!(first.findings(), [&of("cluster/plane")]);
    }
}
