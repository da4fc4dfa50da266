//! Wrong specs: each with its typed error and remedy, none reaching the network.

use super::{
    Ami, Architecture, Disk, HealthCheck, Instance, KeyPair, Listener, ListenerProtocol, LoadBalancer, MachinesSpec, MachinesSpecBuilder,
    Volume, VolumeType,
    public_key::tests::{ECDSA, ED25519, RSA_2048},
};
use crate::testing;

const ACM: &str = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";

fn empty() -> MachinesSpecBuilder {
    MachinesSpec::builder(&testing::owner(), testing::chapter().refs())
}

fn key(text: impl Into<String>) -> MachinesSpecBuilder {
    empty().key_pair(KeyPair::import("my-key", text))
}

fn web() -> Instance {
    Instance::public("web", "us-east-1a")
}

fn instance(change: impl Fn(Instance) -> Instance) -> MachinesSpecBuilder {
    empty().instance(change(web()))
}

fn volume(change: impl Fn(Volume) -> Volume) -> MachinesSpecBuilder {
    empty().volume(change(Volume::new("data", 40).zone("us-east-1a")))
}

fn attached(device: &str) -> MachinesSpecBuilder {
    empty().instance(web()).volume(Volume::new("data", 40).attach_to("web", device))
}

fn balancer(change: impl Fn(LoadBalancer) -> LoadBalancer) -> MachinesSpecBuilder {
    empty().load_balancer(change(LoadBalancer::internet_facing("elb").listener(Listener::http(80, 80))))
}

fn check(check: HealthCheck) -> MachinesSpecBuilder {
    balancer(|elb| elb.health_check(check.clone()))
}

/// A wrong spec, the rules that it breaks, and part of what is said.
type Case = (MachinesSpecBuilder, &'static [&'static str], &'static str);

fn key_pairs() -> Vec<Case> {
    let (kind, data) = (ED25519.split(' ').next().unwrap(), ED25519.split(' ').nth(1).unwrap());
    let rsa = RSA_2048.split(' ').nth(1).unwrap();
    // 512 bits: type, exponent 65537, a modulus of 64 bytes.
    let short = "AAAAB3NzaC1yc2EAAAADAQABAAAAQQDJyJyYfF1HorERk/rxgPorCkT467naUtExMI25kJrZ4TdVcFGz/jlFqBUnObRkGyBnHI+gBzOS27sDmrFJxrJt";
    vec![
        (key("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----"), &["key-private"], "give the public one"),
        (key("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"), &["key-form"], "ssh-keygen -i"),
        (key("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----"), &["key-form"], "ssh-keygen -i"),
        (key(""), &["key-form"], "it is empty"),
        (key("garbage"), &["key-form"], "is no type of key"),
        (key(format!("{ED25519}\n{RSA_2048}")), &["key-form"], "several lines"),
        (key(format!("no-pty,command=\"ls\" {ED25519}")), &["key-options"], "options of authorized_keys"),
        (key(ECDSA), &["key-type"], "RSA and ED25519 keys, not ecdsa-sha2-nistp256"),
        (key("ssh-dss AAAAB3NzaC1kc3M="), &["key-type"], "not ssh-dss"),
        (key("sk-ssh-ed25519@openssh.com AAAA"), &["key-type"], "ssh-keygen -t ed25519"),
        (key("ssh-ed25519 AAAA*"), &["key-base64"], "not base64"),
        (key(kind), &["key-truncated"], "ends in the middle"),
        (key(format!("ssh-ed25519 {}", &data[..64])), &["key-truncated"], "copy the whole line"),
        (key(format!("ssh-ed25519 {rsa}")), &["key-inner-type"], "says ssh-ed25519, and holds ssh-rsa"),
        (key(format!("ssh-rsa {short}")), &["key-length"], "it has 512 bits"),
        (key(ED25519).key_pair(KeyPair::import("my-key", RSA_2048)), &["key-twice"], "rename one"),
        (empty().key_pair(KeyPair::import(" my-key", ED25519)), &["key-name"], "1–255 ASCII characters"),
        (empty().key_pair(KeyPair::import("schlüssel", ED25519)), &["key-name"], "1–255 ASCII characters"),
    ]
}

