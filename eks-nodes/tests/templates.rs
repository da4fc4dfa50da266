//! Templates of each family and option, as JSON; and, ignored by default, as `cfn-lint` sees them.

mod refs;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use eks_core::{Plan, SubnetRef, Tier};
use eks_nodes::{
    AmazonLinux2, Bottlerocket, Capacity, Image, Kubelet, LifecycleHook, NodeGroup2025, Observed, Purchase, RoleMapping, Scope,
    SpotAllocation, TemplateSource, Transition, Ubuntu, UbuntuRelease, Windows, WindowsRelease, WorkersOp, WorkersSpec, WorkersSpecBuilder,
};
use refs::{cluster, name, network, owner, workers};
use serde_json::{Value, json};

const CFN_LINT: &str = "cfn-lint==1.58.0";

fn plan(spec: &WorkersSpec) -> Plan {
    spec.plan(&Observed::new(&owner(), Scope::of([spec]), []).expect("no two")).expect("a plan")
}

/// The template of a step, and the names of its parameters.
fn template(spec: &WorkersSpec, step: &str) -> Value {
    let WorkersOp::CreateStack { stack } = plan(spec).step(step).expect("a step").op.decode().expect("an operation") else {
        panic!("a creation")
    };
    let TemplateSource::Body(body) = &stack.template else { panic!("a body") };
    assert!(body.len() <= 51_200, "CloudFormation's limit");
    let template: Value = serde_json::from_str(body).expect("JSON");
    let declared: Vec<_> = template["Parameters"].as_object().expect("parameters").keys().collect();
    assert_eq!(declared, stack.parameters.keys().collect::<Vec<_>>(), "no parameter is missing or unknown");
    template
}

fn group(spec: WorkersSpecBuilder) -> Value {
    template(&spec.build().expect("valid"), "nodes/chap10-worker")
}

fn al2() -> WorkersSpecBuilder {
    let mut old = cluster();
    "1.32".clone_into(&mut old.version);
    WorkersSpec::builder(&owner(), name("chap10-worker"), old, network().private()).family(AmazonLinux2::new())
}

fn hook() -> LifecycleHook {
    LifecycleHook::new("drain", Transition::Terminating, 300)
}

fn mixed() -> WorkersSpecBuilder {
    workers().instance_types(["m5.large", "m6i.large", "m5a.large"]).purchase(Purchase::Mixed {
        on_demand_base: 1,
        on_demand_percent: 25,
        allocation: SpotAllocation::PriceCapacityOptimized,
    })
}

/// Each family and each option.
fn specs() -> BTreeMap<&'static str, WorkersSpecBuilder> {
    let allocations = [
        ("spot-capacity", SpotAllocation::CapacityOptimized),
        ("spot-capacity-prioritized", SpotAllocation::CapacityOptimizedPrioritized),
        ("spot-lowest-price", SpotAllocation::LowestPrice),
        ("spot-price-capacity", SpotAllocation::PriceCapacityOptimized),
    ];
    let spot = allocations.map(|(name, allocation)| (name, mixed().purchase(Purchase::Spot(allocation))));
    let windows = Windows::new(WindowsRelease::Server2025);
    let more = [
        ("amazon-linux-2", al2()),
        ("amazon-linux-2023", workers()),
        ("bottlerocket", workers().family(Bottlerocket::new())),
        ("ubuntu", workers().family(Ubuntu::new(UbuntuRelease::Noble))),
        ("ubuntu-dns", workers().family(Ubuntu::new(UbuntuRelease::Noble)).kubelet(Kubelet::new().cluster_dns([10, 0, 0, 2].into()))),
        ("windows", workers().family(windows)),
        ("ami", workers().image(Image::Ami("ami-0a1b2c3d4e5f60718".parse().expect("an id")))),
        ("aws-auth", workers().mapping(RoleMapping::AwsAuth)),
        ("hooks", workers().lifecycle_hook(hook()).lifecycle_hook(LifecycleHook::new("ready", Transition::Launching, 7200))),
        ("key-pair", workers().key_pair("my-key").session_manager(true).extra_policy("arn:aws:iam::123456789012:policy/own")),
        ("mixed", mixed()),
        ("several-types", mixed().purchase(Purchase::OnDemand)),
        ("warm-up", workers().instance_warmup(120).metadata_hop_limit(2)),
        ("zones", workers().group_per_zone(true)),
        ("zones-mixed", mixed().group_per_zone(true).lifecycle_hook(hook()).instance_warmup(0).prefix_delegation(true)),
    ];
    spot.into_iter().chain(more).collect()
}

