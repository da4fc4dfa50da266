//! What follows from evidence, whatever part of it is known.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use eks_core::SeenNode;
use eks_nodes::join::{
    ActivityEvidence, Certainty, ClusterEvidence, EndpointEvidence, EntryEvidence, Evidence, GroupEvidence, InstanceEvidence, NatEvidence,
    ProfileEvidence, RouteEvidence, RuleEvidence, SecurityGroupEvidence, Way, diagnose,
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
    let told = |evidence: &Evidence| diagnose(evidence, Duration::ZERO).first().map(|one| one.cause.code());
    evidence.endpoints.iter_mut().flatten().for_each(|endpoint| endpoint.tables.clear());
    assert_eq!(told(&evidence), Some("endpoint-missing"), "the gateway endpoint serves another table");
    evidence.endpoints.iter_mut().flatten().for_each(|endpoint| "pending".clone_into(&mut endpoint.state));
    assert_eq!(told(&evidence), None, "they are on their way");
}
