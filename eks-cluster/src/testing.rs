//! A network and clusters for unit tests.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{ClusterName, KEY_TAG, NetworkRefs, OWNER_TAG, Owner, Ref, SubnetRef, Tier};

use crate::{
    ClusterSpecBuilder, Endpoint, KubernetesVersion, Observed, ObservedAddon, ObservedCluster, ObservedRole, identity::RoleKind,
    op::RoleRequest, spec::ClusterSpec,
};

pub(crate) fn owner() -> Owner {
    Owner::new("chap10").unwrap()
}

/// The chapter's network, planned and not made yet.
pub(crate) fn network() -> NetworkRefs {
    let subnet = |tier: Tier, zone: &str| {
        let word = if tier == Tier::Public { "public" } else { "private" };
        let id = Ref::id_of(format!("net/subnet/{word}/{zone}").parse().unwrap());
        SubnetRef { id, zone: zone.parse().unwrap(), tier }
    };
    let zones = ["us-east-1a", "us-east-1b"];
    NetworkRefs {
        vpc: Ref::id_of("net/vpc".parse().unwrap()),
        cidrs: vec!["10.0.0.0/16".to_owned()],
        subnets: [Tier::Public, Tier::Private].into_iter().flat_map(|tier| zones.map(|zone| subnet(tier, zone))).collect(),
        security_groups: ["eks-control-plane", "private"]
            .map(|name| (name.to_owned(), Ref::id_of(format!("net/security-group/{name}").parse().unwrap())))
            .into(),
        egress: Vec::new(),
    }
}

pub(crate) fn builder() -> ClusterSpecBuilder {
    let name = ClusterName::new("chap10").unwrap();
    ClusterSpec::builder(&owner(), name, KubernetesVersion::V1_36, network())
        .security_groups(["eks-control-plane"])
        .today(jiff::civil::date(2026, 11, 22))
}

fn tags(key: &str) -> BTreeMap<String, String> {
    [(OWNER_TAG, "chap10"), (KEY_TAG, key)].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

/// A role as it is once the spec of [`builder`] is applied.
pub(crate) fn role(kind: RoleKind) -> ObservedRole {
    let spec = builder().pod_role(crate::PodRole::load_balancer_controller()).build().unwrap();
    let wanted = spec.own_roles().into_iter().find(|role| role.kind == kind).unwrap();
    made(&wanted, None)
}

/// A role as IAM tells it once it is made.
pub(crate) fn made(wanted: &RoleRequest, provider: Option<&str>) -> ObservedRole {
    let path = wanted.path.as_deref().unwrap_or("/");
    let trust = wanted.trust.document(|_| provider.map(str::to_owned)).unwrap();
    ObservedRole {
        arn: format!("arn:aws:iam::123456789012:role{path}{}", wanted.name).parse().unwrap(),
        name: wanted.name.clone(),
        trust: serde_json::to_string(&trust).unwrap(),
        policies: wanted.policies.iter().cloned().collect(),
        inline: wanted.inline.iter().map(|(name, document)| (name.clone(), serde_json::to_string(document).unwrap())).collect(),
        boundary: wanted.boundary.clone(),
        tags: tags(wanted.kind.key().as_str()),
    }
}

/// The cluster of [`builder`], as DescribeCluster would tell it.
pub(crate) fn cluster() -> ObservedCluster {
    ObservedCluster {
        name: ClusterName::new("chap10").unwrap(),
        arn: "arn:aws:eks:us-east-1:123456789012:cluster/chap10".to_owned(),
        created: None,
        status: "ACTIVE".to_owned(),
        issues: Vec::new(),
        version: "1.36".to_owned(),
        role: "arn:aws:iam::123456789012:role/chap10-cluster-us-east-1".to_owned(),
        subnets: (1..=4).map(|n| format!("subnet-1111111{n}")).collect(),
        security_groups: BTreeSet::from(["sg-11111111".to_owned()]),
        cluster_security_group: Some("sg-22222222".to_owned()),
        endpoint_url: Some("https://ABC.gr7.us-east-1.eks.amazonaws.com".to_owned()),
        certificate_authority: Some("LS0t".to_owned()),
        issuer: Some("https://oidc.eks.us-east-1.amazonaws.com/id/ABC".to_owned()),
        service_cidr: Some("172.20.0.0/16".to_owned()),
        endpoint: Endpoint::Public,
        public_access_cidrs: BTreeSet::from(["0.0.0.0/0".parse().unwrap()]),
        authentication: Some(eks_core::AuthenticationMode::ApiAndConfigMap),
        creator_admin: Some(true),
        logging: BTreeSet::new(),
        upgrade_policy: Some(crate::UpgradePolicy::Extended),
        deletion_protection: false,
        tags: tags("cluster/control-plane"),
        settings: crate::Settings::default(),
    }
}

pub(crate) fn addon(name: &str, status: &str) -> (String, ObservedAddon) {
    let addon = ObservedAddon {
        arn: format!("arn:aws:eks:us-east-1:123456789012:addon/chap10/{name}/1"),
        status: status.to_owned(),
        issues: Vec::new(),
        version: "v1.0.0-eksbuild.1".to_owned(),
        configuration: None,
        pod_identity_associations: (name == "aws-ebs-csi-driver").then(|| "association-1".to_owned()).into_iter().collect(),
        pod_identity: BTreeMap::new(),
        service_account_role: None,
        namespace: None,
        tags: tags(&format!("cluster/addon/{name}")),
    };
    (name.to_owned(), addon)
}

pub(crate) const DEFAULT_ADDONS: [&str; 5] = ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver"];

/// Nothing exists; every default add-on has a version.
pub(crate) fn nothing() -> Observed {
    let default_versions = DEFAULT_ADDONS.map(|name| (name.to_owned(), "v1.0.0-eksbuild.1".to_owned())).into();
    Observed { default_versions, ..Observed::default() }
}

/// Everything exists.
pub(crate) fn everything() -> Observed {
    Observed {
        cluster: Some(cluster()),
        roles: [RoleKind::Cluster, RoleKind::EbsCsi].map(|kind| (kind.clone(), role(kind))).into(),
        addons: DEFAULT_ADDONS.map(|name| addon(name, "ACTIVE")).into(),
        ..Observed::default()
    }
}
