//! CloudFormation's own calls ("Actions, resources, and condition keys for AWS CloudFormation").

use serde_json::json;

use super::{
    launch::one_parameter,
    need::{Asker, listed, request_tags, resource_tags},
};
use crate::call::Service;

pub(super) fn needs(asker: &mut Asker<'_>, action: &str) {
    let name = format!("cloudformation:{action}");
    let stack = asker.text("StackName");
    if stack.is_empty() || matches!(action, "ListStacks" | "ValidateTemplate") {
        return asker.plain(&name);
    }
    let told = asker.ask(Service::CloudFormation, "DescribeStacks", json!({"StackName": stack}));
    let found = told.pointer("/Stacks/0").cloned().unwrap_or_default();
    let resource = match found["StackId"].as_str() {
        Some(id) => id.to_owned(),
        None if stack.starts_with("arn:") => stack,
        None => asker.arn("cloudformation", format!("stack/{stack}/*")),
    };
    let tags = listed(asker.args.list("Tags"));
    let mut keys = request_tags(&tags);
    keys.extend(resource_tags("cloudformation", &listed(found["Tags"].as_array().map_or(&[][..], Vec::as_slice))));
    asker.need(&name, &resource, keys);
    let changes = matches!(action, "CreateStack" | "UpdateStack" | "CreateChangeSet");
    if changes && !tags.is_empty() {
        asker.need("cloudformation:TagResource", resource, request_tags(&tags));
    }
    if changes {
        parameters(asker);
    }
}

/// Parameters of Systems Manager's types are read, and those of EC2's types looked up, by the caller's permissions (user guide, "Specify
/// existing resources at runtime with CloudFormation-supplied parameter types").
fn parameters(asker: &mut Asker<'_>) {
    let Ok(template) = serde_json::from_str::<serde_json::Value>(&asker.text("TemplateBody")) else { return };
    for (name, declared) in template["Parameters"].as_object().into_iter().flatten() {
        let given = asker.args.nested("Parameters").into_iter().find(|one| one.str("ParameterKey") == Some(name));
        let given = given.and_then(|one| one.str("ParameterValue").map(str::to_owned));
        let value = given.or_else(|| declared["Default"].as_str().map(str::to_owned));
        let kind = declared["Type"].as_str().unwrap_or_default();
        match kind.trim_start_matches("List<").trim_end_matches('>') {
            _ if kind.starts_with("AWS::SSM::Parameter::Value<") => {
                if let Some(value) = value {
                    one_parameter(asker, "ssm:GetParameters", &value);
                }
            }
            "AWS::EC2::KeyPair::KeyName" => asker.plain("ec2:DescribeKeyPairs"),
            "AWS::EC2::SecurityGroup::Id" => asker.plain("ec2:DescribeSecurityGroups"),
            "AWS::EC2::Subnet::Id" => asker.plain("ec2:DescribeSubnets"),
            "AWS::EC2::VPC::Id" => asker.plain("ec2:DescribeVpcs"),
            "AWS::EC2::Image::Id" => asker.plain("ec2:DescribeImages"),
            _ => {}
        }
    }
}
