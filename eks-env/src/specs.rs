//! The specs of all layers, wired to each other.

use std::{fmt, sync::Arc};

use eks_cluster::{ClusterSpec, ClusterSpecBuilder, KubernetesVersion};
use eks_core::{
    AuthenticationMode, ClusterName, ClusterRefs, NetworkRefs, Owner, Problems, Ref, SecurityGroupId, SpecError, StackName, StepKey,
    SubnetRef, Tier, ZoneName,
};
use eks_k8s::{ObjectsSpec, ObjectsSpecBuilder};
use eks_nodes::{RoleMapping, WorkersSpec, WorkersSpecBuilder};

/// What is said of one layer: it is asked again whenever the layer below has changed.
pub(crate) type Settings<B> = Arc<dyn Fn(B) -> B + Send + Sync>;

/// In which of the network's subnets a group of workers runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// In all private ones.
    #[default]
    Private,
    /// In all public ones. The workers' own settings must allow them.
    Public,
    /// In all private ones of these zones.
    Zones(Vec<ZoneName>),
}

impl Placement {
    fn of(&self, network: &NetworkRefs) -> NetworkRefs {
        let mut network = network.clone();
        network.subnets.retain(|subnet| match self {
            Self::Private => subnet.tier == Tier::Private,
            Self::Public => subnet.tier == Tier::Public,
            Self::Zones(zones) => subnet.tier == Tier::Private && zones.contains(&subnet.zone),
        });
        network
    }
}

/// What is wanted of a cluster.
#[derive(Clone)]
pub(crate) struct ClusterWish {
    pub(crate) name: ClusterName,
    pub(crate) version: KubernetesVersion,
    pub(crate) settings: Settings<ClusterSpecBuilder>,
}

/// What is wanted of a group of workers.
#[derive(Clone)]
pub(crate) struct WorkersWish {
    pub(crate) name: StackName,
    pub(crate) placement: Placement,
    pub(crate) settings: Settings<WorkersSpecBuilder>,
}

impl WorkersWish {
    /// Each zone that is chosen must have a private subnet: a group over fewer zones than were asked for is another one.
    fn check_zones(&self, network: &NetworkRefs) -> Result<(), SpecError> {
        let Placement::Zones(zones) = &self.placement else { return Ok(()) };
        let has = |zone: &ZoneName| network.subnets.iter().any(|subnet| subnet.tier == Tier::Private && subnet.zone == *zone);
        let lacking: Vec<&str> = zones.iter().filter(|zone| !has(zone)).map(ZoneName::as_str).collect();
        // Of a group without any subnet its own spec tells.
        if lacking.is_empty() || lacking.len() == zones.len() {
            return Ok(());
        }
        let rule = format!("the network has no private subnet in {}", lacking.join(", "));
        let mut problems = Problems::new();
        problems.add("placement-zone", format!("workers {}", self.name), rule, "choose zones of the network, or add a subnet there");
        problems.finish(format!("workers {}", self.name), || ())
    }
}

/// What is wanted over a network.
#[derive(Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) cluster: Option<ClusterWish>,
    pub(crate) workers: Vec<WorkersWish>,
    pub(crate) objects: Option<Settings<ObjectsSpecBuilder>>,
}

/// The layers over a network, each valid.
#[derive(Clone, Debug)]
pub(crate) struct Specs {
    pub(crate) cluster: Option<ClusterSpec>,
    pub(crate) workers: Vec<WorkersSpec>,
    pub(crate) objects: Option<ObjectsSpec>,
}

/// Which part of an environment a problem is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Several parts together.
    Environment,
    #[cfg(feature = "file")]
    Network,
    Cluster,
    /// The group at this place.
    Workers(usize),
    Objects,
}

impl Wishes {
    /// Builds every layer over this network. With a cluster that is wrong, the layers above it are checked over one that would be right,
    /// so that their problems are told, too.
    pub(crate) fn over(&self, owner: &Owner, network: &NetworkRefs) -> Result<Specs, Vec<(Part, SpecError)>> {
        let mut wrong = Vec::new();
        let mut note = |part, error| wrong.push((part, error));
        let Some(wish) = &self.cluster else {
            return Ok(Specs { cluster: None, workers: Vec::new(), objects: None });
        };
        let cluster = self.cluster_over(owner, wish, network).map_err(|error| note(Part::Cluster, error)).ok();
        let refs = cluster.as_ref().map_or_else(|| stand_in_cluster(wish), ClusterSpec::refs);
        let mut workers = Vec::new();
        for (place, wish) in self.workers.iter().enumerate() {
            wish.check_zones(network).unwrap_or_else(|error| note(Part::Workers(place), error));
            let builder = WorkersSpec::builder(owner, wish.name.clone(), refs.clone(), wish.placement.of(network));
            match (wish.settings)(builder).build() {
                Ok(spec) if spec.mapping() == RoleMapping::AwsAuth && self.objects.is_none() => {
                    let rule =
                        "the role of its nodes is mapped by ConfigMap aws-auth, and without objects nothing edits that: no node would join";
                    let remedy = "add objects, be they empty, or map it elsewhere (mapping none), or choose a mode with access entries";
                    let mut problems = Problems::new();
                    problems.add("aws-auth-unedited", format!("workers {}", wish.name), rule, remedy);
                    problems.finish(format!("workers {}", wish.name), || ()).unwrap_or_else(|error| note(Part::Workers(place), error));
                }
                Ok(spec) => workers.push(spec),
                Err(error) => note(Part::Workers(place), error),
            }
        }
        let objects = self.objects.as_ref().and_then(|settings| {
            let mut builder = ObjectsSpec::builder(owner, refs.clone()).service_needs(network.egress.clone());
            for group in &workers {
                builder = builder.nodes(group.refs());
                if group.mapping() == RoleMapping::AwsAuth {
                    builder = builder.map_role(group.name().as_str(), group.refs().role);
                }
            }
            settings(builder).build().map_err(|error| note(Part::Objects, error)).ok()
        });
        if wrong.is_empty() { Ok(Specs { cluster, workers, objects }) } else { Err(wrong) }
    }

