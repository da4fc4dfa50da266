//! Gathering evidence on AWS, by calls that read.

mod convert;
mod look;
mod notes;
mod turns;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_types::SdkConfig;
use eks_core::{
    AwaitedNodes, ClusterName, StackName,
    aws::patient,
    engine::{BoxFuture, WatchNodes},
};

use self::notes::Notes;
use super::{Cause, Diagnosis, Evidence, diagnose};
use crate::{Workers, WorkersSpec};

/// The IAM actions that a diagnosis uses. None changes anything; what is not permitted is told as what could not be looked at.
pub const ACTIONS: [&str; 20] = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeScalingActivities",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeNatGateways",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpoints",
    "ec2:GetConsoleOutput",
    "eks:DescribeAccessEntry",
    "eks:DescribeAddon",
    "eks:DescribeCluster",
    "eks:ListPodIdentityAssociations",
    "iam:GetInstanceProfile",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
];

/// How many calls a look makes at most. What does not fit is looked at the next time.
const CALLS: usize = 12;
/// How many looks a single diagnosis takes, so that all fits.
const LOOKS: usize = 3;

/// Says why the instances of a group do not become nodes. Cheap to clone; clones share what they know.
///
/// It looks at Auto Scaling, EC2, EKS and IAM, in at most twelve calls a look, and changes nothing. [`ACTIONS`] lists what it should be
/// permitted to do; without one of them it knows less, and says nothing that rests on it.
#[derive(Clone)]
pub struct Diagnostician {
    scaling: aws_sdk_autoscaling::Client,
    ec2: aws_sdk_ec2::Client,
    eks: aws_sdk_eks::Client,
    iam: aws_sdk_iam::Client,
    clock: Option<SharedTimeSource>,
    /// By stack.
    notes: Arc<Mutex<BTreeMap<String, Notes>>>,
}

impl fmt::Debug for Diagnostician {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnostician").finish_non_exhaustive()
    }
}

/// Which group, and what Kubernetes tells of it.
#[derive(Clone, Copy, Debug)]
struct Group<'a> {
    stack: &'a str,
    cluster: Option<&'a ClusterName>,
    /// Whether instances need only run, not join.
    only_launch: bool,
    awaited: Option<&'a AwaitedNodes>,
}

impl Diagnostician {
    /// Uses the configuration's Region, credentials, HTTP client and time source.
    pub fn new(config: &SdkConfig) -> Self {
        let config = patient(config);
        Self {
            scaling: eks_core::sdk_client!(aws_sdk_autoscaling, &config),
            ec2: eks_core::sdk_client!(aws_sdk_ec2, &config),
            eks: eks_core::sdk_client!(aws_sdk_eks, &config),
            iam: eks_core::sdk_client!(aws_sdk_iam, &config),
            clock: config.time_source(),
            notes: Arc::default(),
        }
    }

    /// What is to be seen of a group now: the Auto Scaling groups of a CloudFormation stack, ours or not, their instances, and all that these
    /// need to join `cluster`. It never fails; what it could not look at is in [`Evidence::unseen`]. Kubernetes is not asked: without it, every
    /// instance that runs is taken for one that has not joined.
    pub async fn evidence(&self, cluster: &ClusterName, stack: &StackName) -> Evidence {
        let group = Group { stack: stack.as_str(), cluster: Some(cluster), only_launch: false, awaited: None };
        let mut evidence = Evidence::default();
        for _ in 0..LOOKS {
            evidence = self.look(group, false).await;
        }
        evidence
    }

    /// Why the instances of a group do not become nodes, as things stand; empty if nothing stands against it.
    pub async fn diagnose(&self, cluster: &ClusterName, stack: &StackName) -> Vec<Diagnosis> {
        // Whatever failed since the last launch that did not: nobody waits, so nothing can be older than the wait.
        diagnose(&self.evidence(cluster, stack).await, Duration::MAX)
    }

    /// Why the instances of a stack, waited for that long, do not come; `None` as long as that is not certain.
    pub(crate) async fn launches(&self, stack: &str, waited: Duration) -> Option<eks_core::Diagnosis> {
        self.doubt(Group { stack, cluster: None, only_launch: true, awaited: None }, waited).await
    }

    /// A look, and what was certain at this one and at the one before: nothing that is being mended, or made, at the moment.
    async fn doubt(&self, group: Group<'_>, waited: Duration) -> Option<eks_core::Diagnosis> {
        let now = self.now();
        let suspected = self.notes(group.stack, |notes| {
            notes.refresh(now);
            !notes.certain.is_empty()
        });
        let evidence = self.look(group, suspected).await;
        let found: Vec<_> = diagnose(&evidence, waited).into_iter().filter(Diagnosis::is_certain).collect();
        let causes: BTreeSet<Cause> = found.iter().map(|diagnosis| diagnosis.cause).collect();
        let before = self.notes(group.stack, |notes| std::mem::replace(&mut notes.certain, causes));
        found.into_iter().find(|diagnosis| before.contains(&diagnosis.cause)).map(eks_core::Diagnosis::from)
    }

    fn notes<T>(&self, stack: &str, work: impl FnOnce(&mut Notes) -> T) -> T {
        let mut notes: MutexGuard<'_, _> = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        work(notes.entry(stack.to_owned()).or_default())
    }

    fn now(&self) -> SystemTime {
        self.clock.as_ref().map_or_else(SystemTime::now, TimeSource::now)
    }
}

impl WatchNodes for Diagnostician {
    fn doom<'a>(&'a self, awaited: &'a AwaitedNodes) -> BoxFuture<'a, Option<eks_core::Diagnosis>> {
        let group = Group { stack: &awaited.group, cluster: awaited.cluster.as_ref(), only_launch: false, awaited: Some(awaited) };
        Box::pin(self.doubt(group, awaited.waited))
    }
}

impl Workers {
    /// While a stack with instances is made or changed, asks whether they will come: the step fails with
    /// [`eks_core::Error::Diagnosed`] as soon as it is certain why not. CloudFormation itself goes on until it gives up; running again, when
    /// the cause is mended, finds the stack and waits for it.
    #[must_use]
    pub fn diagnosing(mut self) -> Self {
        self.diagnoses = true;
        self
    }

    /// Who says why instances do not become nodes; for whoever waits for nodes, such as `eks_k8s::client::Objects::diagnosing`.
    pub fn diagnostician(&self) -> Diagnostician {
        self.diagnostician.clone()
    }

    /// Why a group is stuck: looks once, at everything. Empty if nothing stands against it. [`Diagnostician::evidence`] tells what was seen, and
    /// what could not be.
    pub async fn diagnose(&self, spec: &WorkersSpec) -> Vec<Diagnosis> {
        self.diagnostician.diagnose(&spec.cluster.name, spec.name()).await
    }
}
