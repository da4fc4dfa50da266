//! What a cluster should be.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{AuthenticationMode, ClusterName, NetworkRefs, Owner, Problems, Ref, RoleArn, SecurityGroupId, SpecError, StepKey};
use ipnet::{IpNet, Ipv4Net};
use jiff::civil::Date;

use crate::{
    Addon, Addons, AutoMode, Components, EgressMode, Encryption, Endpoint, IpFamily, KubernetesVersion, LogType, RemoteNetworks,
    RoleChoice, ScalingTier, Settings, UpgradePolicy,
    access::{self, AccessEntry, AccessType},
    addon::AddonRemoval,
    check, endpoint,
    identity::{self, NodeRole, PodRole, RoleSettings},
    partition::Partition,
    plane, service_cidr,
};

/// A cluster that should exist: control plane, its role, add-ons and who may enter. What exists of it is valid by every
/// rule that can be checked without a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSpec {
    pub(crate) owner: Owner,
    pub(crate) name: ClusterName,
    pub(crate) version: KubernetesVersion,
    pub(crate) network: NetworkRefs,
    pub(crate) security_groups: Vec<Ref<SecurityGroupId>>,
    pub(crate) authentication: AuthenticationMode,
    pub(crate) creator_admin: bool,
    pub(crate) endpoint: Endpoint,
    pub(crate) public_access_cidrs: BTreeSet<IpNet>,
    pub(crate) service_cidr: Option<Ipv4Net>,
    pub(crate) logging: BTreeSet<LogType>,
    pub(crate) upgrade_policy: Option<UpgradePolicy>,
    pub(crate) deletion_protection: bool,
    pub(crate) role: RoleChoice,
    pub(crate) role_settings: RoleSettings,
    pub(crate) cluster_role_policies: Vec<String>,
    pub(crate) pod_roles: Vec<PodRole>,
    pub(crate) node_roles: Vec<NodeRole>,
    pub(crate) oidc_provider: bool,
    pub(crate) addon_removals: Vec<AddonRemoval>,
    pub(crate) addons: Addons,
    pub(crate) bootstrap_self_managed_addons: bool,
    pub(crate) access: Vec<AccessEntry>,
    pub(crate) nodes_ready_after: BTreeSet<StepKey>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) settings: Settings,
    /// Whether references that remain are to what a run is still to make: [`ClusterSpec::over`].
    pub(crate) is_over_network: bool,
    pub(crate) today: Option<Date>,
}

/// Collects what a cluster should be. Setters take and return it; [`ClusterSpecBuilder::build`] tells every problem at once.
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before build()"]
pub struct ClusterSpecBuilder {
    owner: Owner,
    name: ClusterName,
    version: KubernetesVersion,
    network: NetworkRefs,
    security_groups: Vec<String>,
    authentication: AuthenticationMode,
    creator_admin: bool,
    endpoint: Endpoint,
    public_access_cidrs: Vec<String>,
    service_cidr: Option<String>,
    logging: BTreeSet<LogType>,
    upgrade_policy: Option<UpgradePolicy>,
    deletion_protection: bool,
    role: RoleChoice,
    role_settings: RoleSettings,
    cluster_role_policies: Vec<String>,
    pod_roles: Vec<PodRole>,
    node_roles: Vec<NodeRole>,
    oidc_provider: bool,
    addon_removals: Vec<AddonRemoval>,
    addons: Addons,
    bootstrap_self_managed_addons: Option<bool>,
    access: Vec<AccessEntry>,
    nodes_ready_after: BTreeSet<StepKey>,
    tags: BTreeMap<String, String>,
    settings: Settings,
    today: Option<Date>,
}

