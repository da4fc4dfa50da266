//! Access entries: which IAM principal is who in the cluster. The API server learns of changes a few seconds late.

use serde_json::{Value, json};

use super::{
    AccessFacts, Tags,
    access_policy::Associated,
    cluster::{self, Cluster},
    in_use, invalid_parameter, invalid_request, not_found, page, required, strings, tags_by, uuid,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    iam,
    times::Time,
    world::World,
};

/// Beginnings that neither user names nor group names may have.
const RESERVED: &[&str] = &["system:", "eks:", "aws:", "amazon:", "iam:"];

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) principal: String,
    pub(super) arn: String,
    pub(super) kind: String,
    username: String,
    groups: Vec<String>,
    pub(super) policies: Vec<Associated>,
    pub(super) tags: Tags,
    created: f64,
    modified: f64,
    /// Unique id of the role: a role of the same name that is made later is another one.
    role_id: Option<String>,
    token: Option<String>,
}

impl Entry {
    fn describe(&self, cluster: &str) -> Value {
        json!({
            "clusterName": cluster,
            "principalArn": self.principal,
            "kubernetesGroups": self.groups,
            "accessEntryArn": self.arn,
            "createdAt": self.created,
            "modifiedAt": self.modified,
            "tags": self.tags,
            "username": self.username,
            "type": self.kind,
        })
    }

    /// What the API server makes of it. Only policies for the whole cluster are told: namespaces are not.
    fn facts(&self) -> AccessFacts {
        let whole = self.policies.iter().filter(|policy| policy.is_for_cluster());
        AccessFacts {
            kind: self.kind.clone(),
            username: self.username.clone(),
            groups: self.groups.clone(),
            policies: whole.map(|policy| policy.arn.clone()).collect(),
        }
    }
}

/// User name and groups that EKS fixes for a type (user guide, "Create access entries"); `None` for types that do not exist.
fn fixed(kind: &str) -> Option<(Option<&'static str>, &'static [&'static str])> {
    const BY_INSTANCE: &str = "system:node:{{EC2PrivateDNSName}}";
    const BY_SESSION: &str = "system:node:{{SessionName}}";
    Some(match kind {
        "STANDARD" => (None, &[]),
        "EC2_LINUX" | "EC2" => (Some(BY_INSTANCE), &["system:nodes"]),
        "EC2_WINDOWS" => (Some(BY_INSTANCE), &["system:nodes", "eks:kube-proxy-windows"]),
        "FARGATE_LINUX" => (Some(BY_SESSION), &["system:bootstrappers", "system:nodes", "system:node-proxier"]),
        "HYBRID_LINUX" | "HYPERPOD_LINUX" => (Some(BY_SESSION), &["system:nodes"]),
        _ => return None,
    })
}

/// The user name of a STANDARD entry that gives none: the ARN, for roles with the session's name in it.
fn default_username(principal: &str) -> String {
    let account = principal.split(':').nth(4).unwrap_or_default();
    match principal.split_once(":role/") {
        Some((_, path)) => {
            let role = path.rsplit('/').next().unwrap_or_default();
            format!("arn:aws:sts::{account}:assumed-role/{role}/{{{{SessionName}}}}")
        }
        None => principal.to_owned(),
    }
}

fn check_username(name: &str) -> Result<(), ApiError> {
    if RESERVED.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(invalid_parameter("The username must not begin with system:, eks:, aws:, amazon:, or iam:."));
    }
    // The same of {{SessionNameRaw}} (user guide, "Set a custom username for EKS access entries").
    match name.find("{{SessionName") {
        Some(at) if !name[..at].contains(':') => Err(invalid_parameter("The username must have a colon before {{SessionName}}.")),
        _ => Ok(()),
    }
}

fn check_groups(groups: &[String]) -> Result<(), ApiError> {
    match groups.iter().find(|group| RESERVED.iter().any(|prefix| group.starts_with(prefix))) {
        Some(group) => Err(invalid_parameter(format!(
            "The kubernetes group name {group} is invalid, it cannot start with system:, eks:, aws:, amazon:, or iam:"
        ))),
        None => Ok(()),
    }
}

/// Access entries need a mode with the API in it, and a control plane.
pub(super) fn usable<'a>(world: &'a World, args: &Args) -> Result<&'a Cluster, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    if cluster.authentication_mode == "CONFIG_MAP" {
        let message = "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.";
        return Err(invalid_request(message).field("clusterName", cluster.name.as_str()));
    }
    if !cluster.ready {
        let message = format!("The cluster {} is in state {}", cluster.name, cluster.status);
        return Err(invalid_request(message).field("clusterName", cluster.name.as_str()));
    }
    Ok(cluster)
}

