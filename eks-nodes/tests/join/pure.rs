//! What follows from evidence, whatever part of it is known.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use eks_core::SeenNode;
use eks_nodes::join::{
    ActivityEvidence, Certainty, ClusterEvidence, CniEvidence, EndpointEvidence, EntryEvidence, Evidence, GroupEvidence, InstanceEvidence,
    NatEvidence, ProfileEvidence, RouteEvidence, RuleEvidence, SecurityGroupEvidence, Way, diagnose,
};
use proptest::prelude::*;

const PROFILE: &str = "arn:aws:iam::123456789012:instance-profile/nodes";
const ROLE: &str = "arn:aws:iam::123456789012:role/nodes";
const USER_DATA: &str = "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: c\n    apiServerEndpoint: https://host\n    certificateAuthority: Q0E=\n    cidr: 10.100.0.0/16\n";

fn rule(groups: &[&str], blocks: &[&str]) -> RuleEvidence {
    RuleEvidence {
        protocol: "tcp".to_owned(),
        ports: Some((443, 443)),
        groups: groups.iter().map(ToString::to_string).collect(),
        blocks: blocks.iter().map(ToString::to_string).collect(),
        others: false,
    }
}

/// Two instances that will join, and all that they need.
fn healthy() -> Evidence {
    let instance = |id: &str| InstanceEvidence {
        id: id.to_owned(),
        state: "running".to_owned(),
        age: Duration::from_secs(80),
        kind: "t3.medium".to_owned(),
        image: Some("amazon-eks-node-al2023-x86_64-standard-1.35-v20261117".to_owned()),
        subnet: "subnet-1".to_owned(),
        vpc: "vpc-1".to_owned(),
        private_ip: Some(Ipv4Addr::new(10, 0, 4, 7)),
        security_groups: vec!["sg-nodes".to_owned()],
        profile: Some(PROFILE.to_owned()),
        imds: true,
        user_data: Some(USER_DATA.to_owned()),
        checks: Some(("initializing".to_owned(), "ok".to_owned())),
        console: Some(String::new()),
        ..InstanceEvidence::default()
    };
    let policies = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy"];
    Evidence {
        cluster: Some(ClusterEvidence {
            name: "c".to_owned(),
            status: "ACTIVE".to_owned(),
            version: "1.36".to_owned(),
            endpoint: "https://HOST/".to_owned(),
            certificate_authority: "Q0E=".to_owned(),
            vpc: "vpc-1".to_owned(),
            private: true,
            public: true,
            public_blocks: vec!["203.0.113.0/24".to_owned()],
            security_groups: vec!["sg-plane".to_owned(), "sg-eks".to_owned()],
            authentication: "API".to_owned(),
        }),
        groups: vec![GroupEvidence {
            name: "g".to_owned(),
            desired: 2,
            alive: 2,
            activities: vec![ActivityEvidence {
                status: "Successful".to_owned(),
                description: "Launching a new EC2 instance: i-1".to_owned(),
                ..ActivityEvidence::default()
            }],
        }],
        instances: vec![instance("i-1"), instance("i-2")],
        profiles: BTreeMap::from([(
            PROFILE.to_owned(),
            ProfileEvidence {
                role: Some(ROLE.to_owned()),
                policies: Some(policies.map(|name| format!("arn:aws:iam::aws:policy/{name}")).to_vec()),
                inline: false,
            },
        )]),
        routes: BTreeMap::from([(
            "subnet-1".to_owned(),
            RouteEvidence { table: "rtb-1".to_owned(), default: Way::Nat("nat-1".to_owned()), others: false },
        )]),
        nat_gateways: BTreeMap::from([(
            "nat-1".to_owned(),
            NatEvidence { state: "available".to_owned(), addresses: vec![Ipv4Addr::new(203, 0, 113, 7)], reason: String::new() },
        )]),
        dns: Some((true, true)),
        endpoints: Some(Vec::new()),
        security_groups: BTreeMap::from([
            (
                "sg-nodes".to_owned(),
                SecurityGroupEvidence { ingress: Vec::new(), egress: vec![RuleEvidence { ports: None, ..rule(&[], &["0.0.0.0/0"]) }] },
            ),
            ("sg-plane".to_owned(), SecurityGroupEvidence { ingress: vec![rule(&["sg-nodes"], &[])], egress: Vec::new() }),
            ("sg-eks".to_owned(), SecurityGroupEvidence::default()),
        ]),
        entries: BTreeMap::from([(
            ROLE.to_owned(),
            Some(EntryEvidence {
                kind: "EC2_LINUX".to_owned(),
                username: "system:node:{{EC2PrivateDNSName}}".to_owned(),
                groups: vec!["system:nodes".to_owned()],
            }),
        )]),
        nodes: Some(Vec::new()),
        daemon_sets: Some(vec!["aws-node".to_owned()]),
        ..Evidence::default()
    }
}

