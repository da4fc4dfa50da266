//! From the ConfigMap aws-auth to access entries, with both live until entries are proven.
//!
//! 1. [`Migration::new`] (or `Clusters::migration`, which looks up what it needs) makes an entry of each mapping, or refuses.
//! 2. The entries go into the cluster's spec, with [`eks_core::AuthenticationMode::ApiAndConfigMap`]; its plan shows the change of
//!    the mode, which EKS never takes back, and applies both. From then on EKS asks entries first, aws-auth second.
//! 3. `Clusters::prove_access` looks whether every entry stands, and an administrator shows that it enters by its entry.
//! 4. [`Migration::removable`] tells, against that proof, which mappings may go. Removing them is eks-k8s's, an act of its own;
//!    until then, deleting an entry brings the mapping back into effect.
//! 5. [`Migration::last_mode`] gives [`eks_core::AuthenticationMode::Api`] once aws-auth maps nobody, for a last change of the spec.

mod entry;
mod identity;
mod proof;

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{AuthenticationMode, ConfigMapAccess, Error, Problems, SpecError};

pub use identity::KubernetesIdentity;
#[cfg(feature = "kube")]
pub use identity::who_am_i;
pub use proof::{AccessProof, Standing};

use crate::{AccessEntry, plan::refused};

/// What a migration comes to: entries for whom aws-auth lets in.
///
/// ```
/// use eks_cluster::{Migration, RoleLookup};
/// use eks_core::{ConfigMapAccess, ConfigMapMapping};
///
/// let arn = "arn:aws:iam::123456789012:role/ops";
/// let mapped = ConfigMapAccess {
///     mappings: vec![ConfigMapMapping { principal: arn.into(), username: "ops".into(), groups: vec!["system:masters".into()] }],
///     accounts: vec![],
/// };
/// let roles = RoleLookup::new("123456789012").found(arn, "arn:aws:iam::123456789012:role/team/ops");
/// let migration = Migration::new(&mapped, &roles, [])?;
/// assert_eq!(migration.entries()[0].policies()[0].name(), "AmazonEKSClusterAdminPolicy");
/// assert_eq!(migration.entries()[0].principal().to_string(), "arn:aws:iam::123456789012:role/team/ops");
/// # Ok::<(), eks_core::SpecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    entries: Vec<AccessEntry>,
    /// By the ARN that aws-auth has: the entry's principal.
    principals: BTreeMap<String, String>,
    left: BTreeMap<String, String>,
    findings: Vec<MigrationFinding>,
}

/// What a migration changes for somebody, or cannot bring over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationFinding {
    /// Stable name of the rule, for programs: `migrate-masters`.
    pub code: &'static str,
    /// Whom it concerns: an ARN as aws-auth has it, or an account.
    pub subject: String,
    /// What is so, and what to do about it.
    pub message: String,
}

/// What IAM knows of the roles that aws-auth maps. Their ARNs there have no path; an access entry needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleLookup {
    account: String,
    /// By the ARN that aws-auth has: the role's own; `None` if there is no such role.
    roles: BTreeMap<String, Option<String>>,
}

impl RoleLookup {
    /// Of the cluster's account: 12 digits.
    pub fn new(account: impl Into<String>) -> Self {
        Self { account: account.into(), roles: BTreeMap::new() }
    }

    /// The role that a mapping names has this ARN.
    #[must_use]
    pub fn found(mut self, mapped: impl Into<String>, arn: impl Into<String>) -> Self {
        self.roles.insert(mapped.into(), Some(arn.into()));
        self
    }

    /// There is no role as a mapping names it.
    #[must_use]
    pub fn absent(mut self, mapped: impl Into<String>) -> Self {
        self.roles.insert(mapped.into(), None);
        self
    }
}

