//! References as the layers below give them, before anything exists.

use std::collections::BTreeMap;

use eks_core::{AuthenticationMode, ClusterName, ClusterRefs, NetworkRefs, Owner, Ref, StackName, StepKey, SubnetRef, Tier};
use eks_nodes::{WorkersSpec, WorkersSpecBuilder};

pub(crate) fn key(text: &str) -> StepKey {
    text.parse().expect("a key")
}

pub(crate) fn owner() -> Owner {
    Owner::new("chap10").expect("a name")
}

pub(crate) fn name(text: &str) -> StackName {
    StackName::new(text).expect("a stack name")
}

pub(crate) fn subnet(tier: Tier, zone: &str) -> SubnetRef {
    let word = if tier == Tier::Private { "private" } else { "public" };
    SubnetRef { id: Ref::id_of(key(&format!("net/subnet/{word}/{zone}"))), zone: zone.parse().expect("a zone"), tier }
}

pub(crate) fn network() -> NetworkRefs {
    let mut subnets = Vec::new();
    for tier in [Tier::Public, Tier::Private] {
        subnets.extend(["us-east-1a", "us-east-1b"].map(|zone| subnet(tier, zone)));
    }
    NetworkRefs {
        vpc: Ref::id_of(key("net/vpc")),
        cidrs: vec!["10.0.0.0/16".to_owned()],
        subnets,
        security_groups: BTreeMap::from([("eks-control-plane".to_owned(), Ref::id_of(key("net/security-group/eks-control-plane")))]),
        egress: vec![key("net/nat/us-east-1a"), key("net/route-table/private")],
    }
}

pub(crate) fn cluster() -> ClusterRefs {
    let told = |name: &str| Ref::output(key("cluster/control-plane"), name);
    ClusterRefs {
        name: ClusterName::new("chap10").expect("a name"),
        version: "1.35".to_owned(),
        endpoint: told("endpoint"),
        certificate_authority: told("certificate_authority"),
        service_cidr: told("service_cidr"),
        security_groups: vec![Ref::id_of(key("net/security-group/eks-control-plane"))],
        cluster_security_group: Ref::output(key("cluster/control-plane"), "cluster_security_group"),
        authentication: AuthenticationMode::ApiAndConfigMap,
        nodes_need: vec![key("cluster/addon/vpc-cni")],
        volumes_need: Vec::new(),
    }
}

pub(crate) fn workers() -> WorkersSpecBuilder {
    WorkersSpec::builder(&owner(), name("chap10-worker"), cluster(), network().private())
}
