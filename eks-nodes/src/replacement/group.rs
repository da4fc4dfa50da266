//! An Auto Scaling group as a replacement sees it, and what is written on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use eks_core::InstanceId;
use serde::{Deserialize, Serialize};

/// Tag of Auto Scaling groups that take part in a replacement: with which stack, and what they were before ([`Mark`]).
pub const REPLACING_TAG: &str = "eks-rs/replacing";

/// What would move instances meanwhile without knowing of Pods. Amazon EC2 Auto Scaling User Guide, "Suspend and resume processes".
pub(crate) const NEW_PROCESSES: [&str; 3] = ["AZRebalance", "AlarmNotification", "ScheduledActions"];
/// And on the old group, too, what would bring it back.
pub(crate) const OLD_PROCESSES: [&str; 4] = ["AZRebalance", "AlarmNotification", "Launch", "ScheduledActions"];

/// An Auto Scaling group of one of the two stacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScalingGroup {
    /// Its name.
    pub name: String,
    /// The stack that it is of.
    pub stack: String,
    /// Fewest instances.
    pub min: u32,
    /// Instances that are wanted.
    pub desired: u32,
    /// Most instances.
    pub max: u32,
    /// The zones of its subnets.
    pub zones: BTreeSet<String>,
    /// Processes that are suspended.
    pub suspended: BTreeSet<String>,
    /// What it was before a replacement, if one has come to it.
    pub mark: Option<Mark>,
    /// Its instances.
    pub instances: Vec<GroupInstance>,
    /// Whether instances wait in a warm pool.
    pub warm_pool: bool,
    /// The state of an instance refresh that runs.
    pub refresh: Option<String>,
}

/// An instance of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupInstance {
    /// Its id.
    pub id: InstanceId,
    /// Its zone.
    pub zone: String,
    /// `InService`, `Terminating:Wait`, …
    pub state: String,
}

impl GroupInstance {
    /// An instance in a state of its life ("Amazon EC2 Auto Scaling instance lifecycle").
    pub fn new(id: InstanceId, zone: impl Into<String>, state: impl Into<String>) -> Self {
        Self { id, zone: zone.into(), state: state.into() }
    }

    /// Whether it is being terminated. One that is being detached runs on.
    pub fn is_going(&self) -> bool {
        self.state.starts_with("Terminat")
    }

    /// Whether it is on standby, or leaves the group and runs on: somebody is at it.
    pub(crate) fn is_of_others(&self) -> bool {
        self.state.contains("Standby") || self.state.starts_with("Detach")
    }

    /// Whether it is kept stopped or running for later, and is no node.
    pub fn is_warm(&self) -> bool {
        self.state.starts_with("Warmed")
    }
}

impl ScalingGroup {
    /// Instances that stay unless somebody ends them.
    pub fn live(&self) -> impl Iterator<Item = &GroupInstance> {
        self.instances.iter().filter(|instance| !instance.is_going() && !instance.is_warm())
    }

    /// What it was before the replacement; what it is, if none has come to it.
    pub(crate) fn before(&self) -> Mark {
        self.mark.clone().unwrap_or_else(|| Mark {
            with: String::new(),
            min: self.min,
            desired: self.desired,
            max: self.max,
            suspended: self.suspended.clone(),
            ill: Some(BTreeSet::new()),
        })
    }

    /// Whether it takes part in a replacement together with this stack.
    pub(crate) fn is_marked(&self, with: &str) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.with == with)
    }

    /// Whether it is held for a replacement together with this stack: everything is written down and suspended.
    pub(crate) fn is_held(&self, with: &str, processes: &[&str]) -> bool {
        self.is_marked(with) && processes.iter().all(|process| self.suspended.contains(*process))
    }
}

/// What there was before a replacement, as the tag says: `with=chap10-v11 min=2 desired=2 max=3 suspended=AZRebalance+Launch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mark {
    /// The other stack.
    pub with: String,
    /// Fewest instances.
    pub min: u32,
    /// Instances that were wanted.
    pub desired: u32,
    /// Most instances.
    pub max: u32,
    /// Processes that somebody else had suspended.
    pub suspended: BTreeSet<String>,
    /// Short names of workloads, nodes and Pods that were ill; `None` if there were too many to be written down.
    pub ill: Option<BTreeSet<String>>,
}

/// The longest value of a tag. Auto Scaling API Reference, "Tag".
const TAG: usize = 256;

impl Mark {
    /// As it can be written down.
    pub(crate) fn fitting(mut self) -> Self {
        if self.to_string().len() > TAG {
            self.ill = None;
        }
        self
    }
}

/// More than can be named.
const MANY: &str = "*";

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "with={} min={} desired={} max={}", self.with, self.min, self.desired, self.max)?;
        let joined = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join("+");
        if !self.suspended.is_empty() {
            write!(f, " suspended={}", joined(&self.suspended))?;
        }
        match &self.ill {
            None => write!(f, " ill={MANY}"),
            Some(ill) if ill.is_empty() => Ok(()),
            Some(ill) => write!(f, " ill={}", joined(ill)),
        }
    }
}

/// A tag that this version did not write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not what eks-rs writes into the tag {REPLACING_TAG}")]
#[non_exhaustive]
pub struct MarkError(pub String);

impl FromStr for Mark {
    type Err = MarkError;

    fn from_str(text: &str) -> Result<Self, MarkError> {
        let fields: BTreeMap<&str, &str> = text.split(' ').filter_map(|field| field.split_once('=')).collect();
        let number = |name: &str| fields.get(name).and_then(|text| text.parse().ok());
        let names = |name: &str| fields.get(name).into_iter().flat_map(|names| names.split('+')).map(str::to_owned).collect();
        let read = || {
            Some(Self {
                with: (*fields.get("with")?).to_owned(),
                min: number("min")?,
                desired: number("desired")?,
                max: number("max")?,
                suspended: names("suspended"),
                ill: (fields.get("ill") != Some(&MANY)).then(|| names("ill")),
            })
        };
        read().ok_or_else(|| MarkError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back() {
        let mark = Mark { with: "v11".to_owned(), min: 1, desired: 2, max: 3, suspended: BTreeSet::new(), ill: Some(BTreeSet::new()) };
        let more = Mark { suspended: ["AZRebalance", "Launch"].map(str::to_owned).into(), ..mark.clone() };
        assert_eq!(more.to_string(), "with=v11 min=1 desired=2 max=3 suspended=AZRebalance+Launch");
        let ill = Mark { ill: Some(["0a1b2c3d".to_owned()].into()), ..mark.clone() };
        for mark in [mark.clone(), more, ill, Mark { ill: None, ..mark }] {
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        assert!("with=x min=1".parse::<Mark>().is_err());
    }

    #[test]
    fn the_longest_mark_fits_its_tag() {
        let others = ["AddToLoadBalancer", "HealthCheck", "InstanceRefresh", "Launch", "ReplaceUnhealthy", "Terminate"];
        let suspended = others.iter().chain(&NEW_PROCESSES).map(|name| (*name).to_owned()).collect();
        let ill: BTreeSet<String> = (0..40).map(|number| format!("{number:08x}")).collect();
        let numbers = Mark { with: "x".repeat(63), min: 10_000, desired: 10_000, max: 10_000, suspended, ill: Some(ill) };
        assert!(numbers.to_string().len() > TAG);
        let longest = numbers.fitting();
        assert!(longest.to_string().len() <= TAG && longest.ill.is_none(), "{longest}");
    }
}
