//! The stack that a managed group stands on: the role of its nodes, and its launch template.
//!
//! The template holds neither image nor instance type, profile nor security group: those are EKS's ("Customize managed nodes with launch
//! templates"). Its user data is merged into EKS's.

use std::collections::BTreeMap;

use super::{
    Output, Parameter, Tag, Template, Text,
    base::{output, role},
    group::volume,
    resource::{BlockDeviceMapping, Body, ManagedTemplate, ManagedTemplateData, MetadataOptions, Resource, TagSpecification},
};
use crate::fingerprint::fingerprint;

/// The output that tells the launch template's id.
pub(crate) const TEMPLATE_ID: &str = "NodeLaunchTemplate";
/// The output that tells its newest version.
pub(crate) const TEMPLATE_VERSION: &str = "NodeLaunchTemplateVersion";
/// The output that tells what it says, in short: a stack that tells another digest will have another version.
pub(crate) const TEMPLATE_DIGEST: &str = "NodeLaunchTemplateDigest";

/// What decides the stack.
#[derive(Clone, Debug)]
pub(crate) struct ManagedShape<'a> {
    pub(crate) hop_limit: u8,
    pub(crate) key_pair: bool,
    pub(crate) policies: &'a [String],
    /// Whether the stack makes the role.
    pub(crate) role: bool,
    pub(crate) session_manager: bool,
    pub(crate) system_device: Option<&'static str>,
    pub(crate) tags: &'a [(String, String)],
    pub(crate) user_data: Option<&'a str>,
    pub(crate) volume_device: &'static str,
    pub(crate) volume_gib: u32,
}

impl ManagedShape<'_> {
    /// What the launch template says, in short.
    pub(crate) fn digest(&self, key_pair: Option<&str>) -> String {
        // Maps and lists of texts: this cannot fail.
        let data = serde_json::to_string(&self.data()).unwrap_or_default();
        fingerprint(&format!("{data}\0{}", key_pair.unwrap_or_default()))
    }

    fn data(&self) -> ManagedTemplateData {
        let name = || Tag::new(Text::plain("Name"), Text::sub("${ClusterName}-${NodeGroupName}-Node"));
        let own = || self.tags.iter().filter(|(key, _)| key != "Name").map(|(key, value)| Tag::new(Text::plain(key), Text::plain(value)));
        let tags = |resource_type| TagSpecification { resource_type, tags: [name()].into_iter().chain(own()).collect() };
        let volumes: Vec<BlockDeviceMapping> = self
            .system_device
            .map(|device| volume(device, None))
            .into_iter()
            .chain([volume(self.volume_device, Some(Text::plain(self.volume_gib.to_string())))])
            .collect();
        ManagedTemplateData {
            key_name: self.key_pair.then(|| Text::reference("KeyName")),
            metadata_options: MetadataOptions {
                http_endpoint: "enabled",
                http_tokens: "required",
                http_put_response_hop_limit: self.hop_limit,
            },
            block_device_mappings: volumes,
            tag_specifications: vec![tags("instance"), tags("volume")],
            user_data: self.user_data.map(|text| Text::plain(text).base64()),
        }
    }
}

/// The template.
pub(crate) fn managed(shape: &ManagedShape<'_>, digest: &str) -> Template {
    let template = Body::ManagedTemplate(ManagedTemplate { launch_template_data: shape.data() });
    let mut resources = BTreeMap::from([(TEMPLATE_ID.into(), Resource::from(template))]);
    let mut outputs: BTreeMap<&'static str, Output> = BTreeMap::from([
        (TEMPLATE_ID, output("Launch template of the nodes", Text::reference(TEMPLATE_ID))),
        (TEMPLATE_VERSION, output("Its newest version", Text::attribute(TEMPLATE_ID, "LatestVersionNumber"))),
        (TEMPLATE_DIGEST, output("What it says, in short", Text::plain(digest))),
    ]);
    if shape.role {
        resources.insert("NodeInstanceRole".into(), Body::Role(role(shape.session_manager, shape.policies)).into());
        outputs.insert("NodeInstanceRole", output("ARN of the nodes' role", Text::attribute("NodeInstanceRole", "Arn")));
    }
    let mut parameters = BTreeMap::from([
        ("ClusterName", Parameter::new("String", "Name of the EKS cluster")),
        ("NodeGroupName", Parameter::new("String", "Name of the group of workers")),
    ]);
    if shape.key_pair {
        parameters.insert("KeyName", Parameter::new("AWS::EC2::KeyPair::KeyName", "Key pair for SSH"));
    }
    Template {
        format: "2010-09-09",
        description: "Role and launch template of a managed node group, made by eks-rs",
        conditions: BTreeMap::new(),
        parameters,
        resources,
        outputs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let tags = [("Name".to_owned(), "o-w".to_owned()), ("eks-rs/owner".to_owned(), "o".to_owned())];
        let shape = ManagedShape {
            hop_limit: 1,
            key_pair: true,
            policies: &[],
            role: true,
            session_manager: false,
            system_device: None,
            tags: &tags,
            user_data: Some("MIME-Version: 1.0\n"),
            volume_device: "/dev/xvda",
            volume_gib: 20,
        };
        let text = serde_json::to_string_pretty(&managed(&shape, "0")).expect("serialises");
        insta::assert_snapshot!("managed", text);
        // "settings that are prohibited in a launch template".
        for prohibited in
            ["SubnetId", "IamInstanceProfile", "InstanceInitiatedShutdownBehavior", "ImageId", "InstanceType", "SecurityGroup"]
        {
            assert!(!text.contains(prohibited), "{prohibited}");
        }
        assert_ne!(shape.digest(Some("a")), shape.digest(Some("b")));
        assert_ne!(shape.digest(None), ManagedShape { hop_limit: 2, ..shape.clone() }.digest(None));
        assert_eq!(shape.digest(None), ManagedShape { session_manager: true, ..shape.clone() }.digest(None), "the role is no part of it");
    }
}
