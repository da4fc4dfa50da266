//! EKS add-ons.

mod check;
mod health;
mod role;
#[cfg(feature = "aws")]
mod schema;
mod version;

use std::fmt;

use eks_core::{KeyError, Ref, RoleArn, StepKey};
use serde::{Deserialize, Serialize};

pub use self::role::AddonRole;
#[cfg(feature = "aws")]
pub use self::schema::{AddonSchema, SchemaError, Violation};
pub(crate) use self::{
    health::diagnosis,
    role::{Identity, needs},
    version::hops,
};
#[cfg(feature = "aws")]
pub(crate) use self::{health::lasts, version::compare};
use crate::identity::{PodAccess, RoleKind, RoleLabel, ServiceAccount};

pub(crate) const VPC_CNI: &str = "vpc-cni";
pub(crate) const COREDNS: &str = "coredns";
pub(crate) const KUBE_PROXY: &str = "kube-proxy";
pub(crate) const POD_IDENTITY_AGENT: &str = "eks-pod-identity-agent";
pub(crate) const EBS_CSI: &str = "aws-ebs-csi-driver";

/// Add-ons that EKS installs by itself, unmanaged, unless told not to.
pub(crate) const SELF_MANAGED: [&str; 3] = [VPC_CNI, COREDNS, KUBE_PROXY];

/// DaemonSets, which are whole with no node at all. Everything else has Pods that wait for one.
const NODELESS: [&str; 4] = [VPC_CNI, KUBE_PROXY, POD_IDENTITY_AGENT, "eks-node-monitoring-agent"];

/// Whether an add-on is whole with no node at all.
pub(crate) fn runs_without_nodes(name: &str) -> bool {
    NODELESS.contains(&name)
}

/// What EKS does with fields that others have set. EKS API Reference, CreateAddon and UpdateAddon, `resolveConflicts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(clippy::exhaustive_enums, reason = "EKS has these three")]
pub enum Conflicts {
    /// It fails.
    None,
    /// It sets them as the add-on has them.
    Overwrite,
    /// It leaves them.
    Preserve,
}

impl Conflicts {
    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Overwrite => "OVERWRITE",
            Self::Preserve => "PRESERVE",
        }
    }
}

/// One EKS add-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addon {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) latest: bool,
    pub(crate) configuration: Option<String>,
    pub(crate) identity: Identity,
    pub(crate) conflicts: Option<Conflicts>,
    pub(crate) namespace: Option<String>,
}

