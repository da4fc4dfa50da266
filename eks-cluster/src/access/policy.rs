//! Access policies: Kubernetes permissions that EKS manages, and where they hold.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// The policy of administrators.
pub(crate) const CLUSTER_ADMIN: &str = "AmazonEKSClusterAdminPolicy";

/// An access policy for the principal of an entry. EKS User Guide, "Review access policy permissions".
///
/// ```
/// use eks_cluster::AccessPolicy;
///
/// let policy = AccessPolicy::edit().in_namespaces(["shop", "dev-*"]);
/// assert_eq!(policy.to_string(), "AmazonEKSEditPolicy in dev-*, shop");
/// assert_eq!(AccessPolicy::view().to_string(), "AmazonEKSViewPolicy");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessPolicy {
    pub(crate) name: String,
    pub(crate) scope: AccessScope,
}

/// Where an access policy holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a third scope would be a new decision for the user")]
pub enum AccessScope {
    /// In the whole cluster.
    Cluster,
    /// In these namespaces; `*` stands for any characters.
    Namespaces(BTreeSet<String>),
}

impl AccessPolicy {
    /// A policy by EKS's name of it, in the whole cluster. ListAccessPolicies tells the names.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), scope: AccessScope::Cluster }
    }

    /// AmazonEKSClusterAdminPolicy: everything, as `cluster-admin`.
    #[must_use]
    pub fn cluster_admin() -> Self {
        Self::new(CLUSTER_ADMIN)
    }

    /// AmazonEKSAdminPolicy: most of a namespace, as `admin`.
    #[must_use]
    pub fn admin() -> Self {
        Self::new("AmazonEKSAdminPolicy")
    }

    /// AmazonEKSAdminViewPolicy: sees everything, secrets too.
    #[must_use]
    pub fn admin_view() -> Self {
        Self::new("AmazonEKSAdminViewPolicy")
    }

    /// AmazonEKSEditPolicy: changes most objects, as `edit`.
    #[must_use]
    pub fn edit() -> Self {
        Self::new("AmazonEKSEditPolicy")
    }

    /// AmazonEKSViewPolicy: sees most objects, as `view`.
    #[must_use]
    pub fn view() -> Self {
        Self::new("AmazonEKSViewPolicy")
    }

    /// The same policy in these namespaces alone. `dev-*` is every namespace that begins with `dev-`.
    #[must_use]
    pub fn in_namespaces<S: Into<String>>(mut self, namespaces: impl IntoIterator<Item = S>) -> Self {
        self.scope = AccessScope::Namespaces(namespaces.into_iter().map(Into::into).collect());
        self
    }

    /// EKS's name of it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it holds.
    pub fn scope(&self) -> &AccessScope {
        &self.scope
    }
}

impl AccessScope {
    /// Whether everything within `other` is within this scope too; wildcards are compared as text.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cluster, _) => true,
            (Self::Namespaces(_), Self::Cluster) => false,
            (Self::Namespaces(these), Self::Namespaces(those)) => those.is_subset(these),
        }
    }
}

impl fmt::Display for AccessScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("the whole cluster"),
            Self::Namespaces(names) => f.write_str(&names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl fmt::Display for AccessPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            AccessScope::Cluster => f.write_str(&self.name),
            scope @ AccessScope::Namespaces(_) => write!(f, "{} in {scope}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_cluster_covers_everything() {
        let names = |names: &[&str]| AccessPolicy::view().in_namespaces(names.iter().copied()).scope;
        assert!(AccessScope::Cluster.covers(&names(&["a"])));
        assert!(!names(&["a"]).covers(&AccessScope::Cluster));
        assert!(names(&["a", "b"]).covers(&names(&["b"])));
        assert!(!names(&["a"]).covers(&names(&["a", "b"])));
    }
}
