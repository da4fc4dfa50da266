//! What the Pods that are bound say to nodes for a new one: host ports, topology spread, affinity and anti-affinity between Pods
//! ("Assigning Pods to Nodes", "Pod Topology Spread Constraints", kubernetes.io; the scheduler's plugins of these names).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    super::{
        kinds,
        select::selects,
        store::{self, Key, items, text},
    },
    matches_node, untolerated,
};
use crate::world::World;

const REQUIRED: &str = "/requiredDuringSchedulingIgnoredDuringExecution";

/// One value of a topology key.
type Place = (String, String);

/// Pods on nodes, as the scheduler's cache has them: those that have ended are not in it.
pub(super) struct Others {
    bound: Vec<(Arc<Value>, Arc<Value>)>,
    nodes: Vec<Arc<Value>>,
    namespaces: BTreeMap<String, Arc<Value>>,
}

/// What they say, for one Pod.
pub(super) struct Rules {
    ports: Vec<Value>,
    taken: BTreeMap<String, Vec<Value>>,
    spread: Vec<Spread>,
    /// Topology keys of the affinity, and places where its Pods are.
    affinity: (Vec<String>, BTreeSet<Place>),
    /// No Pod is there that the affinity is about, but the new one itself.
    first: bool,
    anti: BTreeSet<Place>,
    theirs: BTreeSet<Place>,
}

struct Spread {
    key: String,
    max_skew: i64,
    counts: BTreeMap<String, i64>,
    fewest: i64,
    itself: i64,
}

fn place(node: &Value, key: &str) -> Option<Place> {
    Some((key.to_owned(), node["metadata"]["labels"][key].as_str()?.to_owned()))
}

/// Whether a selector, which selects nothing if there is none, selects a Pod.
fn picks(selector: &Value, pod: &Value) -> bool {
    !selector.is_null() && selects(selector, pod, true)
}

/// `util.GetHostPorts`: ports of containers, and of init containers that stay.
fn host_ports(pod: &Value) -> Vec<Value> {
    let sidecars = items(pod, "/spec/initContainers").iter().filter(|container| text(container, "/restartPolicy") == "Always");
    let ports = items(pod, "/spec/containers").iter().chain(sidecars).flat_map(|container| items(container, "/ports"));
    ports.filter(|port| port["hostPort"].as_u64().is_some_and(|port| port > 0)).cloned().collect()
}

fn conflict(one: &Value, other: &Value) -> bool {
    let any = |port: &Value| ["", "0.0.0.0"].contains(&text(port, "/hostIP"));
    let protocol = |port: &Value| port["protocol"].as_str().unwrap_or("TCP").to_owned();
    one["hostPort"] == other["hostPort"] && protocol(one) == protocol(other) && (any(one) || any(other) || one["hostIP"] == other["hostIP"])
}

impl Others {
    pub(super) fn of(world: &World, cluster: &str) -> Self {
        let nodes: BTreeMap<String, Arc<Value>> =
            store::all(world, cluster, &kinds::NODE).into_iter().map(|(key, node)| (key.name, node)).collect();
        let mut bound = Vec::new();
        for (_, pod) in store::all(world, cluster, &kinds::POD) {
            let node = nodes.get(text(&pod, "/spec/nodeName"));
            if let Some(node) = node.filter(|_| !["Succeeded", "Failed"].contains(&text(&pod, "/status/phase"))) {
                bound.push((pod, Arc::clone(node)));
            }
        }
        let namespaces = store::all(world, cluster, &kinds::NAMESPACE).into_iter().map(|(key, namespace)| (key.name, namespace));
        Self { bound, nodes: nodes.into_values().collect(), namespaces: namespaces.collect() }
    }

    /// Whether a term of `holder`'s affinity is about a Pod: by its namespace, and by its labels.
    fn is_about(&self, term: &Value, holder: &Value, pod: &Value) -> bool {
        let namespace = text(pod, "/metadata/namespace");
        let (listed, selector) = (items(term, "/namespaces"), &term["namespaceSelector"]);
        let own = listed.is_empty() && selector.is_null() && text(holder, "/metadata/namespace") == namespace;
        let labelled = || self.namespaces.get(namespace).is_some_and(|namespace| picks(selector, namespace));
        (own || listed.iter().any(|listed| listed == namespace) || labelled()) && picks(&term["labelSelector"], pod)
    }

    /// How many Pods each node has.
    pub(super) fn loads(&self) -> BTreeMap<&str, usize> {
        let mut loads = BTreeMap::new();
        for (_, node) in &self.bound {
            *loads.entry(text(node, "/metadata/name")).or_default() += 1;
        }
        loads
    }

