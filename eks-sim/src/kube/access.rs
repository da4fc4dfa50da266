//! Who a principal is in a cluster, and what it may do.

use serde::Deserialize;
use serde_json::json;

use super::{
    Kubelet, facts,
    kinds::{self, Kind},
    request::Verb,
    status::{Refusal, Verdict},
    store::{self, Key},
};
use crate::{
    call::{Caller, Service},
    world::World,
};

/// A Kubernetes identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    /// Names of EKS access policies, without the ARN's beginning.
    policies: Vec<String>,
}

/// Whose session a mapping is for; its placeholders.
#[derive(Clone, Copy, Debug)]
struct Session<'a> {
    name: &'a str,
    /// `{{EC2PrivateDNSName}}`, which the authenticator asks of EC2.
    private_dns_name: Option<&'a str>,
    account: &'a str,
}

/// The identity of a caller: access entry first, then the creator's rights, then aws-auth.
pub(super) fn map(world: &mut World, cluster: &str, caller: &Caller) -> Option<User> {
    let session = caller.arn.rsplit('/').next().unwrap_or_default().to_owned();
    let account = world.account.clone();
    mapping(world, cluster, &canonical(&caller.arn), Session { name: &session, private_dns_name: None, account: &account })
}

/// The identity of a node, whose session has the instance's id for its name.
pub(super) fn map_node(world: &mut World, cluster: &str, kubelet: &Kubelet) -> Option<User> {
    let account = world.account.clone();
    let session = Session { name: &kubelet.instance, private_dns_name: Some(&kubelet.name), account: &account };
    mapping(world, cluster, &kubelet.role_arn, session)
}

/// Whether this identity may register the node of this name (node authorizer).
pub(super) fn is_node(user: &User, node: &str) -> bool {
    user.groups.iter().any(|group| group == "system:nodes") && user.name == format!("system:node:{node}")
}

fn mapping(world: &mut World, cluster: &str, principal: &str, session: Session<'_>) -> Option<User> {
    let facts = facts::cluster(world, cluster)?;
    if facts.authentication_mode != "CONFIG_MAP" {
        // Unlike aws-auth, access entries name a role with its path, which a session's ARN does not tell.
        let entry = facts::access(world, cluster, principal).or_else(|| {
            let with_path = role_with_path(world, principal)?;
            facts::access(world, cluster, &with_path)
        });
        if let Some(entry) = entry {
            let mut user = User { name: fill(&entry.username, session), groups: entry.groups, policies: Vec::new() };
            user.policies.extend(entry.policies.iter().filter_map(|arn| arn.rsplit('/').next()).map(str::to_owned));
            if entry.kind == "EC2_LINUX" && user.groups.is_empty() {
                user.groups.push("system:nodes".to_owned());
            }
            return Some(user);
        }
    }
    if facts.creator_admin.as_deref().is_some_and(|creator| same(creator, principal)) {
        return Some(User { name: "kubernetes-admin".to_owned(), groups: vec!["system:masters".to_owned()], policies: Vec::new() });
    }
    if facts.authentication_mode == "API" {
        return None;
    }
    let map = store::fetch(world, cluster, &Key::new(&kinds::CONFIG_MAP, "kube-system", "aws-auth"))?;
    let entry = from_config_map(store::text(&map, "/data/mapRoles"), store::text(&map, "/data/mapUsers"), principal)?;
    Some(User { name: fill(&entry.username, session), groups: entry.groups, policies: Vec::new() })
}

fn role_with_path(world: &mut World, principal: &str) -> Option<String> {
    let name = principal.split_once(":role/")?.1.to_owned();
    let caller = world.service_caller("eks.amazonaws.com");
    let answer = world.call(Service::Iam, "GetRole", json!({"RoleName": name.rsplit('/').next()}), &caller).ok()?;
    Some(answer.pointer("/Role/Arn")?.as_str()?.to_owned())
}

fn same(a: &str, b: &str) -> bool {
    without_path(&canonical(a)).eq_ignore_ascii_case(&without_path(&canonical(b)))
}

/// A session's ARN as its role's (authenticator's `arn.Canonicalize`).
fn canonical(arn: &str) -> String {
    let Some((head, tail)) = arn.split_once(":assumed-role/") else { return arn.to_owned() };
    format!("{}:role/{}", head.replace(":sts:", ":iam:"), tail.split('/').next().unwrap_or_default())
}

fn without_path(arn: &str) -> String {
    match arn.split_once(":role/") {
        Some((head, tail)) => format!("{head}:role/{}", tail.rsplit('/').next().unwrap_or_default()),
        None => arn.to_owned(),
    }
}

fn fill(template: &str, session: Session<'_>) -> String {
    template
        .replace("{{EC2PrivateDNSName}}", session.private_dns_name.unwrap_or(session.name))
        .replace("{{SessionNameRaw}}", session.name)
        .replace("{{SessionName}}", &session.name.replace('@', "-"))
        .replace("{{AccountID}}", session.account)
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(alias = "roleARN", alias = "rolearn", alias = "roleArn", alias = "userARN", alias = "userarn", alias = "userArn")]
    arn: String,
    username: String,
    groups: Vec<String>,
}