pub(super) fn find<'a>(cluster: &'a Cluster, principal: &str) -> Result<&'a Entry, ApiError> {
    cluster.entries.get(principal).ok_or_else(|| {
        let message = format!("The specified principalArn could not be found. You can view your access entries with 'aws eks list-access-entries'. ({principal})");
        not_found(message).field("clusterName", cluster.name.as_str())
    })
}

/// The API server learns what the entry is now, or that it is gone.
fn teach(world: &mut World, cluster_name: &str, principal: &str, arn: &str) {
    let Ok(cluster) = cluster::find_mut(world, cluster_name) else { return };
    cluster.entry_changes += 1;
    let lesson = (cluster.entry_changes, cluster.entries.get(principal).map(Entry::facts));
    let (name, id, principal) = (cluster_name.to_owned(), cluster.id.clone(), principal.to_owned());
    world.take(Time::AccessEntryEffect, arn, move |world| {
        let Some(cluster) = world.eks.clusters.get_mut(&name).filter(|cluster| cluster.id == id) else { return };
        // The entry takes the place of the creator's invisible mapping.
        cluster.creator_mapping &= cluster.creator != principal;
        // A lesson that was overtaken is forgotten.
        if cluster.effects.get(&principal).is_none_or(|(known, _)| *known < lesson.0) {
            cluster.effects.insert(principal, lesson);
        }
    });
}

fn insert(world: &mut World, cluster: &str, kind: &str, principal: &str, fill: impl FnOnce(&mut Entry)) -> Result<Value, ApiError> {
    let now = world.epoch_seconds();
    let id = uuid(world, "eks-access-entry");
    let (what, name) = principal.rsplit(':').next().and_then(|end| end.split_once('/')).unwrap_or(("root", "root"));
    let name = name.rsplit('/').next().unwrap_or(name);
    let account = principal.split(':').nth(4).unwrap_or_default();
    let (username, groups) = fixed(kind).unwrap_or((None, &[]));
    let mut entry = Entry {
        principal: principal.to_owned(),
        arn: format!("arn:aws:eks:{}:{}:access-entry/{cluster}/{what}/{account}/{name}/{id}", world.region, world.account),
        kind: kind.to_owned(),
        username: username.map_or_else(|| default_username(principal), str::to_owned),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        policies: Vec::new(),
        tags: Tags::new(),
        created: now,
        modified: now,
        role_id: iam::role_facts(world, principal).map(|(_, id, _)| id),
        token: None,
    };
    fill(&mut entry);
    let reply = json!({"accessEntry": entry.describe(cluster)});
    let arn = entry.arn.clone();
    cluster::find_mut(world, cluster)?.entries.insert(principal.to_owned(), entry);
    teach(world, cluster, principal, &arn);
    Ok(reply)
}

