//! What there is of both groups, in AWS and in Kubernetes, as plain data.

use eks_core::{Facts, InstanceId, RoleArn, SecurityGroupId, SecurityGroupRuleId, StackName};
use eks_k8s::{
    Access,
    drain::Cluster,
    replacing::{Autoscaler, Deregistration, Health},
};
use serde::{Deserialize, Serialize};

use super::{
    group::{GroupInstance, ScalingGroup},
    spec::{Replacement, key},
};
use crate::{
    observed::{Observed, Scope},
    status::StackStatus,
};

/// What to observe for a replacement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReplacementScope {
    /// The Region.
    pub region: String,
    /// The stack that goes.
    pub old: StackName,
    /// The stack that comes.
    pub new: StackName,
    /// Whether that has one for what its instances stand on.
    pub new_base: bool,
    /// The address of that stack's template, if it is not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Where the API server is.
    pub access: Option<Access>,
}

impl ReplacementScope {
    /// The stacks: the old group's, whatever template it is of, and the new one's.
    pub fn stacks(&self) -> Scope {
        let base = |name: &StackName| format!("{name}-base");
        let mut names = vec![base(&self.old), self.old.to_string()];
        names.extend(self.new_base.then(|| base(&self.new)));
        names.push(self.new.to_string());
        Scope::Named { region: self.region.clone(), names, templates: self.template.iter().cloned().collect(), groups: Vec::new() }
    }
}

/// What a group of workers consists of, as its stacks tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parts {
    /// Names of its Auto Scaling groups.
    pub groups: Vec<String>,
    /// The security group of its nodes.
    pub security_group: Option<SecurityGroupId>,
    /// Their role.
    pub role: Option<RoleArn>,
}

/// A rule by which the nodes of one group reach those of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrossRule {
    /// Its id.
    pub id: SecurityGroupRuleId,
    /// Whose it is.
    pub group: SecurityGroupId,
    /// Whom it lets in.
    pub peer: SecurityGroupId,
    /// Whether it lets everything in.
    pub everything: bool,
    /// Whether it carries our tags.
    pub ours: bool,
}

impl CrossRule {
    /// A rule of `group` that lets `peer` in.
    pub fn new(id: SecurityGroupRuleId, group: SecurityGroupId, peer: SecurityGroupId, everything: bool, ours: bool) -> Self {
        Self { id, group, peer, everything, ours }
    }
}

/// What there is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReplacementObserved {
    /// What was looked for.
    pub scope: ReplacementScope,
    /// The stacks of both groups.
    pub stacks: Observed,
    /// Nodes and mappings of the new group.
    pub objects: eks_k8s::Observed,
    /// What the old group consists of.
    pub old: Parts,
    /// What the new group consists of.
    pub new: Parts,
    /// The Auto Scaling groups of both.
    pub groups: Vec<ScalingGroup>,
    /// Rules between their security groups.
    pub rules: Vec<CrossRule>,
    /// Instances in the old security group that are in no group of the two.
    pub strays: Vec<InstanceId>,
    /// Security groups of others with rules that let the old nodes in.
    pub letting_in: Vec<SecurityGroupId>,
    /// Nodes, Pods, budgets and volumes.
    pub cluster: Cluster,
    /// Version of the API server: `1.36`.
    pub version: String,
    /// Who changes the number of nodes by itself.
    pub autoscalers: Vec<Autoscaler>,
    /// How workloads are.
    pub health: Health,
    /// How long load balancers go on sending.
    pub deregistration: Deregistration,
}

impl ReplacementObserved {
    /// Nothing found yet: only stacks and the new group's objects are known.
    pub fn new(scope: ReplacementScope, stacks: Observed, objects: eks_k8s::Observed) -> Self {
        Self {
            scope,
            stacks,
            objects,
            old: Parts::default(),
            new: Parts::default(),
            groups: Vec::new(),
            rules: Vec::new(),
            strays: Vec::new(),
            letting_in: Vec::new(),
            cluster: Cluster::default(),
            version: String::new(),
            autoscalers: Vec::new(),
            health: Health::default(),
            deregistration: Deregistration::default(),
        }
    }

    /// The old group's Auto Scaling groups.
    pub fn old_groups(&self) -> impl Iterator<Item = &ScalingGroup> {
        self.groups.iter().filter(|group| group.stack == self.scope.old.as_str())
    }

    /// The new group's Auto Scaling groups.
    pub fn new_groups(&self) -> impl Iterator<Item = &ScalingGroup> {
        self.groups.iter().filter(|group| group.stack == self.scope.new.as_str())
    }

    /// Old instances that stay unless somebody ends them, each with its group.
    pub fn old_live(&self) -> impl Iterator<Item = (&ScalingGroup, &GroupInstance)> {
        self.old_groups().flat_map(|group| group.live().map(move |instance| (group, instance)))
    }

    /// Old instances that are being terminated.
    pub fn old_going(&self) -> impl Iterator<Item = (&ScalingGroup, &GroupInstance)> {
        self.old_groups().flat_map(|group| group.instances.iter().filter(|one| one.is_going()).map(move |instance| (group, instance)))
    }

    /// The node that an instance is.
    pub fn node_of(&self, instance: &InstanceId) -> Option<&str> {
        let is = |node: &eks_k8s::drain::Node| node.instance.as_deref() == Some(instance.as_str());
        self.cluster.nodes.iter().find(|(_, node)| is(node)).map(|(name, _)| name.as_str())
    }

    /// What a plan's decisions rest on. What goes its way by itself does not count: who has joined or gone, a group that comes or goes with its
    /// stack, and how many Pods there are is looked at when its time comes.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        let old = &self.scope.old;
        let goes = self.stacks.stack(old.as_str()).is_none_or(|stack| stack.status == StackStatus::DeleteInProgress);
        for group in self.groups.iter().filter(|group| !(goes && group.stack == old.as_str())) {
            if let Some(mark) = &group.mark {
                facts.note(key(old, &["group"]), group.name.as_str(), mark);
            }
        }
        for rule in &self.rules {
            facts.note(key(old, &["rules"]), rule.id.as_str(), format!("{} lets {} in", rule.group, rule.peer));
        }
        let mark = super::spec::mark(old);
        let paused = self.autoscalers.iter().any(|autoscaler| autoscaler.paused_for.contains(&mark));
        facts.note(key(old, &["autoscalers"]), "paused", paused);
        facts
    }
}

impl Replacement {
    /// What an observation for it looks at.
    pub fn scope(&self) -> ReplacementScope {
        ReplacementScope {
            region: self.new.region().to_owned(),
            old: self.old.clone(),
            new: self.new.name().clone(),
            new_base: self.new.amazon.is_none(),
            template: self.new.amazon.as_ref().map(|template| template.url().to_owned()),
            access: self.access.clone(),
        }
    }
}
