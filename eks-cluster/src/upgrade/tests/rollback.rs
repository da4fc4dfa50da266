//! The way back, and what stands against it.

use super::{addon, insight, name, node, observed, offered, owner, region, v};
use crate::{
    UpgradePolicy,
    upgrade::{InsightStatus, NodeKind, ObservedNodes, ObservedUpdate, Rollback, RollbackBuilder, Rule, UpgradeObserved},
};

fn rollback(to: u16) -> RollbackBuilder {
    Rollback::builder(&owner(), name(), region(), v(to))
}

fn upgraded(to: u16, when: &str) -> ObservedUpdate {
    let update = ObservedUpdate::new("u-1", "VersionUpdate", "Successful");
    ObservedUpdate { version: Some(v(to)), created: Some(when.parse().unwrap()), ..update }
}

/// A cluster that came to 1.35 yesterday; its nodes did not.
fn yesterday() -> UpgradeObserved {
    let mut now = observed(35, &[node("a", 34)]);
    now.insights = vec![insight("Kubelet version skew", 34, InsightStatus::Passing, "")];
    now.updates = vec![upgraded(35, "2026-11-21T12:00:00Z")];
    now
}

fn rules(to: u16, now: &UpgradeObserved) -> Vec<Rule> {
    rollback(to).build().unwrap().plan(now).unwrap_err().rules()
}

