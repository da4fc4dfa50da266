//! Specs, and what is found of them, of any size.

use eks_core::{AuthenticationMode, ClusterName, ClusterRefs, NetworkRefs, Owner, StackName, SubnetId, SubnetRef, Tier};
use eks_k8s::{
    Access, Claim, Kind, ObjectOp, ObjectsSpec, Observed, Pod, Service, StorageClass,
    drain::{Cluster, Drain},
};
use eks_net::{NetworkSpec, NetworkSpecBuilder, Rule, SecurityGroup, Subnet};
use eks_nodes::{Capacity, WorkersSpec};
use serde_json::{Value, json};

/// A network as large as AWS's quotas let it be: 200 subnets, and 40 security groups of 50 rules, of every kind of peer.
///
/// # Panics
/// Never: nothing is wrong with it.
#[expect(clippy::unwrap_used, reason = "the blocks and names are valid by construction")]
pub fn network() -> NetworkSpecBuilder {
    let spec = NetworkSpec::builder(&Owner::new("bench").unwrap(), "10.0.0.0/16");
    let subnets = (0..200).map(|n| {
        let (zone, block) = (["us-east-1a", "us-east-1b", "us-east-1c"][n % 3], format!("10.0.{n}.0/24"));
        let subnet = if n < 3 { Subnet::public(zone, block) } else { Subnet::private(zone, block) };
        subnet.named(format!("n{n}"))
    });
    let groups = (0..40).map(|n| {
        let group = SecurityGroup::new(format!("group-{n}"), "for measurements");
        (0..25_u16).fold(group, |group, rule| {
            let inbound = Rule::tcp(1000 + rule).described(format!("rule {rule}"));
            let inbound = match rule % 5 {
                0 => inbound.from_group(format!("group-{}", (n + 1) % 40)),
                1 => inbound.from_self(),
                2 => inbound.from_cidr(format!("2001:db8:{n}:{rule}::/64")),
                _ => inbound.from_cidr(format!("10.{n}.{rule}.0/24")),
            };
            group.allow(inbound).allow_out(Rule::udp(2000 + rule).to_cidr(format!("10.{rule}.{n}.0/24")))
        })
    });
    groups.fold(subnets.fold(spec, NetworkSpecBuilder::subnet), NetworkSpecBuilder::security_group)
}

fn owner() -> Owner {
    Owner::new("bench").expect("a name")
}

/// A control plane that stands.
fn cluster() -> ClusterRefs {
    ClusterRefs {
        name: ClusterName::new("bench").expect("a name"),
        version: "1.36".to_owned(),
        endpoint: "https://0123.gr7.us-east-1.eks.amazonaws.com".to_owned().into(),
        certificate_authority: "LS0t".to_owned().into(),
        service_cidr: "172.20.0.0/16".to_owned().into(),
        security_groups: Vec::new(),
        cluster_security_group: "sg-0a1b2c3d4e5f60718".parse::<eks_core::SecurityGroupId>().expect("an id").into(),
        authentication: AuthenticationMode::Api,
        nodes_need: Vec::new(),
        volumes_need: Vec::new(),
    }
}

/// Objects of a namespace, a third of them claims, a third Pods that mount one each, a third Services before them.
///
/// # Panics
/// Never: nothing is wrong with them.
pub fn objects(count: usize) -> ObjectsSpec {
    let builder = ObjectsSpec::builder(&owner(), cluster()).storage_class(StorageClass::gp3("gp3-us-east-1a").zone("us-east-1a"));
    let builder = (1..count).fold(builder, |builder, n| {
        let name = |kind: &str, n: usize| format!("{kind}-{n}");
        match n % 3 {
            1 => builder.claim(Claim::new(name("data", n), "10Gi").class("gp3-us-east-1a")),
            2 => {
                let pod = Pod::new(name("shop", n), "public.ecr.aws/nginx/nginx:1.29").label("app", name("shop", n)).port(80);
                builder.pod(pod.mount(name("data", n - 1), "/data").zone("us-east-1a"))
            }
            _ => builder
                .service(Service::load_balancer(name("shop", n)).internal().network().port(80, 80).selector("app", name("shop", n - 1))),
        }
    });
    builder.build().expect("the objects are fine")
}

