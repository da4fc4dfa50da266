//! What of a cluster differs from its spec: what EKS changes in place, and what it does not.

use std::collections::BTreeMap;

use eks_core::{AuthenticationMode, Error, Ref};

use super::{placement::Placed, refused};
use crate::{
    AutoMode, ClusterChange, ClusterSpec, EgressMode, Encryption, Observed, ObservedCluster, RoleChoice, RoleKind, ScalingTier, Support,
    UpgradePolicy,
    change::{are, rank},
};

impl ClusterSpec {
    fn not_in_place(&self, rule: String, remedy: &str) -> Error {
        refused(format!("cluster {}", self.name), rule, remedy)
    }

    /// What stands against any change.
    pub(super) fn refuse(&self, cluster: &ObservedCluster) -> Result<(), Error> {
        let refuse = |rule: String, remedy: &str| Err(self.not_in_place(rule, remedy));
        if !cluster.is_owned_by(&self.owner) {
            return refuse(
                format!("exists, and does not carry the tag that names {} as its owner", self.owner),
                "choose another name; what others made is never touched",
            );
        }
        match cluster.status.as_str() {
            "DELETING" => return refuse("is being deleted".to_owned(), "wait until it is gone, then plan again"),
            "FAILED" => {
                let told: Vec<_> = cluster.issues.iter().map(|issue| issue.with_remedy()).collect();
                let told = if told.is_empty() { "EKS tells no reason".to_owned() } else { told.join("; ") };
                return refuse(
                    format!("creating it has failed: {told}"),
                    "EKS does not mend a cluster that failed: tear it down, mend the cause, and plan again",
                );
            }
            _ => {}
        }
        if cluster.version != self.version.to_string() {
            return refuse(
                format!("runs Kubernetes {}, the spec says {}", cluster.version, self.version),
                "a version upgrade is a flow of its own, upgrade::Upgrade; give the version that it runs",
            );
        }
        if cluster.settings.ip_family != self.settings.ip_family {
            return refuse(
                format!("its IP family is {}, the spec says {}; EKS cannot change it", cluster.settings.ip_family, self.settings.ip_family),
                "keep it, or make another cluster",
            );
        }
        if let Some(wanted) = self.service_cidr.map(|block| block.to_string())
            && let Some(found) = cluster.service_cidr.as_ref().filter(|found| **found != wanted)
        {
            return refuse(
                format!("its service CIDR is {found}, the spec says {wanted}; EKS cannot change it"),
                "keep it, or make another cluster",
            );
        }
        let role_name = match &self.role {
            RoleChoice::Existing(arn) => arn.name().to_owned(),
            RoleChoice::Own { .. } => RoleKind::Cluster.name(&self.owner, self.region()),
        };
        if cluster.role.rsplit('/').next() != Some(role_name.as_str()) {
            return refuse(
                format!("acts under {}, the spec says {role_name}; EKS cannot change it", cluster.role),
                "give the role that it has, or make another cluster",
            );
        }
        if let Some(found) = cluster.creator_admin.filter(|found| *found != self.creator_admin) {
            return refuse(
                format!("was created with creator_admin {found}, the spec says {}; EKS cannot change it", self.creator_admin),
                "keep it; add or remove the creator's access entry instead",
            );
        }
        Ok(())
    }

    /// What can be changed in place and differs, in an order in which each change is allowed after those before it: access entries
    /// before Auto Mode needs them, a provisioned tier before the parameters that need one.
    pub(super) fn changes(&self, cluster: &ObservedCluster, placed: &Placed, now: &Observed) -> Result<Vec<ClusterChange>, Error> {
        let mut changes = self.authentication_changes(cluster, now)?;
        let subnets: Vec<_> = placed.subnets.iter().map(|subnet| subnet.id.clone()).collect();
        if placed.moves || !self.same_groups(cluster) {
            changes.push(ClusterChange::Placement { subnets, security_groups: self.security_groups.clone() });
        }
        let blocks = self.effective_public_access();
        if cluster.endpoint != self.endpoint || (self.endpoint.is_public() && cluster.public_access_cidrs != blocks) {
            changes.push(ClusterChange::Endpoint { endpoint: self.endpoint, public_access_cidrs: blocks });
        }
        if cluster.logging != self.logging {
            changes.push(ClusterChange::Logging(self.logging.clone()));
        }
        changes.extend(self.setting_changes(cluster)?);
        if let Some(policy) = self.upgrade_policy.filter(|policy| cluster.upgrade_policy.is_some_and(|found| found != *policy)) {
            self.refuse_standard_policy(now)?;
            changes.push(ClusterChange::UpgradePolicy(policy));
        }
        if cluster.deletion_protection != self.deletion_protection {
            changes.push(ClusterChange::DeletionProtection(self.deletion_protection));
        }
        let tags: BTreeMap<_, _> =
            self.tags.iter().filter(|(key, value)| cluster.tags.get(*key) != Some(value)).map(|(k, v)| (k.clone(), v.clone())).collect();
        if !tags.is_empty() {
            changes.push(ClusterChange::Tags(tags));
        }
        Ok(changes)
    }

    /// EKS User Guide, "View current cluster upgrade policy".
    pub(super) fn refuse_standard_policy(&self, now: &Observed) -> Result<(), Error> {
        if self.upgrade_policy == Some(UpgradePolicy::Standard) && matches!(self.support(now), Some(Support::Extended { .. })) {
            let rule = format!("Kubernetes {} is in extended support, in which the upgrade policy cannot be STANDARD", self.version);
            return Err(self.not_in_place(rule, "choose UpgradePolicy::Extended, or a version in standard support"));
        }
        Ok(())
    }

