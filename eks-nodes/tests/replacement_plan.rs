//! Planning replacements, without an account: what each half-way state makes of the plan.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{Action, AuthenticationMode, ClusterName, ClusterRefs, NetworkRefs, Owner, Ref, StackName, StepKey, SubnetRef, Tier};
use eks_k8s::drain::{Node, Taint};
use eks_nodes::{
    Capacity, Observed, Stack, StackStatus, TEMPLATE_TAG, WorkersOp, WorkersSpec, WorkersSpecBuilder,
    replacement::{
        Batch, CrossRule, GroupInstance, Mark, Replacement, ReplacementBuilder, ReplacementObserved, ReplacementPlan, ScalingGroup, Surge,
    },
};

const OLD_PROCESSES: &str = "AZRebalance+AlarmNotification+Launch+ScheduledActions";
const NEW_PROCESSES: &str = "AZRebalance+AlarmNotification+ScheduledActions";

fn owner() -> Owner {
    Owner::new("chap10").expect("a name")
}

fn name(text: &str) -> StackName {
    StackName::new(text).expect("a stack name")
}

fn spec(zones: &[&str]) -> WorkersSpecBuilder {
    let subnet = |(number, zone): (usize, &&str)| SubnetRef {
        id: Ref::Known(format!("subnet-0a1b2c3d4e5f6071{number}").parse().expect("an id")),
        zone: zone.parse().expect("a zone"),
        tier: Tier::Private,
    };
    let network = NetworkRefs {
        vpc: Ref::Known("vpc-0a1b2c3d4e5f60718".parse().expect("an id")),
        cidrs: vec!["10.0.0.0/16".to_owned()],
        subnets: zones.iter().enumerate().map(subnet).collect(),
        security_groups: BTreeMap::new(),
        egress: Vec::new(),
    };
    let group = || Ref::Known("sg-0a1b2c3d4e5f60718".parse().expect("an id"));
    let cluster = ClusterRefs {
        name: ClusterName::new("chap10").expect("a name"),
        version: "1.36".to_owned(),
        endpoint: Ref::Known("https://0123.gr7.us-east-1.eks.amazonaws.com".to_owned()),
        certificate_authority: Ref::Known("LS0t".to_owned()),
        service_cidr: Ref::Known("172.20.0.0/16".to_owned()),
        security_groups: vec![group()],
        cluster_security_group: group(),
        authentication: AuthenticationMode::ApiAndConfigMap,
        nodes_need: Vec::new(),
        volumes_need: Vec::new(),
    };
    WorkersSpec::builder(&owner(), name("new"), cluster, network)
}

fn replacement() -> ReplacementBuilder {
    let workers = spec(&["us-east-1a", "us-east-1b"]).capacity(Capacity::new(2, 2, 200).expect("fits")).build().expect("a spec");
    Replacement::builder(&owner(), name("old"), workers)
}

fn stack(key: &str, status: StackStatus) -> Stack {
    let key: StepKey = key.parse().expect("a key");
    let name = key.as_str().trim_start_matches("nodes/").replace('/', "-");
    let mut tags: BTreeMap<_, _> = owner().tags(&key).into_iter().collect();
    tags.insert(TEMPLATE_TAG.to_owned(), "some".to_owned());
    Stack {
        id: format!("arn:aws:cloudformation:us-east-1:123456789012:stack/{name}/1"),
        name,
        status,
        reason: None,
        parameters: BTreeMap::new(),
        outputs: BTreeMap::new(),
        tags,
    }
}

/// What of a replacement's account is described; everything at its beginning unless said otherwise.
struct World {
    old: Option<StackStatus>,
    base: Option<StackStatus>,
    new: bool,
    /// Zones of old instances that stay, and how many go.
    live: Vec<&'static str>,
    going: usize,
    old_mark: bool,
    new_mark: bool,
    rules: usize,
    closed: bool,
}

