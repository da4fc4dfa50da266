//! An environment as one value.

use eks_cluster::{ClusterSpec, ClusterSpecBuilder, KubernetesVersion, upgrade::UpgradeBuilder};
use eks_core::{ClusterName, NetworkRefs, Owner, Problems, Region, SpecError, StackName};
use eks_k8s::{ObjectsSpec, ObjectsSpecBuilder};
use eks_net::{ExistingNetwork, NetworkSpec};
use eks_nodes::{WorkersSpec, WorkersSpecBuilder};
use std::sync::Arc;

use crate::specs::{ClusterWish, Part, Placement, Settings, Specs, Wishes, WorkersWish, merged, stand_in_network};

/// The network of an environment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Network {
    /// One that is made, kept and taken down with the environment.
    Made(Box<NetworkSpec>),
    /// One of others: used or adopted, as it says. Its subnets are known when a plan is made.
    Existing(Box<ExistingNetwork>),
    /// One of others that is known already, and of which nothing is looked at.
    Given(Box<NetworkRefs>),
}

impl From<NetworkSpec> for Network {
    fn from(spec: NetworkSpec) -> Self {
        Self::Made(Box::new(spec))
    }
}

impl From<ExistingNetwork> for Network {
    fn from(choice: ExistingNetwork) -> Self {
        Self::Existing(Box::new(choice))
    }
}

impl From<NetworkRefs> for Network {
    fn from(refs: NetworkRefs) -> Self {
        Self::Given(Box::new(refs))
    }
}

/// Everything that should exist, from the VPC to the Pods: checked, and the same whoever reads it.
///
/// ```
/// use eks_cluster::KubernetesVersion;
/// use eks_core::{ClusterName, Owner, StackName};
/// use eks_env::Environment;
/// use eks_net::{Nat, NetworkSpec};
/// use eks_nodes::Capacity;
///
/// let owner = Owner::new("shop")?;
/// let network = NetworkSpec::builder(&owner, "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"]).nat(Nat::PerZone).build()?;
/// let capacity = Capacity::new(2, 3, 6)?;
/// let environment = Environment::builder(&owner, network)
///     .cluster(ClusterName::new("shop")?, KubernetesVersion::V1_36, |cluster| cluster.public_access_cidrs(["198.51.100.0/24"]))
///     .workers(StackName::new("shop-web")?, move |workers| workers.instance_type("m7g.large").capacity(capacity))
///     .build()?;
/// assert_eq!(environment.workers().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Environment {
    pub(crate) owner: Owner,
    pub(crate) region: Region,
    pub(crate) network: Network,
    #[cfg_attr(not(feature = "client"), expect(dead_code, reason = "it is asked again when a plan is made"))]
    pub(crate) wishes: Wishes,
    #[cfg_attr(not(feature = "client"), expect(dead_code, reason = "it is asked again when a plan is made"))]
    pub(crate) upgrade: UpgradeWish,
    /// Over the network that is made or given; over a stand-in for one that is still to be looked at.
    pub(crate) specs: Specs,
}

/// How an upgrade is meant.
#[derive(Clone)]
pub(crate) struct UpgradeWish(
    #[cfg_attr(not(feature = "client"), expect(dead_code, reason = "it is asked again when a plan is made"))]
    pub(crate)  Settings<UpgradeBuilder>,
);

impl std::fmt::Debug for UpgradeWish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpgradeWish")
    }
}

/// Collects what an environment should be. [`EnvironmentBuilder::build`] tells every problem of every layer at once.
///
/// The layers' own builders are given to closures, over what is below them: a closure is called again where the network is known only
/// when a plan is made.
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before build()"]
pub struct EnvironmentBuilder {
    owner: Owner,
    region: Option<Region>,
    network: Network,
    /// To check the layers over, while an existing network is not looked at.
    stand_in: Option<NetworkRefs>,
    wishes: Wishes,
    upgrade: UpgradeWish,
}

