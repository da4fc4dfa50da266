//! Why instances do not become nodes: a cause as soon as it is certain, instead of a timeout.
//!
//! [`Evidence`] is what was looked at, [`diagnose`] what follows from it. It is pure, and sure or silent: what a healthy group, however slow,
//! shows at any moment gives no diagnosis. With feature `diagnosis`, a [`Diagnostician`] gathers the evidence in at most a dozen calls that
//! read, and is asked while nodes are waited for:
//!
//! - `Workers::diagnosing` lets it watch the creation of stacks, whose instances may never come;
//! - `eks_k8s::client::Objects::diagnosing` lets it watch the wait for Ready nodes;
//! - `Workers::diagnose` looks once, at a group that is stuck.

#[cfg(feature = "diagnosis")]
mod aws;

mod cause;
mod diagnosis;
mod evidence;
mod image;
mod launch;
mod network;
mod node;
mod role;
mod unready;
mod user_data;

#[cfg(feature = "diagnosis")]
pub use aws::{ACTIONS, Diagnostician};
pub use cause::{Cause, UnknownCause};
pub use diagnosis::{Certainty, Diagnosis, diagnose};
pub use evidence::{
    ActivityEvidence, ClusterEvidence, CniEvidence, EndpointEvidence, EntryEvidence, Evidence, GroupEvidence, InstanceEvidence,
    NatEvidence, ProfileEvidence, RouteEvidence, RuleEvidence, SecurityGroupEvidence, Way,
};
