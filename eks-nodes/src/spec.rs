//! What workers should exist.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{ClusterRefs, NetworkRefs, Owner, SpecError, StackName, StepKey, ZoneName};

use crate::{
    amazon::NodeGroupTemplate,
    capacity::Capacity,
    check,
    image::{Date, EndOfSupport, Family, Image, NodeSettings, READ, Target, kubernetes_end},
    instance::{Architecture, InstanceType, Variant},
    kubelet::Kubelet,
    lifecycle::LifecycleHook,
    managed::Managed,
    mapping::RoleMapping,
    purchase::Purchase,
    taint::{Taint, TaintEffect},
};

/// Label by which the nodes of a group are found: its value is the group's name.
pub const WORKERS_LABEL: &str = "eks-rs/workers";

/// A group of workers: an Auto Scaling group of instances that join one cluster, with the role, security group and launch
/// template that they need. A `WorkersSpec` that exists is valid.
#[derive(Clone, Debug)]
pub struct WorkersSpec {
    pub(crate) owner: Owner,
    pub(crate) name: StackName,
    pub(crate) cluster: ClusterRefs,
    pub(crate) network: NetworkRefs,
    /// In the order of preference.
    pub(crate) instance_types: Vec<String>,
    pub(crate) architecture: Option<Architecture>,
    pub(crate) family: Family,
    pub(crate) image: Image,
    pub(crate) capacity: Capacity,
    pub(crate) per_zone: bool,
    pub(crate) purchase: Purchase,
    pub(crate) warmup: Option<u16>,
    pub(crate) hooks: Vec<LifecycleHook>,
    pub(crate) volume_gib: Option<u32>,
    pub(crate) key_pair: Option<String>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) taints: Vec<Taint>,
    pub(crate) max_pods: Option<u16>,
    pub(crate) prefix_delegation: bool,
    pub(crate) kubelet: Kubelet,
    /// The day that decides what has ended.
    pub(crate) as_of: Date,
    pub(crate) extra_policies: Vec<String>,
    pub(crate) session_manager: bool,
    pub(crate) hop_limit: u8,
    pub(crate) public_subnets: bool,
    pub(crate) mapping: RoleMapping,
    pub(crate) amazon: Option<NodeGroupTemplate>,
    /// Whether an update sets the number of instances again.
    pub(crate) resize_on_update: bool,
    /// Whether the stack is made with the fewest instances, whatever number is wanted: a replacement adds the others as it goes.
    pub(crate) begins_small: bool,
    pub(crate) skip_in_rollback: BTreeSet<String>,
    pub(crate) managed: Option<Managed>,
}

/// Collects what workers should be like. See [`WorkersSpec::builder`].
#[derive(Clone, Debug)]
pub struct WorkersSpecBuilder(WorkersSpec);