impl Environment {
    /// Starts an environment of this owner on a network.
    pub fn builder(owner: &Owner, network: impl Into<Network>) -> EnvironmentBuilder {
        EnvironmentBuilder {
            owner: owner.clone(),
            region: None,
            network: network.into(),
            stand_in: None,
            wishes: Wishes::default(),
            upgrade: UpgradeWish(Arc::new(|builder| builder)),
        }
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The Region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The cluster. Over an existing network, its subnets stand for those that are found when a plan is made.
    pub fn cluster(&self) -> Option<&ClusterSpec> {
        self.specs.cluster.as_ref()
    }

    /// The groups of workers, likewise.
    pub fn workers(&self) -> &[WorkersSpec] {
        &self.specs.workers
    }

    /// The Kubernetes objects, likewise.
    pub fn objects(&self) -> Option<&ObjectsSpec> {
        self.specs.objects.as_ref()
    }

    /// The layers over the network as it was found.
    #[cfg(feature = "client")]
    pub(crate) fn specs_over(&self, network: &NetworkRefs) -> Result<Specs, SpecError> {
        self.wishes.over(&self.owner, network).map_err(|wrong| merged(&self.owner, wrong))
    }
}

impl EnvironmentBuilder {
    /// The Region. Default: that of the network's zones; an [`Network::Existing`] tells none.
    pub fn region(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    /// The cluster, with what is said of it beyond name and version. The builder that the closure gets has the network, and waits for
    /// the nodes of every group if there are [objects](Self::objects).
    pub fn cluster(
        mut self,
        name: ClusterName,
        version: KubernetesVersion,
        settings: impl Fn(ClusterSpecBuilder) -> ClusterSpecBuilder + Send + Sync + 'static,
    ) -> Self {
        self.wishes.cluster = Some(ClusterWish { name, version, settings: Arc::new(settings) });
        self
    }

    /// A group of workers in the private subnets.
    pub fn workers(self, name: StackName, settings: impl Fn(WorkersSpecBuilder) -> WorkersSpecBuilder + Send + Sync + 'static) -> Self {
        self.workers_in(Placement::default(), name, settings)
    }

    /// A group of workers in some of the network's subnets.
    pub fn workers_in(
        mut self,
        placement: Placement,
        name: StackName,
        settings: impl Fn(WorkersSpecBuilder) -> WorkersSpecBuilder + Send + Sync + 'static,
    ) -> Self {
        self.wishes.workers.push(WorkersWish { name, placement, settings: Arc::new(settings) });
        self
    }

    /// Kubernetes objects. The builder that the closure gets waits for the nodes of every group, maps their roles where aws-auth alone
    /// lets them in, and makes load balancers only once their subnets reach the internet.
    pub fn objects(mut self, settings: impl Fn(ObjectsSpecBuilder) -> ObjectsSpecBuilder + Send + Sync + 'static) -> Self {
        self.wishes.objects = Some(Arc::new(settings));
        self
    }

    /// What an upgrade to the cluster's version may do. Default: [`eks_cluster::upgrade::Upgrade::builder`]'s.
    pub fn upgrade(mut self, settings: impl Fn(UpgradeBuilder) -> UpgradeBuilder + Send + Sync + 'static) -> Self {
        self.upgrade = UpgradeWish(Arc::new(settings));
        self
    }

    /// What the layers are checked over where the network is not known yet.
    #[cfg(feature = "file")]
    pub(crate) fn standing_in(mut self, network: NetworkRefs) -> Self {
        self.stand_in = Some(network);
        self
    }

    /// The environment. Nothing is called.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that any layer breaks, each with the remedy.
    pub fn build(self) -> Result<Environment, SpecError> {
        let owner = self.owner.clone();
        self.check().map_err(|wrong| merged(&owner, wrong))
    }

    /// The environment, or what is wrong with each part.
    pub(crate) fn check(self) -> Result<Environment, Vec<(Part, SpecError)>> {
        let (region, mut wrong) = self.check_whole();
        let refs = match (&self.network, &region) {
            (Network::Made(spec), _) => spec.refs(),
            (Network::Given(refs), _) => (**refs).clone(),
            (Network::Existing(_), region) => {
                let region = region.as_ref().map_or("us-east-1", Region::as_str);
                let mut network = self.stand_in.clone().unwrap_or_else(|| stand_in_network(region, &[], []));
                self.wishes.complete(&self.owner, &mut network);
                network
            }
        };
        match (self.wishes.over(&self.owner, &refs), region) {
            (Ok(specs), Some(region)) if wrong.is_empty() => {
                let Self { owner, network, wishes, upgrade, .. } = self;
                Ok(Environment { owner, region, network, wishes, upgrade, specs })
            }
            (specs, _) => {
                wrong.extend(specs.err().into_iter().flatten());
                Err(wrong)
            }
        }
    }

    /// The Region, and what is wrong with the parts together.
    fn check_whole(&self) -> (Option<Region>, Vec<(Part, SpecError)>) {
        let mut problems = Problems::new();
        let (owner, of_network) = match &self.network {
            Network::Made(spec) => (Some(spec.owner()), Some(spec.region())),
            Network::Existing(choice) => (Some(choice.owner()), None),
            Network::Given(refs) => (None, refs.subnets.first().and_then(|subnet| Region::new(subnet.zone.region()).ok())),
        };
        if let Some(other) = owner.filter(|other| **other != self.owner) {
            let rule = format!("it is of owner {other}, and the environment of owner {}", self.owner);
            problems.add("environment-owner", "network", rule, "let both have one owner");
        }
        match (&self.region, &of_network) {
            (Some(region), Some(zones)) if region != zones => {
                let rule = format!("the network's zones are of {zones}, and the environment is in {region}");
                problems.add("environment-region", "region", rule, "choose zones of that Region, or that Region");
            }
            (None, None) => {
                let rule = "no Region is given, and the network tells none";
                problems.add("environment-region", "region", rule, "give the Region");
            }
            _ => {}
        }
        if self.wishes.cluster.is_none() && (!self.wishes.workers.is_empty() || self.wishes.objects.is_some()) {
            let rule = "workers and objects need a cluster, and there is none";
            problems.add("environment-cluster", "cluster", rule, "add a cluster, or leave them out");
        }
        for (place, group) in self.wishes.workers.iter().enumerate() {
            if self.wishes.workers[..place].iter().any(|other| other.name == group.name) {
                problems.add("workers-twice", format!("workers {}", group.name), "another group has this name", "give each its own");
            }
        }
        let wrong = problems.finish(format!("environment {}", self.owner), || ()).err();
        let region = self.region.clone().or(of_network);
        (region, wrong.map(|error| (Part::Environment, error)).into_iter().collect())
    }
}
