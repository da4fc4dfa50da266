//! Tokens for the Kubernetes API, made in process.
//!
//! A token is a presigned STS GetCallerIdentity request that carries the cluster's name in a signed header; the cluster
//! sends it to STS to learn who asks. It is what `aws eks get-token` and aws-iam-authenticator print, without their processes.

mod sign;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError};
use aws_smithy_async::{
    future::timeout::Timeout,
    rt::sleep::{AsyncSleep, SharedAsyncSleep},
    time::{SharedTimeSource, SystemTimeSource},
};
use aws_types::SdkConfig;
use eks_core::{BoxError, ClusterName};
use tokio::sync::Mutex;

/// STS honours a token for 15 minutes, whatever `X-Amz-Expires` says; aws-iam-authenticator tells one less.
const LIFETIME: Duration = Duration::from_secs(14 * 60);
/// A new token is made when this little is left of the old one.
const MARGIN: Duration = Duration::from_secs(2 * 60);

/// How long whoever provides credentials may take: everybody who needs a token waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// After this a provider that failed is asked again, and a token that was made in the place of a refused one is replaced, too, if it
/// is refused: a cluster that knows nobody must not cost a signature and a session for each request.
const PAUSE: Duration = Duration::from_secs(10);

/// A bearer token for one cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    secret: String,
    expires_at: SystemTime,
}

impl Token {
    /// The token itself: `k8s-aws-v1.…`. Whoever has it is whoever signed it, until it expires.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Until when to use it: 14 minutes after it was signed, or when the credentials behind it expire, if that is sooner.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("secret", &"…").field("expires_at", &self.expires_at).finish()
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The SDK's configuration has no credentials provider.
    #[error("the SDK's configuration has no credentials; set a credentials_provider")]
    NoCredentials,
    /// The SDK's configuration has no Region.
    #[error("the SDK's configuration has no Region; set the cluster's")]
    NoRegion,
    /// The provider had no credentials.
    #[error("no AWS credentials for a token of cluster {cluster}")]
    Credentials {
        /// The cluster.
        cluster: ClusterName,
        /// Why not.
        #[source]
        source: CredentialsError,
    },
    /// The provider gave credentials that have expired: its own refresh is broken, or the clock is wrong.
    #[error("the AWS credentials for a token of cluster {cluster} have expired already; log in again, or set the clock")]
    Expired {
        /// The cluster.
        cluster: ClusterName,
    },
    /// The request could not be signed.
    #[error("the token for cluster {cluster} could not be signed")]
    Signing {
        /// The cluster.
        cluster: ClusterName,
        /// Why not.
        #[source]
        source: BoxError,
    },
}

/// Makes tokens for one cluster, with the application's credentials. Cheap to clone; clones share the current token.
#[derive(Clone)]
pub struct TokenSigner(Arc<Signer>);

struct Signer {
    cluster: ClusterName,
    region: String,
    endpoint: String,
    credentials: SharedCredentialsProvider,
    time: SharedTimeSource,
    /// Bounds the provider; a configuration without one has no bound.
    sleep: Option<SharedAsyncSleep>,
    /// Held while a new one is made: of many requests at once, one asks for credentials.
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    token: Option<Token>,
    /// When the provider failed last while the token served still.
    failed_at: Option<SystemTime>,
    /// When a token was last made, or tried to be, because the cluster refused the one before.
    #[cfg(feature = "kube")]
    refused_at: Option<SystemTime>,
}

impl Current {
    fn set(&mut self, token: Token) -> Token {
        self.failed_at = None;
        self.token.insert(token).clone()
    }
}

/// Whether this was less than the pause ago.
fn lately(at: Option<SystemTime>, now: SystemTime) -> bool {
    at.and_then(|at| now.duration_since(at).ok()).is_some_and(|passed| passed < PAUSE)
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").field("cluster", &self.0.cluster).field("region", &self.0.region).finish_non_exhaustive()
    }
}

