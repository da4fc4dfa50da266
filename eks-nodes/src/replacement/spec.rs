//! What is to be replaced by what, and how gently.

use std::time::Duration;

use eks_core::{Error, Owner, Problems, SpecError, StackName, StepKey};
use eks_k8s::{Access, AccessRef, drain::Drain};

use crate::spec::WorkersSpec;

/// Characters that the value of a taint may have.
const MARK: usize = 63;

/// How many old nodes are drained at a time. A batch never reaches over two zones, but for [`Batch::Percent`] of 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Batch {
    /// Those of a zone: what has replicas in several keeps some.
    #[default]
    Zone,
    /// So many.
    Nodes(u32),
    /// So many of a hundred of the old nodes, rounded up.
    Percent(u8),
}

/// How many nodes there may be beyond the number of old ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Surge {
    /// The whole new group comes first, as in AWS's own description (EKS User Guide, "Migrate applications to a new node group").
    #[default]
    Whole,
    /// So many: new nodes come batch by batch, as old ones go.
    Nodes(u32),
}

/// A group of workers that should take the place of another one, which carries the same owner's tag.
///
/// The old one is known by its stack alone: what it is like, it tells itself.
#[derive(Clone, Debug)]
pub struct Replacement {
    pub(crate) owner: Owner,
    pub(crate) old: StackName,
    pub(crate) new: WorkersSpec,
    pub(crate) access: Option<Access>,
    pub(crate) batch: Batch,
    pub(crate) surge: Surge,
    pub(crate) drain: Drain,
    pub(crate) patience: Duration,
    pub(crate) health_as_it_is: bool,
}

/// Collects how a group is replaced. See [`Replacement::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before build()"]
pub struct ReplacementBuilder(Replacement);

/// Why there is no plan of a replacement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplacementError {
    /// Rules stand against it, all of them told.
    #[error(transparent)]
    Refused(#[from] SpecError),
    /// A call failed, or the plan is at fault.
    #[error(transparent)]
    Other(#[from] Error),
}

impl ReplacementError {
    /// The names of the rules that stand against it.
    pub fn codes(&self) -> Vec<&'static str> {
        match self {
            Self::Refused(refused) => refused.problems.iter().map(|problem| problem.code).collect(),
            Self::Other(_) => Vec::new(),
        }
    }
}

impl Replacement {
    /// Starts the replacement of the group whose stack is `old` by `new`, which may differ in whatever a spec can say, its name at least.
    pub fn builder(owner: &Owner, old: StackName, new: WorkersSpec) -> ReplacementBuilder {
        ReplacementBuilder(Self {
            owner: owner.clone(),
            old,
            access: AccessRef::from(&new.cluster).known(),
            new,
            batch: Batch::default(),
            surge: Surge::default(),
            drain: Drain::settings().deadline(Duration::from_secs(30 * 60)),
            patience: Duration::from_secs(300),
            health_as_it_is: false,
        })
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The stack of the group that goes.
    pub fn old(&self) -> &StackName {
        &self.old
    }

    /// The workers that come.
    pub fn new_workers(&self) -> &WorkersSpec {
        &self.new
    }

    pub(crate) fn old_base(&self) -> String {
        format!("{}-base", self.old)
    }

    /// By what the old group's nodes, and paused autoscalers, are known.
    pub(crate) fn mark(&self) -> String {
        mark(&self.old)
    }

    /// The key of a step.
    pub(crate) fn key(&self, segments: &[&str]) -> StepKey {
        key(&self.old, segments)
    }
}

/// The value of the taint. Names of stacks fit, but for the longest.
pub(crate) fn mark(old: &StackName) -> String {
    let name = old.as_str();
    if name.len() <= MARK && !name.ends_with('-') {
        return name.to_owned();
    }
    let hash = crate::fingerprint::fingerprint(name);
    format!("{}.{}", &name[..name.len().min(40)], &hash[..16])
}

/// Stack names hold no character that a key may not; of the longest, a part stands for the whole.
pub(crate) fn key(old: &StackName, segments: &[&str]) -> StepKey {
    let name = mark(old);
    #[expect(clippy::expect_used, reason = "segments are a shortened stack name, and words and numbers of this module")]
    StepKey::new(["replace", name.as_str()].iter().chain(segments)).expect("stack names are key segments")
}

impl ReplacementBuilder {
    /// How many old nodes are drained at a time. Default: those of a zone.
    pub fn batch(mut self, batch: Batch) -> Self {
        self.0.batch = batch;
        self
    }

