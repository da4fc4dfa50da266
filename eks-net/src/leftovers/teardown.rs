//! From what exists: what to remove, in an order that ends, and what stays.
//!
//! Order: load balancers, until their interfaces are gone; target groups; interfaces; then security groups, whose names are taken out
//! of other groups' rules first. (Elastic Load Balancing user guides, "Delete"; Amazon VPC User Guide, "Delete a security group".) All of it
//! after the cluster: as long as a controller lives, it makes again what it misses.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{After, ClusterStanding, ClusterTrace, Error, Finding, Removal, StepKey, Teardown, VpcId};
use serde::{Deserialize, Serialize};

use super::{
    Leftover, LeftoverKind, LeftoverOp, ObservedLeftovers, Whose,
    op::{LAYER, OBSERVING, TRACING},
};
use crate::{
    keys::slug,
    machines::RELEASE,
    plan::{CALL, faulty},
};

/// Until EKS has deleted the interfaces of a control plane that is gone: "minutes". Likewise.
pub(crate) const CONTROL_PLANE_RELEASE: Duration = Duration::from_secs(60);

/// The removal of a cluster itself, in the layer above.
const CONTROL_PLANE: &str = "cluster/control-plane";

/// What becomes of what is provably of the owner's cluster. Whatever this says, volumes stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Handling {
    /// Load balancers, target groups, interfaces and security groups are removed.
    #[default]
    Remove,
    /// Everything is told, and stays.
    Tell,
}

/// What has to be looked for after a teardown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) region: Option<String>,
    pub(crate) traces: Vec<ClusterTrace>,
}

impl ObservedLeftovers {
    /// What has to be removed so that nothing is left of the owner's clusters that are gone or go, and what stays.
    ///
    /// `above` is the teardown of the other layers, if there is one. A cluster that is there goes only if it holds the cluster's own removal,
    /// that of its control plane: what another cluster has is in use, and is neither removed nor told. What Kubernetes is to let go of itself (the load balancer of a Service,
    /// the volume of a claim) counts as expected to go there: it saves nothing twice, and a volume is not announced to stay.
    ///
    /// # Errors
    /// [`Error::Plan`] if the removals do not come together, which would be a fault of this crate.
    pub fn teardown(&self, handling: Handling, above: Option<&Teardown>) -> Result<Teardown, Error> {
        let traces = self.traces.iter().filter(|trace| !stands_on(trace, above)).cloned().collect();
        Self { traces, ..self.clone() }.of_those_gone(handling, above)
    }

    fn of_those_gone(&self, handling: Handling, above: Option<&Teardown>) -> Result<Teardown, Error> {
        let scope = Scope { region: self.region.clone(), traces: self.traces.clone() };
        let scope = serde_json::to_value(&scope).map_err(|error| faulty("scope", &error))?;
        let mut teardown = Teardown::builder(&self.owner, LAYER, scope);
        if !self.traces.is_empty() {
            teardown = teardown.observes(OBSERVING).observes(TRACING);
        }
        let judged = self.judged();
        for (found, whose) in &judged {
            let (found, whose) = (*found, whose);
            let expected = above.and_then(|above| expected(found, above));
            let removed = handling == Handling::Remove && *whose == Whose::Ours && found.kind.is_removed();
            // It goes with its instance, as a rule; what does not is swept.
            if found.kind == LeftoverKind::Interface && found.state != "available" {
                continue;
            }
            match self.op(found).filter(|_| removed) {
                Some(op) => teardown = teardown.removal(removal(found, &op, expected)?),
                None if found.kind == LeftoverKind::Volume && expected.is_some() => {}
                // Terminated with its cluster; deleted with its node group.
                None if matches!(found.kind, LeftoverKind::Instance | LeftoverKind::LaunchTemplate) && *whose == Whose::Ours => {}
                None => teardown = teardown.stays(self.survivor(found, whose)),
            }
        }
        if handling == Handling::Remove {
            for (vpc, cluster) in swept(&judged) {
                let Some(trace) = self.traces.iter().find(|trace| trace.name.as_str() == cluster) else { continue };
                let op = LeftoverOp::SweepInterfaces { vpc: vpc.clone(), cluster: trace.clone(), made: self.vpcs.contains(vpc) };
                let step = key("interface", &format!("{cluster}-{vpc}"))?;
                let title = format!("interfaces that the VPC CNI of {cluster} may leave in");
                let removal = Removal::new(step.clone(), title, vpc.as_str(), &op).map_err(|error| faulty(&step, &error))?;
                let removal = after_users(removal).takes(CALL).permits(op.permissions().iter().copied()).permits(OBSERVING);
                teardown = teardown.removal(removal.refine(|action| op.grants(action, None)));
            }
        }
        for trace in self.traces.iter().filter(|trace| matches!(trace.standing, ClusterStanding::Others)) {
            let step = key("cluster", trace.name.as_str())?;
            let message = format!("there is a cluster {} that does not carry our tag: nothing with its name is removed", trace.name);
            teardown = teardown.finding(Finding::warning(step, message));
        }
        if !self.traces.is_empty() {
            let message = "not looked at: snapshots, CloudWatch log groups, KMS grants, Route 53 records, certificates, images in ECR";
            teardown = teardown.finding(Finding::note(key("scope", "account")?, message));
        }
        teardown.build().map_err(|error| faulty("teardown", &error))
    }

