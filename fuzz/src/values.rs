//! Values that are one word, and user data.

use std::{fmt::Display, str::FromStr, time::Duration};

use eks_cluster::{KmsKeyArn, KubernetesVersion};
use eks_core::{Owner, StepKey};
use eks_k8s::{Principal, Quantity, VolumeType};
use eks_nodes::join::{ClusterEvidence, Evidence, InstanceEvidence, diagnose};

/// What is read is written as what is read as the same.
fn settles<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>().unwrap_or_else(|_| panic!("{value} was written, and is not read"));
        assert_eq!(again, value);
    }
}

/// Every type that is read from one word, and the longer ones: a piece of evidence in JSON.
pub fn small(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    settles::<Quantity>(text);
    settles::<StepKey>(text);
    settles::<KubernetesVersion>(text);
    settles::<KmsKeyArn>(text);
    settles::<eks_core::Region>(text);
    settles::<eks_core::ZoneName>(text);
    settles::<eks_core::RoleArn>(text);
    settles::<eks_core::VpcId>(text);
    settles::<eks_core::ClusterName>(text);
    settles::<eks_core::StackName>(text);
    settles::<eks_core::AccountId>(text);
    let _ = text.parse::<VolumeType>();
    if let Ok(quantity) = text.parse::<Quantity>() {
        assert!(quantity.gib() <= quantity.value().max(0) + 1, "a GiB is more than a byte");
    }
    if let Ok(zone) = text.parse::<eks_core::ZoneName>() {
        zone.region();
    }
    if let Ok(role) = text.parse::<eks_core::RoleArn>() {
        assert_eq!(role.without_path().name(), role.name());
    }
    if let Ok(principal) = Principal::parse(text) {
        assert_eq!(Principal::parse(principal.as_str()).expect("its own form"), principal);
    }
    if let Ok(owner) = Owner::new(text) {
        assert!(owner.token(&"net/vpc".parse().expect("a key"), text).len() <= 64);
    }
    let _ = text.parse::<eks_nodes::StackStatus>();
    let _ = text.parse::<eks_nodes::GroupStatus>();
    let _ = text.parse::<eks_nodes::IssueCode>();
    let _ = text.parse::<eks_nodes::join::Cause>();
    if let Ok(evidence) = serde_json::from_str::<Evidence>(text) {
        let _ = diagnose(&evidence, Duration::from_secs(600));
    }
}

/// User data of an instance that does not join, read under every family's image.
pub fn user_data(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for image in [
        "amazon-eks-node-al2023-x86_64-standard-1.36-v1",
        "amazon-eks-node-1.32-v1",
        "bottlerocket-aws-k8s-1.36-x86_64-v1",
        "Windows_Server-2022-English-Core-EKS_Optimized-1.36-1",
        "ubuntu-eks/k8s_1.36/images/hvm-ssd/ubuntu-noble-24.04-amd64-server-1",
    ] {
        let instance = InstanceEvidence {
            id: "i-0a1b2c3d4e5f60718".to_owned(),
            state: "running".to_owned(),
            age: Duration::from_secs(600),
            image: Some(image.to_owned()),
            user_data: Some(text.clone().into_owned()),
            console: Some(text.clone().into_owned()),
            imds: true,
            ..InstanceEvidence::default()
        };
        let cluster = ClusterEvidence { name: "shop".to_owned(), status: "ACTIVE".to_owned(), ..ClusterEvidence::default() };
        let evidence = Evidence { cluster: Some(cluster), instances: vec![instance], ..Evidence::default() };
        for diagnosis in diagnose(&evidence, Duration::from_secs(600)) {
            let _ = format!("{diagnosis:?}");
        }
    }
}