/// What aws-auth says of a principal, read as the authenticator's `ParseMap` does: each key by itself, so that a broken one costs
/// its own entries only; of duplicates the last counts; a role's path makes the entry match nothing.
fn from_config_map(roles: &str, users: &str, principal: &str) -> Option<Entry> {
    let role = principal.contains(":role/");
    let entries: Vec<Entry> = serde_yaml_ng::from_str::<Vec<serde_yaml_ng::Value>>(if role { roles } else { users })
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| serde_yaml_ng::from_value(entry).ok())
        .collect();
    let wanted = without_path(principal).to_ascii_lowercase();
    entries.into_iter().rev().find(|entry| canonical(entry.arn.trim()).to_ascii_lowercase() == wanted && !entry.arn.is_empty())
}

/// Whether the user may do it. RBAC objects are not simulated: `system:masters` and EKS's access policies decide. AmazonEKSAdminPolicy,
/// EditPolicy and ViewPolicy are made for namespaces: of what has none they grant the reading of namespaces alone, even cluster-wide;
/// AdminViewPolicy reads everything (EKS user guide, "Review access policy permissions").
pub(super) fn authorize(user: &User, verb: Verb, kind: &Kind, namespace: &str, name: &str, sub: &str) -> Verdict<()> {
    let has = |policy: &str| user.policies.iter().any(|have| have == policy);
    let secret = *kind == kinds::SECRET;
    let reads = matches!(verb, Verb::Get | Verb::List | Verb::Watch);
    let theirs = kind.namespaced || (reads && *kind == kinds::NAMESPACE);
    let allowed = user.groups.iter().any(|group| group == "system:masters")
        || has("AmazonEKSClusterAdminPolicy")
        || ((has("AmazonEKSAdminPolicy") || has("AmazonEKSEditPolicy")) && theirs)
        || (has("AmazonEKSAdminViewPolicy") && reads)
        || (has("AmazonEKSViewPolicy") && reads && theirs && !secret);
    if allowed {
        return Ok(());
    }
    let scope = if namespace.is_empty() { "at the cluster scope".to_owned() } else { format!("in the namespace \"{namespace}\"") };
    let resource = if sub.is_empty() { kind.plural.to_owned() } else { format!("{}/{sub}", kind.plural) };
    let why = format!("User \"{}\" cannot {} resource \"{resource}\" in API group \"{}\" {scope}", user.name, verb.name(), kind.group);
    Err(Refusal::forbidden(kind, name, &why))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/nodes";

    #[test]
    fn sessions_are_their_roles() {
        assert_eq!(canonical("arn:aws:sts::123456789012:assumed-role/nodes/i-1"), ROLE);
        assert!(same("arn:aws:iam::123456789012:role/team/x/nodes", "arn:aws:sts::123456789012:assumed-role/nodes/i-1"));
    }

    #[test]
    fn the_last_duplicate_counts() {
        let map = format!("- rolearn: {ROLE}\n  username: a\n- rolearn: {ROLE}\n  username: b\n  groups: [x]\n");
        assert_eq!(from_config_map(&map, "", ROLE).map(|entry| (entry.username, entry.groups)), Some(("b".into(), vec!["x".into()])));
    }

    #[test]
    fn a_broken_key_costs_its_own_entries_only() {
        let user = "arn:aws:iam::123456789012:user/ann";
        let users = format!("- userarn: {user}\n  username: ann\n");
        assert!(from_config_map("- rolearn: x\n username: [", &users, ROLE).is_none());
        assert!(from_config_map("- rolearn: x\n username: [", &users, user).is_some());
    }

    #[test]
    fn a_path_matches_nothing() {
        let map = "- rolearn: arn:aws:iam::123456789012:role/team/nodes\n  username: a\n";
        assert!(from_config_map(map, "", ROLE).is_none());
    }

    #[test]
    fn policies_for_namespaces_grant_nothing_else() {
        let may = |policy: &str, verb: Verb, kind: &Kind| {
            let user = User { name: "ann".to_owned(), groups: vec![], policies: vec![policy.to_owned()] };
            authorize(&user, verb, kind, "", "", "").is_ok()
        };
        for policy in ["AmazonEKSAdminPolicy", "AmazonEKSEditPolicy"] {
            assert!(may(policy, Verb::Delete, &kinds::POD) && may(policy, Verb::Get, &kinds::SECRET), "{policy}");
            assert!(may(policy, Verb::List, &kinds::NAMESPACE) && !may(policy, Verb::Delete, &kinds::NAMESPACE), "{policy}");
            assert!(!may(policy, Verb::List, &kinds::NODE) && !may(policy, Verb::Delete, &kinds::NODE), "{policy}");
        }
        assert!(may("AmazonEKSViewPolicy", Verb::List, &kinds::NAMESPACE) && !may("AmazonEKSViewPolicy", Verb::List, &kinds::NODE));
        assert!(!may("AmazonEKSViewPolicy", Verb::Get, &kinds::SECRET));
        assert!(may("AmazonEKSAdminViewPolicy", Verb::List, &kinds::NODE) && may("AmazonEKSAdminViewPolicy", Verb::Get, &kinds::SECRET));
        assert!(!may("AmazonEKSAdminViewPolicy", Verb::Delete, &kinds::POD));
    }

    #[test]
    fn viewers_do_not_write() {
        let user = User { name: "ann".to_owned(), groups: vec![], policies: vec!["AmazonEKSViewPolicy".to_owned()] };
        assert_eq!(authorize(&user, Verb::List, &kinds::POD, "default", "", ""), Ok(()));
        let refusal = authorize(&user, Verb::Delete, &kinds::NODE, "", "n", "").expect_err("a viewer deletes nothing");
        assert_eq!(
            refusal.message,
            "nodes \"n\" is forbidden: User \"ann\" cannot delete resource \"nodes\" in API group \"\" at the cluster scope"
        );
    }
}
