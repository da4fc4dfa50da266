//! The stack of the instances: launch template, Auto Scaling group, and the access entry of their role.

use std::collections::BTreeMap;

use super::{
    Condition, Output, Parameter, Tag, Template, Text,
    resource::{
        AccessEntry, BlockDeviceMapping, Body, Ebs, LaunchTemplate, LaunchTemplateData, MetadataOptions, ProfileReference, Resource,
        TagSpecification,
    },
    scaling::{GroupTag, KEEPS_CONDITION, ScalingShape},
};
use crate::request::KEEPS;

/// The output that tells the zones which have an Auto Scaling group of their own; each has the capacity that the parameters say.
pub(crate) const ZONES: &str = "NodeZones";
/// The output that tells the type of the access entry of the nodes' role, if the stack has it.
pub(crate) const ACCESS_ENTRY_TYPE: &str = "NodeAccessEntryType";

/// How the template is told its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageSource {
    Id,
    Parameter,
}

/// What decides the form of the template; everything else is a parameter of the stack.
#[derive(Clone, Debug)]
pub(crate) struct GroupShape<'a> {
    /// The type of the access entry of the nodes' role, if the stack makes it.
    pub(crate) access_entry: Option<&'static str>,
    pub(crate) hop_limit: u8,
    pub(crate) image: ImageSource,
    pub(crate) key_pair: bool,
    pub(crate) scaling: ScalingShape<'a>,
    /// A volume of the operating system's own, as large as its snapshot.
    pub(crate) system_device: Option<&'static str>,
    pub(crate) tags: &'a [(String, String)],
    pub(crate) user_data: &'a str,
    /// The volume of images and Pods.
    pub(crate) volume_device: &'static str,
}

impl GroupShape<'_> {
    /// Whether the user data says the Service range; some nodes find it out themselves.
    pub(crate) fn needs_service_cidr(&self) -> bool {
        self.user_data.contains("${ServiceCidr}")
    }
}

/// The template. Names are those of Amazon's own template where they mean the same.
///
/// There is no `UpdatePolicy`: CloudFormation's rolling update replaces instances without draining them.
pub(crate) fn group(shape: &GroupShape<'_>) -> Template {
    let image = match shape.image {
        ImageSource::Id => "NodeImageId",
        ImageSource::Parameter => "NodeImageIdSSMParam",
    };
    let name = || Tag::new(Text::plain("Name"), Text::sub("${ClusterName}-${NodeGroupName}-Node"));
    let own = || shape.tags.iter().filter(|(key, _)| key != "Name").map(|(key, value)| Tag::new(Text::plain(key), Text::plain(value)));
    let tags = |resource_type| TagSpecification { resource_type, tags: [name()].into_iter().chain(own()).collect() };
    let data = LaunchTemplateData {
        image_id: Text::reference(image),
        instance_type: Text::reference("NodeInstanceType"),
        key_name: shape.key_pair.then(|| Text::reference("KeyName")),
        iam_instance_profile: ProfileReference { arn: Text::reference("NodeInstanceProfile") },
        security_group_ids: vec![Text::reference("NodeSecurityGroup")],
        metadata_options: MetadataOptions {
            http_endpoint: "enabled",
            http_tokens: "required",
            http_put_response_hop_limit: shape.hop_limit,
        },
        block_device_mappings: shape
            .system_device
            .map(|device| volume(device, None))
            .into_iter()
            .chain([volume(shape.volume_device, Some(Text::reference("NodeVolumeSize")))])
            .collect(),
        tag_specifications: vec![tags("instance"), tags("volume")],
        user_data: Text::sub(shape.user_data).base64(),
    };
    let template = LaunchTemplate { launch_template_data: data };
    let mut resources = BTreeMap::from([("NodeLaunchTemplate".into(), Resource::from(Body::LaunchTemplate(template)))]);
    if let Some(kind) = shape.access_entry {
        let entry = AccessEntry { cluster_name: Text::reference("ClusterName"), principal_arn: Text::reference("NodeInstanceRole"), kind };
        resources.insert("NodeAccessEntry".into(), Body::AccessEntry(entry).into());
    }
    let mut groups = Vec::new();
    for (id, subnets) in shape.scaling.groups() {
        let tags = [name(), Tag::cluster()].into_iter().chain(own()).map(GroupTag::propagated).collect();
        let mut group = Resource::from(Body::AutoScalingGroup(shape.scaling.group(subnets, tags)));
        if shape.access_entry.is_some() {
            // No instance starts before its role is let in; and at the end the entry goes after the last instance.
            group = group.after("NodeAccessEntry");
        }
        groups.push(Text::reference(id.clone()));
        resources.insert(id.into(), group);
    }
    Template {
        format: "2010-09-09",
        description: "EKS workers, made by eks-rs",
        conditions: BTreeMap::from([(KEEPS_CONDITION, Condition { of: [Text::reference(KEEPS), Text::plain("true")] })]),
        parameters: parameters(shape),
        resources,
        outputs: outputs(shape, groups),
    }
}

