//! A launch template of the user's, and what it may say (user guide, "Customize managed nodes with launch templates").

use serde_json::{Value, json};

use super::{ApiError, Args, World};
use crate::{
    ec2,
    eks::{invalid_parameter, invalid_request},
};

/// A version of a user's launch template.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UserTemplate {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    /// In the names of EC2's query API.
    pub(super) data: Value,
}

impl UserTemplate {
    pub(super) fn describe(&self) -> Value {
        json!({"id": self.id, "name": self.name, "version": self.version})
    }

    /// The AMI that it names, with which EKS leaves everything to its user.
    pub(super) fn image(&self) -> Option<&str> {
        self.data["ImageId"].as_str()
    }

    pub(super) fn instance_type(&self) -> Option<&str> {
        self.data["InstanceType"].as_str()
    }

    /// Security groups of the instance or of its interfaces.
    pub(super) fn has_security_groups(&self) -> bool {
        let some = |value: &Value| value.as_array().is_some_and(|list| !list.is_empty());
        some(&self.data["SecurityGroupId"])
            || self.data["NetworkInterface"].as_array().into_iter().flatten().any(|interface| some(&interface["SecurityGroupId"]))
    }
}

/// The version that a request names, if it names one.
pub(super) fn of_request(world: &World, args: &Args) -> Result<Option<UserTemplate>, ApiError> {
    let given = args.sub("launchTemplate");
    if !given.0.is_object() {
        return Ok(None);
    }
    let (id, name) = (given.str("id"), given.str("name"));
    if id.is_some() == name.is_some() {
        return Err(invalid_parameter("Either a launch template ID or a launch template name must be specified in the request."));
    }
    // "If no version is specified, then the template's default version is used."
    let version = given.str("version").unwrap_or("$Default");
    let found = ec2::launch_template(world, id, name, version).map_err(|error| invalid_parameter(error.message))?;
    let template = UserTemplate { id: found.id, name: found.name, version: found.version, data: found.data };
    check(&template)?;
    Ok(Some(template))
}

/// "settings that are prohibited in a launch template". The words are an assumption.
fn check(template: &UserTemplate) -> Result<(), ApiError> {
    let interfaces = || template.data["NetworkInterface"].as_array().into_iter().flatten();
    let has = |name: &str| template.data.get(name).is_some_and(|value| !value.is_null());
    let prohibited = [
        ("a subnet", interfaces().any(|interface| !interface["SubnetId"].is_null())),
        ("an IAM instance profile", has("IamInstanceProfile")),
        ("a shutdown behavior", has("InstanceInitiatedShutdownBehavior")),
        ("a hibernate behavior", has("HibernationOptions")),
    ];
    if let Some((what, _)) = prohibited.into_iter().find(|(_, there)| *there) {
        return Err(invalid_request(format!("Launch template {} must not specify {what}.", template.id)));
    }
    if has("SecurityGroupId") && interfaces().any(|interface| !interface["SecurityGroupId"].is_null()) {
        return Err(invalid_request("A launch template can't specify both instance level and network interface security groups."));
    }
    Ok(())
}

/// What the request may not say beside a launch template (API reference, CreateNodegroup).
pub(super) fn check_beside(template: &UserTemplate, args: &Args) -> Result<(), ApiError> {
    let said = |name: &str| args.get(name).is_some();
    for (name, what) in [("diskSize", "disk size"), ("remoteAccess", "remote access")] {
        if said(name) {
            return Err(invalid_request(format!("Cannot specify {what} with a launch template.")));
        }
    }
    if template.instance_type().is_some() && !args.strings("instanceTypes").is_empty() {
        return Err(invalid_request("Cannot specify instance types in launch template and API Request"));
    }
    if template.image().is_some() {
        for name in ["amiType", "releaseVersion", "version"] {
            if said(name) && !(name == "amiType" && args.str(name) == Some("CUSTOM")) {
                return Err(invalid_request(format!("You cannot specify the field {name} when using custom AMIs.")));
            }
        }
    }
    Ok(())
}
