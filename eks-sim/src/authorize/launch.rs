//! Instances, and the services around them: Auto Scaling, Elastic Load Balancing, Systems Manager's parameters (Service Authorization
//! Reference, each service's page).

use serde_json::{Value, json};

use super::{
    ec2::{named, specified},
    need::{Asker, listed, request_tags, resource_tags},
};
use crate::call::{Args, Service};

/// What RunInstances needs, with these parameters: every resource that it uses or makes (EC2 user guide, "Example policies": "Launch
/// instances (RunInstances)").
pub(super) fn run(asker: &mut Asker<'_>, args: &Args) {
    const ACTION: &str = "ec2:RunInstances";
    let template = template(asker, &args.sub("LaunchTemplate"));
    if let Some((id, _)) = &template {
        named(asker, ACTION, "launch-template", id);
    }
    let data = template.map(|(_, data)| data).unwrap_or_default();
    let either = |name: &str| args.str(name).map(str::to_owned).or_else(|| data.str(name).map(str::to_owned));
    let image = either("ImageId").unwrap_or_else(|| "*".to_owned());
    // An image by a parameter's name is read with the caller's permission.
    let image = match image.strip_prefix("resolve:ssm:") {
        Some(parameter) => {
            let parameter = parameter.to_owned();
            one_parameter(asker, "ssm:GetParameters", &parameter);
            "*".to_owned()
        }
        None => image,
    };
    let image = format!("arn:aws:ec2:{}::image/{image}", asker.world.region);
    asker.need(ACTION, image, Vec::new());
    for kind in ["instance", "network-interface", "volume"] {
        let tags = specified(asker, kind);
        let from_template = data.nested("TagSpecification").into_iter().filter(|one| one.str("ResourceType") == Some(kind));
        let tags: Vec<_> = tags.into_iter().chain(from_template.flat_map(|one| listed(one.list("Tag")))).collect();
        let resource = asker.arn("ec2", format!("{kind}/*"));
        asker.need(ACTION, resource, request_tags(&tags));
    }
    let mut subnets: Vec<String> = either("SubnetId").into_iter().collect();
    let mut groups = args.strings("SecurityGroupId");
    groups.extend(data.strings("SecurityGroupId"));
    for interface in args.nested("NetworkInterface").into_iter().chain(data.nested("NetworkInterface")) {
        subnets.extend(interface.str("SubnetId").map(str::to_owned));
        groups.extend(interface.strings("SecurityGroupId"));
    }
    for subnet in subnets {
        named(asker, ACTION, "subnet", &subnet);
    }
    for group in groups {
        named(asker, ACTION, "security-group", &group);
    }
    if let Some(key) = either("KeyName") {
        let told = asker.ask(Service::Ec2, "DescribeKeyPairs", json!({"KeyName": [key]}));
        let id = told.pointer("/keySet/0/keyPairId").and_then(Value::as_str).unwrap_or_default();
        // The resource goes by the pair's name.
        match asker.ec2_tags(id) {
            Some(tags) => {
                let resource = asker.arn("ec2", format!("key-pair/{key}"));
                asker.need(ACTION, resource, resource_tags("ec2", &tags));
            }
            None => asker.not_there(),
        }
    }
    let given = args.sub("IamInstanceProfile");
    let profile = if given.0.is_object() { given } else { data.sub("IamInstanceProfile") };
    if let Some(profile) = profile.str("Arn").or(profile.str("Name")) {
        let name = profile.rsplit('/').next().unwrap_or(profile);
        let told = asker.ask(Service::Iam, "GetInstanceProfile", json!({"InstanceProfileName": name}));
        if let Some(role) = told.pointer("/InstanceProfile/Roles/0/Arn").and_then(Value::as_str) {
            asker.pass_role(role, "ec2.amazonaws.com");
        }
    }
}

