//! Where Pods that are made anew find a place, while a drain goes on.
//!
//! What makes this cheap for a large cluster: the nodes that remain only ever fill up, so a node that refuses a Pod for want of room refuses
//! all others of its shape from then on. Only for Pods that others may keep from a node every node is looked at again.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{
    cluster::{Cluster, Node, Pod, Resources, Volume},
    forecast::{Homeless, counted},
    place::{Placement, Refusal, Room, Toleration},
    topology::Topology,
};

/// Pods with equal demands.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Shape<'a> {
    /// Those on which others have a say are of one kind to [`Topology`].
    bound: Option<usize>,
    placement: *const Placement,
    requests: &'a Resources,
    volumes: Vec<*const Volume>,
}

/// A node that remains.
struct Site<'a> {
    name: &'a str,
    node: &'a Node,
    room: Room,
    /// By which the topology knows it.
    number: usize,
}

pub(super) struct Places<'a> {
    sites: Vec<Site<'a>>,
    /// The first node that may still take Pods of a shape, where no other Pod has a say.
    cursors: HashMap<Shape<'a>, usize>,
    /// Nodes that take Pods of a placement but for volumes, room and other Pods.
    open: HashMap<*const Placement, Arc<[u32]>>,
    cluster: &'a Cluster,
    topology: Topology<'a>,
}

impl<'a> Places<'a> {
    pub(super) fn new(cluster: &'a Cluster, drained: &'a HashSet<&'a str>, movers: impl Iterator<Item = &'a Pod>) -> Self {
        let topology = Topology::new(cluster, drained, movers);
        let remaining = cluster.nodes.iter().filter(|(name, _)| !drained.contains(name.as_str()));
        let mut rooms: BTreeMap<&str, (&Node, Room)> = remaining.map(|(name, node)| (name.as_str(), (node, Room::of(node)))).collect();
        for pod in cluster.pods.iter().filter(|pod| !pod.is_finished()) {
            if let Some((_, room)) = pod.node.as_deref().and_then(|node| rooms.get_mut(node)) {
                room.take(pod);
            }
        }
        let site = |(name, (node, room)): (&'a str, _)| Site { name, node, room, number: topology.number(name) };
        let sites = rooms.into_iter().map(site).collect();
        Self { sites, cursors: HashMap::new(), open: HashMap::new(), cluster, topology }
    }

    fn volumes(&self, pod: &Pod) -> Vec<&'a Volume> {
        let find = |claim: &String| self.cluster.volumes.get(&(pod.namespace.to_string(), claim.clone()));
        pod.claims.iter().filter_map(find).collect()
    }

    fn shape(&self, pod: &'a Pod, bound: Option<usize>) -> Shape<'a> {
        let volumes = self.volumes(pod).into_iter().map(std::ptr::from_ref).collect();
        Shape { bound, placement: Arc::as_ptr(&pod.placement), requests: &pod.requests, volumes }
    }

    /// What a Pod demands.
    pub(super) fn shape_of(&mut self, pod: &'a Pod) -> Shape<'a> {
        let bound = self.topology.bound(pod);
        self.shape(pod, bound)
    }

    /// A Pod has left a node that is drained.
    pub(super) fn left(&mut self, pod: &'a Pod) {
        self.topology.left(pod);
    }

    /// Whether it may depend on other Pods where such a Pod goes; then a later attempt may succeed where this one does not.
    pub(super) fn bound(&mut self, pod: &'a Pod) -> Option<usize> {
        self.topology.bound(pod)
    }

    /// By how much things have changed on which that depends.
    pub(super) fn version(&self, bound: usize) -> u64 {
        self.topology.version(bound)
    }

    /// Gives a Pod like this one a place; its shape, if there is none.
    pub(super) fn take(&mut self, pod: &'a Pod) -> Result<(), Shape<'a>> {
        let bound = self.topology.bound(pod);
        let found = match bound {
            Some(kind) => self.find_among_others(pod, kind),
            None => self.find(pod),
        };
        let Some(site) = found else { return Err(self.shape(pod, bound)) };
        let site = &mut self.sites[site];
        site.room.take(pod);
        self.topology.came(pod, site.name);
        Ok(())
    }

    fn find(&mut self, pod: &'a Pod) -> Option<usize> {
        let volumes = self.volumes(pod);
        let shape = self.shape(pod, None);
        let cursor = self.cursors.entry(shape).or_default();
        while let Some(Site { name, node, room, .. }) = self.sites.get(*cursor) {
            if room.refuses(pod).is_none() && pod.placement.refused_by(name, node, &volumes).is_none() {
                return Some(*cursor);
            }
            *cursor += 1;
        }
        None
    }

    fn find_among_others(&mut self, pod: &'a Pod, kind: usize) -> Option<usize> {
        let (volumes, sites) = (self.volumes(pod), &self.sites);
        let takes = |site: &Site<'_>| pod.placement.refused_by(site.name, site.node, &[]).is_none();
        let open = || sites.iter().zip(0_u32..).filter(|(site, _)| takes(site)).map(|(_, number)| number).collect();
        let open = Arc::clone(self.open.entry(Arc::as_ptr(&pod.placement)).or_insert_with(open));
        let judge = self.topology.judge(kind);
        let mut numbers = open.iter().map(|number| *number as usize);
        numbers.find(|number| {
            let site = &self.sites[*number];
            judge.refuses(site.number).is_none()
                && site.room.refuses(pod).is_none()
                && (volumes.is_empty() || pod.placement.refused_by(site.name, site.node, &volumes).is_none())
        })
    }

    /// Tells why Pods found no place; once for all of a shape.
    pub(super) fn homeless(&mut self, pods: impl Iterator<Item = (&'a Pod, &'a str)>) -> Vec<Homeless> {
        let mut told: HashMap<Shape<'a>, (BTreeMap<String, usize>, Option<String>)> = HashMap::new();
        let tell = |(pod, node): (&'a Pod, &'a str)| {
            let bound = self.topology.bound(pod);
            let (refusals, zone) = told.entry(self.shape(pod, bound)).or_insert_with(|| self.refusals(pod, bound)).clone();
            Homeless { pod: pod.at(), node: node.to_owned(), made_anew: true, refusals, zone }
        };
        pods.map(tell).collect()
    }

    fn refusals(&self, pod: &Pod, bound: Option<usize>) -> (BTreeMap<String, usize>, Option<String>) {
        let volumes = self.volumes(pod);
        let judge = bound.map(|kind| self.topology.judge(kind));
        let refusal = |site: &Site<'_>| {
            let refused = pod.placement.refused_by(site.name, site.node, &volumes).or_else(|| site.room.refuses(pod));
            refused.or_else(|| judge.as_ref()?.refuses(site.number))
        };
        let refusals: Vec<Refusal> = self.sites.iter().filter_map(refusal).collect();
        // A Pod that bears everything and asks for nothing: what refuses it is the volume alone.
        let bears = Toleration { operator: "Exists".to_owned(), ..Toleration::default() };
        let free = Placement { tolerations: vec![bears], ..Placement::default() };
        let unreachable = |volume: &&&Volume| {
            !volume.terms.is_empty() && self.sites.iter().all(|site| free.refused_by(site.name, site.node, &[**volume]).is_some())
        };
        let zone = volumes.iter().find(unreachable).and_then(|volume| volume.zone()).map(str::to_owned);
        (counted(&refusals), zone)
    }
}
