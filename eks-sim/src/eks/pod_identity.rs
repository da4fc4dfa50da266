//! EKS Pod Identity: which role a service account's pods get.

use serde_json::{Value, json};

use super::{
    Tags,
    cluster::{self, Cluster},
    in_use, invalid_parameter, invalid_request, not_found, page, required, tags_of,
};
use crate::{call::Args, error::ApiError, iam, world::World};

#[derive(Clone, Debug)]
pub(super) struct Association {
    id: String,
    pub(super) arn: String,
    pub(super) namespace: String,
    pub(super) service_account: String,
    pub(super) role: String,
    target: Option<String>,
    external_id: Option<String>,
    disable_session_tags: bool,
    policy: Option<String>,
    /// ARN of the add-on that brought it.
    owner: Option<String>,
    pub(super) tags: Tags,
    created: f64,
    modified: f64,
    token: Option<String>,
}

impl Association {
    fn summary(&self, cluster: &str) -> Value {
        json!({
            "clusterName": cluster,
            "namespace": self.namespace,
            "serviceAccount": self.service_account,
            "associationArn": self.arn,
            "associationId": self.id,
            "ownerArn": self.owner,
        })
    }

    fn describe(&self, cluster: &str) -> Value {
        let mut told = self.summary(cluster);
        let rest = json!({
            "roleArn": self.role,
            "targetRoleArn": self.target,
            "externalId": self.external_id,
            "disableSessionTags": self.disable_session_tags,
            "policy": self.policy,
            "tags": self.tags,
            "createdAt": self.created,
            "modifiedAt": self.modified,
        });
        if let (Value::Object(told), Value::Object(rest)) = (&mut told, rest) {
            told.extend(rest);
        }
        told
    }

    /// The role that pods end up with: with role chaining, the target.
    pub(super) fn effective_role(&self) -> &str {
        self.target.as_deref().unwrap_or(&self.role)
    }
}

fn find<'a>(cluster: &'a Cluster, id: &str) -> Result<&'a Association, ApiError> {
    cluster
        .associations
        .get(id)
        .ok_or_else(|| not_found(format!("The association with ID {id} does not exist.")).field("clusterName", cluster.name.as_str()))
}

/// A role must be there, and new ones reach EKS late; whom it trusts shows only when pods ask for credentials.
pub(super) fn check_role(world: &World, role: &str) -> Result<(), ApiError> {
    if iam::principal_seen(world, role) { Ok(()) } else { Err(invalid_parameter("Role provided in the request does not exist.")) }
}

/// Makes an association and returns its ARN.
pub(super) fn add(
    world: &mut World,
    cluster_name: &str,
    namespace: &str,
    service_account: &str,
    role: &str,
    owner: Option<&str>,
    args: &Args,
) -> Result<String, ApiError> {
    check_role(world, role)?;
    let cluster = cluster::find(world, cluster_name)?;
    let same = |known: &&Association| known.namespace == namespace && known.service_account == service_account;
    if let Some(known) = cluster.associations.values().find(same) {
        return Err(in_use(format!("Association already exists: {}", known.id)).field("clusterName", cluster_name));
    }
    // An association that comes with an add-on has no tags or token of its own.
    let own = owner.is_none();
    let tags = if own { tags_of(args)? } else { Tags::new() };
    let target = args.str("targetRoleArn").filter(|_| own).map(str::to_owned);
    let id = format!("a-{}", world.draw.hex("eks-association", 17));
    let now = world.epoch_seconds();
    let association = Association {
        arn: format!("arn:aws:eks:{}:{}:podidentityassociation/{cluster_name}/{id}", world.region, world.account),
        id: id.clone(),
        namespace: namespace.to_owned(),
        service_account: service_account.to_owned(),
        role: role.to_owned(),
        external_id: target.as_ref().map(|_| format!("{}/{}/{cluster_name}/{namespace}/{service_account}", world.region, world.account)),
        target,
        disable_session_tags: own && args.bool("disableSessionTags").unwrap_or(false),
        policy: args.str("policy").filter(|_| own).map(str::to_owned),
        owner: owner.map(str::to_owned),
        tags,
        created: now,
        modified: now,
        token: args.str("clientRequestToken").filter(|_| own).map(str::to_owned),
    };
    let arn = association.arn.clone();
    cluster::find_mut(world, cluster_name)?.associations.insert(id, association);
    Ok(arn)
}

