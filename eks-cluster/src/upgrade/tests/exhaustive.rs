//! Every (from, to, node versions, kube-proxy) of the versions in support: no state on the way breaks Kubernetes' version skew policy,
//! nothing is held back without need, and whatever is refused names its rule.
//!
//! The judge here is written from the text of <https://kubernetes.io/releases/version-skew-policy/>, and uses none of the planner's code.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Action, Plan, StepKey};

use super::{addon, name, node, observed, owner, region, upgrade, v};
use crate::{
    ClusterOp,
    upgrade::{ManagedNodes, NodeKind, ObservedUpdate, Rollback, Rule, UpgradeObserved, UpgradeOp, UpgradePlan},
};

/// What runs at one moment, as minor versions.
#[derive(Clone, Debug)]
struct Moment {
    api_servers: Vec<u16>,
    kubelets: Vec<u16>,
    kube_proxies: Vec<u16>,
}

/// "Supported version skew", sentence by sentence.
fn violation(now: &Moment) -> Option<String> {
    let (oldest, newest) = (*now.api_servers.iter().min()?, *now.api_servers.iter().max()?);
    if newest - oldest > 1 {
        return Some("the newest and oldest kube-apiserver instances must be within one minor version".to_owned());
    }
    for &kubelet in &now.kubelets {
        for &server in &now.api_servers {
            if kubelet > server {
                return Some(format!("kubelet 1.{kubelet} must not be newer than kube-apiserver 1.{server}"));
            }
            if server - kubelet > if kubelet < 25 { 2 } else { 3 } {
                return Some(format!("kubelet 1.{kubelet} may be up to three minor versions older than kube-apiserver 1.{server}"));
            }
        }
    }
    for &proxy in &now.kube_proxies {
        for &server in &now.api_servers {
            if proxy > server {
                return Some(format!("kube-proxy 1.{proxy} must not be newer than kube-apiserver 1.{server}"));
            }
            if server - proxy > if proxy < 25 { 2 } else { 3 } {
                return Some(format!("kube-proxy 1.{proxy} may be up to three minor versions older than kube-apiserver 1.{server}"));
            }
        }
        for &kubelet in &now.kubelets {
            if proxy.abs_diff(kubelet) > 3 {
                return Some(format!("kube-proxy 1.{proxy} may be up to three minor versions older or newer than kubelet 1.{kubelet}"));
            }
        }
    }
    None
}

fn minor(version: &str) -> u16 {
    version.trim_start_matches('v').split(['.', '-']).nth(1).and_then(|minor| minor.parse().ok()).expect("a version")
}

/// Everything that a step comes after.
fn before<'a>(plan: &'a Plan, key: &StepKey, seen: &mut BTreeSet<&'a StepKey>) {
    for need in &plan.step(key.as_str()).expect("a step of the plan").needs {
        if seen.insert(need) {
            before(plan, need, seen);
        }
    }
}

/// Every state on the way of a plan. No step may run beside the control plane's.
fn moments(plan: &Plan, start: Moment) -> Vec<Moment> {
    let (mut now, mut states, mut earlier) = (start, Vec::new(), Vec::new());
    for step in plan.steps().iter().filter(|step| step.action != Action::Keep) {
        let mut needs = BTreeSet::new();
        before(plan, &step.key, &mut needs);
        match step.op.decode().expect("an operation of the layer") {
            ClusterOp::Upgrade(UpgradeOp::ControlPlane(hop)) => {
                assert!(earlier.iter().all(|key| needs.contains(key)), "{} runs beside others", step.key);
                assert_eq!(now.api_servers, [minor(&hop.from.to_string())]);
                let to = minor(&hop.to.to_string());
                now.api_servers.push(to);
                states.push(now.clone());
                now.api_servers = vec![to];
                states.push(now.clone());
            }
            ClusterOp::Upgrade(UpgradeOp::Addon(hop)) if hop.name == "kube-proxy" => {
                // While a DaemonSet rolls, both run.
                now.kube_proxies.push(minor(&hop.to));
                states.push(now.clone());
                now.kube_proxies = vec![minor(&hop.to)];
                states.push(now.clone());
            }
            _ => {}
        }
        earlier.push(&step.key);
    }
    states
}

struct Case {
    from: u16,
    to: u16,
    kubelets: Vec<u16>,
    proxy: u16,
    managed: ManagedNodes,
}

impl Case {
    fn observed(&self) -> UpgradeObserved {
        let nodes: Vec<_> = self
            .kubelets
            .iter()
            .enumerate()
            .map(|(at, minor)| {
                let mut node = node(&format!("n{at}"), *minor);
                if at == 0 {
                    node.kind = NodeKind::Managed { group: "web".to_owned() };
                }
                node
            })
            .collect();
        let mut now = observed(self.from, &nodes);
        now.addons.insert("kube-proxy".to_owned(), addon("kube-proxy", &format!("v1.{}.1-eksbuild.1", self.proxy)));
        now
    }