/// The ways in which evidence may be incomplete, and yet of a healthy group.
fn forget(evidence: &mut Evidence, what: u8) {
    match what {
        0 => evidence.cluster = None,
        1 => evidence.profiles.clear(),
        2 => evidence.routes.clear(),
        3 => evidence.nat_gateways.clear(),
        4 => evidence.dns = None,
        5 => evidence.endpoints = None,
        6 => evidence.security_groups.clear(),
        7 => drop(evidence.security_groups.remove("sg-plane")),
        8 => evidence.entries.clear(),
        9 => evidence.nodes = None,
        10 => evidence.daemon_sets = None,
        11 => evidence.instances.iter_mut().for_each(|instance| instance.user_data = None),
        12 => evidence.instances.iter_mut().for_each(|instance| instance.image = None),
        13 => evidence.instances.iter_mut().for_each(|instance| instance.checks = None),
        14 => evidence.instances.iter_mut().for_each(|instance| instance.private_ip = None),
        15 => evidence.profiles.values_mut().for_each(|profile| profile.policies = None),
        16 => evidence.nat_gateways.values_mut().for_each(|nat| "pending".clone_into(&mut nat.state)),
        17 => evidence.instances.iter_mut().for_each(|instance| "pending".clone_into(&mut instance.state)),
        18 => evidence.instances.clear(),
        _ => evidence.groups.clear(),
    }
}

proptest! {
    /// Whatever is known of a healthy group, and whenever: silence.
    #[test]
    fn incomplete_evidence_of_health_is_no_cause(gaps in prop::collection::vec(0u8..20, 0..12), age in 0u64..2_000, waited in 0u64..2_000, joined in any::<bool>()) {
        let mut evidence = healthy();
        evidence.instances.iter_mut().for_each(|instance| instance.age = Duration::from_secs(age));
        if joined {
            let node = SeenNode { name: "n".to_owned(), instance: Some("i-1".to_owned()), labelled: true, ready: false, not_ready_for: Duration::from_secs(age), message: "cni plugin not initialized".to_owned() };
            evidence.nodes = Some(vec![node]);
        }
        gaps.into_iter().for_each(|gap| forget(&mut evidence, gap));
        prop_assert_eq!(diagnose(&evidence, Duration::from_secs(waited)), vec![]);
    }

    /// An instance that has just come is nobody's concern, whatever is wrong around it: it may be being made.
    #[test]
    fn what_has_just_come_is_no_cause(age in 0u64..45, broken in 0u8..6) {
        let mut evidence = healthy();
        evidence.instances.iter_mut().for_each(|instance| instance.age = Duration::from_secs(age));
        match broken {
            0 => evidence.routes.values_mut().for_each(|route| route.default = Way::Nowhere),
            1 => evidence.entries.values_mut().for_each(|entry| *entry = None),
            2 => evidence.security_groups.values_mut().for_each(|group| group.ingress.clear()),
            3 => evidence.dns = Some((true, false)),
            4 => evidence.profiles.values_mut().for_each(|profile| profile.role = None),
            _ => evidence.instances.iter_mut().for_each(|instance| instance.imds = false),
        }
        prop_assert_eq!(diagnose(&evidence, Duration::ZERO), vec![]);
        evidence.instances.iter_mut().for_each(|instance| instance.age = Duration::from_secs(60));
        let found = diagnose(&evidence, Duration::ZERO);
        prop_assert_eq!(found.iter().map(|one| one.certainty).collect::<Vec<_>>(), vec![Certainty::Certain]);
    }
}

