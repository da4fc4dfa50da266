//! What clusters left, on AWS.

mod driver;
mod observe;
mod read;
mod remove;

use aws_types::SdkConfig;
use eks_core::{ClusterTrace, Error, Owner, Teardown};

use super::Networks;
use crate::leftovers::{Handling, ObservedLeftovers};

/// What clusters left in one account and Region. Cheap to clone.
///
/// It is also the driver of the layer `leftovers`: give it to `eks_core::engine::Engine::driver`, beside `Networks`.
#[derive(Clone, Debug)]
pub struct Leftovers {
    networks: Networks,
    classic: aws_sdk_elasticloadbalancing::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
}

impl Leftovers {
    /// In the account and Region of this configuration.
    pub fn new(config: &SdkConfig) -> Self {
        let patient = eks_core::aws::patient(config);
        Self {
            networks: Networks::new(config),
            classic: eks_core::sdk_client!(aws_sdk_elasticloadbalancing, &patient),
            elb: eks_core::sdk_client!(aws_sdk_elasticloadbalancingv2, &patient),
        }
    }

    /// What carries the names of these clusters: sixteen calls, and one more for each twenty load balancers and target groups of the
    /// Region, as Elastic Load Balancing has no filters. Without clusters it makes no call.
    ///
    /// # Errors
    /// [`Error::Call`] if a call fails or its answer cannot be understood.
    pub async fn observe(&self, owner: &Owner, traces: impl IntoIterator<Item = ClusterTrace>) -> Result<ObservedLeftovers, Error> {
        self.look(owner, traces.into_iter().collect()).await
    }

    /// What has to be removed so that nothing is left of the owner's clusters that are gone or go, and what stays. `above` is the teardown
    /// of the other layers, without which no cluster that is there counts as going: see [`ObservedLeftovers::teardown`].
    ///
    /// # Errors
    /// As [`Leftovers::observe`] and [`ObservedLeftovers::teardown`].
    pub async fn teardown(
        &self,
        owner: &Owner,
        traces: impl IntoIterator<Item = ClusterTrace>,
        handling: Handling,
        above: Option<&Teardown>,
    ) -> Result<Teardown, Error> {
        self.observe(owner, traces).await?.teardown(handling, above)
    }
}
