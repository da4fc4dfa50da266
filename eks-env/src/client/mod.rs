//! On AWS: an environment is planned, applied, upgraded and taken down as one.

mod plan;

use std::fmt;

use aws_types::SdkConfig;
use eks_cluster::{Clusters, Connector, upgrade::KubernetesNodes};
use eks_core::{BoxError, engine::Engine};
use eks_k8s::client::Objects;
use eks_net::Networks;
use eks_nodes::{Workers, replacement::Replacements};

pub use self::plan::RunError;

/// The environments of one account and Region: the handles of all layers. Cheap to clone.
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
            networks: Networks::new(config),
            clusters: Clusters::new(config).with_nodes(KubernetesNodes::new(connector)),
            workers: Workers::new(config),
            replacements: Replacements::new(config, objects.clone()),
            objects,
        }
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

    /// Kubernetes' objects.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }
}