impl Default for World {
    fn default() -> Self {
        let standing = Some(StackStatus::CreateComplete);
        let live = vec!["us-east-1a", "us-east-1b"];
        Self { old: standing, base: standing, new: false, live, going: 0, old_mark: false, new_mark: false, rules: 0, closed: false }
    }
}

impl World {
    /// Held, with both groups beside each other.
    fn held() -> Self {
        Self { new: true, old_mark: true, new_mark: true, rules: 2, closed: true, ..Self::default() }
    }

    /// Every old instance is gone.
    fn empty() -> Self {
        Self { live: Vec::new(), ..Self::held() }
    }

    fn observed(&self, of: &Replacement) -> ReplacementObserved {
        let scope = of.scope();
        let mut stacks = Vec::new();
        stacks.extend(self.base.map(|status| stack("nodes/old/base", status)));
        stacks.extend(self.old.map(|status| stack("nodes/old", status)));
        if self.new {
            stacks.extend(new_stacks(of));
        }
        let stacks = Observed::new(&owner(), scope.stacks(), stacks).expect("no two");
        let mut now = ReplacementObserved::new(scope, stacks, eks_k8s::Observed::default());
        "1.36".clone_into(&mut now.version);
        let (old, new) = ("sg-00000000000000001", "sg-00000000000000002");
        if self.base.is_some() {
            now.old.security_group = Some(old.parse().expect("an id"));
            now.old.role = Some("arn:aws:iam::123456789012:role/old".parse().expect("an ARN"));
        }
        if self.old.is_some() {
            now.old.groups = vec!["old-group".to_owned()];
            now.groups.push(self.old_group());
        }
        if self.new {
            now.new.security_group = Some(new.parse().expect("an id"));
            now.new.groups = vec!["new-group".to_owned()];
            now.groups.push(self.new_group());
        }
        for (number, (group, peer)) in [(new, old), (old, new)].into_iter().enumerate().take(self.rules) {
            let id = format!("sgr-0000000000000000{number}").parse().expect("an id");
            now.rules.push(CrossRule::new(id, group.parse().expect("an id"), peer.parse().expect("an id"), true, true));
        }
        for (number, zone) in self.live.iter().enumerate() {
            let mut node = Node::default();
            node.instance = Some(instance(number));
            node.ready = true;
            node.labels.insert("topology.kubernetes.io/zone".to_owned(), (*zone).to_owned());
            node.unschedulable = self.closed;
            if self.closed {
                node.taints.push(Taint {
                    key: "eks-rs.dev/replacing".to_owned(),
                    value: "old".to_owned(),
                    effect: "NoSchedule".to_owned(),
                });
            }
            now.cluster.nodes.insert(format!("node-{number:03}"), node);
        }
        now
    }

    fn old_group(&self) -> ScalingGroup {
        let mut group = ScalingGroup::default();
        (group.name, group.stack) = ("old-group".to_owned(), "old".to_owned());
        let live = u32::try_from(self.live.len()).expect("few");
        (group.min, group.desired, group.max) = (if self.old_mark { 0 } else { live.min(2) }, live, 200);
        let in_service = self.live.iter().enumerate().map(|(number, zone)| (number, *zone, "InService"));
        let going = (0..self.going).map(|number| (900 + number, "us-east-1a", "Terminating:Wait"));
        group.instances = in_service
            .chain(going)
            .map(|(number, zone, state)| GroupInstance::new(instance(number).parse().expect("an id"), zone, state))
            .collect();
        group.zones = ["us-east-1a", "us-east-1b"].map(str::to_owned).into();
        if self.old_mark {
            group.mark = Some("with=new min=2 desired=2 max=200".parse().expect("a mark"));
            group.suspended = OLD_PROCESSES.split('+').map(str::to_owned).collect();
        }
        group
    }

    fn new_group(&self) -> ScalingGroup {
        let mut group = ScalingGroup::default();
        (group.name, group.stack) = ("new-group".to_owned(), "new".to_owned());
        (group.min, group.desired, group.max) = (2, 2, 200);
        group.zones = ["us-east-1a", "us-east-1b"].map(str::to_owned).into();
        if self.new_mark {
            group.mark = Some("with=old min=2 desired=2 max=200".parse::<Mark>().expect("a mark"));
            group.suspended = NEW_PROCESSES.split('+').map(str::to_owned).collect();
        }
        group
    }
}