impl TokenSigner {
    /// A signer for a cluster in the configuration's Region, with whatever provides its credentials. To enter under another
    /// role, give the configuration that `AssumeRole::config` (feature `assume-role`) makes of it.
    ///
    /// # Errors
    /// [`TokenError::NoCredentials`], [`TokenError::NoRegion`].
    pub fn new(config: &SdkConfig, cluster: &ClusterName) -> Result<Self, TokenError> {
        let region = config.region().ok_or(TokenError::NoRegion)?.as_ref().to_owned();
        Ok(Self(Arc::new(Signer {
            cluster: cluster.clone(),
            endpoint: sign::endpoint(&region),
            region,
            credentials: config.credentials_provider().ok_or(TokenError::NoCredentials)?,
            time: config.time_source().unwrap_or_else(|| SharedTimeSource::new(SystemTimeSource::new())),
            sleep: config.sleep_impl(),
            current: Mutex::default(),
        })))
    }

    /// The current token, or a new one if that has less than two minutes left. No call leaves the process, other than what
    /// the credentials provider makes; if that fails or takes more than 30 seconds, the current token serves until it expires, and
    /// the provider is asked again after ten seconds. The configuration's `sleep_impl` measures these 30 seconds; without one the
    /// provider may take for ever.
    ///
    /// # Errors
    /// [`TokenError::Credentials`], [`TokenError::Expired`], [`TokenError::Signing`].
    pub async fn token(&self) -> Result<Token, TokenError> {
        let mut current = self.0.current.lock().await;
        let now = self.0.time.now();
        match current.token.clone() {
            Some(token) if now + MARGIN < token.expires_at => Ok(token),
            Some(token) if now < token.expires_at && lately(current.failed_at, now) => Ok(token),
            Some(token) if now < token.expires_at => match self.0.make().await {
                Ok(new) => Ok(current.set(new)),
                Err(error) => {
                    let now = self.0.time.now();
                    current.failed_at = Some(now);
                    // The provider may have taken what was left.
                    if now < token.expires_at { Ok(token) } else { Err(error) }
                }
            },
            _ => Ok(current.set(self.0.make().await?)),
        }
    }

    /// A new token, whatever is left of the current one.
    ///
    /// # Errors
    /// As [`TokenSigner::token`].
    pub async fn renew(&self) -> Result<Token, TokenError> {
        let mut current = self.0.current.lock().await;
        Ok(current.set(self.0.make().await?))
    }

    /// Another token than this one, which was refused: the current one if someone has renewed it meanwhile, a new one else; `None`
    /// if a new one was made for such a reason less than ten seconds ago, as another would be refused, too.
    #[cfg(feature = "kube")]
    pub(crate) async fn instead_of(&self, refused: &Token) -> Result<Option<Token>, TokenError> {
        let mut current = self.0.current.lock().await;
        if let Some(token) = current.token.as_ref().filter(|token| *token != refused) {
            return Ok(Some(token.clone()));
        }
        let now = self.0.time.now();
        if lately(current.refused_at, now) {
            return Ok(None);
        }
        current.refused_at = Some(now);
        Ok(Some(current.set(self.0.make().await?)))
    }
}

impl Signer {
    async fn make(&self) -> Result<Token, TokenError> {
        let cluster = || self.cluster.clone();
        let provided = self.credentials.provide_credentials();
        let credentials = match &self.sleep {
            None => provided.await,
            Some(sleep) => {
                Timeout::new(provided, sleep.sleep(PATIENCE)).await.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(PATIENCE)))
            }
        };
        let credentials = credentials.map_err(|source| TokenError::Credentials { cluster: cluster(), source })?;
        let now = self.time.now();
        let expires_at = credentials.expiry().map_or(now + LIFETIME, |expiry| expiry.min(now + LIFETIME));
        if expires_at <= now {
            return Err(TokenError::Expired { cluster: cluster() });
        }
        let secret = sign::token(&self.cluster, &self.region, &self.endpoint, credentials, now);
        let secret = secret.map_err(|source| TokenError::Signing { cluster: cluster(), source })?;
        Ok(Token { secret, expires_at })
    }
}

#[cfg(test)]
mod tests;
