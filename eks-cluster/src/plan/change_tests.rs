//! Plans of changes, read as a person reads them.

use crate::{
    AutoMode, EgressMode, Encryption, HealthIssue, Observed, ScalingTier, Settings,
    testing::{builder, everything},
};

fn changed(change: impl FnOnce(&mut crate::ObservedCluster)) -> Observed {
    let mut now = everything();
    change(now.cluster.as_mut().unwrap());
    now
}

#[test]
fn a_change_of_several_kinds() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let spec = builder()
        .encryption(Encryption::CustomerManaged(key.parse().unwrap()))
        .egress(EgressMode::CustomerRouted)
        .scaling_tier(ScalingTier::Xl4)
        .public_access_cidrs(["198.51.100.0/24"])
        .no_addons()
        .build()
        .unwrap();
    let now = changed(|cluster| {
        cluster.settings.tier = Some(ScalingTier::Xl);
        cluster.issues.push(HealthIssue::new("InsufficientFreeAddresses", "subnet-11111111 has none", vec![]));
    });
    insta::assert_snapshot!(spec.plan(&now).unwrap(), @"
    plan for chap10: 0 to create, 1 to update, 1 as they should be
    about 21m 20s on the critical path, $5110.00 a month ($0.00 of it new), 8 IAM actions

    cluster
        cluster/role           role chap10-cluster-us-east-1 for the control plane
      ~ cluster/control-plane  control plane chap10, Kubernetes 1.36 (21m 20s)
                                 public access CIDRs: 0.0.0.0/0 → 198.51.100.0/24
                                 egress mode: AWS_MANAGED → CUSTOMER_ROUTED
                                 encryption: a key of AWS's → arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab
                                 scaling tier: tier-xl → tier-4xl

    to review
      ! cluster/control-plane: EKS finds wrong: InsufficientFreeAddresses: subnet-11111111 has none; free addresses in the cluster's subnets (6 each, better 16), or give it further ones in the same zones
      ! cluster/control-plane: the control plane's own requests take the routes of its subnets, for good: they must reach every webhook and OIDC provider
      ! cluster/control-plane: nodes come by the public endpoint, too: public_access_cidrs must hold the addresses with which they leave the VPC, or choose Endpoint::Both
      · cluster/control-plane: Kubernetes 1.36 is in standard support until 2027-08-02, at $73.00 a month; then in extended support until 2028-08-02, at $438.00

    critical path
      cluster/control-plane 21m 20s

    cost a month (on demand, us-east-1, before traffic)
        5037.00  EKS provisioned control plane, tier-4xl
          73.00  EKS control plane
        5110.00  together

    IAM actions
      eks: AssociateEncryptionConfig DescribeCluster DescribeUpdate UpdateClusterConfig
      iam: GetRole ListAttachedRolePolicies
      kms: CreateGrant DescribeKey
    ");
}

#[test]
fn switching_auto_mode_off_is_said_aloud() {
    let role = "arn:aws:iam::123456789012:role/nodes".parse::<eks_core::RoleArn>().unwrap();
    let now = changed(|cluster| cluster.settings = Settings { auto_mode: Some(AutoMode::with_pools(role)), ..Settings::default() });
    let plan = builder().auto_mode(AutoMode::Off).build().unwrap().plan(&now).unwrap();
    let warnings: Vec<_> = plan.findings().iter().map(|finding| finding.message.as_str()).collect();
    assert!(warnings.iter().any(|warning| warning.starts_with("switching Auto Mode off terminates its nodes")), "{warnings:?}");
    let silent = builder().build().unwrap().plan(&now).unwrap();
    assert!(silent.step("cluster/control-plane").is_some_and(|step| step.changes.is_empty()), "{silent}");
}

#[test]
fn the_role_of_auto_mode_has_its_policies() {
    let spec = builder().auto_mode(AutoMode::without_pools()).no_addons().build().unwrap();
    let plan = spec.plan(&everything()).unwrap();
    let step = plan.step("cluster/role").unwrap();
    assert_eq!(
        step.changes,
        [
            "policies: attach arn:aws:iam::aws:policy/AmazonEKSComputePolicy",
            "policies: attach arn:aws:iam::aws:policy/AmazonEKSBlockStoragePolicy",
            "policies: attach arn:aws:iam::aws:policy/AmazonEKSLoadBalancingPolicy",
            "policies: attach arn:aws:iam::aws:policy/AmazonEKSNetworkingPolicy",
            "trust policy: eks.amazonaws.com may sts:AssumeRole, sts:TagSession",
        ]
    );
}