fn instance(number: usize) -> String {
    format!("i-{number:017x}")
}

/// The new group's stacks as they stand when they were made by its plan.
fn new_stacks(of: &Replacement) -> Vec<Stack> {
    let workers = of.new_workers();
    let nothing = Observed::new(&owner(), eks_nodes::Scope::of([workers]), []).expect("no two");
    let plan = workers.plan(&nothing).expect("a plan");
    let standing = |key: &str| {
        let op = plan.step(key).expect("a step").op.decode::<WorkersOp>().expect("an operation");
        let WorkersOp::CreateStack { stack: request } = op else { panic!("{op:?}") };
        let mut found = stack(key, StackStatus::CreateComplete);
        let text = |reference: &Ref<String>| reference.known().cloned().unwrap_or_default();
        let parameters = request.parameters.iter();
        found.parameters =
            parameters.map(|(name, value)| (name.clone(), value.references().iter().map(text).collect::<Vec<_>>().join(","))).collect();
        found
    };
    vec![standing("nodes/new/base"), standing("nodes/new")]
}

/// What the plan does in layer `replace`, in order; what is so already in brackets.
fn told(plan: &ReplacementPlan) -> Vec<String> {
    let mut steps: Vec<_> = plan.steps().iter().filter(|step| step.key.layer() == "replace").collect();
    steps.sort_by_key(|step| step.key.clone());
    let short = |step: &&eks_core::Step| {
        let key = step.key.as_str().trim_start_matches("replace/old/");
        if step.action == Action::Keep { format!("({key})") } else { key.to_owned() }
    };
    steps.iter().map(short).collect()
}

fn planned(world: &World) -> ReplacementPlan {
    let of = replacement().build().expect("a replacement");
    let now = world.observed(&of);
    let plan = of.plan(&now).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(of.plan(&now).expect("again"), plan, "the same for the same observation");
    plan
}

#[test]
fn what_each_half_way_state_leaves_to_do() {
    let rounds = |names: &[&str]| -> Vec<String> {
        let of = |round: &&str| ["drain", "health", "terminate"].map(|step| format!("{round}/{step}"));
        names.iter().flat_map(of).collect()
    };
    let end = ["rules/close", "stack", "unmap"];
    let gone = || World { old: None, ..World::empty() };
    for (state, world, before, rounds, after) in [
        (
            "nothing begun",
            World::default(),
            &["base", "close", "health", "hold/new", "hold/old", "release"][..],
            rounds(&["round-01", "round-02"]),
            &["rules/close", "rules/open", "stack", "unmap"][..],
        ),
        (
            "one rule of two",
            World { new: true, rules: 1, ..World::default() },
            &["base", "close", "health", "hold/new", "hold/old", "release"],
            rounds(&["round-01", "round-02"]),
            &["rules/close", "rules/open", "stack", "unmap"],
        ),
        (
            "held and closed",
            World::held(),
            &["base", "(close)", "health", "(hold/new)", "(hold/old)", "release"],
            rounds(&["round-01", "round-02"]),
            &["rules/close", "(rules/open)", "stack", "unmap"],
        ),
        (
            "one zone gone, an instance of it going",
            World { live: vec!["us-east-1b"], going: 1, ..World::held() },
            &["base", "(close)", "going", "health", "(hold/new)", "(hold/old)", "release"],
            rounds(&["round-01"]),
            &["rules/close", "(rules/open)", "stack", "unmap"],
        ),
        ("no instance left", World::empty(), &["base", "(hold/old)", "release"], Vec::new(), &end),
        ("the last one going", World { going: 1, ..World::empty() }, &["base", "going", "(hold/old)", "release"], Vec::new(), &end),
        (
            "none from the beginning",
            World { old_mark: false, new_mark: false, rules: 0, ..World::empty() },
            &["base", "hold/old"],
            Vec::new(),
            &["stack", "unmap"],
        ),
        ("rules revoked", World { rules: 0, ..World::empty() }, &["base", "(hold/old)", "release"], Vec::new(), &["stack", "unmap"]),
        (
            "stack being deleted",
            World { old: Some(StackStatus::DeleteInProgress), rules: 0, ..World::empty() },
            &["base", "release"],
            Vec::new(),
            &["stack", "unmap"],
        ),
        (
            "stack that could not be deleted",
            World { old: Some(StackStatus::DeleteFailed), ..World::empty() },
            &["base", "(hold/old)", "release"],
            Vec::new(),
            &end,
        ),
        ("base alone", World { rules: 0, ..gone() }, &["base", "release"], Vec::new(), &["unmap"]),
        ("base alone, with rules", gone(), &["base", "release"], Vec::new(), &["rules/close", "unmap"]),
        ("still suspended", World { base: None, rules: 0, ..gone() }, &["release"], Vec::new(), &[]),
        ("done", World { base: None, rules: 0, new_mark: false, ..gone() }, &[], Vec::new(), &[]),
    ] {
        let mut expected: Vec<String> = before.iter().map(|step| (*step).to_owned()).chain(rounds).collect();
        expected.extend(after.iter().map(|step| (*step).to_owned()));
        let sorted = |mut steps: Vec<String>| {
            steps.sort_by_key(|step| step.trim_matches(['(', ')']).to_owned());
            steps
        };
        assert_eq!(sorted(told(&planned(&world))), sorted(expected), "{state}");
    }
}

