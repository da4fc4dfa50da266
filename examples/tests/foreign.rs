//! The AWS layers against servers over HTTP, with boto3 as the judge of what exists: moto, which is not ours, and `eks-sim`
//! served, which must look the same to a foreign client.
//!
//! `cargo test --test foreign -- --ignored` makes a virtual environment below `target/`, starts the servers on loopback ports,
//! and runs the chapter's network and control plane against each: create, plan again, tear down.

mod common;
#[path = "common/moto.rs"]
mod moto;
#[path = "common/workspace.rs"]
mod workspace;

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{KEYS, run};
use serde_json::{Value, json};

/// What Terraform's VPC module 5.21 with provider 5.100 needs for the same 29 resources on the same server.
const TERRAFORM_SECONDS: (f64, f64) = (35.0, 69.0);
const TERRAFORM_MEGABYTES: f64 = 640.0;

#[test]
#[ignore = "needs Python 3 and PyPI; run by `cargo test --test foreign -- --ignored`"]
fn the_chapter_on_moto() {
    let python = moto::python();
    let server = moto::moto();
    let [created, again, ended] = create_again_destroy(&python, &server.url);

    let count = |run: &Run, phase: &str| run.json[phase]["calls"].as_u64().unwrap();
    let all = |run: &Run, phase: &str| count(run, phase) + run.json[phase]["polls"].as_u64().unwrap();
    let (create, replan, destroy) = (all(&created, "apply"), count(&again, "replan"), all(&ended, "teardown"));
    println!("create {create} calls in {:.1?}, plan again {replan} calls, destroy {destroy} calls in {:.1?}", created.took, ended.took);
    println!("peak memory {:.0} MB", created.megabytes.max(ended.megabytes));
    assert!(create <= 60 && replan <= 12 && destroy <= 55, "{create}, {replan}, {destroy}");
    // A tenth of Terraform's time and memory. Coarse on purpose: no fine timing belongs into a test.
    assert!(created.took.as_secs_f64() <= TERRAFORM_SECONDS.0 / 10.0, "{:?}", created.took);
    assert!(ended.took.as_secs_f64() <= TERRAFORM_SECONDS.1 / 10.0, "{:?}", ended.took);
    // Of memory that is the run's own. The pages of the program come on top: of one without optimisation, with all that the examples show,
    // they are several times those of a release, which Terraform's figure is of.
    assert!(created.megabytes <= TERRAFORM_MEGABYTES / 10.0, "{} MB", created.megabytes);
}

#[test]
#[ignore = "needs Python 3 and PyPI; run by .ci/run and by `cargo test --test foreign -- --ignored`"]
fn the_chapter_on_the_served_simulator() {
    let python = moto::python();
    create_again_destroy(&python, &workspace::simulator(1000.0).url);
}

#[test]
#[ignore = "needs Python 3 and PyPI; run by .ci/run and by `cargo test --test foreign -- --ignored`"]
fn the_chapters_machines_on_moto() {
    let python = moto::python();
    // Of moto's images one whose root device is not Amazon Linux's; moto does not read SSM parameters when it launches.
    machines(&python, &moto::moto().url, &["--ami", "ami-03cf127a"], "/dev/sda1", true);
}

#[test]
#[ignore = "needs Python 3 and PyPI; run by .ci/run and by `cargo test --test foreign -- --ignored`"]
fn the_chapters_machines_on_the_served_simulator() {
    machines(&moto::python(), &workspace::simulator(1000.0).url, &[], "/dev/xvda", false);
}

/// RSA: moto gives ED25519 keys a fingerprint that is not in EC2's form.
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCbsP2b+QTMBn/FKvsellqlzh9f31VQETEKR8R8cu/Fv7vdMlnrgprrkXDO53vIHsKBhMaohJy8kcI3FSch9/SGOHXNOchAGjeq5CSFns2bUcdh4pPIph2UyBt+FsW9gh0UHqXspeH2J208dZ+alW+3zupJIVyqgPiyNsHkZFwXsEqQ7MQKKqE5Q8FFePDMuTmyi1TjOy8VxliYLTguGbW7ApUzMZUNiPYFSguVW2e2n2pQE+7ZMVrBa6i1jGxvniQUG3Mj4yrAcDPmEOcvt59tVvEsdi8bdKlG+BTTPTptMMcXV9AXdF0ScRz131aniZ3JfElGoZgeLhEvQq1D9N0H me@example.com";