impl WorkersSpec {
    /// Starts a group named `name`, which is also the name of its CloudFormation stack (beside it: `<name>-base`), in the
    /// subnets of `network`. Defaults: two t3.medium of at most three, 20 GiB gp3, AL2023 as AWS recommends it.
    pub fn builder(owner: &Owner, name: StackName, cluster: ClusterRefs, network: NetworkRefs) -> WorkersSpecBuilder {
        let mapping = RoleMapping::fitting(cluster.authentication);
        WorkersSpecBuilder(Self {
            owner: owner.clone(),
            name,
            cluster,
            network,
            instance_types: vec!["t3.medium".to_owned()],
            architecture: None,
            family: Family::default(),
            image: Image::default(),
            capacity: Capacity::default(),
            per_zone: false,
            purchase: Purchase::OnDemand,
            warmup: None,
            hooks: Vec::new(),
            volume_gib: None,
            key_pair: None,
            labels: Vec::new(),
            taints: Vec::new(),
            max_pods: None,
            prefix_delegation: false,
            kubelet: Kubelet::new(),
            as_of: READ,
            extra_policies: Vec::new(),
            session_manager: false,
            hop_limit: 1,
            public_subnets: false,
            mapping,
            amazon: None,
            resize_on_update: false,
            begins_small: false,
            skip_in_rollback: BTreeSet::new(),
            managed: None,
        })
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The name of the group and of its stack.
    pub fn name(&self) -> &StackName {
        &self.name
    }

    /// How the role of the nodes is let into the cluster; [`RoleMapping::None`] for managed workers, whose role EKS lets in.
    pub fn mapping(&self) -> RoleMapping {
        if self.managed.is_some() {
            return RoleMapping::None;
        }
        let has_config_map = self.cluster.authentication.as_str() != "API";
        self.amazon.as_ref().map_or(self.mapping, |template| template.mapping(self.mapping, has_config_map))
    }

    /// Whether EKS manages them.
    pub fn is_managed(&self) -> bool {
        self.managed.is_some()
    }

    /// The Region of its subnets, which the rules keep to one.
    pub fn region(&self) -> &str {
        self.network.subnets.first().map_or("", |subnet| subnet.zone.region())
    }

    /// The key of the step that makes the instances.
    pub(crate) fn key(&self) -> StepKey {
        key(&[self.name.as_str()])
    }

    /// The key of the step that makes what the instances stand on.
    pub(crate) fn base_key(&self) -> StepKey {
        key(&[self.name.as_str(), "base"])
    }

    pub(crate) fn base_name(&self) -> String {
        format!("{}-base", self.name)
    }

    /// The labels that a node registers with.
    pub(crate) fn node_labels(&self) -> BTreeMap<String, String> {
        self.labels.iter().cloned().chain([(WORKERS_LABEL.to_owned(), self.name.to_string())]).collect()
    }

    /// The first of the instance types.
    pub(crate) fn instance_type(&self) -> &str {
        self.instance_types.first().map_or("", String::as_str)
    }

    /// How many groups share the spec: one, or one in each zone.
    pub(crate) fn groups(&self) -> u32 {
        if self.per_zone { u32::try_from(self.zones().len()).unwrap_or(u32::MAX) } else { 1 }
    }

    /// The zones, each with the places of its subnets.
    pub(crate) fn zones(&self) -> BTreeMap<&ZoneName, Vec<usize>> {
        let mut zones: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, subnet) in self.network.subnets.iter().enumerate() {
            zones.entry(&subnet.zone).or_default().push(place);
        }
        zones
    }

    /// Size of the volume of images and Pods, in GiB.
    pub(crate) fn volume_gib(&self) -> u32 {
        self.volume_gib.unwrap_or_else(|| self.family.volume_gib())
    }

    /// Most Pods on a node, if it is not left to the node: one number for all instance types, which the smallest decides.
    pub(crate) fn most_pods(&self) -> Option<u16> {
        let prefixes = || self.instance_types.iter().filter_map(|kind| InstanceType::parse(kind)?.prefix_max_pods()).min();
        self.max_pods.or_else(|| self.prefix_delegation.then(prefixes).flatten())
    }

    /// The user data of the instances, before CloudFormation puts the cluster's values in.
    pub fn user_data(&self) -> String {
        self.with_node_settings(|settings| self.family.user_data(settings))
    }

    /// What the nodes are to be told, in some form.
    pub(crate) fn with_node_settings(&self, form: impl FnOnce(NodeSettings<'_>) -> String) -> String {
        let (labels, max_pods) = (self.node_labels(), self.most_pods());
        form(NodeSettings { labels: &labels, taints: &self.taints, kubelet: &self.kubelet, max_pods })
    }

    /// What the image must fit.
    pub(crate) fn target(&self) -> Target<'_> {
        let parsed = InstanceType::parse(self.instance_type());
        let architecture = self.architecture.or(parsed.and_then(InstanceType::architecture)).unwrap_or(Architecture::X86_64);
        Target { version: &self.cluster.version, architecture, variant: parsed.map_or(Variant::Standard, InstanceType::variant) }
    }

    /// Until when what the nodes run gets updates: the operating system's images, where its maker has set a day, and Kubernetes.
    ///
    /// Bottlerocket's and Windows' images are made for a version of Kubernetes, and end with it.
    pub fn ends_of_support(&self) -> Vec<EndOfSupport> {
        let kubernetes = kubernetes_end(&self.cluster.version, &self.family);
        self.family.end_of_support().into_iter().chain(kubernetes).collect()
    }