    /// How it is removed, if it is.
    fn op(&self, found: &Leftover) -> Option<LeftoverOp> {
        let id = found.id.clone();
        let cluster = || found.clusters().into_iter().next().unwrap_or_default().to_owned();
        Some(match found.kind {
            LeftoverKind::ClassicLoadBalancer => LeftoverOp::DeleteClassicLoadBalancer { name: id, cluster: cluster() },
            LeftoverKind::NetworkLoadBalancer | LeftoverKind::ApplicationLoadBalancer => LeftoverOp::DeleteLoadBalancer { arn: id },
            LeftoverKind::TargetGroup => LeftoverOp::DeleteTargetGroup { arn: id },
            LeftoverKind::Interface => LeftoverOp::DeleteInterface { id: id.parse().ok()? },
            LeftoverKind::ControlPlaneInterface => LeftoverOp::AwaitInterface { id: id.parse().ok()? },
            LeftoverKind::SecurityGroup => {
                let vpc = found.vpc.clone()?;
                let made = self.vpcs.contains(&vpc);
                LeftoverOp::DeleteSecurityGroup { id: id.parse().ok()?, vpc, cluster: cluster(), made }
            }
            _ => return None,
        })
    }
}

/// Whether a cluster is there and no removal of it is part of the teardown.
fn stands_on(trace: &ClusterTrace, above: Option<&Teardown>) -> bool {
    let goes = |above: &Teardown| {
        let mut removals = above.removals().iter();
        removals.any(|removal| removal.key.as_str() == CONTROL_PLANE && removal.id == trace.name.as_str())
    };
    matches!(trace.standing, ClusterStanding::Ours { .. }) && !above.is_some_and(goes)
}

/// VPCs in which the CNI of a cluster of ours has interfaces.
fn swept<'a>(judged: &[(&'a Leftover, Whose)]) -> BTreeSet<(&'a VpcId, &'a str)> {
    let used = judged.iter().filter(|(found, whose)| found.kind == LeftoverKind::Interface && *whose == Whose::Ours);
    used.filter_map(|(found, _)| Some((found.vpc.as_ref()?, found.clusters().into_iter().next()?))).collect()
}

/// As long as a controller lives, it makes again what it misses.
fn after_users(removal: Removal) -> Removal {
    let removal = ["k8s", "objects", "nodes"].into_iter().fold(removal, |removal, layer| removal.after(After::Layer(layer.to_owned())));
    // What a cluster has outside the VPC is in nobody's way.
    removal.after(After::Prefix(CONTROL_PLANE.to_owned()))
}

fn key(kind: &str, id: &str) -> Result<StepKey, Error> {
    StepKey::new([LAYER, kind, &slug(id)]).map_err(|error| faulty("key", &error))
}

/// The object whose own removal is to take it along.
fn expected(found: &Leftover, above: &Teardown) -> Option<&'static str> {
    let object = found.made_for()?;
    let of = |kind: &str| above.removals().iter().any(|removal| removal.key.as_str() == format!("k8s/{kind}/{object}"));
    let retained = above.stays().iter().any(|survivor| survivor.id == found.id);
    let kinds: &[(&str, &'static str)] = match found.kind {
        LeftoverKind::Volume if retained => &[],
        LeftoverKind::Volume => &[("claim", "claim")],
        _ => &[("service", "Service"), ("ingress", "Ingress")],
    };
    kinds.iter().find(|(kind, _)| of(kind)).map(|(_, name)| *name)
}

fn removal(found: &Leftover, op: &LeftoverOp, expected: Option<&str>) -> Result<Removal, Error> {
    // An ARN ends in the name, which is unique in the Region, and a number.
    let of_arn = found.id.starts_with("arn:").then(|| found.id.rsplit('/').nth(1)).flatten();
    let name = of_arn.unwrap_or(&found.id);
    let key = key(found.kind.word(), name)?;
    let title = match expected {
        Some(object) => format!("{} ({}), unless its {object} takes it along:", found.kind.title(), found.told()),
        None if found.kind == LeftoverKind::ControlPlaneInterface => {
            format!("{} ({}), which EKS takes along:", found.kind.title(), found.told())
        }
        None if found.is_of_eks() => format!("{} ({}), unless EKS takes it along:", found.kind.title(), found.told()),
        None => format!("{} ({})", found.kind.title(), found.told()),
    };
    let mut removal = Removal::new(key.clone(), title, &found.id, op).map_err(|error| faulty(&key, &error))?;
    removal = removal.takes(CALL).permits(op.permissions().iter().copied()).permits(OBSERVING);
    removal = removal.refine(|action| op.grants(action, found.vpc.as_ref()));
    removal = after_users(removal);
    let before: &[&str] = match found.kind {
        LeftoverKind::TargetGroup | LeftoverKind::Interface => &["load-balancer"],
        LeftoverKind::SecurityGroup => &["load-balancer", "interface", "control-plane-interface"],
        _ => &[],
    };
    removal = before.iter().fold(removal, |removal, word| removal.after(After::Prefix(format!("{LAYER}/{word}/"))));
    Ok(match found.kind {
        LeftoverKind::ControlPlaneInterface => removal.takes(CONTROL_PLANE_RELEASE),
        kind if kind.is_load_balancer() => removal.takes(RELEASE).saves(if expected.is_some() { 0.0 } else { found.usd_per_month }),
        _ => removal,
    })
}
