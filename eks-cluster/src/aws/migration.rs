//! What a migration from aws-auth looks up, and how its entries are proven.

use std::time::Duration;

use eks_core::{ClusterName, ConfigMapAccess, Error, SpecError, aws::failed};
use jiff::Timestamp;

use super::{Clusters, found};
use crate::{AccessEntry, AccessProof, Migration, RoleLookup, Standing, partition::Partition, plan::refused};

/// EKS User Guide, "Create access entries": effective after "several seconds".
const IN_EFFECT: Duration = Duration::from_secs(60);

/// Why there is no migration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// A call failed, or the cluster is not there.
    #[error("what the migration needs could not be looked up")]
    LookUp(#[from] Error),
    /// Mappings that no entry can stand for.
    #[error("aws-auth has mappings that no access entry can stand for")]
    Mappings(#[from] SpecError),
}

impl Clusters {
    /// A migration of what aws-auth says (eks-k8s reads it) to access entries. One call for the cluster, and one for each role of its
    /// account, as an entry needs the role's path. `leave` as in [`Migration::new`].
    ///
    /// # Errors
    /// [`MigrationError`].
    pub async fn migration<'a>(
        &self,
        cluster: &ClusterName,
        mapped: &ConfigMapAccess,
        leave: impl IntoIterator<Item = &'a str>,
    ) -> Result<Migration, MigrationError> {
        let missing = || refused(format!("cluster {cluster}"), "is not there", "check its name and Region");
        let found = self.describe(cluster).await?.ok_or_else(missing)?;
        let account = found.arn.split(':').nth(4).unwrap_or_default();
        let mut roles = RoleLookup::new(account);
        for mapping in &mapped.mappings {
            let arn = &mapping.principal;
            if !arn.contains(":role/") || arn.split(':').nth(4) != Some(account) {
                continue;
            }
            let name = arn.rsplit('/').next().unwrap_or_default();
            roles = match self.made(name).await? {
                Some((real, _)) => roles.found(arn, real),
                None => roles.absent(arn),
            };
        }
        Ok(Migration::new(mapped, &roles, leave)?)
    }

    /// Looks how entries stand: two calls each, and one more for a role of the cluster's account, whose age tells whether it is the one
    /// that the entry was made for. Add what was seen of those who enter with [`AccessProof::entered`].
    ///
    /// # Errors
    /// If a call fails.
    pub async fn prove_access(&self, cluster: &ClusterName, entries: &[AccessEntry]) -> Result<AccessProof, Error> {
        let mut proof = AccessProof::default();
        let missing = || refused(format!("cluster {cluster}"), "is not there", "check its name and Region");
        let account = self.describe(cluster).await?.ok_or_else(missing)?.arn.split(':').nth(4).map(str::to_owned);
        for entry in entries {
            let Some(principal) = entry.principal.known() else { continue };
            let standing = self.entry_standing(cluster, entry, principal, account.as_deref()).await?;
            proof.standing.insert(principal.clone(), standing);
        }
        Ok(proof)
    }

    async fn entry_standing(
        &self,
        cluster: &ClusterName,
        entry: &AccessEntry,
        principal: &str,
        account: Option<&str>,
    ) -> Result<Standing, Error> {
        let Some(there) = self.access_entry(cluster, principal).await? else { return Ok(Standing::Missing) };
        let lacks = entry.request(Partition::of_region(&self.region)).lacks(&there);
        if !lacks.is_empty() {
            return Ok(Standing::Differs(lacks));
        }
        let name = principal.rsplit('/').next().unwrap_or_default();
        if principal.contains(":role/") && principal.split(':').nth(4) == account {
            match (self.made(name).await?, there.created) {
                (None, _) => return Ok(Standing::RoleGone),
                (Some((real, _)), _) if real != principal => return Ok(Standing::RoleGone),
                (Some((_, Some(role))), Some(entry)) if role > entry => return Ok(Standing::OfEarlierRole),
                _ => {}
            }
        }
        let now = Timestamp::try_from(self.time.now()).unwrap_or(Timestamp::MAX);
        let young = there.created.is_some_and(|created| now.duration_since(created).unsigned_abs() < IN_EFFECT);
        Ok(if young { Standing::TooYoung } else { Standing::Stands })
    }

    /// A role's own ARN, and when it was made.
    async fn made(&self, name: &str) -> Result<Option<(String, Option<Timestamp>)>, Error> {
        let sent = self.iam.get_role().role_name(name).send().await;
        let role = found(sent.map_err(|error| failed("iam:GetRole", name, error)))?.and_then(|answer| answer.role);
        Ok(role.map(|role| {
            let created = Timestamp::from_second(role.create_date().secs()).ok();
            (role.arn, created)
        }))
    }
}