fn instances() -> Vec<Case> {
    vec![
        (empty().instance(Instance::public("a b", "us-east-1a")), &["instance-name"], "1–60 of"),
        (empty().instance(web()).instance(web()), &["instance-twice"], "rename one"),
        (empty().instance(Instance::public("web", "us-east-1f")), &["subnet-none"], "no public subnet in us-east-1f"),
        (
            empty().instance(Instance::in_subnet("web", testing::id::<eks_core::SubnetId>("subnet", 9))),
            &["subnet-none"],
            "no subnet subnet-",
        ),
        (instance(|web| web.instance_type("nano")), &["instance-type"], "such as t3.nano"),
        (instance(|web| web.instance_type("t4g.nano")), &["image-architecture"], "its image is for x86_64, and t4g.nano is arm64"),
        (instance(|web| web.image(Ami::AmazonLinux2023(Architecture::Arm64))), &["image-architecture"], "for arm64"),
        (instance(|web| web.image(Ami::Parameter("al2023".into()))), &["image-parameter"], "whole path"),
        (instance(|web| web.security_group("nope")), &["group-unknown"], "the security group nope"),
        (instance(|web| web.security_group("public").security_group("public")), &["group-twice"], "each group once"),
        (instance(|web| web.key_pair("my-key")), &["instance-key-pair"], ".existing_key_pair"),
        (instance(|web| web.user_data("x".repeat(16_385))), &["user-data"], "16385 bytes; EC2 takes 16384"),
        (instance(|web| web.user_data("")), &["user-data"], "is empty"),
        (instance(|web| web.hop_limit(65)), &["hop-limit"], "65 hops"),
        (instance(|web| web.hop_limit(0)), &["hop-limit"], "0 hops"),
        (instance(|web| web.root_volume(Disk::of(VolumeType::St1).gib(125))), &["root-type"], "boot"),
        (instance(|web| web.root_device("/dev/sdb")), &["root-device"], "is no root device"),
        (
            instance(|web| (1..7).fold(web, |web, n| web.security_group_id(testing::id("sg", n)))),
            &["instance-groups"],
            "6 security groups; a network interface has at most 5",
        ),
    ]
}

fn volumes() -> Vec<Case> {
    vec![
        (volume(|data| data.of_type(VolumeType::Standard).iops(100)), &["volume-iops"], "standard volumes have no IOPS"),
        (
            empty().volume(Volume::new("data", 2_000).of_type(VolumeType::Standard).zone("us-east-1a")),
            &["volume-size"],
            "between 1 and 1024",
        ),
        (empty().volume(Volume::new("data", 0).zone("us-east-1a")), &["volume-size"], "0 GiB"),
        (volume(|data| data.of_type(VolumeType::St1)), &["volume-size"], "between 125 and 16384"),
        (volume(|data| data.of_type(VolumeType::Io1)), &["volume-iops"], "io1 volumes must say their IOPS"),
        (volume(|data| data.of_type(VolumeType::Io1).iops(2_001)), &["volume-iops"], "at most 50 for each GiB"),
        (volume(|data| data.of_type(VolumeType::Io2).iops(99)), &["volume-iops"], "99 IOPS are not between 100 and 256000"),
        (volume(|data| data.iops(2_999)), &["volume-iops"], "not between 3000 and 80000"),
        (volume(|data| data.iops(20_001)), &["volume-iops"], "at most 500 for each GiB"),
        (volume(|data| data.throughput(2_001)), &["volume-throughput"], "not between 125 and 2000"),
        (volume(|data| data.throughput(1_000)), &["volume-throughput"], "1000 MiB/s need 4000 IOPS; it has 3000"),
        (volume(|data| data.of_type(VolumeType::Gp2).throughput(125)), &["volume-throughput"], "choose gp3"),
        (volume(|data| data.unencrypted().kms_key("alias/mine")), &["volume-key"], "a KMS key and is not encrypted"),
        (volume(|data| data.kms_key(" ")), &["volume-key"], "is empty"),
        (volume(|data| data.zone("us-east-1")), &["zone-form"], "is not an Availability Zone name"),
        (empty().volume(Volume::new("data", 40)), &["volume-zone"], "add .zone or .attach_to"),
        (
            empty().instance(web()).volume(Volume::new("data", 40).zone("us-east-1b").attach_to("web", "/dev/xvdh")),
            &["volume-zone"],
            "it is in us-east-1b, and the instance web in us-east-1a",
        ),
        (
            empty().volume(Volume::new("data", 40).zone("us-east-1a").attach_to("web", "/dev/xvdh")),
            &["volume-instance"],
            "add that instance",
        ),
        (attached("/dev/xvda"), &["device-root"], "the root device's name"),
        (attached("/dev/sda1"), &["device-root"], "from /dev/sdf to /dev/sdp"),
        (attached("/dev/xvdb"), &["device-name"], "/dev/xvd[e-z]"),
        (attached("xvdh"), &["device-name"], "is no device name"),
        (attached("/dev/xvdh").volume(Volume::new("more", 1).attach_to("web", "/dev/sdh")), &["device-twice"], "is the volume data's"),
        (attached("/dev/xvdh").volume(Volume::new("data", 1).zone("us-east-1a")), &["volume-twice"], "rename one"),
        (volume(|data| data.zone("us-west-2a")), &["regions"], "us-east-1 and us-west-2"),
    ]
}

