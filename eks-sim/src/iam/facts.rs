//! What the rest of the account asks of IAM: what services see of roles and profiles by now.

use super::{oidc, principal, profile, role};
use crate::{call::Caller, world::World};

/// Whether a service may act under a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// No such role.
    Missing,
    /// The role or its trust policy is too new; services do not see it yet.
    NotYet,
    /// Its trust policy does not name the principal.
    Refused,
    /// The principal can assume it.
    Ready,
}

/// Whether `principal` (`eks.amazonaws.com`, `ec2.amazonaws.com`, `pods.eks.amazonaws.com`) can assume the role.
pub(crate) fn trust(world: &World, role_arn: &str, principal: &str) -> Trust {
    role::trust(world, role_arn, |document| document.allows_service(principal))
}

/// Whether Pods of a service account can assume the role by their token: the cluster's issuer is an identity provider of the
/// account for STS's audience, and the role trusts it for that account (user guide, "IAM roles for service accounts").
pub(crate) fn trust_service_account(world: &World, role_arn: &str, issuer: &str, subject: &str) -> Trust {
    const AUDIENCE: &str = "sts.amazonaws.com";
    match oidc::by_url(world, issuer).filter(|provider| provider.serves(AUDIENCE)) {
        None => Trust::Refused,
        Some(provider) => {
            role::trust(world, role_arn, |document| document.allows_web_identity(&provider.arn, &[("sub", subject), ("aud", AUDIENCE)]))
        }
    }
}

/// Whether the caller can assume the role with this external id.
pub(crate) fn trust_caller(world: &World, role_arn: &str, caller: &Caller, external_id: Option<&str>) -> Trust {
    let names = principal::names(world, caller);
    role::trust(world, role_arn, |document| document.allows_aws(&names, external_id))
}

/// ARNs of the managed policies attached to a role, as far as services see them yet.
pub(crate) fn attached_policies(world: &World, role_arn: &str) -> Vec<String> {
    role::by_arn(world, role_arn).and_then(|role| role.seen.as_ref()).map_or_else(Vec::new, |seen| seen.policies.clone())
}

/// Name, unique id and longest session (seconds) of a role.
pub(crate) fn role_facts(world: &World, role_arn: &str) -> Option<(String, String, i64)> {
    role::by_arn(world, role_arn).map(|role| (role.name.clone(), role.id.clone(), role.max_session_seconds))
}

/// Whether a role has permissions of the account's own making: inline policies or policies that it wrote.
pub(crate) fn has_own_policies(world: &World, role_arn: &str) -> bool {
    let ours = format!("arn:aws:iam::{}:", world.account);
    role::by_arn(world, role_arn).is_some_and(|role| !role.inline.is_empty() || role.attached.iter().any(|arn| arn.starts_with(&ours)))
}

/// The user or role behind a caller: a session's role, with the role's path.
pub(crate) fn principal_of(world: &World, caller: &Caller) -> String {
    principal::role_of_session(world, caller).unwrap_or_else(|| caller.arn.clone())
}

/// Whether services see a principal yet. What another account has is not ours to know.
pub(crate) fn principal_seen(world: &World, arn: &str) -> bool {
    let ours = arn.split(':').nth(4) == Some(world.account.as_str());
    !ours || arn == principal::admin_arn(world) || role::by_arn(world, arn).is_some_and(|role| role.seen.is_some())
}

/// Whether a user or role of this account exists, as IAM itself knows it.
pub(super) fn principal_exists(world: &World, arn: &str) -> bool {
    arn == principal::admin_arn(world) || arn == format!("arn:aws:iam::{}:root", world.account) || role::by_arn(world, arn).is_some()
}

/// ARN of the role in an instance profile (by name or ARN); `None` if there is none or services do not see it yet.
pub(crate) fn profile_role(world: &World, profile: &str) -> Option<String> {
    profile::seen_role(world, profile)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::{call::Args, error::ApiError, iam::handle};

    const ROLE: &str = "arn:aws:iam::123456789012:role/node";

    fn trusting(service: &str) -> String {
        json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}).to_string()
    }

    fn call(world: &mut World, action: &str, args: Value) -> Result<Value, ApiError> {
        let caller = Caller { arn: principal::admin_arn(world), user_id: String::new() };
        handle(world, &caller, action, &Args(args))
    }

    fn settle(world: &mut World) {
        world.advance(world.now + Duration::from_secs(14));
    }

    #[tokio::test(start_paused = true)]
    async fn services_see_changes_late() -> Result<(), ApiError> {
        let mut world = World::for_tests("us-east-1");
        let world = &mut world;
        let policy = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy";
        assert_eq!(trust(world, ROLE, "ec2.amazonaws.com"), Trust::Missing);
        call(world, "CreateRole", json!({"RoleName": "node", "AssumeRolePolicyDocument": trusting("ec2.amazonaws.com")}))?;
        call(world, "AttachRolePolicy", json!({"RoleName": "node", "PolicyArn": policy}))?;
        call(world, "CreateInstanceProfile", json!({"InstanceProfileName": "nodes"}))?;
        call(world, "AddRoleToInstanceProfile", json!({"InstanceProfileName": "nodes", "RoleName": "node"}))?;
        assert_eq!(trust(world, ROLE, "ec2.amazonaws.com"), Trust::NotYet);
        assert!(attached_policies(world, ROLE).is_empty());
        assert_eq!(profile_role(world, "nodes"), None);
        settle(world);
        assert_eq!(trust(world, ROLE, "ec2.amazonaws.com"), Trust::Ready);
        assert_eq!(trust(world, ROLE, "eks.amazonaws.com"), Trust::Refused);
        assert_eq!(attached_policies(world, ROLE), [policy]);
        assert_eq!(profile_role(world, "arn:aws:iam::123456789012:instance-profile/nodes").as_deref(), Some(ROLE));

        call(world, "UpdateAssumeRolePolicy", json!({"RoleName": "node", "PolicyDocument": trusting("eks.amazonaws.com")}))?;
        assert_eq!(trust(world, ROLE, "ec2.amazonaws.com"), Trust::Ready, "the old policy still counts");
        assert_eq!(trust(world, ROLE, "eks.amazonaws.com"), Trust::NotYet);
        settle(world);
        assert_eq!(trust(world, ROLE, "ec2.amazonaws.com"), Trust::Refused);
        assert_eq!(trust(world, ROLE, "eks.amazonaws.com"), Trust::Ready);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_role_made_anew_is_not_seen_as_its_predecessor() -> Result<(), ApiError> {
        let mut world = World::for_tests("us-east-1");
        let world = &mut world;
        let create = json!({"RoleName": "node", "AssumeRolePolicyDocument": trusting("ec2.amazonaws.com")});
        call(world, "CreateRole", create.clone())?;
        world.advance(world.now + Duration::from_secs(3));
        call(world, "DeleteRole", json!({"RoleName": "node"}))?;
        world.advance(world.now + Duration::from_secs(11));
        call(world, "CreateRole", create)?;
        assert_eq!(trust(world, ROLE, "ec2.amazonaws.com"), Trust::NotYet);
        Ok(())
    }
}