    fn authentication_changes(&self, cluster: &ObservedCluster, now: &Observed) -> Result<Vec<ClusterChange>, Error> {
        let Some(found) = cluster.authentication.filter(|found| *found != self.authentication) else { return Ok(Vec::new()) };
        if rank(self.authentication) < rank(found) {
            return Err(self.not_in_place(
                format!("its authentication mode is {}, and EKS has no way back to {}", found.as_str(), self.authentication.as_str()),
                "keep the mode that it has",
            ));
        }
        // There is no way back from API, which reads entries alone: they stand before it comes.
        let waits = self.authentication == AuthenticationMode::Api && !self.entries_stand(now);
        if waits || (found, self.authentication) == (AuthenticationMode::ConfigMap, AuthenticationMode::Api) {
            return Err(self.not_in_place(
                "API would stop reading aws-auth, for good, before the access entries of the spec stand".to_owned(),
                "apply the spec with the mode ApiAndConfigMap first, and with Api then",
            ));
        }
        Ok(vec![ClusterChange::Authentication(self.authentication)])
    }

    /// Groups by id; a reference that nothing resolves is taken for one that the cluster has, if their number agrees.
    fn same_groups(&self, cluster: &ObservedCluster) -> bool {
        if self.is_over_network {
            return are(&self.security_groups, &cluster.security_groups);
        }
        let known =
            |group: &Ref<_>| group.known().is_none_or(|id: &eks_core::SecurityGroupId| cluster.security_groups.contains(id.as_str()));
        self.security_groups.len() == cluster.security_groups.len() && self.security_groups.iter().all(known)
    }

    fn setting_changes(&self, cluster: &ObservedCluster) -> Result<Vec<ClusterChange>, Error> {
        let (wanted, found) = (&self.settings, &cluster.settings);
        let mut changes = Vec::new();
        let egress = found.egress.unwrap_or_default();
        if let Some(mode) = wanted.egress.filter(|mode| *mode != egress) {
            if egress != EgressMode::AwsManaged {
                let rule = format!("its egress mode is {egress}, which is for good, and the spec says {mode}");
                return Err(self.not_in_place(rule, "keep the mode that it has, or make another cluster"));
            }
            changes.push(ClusterChange::Egress(mode));
        }
        match (wanted.encryption.as_ref(), found.encryption.as_ref().and_then(Encryption::key)) {
            (Some(Encryption::AwsOwned), Some(key)) => {
                let rule = format!("is encrypted with {key}, and EKS never takes a key away");
                return Err(self.not_in_place(rule, "give that key, or make another cluster"));
            }
            (Some(Encryption::CustomerManaged(wanted)), Some(key)) if wanted != key => {
                let rule = format!("is encrypted with {key}, the spec says {wanted}; EKS never replaces a key");
                return Err(self.not_in_place(rule, "give the key that it has, or make another cluster"));
            }
            (Some(Encryption::CustomerManaged(wanted)), None) => changes.push(ClusterChange::Encryption(wanted.clone())),
            _ => {}
        }
        let tier = found.tier.unwrap_or_default();
        let to_tier = wanted.tier.filter(|wanted| *wanted != tier);
        let components = wanted.components.beyond(&found.components);
        if components.autoscaler_seconds.is_some() && wanted.tier.unwrap_or(tier) == ScalingTier::Standard {
            let rule = "its control plane is not provisioned, and only there the autoscaler's period can be changed".to_owned();
            return Err(self.not_in_place(rule, "choose a scaling tier, or leave the period out"));
        }
        changes.extend(to_tier.map(ClusterChange::ScalingTier));
        if !components.is_default() {
            changes.push(ClusterChange::Components(components));
        }
        if let Some(networks) =
            wanted.remote_networks.as_ref().filter(|wanted| **wanted != found.remote_networks.clone().unwrap_or_default())
        {
            changes.push(ClusterChange::RemoteNetworks(networks.clone()));
        }
        let auto_mode = found.auto_mode.as_ref().unwrap_or(&AutoMode::Off);
        if let Some(mode) = wanted.auto_mode.as_ref().filter(|mode| !mode.is_met_by(auto_mode)) {
            self.refuse_node_role(mode, auto_mode)?;
            changes.push(ClusterChange::AutoMode(mode.clone()));
        }
        if let Some(on) = wanted.zonal_shift.filter(|on| *on != found.zonal_shift.unwrap_or_default()) {
            changes.push(ClusterChange::ZonalShift(on));
        }
        Ok(changes)
    }

    /// EKS API Reference, ComputeConfigRequest: "This value cannot be changed after the compute capability is enabled."
    fn refuse_node_role(&self, wanted: &AutoMode, found: &AutoMode) -> Result<(), Error> {
        let known = |mode: &AutoMode| mode.node_role().and_then(Ref::known).cloned();
        match (known(wanted), known(found)) {
            (Some(wanted), Some(found)) if wanted != found => Err(self.not_in_place(
                format!("its Auto Mode nodes run under {found}, the spec says {wanted}; EKS cannot change it"),
                "give the role that it has",
            )),
            _ => Ok(()),
        }
    }
}