/// The creator's entry, with administrator rights (`bootstrapClusterCreatorAdminPermissions`).
pub(super) fn admit_creator(world: &mut World, cluster_name: &str) {
    let now = world.epoch_seconds();
    let Ok(cluster) = cluster::find_mut(world, cluster_name) else { return };
    let creator = cluster.creator.clone();
    let _made = insert(world, cluster_name, "STANDARD", &creator, |entry| {
        entry.policies.push(Associated::cluster_admin(now));
    });
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    let cluster = usable(world, args)?;
    let principal = required(args, "principalArn")?;
    let token = args.str("clientRequestToken");
    if let Some(known) = cluster.entries.get(principal) {
        if token.is_some() && known.token.as_deref() == token {
            return Ok(json!({"accessEntry": known.describe(&cluster.name)}));
        }
        return Err(
            in_use("The specified access entry resource is already in use on this cluster.").field("clusterName", cluster.name.as_str())
        );
    }
    let name = cluster.name.clone();
    let invalid =
        |why: &str| invalid_parameter(format!("The specified principalArn is invalid: {why}.")).field("clusterName", name.as_str());
    let kind = args.str("type").unwrap_or("STANDARD");
    fixed(kind).ok_or_else(|| invalid_parameter(format!("The access entry type {kind} is invalid")))?;
    let is_iam = principal.split(':').nth(2) == Some("iam") && (principal.contains(":role/") || principal.contains(":user/"));
    if !is_iam {
        return Err(invalid("invalid format"));
    }
    if principal.contains(":role/aws-service-role/") {
        return Err(invalid("service-linked roles are not allowed"));
    }
    if !iam::principal_seen(world, principal) {
        return Err(invalid("invalid principal"));
    }
    let username = args.str("username");
    let groups = strings(args, "kubernetesGroups");
    if kind != "STANDARD" {
        if username.is_some() || !groups.is_empty() {
            return Err(invalid_parameter(format!("An access entry of type {kind} takes neither username nor kubernetesGroups")));
        }
        if principal.split(':').nth(4) != Some(world.account.as_str()) || !principal.contains(":role/") {
            return Err(invalid("it must be a role in the cluster's account"));
        }
    }
    username.map_or(Ok(()), check_username)?;
    check_groups(&groups)?;
    let tags = tags_by(caller, args)?;
    insert(world, &name, kind, principal, |entry| {
        entry.tags = tags;
        entry.token = token.map(str::to_owned);
        if kind == "STANDARD" {
            entry.groups = groups;
        }
        if let Some(username) = username {
            username.clone_into(&mut entry.username);
        }
    })
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = usable(world, args)?;
    Ok(json!({"accessEntry": find(cluster, required(args, "principalArn")?)?.describe(&cluster.name)}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = usable(world, args)?;
    let wanted = args.str("associatedPolicyArn");
    let entries =
        cluster.entries.values().filter(|entry| wanted.is_none_or(|wanted| entry.policies.iter().any(|policy| policy.arn == wanted)));
    page("accessEntries", entries.map(|entry| json!(entry.principal)).collect(), args)
}

/// Changes an entry and teaches the API server.
pub(super) fn change(world: &mut World, args: &Args, work: impl FnOnce(&mut Entry, f64) -> Result<(), ApiError>) -> Result<(), ApiError> {
    let principal = required(args, "principalArn")?;
    let cluster = usable(world, args)?;
    let name = cluster.name.clone();
    let arn = find(cluster, principal)?.arn.clone();
    let now = world.epoch_seconds();
    if let Some(entry) = cluster::find_mut(world, &name)?.entries.get_mut(principal) {
        work(entry, now)?;
    }
    teach(world, &name, principal, &arn);
    Ok(())
}

pub(super) fn update(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let groups = args.get("kubernetesGroups").map(|_| strings(args, "kubernetesGroups"));
    let username = args.str("username");
    change(world, args, |entry, now| {
        if entry.kind != "STANDARD" {
            return Err(invalid_request(format!("An access entry of type {} cannot be updated", entry.kind)));
        }
        username.map_or(Ok(()), check_username)?;
        groups.as_deref().map_or(Ok(()), check_groups)?;
        entry.groups = groups.unwrap_or_else(|| entry.groups.clone());
        if let Some(username) = username {
            username.clone_into(&mut entry.username);
        }
        entry.modified = now;
        Ok(())
    })?;
    describe(world, args)
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let principal = required(args, "principalArn")?;
    let cluster = usable(world, args)?;
    let (name, arn) = (cluster.name.clone(), find(cluster, principal)?.arn.clone());
    cluster::find_mut(world, &name)?.entries.remove(principal);
    teach(world, &name, principal, &arn);
    Ok(json!({}))
}

/// What the API server knows of a principal by its entry.
pub(super) fn in_effect(world: &World, cluster: &Cluster, principal: &str) -> Option<AccessFacts> {
    let facts = cluster.effects.get(principal)?.1.as_ref()?;
    // The entry holds the role's unique id: a role made anew under the same name is not admitted.
    let role_id = iam::role_facts(world, principal).map(|(_, id, _)| id);
    let made_anew = cluster.entries.get(principal).is_some_and(|entry| entry.role_id != role_id);
    (!made_anew).then(|| facts.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_principals() {
        assert_eq!(default_username("arn:aws:iam::1:user/a"), "arn:aws:iam::1:user/a");
        assert_eq!(default_username("arn:aws:iam::1:role/team/a"), "arn:aws:sts::1:assumed-role/a/{{SessionName}}");
    }

    #[test]
    fn reserved_names_are_refused() {
        assert!(check_username("system:admin").is_err());
        assert!(check_username("{{SessionName}}").is_err());
        assert!(check_username("team{{SessionNameRaw}}").is_err());
        assert_eq!(check_username("team:{{SessionName}}"), Ok(()));
        assert!(check_groups(&["system:masters".to_owned()]).is_err());
        assert_eq!(check_groups(&["viewers".to_owned()]), Ok(()));
    }
}
