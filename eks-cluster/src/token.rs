//! Tokens for the Kubernetes API, made in process.
//!
//! A token is a presigned STS GetCallerIdentity request that carries the cluster's name in a signed header; the cluster
//! sends it to STS to learn who asks. It is what `aws eks get-token` and aws-iam-authenticator print, without their processes.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningError, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_types::SdkConfig;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use eks_core::{BoxError, ClusterName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::partition::Partition;

/// STS honours a token for 15 minutes, whatever `X-Amz-Expires` says; aws-iam-authenticator tells one less.
const LIFETIME: Duration = Duration::from_secs(14 * 60);
/// A new token is made when this little is left of the old one.
const MARGIN: Duration = Duration::from_secs(2 * 60);
/// `X-Amz-Expires`, as `aws eks get-token` sets it.
const EXPIRES: Duration = Duration::from_secs(60);
const PREFIX: &str = "k8s-aws-v1.";
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
const SIGNATURE: &str = "X-Amz-Signature";
/// RFC 3986's unreserved characters stay as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
    credentials: SharedCredentialsProvider,
    time: SharedTimeSource,
    current: Mutex<Option<Token>>,
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").field("cluster", &self.0.cluster).field("region", &self.0.region).finish_non_exhaustive()
    }
}

impl TokenSigner {
    /// A signer for a cluster in the configuration's Region.
    ///
    /// # Errors
    /// [`TokenError::NoCredentials`], [`TokenError::NoRegion`].
    pub fn new(config: &SdkConfig, cluster: &ClusterName) -> Result<Self, TokenError> {
        Ok(Self(Arc::new(Signer {
            cluster: cluster.clone(),
            region: config.region().ok_or(TokenError::NoRegion)?.as_ref().to_owned(),
            credentials: config.credentials_provider().ok_or(TokenError::NoCredentials)?,
            time: config.time_source().unwrap_or_else(|| SharedTimeSource::new(SystemTimeSource::new())),
            current: Mutex::default(),
        })))
    }

    /// The current token, or a new one if that has less than two minutes left. No call leaves the process, other than what
    /// the credentials provider makes.
    ///
    /// # Errors
    /// [`TokenError::Credentials`], [`TokenError::Signing`].
    pub async fn token(&self) -> Result<Token, TokenError> {
        let current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match current {
            Some(token) if self.0.time.now() + MARGIN < token.expires_at => Ok(token),
            _ => self.renew().await,
        }
    }

    /// A new token, whatever is left of the current one.
    ///
    /// # Errors
    /// As [`TokenSigner::token`].
    pub async fn renew(&self) -> Result<Token, TokenError> {
        let signer = &self.0;
        let credentials = signer.credentials.provide_credentials().await;
        let credentials = credentials.map_err(|source| TokenError::Credentials { cluster: signer.cluster.clone(), source })?;
        let now = signer.time.now();
        let secret = signer.sign(credentials.clone(), now)?;
        let expires_at = credentials.expiry().map_or(now + LIFETIME, |expiry| expiry.min(now + LIFETIME));
        let token = Token { secret, expires_at };
        *signer.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }
}

