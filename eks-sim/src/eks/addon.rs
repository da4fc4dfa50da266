//! Add-ons and their life.

use serde_json::{Value, json};

use super::{
    Tags, catalogue,
    cluster::{self, Cluster},
    in_use, invalid_parameter, invalid_request, not_found, page, pod_identity, required, tags_of,
    update::Update,
    uuid,
};
use crate::{call::Args, error::ApiError, kube, times::Time, world::World};

#[derive(Clone, Debug)]
pub(super) struct Addon {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) version: String,
    pub(super) status: String,
    issues: Vec<Value>,
    created: f64,
    modified: f64,
    pub(super) role: Option<String>,
    /// Where its software runs.
    pub(super) namespace: String,
    configuration: Option<String>,
    pub(super) tags: Tags,
    /// ARNs of associations that it owns.
    associations: Vec<String>,
    /// Its software is in the cluster.
    pub(super) installed: bool,
    token: Option<String>,
}

impl Addon {
    fn describe(&self, cluster: &str) -> Value {
        json!({
            "addonName": self.name,
            "clusterName": cluster,
            "status": self.status,
            "addonVersion": self.version,
            "health": {"issues": self.issues},
            "addonArn": self.arn,
            "createdAt": self.created,
            "modifiedAt": self.modified,
            "serviceAccountRoleArn": self.role,
            "namespaceConfig": {"namespace": self.namespace},
            "configurationValues": self.configuration,
            "tags": self.tags,
            "podIdentityAssociations": (!self.associations.is_empty()).then_some(&self.associations),
        })
    }

    fn settle(&mut self, status: &str, issue: Option<Value>, at: f64) {
        status.clone_into(&mut self.status);
        self.issues = issue.into_iter().collect();
        self.modified = at;
    }
}

fn find<'a>(cluster: &'a Cluster, name: &str) -> Result<&'a Addon, ApiError> {
    cluster.addons.get(name).ok_or_else(|| {
        let message = format!("No addon: {name} found in cluster: {}", cluster.name);
        not_found(message).field("addonName", name).field("clusterName", cluster.name.as_str())
    })
}

fn get_mut<'a>(world: &'a mut World, cluster: &str, name: &str) -> Option<&'a mut Addon> {
    world.eks.clusters.get_mut(cluster)?.addons.get_mut(name)
}

/// The version that is asked for, or the default, if it fits the cluster.
fn version_for(cluster: &Cluster, kind: &catalogue::Kind, asked: Option<&str>) -> Result<String, ApiError> {
    let fits = kind.versions(&cluster.version);
    let default = kind.default_version(&cluster.version).ok_or_else(|| {
        invalid_parameter(format!("Addon {} specified is not supported in {} kubernetes version", kind.name, cluster.version))
            .field("addonName", kind.name)
    })?;
    match asked {
        None => Ok(default),
        Some(asked) if fits.iter().any(|version| version == asked) => Ok(asked.to_owned()),
        Some(_) => Err(invalid_parameter("Addon version specified is not supported").field("addonName", kind.name)),
    }
}

fn conflict_rule(args: &Args) -> Result<&str, ApiError> {
    let rule = args.str("resolveConflicts").unwrap_or("NONE");
    if matches!(rule, "NONE" | "OVERWRITE" | "PRESERVE") {
        Ok(rule)
    } else {
        Err(invalid_parameter("resolveConflicts must be one of [NONE, OVERWRITE, PRESERVE]"))
    }
}

fn no_replicas() -> Value {
    json!({"code": "InsufficientNumberOfReplicas", "message": "The add-on is unhealthy because it doesn't have the desired number of replicas.", "resourceIds": []})
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?.clone();
    let name = required(args, "addonName")?.to_owned();
    let token = args.str("clientRequestToken").map(str::to_owned);
    if let Some(known) = cluster.addons.get(&name) {
        if token.is_some() && known.token == token {
            return Ok(json!({"addon": known.describe(&cluster.name)}));
        }
        return Err(in_use("Addon already exists.").field("addonName", name).field("clusterName", cluster.name));
    }
    let unknown = || {
        let message = format!("Addon {name} specified is not supported in {} kubernetes version", cluster.version);
        invalid_parameter(message).field("addonName", name.as_str())
    };
    let kind = catalogue::find(&name).ok_or_else(unknown)?;
    let version = version_for(&cluster, kind, args.str("addonVersion"))?;
    let rule = conflict_rule(args)?;
    let configuration = args.str("configurationValues").map(str::to_owned);
    configuration.as_deref().map_or(Ok(()), |values| kind.check_configuration(values))?;
    let tags = tags_of(args)?;
    if cluster.status != "ACTIVE" {
        let message = format!("Addon cannot be created: cluster {} is in status {}", cluster.name, cluster.status);
        return Err(invalid_request(message).field("addonName", name).field("clusterName", cluster.name));
    }
    let id = uuid(world, "eks-addon");
    let arn = format!("arn:aws:eks:{}:{}:addon/{}/{name}/{id}", world.region, world.account, cluster.name);
    let namespace = namespace_of(args)?.unwrap_or_else(|| "kube-system".to_owned());
    let associations = associate(world, &cluster.name, &arn, &namespace, args)?;
    let now = world.epoch_seconds();
    let addon = Addon {
        name: name.clone(),
        arn: arn.clone(),
        version,
        status: "CREATING".to_owned(),
        issues: Vec::new(),
        created: now,
        modified: now,
        role: args.str("serviceAccountRoleArn").map(str::to_owned),
        namespace,
        configuration,
        tags,
        associations,
        installed: false,
        token,
    };
    let reply = json!({"addon": addon.describe(&cluster.name)});
    cluster::find_mut(world, &cluster.name)?.addons.insert(name.clone(), addon);
    let overwrite = rule == "OVERWRITE";
    let cluster = cluster.name;
    world.take(kind.time, &arn, move |world| installed(world, &cluster, &name, overwrite));
    Ok(reply)
}

