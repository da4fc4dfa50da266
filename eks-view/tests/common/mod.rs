//! A small garden: plans, teardowns and runs that every test knows.

#![expect(dead_code, reason = "no test uses all of it")]

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use eks_core::{
    Action, Error, Finding, Operation, Owner, Plan, Price, Removal, Step, StepKey, Survivor, Teardown,
    engine::{Event, PlannedStep, Purpose},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct NetOp;

impl Operation for NetOp {
    const LAYER: &'static str = "net";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ClusterOp;

impl Operation for ClusterOp {
    const LAYER: &'static str = "cluster";
}

pub(crate) fn key(text: &str) -> StepKey {
    text.parse().expect("a key")
}

pub(crate) fn owner() -> Owner {
    Owner::new("demo").expect("an owner")
}

fn net(name: &str, action: Action, title: &str) -> Step {
    Step::new(key(name), action, title, &NetOp).expect("serialisable")
}

fn cluster(name: &str, action: Action, title: &str) -> Step {
    Step::new(key(name), action, title, &ClusterOp).expect("serialisable")
}

/// What nobody changes.
pub(crate) fn kept(name: &str) -> Step {
    net(name, Action::Keep, "as it should be")
}

/// Two layers; something is made, changed and kept.
pub(crate) fn plan() -> Plan {
    let seconds = Duration::from_secs;
    let net = Plan::builder(&owner(), "net")
        .step(net("net/vpc", Action::Keep, "VPC 10.0.0.0/16").permits(["ec2:CreateVpc"]))
        .step(net("net/subnet/a", Action::Keep, "subnet 10.0.1.0/24").after(key("net/vpc")))
        .step(
            net("net/nat/us-east-1a", Action::Create, "NAT gateway in us-east-1a")
                .after(key("net/subnet/a"))
                .takes(seconds(114))
                .costs(Price::monthly("NAT gateway", 32.85))
                .permits(["ec2:CreateNatGateway"]),
        )
        .finding(Finding::warning(key("net/nat/us-east-1a"), "a single point of failure: when us-east-1a fails, nothing has a way out"))
        .finding(Finding::note(key("net/vpc"), "flow logs are off"))
        .build()
        .expect("a plan");
    let cluster = Plan::builder(&owner(), "cluster")
        .step(
            cluster("cluster/control-plane", Action::Update, "control plane demo")
                .after(key("net/subnet/a"))
                .takes(seconds(600))
                .costs(Price::monthly("EKS control plane", 73.0))
                .changes(["version: 1.35 → 1.36".to_owned(), "public access: 0.0.0.0/0 → 198.51.100.0/24".to_owned()])
                .permits(["eks:UpdateClusterVersion", "eks:UpdateClusterConfig"]),
        )
        .build()
        .expect("a plan");
    Plan::join([net, cluster]).expect("one plan")
}

/// What goes, what stays.
pub(crate) fn teardown() -> Teardown {
    let removal = |name: &str, title: &str, id: &str| Removal::new(key(name), title, id, &NetOp).expect("serialisable");
    Teardown::builder(&owner(), "net", serde_json::Value::Null)
        .removal(removal("net/nat/us-east-1a", "NAT gateway", "nat-0123456789abcdef0").takes(Duration::from_secs(60)).saves(32.85))
        .removal(removal("net/vpc", "VPC", "vpc-0123456789abcdef0").after(eks_core::After::Key(key("net/nat/us-east-1a"))))
        .stays(survivor())
        .finding(Finding::warning(key("net/vpc"), "peered with a VPC of another account"))
        .build()
        .expect("a teardown")
}

pub(crate) fn survivor() -> Survivor {
    Survivor::new(
        "EBS volume",
        "vol-0123456789abcdef0",
        "its class retains volumes",
        "aws ec2 delete-volume --volume-id vol-0123456789abcdef0",
        0.8,
    )
}

pub(crate) fn denied() -> Error {
    let said = "User: arn:aws:iam::111122223333:user/me is not authorized to perform: eks:CreateCluster";
    let Error::Call { call, subject, class, code, source, .. } = call("eks:CreateCluster", "demo", "AccessDeniedException", said) else {
        unreachable!("a call")
    };
    Error::Call { call, subject, class, code, request_id: Some("7a62c49f-347e-4fc4-9331-6e8eEXAMPLE".to_owned()), source }
}

fn call(call: &str, subject: &str, code: &str, said: &str) -> Error {
    Error::Call {
        call: call.to_owned(),
        subject: subject.to_owned(),
        class: eks_core::Class::Denied,
        code: Some(code.to_owned()),
        request_id: None,
        source: said.into(),
    }
}

/// A run of three steps and a fourth that is skipped; what happens, and how long after the event before.
pub(crate) fn events() -> Vec<(Duration, Event)> {
    let (nat, plane, nodes, pod) = (key("net/nat/a"), key("cluster/control-plane"), key("nodes/workers"), key("k8s/pod/nginx"));
    let seconds = Duration::from_secs;
    let planned = vec![
        PlannedStep::new(nat.clone(), "NAT gateway", seconds(114), []),
        PlannedStep::new(plane.clone(), "control plane demo", seconds(420), []),
        PlannedStep::new(nodes.clone(), "2 × t3.medium", seconds(60), [plane.clone()]),
        PlannedStep::new(pod.clone(), "Pod nginx", seconds(20), [nodes.clone(), nat.clone()]),
    ];
    let waiting = |key: &StepKey, subject: &str, state: &str, elapsed| Event::StepWaiting {
        key: key.clone(),
        subject: subject.to_owned(),
        state: state.to_owned(),
        elapsed: seconds(elapsed),
    };
    let started =
        |key: &StepKey, title: &str, typical| Event::StepStarted { key: key.clone(), title: title.to_owned(), typical: seconds(typical) };
    vec![
        (seconds(0), Event::RunStarted { owner: owner(), purpose: Purpose::Make, steps: 4, expected: seconds(500), planned, kept: 2 }),
        (seconds(0), started(&nat, "NAT gateway", 114)),
        (seconds(0), started(&plane, "control plane demo", 420)),
        (
            seconds(2),
            Event::StepRetrying { key: plane.clone(), attempt: 1, error: "the role cannot be assumed yet".to_owned(), after: seconds(2) },
        ),
        (seconds(58), waiting(&nat, "nat-1", "pending", 57)),
        (seconds(60), waiting(&nat, "nat-1", "pending", 117)),
        (seconds(2), Event::StepFinished { key: nat, took: seconds(122), attempts: 1 }),
        (seconds(90), waiting(&plane, "demo", "CREATING", 208)),
        (seconds(190), Event::StepFinished { key: plane, took: seconds(402), attempts: 2 }),
        (seconds(0), started(&nodes, "2 × t3.medium", 60)),
        (
            seconds(30),
            Event::StepFailed {
                key: nodes.clone(),
                error: "ec2:RunInstances for workers failed with VcpuLimitExceeded".to_owned(),
                took: seconds(30),
                attempts: 1,
            },
        ),
        (seconds(0), Event::StepSkipped { key: pod, because: nodes }),
        (seconds(0), Event::RunFinished { took: seconds(432), complete: false }),
    ]
}

/// Lets the events happen to somebody, on tokio's paused clock.
pub(crate) async fn happen(observer: impl Fn(&Event)) {
    for (after, event) in events() {
        tokio::time::advance(after).await;
        observer(&event);
    }
}

/// What was written.
#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panicked").clone()).expect("UTF-8")
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panicked").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
