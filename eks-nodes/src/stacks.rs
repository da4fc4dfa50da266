//! The spec as two stacks.
//!
//! Two, so that nothing waits for the control plane that need not: an instance profile alone takes CloudFormation about two
//! minutes, and neither it nor the role nor the security group needs more than the control plane's security group.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Ref, SecurityGroupId, StackName};

use crate::{
    amazon::Capability,
    image::Image,
    mapping::RoleMapping,
    request::{Argument, DESIRED, KEEPS, StackRequest, TemplateSource, as_text},
    spec::WorkersSpec,
    template::{GroupShape, ImageSource, ScalingShape, base, group},
};

impl WorkersSpec {
    /// The security group of the control plane that nodes talk to: the one given to it, or the one that EKS made for it.
    pub(crate) fn control_plane_group(&self) -> &Ref<SecurityGroupId> {
        self.cluster.security_groups.first().unwrap_or(&self.cluster.cluster_security_group)
    }

    /// The stack that the instances stand on.
    pub(crate) fn base_request(&self) -> StackRequest {
        let parameters = BTreeMap::from([
            ("ClusterControlPlaneSecurityGroup".to_owned(), Argument::reference(self.control_plane_group())),
            ("ClusterName".to_owned(), Argument::known(self.cluster.name.as_str())),
            ("NodeGroupName".to_owned(), Argument::known(self.name.as_str())),
            ("VpcId".to_owned(), Argument::reference(&self.network.vpc)),
        ]);
        StackRequest {
            name: self.base_stack_name(),
            template: TemplateSource::Body(base(self.session_manager, &self.extra_policies).to_json()),
            parameters,
            capabilities: BTreeSet::from([Capability::Iam]),
            desired: None,
            keeps_size: false,
        }
    }

    fn base_stack_name(&self) -> StackName {
        // At most 128 characters as long as the name has 63; a longer one is refused before this name is used.
        StackName::new(self.base_name()).unwrap_or_else(|_| self.name.clone())
    }

    /// The stack of the instances, by our own template.
    pub(crate) fn group_request(&self) -> StackRequest {
        let tags = self.owner.tags(&self.key());
        let user_data = self.user_data();
        let (image, image_value) = match (&self.image, self.image_parameter()) {
            (Image::Ami(id), _) => (ImageSource::Id, ("NodeImageId", id.to_string())),
            (_, parameter) => (ImageSource::Parameter, ("NodeImageIdSSMParam", parameter.unwrap_or_default())),
        };
        let shape = GroupShape {
            access_entry: (self.mapping == RoleMapping::AccessEntry).then(|| self.family.access_entry()),
            hop_limit: self.hop_limit,
            image,
            key_pair: self.key_pair.is_some(),
            scaling: ScalingShape {
                hooks: &self.hooks,
                instance_types: &self.instance_types,
                purchase: self.purchase,
                warmup: self.warmup,
                zones: if self.per_zone {
                    self.zones().into_iter().map(|(zone, places)| (zone.clone(), places)).collect()
                } else {
                    Vec::new()
                },
            },
            system_device: self.family.system_device(),
            tags: &tags,
            user_data: &user_data,
            volume_device: self.family.volume_device(),
        };
        let base = |name: &str| Argument::One(Ref::output(self.base_key(), name));
        let mut parameters = BTreeMap::from([
            ("ApiServerEndpoint", Argument::reference(&self.cluster.endpoint)),
            ("CertificateAuthorityData", Argument::reference(&self.cluster.certificate_authority)),
            ("ClusterName", Argument::known(self.cluster.name.as_str())),
            (KEEPS, Argument::known("false")),
            (DESIRED, Argument::known(self.capacity.desired().to_string())),
            ("NodeAutoScalingGroupMaxSize", Argument::known(self.capacity.max().to_string())),
            ("NodeAutoScalingGroupMinSize", Argument::known(self.capacity.min().to_string())),
            ("NodeGroupName", Argument::known(self.name.as_str())),
            ("NodeInstanceProfile", base("NodeInstanceProfile")),
            ("NodeInstanceRole", base("NodeInstanceRole")),
            ("NodeInstanceType", Argument::known(self.instance_type())),
            ("NodeSecurityGroup", base("NodeSecurityGroup")),
            ("NodeVolumeSize", Argument::known(self.volume_gib().to_string())),
            ("Subnets", Argument::Many(self.network.subnets.iter().map(|subnet| as_text(&subnet.id)).collect())),
        ]);
        parameters.insert(image_value.0, Argument::known(image_value.1));
        if shape.needs_service_cidr() {
            parameters.insert("ServiceCidr", Argument::reference(&self.cluster.service_cidr));
        }
        if let Some(key_pair) = &self.key_pair {
            parameters.insert("KeyName", Argument::known(key_pair));
        }
        StackRequest {
            name: self.name.clone(),
            template: TemplateSource::Body(group(&shape).to_json()),
            parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            capabilities: BTreeSet::new(),
            desired: None,
            keeps_size: false,
        }
    }
}
