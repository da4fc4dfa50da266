//! How many Pods stand where, kept up as a drain goes on: what decides about affinity between Pods and about topology spread, by the
//! scheduler's own way of counting (`interpodaffinity/filtering.go`, `podtopologyspread/filtering.go`).
//!
//! What makes this cheap: Pods of equal namespace, labels and placement mean the same to every counter and are judged once, and places are
//! numbers, so a node is judged by looking up a few of them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    cluster::{Cluster, Node, Pod},
    interpod::{PodTerm, Spread},
    place::{Placement, Refusal},
};

/// No place: the node lacks the label.
const NOWHERE: u32 = u32::MAX;

/// What a counter counts in each place of its topology key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Counted<'a> {
    /// Pods that a term is about.
    Selected(&'a PodTerm),
    /// Pods that all of these terms are about.
    All(&'a [PodTerm]),
    /// Pods that have this term in their anti-affinity.
    Holders(&'a PodTerm),
    /// Pods of a namespace that a constraint of such Pods counts.
    Spread(&'a Spread, &'a Placement, &'a str),
}

struct Counter<'a> {
    counted: Counted<'a>,
    key: usize,
    counts: Vec<i64>,
    /// For spread: which nodes are counted at all, and which places they make.
    eligible: Option<(Vec<bool>, Vec<bool>)>,
    /// Rises with every change.
    version: u64,
}

/// Places of a topology key: that of each node, and how many there are.
struct Key {
    place_of: Vec<u32>,
    places: usize,
}

/// What Pods of one namespace, labels and placement mean.
#[derive(Default)]
struct Kind<'a> {
    /// Counters that count them; those of spread leave out Pods that are going.
    counted_by: Vec<usize>,
    anti: Vec<usize>,
    affinity: Vec<usize>,
    /// Whether the affinity is about such Pods themselves: the first of them may go anywhere.
    first_may: bool,
    /// Anti-affinity of others that is about such Pods.
    kept_away_by: Vec<usize>,
    spread: Vec<(usize, &'a Spread, bool)>,
}

impl Kind<'_> {
    /// Counters on which it depends where such Pods may go.
    fn depends_on(&self) -> impl Iterator<Item = usize> {
        let spread = self.spread.iter().map(|(counter, ..)| *counter);
        self.anti.iter().chain(&self.affinity).chain(&self.kept_away_by).copied().chain(spread)
    }
}

pub(super) struct Topology<'a> {
    cluster: &'a Cluster,
    drained: &'a HashSet<&'a str>,
    /// Every node, by name.
    nodes: Vec<(&'a str, &'a Node)>,
    numbers: HashMap<&'a str, usize>,
    keys: Vec<Key>,
    keys_by_name: HashMap<&'a str, usize>,
    counters: Vec<Counter<'a>>,
    counters_by_what: HashMap<(Counted<'a>, usize), usize>,
    kinds: Vec<Kind<'a>>,
    kinds_by_pod: HashMap<(*const u8, *const u8, *const Placement), usize>,
}

/// Whether a Pod is seen by the scheduler on its node.
fn is_there(pod: &Pod) -> bool {
    !pod.is_finished()
}

impl<'a> Topology<'a> {
    /// Counts what matters for Pods that may have to be placed anew.
    pub(super) fn new(cluster: &'a Cluster, drained: &'a HashSet<&'a str>, movers: impl Iterator<Item = &'a Pod>) -> Self {
        let nodes: Vec<(&str, &Node)> = cluster.nodes.iter().map(|(name, node)| (name.as_str(), node)).collect();
        let numbers = nodes.iter().enumerate().map(|(number, (name, _))| (*name, number)).collect();
        let mut topology = Self {
            cluster,
            drained,
            nodes,
            numbers,
            keys: Vec::new(),
            keys_by_name: HashMap::new(),
            counters: Vec::new(),
            counters_by_what: HashMap::new(),
            kinds: Vec::new(),
            kinds_by_pod: HashMap::new(),
        };
        let mut seen = HashSet::new();
        for pod in movers.filter(|pod| seen.insert((Arc::as_ptr(&pod.placement), Arc::as_ptr(&pod.namespace)))) {
            let placement: &'a Placement = &pod.placement;
            placement.pod_anti_affinity.iter().for_each(|term| topology.add(Counted::Selected(term), &term.topology_key));
            for term in &placement.pod_affinity {
                topology.add(Counted::All(&placement.pod_affinity), &term.topology_key);
            }
            for spread in &placement.spread {
                topology.add(Counted::Spread(spread, placement, &pod.namespace), &spread.topology_key);
            }
        }
        let mut seen = HashSet::new();
        for pod in cluster.pods.iter().filter(|pod| is_there(pod) && seen.insert(Arc::as_ptr(&pod.placement))) {
            pod.placement.pod_anti_affinity.iter().for_each(|term| topology.add(Counted::Holders(term), &term.topology_key));
        }
        if !topology.counters.is_empty() {
            for pod in cluster.pods.iter().filter(|pod| is_there(pod)) {
                topology.count(pod, pod.node.as_deref(), pod.deleted_at.is_some(), 1);
            }
        }
        topology
    }

    fn add(&mut self, counted: Counted<'a>, key: &'a str) {
        let nodes = &self.nodes;
        let key = *self.keys_by_name.entry(key).or_insert_with(|| {
            let mut known: HashMap<&str, u32> = HashMap::new();
            let place = |(_, node): &(&'a str, &'a Node)| {
                let next = u32::try_from(known.len()).unwrap_or(NOWHERE);
                node.labels.get(key).map_or(NOWHERE, |value| *known.entry(value).or_insert(next))
            };
            let place_of = nodes.iter().map(place).collect();
            self.keys.push(Key { place_of, places: known.len() });
            self.keys.len() - 1
        });
        if self.counters_by_what.contains_key(&(counted, key)) {
            return;
        }
        let Key { place_of, places } = &self.keys[key];
        let eligible = match counted {
            Counted::Spread(spread, placement, _) => {
                let eligible: Vec<bool> =
                    nodes.iter().map(|(name, node)| counts_for(spread, placement, name, node, self.drained)).collect();
                let mut there = vec![false; *places];
                for (number, _) in eligible.iter().enumerate().filter(|(_, counts)| **counts) {
                    there[place_of[number] as usize] = true;
                }
                Some((eligible, there))
            }
            _ => None,
        };
        self.counters_by_what.insert((counted, key), self.counters.len());
        self.counters.push(Counter { counted, key, counts: vec![0; *places], eligible, version: 0 });
    }

    /// What a Pod means; judged once for all Pods like it.
    fn kind(&mut self, pod: &'a Pod) -> usize {
        let like = (Arc::as_ptr(&pod.namespace).cast::<u8>(), Arc::as_ptr(&pod.labels).cast::<u8>(), Arc::as_ptr(&pod.placement));
        if let Some(kind) = self.kinds_by_pod.get(&like) {
            return *kind;
        }
        let selects = |term: &PodTerm| term.selects(&pod.namespace, &pod.labels, &self.cluster.namespaces);
        let mut kind = Kind::default();
        let placement: &'a Placement = &pod.placement;
        for (number, counter) in self.counters.iter().enumerate() {
            let counts = match counter.counted {
                Counted::Selected(term) => {
                    if placement.pod_anti_affinity.contains(term) {
                        kind.anti.push(number);
                    }
                    selects(term)
                }
                Counted::All(terms) => {
                    let (own, all) = (!terms.is_empty() && placement.pod_affinity == terms, terms.iter().all(selects));
                    if own {
                        kind.affinity.push(number);
                        kind.first_may = all;
                    }
                    all
                }
                Counted::Holders(term) => {
                    if selects(term) {
                        kind.kept_away_by.push(number);
                    }
                    placement.pod_anti_affinity.contains(term)
                }
                Counted::Spread(spread, of, namespace) => {
                    let counts =
                        *pod.namespace == *namespace && spread.selector.as_ref().is_some_and(|selector| selector.matches(&pod.labels));
                    if std::ptr::eq(of, placement) && *pod.namespace == *namespace {
                        kind.spread.push((number, spread, counts));
                    }
                    counts
                }
            };
            if counts {
                kind.counted_by.push(number);
            }
        }
        self.kinds.push(kind);
        self.kinds_by_pod.insert(like, self.kinds.len() - 1);
        self.kinds.len() - 1
    }

    /// Counts a Pod in (1) or out (-1).
    fn count(&mut self, pod: &'a Pod, node: Option<&str>, going: bool, by: i64) {
        let Some(number) = node.and_then(|node| self.numbers.get(node)).copied() else { return };
        let kind = self.kind(pod);
        for index in &self.kinds[kind].counted_by {
            let counter = &mut self.counters[*index];
            let place = self.keys[counter.key].place_of[number];
            let eligible = counter.eligible.as_ref().is_none_or(|(eligible, _)| eligible[number] && !going);
            if place != NOWHERE && eligible {
                counter.counts[place as usize] += by;
                counter.version += 1;
            }
        }
    }

    /// A Pod has left its node.
    pub(super) fn left(&mut self, pod: &'a Pod) {
        if !self.counters.is_empty() && is_there(pod) {
            self.count(pod, pod.node.as_deref(), pod.deleted_at.is_some(), -1);
        }
    }

    /// One like it has come to a node.
    pub(super) fn came(&mut self, pod: &'a Pod, node: &str) {
        if !self.counters.is_empty() {
            self.count(pod, Some(node), false, 1);
        }
    }

    /// What a Pod means to others and they to it; `None` if where it may go depends on no other Pod.
    pub(super) fn bound(&mut self, pod: &'a Pod) -> Option<usize> {
        if self.counters.is_empty() {
            return None;
        }
        let kind = self.kind(pod);
        self.kinds[kind].depends_on().next().is_some().then_some(kind)
    }

    /// Changes with anything on which it depends where such Pods may go.
    pub(super) fn version(&self, kind: usize) -> u64 {
        self.kinds[kind].depends_on().map(|counter| self.counters[counter].version).sum()
    }

    /// The judgement on nodes, as things are now.
    pub(super) fn judge(&self, kind: usize) -> Judge<'_, 'a> {
        let kind = &self.kinds[kind];
        let fewest = |(index, spread, _): &(usize, &Spread, bool)| {
            let counter = &self.counters[*index];
            let there = counter.eligible.iter().flat_map(|(_, there)| there.iter().zip(&counter.counts));
            let counts: Vec<i64> = there.filter(|(there, _)| **there).map(|(_, count)| *count).collect();
            if counts.len() < spread.min_domains { 0 } else { counts.into_iter().min().unwrap_or(0) }
        };
        // "the first of a series of Pods": no other is there that all terms are about.
        let first = kind.first_may && kind.affinity.iter().all(|index| self.counters[*index].counts.iter().all(|count| *count == 0));
        Judge { topology: self, kind, fewest: kind.spread.iter().map(fewest).collect(), first }
    }

    /// The number of a node.
    pub(super) fn number(&self, node: &str) -> usize {
        self.numbers.get(node).copied().unwrap_or_default()
    }
}

/// Whether a node, and so its place, counts for a constraint.
fn counts_for(spread: &Spread, placement: &Placement, name: &str, node: &Node, drained: &HashSet<&str>) -> bool {
    let keys: BTreeSet<&str> = placement.spread.iter().map(|spread| spread.topology_key.as_str()).collect();
    keys.iter().all(|key| node.labels.contains_key(*key))
        && (spread.ignores_affinity || placement.selects(name, node))
        && (!spread.honors_taints || placement.bears(node, node.unschedulable || drained.contains(name)).is_none())
}

/// What other Pods say to nodes for one kind of Pod.
pub(super) struct Judge<'t, 'a> {
    topology: &'t Topology<'a>,
    kind: &'t Kind<'a>,
    fewest: Vec<i64>,
    first: bool,
}

impl Judge<'_, '_> {
    fn count(&self, counter: usize, node: usize) -> Option<i64> {
        let counter = &self.topology.counters[counter];
        let place = self.topology.keys[counter.key].place_of[node];
        (place != NOWHERE).then(|| counter.counts[place as usize])
    }

    /// Why a node does not take such a Pod; in the order of the scheduler's filters.
    pub(super) fn refuses(&self, node: usize) -> Option<Refusal> {
        for ((counter, spread, itself), fewest) in self.kind.spread.iter().zip(&self.fewest) {
            let count = self.count(*counter, node);
            if count.is_none_or(|count| count + i64::from(*itself) - fewest > spread.max_skew) {
                return Some(Refusal::Spread(spread.topology_key.clone()));
            }
        }
        let some = |counter: &usize| self.count(*counter, node).is_some_and(|count| count > 0);
        if self.kind.affinity.iter().any(|counter| self.count(*counter, node).is_none())
            || !self.first && !self.kind.affinity.iter().all(some)
        {
            return Some(Refusal::Affinity);
        }
        (self.kind.anti.iter().any(some) || self.kind.kept_away_by.iter().any(some)).then_some(Refusal::AntiAffinity)
    }
}
