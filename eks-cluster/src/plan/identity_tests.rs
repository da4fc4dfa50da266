//! Plans for roles, their ways to Pods, and add-ons: read as a person reads them, and what is noticed of what changed.

use eks_core::{Action, Error, Plan, Ref, Severity};

use crate::{
    Addon, AddonRemoval, AddonRole, AutoMode, ClusterSpec, ClusterSpecBuilder, IpFamily, NodeRole, Observed, ObservedAccess,
    ObservedAssociation, ObservedProvider, PodRole, RoleChoice, RoleSettings, ServiceAccount,
    identity::{RoleKind, RoleLabel},
    testing::{builder, everything, made, nothing, owner},
};

const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC";

fn ours(key: &str) -> std::collections::BTreeMap<String, String> {
    owner().tags(&key.parse().unwrap()).into_iter().collect()
}

/// Both ways, ours and brought.
fn whole() -> ClusterSpecBuilder {
    builder()
        .nodes_ready_after(["k8s/nodes/w".parse().unwrap()])
        .roles(RoleSettings::new().permissions_boundary("arn:aws:iam::123456789012:policy/edge"))
        .pod_role(PodRole::load_balancer_controller())
        .pod_role(PodRole::new("api", ServiceAccount::new("shop", "api")).aws_policy("AmazonS3ReadOnlyAccess").irsa())
        .pod_role(PodRole::new("bills", ServiceAccount::new("shop", "bills")).existing(role_arn("bills")).target_role(role_arn("target")))
        .node_role(NodeRole::new("gpu"))
}

fn role_arn(name: &str) -> eks_core::RoleArn {
    format!("arn:aws:iam::123456789012:role/{name}").parse().unwrap()
}

/// What exists once the spec is applied.
fn applied(spec: &ClusterSpec) -> Observed {
    let mut now = everything();
    now.roles = spec.own_roles().iter().map(|role| (role.kind.clone(), made(role, Some(PROVIDER)))).collect();
    now.oidc_provider = Some(ObservedProvider {
        arn: PROVIDER.to_owned(),
        audiences: ["sts.amazonaws.com".to_owned()].into(),
        tags: ours("cluster/oidc-provider"),
    });
    for (_, wanted) in spec.associations() {
        let role = ClusterSpec::known_role(&wanted.role, &now).unwrap();
        let association = ObservedAssociation {
            id: format!("a-{}", wanted.service_account.name),
            role,
            target: wanted.target.as_ref().map(ToString::to_string),
            disable_session_tags: false,
            policy: None,
            addon: None,
            tags: ours("cluster/pod-identity/x"),
        };
        now.associations.insert(wanted.service_account, association);
    }
    now
}

