//! Placeholder.

use serde_json::Value;

use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

/// The service's state.
#[derive(Debug, Default)]
pub(crate) struct State {}

pub(crate) fn handle(_world: &mut World, _caller: &Caller, action: &str, _args: &Args) -> Result<Value, ApiError> {
    Err(ApiError::unknown_action(action))
}

pub(crate) fn inventory(_world: &World, _inventory: &mut Inventory) {}

pub(crate) fn route(_method: &str, _path: &str) -> Option<(&'static str, Vec<(&'static str, String)>)> {
    None
}

/// What the rest of the account must know of a cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterFacts {
    pub(crate) name: String,
    /// `CREATING`, `ACTIVE`, …
    pub(crate) status: String,
    /// Kubernetes minor version, `1.36`.
    pub(crate) version: String,
    /// Host of the endpoint, without scheme.
    pub(crate) endpoint_host: String,
    /// Base64 of the certificate authority, as DescribeCluster tells it.
    pub(crate) certificate_authority: String,
    pub(crate) service_cidr: String,
    pub(crate) vpc: String,
    pub(crate) subnets: Vec<String>,
    /// Groups given at creation.
    pub(crate) security_groups: Vec<String>,
    /// The group that EKS made.
    pub(crate) cluster_security_group: String,
    /// `CONFIG_MAP`, `API_AND_CONFIG_MAP` or `API`.
    pub(crate) authentication_mode: String,
    pub(crate) endpoint_public: bool,
    /// ARN of whoever created the cluster, if it was given administrator rights.
    pub(crate) creator_admin: Option<String>,
    pub(crate) role_arn: String,
}

/// A mapping from an IAM principal into the cluster, as access entries give it (only those that have taken effect).
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessFacts {
    /// `STANDARD`, `EC2_LINUX`, …
    pub(crate) kind: String,
    pub(crate) username: String,
    pub(crate) groups: Vec<String>,
    /// ARNs of associated access policies.
    pub(crate) policies: Vec<String>,
}

/// A cluster by name.
pub(crate) fn cluster(_world: &World, _name: &str) -> Option<ClusterFacts> {
    None
}

/// The cluster that an endpoint's host belongs to, while it is there.
pub(crate) fn cluster_by_host(_world: &World, _host: &str) -> Option<String> {
    None
}

/// The access entry of a principal (a role's ARN, or a user's).
pub(crate) fn access(_world: &World, _cluster: &str, _principal: &str) -> Option<AccessFacts> {
    None
}

/// Whether an add-on's software runs: managed and installed, or self-managed from the start.
pub(crate) fn software_installed(_world: &World, _cluster: &str, _addon: &str) -> bool {
    false
}

/// The role that Pod Identity gives to a service account, if the association and the agent are there.
pub(crate) fn pod_role(_world: &World, _cluster: &str, _namespace: &str, _service_account: &str) -> Option<String> {
    None
}

/// Nodes came or went; Kubernetes calls this, as add-ons such as coredns wait for nodes.
pub(crate) fn nodes_changed(_world: &mut World, _cluster: &str) {}
