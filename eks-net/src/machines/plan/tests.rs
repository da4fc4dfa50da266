//! Plans of the chapter's machines, on what a test says exists.

use eks_core::{Action, Error, Plan, SubnetId};

use crate::{
    machines::{
        Ami, BalancerAttributes, Disk, FoundImage, FoundInstance, FoundKeyPair, FoundLoadBalancer, FoundMachineVolume, FoundRegistration,
        HealthCheck, Held, Instance, KeyPair, Listener, LoadBalancer, MachinesSpec, MachinesSpecBuilder, Metadata, ObservedMachines,
        Volume, VolumeType,
        public_key::tests::{ED25519, RSA_1024, RSA_2048},
    },
    observed::Observed,
    tags::Tags,
    testing::{self, id},
};

fn instances() -> [Instance; 2] {
    [
        Instance::public("public", "us-east-1a").security_group("public").key_pair("my-key"),
        Instance::private("private", "us-east-1b").security_group("private").key_pair("my-key"),
    ]
}

fn with(instances: [Instance; 2], volume: Volume, balancer: LoadBalancer) -> MachinesSpecBuilder {
    let [public, private] = instances;
    MachinesSpec::builder(&testing::owner(), testing::chapter().refs())
        .key_pair(KeyPair::import("my-key", ED25519))
        .instance(public)
        .instance(private)
        .volume(volume)
        .load_balancer(balancer)
}

fn volume() -> Volume {
    Volume::new("data", 40).zone("us-east-1a").attach_to("public", "/dev/xvdh")
}

fn balancer() -> LoadBalancer {
    LoadBalancer::internet_facing("public-elb").listener(Listener::http(80, 80)).security_group("elb").instance("public")
}

fn chapter() -> MachinesSpec {
    with(instances(), volume(), balancer()).build().unwrap()
}

fn tags(key: &str) -> Tags {
    testing::owner().tags(&key.parse().unwrap()).into_iter().collect()
}

/// The machines as they are found when everything of the chapter stands.
fn standing() -> ObservedMachines {
    let network = testing::standing(&testing::chapter());
    let mut now = ObservedMachines::nothing(&testing::owner());
    now.network.extend(network.ours(&network.subnets).into_iter().map(|(key, found)| (key, found.id.to_string())));
    now.network.extend(network.ours(&network.security_groups).into_iter().map(|(key, found)| (key, found.id.to_string())));
    let of = |key: &str| now.network[&key.parse().unwrap()].clone();
    now.key_pairs.push(FoundKeyPair {
        id: id("key", 1),
        name: "my-key".to_owned(),
        fingerprint: "AuXpNgu9AajaW1ARpspPQnLcXKL8NTqtr1vMJN8IT+M=".to_owned(),
        tags: tags("ec2/key-pair/my-key"),
    });
    for (number, (name, zone)) in [("public", "us-east-1a"), ("private", "us-east-1b")].into_iter().enumerate() {
        now.instances.push(FoundInstance {
            id: id("i", number),
            state: "running".to_owned(),
            image: "ami-0123456789abcdef0".to_owned(),
            instance_type: "t3.nano".to_owned(),
            subnet: Some(SubnetId::new(of(&format!("net/subnet/{name}/{zone}"))).unwrap()),
            groups: vec![of(&format!("net/security-group/{name}")).parse().unwrap()],
            key_name: Some("my-key".to_owned()),
            metadata: Metadata::default(),
            private_ip: Some(format!("10.0.{}.10", number + 1)),
            public_ip: (number == 0).then(|| "203.0.113.9".to_owned()),
            root_device: "/dev/xvda".to_owned(),
            tags: tags(&format!("ec2/instance/{name}")),
        });
    }
    let mut volume_tags = tags("ec2/volume/data");
    volume_tags.insert("eks-rs/teardown".to_owned(), "delete".to_owned());
    now.volumes.push(FoundMachineVolume {
        id: id("vol", 1),
        state: "in-use".to_owned(),
        zone: "us-east-1a".parse().unwrap(),
        gib: 40,
        disk: Disk { iops: Some(3_000), throughput: Some(125), ..Disk::default() },
        held: Some(Held { instance: id("i", 0), device: "/dev/xvdh".to_owned() }),
        attachment: Some("attached".to_owned()),
        with_instance: false,
        tags: volume_tags,
    });
    let subnet = |zone: &str| SubnetId::new(of(&format!("net/subnet/public/{zone}"))).unwrap();
    now.load_balancers.push(FoundLoadBalancer {
        id: "public-elb".to_owned(),
        dns_name: "public-elb-1.us-east-1.elb.amazonaws.com".to_owned(),
        internal: false,
        vpc: Some(id("vpc", 1)),
        listeners: vec![Listener::http(80, 80)],
        subnets: vec![subnet("us-east-1a"), subnet("us-east-1b")],
        groups: vec![of("net/security-group/elb").parse().unwrap()],
        health_check: Some(HealthCheck::tcp(80)),
        attributes: Some(BalancerAttributes::default()),
        instances: vec![FoundRegistration {
            instance: id("i", 0),
            state: "InService".to_owned(),
            reason_code: "N/A".to_owned(),
            description: "N/A".to_owned(),
        }],
        tags: tags("ec2/load-balancer/public-elb"),
    });
    now
}

