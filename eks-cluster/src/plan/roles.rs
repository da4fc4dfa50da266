//! Steps for our roles.

use std::time::Duration;

use eks_core::{Action, Error, Ref, RoleArn, Step};

use super::{broken, refused};
use crate::{
    AutoMode, ClusterOp, ClusterSpec, Observed, RoleChoice,
    op::RoleRequest,
    plane::AUTO_MODE_CLUSTER_POLICIES,
    role::{InWords, RoleKind},
};

impl ClusterSpec {
    pub(super) fn role_request(&self, kind: RoleKind, now: &Observed) -> RoleRequest {
        let legacy = matches!(self.role, RoleChoice::Own { legacy_service_policy: true });
        let (mut trust, mut policies) = (kind.trust(), kind.policies(self.partition(), legacy));
        if kind == RoleKind::Cluster && self.keeps_auto_mode(now) {
            trust = trust.and_tags_sessions();
            policies.extend(AUTO_MODE_CLUSTER_POLICIES.map(|name| self.partition().managed_policy(name)));
        }
        RoleRequest { kind, name: kind.name(&self.owner, self.region()), trust, policies, tags: self.tags.clone() }
    }

    /// Whether Auto Mode is wanted, or still on: it works under this role until it is off.
    fn keeps_auto_mode(&self, now: &Observed) -> bool {
        let found = now.cluster.as_ref().and_then(|cluster| cluster.settings.auto_mode.as_ref());
        self.settings.has_auto_mode() || found.is_some_and(AutoMode::is_on)
    }

    pub(super) fn role_step(&self, kind: RoleKind, now: &Observed) -> Result<Step, Error> {
        let request = self.role_request(kind, now);
        let key = kind.key();
        let title = format!("role {} for {}", request.name, kind.used_by());
        let step = |action| {
            Step::new(key.clone(), action, title.clone(), &ClusterOp::Role(request.clone())).map_err(broken).map(|step| {
                step.takes(Duration::from_secs(2)).permits(["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:AttachRolePolicy"])
            })
        };
        let Some(role) = now.roles.get(&kind) else {
            return Ok(step(Action::Create)?.permits(["iam:CreateRole", "iam:TagRole"]));
        };
        if !role.is_owned_by(&self.owner) {
            return Err(refused(
                format!("role {}", role.name),
                format!("exists, and does not carry the tag that names {} as its owner", self.owner),
                "choose another owner, or remove the role",
            ));
        }
        let mut changes: Vec<String> =
            request.policies.iter().filter(|arn| !role.policies.contains(*arn)).map(|arn| format!("policies: attach {arn}")).collect();
        // Sessions with tags do no harm once Auto Mode is off.
        let trusts = request.trust.is_said_by(&role.trust)
            || (kind == RoleKind::Cluster && request.trust.clone().and_tags_sessions().is_said_by(&role.trust));
        if !trusts {
            changes.push(format!("trust policy: {}", InWords(&request.trust)));
        }
        let step = if changes.is_empty() { step(Action::Keep)? } else { step(Action::Update)?.changes(changes) };
        let step = if trusts { step } else { step.permits(["iam:UpdateAssumeRolePolicy"]) };
        Ok(step.knows("id", &role.name).knows("arn", &role.arn))
    }

    /// The role that the control plane acts under.
    pub(super) fn cluster_role(&self) -> Ref<RoleArn> {
        match &self.role {
            RoleChoice::Existing(arn) => Ref::Known(arn.clone()),
            RoleChoice::Own { .. } => Ref::output(RoleKind::Cluster.key(), "arn"),
        }
    }
}
