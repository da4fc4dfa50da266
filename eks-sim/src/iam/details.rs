//! GetAccountAuthorizationDetails: roles and own policies, whole, in pages.

use serde_json::{Value, json};

use super::{document::encoded, page, policy, role::Role, tag_list};
use crate::{call::Args, error::ApiError, world::World};

pub(super) fn get(world: &World, args: &Args) -> Result<Value, ApiError> {
    let filter = args.strings("Filter");
    let wanted = |kind: &str| filter.is_empty() || filter.iter().any(|asked| asked == kind);
    // One list of all entities is paged, and told by kind.
    let roles = world.iam.roles.values().filter(|_| wanted("Role")).map(|role| json!({"RoleDetailList": role.details()}));
    let own = world.iam.policies.keys().filter(|_| wanted("LocalManagedPolicy"));
    let own = own.filter_map(|arn| policy::find(world, arn).ok()).map(|policy| json!({"Policies": policy.details(world)}));
    let mut reply = page("all", roles.chain(own).collect(), args)?;
    let all = reply.as_object_mut().and_then(|reply| reply.remove("all"));
    for list in ["RoleDetailList", "Policies"] {
        let of_kind = all.iter().flat_map(|all| all.as_array().into_iter().flatten());
        reply[list] = of_kind.filter_map(|entity| entity.get(list)).cloned().collect();
    }
    Ok(reply)
}

impl Role {
    /// API reference, RoleDetail.
    fn details(&self) -> Value {
        let inline = self.inline.iter().map(|(name, text)| json!({"PolicyName": name, "PolicyDocument": encoded(text)}));
        let attached = self.attached.iter().map(|arn| json!({"PolicyName": arn.rsplit('/').next(), "PolicyArn": arn}));
        let boundary = self.boundary.as_ref();
        json!({
            "Path": self.path,
            "RoleName": self.name,
            "RoleId": self.id,
            "Arn": self.arn,
            "CreateDate": self.created,
            "AssumeRolePolicyDocument": encoded(&self.trust.text),
            "RolePolicyList": inline.collect::<Vec<_>>(),
            "AttachedManagedPolicies": attached.collect::<Vec<_>>(),
            "PermissionsBoundary": boundary.map(|arn| json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn})),
            "Tags": tag_list(&self.tags),
        })
    }
}