/// Id and data of a launch template that is named.
fn template(asker: &mut Asker<'_>, specification: &Args) -> Option<(String, Args)> {
    let by = ["LaunchTemplateId", "LaunchTemplateName"].into_iter().find(|name| specification.str(name).is_some())?;
    let told = asker.ask(Service::Ec2, "DescribeLaunchTemplates", json!({ by: [specification.str(by)] }));
    let id = told.pointer("/launchTemplates/0/launchTemplateId").and_then(Value::as_str)?.to_owned();
    let data = crate::ec2::template_data(asker.world, specification);
    Some((id, Args(data)))
}

/// Auto Scaling's calls. "Actions, resources, and condition keys for Amazon EC2 Auto Scaling"; who names a launch template needs
/// `ec2:RunInstances` for what it launches (user guide, "Control Amazon EC2 launch template usage in Auto Scaling groups").
pub(super) fn scaling(asker: &mut Asker<'_>, action: &str) {
    let name = format!("autoscaling:{action}");
    if action.starts_with("Describe") {
        return asker.plain(&name);
    }
    let mut groups: Vec<String> = asker.args.str("AutoScalingGroupName").map(str::to_owned).into_iter().collect();
    let tags = listed(asker.args.list("Tags"));
    groups.extend(asker.args.nested("Tags").iter().filter_map(|tag| tag.str("ResourceId").map(str::to_owned)));
    if let Some(instance) = asker.args.str("InstanceId").map(str::to_owned) {
        let told = asker.ask(Service::AutoScaling, "DescribeAutoScalingInstances", json!({"InstanceIds": [instance]}));
        let of = told.pointer("/AutoScalingInstances/0/AutoScalingGroupName").and_then(Value::as_str);
        groups.extend(of.map(str::to_owned));
    }
    groups.sort();
    groups.dedup();
    for group in groups {
        let told = asker.ask(Service::AutoScaling, "DescribeAutoScalingGroups", json!({"AutoScalingGroupNames": [group]}));
        let found = told.pointer("/AutoScalingGroups/0/Tags").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut keys = resource_tags("autoscaling", &listed(&found));
        keys.extend(request_tags(&tags));
        let resource = asker.arn("autoscaling", format!("autoScalingGroup:*:autoScalingGroupName/{group}"));
        asker.need(&name, resource, keys);
    }
    if !matches!(action, "CreateAutoScalingGroup" | "UpdateAutoScalingGroup") {
        return;
    }
    if action == "CreateAutoScalingGroup" {
        asker.service_linked("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling");
    }
    let mixed = asker.args.sub("MixedInstancesPolicy").sub("LaunchTemplate").sub("LaunchTemplateSpecification");
    let template = if mixed.0.is_object() { mixed } else { asker.args.sub("LaunchTemplate") };
    if template.0.is_object() {
        let subnet = asker.args.str("VPCZoneIdentifier").and_then(|list| list.split(',').next()).unwrap_or_default().to_owned();
        let subnet = Some(subnet).filter(|subnet| !subnet.is_empty());
        let launch = Args(json!({"LaunchTemplate": template.0, "SubnetId": subnet}));
        run(asker, &launch);
    }
}