    /// The SSM parameter that names the image, unless the image is given.
    pub fn image_parameter(&self) -> Option<String> {
        match &self.image {
            Image::Ami(_) => None,
            Image::Parameter(name) => Some(name.clone()),
            Image::Recommended => Some(self.family.parameter(self.target())),
        }
    }
}

/// A key of this layer. Stack names hold no character that a key may not, and the rules of the spec bound their length.
pub(crate) fn key(segments: &[&str]) -> StepKey {
    #[expect(clippy::expect_used, reason = "segments are a checked stack name and words of this crate")]
    StepKey::new(["nodes"].iter().chain(segments)).expect("stack names are key segments")
}

impl WorkersSpecBuilder {
    /// Instance type. Default `t3.medium`.
    #[must_use]
    pub fn instance_type(self, instance_type: impl Into<String>) -> Self {
        self.instance_types([instance_type])
    }

    /// Instance types in the order of preference, of one architecture and accelerator. More of them give Spot more pools, and on
    /// demand a way out when one has no capacity.
    #[must_use]
    pub fn instance_types<T: Into<String>>(mut self, instance_types: impl IntoIterator<Item = T>) -> Self {
        self.0.instance_types = instance_types.into_iter().map(Into::into).collect();
        self
    }

    /// How instances are bought. Default on demand.
    #[must_use]
    pub fn purchase(mut self, purchase: Purchase) -> Self {
        self.0.purchase = purchase;
        self
    }

    /// One Auto Scaling group in each zone, with the capacity in each. Volumes stay in their zone, so an autoscaler must be
    /// able to ask for a node there. Default: one group over all zones.
    #[must_use]
    pub fn group_per_zone(mut self, on: bool) -> Self {
        self.0.per_zone = on;
        self
    }

    /// Seconds until the metrics of a new instance count for scaling. Default: Auto Scaling's own.
    #[must_use]
    pub fn instance_warmup(mut self, seconds: u16) -> Self {
        self.0.warmup = Some(seconds);
        self
    }

    /// A lifecycle hook.
    #[must_use]
    pub fn lifecycle_hook(mut self, hook: LifecycleHook) -> Self {
        self.0.hooks.push(hook);
        self
    }

    /// Architecture, where the instance type's name does not tell it.
    #[must_use]
    pub fn architecture(mut self, architecture: Architecture) -> Self {
        self.0.architecture = Some(architecture);
        self
    }

