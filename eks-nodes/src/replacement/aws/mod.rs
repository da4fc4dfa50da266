//! Replacements on AWS and Kubernetes: the handle and its driver.

mod driver;
mod groups;
mod nodes;
mod observe;
mod rules;
mod wait;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use aws_types::SdkConfig;
use eks_core::{
    Error, Owner, Teardown,
    aws::{once, patient},
};
use eks_k8s::client::Objects;

use self::wait::Waited;
use super::{
    observed::ReplacementObserved,
    plan::ReplacementPlan,
    spec::{Replacement, ReplacementError},
    teardown,
};
use crate::Workers;

/// Replacements of workers in one account and Region. Cheap to clone.
///
/// It is the driver of the layer `replace`; the engine needs `Workers` and `Objects` beside it. The SDK may repeat every call but one: each says
/// what should be, not what should change.
#[derive(Clone)]
pub struct Replacements {
    region: String,
    workers: Workers,
    objects: Objects,
    ec2: aws_sdk_ec2::Client,
    scaling: aws_sdk_autoscaling::Client,
    /// For what must not be repeated before one has looked.
    once: aws_sdk_autoscaling::Client,
    stacks: aws_sdk_cloudformation::Client,
    /// What is waited for, by the id of the wait.
    waits: Arc<Mutex<BTreeMap<String, Waited>>>,
}

impl fmt::Debug for Replacements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replacements").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Replacements {
    /// Uses the configuration's Region, credentials and HTTP client, and this handle of the clusters.
    pub fn new(config: &SdkConfig, objects: Objects) -> Self {
        let patient = patient(config);
        Self {
            region: config.region().map(|region| region.as_ref().to_owned()).unwrap_or_default(),
            workers: Workers::new(config),
            objects,
            ec2: eks_core::sdk_client!(aws_sdk_ec2, &patient),
            scaling: eks_core::sdk_client!(aws_sdk_autoscaling, &patient),
            once: eks_core::sdk_client!(aws_sdk_autoscaling, &once(config)),
            stacks: eks_core::sdk_client!(aws_sdk_cloudformation, &patient),
            waits: Arc::default(),
        }
    }

    /// What there is of both groups.
    ///
    /// # Errors
    /// If a call fails; [`Error::Refused`] if the replacement is of another Region.
    pub async fn observe(&self, replacement: &Replacement) -> Result<ReplacementObserved, Error> {
        self.look(replacement).await
    }

    /// Observes, then plans. After a run that failed, was stopped or was killed, this goes on where it came to.
    ///
    /// # Errors
    /// As [`Replacements::observe`] and [`Replacement::plan`].
    pub async fn plan(&self, replacement: &Replacement) -> Result<ReplacementPlan, ReplacementError> {
        replacement.plan(&self.observe(replacement).await?)
    }

    /// Observes, then plans the way back.
    ///
    /// # Errors
    /// As [`Replacements::observe`] and [`Replacement::back`].
    pub async fn back(&self, replacement: &Replacement) -> Result<ReplacementPlan, ReplacementError> {
        replacement.back(&self.observe(replacement).await?)
    }

    /// What must go before the stacks of workers can, if a replacement was not ended: rules between their security groups.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn teardown(&self, owner: &Owner) -> Result<Teardown, Error> {
        teardown::teardown(owner, &self.region, &self.our_rules(owner).await?)
    }
}
