//! Plans, read as a person reads them.

use eks_core::Plan;

use super::{addon, insight, node, observed, upgrade, v};
use crate::upgrade::{AddonCompatibility, DeprecatedApi, DeprecatedClient, Insight, InsightStatus, Rule, UpgradeError, UpgradePlan};

fn planned(result: Result<UpgradePlan, UpgradeError>) -> UpgradePlan {
    result.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn three_hops_of_which_the_nodes_allow_two() {
    let nodes = [node("ip-10-0-2-17.ec2.internal", 32), node("ip-10-0-4-9.ec2.internal", 33)];
    let plan = planned(upgrade(36).build().unwrap().plan(&observed(33, &nodes)));
    insta::assert_snapshot!(plan, @r#"
    upgrade of cluster chap10 from 1.33 to 1.36
      1.33  now        $438.00 a month    extended support until 2027-07-29
      1.34  planned    $73.00 a month     standard support until 2026-12-02
      1.35  planned    $73.00 a month     standard support until 2027-03-27
      1.36  gated      $73.00 a month     standard support until 2027-08-02

    before 1.36: what runs on nodes must be at 1.33 or newer, best at 1.35 (Kubernetes, "Version Skew Policy")
      ip-10-0-2-17.ec2.internal (self-managed) is at 1.32, rule kubelet-lag: replace it by a node of 1.35

    plan for chap10: 0 to create, 7 to update, 1 as they should be
    about 19m 50s on the critical path, $73.00 a month ($0.00 of it new), 16 IAM actions

    cluster
        cluster/upgrade/1.34/insights          upgrade insights for Kubernetes 1.34
      ~ cluster/upgrade/1.34/control-plane     control plane chap10, Kubernetes 1.34 (9m 00s)
                                                 version: 1.33 → 1.34
      ~ cluster/upgrade/1.34/addon/kube-proxy  add-on kube-proxy v1.34.1-eksbuild.1 (20s)
                                                 version: v1.33.1-eksbuild.1 → v1.34.1-eksbuild.1
      ~ cluster/upgrade/1.35/insights          upgrade insights for Kubernetes 1.35 (1m 00s)
                                                 looked at once the control plane is there
      ~ cluster/upgrade/1.35/control-plane     control plane chap10, Kubernetes 1.35 (9m 00s)
                                                 version: 1.34 → 1.35
      ~ cluster/upgrade/1.35/addon/coredns     add-on coredns v1.13.2-eksbuild.1 (30s)
                                                 version: v1.12.1-eksbuild.2 → v1.13.2-eksbuild.1
      ~ cluster/upgrade/1.35/addon/kube-proxy  add-on kube-proxy v1.35.1-eksbuild.1 (20s)
                                                 version: v1.34.1-eksbuild.1 → v1.35.1-eksbuild.1
      ~ cluster/upgrade/1.35/addon/vpc-cni     add-on vpc-cni v1.21.1-eksbuild.1 (29s)
                                                 version: v1.20.4-eksbuild.2 → v1.21.1-eksbuild.1

    to review
      ! cluster/upgrade/1.35/control-plane: the upgrade goes on to 1.36 once what runs on nodes is at 1.33 or newer (rule kubelet-lag); then plan again
      · cluster/upgrade/1.35/control-plane: 1.33 is in extended support at $438.00 a month; 1.35 costs $73.00

    critical path
      cluster/upgrade/1.34/control-plane 9m 00s
      → cluster/upgrade/1.34/addon/kube-proxy 20s
      → cluster/upgrade/1.35/insights 1m 00s
      → cluster/upgrade/1.35/control-plane 9m 00s
      → cluster/upgrade/1.35/addon/coredns 30s

    cost a month (on demand, us-east-1, before traffic)
          73.00  EKS control plane
          73.00  together

    IAM actions
      ec2: DescribeSubnets
      eks: DescribeAddon DescribeAddonVersions DescribeCluster DescribeClusterVersions DescribeInsight
          DescribeInsightsRefresh DescribeNodegroup DescribeUpdate ListAddons ListInsights ListNodegroups ListUpdates
          StartInsightsRefresh UpdateAddon UpdateClusterVersion
    "#);
}

#[test]
fn one_hop_with_a_deprecated_api_that_is_accepted() {
    let mut now = observed(34, &[node("a", 34)]);
    now.insights.push(Insight {
        deprecated: vec![DeprecatedApi {
            usage: "/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas".to_owned(),
            replaced_with: Some("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas".to_owned()),
            stop_serving: Some(v(35)),
            replacement_since: Some(v(29)),
            clients: vec![DeprecatedClient::new("flowctl/v0.9", 12, None)],
        }],
        recommendation: Some("Update manifests and API clients to use newer Kubernetes APIs if applicable before upgrading.".to_owned()),
        ..insight(
            "Deprecated APIs removed in Kubernetes v1.35",
            35,
            InsightStatus::Error,
            "Deprecated API usage detected within last 30 days.",
        )
    });
    let refused = upgrade(35).build().unwrap().plan(&now).unwrap_err();
    assert_eq!(refused.rules(), [Rule::Insight]);
    insta::assert_snapshot!(refused, @r#"
    upgrade of cluster chap10 to 1.35: 1 problem
      - Kubernetes 1.35: insight "Deprecated APIs removed in Kubernetes v1.35" is in ERROR: Deprecated API usage detected within last 30 days; /apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas is in use, served no more from 1.35, replaced by /apis/flowcontrol.apiserver.k8s.io/v1/flowschemas, by flowctl/v0.9 (12 requests in 30 days); Update manifests and API clients to use newer Kubernetes APIs if applicable before upgrading, and have EKS look again (Clusters::refresh_insights); EKS looks 30 days back, so it stays in ERROR for a while; or accept it by name, as accept_insight("Deprecated APIs removed in Kubernetes v1.35")
    "#);
    let accepted = upgrade(35).accept_insight("Deprecated APIs removed in Kubernetes v1.35").build().unwrap();
    insta::assert_snapshot!(planned(accepted.plan(&now)), @r#"
    upgrade of cluster chap10 from 1.34 to 1.35
      1.34  now        $73.00 a month     standard support until 2026-12-02
      1.35  planned    $73.00 a month     standard support until 2027-03-27

    plan for chap10: 0 to create, 5 to update, 0 as they should be
    about 10m 30s on the critical path, $73.00 a month ($0.00 of it new), 16 IAM actions

    cluster
      ~ cluster/upgrade/1.35/insights          upgrade insights for Kubernetes 1.35 (1m 00s)
                                                 looked at once more, as EKS is told to overrule what it finds
      ~ cluster/upgrade/1.35/control-plane     control plane chap10, Kubernetes 1.35 (9m 00s)
                                                 version: 1.34 → 1.35
      ~ cluster/upgrade/1.35/addon/coredns     add-on coredns v1.13.2-eksbuild.1 (30s)
                                                 version: v1.12.1-eksbuild.2 → v1.13.2-eksbuild.1
      ~ cluster/upgrade/1.35/addon/kube-proxy  add-on kube-proxy v1.35.1-eksbuild.1 (20s)
                                                 version: v1.34.1-eksbuild.1 → v1.35.1-eksbuild.1
      ~ cluster/upgrade/1.35/addon/vpc-cni     add-on vpc-cni v1.21.1-eksbuild.1 (29s)
                                                 version: v1.20.4-eksbuild.2 → v1.21.1-eksbuild.1

    to review
      ! cluster/upgrade/1.35/control-plane: insight "Deprecated APIs removed in Kubernetes v1.35" is in ERROR: Deprecated API usage detected within last 30 days; /apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas is in use, served no more from 1.35, replaced by /apis/flowcontrol.apiserver.k8s.io/v1/flowschemas, by flowctl/v0.9 (12 requests in 30 days); accepted, so EKS is told to go on by force
      · cluster/upgrade/1.35/control-plane: nodes at 1.34 are then 1 minor version behind; bring them to 1.35

    critical path
      cluster/upgrade/1.35/insights 1m 00s
      → cluster/upgrade/1.35/control-plane 9m 00s
      → cluster/upgrade/1.35/addon/coredns 30s

    cost a month (on demand, us-east-1, before traffic)
          73.00  EKS control plane
          73.00  together

    IAM actions
      ec2: DescribeSubnets
      eks: DescribeAddon DescribeAddonVersions DescribeCluster DescribeClusterVersions DescribeInsight
          DescribeInsightsRefresh DescribeNodegroup DescribeUpdate ListAddons ListInsights ListNodegroups ListUpdates
          StartInsightsRefresh UpdateAddon UpdateClusterVersion
    "#);
}

#[test]
fn add_ons_that_do_not_fit_are_moved_first_and_vpc_cni_goes_one_by_one() {
    let mut now = observed(34, &[node("a", 34)]);
    now.addons.insert("coredns".to_owned(), addon("coredns", "v1.11.4-eksbuild.2"));
    now.addons.insert("vpc-cni".to_owned(), addon("vpc-cni", "v1.18.6-eksbuild.1"));
    now.insights.push(Insight {
        addons: vec![AddonCompatibility { name: "coredns".to_owned(), versions: vec!["v1.12.1-eksbuild.2".to_owned()] }],
        ..insight("EKS add-on version compatibility", 35, InsightStatus::Error, "")
    });
    let plan = planned(upgrade(35).build().unwrap().plan(&now));
    let steps: Vec<_> = plan.plan().steps().iter().map(|step| format!("{} {}", step.key, step.changes.join("; "))).collect();
    assert_eq!(
        steps,
        [
            "cluster/upgrade/1.35/prepare/coredns version: v1.11.4-eksbuild.2 → v1.13.2-eksbuild.1",
            "cluster/upgrade/1.35/insights looked at once the add-ons have moved",
            "cluster/upgrade/1.35/control-plane version: 1.34 → 1.35",
            "cluster/upgrade/1.35/addon/coredns ",
            "cluster/upgrade/1.35/addon/kube-proxy version: v1.34.1-eksbuild.1 → v1.35.1-eksbuild.1",
            "cluster/upgrade/1.35/addon/vpc-cni/1.19 version: v1.18.6-eksbuild.1 → v1.19.5-eksbuild.3",
            "cluster/upgrade/1.35/addon/vpc-cni/1.20 version: v1.19.5-eksbuild.3 → v1.20.4-eksbuild.2",
            "cluster/upgrade/1.35/addon/vpc-cni version: v1.20.4-eksbuild.2 → v1.21.1-eksbuild.1",
        ]
    );
    // Where nothing is left to move, as a run before this one did it, EKS looks again before it counts.
    now.addons.insert("coredns".to_owned(), addon("coredns", "v1.13.2-eksbuild.1"));
    let plan = planned(upgrade(35).build().unwrap().plan(&now));
    assert_eq!(plan.plan().steps()[0].key.as_str(), "cluster/upgrade/1.35/insights");
    assert_eq!(plan.plan().steps()[0].changes, ["looked at once more, as nodes or add-ons have changed since"]);
}

#[test]
fn where_it_should_be_there_is_nothing_to_do() {
    let plan = planned(upgrade(35).build().unwrap().plan(&observed(35, &[node("a", 35)])));
    assert!(plan.is_done());
    insta::assert_snapshot!(plan, @r#"
    upgrade of cluster chap10: it runs 1.35
      1.35  now        $73.00 a month     standard support until 2027-03-27

    plan for chap10: 0 to create, 0 to update, 4 as they should be
    nothing to do; $73.00 a month
    "#);
}

#[test]
fn a_saved_plan_is_the_same_plan() {
    let plan = planned(upgrade(36).build().unwrap().plan(&observed(33, &[node("a", 33)])));
    let saved = serde_json::to_string(plan.plan()).unwrap();
    assert_eq!(&serde_json::from_str::<Plan>(&saved).unwrap(), plan.plan());
    assert_eq!(planned(upgrade(36).build().unwrap().plan(&observed(33, &[node("a", 33)]))), plan, "deterministic");
}
