//! Plans and runs Amazon EKS workers by CloudFormation.
//!
//! A [`WorkersSpec`] says what a group of workers should be like. It becomes two stacks, from typed templates: one with the
//! role, instance profile and security group, which needs no control plane and so comes up beside it; and one with the launch template, the
//! access entry of the role, and the Auto Scaling group.
//!
//! ```
//! use std::collections::BTreeMap;
//! use eks_core::{AuthenticationMode, ClusterName, ClusterRefs, NetworkRefs, Owner, StackName, SubnetRef, Tier};
//! use eks_nodes::{Capacity, Observed, Scope, WorkersSpec};
//!
//! let network = NetworkRefs {
//!     vpc: "vpc-0a1b2c3d4e5f60718".parse::<eks_core::VpcId>()?.into(),
//!     cidrs: vec!["10.0.0.0/16".to_owned()],
//!     subnets: vec![SubnetRef {
//!         id: "subnet-0a1b2c3d4e5f60718".parse::<eks_core::SubnetId>()?.into(),
//!         zone: "us-east-1a".parse()?,
//!         tier: Tier::Private,
//!     }],
//!     security_groups: BTreeMap::new(),
//!     egress: Vec::new(),
//! };
//! let cluster = ClusterRefs {
//!     name: ClusterName::new("chap10")?,
//!     version: "1.36".to_owned(),
//!     endpoint: "https://0123.gr7.us-east-1.eks.amazonaws.com".to_owned().into(),
//!     certificate_authority: "LS0t".to_owned().into(),
//!     service_cidr: "172.20.0.0/16".to_owned().into(),
//!     security_groups: Vec::new(),
//!     cluster_security_group: "sg-0a1b2c3d4e5f60718".parse::<eks_core::SecurityGroupId>()?.into(),
//!     authentication: AuthenticationMode::Api,
//!     nodes_need: Vec::new(),
//!     volumes_need: Vec::new(),
//! };
//! let owner = Owner::new("chap10")?;
//! let workers = WorkersSpec::builder(&owner, StackName::new("chap10-worker")?, cluster, network)
//!     .instance_type("t4g.medium")
//!     .capacity(Capacity::new(2, 2, 4)?)
//!     .label("team", "books")
//!     .build()?;
//!
//! // Nothing exists yet; with feature `aws`, `Workers::observe` looks.
//! let plan = workers.plan(&Observed::new(&owner, Scope::of([&workers]), [])?)?;
//! assert_eq!(plan.steps().len(), 2);
//! assert!(plan.to_string().contains("2 × t4g.medium"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The operating system is a [`Family`] with settings of its own, which brings its form of user data and finds its image; several
//! instance types, Spot, a group in each zone and lifecycle hooks are words of the builder:
//!
//! ```
//! # use eks_core::{ClusterRefs, NetworkRefs, Owner, StackName};
//! use eks_nodes::{Bottlerocket, Mirror, Purchase, SpotAllocation, WorkersSpec};
//!
//! # fn workers(owner: &Owner, cluster: ClusterRefs, network: NetworkRefs) -> Result<WorkersSpec, Box<dyn std::error::Error>> {
//! let workers = WorkersSpec::builder(owner, StackName::new("batch")?, cluster, network)
//!     .family(Bottlerocket::new().mirror(Mirror::new("docker.io", "https://mirror.example.com")))
//!     .instance_types(["m5.large", "m6i.large", "m5a.large"])
//!     .purchase(Purchase::Spot(SpotAllocation::PriceCapacityOptimized))
//!     .group_per_zone(true)
//!     .build()?;
//! # Ok(workers)
//! # }
//! ```
//!
//! Amazon's own template is a type for each of its generations. CloudFormation is asked what the template really declares, and a
//! plan refuses what does not fit, with the name that was probably meant:
//!
//! ```
//! # use eks_core::{ClusterRefs, NetworkRefs, Owner, StackName};
//! use eks_nodes::{NodeGroup2025, VolumeType, WorkersSpec};
//!
//! # fn workers(owner: &Owner, cluster: ClusterRefs, network: NetworkRefs) -> Result<WorkersSpec, Box<dyn std::error::Error>> {
//! let workers = WorkersSpec::builder(owner, StackName::new("by-amazon")?, cluster, network)
//!     .amazon_template(NodeGroup2025::new("my-key".to_owned()).volume_type(VolumeType::Gp3))
//!     .build()?;
//! # Ok(workers)
//! # }
//! ```
//!
//! The same words make a managed node group, of which EKS keeps the Auto Scaling group and replaces the nodes; what EKS's API cannot be
//! told is refused by name. A group and workers by CloudFormation go into one plan:
//!
//! ```
//! # use eks_core::{ClusterRefs, NetworkRefs, Owner, StackName};
//! use eks_nodes::{Managed, Share, WorkersSpec};
//!
//! # fn workers(owner: &Owner, cluster: ClusterRefs, network: NetworkRefs) -> Result<WorkersSpec, Box<dyn std::error::Error>> {
//! let workers = WorkersSpec::builder(owner, StackName::new("web")?, cluster, network)
//!     .label("team", "books")
//!     .managed(Managed::new().max_unavailable(Share::Percent(25)))
//!     .build()?;
//! # Ok(workers)
//! # }
//! ```
//!
//! # Features
//! | feature | default | brings |
//! |---|---|---|
//! | `aws` | yes | observing, applying and tearing down: the SDK crates of CloudFormation and Auto Scaling |
//! | `diagnosis` | no | says why instances do not become nodes ([`join`]), and finds out what keeps a stack from being deleted: the SDK crates of EC2, EKS and IAM |
//! | `managed` | no | the same of managed node groups: the SDK crate of EKS. Their planning needs no feature |
//! | `replacement` | no | rolling replacement of a group by another: the SDK crate of EC2, and `eks-k8s` for draining |
//!
//! # What this crate does not do
//! It makes a launch configuration only by [`NodeGroup2018`], and does not wait for Kubernetes nodes: the Kubernetes layer does. An update
//! in place drains nothing: a replacement does, and EKS drains what it manages. CloudFormation resolves the image's SSM parameter when it
//! creates or updates a stack; a newer image alone is no difference, nor is a number of instances that an autoscaler chose. User data
//! holds no scripts and no secrets of yours: what a family cannot be told by a setting belongs into an image of your own. Ends of support
//! are judged by a day that you give ([`WorkersSpecBuilder::as_of`]), for a plan reads no clock. A cluster that was deleted and made again
//! under its workers is not noticed by their plan.