/// The way back from a replacement that was left, while its new group is being replaced by a third.
#[test]
fn another_replacement_s_hold_is_left_alone() {
    let of = replacement().build().expect("a replacement");
    let mut now = World::held().observed(&of);
    let held = |now: &mut ReplacementObserved, stack: &str| {
        let group = now.groups.iter_mut().find(|group| group.stack == stack).expect("a group");
        group.mark = Some("with=third min=2 desired=2 max=200".parse::<Mark>().expect("a mark"));
    };
    held(&mut now, "new");
    let back = of.back(&now).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(told(&back), ["back/old", "back/open"]);
    held(&mut now, "old");
    assert_eq!(of.back(&now).expect_err("its nodes are the third's").codes(), ["other-replacement"]);
}

/// An instance that leaves its group runs on: nobody else would drain it, or wait for its end.
#[test]
fn an_instance_that_is_detached_stands_against_it() {
    let of = replacement().build().expect("a replacement");
    let mut now = World::held().observed(&of);
    for (state, codes) in [("Detaching", vec!["instance-detaching"]), ("EnteringStandby", vec!["instance-standby"]), ("InService", vec![])]
    {
        state.clone_into(&mut now.groups[0].instances[0].state);
        assert_eq!(of.plan(&now).map_or_else(|error| error.codes(), |_| Vec::new()), codes, "{state}");
    }
}

/// An autoscaler that a killed run paused may have a Pod left, which would make use of a group that may be empty.
#[test]
fn the_autoscaler_has_ended_before_the_old_group_may_be_empty() {
    let of = replacement().build().expect("a replacement");
    for (replicas, paused_for) in [(1, vec![]), (0, vec!["old"])] {
        let mut now = World::default().observed(&of);
        let autoscaler = serde_json::json!({
            "kind": "cluster_autoscaler", "namespace": "kube-system", "name": "ca", "replicas": replicas, "paused_for": paused_for,
        });
        now.autoscalers.push(serde_json::from_value(autoscaler).expect("an autoscaler"));
        let plan = of.plan(&now).unwrap_or_else(|error| panic!("{error}"));
        let step = |key: &str| plan.steps().iter().find(|step| step.key.as_str() == key).unwrap_or_else(|| panic!("no {key}\n{plan}"));
        let pause = step("replace/old/autoscalers/pause");
        assert!(step("replace/old/hold/old").needs.contains(&pause.key), "{plan}");
    }
}

