//! Classic and network load balancers for Services.

use serde_json::{Value, json};

use super::{
    super::{
        facts,
        store::{items, text},
    },
    CLASSIC_API, NLB_API, Place, annotation, ignoring, is_internal, read, state,
    subnets::subnets,
};
use crate::{
    call::{Caller, Service},
    error::ApiError,
    world::World,
};

/// The tags of a load balancer and its security group.
fn tags(cluster: &str, place: &Place, service: &Value) -> Vec<Value> {
    let mut tags = vec![
        json!({"Key": format!("kubernetes.io/cluster/{cluster}"), "Value": "owned"}),
        json!({"Key": "kubernetes.io/service-name", "Value": format!("{}/{}", place.0, place.1)}),
    ];
    for pair in annotation(service, "additional-resource-tags").split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        tags.push(json!({"Key": key.trim(), "Value": value.trim()}));
    }
    tags
}

pub(super) fn ensure_classic(world: &mut World, cluster: &str, place: &Place, service: &Value, caller: &Caller) -> Result<(), ApiError> {
    let balancer = read(world, cluster, place);
    let facts = facts::cluster(world, cluster).unwrap_or_default();
    if balancer.group.is_empty() {
        let name = format!("k8s-elb-{}", balancer.name);
        let tags =
            json!([{"ResourceType": "security-group", "Tag": [{"Key": format!("kubernetes.io/cluster/{cluster}"), "Value": "owned"}]}]);
        let description = format!("Security group for Kubernetes ELB {} ({}/{})", balancer.name, place.0, place.1);
        let args = json!({"GroupName": name, "GroupDescription": description, "VpcId": facts.vpc, "TagSpecification": tags});
        let group = match world.call(Service::Ec2, "CreateSecurityGroup", args, caller) {
            Ok(answer) => text(&answer, "/groupId").to_owned(),
            Err(error) if error.code == "InvalidGroup.Duplicate" => {
                let filter = json!({"Filter": [{"Name": "group-name", "Value": [name]}, {"Name": "vpc-id", "Value": [facts.vpc]}]});
                let found = world.call(Service::Ec2, "DescribeSecurityGroups", filter, caller)?;
                text(&found, "/securityGroupInfo/0/groupId").to_owned()
            }
            Err(error) => return Err(error),
        };
        let sources: Vec<&str> = items(service, "/spec/loadBalancerSourceRanges").iter().filter_map(Value::as_str).collect();
        let sources = if sources.is_empty() { vec!["0.0.0.0/0"] } else { sources };
        let ranges: Vec<Value> = sources.iter().map(|range| json!({"CidrIp": range})).collect();
        let permissions: Vec<Value> = items(service, "/spec/ports")
            .iter()
            .map(|port| {
                let number = port["port"].to_string();
                json!({"IpProtocol": "tcp", "FromPort": number, "ToPort": number, "IpRanges": ranges})
            })
            .collect();
        state(world, cluster, place, |balancer| balancer.group.clone_from(&group));
        let args = json!({"GroupId": group, "IpPermissions": permissions});
        ignoring(world.call(Service::Ec2, "AuthorizeSecurityGroupIngress", args, caller), "InvalidPermission.Duplicate")?;
    }
    let balancer = read(world, cluster, place);
    if !balancer.dns_name.is_empty() {
        return Ok(());
    }
    let subnets = subnets(world, cluster, service, caller)?;
    let protocol = match annotation(service, "backend-protocol") {
        "http" => "HTTP",
        "https" => "HTTPS",
        "ssl" => "SSL",
        _ => "TCP",
    };
    let listeners: Vec<Value> = items(service, "/spec/ports")
        .iter()
        .map(|port| {
            json!({
                "Protocol": protocol, "LoadBalancerPort": port["port"].to_string(), "InstanceProtocol": protocol,
                "InstancePort": port["nodePort"].to_string(),
            })
        })
        .collect();
    let mut args = json!({
        "Version": CLASSIC_API, "LoadBalancerName": balancer.name, "Listeners": listeners, "Subnets": subnets,
        "SecurityGroups": [balancer.group], "Tags": tags(cluster, place, service),
    });
    if is_internal(service) {
        args["Scheme"] = json!("internal");
    }
    let answer = world.call(Service::Elb, "CreateLoadBalancer", args, caller)?;
    let dns_name = text(&answer, "/DNSName").to_owned();
    state(world, cluster, place, |balancer| balancer.dns_name = dns_name);
    let port = items(service, "/spec/ports").first().map(|port| port["nodePort"].to_string()).unwrap_or_default();
    let check = json!({
        "Target": format!("TCP:{port}"), "Interval": "10", "Timeout": "5", "UnhealthyThreshold": "6", "HealthyThreshold": "2",
    });
    let args = json!({"Version": CLASSIC_API, "LoadBalancerName": balancer.name, "HealthCheck": check});
    world.call(Service::Elb, "ConfigureHealthCheck", args, caller)?;
    if annotation(service, "connection-draining-enabled") == "true" {
        let timeout = Some(annotation(service, "connection-draining-timeout")).filter(|text| !text.is_empty()).unwrap_or("300");
        let attributes = json!({"ConnectionDraining": {"Enabled": "true", "Timeout": timeout}});
        let args = json!({"Version": CLASSIC_API, "LoadBalancerName": balancer.name, "LoadBalancerAttributes": attributes});
        world.call(Service::Elb, "ModifyLoadBalancerAttributes", args, caller)?;
    }
    Ok(())
}

pub(super) fn ensure_network(world: &mut World, cluster: &str, place: &Place, service: &Value, caller: &Caller) -> Result<(), ApiError> {
    let balancer = read(world, cluster, place);
    if !balancer.arn.is_empty() {
        return Ok(());
    }
    let facts = facts::cluster(world, cluster).unwrap_or_default();
    let subnets = subnets(world, cluster, service, caller)?;
    let tags = tags(cluster, place, service);
    let scheme = if is_internal(service) { "internal" } else { "internet-facing" };
    let args = json!({
        "Version": NLB_API, "Name": balancer.name, "Type": "network", "Scheme": scheme, "Subnets": subnets, "Tags": tags,
    });
    let answer = world.call(Service::Elb, "CreateLoadBalancer", args, caller)?;
    let (arn, dns_name) =
        (text(&answer, "/LoadBalancers/0/LoadBalancerArn").to_owned(), text(&answer, "/LoadBalancers/0/DNSName").to_owned());
    state(world, cluster, place, |balancer| {
        balancer.arn.clone_from(&arn);
        balancer.dns_name = dns_name;
    });
    for (index, port) in items(service, "/spec/ports").iter().enumerate() {
        let name = format!("k8s-{}-{index}", &balancer.name[..balancer.name.len().min(26)]);
        let protocol = Some(text(port, "/protocol")).filter(|protocol| !protocol.is_empty()).unwrap_or("TCP");
        let args = json!({
            "Version": NLB_API, "Name": name, "Protocol": protocol, "Port": port["nodePort"].to_string(), "VpcId": facts.vpc,
            "TargetType": "instance", "Tags": tags,
        });
        let group = world.call(Service::Elb, "CreateTargetGroup", args, caller)?;
        let group = text(&group, "/TargetGroups/0/TargetGroupArn").to_owned();
        state(world, cluster, place, |balancer| balancer.target_groups.push(group.clone()));
        let args = json!({
            "Version": NLB_API, "LoadBalancerArn": arn, "Protocol": protocol, "Port": port["port"].to_string(),
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
        });
        world.call(Service::Elb, "CreateListener", args, caller)?;
    }
    Ok(())
}