fn balancers() -> Vec<Case> {
    let long = "x".repeat(33);
    let named = |name: &str| empty().load_balancer(LoadBalancer::internet_facing(name).listener(Listener::http(80, 80)));
    let listener = |listener: Listener| empty().load_balancer(LoadBalancer::internet_facing("elb").listener(listener));
    let subnets = testing::chapter().refs().subnets;
    vec![
        (named(&long), &["balancer-name"], "1–32 letters, digits and hyphens"),
        (named("-elb"), &["balancer-name"], "without one at either end"),
        (named("public_elb"), &["balancer-name"], "choose another name"),
        (named("elb").load_balancer(LoadBalancer::internal("elb").listener(Listener::tcp(1, 1))), &["balancer-twice"], "rename one"),
        (empty().load_balancer(LoadBalancer::internal("elb")), &["listener-none"], "Listener::http(80, 80)"),
        (listener(Listener::http(0, 80)), &["listener-port"], "ports are 1–65535"),
        (balancer(|elb| elb.listener(Listener::tcp(80, 81))), &["listener-twice"], "two listeners have port 80"),
        (listener(Listener::http(80, 80).to_instances(ListenerProtocol::Tcp)), &["listener-layer"], "of one layer"),
        (listener(Listener::https(443, 80, "cert")), &["listener-certificate"], "no ARN of a certificate"),
        (
            balancer(|elb| elb.listener(Listener::https(443, 80, ACM).to_instances(ListenerProtocol::Https))),
            &["listener-instance-port"],
            "must all be secure, or none",
        ),
        (balancer(|elb| elb.connection_draining(Some(3_601))), &["balancer-draining"], "3601 s"),
        (balancer(|elb| elb.connection_draining(Some(0))), &["balancer-draining"], "or None"),
        (balancer(|elb| elb.idle_timeout(4_001)), &["balancer-idle"], "between 1 and 4000"),
        (balancer(|elb| elb.zones(["us-east-1f"])), &["subnet-none"], "no public subnet in us-east-1f"),
        (balancer(|elb| elb.zones(["us-east-1a", "us-east-1a"])), &["balancer-zone-twice"], "one subnet a zone"),
        (balancer(|elb| elb.subnet(subnets[2].id.clone())), &["balancer-scheme"], "or LoadBalancer::internal"),
        (balancer(|elb| elb.instance("web")), &["balancer-instance"], "registers the instance web"),
        (balancer(|elb| elb.security_group("nope")), &["group-unknown"], "add that group to the network"),
        (balancer(|elb| elb.zones(["us-east-1b"]).instance("web")).instance(web()), &["balancer-zone"], "nothing would be sent to it"),
        (check(HealthCheck::of("HTTP:80")), &["health-target"], "HTTP:port/path"),
        (check(HealthCheck::tcp(80).every(4)), &["health-range", "health-timeout"], "interval of 4 is not between 5 and 300"),
        (check(HealthCheck::tcp(80).every(30).timeout(30)), &["health-timeout"], "not less than its interval"),
        (check(HealthCheck::tcp(80).thresholds(1, 11)), &["health-range", "health-range"], "healthy threshold of 11"),
    ]
}

#[test]
fn every_rule_is_checked_and_says_what_to_do() {
    let cases: Vec<Case> = [key_pairs(), instances(), volumes(), balancers()].into_iter().flatten().collect();
    assert!(cases.len() >= 60, "{}", cases.len());
    for (spec, codes, said) in cases {
        let named = format!("{spec:?}");
        let error = spec.build().expect_err(&named);
        let found: Vec<&str> = error.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(found, codes, "{error}");
        assert!(error.to_string().contains(said), "{said:?} is not in {error}");
        assert!(error.problems.iter().all(|problem| !problem.remedy.is_empty() && !problem.subject.is_empty()), "{error}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let spec = empty()
        .key_pair(KeyPair::import("my-key", "garbage"))
        .instance(Instance::public("web", "us-east-1f").key_pair("my-key"))
        .volume(Volume::new("data", 0).attach_to("web", "/dev/xvda"))
        .load_balancer(LoadBalancer::internal("elb").instance("web"))
        .tag("aws:x", "y");
    let found: Vec<&str> = spec.build().unwrap_err().problems.iter().map(|problem| problem.code).collect();
    assert_eq!(found, ["key-form", "subnet-none", "volume-size", "device-root", "listener-none", "tag-reserved"]);
}

#[test]
fn a_spec_is_read_as_it_was_written() {
    let spec = attached("/dev/xvdh").key_pair(KeyPair::import("my-key", ED25519)).tag("team", "platform").build().unwrap();
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<MachinesSpec>(&text).unwrap(), spec);
    let wrong = text.replace("/dev/xvdh", "/dev/xvda");
    assert!(serde_json::from_str::<MachinesSpec>(&wrong).unwrap_err().to_string().contains("root device"));
}

/// What the chapter did in 2018 stays expressible.
#[test]
fn the_types_of_2018() {
    let then = empty()
        .instance(web().instance_type("t2.nano").imds_v1())
        .volume(Volume::new("data", 40).of_type(VolumeType::Standard).unencrypted().attach_to("web", "/dev/xvdh"));
    assert!(then.build().is_ok());
}
