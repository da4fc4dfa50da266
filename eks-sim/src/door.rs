//! Doors: where the clusters of a served simulator listen, each by TLS with a certificate authority of its own, as EKS's do.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::task::AbortHandle;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Open = Box<dyn Fn(&str) -> Result<Door, Error> + Send>;

/// Opens doors for clusters, while the simulator is served.
#[derive(Default)]
pub(crate) struct Doors(Option<Open>);

/// A copy of an account is served by nobody.
impl Clone for Doors {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Doors").field(&self.0.is_some()).finish()
    }
}

impl Doors {
    pub(crate) fn new(open: impl Fn(&str) -> Result<Door, Error> + Send + 'static) -> Self {
        Self(Some(Box::new(open)))
    }

    /// A door for a cluster; `None` if the simulator is not served.
    pub(crate) fn open(&self, cluster: &str) -> Result<Option<Arc<Door>>, Error> {
        self.0.as_ref().map(|open| open(cluster).map(Arc::new)).transpose()
    }
}

/// A cluster's endpoint on loopback; it closes when dropped, and with it every connection.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    authority: String,
    listening: AbortHandle,
}

impl Door {
    pub(crate) fn new(address: SocketAddr, identity: &Identity, listening: AbortHandle) -> Self {
        Self { address, authority: identity.authority.clone(), listening }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// PEM of the certificate authority.
    pub(crate) fn certificate(&self) -> &str {
        &self.authority
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// What an API server proves itself with.
pub(crate) struct Identity {
    /// PEM of the certificate authority.
    authority: String,
    pub(crate) tls: Arc<ServerConfig>,
}

impl Identity {
    /// A new certificate authority, and a certificate of it for loopback.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut authority = CertificateParams::default();
        // The name of EKS's authorities.
        authority.distinguished_name.push(DnType::CommonName, "kubernetes");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let pem = authority.self_signed(&key)?.pem();
        let issuer = Issuer::new(authority, key);

        let mut server = CertificateParams::new([Ipv4Addr::LOCALHOST.to_string(), "localhost".to_owned()])?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Self { authority: pem, tls: Arc::new(tls) })
    }
}
