//! Where a program runs: the embedded simulator, any AWS-compatible server, or AWS.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aws_config::{BehaviorVersion, ConfigLoader};
use aws_credential_types::Credentials;
use aws_sdk_ec2::types::{AvailabilityZone, AvailabilityZoneState};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use aws_types::{SdkConfig, region::Region};
use eks_cluster::{AssumeRole, Connector};
use eks_core::{BoxError, Owner, RoleArn, aws::Limiter, engine::Engine};
use eks_k8s::client::Objects;
use eks_sim::Sim;

use crate::environment::Failure;

/// An account to work on, and the count of calls made to it.
#[derive(Clone, Debug)]
pub struct Account {
    config: SdkConfig,
    sim: Option<Sim>,
    calls: Arc<AtomicU64>,
    speed: f64,
    /// Whether API servers of clusters are reached.
    reaches: bool,
    /// On the simulator: whether the caller is inside of the clusters' VPCs.
    inside: bool,
}

impl Account {
    /// The embedded simulator. Needs a tokio runtime; with its clock paused, waiting costs nothing.
    pub fn simulated() -> Self {
        Self::on(Sim::new())
    }

    /// A simulator of the caller's own.
    pub fn on(sim: Sim) -> Self {
        Self { config: sim.sdk_config(), sim: Some(sim), calls: Arc::default(), speed: 1.0, reaches: true, inside: false }
    }

    /// A simulator whose clock runs so many times as fast as the wall's, for programs that hold sockets: a paused clock would not wait
    /// for those.
    pub fn hurried(sim: eks_sim::SimBuilder, speed: f64) -> Self {
        Self { speed, ..Self::on(sim.speed(speed).build()) }
    }

    /// A server that speaks AWS's protocols, with the credentials of the environment; `speed` times faster than AWS. In a Region if one is
    /// given.
    pub async fn at_in(endpoint_url: &str, speed: f64, region: Option<&str>) -> Self {
        Self::counted(loader(region).endpoint_url(endpoint_url).load().await, speed)
    }

    /// The same in us-east-1 with keys that the caller has, whatever the environment says.
    pub async fn keyed(endpoint_url: &str, speed: f64, access_key: &str, secret_key: &str) -> Self {
        let credentials = Credentials::new(access_key, secret_key, None, None, "given");
        let config = loader(Some("us-east-1")).endpoint_url(endpoint_url).credentials_provider(credentials);
        Self::counted(config.load().await, speed)
    }

    /// AWS with the default credential chain, in a Region if one is given.
    pub async fn aws_in(region: Option<&str>) -> Self {
        Self::counted(loader(region).load().await, 1.0)
    }

    fn counted(config: SdkConfig, speed: f64) -> Self {
        let calls = Arc::<AtomicU64>::default();
        let config = match config.http_client() {
            Some(inner) => config.to_builder().http_client(Counting { inner, calls: calls.clone() }).build(),
            None => config,
        };
        Self { config, sim: None, calls, speed, reaches: true, inside: false }
    }

    /// Configuration for AWS SDK clients.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The same account, asked in the name of an owner and through a limiter.
    #[must_use]
    pub fn sharing(&self, limiter: &Limiter, owner: &Owner) -> Self {
        Self { config: limiter.share(&self.config, owner), ..self.clone() }
    }

    /// So many of the Region's zones that take a control plane, in order.
    ///
    /// # Errors
    /// If EC2 cannot be asked, or there are fewer.
    pub async fn zones(&self, count: usize) -> Result<Vec<String>, Failure> {
        let told = aws_sdk_ec2::Client::new(&self.config).describe_availability_zones().send().await?;
        let fits = |zone: &&AvailabilityZone| {
            zone.state() == Some(&AvailabilityZoneState::Available)
                && zone.zone_type().is_none_or(|kind| kind == "availability-zone")
                && zone.zone_id().is_none_or(|id| !WITHOUT_EKS.contains(&id))
        };
        let zones = told.availability_zones().iter().filter(fits);
        let mut zones: Vec<String> = zones.filter_map(|zone| zone.zone_name().map(str::to_owned)).collect();
        zones.sort();
        zones.truncate(count);
        if zones.len() == count { Ok(zones) } else { Err(format!("{count} zones are needed, the Region has {zones:?}").into()) }
    }

