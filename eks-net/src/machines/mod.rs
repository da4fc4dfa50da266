//! Machines in a network: key pairs, instances, EBS volumes, classic load balancers. A layer of its own, `ec2`.
//!
//! ```
//! use eks_core::{Owner, Plan};
//! use eks_net::{NetworkSpec, Rule, SecurityGroup};
//! use eks_net::machines::{Instance, Listener, LoadBalancer, MachinesSpec, Volume};
//!
//! let owner = Owner::new("shop")?;
//! let network = NetworkSpec::builder(&owner, "10.0.0.0/16")
//!     .zones(["us-east-1a", "us-east-1b"])
//!     .security_group(SecurityGroup::new("web", "web servers").allow(Rule::tcp(80).from_cidr("0.0.0.0/0")))
//!     .build()?;
//! let machines = MachinesSpec::builder(&owner, network.refs())
//!     .instance(Instance::public("web", "us-east-1a").security_group("web"))
//!     .volume(Volume::new("data", 40).attach_to("web", "/dev/xvdh"))
//!     .load_balancer(LoadBalancer::internet_facing("shop").listener(Listener::http(80, 80)).security_group("web").instance("web"))
//!     .build()?;
//!
//! let plan = machines.plan(&eks_net::machines::ObservedMachines::nothing(&owner))?;
//! let plan = Plan::join([network.plan(&eks_net::Observed::nothing(&owner))?, plan])?;
//! assert_eq!(plan.step("ec2/attachment/data").map(|step| step.title.as_str()), Some("data at web as /dev/xvdh"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `aws`, [`Machines`] observes, and is the driver of the layer.
//!
//! What it does not do: Spot and fleets, more than one network interface, volumes attached to several instances, snapshots,
//! stopping and starting, Windows.

mod device;
mod disk;
mod grants;
mod health_check;
pub(crate) mod instance;
mod key_pair;
pub(crate) mod keys;
mod load_balancer;
mod observed;
mod op;
mod permissions;
mod place;
pub(crate) mod plan;
pub(crate) mod price;
mod public_key;
mod spec;
mod survivors;
mod teardown;
mod volume;
#[cfg(test)]
mod wrong;

pub use disk::{Disk, VolumeType};
pub use health_check::HealthCheck;
pub use instance::{Ami, Architecture, Instance, Metadata};
pub use key_pair::KeyPair;
pub use load_balancer::{BalancerAttributes, Listener, ListenerProtocol, LoadBalancer};
pub use observed::{FoundImage, FoundInstance, FoundKeyPair, FoundLoadBalancer, FoundMachineVolume, FoundRegistration, ObservedMachines};
pub use op::{Balancer, BalancerChange, Held, Launch, MachineOp, ModifyVolume};
pub use spec::{MachinesSpec, MachinesSpecBuilder};
pub(crate) use teardown::RELEASE;
#[cfg(feature = "aws")]
pub(crate) use teardown::TERMINATE;
pub use volume::{OnTeardown, Volume};

#[cfg(feature = "aws")]
pub use crate::aws::Machines;
