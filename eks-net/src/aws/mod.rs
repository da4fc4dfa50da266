//! The network on AWS.

mod blocks;
mod create;
mod driver;
mod egress_only;
mod endpoints;
mod existing;
mod groups;
mod leftovers;
mod machines;
mod made;
mod nat;
mod observe;
mod read;
mod region;
mod remove;
mod routing;
mod rules;
mod transit;

pub use self::{leftovers::Leftovers, machines::Machines};

use std::sync::Arc;

use aws_sdk_ec2::Client;
use aws_types::SdkConfig;
use eks_core::{Class, Error, Outputs, Owner, Plan, Teardown};

use crate::{observed::Observed, spec::NetworkSpec};
use observe::Look;

/// Networks in one account and Region. Cheap to clone.
///
/// It is also the driver of the layer: give it to `eks_core::engine::Engine::driver`. It works against any server that
/// speaks EC2's protocol; the configuration's endpoint says which.
#[derive(Clone, Debug)]
pub struct Networks {
    /// Reads, deletes, and creates that may be repeated.
    patient: Client,
    /// Creates without an idempotency token.
    once: Client,
    /// Ids of what this process created.
    made: Arc<made::Made<String>>,
    /// Elastic IP addresses that it allocated.
    allocated: Arc<made::Made<Outputs>>,
    region: Option<String>,
}

impl Networks {
    /// Networks in the account and Region of this configuration.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            patient: eks_core::sdk_client!(aws_sdk_ec2, &eks_core::aws::patient(config)),
            once: eks_core::sdk_client!(aws_sdk_ec2, &eks_core::aws::once(config)),
            made: Arc::default(),
            allocated: Arc::default(),
            region: config.region().map(ToString::to_string),
        }
    }

    /// What exists of an owner's network: at most nine calls, and one more for each of IPv6, endpoints and transit gateways where
    /// the VPC tells that they are there.
    ///
    /// # Errors
    /// [`Error::Call`] if a call fails or its answer cannot be understood.
    pub async fn observe(&self, owner: &Owner) -> Result<Observed, Error> {
        self.look(owner, Look::Plan).await
    }

    /// What exists of this network, and what it names of others: one more call for NAT gateways of others, and one for elastic
    /// IP addresses of one's own.
    ///
    /// # Errors
    /// As [`Networks::observe`].
    pub async fn observe_for(&self, spec: &NetworkSpec) -> Result<Observed, Error> {
        self.look_for(spec.owner(), &spec.others()).await
    }

    /// What exists of an owner's network, and which network interfaces use it: at most ten calls. For a review:
    /// [`Observed::review_security_groups`].
    ///
    /// # Errors
    /// As [`Networks::observe`].
    pub async fn observe_with_interfaces(&self, owner: &Owner) -> Result<Observed, Error> {
        self.look(owner, Look::Survivors).await
    }

    /// What must be done so that this network exists. If a security group of ours holds a rule that the spec does not have, one
    /// more call than [`Networks::observe`] makes looks whose it is.
    ///
    /// # Errors
    /// As [`Networks::observe`] and [`NetworkSpec::plan`]; [`Error::Refused`] if the spec's zones are of another Region than
    /// this handle's.
    pub async fn plan(&self, spec: &NetworkSpec) -> Result<Plan, Error> {
        self.in_region("its zones are chosen", Some(spec.region().as_str()))?;
        let mut now = self.observe_for(spec).await?;
        let in_doubt = spec.groups_in_doubt(&now);
        if !in_doubt.is_empty() {
            self.identify(&mut now, in_doubt).await?;
        }
        spec.plan(&now)
    }

    /// What must be removed so that nothing of an owner's network is left, and off what of others' our tags are taken. It needs no
    /// spec.
    ///
    /// # Errors
    /// As [`Networks::observe`] and [`Observed::teardown`].
    pub async fn teardown(&self, owner: &Owner) -> Result<Teardown, Error> {
        self.look(owner, Look::Teardown).await?.teardown()
    }
}

/// The failure of a call, or an answer that makes no sense.
fn strange(call: &str, subject: impl Into<String>, class: Class, why: impl Into<String>) -> Error {
    Error::Call { call: call.to_owned(), subject: subject.into(), class, code: None, request_id: None, source: why.into().into() }
}

/// Whether a call failed with this code.
fn is(error: &Error, code: &str) -> bool {
    error.code() == Some(code)
}

/// What is not there is removed.
fn unless_gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.class() == Class::NotFound => Ok(()),
        other => other,
    }
}
