//! The drain, gone through in thought.
//!
//! What makes this cheap for a large cluster: the nodes that remain only ever fill up, so a node that refuses a Pod refuses all others
//! of its shape from then on, and each shape looks at each node once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{
    budget::{Budget, Threshold},
    cluster::{Cluster, Node, Pod, Resources, Volume},
    filter::{Filtered, filter},
    forecast::{Blocked, Blocker, Forecast, Homeless, Remedy, counted},
    place::{Placement, Refusal, Room},
    spec::Drain,
};

/// Pods with equal demands.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'a> {
    placement: *const Placement,
    requests: &'a Resources,
    volumes: Vec<*const Volume>,
}

/// The nodes that remain.
struct Places<'a> {
    nodes: Vec<(&'a str, &'a Node, Room)>,
    /// The first node that may still take Pods of a shape.
    cursors: HashMap<Shape<'a>, usize>,
    cluster: &'a Cluster,
}

impl<'a> Places<'a> {
    fn new(cluster: &'a Cluster, drained: &HashSet<&str>) -> Self {
        let mut rooms: BTreeMap<&str, (&Node, Room)> = cluster
            .nodes
            .iter()
            .filter(|(name, _)| !drained.contains(name.as_str()))
            .map(|(name, node)| (name.as_str(), (node, Room { free: node.allocatable.clone(), pods: node.pods })))
            .collect();
        for pod in cluster.pods.iter().filter(|pod| !pod.is_finished()) {
            if let Some((_, room)) = pod.node.as_deref().and_then(|node| rooms.get_mut(node)) {
                room.take(&pod.requests);
            }
        }
        let nodes = rooms.into_iter().map(|(name, (node, room))| (name, node, room)).collect();
        Self { nodes, cursors: HashMap::new(), cluster }
    }

    fn volumes(&self, pod: &Pod) -> Vec<&'a Volume> {
        let find = |claim: &String| self.cluster.volumes.get(&(pod.namespace.to_string(), claim.clone()));
        pod.claims.iter().filter_map(find).collect()
    }

    /// Gives a Pod like this one a place. Whether there is one.
    fn take(&mut self, pod: &'a Pod) -> bool {
        let volumes = self.volumes(pod);
        let shape = Shape {
            placement: Arc::as_ptr(&pod.placement),
            requests: &pod.requests,
            volumes: volumes.iter().map(|volume| std::ptr::from_ref(*volume)).collect(),
        };
        let cursor = self.cursors.entry(shape).or_default();
        while let Some((name, node, room)) = self.nodes.get_mut(*cursor) {
            if room.refuses(&pod.requests).is_none() && pod.placement.refused_by(name, node, &volumes).is_none() {
                room.take(&pod.requests);
                return true;
            }
            *cursor += 1;
        }
        false
    }

    fn homeless(&self, pod: &Pod, node: &str) -> Homeless {
        let volumes = self.volumes(pod);
        let refusals: Vec<Refusal> = self
            .nodes
            .iter()
            .filter_map(|(name, node, room)| pod.placement.refused_by(name, node, &volumes).or_else(|| room.refuses(&pod.requests)))
            .collect();
        // A Pod that bears everything and asks for nothing: what refuses it is the volume alone.
        let bears = super::place::Toleration { operator: "Exists".to_owned(), ..super::place::Toleration::default() };
        let free = Placement { tolerations: vec![bears], ..Placement::default() };
        let unreachable = |volume: &&&Volume| {
            !volume.terms.is_empty() && self.nodes.iter().all(|(name, node, _)| free.refused_by(name, node, &[**volume]).is_some())
        };
        let zone = volumes.iter().find(unreachable).and_then(|volume| volume.zone()).map(str::to_owned);
        Homeless { pod: pod.at(), node: node.to_owned(), made_anew: true, refusals: counted(&refusals), zone }
    }
}

/// A budget as the drain goes on.
#[derive(Default)]
struct Account {
    healthy: i64,
    /// Ready Pods that went and found no node.
    homeless: usize,
    /// The first of them.
    first: Option<usize>,
    /// Ready Pods that went and nothing makes anew.
    lost: usize,
}

/// A Pod to be evicted.
struct Candidate<'a> {
    pod: &'a Pod,
    /// Indices of its budgets.
    budgets: Vec<usize>,
    refused: Option<Filtered>,
}

struct Rehearsal<'a> {
    budgets: &'a [Budget],
    accounts: Vec<Account>,
    places: Places<'a>,
    forecast: Forecast,
}

