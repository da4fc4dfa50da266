//! EKS add-ons.

use eks_core::{KeyError, Problems, Ref, RoleArn, StepKey};
use serde::{Deserialize, Serialize};

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

/// The service account of the EBS CSI controller.
pub(crate) const EBS_CSI_SERVICE_ACCOUNT: &str = "ebs-csi-controller-sa";

/// One EKS add-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addon {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) configuration: Option<String>,
    pub(crate) identity: Identity,
}

/// How an add-on's Pods get AWS permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Not at all, or by the node's role.
    None,
    /// Our own role for the EBS CSI driver.
    OwnEbsCsi,
    /// A role of the user's.
    Given { service_account: String, role: Ref<RoleArn> },
}

impl Addon {
    /// An add-on by EKS's name, in the default version for the cluster's Kubernetes version. `aws-ebs-csi-driver` gets a
    /// role of its own through EKS Pod Identity, as it cannot work without one.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let identity = if name == EBS_CSI { Identity::OwnEbsCsi } else { Identity::None };
        Self { name, version: None, configuration: None, identity }
    }

    /// Pins a version: `v1.20.4-eksbuild.2`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Configuration values, JSON or YAML, by the schema that DescribeAddonConfiguration tells.
    #[must_use]
    pub fn configuration(mut self, values: impl Into<String>) -> Self {
        self.configuration = Some(values.into());
        self
    }

    /// Gives a service account of the add-on a role, through EKS Pod Identity. A plan sees whether an add-on that exists has
    /// a role, and not which: to change the role, delete the association first, and plan again.
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

    /// Whether it becomes ACTIVE only once nodes run its Pods.
    pub(crate) fn needs_nodes(&self) -> bool {
        !NODELESS.contains(&self.name.as_str())
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

    pub(crate) fn check(&self, problems: &mut Problems) {
        for addon in &self.0 {
            addon.check(problems);
            if addon.identity != Identity::None && !self.has(POD_IDENTITY_AGENT) {
                problems.add(
                    "addon-role-without-agent",
                    format!("add-on {}", addon.name),
                    format!("its role comes through EKS Pod Identity, which needs the add-on {POD_IDENTITY_AGENT}"),
                    format!("add {POD_IDENTITY_AGENT}, or call without_role()"),
                );
            }
        }
    }
}

impl FromIterator<Addon> for Addons {
    fn from_iter<I: IntoIterator<Item = Addon>>(addons: I) -> Self {
        addons.into_iter().fold(Self::none(), Self::with)
    }
}

impl Addon {
    fn check(&self, problems: &mut Problems) {
        let subject = format!("add-on {:?}", self.name);
        let fine = self.name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && self.name.len() <= 100
            && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !fine {
            problems.add(
                "addon-name",
                &subject,
                "is not 1–100 letters, digits, hyphens and underscores, beginning with a letter or digit",
                "use a name that DescribeAddonVersions tells",
            );
        }
        if let Some(version) = self.version.as_deref().filter(|version| !is_version(version)) {
            problems.add(
                "addon-version",
                &subject,
                format!("{version:?} is not an add-on version"),
                "write it as DescribeAddonVersions does, v1.20.4-eksbuild.2, or leave it out for the default",
            );
        }
        // YAML is checked by EKS; what begins as JSON must be JSON.
        let json = self.configuration.as_deref().filter(|values| values.trim_start().starts_with('{'));
        if let Some(error) = json.and_then(|values| serde_json::from_str::<serde_json::Value>(values).err()) {
            problems.add("addon-configuration", &subject, format!("its configuration is not JSON: {error}"), "correct it, or write YAML");
        }
        if let Identity::Given { service_account, .. } = &self.identity {
            let fine = (1..=253).contains(&service_account.len())
                && service_account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
            if !fine {
                problems.add(
                    "addon-service-account",
                    &subject,
                    format!("{service_account:?} is not the name of a Kubernetes service account"),
                    "write its name without its namespace, such as ebs-csi-controller-sa",
                );
            }
        }
    }
}

/// `v1.20.4-eksbuild.2`
fn is_version(text: &str) -> bool {
    let Some((release, build)) = text.strip_prefix('v').and_then(|rest| rest.split_once('-')) else { return false };
    let numbers: Vec<_> = release.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        && !build.is_empty()
        && build.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
}

/// An add-on as CreateAddon is asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddonRequest {
    /// Name of the add-on.
    pub name: String,
    /// Its version, decided.
    pub version: String,
    /// Configuration values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// Service account and its role, through EKS Pod Identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_identity: Option<(String, Ref<RoleArn>)>,
    /// Replace what is there unmanaged.
    pub overwrite: bool,
    /// Wait until it is ACTIVE; not for what waits for nodes.
    pub wait: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(addons: Addons) -> Vec<&'static str> {
        let mut problems = Problems::new();
        addons.check(&mut problems);
        problems.finish("x", || ()).err().map(|e| e.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
    }

    #[test]
    fn the_default_set_is_fine_and_replaces_what_eks_would_install() {
        assert!(codes(Addons::default_set()).is_empty());
        assert!(Addons::default_set().replace_self_managed());
        assert!(!Addons::none().with(Addon::new(VPC_CNI)).replace_self_managed());
    }

    #[test]
    fn wrong_addons() {
        let one = |addon: Addon| codes(Addons::none().with(addon));
        assert_eq!(one(Addon::new("vpc cni")), ["addon-name"]);
        assert_eq!(one(Addon::new("coredns").version("1.11")), ["addon-version"]);
        assert_eq!(one(Addon::new("coredns").configuration("{replicas: 2}")), ["addon-configuration"]);
        assert!(one(Addon::new("coredns").configuration("replicaCount: 2")).is_empty());
        assert_eq!(one(Addon::new(EBS_CSI)), ["addon-role-without-agent"]);
        assert!(one(Addon::new(EBS_CSI).without_role()).is_empty());
        let role = RoleArn::new("arn:aws:iam::123456789012:role/x").unwrap();
        let given = Addons::default_set().with(Addon::new("x").pod_identity("kube-system/x", role));
        assert_eq!(codes(given), ["addon-service-account"]);
    }

    #[test]
    fn a_later_addon_replaces_one_of_its_name() {
        let addons = Addons::default_set().with(Addon::new(COREDNS).version("v1.12.4-eksbuild.1"));
        assert_eq!(addons.0.len(), 5);
        assert_eq!(addons.0[2].version.as_deref(), Some("v1.12.4-eksbuild.1"));
    }
}