#[test]
fn add_ons_go_first_then_the_control_plane() {
    let plan = rollback(34).timeout_minutes(240).build().unwrap().plan(&yesterday()).unwrap();
    insta::assert_snapshot!(plan, @r#"
    rollback of cluster chap10 from 1.35 to 1.34
      1.35  now        $73.00 a month     standard support until 2027-03-27
      1.34  planned    $73.00 a month     standard support until 2026-12-02

    plan for chap10: 0 to create, 3 to update, 0 as they should be
    about 10m 20s on the critical path, $73.00 a month ($0.00 of it new), 16 IAM actions

    cluster
      ~ cluster/rollback/1.34/prepare/kube-proxy  add-on kube-proxy v1.34.1-eksbuild.1 (20s)
                                                    version: v1.35.1-eksbuild.1 → v1.34.1-eksbuild.1
      ~ cluster/rollback/1.34/insights            rollback insights for Kubernetes 1.34 (1m 00s)
                                                    looked at once the add-ons have moved
      ~ cluster/rollback/1.34/control-plane       control plane chap10, Kubernetes 1.34 (9m 00s)
                                                    version: 1.35 → 1.34

    to review
      · cluster/rollback/1.34/control-plane: what only 1.35 can store stays in etcd and is out of reach; make no use of its APIs until this is done

    critical path
      cluster/rollback/1.34/prepare/kube-proxy 20s
      → cluster/rollback/1.34/insights 1m 00s
      → cluster/rollback/1.34/control-plane 9m 00s

    cost a month (on demand, us-east-1, before traffic)
          73.00  EKS control plane
          73.00  together

    IAM actions
      ec2: DescribeSubnets
      eks: DescribeAddon DescribeAddonVersions DescribeCluster DescribeClusterVersions DescribeInsight
          DescribeInsightsRefresh DescribeNodegroup DescribeUpdate ListAddons ListInsights ListNodegroups ListUpdates
          StartInsightsRefresh UpdateAddon UpdateClusterVersion
    "#);
    assert_eq!(plan.reached(), v(34));
}

#[test]
fn prerequisites() {
    assert_eq!(rules(33, &yesterday()), [Rule::RollbackOneMinor]);
    assert_eq!(rules(36, &yesterday()), [Rule::RollbackOneMinor]);
    let mut now = yesterday();
    now.updates.clear();
    assert_eq!(rules(34, &now), [Rule::RollbackWithoutUpgrade]);
    // EKS counts from the upgrade's end, which an update does not tell: an hour more is left to it.
    now.updates = vec![upgraded(35, "2026-11-15T11:30:00Z")];
    assert!(rollback(34).build().unwrap().plan(&now).is_ok());
    now.updates = vec![upgraded(35, "2026-11-15T10:59:59Z")];
    assert_eq!(rules(34, &now), [Rule::RollbackWindow]);
    // Only the last change of the version has a way back: neither a rollback, nor an upgrade before it.
    let back = ObservedUpdate {
        version: Some(v(35)),
        created: Some("2026-11-22T06:00:00Z".parse().unwrap()),
        ..ObservedUpdate::new("u-2", "VersionRollback", "Successful")
    };
    now.updates = vec![upgraded(35, "2026-11-21T12:00:00Z"), back.clone()];
    assert_eq!(rules(34, &now), [Rule::RollbackWithoutUpgrade]);
    now.updates[1].status = "Failed".to_owned();
    assert!(rollback(34).build().unwrap().plan(&now).is_ok());
    let mut now = yesterday();
    now.nodes.nodes.push(node("b", 35));
    assert_eq!(rules(34, &now), [Rule::RollbackNodes]);
    now.nodes.nodes.last_mut().unwrap().kind = NodeKind::AutoMode;
    assert!(rollback(34).build().unwrap().plan(&now).is_ok(), "EKS rolls Auto Mode's nodes back");
    let mut now = yesterday();
    now.insights.push(insight("x", 34, InsightStatus::Error, ""));
    assert_eq!(rules(34, &now), [Rule::Insight]);
    assert!(rollback(34).accept_insight("x").build().unwrap().plan(&now).is_ok());
    for minutes in [119, 10_081] {
        assert_eq!(rollback(34).timeout_minutes(minutes).build().unwrap_err().problems[0].code, Rule::RollbackTimeout.code());
    }
}

#[test]
fn what_holds_nodes_up_is_told_by_their_kind() {
    let told = |kind: NodeKind| {
        let mut now = yesterday();
        now.nodes.nodes = vec![node("b", 35)];
        now.nodes.nodes[0].kind = kind;
        rollback(34).build().unwrap().plan(&now).unwrap_err().to_string()
    };
    let group = told(NodeKind::Managed { group: "web".to_owned() });
    let command = "aws eks update-nodegroup-version --cluster-name chap10 --nodegroup-name web --kubernetes-version 1.34";
    assert!(group.contains(command), "{group}");
    assert!(told(NodeKind::SelfManaged).contains("replace it by a node of 1.34"));
    assert!(told(NodeKind::Fargate).contains("delete its Pod; start it again after the rollback"));
}

#[test]
fn what_eks_saw_before_a_killed_run_moved_add_ons_does_not_hold_the_next_one_back() {
    let mut now = yesterday();
    now.addons.insert("kube-proxy".to_owned(), addon("kube-proxy", "v1.34.1-eksbuild.1"));
    now.insights.push(insight("kube-proxy version skew", 34, InsightStatus::Error, ""));
    let plan = rollback(34).build().unwrap().plan(&now).unwrap();
    let steps: Vec<_> = plan.plan().changes().map(|step| (step.key.as_str(), step.changes.join(""))).collect();
    assert_eq!(steps[0].1, "looked at once more, as nodes or add-ons have changed since");
    assert_eq!((steps[0].0, steps.len()), ("cluster/rollback/1.34/insights", 2));
    // Without a reader of nodes, EKS's look of the morning is not enough either.
    now.insights.pop();
    let look = |now: &UpgradeObserved| rollback(34).build().unwrap().plan(now).unwrap().plan().steps()[0].action;
    assert_eq!(look(&now), eks_core::Action::Keep);
    now.nodes = ObservedNodes::managed_only([]);
    assert_eq!(look(&now), eks_core::Action::Update);
}

#[test]
fn vpc_cni_goes_back_one_minor_at_a_time() {
    let mut now = yesterday();
    let versions = [
        offered("v1.19.5-eksbuild.3", 33..=35, 33..=34),
        offered("v1.20.4-eksbuild.2", 35..=35, 35..=35),
        offered("v1.21.1-eksbuild.1", 35..=35, 36..=36),
    ];
    now.offers.insert("vpc-cni".to_owned(), versions.into_iter().collect());
    let plan = rollback(34).build().unwrap().plan(&now).unwrap();
    let keys: Vec<_> = plan.plan().steps().iter().map(|step| step.key.as_str()).filter(|key| key.contains("vpc-cni")).collect();
    assert_eq!(keys, ["cluster/rollback/1.34/prepare/vpc-cni/1.20", "cluster/rollback/1.34/prepare/vpc-cni"]);
}

#[test]
fn into_extended_support_only_with_its_policy() {
    let mut now = observed(34, &[node("a", 33)]);
    now.insights.clear();
    now.updates = vec![upgraded(34, "2026-11-21T12:00:00Z")];
    now.cluster.as_mut().unwrap().upgrade_policy = Some(UpgradePolicy::Standard);
    assert_eq!(rules(33, &now), [Rule::RollbackPolicy]);
    let plan = rollback(33).allow_extended_support().build().unwrap().plan(&now).unwrap();
    let keys: Vec<_> = plan.plan().steps().iter().map(|step| step.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "cluster/rollback/1.33/prepare/kube-proxy",
            "cluster/rollback/1.33/insights",
            "cluster/rollback/1.33/upgrade-policy",
            "cluster/rollback/1.33/control-plane",
        ]
    );
    let dearer = "1.33 is in extended support: $438.00 a month instead of $73.00";
    assert!(plan.plan().findings().iter().any(|finding| finding.message == dearer));
    // Where it should be, there is nothing to do.
    now.cluster.as_mut().unwrap().version = "1.33".to_owned();
    assert!(rollback(33).build().unwrap().plan(&now).unwrap().is_done());
}