/// Takes away what an add-on brought.
pub(super) fn remove_owned(world: &mut World, cluster: &str, owner: &str) {
    remove_owned_but(world, cluster, owner, &[]);
}

/// The same, but for these service accounts.
pub(super) fn remove_owned_but(world: &mut World, cluster: &str, owner: &str, kept: &[&str]) {
    if let Some(cluster) = world.eks.clusters.get_mut(cluster) {
        cluster.associations.retain(|_, known| known.owner.as_deref() != Some(owner) || kept.contains(&known.service_account.as_str()));
    }
}

/// Another role for what an add-on brought; its ARN, if there is one for the service account.
pub(super) fn reassign(world: &mut World, cluster: &str, owner: &str, service_account: &str, role: &str) -> Option<String> {
    let now = world.epoch_seconds();
    let mut associations = world.eks.clusters.get_mut(cluster)?.associations.values_mut();
    let known = associations.find(|known| known.owner.as_deref() == Some(owner) && known.service_account == service_account)?;
    role.clone_into(&mut known.role);
    known.modified = now;
    Some(known.arn.clone())
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    let token = args.str("clientRequestToken");
    if let Some(known) = cluster.associations.values().find(|known| token.is_some() && known.token.as_deref() == token) {
        return Ok(json!({"association": known.describe(&cluster.name)}));
    }
    if cluster.status == "DELETING" {
        return Err(invalid_request(format!("The cluster {} is being deleted", cluster.name)));
    }
    let (namespace, account, role) = (required(args, "namespace")?, required(args, "serviceAccount")?, required(args, "roleArn")?);
    // API reference, `policy`: a session policy needs session tags off.
    if args.str("policy").is_some() && !args.bool("disableSessionTags").unwrap_or(false) {
        return Err(invalid_parameter("A session policy requires disableSessionTags to be true"));
    }
    let name = cluster.name.clone();
    let arn = add(world, &name, namespace, account, role, None, args)?;
    let cluster = cluster::find(world, &name)?;
    Ok(json!({"association": find(cluster, arn.rsplit('/').next().unwrap_or_default())?.describe(&name)}))
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    Ok(json!({"association": find(cluster, required(args, "associationId")?)?.describe(&cluster.name)}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    let matching = cluster.associations.values().filter(|known| {
        args.str("namespace").is_none_or(|namespace| namespace == known.namespace)
            && args.str("serviceAccount").is_none_or(|account| account == known.service_account)
    });
    page("associations", matching.map(|known| known.summary(&cluster.name)).collect(), args)
}

pub(super) fn update(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "clusterName")?.to_owned();
    let id = required(args, "associationId")?.to_owned();
    find(cluster::find(world, &name)?, &id)?;
    let role = args.str("roleArn").map(str::to_owned);
    role.as_deref().map_or(Ok(()), |role| check_role(world, role))?;
    let now = world.epoch_seconds();
    let cluster = cluster::find_mut(world, &name)?;
    if let Some(association) = cluster.associations.get_mut(&id) {
        association.role = role.unwrap_or_else(|| association.role.clone());
        association.target = args.str("targetRoleArn").map(str::to_owned).or_else(|| association.target.take());
        association.disable_session_tags = args.bool("disableSessionTags").unwrap_or(association.disable_session_tags);
        association.policy = args.str("policy").map(str::to_owned).or_else(|| association.policy.take());
        association.modified = now;
    }
    Ok(json!({"association": find(cluster, &id)?.describe(&name)}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "clusterName")?.to_owned();
    let id = required(args, "associationId")?;
    let cluster = cluster::find_mut(world, &name)?;
    let told = find(cluster, id)?.describe(&name);
    cluster.associations.remove(id);
    Ok(json!({"association": told}))
}
