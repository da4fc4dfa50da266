//! Bearer tokens: presigned STS requests, checked as aws-iam-authenticator's `pkg/token` and then STS check them.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::request::pairs;
use crate::{call::Caller, iam, world::World};

const PREFIX: &str = "k8s-aws-v1.";
/// `maxTokenLenBytes`.
const LONGEST: usize = 4_096;
/// `presignedURLExpiration`: STS honours the URL for 15 minutes from its date.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The query keys that the verifier lets pass.
const ALLOWED: [&str; 9] = [
    "action",
    "version",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];
/// Accepted in the partition `aws` alone.
const GLOBAL: &str = "sts.amazonaws.com";
/// SigV4: everything but the unreserved characters of RFC 3986 is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The AWS principal that a token proves now, for the cluster of this name; the error is for nobody but our tests: clients see 401.
pub(super) fn verify(world: &World, cluster: &str, token: &str, now: SystemTime) -> Result<Caller, &'static str> {
    if token.len() > LONGEST {
        return Err("token is too large");
    }
    let encoded = token.strip_prefix(PREFIX).ok_or("token is missing expected prefix")?;
    let url = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| "token is not base64url")?;
    let url = String::from_utf8(url).map_err(|_| "token is not a URL")?;
    let (host, query) = url.strip_prefix("https://").and_then(|rest| rest.split_once("/?")).ok_or("unexpected scheme or path")?;
    let partition = Partition::of(&world.region);
    if !(host == GLOBAL && partition == Partition::Aws) && partition.region_of(host).is_none() {
        return Err("unexpected hostname in pre-signed URL");
    }
    let mut parameters = BTreeMap::new();
    for (key, value) in pairs(query) {
        let lower = key.to_ascii_lowercase();
        if !ALLOWED.contains(&lower.as_str()) {
            return Err("non-whitelisted query parameter");
        }
        if parameters.insert(lower, (key, value)).is_some() {
            return Err("query parameter with multiple values not supported");
        }
    }
    let parameter = |name: &str| parameters.get(name).map(|(_, value)| value.as_str()).ok_or("query parameter missing");
    if parameter("action")? != "GetCallerIdentity" {
        return Err("unexpected action parameter in pre-signed URL");
    }
    // The authenticator itself sends the header `x-k8s-aws-id: <cluster>` along and asks only that it was signed; STS then
    // refuses what was signed for another cluster, as the signature cannot match.
    if parameter("x-amz-signedheaders")? != "host;x-k8s-aws-id" {
        return Err("client did not sign the x-k8s-aws-id header");
    }
    if !parameter("x-amz-expires")?.parse::<u32>().is_ok_and(|seconds| seconds <= 900) {
        return Err("invalid X-Amz-Expires parameter in pre-signed URL");
    }
    let date = parameter("x-amz-date")?;
    check_date(date, now)?;
    if parameter("x-amz-algorithm")? != "AWS4-HMAC-SHA256" {
        return Err("unknown algorithm");
    }
    let credential: Vec<&str> = parameter("x-amz-credential")?.split('/').collect();
    let [access_key, day, region, "sts", "aws4_request"] = credential.as_slice() else { return Err("credential scope is not STS's") };
    if !date.starts_with(day) || partition.region_of(host).is_some_and(|of_host| of_host != *region) {
        return Err("credential scope does not fit date or endpoint");
    }
    let session = parameter("x-amz-security-token").ok();
    let (caller, secret) = iam::access_key(world, access_key, session).ok_or("InvalidClientTokenId")?;
    let query: BTreeMap<String, String> = parameters
        .values()
        .filter(|(key, _)| !key.eq_ignore_ascii_case("x-amz-signature"))
        .map(|(key, value)| (encode(key), encode(value)))
        .collect();
    let expected = signature(&secret, &Scope { date, day, region }, &query, host, cluster);
    if expected == parameter("x-amz-signature")? { Ok(caller) } else { Err("SignatureDoesNotMatch") }
}

/// Part of AWS with domains of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Partition {
    Aws,
    China,
    UsGov,
}

impl Partition {
    fn of(region: &str) -> Self {
        match region.split('-').next() {
            Some("cn") => Self::China,
            _ if region.starts_with("us-gov-") => Self::UsGov,
            _ => Self::Aws,
        }
    }

    /// The Region whose STS a host is (`sts.<region>.<domain>`, or its dual-stack name), if it is of this partition.
    fn region_of(self, host: &str) -> Option<&str> {
        let domains = match self {
            Self::Aws | Self::UsGov => ["amazonaws.com", "api.aws"],
            Self::China => ["amazonaws.com.cn", "api.amazonwebservices.com.cn"],
        };
        let rest = host.strip_prefix("sts.")?;
        let region = domains.iter().find_map(|domain| rest.strip_suffix(domain)?.strip_suffix('.'))?;
        let is_region = region.split('-').count() >= 3 && !region.contains('.') && Self::of(region) == self;
        is_region.then_some(region)
    }
}

