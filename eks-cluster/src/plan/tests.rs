//! Plans, read as a person reads them, and what a plan refuses.

use eks_core::{Action, AuthenticationMode, Error, Plan, Ref, RoleArn};
use jiff::civil::date;

use crate::{
    Addon, ClusterOp, Endpoint, LogType, Observed, RoleChoice, Scope,
    identity::RoleKind,
    testing::{addon, builder, everything, nothing, role},
};

fn node_role() -> Ref<RoleArn> {
    Ref::output("nodes/chap10-worker/base".parse().unwrap(), "role")
}

fn refusal(result: Result<Plan, Error>) -> String {
    match result {
        Err(error @ Error::Refused { .. }) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_chapter() {
    let spec = builder()
        .node_role_entry("chap10-worker", node_role())
        .nodes_ready_after(["k8s/nodes/chap10-worker".parse().unwrap()])
        .build()
        .unwrap();
    insta::assert_snapshot!(spec.plan(&nothing()).unwrap(), @r#"
    plan for chap10: 11 to create, 0 to update, 0 as they should be
    about 8m 02s on the critical path, $73.00 a month ($73.00 of it new), 23 IAM actions

    cluster
      + cluster/role                            role chap10-cluster-us-east-1 for the control plane
      + cluster/role/ebs-csi                    role chap10-ebs-csi-us-east-1 for the EBS CSI driver
      + cluster/control-plane                   control plane chap10, Kubernetes 1.36 (6m 30s)
      + cluster/addon/vpc-cni                   add-on vpc-cni v1.0.0-eksbuild.1 (29s)
      + cluster/addon/kube-proxy                add-on kube-proxy v1.0.0-eksbuild.1 (20s)
      + cluster/addon/coredns                   add-on coredns v1.0.0-eksbuild.1
      + cluster/addon-ready/coredns             add-on coredns ACTIVE (30s)
      + cluster/addon/eks-pod-identity-agent    add-on eks-pod-identity-agent v1.0.0-eksbuild.1 (45s)
      + cluster/addon/aws-ebs-csi-driver        add-on aws-ebs-csi-driver v1.0.0-eksbuild.1
      + cluster/addon-ready/aws-ebs-csi-driver  add-on aws-ebs-csi-driver ACTIVE (45s)
      + cluster/access/chap10-worker            nodes of role ‹nodes/chap10-worker/base#role› may join

    to review
      ! cluster/control-plane: the Kubernetes API is reachable from 0.0.0.0/0; public_access_cidrs narrows it
      · cluster/control-plane: Kubernetes 1.36 is in standard support until 2027-08-02, at $73.00 a month; then in extended support until 2028-08-02, at $438.00

    critical path
      cluster/role 2s
      → cluster/control-plane 6m 30s
      → cluster/addon/eks-pod-identity-agent 45s
      → cluster/addon-ready/aws-ebs-csi-driver 45s

    cost a month (on demand, us-east-1, before traffic)
          73.00  EKS control plane
          73.00  together

    IAM actions
      ec2: DescribeAvailabilityZones DescribeSubnets
      eks: CreateAccessEntry CreateAddon CreateCluster CreatePodIdentityAssociation DescribeAccessEntry DescribeAddon
          DescribeAddonVersions DescribeCluster DescribePodIdentityAssociation ListAccessEntries
          ListAssociatedAccessPolicies ListClusters TagResource
      iam: AttachRolePolicy CreateRole CreateServiceLinkedRole GetAccountAuthorizationDetails GetRole
          ListAttachedRolePolicies PassRole TagRole
    "#);
}

#[test]
fn needs_are_the_true_ones() {
    let spec = builder().node_role_entry("w", node_role()).build().unwrap();
    let plan = spec.plan(&nothing()).unwrap();
    let needs = |key: &str| plan.step(key).unwrap().needs.iter().map(|key| key.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        needs("cluster/control-plane"),
        [
            "cluster/role",
            "net/security-group/eks-control-plane",
            "net/subnet/private/us-east-1a",
            "net/subnet/private/us-east-1b",
            "net/subnet/public/us-east-1a",
            "net/subnet/public/us-east-1b"
        ],
        "neither gateways nor routes nor NAT"
    );
    assert!(needs("cluster/role").is_empty() && needs("cluster/role/ebs-csi").is_empty());
    assert_eq!(needs("cluster/addon/aws-ebs-csi-driver"), ["cluster/control-plane", "cluster/role/ebs-csi"]);
    assert_eq!(needs("cluster/access/w"), ["cluster/control-plane", "nodes/chap10-worker/base"]);
}

#[test]
fn what_is_as_it_should_be_is_kept_and_tells_its_outputs() {
    let spec = builder().nodes_ready_after(["k8s/nodes/w".parse().unwrap()]).build().unwrap();
    let plan = spec.plan(&everything()).unwrap();
    assert!(plan.is_noop(), "{plan}");
    let outputs = &plan.step("cluster/control-plane").unwrap().outputs;
    for name in ["id", "arn", "endpoint", "certificate_authority", "service_cidr", "cluster_security_group", "issuer"] {
        assert!(outputs.contains_key(name), "{name}");
    }
    assert_eq!(plan.step("cluster/role/ebs-csi").unwrap().outputs["arn"], "arn:aws:iam::123456789012:role/chap10-ebs-csi-us-east-1");
}

#[test]
fn a_saved_plan_comes_back_with_its_operations() {
    let plan = builder().build().unwrap().plan(&nothing()).unwrap();
    let back = Plan::from_json(&plan.to_json().unwrap()).unwrap();
    assert_eq!(back, plan);
    assert!(back.steps().iter().all(|step| step.op.decode::<ClusterOp>().is_ok()));
}

#[test]
fn changes_in_place_are_one_update_of_several_kinds() {
    let spec = builder()
        .authentication(AuthenticationMode::ApiAndConfigMap)
        .endpoint(Endpoint::Both)
        .public_access_cidrs(["98.234.106.21/32"])
        .logging([LogType::Audit])
        .deletion_protection(true)
        .tag("team", "platform")
        .build()
        .unwrap();
    let mut now = everything();
    now.cluster.as_mut().unwrap().authentication = Some(AuthenticationMode::ConfigMap);
    let plan = spec.plan(&now).unwrap();
    let step = plan.step("cluster/control-plane").unwrap();
    assert_eq!(step.action, Action::Update);
    assert_eq!(
        step.changes,
        [
            "authentication mode: CONFIG_MAP → API_AND_CONFIG_MAP",
            "endpoint: public → public and private",
            "public access CIDRs: 0.0.0.0/0 → 98.234.106.21/32",
            "logging: none → audit",
            "deletion protection: off → on",
            "tag team: none → platform",
        ]
    );
    assert_eq!(plan.changes().count(), 1);
}

/// There is no way back from API, and nobody comes in by aws-auth any more.
#[test]
fn api_comes_when_the_entries_stand() {
    let admin = "arn:aws:iam::123456789012:role/late";
    let of = |mode, found| {
        let mut now = everything();
        now.cluster.as_mut().unwrap().authentication = Some(found);
        builder()
            .authentication(mode)
            .admin(admin)
            .build()
            .unwrap()
            .plan(&now)
            .map(|plan| plan.step("cluster/control-plane").unwrap().action)
    };
    for found in [AuthenticationMode::ConfigMap, AuthenticationMode::ApiAndConfigMap] {
        let Err(Error::Refused { rule, remedy, .. }) = of(AuthenticationMode::Api, found) else { panic!("the entry is not there yet") };
        assert!(rule.contains("stop reading aws-auth") && remedy.contains("ApiAndConfigMap first"), "{rule}; {remedy}");
    }
    assert_eq!(of(AuthenticationMode::ApiAndConfigMap, AuthenticationMode::ConfigMap).unwrap(), Action::Update);
}

/// Roles are named by owner and Region: those of another cluster are neither used nor removed.
#[test]
fn roles_of_another_cluster_of_the_owner() {
    let spec = builder().build().unwrap();
    let mut now = everything();
    for role in now.roles.values_mut() {
        role.tags.insert("eks-rs/cluster".to_owned(), "other".to_owned());
    }
    let Err(Error::Refused { rule, .. }) = spec.plan(&now) else { panic!("the role is another cluster's") };
    assert!(rule.contains("was made for the cluster other"), "{rule}");
    now.cluster = None;
    let scope = Scope::everything(spec.name().clone(), spec.region());
    assert_eq!(now.teardown(spec.owner(), &scope).unwrap().removals().len(), 0, "the name was mistyped");
}

#[test]
fn a_cluster_without_our_tag_keeps_its_role() {
    let spec = builder().build().unwrap();
    let mut now = everything();
    now.cluster.as_mut().unwrap().tags.clear();
    now.cluster.as_mut().unwrap().role = now.roles[&RoleKind::Cluster].arn.to_string();
    let scope = Scope::everything(spec.name().clone(), spec.region());
    let Err(Error::Refused { rule, .. }) = now.teardown(spec.owner(), &scope) else { panic!("it would stay without its role") };
    assert!(rule.contains("acts under"), "{rule}");
}

#[test]
fn half_made_things_are_finished() {
    let spec = builder().nodes_ready_after(["k8s/nodes/w".parse().unwrap()]).build().unwrap();
    let mut now = everything();
    now.cluster.as_mut().unwrap().status = "CREATING".to_owned();
    now.cluster.as_mut().unwrap().endpoint_url = None;
    now.roles.get_mut(&RoleKind::Cluster).unwrap().policies.clear();
    now.roles.get_mut(&RoleKind::EbsCsi).unwrap().trust = "{}".to_owned();
    now.addons = [addon("vpc-cni", "CREATING"), addon("kube-proxy", "CREATE_FAILED"), addon("coredns", "DEGRADED")].into();
    now.default_versions = nothing().default_versions;
    let plan = spec.plan(&now).unwrap();
    let changes = |key: &str| (plan.step(key).unwrap().action, plan.step(key).unwrap().changes.join("; "));
    assert_eq!(changes("cluster/control-plane"), (Action::Update, "status: CREATING → ACTIVE".to_owned()));
    assert_eq!(changes("cluster/role").1, "policies: attach arn:aws:iam::aws:policy/AmazonEKSClusterPolicy");
    assert_eq!(changes("cluster/role/ebs-csi").1, "trust policy: pods.eks.amazonaws.com may sts:AssumeRole, sts:TagSession");
    assert_eq!(changes("cluster/addon/vpc-cni").1, "status: CREATING → ACTIVE");
    assert_eq!(changes("cluster/addon/kube-proxy").1, "status: CREATE_FAILED → ACTIVE");
    assert_eq!(changes("cluster/addon/coredns").0, Action::Keep);
    assert_eq!(changes("cluster/addon-ready/coredns").0, Action::Create);
    assert_eq!(changes("cluster/addon/aws-ebs-csi-driver").0, Action::Create);
}

#[test]
fn what_others_made_and_what_cannot_change_is_refused() {
    let spec = builder().service_cidr("172.21.0.0/16").build().unwrap();
    let with = |change: &dyn Fn(&mut Observed)| {
        let mut now = everything();
        change(&mut now);
        refusal(spec.plan(&now))
    };
    assert!(with(&|now| now.cluster.as_mut().unwrap().tags.clear()).contains("does not carry the tag that names chap10 as its owner"));
    assert!(with(&|now| now.roles.get_mut(&RoleKind::Cluster).unwrap().tags.clear()).contains("role chap10-cluster-us-east-1: exists"));
    assert!(with(&|now| now.cluster.as_mut().unwrap().version = "1.35".into()).contains("a version upgrade is a flow of its own"));
    assert!(with(&|now| now.cluster.as_mut().unwrap().status = "DELETING".into()).contains("wait until it is gone"));
    let failed = with(&|now| {
        let cluster = now.cluster.as_mut().unwrap();
        (cluster.status, cluster.issues) = ("FAILED".into(), vec![crate::HealthIssue::new("Ec2SubnetNotFound", "subnet-1", vec![])]);
    });
    assert!(failed.contains("creating it has failed: Ec2SubnetNotFound: subnet-1"));
    assert!(with(&|_| ()).contains("its service CIDR is 172.20.0.0/16, the spec says 172.21.0.0/16"));

    let taken = with(&|now| {
        now.cluster.as_mut().unwrap().service_cidr = Some("172.21.0.0/16".into());
        now.addons.get_mut("coredns").unwrap().tags.clear();
    });
    assert!(taken.starts_with("add-on coredns: exists, and does not carry the tag that names chap10 as its owner"), "{taken}");

    let other_role = RoleChoice::Existing("arn:aws:iam::123456789012:role/eksServiceRole".parse().unwrap());
    assert!(refusal(builder().role(other_role).build().unwrap().plan(&everything())).contains("acts under"));
    assert!(refusal(builder().creator_admin(false).build().unwrap().plan(&everything())).contains("creator_admin true"));
    let back = builder().authentication(AuthenticationMode::ConfigMap).build().unwrap();
    assert!(refusal(back.plan(&everything())).contains("no way back to CONFIG_MAP"));
    let unknown = builder().addon(Addon::new("no-such-addon")).build().unwrap();
    assert!(refusal(unknown.plan(&nothing())).contains("EKS tells no default version"));
}

#[test]
fn support_is_priced_and_found() {
    let plan = |version: &str, day| {
        let mut spec = builder().build().unwrap();
        (spec.version, spec.today) = (version.parse().unwrap(), Some(day));
        spec.plan(&nothing())
    };
    let text = |version, day| plan(version, day).unwrap().findings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let near = text("1.34", date(2026, 11, 22));
    assert!(near.contains("standard support of Kubernetes 1.34 ends on 2026-12-02, in 10 days; then it costs $438.00 a month"), "{near}");
    let far = text("1.36", date(2026, 11, 22));
    assert!(
        far.contains("in standard support until 2027-08-02, at $73.00 a month; then in extended support until 2028-08-02, at $438.00"),
        "{far}"
    );
    assert!(text("1.33", date(2026, 11, 22)).contains("in extended support until 2027-07-29: $438.00 a month instead of $73.00"));
    assert!((plan("1.33", date(2026, 11, 22)).unwrap().usd_per_month() - 438.0).abs() < 1e-9);
    assert!((plan("1.36", date(2026, 11, 22)).unwrap().usd_per_month() - 73.0).abs() < 1e-9);
    assert!(refusal(plan("1.31", date(2026, 11, 27))).contains("support of Kubernetes 1.31 has ended"));
}

#[test]
fn observed_roles_of_others_are_not_torn_down() {
    let mut now = everything();
    now.cluster.as_mut().unwrap().tags.clear();
    now.roles.insert(RoleKind::Cluster, crate::ObservedRole { tags: Default::default(), ..role(RoleKind::Cluster) });
    let spec = builder().build().unwrap();
    let teardown = now.teardown(&spec.owner, &spec.scope()).unwrap();
    assert_eq!(teardown.removals().iter().map(|r| r.key.as_str()).collect::<Vec<_>>(), ["cluster/role/ebs-csi"]);
}

#[test]
fn the_cluster_goes_before_its_roles() {
    let spec = builder().build().unwrap();
    let teardown = everything().teardown(&spec.owner, &spec.scope()).unwrap();
    insta::assert_snapshot!(teardown, @r#"
    teardown of chap10: 3 to remove, about 2m 57s, saves $73.00 a month
      - cluster/control-plane  control plane chap10 ($73.00 a month)
      - cluster/role           role chap10-cluster-us-east-1
      - cluster/role/ebs-csi   role chap10-ebs-csi-us-east-1
    "#);
    assert!(Observed::default().teardown(&spec.owner, &spec.scope()).unwrap().is_empty());
}

#[test]
fn refs_are_by_key() {
    let spec = builder().build().unwrap();
    let refs = spec.refs();
    assert_eq!(refs.endpoint.to_string(), "‹cluster/control-plane#endpoint›");
    let keys = |keys: &[eks_core::StepKey]| keys.iter().map(|key| key.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(&refs.nodes_need), ["cluster/addon/vpc-cni", "cluster/addon/kube-proxy"]);
    assert_eq!(keys(&refs.volumes_need), ["cluster/addon/aws-ebs-csi-driver"]);
    let waited = builder().nodes_ready_after(["k8s/nodes/w".parse().unwrap()]).build().unwrap();
    assert_eq!(keys(&waited.refs().volumes_need), ["cluster/addon-ready/aws-ebs-csi-driver"]);
}
