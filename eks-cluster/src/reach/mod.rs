//! Whether a cluster can be reached from here, and if not, at which stage it fails and what to do about it.

mod stage;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use eks_core::BoxError;
use http::{Request, Uri};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use serde_json::{Value, json};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

pub use stage::Stage;

use crate::{ClusterAccess, Connector, connect::certificates};

/// How long each stage may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster that can be reached and lets us read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reached {
    /// What the endpoint's name resolves to.
    pub addresses: Vec<SocketAddr>,
    /// Who we are to the cluster.
    pub user: String,
    /// Our groups there.
    pub groups: Vec<String>,
}

/// A cluster that cannot be reached, or not be used.
#[derive(Debug, thiserror::Error)]
#[error("cluster {cluster} is not reached, {stage} fails: {evidence}; {remedy}")]
#[non_exhaustive]
pub struct Unreachable {
    /// The cluster.
    pub cluster: String,
    /// The first stage that fails; those before it do not.
    pub stage: Stage,
    /// What was seen.
    pub evidence: String,
    /// What to do about it.
    pub remedy: String,
    /// The failure itself.
    #[source]
    pub source: Option<BoxError>,
}

impl Connector {
    /// Looks whether a cluster can be reached from here, in the order in which a request goes: name, connection, TLS with the
    /// cluster's certificate authority, then who we are and whether we may read namespaces. It changes nothing. With a transport
    /// of one's own ([`Connector::with_transport`]) the first three are that transport's.
    ///
    /// # Errors
    /// [`Unreachable`] with the first stage that fails, its evidence and a remedy. A stage may take ten seconds.
    pub async fn probe(&self, access: &ClusterAccess) -> Result<Reached, Unreachable> {
        self.probe_within(access, PATIENCE).await
    }

    async fn probe_within(&self, access: &ClusterAccess, patience: Duration) -> Result<Reached, Unreachable> {
        let fails = |stage: Stage, evidence: String, remedy: &str, source: Option<BoxError>| Unreachable {
            cluster: access.name.to_string(),
            stage,
            evidence,
            remedy: remedy.to_owned(),
            source,
        };
        let addresses = if self.is_https() {
            let (host, port) = host_and_port(access).ok_or_else(|| {
                let evidence = format!("the endpoint {:?} is no https URL with a host", access.endpoint);
                fails(Stage::Name, evidence, "give the endpoint that DescribeCluster tells", None)
            })?;
            let addresses = resolve(&host, port, patience).await;
            let addresses =
                addresses.map_err(|error| fails(Stage::Name, format!("{host} does not resolve"), stage::NO_NAME, Some(error.into())))?;
            let stream = connect(&addresses, patience).await.map_err(|evidence| {
                let remedy = stage::no_connection(&addresses);
                fails(Stage::Connection, evidence, remedy, None)
            })?;
            let roots = authority(access).map_err(|error| {
                let evidence = "the certificate authority that was given cannot be used".to_owned();
                fails(Stage::Tls, evidence, stage::NO_AUTHORITY, Some(error))
            })?;
            let encrypted = handshake(roots, &host, stream, patience).await;
            encrypted.map_err(|error| {
                let (evidence, remedy) = stage::no_tls(&host, &*error);
                fails(Stage::Tls, evidence, remedy, Some(error))
            })?;
            addresses
        } else {
            Vec::new()
        };
        let client = self
            .connect(access)
            .map_err(|error| fails(Stage::Api, "no client can be made".to_owned(), "see the cause", Some(error.into())))?;
        let answer = |result: Result<Value, kube::Error>| {
            result.map_err(|error| {
                let (stage, evidence, remedy) = stage::refusal(&error);
                fails(stage, evidence, remedy, Some(error.into()))
            })
        };
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
        let review = Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .header("content-type", "application/json")
            .body(review.into_bytes());
        let info = answer(ask(&client, review, patience).await)?;
        let info = &info["status"]["userInfo"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let user = text(&info["username"]);
        let groups: Vec<String> = info["groups"].as_array().into_iter().flatten().map(text).collect();
        let list = Request::get("/api/v1/namespaces?limit=1").body(Vec::new());
        let listed = answer(ask(&client, list, patience).await);
        listed.map_err(|mut failed| {
            if failed.stage == Stage::Authorization {
                failed.evidence = format!("we are {user:?} of the groups {groups:?}: {}", failed.evidence);
            }
            failed
        })?;
        Ok(Reached { addresses, user, groups })
    }
}

fn host_and_port(access: &ClusterAccess) -> Option<(String, u16)> {
    let endpoint: Uri = access.endpoint.parse().ok()?;
    let host = endpoint.host().filter(|_| endpoint.scheme_str() == Some("https"))?;
    Some((host.trim_matches(['[', ']']).to_owned(), endpoint.port_u16().unwrap_or(443)))
}

async fn resolve(host: &str, port: u16, patience: Duration) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = timeout(patience, lookup_host((host, port))).await.map_err(io::Error::from)??.collect();
    if found.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses")) } else { Ok(found) }
}

/// The first connection that comes about; the error tells how each address failed.
async fn connect(addresses: &[SocketAddr], patience: Duration) -> Result<TcpStream, String> {
    let mut attempts = JoinSet::new();
    for &address in addresses {
        attempts.spawn(async move {
            match timeout(patience, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err(format!("{address}: {error}")),
                Err(_) => Err(format!("{address}: no answer within {} s", patience.as_secs_f64())),
            }
        });
    }
    let mut failures = Vec::new();
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(failure)) => failures.push(failure),
            Err(error) => failures.push(error.to_string()),
        }
    }
    failures.sort();
    Err(failures.join(", "))
}

/// What the cluster's certificate must be signed by.
fn authority(access: &ClusterAccess) -> Result<RootCertStore, BoxError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(access)? {
        roots.add(certificate.into())?;
    }
    Ok(roots)
}

async fn handshake(roots: RootCertStore, host: &str, stream: TcpStream, patience: Duration) -> Result<(), BoxError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())?;
    timeout(patience, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.map_err(io::Error::from)??;
    Ok(())
}

async fn ask(client: &kube::Client, request: http::Result<Request<Vec<u8>>>, patience: Duration) -> Result<Value, kube::Error> {
    let request = request.map_err(kube::Error::HttpError)?;
    match timeout(patience, client.request(request)).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(kube::Error::Service(Box::new(elapsed))),
    }
}

#[cfg(test)]
mod tests;
