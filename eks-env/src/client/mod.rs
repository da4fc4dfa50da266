//! On AWS: an environment is planned, applied, upgraded and taken down as one.

mod plan;

use std::fmt;

use aws_types::SdkConfig;
use eks_cluster::{Clusters, Connector, upgrade::KubernetesNodes};
use eks_core::{BoxError, Error, engine::Engine};
use eks_k8s::client::Objects;
use eks_net::Networks;
use eks_nodes::{Workers, replacement::Replacements};

pub use self::plan::RunError;
use crate::Environment;

/// The environments of one account and Region: the handles of all layers. Cheap to clone.
///
/// An environment of another Region is refused ([`Error::Refused`]) before any call: nothing of it would be found there, and a teardown would
/// end with a clean verdict.
///
/// ```no_run
/// # async fn example(config: aws_types::SdkConfig, environment: eks_env::Environment) -> Result<(), Box<dyn std::error::Error>> {
/// use eks_env::Environments;
///
/// let environments = Environments::new(&config);
/// let plan = environments.plan(&environment).await?;
/// println!("{plan}");
/// plan.apply(&environments.engine()).await?;
///
/// let ending = environments.teardown(&environment).await?.apply(&environments.engine()).await?;
/// println!("{}", ending.verdict);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Environments {
    region: String,
    networks: Networks,
    clusters: Clusters,
    workers: Workers,
    objects: Objects,
    replacements: Replacements,
}

impl fmt::Debug for Environments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environments").finish_non_exhaustive()
    }
}

impl Environments {
    /// Uses the configuration's Region, credentials and HTTP client for AWS, and its credentials for the clusters' API servers.
    pub fn new(config: &SdkConfig) -> Self {
        Self::connecting(config, Connector::new(config))
    }

    /// Likewise, with a connector of the application's own to API servers: through a proxy, say, or to a simulated cluster.
    pub fn connecting(config: &SdkConfig, connector: Connector) -> Self {
        let through = connector.clone();
        let objects = Objects::connecting(move |access| std::future::ready(through.connect(&access).map_err(BoxError::from)));
        Self::with_objects(config, connector, objects)
    }

    /// Likewise, with a handle of the application's own to Kubernetes objects.
    pub fn with_objects(config: &SdkConfig, connector: Connector, objects: Objects) -> Self {
        Self {
            region: config.region().map(|region| region.as_ref().to_owned()).unwrap_or_default(),
            networks: Networks::new(config),
            clusters: Clusters::new(config).with_nodes(KubernetesNodes::new(connector)),
            workers: Workers::new(config),
            replacements: Replacements::new(config, objects.clone()),
            objects,
        }
    }

    /// Whoever waits for stacks or nodes is told why they will not come, as soon as that is certain.
    ///
    /// That looks by [`eks_nodes::join::ACTIONS`], reads that are no part of a plan's policy; one that is not permitted blinds it and fails nothing.
    #[must_use]
    pub fn diagnosing(mut self) -> Self {
        self.workers = self.workers.diagnosing();
        self.objects = self.objects.diagnosing(self.workers.diagnostician());
        self
    }

    /// An engine with the drivers of all layers.
    pub fn engine(&self) -> Engine {
        self.drive(Engine::new())
    }

    /// An engine of the application's own, with the drivers of all layers.
    #[must_use]
    pub fn drive(&self, engine: Engine) -> Engine {
        let engine = engine.driver(self.networks.clone()).driver(self.clusters.clone()).driver(self.workers.clone());
        engine.driver(self.objects.clone()).driver(self.replacements.clone())
    }

    /// Whether the environment is of the Region of these handles.
    fn covers(&self, of: &Environment) -> Result<(), Error> {
        covered(&self.region, of)
    }

    /// Kubernetes' objects.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }
}

/// Whether the environment is of the Region that the SDK's configuration is for; empty if it is for none.
fn covered(here: &str, of: &Environment) -> Result<(), Error> {
    if of.region.as_str() == here {
        return Ok(());
    }
    let here = if here.is_empty() { "no Region" } else { here };
    Err(Error::Refused {
        subject: format!("environment {}", of.owner),
        rule: format!("is of {}, and the SDK's configuration is for {here}", of.region),
        remedy: format!("give a configuration for {}", of.region),
    })
}

#[cfg(test)]
mod tests {
    use eks_core::Owner;
    use eks_net::NetworkSpec;

    use super::*;

    #[test]
    fn an_environment_of_another_region_is_refused_before_any_call() {
        let owner = Owner::new("shop").expect("an owner");
        let network = NetworkSpec::builder(&owner, "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"]).build().expect("valid");
        let environment = Environment::builder(&owner, network).build().expect("valid");
        covered("us-east-1", &environment).expect("its own");
        for (other, here) in [("eu-west-1", "eu-west-1"), ("", "no Region")] {
            let refused = covered(other, &environment).expect_err("another").to_string();
            assert!(refused.contains("us-east-1") && refused.contains(here), "{refused}");
        }
    }
}
