//! What exists of a cluster.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{AuthenticationMode, ClusterName, Error, Facts, OWNER_TAG, Owner, RoleArn};
use ipnet::IpNet;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    AccessScope, Endpoint, HealthIssue, KubernetesVersion, LogType, Preflight, Settings, UpgradePolicy, VersionInfo,
    identity::{CLUSTER_TAG, RoleKind, ServiceAccount},
};

/// What an observation needs to know: names, as EKS and IAM find things by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scope {
    /// Name of the cluster.
    pub cluster: ClusterName,
    /// Its Region; our roles carry it in their names.
    pub region: String,
    /// Our roles that are wanted.
    pub roles: BTreeSet<RoleKind>,
    /// Whether every role of ours is looked for, as a teardown does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_roles: bool,
    /// Whether the identity provider for the cluster's issuer is looked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oidc_provider: bool,
    /// Service accounts whose EKS Pod Identity associations are wanted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub associations: BTreeSet<ServiceAccount>,
    /// Wanted add-ons that have a role through EKS Pod Identity: whether it is the right one costs a call each.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub addon_identities: BTreeSet<String>,
    /// Add-ons that shall have the newest version.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub latest: BTreeSet<String>,
    /// Versions that add-ons shall have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pinned: BTreeMap<String, String>,
    /// Whether nothing but add-ons that are to be removed is looked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removals: bool,
    /// Add-ons that are wanted.
    pub addons: BTreeSet<String>,
    /// Those of them whose version is EKS's default, for this Kubernetes version.
    pub unpinned: BTreeSet<String>,
    /// The Kubernetes version that default versions are for.
    pub version: Option<KubernetesVersion>,
    /// Whether access entries are wanted whose principals a step will tell: ours are found by the keys in their tags.
    pub access: bool,
    /// Principals of access entries that are wanted and known by ARN.
    pub principals: BTreeSet<String>,
    /// Whether EKS is asked for the support dates of `version`, which this crate's calendar lacks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calendar: bool,
    /// Whether control-plane logs were on when a teardown was made: their log group outlives the cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logged: bool,
    /// For a teardown: whether deletion protection is switched off, if it is on. See [`Scope::unprotect`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unprotect: bool,
}

impl Scope {
    /// What a teardown looks for: everything whose name follows from the owner, the Region and the cluster's name.
    pub fn everything(cluster: ClusterName, region: impl Into<String>) -> Self {
        Self {
            cluster,
            region: region.into(),
            roles: RoleKind::ALL.into(),
            all_roles: true,
            oidc_provider: true,
            associations: BTreeSet::new(),
            addon_identities: BTreeSet::new(),
            latest: BTreeSet::new(),
            pinned: BTreeMap::new(),
            removals: false,
            addons: BTreeSet::new(),
            unpinned: BTreeSet::new(),
            version: None,
            access: false,
            principals: BTreeSet::new(),
            calendar: false,
            logged: false,
            unprotect: false,
        }
    }

    /// For a teardown: switches deletion protection off before the cluster is deleted. Without it a protected cluster stays, and the
    /// teardown ends with it as a survivor.
    #[must_use]
    pub fn unprotect(mut self) -> Self {
        self.unprotect = true;
        self
    }
}

/// What exists of a cluster, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// The cluster of that name, whoever owns it.
    pub cluster: Option<ObservedCluster>,
    /// Roles of the names that ours have, whoever owns them.
    pub roles: BTreeMap<RoleKind, ObservedRole>,
    /// Wanted add-ons that exist, by name.
    pub addons: BTreeMap<String, ObservedAddon>,
    /// EKS's default versions of wanted add-ons that do not exist, by name.
    pub default_versions: BTreeMap<String, String>,
    /// Versions that EKS offers of add-ons that may have to change theirs, by name; the newest first.
    pub addon_versions: BTreeMap<String, Vec<String>>,
    /// The identity provider for the cluster's issuer, whoever made it.
    pub oidc_provider: Option<ObservedProvider>,
    /// EKS Pod Identity associations of wanted service accounts, whoever made them.
    pub associations: BTreeMap<ServiceAccount, ObservedAssociation>,
    /// Access entries that are ours, or for a wanted principal.
    pub access: Vec<ObservedAccess>,
    /// Support dates of the wanted version, if EKS was asked. Not a fact.
    pub version: Option<VersionInfo>,
    /// What EKS would judge a new or moved control plane by, if it was read. Not a fact: it passes before the plan is applied.
    pub preflight: Option<Preflight>,
    /// The day of the observation, UTC. Not a fact: a plan does not grow stale at midnight.
    pub today: Option<Date>,
}