    pub(super) fn rules(&self, pod: &Value) -> Rules {
        let terms = |pod: &Value, kind: &str| items(pod, &format!("/spec/affinity/{kind}{REQUIRED}")).to_vec();
        let places = |about: &dyn Fn(&Value, &Value) -> bool, terms: &[Value]| {
            let mut places = BTreeSet::new();
            for term in terms {
                let there = self.bound.iter().filter(|(other, _)| about(term, other));
                places.extend(there.filter_map(|(_, node)| place(node, text(term, "/topologyKey"))));
            }
            places
        };
        let (near, away) = (terms(pod, "podAffinity"), terms(pod, "podAntiAffinity"));
        let all = |other: &Value| near.iter().all(|term| self.is_about(term, pod, other));
        let friends = places(&|_, other| all(other), &near);
        let mut theirs = BTreeSet::new();
        for (other, node) in &self.bound {
            let against = terms(other, "podAntiAffinity").into_iter().filter(|term| self.is_about(term, other, pod));
            theirs.extend(against.filter_map(|term| place(node, text(&term, "/topologyKey"))));
        }
        let ports = host_ports(pod);
        let mut taken: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (other, node) in self.bound.iter().filter(|_| !ports.is_empty()) {
            taken.entry(text(node, "/metadata/name").to_owned()).or_default().extend(host_ports(other));
        }
        Rules {
            ports,
            taken,
            spread: self.spread(pod),
            first: friends.is_empty() && all(pod),
            affinity: (near.iter().map(|term| text(term, "/topologyKey").to_owned()).collect(), friends),
            anti: places(&|term, other| self.is_about(term, pod, other), &away),
            theirs,
        }
    }

    fn spread(&self, pod: &Value) -> Vec<Spread> {
        let all = items(pod, "/spec/topologySpreadConstraints").iter();
        let constraints: Vec<&Value> = all.filter(|constraint| text(constraint, "/whenUnsatisfiable") == "DoNotSchedule").collect();
        let count = |constraint: &&Value| {
            let key = text(constraint, "/topologyKey");
            let mut selector = constraint["labelSelector"].clone();
            for label in items(constraint, "/matchLabelKeys").iter().filter_map(Value::as_str) {
                if let (Some(value), false) = (pod["metadata"]["labels"][label].as_str(), selector.is_null()) {
                    selector["matchLabels"][label] = json!(value);
                }
            }
            let counts_for = |node: &Value| {
                constraints.iter().all(|constraint| node["metadata"]["labels"][text(constraint, "/topologyKey")].is_string())
                    && (text(constraint, "/nodeAffinityPolicy") == "Ignore" || matches_node(node, pod))
                    && (text(constraint, "/nodeTaintsPolicy") != "Honor" || untolerated(node, pod).is_none())
            };
            let mut counts = BTreeMap::new();
            for node in self.nodes.iter().filter(|node| counts_for(node)) {
                if let Some((_, value)) = place(node, key) {
                    counts.insert(value, 0);
                }
            }
            for (other, node) in self.bound.iter().filter(|(_, node)| counts_for(node)) {
                let counted =
                    other["metadata"]["namespace"] == pod["metadata"]["namespace"] && !store::deleting(other) && picks(&selector, other);
                if let Some(count) = place(node, key).filter(|_| counted).and_then(|(_, value)| counts.get_mut(&value)) {
                    *count += 1;
                }
            }
            let enough = counts.len() as u64 >= constraint["minDomains"].as_u64().unwrap_or(1);
            let fewest = if enough { counts.values().copied().min().unwrap_or(0) } else { 0 };
            let max_skew = constraint["maxSkew"].as_i64().unwrap_or(1);
            Spread { key: key.to_owned(), max_skew, counts, fewest, itself: i64::from(picks(&selector, pod)) }
        };
        constraints.iter().map(count).collect()
    }
}