    /// Two of them.
    ///
    /// # Errors
    /// As above.
    pub async fn two_zones(&self) -> Result<[String; 2], Failure> {
        let zones = self.zones(2).await?;
        zones.try_into().map_err(|zones| format!("two zones, not {zones:?}").into())
    }

    /// Whether it is AWS itself, neither the simulator nor a server at another address.
    pub fn is_aws(&self) -> bool {
        self.sim.is_none() && self.config.endpoint_url().is_none()
    }

    /// The same account, under a role.
    ///
    /// # Errors
    /// If the role's session would break a rule of STS.
    pub fn assuming(&self, role: &RoleArn) -> Result<Self, Failure> {
        Ok(Self { config: AssumeRole::builder(role).build()?.config(&self.config), ..self.clone() })
    }

    /// The simulator, if it is one.
    pub fn sim(&self) -> Option<&Sim> {
        self.sim.as_ref()
    }

    /// Connects to clusters of this account with in-process tokens.
    pub fn connector(&self) -> Connector {
        let connector = Connector::new(&self.config);
        match &self.sim {
            Some(sim) => {
                let service = sim.kube_service();
                let service = if self.inside { service.inside_vpc() } else { service };
                connector.with_transport(move |_| service.clone())
            }
            None => connector,
        }
    }

    /// The same account, seen from inside of its VPCs, as far as it is the simulator: where the caller of another is, it is.
    #[must_use]
    pub fn inside_vpc(mut self) -> Self {
        self.inside = true;
        self
    }

    /// The same account, seen from where no API server of a cluster is reached: a private endpoint, say.
    #[must_use]
    pub fn out_of_reach(mut self) -> Self {
        self.reaches = false;
        self
    }

    /// The Kubernetes objects of clusters of this account.
    pub fn kubernetes(&self) -> Objects {
        let (connector, reaches) = (self.connector(), self.reaches);
        Objects::connecting(move |access| {
            let refused = || std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "nothing is reached there");
            std::future::ready(if reaches { connector.connect(&access).map_err(BoxError::from) } else { Err(refused().into()) })
        })
    }

    /// An engine that keeps pace with the account; drivers are yet to be added.
    pub fn engine(&self) -> Engine {
        Engine::new().speed(self.speed)
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        match &self.sim {
            Some(sim) => sim.log().len() as u64,
            None => self.calls.load(Ordering::Relaxed),
        }
    }
}

/// Zones in which EKS puts no control plane (Amazon EKS User Guide, "Subnet requirements and considerations").
const WITHOUT_EKS: [&str; 3] = ["use1-az3", "usw1-az2", "cac1-az3"];

/// The environment's configuration, in a Region if one is given.
fn loader(region: Option<&str>) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
    match region {
        Some(region) => loader.region(Region::new(region.to_owned())),
        None => loader,
    }
}

/// rustls with ring, the platform's certificates.
fn http_client() -> SharedHttpClient {
    use aws_smithy_http_client::{
        Builder,
        tls::{Provider, rustls_provider::CryptoMode},
    };
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// Counts requests on their way to the real client.
#[derive(Debug)]
struct Counting {
    inner: SharedHttpClient,
    calls: Arc<AtomicU64>,
}

impl HttpClient for Counting {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(CountingConnector { inner: self.inner.http_connector(settings, components), calls: self.calls.clone() })
    }
}

#[derive(Debug)]
struct CountingConnector {
    inner: SharedHttpConnector,
    calls: Arc<AtomicU64>,
}

impl HttpConnector for CountingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}