/// Associations that a request brings along; the add-on owns them.
fn associate(world: &mut World, cluster: &str, arn: &str, namespace: &str, args: &Args) -> Result<Vec<String>, ApiError> {
    let mut made = Vec::new();
    for wanted in args.nested("podIdentityAssociations") {
        let account = required(&wanted, "serviceAccount")?;
        let role = required(&wanted, "roleArn")?;
        made.push(pod_identity::add(world, cluster, namespace, account, role, Some(arn), args)?);
    }
    Ok(made)
}

/// The namespace that is asked for (API reference, AddonNamespaceConfigRequest): an RFC 1123 label.
fn namespace_of(args: &Args) -> Result<Option<String>, ApiError> {
    let config = args.sub("namespaceConfig");
    let Some(name) = config.str("namespace") else { return Ok(None) };
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fine = (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-');
    if fine { Ok(Some(name.to_owned())) } else { Err(invalid_parameter(format!("The namespace {name} is invalid"))) }
}

/// Given associations replace those that the add-on has; one of a service account that had one keeps its id (API reference,
/// UpdateAddon: they are "to be updated").
fn reassociate(world: &mut World, cluster: &str, addon: &Addon, args: &Args) -> Result<Vec<String>, ApiError> {
    let wanted = args.nested("podIdentityAssociations");
    for one in &wanted {
        required(one, "serviceAccount")?;
        pod_identity::check_role(world, required(one, "roleArn")?)?;
    }
    let accounts: Vec<&str> = wanted.iter().filter_map(|one| one.str("serviceAccount")).collect();
    pod_identity::remove_owned_but(world, cluster, &addon.arn, &accounts);
    let mut made = Vec::new();
    for one in &wanted {
        let (account, role) = (required(one, "serviceAccount")?, required(one, "roleArn")?);
        made.push(match pod_identity::reassign(world, cluster, &addon.arn, account, role) {
            Some(arn) => arn,
            None => pod_identity::add(world, cluster, &addon.namespace, account, role, Some(&addon.arn), args)?,
        });
    }
    Ok(made)
}

/// The end of a creation.
fn installed(world: &mut World, cluster_name: &str, name: &str, overwrite: bool) {
    let now = world.epoch_seconds();
    let nodes = kube::ready_nodes(world, cluster_name);
    let Ok(cluster) = cluster::find_mut(world, cluster_name) else { return };
    let self_managed = cluster.self_managed.contains(name);
    let Some(addon) = cluster.addons.get_mut(name).filter(|addon| addon.status == "CREATING") else { return };
    // Software that is there is not touched unless told so (user guide, "Create an Amazon EKS add-on", resolve conflicts).
    if self_managed && !overwrite {
        let message =
            format!("Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts: {name} - .spec");
        addon.settle("CREATE_FAILED", Some(json!({"code": "ConfigurationConflict", "message": message, "resourceIds": []})), now);
        return;
    }
    addon.installed = true;
    settle_by_nodes(addon, nodes, now);
    cluster.self_managed.remove(name);
}

fn settle_by_nodes(addon: &mut Addon, nodes: usize, now: f64) {
    if nodes == 0 && catalogue::find(&addon.name).is_some_and(|kind| kind.needs_nodes) {
        addon.settle("DEGRADED", Some(no_replicas()), now);
    } else {
        addon.settle("ACTIVE", None, now);
    }
}

/// Add-ons that run on nodes become healthy a while after nodes come, and degrade when none is left.
pub(super) fn nodes_changed(world: &mut World, cluster_name: &str) {
    let nodes = kube::ready_nodes(world, cluster_name);
    let now = world.epoch_seconds();
    let Some(cluster) = world.eks.clusters.get_mut(cluster_name) else { return };
    let mut waiting = Vec::new();
    for addon in cluster.addons.values_mut().filter(|addon| addon.installed) {
        let Some(kind) = catalogue::find(&addon.name).filter(|kind| kind.needs_nodes) else { continue };
        match addon.status.as_str() {
            "DEGRADED" if nodes > 0 => waiting.push((kind.time, addon.name.clone(), addon.arn.clone())),
            "ACTIVE" if nodes == 0 => settle_by_nodes(addon, nodes, now),
            _ => {}
        }
    }
    for (time, name, arn) in waiting {
        let cluster = cluster_name.to_owned();
        world.take(time, &arn, move |world| {
            let (nodes, now) = (kube::ready_nodes(world, &cluster), world.epoch_seconds());
            if let Some(addon) = get_mut(world, &cluster, &name).filter(|addon| addon.status == "DEGRADED") {
                settle_by_nodes(addon, nodes, now);
            }
        });
    }
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    Ok(json!({"addon": find(cluster, required(args, "addonName")?)?.describe(&cluster.name)}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    page("addons", cluster.addons.keys().map(|name| json!(name)).collect(), args)
}

pub(super) fn update(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?.clone();
    if let Some(answer) = cluster.replayed(args) {
        return Ok(answer);
    }
    let addon = find(&cluster, required(args, "addonName")?)?;
    let kind = catalogue::find(&addon.name).ok_or_else(|| not_found(format!("Addon {} not found", addon.name)))?;
    if matches!(addon.status.as_str(), "CREATING" | "UPDATING" | "DELETING") {
        let message = format!("Addon {} cannot be updated as it is currently in {} state", addon.name, addon.status);
        return Err(in_use(message).field("addonName", addon.name.as_str()).field("clusterName", cluster.name));
    }
    // What is not asked for is not judged: the add-on keeps the version that it has.
    let version = match args.str("addonVersion") {
        Some(asked) => version_for(&cluster, kind, Some(asked))?,
        None => addon.version.clone(),
    };
    let rule = conflict_rule(args)?;
    let configuration = args.str("configurationValues").map(str::to_owned);
    configuration.as_deref().map_or(Ok(()), |values| kind.check_configuration(values))?;
    let mut params = vec![("AddonVersion", version.clone()), ("ResolveConflicts", rule.to_owned())];
    params.extend(configuration.iter().map(|values| ("ConfigurationValues", values.clone())));
    let role = args.str("serviceAccountRoleArn").map(str::to_owned);
    params.extend(role.iter().map(|role| ("ServiceAccountRoleArn", role.clone())));
    // An empty list takes associations away; none given leaves them.
    let associations = match args.get("podIdentityAssociations") {
        Some(_) => Some(reassociate(world, &cluster.name, addon, args)?),
        None => None,
    };
    let update = Update::new(world, "AddonUpdate", Some(&addon.name), params, args);
    let (id, reply) = (update.id.clone(), json!({"update": update.describe()}));
    let found = cluster::find_mut(world, &cluster.name)?;
    found.updates.push(update);
    if let Some(addon) = found.addons.get_mut(&addon.name) {
        "UPDATING".clone_into(&mut addon.status);
        if let Some(associations) = associations {
            addon.associations = associations;
        }
    }
    let (name, arn, cluster) = (addon.name.clone(), addon.arn.clone(), cluster.name.clone());
    world.take(kind.time, &arn, move |world| {
        let (nodes, now) = (kube::ready_nodes(world, &cluster), world.epoch_seconds());
        let Ok(found) = cluster::find_mut(world, &cluster) else { return };
        let Some(addon) = found.addons.get_mut(&name).filter(|addon| addon.status == "UPDATING") else { return };
        addon.version = version;
        // API reference, UpdateAddon, serviceAccountRoleArn: "If you don't specify an existing IAM role, then the add-on uses the
        // permissions assigned to the node IAM role."
        addon.role = role;
        addon.configuration = configuration.or_else(|| addon.configuration.take());
        addon.installed = true;
        settle_by_nodes(addon, nodes, now);
        if let Some(update) = found.updates.iter_mut().find(|update| update.id == id) {
            update.status = "Successful";
        }
    });
    Ok(reply)
}

/// The add-on goes; with `preserve` its software stays, managed by nobody (API reference, DeleteAddon).
pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster_name = required(args, "clusterName")?.to_owned();
    let name = required(args, "addonName")?.to_owned();
    let preserve = args.bool("preserve").unwrap_or(false);
    find(cluster::find(world, &cluster_name)?, &name)?;
    let Some(addon) = get_mut(world, &cluster_name, &name) else { return Err(not_found("")) };
    "DELETING".clone_into(&mut addon.status);
    let reply = json!({"addon": addon.describe(&cluster_name)});
    let arn = addon.arn.clone();
    world.take(Time::AddonDelete, &arn.clone(), move |world| {
        let Ok(cluster) = cluster::find_mut(world, &cluster_name) else { return };
        if cluster.addons.get(&name).is_none_or(|addon| addon.arn != arn) {
            return;
        }
        let removed = cluster.addons.remove(&name);
        if preserve && removed.is_some_and(|addon| addon.installed) {
            cluster.self_managed.insert(name);
        }
        pod_identity::remove_owned(world, &cluster_name, &arn);
    });
    Ok(reply)
}