#[test]
fn instances_start_from_templates_that_are_safe() {
    for (option, spec) in specs() {
        let spec = spec.build().unwrap_or_else(|error| panic!("{option}: {error}"));
        for step in ["nodes/chap10-worker/base", "nodes/chap10-worker"] {
            let template = template(&spec, step);
            assert!(!template.to_string().contains("LaunchConfiguration"), "{option}");
        }
        let template = template(&spec, "nodes/chap10-worker");
        let data = &template["Resources"]["NodeLaunchTemplate"]["Properties"]["LaunchTemplateData"];
        assert_eq!(data["MetadataOptions"]["HttpTokens"], "required", "{option}");
        assert_eq!(data["MetadataOptions"]["HttpPutResponseHopLimit"], if option == "warm-up" { 2 } else { 1 }, "{option}");
        let volumes = data["BlockDeviceMappings"].as_array().expect("volumes");
        assert!(volumes.iter().all(|volume| volume["Ebs"]["Encrypted"] == true && volume["Ebs"]["VolumeType"] == "gp3"), "{option}");
        let devices: Vec<_> = volumes.iter().filter_map(|volume| volume["DeviceName"].as_str()).collect();
        let expected: &[&str] = match option {
            "bottlerocket" => &["/dev/xvda", "/dev/xvdb"],
            "ubuntu" | "ubuntu-dns" | "windows" => &["/dev/sda1"],
            _ => &["/dev/xvda"],
        };
        assert_eq!(devices, expected, "{option}");
        for specification in data["TagSpecifications"].as_array().expect("tags") {
            let owned = |tag: &Value| tag["Key"] == "eks-rs/owner" && tag["Value"] == "chap10";
            assert!(specification["Tags"].as_array().expect("tags").iter().any(owned), "{option}");
        }
        let entry = &template["Resources"]["NodeAccessEntry"]["Properties"]["Type"];
        let kind = match option {
            "aws-auth" => Value::Null,
            "windows" => json!("EC2_WINDOWS"),
            _ => json!("EC2_LINUX"),
        };
        assert_eq!(*entry, kind, "{option}");
    }
}

#[test]
fn several_types_are_a_mixed_instances_policy() {
    let template = group(mixed().lifecycle_hook(hook()).instance_warmup(120));
    let group = &template["Resources"]["NodeGroup"]["Properties"];
    assert_eq!(group["LaunchTemplate"], Value::Null, "one or the other");
    assert_eq!(
        group["MixedInstancesPolicy"]["InstancesDistribution"],
        json!({
            "OnDemandAllocationStrategy": "prioritized",
            "OnDemandBaseCapacity": 1,
            "OnDemandPercentageAboveBaseCapacity": 25,
            "SpotAllocationStrategy": "price-capacity-optimized",
        })
    );
    assert_eq!(
        group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"],
        json!([{"InstanceType": "m5.large"}, {"InstanceType": "m6i.large"}, {"InstanceType": "m5a.large"}])
    );
    assert_eq!((&group["CapacityRebalance"], &group["DefaultInstanceWarmup"]), (&json!(true), &json!(120)));
    assert_eq!(
        group["LifecycleHookSpecificationList"],
        json!([{
            "LifecycleHookName": "drain",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "HeartbeatTimeout": 300,
            "DefaultResult": "CONTINUE",
        }])
    );
    let spec = mixed().lifecycle_hook(hook()).build().expect("valid");
    let text = plan(&spec).to_string();
    assert!(text.contains("2 × m5.large or 2 other types, Spot but for 1 and 25 % of the others (2–3)"), "{text}");
    assert!(text.contains("PutLifecycleHook"), "{text}");
}

#[test]
fn zones_may_have_groups_of_their_own() {
    let spec = workers().group_per_zone(true).build().expect("valid");
    let template = template(&spec, "nodes/chap10-worker");
    for (place, id) in ["NodeGroupUsEast1a", "NodeGroupUsEast1b"].into_iter().enumerate() {
        let group = &template["Resources"][id];
        assert_eq!(group["Properties"]["VPCZoneIdentifier"], json!([{"Fn::Select": [place, {"Ref": "Subnets"}]}]));
        assert_eq!(group["DependsOn"], json!(["NodeAccessEntry"]));
    }
    let outputs = &template["Outputs"];
    assert_eq!(
        outputs["NodeAutoScalingGroup"]["Value"],
        json!({"Fn::Join": [",", [{"Ref": "NodeGroupUsEast1a"}, {"Ref": "NodeGroupUsEast1b"}]]})
    );
    assert_eq!(outputs["NodeZones"]["Value"], "us-east-1a,us-east-1b");
    assert_eq!(spec.refs().desired, 4, "two in each zone");
    let plan = plan(&spec);
    assert!(plan.to_string().contains("2 × t3.medium (2–3) in each of 2 zones"), "{plan}");
    assert!((plan.usd_per_month() - 2.0 * 63.936).abs() < 1e-9);
}

