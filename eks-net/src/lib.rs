//! Plan and build the network under an Amazon EKS cluster: CIDRs, VPC, subnets, gateways, routes, security groups.
//!
//! A [`NetworkSpec`] says what should exist; building one checks every rule that AWS documents, offline and all at once.
//! With what [`Observed`] says exists, it makes a plan:
//!
//! ```
//! use eks_core::Owner;
//! use eks_net::{Nat, NetworkSpec, Observed, Rule, SecurityGroup};
//!
//! let owner = Owner::new("shop")?;
//! let network = NetworkSpec::builder(&owner, "10.0.0.0/16")
//!     .zones(["us-east-1a", "us-east-1b"])
//!     .nat(Nat::Single)
//!     .security_group(SecurityGroup::new("web", "web servers").allow(Rule::tcp(80).from_cidr("0.0.0.0/0")))
//!     .cluster("shop")
//!     .build()?;
//!
//! let plan = network.plan(&Observed::nothing(&owner))?;
//! assert_eq!(plan.step("net/subnet/private/us-east-1b").map(|step| step.title.as_str()),
//!     Some("private subnet 10.0.96.0/19 in us-east-1b, 8187 addresses"));
//! assert!(plan.to_string().contains("a single point of failure"));
//!
//! // The layers above refer to it before it exists.
//! assert_eq!(network.refs().private().subnets.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Nat`] chooses how private subnets reach the internet, [`Endpoints`] how they reach AWS without it; the plan tells what each
//! choice costs and what fails with it:
//!
//! ```
//! # use eks_core::Owner;
//! # use eks_net::{Endpoints, Nat, NetworkSpec, Observed};
//! # let owner = Owner::new("vault")?;
//! let network = NetworkSpec::builder(&owner, "10.0.0.0/16")
//!     .zones(["us-east-1a", "us-east-1b", "us-east-1c"])
//!     .nat(Nat::None)
//!     .endpoints(Endpoints::private_cluster())
//!     .ipv6()
//!     .build()?;
//! let plan = network.plan(&Observed::nothing(&owner))?;
//! assert!(plan.to_string().contains("9 interface endpoints in 3 zones: $197.10 a month together"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `aws`, `Networks` observes, and its plans and teardowns are applied by `eks_core::engine`:
//!
#![cfg_attr(feature = "aws", doc = "```no_run")]
#![cfg_attr(not(feature = "aws"), doc = "```text")]
//! # async fn example(config: aws_types::SdkConfig, network: eks_net::NetworkSpec) -> Result<(), Box<dyn std::error::Error>> {
//! use eks_core::engine::Engine;
//! use eks_net::Networks;
//!
//! let networks = Networks::new(&config);
//! let engine = Engine::new().driver(networks.clone());
//! let plan = networks.plan(&network).await?;
//! println!("{plan}");
//! plan.apply(&engine).await?;
//!
//! let ending = networks.teardown(network.owner()).await?.apply(&engine).await?;
//! println!("{}", ending.verdict);
//! # Ok(())
//! # }
//! ```
//!
//! A VPC that Terraform, eksctl or the console made is used, or adopted, as an [`ExistingNetwork`]:
//!
#![cfg_attr(feature = "aws", doc = "```no_run")]
#![cfg_attr(not(feature = "aws"), doc = "```text")]
//! # async fn example(networks: eks_net::Networks, engine: eks_core::engine::Engine) -> Result<(), Box<dyn std::error::Error>> {
//! use eks_net::{ExistingNetwork, Fix};
//!
//! let owner = eks_core::Owner::new("shop")?;
//! let theirs = ExistingNetwork::builder(&owner).vpc_named("prod").cluster("shop").allow(Fix::Tags).build()?;
//! let survey = networks.survey(&theirs).await?;
//! for gap in survey.gaps() {
//!     println!("{gap}");
//! }
//! survey.plan()?.apply(&engine).await?;
//! let network = survey.refs(); // for the layers above
//! # Ok(())
//! # }
//! ```
//!
//! [`machines`] plans instances, volumes and classic load balancers in a network, as a layer of its own.
//!
//! Killed at any moment, the same lines run again finish the work: what exists is found by its tags, there is no state file.
//!
//! For a design document, [`NetworkSpec::picture`] and [`Observed::picture`] draw the network, as planned or as found, in SVG and
//! as Mermaid text.
//!
//! # Features
//! | feature | default | brings |
//! |---|---|---|
//! | `aws` | yes | `Networks`: observing, applying and tearing down with aws-sdk-ec2 |
//!
//! # What this crate does not do
//! It never deletes what it did not make, nor changes it, but for what an [`ExistingNetwork`] allows, and for two things in the
//! network's own VPC at a teardown: what Kubernetes left there, once no cluster in it is alive, and rules of other security groups
//! that name a group to be deleted.
//! It plans no peering, network ACLs or flow logs, and makes no transit gateways: it attaches to one.

// docs.rs tells beside each item which feature brings it.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "aws")]
mod aws;
mod blocks;
mod cidr;
mod egress;
mod existing;
mod found;
mod grants;
mod groups;
mod keys;
pub mod leftovers;
pub mod machines;
mod observed;
mod op;
mod permissions;
mod picture;
mod plan;
mod refs;
mod spec;
mod subnet;
mod survivors;
mod tags;
mod teardown;
#[cfg(test)]
mod testing;

#[cfg(feature = "aws")]
pub use aws::Networks;
pub use cidr::{
    Allocator, AllocatorError, Block, InterfaceLimits, IpBudget, Restriction, Size, Space, SubnetGroup, check_association, nth_block,
    reserved_addresses, reserved_ipv6_addresses, usable_addresses,
};
pub use egress::{Endpoint, EndpointKind, Endpoints, Nat};
pub use existing::{
    ChosenSubnet, ExistingNatGateway, ExistingNetwork, ExistingNetworkBuilder, ExistingRoute, ExistingRouteTable, ExistingSubnet,
    ExistingVpc, Fix, Gap, ObservedExisting, Survey,
};
pub use groups::{
    CheckedGroup, Direction, IcmpTypes, Inbound, Incoming, Outbound, Outgoing, Peer, Ports, Protocol, Rule, SecurityGroup,
    SecurityGroupQuotas, SecurityGroupRule, Unaimed, unused_groups,
};
pub use observed::{
    FoundAddress, FoundBlock, FoundEgressOnlyGateway, FoundEndpoint, FoundGroup, FoundInterface, FoundInternetGateway, FoundNatGateway,
    FoundRouteTable, FoundRule, FoundSubnet, FoundTransitAttachment, FoundUsed, FoundVolume, FoundVpc, Observed,
};
pub use op::{DnsAttribute, Ipv6Slot, NetOp, RouteTarget, RuleDescription, RuleId};
pub use picture::Picture;
pub use spec::{NetworkSpec, NetworkSpecBuilder};
pub use subnet::{PlacedSubnet, Subnet};
pub use tags::Tags;