impl ClusterSpec {
    /// Starts a cluster in all subnets of `network`, with [`Addons::default_set`], a public endpoint, its creator as
    /// administrator, and access entries beside aws-auth.
    pub fn builder(owner: &Owner, name: ClusterName, version: KubernetesVersion, network: NetworkRefs) -> ClusterSpecBuilder {
        ClusterSpecBuilder {
            owner: owner.clone(),
            name,
            version,
            network,
            security_groups: Vec::new(),
            authentication: AuthenticationMode::ApiAndConfigMap,
            creator_admin: true,
            endpoint: Endpoint::default(),
            public_access_cidrs: Vec::new(),
            service_cidr: None,
            logging: BTreeSet::new(),
            upgrade_policy: None,
            deletion_protection: false,
            role: RoleChoice::default(),
            role_settings: RoleSettings::new(),
            cluster_role_policies: Vec::new(),
            pod_roles: Vec::new(),
            node_roles: Vec::new(),
            oidc_provider: false,
            addon_removals: Vec::new(),
            addons: Addons::default_set(),
            bootstrap_self_managed_addons: None,
            access: Vec::new(),
            nodes_ready_after: BTreeSet::new(),
            tags: BTreeMap::new(),
            settings: Settings::default(),
            today: None,
        }
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The cluster's name.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// Its Kubernetes version.
    pub fn version(&self) -> KubernetesVersion {
        self.version
    }

    /// Its Region: that of its subnets, which are all of one.
    pub fn region(&self) -> &str {
        region(&self.network)
    }

    /// The same cluster, which also lets the nodes of `role` in. Workers are specified after the cluster that they join;
    /// this adds their entry without a second builder.
    ///
    /// # Errors
    /// As [`ClusterSpecBuilder::node_role_entry`].
    pub fn node_role_entry(mut self, name: impl Into<String>, role: impl Into<Ref<RoleArn>>) -> Result<Self, SpecError> {
        self.access.push(AccessEntry::nodes(AccessType::Ec2Linux, name, role));
        let mut problems = Problems::new();
        check::access_fits_mode(&self.access, self.authentication, &mut problems);
        access::check(&self.access, self.partition(), self.role.account(), &mut problems);
        let subject = format!("cluster {}", self.name);
        problems.finish(subject, || self)
    }

    pub(crate) fn partition(&self) -> Partition {
        Partition::of_region(self.region())
    }

    /// Blocks that reach the public endpoint, as EKS tells them.
    pub(crate) fn effective_public_access(&self) -> BTreeSet<IpNet> {
        if self.endpoint.is_public() && self.public_access_cidrs.is_empty() {
            self.settings.ip_family.anywhere().iter().filter_map(|block| block.parse().ok()).collect()
        } else {
            self.public_access_cidrs.clone()
        }
    }
}

/// The Region of a network with subnets.
fn region(network: &NetworkRefs) -> &str {
    network.subnets.first().map(|subnet| subnet.zone.region()).unwrap_or_default()
}

impl ClusterSpecBuilder {
    /// Groups for the control plane's network interfaces, by their names in the network. At most 4. EKS adds one of its own.
    pub fn security_groups<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.security_groups = names.into_iter().map(Into::into).collect();
        self
    }

    /// Where EKS looks for who may enter. Default [`AuthenticationMode::ApiAndConfigMap`]; the bare API's is still CONFIG_MAP.
    pub fn authentication(mut self, mode: AuthenticationMode) -> Self {
        self.authentication = mode;
        self
    }

    /// Whether whoever creates the cluster becomes its administrator. Default true. Cannot be changed later.
    pub fn creator_admin(mut self, admin: bool) -> Self {
        self.creator_admin = admin;
        self
    }

    /// From where the API is reachable. Default [`Endpoint::Public`].
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Blocks that reach the public endpoint, in CIDR notation. Default `0.0.0.0/0`, and with the IPv6 family `::/0` beside it. At
    /// most 40.
    pub fn public_access_cidrs<S: Into<String>>(mut self, blocks: impl IntoIterator<Item = S>) -> Self {
        self.public_access_cidrs = blocks.into_iter().map(Into::into).collect();
        self
    }

    /// Addresses of Services, in CIDR notation: /24 to /12 of private space, apart from the VPC's. By default EKS chooses
    /// 172.20.0.0/16 if the VPC uses 10.0.0.0/8, and 10.100.0.0/16 if not. Cannot be changed later.
    pub fn service_cidr(mut self, block: impl Into<String>) -> Self {
        self.service_cidr = Some(block.into());
        self
    }

    /// Control-plane logs that go to CloudWatch Logs. Default none. Their log group outlives the cluster: a teardown tells it
    /// as a survivor.
    pub fn logging(mut self, logs: impl IntoIterator<Item = LogType>) -> Self {
        self.logging = logs.into_iter().collect();
        self
    }

    /// What happens at the end of standard support. Default: EKS's own, [`UpgradePolicy::Extended`].
    pub fn upgrade_policy(mut self, policy: UpgradePolicy) -> Self {
        self.upgrade_policy = Some(policy);
        self
    }

    /// Whether EKS refuses to delete the cluster. Default false. A teardown switches it off only if it is told to, by
    /// [`crate::Scope::unprotect`]; without that it ends in a survivor.
    pub fn deletion_protection(mut self, on: bool) -> Self {
        self.deletion_protection = on;
        self
    }

    /// IPv4 or IPv6 for Pods and Services. Default IPv4. Cannot be changed later.
    pub fn ip_family(mut self, family: IpFamily) -> Self {
        self.settings.ip_family = family;
        self
    }

