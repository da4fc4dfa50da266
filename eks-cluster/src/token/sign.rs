//! The presigned request that is a token.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use eks_core::{BoxError, ClusterName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::partition::Partition;

/// `X-Amz-Expires`, as `aws eks get-token` sets it.
const EXPIRES: Duration = Duration::from_secs(60);
pub(super) const PREFIX: &str = "k8s-aws-v1.";
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
const SIGNATURE: &str = "X-Amz-Signature";
/// RFC 3986's unreserved characters stay as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// GetCallerIdentity at the STS of a Region.
pub(super) fn endpoint(region: &str) -> String {
    format!("https://sts.{region}.{}/?Action=GetCallerIdentity&Version=2011-06-15", Partition::of_region(region).domain)
}

/// A token for a cluster. aws-iam-authenticator, `pkg/token`: the URL may carry the presigning parameters and nothing else.
pub(super) fn token(
    cluster: &ClusterName,
    region: &str,
    endpoint: &str,
    credentials: Credentials,
    now: SystemTime,
) -> Result<String, BoxError> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES);
    let identity = credentials.into();
    let params = v4::SigningParams::builder().identity(&identity).region(region).name("sts").time(now).settings(settings).build()?;
    let headers = [(CLUSTER_HEADER, cluster.as_str())].into_iter();
    let request = SignableRequest::new("GET", endpoint, headers, SignableBody::Bytes(&[]))?;
    let (_, mut query) = sign(request, &params.into())?.into_parts().0.into_parts();
    // The signature comes last, as in the URLs of AWS's own tools.
    query.sort_by_key(|(name, _)| *name == SIGNATURE);
    let query = query.iter().map(|(name, value): &(&str, Cow<'_, str>)| format!("&{name}={}", utf8_percent_encode(value, ENCODED)));
    let url = query.fold(endpoint.to_owned(), |url, parameter| url + &parameter);
    Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(url)))
}
