//! The workers' stacks on moto's CloudFormation, which is not ours, and on the served simulator: both make the same of each template,
//! but for what moto lacks, as boto3 tells.
//!
//! `cargo test --test worker_stacks -- --ignored`.

mod common;
#[path = "common/moto.rs"]
mod moto;

use std::{collections::BTreeMap, path::Path, process::Command};

use common::KEYS;
use eks_core::{AuthenticationMode, ClusterRefs, NetworkRefs, Owner, StackName, SubnetRef, Tier, Verdict};
use eks_examples::account::Account;
use eks_nodes::{
    Capacity, Image, LifecycleHook, Purchase, RoleMapping, SpotAllocation, TaintEffect, Transition, Workers, WorkersSpec,
    WorkersSpecBuilder,
};
use eks_sim::Sim;
use serde_json::{Value, json};

type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// What is not compared: a part of what the judge tells, as keys in which `*` is any, and what moto 5.2.5 (at the end: the simulator) lacks.
const GAPS: &[(&[&str], &str)] = &[
    (&["roles", "*", "policies"], "attaches no ManagedPolicyArns of a role"),
    (&["roles", "*", "tags"], "puts no tags of the stack on a role"),
    (&["security_groups", "*", "tags", "Name"], "lets the stack's tag win over the resource's own; CloudFormation does the contrary"),
    (&["security_groups", "*", "descriptions"], "forgets Description of SecurityGroupIngress"),
    (&["control_plane", "*", "descriptions"], "forgets Description of SecurityGroupIngress"),
    (&["control_plane", "*", "egress"], "makes nothing of SecurityGroupEgress"),
    (&["resources", "AWS::EC2::SecurityGroupEgress"], "makes nothing of SecurityGroupEgress"),
    (&["groups", "*", "tags", "aws:cloudformation:logical-id"], "puts no tags of CloudFormation's on an Auto Scaling group"),
    (&["groups", "*", "tags", "aws:cloudformation:stack-id"], "puts no tags of CloudFormation's on an Auto Scaling group"),
    (&["groups", "*", "tags", "aws:cloudformation:stack-name"], "puts no tags of CloudFormation's on an Auto Scaling group"),
    (&["groups", "*", "tags", "eks-rs/template"], "puts no tags of the stack on an Auto Scaling group"),
    (&["instances", "*", "each", "tags", "aws:cloudformation:logical-id"], "so instances do not inherit them"),
    (&["instances", "*", "each", "tags", "aws:cloudformation:stack-id"], "so instances do not inherit them"),
    (&["instances", "*", "each", "tags", "aws:cloudformation:stack-name"], "so instances do not inherit them"),
    (&["instances", "*", "each", "tags", "eks-rs/template"], "so instances do not inherit them"),
    (&["instances", "NodeGroup", "subnets"], "launches all instances of a group in its first subnet; groups of one zone are compared"),
    (&["groups", "*", "hooks"], "makes nothing of LifecycleHookSpecificationList"),
    (&["groups", "*", "warmup"], "forgets DefaultInstanceWarmup"),
    (&["stacks", "w", "parameters", "Subnets"], "tells a list as Python prints one"),
    (&["instances", "*", "each", "tags", "aws:ec2launchtemplate:id"], "the simulator: no tags of EC2's own for launch templates"),
    (&["instances", "*", "each", "tags", "aws:ec2launchtemplate:version"], "the simulator: no tags of EC2's own for launch templates"),
];

/// One of moto's images of Linux; to the simulator, every well-formed id is one of Amazon's.
const IMAGE: &str = "ami-03cf127a";

