//! The drain, gone through in thought.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    budget::{Budget, Threshold},
    cluster::{Cluster, Pod},
    filter::{Filtered, filter},
    forecast::{Blocked, Blocker, Forecast, Homeless, Remedy},
    placing::Places,
    spec::Drain,
};

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

/// A Pod that went and is not there again.
struct Gone<'a> {
    pod: &'a Pod,
    node: &'a str,
    /// Indices of its budgets, if it counted for them.
    budgets: Vec<usize>,
    fate: Fate,
}

/// What becomes of it.
enum Fate {
    /// Nothing makes it anew.
    Lost,
    /// It waits for a node, in vain for ever.
    Homeless,
    /// It waits until other Pods stand elsewhere, which have a say about its kind; it was tried when they were at that version. Without such
    /// Pods it is tried once.
    Waits { bound: Option<usize>, version: Option<u64> },
    /// It has found a node.
    Home,
}

struct Rehearsal<'a> {
    budgets: &'a [Budget],
    accounts: Vec<Account>,
    places: Places<'a>,
    gone: Vec<Gone<'a>>,
    /// Which of them wait.
    waiting: Vec<usize>,
    forecast: Forecast,
}

pub(super) fn rehearse(drain: &Drain, cluster: &Cluster) -> Forecast {
    let drained: HashSet<&str> = drain.nodes.iter().map(String::as_str).collect();
    rehearse_without(drain, cluster, &drained)
}

fn rehearse_without<'a>(drain: &'a Drain, cluster: &'a Cluster, drained: &'a HashSet<&'a str>) -> Forecast {
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
    let movers = waiting.iter().flat_map(|(_, pods)| pods).filter(|candidate| candidate.refused.is_none()).map(|candidate| candidate.pod);
    let places = Places::new(cluster, drained, movers);
    let rehearsal = Rehearsal { budgets: &cluster.budgets, accounts, places, gone: Vec::new(), waiting: Vec::new(), forecast };
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
        self.tell_gone();
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
    fn evict(&mut self, candidate: &Candidate<'a>, node: &'a str) -> bool {
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
        self.places.left(pod);
        let fate = match made_anew(pod) {
            // Its controller has seen to it already, or wants it no more.
            Anew::Already => None,
            Anew::Never => Some(Fate::Lost),
            Anew::Now => match self.places.bound(pod) {
                bound @ Some(_) => Some(Fate::Waits { bound, version: None }),
                None if self.waiting.is_empty() => match self.places.take(pod) {
                    Ok(()) => {
                        candidate.budgets.iter().for_each(|index| self.accounts[*index].healthy += 1);
                        None
                    }
                    Err(_) => Some(Fate::Homeless),
                },
                // Those that wait come first.
                None => Some(Fate::Waits { bound: None, version: None }),
            },
        };
        if let Some(fate) = fate {
            if matches!(fate, Fate::Waits { .. }) {
                self.waiting.push(self.gone.len());
            }
            self.gone.push(Gone { pod, node, budgets: candidate.budgets.clone(), fate });
        }
        self.place_waiting();
        true
    }

    /// Gives places to Pods that wait, for as long as one finds one: each may make room for another, or keep it away.
    fn place_waiting(&mut self) {
        let mut placed = true;
        while std::mem::take(&mut placed) {
            // One of a shape that was refused just now speaks for the others, until another Pod has found a place.
            let mut refused = HashSet::new();
            for index in std::mem::take(&mut self.waiting) {
                let gone = &mut self.gone[index];
                let Fate::Waits { bound, version } = &mut gone.fate else { continue };
                let (free, now) = (bound.is_none(), bound.map(|bound| self.places.version(bound)));
                if !free && *version == now {
                    self.waiting.push(index);
                    continue;
                }
                *version = now;
                let shape = self.places.shape_of(gone.pod);
                if refused.contains(&shape) {
                    self.waiting.push(index);
                    continue;
                }
                match self.places.take(gone.pod) {
                    Ok(()) => {
                        gone.fate = Fate::Home;
                        gone.budgets.iter().for_each(|index| self.accounts[*index].healthy += 1);
                        placed = true;
                        refused.clear();
                    }
                    Err(_) if free => gone.fate = Fate::Homeless,
                    Err(shape) => {
                        refused.insert(shape);
                        self.waiting.push(index);
                    }
                }
            }
        }
    }

    /// Tells of Pods that are not there again, and reckons for which budgets.
    fn tell_gone(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        let homeless = gone.iter().filter(|gone| matches!(gone.fate, Fate::Homeless | Fate::Waits { .. }));
        let mut told = self.places.homeless(homeless.map(|gone| (gone.pod, gone.node))).into_iter();
        for Gone { pod, node, budgets, fate } in gone {
            let lost = match fate {
                Fate::Home => continue,
                Fate::Lost => true,
                Fate::Homeless | Fate::Waits { .. } => false,
            };
            let counted = pod.ready && pod.deleted_at.is_none() && !pod.is_finished();
            for index in budgets.into_iter().filter(|_| counted) {
                let account = &mut self.accounts[index];
                if lost {
                    account.lost += 1;
                } else {
                    account.homeless += 1;
                    account.first.get_or_insert(self.forecast.homeless.len());
                }
            }
            let for_good = || Homeless { pod: pod.at(), node: node.to_owned(), made_anew: false, refusals: BTreeMap::new(), zone: None };
            self.forecast.homeless.extend(if lost { Some(for_good()) } else { told.next() });
        }
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