pub(super) fn rehearse(drain: &Drain, cluster: &Cluster) -> Forecast {
    let drained: HashSet<&str> = drain.nodes.iter().map(String::as_str).collect();
    let mut forecast = Forecast::default();
    let mut by_node: HashMap<&str, Vec<Candidate<'_>>> = HashMap::new();
    let mut by_namespace: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, budget) in cluster.budgets.iter().enumerate() {
        by_namespace.entry(&budget.namespace).or_default().push(index);
    }
    for pod in &cluster.pods {
        let Some(node) = pod.node.as_deref().filter(|node| drained.contains(node)) else { continue };
        let refused = filter(drain, cluster, pod);
        if let Some(filtered) = refused.filter(|filtered| !filtered.refuses()) {
            forecast.staying.push((pod.at(), filtered));
            continue;
        }
        let budgets = by_namespace.get(&*pod.namespace).into_iter().flatten().copied();
        let budgets = budgets.filter(|index| cluster.budgets[*index].protects(pod)).collect();
        by_node.entry(node).or_default().push(Candidate { pod, budgets, refused });
    }
    forecast.staying.sort();
    let mut waiting = Vec::new();
    for name in &drain.nodes {
        if !cluster.nodes.contains_key(name) {
            forecast.missing.push(name.clone());
            continue;
        }
        let mut pods = by_node.remove(name.as_str()).unwrap_or_default();
        pods.sort_by(|a, b| (&a.pod.namespace, &a.pod.name).cmp(&(&b.pod.namespace, &b.pod.name)));
        forecast.nodes.push(name.clone());
        forecast.going.insert(name.clone(), pods.iter().filter(|candidate| candidate.refused.is_none()).count());
        waiting.push((name.as_str(), pods));
    }
    let accounts = cluster.budgets.iter().map(|budget| Account { healthy: budget.healthy, ..Account::default() }).collect();
    let rehearsal = Rehearsal { budgets: &cluster.budgets, accounts, places: Places::new(cluster, &drained), forecast };
    rehearsal.run(drain.in_parallel.max(1), waiting)
}

impl<'a> Rehearsal<'a> {
    /// Sweeps over the nodes whose turn it is until nothing goes any more.
    fn run(mut self, width: usize, waiting: Vec<(&'a str, Vec<Candidate<'a>>)>) -> Forecast {
        let mut waiting = waiting.into_iter();
        let mut active: Vec<_> = waiting.by_ref().take(width).collect();
        loop {
            let mut went = false;
            for (node, pods) in &mut active {
                pods.retain(|candidate| {
                    let goes = self.evict(candidate, node);
                    went |= goes;
                    !goes
                });
            }
            active.retain(|(_, pods)| !pods.is_empty());
            let next: Vec<_> = waiting.by_ref().take(width - active.len()).collect();
            if !went && next.is_empty() {
                break;
            }
            active.extend(next);
        }
        let before: Vec<String> = active.iter().map(|(node, _)| (*node).to_owned()).collect();
        for (node, pods) in &active {
            for candidate in pods {
                let (why, remedies) = self.why(candidate);
                self.forecast.blocked.push(Blocked { pod: candidate.pod.at(), node: (*node).to_owned(), why, remedies });
            }
        }
        for (node, pods) in waiting {
            for candidate in pods {
                let (why, remedies) = match candidate.refused {
                    Some(_) => self.why(&candidate),
                    None => (Blocker::Behind { nodes: before.clone() }, vec![Remedy::First]),
                };
                self.forecast.blocked.push(Blocked { pod: candidate.pod.at(), node: node.to_owned(), why, remedies });
            }
        }
        self.forecast
    }

    /// Tries to evict a Pod, as the eviction API decides. Whether it goes.
    fn evict(&mut self, candidate: &Candidate<'a>, node: &str) -> bool {
        let pod = candidate.pod;
        if candidate.refused.is_some() {
            return false;
        }
        let counted = pod.ready && pod.deleted_at.is_none() && !pod.is_finished();
        if !pod.needs_no_budget() {
            match candidate.budgets.as_slice() {
                [] => {}
                [only] => {
                    let (budget, healthy) = (&self.budgets[*only], self.accounts[*only].healthy);
                    let unready_may = !pod.ready && budget.lets_unhealthy_go(healthy);
                    if !unready_may && budget.allows(healthy) == 0 {
                        return false;
                    }
                }
                _ => return false,
            }
        }
        for index in candidate.budgets.iter().filter(|_| counted) {
            self.accounts[*index].healthy -= 1;
        }
        match made_anew(pod) {
            // Its controller has seen to it already, or wants it no more.
            Anew::Already => {}
            Anew::Never => {
                self.forecast.homeless.push(Homeless {
                    pod: pod.at(),
                    node: node.to_owned(),
                    made_anew: false,
                    refusals: BTreeMap::new(),
                    zone: None,
                });
                candidate.budgets.iter().filter(|_| counted).for_each(|index| self.accounts[*index].lost += 1);
            }
            Anew::Now if self.places.take(pod) => candidate.budgets.iter().for_each(|index| self.accounts[*index].healthy += 1),
            Anew::Now => {
                let homeless = self.places.homeless(pod, node);
                for index in candidate.budgets.iter().filter(|_| counted) {
                    let account = &mut self.accounts[*index];
                    account.homeless += 1;
                    account.first.get_or_insert(self.forecast.homeless.len());
                }
                self.forecast.homeless.push(homeless);
            }
        }
        true
    }

