//! The operations of a replacement.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use eks_core::{InstanceId, Operation, Ref, RoleArn, SecurityGroupId, StackName};
use eks_k8s::{Access, drain::Drain, replacing::Health};
use serde::{Deserialize, Serialize};

/// What a step of layer `replace` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReplaceOp {
    /// Lets two security groups of nodes reach each other, by rules that carry our tags.
    OpenRules {
        /// That of the old nodes.
        old: SecurityGroupId,
        /// That of the new nodes.
        new: Ref<SecurityGroupId>,
    },
    /// Takes back the rules that [`ReplaceOp::OpenRules`] made.
    CloseRules {
        /// The groups; rules between any two of them that carry our tags go.
        groups: Vec<SecurityGroupId>,
    },
    /// Writes down what groups are, and suspends what would move their instances.
    Hold {
        /// Their names, with commas between.
        groups: Ref<String>,
        /// The other stack.
        with: String,
        /// Processes.
        processes: Vec<String>,
        /// Whether the fewest instances become none, so that the group can be emptied.
        to_none: bool,
        /// Short names of what was ill when this was planned.
        ill: BTreeSet<String>,
    },
    /// Makes groups what they were: processes go on, the tag goes.
    Release {
        /// Their names, with commas between.
        groups: Ref<String>,
        /// The other stack: one that is held together with another is that replacement's.
        with: String,
        /// Processes that the hold suspended.
        processes: Vec<String>,
        /// Whether their sizes, too, become what was written down.
        sizes: bool,
    },
    /// Raises what is wanted of groups, and never lowers it.
    Grow {
        /// Their names, with commas between.
        groups: Ref<String>,
        /// How many instances each zone should have; the empty zone stands for the group over all of them.
        wanted: BTreeMap<String, u32>,
    },
    /// Waits until as many nodes are Ready.
    AwaitReady {
        /// Where.
        access: Access,
        /// The label of the nodes.
        label: (String, String),
        /// How many.
        count: u32,
    },
    /// Scales Deployments of the Cluster Autoscaler to none.
    PauseAutoscalers {
        /// Where.
        access: Access,
        /// For whom.
        mark: String,
    },
    /// Gives them back what they had.
    ResumeAutoscalers {
        /// Where.
        access: Access,
        /// For whom.
        mark: String,
    },
    /// Cordons and taints nodes.
    Close {
        /// Where.
        access: Access,
        /// Which.
        nodes: Vec<String>,
        /// The value of the taint.
        mark: String,
    },
    /// Lets nodes that were closed for this mark take Pods again, and load balancers send to them.
    Open {
        /// Where.
        access: Access,
        /// Which.
        nodes: Vec<String>,
        /// The value of the taint.
        mark: String,
    },
    /// Drains what nodes are there of these instances.
    Drain {
        /// Where.
        access: Access,
        /// Which.
        instances: Vec<InstanceId>,
        /// How.
        drain: Drain,
        /// The value of the taint.
        mark: String,
    },
    /// Waits until nothing is worse than before.
    Judge {
        /// Where.
        access: Access,
        /// How it was.
        before: Box<Health>,
        /// For how long something may be worse.
        patience: Duration,
        /// What to do if it stays so.
        way_back: String,
    },
    /// Has load balancers let the nodes of these instances go, and waits until they have.
    Deregister {
        /// Where.
        access: Access,
        /// Which.
        instances: Vec<InstanceId>,
        /// For whom.
        mark: String,
        /// For how long load balancers went on sending when this was planned. If it has become longer since, that counts.
        delay: Duration,
    },
    /// Terminates instances, one less wanted for each, and waits until they and their nodes are gone.
    Terminate {
        /// Where.
        access: Access,
        /// The group of each.
        instances: BTreeMap<InstanceId, String>,
    },
    /// Takes a role out of `aws-auth`, unless another group needs it.
    UnmapRole {
        /// Where.
        access: Access,
        /// The group of workers.
        group: String,
        /// Its role.
        role: RoleArn,
        /// The security group that its instances have: one that is left keeps the role.
        security_group: Option<SecurityGroupId>,
    },
    /// Deletes a stack of the old group, which has no instance any more, and waits until it is gone.
    DeleteStack {
        /// Its name.
        name: StackName,
        /// Its ARN.
        id: String,
        /// The Auto Scaling groups in it, which must be empty.
        groups: Vec<String>,
    },
    /// Nothing: it is so already.
    Keep,
}

impl Operation for ReplaceOp {
    const LAYER: &'static str = "replace";
}
