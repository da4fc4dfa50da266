//! The cluster as it will be when the new nodes are there: what a forecast is made on.

use std::collections::BTreeMap;

use eks_k8s::{
    INSTANCE_TYPE_LABEL, ZONE_LABEL,
    drain::{Cluster, Forecast, Node, Resources, Taint},
};

use super::{observed::ReplacementObserved, rounds::Round, spec::Replacement};

/// What a forecast rests on.
pub(crate) struct ToBe {
    pub(crate) cluster: Cluster,
    /// Whether it is known what the new nodes have room for.
    pub(crate) room_known: bool,
}

impl Replacement {
    /// The cluster with as many new nodes as there will be.
    pub(crate) fn to_be(&self, now: &ReplacementObserved) -> ToBe {
        let mut cluster = now.cluster.clone();
        let new_ids: Vec<&str> = now.new_groups().flat_map(|group| group.instances.iter().map(|one| one.id.as_str())).collect();
        let mut ready: BTreeMap<&str, u32> = BTreeMap::new();
        for node in now.cluster.nodes.values() {
            if node.ready && node.instance.as_deref().is_some_and(|id| new_ids.contains(&id)) {
                *ready.entry(node.labels.get(ZONE_LABEL).map_or("", String::as_str)).or_default() += 1;
            }
        }
        let kind = self.new.instance_type();
        let alike = now.cluster.nodes.values().find(|node| node.labels.get(INSTANCE_TYPE_LABEL).is_some_and(|found| found == kind));
        let zones: Vec<String> = self.new.zones().keys().map(ToString::to_string).collect();
        for (zone, wanted) in spread(&self.target(now), &zones) {
            let missing = wanted.saturating_sub(ready.get(zone.as_str()).copied().unwrap_or_default());
            for number in 0..missing {
                cluster.nodes.insert(format!("~new-{zone}-{number}"), self.node(&zone, number, alike));
            }
        }
        ToBe { cluster, room_known: alike.is_some() }
    }

    fn node(&self, zone: &str, number: u32, alike: Option<&Node>) -> Node {
        let mut node = Node::default();
        node.labels = self.new.node_labels();
        let kind = self.new.instance_type();
        let region = self.new.region();
        for (key, value) in [
            (ZONE_LABEL, zone),
            (eks_k8s::LEGACY_ZONE_LABEL, zone),
            (eks_k8s::EBS_ZONE_LABEL, zone),
            (eks_k8s::REGION_LABEL, region),
            (eks_k8s::LEGACY_REGION_LABEL, region),
            (INSTANCE_TYPE_LABEL, kind),
            (eks_k8s::LEGACY_INSTANCE_TYPE_LABEL, kind),
            ("kubernetes.io/os", if matches!(self.new.family, crate::Family::Windows(_)) { "windows" } else { "linux" }),
            ("kubernetes.io/hostname", &format!("new-{zone}-{number}")),
        ] {
            node.labels.insert(key.to_owned(), value.to_owned());
        }
        let architecture = match self.new.target().architecture {
            crate::Architecture::Arm64 => "arm64",
            crate::Architecture::X86_64 => "amd64",
        };
        node.labels.insert("kubernetes.io/arch".to_owned(), architecture.to_owned());
        let taint =
            |taint: &crate::taint::Taint| Taint { key: taint.key.clone(), value: taint.value.clone(), effect: taint.effect.to_string() };
        node.taints = self.new.taints.iter().map(taint).collect();
        node.ready = true;
        match alike {
            Some(alike) => {
                node.allocatable = alike.allocatable.clone();
                node.pods = alike.pods;
            }
            // Room is not judged, then.
            None => {
                node.allocatable = Resources::default();
                node.allocatable.cpu = i64::MAX / 4;
                node.allocatable.memory = i64::MAX / 4;
                node.pods = u32::MAX;
            }
        }
        node
    }

    /// What all rounds together would meet.
    pub(crate) fn forecast(&self, now: &ReplacementObserved, rounds: &[Round]) -> (Forecast, bool) {
        let ToBe { cluster, room_known } = self.to_be(now);
        let nodes: Vec<&str> = rounds.iter().flat_map(|round| round.nodes.iter().map(String::as_str)).collect();
        if nodes.is_empty() {
            return (Forecast::default(), room_known);
        }
        let at_once = rounds.iter().map(|round| round.nodes.len()).max().unwrap_or(1);
        (self.drain.for_nodes(nodes).in_parallel(at_once.max(1)).forecast(&cluster), room_known)
    }
}

/// Numbers of one group over several zones, as Auto Scaling spreads them.
fn spread(sizes: &BTreeMap<String, u32>, zones: &[String]) -> BTreeMap<String, u32> {
    let Some(all) = sizes.get("") else { return sizes.clone() };
    let mut spread: BTreeMap<String, u32> = zones.iter().map(|zone| (zone.clone(), 0)).collect();
    for zone in zones.iter().cycle().take(if zones.is_empty() { 0 } else { *all as usize }) {
        *spread.entry(zone.clone()).or_default() += 1;
    }
    spread
}
