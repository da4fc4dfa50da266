//! Removing a cluster, whole or half made.

use std::time::Duration;

use eks_core::{After, Error, Finding, Owner, Removal, Survivor, Teardown};

use crate::{
    ClusterOp, ClusterSpec, Observed, Scope,
    grants::Grants,
    identity::RoleKind,
    plan::{broken, control_plane_key, oidc_provider_key, refined, refuse_others, refused},
    price,
};

/// DELETING to gone; public run logs.
pub(crate) const DELETE_TYPICAL: Duration = Duration::from_secs(175);

/// DELETING to gone, of an add-on; public run logs.
pub(crate) const ADDON_DELETE_TYPICAL: Duration = Duration::from_secs(15);

/// What a removal looks at first, and the verdict in the end.
const READS: [&str; 7] = [
    "eks:DescribeCluster",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetOpenIDConnectProvider",
    "iam:GetRole",
    "iam:ListAttachedRolePolicies",
    "iam:ListOpenIDConnectProviders",
    // Where the account's roles may not be read at once.
    "iam:ListRoles",
];

impl crate::ObservedCluster {
    /// What the control plane costs.
    fn usd_per_month(&self, today: Option<jiff::civil::Date>) -> f64 {
        let tier = self.settings.tier.and_then(|tier| tier.price()).map_or(0.0, |price| price.usd_per_month);
        price::usd_per_month(&self.version, today) + tier
    }
}

impl Observed {
    /// What will be removed: the cluster, its identity provider and the roles that carry `owner`'s tag, and nothing else. Add-ons,
    /// access entries and Pod Identity associations go with the cluster.
    ///
    /// A cluster that is protected from deletion, and is not to be unprotected, is listed, and the teardown refuses to be carried out: with it
    /// whatever is joined with it, so that the cluster keeps its nodes and its network.
    ///
    /// # Errors
    /// [`Error::Refused`] if a cluster that does not carry the owner's tag acts under the owner's role: it would stay, without it.
    pub fn teardown(&self, owner: &Owner, scope: &Scope) -> Result<Teardown, Error> {
        let ours = self.cluster.as_ref().filter(|cluster| cluster.is_owned_by(owner));
        self.refuse_stray(owner)?;
        let logged = ours.is_some_and(|cluster| !cluster.logging.is_empty());
        let scope = Scope { logged, unprotect: scope.unprotect, ..Scope::everything(scope.cluster.clone(), scope.region.clone()) };
        let grants = Grants::new(owner, scope.cluster.as_str()).with_standing(self);
        let mut teardown = Teardown::builder(owner, "cluster", serde_json::to_value(&scope).map_err(broken)?);
        teardown = teardown.observes(refined(READS, |action| grants.read(action)));
        let control_plane = control_plane_key();
        if let Some(cluster) = ours {
            let unprotect = cluster.deletion_protection && scope.unprotect;
            let (name, region) = (cluster.name.clone(), scope.region.clone());
            let op = ClusterOp::DeleteCluster { cluster: name, region, created: cluster.created, unprotect };
            let title = match (cluster.deletion_protection, unprotect) {
                (false, _) => "control plane",
                (true, true) => "control plane, its deletion protection switched off first",
                (true, false) => "control plane, which will stay: its deletion protection is on",
            };
            let removal = Removal::new(control_plane.clone(), title, cluster.name.as_str(), &op)
                .map_err(broken)?
                .after(After::Layer("nodes".to_owned()))
                .after(After::Layer("k8s".to_owned()))
                .after(After::Layer("objects".to_owned()))
                .takes(DELETE_TYPICAL)
                .saves(cluster.usd_per_month(self.today))
                .permits(["eks:DeleteCluster"])
                .permits(READS);
            let removal = if unprotect { removal.permits(["eks:DescribeUpdate", "eks:UpdateClusterConfig"]) } else { removal };
            teardown = teardown.removal(removal.refine(|action| grants.of(&op, action)));
            if cluster.deletion_protection && !unprotect {
                let left = self.cluster_left(cluster);
                // Without its nodes, objects and network it would be no more than a bill.
                let why = format!("cluster {}: {}; {}", cluster.name, left.why, left.remedy);
                teardown = teardown.refuses(Finding::warning(control_plane.clone(), why)).stays(left);
            }
        }
        if let Some(log_group) = log_group(&scope) {
            teardown = teardown.stays(log_group);
        }
        for (kind, role) in self.roles.iter().filter(|(_, role)| role.is_of(owner, &scope.cluster)) {
            let op = ClusterOp::DeleteRole { name: role.name.clone() };
            let mut removal = Removal::new(kind.key(), "role", &role.name, &op)
                .map_err(broken)?
                .after(After::Key(control_plane.clone()))
                .takes(Duration::from_secs(2))
                .permits([
                    "iam:DeleteRole",
                    "iam:DeleteRolePolicy",
                    "iam:DetachRolePolicy",
                    "iam:ListInstanceProfilesForRole",
                    "iam:ListRolePolicies",
                ])
                .permits(READS);
            if kind.is_for_pods() {
                // Volumes and load balancers are deleted under it.
                removal = removal.after(After::Layer("k8s".to_owned())).after(After::Layer("objects".to_owned()));
            }
            if matches!(kind, RoleKind::Node(_)) {
                removal = removal.after(After::Layer("nodes".to_owned()));
            }
            teardown = teardown.removal(removal.refine(|action| grants.of(&op, action)));
        }
        if let Some(provider) = self.oidc_provider.as_ref().filter(|provider| provider.is_owned_by(owner)) {
            // As long as the cluster is there, Pods may need it; a later teardown finds it by its tags.
            let op = ClusterOp::DeleteOidcProvider { arn: provider.arn.clone() };
            let removal = Removal::new(oidc_provider_key(), "identity provider", &provider.arn, &op)
                .map_err(broken)?
                .after(After::Key(control_plane.clone()))
                .after(After::Layer("k8s".to_owned()))
                .after(After::Layer("objects".to_owned()))
                .takes(Duration::from_secs(1))
                .permits(["iam:DeleteOpenIDConnectProvider"])
                .permits(READS);
            teardown = teardown.removal(removal.refine(|action| grants.of(&op, action)));
        }
        teardown.build().map_err(broken)
    }

