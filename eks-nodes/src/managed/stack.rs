//! What a managed group stands on: a stack with the role of its nodes and its launch template. It needs no control plane.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Ref, RoleArn, SubnetId};

use super::{
    request::{GroupRequest, GroupScaling, GroupTaint, TemplateRef},
    settings::Managed,
};
use crate::{
    amazon::Capability,
    image::NodeSettings,
    purchase::Purchase,
    request::{Argument, StackRequest, TemplateSource},
    spec::WorkersSpec,
    template::{ManagedShape, TEMPLATE_ID, TEMPLATE_VERSION, managed},
};

impl WorkersSpec {
    /// What the nodes are told besides what EKS tells them.
    pub(crate) fn managed_user_data(&self) -> Option<String> {
        let (labels, max_pods) = (BTreeMap::new(), self.most_pods());
        self.family.managed_user_data(NodeSettings { labels: &labels, taints: &[], kubelet: &self.kubelet, max_pods })
    }

    fn shape<'a>(&'a self, settings: &Managed, tags: &'a [(String, String)], user_data: Option<&'a str>) -> ManagedShape<'a> {
        ManagedShape {
            hop_limit: self.hop_limit,
            key_pair: self.key_pair.is_some(),
            policies: &self.extra_policies,
            role: settings.role.is_none(),
            session_manager: self.session_manager,
            system_device: self.family.system_device(),
            tags,
            user_data,
            volume_device: self.family.volume_device(),
            volume_gib: self.volume_gib(),
        }
    }

    /// The digest of the launch template that the stack will have: another one means another version of it.
    pub(crate) fn template_digest(&self, settings: &Managed) -> String {
        let (tags, user_data) = (self.owner.tags(&self.key()), self.managed_user_data());
        self.shape(settings, &tags, user_data.as_deref()).digest(self.key_pair.as_deref())
    }

    /// The stack.
    pub(crate) fn managed_base_request(&self, settings: &Managed) -> StackRequest {
        let (tags, user_data) = (self.owner.tags(&self.key()), self.managed_user_data());
        let shape = self.shape(settings, &tags, user_data.as_deref());
        let template = managed(&shape, &shape.digest(self.key_pair.as_deref()));
        let mut parameters = BTreeMap::from([
            ("ClusterName".to_owned(), Argument::known(self.cluster.name.as_str())),
            ("NodeGroupName".to_owned(), Argument::known(self.name.as_str())),
        ]);
        if let Some(key_pair) = &self.key_pair {
            parameters.insert("KeyName".to_owned(), Argument::known(key_pair));
        }
        let capabilities = if settings.role.is_none() { BTreeSet::from([Capability::Iam]) } else { BTreeSet::new() };
        StackRequest { template: TemplateSource::Body(template.to_json()), parameters, capabilities, ..self.base_request() }
    }

    /// The role of the nodes: the one that is given, or the stack's.
    pub(crate) fn managed_role(&self, settings: &Managed) -> Ref<RoleArn> {
        settings.role.clone().unwrap_or_else(|| Ref::output(self.base_key(), "NodeInstanceRole"))
    }

    /// The group as EKS should make it.
    pub(crate) fn group_of(&self, settings: &Managed) -> GroupRequest {
        let capacity = self.capacity;
        let told = |name: &str| Ref::output(self.base_key(), name);
        GroupRequest {
            cluster: self.cluster.name.clone(),
            name: self.name.clone(),
            role: self.managed_role(settings),
            subnets: self.network.subnets.iter().map(|subnet| subnet.id.clone()).collect::<Vec<Ref<SubnetId>>>(),
            template: TemplateRef { id: told(TEMPLATE_ID), version: told(TEMPLATE_VERSION) },
            // A family that EKS has no name for is refused before.
            ami_type: self.family.ami_type(self.target()).unwrap_or_default(),
            release: settings.release.clone(),
            instance_types: self.instance_types.clone(),
            spot: matches!(self.purchase, Purchase::Spot(_)),
            scaling: GroupScaling { min: capacity.min(), max: capacity.max(), desired: capacity.desired() },
            labels: self.node_labels(),
            taints: self
                .taints
                .iter()
                .map(|taint| GroupTaint { key: taint.key.clone(), value: taint.value.clone(), effect: taint.effect })
                .collect(),
            max_unavailable: settings.batch(),
            strategy: settings.strategy,
            repair: settings.repair,
        }
    }
}
