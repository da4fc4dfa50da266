//! Steps for our roles.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{Action, Error, Ref, RoleArn, Step};

use super::{broken, oidc_provider_arn, refused};
use crate::{
    Addon, AutoMode, ClusterOp, ClusterSpec, Observed, ObservedRole, PodRole, RoleChoice,
    addon::{self, Identity},
    identity::{
        self, CLUSTER_TAG, InWords, NodeRole, Permissions, PodAccess, PolicyDocument, RoleKind, RoleLabel, RoleTrust, ServiceAccount,
    },
    op::RoleRequest,
    plane::AUTO_MODE_CLUSTER_POLICIES,
};

impl ClusterSpec {
    /// Roles of our own that it needs.
    pub(crate) fn own_roles(&self) -> Vec<RoleRequest> {
        let cluster = self.own_cluster_role();
        let addons = self.addons.0.iter().filter_map(|addon| self.addon_role(addon));
        let pods = self.pod_roles.iter().filter_map(|role| self.pod_role_request(role));
        let nodes = self.node_roles.iter().filter_map(|role| self.node_role_request(role));
        cluster.into_iter().chain(addons).chain(pods).chain(nodes).collect()
    }

    fn request(&self, kind: RoleKind, trust: RoleTrust, permissions: &Permissions) -> RoleRequest {
        RoleRequest {
            name: kind.name(&self.owner, self.region()),
            kind,
            path: self.role_settings.path.clone(),
            trust,
            policies: permissions.managed(self.partition()),
            inline: permissions.inline.clone(),
            boundary: self.role_settings.boundary.clone(),
            tags: self.tags.clone().into_iter().chain([(CLUSTER_TAG.to_owned(), self.name.to_string())]).collect(),
        }
    }

    fn own_cluster_role(&self) -> Option<RoleRequest> {
        let RoleChoice::Own { legacy_service_policy } = self.role else { return None };
        let mut aws = vec!["AmazonEKSClusterPolicy".to_owned()];
        aws.extend(legacy_service_policy.then(|| LEGACY_POLICY.to_owned()));
        let permissions = Permissions { aws, arns: self.cluster_role_policies.clone(), inline: BTreeMap::new() };
        Some(self.request(RoleKind::Cluster, RoleTrust::control_plane(), &permissions))
    }

    fn addon_role(&self, addon: &Addon) -> Option<RoleRequest> {
        let Identity::Own(role) = &addon.identity else { return None };
        let mut permissions = role.permissions.clone();
        if role.ipv6_cni {
            let document = identity::vpc_cni_ipv6(self.partition());
            permissions.inline.insert("AmazonEKS_CNI_IPv6_Policy".to_owned(), document);
        }
        if permissions.is_empty() {
            let named = addon::needs(&addon.name).map(|needs| needs.policies).unwrap_or_default();
            permissions.aws = named.iter().map(|&name| name.to_owned()).collect();
        }
        Some(self.request(addon.role_kind()?, trust(role.access, addon.service_accounts()), &permissions))
    }

    fn pod_role_request(&self, role: &PodRole) -> Option<RoleRequest> {
        if role.existing.is_some() {
            return None;
        }
        let mut permissions = role.permissions.clone();
        if role.is_load_balancer_controller {
            let document = identity::load_balancer_controller(self.partition());
            permissions.inline.insert("AWSLoadBalancerControllerIAMPolicy".to_owned(), document);
        }
        if let Some(target) = &role.target {
            // EKS User Guide, "Access AWS resources using EKS Pod Identity target IAM roles".
            let actions = if role.disable_session_tags { vec!["sts:AssumeRole"] } else { vec!["sts:AssumeRole", "sts:TagSession"] };
            let document = PolicyDocument::new([identity::PolicyStatement::allow(actions, [target.to_string()])]);
            permissions.inline.insert("eks-rs-target-role".to_owned(), document);
        }
        Some(self.request(role.kind().ok()?, trust(role.access, role.service_accounts.clone()), &permissions))
    }

    fn node_role_request(&self, role: &NodeRole) -> Option<RoleRequest> {
        let mut permissions = role.permissions.clone();
        let cni_has_its_own = self.addons.0.iter().any(|addon| addon.name == addon::VPC_CNI && addon.identity != Identity::None);
        let policies: &[&str] = match (role.minimal, cni_has_its_own) {
            (true, _) => &["AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"],
            (false, true) => &["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"],
            (false, false) => &["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy"],
        };
        permissions.aws.splice(0..0, policies.iter().map(|&name| name.to_owned()));
        let kind = RoleKind::Node(RoleLabel::new(&role.name).ok()?);
        Some(self.request(kind, RoleTrust::nodes(self.partition()), &permissions))
    }

    /// Whether Auto Mode is wanted, or still on: it works under this role until it is off.
    pub(super) fn keeps_auto_mode(&self, now: &Observed) -> bool {
        let found = now.cluster.as_ref().and_then(|cluster| cluster.settings.auto_mode.as_ref());
        self.settings.has_auto_mode() || found.is_some_and(AutoMode::is_on)
    }

    /// The control plane's role, for Auto Mode where that is on.
    pub(super) fn for_auto_mode(&self, mut request: RoleRequest, now: &Observed) -> RoleRequest {
        if request.kind == RoleKind::Cluster && self.keeps_auto_mode(now) {
            request.trust = request.trust.and_tags_sessions();
            request.policies.extend(AUTO_MODE_CLUSTER_POLICIES.map(|name| self.partition().managed_policy(name)));
        }
        request
    }