    /// Why a Pod does not go, and what would let it.
    fn why(&self, candidate: &Candidate<'_>) -> (Blocker, Vec<Remedy>) {
        let pod = candidate.pod;
        if let Some(filtered) = candidate.refused {
            let setting = match filtered {
                Filtered::LocalStorage => "Drain::delete_local_data",
                Filtered::DaemonSetRefused => "leaving out Drain::refuse_daemon_sets",
                _ => "Drain::force",
            };
            return (Blocker::Filter(filtered), vec![Remedy::Allow(setting.to_owned()), Remedy::Delete]);
        }
        let [index] = candidate.budgets.as_slice() else {
            let budgets: Vec<String> = candidate.budgets.iter().map(|index| self.budgets[*index].at()).collect();
            return (Blocker::SeveralBudgets { budgets: budgets.clone() }, vec![Remedy::Narrow { budgets }]);
        };
        let (rules, account) = (&self.budgets[*index], &self.accounts[*index]);
        let (budget, ready, needed) = (rules.at(), account.healthy, rules.desired);
        let loosen = || Remedy::Loosen { budget: rules.at() };
        let spare = |more: usize| rules.allows(ready + i64::try_from(more).unwrap_or(i64::MAX)) > 0;
        if let Some(reason) = &rules.sync_failed {
            return (Blocker::Uncountable { budget, reason: reason.clone() }, vec![loosen()]);
        }
        if account.homeless > 0 && spare(account.homeless) {
            let first = account.first.map(|first| &self.forecast.homeless[first]);
            let refusals = first.map(|homeless| homeless.refusals.clone()).unwrap_or_default();
            let zone = first.and_then(|homeless| homeless.zone.clone());
            return (Blocker::NoRoomForOthers { budget, homeless: account.homeless, refusals }, vec![Remedy::AddNode { zone }, loosen()]);
        }
        if account.lost > 0 && spare(account.homeless + account.lost) {
            return (Blocker::NothingMakesOthers { budget, lost: account.lost }, vec![loosen()]);
        }
        if !pod.ready && !rules.always_allow {
            let remedies = vec![Remedy::AlwaysAllow { budget: rules.at() }, Remedy::Repair { budget: rules.at() }, loosen()];
            return (Blocker::UnreadyUnderBudget { budget, ready, needed }, remedies);
        }
        let promise = rules.threshold.to_string();
        if matches!(&rules.threshold, Threshold::MaxUnavailable(value) if ["0", "0%"].contains(&value.as_str())) {
            return (Blocker::NoneMayBeMissing { budget, promise }, vec![loosen()]);
        }
        let repair = (ready < needed).then(|| Remedy::Repair { budget: rules.at() });
        if needed >= rules.expected {
            let scalable = |kind: &str| ["ReplicaSet", "StatefulSet", "ReplicationController"].contains(&kind);
            let controller = pod.controller.as_ref().filter(|owner| scalable(&owner.kind));
            let controller = controller.filter(|_| !matches!(&rules.threshold, Threshold::MinAvailable(value) if value == "100%"));
            let scale = controller.map(|owner| Remedy::ScaleUp { controller: format!("{} {}/{}", owner.kind, pod.namespace, owner.name) });
            return (
                Blocker::EveryReplica { budget, promise, replicas: rules.expected },
                scale.into_iter().chain(repair).chain([loosen()]).collect(),
            );
        }
        (Blocker::TooFewReady { budget, ready, needed }, vec![Remedy::Repair { budget: rules.at() }, loosen()])
    }
}

/// What comes after a Pod that goes.
enum Anew {
    Already,
    Now,
    Never,
}

fn made_anew(pod: &Pod) -> Anew {
    let kind = pod.controller.as_ref().map(|owner| owner.kind.as_str());
    match kind {
        _ if pod.is_finished() => Anew::Already,
        // Its name is taken until it is gone; other controllers have filled the gap.
        Some("StatefulSet") => Anew::Now,
        _ if pod.deleted_at.is_some() => Anew::Already,
        // Its DaemonSet is gone: others stay.
        None | Some("DaemonSet") => Anew::Never,
        Some(_) => Anew::Now,
    }
}
