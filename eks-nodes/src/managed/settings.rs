//! What only a managed group has: how EKS updates and repairs its nodes.

use std::fmt;

use eks_core::{Problems, Ref, RoleArn};
use serde::{Deserialize, Serialize};

/// A number of nodes, or a percentage of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "EKS's API has these two")]
pub enum Share {
    /// So many.
    Nodes(u32),
    /// So many percent.
    Percent(u8),
}

impl Share {
    /// How many of `nodes` it is, at least one.
    pub(crate) fn of(self, nodes: u32) -> u32 {
        match self {
            Self::Nodes(count) => count,
            Self::Percent(percent) => nodes * u32::from(percent) / 100,
        }
        .clamp(1, MOST_UNAVAILABLE)
    }

    /// EKS API Reference, "NodegroupUpdateConfig", "NodeRepairConfig".
    fn check(self, what: &str, problems: &mut Problems) {
        let most = match self {
            Self::Nodes(count) => count <= MOST_UNAVAILABLE,
            Self::Percent(percent) => percent <= 100,
        };
        if !most || matches!(self, Self::Nodes(0) | Self::Percent(0)) {
            problems.add("managed-share", format!("{what} {self}"), "must be 1–100 nodes, or 1–100 percent", "correct it");
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

/// Most nodes that an update empties at once. EKS API Reference, "NodegroupUpdateConfig".
const MOST_UNAVAILABLE: u32 = 100;

/// What an update of a group does first. EKS User Guide, "Understand each phase of node updates".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum UpdateStrategy {
    /// Launches new nodes, then ends old ones: the capacity never shrinks.
    #[default]
    Default,
    /// Ends old nodes, then launches new ones: the capacity never grows, for accelerators that are scarce.
    Minimal,
}

impl UpdateStrategy {
    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::Minimal => "MINIMAL",
        }
    }
}

/// EKS replaces or reboots nodes that are not well. EKS User Guide, "Detect node health issues and enable automatic node repair".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeRepair {
    /// Above so many nodes that are not well, nothing is repaired: the cause may be elsewhere.
    pub stops_above: Option<Share>,
    /// So many are repaired at once.
    pub parallel: Option<Share>,
}

impl NodeRepair {
    /// As EKS does it by default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Above so many nodes that are not well, nothing is repaired.
    #[must_use]
    pub fn stops_above(mut self, share: Share) -> Self {
        self.stops_above = Some(share);
        self
    }

    /// How many are repaired at once.
    #[must_use]
    pub fn parallel(mut self, share: Share) -> Self {
        self.parallel = Some(share);
        self
    }
}

/// Workers as a managed node group: EKS makes the Auto Scaling group, lets the role in, drains nodes by eviction when it updates or ends
/// them. What it updates, and how fast, is said here; everything else in the words of [`WorkersSpecBuilder`](crate::WorkersSpecBuilder).
///
/// ```
/// use eks_nodes::{Managed, NodeRepair, Share};
///
/// let managed = Managed::new().max_unavailable(Share::Percent(25)).node_repair(NodeRepair::new());
/// # let _ = managed;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managed {
    pub(crate) role: Option<Ref<RoleArn>>,
    pub(crate) release: Option<String>,
    pub(crate) max_unavailable: Option<Share>,
    pub(crate) strategy: UpdateStrategy,
    pub(crate) repair: Option<NodeRepair>,
    pub(crate) force: bool,
}

impl Managed {
    /// As EKS does it by default: one node at a time, new ones first, no repair; the newest release when the group is made.
    pub fn new() -> Self {
        Self::default()
    }

    /// A role of yours for the nodes, instead of one that the base stack makes. It needs the policies of "Amazon EKS node IAM role".
    #[must_use]
    pub fn role(mut self, role: impl Into<Ref<RoleArn>>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// Pins the image's release as EKS names it: `1.35.7-20261117`, for Bottlerocket `1.52.0-f9f7a4b0`, for Windows `1.35-2026.11.11`.
    #[must_use]
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.release = Some(release.into());
        self
    }

    /// How many nodes an update may empty at once. Default one.
    #[must_use]
    pub fn max_unavailable(mut self, share: Share) -> Self {
        self.max_unavailable = Some(share);
        self
    }

    /// What an update does first.
    #[must_use]
    pub fn update_strategy(mut self, strategy: UpdateStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Lets EKS repair nodes. Default off.
    #[must_use]
    pub fn node_repair(mut self, repair: NodeRepair) -> Self {
        self.repair = Some(repair);
        self
    }

    /// Lets updates end Pods whose budgets hold them for 15 minutes. Default off: then the update fails, and tells which.
    #[must_use]
    pub fn force_updates(mut self, on: bool) -> Self {
        self.force = on;
        self
    }

    pub(crate) fn batch(&self) -> Share {
        self.max_unavailable.unwrap_or(Share::Nodes(1))
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        self.batch().check("max_unavailable", problems);
        if let Some(repair) = self.repair {
            for (what, share) in [("repair stops_above", repair.stops_above), ("repair parallel", repair.parallel)] {
                if let Some(share) = share {
                    share.check(what, problems);
                }
            }
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        if let Some(release) = &self.release
            && (!release.starts_with(|c: char| c.is_ascii_digit()) || !release.contains('-') || !release.bytes().all(plain))
        {
            let rule = "EKS names releases by version and date, such as 1.35.7-20261117";
            problems.add("managed-release", format!("release {release:?}"), rule, "give it as EKS's page of image versions has it");
        }
    }
}