fn told(evidence: &Evidence) -> Option<&'static str> {
    diagnose(evidence, Duration::ZERO).first().map(|one| one.cause.code())
}

fn node(instance: &str) -> SeenNode {
    SeenNode {
        name: "n".to_owned(),
        instance: Some(instance.to_owned()),
        labelled: true,
        ready: false,
        not_ready_for: Duration::from_secs(100),
        message: "cni plugin not initialized".to_owned(),
    }
}

/// Where nodes may have a way that cannot be seen, and where one was proven.
#[test]
fn a_way_that_may_be_there_is_no_cause() {
    let mut closed = healthy();
    closed.routes.values_mut().for_each(|route| route.default = Way::Nowhere);
    assert_eq!(told(&closed), Some("no-route"));
    let with = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = closed.clone();
        change(&mut evidence);
        told(&evidence)
    };
    let user_data = |evidence: &mut Evidence, text: Option<String>| {
        evidence.instances.iter_mut().for_each(|instance| instance.user_data.clone_from(&text));
    };
    assert_eq!(with(&|evidence| user_data(evidence, Some(format!("#!/bin/bash\nexport HTTPS_PROXY=http://10.0.0.9\n{USER_DATA}")))), None);
    assert_eq!(with(&|evidence| user_data(evidence, None)), None, "a proxy may stand in it");
    assert_eq!(with(&|evidence| evidence.nodes = Some(vec![node("i-2")])), None, "a sibling has joined");
    let endpoint = |service: &str| EndpointEvidence {
        service: format!("com.amazonaws.us-east-1.{service}"),
        state: "available".to_owned(),
        ..EndpointEvidence::default()
    };
    let endpoints = ["ec2", "ecr.api", "ecr.dkr", "s3"].map(endpoint).to_vec();
    assert_eq!(with(&|evidence| evidence.endpoints = Some(endpoints.clone())), None, "a hosted zone may lead to them");
}

#[test]
fn the_endpoint_is_judged_only_as_it_stands() {
    let mut closed = healthy();
    closed.cluster.iter_mut().for_each(|cluster| (cluster.private, cluster.public_blocks) = (false, vec!["192.0.2.0/24".to_owned()]));
    assert_eq!(told(&closed), Some("public-blocks"));
    let with = |change: &dyn Fn(&mut ClusterEvidence)| {
        let mut evidence = closed.clone();
        evidence.cluster.iter_mut().for_each(change);
        told(&evidence)
    };
    assert_eq!(with(&|cluster| "UPDATING".clone_into(&mut cluster.status)), None);
    assert_eq!(with(&|cluster| cluster.public_blocks.push("2001:db8::/32".to_owned())), None);
}