/// A cluster that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedCluster {
    /// Its name.
    pub name: ClusterName,
    /// Its ARN.
    pub arn: String,
    /// When it was made: what is younger under its name is another cluster. No fact.
    pub created: Option<Timestamp>,
    /// `ACTIVE`, `CREATING`, …
    pub status: String,
    /// What EKS finds wrong with it. Not facts.
    pub issues: Vec<HealthIssue>,
    /// Kubernetes version.
    pub version: String,
    /// The role that it acts under.
    pub role: String,
    /// Its subnets.
    pub subnets: BTreeSet<String>,
    /// Its groups, without the one that EKS made.
    pub security_groups: BTreeSet<String>,
    /// The group that EKS made.
    pub cluster_security_group: Option<String>,
    /// `https://…`, once there.
    pub endpoint_url: Option<String>,
    /// Base64 of the certificate authority's PEM, once there.
    pub certificate_authority: Option<String>,
    /// OIDC issuer, once there.
    pub issuer: Option<String>,
    /// Addresses of Services, of whichever family.
    pub service_cidr: Option<String>,
    /// From where the API is reachable.
    pub endpoint: Endpoint,
    /// Blocks that reach the public endpoint.
    pub public_access_cidrs: BTreeSet<IpNet>,
    /// Where EKS looks for who may enter; `None` if the service did not tell.
    pub authentication: Option<AuthenticationMode>,
    /// Whether the creator was made administrator; `None` if the service did not tell.
    pub creator_admin: Option<bool>,
    /// Logs that are on.
    pub logging: BTreeSet<LogType>,
    /// What happens at the end of standard support.
    pub upgrade_policy: Option<UpgradePolicy>,
    /// Whether DeleteCluster is refused.
    pub deletion_protection: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Everything else, as far as the service told it.
    pub settings: Settings,
}

/// An identity provider that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedProvider {
    /// Its ARN.
    pub arn: String,
    /// Whom tokens must be for.
    pub audiences: BTreeSet<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// An EKS Pod Identity association that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedAssociation {
    /// Its id: `a-…`.
    pub id: String,
    /// The role that EKS Pod Identity assumes.
    pub role: String,
    /// The role that it assumes by that one.
    pub target: Option<String>,
    /// Whether session tags are left out.
    pub disable_session_tags: bool,
    /// What restricts the role for these Pods.
    pub policy: Option<String>,
    /// ARN of the add-on that brought it.
    pub addon: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A role that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedRole {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: RoleArn,
    /// Its trust policy, decoded.
    pub trust: String,
    /// ARNs of attached managed policies.
    pub policies: BTreeSet<String>,
    /// Policies written into it, decoded, by name.
    pub inline: BTreeMap<String, String>,
    /// ARN of the policy that bounds it.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// An add-on that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedAddon {
    /// Its ARN.
    pub arn: String,
    /// `ACTIVE`, `DEGRADED`, …
    pub status: String,
    /// What EKS finds wrong with it: code and message.
    pub issues: Vec<(String, String)>,
    /// Its version.
    pub version: String,
    /// Its configuration values.
    pub configuration: Option<String>,
    /// ARNs of its EKS Pod Identity associations.
    pub pod_identity_associations: BTreeSet<String>,
    /// Service accounts and roles of these associations, where they were asked for.
    pub pod_identity: BTreeMap<String, String>,
    /// The role that its service accounts take by their own tokens.
    pub service_account_role: Option<String>,
    /// Where its software runs, if EKS tells.
    pub namespace: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// An access entry that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedAccess {
    /// ARN of the principal.
    pub principal: String,
    /// `STANDARD`, `EC2_LINUX`, …
    pub type_name: String,
    /// User name in Kubernetes, with EKS's placeholders.
    pub username: String,
    /// Kubernetes groups.
    pub groups: BTreeSet<String>,
    /// ARNs of associated access policies, and where they hold. Read where the entry is ours or wanted.
    pub policies: BTreeMap<String, AccessScope>,
    /// When it was made. A role that is younger is another one under the same name, and the entry lets it in no more.
    pub created: Option<Timestamp>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// Whether tags say that this owner made a thing.
pub(crate) fn is_owned(tags: &BTreeMap<String, String>, owner: &Owner) -> bool {
    tags.get(OWNER_TAG).is_some_and(|value| value == owner.as_str())
}

impl ObservedCluster {
    /// Whether `owner` made it.
    pub fn is_owned_by(&self, owner: &Owner) -> bool {
        is_owned(&self.tags, owner)
    }
}

impl ObservedProvider {
    /// Whether `owner` made it.
    pub fn is_owned_by(&self, owner: &Owner) -> bool {
        is_owned(&self.tags, owner)
    }
}

impl ObservedAssociation {
    /// Whether `owner` made it.
    pub fn is_owned_by(&self, owner: &Owner) -> bool {
        is_owned(&self.tags, owner)
    }
}

impl ObservedRole {
    /// Whether the owner's cluster of this name has it. Roles are named by owner and Region, so a wrong name would find those of another.
    pub(crate) fn is_of(&self, owner: &Owner, cluster: &ClusterName) -> bool {
        self.is_owned_by(owner) && self.other_cluster(cluster).is_none()
    }

    /// The cluster that it was made for, if that is another one.
    pub(crate) fn other_cluster(&self, cluster: &ClusterName) -> Option<&str> {
        self.tags.get(CLUSTER_TAG).map(String::as_str).filter(|name| *name != cluster.as_str())
    }

    /// Its path.
    pub fn path(&self) -> &str {
        let resource = self.arn.as_str().split_once(":role").map_or("/", |(_, resource)| resource);
        resource.rfind('/').map_or("/", |end| &resource[..=end])
    }

    /// Whether `owner` made it.
    pub fn is_owned_by(&self, owner: &Owner) -> bool {
        is_owned(&self.tags, owner)
    }
}

impl ObservedAddon {
    /// Whether `owner` made it.
    pub fn is_owned_by(&self, owner: &Owner) -> bool {
        is_owned(&self.tags, owner)
    }

    /// Whether EKS is making or changing it, and takes no update of it.
    #[cfg(feature = "aws")]
    pub(crate) fn is_changing(&self) -> bool {
        matches!(self.status.as_str(), "CREATING" | "UPDATING")
    }

    /// Whether it will not come up by itself.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.status.as_str(), "CREATE_FAILED" | "UPDATE_FAILED" | "DELETE_FAILED")
    }
}