/// An encrypted volume that goes with its instance.
pub(super) fn volume(device_name: &'static str, volume_size: Option<Text>) -> BlockDeviceMapping {
    BlockDeviceMapping { device_name, ebs: Ebs { delete_on_termination: true, encrypted: true, volume_size, volume_type: "gp3" } }
}

/// `NodeAutoScalingGroup` is one name, or several with commas between.
fn outputs(shape: &GroupShape<'_>, mut groups: Vec<Text>) -> BTreeMap<&'static str, Output> {
    let output = |description, value| Output { description, value };
    let mut outputs = BTreeMap::from([
        ("NodeInstanceRole", output("ARN of the nodes' role", Text::reference("NodeInstanceRole"))),
        ("NodeSecurityGroup", output("Security group of the nodes", Text::reference("NodeSecurityGroup"))),
    ]);
    let zones: Vec<_> = shape.scaling.zones.iter().map(|(zone, _)| zone.as_str()).collect();
    if !zones.is_empty() {
        outputs.insert(ZONES, output("Zones with a group each", Text::plain(zones.join(","))));
    }
    if let Some(kind) = shape.access_entry {
        outputs.insert(ACCESS_ENTRY_TYPE, output("Type of the access entry of the nodes' role", Text::plain(kind)));
    }
    let group = match (groups.len(), groups.pop()) {
        (1, Some(group)) => output("The Auto Scaling group", group),
        (_, last) => {
            groups.extend(last);
            output("The Auto Scaling groups", Text::joined(groups))
        }
    };
    outputs.insert("NodeAutoScalingGroup", group);
    outputs
}

fn parameters(shape: &GroupShape<'_>) -> BTreeMap<&'static str, Parameter> {
    let parameter = Parameter::new;
    let mut parameters = BTreeMap::from([
        ("ApiServerEndpoint", parameter("String", "URL of the cluster's API server")),
        ("CertificateAuthorityData", parameter("String", "Base64 of the cluster's certificate authority")),
        ("ClusterName", parameter("String", "Name of the EKS cluster")),
        (KEEPS, Parameter::switch("Whether an update leaves the number of instances as it is")),
        ("NodeAutoScalingGroupDesiredCapacity", parameter("Number", "Instances that are wanted")),
        ("NodeAutoScalingGroupMaxSize", parameter("Number", "Most instances")),
        ("NodeAutoScalingGroupMinSize", parameter("Number", "Fewest instances")),
        ("NodeGroupName", parameter("String", "Name of the group of workers")),
        ("NodeInstanceProfile", parameter("String", "ARN of the nodes' instance profile")),
        ("NodeInstanceRole", parameter("String", "ARN of the nodes' role")),
        ("NodeInstanceType", parameter("String", "Instance type of the nodes")),
        ("NodeSecurityGroup", parameter("AWS::EC2::SecurityGroup::Id", "Security group of the nodes")),
        ("NodeVolumeSize", parameter("Number", "Root volume of a node, in GiB")),
        ("ServiceCidr", parameter("String", "Addresses of Kubernetes Services")),
        ("Subnets", parameter("List<AWS::EC2::Subnet::Id>", "Subnets of the nodes")),
    ]);
    match shape.image {
        ImageSource::Id => parameters.insert("NodeImageId", parameter("AWS::EC2::Image::Id", "AMI of the nodes")),
        ImageSource::Parameter => parameters.insert(
            "NodeImageIdSSMParam",
            parameter("AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "SSM parameter that names the AMI of the nodes"),
        ),
    };
    if !shape.needs_service_cidr() {
        parameters.remove("ServiceCidr");
    }
    if shape.key_pair {
        parameters.insert("KeyName", parameter("AWS::EC2::KeyPair::KeyName", "Key pair for SSH"));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, Kubelet, Purchase, image::NodeSettings};

    #[test]
    fn golden() {
        let tags = [("Name".to_owned(), "o-w".to_owned()), ("eks-rs/owner".to_owned(), "o".to_owned())];
        let user_data =
            Family::default().user_data(NodeSettings { labels: &BTreeMap::new(), taints: &[], kubelet: &Kubelet::new(), max_pods: None });
        let shape = GroupShape {
            access_entry: Some("EC2_LINUX"),
            hop_limit: 1,
            image: ImageSource::Parameter,
            key_pair: true,
            scaling: ScalingShape {
                hooks: &[],
                instance_types: &["t3.medium".to_owned()],
                purchase: Purchase::OnDemand,
                warmup: None,
                zones: Vec::new(),
            },
            system_device: None,
            tags: &tags,
            user_data: &user_data,
            volume_device: "/dev/xvda",
        };
        insta::assert_snapshot!("group", serde_json::to_string_pretty(&group(&shape)).expect("serialises"));
    }
}