impl Migration {
    /// Makes an entry of every mapping. `leave` names mappings, by their ARNs in aws-auth, that stay there: with both ways in, they
    /// keep working, and the last mode stays out of reach.
    ///
    /// # Errors
    /// [`SpecError`] with every mapping that EKS takes no entry for, above all groups that begin with `system:`.
    pub fn new<'a>(mapped: &ConfigMapAccess, roles: &RoleLookup, leave: impl IntoIterator<Item = &'a str>) -> Result<Self, SpecError> {
        let leave: BTreeSet<&str> = leave.into_iter().collect();
        let mut problems = Problems::new();
        let mut made = Self { entries: Vec::new(), principals: BTreeMap::new(), left: BTreeMap::new(), findings: Vec::new() };
        for mapping in &mapped.mappings {
            if leave.contains(mapping.principal.as_str()) {
                made.left.insert(mapping.principal.clone(), "is left on purpose".to_owned());
            } else {
                made.take(mapping, roles, &mut problems);
            }
        }
        for account in &mapped.accounts {
            let message = "an account cannot have an entry: make one for each role and user of it that enters";
            made.find("migrate-account", account, message);
            made.left.insert(account.clone(), "is an account".to_owned());
        }
        made.name_apart();
        problems.finish("migration from aws-auth", || made)
    }

    /// The entries, for [`crate::ClusterSpecBuilder::access_entries`].
    pub fn entries(&self) -> &[AccessEntry] {
        &self.entries
    }

    /// What changes for whom.
    pub fn findings(&self) -> &[MigrationFinding] {
        &self.findings
    }

    /// What stays in aws-auth, and why.
    pub fn left(&self) -> &BTreeMap<String, String> {
        &self.left
    }

    /// The mappings, by their ARNs in aws-auth, that may be removed from it.
    ///
    /// Proven means: each entry says what it should; its role is older than it, as EKS lets in the very role that the entry was made
    /// for; it is old enough to be in effect; and where administrators are brought over, at least one was seen to enter by its entry.
    ///
    /// # Errors
    /// [`Error::Refused`] with everything that is not proven.
    pub fn removable(&self, proof: &AccessProof) -> Result<Vec<&str>, Error> {
        let mut wanting = Vec::new();
        for entry in &self.entries {
            let Some(principal) = entry.principal.known() else { continue };
            match proof.standing(principal) {
                Some(Standing::Stands) => {}
                Some(standing) => wanting.push(format!("{principal} {standing}")),
                None => wanting.push(format!("{principal} was not looked at")),
            }
        }
        let admins: Vec<_> = self.entries.iter().filter(|entry| entry.is_admin()).filter_map(|entry| entry.principal.known()).collect();
        if !admins.is_empty() && !admins.iter().any(|principal| proof.entered_by_entry(principal)) {
            wanting.push("no administrator was seen to enter by its entry".to_owned());
        }
        if wanting.is_empty() {
            return Ok(self.principals.keys().map(String::as_str).collect());
        }
        Err(refused(
            "migration from aws-auth",
            format!("is not proven: {}", wanting.join("; ")),
            "apply the plan, wait a minute, and show with who_am_i that an administrator enters; nothing was removed",
        ))
    }

    /// The mode without aws-auth, once it maps nobody; `now` is what it says by then.
    ///
    /// # Errors
    /// [`Error::Refused`] if somebody would be locked out.
    pub fn last_mode(&self, now: &ConfigMapAccess) -> Result<AuthenticationMode, Error> {
        let left: Vec<_> =
            now.mappings.iter().map(|mapping| mapping.principal.as_str()).chain(now.accounts.iter().map(String::as_str)).collect();
        if left.is_empty() {
            return Ok(AuthenticationMode::Api);
        }
        Err(refused(
            "migration from aws-auth",
            format!("aws-auth still maps {}, whom authentication mode API would lock out", left.join(", ")),
            "migrate them, or remove their mappings; EKS has no way back from API",
        ))
    }

    fn find(&mut self, code: &'static str, subject: &str, message: impl Into<String>) {
        self.findings.push(MigrationFinding { code, subject: subject.to_owned(), message: message.into() });
    }

    /// Names become keys; those of another path or account may be the same.
    fn name_apart(&mut self) {
        let mut seen = BTreeSet::new();
        for entry in &mut self.entries {
            let name = entry.name.clone();
            let mut number = 2;
            while !seen.insert(entry.name.clone()) {
                entry.name = format!("{name}-{number}");
                number += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
