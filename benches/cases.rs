//! The hot paths, each prepared for a size and then done once a call: what the guard of instruction counts and the table of growth
//! measure. Nothing here makes a call, and nothing compiles an SDK.

use std::hint::black_box;

use eks_core::{Owner, Plan, PolicyScope};
use eks_net::Allocator;
use ipnet::Ipv4Net;

use crate::{fixtures, idle};

/// What is measured, once.
pub type Run = Box<dyn FnMut()>;

/// A hot path.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Case {
    /// Its name: `plan/build`.
    pub name: &'static str,
    /// What one of its size is: `step`, `block`.
    pub unit: &'static str,
    /// What is done.
    pub what: &'static str,
    /// The sizes that growth is measured at.
    pub sizes: [usize; 3],
    /// Makes everything that is not to be measured.
    pub prepare: fn(usize) -> Run,
}

const STEPS: [usize; 3] = [10, 1_000, 10_000];

/// Every hot path.
pub const CASES: &[Case] = &[
    Case {
        name: "cidr/allocate",
        unit: "block",
        what: "allocate a /28 from an empty /7, again and again",
        sizes: STEPS,
        prepare: allocate,
    },
    Case { name: "plan/build", unit: "step", what: "check and order a plan, given in reverse", sizes: STEPS, prepare: build },
    Case { name: "plan/path", unit: "step", what: "find the critical path", sizes: STEPS, prepare: path },
    Case { name: "plan/json", unit: "step", what: "save a plan and read it back", sizes: STEPS, prepare: json },
    Case { name: "plan/text", unit: "step", what: "show a plan", sizes: STEPS, prepare: text },
    Case { name: "k8s/check", unit: "object", what: "check a spec of claims, Pods and Services", sizes: STEPS, prepare: check },
    Case { name: "k8s/plan", unit: "object", what: "plan these objects on an empty cluster", sizes: STEPS, prepare: create },
    Case { name: "k8s/diff", unit: "object", what: "plan them again where they stand: nothing to do", sizes: STEPS, prepare: diff },
    Case {
        name: "k8s/forecast",
        unit: "node",
        what: "forecast the drain of a tenth of the nodes",
        sizes: [10, 500, 5_000],
        prepare: forecast,
    },
    Case { name: "net/check", unit: "network", what: "check a network of 200 subnets and 2,000 rules", sizes: [1; 3], prepare: network },
    Case { name: "net/plan", unit: "network", what: "plan it", sizes: [1; 3], prepare: network_plan },
    Case { name: "net/policy", unit: "network", what: "render the least policy of that plan", sizes: [1; 3], prepare: policy },
    Case {
        name: "nodes/template",
        unit: "group",
        what: "plan workers: both templates and user data rendered",
        sizes: [1; 3],
        prepare: template,
    },
    #[cfg(feature = "token")]
    Case { name: "token/sign", unit: "token", what: "sign a token for the Kubernetes API", sizes: [1; 3], prepare: sign },
];

/// The case of this name.
pub fn case(name: &str) -> Option<Case> {
    CASES.iter().copied().find(|case| case.name == name)
}

fn allocate(count: usize) -> Run {
    Box::new(move || {
        let mut allocator = Allocator::new(Ipv4Net::new_assert([10, 0, 0, 0].into(), 7).trunc());
        for _ in 0..count {
            black_box(allocator.allocate(black_box(28)));
        }
    })
}

fn build(count: usize) -> Run {
    let steps = idle::steps(count);
    Box::new(move || drop(black_box(idle::plan(steps.clone()))))
}

fn path(count: usize) -> Run {
    let plan = idle::plan(idle::steps(count));
    Box::new(move || drop(black_box(plan.critical_path())))
}

fn json(count: usize) -> Run {
    let plan = idle::plan(idle::steps(count));
    Box::new(move || drop(black_box(plan.to_json().and_then(|text| Plan::from_json(&text)).expect("the same plan"))))
}

fn text(count: usize) -> Run {
    let plan = idle::plan(idle::steps(count));
    Box::new(move || drop(black_box(plan.to_string())))
}

fn check(count: usize) -> Run {
    Box::new(move || drop(black_box(fixtures::objects(count))))
}

fn create(count: usize) -> Run {
    let spec = fixtures::objects(count);
    let nothing = eks_k8s::Observed::nothing(&spec);
    Box::new(move || drop(black_box(spec.plan(&nothing).expect("a plan"))))
}

fn diff(count: usize) -> Run {
    let spec = fixtures::objects(count);
    let found = fixtures::standing(&spec);
    let plan = spec.plan(&found).expect("a plan");
    assert!(plan.is_noop() && plan.steps().len() == count, "{:?}", plan.changes().next());
    Box::new(move || drop(black_box(spec.plan(&found).expect("a plan"))))
}

fn forecast(nodes: usize) -> Run {
    let (cluster, drain) = fixtures::drain(nodes);
    assert_eq!(drain.forecast(&cluster).evictions(), nodes / 10 * 10);
    Box::new(move || drop(black_box(drain.forecast(&cluster))))
}

fn network(_: usize) -> Run {
    Box::new(|| drop(black_box(fixtures::network().build().expect("fine"))))
}

fn network_plan(_: usize) -> Run {
    let spec = fixtures::network().build().expect("fine");
    let nothing = eks_net::Observed::nothing(spec.owner());
    Box::new(move || drop(black_box(spec.plan(&nothing).expect("a plan"))))
}

fn policy(_: usize) -> Run {
    let spec = fixtures::network().build().expect("fine");
    let plan = spec.plan(&eks_net::Observed::nothing(spec.owner())).expect("a plan");
    let scope = PolicyScope::of_region("us-east-1", "123456789012").expect("a scope");
    Box::new(move || drop(black_box(plan.policy(&scope).documents().expect("documents"))))
}

fn template(_: usize) -> Run {
    let spec = fixtures::workers();
    let owner = Owner::new("bench").expect("a name");
    let nothing = eks_nodes::Observed::new(&owner, eks_nodes::Scope::of([&spec]), []).expect("nothing is there");
    Box::new(move || drop(black_box(spec.plan(&nothing).expect("a plan"))))
}

#[cfg(feature = "token")]
fn sign(_: usize) -> Run {
    let (signer, runtime) = (crate::signing::signer(None), crate::signing::runtime());
    Box::new(move || drop(black_box(runtime.block_on(signer.renew()).expect("a token"))))
}