fn refusal(result: Result<Plan, Error>) -> String {
    match result {
        Err(error @ Error::Refused { .. }) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{}: {}", step.key, step.changes.join("; "))).collect()
}

#[test]
fn roles_for_pods_by_both_ways() {
    let plan = whole().build().unwrap().plan(&nothing()).unwrap();
    insta::assert_snapshot!(plan.to_string().lines().skip_while(|line| *line != "cluster").take(17).collect::<Vec<_>>().join("\n"), @r"
    cluster
      + cluster/role                                                   role chap10-cluster-us-east-1 for the control plane
      + cluster/role/ebs-csi                                           role chap10-ebs-csi-us-east-1 for the EBS CSI driver
      + cluster/role/load-balancer-controller                          role chap10-lbc-us-east-1 for the AWS Load Balancer Controller
      + cluster/role/node/gpu                                          role chap10-node-gpu-us-east-1 for the nodes gpu
      + cluster/control-plane                                          control plane chap10, Kubernetes 1.36 (6m 30s)
      + cluster/oidc-provider                                          identity provider for the issuer of cluster chap10
      + cluster/role/app/api                                           role chap10-app-api-us-east-1 for the application api
      + cluster/addon/vpc-cni                                          add-on vpc-cni v1.0.0-eksbuild.1 (29s)
      + cluster/addon/kube-proxy                                       add-on kube-proxy v1.0.0-eksbuild.1 (20s)
      + cluster/addon/coredns                                          add-on coredns v1.0.0-eksbuild.1
      + cluster/addon-ready/coredns                                    add-on coredns ACTIVE (30s)
      + cluster/addon/eks-pod-identity-agent                           add-on eks-pod-identity-agent v1.0.0-eksbuild.1 (45s)
      + cluster/addon/aws-ebs-csi-driver                               add-on aws-ebs-csi-driver v1.0.0-eksbuild.1
      + cluster/addon-ready/aws-ebs-csi-driver                         add-on aws-ebs-csi-driver ACTIVE (45s)
      + cluster/pod-identity/kube-system/aws-load-balancer-controller  Pods of kube-system/aws-load-balancer-controller act under ‹cluster/role/load-balancer-controller#arn›
      + cluster/pod-identity/shop/bills                                Pods of shop/bills act under arn:aws:iam::123456789012:role/target
    ");
    let needs = |key: &str| plan.step(key).unwrap().needs.iter().map(|key| key.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(needs("cluster/oidc-provider"), ["cluster/control-plane"]);
    assert_eq!(needs("cluster/role/app/api"), ["cluster/oidc-provider"], "its trust policy names the provider");
    assert!(needs("cluster/role/load-balancer-controller").is_empty());
    let association = needs("cluster/pod-identity/kube-system/aws-load-balancer-controller");
    assert_eq!(association, ["cluster/control-plane", "cluster/role/load-balancer-controller"]);
    for action in ["iam:CreateOpenIDConnectProvider", "iam:PutRolePolicy", "eks:CreatePodIdentityAssociation"] {
        assert!(plan.iam_actions().contains(action), "{action}");
    }
}

#[test]
fn what_is_applied_is_kept() {
    let spec = whole().build().unwrap();
    let plan = spec.plan(&applied(&spec)).unwrap();
    assert!(plan.is_noop(), "{plan}");
    assert_eq!(spec.pod_role("api"), Some(Ref::output("cluster/role/app/api".parse().unwrap(), "arn")));
    assert_eq!(spec.pod_role("bills"), Some(Ref::Known(role_arn("bills"))));
    assert!(spec.node_role("gpu").is_some() && spec.oidc_provider().is_some() && spec.pod_role("none").is_none());
}

#[test]
fn every_drift_of_a_role_is_told_field_by_field() {
    let spec = whole().build().unwrap();
    let drifted = |kind: RoleKind, change: &dyn Fn(&mut crate::ObservedRole)| {
        let mut now = applied(&spec);
        change(now.roles.get_mut(&kind).unwrap());
        changes(&spec.plan(&now).unwrap())
    };
    let api = || RoleKind::Application("api".to_owned().try_into().unwrap());
    assert_eq!(
        drifted(RoleKind::LoadBalancerController, &|role| {
            role.inline.insert("AWSLoadBalancerControllerIAMPolicy".to_owned(), "{}".to_owned());
        }),
        ["cluster/role/load-balancer-controller: policies: rewrite AWSLoadBalancerControllerIAMPolicy"]
    );
    assert_eq!(
        drifted(RoleKind::LoadBalancerController, &|role| role.inline.clear()),
        ["cluster/role/load-balancer-controller: policies: write AWSLoadBalancerControllerIAMPolicy"]
    );
    assert_eq!(
        drifted(RoleKind::Cluster, &|role| role.boundary = None),
        ["cluster/role: permissions boundary: none → arn:aws:iam::123456789012:policy/edge"]
    );
    assert_eq!(
        drifted(api(), &|role| role.trust = role.trust.replace("shop:api", "shop:other")),
        ["cluster/role/app/api: trust policy: tokens of shop/api by ‹cluster/oidc-provider#arn›"]
    );
    assert_eq!(
        drifted(api(), &|role| role.policies.clear()),
        ["cluster/role/app/api: policies: attach arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    );
    let more = |role: &mut crate::ObservedRole| {
        role.policies.insert("arn:aws:iam::123456789012:policy/of-others".to_owned());
        role.inline.insert("of-others".to_owned(), "{}".to_owned());
    };
    assert!(drifted(api(), &more).is_empty(), "what others attached stays");
}

#[test]
fn a_provider_that_is_gone_takes_its_trust_along() {
    let spec = whole().build().unwrap();
    let mut now = applied(&spec);
    now.oidc_provider = None;
    let plan = spec.plan(&now).unwrap();
    let lines = changes(&plan);
    assert_eq!(lines, ["cluster/oidc-provider: ", "cluster/role/app/api: trust policy: tokens of shop/api by ‹cluster/oidc-provider#arn›"]);
}

#[test]
fn providers_and_associations_of_others() {
    let spec = whole().build().unwrap();
    let with = |change: &dyn Fn(&mut Observed)| {
        let mut now = applied(&spec);
        change(&mut now);
        spec.plan(&now)
    };
    let used = with(&|now| now.oidc_provider.as_mut().unwrap().tags.clear()).unwrap();
    assert!(used.is_noop());
    assert!(used.findings().iter().any(|finding| finding.message.contains("was made by others: it is used, and a teardown leaves it")));
    let deaf = with(&|now| {
        let provider = now.oidc_provider.as_mut().unwrap();
        provider.tags.clear();
        provider.audiences.clear();
    });
    assert!(refusal(deaf).contains("is not ours, and does not accept tokens for sts.amazonaws.com"));
    let ours = with(&|now| now.oidc_provider.as_mut().unwrap().audiences.clear()).unwrap();
    assert_eq!(changes(&ours), ["cluster/oidc-provider: audiences: add sts.amazonaws.com"]);

    let bills = ServiceAccount::new("shop", "bills");
    let association = |change: &dyn Fn(&mut ObservedAssociation)| with(&|now| change(now.associations.get_mut(&bills).unwrap()));
    let other = association(&|found| found.role = role_arn("other").to_string()).unwrap();
    let key = "cluster/pod-identity/shop/bills";
    let (old, new) = ("arn:aws:iam::123456789012:role/other", "arn:aws:iam::123456789012:role/bills");
    assert_eq!(changes(&other), [format!("{key}: role: {old} → {new}")]);
    let no_target = association(&|found| (found.target, found.disable_session_tags) = (None, true)).unwrap();
    assert_eq!(changes(&no_target), [format!("{key}: target role: none → arn:aws:iam::123456789012:role/target; session tags: on")]);
    assert!(refusal(association(&|found| found.tags.clear())).contains("does not carry the tag that names chap10 as its owner"));
    assert!(refusal(association(&|found| found.addon = Some("arn:x".to_owned()))).contains("is the add-on's that brought it: arn:x"));
}

#[test]
fn a_path_cannot_change_and_the_old_policy_is_flagged() {
    let moved = builder().roles(RoleSettings::new().path("/eks/")).build().unwrap();
    let refused = refusal(moved.plan(&everything()));
    assert!(refused.contains("has the path /, the spec says /eks/; IAM cannot change it"), "{refused}");
    let old = builder().role(RoleChoice::Own { legacy_service_policy: true }).build().unwrap().plan(&nothing()).unwrap();
    assert!(old.findings().iter().any(|f| f.message.starts_with("AmazonEKSServicePolicy is needed by clusters made before 2020-04-16")));
}

#[test]
fn everything_of_ours_is_torn_down_after_the_cluster() {
    let spec = whole().build().unwrap();
    let teardown = applied(&spec).teardown(&spec.owner, &spec.scope()).unwrap();
    insta::assert_snapshot!(teardown, @r"
    teardown of chap10: 7 to remove, about 2m 57s, saves $73.00 a month
      - cluster/control-plane                  control plane chap10 ($73.00 a month)
      - cluster/role                           role chap10-cluster-us-east-1
      - cluster/role/ebs-csi                   role chap10-ebs-csi-us-east-1
      - cluster/role/load-balancer-controller  role chap10-lbc-us-east-1
      - cluster/role/app/api                   role chap10-app-api-us-east-1
      - cluster/role/node/gpu                  role chap10-node-gpu-us-east-1
      - cluster/oidc-provider                  identity provider arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC
    ");
    let mut now = applied(&spec);
    now.oidc_provider.as_mut().unwrap().tags.clear();
    let teardown = now.teardown(&spec.owner, &spec.scope()).unwrap();
    assert!(teardown.removals().iter().all(|removal| removal.key.as_str() != "cluster/oidc-provider"), "others made it");
}

#[test]
fn the_role_of_an_add_on_is_compared() {
    let spec = builder().build().unwrap();
    let with = |role: &str| {
        let mut now = everything();
        let roles = &mut now.addons.get_mut("aws-ebs-csi-driver").unwrap().pod_identity;
        roles.insert("ebs-csi-controller-sa".to_owned(), role_arn(role).to_string());
        spec.plan(&now).unwrap()
    };
    assert!(changes(&with("chap10-ebs-csi-us-east-1")).iter().all(|line| !line.contains("ebs")), "the right one");
    let line = "cluster/addon/aws-ebs-csi-driver: pod identity: ebs-csi-controller-sa acts under ‹cluster/role/ebs-csi#arn› instead of arn:aws:iam::123456789012:role/other";
    assert!(changes(&with("other")).iter().any(|change| change == line), "{:?}", changes(&with("other")));

    let irsa = builder().addon(Addon::new("aws-ebs-csi-driver").role(AddonRole::irsa())).build().unwrap();
    let plan = irsa.plan(&everything()).unwrap();
    let step = plan.step("cluster/addon/aws-ebs-csi-driver").unwrap();
    assert_eq!(step.changes, ["pod identity: none", "service account role: none → ‹cluster/role/ebs-csi#arn›"]);
    assert!(step.needs.iter().any(|key| key.as_str() == "cluster/oidc-provider"));
}

#[test]
fn versions_are_those_that_eks_offers() {
    let offered = ["v1.22.3-eksbuild.1", "v1.21.2-eksbuild.1", "v1.21.1-eksbuild.7", "v1.20.5-eksbuild.1"].map(str::to_owned).to_vec();
    let plan = |addon: Addon, has: Option<&str>| {
        let mut now = everything();
        match has {
            Some(version) => now.addons.get_mut("vpc-cni").unwrap().version = version.to_owned(),
            None => _ = now.addons.remove("vpc-cni"),
        }
        now.addon_versions.insert("vpc-cni".to_owned(), offered.clone());
        now.default_versions.insert("vpc-cni".to_owned(), "v1.21.2-eksbuild.1".to_owned());
        builder().addon(addon).build().unwrap().plan(&now)
    };
    let step = |addon: Addon, has: Option<&str>| {
        let plan = plan(addon, has).unwrap();
        let step = plan.step("cluster/addon/vpc-cni").unwrap();
        (step.action, step.title.clone(), step.changes.join("; "))
    };
    let cni = || Addon::new("vpc-cni");
    assert_eq!(step(cni(), None), (Action::Create, "add-on vpc-cni v1.21.2-eksbuild.1".to_owned(), String::new()), "the default");
    assert_eq!(step(cni().latest(), None).1, "add-on vpc-cni v1.22.3-eksbuild.1");
    assert_eq!(step(cni(), Some("v1.20.5-eksbuild.1")).0, Action::Keep, "what it has is kept");
    let way = "version: v1.20.5-eksbuild.1 → v1.21.2-eksbuild.1 → v1.22.3-eksbuild.1";
    assert_eq!(step(cni().latest(), Some("v1.20.5-eksbuild.1")).2, way, "one minor version at a time");
    let refused = refusal(plan(cni().version("v1.19.0-eksbuild.1"), Some("v1.20.5-eksbuild.1")));
    assert!(refused.contains("EKS does not offer v1.19.0-eksbuild.1 for Kubernetes 1.36; pin one of these: v1.22.3"), "{refused}");
    assert_eq!(step(cni().version("v1.9.9-eksbuild.1"), Some("v1.9.9-eksbuild.1")).0, Action::Keep, "it has it already");
}

#[test]
fn what_is_wrong_with_an_add_on_is_told_with_its_remedy() {
    let mut now = everything();
    let coredns = now.addons.get_mut("coredns").unwrap();
    "DEGRADED".clone_into(&mut coredns.status);
    coredns.issues = vec![("InsufficientNumberOfReplicas".to_owned(), "too few.".to_owned())];
    let findings = |now: &Observed| {
        let plan = builder().build().unwrap().plan(now).unwrap();
        assert_eq!(plan.step("cluster/addon/coredns").unwrap().action, Action::Keep, "it waits for nodes and is not broken");
        plan.findings()
            .iter()
            .map(|finding| format!("{:?} {finding}", finding.severity))
            .filter(|f| f.contains("DEGRADED"))
            .collect::<Vec<_>>()
    };
    assert!(findings(&now)[0].starts_with("Note cluster/addon/coredns: is DEGRADED: InsufficientNumberOfReplicas: too few (its Pods"));
    now.addons.get_mut("coredns").unwrap().issues = vec![("ConfigurationConflict".to_owned(), "fields.".to_owned())];
    let told = findings(&now);
    assert!(told[0].starts_with("Warning cluster/addon/coredns: is DEGRADED: ConfigurationConflict: fields (others have set"), "{told:?}");
}

#[test]
fn removals_are_a_teardown_of_their_own() {
    let spec = builder()
        .no_addons()
        .remove_addon(AddonRemoval::new("coredns").preserving_software())
        .remove_addon(AddonRemoval::new("metrics-server"))
        .build()
        .unwrap();
    let mut now = everything();
    let plan = spec.plan(&now).unwrap();
    assert!(plan.is_noop());
    assert!(plan.findings().iter().any(|f| f.to_string().starts_with("cluster/addon/coredns: is there and shall be removed")));
    let teardown = now.removals(&spec).unwrap();
    assert_eq!(teardown.removals().iter().map(|removal| removal.key.as_str()).collect::<Vec<_>>(), ["cluster/addon/coredns"]);
    now.addons.get_mut("coredns").unwrap().tags.clear();
    assert!(now.removals(&spec).is_err(), "others made it");
}

#[test]
fn an_add_on_on_its_way_out_is_not_kept() {
    let mut now = everything();
    "DELETING".clone_into(&mut now.addons.get_mut("coredns").unwrap().status);
    let refused = refusal(builder().build().unwrap().plan(&now));
    assert!(refused.contains("add-on coredns") && refused.contains("is being deleted"), "{refused}");
}

fn warnings(plan: &Plan) -> Vec<String> {
    plan.findings().iter().filter(|finding| finding.severity == Severity::Warning).map(ToString::to_string).collect()
}

#[test]
fn permissions_that_left_the_spec_are_told() {
    let spec = whole().build().unwrap();
    let mut now = applied(&spec);
    let stays = |now: &Observed| {
        let plan = spec.plan(now).unwrap();
        assert!(plan.is_noop(), "{plan}");
        warnings(&plan).into_iter().filter(|said| said.contains("in the spec")).collect::<Vec<_>>()
    };
    assert!(stays(&now).is_empty());
    let old = "arn:aws:iam::123456789012:policy/old";
    now.roles.get_mut(&RoleKind::Node(RoleLabel::new("gpu").unwrap())).unwrap().policies.insert(old.to_owned());
    let lbc = now.roles.get_mut(&RoleKind::LoadBalancerController).unwrap();
    lbc.policies.insert(old.to_owned());
    lbc.inline.insert("wide".to_owned(), "{}".to_owned());
    // What Auto Mode needed.
    now.roles.get_mut(&RoleKind::Cluster).unwrap().policies.insert("arn:aws:iam::aws:policy/AmazonEKSComputePolicy".to_owned());
    assert_eq!(
        stays(&now),
        [
            format!("cluster/role/load-balancer-controller: {old}, wide are not in the spec; they stay until they are detached by hand"),
            format!("cluster/role/node/gpu: {old} is not in the spec; it stays until it is detached by hand"),
        ]
    );
}

#[test]
fn an_entry_lets_in_only_the_role_that_it_was_made_for() {
    let role: Ref<eks_core::RoleArn> = Ref::output("cluster/role/node/gpu".parse().unwrap(), "arn");
    let spec = builder().node_role(NodeRole::new("gpu")).node_role_entry("gpu", role).build().unwrap();
    let entry = |name: &str, principal: &str| ObservedAccess {
        principal: role_arn(principal).to_string(),
        type_name: "EC2_LINUX".to_owned(),
        username: "system:node:{{EC2PrivateDNSName}}".to_owned(),
        groups: ["system:nodes".to_owned()].into(),
        policies: Default::default(),
        created: None,
        tags: ours(name),
    };
    let mut now = applied(&spec);
    now.access = vec![entry("cluster/access/gpu", "chap10-node-gpu-us-east-1")];
    let plan = spec.plan(&now).unwrap();
    assert!(plan.is_noop() && !warnings(&plan).iter().any(|said| said.contains("access entry")), "{plan}");

    // What an earlier spec said; and what another layer made.
    now.access.extend([entry("cluster/access/old", "old"), entry("nodes/w/entry", "w")]);
    let plan = spec.plan(&now).unwrap();
    let told: Vec<_> = warnings(&plan).into_iter().filter(|said| said.contains("access entry")).collect();
    let message = "cluster/control-plane: the access entry of arn:aws:iam::123456789012:role/old is not in the spec; whoever it lets in stays in; delete it by aws eks delete-access-entry";
    assert_eq!(told, [message]);

    now.roles.remove(&RoleKind::Node(RoleLabel::new("gpu").unwrap()));
    let refused = refusal(spec.plan(&now));
    assert!(refused.contains("was made for an earlier role chap10-node-gpu-us-east-1, and lets only that one in"), "{refused}");
}

#[test]
fn a_cni_for_ipv6_needs_a_policy_of_its_own() {
    let told = |cni: Addon| {
        let spec = builder().ip_family(IpFamily::Ipv6).public_access_cidrs(["198.51.100.0/24"]).addon(cni).build().unwrap();
        warnings(&spec.plan(&nothing()).unwrap()).iter().any(|said| said.starts_with("cluster/addon/vpc-cni: gives no IPv6 addresses"))
    };
    let cni = || Addon::new("vpc-cni");
    assert!(told(cni()), "the nodes' policy is for IPv4");
    assert!(told(cni().role(AddonRole::pod_identity())), "and so is the one that AWS names");
    assert!(!told(cni().role(AddonRole::pod_identity().vpc_cni_ipv6())));
    assert!(!told(cni().irsa(role_arn("cni"))), "what others wrote into it is not known");
    let ipv4 = builder().build().unwrap().plan(&nothing()).unwrap();
    assert!(!warnings(&ipv4).iter().any(|said| said.contains("IPv6 addresses")));
}

#[test]
fn auto_mode_brings_the_agent_along() {
    let ebs = || builder().no_addons().addon(Addon::new("aws-ebs-csi-driver")).pod_role(PodRole::load_balancer_controller());
    assert!(ebs().build().is_err());
    let spec = ebs().auto_mode(AutoMode::without_pools()).nodes_ready_after(["k8s/nodes/w".parse().unwrap()]).build().unwrap();
    let plan = spec.plan(&nothing()).unwrap();
    let needs = &plan.step("cluster/addon-ready/aws-ebs-csi-driver").unwrap().needs;
    assert!(!needs.iter().any(|key| key.as_str() == "cluster/addon/eks-pod-identity-agent"), "{needs:?}");
    assert!(!warnings(&plan).iter().any(|said| said.contains("EKS Pod Identity Agent")));
}