impl Observed {
    /// Everything that a plan's decisions rest on, by step key. What comes up by itself is left out.
    ///
    /// # Errors
    /// [`Error::Refused`] if two access entries carry one key.
    pub fn facts(&self) -> Result<Facts, Error> {
        let mut facts = Facts::new();
        for (kind, role) in &self.roles {
            let key = kind.key();
            facts.note(&key, "id", &role.name);
            facts.note(&key, "arn", &role.arn);
            facts.note(&key, "trust", &role.trust);
            facts.note(&key, "policies", joined(&role.policies));
            if let Some(boundary) = &role.boundary {
                facts.note(&key, "permissions boundary", boundary);
            }
            for (name, document) in &role.inline {
                facts.note(&key, format!("policy {name}"), document);
            }
            facts.note(&key, "owner", role.tags.get(OWNER_TAG).map(String::as_str).unwrap_or("nobody"));
        }
        if let Some(cluster) = &self.cluster {
            cluster.note(&mut facts);
        }
        for (name, addon) in &self.addons {
            let key = format!("cluster/addon/{name}");
            facts.note(&key, "id", &addon.arn);
            facts.note(&key, "version", &addon.version);
            facts.note(&key, "failed", addon.has_failed());
            facts.note(&key, "configuration", addon.configuration.as_deref().unwrap_or("default"));
            facts.note(&key, "pod identity associations", joined(&addon.pod_identity_associations));
            for (account, role) in &addon.pod_identity {
                facts.note(&key, format!("role of {account}"), role);
            }
            if let Some(role) = &addon.service_account_role {
                facts.note(&key, "service account role", role);
            }
            facts.note(&key, "owner", addon.tags.get(OWNER_TAG).map(String::as_str).unwrap_or("nobody"));
        }
        for (name, version) in &self.default_versions {
            facts.note("cluster/default-addon-versions", name, version);
        }
        self.note_identity(&mut facts);
        let mut by_key: BTreeMap<&str, &str> = BTreeMap::new();
        for entry in &self.access {
            let key = entry.tags.get(eks_core::KEY_TAG).map_or(entry.principal.as_str(), String::as_str);
            if let Some(other) = by_key.insert(key, &entry.principal) {
                return Err(Error::Refused {
                    subject: key.to_owned(),
                    rule: format!("two access entries carry this key: {other} and {}", entry.principal),
                    remedy: "delete the one that is not wanted, by aws eks delete-access-entry".to_owned(),
                });
            }
            facts.note(key, "id", &entry.principal);
            facts.note(key, "type", &entry.type_name);
            facts.note(key, "username", &entry.username);
            facts.note(key, "groups", joined(&entry.groups));
            facts.note(key, "policies", joined(entry.policies.iter().map(|(arn, scope)| format!("{arn} in {scope}"))));
        }
        Ok(facts)
    }
}

