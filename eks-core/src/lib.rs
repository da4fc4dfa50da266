//! What the eks-rs crates share: ids, ownership, plans, the runner, and teardown verdicts.
//!
//! A [`Plan`] is a graph of fully decided [`Step`]s. Each crate of the family makes one for its layer; [`Plan::join`] makes
//! them one graph, which can be shown, priced, saved and checked before the first call:
//!
//! ```
//! use eks_core::{Action, Op, Operation, Owner, Plan, Step, StepKey};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! enum GardenOp { Plant { tree: String } }
//! impl Operation for GardenOp { const LAYER: &'static str = "garden"; }
//!
//! let key: StepKey = "garden/tree/oak".parse()?;
//! let step = Step::new(key, Action::Create, "oak", &GardenOp::Plant { tree: "oak".into() })?;
//! let plan = Plan::builder(&Owner::new("park")?, "garden").step(step).build()?;
//! assert_eq!(plan.steps().len(), 1);
//! assert!(plan.to_string().contains("garden/tree/oak"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! | feature | default | brings |
//! |---|---|---|
//! | `engine` | yes | the runner: tokio |
//! | `aws` | no | classification of AWS SDK errors: smithy's runtime crates, no SDK |
//!
//! # What this crate does not do
//! It knows no AWS service and no Kubernetes object, makes no call by itself, prints nothing, and keeps no state file.

// docs.rs tells beside each item which feature brings it.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "engine")]
pub mod engine;

mod awaited;
mod diagnosis;
mod error;
mod facts;
mod finding;
mod handoff;
mod id;
mod key;
mod op;
mod owner;
mod plan;
mod policy;
mod price;
mod problem;
mod reference;
pub mod saved;
mod teardown;

pub use awaited::{AwaitedNodes, SeenNode};
pub use diagnosis::Diagnosis;
pub use error::{BoxError, Class, Error};
pub use facts::{Basis, Difference, Facts};
pub use finding::{Finding, Severity};
pub use handoff::{
    AuthenticationMode, ClusterAccess, ClusterRefs, ClusterStanding, ClusterTrace, ConfigMapAccess, ConfigMapMapping, NetworkRefs,
    SubnetRef, Tier, WorkersRefs,
};
pub use id::{
    AccountId, AllocationId, AmiId, ClusterName, EgressOnlyGatewayId, IdError, InstanceId, InternetGatewayId, KeyPairId, LaunchTemplateId,
    NatGatewayId, NetworkInterfaceId, PrefixListId, Region, RoleArn, RouteTableAssociationId, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, StackName, SubnetId, TransitGatewayAttachmentId, TransitGatewayId, VolumeId, VpcEndpointId, VpcId, ZoneName,
};
pub use key::{KeyError, StepKey};
pub use op::{Op, OpError, Operation};
pub use owner::{KEY_TAG, OWNER_TAG, Owner, OwnerError};
pub use plan::{Action, Plan, PlanBuilder, PlanError, Step};
pub use policy::{Partition, Permission, Policy, PolicyError, PolicyScope, ScopeError, Statement};
pub use price::{HOURS_PER_MONTH, Price};
pub use problem::{Problem, Problems, SpecError};
pub use reference::{OutputRef, Outputs, Ref};
pub use teardown::{After, Removal, Survivor, Teardown, TeardownBuilder, Verdict};