/// What planning reads is needed even where nothing is to be done.
#[test]
fn a_plan_needs_what_planning_it_needed() {
    let plan = planned(&World { old: None, base: None, rules: 0, new_mark: false, ..World::empty() });
    assert_eq!(told(&plan), [""; 0]);
    for action in ["cloudformation:DescribeStacks", "cloudformation:ListStackResources", "autoscaling:DescribeAutoScalingGroups"] {
        assert!(plan.iam_actions().contains(action), "{action}");
    }
}

/// Nothing is taken away before what stands on it.
#[test]
fn what_must_come_before_what() {
    let plan = planned(&World::default());
    let reaches = |from: &str, to: &str| {
        let key = |short: &str| if short.contains(':') { short.replace(':', "/") } else { format!("replace/old/{short}") };
        let (from, to) = (key(from), key(to));
        let step = |key: &str| plan.steps().iter().find(|step| step.key.as_str() == key).unwrap_or_else(|| panic!("no step {key}"));
        let mut seen = vec![step(&to)];
        let mut at = 0;
        while at < seen.len() {
            for need in &seen[at].needs {
                if seen.iter().all(|step| step.key != *need) {
                    seen.push(step(need.as_str()));
                }
            }
            at += 1;
        }
        seen.iter().any(|step| step.key.as_str() == from)
    };
    for (from, to) in [
        ("nodes:new", "health"),
        ("k8s:nodes:new", "health"),
        ("rules/open", "health"),
        ("health", "hold/old"),
        ("hold/old", "close"),
        ("hold/new", "close"),
        ("close", "round-01/drain"),
        ("round-01/health", "round-01/terminate"),
        ("round-01/health", "round-02/drain"),
        ("round-01/terminate", "unmap"),
        ("round-02/terminate", "unmap"),
        ("round-02/terminate", "rules/close"),
        ("unmap", "stack"),
        ("rules/close", "stack"),
        ("stack", "base"),
        ("round-02/terminate", "release"),
    ] {
        assert!(reaches(from, to), "{from} before {to}");
        assert!(!reaches(to, from), "{to} not before {from}");
    }
    // While the instances of a round go, the next round's Pods move.
    assert!(!reaches("round-01/terminate", "round-02/drain"));
}

/// A hundred nodes take as long as their rounds, and so does the number of steps.
#[test]
fn time_grows_with_rounds() {
    let zones = ["us-east-1a", "us-east-1b"];
    let live: Vec<_> = (0..100).map(|number| zones[number % 2]).collect();
    let world = World { new: true, live, ..World::default() };
    let planned = |batch, surge| {
        let of = replacement().batch(batch).surge(surge).build().expect("a replacement");
        of.plan(&world.observed(&of)).unwrap_or_else(|error| panic!("{error}"))
    };
    let by_zone = planned(Batch::Zone, Surge::Whole);
    let (ten, five) = (planned(Batch::Nodes(10), Surge::Whole), planned(Batch::Percent(5), Surge::Whole));
    assert_eq!([&by_zone, &ten, &five].map(|plan| plan.rounds().len()), [2, 10, 20]);
    let time = |plan: &ReplacementPlan| plan.critical_path().0;
    // A drain and a look at the workloads for each round more; the instances go meanwhile.
    let each = Duration::from_secs(20);
    assert_eq!(time(&ten) - time(&by_zone), 8 * each);
    assert_eq!(time(&five) - time(&ten), 10 * each);
    let steps = |plan: &ReplacementPlan| plan.steps().len();
    assert_eq!(steps(&five) - steps(&ten), 30);
    // No instance is in two rounds, none in no round, and no round in two zones.
    let all: std::collections::BTreeSet<_> = five.rounds().iter().flat_map(|round| round.instances.keys()).collect();
    assert_eq!((all.len(), five.rounds().iter().map(|round| round.instances.len()).sum::<usize>()), (100, 100));
    assert!(five.rounds().iter().all(|round| round.zones.len() == 1));
}
