//! Clusters on AWS.

mod access;
mod account_roles;
mod addon;
mod addon_versions;
mod apply;
mod cluster;
mod config;
mod driver;
mod migration;
mod observe;
mod oidc;
mod permissions;
mod pod_identity;
mod preflight;
mod roles;
mod settings;
mod traces;
mod upgrade;
mod versions;
mod wait;
mod zones;

pub use apply::{Applied, PlaceError};
pub use migration::MigrationError;
#[cfg(feature = "kube")]
pub use upgrade::KubernetesNodes;
pub use upgrade::{ReadNodes, SeenNodes};

use std::sync::Arc;

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_types::SdkConfig;
use eks_core::{ClusterName, Error, Owner, Plan, Teardown, aws};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{ClusterAccess, ClusterSpec, Scope, plan::refused};

/// Clusters of one account and Region. Cheap to clone; give a clone to [`eks_core::engine::Engine::driver`].
#[derive(Clone, Debug)]
pub struct Clusters {
    #[cfg(feature = "ec2")]
    ec2: aws_sdk_ec2::Client,
    eks: aws_sdk_eks::Client,
    iam: aws_sdk_iam::Client,
    /// For CreateRole, which has no idempotency token.
    iam_once: aws_sdk_iam::Client,
    /// Who tells an upgrade of the nodes.
    nodes: Option<Arc<dyn ReadNodes>>,
    region: String,
    time: SharedTimeSource,
}

impl Clusters {
    /// From the application's configuration: its Region, credentials, HTTP client and clock.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            #[cfg(feature = "ec2")]
            ec2: eks_core::sdk_client!(aws_sdk_ec2, &aws::patient(config)),
            // EKS creates have tokens, which the SDK fills in once per call and keeps over its own repetitions. Over processes
            // names make them safe: a second cluster, add-on or access entry of one name cannot be made.
            eks: eks_core::sdk_client!(aws_sdk_eks, &aws::patient(config)),
            iam: eks_core::sdk_client!(aws_sdk_iam, &aws::patient(config)),
            iam_once: eks_core::sdk_client!(aws_sdk_iam, &aws::once(config)),
            nodes: None,
            region: config.region().map(|region| region.as_ref().to_owned()).unwrap_or_default(),
            time: config.time_source().unwrap_or_else(|| SharedTimeSource::new(SystemTimeSource::new())),
        }
    }

    /// Observes what exists and plans what a spec lacks. Where a control plane is to be made or moved, the Region's clusters are counted, and
    /// with the feature `ec2` its subnets are looked at; otherwise that costs no call.
    ///
    /// # Errors
    /// As [`ClusterSpec::plan`]; if a call fails; if the spec's subnets are of another Region than this handle; [`Error::Refused`] with
    /// everything in the configuration of add-ons that breaks their schemas, by JSON pointer.
    pub async fn plan(&self, spec: &ClusterSpec) -> Result<Plan, Error> {
        if spec.region() != self.region {
            return Err(refused(
                format!("cluster {}", spec.name()),
                format!("its subnets are in {}, the SDK's configuration is for {}", spec.region(), self.region),
                "give a configuration for the Region of the subnets",
            ));
        }
        let mut now = self.observe(spec.owner(), &spec.scope()).await?;
        now.preflight = self.preflight(spec, &now).await?;
        let plan = spec.plan(&now)?;
        self.check_configurations(&plan).await?;
        Ok(plan)
    }

    /// Observes the add-ons that a spec says shall be removed, and plans their removal.
    ///
    /// # Errors
    /// As [`crate::Observed::removals`]; if a call fails.
    pub async fn removals(&self, spec: &ClusterSpec) -> Result<Teardown, Error> {
        self.observe(spec.owner(), &spec.scope()).await?.removals(spec)
    }

    /// Observes what exists of a cluster by its name, and of its roles by theirs, and plans their removal.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn teardown(&self, owner: &Owner, cluster: &ClusterName) -> Result<Teardown, Error> {
        self.teardown_of(owner, &Scope::everything(cluster.clone(), &self.region)).await
    }

    /// As [`Clusters::teardown`], of a scope: [`Scope::everything`], with [`Scope::unprotect`] if a cluster that is protected is to go, too.
    ///
    /// # Errors
    /// If a call fails; if the scope is of another Region than this handle.
    pub async fn teardown_of(&self, owner: &Owner, scope: &Scope) -> Result<Teardown, Error> {
        self.covers("teardown", &scope.cluster, &scope.region)?;
        self.observe(owner, scope).await?.teardown(owner, scope)
    }

    /// What a client needs to know of a cluster that exists; `None` if there is none of that name, or its API server is not there
    /// yet, or no more, because the cluster is being made or deleted.
    ///
    /// # Errors
    /// If DescribeCluster fails.
    pub async fn access(&self, cluster: &ClusterName) -> Result<Option<ClusterAccess>, Error> {
        let found = self.describe(cluster).await?.filter(|found| !matches!(found.status.as_str(), "CREATING" | "DELETING" | "FAILED"));
        Ok(found.and_then(|found| ClusterAccess::from_outputs(&found.outputs())))
    }

    fn today(&self) -> Option<Date> {
        let now = Timestamp::try_from(self.time.now()).ok()?;
        Some(now.to_zoned(TimeZone::UTC).date())
    }
}

/// Whether a call found nothing, as a value.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// EKS sometimes says `ClientException: No cluster found for name` where it means ResourceNotFoundException.
fn is_missing(error: &Error) -> bool {
    error.class() == eks_core::Class::NotFound || (error.code() == Some("ClientException") && error.chain().contains("No cluster found"))
}
