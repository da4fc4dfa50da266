//! What is refused, each with its rule and its remedy.

use jiff::civil::date;

use super::{insight, node, observed, upgrade, v};
use crate::{
    HealthIssue, ObservedCluster, testing,
    upgrade::{InsightStatus, ManagedNodes, NodeKind, ObservedNodes, ObservedUpdate, Rule, UpgradeObserved},
};

fn rules(to: u16, now: &UpgradeObserved) -> Vec<Rule> {
    upgrade(to).build().unwrap().plan(now).unwrap_err().rules()
}

fn with_cluster(change: impl FnOnce(&mut ObservedCluster)) -> UpgradeObserved {
    let mut now = observed(34, &[node("a", 34)]);
    change(now.cluster.as_mut().unwrap());
    now
}

#[test]
fn the_cluster_must_be_there_be_ours_and_be_well() {
    assert_eq!(rules(35, &UpgradeObserved { cluster: None, ..observed(34, &[]) }), [Rule::ClusterMissing]);
    assert_eq!(rules(35, &with_cluster(|cluster| cluster.tags.clear())), [Rule::ClusterOfOthers]);
    assert_eq!(rules(35, &with_cluster(|cluster| cluster.status = "FAILED".to_owned())), [Rule::ClusterState]);
    let ill = with_cluster(|cluster| cluster.issues = vec![HealthIssue::new("Ec2SubnetNotFound", "subnet-1", vec![])]);
    assert_eq!(rules(35, &ill), [Rule::ClusterHealth]);
    // All at once.
    let worse = with_cluster(|cluster| {
        cluster.tags.clear();
        cluster.issues = vec![HealthIssue::new("IamRoleNotFound", "gone", vec![])];
    });
    assert_eq!(rules(35, &worse), [Rule::ClusterOfOthers, Rule::ClusterHealth]);
}