impl Signer {
    /// aws-iam-authenticator, `pkg/token`: the URL may carry the presigning parameters and nothing else.
    fn sign(&self, credentials: Credentials, now: SystemTime) -> Result<String, TokenError> {
        let failed = |source: BoxError| TokenError::Signing { cluster: self.cluster.clone(), source };
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(EXPIRES);
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("sts")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| failed(error.into()))?;
        let url = format!(
            "https://sts.{}.{}/?Action=GetCallerIdentity&Version=2011-06-15",
            self.region,
            Partition::of_region(&self.region).domain
        );
        let headers = [(CLUSTER_HEADER, self.cluster.as_str())].into_iter();
        let signed = |error: SigningError| failed(error.into());
        let request = SignableRequest::new("GET", &url, headers, SignableBody::Bytes(&[])).map_err(signed)?;
        let (_, mut query) = sign(request, &params.into()).map_err(signed)?.into_parts().0.into_parts();
        // The signature comes last, as in the URLs of AWS's own tools.
        query.sort_by_key(|(name, _)| *name == SIGNATURE);
        let query = query.iter().map(|(name, value): &(&str, Cow<'_, str>)| format!("&{name}={}", utf8_percent_encode(value, ENCODED)));
        let url = query.fold(url, |url, parameter| url + &parameter);
        Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(url)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use aws_smithy_async::time::TimeSource;
    use aws_types::region::Region;

    use super::*;

    const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    /// 2026-11-22T12:34:56Z
    const SIGNED_AT: u64 = 1_795_350_896;

    #[derive(Clone, Debug)]
    struct Time(Arc<Mutex<SystemTime>>);

    impl TimeSource for Time {
        fn now(&self) -> SystemTime {
            *self.0.lock().unwrap()
        }
    }

    fn signer(region: &'static str, session: Option<&str>, expiry: Option<SystemTime>) -> (TokenSigner, Time) {
        let time = Time(Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(SIGNED_AT))));
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, session.map(str::to_owned), expiry, "test");
        let config = SdkConfig::builder()
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .time_source(time.clone())
            .build();
        (TokenSigner::new(&config, &"chap10".parse().unwrap()).unwrap(), time)
    }

    fn url(token: &Token) -> String {
        String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token.secret().strip_prefix(PREFIX).unwrap()).unwrap()).unwrap()
    }

    /// Vectors made with botocore 1.43.11, as `aws eks get-token` does: `RequestSigner(ServiceId('sts'), region, 'sts', 'v4', …)
    /// .generate_presigned_url({'method': 'GET', 'url': …, 'headers': {'x-k8s-aws-id': 'chap10'}, …}, expires_in=60)`, with
    /// `botocore.auth.get_current_datetime` fixed to 2026-11-22 12:34:56.
    #[tokio::test]
    async fn botocore_signs_the_same() {
        let (signer, _) = signer("us-east-1", None, None);
        assert_eq!(
            url(&signer.token().await.unwrap()),
            "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261122%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20261122T123456Z\
             &X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id\
             &X-Amz-Signature=b14af30305eb380b07036110d11aba110b2fc5abb7e816197327d143990bb283"
        );
    }

    #[tokio::test]
    async fn botocore_signs_the_same_with_a_session_in_china() {
        let (signer, _) = signer("cn-north-1", Some("FwoGZXIvYXdzEXAMPLE//token+value=="), None);
        assert_eq!(
            url(&signer.token().await.unwrap()),
            "https://sts.cn-north-1.amazonaws.com.cn/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261122%2Fcn-north-1%2Fsts%2Faws4_request&X-Amz-Date=20261122T123456Z\
             &X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id\
             &X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2F%2Ftoken%2Bvalue%3D%3D\
             &X-Amz-Signature=4a02d0f04c04f2a2245ef2a40591bc00e9fc34089cc2d9f12879a0ccfa49aa26"
        );
    }

    #[tokio::test]
    async fn a_token_is_used_until_shortly_before_it_expires() {
        let (signer, time) = signer("us-east-1", None, None);
        let first = signer.token().await.unwrap();
        assert_eq!(first.expires_at(), UNIX_EPOCH + Duration::from_secs(SIGNED_AT + 14 * 60));
        let after = |seconds| *time.0.lock().unwrap() = UNIX_EPOCH + Duration::from_secs(SIGNED_AT + seconds);
        after(11 * 60);
        assert_eq!(signer.token().await.unwrap(), first);
        after(12 * 60);
        let second = signer.clone().token().await.unwrap();
        assert_ne!(second, first);
        assert_eq!(signer.token().await.unwrap(), second, "clones share it");
        after(12 * 60 + 1);
        assert_ne!(signer.renew().await.unwrap(), second);
    }

    #[tokio::test]
    async fn a_token_does_not_outlive_its_credentials() {
        let expiry = UNIX_EPOCH + Duration::from_secs(SIGNED_AT + 300);
        let (signer, _) = signer("us-east-1", Some("session"), Some(expiry));
        assert_eq!(signer.token().await.unwrap().expires_at(), expiry);
    }

    #[tokio::test]
    async fn debug_does_not_tell_the_secret() {
        let (signer, _) = signer("us-east-1", None, None);
        let token = signer.token().await.unwrap();
        assert!(!format!("{token:?}{signer:?}").contains(&token.secret()[..20]));
    }

    #[test]
    fn a_signer_needs_credentials_and_a_region() {
        let cluster: ClusterName = "chap10".parse().unwrap();
        let nowhere = SdkConfig::builder().build();
        assert!(matches!(TokenSigner::new(&nowhere, &cluster), Err(TokenError::NoRegion)));
        let nobody = SdkConfig::builder().region(Region::new("us-east-1")).build();
        assert!(matches!(TokenSigner::new(&nobody, &cluster), Err(TokenError::NoCredentials)));
    }
}
