//! The stack of the instances: launch template, Auto Scaling group, and the access entry of their role.

use std::collections::BTreeMap;

use super::{
    Output, Parameter, Tag, Template, Text,
    resource::{
        AccessEntry, AutoScalingGroup, BlockDeviceMapping, Body, Ebs, GroupTag, LaunchTemplate, LaunchTemplateData,
        LaunchTemplateReference, MetadataOptions, ProfileReference, Resource, TagSpecification,
    },
};

/// How the template is told its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageSource {
    Id,
    Parameter,
}

/// What decides the form of the template; everything else is a parameter of the stack.
#[derive(Clone, Debug)]
pub(crate) struct GroupShape<'a> {
    pub(crate) access_entry: bool,
    pub(crate) hop_limit: u8,
    pub(crate) image: ImageSource,
    pub(crate) key_pair: bool,
    pub(crate) root_device: &'static str,
    pub(crate) tags: &'a [(String, String)],
    pub(crate) user_data: &'a str,
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
        block_device_mappings: vec![BlockDeviceMapping {
            device_name: shape.root_device,
            ebs: Ebs { delete_on_termination: true, encrypted: true, volume_size: Text::reference("NodeVolumeSize"), volume_type: "gp3" },
        }],
        tag_specifications: vec![tags("instance"), tags("volume")],
        user_data: Text::sub(shape.user_data).base64(),
    };
    let propagated = [name(), Tag::cluster()].into_iter().chain(own()).map(|tag| GroupTag { tag, propagate_at_launch: true });
    let group = AutoScalingGroup {
        launch_template: LaunchTemplateReference {
            launch_template_id: Text::reference("NodeLaunchTemplate"),
            version: Text::attribute("NodeLaunchTemplate", "LatestVersionNumber"),
        },
        min_size: Text::reference("NodeAutoScalingGroupMinSize"),
        desired_capacity: Text::reference("NodeAutoScalingGroupDesiredCapacity"),
        max_size: Text::reference("NodeAutoScalingGroupMaxSize"),
        subnets: Text::reference("Subnets"),
        tags: propagated.collect(),
    };
    let mut group = Resource::from(Body::AutoScalingGroup(group));
    let mut resources =
        BTreeMap::from([("NodeLaunchTemplate", Body::LaunchTemplate(LaunchTemplate { launch_template_data: data }).into())]);
    if shape.access_entry {
        let entry = AccessEntry {
            cluster_name: Text::reference("ClusterName"),
            principal_arn: Text::reference("NodeInstanceRole"),
            kind: "EC2_LINUX",
        };
        resources.insert("NodeAccessEntry", Body::AccessEntry(entry).into());
        // No instance starts before its role is let in; and at the end the entry goes after the last instance.
        group = group.after("NodeAccessEntry");
    }
    resources.insert("NodeGroup", group);
    Template {
        format: "2010-09-09",
        description: "EKS workers, made by eks-rs",
        parameters: parameters(shape),
        resources,
        outputs: BTreeMap::from([
            ("NodeAutoScalingGroup", Output { description: "The Auto Scaling group", value: Text::reference("NodeGroup") }),
            ("NodeInstanceRole", Output { description: "ARN of the nodes' role", value: Text::reference("NodeInstanceRole") }),
            ("NodeSecurityGroup", Output { description: "Security group of the nodes", value: Text::reference("NodeSecurityGroup") }),
        ]),
    }
}

fn parameters(shape: &GroupShape<'_>) -> BTreeMap<&'static str, Parameter> {
    let parameter = |kind, description| Parameter { kind, description };
    let mut parameters = BTreeMap::from([
        ("ApiServerEndpoint", parameter("String", "URL of the cluster's API server")),
        ("CertificateAuthorityData", parameter("String", "Base64 of the cluster's certificate authority")),
        ("ClusterName", parameter("String", "Name of the EKS cluster")),
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
    if shape.key_pair {
        parameters.insert("KeyName", parameter("AWS::EC2::KeyPair::KeyName", "Key pair for SSH"));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let tags = [("Name".to_owned(), "o-w".to_owned()), ("eks-rs/owner".to_owned(), "o".to_owned())];
        let shape = GroupShape {
            access_entry: true,
            hop_limit: 1,
            image: ImageSource::Parameter,
            key_pair: true,
            root_device: "/dev/xvda",
            tags: &tags,
            user_data: &crate::node_config::user_data(&BTreeMap::new(), &[], None),
        };
        insta::assert_snapshot!("group", serde_json::to_string_pretty(&group(&shape)).expect("serialises"));
    }
}
