//! What a Pod demands of the Pods around it: affinity and anti-affinity, topology spread, host ports. Only what the scheduler requires;
//! preferences keep no Pod from a node.

use std::collections::BTreeMap;

use super::selector::Selector;

/// A required term of a Pod's affinity or anti-affinity ("Assigning Pods to Nodes", kubernetes.io).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PodTerm {
    /// The label of nodes by whose value they are one place.
    pub topology_key: String,
    /// Which Pods it is about; `None` selects none.
    pub selector: Option<Selector>,
    /// In these namespaces; the Pod's own, if it says nothing.
    pub namespaces: Vec<String>,
    /// And in those with such labels; `None` selects none, an empty selector all.
    pub namespace_selector: Option<Selector>,
}

/// A topology spread constraint that must be kept: `DoNotSchedule` ("Pod Topology Spread Constraints", kubernetes.io).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Spread {
    /// How many more Pods a place may have than the one that has fewest.
    pub max_skew: i64,
    /// The label of nodes by whose value they are one place.
    pub topology_key: String,
    /// Which Pods of its namespace are counted, with what `matchLabelKeys` adds; `None` selects none.
    pub selector: Option<Selector>,
    /// With fewer places than this, the fewest are taken to be none.
    pub min_domains: usize,
    /// `nodeAffinityPolicy: Ignore`: nodes that the Pod's selector and affinity rule out are places, too.
    pub ignores_affinity: bool,
    /// `nodeTaintsPolicy: Honor`: nodes with taints that the Pod does not bear are no places. Otherwise even cordoned ones are.
    pub honors_taints: bool,
}

/// A port of the node that a Pod takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the API's three parts")]
pub struct HostPort {
    /// The address; empty for all of them.
    pub ip: String,
    /// `TCP`, `UDP` or `SCTP`
    pub protocol: String,
    /// Its number.
    pub port: u16,
}

impl PodTerm {
    /// Whether it is about a Pod; `known` are labels of namespaces.
    pub fn selects(&self, namespace: &str, labels: &BTreeMap<String, String>, known: &BTreeMap<String, BTreeMap<String, String>>) -> bool {
        // The API server puts this label on every namespace.
        let name = || BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
        let by_labels =
            |selector: &Selector| known.get(namespace).map_or_else(|| selector.matches(&name()), |labels| selector.matches(labels));
        self.selector.as_ref().is_some_and(|selector| selector.matches(labels))
            && (self.namespaces.iter().any(|own| own == namespace) || self.namespace_selector.as_ref().is_some_and(by_labels))
    }
}

impl HostPort {
    /// Whether both cannot be taken on one node (`HostPortInfo.CheckConflict`).
    pub fn conflicts(&self, other: &Self) -> bool {
        let any = |port: &Self| port.ip.is_empty() || port.ip == "0.0.0.0";
        self.port == other.port && self.protocol == other.protocol && (any(self) || any(other) || self.ip == other.ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_conflict_on_the_same_address() {
        let port = |ip: &str, protocol: &str, port: u16| HostPort { ip: ip.to_owned(), protocol: protocol.to_owned(), port };
        assert!(port("", "TCP", 80).conflicts(&port("10.0.0.1", "TCP", 80)));
        assert!(port("0.0.0.0", "TCP", 80).conflicts(&port("", "TCP", 80)));
        assert!(!port("127.0.0.1", "TCP", 80).conflicts(&port("10.0.0.1", "TCP", 80)));
        assert!(!port("", "TCP", 80).conflicts(&port("", "UDP", 80)));
        assert!(!port("", "TCP", 80).conflicts(&port("", "TCP", 81)));
    }

    #[test]
    fn terms_are_about_namespaces() {
        let selector = Selector::default();
        let term = |namespaces: &[&str], namespace_selector: Option<Selector>| PodTerm {
            topology_key: "zone".to_owned(),
            selector: Some(selector.clone()),
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            namespace_selector,
        };
        let labelled =
            |key: &str, value: &str| Selector { match_labels: BTreeMap::from([(key.to_owned(), value.to_owned())]), ..Selector::default() };
        let known = BTreeMap::from([("bank".to_owned(), BTreeMap::from([("team".to_owned(), "a".to_owned())]))]);
        let about = |term: &PodTerm, namespace: &str| term.selects(namespace, &BTreeMap::new(), &known);
        assert!(about(&term(&["shop"], None), "shop") && !about(&term(&["shop"], None), "bank"));
        assert!(about(&term(&[], Some(Selector::default())), "anything"));
        assert!(about(&term(&["shop"], Some(labelled("team", "a"))), "bank"));
        assert!(!about(&term(&[], Some(labelled("team", "b"))), "bank"));
        assert!(about(&term(&[], Some(labelled("kubernetes.io/metadata.name", "shop"))), "shop"));
        assert!(!PodTerm { selector: None, ..term(&["shop"], None) }.selects("shop", &BTreeMap::new(), &known));
    }
}
