//! The resource types, with the properties that we set. User Guide, "AWS resource and property types reference".

use serde::Serialize;

use super::{Tag, Text, scaling::AutoScalingGroup};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Resource {
    #[serde(flatten)]
    body: Body,
    #[serde(rename = "DependsOn", skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<&'static str>,
}

impl Resource {
    pub(super) fn after(mut self, logical: &'static str) -> Self {
        self.depends_on.push(logical);
        self
    }
}

impl From<Body> for Resource {
    fn from(body: Body) -> Self {
        Self { body, depends_on: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "Type", content = "Properties")]
pub(super) enum Body {
    #[serde(rename = "AWS::EKS::AccessEntry")]
    AccessEntry(AccessEntry),
    #[serde(rename = "AWS::AutoScaling::AutoScalingGroup")]
    AutoScalingGroup(AutoScalingGroup),
    #[serde(rename = "AWS::IAM::InstanceProfile")]
    InstanceProfile(InstanceProfile),
    #[serde(rename = "AWS::EC2::LaunchTemplate")]
    LaunchTemplate(LaunchTemplate),
    /// One that EKS makes its own of.
    #[serde(rename = "AWS::EC2::LaunchTemplate")]
    ManagedTemplate(ManagedTemplate),
    #[serde(rename = "AWS::IAM::Role")]
    Role(Role),
    #[serde(rename = "AWS::EC2::SecurityGroup")]
    SecurityGroup(SecurityGroup),
    #[serde(rename = "AWS::EC2::SecurityGroupEgress")]
    SecurityGroupEgress(SecurityGroupRule),
    #[serde(rename = "AWS::EC2::SecurityGroupIngress")]
    SecurityGroupIngress(SecurityGroupRule),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Role {
    pub(super) assume_role_policy_document: Policy,
    pub(super) managed_policy_arns: Vec<Text>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Policy {
    pub(super) version: &'static str,
    pub(super) statement: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    pub(super) effect: &'static str,
    pub(super) principal: Principal,
    pub(super) action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Principal {
    pub(super) service: Text,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InstanceProfile {
    pub(super) roles: Vec<Text>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SecurityGroup {
    pub(super) group_description: &'static str,
    pub(super) vpc_id: Text,
    pub(super) tags: Vec<Tag>,
}

/// A rule, in either direction: the peer is the source of an ingress rule and the destination of an egress rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SecurityGroupRule {
    pub(super) description: &'static str,
    pub(super) group_id: Text,
    pub(super) ip_protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_security_group_id: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) destination_security_group_id: Option<Text>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LaunchTemplate {
    pub(super) launch_template_data: LaunchTemplateData,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LaunchTemplateData {
    pub(super) image_id: Text,
    pub(super) instance_type: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_name: Option<Text>,
    pub(super) iam_instance_profile: ProfileReference,
    pub(super) security_group_ids: Vec<Text>,
    pub(super) metadata_options: MetadataOptions,
    pub(super) block_device_mappings: Vec<BlockDeviceMapping>,
    pub(super) tag_specifications: Vec<TagSpecification>,
    pub(super) user_data: Text,
}

/// What a managed node group's launch template may say: the rest is EKS's.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ManagedTemplate {
    pub(super) launch_template_data: ManagedTemplateData,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ManagedTemplateData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_name: Option<Text>,
    pub(super) metadata_options: MetadataOptions,
    pub(super) block_device_mappings: Vec<BlockDeviceMapping>,
    pub(super) tag_specifications: Vec<TagSpecification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_data: Option<Text>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProfileReference {
    pub(super) arn: Text,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetadataOptions {
    pub(super) http_endpoint: &'static str,
    pub(super) http_tokens: &'static str,
    pub(super) http_put_response_hop_limit: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BlockDeviceMapping {
    pub(super) device_name: &'static str,
    pub(super) ebs: Ebs,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Ebs {
    pub(super) delete_on_termination: bool,
    pub(super) encrypted: bool,
    /// That of the snapshot, where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) volume_size: Option<Text>,
    pub(super) volume_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagSpecification {
    pub(super) resource_type: &'static str,
    pub(super) tags: Vec<Tag>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AccessEntry {
    pub(super) cluster_name: Text,
    pub(super) principal_arn: Text,
    #[serde(rename = "Type")]
    pub(super) kind: &'static str,
}