    /// How many instances. Default two, at most three.
    #[must_use]
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.0.capacity = capacity;
        self
    }

    /// Size of the volume of images and Pods (gp3, encrypted) in GiB. Default 20, on Windows 50.
    #[must_use]
    pub fn volume_gib(mut self, gib: u32) -> Self {
        self.0.volume_gib = Some(gib);
        self
    }

    /// Operating system, with its settings. Default Amazon Linux 2023.
    #[must_use]
    pub fn family(mut self, family: impl Into<Family>) -> Self {
        self.0.family = family.into();
        self
    }

    /// Settings of the kubelet. Default: as the image has them.
    #[must_use]
    pub fn kubelet(mut self, kubelet: Kubelet) -> Self {
        self.0.kubelet = kubelet;
        self
    }

    /// The day by which the plan judges what images have ended. Default: the day on which this crate's table was read; a plan
    /// reads no clock.
    #[must_use]
    pub fn as_of(mut self, day: Date) -> Self {
        self.0.as_of = day;
        self
    }

    /// Image. Default: the one that the family's maker publishes.
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.0.image = image;
        self
    }

    /// EC2 key pair for SSH. Default none.
    #[must_use]
    pub fn key_pair(mut self, name: impl Into<String>) -> Self {
        self.0.key_pair = Some(name.into());
        self
    }

    /// A label that the nodes register with.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.labels.push((key.into(), value.into()));
        self
    }

    /// A taint that the nodes register with.
    #[must_use]
    pub fn taint(mut self, key: impl Into<String>, value: impl Into<String>, effect: TaintEffect) -> Self {
        self.0.taints.push(Taint { key: key.into(), value: value.into(), effect });
        self
    }

    /// Lets a node have as many Pods as the VPC CNI gives addresses to with prefix delegation: 110, or 250 from 30 processors
    /// on, less on the smallest types. Ignored where [`max_pods`](Self::max_pods) says a number. Default off.
    #[must_use]
    pub fn prefix_delegation(mut self, on: bool) -> Self {
        self.0.prefix_delegation = on;
        self
    }

    /// Most Pods on a node. Default: what the node finds for its instance type.
    #[must_use]
    pub fn max_pods(mut self, pods: u16) -> Self {
        self.0.max_pods = Some(pods);
        self
    }

    /// A managed policy for the nodes' role, by ARN. Pods should rather have roles of their own.
    #[must_use]
    pub fn extra_policy(mut self, arn: impl Into<String>) -> Self {
        self.0.extra_policies.push(arn.into());
        self
    }

    /// Lets AWS Systems Manager Session Manager open shells on the nodes. Default off.
    #[must_use]
    pub fn session_manager(mut self, on: bool) -> Self {
        self.0.session_manager = on;
        self
    }

    /// How many hops the instance metadata's answers travel: 1, the default, keeps Pods from the node's credentials; 2 lets
    /// them in.
    #[must_use]
    pub fn metadata_hop_limit(mut self, hops: u8) -> Self {
        self.0.hop_limit = hops;
        self
    }

    /// Allows public subnets. Default off: workers belong behind NAT.
    #[must_use]
    pub fn allow_public_subnets(mut self, allow: bool) -> Self {
        self.0.public_subnets = allow;
        self
    }

    /// How the role of the nodes is let into the cluster. Default: an access entry where the cluster has them.
    #[must_use]
    pub fn mapping(mut self, mapping: RoleMapping) -> Self {
        self.0.mapping = mapping;
        self
    }

    /// Uses a template of Amazon's, or of your own, instead of ours: one stack, with the parameters that the template's type has.
    ///
    /// Sizes, instance type, volume size, cluster, VPC and subnets come from the spec; image, key pair and role mapping are the
    /// template's business, and labels, taints and settings of the kubelet reach the nodes where it has `BootstrapArguments`. What it really
    /// declares is asked while observing, and what does not fit refused while planning.
    #[must_use]
    pub fn amazon_template(mut self, template: impl Into<NodeGroupTemplate>) -> Self {
        self.0.amazon = Some(template.into());
        self
    }

    /// Sets the number of instances again to what the spec says, with every update. Default off: a number that an autoscaler moved
    /// stays, as long as the spec says the same as before; once it says another, that is set.
    #[must_use]
    pub fn resize_on_update(mut self, on: bool) -> Self {
        self.0.resize_on_update = on;
        self
    }

    /// Logical ids of resources (`NodeGroup`) that may stay as a failed update left them, where its rollback cannot restore them.
    /// Default none: then such a rollback ends in a [`StackFailure`](crate::StackFailure) that names them, and is continued once
    /// what held them is repaired.
    ///
    /// CloudFormation takes a skipped resource to be as it was before, which it is not: bring it there by hand, or by the next
    /// update. API Reference, "ContinueUpdateRollback", `ResourcesToSkip`.
    #[must_use]
    pub fn skip_in_rollback<T: Into<String>>(mut self, logical_ids: impl IntoIterator<Item = T>) -> Self {
        self.0.skip_in_rollback = logical_ids.into_iter().map(Into::into).collect();
        self
    }

    /// Makes a managed node group of the workers, instead of a stack with an Auto Scaling group. EKS lets their role in by itself.
    ///
    /// What EKS's API has no word for is refused: an image of one's own, lifecycle hooks, warm-up, a group in each zone, and other ways to
    /// buy than on demand or Spot by `price-capacity-optimized`. Volumes, metadata options, key pair and settings of the kubelet
    /// go into a launch template of ours. A change of these, or of the cluster's version, replaces every node, by EKS; sizes, labels,
    /// taints and [`Managed`]'s settings change in place.
    #[must_use]
    pub fn managed(mut self, settings: Managed) -> Self {
        self.0.managed = Some(settings);
        self
    }

    /// The spec, if it breaks no rule.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that is broken.
    pub fn build(self) -> Result<WorkersSpec, SpecError> {
        let problems = check::check(&self.0);
        problems.finish(format!("workers {}", self.0.name), || self.0)
    }
}