fn check_date(date: &str, now: SystemTime) -> Result<(), &'static str> {
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).map_err(|_| "error parsing X-Amz-Date parameter")?;
    let signed = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| "error parsing X-Amz-Date parameter")?.timestamp();
    let now = jiff::Timestamp::try_from(now).map_err(|_| "no present")?;
    let age = now.duration_since(signed);
    // STS allows clocks to differ by 15 minutes.
    if age > jiff::SignedDuration::try_from(LIFETIME).unwrap_or_default() {
        Err("X-Amz-Date parameter is expired")
    } else if age < -jiff::SignedDuration::try_from(LIFETIME).unwrap_or_default() {
        Err("signature not yet current")
    } else {
        Ok(())
    }
}

struct Scope<'a> {
    date: &'a str,
    day: &'a str,
    region: &'a str,
}

/// Signature Version 4 of the presigned request ("Create a signed AWS API request").
fn signature(secret: &str, scope: &Scope<'_>, query: &BTreeMap<String, String>, host: &str, cluster: &str) -> String {
    let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let request = format!(
        "GET\n/\n{}\nhost:{host}\nx-k8s-aws-id:{}\n\nhost;x-k8s-aws-id\n{}",
        query.join("&"),
        cluster.trim(),
        hex(&Sha256::digest(b""))
    );
    let credential = format!("{}/{}/sts/aws4_request", scope.day, scope.region);
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{credential}\n{}", scope.date, hex(&Sha256::digest(request.as_bytes())));
    let key = [scope.day, scope.region, "sts", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| authenticate(&key, part.as_bytes()));
    hex(&authenticate(&key, to_sign.as_bytes()))
}

fn authenticate(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    Hmac::<Sha256>::new_from_slice(key).map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec()).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use aws_credential_types::Credentials;
    use aws_sigv4::{
        http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
        sign::v4,
    };

    use super::*;
    use crate::iam::{ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY};

    /// What a client does to enter a cluster; signed by AWS's own signer.
    pub(crate) fn make(world: &World, cluster: &str, signed_before: Duration, extra: &str) -> String {
        make_with(world, Credentials::from_keys(ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY, None), cluster, signed_before, extra)
    }

    fn make_with(world: &World, credentials: Credentials, cluster: &str, signed_before: Duration, extra: &str) -> String {
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(60));
        let time = world.clock.wall_at(world.now) - signed_before;
        let params = v4::SigningParams::builder().identity(&identity).region(&world.region).name("sts").time(time).settings(settings);
        let url = format!("https://sts.{}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", world.region);
        let headers = [("x-k8s-aws-id", cluster)].into_iter();
        let signable = SignableRequest::new("GET", &url, headers, SignableBody::Bytes(&[])).expect("signable");
        let (instructions, _) = sign(signable, &params.build().expect("parameters").into()).expect("signed").into_parts();
        let mut request = http::Request::get(&url).body(()).expect("a request");
        instructions.apply_to_request_http1x(&mut request);
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(format!("{}{extra}", request.uri())))
    }

    #[test]
    fn only_regional_hosts_of_sts_are_trusted() {
        let of = |region: &str, host: &str| Partition::of(region).region_of(host).map(str::to_owned);
        assert_eq!(of("us-east-1", "sts.eu-west-1.amazonaws.com").as_deref(), Some("eu-west-1"));
        assert_eq!(of("us-east-1", "sts.eu-west-1.api.aws").as_deref(), Some("eu-west-1"));
        assert_eq!(of("us-gov-east-1", "sts.us-gov-west-1.amazonaws.com").as_deref(), Some("us-gov-west-1"));
        assert_eq!(of("cn-north-1", "sts.cn-northwest-1.amazonaws.com.cn").as_deref(), Some("cn-northwest-1"));
        for (region, host) in [
            ("us-east-1", "sts.evil.example"),
            ("us-east-1", "sts.eu-west-1.amazonaws.com.evil.example"),
            ("us-east-1", "sts.a.b-c-d.amazonaws.com"),
            ("us-east-1", "iam.amazonaws.com"),
            ("us-east-1", "sts.us-gov-west-1.amazonaws.com"),
            ("us-east-1", "sts.cn-north-1.amazonaws.com.cn"),
            ("cn-north-1", "sts.cn-north-1.amazonaws.com"),
        ] {
            assert_eq!(of(region, host), None, "{region}: {host}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sessions_keys_count_with_its_token_until_it_ends() {
        let mut world = World::for_tests("us-east-1");
        let caller = Caller { arn: "arn:aws:sts::123456789012:assumed-role/ops/jane".to_owned(), user_id: String::new() };
        let (key, secret, token) = iam::open_session(&mut world, caller.clone(), "arn:aws:iam::123456789012:role/ops", LIFETIME);
        let verified = |world: &World, token: Option<&str>| {
            let credentials = Credentials::from_keys(&key, &secret, token.map(str::to_owned));
            let token = make_with(world, credentials, "c", Duration::ZERO, "");
            verify(world, "c", &token, world.clock.wall_at(world.now)).map(|caller| caller.arn)
        };
        assert_eq!(verified(&world, Some(&token)), Ok(caller.arn));
        assert_eq!(verified(&world, None), Err("InvalidClientTokenId"));
        assert_eq!(verified(&world, Some("another")), Err("InvalidClientTokenId"));
        world.advance(LIFETIME);
        assert_eq!(verified(&world, Some(&token)), Err("InvalidClientTokenId"));
    }

    /// RFC 4231, test case 2.
    #[test]
    fn hmac_is_standard() {
        assert_eq!(
            hex(&authenticate(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
