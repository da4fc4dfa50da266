//! Security groups, their rules, and launch templates.

use serde_json::{Map, Value, json};

use super::{Change, Failure, Made, Progress, Target, attributes, call, gone, text};
use crate::{
    call::{Args, Service},
    world::World,
};

pub(super) fn create_group(world: &mut World, target: &Target) -> Result<Made, Failure> {
    let props = &target.props;
    let name = target.name(world, "GroupName", 255);
    let reply = call(
        world,
        Service::Ec2,
        "CreateSecurityGroup",
        json!({
            "GroupName": name,
            "GroupDescription": props.str("GroupDescription"),
            "VpcId": props.str("VpcId"),
            "TagSpecification": target.tag_specification("security-group"),
        }),
    )?;
    let group = text(&reply, "/groupId");
    if let Err(failure) = inline_rules(world, &group, props) {
        gone(call(world, Service::Ec2, "DeleteSecurityGroup", json!({"GroupId": group})))?;
        return Err(failure);
    }
    let vpc = props.str("VpcId").map(str::to_owned);
    let vpc = vpc.unwrap_or_else(|| {
        let found = call(world, Service::Ec2, "DescribeSecurityGroups", json!({"GroupId": [group]})).unwrap_or_default();
        text(&found, "/securityGroupInfo/0/vpcId")
    });
    Ok(Made { id: group.clone(), attributes: attributes([("GroupId", group), ("VpcId", vpc)]) })
}