    fn moment(&self, api_servers: &[u16], proxy: u16) -> Moment {
        Moment { api_servers: api_servers.to_vec(), kubelets: self.kubelets.clone(), kube_proxies: vec![proxy] }
    }

    /// The rules that must be named, in the policy's and EKS's words, if the upgrade must be refused.
    fn refused(&self) -> BTreeSet<Rule> {
        let mut rules = BTreeSet::new();
        if self.to < self.from {
            rules.insert(Rule::UpgradeOnly);
        } else if self.to > self.from {
            rules.extend(self.kubelets.iter().any(|kubelet| *kubelet > self.from).then_some(Rule::KubeletNewer));
            rules.extend((self.proxy > self.from).then_some(Rule::KubeProxyNewer));
        }
        rules
    }

    fn check(&self) -> &'static str {
        let told = format!("1.{} → 1.{}, nodes {:?}, kube-proxy 1.{}, {:?}", self.from, self.to, self.kubelets, self.proxy, self.managed);
        let planned = match upgrade(self.to).managed_nodes(self.managed).build().expect("in support").plan(&self.observed()) {
            Ok(planned) => planned,
            Err(error) => {
                assert_eq!(error.rules().into_iter().collect::<BTreeSet<_>>(), self.refused(), "{told}: {error}");
                return "refused";
            }
        };
        assert!(self.refused().is_empty(), "{told}: not refused");
        let states = moments(planned.plan(), self.moment(&[self.from], self.proxy));
        // What is broken before the first step is broken already; the plan may mend it, and breaks nothing itself.
        let mends = violation(&self.moment(&[self.from], self.proxy)).is_some();
        let first_hop = states.iter().position(|state| state.api_servers.len() > 1).unwrap_or(states.len());
        for state in &states[if mends { first_hop } else { 0 }..] {
            assert_eq!(violation(state), None, "{told}: {state:?}\n{planned}");
        }
        let reached = minor(&planned.reached().to_string());
        assert_eq!(states.iter().filter(|state| state.api_servers.len() > 1).count(), usize::from(reached - self.from), "{told}");
        match planned.gate() {
            None => assert_eq!(reached, self.to, "{told}"),
            Some(gate) => self.check_gate(&planned, gate, reached, &told),
        }
        if planned.gate().is_some() { "gated" } else { "planned" }
    }

    /// A gate holds back only what must be held back, and what it asks for opens it.
    fn check_gate(&self, planned: &UpgradePlan, gate: &crate::upgrade::Gate, reached: u16, told: &str) {
        assert!(reached < self.to, "{told}");
        assert_eq!(minor(&gate.before.to_string()), reached + 1, "{told}");
        let breaks = violation(&self.moment(&[reached, reached + 1], reached)).is_some();
        let behind = self.managed == ManagedNodes::MatchFirst && self.kubelets.first().is_some_and(|kubelet| *kubelet < reached);
        assert!(breaks || behind, "{told}: held back without need\n{planned}");
        assert!(!gate.rules().is_empty(), "{told}");
        let asked = minor(&gate.at_least.to_string());
        let held: BTreeSet<_> = gate.nodes.iter().map(|held| held.node.name.as_str()).collect();
        let after: Vec<u16> = self
            .kubelets
            .iter()
            .enumerate()
            .map(|(at, kubelet)| if held.contains(format!("n{at}").as_str()) { asked } else { *kubelet })
            .collect();
        let opened = Self { from: reached, to: self.to, kubelets: after, proxy: reached, managed: self.managed };
        let again = upgrade(opened.to).managed_nodes(opened.managed).build().expect("in support").plan(&opened.observed());
        assert!(again.is_ok_and(|again| again.reached() > planned.reached()), "{told}: the gate asks for too little");
    }
}

#[test]
fn no_state_on_the_way_breaks_the_policy_and_every_refusal_names_its_rule() {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let versions = 31..=37_u16;
    let kubelets = 27..=37_u16;
    for from in versions.clone() {
        for to in versions.clone() {
            for one in kubelets.clone() {
                for other in one..=37 {
                    let mut check = |kubelets, managed| {
                        *counts.entry(Case { from, to, kubelets, proxy: from, managed }.check()).or_default() += 1;
                    };
                    check(vec![one, other], ManagedNodes::MayLag);
                    // The managed node is the older one, then the newer one.
                    check(vec![one, other], ManagedNodes::MatchFirst);
                    check(vec![other, one], ManagedNodes::MatchFirst);
                }
                for proxy in from - 3..=from + 1 {
                    *counts.entry(Case { from, to, kubelets: vec![one], proxy, managed: ManagedNodes::MayLag }.check()).or_default() += 1;
                }
            }
            *counts.entry(Case { from, to, kubelets: vec![], proxy: from, managed: ManagedNodes::MayLag }.check()).or_default() += 1;
        }
    }
    // 49 pairs of versions, each with 66 pairs of nodes in 3 ways, 11 × 5 of a node and kube-proxy, and no node.
    assert_eq!(counts.values().sum::<u32>(), 49 * (66 * 3 + 11 * 5 + 1), "{counts:?}");
    assert!(counts.values().all(|count| *count > 1000), "{counts:?}");
}

