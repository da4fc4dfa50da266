//! An offline AWS account and Kubernetes API, for testing programs that provision Amazon EKS.
//!
//! A [`Sim`] is one AWS account in one Region. It speaks the wire: the AWS SDK talks to it through
//! [`Sim::sdk_config`], a `kube::Client` through [`Sim::kube_service`], and any other client (the AWS CLI, boto3,
//! Terraform, kubectl) through the loopback server of [`serve`], where each cluster has an endpoint of its own by TLS. Nothing
//! leaves the machine.
//!
//! Resources take the time that AWS takes (from published figures, seeded), on tokio's clock: with the clock paused, a
//! control plane that needs seven minutes is there in milliseconds. Faults are injected per call, and every call is logged.
//!
//! ```
//! use eks_sim::{Fault, Sim, When};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sim = Sim::new();
//! sim.inject(When::Action { service: "ec2".into(), action: "CreateVpc".into(), nth: 1 }, Fault::Throttle);
//!
//! // Any client that takes an SdkConfig; in a test with #[tokio::test(start_paused = true)].
//! let ec2 = aws_sdk_ec2::Client::new(&sim.sdk_config());
//! ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?;
//!
//! assert_eq!(sim.inventory().count("ec2/vpc"), 1);
//! assert_eq!(sim.log().count("ec2", "CreateVpc"), 2, "the SDK tried again");
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! It has none. `eks-sim serve` is the same as a program, for clients in other languages.
//!
//! # What this crate does not do
//! It is not a mock: there is nothing to script, and no rule exists to please a caller. Each rule rests on documented AWS
//! or Kubernetes behaviour, named where it is enforced; what no page tells, above all how long things take, is marked as an
//! assumption. What is not implemented answers AWS's own unknown-action error. Its API servers know no schemas: unknown fields
//! of objects are stored, not refused.

// docs.rs tells beside each item which feature brings it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod authorize;
mod autoscaling;
mod call;
mod clock;
mod cloudformation;
mod door;
mod draw;
mod ec2;
mod eks;
mod elb;
mod error;
mod fault;
mod iam;
mod inventory;
mod kube;
mod ledger;
mod log;
mod node;
mod readiness;
mod serve;
mod sim;
mod ssm;
mod sts;
mod throttle;
mod times;
mod transport;
mod wire;
mod world;

pub use answer::Answer;
pub use authorize::{Authorization, PolicyError};
pub use clock::Clock;
pub use eks::DeprecatedUse;
pub use fault::{Fault, When};
pub use inventory::{Inventory, Item};
pub use kube::KubeService;
pub use ledger::{Ledger, ServiceTime};
pub use log::{Call, CallLog, Outcome};
pub use serve::{Server, serve};
pub use sim::{Sim, SimBuilder, Snapshot};
pub use transport::{Body, TransportError};