// docs.rs tells beside each item which feature brings it.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "aws")]
mod aws;

mod actions;
mod amazon;
mod blocker;
mod capacity;
mod cause;
mod check;
mod decide;
mod diff;
mod effect;
mod failure;
mod findings;
mod fingerprint;
mod grants;
mod image;
mod instance;
pub mod join;
mod kubelet;
mod lifecycle;
mod managed;
mod mapping;
mod observed;
mod op;
mod plan;
mod purchase;
mod refs;
#[cfg(feature = "replacement")]
pub mod replacement;
mod request;
mod sizing;
mod spec;
mod stacks;
mod standing;
mod states;
mod status;
mod taint;
mod teardown;
mod template;

pub use amazon::{
    Capability, CustomTemplate, NodeGroup2018, NodeGroup2022, NodeGroup2025, NodeGroupTemplate, TemplateAuthentication, TemplateParameter,
    TemplateSummary, VolumeType,
};
#[cfg(feature = "aws")]
pub use aws::Workers;
pub use blocker::Blocker;
pub use capacity::{Capacity, CapacityError};
pub use cause::{Cause, Remedy};
pub use diff::{ChangeAction, PropertyChange, Replacement, ResourceChange, StackDiff};
pub use effect::UpdateEffect;
pub use failure::{FailedResource, StackFailure};
pub use fingerprint::TEMPLATE_TAG;
pub use image::{
    AmazonLinux2, AmazonLinux2023, Bottlerocket, Date, EndOfSupport, Family, Image, LocalStorage, Mirror, Proxy, Ubuntu, UbuntuRelease,
    Windows, WindowsInstallation, WindowsRelease,
};
pub use instance::Architecture;
pub use kubelet::{EvictionSignal, Kubelet, ReservedResource};
pub use lifecycle::{LifecycleHook, Transition};
pub use managed::{
    GroupIssue, GroupName, GroupOp, GroupRequest, GroupScaling, GroupStatus, GroupTaint, GroupUpdate, IssueCode, Managed, NodeGroup,
    NodeRepair, Roll, Share, TemplateRef, UpdateStrategy,
};
pub use mapping::RoleMapping;
pub use observed::{Observed, Scope, Stack};
pub use op::WorkersOp;
pub use purchase::{Purchase, SpotAllocation};
pub use request::{Argument, StackRequest, TemplateSource};
pub use sizing::{DESIRED_TAG, GroupSize};
pub use spec::{WORKERS_LABEL, WorkersSpec, WorkersSpecBuilder};
pub use status::{Next, Purpose, Refusal, StackStatus};
pub use taint::TaintEffect;
