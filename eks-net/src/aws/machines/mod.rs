//! Machines on AWS.

mod balancer;
mod driver;
mod instance;
mod observe;
mod poll;
mod read;
mod volume;

use std::sync::Arc;

use aws_types::SdkConfig;
use eks_core::{Error, Owner, Plan, Teardown};

use self::observe::Look;
use super::{made::Made, region};
use crate::machines::{MachinesSpec, ObservedMachines};

/// Machines in one account and Region. Cheap to clone.
///
/// It is also the driver of the layer `ec2`: give it to `eks_core::engine::Engine::driver`, beside `Networks`.
#[derive(Clone, Debug)]
pub struct Machines {
    /// Reads, deletes, and creates that may be repeated.
    ec2: aws_sdk_ec2::Client,
    /// Creates without an idempotency token.
    once: aws_sdk_ec2::Client,
    elb: aws_sdk_elasticloadbalancing::Client,
    /// Ids of what this process created.
    made: Arc<Made<String>>,
    region: Option<String>,
}

impl Machines {
    /// Machines in the account and Region of this configuration.
    pub fn new(config: &SdkConfig) -> Self {
        let patient = eks_core::aws::patient(config);
        Self {
            ec2: eks_core::sdk_client!(aws_sdk_ec2, &patient),
            once: eks_core::sdk_client!(aws_sdk_ec2, &eks_core::aws::once(config)),
            elb: eks_core::sdk_client!(aws_sdk_elasticloadbalancing, &patient),
            made: Arc::default(),
            region: config.region().map(ToString::to_string),
        }
    }

    /// What exists of an owner's machines: four calls; if there is any, two more for its network; for classic load balancers in the
    /// Region one more for each twenty, and for each of the owner's two: attributes and health.
    ///
    /// # Errors
    /// [`Error::Call`] if a call fails or its answer cannot be understood.
    pub async fn observe(&self, owner: &Owner) -> Result<ObservedMachines, Error> {
        self.look(owner, Look::Whole).await
    }

    /// What must be done so that these machines exist. Two calls more than observing: names of key pairs that others have, and
    /// images by id.
    ///
    /// # Errors
    /// As [`Machines::observe`], also if EC2 does not have an image; as [`MachinesSpec::plan`]; [`Error::Refused`] if the spec's zones
    /// are of another Region than this handle's.
    pub async fn plan(&self, spec: &MachinesSpec) -> Result<Plan, Error> {
        region::fits(self.region.as_deref(), "machines", "their zones are chosen", Some(spec.region().as_str()))?;
        let now = self.observe(spec.owner()).await?;
        spec.plan(&self.look_around(now, spec).await?)
    }

    /// What must be removed so that nothing of an owner's machines is left. It needs no spec.
    ///
    /// # Errors
    /// As [`Machines::observe`] and [`ObservedMachines::teardown`].
    pub async fn teardown(&self, owner: &Owner) -> Result<Teardown, Error> {
        self.look(owner, Look::Facts).await?.teardown()
    }
}
