//! The launch template and the Auto Scaling group that EKS makes (user guide, "Managed node groups concepts").

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{ApiError, NodeGroup, Service, World, ask, user_data};
use crate::{autoscaling, eks};

/// Tags of what EKS makes; those of the Auto Scaling group reach its instances, for the Cluster Autoscaler among others
/// ("Amazon EKS tags managed node group resources so that they are configured to use the Kubernetes Cluster Autoscaler").
fn tags(group: &NodeGroup) -> Vec<(String, String)> {
    let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    vec![
        own("eks:cluster-name", &group.cluster),
        own("eks:nodegroup-name", &group.name),
        own("k8s.io/cluster-autoscaler/enabled", "true"),
        (format!("k8s.io/cluster-autoscaler/{}", group.cluster), "owned".to_owned()),
        (format!("kubernetes.io/cluster/{}", group.cluster), "owned".to_owned()),
    ]
}

fn listed(tags: &[(String, String)]) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// The labels that EKS puts on nodes, beside the user's ("Understand each phase of node updates").
pub(super) fn labels(group: &NodeGroup) -> BTreeMap<String, String> {
    let mut labels = group.labels.clone();
    let mut own = |key: &str, value: &str| labels.insert(format!("eks.amazonaws.com/{key}"), value.to_owned());
    own("nodegroup", &group.name);
    own("nodegroup-image", &group.image);
    own("capacityType", &group.capacity_type);
    if let Some(template) = &group.template {
        own("sourceLaunchTemplateId", &template.id);
        own("sourceLaunchTemplateVersion", &template.version);
    }
    labels
}

