//! Why instances do not become nodes: a cause as soon as it is certain, instead of a timeout.
//!
//! [`Evidence`] is what was looked at, [`diagnose`] what follows from it. It is pure, and sure or silent: what a healthy group, however slow,
//! shows at any moment gives no diagnosis. With feature `diagnosis`, a [`Diagnostician`] gathers the evidence in at most a dozen calls that
//! read, and is asked while nodes are waited for:
//!
//! - `Workers::diagnosing` has it asked while stacks are made, whose instances may never come;
//! - `Objects::diagnosing` of eks-k8s has it asked while nodes are waited for; `Workers::diagnostician` is what it takes;
//! - `Workers::diagnose` looks once, at a group that is stuck.
//!
//! ```
//! use std::time::Duration;
//! use eks_nodes::join::{ActivityEvidence, Cause, Evidence, GroupEvidence, diagnose};
//!
//! let failed = |age| ActivityEvidence {
//!     status: "Failed".to_owned(),
//!     description: "Launching a new EC2 instance.".to_owned(),
//!     message: "You have requested more vCPU capacity than your current vCPU limit of 5 allows [...]".to_owned(),
//!     age: Duration::from_secs(age),
//! };
//! let group = GroupEvidence { name: "books".to_owned(), desired: 4, alive: 2, activities: vec![failed(4), failed(21)] };
//! let found = diagnose(&Evidence { groups: vec![group], ..Evidence::default() }, Duration::from_secs(25));
//! assert_eq!(found[0].cause, Cause::VcpuQuota);
//! assert!(found[0].to_string().contains("fix: ask for a higher quota"));
//! ```
//!
//! Nothing is concluded from what was not looked at, and from an instance only when it has run for 45 seconds: what it needs may have been made
//! together with it. A wait ends only if two looks in a row agree, twenty seconds apart; capacity and IAM's propagation get a minute, a network
//! plugin 90 seconds. Launches that failed before the wait may be mended, and versions too far apart are only ever likely.

#[cfg(feature = "diagnosis")]
mod aws;

mod acl;
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
    AclEntryEvidence, AclEvidence, ActivityEvidence, ClusterEvidence, CniEvidence, EndpointEvidence, EntryEvidence, Evidence,
    GroupEvidence, InstanceEvidence, NatEvidence, ProfileEvidence, RouteEvidence, RuleEvidence, SecurityGroupEvidence, Way,
};
