//! Rules and plans of managed workers, without an account.

mod refs;

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Action, Plan, Ref, RoleArn};
use eks_nodes::{
    AmazonLinux2, AmazonLinux2023, Bottlerocket, Capacity, EvictionSignal, Family, GroupIssue, GroupName, GroupOp, GroupScaling,
    GroupStatus, Image, IssueCode, Kubelet, LifecycleHook, LocalStorage, Managed, Mirror, NodeGroup, NodeGroup2025, NodeRepair, Observed,
    Purchase, RoleMapping, Scope, Share, SpotAllocation, Stack, StackStatus, TEMPLATE_TAG, TaintEffect, TemplateSource, Transition, Ubuntu,
    UbuntuRelease, UpdateStrategy, Windows, WindowsRelease, WorkersOp, WorkersSpec, WorkersSpecBuilder,
};
use refs::{key, owner, workers};

fn managed() -> WorkersSpecBuilder {
    workers().managed(Managed::new())
}

fn codes(builder: WorkersSpecBuilder) -> Vec<&'static str> {
    let error = builder.build().expect_err("a rule is broken");
    for problem in &error.problems {
        assert!(!problem.remedy.is_empty() && !problem.rule.is_empty(), "{problem}");
    }
    error.problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn what_eks_has_no_word_for_is_refused_by_name() {
    let taints = |builder: WorkersSpecBuilder| {
        (0..51).fold(builder, |builder, number| builder.taint(format!("k{number}"), "", TaintEffect::NoSchedule))
    };
    let role: RoleArn = "arn:aws:iam::123456789012:role/nodes".parse().expect("an ARN");
    let table: Vec<(WorkersSpecBuilder, &str)> = vec![
        (managed().group_per_zone(true), "managed-scaling"),
        (managed().instance_warmup(60), "managed-scaling"),
        (managed().lifecycle_hook(LifecycleHook::new("h", Transition::Terminating, 60)), "managed-scaling"),
        (managed().amazon_template(NodeGroup2025::new("my-key".to_owned())), "managed-scaling"),
        (managed().image(Image::Ami("ami-0123456789abcdef0".parse().expect("an id"))), "managed-image"),
        (managed().image(Image::Parameter("/x".to_owned())), "managed-image"),
        (managed().family(Ubuntu::new(UbuntuRelease::Noble)), "managed-family"),
        (managed().family(AmazonLinux2023::new().release("v20261118")), "managed-release"),
        (managed().family(Bottlerocket::new().version("1.52.0")), "managed-release"),
        (workers().managed(Managed::new().release("latest")), "managed-release"),
        (managed().purchase(Purchase::Spot(SpotAllocation::LowestPrice)), "managed-purchase"),
        (
            managed().purchase(Purchase::Mixed { on_demand_base: 1, on_demand_percent: 50, allocation: SpotAllocation::default() }),
            "managed-purchase",
        ),
        (managed().label("eks.amazonaws.com/x", "v"), "managed-label"),
        (taints(managed()), "managed-taints"),
        (managed().instance_types((0..21).map(|number| format!("m5.{}xlarge", number + 2))), "managed-instance-types"),
        (managed().family(Windows::new(WindowsRelease::Server2022)).max_pods(50), "managed-kubelet"),
        (managed().family(Windows::new(WindowsRelease::Server2022)).kubelet(Kubelet::new().image_gc(50, 60)), "managed-kubelet"),
        (managed().max_pods(200), "managed-max-pods"),
        (workers().managed(Managed::new().max_unavailable(Share::Nodes(101))), "managed-share"),
        (workers().managed(Managed::new().max_unavailable(Share::Percent(0))), "managed-share"),
        (workers().managed(Managed::new().node_repair(NodeRepair::new().parallel(Share::Nodes(0)))), "managed-share"),
        (workers().managed(Managed::new().role(role)).session_manager(true), "managed-role"),
        (managed().family(AmazonLinux2::new()), "image-version"),
    ];
    for (builder, code) in table {
        assert_eq!(codes(builder), [code]);
    }
    let all = managed().group_per_zone(true).instance_warmup(60).purchase(Purchase::Spot(SpotAllocation::LowestPrice));
    assert_eq!(codes(all), ["managed-scaling", "managed-scaling", "managed-purchase"], "all at once");
    assert!(managed().max_pods(200).instance_type("m5.8xlarge").build().is_ok(), "32 processors");
    assert_eq!(managed().build().expect("valid").mapping(), RoleMapping::None, "EKS lets the role in");
}