/// A rollback from one version to another, and what stands on its way.
fn check_back(from: u16, to: u16, kubelets: &[u16], proxy: u16) -> &'static str {
    let case = Case { from, to, kubelets: kubelets.to_vec(), proxy, managed: ManagedNodes::MayLag };
    let told = format!("1.{from} back to 1.{to}, nodes {kubelets:?}, kube-proxy 1.{proxy}");
    let mut now = case.observed();
    now.insights.clear();
    let upgraded = ObservedUpdate::new("u-1", "VersionUpdate", "Successful");
    now.updates = vec![ObservedUpdate { version: Some(v(from)), created: now.now, ..upgraded }];
    let mut refused = BTreeSet::new();
    if from != to {
        // One minor version; beside both versions of the API server the nodes must be allowed to run.
        let one = from == to + 1;
        refused.extend((!one).then_some(Rule::RollbackOneMinor));
        refused.extend((one && violation(&case.moment(&[from, to], to)).is_some()).then_some(Rule::RollbackNodes));
    }
    let back = Rollback::builder(&owner(), name(), region(), v(to)).build().expect("no timeout");
    let planned = match back.plan(&now) {
        Ok(planned) => planned,
        Err(error) => {
            let mut rules: BTreeSet<_> = error.rules().into_iter().collect();
            if refused.contains(&Rule::RollbackOneMinor) {
                // Add-ons have no way there either.
                rules.retain(|rule| !matches!(rule, Rule::AddonIncompatible | Rule::KubeProxyNewer));
            }
            assert_eq!(rules, refused, "{told}: {error}");
            return "refused";
        }
    };
    assert!(refused.is_empty(), "{told}: not refused");
    let states = moments(planned.plan(), case.moment(&[from], proxy));
    let hops = states.iter().filter(|state| state.api_servers.len() > 1).count();
    assert_eq!((minor(&planned.reached().to_string()), hops), (to, usize::from(from - to)), "{told}");
    let mends = violation(&case.moment(&[from], proxy)).is_some();
    let first_hop = states.iter().position(|state| state.api_servers.len() > 1).unwrap_or(states.len());
    for state in &states[if mends { first_hop } else { 0 }..] {
        assert_eq!(violation(state), None, "{told}: {state:?}\n{planned}");
    }
    "planned"
}

#[test]
fn no_state_on_the_way_back_breaks_the_policy_either() {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for from in 31..=37_u16 {
        for to in 31..=37_u16 {
            for one in 27..=37_u16 {
                for other in one..=37 {
                    *counts.entry(check_back(from, to, &[one, other], from)).or_default() += 1;
                }
                for proxy in from - 3..=from + 1 {
                    *counts.entry(check_back(from, to, &[one], proxy)).or_default() += 1;
                }
            }
        }
    }
    assert_eq!(counts.values().sum::<u32>(), 49 * (66 + 11 * 5), "{counts:?}");
    // Of each of the six ways back, four versions of a node go with both: ten pairs of nodes, and 4 × 5 of a node and kube-proxy at least.
    assert!(counts["planned"] >= 6 * (10 + 20 - 5) && counts["refused"] > 1000, "{counts:?}");
}

#[test]
fn the_judge_knows_the_policys_own_examples() {
    let judge = |api_servers: &[u16], kubelet: u16, proxy: u16| {
        violation(&Moment { api_servers: api_servers.to_vec(), kubelets: vec![kubelet], kube_proxies: vec![proxy] }).is_none()
    };
    // "kube-apiserver is at 1.37; kubelet is supported at 1.37, 1.36, 1.35, and 1.34".
    assert!((34..=37).all(|kubelet| judge(&[37], kubelet, 36)) && !judge(&[37], 38, 37) && !judge(&[37], 33, 35));
    // "kube-apiserver instances are at 1.37 and 1.36; kubelet is supported at 1.36, 1.35, and 1.34".
    assert!((34..=36).all(|kubelet| judge(&[37, 36], kubelet, 36)) && !judge(&[37, 36], 37, 36) && !judge(&[37, 36], 33, 36));
    assert!(!judge(&[37, 35], 35, 35));
}