/// A network plugin that is on its way, or somebody else's, is not missing.
#[test]
fn a_network_plugin_gets_its_time() {
    let found = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = healthy();
        evidence.nodes = Some(vec![node("i-1"), node("i-2")]);
        evidence.daemon_sets = Some(vec!["kube-proxy".to_owned()]);
        evidence.cni = Some(CniEvidence::default());
        change(&mut evidence);
        diagnose(&evidence, Duration::from_secs(300)).first().map(|one| (one.cause.code(), one.is_certain()))
    };
    let denied = |evidence: &mut Evidence, own_role| {
        evidence.daemon_sets = Some(vec!["aws-node".to_owned()]);
        evidence.cni = Some(CniEvidence { installed: true, changing: false, own_role });
        evidence.profiles.values_mut().flat_map(|profile| profile.policies.iter_mut()).for_each(|policies| drop(policies.pop()));
    };
    assert_eq!(found(&|_| {}), Some(("cni-missing", true)));
    assert_eq!(found(&|evidence| evidence.nodes.iter_mut().flatten().for_each(|node| node.not_ready_for = Duration::from_secs(89))), None);
    assert_eq!(found(&|evidence| evidence.cni = None), None, "the add-on was not looked at");
    assert_eq!(found(&|evidence| evidence.cni.iter_mut().for_each(|cni| (cni.installed, cni.changing) = (true, true))), None);
    assert_eq!(found(&|evidence| evidence.daemon_sets.iter_mut().for_each(|sets| sets.push("calico-node".to_owned()))), None);
    assert_eq!(found(&|evidence| denied(evidence, Some(false))), Some(("cni-denied", true)));
    assert_eq!(found(&|evidence| denied(evidence, None)), Some(("cni-denied", false)), "it may have a role by Pod Identity");
    assert_eq!(found(&|evidence| denied(evidence, Some(true))), None);
}

/// User data and consoles hold secrets: no form of evidence and no diagnosis tells them.
#[test]
fn secrets_stay_where_they_are() -> Result<(), serde_json::Error> {
    const SECRET: &str = "hunter2";
    let mut evidence = healthy();
    for instance in &mut evidence.instances {
        instance.user_data = Some(format!("#!/bin/bash\nexport TOKEN={SECRET}\n/etc/eks/bootstrap.sh c --token {SECRET}\n"));
        instance.console = Some(format!(
            "+ echo Failed {SECRET} CLUSTER_NAME is not defined\nERROR: FAILED to log in with {SECRET}\n[\u{1b}[0;1;31mFAILED\u{1b}[0m] Failed to start nodeadm-config.service.\nERROR: bootstrap.sh has been removed from AL2023-based EKS AMIs {SECRET}\n"
        ));
    }
    let found = diagnose(&evidence, Duration::ZERO);
    assert_eq!(found[0].cause.code(), "user-data-mismatch");
    let console: Vec<_> = found[0].evidence.iter().filter(|line| line.starts_with("console")).map(String::as_str).collect();
    let wanted =
        ["console: [FAILED] Failed to start nodeadm-config.service.", "console: bootstrap.sh has been removed from AL2023-based EKS AMIs"];
    assert_eq!(console, wanted);
    let told = [format!("{evidence:?}"), serde_json::to_string(&evidence)?, format!("{found:?}"), found[0].to_string()];
    for told in told {
        assert!(!told.contains(SECRET), "{told}");
    }
    let back: Evidence = serde_json::from_value(serde_json::to_value(&evidence)?)?;
    assert_eq!(back.instances[0].user_data, None);
    Ok(())
}

/// Endpoints stand in for the internet: none of them need be missing when all are there.
#[test]
fn a_private_cluster_with_endpoints_is_healthy() {
    let mut evidence = healthy();
    evidence.routes.values_mut().for_each(|route| route.default = Way::Nowhere);
    let endpoint = |service: &str| EndpointEvidence {
        id: format!("vpce-{service}"),
        service: format!("com.amazonaws.us-east-1.{service}"),
        gateway: service == "s3",
        state: "available".to_owned(),
        private_dns: true,
        security_groups: vec!["sg-plane".to_owned()],
        tables: vec!["rtb-1".to_owned()],
    };
    evidence.endpoints = Some(["ec2", "ecr.api", "ecr.dkr", "s3"].map(endpoint).to_vec());
    assert_eq!(diagnose(&evidence, Duration::from_secs(600)), []);
    evidence.endpoints.iter_mut().flatten().for_each(|endpoint| endpoint.tables.clear());
    assert_eq!(told(&evidence), Some("endpoint-missing"), "the gateway endpoint serves another table");
    evidence.endpoints.iter_mut().flatten().for_each(|endpoint| "pending".clone_into(&mut endpoint.state));
    assert_eq!(told(&evidence), None, "they are on their way");
}