/// The same objects as an API server tells of them once they stand.
///
/// # Panics
/// Never: the objects can be planned.
pub fn standing(spec: &ObjectsSpec) -> Observed {
    let access = Access {
        name: ClusterName::new("bench").expect("a name"),
        endpoint: "https://0123.gr7.us-east-1.eks.amazonaws.com".to_owned(),
        certificate_authority: "LS0t".to_owned(),
    };
    let plan = spec.plan(&Observed::nothing(spec)).expect("a plan");
    plan.steps().iter().enumerate().fold(Observed::at(spec, access), |found, (n, step)| match step.op.decode() {
        Ok(ObjectOp::Apply { kind, mut manifest, .. }) => {
            manifest["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{n:012}"));
            manifest["status"] = match kind {
                Kind::Pod => json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
                Kind::Service => json!({"loadBalancer": {"ingress": [{"hostname": "bench-0123.elb.us-east-1.amazonaws.com"}]}}),
                Kind::Claim => json!({"phase": "Bound"}),
                _ => json!({}),
            };
            found.found(&owner(), kind, [manifest])
        }
        _ => found,
    })
}

/// A cluster of so many nodes with ten Pods on each, and a drain of a tenth of them.
///
/// # Panics
/// Never: the objects are what an API server sends.
pub fn drain(nodes: usize) -> (Cluster, Drain) {
    let name = |n: usize| format!("ip-10-0-{}-{}.ec2.internal", n / 250, n % 250);
    let node = |n: usize| {
        json!({"metadata": {"name": name(n), "labels": {"topology.kubernetes.io/zone": "us-east-1a"}},
               "status": {"allocatable": {"cpu": "15890m", "memory": "61231204Ki", "pods": "234"}}})
    };
    let pod = |n: usize| {
        let app = format!("web-{}", n % 50);
        json!({"metadata": {"namespace": "shop", "name": format!("{app}-{n}"), "uid": format!("pod-{n}"), "labels": {"app": app},
                            "ownerReferences": [{"kind": "ReplicaSet", "name": app, "uid": app, "controller": true}]},
               "spec": {"nodeName": name(n / 10), "containers": [{"name": "web", "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}}}]},
               "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
    };
    let budget = |app: usize| {
        let healthy = nodes * 10 / 50;
        json!({"metadata": {"namespace": "shop", "name": format!("web-{app}")},
               "spec": {"maxUnavailable": 3, "selector": {"matchLabels": {"app": format!("web-{app}")}}},
               "status": {"currentHealthy": healthy, "desiredHealthy": healthy.saturating_sub(3), "expectedPods": healthy, "disruptionsAllowed": 3}})
    };
    let all = |count: usize, one: &dyn Fn(usize) -> Value| (0..count).map(one).collect::<Vec<_>>();
    let cluster =
        Cluster::of_objects(&all(nodes, &node), &all(nodes * 10, &pod), &all(50, &budget), &[], &[]).expect("an API server's answers");
    (cluster, Drain::of((0..nodes / 10).map(name)))
}

/// Workers by our own template, of several types, labelled and tainted.
///
/// # Panics
/// Never: nothing is wrong with them.
pub fn workers() -> WorkersSpec {
    let subnet = |id: &str, zone: &str| SubnetRef {
        id: id.parse::<SubnetId>().expect("an id").into(),
        zone: zone.parse().expect("a zone"),
        tier: Tier::Private,
    };
    let network = NetworkRefs {
        vpc: "vpc-0a1b2c3d4e5f60718".parse::<eks_core::VpcId>().expect("an id").into(),
        cidrs: vec!["10.0.0.0/16".to_owned()],
        subnets: vec![subnet("subnet-0a1b2c3d4e5f60718", "us-east-1a"), subnet("subnet-0a1b2c3d4e5f60719", "us-east-1b")],
        security_groups: std::collections::BTreeMap::new(),
        egress: Vec::new(),
    };
    WorkersSpec::builder(&owner(), StackName::new("bench-worker").expect("a name"), cluster(), network)
        .instance_types(["m5.large", "m6i.large", "m5a.large"])
        .capacity(Capacity::new(2, 2, 30).expect("sizes"))
        .group_per_zone(true)
        .label("team", "books")
        .build()
        .expect("the workers are fine")
}