#[test]
fn a_refusal_tells_rule_and_remedy() {
    let mut now = observed(34, &[node("a", 34)]);
    let free = |each: &[u32]| Some(each.iter().enumerate().map(|(at, free)| (format!("subnet-1111111{}", at + 1), *free)).collect());
    now.free_addresses = free(&[2, 1, 1]);
    let refused = upgrade(35).build().unwrap().plan(&now).unwrap_err();
    assert_eq!(refused.rules(), [Rule::FreeAddresses, Rule::FreeAddresses]);
    insta::assert_snapshot!(refused, @r#"
    upgrade of cluster chap10 to 1.35: 2 problems
      - subnets: subnet-11111114 of the cluster do not exist; an update needs them (EKS User Guide, "Update existing cluster to new Kubernetes version"); give the cluster others of the same zones, by aws eks update-cluster-config
      - subnets: 4 addresses are free, an update needs 5 (EKS User Guide, "Update existing cluster to new Kubernetes version"): subnet-11111111 has 2, subnet-11111112 has 1, subnet-11111113 has 1; free some, or give the cluster further subnets of the same zones
    "#);
    now.free_addresses = free(&[2, 1, 2, 0]);
    assert!(upgrade(35).build().unwrap().plan(&now).is_ok(), "five over all subnets are enough");
}

#[test]
fn versions_must_be_offered() {
    assert_eq!(rules(38, &observed(36, &[node("a", 36)])), [Rule::VersionOffered]);
    assert_eq!(rules(33, &observed(34, &[node("a", 34)])), [Rule::UpgradeOnly]);
    // 1.32 has left extended support by then, and lies on the way.
    let late = upgrade(34).today(date(2027, 4, 1)).build().unwrap().plan(&observed(31, &[node("a", 31)])).unwrap_err();
    assert_eq!(late.rules(), [Rule::VersionOffered]);
    assert!(late.to_string().contains("Kubernetes 1.32: its support ended on 2027-03-23"), "{late}");
    assert_eq!(upgrade(30).build().unwrap_err().problems[0].code, Rule::VersionOffered.code());
}

#[test]
fn an_insight_in_error_holds_back_only_its_own_hop() {
    let mut now = observed(34, &[node("a", 34)]);
    now.insights.push(insight("Cluster health issues", 35, InsightStatus::Error, "x"));
    assert_eq!(rules(35, &now), [Rule::Insight]);
    now.insights.last_mut().unwrap().version = Some(v(36));
    assert!(upgrade(35).build().unwrap().plan(&now).is_ok());
    // One that has begun is not held back by anything.
    now.insights.last_mut().unwrap().version = Some(v(35));
    now.cluster.as_mut().unwrap().status = "UPDATING".to_owned();
    let begun = ObservedUpdate { version: Some(v(35)), ..ObservedUpdate::new("u-1", "VersionUpdate", "InProgress") };
    now.updates = vec![begun];
    now.free_addresses = Some(Default::default());
    let plan = upgrade(35).build().unwrap().plan(&now).unwrap();
    assert_eq!(plan.plan().steps()[0].changes, ["version: 1.34 → 1.35, already under way"]);
}

#[test]
fn nodes_that_lead_are_refused_and_nodes_that_lag_are_a_gate() {
    assert_eq!(rules(35, &observed(34, &[node("a", 35)])), [Rule::KubeletNewer]);
    let gated = upgrade(35).build().unwrap().plan(&observed(34, &[node("a", 31), node("b", 34)])).unwrap();
    let gate = gated.gate().unwrap();
    assert_eq!((gate.before, gate.control_plane, gate.at_least, gate.become_version()), (v(35), v(34), v(32), v(34)));
    assert_eq!(gate.rules(), [Rule::KubeletLag]);
    assert!(gated.plan().is_noop() && !gated.is_done());
    let saved = serde_json::to_string(gate).unwrap();
    assert_eq!(&serde_json::from_str::<crate::upgrade::Gate>(&saved).unwrap(), gate);
}

#[test]
fn managed_nodes_by_the_stricter_reading() {
    let mut lagging = node("a", 33);
    lagging.kind = NodeKind::Managed { group: "web".to_owned() };
    let now = observed(34, &[lagging]);
    assert!(upgrade(35).build().unwrap().plan(&now).unwrap().gate().is_none());
    let gated = upgrade(35).managed_nodes(ManagedNodes::MatchFirst).build().unwrap().plan(&now).unwrap();
    let gate = gated.gate().unwrap();
    assert_eq!((gate.rules(), gate.at_least), (vec![Rule::ManagedNodesMatch], v(34)));
    assert!(
        gate.to_string().contains("aws eks update-nodegroup-version --cluster-name chap10 --nodegroup-name web --kubernetes-version 1.34"),
        "{gate}"
    );
}

#[test]
fn kube_proxy_of_others_is_a_gate_and_ours_is_moved() {
    let mut now = observed(34, &[node("a", 34)]);
    now.addons.get_mut("kube-proxy").unwrap().version = "v1.31.1-eksbuild.1".to_owned();
    let plan = upgrade(35).build().unwrap().plan(&now).unwrap();
    assert_eq!(plan.plan().steps()[0].key.as_str(), "cluster/upgrade/1.35/prepare/kube-proxy");
    now.addons.get_mut("kube-proxy").unwrap().tags.clear();
    let gated = upgrade(35).build().unwrap().plan(&now).unwrap();
    assert_eq!(gated.gate().unwrap().rules(), [Rule::KubeProxyLag]);
    now.addons.remove("kube-proxy");
    now.self_managed_kube_proxy = Some(v(31));
    assert_eq!(upgrade(35).build().unwrap().plan(&now).unwrap().gate().unwrap().kube_proxy, Some(v(31)));
    now.self_managed_kube_proxy = Some(v(35));
    assert_eq!(rules(35, &now), [Rule::KubeProxyNewer]);
}

#[test]
fn an_add_on_without_a_version_for_the_target_is_refused() {
    let mut now = observed(34, &[node("a", 34)]);
    now.offers.insert("coredns".to_owned(), [super::offered("v1.12.1-eksbuild.2", 31..=34, 33..=34)].into_iter().collect());
    assert_eq!(rules(35, &now), [Rule::AddonIncompatible]);
    // One of others stays as it is, and the plan says so.
    now.addons.get_mut("coredns").unwrap().tags.clear();
    let plan = upgrade(35).build().unwrap().plan(&now).unwrap();
    assert!(plan.plan().findings().iter().any(|finding| finding.message.contains("add-on coredns v1.12.1-eksbuild.2 is not ours")));
}

#[test]
fn a_failed_add_on_is_tried_again_and_one_without_nodes_may_stay_degraded() {
    let mut now = observed(35, &[]);
    assert!(now.nodes.complete);
    now.addons.get_mut("coredns").unwrap().status = "UPDATE_FAILED".to_owned();
    let plan = upgrade(35).build().unwrap().plan(&now).unwrap();
    let changes: Vec<_> = plan.plan().changes().map(|step| (step.key.as_str(), step.changes.join(""))).collect();
    assert_eq!(changes, [("cluster/upgrade/1.35/addon/coredns", "status: UPDATE_FAILED → ACTIVE".to_owned())]);
    let crate::ClusterOp::Upgrade(crate::upgrade::UpgradeOp::Addon(hop)) = plan.plan().changes().next().unwrap().op.decode().unwrap()
    else {
        panic!("not an add-on")
    };
    assert!(hop.may_be_degraded);
}

#[test]
fn what_is_not_known_of_nodes_is_told() {
    let mut now = observed(34, &[]);
    now.nodes = ObservedNodes::managed_only([]);
    let plan = upgrade(35).build().unwrap().plan(&now).unwrap();
    assert!(plan.plan().findings().iter().any(|finding| finding.message.contains("Kubelet version skew")));
    let old = upgrade(35).kubectl(v(33)).build().unwrap().plan(&now).unwrap();
    assert!(old.plan().findings().iter().any(|finding| finding.message.starts_with("kubectl 1.33 does not fit 1.35")));
}

#[test]
fn tokens_follow_from_what_was_tried() {
    let token = |now: &UpgradeObserved| {
        let plan = upgrade(36).build().unwrap().plan(now).unwrap();
        let op = |key: &str| match plan.plan().step(key).unwrap().op.decode().unwrap() {
            crate::ClusterOp::Upgrade(crate::upgrade::UpgradeOp::ControlPlane(hop)) => hop.client_request_token,
            other => panic!("{other:?}"),
        };
        (op("cluster/upgrade/1.35/control-plane"), op("cluster/upgrade/1.36/control-plane"))
    };
    let mut now = observed(34, &[node("a", 34)]);
    let (first, second) = token(&now);
    assert!(first != second && token(&now) == (first.clone(), second));
    now.update_ids.insert("u-1".to_owned());
    assert_ne!(token(&now).0, first, "after an update that failed, another begins");
    assert_eq!(testing::owner().as_str(), "chap10");
}
