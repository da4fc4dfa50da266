//! Bearer tokens: presigned STS requests, checked as aws-iam-authenticator's `pkg/token` and then STS check them.

use std::{collections::BTreeMap, time::Duration};

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
/// SigV4: everything but the unreserved characters of RFC 3986 is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The AWS principal that a token proves, for the cluster of this name; the error is for nobody but our tests: clients see 401.
pub(super) fn verify(world: &World, cluster: &str, token: &str) -> Result<Caller, &'static str> {
    if token.len() > LONGEST {
        return Err("token is too large");
    }
    let encoded = token.strip_prefix(PREFIX).ok_or("token is missing expected prefix")?;
    let url = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| "token is not base64url")?;
    let url = String::from_utf8(url).map_err(|_| "token is not a URL")?;
    let (host, query) = url.strip_prefix("https://").and_then(|rest| rest.split_once("/?")).ok_or("unexpected scheme or path")?;
    if host != "sts.amazonaws.com" && !is_regional(host) {
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
    check_date(world, date)?;
    if parameter("x-amz-algorithm")? != "AWS4-HMAC-SHA256" {
        return Err("unknown algorithm");
    }
    let credential: Vec<&str> = parameter("x-amz-credential")?.split('/').collect();
    let [access_key, day, region, "sts", "aws4_request"] = credential.as_slice() else { return Err("credential scope is not STS's") };
    if !date.starts_with(day) || (host != "sts.amazonaws.com" && host.split('.').nth(1) != Some(region)) {
        return Err("credential scope does not fit date or endpoint");
    }
    let (caller, secret) = iam::access_key(world, access_key).ok_or("InvalidClientTokenId")?;
    let query: BTreeMap<String, String> = parameters
        .values()
        .filter(|(key, _)| !key.eq_ignore_ascii_case("x-amz-signature"))
        .map(|(key, value)| (encode(key), encode(value)))
        .collect();
    let expected = signature(&secret, &Scope { date, day, region }, &query, host, cluster);
    if expected == parameter("x-amz-signature")? { Ok(caller) } else { Err("SignatureDoesNotMatch") }
}

/// `sts.<region>.amazonaws.com`, or its dual-stack name.
fn is_regional(host: &str) -> bool {
    let region = host.strip_prefix("sts.").and_then(|rest| rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".api.aws")));
    region.is_some_and(|region| region.split('-').count() >= 3 && !region.contains('.'))
}

fn check_date(world: &World, date: &str) -> Result<(), &'static str> {
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).map_err(|_| "error parsing X-Amz-Date parameter")?;
    let signed = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| "error parsing X-Amz-Date parameter")?.timestamp();
    let now = jiff::Timestamp::try_from(world.clock.wall_at(world.now)).map_err(|_| "no present")?;
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
        let identity = Credentials::from_keys(ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY, None).into();
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
        assert!(is_regional("sts.eu-west-1.amazonaws.com"));
        assert!(is_regional("sts.us-gov-west-1.amazonaws.com"));
        for host in ["sts.evil.example", "sts.eu-west-1.amazonaws.com.evil.example", "sts.a.b-c-d.amazonaws.com", "iam.amazonaws.com"] {
            assert!(!is_regional(host), "{host}");
        }
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
