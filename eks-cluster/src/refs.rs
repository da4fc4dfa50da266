//! What the cluster hands to the layers above it.

use eks_core::{ClusterRefs, Ref, RoleArn, StepKey};

use crate::{
    Addon, ClusterSpec,
    addon::EBS_CSI,
    identity::{RoleKind, RoleLabel},
    plan::oidc_provider_arn,
};

impl ClusterSpec {
    /// The cluster, for workers and Kubernetes objects: by key, so that they can be planned before it exists.
    pub fn refs(&self) -> ClusterRefs {
        let addons = &self.addons.0;
        let nodes_need = addons.iter().filter(|addon| addon.is_needed_by_nodes()).filter_map(|addon| addon.key().ok()).collect();
        ClusterRefs {
            name: self.name.clone(),
            version: self.version.to_string(),
            endpoint: self.told("endpoint"),
            certificate_authority: self.told("certificate_authority"),
            service_cidr: self.told("service_cidr"),
            security_groups: self.security_groups.clone(),
            cluster_security_group: self.told("cluster_security_group"),
            authentication: self.authentication,
            nodes_need,
            volumes_need: addons.iter().filter(|addon| addon.name == EBS_CSI).filter_map(|addon| self.settled(addon)).collect(),
        }
    }

    /// The role that Pods get by a [`crate::PodRole`] of that name: for the annotation `eks.amazonaws.com/role-arn` of their service
    /// accounts, where it is by their own tokens.
    pub fn pod_role(&self, name: &str) -> Option<Ref<RoleArn>> {
        self.pod_roles.iter().find(|role| role.name == name).and_then(|role| role.role().ok())
    }

    /// The role of a [`crate::NodeRole`] of that name.
    pub fn node_role(&self, name: &str) -> Option<Ref<RoleArn>> {
        let role = self.node_roles.iter().find(|role| role.name == name)?;
        Some(Ref::output(RoleKind::Node(RoleLabel::new(&role.name).ok()?).key(), "arn"))
    }

    /// ARN of the identity provider for the cluster's issuer, if the spec has one.
    pub fn oidc_provider(&self) -> Option<Ref<String>> {
        self.needs_oidc_provider().then(oidc_provider_arn)
    }

    /// The last step of an add-on.
    fn settled(&self, addon: &Addon) -> Option<StepKey> {
        if self.waits_for(addon) { addon.ready_key().ok() } else { addon.key().ok() }
    }
}