impl Rules {
    /// Why a node does not take the Pod.
    pub(super) fn refuses(&self, key: &Key, node: &Value) -> Option<String> {
        let taken = self.taken.get(&key.name);
        if taken.is_some_and(|taken| taken.iter().any(|taken| self.ports.iter().any(|port| conflict(port, taken)))) {
            return Some("node(s) didn't have free ports for the requested pod ports".to_owned());
        }
        for spread in &self.spread {
            let Some((_, value)) = place(node, &spread.key) else {
                return Some("node(s) didn't match pod topology spread constraints (missing required label)".to_owned());
            };
            if spread.counts.get(&value).copied().unwrap_or(0) + spread.itself - spread.fewest > spread.max_skew {
                return Some("node(s) didn't match pod topology spread constraints".to_owned());
            }
        }
        let (keys, friends) = &self.affinity;
        let near = keys.iter().all(|key| place(node, key).is_some_and(|place| self.first || friends.contains(&place)));
        let within = |places: &BTreeSet<Place>| places.iter().any(|(key, value)| node["metadata"]["labels"][key] == value.as_str());
        let refusals = [
            (!near, "node(s) didn't match pod affinity rules"),
            (within(&self.anti), "node(s) didn't match pod anti-affinity rules"),
            (within(&self.theirs), "node(s) didn't satisfy existing pods anti-affinity rules"),
        ];
        refusals.into_iter().find(|(refuses, _)| *refuses).map(|(_, why)| why.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, zone: &str) -> Arc<Value> {
        Arc::new(json!({"metadata": {"name": name, "labels": {"zone": zone, "host": name}}}))
    }

    fn pod(app: &str, spec: Value) -> Arc<Value> {
        Arc::new(json!({"metadata": {"namespace": "shop", "labels": {"app": app}}, "spec": spec}))
    }

    /// Nodes a and b in zone 1, c in zone 2; these Pods on a, b, c.
    fn others(bound: [&[Arc<Value>]; 3]) -> Others {
        let nodes = vec![node("a", "1"), node("b", "1"), node("c", "2")];
        let bound = nodes.iter().zip(bound).flat_map(|(node, pods)| pods.iter().map(|pod| (Arc::clone(pod), Arc::clone(node)))).collect();
        Others { bound, nodes, namespaces: BTreeMap::new() }
    }

    /// The nodes that take a Pod.
    fn takers(others: &Others, pod: &Value) -> String {
        let rules = others.rules(pod);
        let takes = |node: &&Arc<Value>| rules.refuses(&Key::new(&kinds::NODE, "", text(node, "/metadata/name")), node).is_none();
        others.nodes.iter().filter(takes).map(|node| text(node, "/metadata/name")).collect()
    }

    fn terms(kind: &str, app: &str, key: &str) -> Value {
        let term = json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key});
        json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
    }

    #[test]
    fn anti_affinity_keeps_away_in_both_directions() {
        let (plain, shy) = (pod("web", json!({})), |key: &str| pod("db", terms("podAntiAffinity", "web", key)));
        assert_eq!(takers(&others([std::slice::from_ref(&plain), &[], &[]]), &shy("host")), "bc");
        assert_eq!(takers(&others([std::slice::from_ref(&plain), &[], &[]]), &shy("zone")), "c");
        assert_eq!(takers(&others([&[shy("zone")], &[], &[]]), &plain), "c", "its own would not have to know");
        assert_eq!(takers(&others([&[shy("none")], &[], &[]]), &plain), "abc", "nodes without the label are no place");
    }

    #[test]
    fn affinity_needs_its_pods_but_for_the_first() {
        let near = |app: &str| pod("web", terms("podAffinity", app, "zone"));
        assert_eq!(takers(&others([&[pod("db", json!({}))], &[], &[]]), &near("db")), "ab");
        assert_eq!(takers(&others([&[], &[], &[]]), &near("db")), "");
        assert_eq!(takers(&others([&[], &[], &[]]), &near("web")), "abc", "the first of its own");
        assert_eq!(takers(&others([&[], &[], &[near("web")]]), &near("web")), "c");
    }

    #[test]
    fn spread_counts_places_and_not_nodes() {
        let spread = |more: Value| {
            let mut constraint = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                                        "labelSelector": {"matchLabels": {"app": "web"}}});
            for (name, value) in more.as_object().into_iter().flatten() {
                constraint[name] = value.clone();
            }
            pod("web", json!({"topologySpreadConstraints": [constraint]}))
        };
        let web = pod("web", json!({}));
        assert_eq!(takers(&others([std::slice::from_ref(&web), &[], &[]]), &spread(Value::Null)), "c");
        assert_eq!(takers(&others([std::slice::from_ref(&web), &[], &[]]), &spread(json!({"maxSkew": 2}))), "abc");
        assert_eq!(takers(&others([std::slice::from_ref(&web), &[], std::slice::from_ref(&web)]), &spread(json!({"minDomains": 3}))), "");
        assert_eq!(takers(&others([std::slice::from_ref(&web), &[], &[]]), &spread(json!({"whenUnsatisfiable": "ScheduleAnyway"}))), "abc");
        assert_eq!(takers(&others([&[], &[], &[]]), &spread(json!({"topologyKey": "none"}))), "");
        // A cordoned node is a place nevertheless, unless its taint is honoured.
        let mut closed = others([std::slice::from_ref(&web), &[], &[]]);
        closed.nodes[2] = Arc::new(json!({"metadata": {"name": "c", "labels": {"zone": "2"}},
            "spec": {"taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}}));
        closed.bound[0].1 = Arc::clone(&closed.nodes[0]);
        assert_eq!(takers(&closed, &spread(Value::Null)), "c");
        assert_eq!(takers(&closed, &spread(json!({"nodeTaintsPolicy": "Honor"}))), "abc", "zone 1 alone; taints are another filter's");
    }

    #[test]
    fn a_host_port_is_taken_once() {
        let with = |port: Value| pod("web", json!({"containers": [{"ports": [port]}]}));
        let there = with(json!({"hostPort": 80, "protocol": "TCP"}));
        assert_eq!(takers(&others([&[], std::slice::from_ref(&there), &[]]), &with(json!({"hostPort": 80}))), "ac");
        assert_eq!(takers(&others([&[], std::slice::from_ref(&there), &[]]), &with(json!({"hostPort": 80, "protocol": "UDP"}))), "abc");
        assert_eq!(takers(&others([&[], &[there], &[]]), &with(json!({"containerPort": 80}))), "abc");
    }
}