    fn cluster_over(&self, owner: &Owner, wish: &ClusterWish, network: &NetworkRefs) -> Result<ClusterSpec, SpecError> {
        let mut builder = ClusterSpec::builder(owner, wish.name.clone(), wish.version, network.clone());
        if self.objects.is_some() {
            builder = builder.nodes_ready_after(self.workers.iter().filter_map(|group| nodes_key(&group.name)));
        }
        (wish.settings)(builder).build()
    }
}

/// The step that waits until the nodes of a group are Ready. `None` for a name that a spec refuses anyway.
fn nodes_key(name: &StackName) -> Option<StepKey> {
    StepKey::new(["k8s", "nodes", name.as_str()]).ok()
}

/// A cluster to check workers and objects over while the one that is meant is wrong.
fn stand_in_cluster(wish: &ClusterWish) -> ClusterRefs {
    ClusterRefs {
        name: wish.name.clone(),
        version: wish.version.to_string(),
        endpoint: String::new().into(),
        certificate_authority: String::new().into(),
        service_cidr: String::new().into(),
        security_groups: Vec::new(),
        cluster_security_group: SECURITY_GROUP.parse::<SecurityGroupId>().map_or_else(|_| unreachable!(), Into::into),
        authentication: AuthenticationMode::ApiAndConfigMap,
        nodes_need: Vec::new(),
        volumes_need: Vec::new(),
    }
}

const SECURITY_GROUP: &str = "sg-00000000";

/// A network to check the layers over while the one that is meant is not known yet: two zones of the Region, with public and private
/// subnets, and every security group that is named.
pub(crate) fn stand_in_network<'a>(region: &str, zones: &[ZoneName], groups: impl IntoIterator<Item = &'a str>) -> NetworkRefs {
    let zones: Vec<ZoneName> = match zones {
        [] => ["a", "b"].into_iter().filter_map(|letter| ZoneName::new(format!("{region}{letter}")).ok()).collect(),
        given => given.to_vec(),
    };
    let subnets = zones.iter().flat_map(|zone| [(zone, Tier::Public), (zone, Tier::Private)]);
    let subnets = subnets.enumerate().filter_map(|(number, (zone, tier))| {
        let id = format!("subnet-{number:08x}").parse::<eks_core::SubnetId>().ok()?;
        Some(SubnetRef { id: id.into(), zone: zone.clone(), tier })
    });
    let group = |(number, name): (usize, &str)| Some((name.to_owned(), stand_in_group(number)?));
    NetworkRefs {
        vpc: "vpc-00000000".parse::<eks_core::VpcId>().map_or_else(|_| unreachable!(), Into::into),
        cidrs: Vec::new(),
        subnets: subnets.collect(),
        security_groups: groups.into_iter().enumerate().filter_map(group).collect(),
        egress: Vec::new(),
    }
}

fn stand_in_group(number: usize) -> Option<Ref<SecurityGroupId>> {
    Some(format!("sg-{number:08x}").parse::<SecurityGroupId>().ok()?.into())
}

impl Wishes {
    /// Adds to a stand-in what these wishes name of a network that is not looked at yet: zones of its Region, and security groups. Whether it
    /// has them is told when a plan is made.
    pub(crate) fn complete(&self, owner: &Owner, network: &mut NetworkRefs) {
        let region = network.subnets.first().map(|subnet| subnet.zone.region().to_owned()).unwrap_or_default();
        for wish in &self.workers {
            let Placement::Zones(zones) = &wish.placement else { continue };
            for zone in zones.iter().filter(|zone| zone.region() == region) {
                let id = format!("subnet-{:08x}", network.subnets.len()).parse::<eks_core::SubnetId>();
                if let (Ok(id), false) = (id, network.subnets.iter().any(|subnet| subnet.zone == *zone)) {
                    network.subnets.push(SubnetRef { id: id.into(), zone: zone.clone(), tier: Tier::Private });
                }
            }
        }
        let Some(Err(error)) = self.cluster.as_ref().map(|wish| self.cluster_over(owner, wish, network)) else { return };
        for problem in error.problems.iter().filter(|problem| problem.code == UNKNOWN_GROUP) {
            let name = problem.subject.split('"').nth(1).unwrap_or_default().to_owned();
            if let Some(group) = stand_in_group(network.security_groups.len()) {
                network.security_groups.insert(name, group);
            }
        }
    }
}

const UNKNOWN_GROUP: &str = "security-group-unknown";

/// One error of several.
pub(crate) fn merged(owner: &Owner, wrong: Vec<(Part, SpecError)>) -> SpecError {
    let mut problems = Problems::new();
    for problem in wrong.into_iter().flat_map(|(_, error)| error.problems) {
        problems.add(problem.code, problem.subject, problem.rule, problem.remedy);
    }
    match problems.finish(format!("environment {owner}"), || ()) {
        Err(error) => error,
        Ok(()) => unreachable!("an error has problems"),
    }
}

impl fmt::Debug for Wishes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers: Vec<_> = self.workers.iter().map(|group| &group.name).collect();
        let cluster = self.cluster.as_ref().map(|cluster| &cluster.name);
        f.debug_struct("Wishes").field("cluster", &cluster).field("workers", &workers).field("objects", &self.objects.is_some()).finish()
    }
}
