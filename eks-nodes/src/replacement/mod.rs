//! Replacing a group of workers by another, gently: new nodes first, Pods moved within their budgets, then the old nodes and all that they
//! stood on.
//!
//! A [`Replacement`] says which stack goes and which [`WorkersSpec`](crate::WorkersSpec) comes; with what [`ReplacementObserved`] says is there,
//! it makes a [`ReplacementPlan`]. `Replacements` observes, plans, and is the driver of the layer `replace`; the engine needs `Workers` and
//! `eks_k8s::client::Objects` beside it.
//!
//! ```
//! use eks_core::{Owner, StackName};
//! use eks_k8s::drain::{Drain, OnBlocked};
//! use eks_nodes::{WorkersSpec, replacement::{Batch, Replacement}};
//!
//! # fn replace(owner: &Owner, new: WorkersSpec) -> Result<Replacement, eks_core::SpecError> {
//! let replacement = Replacement::builder(owner, StackName::new("chap10-worker").expect("a name"), new)
//!     .batch(Batch::Zone)
//!     .drain(Drain::settings().delete_local_data().on_blocked(OnBlocked::ScaleUpFirst))
//!     .build()?;
//! # Ok(replacement)
//! # }
//! ```
//!
//! # Order
//! New stacks, and rules by which old and new nodes reach each other; the new role mapped beside the old one; new nodes Ready, and workloads
//! as well as before; autoscalers paused, and what would move instances suspended; old nodes cordoned and tainted. Then, round by round:
//! drain within budgets; a look at the workloads; load balancers let the empty nodes go; the instances are terminated, each with one fewer
//! wanted. While the instances of a round go, the next round's Pods move. When no old instance is left: the role unmapped, the rules closed,
//! the stacks deleted, and what was suspended or paused goes on. (EKS User Guide, "Migrate applications to a new node group".)
//!
//! Nodes are let go by load balancers after their Pods have gone, not before: with `externalTrafficPolicy: Local`, nodes without Pods of the
//! Service answer nobody, so a node that has them must stay a target until they are elsewhere.
//!
//! # Memory
//! What things were before is written on them: on Auto Scaling groups in the tag [`REPLACING_TAG`], on nodes and autoscalers in annotations.
//! So a run may be killed at any call; observing and planning again goes on. To pause, cancel the engine's token; to go on, plan again. What
//! was ill when it began is written down, too: a later run judges by that, so that a regression is not taken for the way things are.
//!
//! # Sizes
//! The new group ends with as many nodes as the old one had when it began, unless its spec says more. With [`Surge::Nodes`] it begins with its
//! fewest, and grows as old nodes go. No number of its stack is changed meanwhile.
//!
//! # When it stops
//! A workload that is worse than before for longer than the patience ends the run; what is done stays. [`Replacement::back`] plans the way
//! back, for as long as the old stack stands. An old stack that does not carry our owner's tags is refused.

mod actions;
mod aws;
mod back;
mod baseline;
mod check;
mod display;
mod draft;
mod findings;
mod group;
mod observed;
mod op;
mod plan;
mod rounds;
mod sizes;
mod spec;
mod teardown;
mod to_be;

pub use aws::Replacements;
pub use group::{GroupInstance, Mark, MarkError, REPLACING_TAG, ScalingGroup};
pub use observed::{CrossRule, Parts, ReplacementObserved, ReplacementScope};
pub use op::ReplaceOp;
pub use plan::{ReplacementPlan, Way};
pub use rounds::Round;
pub use spec::{Batch, Replacement, ReplacementBuilder, ReplacementError, Surge};