/// Data of EKS's own launch template: the user's, or EKS's defaults, with what EKS decides; an error tells why not.
fn data(world: &World, group: &NodeGroup) -> Result<Value, String> {
    let facts = eks::cluster(world, &group.cluster).ok_or("the cluster is gone")?;
    let mut data = group.template.as_ref().map_or_else(|| Value::Object(Map::new()), |template| template.data.clone());
    data["IamInstanceProfile"] = json!({"Name": group.own_name()});
    if !group.is_custom() {
        data["ImageId"] = json!(group.image);
        let labels = labels(group);
        let told =
            user_data::Told { cluster: &facts, ami_type: &group.ami_type, version: &group.version, labels: &labels, taints: &group.taints };
        let user = group.template.as_ref().and_then(|template| template.data["UserData"].as_str());
        data["UserData"] = json!(user_data::merged(&told, user)?);
    }
    match &group.template {
        // "If you specify custom security groups …, Amazon EKS doesn't add the cluster security group."
        Some(template) if template.has_security_groups() => {}
        _ => {
            let groups: Vec<&String> = [&facts.cluster_security_group].into_iter().chain(&group.remote_group).collect();
            let interfaces = data["NetworkInterface"].as_array_mut().filter(|list| !list.is_empty());
            match interfaces {
                Some(interfaces) => interfaces[0]["SecurityGroupId"] = json!(groups),
                None => data["SecurityGroupId"] = json!(groups),
            }
        }
    }
    if group.template.is_none() {
        // "If you deploy a managed node group without using a custom launch template, this value is automatically set".
        data["MetadataOptions"] = json!({"HttpPutResponseHopLimit": "2"});
        let size = group.disk_size.unwrap_or(20).to_string();
        data["BlockDeviceMapping"] =
            json!([{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": size, "VolumeType": "gp3", "DeleteOnTermination": "true"}}]);
        if let Some(key) = group.remote_access.as_ref().and_then(|access| access["ec2SshKey"].as_str()) {
            data["KeyName"] = json!(key);
        }
    }
    Ok(data)
}

/// A launch failed before it began: an issue's code and its words.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) message: String,
}

fn invalid_template(message: String) -> Failure {
    Failure { code: "Ec2LaunchTemplateInvalidConfiguration", message }
}

/// Makes EKS's launch template, or a new version of it; its id.
pub(super) fn write_template(world: &mut World, group: &NodeGroup) -> Result<String, Failure> {
    let data = data(world, group).map_err(invalid_template)?;
    let refused = |error: ApiError| invalid_template(error.message);
    if let Some(id) = &group.own_template {
        let args = json!({"LaunchTemplateId": id, "LaunchTemplateData": data});
        let made = ask(world, Service::Ec2, "CreateLaunchTemplateVersion", args).map_err(refused)?;
        let version = made.pointer("/launchTemplateVersion/versionNumber").map(|number| number.to_string().trim_matches('"').to_owned());
        let args = json!({"LaunchTemplateId": id, "SetDefaultVersion": version});
        ask(world, Service::Ec2, "ModifyLaunchTemplate", args).map_err(refused)?;
        return Ok(id.clone());
    }
    let args = json!({
        "LaunchTemplateName": group.own_name(),
        "LaunchTemplateData": data,
        "TagSpecification": [{"ResourceType": "launch-template", "Tag": listed(&tags(group)[..2])}],
    });
    let made = ask(world, Service::Ec2, "CreateLaunchTemplate", args).map_err(refused)?;
    Ok(made.pointer("/launchTemplate/launchTemplateId").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn launched(group: &NodeGroup, template: &str) -> Value {
    let spot = group.capacity_type == "SPOT";
    let overrides: Vec<Value> = group.instance_types.iter().map(|kind| json!({"InstanceType": kind})).collect();
    json!({
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "$Latest"},
            "Overrides": overrides,
        },
        // "Managed node group capacity types".
        "InstancesDistribution": {
            "OnDemandAllocationStrategy": "prioritized",
            "OnDemandBaseCapacity": "0",
            "OnDemandPercentageAboveBaseCapacity": if spot { "0" } else { "100" },
            "SpotAllocationStrategy": if spot { "price-capacity-optimized" } else { "lowest-price" },
        },
    })
}

/// Makes the Auto Scaling group.
pub(super) fn create_group(world: &mut World, group: &NodeGroup, template: &str) -> Result<(), Failure> {
    let (min, max, desired) = group.sizes;
    let tags: Vec<Value> = tags(group)
        .iter()
        .map(|(key, value)| {
            json!({
                "ResourceId": group.scaling_group(), "ResourceType": "auto-scaling-group", "Key": key, "Value": value,
                "PropagateAtLaunch": true,
            })
        })
        .collect();
    let args = json!({
        "AutoScalingGroupName": group.scaling_group(),
        "MinSize": min, "MaxSize": max, "DesiredCapacity": desired,
        "VPCZoneIdentifier": group.subnets.join(","),
        "MixedInstancesPolicy": launched(group, template),
        "CapacityRebalance": group.capacity_type == "SPOT",
        "HealthCheckGracePeriod": 15,
        "TerminationPolicies": ["AllocationStrategy", "OldestLaunchTemplate", "OldestInstance"],
        "Tags": tags,
    });
    let made = ask(world, Service::AutoScaling, "CreateAutoScalingGroup", args);
    made.map(drop).map_err(|error| Failure { code: "AutoScalingGroupInvalidConfiguration", message: error.message })
}

/// Sets sizes of the Auto Scaling group.
pub(super) fn resize(world: &mut World, group: &NodeGroup, (min, max, desired): (i64, i64, i64)) {
    let args = json!({"AutoScalingGroupName": group.scaling_group(), "MinSize": min, "MaxSize": max, "DesiredCapacity": desired});
    // A group that somebody deleted cannot be resized.
    drop(ask(world, Service::AutoScaling, "UpdateAutoScalingGroup", args));
}

/// Lets the Auto Scaling group use the newest version of the template, with the sizes that it has.
pub(super) fn use_newest(world: &mut World, group: &NodeGroup, template: &str) {
    let args = json!({"AutoScalingGroupName": group.scaling_group(), "MixedInstancesPolicy": launched(group, template)});
    drop(ask(world, Service::AutoScaling, "UpdateAutoScalingGroup", args));
}

/// Ends an instance; the group shrinks with it, or replaces it.
pub(super) fn terminate(world: &mut World, instance: &str, shrink: bool) {
    let args = json!({"InstanceId": instance, "ShouldDecrementDesiredCapacity": shrink});
    drop(ask(world, Service::AutoScaling, "TerminateInstanceInAutoScalingGroup", args));
}

/// Minimum, maximum and desired size now.
pub(super) fn sizes(world: &World, group: &NodeGroup) -> (i64, i64, i64) {
    autoscaling::sizes(world, &group.scaling_group()).unwrap_or(group.sizes)
}
