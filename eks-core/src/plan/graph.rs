//! Order, cycles, and the longest chain of a graph of steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::StepKey;

/// Positions in an order in which everything comes after what it needs; the given order is kept where it can be.
///
/// Needs that name nothing in the graph are ignored. On a cycle: the keys of one, in order.
pub(crate) fn sort(nodes: &[(StepKey, BTreeSet<StepKey>)]) -> Result<Vec<usize>, Vec<StepKey>> {
    let positions: BTreeMap<&StepKey, usize> = nodes.iter().enumerate().map(|(at, (key, _))| (key, at)).collect();
    let mut waiting: Vec<BTreeSet<usize>> =
        nodes.iter().map(|(_, needs)| needs.iter().filter_map(|key| positions.get(key).copied()).collect()).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, needs) in waiting.iter().enumerate() {
        for &need in needs {
            dependents[need].push(at);
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&at| waiting[at].is_empty()).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for &dependent in &dependents[at] {
            waiting[dependent].remove(&at);
            if waiting[dependent].is_empty() {
                ready.insert(dependent);
            }
        }
    }
    if order.len() == nodes.len() { Ok(order) } else { Err(cycle(nodes, &waiting)) }
}

/// Follows unmet needs until a node comes again.
fn cycle(nodes: &[(StepKey, BTreeSet<StepKey>)], waiting: &[BTreeSet<usize>]) -> Vec<StepKey> {
    let Some(mut at) = waiting.iter().position(|needs| !needs.is_empty()) else { return Vec::new() };
    let mut path = Vec::new();
    while !path.contains(&at) {
        path.push(at);
        // Every node left over waits for another that is left over.
        at = waiting[at].first().copied().unwrap_or(at);
    }
    let start = path.iter().position(|&seen| seen == at).unwrap_or_default();
    path[start..].iter().chain([&at]).map(|&at| nodes[at].0.clone()).collect()
}

/// The chain of needs that takes longest, first step first, and how long it takes. The nodes must come in order.
pub(crate) fn longest_chain<'a>(
    nodes: impl IntoIterator<Item = (&'a StepKey, &'a BTreeSet<StepKey>, Duration)>,
) -> (Duration, Vec<&'a StepKey>) {
    let mut ends: BTreeMap<&StepKey, (Duration, Option<&StepKey>)> = BTreeMap::new();
    for (key, needs, takes) in nodes {
        let before = needs.iter().filter_map(|need| ends.get_key_value(need).map(|(key, (end, _))| (*end, *key))).max();
        let (start, previous) = before.map_or((Duration::ZERO, None), |(end, key)| (end, Some(key)));
        ends.insert(key, (start + takes, previous));
    }
    let Some((&last, &(total, _))) = ends.iter().max_by_key(|(_, (end, _))| *end) else { return (Duration::ZERO, Vec::new()) };
    let mut chain = vec![last];
    while let Some((_, Some(previous))) = chain.last().and_then(|key| ends.get(*key)) {
        chain.push(previous);
    }
    chain.reverse();
    (total, chain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(key: usize, needs: &[usize]) -> (StepKey, BTreeSet<StepKey>) {
        let name = |n: usize| format!("t/{n:04}").parse::<StepKey>().unwrap();
        (name(key), needs.iter().map(|&n| name(n)).collect())
    }

    #[test]
    fn a_cycle_is_named() {
        let nodes = [node(0, &[]), node(1, &[0, 3]), node(2, &[1]), node(3, &[2])];
        let cycle: Vec<_> = sort(&nodes).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(cycle, ["t/0001", "t/0003", "t/0002", "t/0001"]);
    }

    #[test]
    fn the_longest_chain_is_by_time() {
        let nodes = [node(0, &[]), node(1, &[0]), node(2, &[0]), node(3, &[1, 2])];
        let takes = [1, 5, 9, 1].map(Duration::from_secs);
        let (total, chain) = longest_chain(nodes.iter().zip(takes).map(|((key, needs), takes)| (key, needs, takes)));
        assert_eq!(total, Duration::from_secs(11));
        assert_eq!(chain.iter().map(|key| key.as_str()).collect::<Vec<_>>(), ["t/0000", "t/0002", "t/0003"]);
    }

    proptest! {
        #[test]
        fn order_respects_needs(edges in proptest::collection::vec((0..40_usize, 0..40_usize), 0..200), reversed in any::<bool>()) {
            // Edges from the larger number to the smaller cannot make a cycle.
            let mut nodes: Vec<_> = (0..40)
                .map(|at| node(at, &edges.iter().filter(|(a, b)| *a == at && b < a).map(|(_, b)| *b).collect::<Vec<_>>()))
                .collect();
            if reversed {
                nodes.reverse();
            }
            let order = sort(&nodes).unwrap();
            prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), nodes.len());
            let mut done = BTreeSet::new();
            for at in order {
                prop_assert!(nodes[at].1.is_subset(&done));
                done.insert(nodes[at].0.clone());
            }
        }

        #[test]
        fn a_back_edge_is_a_cycle(from in 0..19_usize, to in 0..20_usize) {
            let (from, to) = (from.min(to), to.max(from + 1));
            let nodes: Vec<_> = (0..=to).map(|at| {
                let mut needs = if at > 0 { vec![at - 1] } else { vec![] };
                if at == from { needs.push(to) }
                node(at, &needs)
            }).collect();
            let cycle = sort(&nodes).unwrap_err();
            prop_assert_eq!(cycle.first(), cycle.last());
            prop_assert_eq!(cycle.len(), to - from + 2);
        }
    }
}
