//! How clusters, roles and groups of machines are set up: what no inventory tells.

use std::collections::BTreeSet;

use aws_types::SdkConfig;
use eks_sim::Sim;

use super::{flow::OWNER, portrait::drawn};
use crate::environment::Failure;

/// Lines of a portrait: everything but what others made.
pub(super) async fn of(sim: &Sim, foreign: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
    let config = sim.sdk_config();
    let mut lines = eks(&config).await?;
    lines.extend(iam(&config, foreign).await?);
    lines.extend(groups(&config).await?);
    Ok(lines)
}

/// The cluster, its add-ons, and who may do what in it.
async fn eks(config: &SdkConfig) -> Result<Vec<String>, Failure> {
    let client = aws_sdk_eks::Client::new(config);
    let mut lines = Vec::new();
    if !client.list_clusters().send().await?.clusters().iter().any(|name| name == OWNER) {
        return Ok(lines);
    }
    let told = client.describe_cluster().name(OWNER).send().await?;
    let cluster = told.cluster().ok_or("a cluster")?;
    let network = cluster.resources_vpc_config();
    let doors = network.map(|network| (network.endpoint_public_access(), network.endpoint_private_access(), network.public_access_cidrs()));
    let within = network.map(|network| (network.subnet_ids().len(), network.security_group_ids().len()));
    let blocks = cluster.kubernetes_network_config().map(|network| (network.service_ipv4_cidr(), network.ip_family()));
    let mode = cluster.access_config().and_then(|access| access.authentication_mode());
    let (version, role, guarded) = (cluster.version(), cluster.role_arn(), cluster.deletion_protection());
    let (logging, secrets, support) = (cluster.logging(), cluster.encryption_config(), cluster.upgrade_policy());
    lines.push(drawn(&format!(
        "cluster  {version:?} {role:?} protected={guarded:?} {doors:?} {within:?} {blocks:?} {mode:?} {logging:?} {secrets:?} {support:?}"
    )));
    for name in client.list_addons().cluster_name(OWNER).send().await?.addons() {
        let told = client.describe_addon().cluster_name(OWNER).addon_name(name).send().await?;
        let addon = told.addon().ok_or("an add-on")?;
        let (version, values, role) = (addon.addon_version(), addon.configuration_values(), addon.service_account_role_arn());
        lines.push(drawn(&format!("add-on  {name} {version:?} {:?} {values:?} {role:?}", addon.status())));
    }
    for principal in client.list_access_entries().cluster_name(OWNER).send().await?.access_entries() {
        let told = client.describe_access_entry().cluster_name(OWNER).principal_arn(principal).send().await?;
        let entry = told.access_entry().ok_or("an access entry")?;
        let policies = client.list_associated_access_policies().cluster_name(OWNER).principal_arn(principal).send().await?;
        let policies = policies.associated_access_policies().iter().map(|one| format!("{:?} {:?}", one.policy_arn(), one.access_scope()));
        let policies: BTreeSet<_> = policies.collect();
        let (kind, groups) = (entry.r#type(), entry.kubernetes_groups());
        lines.push(drawn(&format!("access  {principal} {kind:?} {:?} {groups:?} {policies:?}", entry.username())));
    }
    Ok(lines)
}

/// Roles but those that services made for themselves, which stay: whom they trust, and what they may do.
async fn iam(config: &SdkConfig, foreign: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
    let client = aws_sdk_iam::Client::new(config);
    let mut lines = Vec::new();
    let roles = client.list_roles().send().await?;
    let ours = roles.roles().iter().filter(|role| !role.path().starts_with("/aws-service-role/"));
    for role in ours.filter(|role| !foreign.contains(role.role_name()) && !foreign.contains(role.arn())) {
        let name = role.role_name();
        let attached = client.list_attached_role_policies().role_name(name).send().await?;
        let attached: BTreeSet<_> = attached.attached_policies().iter().filter_map(|policy| policy.policy_arn()).collect();
        let mut inline = BTreeSet::new();
        for policy in client.list_role_policies().role_name(name).send().await?.policy_names() {
            let told = client.get_role_policy().role_name(name).policy_name(policy).send().await?;
            inline.insert(format!("{policy} {}", told.policy_document()));
        }
        let trust = role.assume_role_policy_document();
        lines.push(drawn(&format!("role  {} {name} {attached:?} {inline:?} {trust:?}", role.path())));
    }
    Ok(lines)
}

/// Auto Scaling groups, of which others have none.
async fn groups(config: &SdkConfig) -> Result<Vec<String>, Failure> {
    let told = aws_sdk_autoscaling::Client::new(config).describe_auto_scaling_groups().send().await?;
    let lines = told.auto_scaling_groups().iter().map(|group| {
        let sizes = (group.min_size(), group.desired_capacity(), group.max_size());
        let suspended: BTreeSet<_> = group.suspended_processes().iter().filter_map(|process| process.process_name()).collect();
        let tags = group.tags().iter().map(|tag| format!("{:?}={:?} {:?}", tag.key(), tag.value(), tag.propagate_at_launch()));
        let tags: BTreeSet<_> = tags.collect();
        let zones: BTreeSet<_> = group.availability_zones().iter().collect();
        let health = (group.health_check_type(), group.health_check_grace_period(), group.new_instances_protected_from_scale_in());
        drawn(&format!("group  {:?} {sizes:?} {suspended:?} {zones:?} {health:?} {tags:?}", group.auto_scaling_group_name()))
    });
    Ok(lines.collect())
}
