use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::UNIX_EPOCH,
};

use aws_credential_types::{Credentials, provider::future};
use aws_smithy_async::{rt::sleep::TokioSleep, time::TimeSource};
use aws_types::region::Region;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{sign::PREFIX, *};

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
    signer_with(region, Credentials::new(ACCESS_KEY, SECRET_KEY, session.map(str::to_owned), expiry, "test"))
}

fn signer_with(region: &'static str, credentials: impl ProvideCredentials + 'static) -> (TokenSigner, Time) {
    let time = Time(Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(SIGNED_AT))));
    let config = SdkConfig::builder()
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .time_source(time.clone())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
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

/// Credentials that the n-th asking tells.
#[derive(Debug)]
struct Told<F>(Arc<AtomicU64>, F);

impl<F: Fn(u64) -> Option<Credentials> + Send + Sync + fmt::Debug> ProvideCredentials for Told<F> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let told = (self.1)(self.0.fetch_add(1, Ordering::Relaxed));
        future::ProvideCredentials::ready(told.ok_or_else(|| CredentialsError::provider_error("the provider is away")))
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(SIGNED_AT + seconds)
}

#[tokio::test]
async fn a_provider_that_is_away_costs_nothing_while_the_token_lasts() {
    fn once(asked: u64) -> Option<Credentials> {
        (asked == 0).then(|| Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
    }
    let (signer, time) = signer_with("us-east-1", Told(Arc::default(), once as fn(u64) -> _));
    let first = signer.token().await.unwrap();
    *time.0.lock().unwrap() = at(13 * 60);
    assert_eq!(signer.token().await.unwrap(), first, "within the margin");
    *time.0.lock().unwrap() = at(14 * 60);
    assert!(matches!(signer.token().await, Err(TokenError::Credentials { .. })));
}

#[tokio::test]
async fn a_provider_that_is_away_is_not_asked_for_each_request() {
    fn once(asked: u64) -> Option<Credentials> {
        (asked == 0).then(|| Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
    }
    let asked = Arc::new(AtomicU64::new(0));
    let (signer, time) = signer_with("us-east-1", Told(asked.clone(), once as fn(u64) -> _));
    signer.token().await.unwrap();
    for (second, wanted) in [(780, 2), (781, 2), (789, 2), (790, 3), (791, 3)] {
        *time.0.lock().unwrap() = at(second);
        signer.token().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), wanted, "after {second} s");
    }
}

/// Credentials at the first asking; whoever asks again waits for ever.
#[derive(Debug)]
struct Hanging(AtomicU64);

impl ProvideCredentials for Hanging {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => future::ProvideCredentials::ready(Ok(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))),
            _ => future::ProvideCredentials::new(std::future::pending()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_blocks_nobody_for_ever() {
    let (signer, time) = signer_with("us-east-1", Hanging(AtomicU64::new(0)));
    let first = signer.token().await.unwrap();
    *time.0.lock().unwrap() = at(13 * 60);
    let began = tokio::time::Instant::now();
    let (one, two) = tokio::join!(signer.token(), signer.token());
    assert_eq!((one.unwrap(), two.unwrap()), (first.clone(), first), "within the margin");
    assert_eq!(began.elapsed(), PATIENCE, "one of both has waited for the provider");
    *time.0.lock().unwrap() = at(14 * 60);
    let error = signer.token().await.unwrap_err();
    assert!(matches!(&error, TokenError::Credentials { source: CredentialsError::ProviderTimedOut(_), .. }), "{error:?}");
}

/// A cluster that refuses whatever we sign costs one token each ten seconds, not one for each request.
#[cfg(feature = "kube")]
#[tokio::test]
async fn what_was_renewed_for_a_refusal_is_not_renewed_for_the_next() {
    fn counted(asked: u64) -> Option<Credentials> {
        Some(Credentials::new(ACCESS_KEY, SECRET_KEY, Some(asked.to_string()), None, "test"))
    }
    let (signer, time) = signer_with("us-east-1", Told(Arc::default(), counted as fn(u64) -> _));
    let first = signer.token().await.unwrap();
    let second = signer.instead_of(&first).await.unwrap().unwrap();
    assert_ne!(first, second);
    assert_eq!(signer.instead_of(&first).await.unwrap(), Some(second.clone()), "somebody else's renewal serves");
    *time.0.lock().unwrap() = at(9);
    assert_eq!(signer.instead_of(&second).await.unwrap(), None);
    assert_eq!(signer.token().await.unwrap(), second);
    *time.0.lock().unwrap() = at(10);
    let third = signer.instead_of(&second).await.unwrap().unwrap();
    assert!(url(&third).contains("X-Amz-Security-Token=2&"), "{third:?}");
}

#[tokio::test]
async fn credentials_that_have_expired_sign_nothing() {
    let (signer, _) = signer("us-east-1", Some("session"), Some(at(0)));
    assert!(matches!(signer.token().await, Err(TokenError::Expired { .. })));
}

#[tokio::test]
async fn many_at_once_ask_for_credentials_once() {
    fn counted(asked: u64) -> Option<Credentials> {
        Some(Credentials::new(ACCESS_KEY, SECRET_KEY, Some(asked.to_string()), None, "test"))
    }
    let (signer, _) = signer_with("us-east-1", Told(Arc::default(), counted as fn(u64) -> _));
    let tokens = [signer.token(), signer.token(), signer.token()];
    let [one, two, three] = tokens.map(|token| async { url(&token.await.unwrap()) });
    let (one, two, three) = tokio::join!(one, two, three);
    assert!(one == two && two == three && one.contains("X-Amz-Security-Token=0&"), "{one}");
}