fn nothing(spec: &WorkersSpec) -> Observed {
    Observed::new(&owner(), Scope::of([spec]), []).expect("no two")
}

fn findings(plan: &Plan) -> String {
    plan.findings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn op(plan: &Plan) -> GroupOp {
    let op = plan.step("nodes/chap10-worker").expect("a step").op.decode::<WorkersOp>().expect("an operation");
    let WorkersOp::Group { group } = op else { panic!("{op:?}") };
    *group
}

fn base(plan: &Plan) -> String {
    let op = plan.step("nodes/chap10-worker/base").expect("a step").op.decode::<WorkersOp>().expect("an operation");
    let WorkersOp::CreateStack { stack } = op else { panic!("{op:?}") };
    let TemplateSource::Body(text) = stack.template else { panic!("a body") };
    text
}

#[test]
fn a_group_stands_on_a_role_and_a_launch_template() {
    let spec = managed().label("team", "books").taint("k", "v", TaintEffect::NoExecute).build().expect("valid");
    let plan = spec.plan(&nothing(&spec)).expect("a plan");
    assert_eq!(plan.steps().iter().map(|step| step.key.as_str()).collect::<Vec<_>>(), ["nodes/chap10-worker/base", "nodes/chap10-worker"]);
    let GroupOp::Create { group } = op(&plan) else { panic!("creates") };
    assert_eq!(
        (group.ami_type.as_str(), group.spot, group.scaling),
        ("AL2023_x86_64_STANDARD", false, GroupScaling { min: 2, max: 3, desired: 2 })
    );
    assert_eq!(group.labels["team"], "books");
    assert_eq!(group.labels["eks-rs/workers"], "chap10-worker");
    assert_eq!(group.taints.iter().map(ToString::to_string).collect::<Vec<_>>(), ["k=v:NoExecute"]);
    let needs: Vec<_> = plan.step("nodes/chap10-worker").expect("a step").needs.iter().map(|key| key.as_str()).collect();
    for need in ["nodes/chap10-worker/base", "cluster/control-plane", "cluster/addon/vpc-cni", "net/subnet/private/us-east-1a"] {
        assert!(needs.contains(&need), "{need} of {needs:?}");
    }
    let text = base(&plan);
    for there in ["\"Encrypted\":true", "\"HttpTokens\":\"required\"", "\"HttpPutResponseHopLimit\":1", "AmazonEKSWorkerNodePolicy"] {
        assert!(text.contains(there), "{there}: {text}");
    }
    assert!(!text.contains("UserData"), "nothing is said to the node: {text}");
    assert!(plan.to_string().contains("2 × t3.medium (2–3), managed by EKS"), "{plan}");
    let refs = spec.refs();
    assert_eq!(refs.running, [key("nodes/chap10-worker")]);
    assert_eq!(refs.role.step(), Some(&key("nodes/chap10-worker/base")));
    // The price is that of the same workers by CloudFormation.
    let own = workers().build().expect("valid");
    let other = own.plan(&nothing(&own)).expect("a plan");
    assert!((plan.usd_per_month() - other.usd_per_month()).abs() < 1e-9);
}

#[test]
fn what_the_api_has_no_word_for_goes_into_user_data() {
    let kubelet = || Kubelet::new().eviction_hard(EvictionSignal::MemoryAvailable, "5%");
    let user_data = |family: Family| {
        let spec = managed().family(family).kubelet(kubelet()).max_pods(50).label("a", "b").build().expect("valid");
        let text = base(&spec.plan(&nothing(&spec)).expect("a plan"));
        let template: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let data = &template["Resources"]["NodeLaunchTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"];
        data.as_str().expect("user data").to_owned()
    };
    let al2023 = user_data(AmazonLinux2023::new().local_storage(LocalStorage::Raid0).mirror(Mirror::new("docker.io", "https://m")).into());
    assert!(al2023.starts_with("MIME-Version: 1.0\nContent-Type: multipart/mixed"), "{al2023}");
    let (_, config) = al2023.split_once("application/node.eks.aws\n\n").expect("a part");
    let config: serde_json::Value = serde_json::from_str(config.trim_end_matches("--//--\n")).expect("JSON");
    assert_eq!(config["spec"]["kubelet"]["config"]["maxPods"], 50);
    assert_eq!(config["spec"]["instance"]["localStorage"]["strategy"], "RAID0");
    assert!(config["spec"].get("cluster").is_none() && config["spec"]["kubelet"].get("flags").is_none(), "EKS tells these: {config}");
    assert!(al2023.contains("/etc/containerd/certs.d/docker.io"));
    let bottlerocket = user_data(Bottlerocket::new().admin_container(true).into());
    let document: toml::Table = bottlerocket.parse().expect("TOML");
    let kubernetes = document["settings"]["kubernetes"].as_table().expect("a table");
    assert_eq!(kubernetes["max-pods"].as_integer(), Some(50));
    assert_eq!(kubernetes["eviction-hard"]["memory.available"].as_str(), Some("5%"));
    for told_by_eks in ["cluster-name", "api-server", "cluster-certificate", "node-labels", "node-taints"] {
        assert!(!kubernetes.contains_key(told_by_eks), "{told_by_eks}");
    }
}

/// Stack and group as they stand after a plan was applied.
fn standing(spec: &WorkersSpec, change: impl FnOnce(&mut NodeGroup)) -> Observed {
    let plan = spec.plan(&nothing(spec)).expect("a plan");
    let GroupOp::Create { group } = op(&plan) else { panic!("creates") };
    let decoded = plan.step("nodes/chap10-worker/base").expect("a step").op.decode::<WorkersOp>().expect("an operation");
    let WorkersOp::CreateStack { stack } = decoded else { panic!("creates") };
    let TemplateSource::Body(text) = &stack.template else { panic!("a body") };
    let template: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    let mut tags: BTreeMap<_, _> = owner().tags(&key("nodes/chap10-worker/base")).into_iter().collect();
    tags.insert(TEMPLATE_TAG.to_owned(), format!("{hash:032x}"));
    let digest = template["Outputs"]["NodeLaunchTemplateDigest"]["Value"].as_str().expect("a digest").to_owned();
    let role = "arn:aws:iam::123456789012:role/nodes";
    let outputs = [("NodeInstanceRole", role), ("NodeLaunchTemplate", "lt-1"), ("NodeLaunchTemplateVersion", "1")];
    let mut outputs: BTreeMap<_, _> = outputs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    outputs.insert("NodeLaunchTemplateDigest".to_owned(), digest);
    let value = |argument: &eks_nodes::Argument| argument.references()[0].known().expect("known").clone();
    let stack = Stack {
        name: stack.name.to_string(),
        id: "arn:aws:cloudformation:us-east-1:123456789012:stack/base/1".to_owned(),
        status: StackStatus::CreateComplete,
        reason: None,
        parameters: stack.parameters.iter().map(|(name, argument)| (name.clone(), value(argument))).collect(),
        outputs,
        tags,
    };
    let mut found = NodeGroup {
        name: GroupName { cluster: group.cluster.to_string(), name: group.name.to_string() },
        arn: "arn:aws:eks:us-east-1:123456789012:nodegroup/chap10/chap10-worker/1".to_owned(),
        status: GroupStatus::Active,
        issues: Vec::new(),
        version: "1.35".to_owned(),
        release: "1.35.0-20261117".to_owned(),
        ami_type: group.ami_type,
        instance_types: group.instance_types,
        capacity_type: "ON_DEMAND".to_owned(),
        role: role.to_owned(),
        subnets: BTreeSet::from(["subnet-1".to_owned()]),
        scaling: group.scaling,
        labels: group.labels,
        taints: group.taints,
        max_unavailable: group.max_unavailable,
        strategy: group.strategy,
        repair: group.repair,
        template: Some(("lt-1".to_owned(), "1".to_owned())),
        scaling_group: Some("eks-chap10-worker-1".to_owned()),
        tags: owner().tags(&key("nodes/chap10-worker")).into_iter().collect(),
    };
    change(&mut found);
    Observed::new(&owner(), Scope::of([spec]), [stack]).expect("no two").with_groups([found]).expect("no two")
}

const NEWEST: &str = "release: 1.35.0-20261117 → the newest of 1.35; release() pins it";

fn as_is(_: &mut NodeGroup) {}

#[test]
fn what_stands_is_kept_whatever_an_autoscaler_did() {
    let spec = managed().build().expect("valid");
    assert!(spec.plan(&standing(&spec, as_is)).expect("a plan").is_noop());
    let plan = spec.plan(&standing(&spec, |group| group.scaling.desired = 3)).expect("a plan");
    assert!(plan.is_noop(), "{plan}");
    assert!(findings(&plan).contains("3 nodes, as an autoscaler or somebody left it"), "{plan}");
    let step = plan.step("nodes/chap10-worker").expect("a step");
    assert_eq!(step.outputs["NodeAutoScalingGroup"], "eks-chap10-worker-1");
}

#[test]
fn each_setting_changes_in_place_and_each_image_rolls() {
    let spec = managed().label("a", "1").taint("k", "v", TaintEffect::NoSchedule).build().expect("valid");
    let now = standing(&spec, as_is);
    let with = |settings: Managed| workers().label("a", "1").taint("k", "v", TaintEffect::NoSchedule).managed(settings);
    let same = || with(Managed::new());
    let table: Vec<(WorkersSpecBuilder, &str, bool)> = vec![
        (same().capacity(Capacity::new(1, 1, 4).expect("in order")), "size: 2–3 → 1–4", false),
        (same().label("b", "2"), "label b: none → 2", false),
        (workers().managed(Managed::new()).label("a", "1"), "taint k=v:NoSchedule: goes", false),
        (workers().managed(Managed::new()).taint("k", "v", TaintEffect::NoSchedule), "label a: goes", false),
        (same().taint("k", "v", TaintEffect::NoExecute), "taint k=v:NoExecute: comes", false),
        (with(Managed::new().max_unavailable(Share::Percent(50))), "unavailable in updates: 1 DEFAULT → 50 % DEFAULT", false),
        (with(Managed::new().update_strategy(UpdateStrategy::Minimal)), "unavailable in updates: 1 DEFAULT → 1 MINIMAL", false),
        (with(Managed::new().node_repair(NodeRepair::new())), "node repair: off → on", false),
        (with(Managed::new().release("1.35.9-20261201")), "release: 1.35.0-20261117 → 1.35.9-20261201", true),
        (same().volume_gib(40), "launch template: version 1 → the stack's next one", true),
        (same().metadata_hop_limit(2), "launch template: version 1 → the stack's next one", true),
        (same().kubelet(Kubelet::new().image_gc(50, 60)), "launch template: version 1 → the stack's next one", true),
    ];
    for (builder, change, rolls) in table {
        let plan = builder.build().expect("valid").plan(&now).expect("a plan");
        let step = plan.step("nodes/chap10-worker").expect("a step");
        // Without a pinned release a roll takes the newest one.
        let newest = (rolls && change.starts_with("launch template")).then(|| NEWEST.to_owned());
        let changes: Vec<_> = [change.to_owned()].into_iter().chain(newest).collect();
        assert_eq!((step.action, &step.changes), (Action::Update, &changes));
        assert_eq!(plan.to_string().contains("replaces every node: 2 in rounds of 1"), rolls, "{change}: {plan}");
        let GroupOp::Update { update, .. } = op(&plan) else { panic!("updates") };
        assert_eq!(update.roll.is_some(), rolls, "{change}");
        if rolls {
            assert!(step.typical.as_secs() >= 300, "a roll of two nodes takes minutes");
        }
    }
    // A policy of the role is the stack's affair alone.
    let plan = same().session_manager(true).build().expect("valid").plan(&now).expect("a plan");
    assert_eq!(plan.step("nodes/chap10-worker").map(|step| step.action), Some(Action::Keep));
    assert_eq!(plan.step("nodes/chap10-worker/base").map(|step| step.action), Some(Action::Update));
    // A run that died between stack and group goes on.
    let behind = standing(&spec, |group| group.template = Some(("lt-1".to_owned(), "0".to_owned())));
    let plan = spec.plan(&behind).expect("a plan");
    assert_eq!(plan.step("nodes/chap10-worker").expect("a step").changes, ["launch template: version 0 → 1", NEWEST]);
}

#[test]
fn what_never_changes_in_a_group_is_refused_with_the_way_round() {
    let spec = managed().build().expect("valid");
    let refused = |builder: WorkersSpecBuilder, change: fn(&mut NodeGroup)| {
        let error = builder.build().expect("valid").plan(&standing(&spec, change)).expect_err("refused").to_string();
        assert!(error.ends_with("; give the new workers another name, drain the old ones, then remove them"), "{error}");
        error
    };
    assert!(refused(managed().instance_type("m5.large"), as_is).contains("has instance types t3.medium, and m5.large is wanted"));
    assert!(refused(managed().family(Bottlerocket::new()), as_is).contains("has AMI type AL2023_x86_64_STANDARD, and BOTTLEROCKET_x86_64"));
    let spot = managed().purchase(Purchase::Spot(SpotAllocation::default()));
    assert!(refused(spot, as_is).contains("has capacity type ON_DEMAND, and SPOT is wanted"));
    assert!(refused(managed(), |group| group.role.push('2')).contains("has role"));
    let from_elsewhere = Managed::new().role(Ref::output(key("cluster/role/nodes"), "arn"));
    assert!(refused(workers().managed(from_elsewhere), as_is).contains("and cluster/role/nodes's is wanted"), "its own role would go");
    assert!(refused(managed(), |group| group.template = None).contains("has launch template none, and lt-1 is wanted"));
    assert!(refused(managed(), |group| group.version = "1.36".to_owned()).contains("EKS never takes a group back to 1.35"));
    let workers_of_a_stack = workers().build().expect("valid").plan(&standing(&spec, as_is)).expect_err("refused");
    assert!(workers_of_a_stack.to_string().contains("is what a managed node group of this name stands on"), "{workers_of_a_stack}");
}

#[test]
fn every_state_is_decided() {
    let spec = managed().build().expect("valid");
    let issue = || GroupIssue { code: IssueCode::InstanceLimitExceeded, message: "No more.".to_owned(), resources: Vec::new() };
    let plan = |status: GroupStatus| {
        spec.plan(&standing(&spec, |group| {
            group.status = status;
            group.issues = vec![issue()];
        }))
    };
    for (status, expected) in [
        (GroupStatus::Active, "Keep"),
        (GroupStatus::Degraded, "Keep"),
        (GroupStatus::CreateFailed, "Replace"),
        (GroupStatus::Creating, "Await"),
        (GroupStatus::Updating, "Await"),
        (GroupStatus::Deleting, "Recreate"),
    ] {
        let plan = plan(status).expect("a plan");
        let told = format!("{:?}", op(&plan));
        assert!(told.starts_with(expected), "{status}: {told}");
    }
    let waits = plan(GroupStatus::Updating).expect("a plan").step("nodes/chap10-worker").expect("a step").typical;
    assert!(waits.as_secs() >= 300, "what is under way may be a roll: {waits:?}");
    let degraded = findings(&plan(GroupStatus::Degraded).expect("a plan"));
    assert!(degraded.contains("EKS finds: InstanceLimitExceeded: No more; ask for a higher quota of vCPUs"), "{degraded}");
    let failed = plan(GroupStatus::CreateFailed).expect("a plan");
    let step = failed.step("nodes/chap10-worker").expect("a step");
    assert!(step.changes[0].starts_with("deletes what is left of the failed creation first: InstanceLimitExceeded"), "{:?}", step.changes);
    for status in [GroupStatus::DeleteFailed, GroupStatus::Unknown] {
        assert!(plan(status).expect_err("refused").to_string().ends_with("; tear it down first"), "{status}");
    }
    let others = spec.plan(&standing(&spec, |group| group.tags.clear())).expect_err("refused");
    assert!(others.to_string().contains("exists already, and is not this plan's"), "{others}");
}
