//! The way into a cluster for `kube::Client`, with a token signed by AWS's own signer.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use eks_sim::Sim;
use http::{HeaderValue, Request, header};
use kube::{Client, client::Body};
use tower::ServiceExt;

/// `k8s-aws-v1.` and a presigned GetCallerIdentity, as `aws eks get-token` makes it.
pub(crate) fn token(sim: &Sim, cluster: &str, key: &str, secret: &str) -> Result<String, Box<dyn std::error::Error>> {
    let identity = Credentials::from_keys(key, secret, None).into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sts")
        .time(sim.clock().wall())
        .settings(settings)
        .build()?;
    let url = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
    let signable = SignableRequest::new("GET", url, [("x-k8s-aws-id", cluster)].into_iter(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(signable, &params.into())?.into_parts();
    let mut request = Request::get(url).body(())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(format!("k8s-aws-v1.{}", BASE64_URL_SAFE_NO_PAD.encode(request.uri().to_string())))
}

pub(crate) fn client(sim: &Sim, endpoint: &str, token: &str) -> Result<Client, Box<dyn std::error::Error>> {
    let host = HeaderValue::from_str(endpoint.trim_start_matches("https://"))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
    let service = sim.kube_service().map_request(move |mut request: Request<Body>| {
        request.headers_mut().insert(header::HOST, host.clone());
        request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
        request
    });
    Ok(Client::new(service, "default"))
}
