//! Planning, without an account.

mod refs;

use std::collections::BTreeMap;

use eks_core::{Action, AuthenticationMode, Error, Owner, Plan, Ref, Tier};
use eks_nodes::{
    Architecture, Bottlerocket, Capacity, Date, GroupSize, Image, NodeGroup2018, NodeGroup2025, Observed, RoleMapping, Scope, Stack,
    StackStatus, TEMPLATE_TAG, TaintEffect, TemplateParameter, TemplateSummary, Ubuntu, UbuntuRelease, Windows, WindowsRelease, WorkersOp,
    WorkersSpec,
};
use proptest::prelude::*;
use refs::{cluster, key, name, network, owner, workers};

fn nothing(spec: &WorkersSpec) -> Observed {
    Observed::new(&owner(), Scope::of([spec]), []).expect("no two")
}

/// The stack as it stands after `plan` was applied: outputs of other layers are `told`.
fn standing(plan: &Plan, step: &str, status: StackStatus) -> Stack {
    let op = plan.step(step).expect("a step").op.decode::<WorkersOp>().expect("an operation");
    let WorkersOp::CreateStack { stack } = op else { panic!("{op:?}") };
    let outputs = ["NodeInstanceProfile", "NodeInstanceRole", "NodeSecurityGroup"];
    let value = |reference: &Ref<String>| match reference {
        Ref::Known(value) => value.clone(),
        Ref::Output(output) => format!("{}#{}", output.step, output.name),
    };
    let mut tags: BTreeMap<_, _> = owner().tags(&key(step)).into_iter().collect();
    let eks_nodes::TemplateSource::Body(_) = &stack.template else { panic!("a body") };
    tags.insert(TEMPLATE_TAG.to_owned(), plan_fingerprint(&stack.template));
    Stack {
        name: stack.name.to_string(),
        id: format!("arn:aws:cloudformation:us-east-1:123456789012:stack/{}/1", stack.name),
        status,
        reason: None,
        parameters: stack
            .parameters
            .iter()
            .map(|(name, argument)| (name.clone(), argument.references().iter().map(value).collect::<Vec<_>>().join(",")))
            .collect(),
        outputs: outputs.iter().map(|name| ((*name).to_owned(), format!("nodes/chap10-worker/base#{name}"))).collect(),
        tags,
    }
}

/// FNV-1a, written a second time on purpose: the tag is an interface between versions.
fn plan_fingerprint(template: &eks_nodes::TemplateSource) -> String {
    let eks_nodes::TemplateSource::Body(text) = template else { panic!("a body") };
    let hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    format!("{hash:032x}")
}

fn both(spec: &WorkersSpec, base: StackStatus, group: StackStatus) -> Vec<Stack> {
    let plan = spec.plan(&nothing(spec)).expect("a plan");
    vec![standing(&plan, "nodes/chap10-worker/base", base), standing(&plan, "nodes/chap10-worker", group)]
}

fn observed(spec: &WorkersSpec, stacks: Vec<Stack>) -> Observed {
    Observed::new(&owner(), Scope::of([spec]), stacks).expect("no two")
}

fn actions(plan: &Plan) -> Vec<Action> {
    plan.steps().iter().map(|step| step.action).collect()
}