    fn refuse_stray(&self, owner: &Owner) -> Result<(), Error> {
        let Some(stray) = self.cluster.as_ref().filter(|cluster| !cluster.is_owned_by(owner)) else { return Ok(()) };
        match self.roles.values().find(|role| role.is_owned_by(owner) && role.arn.as_str() == stray.role) {
            Some(role) => Err(refused(
                format!("cluster {}", stray.name),
                format!("does not carry the tag that names {owner} as its owner, and acts under {owner}'s role {}", role.name),
                "tag it again, or delete it by hand; then tear down again",
            )),
            None => Ok(()),
        }
    }

    /// What a spec says shall not be there any more: add-ons of ours, by [`crate::AddonRemoval`]. What is not there is removed.
    ///
    /// # Errors
    /// [`Error::Refused`] for an add-on that somebody else made.
    pub fn removals(&self, spec: &ClusterSpec) -> Result<Teardown, Error> {
        let names = spec.addon_removals.iter().map(|removal| removal.name.clone()).collect();
        let scope = Scope {
            addons: names,
            removals: true,
            all_roles: false,
            oidc_provider: false,
            roles: [].into(),
            ..Scope::everything(spec.name().clone(), spec.region())
        };
        let grants = Grants::new(spec.owner(), spec.name().as_str());
        let mut teardown = Teardown::builder(spec.owner(), "cluster", serde_json::to_value(&scope).map_err(broken)?);
        for removal in &spec.addon_removals {
            let Some(found) = self.addons.get(&removal.name) else { continue };
            refuse_others(&removal.name, found, spec.owner())?;
            let op = ClusterOp::DeleteAddon {
                cluster: spec.name().clone(),
                region: spec.region().to_owned(),
                addon: removal.name.clone(),
                preserve: removal.preserve,
            };
            let title = if removal.preserve { "add-on, without its software," } else { "add-on" };
            let key = eks_core::StepKey::new(["cluster", "addon", &removal.name]).map_err(broken)?;
            let removal = Removal::new(key, title, &removal.name, &op).map_err(broken)?.takes(ADDON_DELETE_TYPICAL).permits([
                "eks:DeleteAddon",
                "eks:DeletePodIdentityAssociation",
                "eks:DescribeAddon",
                "eks:DescribeCluster",
            ]);
            teardown = teardown.removal(removal.refine(|action| grants.of(&op, action)));
        }
        teardown.build().map_err(broken)
    }

    #[cfg(feature = "aws")]
    /// What is left of the owner's after a teardown. CloudWatch Logs is not asked: a log group counts as left if logs were on
    /// when the teardown was made.
    pub(crate) fn survivors(&self, owner: &Owner, scope: &Scope) -> Vec<Survivor> {
        if scope.removals {
            let left = self.addons.iter().filter(|(_, addon)| addon.is_owned_by(owner));
            let told = |(name, addon): (&String, &crate::ObservedAddon)| {
                Survivor::new("EKS add-on", name, format!("it is {}", addon.status), "remove it again", 0.0)
            };
            return left.map(told).collect();
        }
        let cluster = self.cluster.iter().filter(|cluster| cluster.is_owned_by(owner)).map(|cluster| self.cluster_left(cluster));
        let roles = self.roles.values().filter(|role| role.is_of(owner, &scope.cluster));
        let roles = roles.map(|role| Survivor::new("IAM role", &role.name, "it was not deleted", "tear down again", 0.0));
        let provider = self.oidc_provider.iter().filter(|provider| provider.is_owned_by(owner));
        let provider = provider.map(|it| Survivor::new("IAM identity provider", &it.arn, "it was not deleted", "tear down again", 0.0));
        cluster.chain(roles).chain(provider).chain(log_group(scope)).collect()
    }

    fn cluster_left(&self, cluster: &crate::ObservedCluster) -> Survivor {
        let (why, remedy) = if cluster.deletion_protection {
            (
                "deletion protection is on",
                "tear down again with Scope::unprotect, or switch it off by aws eks update-cluster-config --no-deletion-protection",
            )
        } else {
            ("it was not deleted", "tear down again")
        };
        Survivor::new("EKS cluster", cluster.name.as_str(), why, remedy, cluster.usd_per_month(self.today))
    }
}

/// EKS makes it when logs are switched on. (Amazon EKS User Guide, "Send control plane logs to CloudWatch Logs".) It is told instead of
/// deleted: the logs of what was torn down are what one may need next.
fn log_group(scope: &Scope) -> Option<Survivor> {
    scope.logged.then(|| {
        let name = format!("/aws/eks/{}/cluster", scope.cluster);
        let why = "EKS never deletes it, and what it stores is billed; its size is unknown";
        let remedy = format!("aws logs delete-log-group --region {} --log-group-name {name}", scope.region);
        Survivor::new("CloudWatch log group", name, why, remedy, 0.0)
    })
}