impl Observed {
    fn note_identity(&self, facts: &mut Facts) {
        if let Some(provider) = &self.oidc_provider {
            let key = "cluster/oidc-provider";
            facts.note(key, "id", &provider.arn);
            facts.note(key, "audiences", joined(&provider.audiences));
            facts.note(key, "owner", provider.tags.get(OWNER_TAG).map(String::as_str).unwrap_or("nobody"));
        }
        for (account, association) in &self.associations {
            let key = format!("cluster/pod-identity/{account}");
            facts.note(&key, "id", &association.id);
            facts.note(&key, "role", &association.role);
            facts.note(&key, "target role", association.target.as_deref().unwrap_or("none"));
            facts.note(&key, "session tags", !association.disable_session_tags);
            facts.note(&key, "session policy", association.policy.as_deref().unwrap_or("none"));
            facts.note(&key, "owner", association.tags.get(OWNER_TAG).map(String::as_str).unwrap_or("nobody"));
        }
    }
}

impl ObservedCluster {
    /// A state that passes by itself is no fact: waiting for what is ACTIVE already costs one look, and nothing else.
    fn lasting_status(&self) -> &str {
        match self.status.as_str() {
            "ACTIVE" | "CREATING" | "PENDING" | "UPDATING" => "there",
            lasting => lasting,
        }
    }

    fn note(&self, facts: &mut Facts) {
        let key = "cluster/control-plane";
        facts.note(key, "id", &self.name);
        facts.note(key, "arn", &self.arn);
        facts.note(key, "status", self.lasting_status());
        facts.note(key, "version", &self.version);
        facts.note(key, "role", &self.role);
        facts.note(key, "subnets", joined(&self.subnets));
        facts.note(key, "security groups", joined(&self.security_groups));
        facts.note(key, "service CIDR", self.service_cidr.as_deref().unwrap_or("not told"));
        facts.note(key, "endpoint", self.endpoint);
        facts.note(key, "public access CIDRs", joined(self.public_access_cidrs.iter().map(ToString::to_string)));
        facts.note(key, "authentication", self.authentication.map_or("not told", AuthenticationMode::as_str));
        facts.note(key, "creator admin", self.creator_admin.map_or_else(|| "not told".to_owned(), |admin| admin.to_string()));
        facts.note(key, "logging", joined(self.logging.iter().map(|log| log.as_str())));
        facts.note(key, "upgrade policy", self.upgrade_policy.map_or("not told", UpgradePolicy::as_str));
        facts.note(key, "deletion protection", self.deletion_protection);
        let settings = &self.settings;
        let told = |value: Option<String>| value.unwrap_or_else(|| "not told".to_owned());
        facts.note(key, "Auto Mode", told(settings.auto_mode.as_ref().map(ToString::to_string)));
        facts.note(key, "components", &settings.components);
        facts.note(key, "egress mode", told(settings.egress.as_ref().map(ToString::to_string)));
        facts.note(key, "encryption", told(settings.encryption.as_ref().map(ToString::to_string)));
        facts.note(key, "IP family", settings.ip_family);
        facts.note(key, "remote networks", told(settings.remote_networks.as_ref().map(ToString::to_string)));
        facts.note(key, "scaling tier", told(settings.tier.as_ref().map(ToString::to_string)));
        facts.note(key, "zonal shift", told(settings.zonal_shift.as_ref().map(ToString::to_string)));
        facts.note(key, "tags", joined(self.tags.iter().map(|(name, value)| format!("{name}={value}"))));
    }
}

fn joined<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}

impl ObservedAccess {
    /// Whether `owner` made it.
    pub fn is_owned_by(&self, owner: &Owner) -> bool {
        is_owned(&self.tags, owner)
    }
}
