//! From one mapping to one entry. EKS User Guide, "Migrating existing aws-auth ConfigMap entries to access entries" and "Create access
//! entries".

use std::collections::BTreeSet;

use eks_core::{ConfigMapMapping, Problems, Ref, RoleArn};

use super::{Migration, RoleLookup};
use crate::{
    AccessEntry, AccessPolicy, AccessType,
    access::{RESERVED, sanitised, username_rule},
};

const MASTERS: &str = "system:masters";
const BY_INSTANCE: &str = "system:node:{{EC2PrivateDNSName}}";
const BY_SESSION: &str = "system:node:{{SessionName}}";
const PROXIER: &str = "system:node-proxier";
const WINDOWS: &str = "eks:kube-proxy-windows";
/// Groups that EKS gives to nodes by the type of their entry.
const OF_NODES: [&str; 4] = ["system:bootstrappers", "system:nodes", PROXIER, WINDOWS];

const LEAVE: &str = "leave it in aws-auth, by naming it to Migration::new";

impl Migration {
    pub(super) fn take(&mut self, mapping: &ConfigMapMapping, roles: &RoleLookup, problems: &mut Problems) {
        let mapped = mapping.principal.as_str();
        let Some(principal) = self.principal(mapped, roles, problems) else { return };
        let entry = if mapping.username.starts_with("system:node:") {
            self.nodes(mapping, &principal, roles, problems)
        } else {
            self.standard(mapping, &principal, problems)
        };
        if let Some(entry) = entry {
            self.principals.insert(mapped.to_owned(), principal);
            self.entries.push(entry);
        }
    }

    /// The principal's own ARN; `None` if it can have no entry.
    fn principal(&mut self, mapped: &str, roles: &RoleLookup, problems: &mut Problems) -> Option<String> {
        let account = mapped.split(':').nth(4).unwrap_or_default();
        if mapped.contains(":user/") {
            return Some(mapped.to_owned());
        }
        if !mapped.contains(":role/") {
            problems.add(
                "migrate-principal",
                mapped,
                "an access entry is for an IAM role or user; an account's root and federated users have none",
                format!("let a role in instead, or {LEAVE}"),
            );
            return None;
        }
        match roles.roles.get(mapped) {
            Some(Some(arn)) if arn.contains(":role/aws-service-role/") => {
                let message = "is a service-linked role, for which EKS allows no entry; it stays in aws-auth";
                self.find("migrate-service-role", mapped, message);
                self.left.insert(mapped.to_owned(), "is a service-linked role".to_owned());
                None
            }
            Some(Some(arn)) => {
                if arn != mapped {
                    self.find("migrate-path", mapped, format!("is named with its path, {arn}: an entry has it, aws-auth cannot"));
                }
                Some(arn.clone())
            }
            Some(None) => {
                let message = "there is no such role, so its mapping lets nobody in; it stays in aws-auth until someone removes it";
                self.find("migrate-no-role", mapped, message);
                self.left.insert(mapped.to_owned(), "there is no such role".to_owned());
                None
            }
            None => {
                if account != roles.account {
                    let message = "is of another account, where its path cannot be looked up: if it has one, the entry lets nobody in";
                    self.find("migrate-foreign-path", mapped, message);
                }
                Some(mapped.to_owned())
            }
        }
    }

    fn nodes(&mut self, mapping: &ConfigMapMapping, principal: &str, roles: &RoleLookup, problems: &mut Problems) -> Option<AccessEntry> {
        let mapped = mapping.principal.as_str();
        let groups: BTreeSet<&str> = mapping.groups.iter().map(String::as_str).collect();
        let more: Vec<_> = groups.iter().copied().filter(|group| !OF_NODES.contains(group)).collect();
        if !more.is_empty() {
            problems.add(
                "migrate-node-groups",
                mapped,
                format!("maps nodes that are in {}, too; an entry of nodes has no groups of its own", more.join(", ")),
                format!("give nodes and people different roles, or {LEAVE}"),
            );
            return None;
        }
        let kind = match mapping.username.as_str() {
            BY_INSTANCE if groups.contains(WINDOWS) => AccessType::Ec2Windows,
            BY_INSTANCE => AccessType::Ec2Linux,
            BY_SESSION if groups.contains(PROXIER) => AccessType::FargateLinux,
            other => {
                problems.add(
                    "migrate-node-username",
                    mapped,
                    format!("no type of entry gives nodes the user name {other}"),
                    format!("map it to {BY_INSTANCE} first, or {LEAVE}"),
                );
                return None;
            }
        };
        let account = principal.split(':').nth(4).unwrap_or_default();
        let role = principal.parse::<RoleArn>().ok().filter(|_| account == roles.account);
        let Some(role) = role else {
            problems.add(
                "migrate-node-role",
                mapped,
                format!("an entry of type {kind} is for a role of the cluster's account, {}", roles.account),
                format!("run the nodes under a role of that account, or {LEAVE}"),
            );
            return None;
        };
        let message = format!(
            "becomes an entry of type {kind}; EKS makes those of managed node groups and Fargate profiles by itself, and such a one is kept"
        );
        self.find("migrate-nodes", mapped, message);
        Some(AccessEntry::nodes(kind, name("role", principal), Ref::Known(role)))
    }

    fn standard(&mut self, mapping: &ConfigMapMapping, principal: &str, problems: &mut Problems) -> Option<AccessEntry> {
        let mapped = mapping.principal.as_str();
        let kind = if principal.contains(":user/") { "user" } else { "role" };
        let mut entry = AccessEntry::standard(principal).named(name(kind, principal));
        let groups: BTreeSet<&str> = mapping.groups.iter().map(String::as_str).collect();
        let reserved = |group: &&str| *group != MASTERS && RESERVED.iter().any(|prefix| group.starts_with(prefix));
        let refused: Vec<_> = groups.iter().copied().filter(reserved).collect();
        if !refused.is_empty() {
            problems.add(
                "migrate-group",
                mapped,
                format!("is in {}; an entry takes no group that begins with {}", refused.join(", "), RESERVED.join(" ")),
                format!("bind the same roles to a group of your own and map that, or {LEAVE}"),
            );
            return None;
        }
        if groups.contains(MASTERS) {
            entry = entry.policy(AccessPolicy::cluster_admin());
            let message = "leaves system:masters, which an entry cannot give, for AmazonEKSClusterAdminPolicy; bindings to the group no longer concern it";
            self.find("migrate-masters", mapped, message);
        }
        for group in groups.into_iter().filter(|group| *group != MASTERS) {
            entry = entry.group(group);
        }
        match username_rule(&mapping.username) {
            None => entry = entry.username(&mapping.username),
            Some(rule) => {
                let message = format!("its user name {rule}; EKS gives it another, so role bindings to that user must name the new one");
                self.find("migrate-username", mapped, message);
            }
        }
        Some(entry)
    }
}

/// `role-ops`: the key of an entry.
fn name(kind: &str, principal: &str) -> String {
    format!("{kind}-{}", sanitised(principal.rsplit('/').next().unwrap_or_default()))
}