/// Forms of the template, by what they add to the plain one.
/// A shape's name, and what makes it.
type Shape = (&'static str, fn(WorkersSpecBuilder) -> WorkersSpecBuilder);

fn shapes() -> Vec<Shape> {
    vec![
        ("plain", |spec| spec),
        ("labels and taints", |spec| {
            spec.label("team", "books")
                .taint("team", "books", TaintEffect::NoSchedule)
                .volume_gib(40)
                .metadata_hop_limit(2)
                .session_manager(true)
        }),
        ("mixed", |spec| spec.instance_types(["t3.medium", "t3a.medium"])),
        ("spot", |spec| spec.instance_types(["t3.medium", "t3a.medium"]).purchase(Purchase::Spot(SpotAllocation::PriceCapacityOptimized))),
        ("per zone", |spec| spec.group_per_zone(true).capacity(Capacity::new(1, 1, 2).expect("sizes"))),
        ("hooks", |spec| spec.lifecycle_hook(LifecycleHook::new("drain", Transition::Terminating, 300)).instance_warmup(60)),
    ]
}

/// A server, and what the workers are given there.
struct Place {
    url: String,
    foreign: bool,
    account: Account,
    network: NetworkRefs,
    cluster: ClusterRefs,
}

impl Place {
    async fn at(url: &str, foreign: bool) -> Done<Self> {
        let account = Account::keyed(url, 1000.0, KEYS[0].1, KEYS[1].1).await;
        let ec2 = aws_sdk_ec2::Client::new(account.config());
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?.vpc.and_then(|vpc| vpc.vpc_id).ok_or("no id")?;
        let mut subnets = Vec::new();
        for (cidr, zone) in [("10.0.4.0/24", "us-east-1a"), ("10.0.2.0/24", "us-east-1b")] {
            let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(cidr).availability_zone(zone).send().await?;
            let id = made.subnet.and_then(|subnet| subnet.subnet_id).ok_or("no id")?;
            subnets.push(SubnetRef { id: id.parse::<eks_core::SubnetId>()?.into(), zone: zone.parse()?, tier: Tier::Private });
        }
        let group = ec2.create_security_group().vpc_id(&vpc).group_name("control-plane").description("control plane").send().await?;
        let group: eks_core::SecurityGroupId = group.group_id.ok_or("no id")?.parse()?;
        let network = NetworkRefs {
            vpc: vpc.parse::<eks_core::VpcId>()?.into(),
            cidrs: vec!["10.0.0.0/16".to_owned()],
            subnets,
            security_groups: BTreeMap::new(),
            egress: Vec::new(),
        };
        let cluster = ClusterRefs {
            name: "chap10".parse()?,
            version: "1.35".to_owned(),
            endpoint: "https://0123.gr7.us-east-1.eks.amazonaws.com".to_owned().into(),
            certificate_authority: "LS0t".to_owned().into(),
            service_cidr: "172.20.0.0/16".to_owned().into(),
            security_groups: vec![group.clone().into()],
            cluster_security_group: group.into(),
            authentication: AuthenticationMode::ConfigMap,
            nodes_need: Vec::new(),
            volumes_need: Vec::new(),
        };
        Ok(Self { url: url.to_owned(), foreign, account, network, cluster })
    }

    /// What a shape makes here; removed again.
    async fn made(&self, python: &Path, owner: &Owner, shape: fn(WorkersSpecBuilder) -> WorkersSpecBuilder) -> Done<Value> {
        let workers = Workers::new(self.account.config());
        let engine = self.account.engine().driver(workers.clone());
        let builder = WorkersSpec::builder(owner, StackName::new("w")?, self.cluster.clone(), self.network.clone());
        let spec = shape(builder.image(Image::Ami(IMAGE.parse()?)).mapping(RoleMapping::AwsAuth)).build()?;
        workers.plan(&spec).await?.apply(&engine).await?;
        let told = judged(python, &self.url);
        // moto tells a list of subnets as Python prints one, so that a plan takes them to be others, and refuses.
        if !self.foreign {
            let again = workers.plan(&spec).await?;
            assert!(again.is_noop(), "{again}");
        }
        let ending = workers.teardown(owner).await?.apply(&engine).await?;
        assert_eq!(ending.verdict, Verdict::Clean);
        let file = format!("worker-stacks-{owner}-{}.json", if self.foreign { "moto" } else { "simulator" });
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(file), serde_json::to_string_pretty(&told)?)?;
        Ok(told)
    }
}

fn judged(python: &Path, url: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge_workers.py");
    let output = Command::new(python).arg(script).arg(url).envs(KEYS).output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the judge writes JSON")
}

/// Takes a part out of what was told.
fn without(told: &mut Value, path: &[&str]) {
    let (Some((first, rest)), Some(members)) = (path.split_first(), told.as_object_mut()) else { return };
    if rest.is_empty() {
        members.retain(|key, _| *first != "*" && key != first);
        return;
    }
    members.iter_mut().filter(|(key, _)| *first == "*" || key == first).for_each(|(_, member)| without(member, rest));
}

/// A part of what was told.
fn found<'a>(told: &'a Value, path: &[&str]) -> Vec<&'a Value> {
    let Some((first, rest)) = path.split_first() else { return vec![told] };
    let members = told.as_object().into_iter().flatten().filter(|(key, _)| *first == "*" || key == first);
    members.flat_map(|(_, member)| found(member, rest)).collect()
}

/// Where two differ, for people.
fn differences(at: &str, one: &Value, other: &Value, told: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for key in keys {
                differences(&format!("{at}/{key}"), one.get(key).unwrap_or(&Value::Null), other.get(key).unwrap_or(&Value::Null), told);
            }
        }
        _ if one == other => {}
        _ => told.push(format!("{at}\n   moto: {one}\n   ours: {other}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python 3 and PyPI; run by `cargo test --test worker_stacks -- --ignored`"]
async fn moto_makes_what_the_simulator_makes() -> Done {
    let python = moto::python();
    let moto = moto::moto();
    let simulator = eks_sim::serve(Sim::builder().speed(1000.0).standard_vcpus(64).build(), ([127, 0, 0, 1], 0).into()).await?;
    let (theirs, ours) = (Place::at(&moto.url, true).await?, Place::at(&format!("http://{}", simulator.address()), false).await?);
    let mut told = Vec::new();
    let mut used = vec![false; GAPS.len()];
    for (name, shape) in shapes() {
        let owner = Owner::new(name.replace(' ', "-"))?;
        let mut theirs = theirs.made(&python, &owner, shape).await?;
        let mut ours = ours.made(&python, &owner, shape).await?;
        let whole = (theirs.clone(), ours.clone());
        for ((path, _), used) in GAPS.iter().zip(&mut used) {
            // A gap that is none any more is told below.
            *used |= found(&whole.0, path) != found(&whole.1, path);
            without(&mut theirs, path);
            without(&mut ours, path);
        }
        assert_ne!(ours["groups"], json!({}), "{name}: something is compared");
        assert_ne!(ours["launch_templates"]["NodeLaunchTemplate"]["data"]["UserData"], Value::Null, "{name}: user data, too");
        let mut here = Vec::new();
        differences("", &theirs, &ours, &mut here);
        told.extend(here.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
    let closed: Vec<_> = GAPS.iter().zip(used).filter(|(_, used)| !used).map(|((path, _), _)| path).collect();
    assert!(closed.is_empty(), "moto has these now: {closed:?}");
    Ok(())
}