fn inline_rules(world: &mut World, group: &str, props: &Args) -> Result<(), Failure> {
    for rule in props.nested("SecurityGroupIngress") {
        change_rule(world, "AuthorizeSecurityGroupIngress", group, &rule, "Ingress")?;
    }
    let egress = props.nested("SecurityGroupEgress");
    if !egress.is_empty() {
        // Egress rules in the template take the place of the default one (resource reference, "AWS::EC2::SecurityGroup").
        let all = Args(json!({"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}));
        gone(change_rule(world, "RevokeSecurityGroupEgress", group, &all, "Egress"))?;
    }
    for rule in egress {
        change_rule(world, "AuthorizeSecurityGroupEgress", group, &rule, "Egress")?;
    }
    Ok(())
}

/// One rule as EC2's `IpPermissions`.
fn permission(rule: &Args, direction: &str) -> Value {
    let peer = |ingress: &str, egress: &str| {
        let name = if direction == "Ingress" { ingress } else { egress };
        rule.str(name).map(str::to_owned)
    };
    let described =
        |name: &str, value: Option<String>| value.map(|value| json!([{ (name): value, "Description": rule.str("Description") }]));
    json!({
        "IpProtocol": rule.str("IpProtocol"),
        "FromPort": rule.str("FromPort"),
        "ToPort": rule.str("ToPort"),
        "IpRanges": described("CidrIp", rule.str("CidrIp").map(str::to_owned)),
        "Ipv6Ranges": described("CidrIpv6", rule.str("CidrIpv6").map(str::to_owned)),
        "PrefixListIds": described("PrefixListId", peer("SourcePrefixListId", "DestinationPrefixListId")),
        "Groups": described("GroupId", peer("SourceSecurityGroupId", "DestinationSecurityGroupId")),
    })
}

fn change_rule(world: &mut World, action: &str, group: &str, rule: &Args, direction: &str) -> Result<Value, Failure> {
    call(world, Service::Ec2, action, json!({"GroupId": group, "IpPermissions": [permission(rule, direction)]}))
}

pub(super) fn create_rule(world: &mut World, target: &Target, direction: &str) -> Result<Made, Failure> {
    let group = target.props.str("GroupId").ok_or_else(|| Failure::from("Property GroupId cannot be empty.".to_owned()))?;
    let reply = change_rule(world, &format!("AuthorizeSecurityGroup{direction}"), group, &target.props, direction)?;
    let id = text(&reply, "/securityGroupRuleSet/0/securityGroupRuleId");
    let id = if id.is_empty() { format!("{group}|{}", target.logical) } else { id };
    Ok(Made { id: id.clone(), attributes: attributes([("Id", id)]) })
}

pub(super) fn delete_rule(world: &mut World, props: &Args, direction: &str) -> Result<Progress, Failure> {
    let group = props.str("GroupId").unwrap_or_default();
    gone(change_rule(world, &format!("RevokeSecurityGroup{direction}"), group, props, direction))
}

pub(super) fn update_group(world: &mut World, target: &Target, group: &str, old: &Args) -> Result<Change, Failure> {
    for direction in ["Ingress", "Egress"] {
        let property = format!("SecurityGroup{direction}");
        let (before, after) = (old.nested(&property), target.props.nested(&property));
        for rule in after.iter().filter(|rule| !before.contains(rule)) {
            change_rule(world, &format!("AuthorizeSecurityGroup{direction}"), group, rule, direction)?;
        }
        for rule in before.iter().filter(|rule| !after.contains(rule)) {
            gone(change_rule(world, &format!("RevokeSecurityGroup{direction}"), group, rule, direction))?;
        }
    }
    update_tags(world, target, group, old)?;
    Ok(Change::InPlace(Map::new()))
}

/// Brings the tags of an EC2 resource up to date.
pub(super) fn update_tags(world: &mut World, target: &Target, id: &str, old: &Args) -> Result<(), Failure> {
    if target.props.get("Tags") == old.get("Tags") {
        return Ok(());
    }
    let tags = target.tags();
    let dropped: Vec<_> = old
        .nested("Tags")
        .iter()
        .filter_map(|tag| tag.str("Key").map(str::to_owned))
        .filter(|key| !tags.iter().any(|tag| tag["Key"] == **key))
        .map(|key| json!({"Key": key}))
        .collect();
    if !dropped.is_empty() {
        call(world, Service::Ec2, "DeleteTags", json!({"ResourceId": [id], "Tag": dropped}))?;
    }
    call(world, Service::Ec2, "CreateTags", json!({"ResourceId": [id], "Tag": tags}))?;
    Ok(())
}

pub(super) fn create_template(world: &mut World, target: &Target) -> Result<Made, Failure> {
    let props = &target.props;
    let name = target.name(world, "LaunchTemplateName", 128);
    let own = props.nested("TagSpecifications").into_iter().find(|one| one.str("ResourceType") == Some("launch-template"));
    let tagged = Target { props: own.unwrap_or_default(), ..target.clone() };
    let reply = call(
        world,
        Service::Ec2,
        "CreateLaunchTemplate",
        json!({
            "LaunchTemplateName": name,
            "VersionDescription": props.str("VersionDescription"),
            "LaunchTemplateData": wire(props.get("LaunchTemplateData").unwrap_or(&Value::Null)),
            "TagSpecification": tagged.tag_specification("launch-template"),
        }),
    )?;
    let id = text(&reply, "/launchTemplate/launchTemplateId");
    let version = |number: u64| number.to_string();
    let attributes =
        attributes([("LaunchTemplateId", id.clone()), ("LatestVersionNumber", version(1)), ("DefaultVersionNumber", version(1))]);
    Ok(Made { id, attributes })
}

/// A change of the data makes a new version; the default version stays (resource reference, "AWS::EC2::LaunchTemplate").
pub(super) fn update_template(world: &mut World, target: &Target, id: &str) -> Result<Change, Failure> {
    let reply = call(
        world,
        Service::Ec2,
        "CreateLaunchTemplateVersion",
        json!({
            "LaunchTemplateId": id,
            "VersionDescription": target.props.str("VersionDescription"),
            "LaunchTemplateData": wire(target.props.get("LaunchTemplateData").unwrap_or(&Value::Null)),
        }),
    )?;
    let number = reply.pointer("/launchTemplateVersion/versionNumber").map(|number| number.to_string().trim_matches('"').to_owned());
    Ok(Change::InPlace(attributes([("LatestVersionNumber", number.unwrap_or_default())])))
}

/// Launch template data in the names of EC2's query API, which differ from CloudFormation's for lists.
fn wire(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                let name = match name.as_str() {
                    "BlockDeviceMappings" => "BlockDeviceMapping",
                    "Groups" | "SecurityGroupIds" => "SecurityGroupId",
                    "NetworkInterfaces" => "NetworkInterface",
                    "SecurityGroups" => "SecurityGroup",
                    "TagSpecifications" => "TagSpecification",
                    "Tags" => "Tag",
                    other => other,
                };
                (name.to_owned(), wire(member))
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(wire).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launch_template_data_takes_the_names_of_the_query_api() {
        let data = json!({"NetworkInterfaces": [{"Groups": ["sg-1"]}], "TagSpecifications": [{"Tags": [{"Key": "a", "Value": "b"}]}]});
        assert_eq!(
            wire(&data),
            json!({"NetworkInterface": [{"SecurityGroupId": ["sg-1"]}], "TagSpecification": [{"Tag": [{"Key": "a", "Value": "b"}]}]})
        );
    }
}