/// Load balancers' calls. Each version of the API names what it is about in its own way ("Actions, resources, and condition keys for AWS Elastic Load Balancing").
pub(super) fn balancing(asker: &mut Asker<'_>, action: &str) {
    let name = format!("elasticloadbalancing:{action}");
    let by_name: Vec<String> =
        asker.args.str("LoadBalancerName").map(str::to_owned).into_iter().chain(asker.args.strings("LoadBalancerNames")).collect();
    if action.starts_with("Describe") {
        return asker.plain(&name);
    }
    if asker.args.str("Version") == Some("2015-12-01") {
        return by_arn(asker, action, &name);
    }
    if by_name.is_empty() {
        return asker.plain(&name);
    }
    let tags = listed(asker.args.list("Tags"));
    for balancer in by_name {
        let told = asker.ask(Service::Elb, "DescribeTags", json!({"LoadBalancerNames": [balancer]}));
        let found = told.pointer("/TagDescriptions/0/Tags").and_then(Value::as_array).cloned().unwrap_or_default();
        let resource = asker.arn("elasticloadbalancing", format!("loadbalancer/{balancer}"));
        let mut keys = request_tags(&tags);
        if action != "CreateLoadBalancer" {
            keys.extend(resource_tags("elasticloadbalancing", &listed(&found)));
        }
        asker.need(&name, &resource, keys);
        if action == "CreateLoadBalancer" {
            if !tags.is_empty() {
                let mut keys = request_tags(&tags);
                keys.push(("elasticloadbalancing:createaction".to_owned(), vec![action.to_owned()]));
                asker.need("elasticloadbalancing:AddTags", resource, keys);
            }
            asker.service_linked("elasticloadbalancing.amazonaws.com", "AWSServiceRoleForElasticLoadBalancing");
        }
    }
}

/// Calls of API version 2015-12-01: what is there goes by its ARN, and what is made by its kind and name.
fn by_arn(asker: &mut Asker<'_>, action: &str, name: &str) {
    let tags = listed(asker.args.list("Tags"));
    let made = match action {
        "CreateLoadBalancer" => {
            let kind = if asker.args.str("Type") == Some("network") { "net" } else { "app" };
            Some(format!("loadbalancer/{kind}/{}/*", asker.text("Name")))
        }
        "CreateTargetGroup" => Some(format!("targetgroup/{}/*", asker.text("Name"))),
        _ => None,
    };
    if let Some(made) = made {
        let resource = asker.arn("elasticloadbalancing", made);
        asker.need(name, &resource, request_tags(&tags));
        if !tags.is_empty() {
            let mut keys = request_tags(&tags);
            keys.push(("elasticloadbalancing:createaction".to_owned(), vec![action.to_owned()]));
            asker.need("elasticloadbalancing:AddTags", resource, keys);
        }
        if action == "CreateLoadBalancer" {
            asker.service_linked("elasticloadbalancing.amazonaws.com", "AWSServiceRoleForElasticLoadBalancing");
        }
        return;
    }
    let one = ["LoadBalancerArn", "TargetGroupArn", "ListenerArn"].into_iter().filter_map(|key| asker.args.str(key).map(str::to_owned));
    let arns: Vec<String> = one.chain(asker.args.strings("ResourceArns")).collect();
    if arns.is_empty() {
        return asker.plain(name);
    }
    for arn in arns {
        let told = asker.ask(Service::Elb, "DescribeTags", json!({"Version": "2015-12-01", "ResourceArns": [arn]}));
        let Some(found) = told.pointer("/TagDescriptions/0/Tags").and_then(Value::as_array).cloned() else { return asker.not_there() };
        let mut keys = request_tags(&tags);
        keys.extend(resource_tags("elasticloadbalancing", &listed(&found)));
        asker.need(name, arn, keys);
    }
}

/// Parameters' calls ("Actions, resources, and condition keys for AWS Systems Manager").
pub(super) fn parameters(asker: &mut Asker<'_>, action: &str) {
    let mut names: Vec<String> = ["Name", "Path"].iter().filter_map(|one| asker.args.str(one).map(str::to_owned)).collect();
    names.extend(asker.args.strings("Names"));
    for name in names {
        one_parameter(asker, &format!("ssm:{action}"), &name);
    }
}

/// AWS's public parameters belong to no account.
pub(super) fn one_parameter(asker: &mut Asker<'_>, action: &str, name: &str) {
    let account = if name.starts_with("/aws/") { String::new() } else { asker.world.account.clone() };
    let resource = format!("arn:aws:ssm:{}:{account}:parameter/{}", asker.world.region, name.trim_start_matches('/'));
    asker.need(action, resource, Vec::new());
}