/// Section 2 of the chapter: made, made again, torn down.
fn machines(python: &Path, url: &str, options: &[&str], root_device: &str, keeps_keys: bool) {
    let program = || {
        let mut command = Command::new(workspace::built("examples/machines"));
        command.args(["--endpoint-url", url, "--public-key", RSA]).args(options).envs(KEYS).stdout(Stdio::null());
        command
    };
    let judged = || judged(python, "tests/judge_machines.py", url);
    let clean = judged();
    run(program().arg("--keep"));
    let exists = judged();
    // By OpenSSL: the MD5 digest of the key's DER form.
    assert_eq!(exists["key_pairs"], json!([{"name": "my-key", "fingerprint": "9b:6a:cd:63:c4:9c:8c:ba:9b:db:15:3f:5d:e6:91:02"}]));
    let root = json!({"device": root_device, "type": "gp3", "encrypted": true});
    assert_eq!(
        exists["instances"],
        json!([
            {"type": "t3.nano", "state": "running", "key": "my-key", "groups": ["private"], "network": "10.0.2", "public_ip": false,
             "tokens": "required", "hops": 1, "root": root},
            {"type": "t3.nano", "state": "running", "key": "my-key", "groups": ["public"], "network": "10.0.1", "public_ip": true,
             "tokens": "required", "hops": 1, "root": root},
        ])
    );
    assert_eq!(
        exists["volumes"],
        json!([{"gib": 40, "type": "gp3", "zone": "us-east-1a", "encrypted": true, "device": "/dev/xvdh", "network": "10.0.1"}])
    );
    assert_eq!(
        exists["load_balancers"],
        json!([{
            "name": "public-elb", "scheme": "internet-facing", "listeners": ["HTTP 80 HTTP 80"], "subnets": ["10.0.1.0/24", "10.0.3.0/24"],
            "groups": ["elb"], "health_check": "TCP:80", "cross_zone": true, "idle": 60, "draining": 300, "members": ["10.0.1"],
        }])
    );
    assert_eq!(exists["untagged"], json!([]), "everything that we made carries our tags");
    run(program().arg("--keep"));
    assert_eq!(judged(), exists, "a second run, which detaches the volume and attaches it again, ends in the same");
    let ended = program().status().expect("it is built");
    let mut left = clean;
    if keeps_keys {
        left["key_pairs"] = exists["key_pairs"].clone();
    }
    assert_eq!(judged(), left, "nothing is left that the server can delete");
    assert_eq!(ended.success(), !keeps_keys, "what is left is told");
}

/// Creates, runs again, destroys; boto3 tells after each what exists.
fn create_again_destroy(python: &Path, url: &str) -> [Run; 3] {
    let clean = empty();
    assert_eq!(judge(python, url), clean, "a new account");

    let created = chapter(url, &["--keep"]);
    let exists = judge(python, url);
    assert_eq!(exists["vpcs"], json!([{"cidr": "10.0.0.0/16", "dns_support": true, "dns_hostnames": true}]));
    assert_eq!(
        exists["subnets"],
        json!([
            {"cidr": "10.0.1.0/24", "zone": "us-east-1a", "public_ip": true, "default_route": "igw", "role": "elb"},
            {"cidr": "10.0.2.0/24", "zone": "us-east-1b", "public_ip": false, "default_route": "nat", "role": "internal-elb"},
            {"cidr": "10.0.3.0/24", "zone": "us-east-1b", "public_ip": true, "default_route": "igw", "role": "elb"},
            {"cidr": "10.0.4.0/24", "zone": "us-east-1a", "public_ip": false, "default_route": "nat", "role": "internal-elb"},
        ])
    );
    assert_eq!(exists["nat_gateways"], json!([{"state": "available", "subnet": "10.0.1.0/24"}]));
    assert_eq!((&exists["addresses"], &exists["internet_gateways"], &exists["route_tables"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!(
        exists["security_groups"],
        json!({
            "eks-control-plane": [],
            "elb": ["tcp 80-80 0.0.0.0/0"],
            "private": ["tcp 22-22 public", "tcp 80-80 public"],
            "public": ["tcp 22-22 98.234.106.21/32", "tcp 80-80 0.0.0.0/0"],
        })
    );
    assert_eq!(exists["clusters"], json!([{"name": "chap10", "status": "ACTIVE", "subnets": 4}]));
    assert_eq!(exists["role_policies"], json!(["AmazonEKSClusterPolicy"]));
    assert_eq!(exists["untagged"], json!([]), "everything that we made carries our tags");
    assert_eq!(created.json["replan"]["changes"], 0);
    assert_eq!(created.json["teardown"], Value::Null);

    let again = chapter(url, &["--keep"]);
    assert_eq!(judge(python, url), exists, "a second run changes nothing");

    let ended = chapter(url, &[]);
    assert_eq!(ended.json["teardown"]["verdict"], "clean");
    assert_eq!(judge(python, url), clean, "nothing is left");
    [created, again, ended]
}

struct Run {
    json: Value,
    took: Duration,
    megabytes: f64,
}

/// Runs the chapter's AWS layers, as a user would.
fn chapter(url: &str, options: &[&str]) -> Run {
    let program = workspace::built("examples/chapter");
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(["--endpoint-url", url, "--speed", "1000", "--layers", "net,cluster", "--no-addons", "--auth", "config-map", "--json"])
        .args(options)
        .envs(KEYS)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the chapter example is built");
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0.0_f64;
    let mut output = child.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    while child.try_wait().expect("a child of ours").is_none() {
        peak = peak.max(own_memory(&status).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = began.elapsed();
    let text = reader.join().expect("no panic").expect("UTF-8");
    assert!(child.wait().expect("ended").success(), "{text}");
    let last = text.lines().last().expect("a line");
    Run { json: serde_json::from_str(last).unwrap_or_else(|_| panic!("no JSON: {last}")), took, megabytes: peak }
}

/// `RssAnon`, in megabytes: what is resident and not of a file.
fn own_memory(status: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}

/// What exists, as boto3 sees it; default resources of the account left out.
fn judge(python: &Path, url: &str) -> Value {
    judged(python, "tests/judge.py", url)
}

fn judged(python: &Path, script: &str, url: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(python).arg(script).arg(url).envs(KEYS).output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the judge writes JSON")
}

fn empty() -> Value {
    json!({
        "vpcs": [], "subnets": [], "nat_gateways": [], "addresses": 0, "internet_gateways": 0, "route_tables": 0,
        "security_groups": {}, "clusters": [], "roles": [], "role_policies": [], "untagged": [],
    })
}