fn told(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{:?} {}: {}", step.action, step.key, step.changes.join("; "))).collect()
}

fn refused(spec: &MachinesSpec, now: &ObservedMachines) -> String {
    let error = spec.plan(now).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    error.to_string()
}

#[test]
fn the_chapter_from_nothing() {
    let network = testing::chapter().plan(&Observed::nothing(&testing::owner())).unwrap();
    let plan = Plan::join([network, chapter().plan(&ObservedMachines::nothing(&testing::owner())).unwrap()]).unwrap();
    let machines: Vec<String> = plan
        .steps()
        .iter()
        .filter(|step| step.key.layer() == "ec2")
        .map(|step| {
            let needs: Vec<&str> = step.needs.iter().map(eks_core::StepKey::as_str).collect();
            format!(
                "{:?} {} | {} | needs {}",
                step.action,
                step.key,
                step.title,
                if needs.is_empty() { "nothing".to_owned() } else { needs.join(" ") }
            )
        })
        .collect();
    insta::assert_snapshot!(machines.join("\n"), @r"
    Create ec2/key-pair/my-key | key pair my-key, ED25519 AuXpNgu9AajaW1ARpspPQnLcXKL8NTqtr1vMJN8IT+M= | needs nothing
    Create ec2/instance/public | t3.nano in us-east-1a, Amazon Linux 2023 | needs ec2/key-pair/my-key net/internet-gateway net/security-group/public net/subnet/public/us-east-1a
    Create ec2/instance/private | t3.nano in us-east-1b, Amazon Linux 2023 | needs ec2/key-pair/my-key net/security-group/private net/subnet/private/us-east-1b
    Create ec2/volume/data | volume in us-east-1a, 40 GB gp3, encrypted | needs nothing
    Create ec2/attachment/data | data at public as /dev/xvdh | needs ec2/instance/public ec2/volume/data
    Create ec2/load-balancer/public-elb | internet-facing load balancer public-elb, HTTP 80 to HTTP 80 | needs net/internet-gateway net/security-group/elb net/subnet/public/us-east-1a net/subnet/public/us-east-1b
    Create ec2/registration/public-elb | public behind public-elb | needs ec2/instance/public ec2/load-balancer/public-elb
    ");
}

#[test]
fn what_stands_is_kept() {
    let plan = chapter().plan(&standing()).unwrap();
    assert!(plan.is_noop(), "{plan}");
    let output = |key: &str, name: &str| plan.step(key).and_then(|step| step.outputs.get(name)).cloned().unwrap_or_default();
    assert_eq!(output("ec2/instance/public", "public_ip"), "203.0.113.9");
    assert_eq!(output("ec2/load-balancer/public-elb", "dns_name"), "public-elb-1.us-east-1.elb.amazonaws.com");
    assert!(plan.findings().iter().any(|finding| finding.message == "i-00000000000000000 is InService"), "its health is read");
}

/// us-east-1: two t3.nano at 0.0052 $/h, three public addresses at 0.005 $/h, a classic load balancer at 0.025 $/h, two root volumes of
/// 8 GB and 40 GB, all gp3 at 0.08 $.
#[test]
fn the_price() {
    let hourly = 2.0 * 0.0052 + 3.0 * 0.005 + 0.025;
    let expected = hourly * 730.0 + (8.0 + 8.0 + 40.0) * 0.08;
    let plan = chapter().plan(&ObservedMachines::nothing(&testing::owner())).unwrap();
    assert!((plan.usd_per_month() - expected).abs() < 0.001, "{} {expected}", plan.usd_per_month());
}

#[test]
fn drift_is_told_field_by_field() {
    let mut now = standing();
    now.instances[0].groups = vec![id("sg", 9)];
    now.instances[0].metadata.tokens_required = false;
    now.instances[1].state = "pending".to_owned();
    now.volumes[0].gib = 20;
    now.volumes[0].disk.throughput = Some(250);
    let balancer = &mut now.load_balancers[0];
    balancer.listeners = vec![Listener::http(80, 8080), Listener::tcp(22, 22)];
    balancer.health_check = Some(HealthCheck::http(80, "/"));
    balancer.subnets.pop();
    balancer.groups = vec![id("sg", 9)];
    balancer.attributes = Some(BalancerAttributes { cross_zone: false, draining: None, idle_timeout: 90 });
    balancer.instances[0].instance = id("i", 1);
    balancer.tags.insert("Name".to_owned(), "other".to_owned());
    let found = told(&chapter().plan(&now).unwrap());
    insta::assert_snapshot!(found.join("\n"), @r"
    Update ec2/instance/public: groups: sg-00000000000000009 → sg-00000000000000000; metadata: IMDSv1 and v2, 1 hop → IMDSv2, 1 hop
    Update ec2/instance/private: state: pending → running
    Update ec2/volume/data: size: 20 → 40 GB; MiB/s: 250 → 125
    Update ec2/load-balancer/public-elb: tag Name: other → chap10-load-balancer-public-elb; listener: HTTP 80 to HTTP 8080 → HTTP 80 to HTTP 80; listener: TCP 22 to TCP 22 → none; health check: HTTP:80/ every 30 s, timeout 5 s, out after 2, in after 10 → TCP:80 every 30 s, timeout 5 s, out after 2, in after 10; subnets: with ‹net/subnet/public/us-east-1b›; groups: sg-00000000000000009 → sg-00000000000000002; cross-zone: false → true; connection draining: off → 300 s; idle timeout: 90 s → 60 s
    Update ec2/registration/public-elb: instances: with public; instances: without i-00000000000000001
    ");
}

#[test]
fn what_cannot_change_is_refused_with_the_reason() {
    let of = |change: &dyn Fn(&mut ObservedMachines)| {
        let mut now = standing();
        change(&mut now);
        refused(&chapter(), &now)
    };
    let fixed = [
        of(&|now| now.key_pairs[0].fingerprint = "00:11".to_owned()),
        of(&|now| now.instances[0].instance_type = "t2.nano".to_owned()),
        of(&|now| now.instances[0].subnet = Some(id("subnet", 9))),
        of(&|now| now.instances[0].key_name = None),
        of(&|now| drop(now.instances[0].tags.insert("eks-rs/user-data".to_owned(), "0".repeat(32)))),
        of(&|now| now.volumes[0].gib = 80),
        of(&|now| now.volumes[0].zone = "us-east-1b".parse().unwrap()),
        of(&|now| now.volumes[0].disk.encrypted = false),
        of(&|now| now.volumes[0].disk.kind = VolumeType::Standard),
        of(&|now| now.volumes[0].held = Some(Held { instance: id("i", 77), device: "/dev/xvdh".to_owned() })),
        of(&|now| now.load_balancers[0].internal = true),
        of(&|now| now.load_balancers[0].tags.clear()),
        of(&|now| now.load_balancers[0].subnets = vec![id("subnet", 9)]),
    ];
    insta::assert_snapshot!(fixed.join("\n"), @r"
    key-00000000000000001: its key has the fingerprint 00:11, the spec's has AuXpNgu9AajaW1ARpspPQnLcXKL8NTqtr1vMJN8IT+M=, and a key cannot be changed; import the new key under another name than my-key, or delete this key pair first
    i-00000000000000000: its type is t2.nano, the spec has t3.nano, and changing it would stop the instance, which a plan never does; give the new instance a name of its own, or terminate this one first
    i-00000000000000000: its subnet is subnet-00000000000000009, the spec has subnet-00000000000000000, and an instance cannot be moved; give the new instance a name of its own, or terminate this one first
    i-00000000000000000: its key pair is none, the spec has my-key, and the key is put on at the first boot; give the new instance a name of its own, or terminate this one first
    i-00000000000000000: its user data is that of digest 00000000000000000000000000000000, the spec has none, and it has run at the first boot; give the new instance a name of its own, or terminate this one first
    vol-00000000000000001: it has 80 GiB, the spec has 40, and a volume cannot be made smaller; copy its files to a new volume, under another name
    vol-00000000000000001: it is in us-east-1b, the spec has us-east-1a, and a volume cannot be moved; make a snapshot and a new volume from it, under another name
    vol-00000000000000001: it is not encrypted, the spec has it encrypted, and that cannot be changed; make a snapshot and a new volume from it, under another name
    vol-00000000000000001: it is 40 GB standard, the spec has 40 GB gp3, and volumes of type standard cannot be changed; make a snapshot and a new volume from it, under another name
    vol-00000000000000001: it is attached to i-0000000000000004d, which we did not make; detach it there first, or take it out of the spec
    load balancer public-elb: it is internal, the spec has internet-facing, and that cannot be changed; give the new one a name of its own
    load balancer public-elb: one of this name is there, and we did not make it; choose another name
    load balancer public-elb: none of its subnets is in the spec, and it must keep one while they change; change them in two steps, or make one of another name
    ");
    let image = || instances().map(|instance| instance.image(Ami::Id(id("ami", 1))));
    let said = refused(&with(image(), volume(), balancer()).build().unwrap(), &standing());
    assert!(said.contains("its image is ami-0123456789abcdef0, the spec has ami-00000000000000001"), "{said}");
}

/// An image by id is looked at before it is launched: its architecture, its root device, and the root volume's least size.
#[test]
fn an_image_is_looked_at() {
    let spec = |root: Disk| {
        let image = instances().map(|instance| instance.image(Ami::Id(id("ami", 1))).root_volume(root.clone()));
        with(image, volume(), balancer()).build().unwrap()
    };
    let mut now = ObservedMachines::nothing(&testing::owner());
    let found = FoundImage {
        id: "ami-00000000000000001".to_owned(),
        architecture: "x86_64".to_owned(),
        root_device: Some("/dev/sda1".to_owned()),
        root_gib: Some(15),
    };
    now.images.push(found);
    let plan = spec(Disk::default()).plan(&now).unwrap();
    let op = &plan.step("ec2/instance/public").unwrap().op.body["launch"]["launch"];
    assert_eq!((op["root_device"].as_str(), op["root"]["gib"].as_u64()), (Some("/dev/sda1"), Some(15)));
    assert!(refused(&spec(Disk::of(VolumeType::Gp3).gib(14)), &now).contains("has 14 GiB, and the image ami-00000000000000001 needs 15"));
    now.images[0].architecture = "arm64".to_owned();
    assert!(refused(&spec(Disk::default()), &now).contains("is for arm64, and t3.nano is x86_64"));
}

#[test]
fn a_key_pair_of_somebody_else_is_not_taken() {
    let mut now = ObservedMachines::nothing(&testing::owner());
    now.foreign_key_pairs.push(FoundKeyPair { tags: Tags::new(), ..standing().key_pairs.remove(0) });
    let said = refused(&chapter(), &now);
    assert!(said.contains("we did not make it") && said.contains(".existing_key_pair"), "{said}");
}

#[test]
fn a_volume_moves_and_is_detached() {
    let same_zone = || Instance::public("second", "us-east-1a").security_group("public");
    let moved = || Volume::new("data", 40).zone("us-east-1a").attach_to("second", "/dev/xvdi");
    let spec = with(instances(), moved(), balancer()).instance(same_zone()).build().unwrap();
    let plan = spec.plan(&standing()).unwrap();
    let step = plan.step("ec2/attachment/data").unwrap();
    assert_eq!(
        (step.action, step.changes.join("")),
        (Action::Update, "at: i-00000000000000000 /dev/xvdh → ‹ec2/instance/second› /dev/xvdi".into())
    );
    let loose = Volume::new("data", 40).zone("us-east-1a");
    let plan = with(instances(), loose, balancer()).build().unwrap().plan(&standing()).unwrap();
    assert_eq!(told(&plan), ["Update ec2/attachment/data: at: i-00000000000000000 /dev/xvdh → nowhere"]);
}

/// What takes a device waits for what leaves it.
#[test]
fn devices_are_freed_first() {
    let next = Volume::new("next", 1).zone("us-east-1a").attach_to("public", "/dev/xvdh");
    let moved = Volume::new("data", 40).zone("us-east-1a").attach_to("public", "/dev/xvdi");
    let plan = with(instances(), moved, balancer()).volume(next).build().unwrap().plan(&standing()).unwrap();
    assert!(plan.step("ec2/attachment/next").unwrap().needs.contains(&"ec2/attachment/data".parse().unwrap()));
}

#[test]
fn a_terminated_instance_is_launched_again_with_another_token() {
    let mut now = standing();
    now.instances[0].state = "terminated".to_owned();
    now.volumes[0].held = None;
    now.volumes[0].attachment = None;
    now.volumes[0].state = "available".to_owned();
    let plan = chapter().plan(&now).unwrap();
    assert_eq!(
        told(&plan),
        [
            "Create ec2/instance/public: ",
            "Create ec2/attachment/data: ",
            "Update ec2/registration/public-elb: instances: with public; instances: without i-00000000000000000",
        ]
    );
    assert!(plan.step("ec2/instance/public").unwrap().op.body.to_string().contains(r#""generation":"i-00000000000000000""#));
}

#[test]
fn a_reviewer_sees_what_is_weak() {
    let weak = instances().map(|instance| instance.imds_v1().instance_type("x9.huge").termination_protection());
    let mut spec = with(weak, volume().unencrypted().retain(), balancer());
    for (name, key) in [("old", RSA_1024), ("fine", RSA_2048)] {
        spec = spec.key_pair(KeyPair::import(name, key));
    }
    let plan = spec.build().unwrap().plan(&ObservedMachines::nothing(&testing::owner())).unwrap();
    let found: Vec<String> = plan.findings().iter().map(ToString::to_string).collect();
    for said in [
        "ec2/key-pair/old: RSA of 1024 bits is too weak today",
        "ec2/instance/public: IMDSv1 answers",
        "ec2/instance/public: protected from termination",
        "ec2/instance/public: the price of x9.huge is not known here",
        "ec2/volume/data: it is not encrypted",
        "ec2/volume/data: it outlives the teardown",
    ] {
        assert!(found.iter().any(|finding| finding.starts_with(said)), "{said:?} is not in {found:?}");
    }
    assert!(!found.iter().any(|finding| finding.contains("key-pair/fine")));
}

#[test]
fn a_teardown_frees_what_the_next_removal_needs() {
    let teardown = standing().teardown().unwrap();
    insta::assert_snapshot!(teardown, @r"
    teardown of chap10: 5 to remove, about 1m 29s, saves $39.99 a month
      - ec2/load-balancer/public-elb  load balancer public-elb ($25.55 a month)
      - ec2/instance/public           instance i-00000000000000000 ($7.45 a month)
      - ec2/instance/private          instance i-00000000000000001 ($3.80 a month)
      - ec2/volume/data               EBS volume vol-00000000000000001 ($3.20 a month)
      - ec2/key-pair/my-key           key pair key-00000000000000001
    ");
    let network = testing::standing(&testing::chapter()).teardown().unwrap();
    let joined = eks_core::Teardown::join([network, teardown]).unwrap();
    let at = |key: &str| joined.removals().iter().position(|removal| removal.key.as_str() == key).unwrap();
    for (first, then) in [
        ("ec2/load-balancer/public-elb", "ec2/instance/public"),
        ("ec2/instance/public", "ec2/volume/data"),
        ("ec2/instance/private", "net/security-group/private"),
        ("ec2/load-balancer/public-elb", "net/subnet/public/us-east-1a"),
        ("ec2/load-balancer/public-elb", "net/internet-gateway"),
    ] {
        assert!(at(first) < at(then), "{first} before {then}");
    }
}

#[test]
fn a_retained_volume_and_things_of_others_stay() {
    let mut now = standing();
    now.volumes[0].tags.insert("eks-rs/teardown".to_owned(), "retain".to_owned());
    now.load_balancers[0].tags.clear();
    let removed: Vec<String> = now.teardown().unwrap().removals().iter().map(|removal| removal.key.to_string()).collect();
    assert_eq!(removed, ["ec2/instance/public", "ec2/instance/private", "ec2/key-pair/my-key"]);
    let left = now.survivors();
    let volume = left.iter().find(|survivor| survivor.kind == "EBS volume").unwrap();
    assert!(volume.why.contains("kept by request"), "{volume}");
    assert!((volume.usd_per_month - 3.2).abs() < 1e-9, "40 GB of gp3");
}
