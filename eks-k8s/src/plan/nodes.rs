//! Nodes and the roles they come in by.

use std::time::Duration;

use eks_core::{Action, Error, Ref, Step, StepKey};

use super::{CALL, fixed_key};
use crate::{ObjectOp, ObjectsSpec, Observed, aws_auth::record};

impl ObjectsSpec {
    pub(super) fn aws_auth(&self, now: &Observed) -> Result<Step, Error> {
        let key = fixed_key(record::KEY)?;
        let groups: Vec<_> = self.roles.iter().map(|(group, _)| group.as_str()).collect();
        let lacking: Vec<String> = match &now.aws_auth {
            None => Vec::new(),
            Some(map) => {
                let fine = |group: &str, role: &Ref<_>| match role {
                    Ref::Known(role) => map.maps(role),
                    // The role's ARN is known only when its step has run. Ready nodes prove that it is the one on record.
                    Ref::Output(_) => map.maps_group(group) && self.is_ready(group, now),
                };
                let lacking = self.roles.iter().filter(|(group, role)| !fine(group, role));
                lacking.map(|(group, role)| format!("role of {group}: {role} is mapped to system:nodes")).collect()
            }
        };
        let action = match &now.aws_auth {
            None => Action::Create,
            Some(_) if lacking.is_empty() => Action::Keep,
            Some(_) => Action::Update,
        };
        let op = ObjectOp::MapRoles { access: self.access(), roles: self.roles.clone() };
        let step = self.step(key, action, format!("aws-auth entries of {}", groups.join(", ")), &op)?;
        let step = self.roles.iter().fold(step, |step, (_, role)| step.uses(role)).takes(CALL).changes(lacking);
        Ok(if action == Action::Keep { step.knows("id", "kube-system/aws-auth") } else { step })
    }

    /// Whether as many nodes of a group are Ready as wanted; true for groups that this spec does not wait for.
    fn is_ready(&self, group: &str, now: &Observed) -> bool {
        let ready = now.nodes.get(group).copied().unwrap_or_default().ready;
        self.nodes.iter().filter(|workers| workers.name == group).all(|workers| ready >= workers.desired)
    }

    pub(super) fn await_nodes(&self, workers: &eks_core::WorkersRefs, now: &Observed) -> Result<Step, Error> {
        let key = nodes_key(&workers.name)?;
        let action = if self.is_ready(&workers.name, now) { Action::Keep } else { Action::Create };
        let op = ObjectOp::AwaitNodes {
            access: self.access(),
            group: workers.name.clone(),
            label: workers.node_label.clone(),
            desired: workers.desired,
        };
        // Registration takes 30–90 s after boot (EKS user guide), the CNI some seconds more.
        let mut step = self
            .step(key, action, format!("{} Ready nodes of {}", workers.desired, workers.name), &op)?
            .after_all(&workers.running)
            .after_all(&self.cluster.nodes_need)
            .takes(Duration::from_secs(62));
        if self.roles.iter().any(|(group, _)| *group == workers.name) {
            step = step.after(fixed_key(record::KEY)?);
        }
        let ready = now.nodes.get(&workers.name).copied().unwrap_or_default().ready;
        Ok(if action == Action::Keep { step.knows("id", &workers.name).knows("ready", ready) } else { step })
    }
}

pub(super) fn nodes_key(group: &str) -> Result<StepKey, Error> {
    fixed_key(&format!("k8s/nodes/{group}"))
}