    pub(super) fn role_step(&self, request: RoleRequest, now: &Observed) -> Result<Step, Error> {
        let request = &self.for_auto_mode(request, now);
        let key = request.kind.key();
        let title = format!("role {} for {}", request.name, request.kind.used_by());
        let step = |action| {
            let step = Step::new(key.clone(), action, title.clone(), &ClusterOp::Role(request.clone())).map_err(broken)?;
            let step = step.takes(Duration::from_secs(2)).permits(["iam:GetRole", "iam:ListAttachedRolePolicies"]);
            let step = if request.policies.is_empty() { step } else { step.permits(["iam:AttachRolePolicy"]) };
            let step = if request.inline.is_empty() { step } else { step.permits(["iam:PutRolePolicy"]) };
            Ok::<_, Error>(match &request.trust {
                RoleTrust::WebIdentity { provider, .. } => step.uses(provider),
                RoleTrust::Policy(_) => step,
            })
        };
        let Some(role) = now.roles.get(&request.kind) else {
            return Ok(step(Action::Create)?.permits(["iam:CreateRole", "iam:TagRole"]));
        };
        self.refuse_role(request, role)?;
        let trusts = self.trusts(request, role, now);
        let mut changes: Vec<String> =
            request.policies.iter().filter(|arn| !role.policies.contains(*arn)).map(|arn| format!("policies: attach {arn}")).collect();
        if !trusts {
            changes.push(format!("trust policy: {}", InWords(&request.trust)));
        }
        let written = |name: &str, document: &PolicyDocument| role.inline.get(name).is_some_and(|found| document.is_said_by(found));
        for (name, _) in request.inline.iter().filter(|(name, document)| !written(name, document)) {
            let verb = if role.inline.contains_key(name) { "rewrite" } else { "write" };
            changes.push(format!("policies: {verb} {name}"));
        }
        let bounded = request.boundary.is_none() || request.boundary == role.boundary;
        if let Some(boundary) = request.boundary.as_deref().filter(|_| !bounded) {
            changes.push(format!("permissions boundary: {} → {boundary}", role.boundary.as_deref().unwrap_or("none")));
        }
        let step = if changes.is_empty() { step(Action::Keep)? } else { step(Action::Update)?.changes(changes) };
        let step = if trusts { step } else { step.permits(["iam:UpdateAssumeRolePolicy"]) };
        let step = if bounded { step } else { step.permits(["iam:PutRolePermissionsBoundary"]) };
        Ok(step.knows("id", &role.name).knows("arn", &role.arn))
    }

    /// Whether the role trusts whom it should. The identity provider that is not there yet is not trusted yet.
    fn trusts(&self, request: &RoleRequest, role: &ObservedRole, now: &Observed) -> bool {
        let provider = |reference: &Ref<String>| match reference {
            Ref::Known(arn) => Some(arn.clone()),
            Ref::Output(_) => now.oidc_provider.as_ref().map(|provider| provider.arn.clone()),
        };
        let trust = request.trust.document(provider);
        // Sessions with tags do no harm once Auto Mode is off.
        let and_tags = (request.kind == RoleKind::Cluster).then(|| request.trust.clone().and_tags_sessions().document(|_| None)).flatten();
        trust.into_iter().chain(and_tags).any(|document| document.is_said_by(&role.trust))
    }

    fn refuse_role(&self, request: &RoleRequest, role: &ObservedRole) -> Result<(), Error> {
        if !role.is_owned_by(&self.owner) {
            return Err(refused(
                format!("role {}", role.name),
                format!("exists, and does not carry the tag that names {} as its owner", self.owner),
                "choose another owner, or remove the role",
            ));
        }
        if let Some(other) = role.other_cluster(&self.name) {
            return Err(refused(
                format!("role {}", role.name),
                format!("was made for the cluster {other} of the same owner, and goes with it"),
                "give each cluster of a Region an owner of its own, or bring roles of your own",
            ));
        }
        let path = request.path.as_deref().unwrap_or("/");
        if role.path() != path {
            return Err(refused(
                format!("role {}", role.name),
                format!("has the path {}, the spec says {path}; IAM cannot change it", role.path()),
                "keep the path that it has, or tear the cluster down first",
            ));
        }
        Ok(())
    }

    /// The role that the control plane acts under.
    pub(super) fn cluster_role(&self) -> Ref<RoleArn> {
        match &self.role {
            RoleChoice::Existing(arn) => Ref::Known(arn.clone()),
            RoleChoice::Own { .. } => Ref::output(RoleKind::Cluster.key(), "arn"),
        }
    }

    /// ARN of a role, if it is known or a role of ours that exists.
    pub(super) fn known_role(role: &Ref<RoleArn>, now: &Observed) -> Option<String> {
        match role {
            Ref::Known(arn) => Some(arn.to_string()),
            Ref::Output(output) => now.roles.iter().find(|(kind, _)| kind.key() == output.step).map(|(_, found)| found.arn.to_string()),
        }
    }
}

/// Only clusters made before 2020-04-16 need it. EKS User Guide, "Amazon EKS cluster IAM role".
pub(super) const LEGACY_POLICY: &str = "AmazonEKSServicePolicy";

fn trust(access: PodAccess, service_accounts: Vec<ServiceAccount>) -> RoleTrust {
    match access {
        PodAccess::PodIdentity => RoleTrust::pod_identity(),
        PodAccess::Irsa => RoleTrust::WebIdentity { provider: oidc_provider_arn(), service_accounts },
    }
}