    /// The key of envelope encryption. Default: AWS's own. A key of yours can be given later, but never taken away or replaced.
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.settings.encryption = Some(encryption);
        self
    }

    /// Whether Amazon Application Recovery Controller may shift traffic away from a zone. Default: off, or as it is found.
    pub fn zonal_shift(mut self, on: bool) -> Self {
        self.settings.zonal_shift = Some(on);
        self
    }

    /// Capacity of the control plane. Default: standard, or as it is found.
    pub fn scaling_tier(mut self, tier: ScalingTier) -> Self {
        self.settings.tier = Some(tier);
        self
    }

    /// The way of the control plane's own requests. Default: AWS's, or as it is found. There is no way back to that.
    pub fn egress(mut self, mode: EgressMode) -> Self {
        self.settings.egress = Some(mode);
        self
    }

    /// EKS Auto Mode. Default: off, or as it is found. The cluster's own role gets the policies that it needs.
    pub fn auto_mode(mut self, mode: AutoMode) -> Self {
        self.settings.auto_mode = Some(mode);
        self
    }

    /// Networks of EKS Hybrid Nodes. Default: none, or as they are found.
    pub fn remote_networks(mut self, networks: RemoteNetworks) -> Self {
        self.settings.remote_networks = Some(networks);
        self
    }

    /// Parameters of API server, scheduler and controller manager. Default: EKS's own, or as they are found.
    pub fn components(mut self, components: Components) -> Self {
        self.settings.components = components;
        self
    }

    /// The role that the control plane acts under. Default: one of our own with AmazonEKSClusterPolicy.
    pub fn role(mut self, role: RoleChoice) -> Self {
        self.role = role;
        self
    }

    /// One more managed policy for the control plane's own role, by ARN: AmazonEKSVPCResourceController for security groups of Pods,
    /// say.
    pub fn cluster_role_policy(mut self, arn: impl Into<String>) -> Self {
        self.cluster_role_policies.push(arn.into());
        self
    }

    /// Path and permissions boundary of every role of our own.
    pub fn roles(mut self, settings: RoleSettings) -> Self {
        self.role_settings = settings;
        self
    }

    /// A role for the Pods of an application, or for the AWS Load Balancer Controller.
    pub fn pod_role(mut self, role: PodRole) -> Self {
        self.pod_roles.push(role);
        self
    }

    /// A role for nodes.
    pub fn node_role(mut self, role: NodeRole) -> Self {
        self.node_roles.push(role);
        self
    }

    /// Makes the cluster's issuer an identity provider of the account, as roles by service accounts' own tokens (IRSA) need it, even if
    /// no role of this spec does. One that somebody else has made is used, and never deleted.
    pub fn oidc_provider(mut self) -> Self {
        self.oidc_provider = true;
        self
    }

    /// Says that an add-on shall not be there any more. The plan tells when it is; `Clusters::removals` makes the teardown that
    /// removes it.
    pub fn remove_addon(mut self, removal: AddonRemoval) -> Self {
        self.addon_removals.push(removal);
        self
    }

    /// Replaces the add-ons.
    pub fn addons(mut self, addons: Addons) -> Self {
        self.addons = addons;
        self
    }

    /// Adds an add-on; one of the same name is replaced.
    pub fn addon(mut self, addon: Addon) -> Self {
        self.addons = self.addons.with(addon);
        self
    }

    /// No add-ons. EKS then installs vpc-cni, coredns and kube-proxy by itself, unless
    /// [`ClusterSpecBuilder::bootstrap_self_managed_addons`] says otherwise.
    pub fn no_addons(self) -> Self {
        self.addons(Addons::none())
    }

    /// Whether EKS installs vpc-cni, coredns and kube-proxy by itself. Default: unless all three are among the add-ons, or Auto Mode is on.
    /// It counts when the cluster is made, and EKS does not tell it later.
    pub fn bootstrap_self_managed_addons(mut self, bootstrap: bool) -> Self {
        self.bootstrap_self_managed_addons = Some(bootstrap);
        self
    }

    /// Makes an IAM role or user an administrator of the cluster, by an access entry with AmazonEKSClusterAdminPolicy.
    pub fn admin(mut self, principal_arn: impl Into<String>) -> Self {
        self.access.push(AccessEntry::admin(principal_arn.into()));
        self
    }

    /// Lets a principal in as the entry says.
    pub fn access_entry(mut self, entry: AccessEntry) -> Self {
        self.access.push(entry);
        self
    }

    /// Lets several principals in, such as those of a [`crate::Migration`].
    pub fn access_entries(mut self, entries: impl IntoIterator<Item = AccessEntry>) -> Self {
        self.access.extend(entries);
        self
    }

    /// Lets nodes in that run under `role`, by an access entry of type EC2_LINUX. Its key is `cluster/access/<name>`.
    ///
    /// A role that a step of another layer tells is not known while planning, so an entry of ours is found by its key alone,
    /// and kept even if that step makes another role (where the role is a [`NodeRole`] of this spec, the plan is refused then): nodes of the new role stay out until the old entry is deleted, by `aws
    /// eks delete-access-entry`, and planned again. A role given by ARN has no such limit.
    pub fn node_role_entry(mut self, name: impl Into<String>, role: impl Into<Ref<RoleArn>>) -> Self {
        self.access.push(AccessEntry::nodes(AccessType::Ec2Linux, name, role));
        self
    }

    /// Steps of other layers after which nodes are Ready. With them, add-ons that run on nodes are waited for; without,
    /// they are created and left to come up.
    pub fn nodes_ready_after(mut self, keys: impl IntoIterator<Item = StepKey>) -> Self {
        self.nodes_ready_after = keys.into_iter().collect();
        self
    }

    /// A tag of your own on the cluster and its roles.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// The day by which support is judged, UTC. Without it `build` refuses only versions whose support had ended before
    /// this crate's calendar begins, and a plan takes the day of its observation.
    pub fn today(mut self, date: Date) -> Self {
        self.today = Some(date);
        self
    }

    /// The spec.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that it breaks.
    pub fn build(self) -> Result<ClusterSpec, SpecError> {
        let mut problems = Problems::new();
        check::version(self.version, self.upgrade_policy, self.today, &mut problems);
        check::subnets(&self.network, &mut problems);
        let partition = Partition::of_region(region(&self.network));
        let security_groups = check::security_groups(&self.security_groups, &self.network, &mut problems);
        let vpc = check::vpc_blocks(&self.network, &mut problems);
        let service_cidr = self.service_cidr.as_deref().and_then(|block| service_cidr::check(block, &vpc, &mut problems));
        let public_access_cidrs = endpoint::public_access(&self.public_access_cidrs, self.endpoint, self.settings.ip_family, &mut problems);
        check::creator(self.authentication, self.creator_admin, &mut problems);
        check::access_fits_mode(&self.access, self.authentication, &mut problems);
        access::check(&self.access, partition, self.role.account(), &mut problems);
        check::role(&self.role, partition, &mut problems);
        let said = identity::Said {
            settings: &self.role_settings,
            cluster_policies: &self.cluster_role_policies,
            own_cluster_role: matches!(self.role, RoleChoice::Own { .. }),
            pod_roles: &self.pod_roles,
            node_roles: &self.node_roles,
        };
        identity::check(&said, partition, &mut problems);
        self.addons.check(&self.addon_removals, self.settings.has_auto_mode(), &mut problems);
        check::nodes_ready_after(&self.nodes_ready_after, &mut problems);
        check::tags(&self.tags, &mut problems);
        let around = plane::SettingsAround {
            version: self.version,
            region: region(&self.network),
            partition: &partition,
            authentication: self.authentication,
            bootstrap_self_managed: self.bootstrap_self_managed_addons,
            vpc: &vpc,
            service_cidr,
        };
        self.settings.check(&around, &mut problems);
        let bootstrap =
            self.bootstrap_self_managed_addons.unwrap_or_else(|| !self.settings.has_auto_mode() && !self.addons.replace_self_managed());

        let subject = format!("cluster {}", self.name);
        let spec = ClusterSpec {
            owner: self.owner,
            name: self.name,
            version: self.version,
            network: self.network,
            security_groups,
            authentication: self.authentication,
            creator_admin: self.creator_admin,
            endpoint: self.endpoint,
            public_access_cidrs,
            service_cidr,
            logging: self.logging,
            upgrade_policy: self.upgrade_policy,
            deletion_protection: self.deletion_protection,
            role: self.role,
            role_settings: self.role_settings,
            cluster_role_policies: self.cluster_role_policies,
            pod_roles: self.pod_roles,
            node_roles: self.node_roles,
            oidc_provider: self.oidc_provider,
            addon_removals: self.addon_removals,
            addons: self.addons,
            bootstrap_self_managed_addons: bootstrap,
            access: self.access,
            nodes_ready_after: self.nodes_ready_after,
            tags: self.tags,
            settings: self.settings,
            is_over_network: false,
            today: self.today,
        };
        identity::check_requests(&spec, &mut problems);
        problems.finish(subject, || spec)
    }
}
