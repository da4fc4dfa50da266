//! Access policies and their association with access entries.

use serde_json::{Value, json};

use super::{access, invalid_parameter, invalid_request, not_found, page, required};
use crate::{call::Args, error::ApiError, world::World};

const POLICY_PREFIX: &str = "arn:aws:eks::aws:cluster-access-policy/";

/// Access policies (user guide, "Review access policy permissions").
const POLICIES: &[&str] = &[
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStorageClusterPolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSComputeClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSHybridPolicy",
    "AmazonEKSLoadBalancingClusterPolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingClusterPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSViewPolicy",
];

#[derive(Clone, Debug)]
pub(super) struct Associated {
    pub(super) arn: String,
    scope: String,
    namespaces: Vec<String>,
    associated: f64,
    modified: f64,
}

impl Associated {
    /// Administrator rights in the whole cluster, as its creator gets them.
    pub(super) fn cluster_admin(now: f64) -> Self {
        Self {
            arn: format!("{POLICY_PREFIX}AmazonEKSClusterAdminPolicy"),
            scope: "cluster".to_owned(),
            namespaces: Vec::new(),
            associated: now,
            modified: now,
        }
    }

    pub(super) fn is_for_cluster(&self) -> bool {
        self.scope == "cluster"
    }

    fn describe(&self) -> Value {
        json!({
            "policyArn": self.arn,
            "accessScope": {"type": self.scope, "namespaces": self.namespaces},
            "associatedAt": self.associated,
            "modifiedAt": self.modified,
        })
    }
}

pub(super) fn associate(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let arn = required(args, "policyArn")?;
    if !arn.strip_prefix(POLICY_PREFIX).is_some_and(|name| POLICIES.contains(&name)) {
        return Err(invalid_parameter(format!("The specified policyArn is invalid: {arn}")));
    }
    let scope = args.sub("accessScope");
    let (kind, namespaces) = (required(&scope, "type")?, scope.strings("namespaces"));
    match kind {
        "cluster" if namespaces.is_empty() => {}
        "namespace" if !namespaces.is_empty() => {}
        "cluster" | "namespace" => return Err(invalid_parameter("Namespaces go with an access scope of type namespace, and only with it")),
        _ => return Err(invalid_parameter("The access scope's type must be one of [cluster, namespace]")),
    }
    let mut told = Value::Null;
    access::change(world, args, |entry, now| {
        if !matches!(entry.kind.as_str(), "STANDARD" | "EC2") {
            return Err(invalid_request(format!("Access policies cannot be associated with an access entry of type {}", entry.kind)));
        }
        // Associating again changes the scope.
        let associated = entry.policies.iter().find(|policy| policy.arn == arn).map_or(now, |policy| policy.associated);
        entry.policies.retain(|policy| policy.arn != arn);
        let policy = Associated { arn: arn.to_owned(), scope: kind.to_owned(), namespaces, associated, modified: now };
        told = policy.describe();
        entry.policies.push(policy);
        Ok(())
    })?;
    Ok(json!({"clusterName": args.str("clusterName"), "principalArn": args.str("principalArn"), "associatedAccessPolicy": told}))
}

pub(super) fn disassociate(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let arn = required(args, "policyArn")?;
    access::change(world, args, |entry, _| {
        let before = entry.policies.len();
        entry.policies.retain(|policy| policy.arn != arn);
        if entry.policies.len() == before {
            Err(not_found(format!("The policy {arn} is not associated with the access entry.")))
        } else {
            Ok(())
        }
    })?;
    Ok(json!({}))
}

pub(super) fn list_associated(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = access::usable(world, args)?;
    let entry = access::find(cluster, required(args, "principalArn")?)?;
    let mut reply = page("associatedAccessPolicies", entry.policies.iter().map(Associated::describe).collect(), args)?;
    reply["clusterName"] = json!(cluster.name);
    reply["principalArn"] = json!(entry.principal);
    Ok(reply)
}

pub(super) fn list_policies(args: &Args) -> Result<Value, ApiError> {
    let policies = POLICIES.iter().map(|name| json!({"name": name, "arn": format!("{POLICY_PREFIX}{name}")})).collect();
    page("accessPolicies", policies, args)
}