#[test]
fn the_chapter() {
    let spec = workers().build().expect("valid");
    let plan = spec.plan(&nothing(&spec)).expect("a plan");
    insta::assert_snapshot!(plan.to_string(), @r#"
    plan for chap10: 2 to create, 0 to update, 0 as they should be
    about 3m 00s on the critical path, $63.94 a month ($63.94 of it new), 55 IAM actions

    nodes
      + nodes/chap10-worker/base  role, instance profile and security group of workers chap10-worker (2m 10s)
      + nodes/chap10-worker       2 × t3.medium (2–3) (50s)

    to review
      · nodes/chap10-worker: Amazon Linux 2023 gets updates until 2029-06-30
      · nodes/chap10-worker: Kubernetes 1.35 gets updates until 2028-03-27

    critical path
      nodes/chap10-worker/base 2m 10s
      → nodes/chap10-worker 50s

    cost a month (on demand, us-east-1, before traffic)
          60.74  2 × t3.medium instance
           3.20  2 × gp3 volume of 20 GiB
          63.94  together

    IAM actions
      autoscaling: CreateAutoScalingGroup CreateOrUpdateTags DeleteAutoScalingGroup DescribeAutoScalingGroups
          DescribeScalingActivities UpdateAutoScalingGroup
      cloudformation: CreateStack DeleteStack DescribeStackEvents DescribeStacks ListStackResources TagResource UpdateStack
      ec2: AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateLaunchTemplate CreateLaunchTemplateVersion
          CreateSecurityGroup CreateTags DeleteLaunchTemplate DeleteSecurityGroup DescribeImages DescribeInstances
          DescribeKeyPairs DescribeLaunchTemplateVersions DescribeLaunchTemplates DescribeSecurityGroupRules
          DescribeSecurityGroups DescribeSubnets DescribeVpcs RevokeSecurityGroupEgress RevokeSecurityGroupIngress
          RunInstances
      eks: CreateAccessEntry DeleteAccessEntry DescribeAccessEntry DescribeCluster TagResource
      iam: AddRoleToInstanceProfile AttachRolePolicy CreateInstanceProfile CreateRole CreateServiceLinkedRole
          DeleteInstanceProfile DeleteRole DetachRolePolicy GetInstanceProfile GetRole ListAttachedRolePolicies
          ListRolePolicies PassRole RemoveRoleFromInstanceProfile TagRole
      ssm: GetParameter GetParameters
    "#);
    let needs = |step: &str| plan.step(step).expect("a step").needs.iter().map(|key| key.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(needs("nodes/chap10-worker/base"), ["net/security-group/eks-control-plane", "net/vpc"], "nothing of the control plane");
    assert_eq!(
        needs("nodes/chap10-worker"),
        [
            "cluster/control-plane",
            "net/nat/us-east-1a",
            "net/route-table/private",
            "net/subnet/private/us-east-1a",
            "net/subnet/private/us-east-1b",
            "nodes/chap10-worker/base",
        ]
    );
    let saved = serde_json::to_string(&plan).expect("serialises");
    assert_eq!(serde_json::from_str::<Plan>(&saved).expect("reads back"), plan);
}

#[test]
fn refs_lead_to_the_role() {
    let refs = workers().build().expect("valid").refs();
    assert_eq!(refs.role.to_string(), "‹nodes/chap10-worker/base#NodeInstanceRole›");
    assert_eq!(refs.node_label, ("eks-rs/workers".to_owned(), "chap10-worker".to_owned()));
    assert_eq!((refs.desired, refs.running), (2, vec![key("nodes/chap10-worker")]));
}

#[test]
fn what_stands_is_kept() {
    let spec = workers().build().expect("valid");
    let plan = spec.plan(&observed(&spec, both(&spec, StackStatus::CreateComplete, StackStatus::UpdateComplete))).expect("a plan");
    assert!(plan.is_noop(), "{plan}");
    assert_eq!(
        plan.step("nodes/chap10-worker/base").expect("kept").outputs["NodeInstanceRole"],
        "nodes/chap10-worker/base#NodeInstanceRole"
    );
    assert!((plan.usd_per_month() - 63.936).abs() < 1e-9, "what is kept costs, too");
}

#[test]
fn what_differs_is_updated_field_by_field() {
    let spec = workers().build().expect("valid");
    let stacks = both(&spec, StackStatus::CreateComplete, StackStatus::CreateComplete);
    let wanted =
        workers().capacity(Capacity::new(1, 1, 3).expect("sizes")).instance_type("t3.large").label("team", "x").build().expect("valid");
    let plan = wanted.plan(&observed(&wanted, stacks)).expect("a plan");
    assert_eq!(actions(&plan), [Action::Keep, Action::Update]);
    insta::assert_snapshot!(plan.step("nodes/chap10-worker").expect("a step").changes.join("\n"), @r#"
    template: changed
    NodeAutoScalingGroupDesiredCapacity: 2 → 1
    NodeAutoScalingGroupMinSize: 2 → 1
    NodeInstanceType: t3.medium → t3.large
    "#);
    let findings: Vec<_> = plan.findings().iter().map(|finding| finding.message.as_str()).collect();
    assert!(findings.iter().any(|text| text.contains("terminates nodes without draining")), "{findings:?}");
}

#[test]
fn a_base_that_is_made_again_changes_what_stands_on_it() {
    let spec = workers().build().expect("valid");
    let stacks = both(&spec, StackStatus::CreateComplete, StackStatus::CreateComplete).split_off(1);
    let plan = spec.plan(&observed(&spec, stacks)).expect("a plan");
    assert_eq!(actions(&plan), [Action::Create, Action::Update]);
    let changes = &plan.step("nodes/chap10-worker").expect("a step").changes;
    assert_eq!(changes.len(), 3, "profile, role, group: {changes:?}");
}

#[test]
fn every_state_has_its_operation() {
    let spec = workers().build().expect("valid");
    for status in StackStatus::ALL {
        let plan = spec.plan(&observed(&spec, both(&spec, StackStatus::CreateComplete, *status)));
        let op = plan.map(|plan| plan.step("nodes/chap10-worker").expect("a step").op.decode::<WorkersOp>().expect("an operation"));
        let text = status.as_str();
        match op {
            Ok(WorkersOp::KeepStack { .. }) => assert!(text.ends_with("_COMPLETE"), "{text}"),
            Ok(WorkersOp::AwaitStack { .. }) => assert!(text.ends_with("_IN_PROGRESS"), "{text}"),
            Ok(WorkersOp::ReplaceStack { .. }) => {
                assert!(text == "CREATE_FAILED" || text.starts_with("ROLLBACK_") || text == "REVIEW_IN_PROGRESS", "{text}");
            }
            Ok(WorkersOp::RecreateStack { .. }) => assert_eq!(text, "DELETE_IN_PROGRESS"),
            Ok(WorkersOp::CreateStack { .. }) => assert_eq!(text, "DELETE_COMPLETE"),
            Ok(WorkersOp::RollBack { .. }) => assert_eq!(text, "UPDATE_FAILED"),
            Ok(WorkersOp::ContinueRollback { .. }) => assert_eq!(text, "UPDATE_ROLLBACK_FAILED"),
            Err(Error::Refused { .. }) => assert!(["DELETE_FAILED", "IMPORT_ROLLBACK_FAILED"].contains(&text), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn what_a_plan_deletes_or_waits_for_is_printed() {
    let spec = workers().build().expect("valid");
    let printed = |status| {
        let plan = spec.plan(&observed(&spec, both(&spec, StackStatus::CreateComplete, status))).expect("a plan");
        let text = plan.to_string();
        let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("  + ")).take_while(|line| !line.is_empty()).collect();
        lines.iter().map(|line| line.trim().replace("  ", "")).collect::<Vec<_>>().join("\n")
    };
    let states = [
        StackStatus::CreateFailed,
        StackStatus::RollbackComplete,
        StackStatus::RollbackInProgress,
        StackStatus::RollbackFailed,
        StackStatus::ReviewInProgress,
        StackStatus::DeleteInProgress,
    ];
    insta::assert_snapshot!(states.map(printed).join("\n"), @r#"
    + nodes/chap10-worker 2 × t3.medium (2–3), after what is left of a failed creation (50s)
    deletes what is left of the failed creation first: CREATE_FAILED
    + nodes/chap10-worker 2 × t3.medium (2–3), after what is left of a failed creation (50s)
    deletes what is left of the failed creation first: ROLLBACK_COMPLETE
    + nodes/chap10-worker 2 × t3.medium (2–3), after what is left of a failed creation (50s)
    deletes what is left of the failed creation first: ROLLBACK_IN_PROGRESS
    + nodes/chap10-worker 2 × t3.medium (2–3), after what is left of a failed creation (50s)
    deletes what is left of the failed creation first: ROLLBACK_FAILED
    + nodes/chap10-worker 2 × t3.medium (2–3), after a stack that was only reviewed (50s)
    deletes a stack of change sets without resources first: REVIEW_IN_PROGRESS
    + nodes/chap10-worker 2 × t3.medium (2–3), once the stack that is being deleted is gone (50s)
    waits first until the deletion that runs has ended: DELETE_IN_PROGRESS
    "#);
}

#[test]
fn what_could_not_be_deleted_is_left_to_a_teardown() {
    let spec = workers().build().expect("valid");
    let mut stacks = both(&spec, StackStatus::CreateComplete, StackStatus::DeleteFailed);
    stacks[1].reason = Some("The following resource(s) failed to delete: [NodeGroup].".to_owned());
    let error = spec.plan(&observed(&spec, stacks)).expect_err("instances may run");
    assert_eq!(
        error.to_string(),
        "stack chap10-worker: is in DELETE_FAILED and may still hold instances that run \
         (The following resource(s) failed to delete: [NodeGroup].); tear it down first"
    );
}

#[test]
fn others_stacks_are_refused() {
    let spec = workers().build().expect("valid");
    let mut stacks = both(&spec, StackStatus::CreateComplete, StackStatus::CreateComplete);
    stacks[1].tags.insert("eks-rs/owner".to_owned(), "other".to_owned());
    let error = spec.plan(&observed(&spec, stacks)).expect_err("not ours");
    assert_eq!(error.to_string(), "stack chap10-worker: exists already, and is not this plan's; choose another name, or delete that stack");
}

#[test]
fn a_group_cannot_move_to_another_cluster() {
    let spec = workers().build().expect("valid");
    let mut stacks = both(&spec, StackStatus::CreateComplete, StackStatus::CreateComplete);
    stacks[1].parameters.insert("ClusterName".to_owned(), "other".to_owned());
    let error = spec.plan(&observed(&spec, stacks)).expect_err("another cluster");
    assert!(error.to_string().contains("has ClusterName other, and chap10 is wanted"), "{error}");
}

#[test]
fn what_works_is_not_deleted_by_an_update() {
    let standing = |spec: &WorkersSpec, outputs: &[(&str, &str)]| {
        let mut stacks = both(spec, StackStatus::CreateComplete, StackStatus::UpdateComplete);
        stacks[1].outputs.extend(outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        observed(spec, stacks)
    };
    let refusal = |spec: &WorkersSpec, now: &Observed| spec.plan(now).err().map(|error| error.to_string()).unwrap_or_default();
    let (one, each) = (workers().build().expect("valid"), workers().group_per_zone(true).build().expect("valid"));
    let linux = [("NodeAccessEntryType", "EC2_LINUX")];
    let zones = |zones| [linux[0], ("NodeZones", zones)];
    for (spec, outputs) in [(&one, &linux[..]), (&each, &zones("us-east-1a,us-east-1b")), (&each, &zones("us-east-1a"))] {
        assert_eq!(refusal(spec, &standing(spec, outputs)), "");
    }
    assert!(refusal(&each, &standing(&each, &linux)).contains("one Auto Scaling group over all zones"));
    assert!(refusal(&one, &standing(&one, &zones("us-east-1a"))).contains("of its own in us-east-1a"));
    assert_eq!(
        refusal(&each, &standing(&each, &zones("us-east-1a,us-east-1c"))),
        "stack chap10-worker: has an Auto Scaling group of its own in us-east-1c, which an update would delete with its nodes, undrained; \
         give the new workers another name, drain the old ones, then remove them"
    );
    let windows = workers().family(Windows::new(WindowsRelease::Server2022)).build().expect("valid");
    let unmapped = workers().mapping(RoleMapping::AwsAuth).build().expect("valid");
    for spec in [windows, unmapped] {
        assert!(refusal(&spec, &standing(&spec, &linux)).contains("access entry of type EC2_LINUX"));
    }
    // A subnet that the group has and the spec has not: its nodes would be replaced.
    let mut wider = both(&one, StackStatus::CreateComplete, StackStatus::UpdateComplete);
    let subnets = wider[1].parameters.get_mut("Subnets").expect("a parameter");
    subnets.push_str(",subnet-0123456789abcdef0");
    assert!(refusal(&one, &observed(&one, wider)).contains("Auto Scaling replaces the nodes of what a group loses, undrained"));
    // Our template and Amazon's do not follow one another: the role that nodes run under would go.
    let amazon = workers().amazon_template(NodeGroup2025::new("my-key".to_owned())).build().expect("valid");
    assert!(refusal(&amazon, &standing(&one, &linux)).contains("is of another template"));
    let mut theirs = both(&one, StackStatus::CreateComplete, StackStatus::UpdateComplete);
    theirs[1].parameters.remove("NodeInstanceRole");
    assert!(refusal(&one, &observed(&one, theirs)).contains("is of another template"));
}

#[test]
fn what_was_not_observed_is_not_taken_to_be_absent() {
    let spec = workers().build().expect("valid");
    let other = WorkersSpec::builder(&owner(), name("chap10-v11"), cluster(), network().private()).build().expect("valid");
    assert!(spec.plan(&nothing(&other)).is_err());
    let seen = Observed::new(&owner(), Scope::of([&spec, &other]), []).expect("no two");
    assert_eq!(WorkersSpec::plan_all([&spec, &other], &seen).expect("a plan").steps().len(), 4);
    let stranger = Observed::new(&Owner::new("x").expect("a name"), Scope::of([&spec]), []).expect("no two");
    assert!(spec.plan(&stranger).is_err());
}

/// A template that declares what it is asked for.
fn summary(parameters: &[&str]) -> TemplateSummary {
    let declared = |name: &&str| ((*name).to_owned(), TemplateParameter { kind: "String".to_owned(), ..TemplateParameter::default() });
    TemplateSummary { parameters: parameters.iter().map(declared).collect(), ..TemplateSummary::default() }
}

#[test]
fn amazons_template_is_one_stack() {
    let template = NodeGroup2018::new(Ref::output(key("net/key-pair/my-key"), "name"), "ami-0a1b2c3d4e5f60718".parse().expect("an id"));
    let template = template.parameter("Extra", Ref::output(key("net/vpc"), "cidr"));
    let spec = workers().amazon_template(template).build().expect("valid");
    let url = "https://s3.us-west-2.amazonaws.com/amazon-eks/cloudformation/2018-12-10/amazon-eks-nodegroup.yaml";
    assert!(spec.plan(&nothing(&spec)).expect_err("nobody asked what it declares").to_string().contains("was not observed"));
    let declared = [
        "BootstrapArguments",
        "ClusterControlPlaneSecurityGroup",
        "ClusterName",
        "Extra",
        "KeyName",
        "NodeAutoScalingGroupDesiredCapacity",
        "NodeAutoScalingGroupMaxSize",
        "NodeAutoScalingGroupMinSize",
        "NodeGroupName",
        "NodeImageId",
        "NodeInstanceType",
        "NodeVolumeSize",
        "Subnets",
        "VpcId",
    ];
    let seen = nothing(&spec).with_template(url, summary(&declared));
    let plan = spec.plan(&seen).expect("a plan");
    assert_eq!(plan.steps().len(), 1);
    let WorkersOp::CreateStack { stack } = plan.steps()[0].op.decode().expect("an operation") else { panic!("a creation") };
    let parameters: Vec<_> = stack.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    insta::assert_snapshot!(parameters.join("\n"), @r#"
    BootstrapArguments=--kubelet-extra-args '--node-labels=eks-rs/workers=chap10-worker'
    ClusterControlPlaneSecurityGroup=‹net/security-group/eks-control-plane›
    ClusterName=chap10
    Extra=‹net/vpc#cidr›
    KeyName=‹net/key-pair/my-key#name›
    NodeAutoScalingGroupDesiredCapacity=2
    NodeAutoScalingGroupMaxSize=3
    NodeAutoScalingGroupMinSize=2
    NodeGroupName=chap10-worker
    NodeImageId=ami-0a1b2c3d4e5f60718
    NodeInstanceType=t3.medium
    NodeVolumeSize=20
    Subnets=‹net/subnet/private/us-east-1a›,‹net/subnet/private/us-east-1b›
    VpcId=‹net/vpc›
    "#);
    assert!(plan.steps()[0].needs.contains(&key("net/key-pair/my-key")));
    assert_eq!(spec.refs().role.to_string(), "‹nodes/chap10-worker#NodeInstanceRole›");
    assert!(!plan.to_string().contains("launch configuration"), "this one declares none");
}

/// Both as the stack's tag and its parameter tell: what the spec said before, and how large the group is.
#[test]
fn a_size_that_somebody_moved_stays() {
    let built = |capacity, gib| workers().capacity(capacity).volume_gib(gib).build().expect("valid");
    let capacity = |min, desired, max| Capacity::new(min, desired, max).expect("sizes");
    let before = built(capacity(1, 2, 6), 20);
    let group = |desired| GroupSize { name: "asg".to_owned(), desired };
    let now = |spec: &WorkersSpec, sizes: Vec<GroupSize>| {
        let stacks = both(&before, StackStatus::CreateComplete, StackStatus::CreateComplete);
        observed(spec, stacks).with_sizes("chap10-worker", sizes)
    };
    let planned = |spec: &WorkersSpec, desired| {
        let plan = spec.plan(&now(spec, vec![group(desired)])).expect("a plan");
        let step = plan.step("nodes/chap10-worker").expect("a step").clone();
        let keeps = match step.op.decode().expect("an operation") {
            WorkersOp::UpdateStack { stack, .. } => stack.parameters["KeepDesiredCapacity"].to_string(),
            WorkersOp::KeepStack { .. } => "no update".to_owned(),
            other => panic!("{other:?}"),
        };
        (keeps, step.changes, plan)
    };
    // Only the autoscaler moved it: nothing to do, and no fact of the plan.
    let (keeps, _, plan) = planned(&before, 5);
    assert_eq!(keeps, "no update");
    assert!(plan.is_noop());
    assert_eq!(now(&before, vec![group(5)]).facts(), now(&before, Vec::new()).facts());
    // Another reason.
    let (keeps, changes, plan) = planned(&built(capacity(1, 2, 6), 30), 5);
    assert_eq!((keeps.as_str(), changes[0].as_str()), ("true", "NodeVolumeSize: 20 → 30"));
    assert_eq!(changes[1], "size of asg: stays 5, as it is now; the spec says 2");
    assert!(plan.to_string().contains("5 × t3.medium instance"), "the price is that of five: {plan}");
    let back = "asg has 5 instances: if this update fails, its rollback sets 2 again";
    assert!(plan.to_string().contains(back), "the stack was made with a number: {plan}");
    let (_, _, plan) = planned(&built(capacity(1, 2, 6), 30), 2);
    assert!(!plan.to_string().contains("its rollback sets"), "{plan}");
    let wider = built(capacity(1, 2, 6), 30);
    let mut kept = both(&before, StackStatus::CreateComplete, StackStatus::UpdateComplete);
    kept[1].parameters.insert("KeepDesiredCapacity".to_owned(), "true".to_owned());
    let plan = wider.plan(&observed(&wider, kept).with_sizes("chap10-worker", vec![group(5)])).expect("a plan");
    assert!(!plan.to_string().contains("its rollback sets"), "a stack that keeps the number says none: {plan}");
    // Limits hold.
    let (keeps, changes, plan) = planned(&built(capacity(1, 2, 3), 20), 5);
    assert_eq!((keeps.as_str(), changes[1].as_str()), ("true", "size of asg: 5 → 3, its new limit"));
    assert!(plan.to_string().contains("asg has 5 instances and gets 3: Auto Scaling terminates nodes without draining them"), "{plan}");
    // The spec says another number, and means it.
    let (keeps, changes, _) = planned(&built(capacity(1, 4, 6), 20), 5);
    assert_eq!((keeps.as_str(), changes[1].as_str()), ("false", "size of asg: 5 → 4"));
    // Or says that its number holds.
    let forced = workers().capacity(capacity(1, 2, 6)).volume_gib(30).resize_on_update(true).build().expect("valid");
    let (keeps, changes, _) = planned(&forced, 5);
    assert_eq!((keeps.as_str(), changes[1].as_str()), ("false", "size of asg: 5 → 2"));
}

#[test]
fn ends_of_support_are_told_by_date() {
    let told = |builder: eks_nodes::WorkersSpecBuilder| {
        let spec = builder.build().expect("valid");
        let plan = spec.plan(&nothing(&spec)).expect("a plan");
        plan.findings().iter().map(|finding| format!("{:?} {}", finding.severity, finding.message)).collect::<Vec<_>>()
    };
    assert_eq!(
        told(workers()),
        ["Note Amazon Linux 2023 gets updates until 2029-06-30", "Note Kubernetes 1.35 gets updates until 2028-03-27"]
    );
    assert_eq!(told(workers().family(Bottlerocket::new())), ["Note Bottlerocket for Kubernetes 1.35 gets updates until 2028-03-27"]);
    let windows = told(workers().family(Windows::new(WindowsRelease::Server2022)));
    assert_eq!(windows, ["Note Windows Server 2022 for Kubernetes 1.35 gets updates until 2028-03-27"]);
    let ubuntu = told(workers().family(Ubuntu::new(UbuntuRelease::Resolute)));
    assert_eq!(ubuntu[0], "Note Ubuntu 26.04 gets updates until 2031-04-30");
    // Near, and past.
    let day = |year, month, day| Date::new(year, month, day).expect("a day");
    assert_eq!(
        told(workers().as_of(day(2027, 3, 27)))[0],
        "Warning Kubernetes 1.35 ends on 2028-03-27; plan to use a later version of Kubernetes"
    );
    assert_eq!(
        told(workers().as_of(day(2029, 7, 1))),
        [
            "Warning Amazon Linux 2023 ended on 2029-06-30: there are no more updates; use Amazon Linux's next version, or Bottlerocket",
            "Warning Kubernetes 1.35 ended on 2028-03-27: there are no more updates; use a later version of Kubernetes",
        ]
    );
}

#[test]
fn every_problem_at_once() {
    let mut cluster = cluster();
    cluster.authentication = AuthenticationMode::ConfigMap;
    cluster.version = "latest".to_owned();
    let mut network = network();
    network.subnets.truncate(1);
    network.subnets.push(refs::subnet(Tier::Private, "eu-west-1a"));
    network.subnets.push(refs::subnet(Tier::Private, "eu-west-1a"));
    let error = WorkersSpec::builder(&owner(), name(&format!("{}-", "w".repeat(70))), cluster, network)
        .instance_type("qq1.large")
        .volume_gib(70_000)
        .key_pair(" my-key")
        .metadata_hop_limit(0)
        .label("node-role.kubernetes.io/worker", "")
        .label("eks-rs/workers", "x")
        .label("a b", "c")
        .label("a b", "c")
        .taint("", "", TaintEffect::NoSchedule)
        .taint("gpu", "a", TaintEffect::NoExecute)
        .taint("gpu", "b", TaintEffect::NoExecute)
        .max_pods(0)
        .mapping(RoleMapping::AccessEntry)
        .extra_policy("AmazonS3FullAccess")
        .extra_policy("AmazonS3FullAccess")
        .build()
        .expect_err("wrong");
    insta::assert_snapshot!(error.to_string(), @r#"
    workers wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww-: 21 problems
      - name wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww-: it is also the value of a node label: at most 63 characters, not ending with a hyphen; shorten it
      - subnet ‹net/subnet/public/us-east-1a› in us-east-1a: is public, and workers belong in private subnets; give the network's private() references, or allow_public_subnets(true)
      - subnet ‹net/subnet/private/eu-west-1a› in eu-west-1a: is given twice; give it once
      - subnets: lie in eu-west-1 and us-east-1; a VPC has one Region; give the subnets of one VPC
      - instance type qq1.large: is of a family whose architecture its name does not tell; say it with architecture(), or give an image
      - root volume of 70000 GiB: gp3 volumes have 1–65536 GiB; choose a size within
      - key pair " my-key": names of key pairs are 1–255 ASCII characters without spaces around; use the name that EC2 shows
      - metadata hop limit 0: must be 1–64; use 1, or 2 for Pods
      - cluster version "latest": a Kubernetes version is 1 and a minor number, such as 1.36; correct it in the cluster's references
      - label node-role.kubernetes.io/worker=: a kubelet may not set this label on its own node (NodeRestriction); use a prefix of your own, or node.kubernetes.io/
      - label eks-rs/workers=x: this label is how the group's nodes are found; use another key
      - label a b=c: the name of the key must be of a-z A-Z 0-9 - _ . and begin and end with a letter or digit; correct it
      - label a b=c: the name of the key must be of a-z A-Z 0-9 - _ . and begin and end with a letter or digit; correct it
      - label a b=c: the key is given twice; give it once
      - taint =:NoSchedule: the name of the key must have 1–63 characters; correct it
      - taint gpu=b:NoExecute: key and effect are given twice; give them once
      - max_pods 0: EKS recommends at most 250, and a node needs at least 1; choose 1–250
      - mapping AccessEntry: the cluster's authentication mode CONFIG_MAP has no access entries; use AwsAuth, or let the cluster have API_AND_CONFIG_MAP
      - policy AmazonS3FullAccess: must be arn:<partition>:iam::<aws or 12 digits>:policy/<path and name>; give the ARN of a managed policy
      - policy AmazonS3FullAccess: must be arn:<partition>:iam::<aws or 12 digits>:policy/<path and name>; give the ARN of a managed policy
      - policy AmazonS3FullAccess: is given twice; give it once
    "#);
}

#[test]
fn single_problems() {
    let codes = |spec: Result<WorkersSpec, eks_core::SpecError>| {
        spec.map_or_else(|error| error.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), |_| Vec::new())
    };
    assert_eq!(codes(workers().instance_type("t3").build()), ["instance-type"]);
    assert_eq!(codes(workers().instance_type("qq1.large").architecture(Architecture::X86_64).build()), [""; 0]);
    assert_eq!(codes(workers().instance_type("t4g.large").architecture(Architecture::X86_64).build()), ["architecture-mismatch"]);
    assert_eq!(codes(workers().volume_gib(8).build()), ["volume-size"]);
    assert_eq!(codes(workers().image(Image::Parameter("latest".to_owned())).build()), ["image-parameter"]);
    let mut network = network();
    network.subnets.clear();
    assert_eq!(codes(WorkersSpec::builder(&owner(), name("w"), cluster(), network).build()), ["no-subnets"]);
    let mut api = cluster();
    api.authentication = AuthenticationMode::Api;
    let spec = WorkersSpec::builder(&owner(), name("w"), api, refs::network().private()).mapping(RoleMapping::AwsAuth);
    assert_eq!(codes(spec.build()), ["mapping-mode"]);
    let policy = |number| format!("arn:aws:iam::aws:policy/P{number}");
    assert_eq!(codes((0..8).fold(workers(), |spec, number| spec.extra_policy(policy(number))).build()), ["policy-count"]);
    let many = (0..200).fold(workers(), |spec, number| spec.label(format!("{}{number}", "k".repeat(50)), "v".repeat(60)));
    assert_eq!(codes(many.build()), ["user-data-size"]);
}

#[test]
fn images_follow_version_and_hardware() {
    for (kind, path) in [
        ("t3.medium", "x86_64/standard"),
        ("m7g.large", "arm64/standard"),
        ("g5.xlarge", "x86_64/nvidia"),
        ("inf2.xlarge", "x86_64/neuron"),
    ] {
        let spec = workers().instance_type(kind).build().expect("valid");
        let plan = spec.plan(&nothing(&spec)).expect("a plan");
        let text = serde_json::to_string(&plan).expect("serialises");
        assert!(text.contains(&format!("/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/{path}/recommended/image_id")), "{kind}");
    }
}

proptest! {
    #[test]
    fn a_spec_that_builds_can_be_planned(
        name in "[a-zA-Z][a-zA-Z0-9-]{0,70}",
        min in 0..5_u32, more in 0..5_u32, most in 0..5_u32,
        gib in 0..70_000_u32,
        labels in proptest::collection::btree_map("[a-z./]{0,20}", "[a-zA-Z$_{}-]{0,20}", 0..4),
        kind in "(t3|m7g|g5|zz9|p6-b200)\\.(large|2xlarge|huge)",
    ) {
        let Ok(capacity) = Capacity::new(min, min + more, min + more + most) else { return Ok(()) };
        let builder = WorkersSpec::builder(&owner(), refs::name(&name), cluster(), network().private())
            .capacity(capacity)
            .volume_gib(gib)
            .instance_type(kind);
        let built = labels.iter().fold(builder, |builder, (key, value)| builder.label(key, value)).build();
        if let Ok(spec) = built {
            let plan = spec.plan(&nothing(&spec)).expect("a plan");
            prop_assert_eq!(&spec.plan(&nothing(&spec)).expect("a plan"), &plan);
            for step in plan.steps() {
                let op = step.op.decode::<WorkersOp>().expect("an operation");
                let WorkersOp::CreateStack { stack } = op else { panic!("{op:?}") };
                let eks_nodes::TemplateSource::Body(body) = stack.template else { panic!("a body") };
                let template: serde_json::Value = serde_json::from_str(&body).expect("JSON");
                let declared: Vec<_> = template["Parameters"].as_object().expect("parameters").keys().collect();
                prop_assert_eq!(declared, stack.parameters.keys().collect::<Vec<_>>(), "no parameter is missing or unknown");
                prop_assert!(body.len() <= 51_200);
            }
        }
    }
}