#[test]
fn what_is_too_large_or_wrong_is_refused() {
    let codes = |spec: WorkersSpecBuilder| {
        let error = spec.build().expect_err("wrong");
        error.problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    let many = |count: usize| {
        let mut wide = network().private();
        wide.subnets = ["a", "b", "c", "d", "e", "f"]
            .map(|letter| SubnetRef {
                zone: format!("us-east-1{letter}").parse().expect("a zone"),
                ..refs::subnet(Tier::Private, &format!("us-east-1{letter}"))
            })
            .into();
        let spec = WorkersSpec::builder(&owner(), name("chap10-worker"), cluster(), wide).group_per_zone(true);
        (0..count)
            .fold(spec, |spec, n| spec.lifecycle_hook(LifecycleHook::new(format!("{n}{}", "x".repeat(200)), Transition::Launching, 30)))
    };
    assert_eq!(codes(many(50)), ["template-size"]);
    assert_eq!(codes(workers().lifecycle_hook(LifecycleHook::new("a b", Transition::Launching, 10))), ["hook-name", "hook-heartbeat"]);
    assert_eq!(codes(workers().lifecycle_hook(hook()).lifecycle_hook(hook())), ["hook-twice"]);
    let percent = Purchase::Mixed { on_demand_base: 0, on_demand_percent: 101, allocation: SpotAllocation::default() };
    assert_eq!(codes(workers().purchase(percent)), ["on-demand-percent"]);
    let amazon = mixed().group_per_zone(true).instance_warmup(1).lifecycle_hook(hook()).prefix_delegation(true);
    let amazon = amazon.kubelet(Kubelet::new().image_gc(1, 2)).amazon_template(NodeGroup2025::new("my-key".to_owned()));
    assert_eq!(codes(amazon), ["amazon-template"; 7]);
    let hooks = (0..51).fold(workers(), |spec, n| spec.lifecycle_hook(LifecycleHook::new(format!("h{n}"), Transition::Launching, 30)));
    assert_eq!(codes(hooks), ["hook-count"]);
    assert!(workers().capacity(Capacity::new(0, 0, 1).expect("sizes")).build().is_ok());
}

/// The Python of a virtual environment below `target/` with the linter; made once.
fn linter() -> std::path::PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cfn-lint");
    let (program, complete) = (directory.join("bin/cfn-lint"), directory.join("complete"));
    if fs::read_to_string(&complete).is_ok_and(|installed| installed == CFN_LINT) {
        return program;
    }
    let run = |command: &mut Command| assert!(command.status().expect("a program").success(), "{command:?}");
    run(Command::new("python3").args(["-m", "venv"]).arg(&directory));
    run(Command::new(directory.join("bin/python")).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", CFN_LINT]));
    fs::write(&complete, CFN_LINT).expect("writable");
    program
}

#[test]
#[ignore = "needs Python 3 and PyPI; run by .ci/run and by `cargo test --test templates -- --ignored`"]
fn cfn_lint_finds_nothing() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    fs::create_dir_all(&directory).expect("writable");
    let write = |file: &str, template: &Value| {
        let path = directory.join(file);
        fs::write(&path, template.to_string()).expect("writable");
        path
    };
    let mut paths = Vec::new();
    for (option, spec) in specs() {
        let spec = spec.build().expect("valid");
        paths.push(write(&format!("{option}.json"), &template(&spec, "nodes/chap10-worker")));
        paths.push(write(&format!("{option}-base.json"), &template(&spec, "nodes/chap10-worker/base")));
    }
    let linter = linter();
    let output = Command::new(&linter).args(["--format", "parseable", "--"]).args(&paths).output().expect("installed");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.trim().is_empty(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    // A linter that finds nothing anywhere would prove nothing.
    let mut wrong: Value = serde_json::from_str(&fs::read_to_string(directory.join("mixed.json")).expect("written")).expect("JSON");
    wrong["Resources"]["NodeGroup"]["Properties"]["CapacityRebalance"] = json!("sometimes");
    let path = write("wrong.json", &wrong);
    let output = Command::new(&linter).args(["--format", "parseable", "--"]).arg(&path).output().expect("installed");
    assert!(String::from_utf8_lossy(&output.stdout).contains(":E3012:"), "{}", String::from_utf8_lossy(&output.stdout));
}