    /// How many nodes there may be beyond the number of old ones. Default: as many as the new group has.
    pub fn surge(mut self, surge: Surge) -> Self {
        self.0.surge = surge;
        self
    }

    /// How nodes are drained: [`Drain::settings`], and on them grace, deadline, what to do about Pods that are blocked, whether data in
    /// `emptyDir` may be lost. Nodes of a batch go together, whatever it says about numbers. Default: as `kubectl drain` without flags, but
    /// with DaemonSets left alone, and given up after half an hour.
    pub fn drain(mut self, settings: Drain) -> Self {
        self.0.drain = settings;
        self
    }

    /// For how long a workload may be worse than before, as its Pods move, until it is a regression that ends the run. Default five minutes.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.0.patience = patience;
        self
    }

    /// Takes what is ill now as no regression, though it was well when the replacement began. Default off: a run that goes on after a
    /// regression waits for it to be mended, and stops again if it is not.
    pub fn accept_health_as_it_is(mut self, accept: bool) -> Self {
        self.0.health_as_it_is = accept;
        self
    }

    /// Where the cluster's API server is, if the spec's references do not know it yet.
    pub fn access(mut self, access: Access) -> Self {
        self.0.access = Some(access);
        self
    }

    /// The replacement, if nothing about it is wrong by itself.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that is broken.
    pub fn build(self) -> Result<Replacement, SpecError> {
        let mut problems = Problems::new();
        let one = &self.0;
        let (old, new) = (&one.old, one.new.name());
        if one.new.owner() != &one.owner {
            let rule = format!("is of owner {}, and the replacement of owner {}", one.new.owner(), one.owner);
            problems.add("replacement-owner", format!("workers {new}"), rule, "let both have one owner");
        }
        if old == new || one.old_base() == new.as_str() || old.as_str() == one.new.base_name() {
            let rule = format!("the new group is called {new}, and both are there for a while");
            problems.add("replacement-name", format!("stack {old}"), rule, "give the new workers another name");
        }
        if one.new.managed.is_some() {
            let rule = "is a managed node group, whose nodes EKS replaces within budgets by itself";
            problems.add("replacement-managed", format!("workers {new}"), rule, "update the managed group, or drain the old nodes");
        }
        if one.access.is_none() {
            let rule = "is not known yet, and nodes are replaced in a cluster that stands";
            problems.add("replacement-access", "API server", rule, "give it with access(), or known values in the cluster's references");
        }
        match one.batch {
            Batch::Nodes(0) => problems.add("replacement-batch", "batch", "no node at a time is none at all", "drain one at least"),
            Batch::Percent(percent) if !(1..=100).contains(&percent) => {
                problems.add("replacement-batch", format!("batch of {percent} %"), "must be 1–100 %", "correct it");
            }
            _ => {}
        }
        if one.surge == Surge::Nodes(0) {
            let rule = "with no node more, Pods have nowhere to go";
            problems.add("replacement-surge", "surge", rule, "allow one node more at least, or the whole new group");
        }
        if one.patience < Duration::from_secs(1) {
            problems.add("replacement-patience", "patience", "a Pod that moves takes seconds", "allow a minute at least");
        }
        // Its nodes come later.
        if let Err(error) = one.drain.for_nodes(["node"]).check() {
            error.problems.into_iter().for_each(|problem| problems.add(problem.code, problem.subject, problem.rule, problem.remedy));
        }
        problems.finish(format!("replacement of {old} by {new}"), || self.0)
    }
}
