//! IAM's calls ("Actions, resources, and condition keys for AWS Identity and Access Management").

use serde_json::{Value, json};

use super::need::{Asker, Context, listed, request_tags, resource_tags};
use crate::call::Service;

pub(super) fn needs(asker: &mut Asker<'_>, action: &str) {
    let name = format!("iam:{action}");
    let tags = listed(asker.args.list("Tags"));
    match action {
        "CreateServiceLinkedRole" => {
            let service = asker.text("AWSServiceName");
            let resource = asker.arn("iam", format!("role/aws-service-role/{service}/*"));
            asker.need(&name, resource, vec![("iam:awsservicename".to_owned(), vec![service])]);
        }
        "CreateOpenIDConnectProvider" => {
            let url = asker.text("Url").trim_start_matches("https://").to_owned();
            let resource = asker.arn("iam", format!("oidc-provider/{url}"));
            asker.need(&name, &resource, request_tags(&tags));
            if !tags.is_empty() {
                asker.need("iam:TagOpenIDConnectProvider", resource, request_tags(&tags));
            }
        }
        _ if asker.args.str("OpenIDConnectProviderArn").is_some() => {
            let resource = asker.text("OpenIDConnectProviderArn");
            let told = asker.ask(Service::Iam, "ListOpenIDConnectProviderTags", json!({"OpenIDConnectProviderArn": resource}));
            let mut keys = resource_tags("iam", &listed(told["Tags"].as_array().map_or(&[][..], Vec::as_slice)));
            keys.extend(request_tags(&tags));
            asker.need(&name, resource, keys);
        }
        _ if action.contains("InstanceProfile") && asker.args.str("InstanceProfileName").is_some() => profile(asker, action, &name, &tags),
        _ if asker.args.str("RoleName").is_some() => role(asker, action, &name, &tags),
        "SimulatePrincipalPolicy" => {
            let resource = asker.text("PolicySourceArn");
            asker.need(&name, resource, Vec::new());
        }
        _ if asker.args.str("PolicyArn").is_some() => {
            let resource = asker.text("PolicyArn");
            asker.need(&name, resource, Vec::new());
        }
        "ListRoles" => {
            let resource = asker.arn("iam", "role/");
            asker.need(&name, resource, Vec::new());
        }
        _ => asker.plain(&name),
    }
}

/// ARN of what exists by its name; else as a call that makes it says.
fn arn_of(asker: &mut Asker<'_>, kind: &str, read: (&str, &str, &str), name: &str) -> (String, Vec<(String, String)>) {
    let (action, parameter, pointer) = read;
    let told = asker.ask(Service::Iam, action, json!({ parameter: name }));
    let found = told.pointer(pointer).cloned().unwrap_or_default();
    let tags = listed(found["Tags"].as_array().map_or(&[][..], Vec::as_slice));
    match found["Arn"].as_str() {
        Some(arn) => (arn.to_owned(), tags),
        None => {
            let path = asker.args.str("Path").unwrap_or("/").trim_start_matches('/').to_owned();
            (asker.arn("iam", format!("{kind}/{path}{name}")), tags)
        }
    }
}

fn role(asker: &mut Asker<'_>, action: &str, name: &str, tags: &[(String, String)]) {
    let wanted = asker.text("RoleName");
    let (resource, found) = arn_of(asker, "role", ("GetRole", "RoleName", "/Role"), &wanted);
    let mut keys: Context = if action == "CreateRole" { Vec::new() } else { resource_tags("iam", &found) };
    keys.extend(request_tags(tags));
    // The boundary that the role has, or is to get ("Condition keys": iam:PermissionsBoundary).
    let told = asker.ask(Service::Iam, "GetRole", json!({"RoleName": wanted}));
    let standing = told.pointer("/Role/PermissionsBoundary/PermissionsBoundaryArn").and_then(Value::as_str).map(str::to_owned);
    if let Some(boundary) = asker.args.str("PermissionsBoundary").map(str::to_owned).or(standing) {
        keys.push(("iam:permissionsboundary".to_owned(), vec![boundary]));
    }
    if let Some(policy) = asker.args.str("PolicyArn") {
        keys.push(("iam:policyarn".to_owned(), vec![policy.to_owned()]));
    }
    asker.need(name, &resource, keys);
    if action == "CreateRole" && !tags.is_empty() {
        asker.need("iam:TagRole", resource, request_tags(tags));
    }
}

fn profile(asker: &mut Asker<'_>, action: &str, name: &str, tags: &[(String, String)]) {
    let wanted = asker.text("InstanceProfileName");
    let (resource, found) = arn_of(asker, "instance-profile", ("GetInstanceProfile", "InstanceProfileName", "/InstanceProfile"), &wanted);
    let mut keys: Context = if action == "CreateInstanceProfile" { Vec::new() } else { resource_tags("iam", &found) };
    keys.extend(request_tags(tags));
    asker.need(name, &resource, keys);
    if action == "CreateInstanceProfile" && !tags.is_empty() {
        asker.need("iam:TagInstanceProfile", resource, request_tags(tags));
    }
    if action == "AddRoleToInstanceProfile" {
        let role = asker.text("RoleName");
        let (role, _) = arn_of(asker, "role", ("GetRole", "RoleName", "/Role"), &role);
        asker.pass_role(&role, "ec2.amazonaws.com");
    }
}
