//! What a drain is forecast to meet, against what Kubernetes would do, on many random clusters.

#[path = "drain/dice.rs"]
mod dice;
#[path = "drain/oracle.rs"]
mod oracle;
#[path = "drain/random.rs"]
mod random;

use std::collections::BTreeMap;

use dice::Random;
use eks_k8s::drain::{Blocker, Cluster, Drain, Forecast};
use oracle::{Flags, World};

/// How many clusters are looked at: enough to meet every kind of blocker hundreds of times. `FORECASTS` asks for more.
const CLUSTERS: u64 = 12_000;

fn clusters() -> u64 {
    std::env::var("FORECASTS").map_or(CLUSTERS, |count| count.parse::<u64>().expect("a number").max(CLUSTERS))
}

fn forecast(world: &World, flags: &Flags) -> Forecast {
    let cluster = Cluster::of_objects(&world.nodes, &world.pods, &world.budgets, &world.volumes, &world.daemon_sets).expect("readable");
    let mut drain = Drain::of(&flags.nodes).in_parallel(flags.width);
    if flags.force {
        drain = drain.force();
    }
    if flags.delete_emptydir_data {
        drain = drain.delete_local_data();
    }
    if !flags.ignore_daemonsets {
        drain = drain.refuse_daemon_sets();
    }
    drain.forecast(&cluster)
}

fn kind(why: &Blocker) -> &'static str {
    match why {
        Blocker::Filter(_) => "filter",
        Blocker::SeveralBudgets { .. } => "several budgets",
        Blocker::EveryReplica { .. } => "every replica",
        Blocker::NoneMayBeMissing { .. } => "none may be missing",
        Blocker::Uncountable { .. } => "uncountable",
        Blocker::TooFewReady { .. } => "too few ready",
        Blocker::UnreadyUnderBudget { .. } => "unready under budget",
        Blocker::NoRoomForOthers { .. } => "no room for others",
        Blocker::NothingMakesOthers { .. } => "nothing makes others",
        Blocker::Behind { .. } => "behind",
        _ => "unknown",
    }
}

#[test]
fn a_drain_is_blocked_exactly_if_it_never_ends() {
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    // Why nodes refuse Pods that find none.
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..clusters() {
        let (world, flags) = random::cluster(&mut Random(seed), false);
        let forecast = forecast(&world, &flags);
        let mut blocked: Vec<String> = forecast.blocked.iter().map(|blocked| blocked.pod.to_string()).collect();
        blocked.sort();
        let outcome = world.clone().drain(&flags, None);
        assert_eq!(forecast.is_blocked(), !outcome.stuck.is_empty(), "seed {seed}: {forecast}\n{outcome:?}\n{flags:?}\n{world:#?}");
        assert_eq!(blocked, outcome.stuck, "seed {seed}: {forecast}\n{flags:?}\n{world:#?}");
        let (unplaced, lost): (Vec<_>, Vec<_>) = forecast.homeless.iter().partition(|homeless| homeless.made_anew);
        assert_eq!((unplaced.len(), lost.len()), (outcome.unplaced, outcome.lost), "seed {seed}: {forecast}\n{flags:?}\n{world:#?}");
        let kinds = forecast.blocked.iter().map(|blocked| kind(&blocked.why));
        for kind in kinds.chain([if forecast.is_blocked() { "BLOCKED" } else { "clear" }]) {
            *met.entry(kind).or_default() += 1;
        }
        for (why, count) in forecast.homeless.iter().flat_map(|homeless| &homeless.refusals) {
            *refused.entry(why.clone()).or_default() += count;
        }
        assert!(forecast.blocked.iter().all(|blocked| !blocked.remedies.is_empty()));
        let text = serde_json::to_string(&forecast).expect("plain data");
        assert_eq!(serde_json::from_str::<Forecast>(&text).expect("the same"), forecast);
    }
    println!("{met:?}");
    // None of the kinds is there by accident only.
    for why in [
        "port 80/TCP",
        "spread over kubernetes.io/hostname",
        "spread over disk",
        "near the Pods of its affinity",
        "near Pods of an anti-affinity",
    ] {
        let count: usize = refused.iter().filter(|(told, _)| told.contains(why)).map(|(_, count)| count).sum();
        assert!(count >= 50, "{why}: {count}");
    }
    assert!(met.len() == 12 && met.values().all(|count| *count >= 20), "{met:?}");
}

#[test]
fn where_there_is_room_the_order_does_not_matter() {
    let mut blocked = 0;
    for seed in 0..CLUSTERS / 10 {
        let (world, flags) = random::cluster(&mut Random(seed), true);
        let expected = forecast(&world, &flags);
        blocked += u64::from(expected.is_blocked());
        for order in 0..5 {
            let mut order = Random(seed * 5 + order);
            let outcome = world.clone().drain(&flags, Some(&mut |end| order.below(end)));
            let stuck: Vec<String> = {
                let mut pods: Vec<String> = expected.blocked.iter().map(|blocked| blocked.pod.to_string()).collect();
                pods.sort();
                pods
            };
            assert_eq!(stuck, outcome.stuck, "seed {seed}: {expected}\n{flags:?}\n{world:#?}");
        }
    }
    assert!((CLUSTERS / 100..CLUSTERS / 10 * 9 / 10).contains(&blocked), "{blocked}");
}