impl Addon {
    /// An add-on by EKS's name, in the default version for the cluster's Kubernetes version. `aws-ebs-csi-driver` gets a
    /// role of its own through EKS Pod Identity, as it cannot work without one.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let identity = if name == EBS_CSI { Identity::Own(AddonRole::pod_identity()) } else { Identity::None };
        Self { name, version: None, latest: false, configuration: None, identity, conflicts: None, namespace: None }
    }

    /// Pins a version: `v1.20.4-eksbuild.2`. It must be one that EKS offers for the cluster's Kubernetes version. Without, a new add-on
    /// gets EKS's default, and one that exists keeps the version that it has.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The newest version that EKS offers for the cluster's Kubernetes version: a later plan updates the add-on when there is a newer
    /// one.
    #[must_use]
    pub fn latest(mut self) -> Self {
        self.latest = true;
        self
    }

    /// What happens to fields that others have set. Default: where EKS has installed the software by itself, the add-on takes it over
    /// ([`Conflicts::Overwrite`]); elsewhere its creation fails; an update leaves such fields ([`Conflicts::Preserve`]).
    #[must_use]
    pub fn conflicts(mut self, conflicts: Conflicts) -> Self {
        self.conflicts = Some(conflicts);
        self
    }

    /// Where its software runs, instead of the add-on's own namespace. Cannot be changed later.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Configuration values, JSON or YAML. `Clusters::plan` checks them against the schema that DescribeAddonConfiguration tells.
    #[must_use]
    pub fn configuration(mut self, values: impl Into<String>) -> Self {
        self.configuration = Some(values.into());
        self
    }

    /// A role of our own.
    #[must_use]
    pub fn role(mut self, role: AddonRole) -> Self {
        self.identity = Identity::Own(role);
        self
    }

    /// Gives the add-on a role that exists, by its service account's own token; the role must trust the cluster's issuer.
    #[must_use]
    pub fn irsa(mut self, role: impl Into<Ref<RoleArn>>) -> Self {
        self.identity = Identity::Irsa { role: role.into() };
        self
    }

    /// Gives a service account of the add-on a role that exists, through EKS Pod Identity. Which role an add-on has is not seen where
    /// another step of the plan tells the one that it should have.
    #[must_use]
    pub fn pod_identity(mut self, service_account: impl Into<String>, role: impl Into<Ref<RoleArn>>) -> Self {
        self.identity = Identity::Given { service_account: service_account.into(), role: role.into() };
        self
    }

    /// No role: its Pods use the node's.
    #[must_use]
    pub fn without_role(mut self) -> Self {
        self.identity = Identity::None;
        self
    }

    pub(crate) fn key(&self) -> Result<StepKey, KeyError> {
        StepKey::new(["cluster", "addon", &self.name])
    }

    pub(crate) fn ready_key(&self) -> Result<StepKey, KeyError> {
        StepKey::new(["cluster", "addon-ready", &self.name])
    }

    /// The role of our own that it needs.
    pub(crate) fn role_kind(&self) -> Option<RoleKind> {
        match &self.identity {
            Identity::Own(_) if self.name == EBS_CSI => Some(RoleKind::EbsCsi),
            Identity::Own(_) => RoleLabel::new(&self.name).ok().map(RoleKind::Addon),
            _ => None,
        }
    }

    /// Service accounts of the role of our own.
    pub(crate) fn service_accounts(&self) -> Vec<ServiceAccount> {
        let Identity::Own(role) = &self.identity else { return Vec::new() };
        let needs = needs(&self.name);
        let namespace = self.namespace.as_deref().or(needs.as_ref().map(|needs| needs.namespace)).unwrap_or("kube-system");
        let known = needs.iter().flat_map(|needs| needs.service_accounts.iter().copied());
        let mut names: Vec<&str> = known.chain(role.service_accounts.iter().map(String::as_str)).collect();
        names.dedup();
        names.into_iter().map(|name| ServiceAccount::new(namespace, name)).collect()
    }

    /// By which way it gets its role, if it has one.
    pub(crate) fn access(&self) -> Option<PodAccess> {
        match &self.identity {
            Identity::None => None,
            Identity::Own(role) => Some(role.access),
            Identity::Given { .. } => Some(PodAccess::PodIdentity),
            Identity::Irsa { .. } => Some(PodAccess::Irsa),
        }
    }

    /// Whether it becomes ACTIVE only once nodes run its Pods.
    pub(crate) fn needs_nodes(&self) -> bool {
        !runs_without_nodes(&self.name)
    }

    /// Whether nodes can become Ready only with it.
    pub(crate) fn is_needed_by_nodes(&self) -> bool {
        [VPC_CNI, KUBE_PROXY].contains(&self.name.as_str())
    }
}

/// The add-ons of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addons(pub(crate) Vec<Addon>);

impl Addons {
    /// What a cluster with persistent volumes needs: vpc-cni, kube-proxy, coredns, eks-pod-identity-agent and
    /// aws-ebs-csi-driver.
    #[must_use]
    pub fn default_set() -> Self {
        Self([VPC_CNI, KUBE_PROXY, COREDNS, POD_IDENTITY_AGENT, EBS_CSI].into_iter().map(Addon::new).collect())
    }

    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, addon: Addon) -> Self {
        match self.0.iter_mut().find(|other| other.name == addon.name) {
            Some(other) => *other = addon,
            None => self.0.push(addon),
        }
        self
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|addon| addon.name == name)
    }

    /// Whether the add-ons make all that EKS would install by itself.
    pub(crate) fn replace_self_managed(&self) -> bool {
        SELF_MANAGED.iter().all(|name| self.has(name))
    }
}

impl FromIterator<Addon> for Addons {
    fn from_iter<I: IntoIterator<Item = Addon>>(addons: I) -> Self {
        addons.into_iter().fold(Self::none(), Self::with)
    }
}

/// An add-on as CreateAddon is asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddonRequest {
    /// Name of the add-on.
    pub name: String,
    /// Its version, decided.
    pub version: String,
    /// Versions that an update goes through first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// Configuration values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// Where its software runs, if not in its own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Service accounts and their roles, through EKS Pod Identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_identity: Vec<(String, Ref<RoleArn>)>,
    /// The role that its service accounts take by their own tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_role: Option<Ref<RoleArn>>,
    /// What a creation does with fields that others have set.
    pub on_create: Conflicts,
    /// What an update does with them.
    pub on_update: Conflicts,
    /// Wait until it is ACTIVE; not for what waits for nodes.
    pub wait: bool,
}

/// An add-on that should not be there any more. A plan never deletes: `Clusters::removals` makes a teardown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct AddonRemoval {
    pub(crate) name: String,
    pub(crate) preserve: bool,
}

impl AddonRemoval {
    /// Removes an add-on of ours, and its software with it.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), preserve: false }
    }

    /// Leaves its software in the cluster, managed by nobody.
    pub fn preserving_software(mut self) -> Self {
        self.preserve = true;
        self
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
