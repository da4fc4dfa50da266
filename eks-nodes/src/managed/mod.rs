//! Managed node groups: the same words, carried out by EKS instead of a stack of ours.
//!
//! A group stands on a small stack, `<name>-base`: the role of its nodes, unless one is given, and a launch template, so that volumes are
//! encrypted, metadata is answered as the spec says, and the kubelet is told what EKS's API has no word for. What EKS decides itself is
//! refused when the spec is built, with the way round.
//!
//! EKS User Guide, "Simplify node lifecycle with managed node groups", "Customize managed nodes with launch templates".

mod actions;
mod ami_type;
#[cfg(feature = "managed")]
mod aws;
mod check;
mod decide;
mod findings;
mod issue;
mod observed;
mod op;
mod plan;
mod refuse;
mod request;
mod settings;
mod stack;
mod status;
mod teardown;
#[cfg(all(feature = "aws", not(feature = "managed")))]
mod without;

pub(crate) use self::check::check;
pub use self::{
    issue::{GroupIssue, IssueCode},
    observed::{GroupName, NodeGroup},
    op::GroupOp,
    request::{GroupRequest, GroupScaling, GroupTaint, GroupUpdate, Roll, TemplateRef},
    settings::{Managed, NodeRepair, Share, UpdateStrategy},
    status::GroupStatus,
};
