//! A `kube::Client` for a cluster.

mod authenticate;

use std::{fmt, sync::Arc};

use aws_types::SdkConfig;
use base64::{DecodeError, Engine, prelude::BASE64_STANDARD};
use http::{Request, Response, Uri};
use kube::client::{Body, ClientBuilder, ConfigExt};
use tower::{BoxError, Layer, Service};

use crate::{ClusterAccess, TokenError, TokenSigner};
use authenticate::Authenticate;

/// A client over some transport.
type Connect = dyn Fn(&ClusterAccess, kube::Config, Authenticate) -> Result<kube::Client, ConnectError> + Send + Sync;

/// Makes `kube::Client`s that authenticate as the application's AWS principal, with tokens made in process.
#[derive(Clone)]
pub struct Connector {
    config: SdkConfig,
    connect: Arc<Connect>,
    /// The transport is ours.
    https: bool,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("region", &self.config.region()).finish_non_exhaustive()
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The endpoint is not a URI.
    #[error("the endpoint {endpoint:?} of cluster {cluster} is not a URI")]
    Endpoint {
        /// The cluster.
        cluster: String,
        /// Its endpoint.
        endpoint: String,
        /// Why not.
        #[source]
        source: http::uri::InvalidUri,
    },
    /// The endpoint is not an https URL: a token would be readable on the way.
    #[error("the endpoint {endpoint:?} of cluster {cluster} is no https URL with a host, and a token is sent over nothing else")]
    Insecure {
        /// The cluster.
        cluster: String,
        /// Its endpoint.
        endpoint: String,
    },
    /// The certificate authority is not base64 of PEM.
    #[error("the certificate authority of cluster {cluster} is not base64 of a PEM certificate")]
    CertificateAuthority {
        /// The cluster.
        cluster: String,
        /// Why not, if it is not base64.
        #[source]
        source: Option<DecodeError>,
    },
    /// The client could not be made.
    #[error("the client for cluster {cluster} could not be made")]
    Client {
        /// The cluster.
        cluster: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// Tokens cannot be made.
    #[error("tokens for cluster {cluster} cannot be made")]
    Token {
        /// The cluster.
        cluster: String,
        /// Why not.
        #[source]
        source: TokenError,
    },
}

impl Connector {
    /// Connects over HTTPS with the cluster's certificate authority and the credentials of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self { config: config.clone(), connect: Arc::new(https), https: true }
    }

    /// Uses another transport: a proxy, a tunnel to a private endpoint, a simulator. It gets requests with absolute URIs,
    /// already authenticated.
    #[must_use]
    pub fn with_transport<S, B>(mut self, transport: impl Fn(&ClusterAccess) -> S + Send + Sync + 'static) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.https = false;
        self.connect = Arc::new(move |access, config, authenticate| {
            let service = config.base_uri_layer().layer(transport(access));
            Ok(ClientBuilder::new(service, config.default_namespace).with_layer(&authenticate).build())
        });
        self
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// A client for a cluster. It makes no call yet. Requests that the cluster answers with 401 are sent once more with a
    /// new token, which is made every ten seconds at most; nothing else is repeated, as callers repeat with knowledge of what they do.
    ///
    /// # Errors
    /// [`ConnectError`] if the endpoint, the certificate authority or the configuration cannot be used.
    pub fn connect(&self, access: &ClusterAccess) -> Result<kube::Client, ConnectError> {
        let cluster = || access.name.to_string();
        let endpoint: Uri = access.endpoint.parse().map_err(|source| ConnectError::Endpoint {
            cluster: cluster(),
            endpoint: access.endpoint.clone(),
            source,
        })?;
        let signer = TokenSigner::new(&self.config, &access.name).map_err(|source| ConnectError::Token { cluster: cluster(), source })?;
        let mut config = kube::Config::new(endpoint);
        // kube would repeat 429, with which the eviction API says that a disruption budget is used up.
        config.default_retry = false;
        // A connection that was dropped silently would hang a request for ever; our watches end within a minute by themselves.
        config.read_timeout = Some(std::time::Duration::from_secs(90));
        (self.connect)(access, config, Authenticate(signer))
    }
}

fn https(access: &ClusterAccess, mut config: kube::Config, authenticate: Authenticate) -> Result<kube::Client, ConnectError> {
    if config.cluster_url.scheme_str() != Some("https") || config.cluster_url.host().is_none_or(str::is_empty) {
        return Err(ConnectError::Insecure { cluster: access.name.to_string(), endpoint: access.endpoint.clone() });
    }
    config.root_cert = Some(certificates(access)?);
    let builder = ClientBuilder::try_from(config);
    let builder = builder.map_err(|source| ConnectError::Client { cluster: access.name.to_string(), source: Box::new(source) })?;
    Ok(builder.with_layer(&authenticate).build())
}

/// DER of each certificate in the PEM (RFC 7468) whose base64 the cluster tells.
pub(crate) fn certificates(access: &ClusterAccess) -> Result<Vec<Vec<u8>>, ConnectError> {
    let wrong = |source| ConnectError::CertificateAuthority { cluster: access.name.to_string(), source };
    let pem = BASE64_STANDARD.decode(&access.certificate_authority).map_err(|error| wrong(Some(error)))?;
    let pem = String::from_utf8_lossy(&pem);
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1).map(|rest| {
        let body = rest.split("-----END CERTIFICATE-----").next().unwrap_or_default();
        let body: String = body.split_whitespace().collect();
        BASE64_STANDARD.decode(body).map_err(|error| wrong(Some(error)))
    });
    let certificates = blocks.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() { Err(wrong(None)) } else { Ok(certificates) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(pem: &str) -> ClusterAccess {
        ClusterAccess {
            name: "chap10".parse().unwrap(),
            endpoint: "https://ABC.gr7.us-east-1.eks.amazonaws.com".to_owned(),
            certificate_authority: BASE64_STANDARD.encode(pem),
        }
    }

    /// A transport of one's own answers for where it leads; ours sends a token over TLS alone.
    #[test]
    fn tokens_go_over_https_alone() {
        let config = SdkConfig::builder().region(aws_types::region::Region::new("us-east-1"));
        let keys = aws_credential_types::Credentials::from_keys("AKIAIOSFODNN7EXAMPLE", "secret", None);
        let config = config.credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(keys)).build();
        for endpoint in ["http://ABC.gr7.us-east-1.eks.amazonaws.com", "ABC.gr7.us-east-1.eks.amazonaws.com", "/", "http://127.0.0.1:6443"]
        {
            let access = ClusterAccess { endpoint: endpoint.to_owned(), ..access("") };
            let refused = Connector::new(&config).connect(&access).err();
            assert!(matches!(refused, Some(ConnectError::Insecure { .. })), "{endpoint}: {refused:?}");
        }
    }

    #[test]
    fn certificate_authorities() {
        let one = "-----BEGIN CERTIFICATE-----\nAAEC\nAwQF\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(&access(one)).unwrap(), [[0, 1, 2, 3, 4, 5]]);
        assert_eq!(certificates(&access(&one.repeat(2))).unwrap().len(), 2, "EKS tells two while it rotates");
        assert!(matches!(certificates(&access("nothing")), Err(ConnectError::CertificateAuthority { source: None, .. })));
        let wrong = ClusterAccess { certificate_authority: "*".to_owned(), ..access("") };
        assert!(matches!(certificates(&wrong), Err(ConnectError::CertificateAuthority { source: Some(_), .. })));
    }
}
