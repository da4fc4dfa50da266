//! The served simulator: each cluster has a TLS endpoint of its own.

use std::time::Duration;

use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use base64::{Engine, prelude::*};
use eks_sim::{Sim, serve};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Config, api::ListParams};

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// An account with a cluster that is ACTIVE.
async fn account() -> Tested<Sim> {
    let sim = Sim::builder().speed(1000.0).build();
    let config = sim.sdk_config();
    let iam = aws_sdk_iam::Client::new(&config);
    let role = iam.create_role().role_name("control-plane").assume_role_policy_document(TRUST).send().await?;
    let role = role.role().ok_or("no role")?.arn().to_owned();
    iam.attach_role_policy().role_name("control-plane").policy_arn("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy").send().await?;
    let ec2 = aws_sdk_ec2::Client::new(&config);
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?;
    let mut network = aws_sdk_eks::types::VpcConfigRequest::builder();
    for (at, zone) in ["us-east-1a", "us-east-1b"].into_iter().enumerate() {
        let vpc = vpc.vpc().and_then(|vpc| vpc.vpc_id()).ok_or("no id")?;
        let made = ec2.create_subnet().vpc_id(vpc).cidr_block(format!("10.0.{at}.0/24")).availability_zone(zone).send().await?;
        network = network.subnet_ids(made.subnet().and_then(|subnet| subnet.subnet_id()).ok_or("no id")?);
    }
    // The role is not assumable at once.
    sim.clock().sleep(Duration::from_secs(30)).await;
    let eks = aws_sdk_eks::Client::new(&config);
    eks.create_cluster().name("served").role_arn(role).resources_vpc_config(network.build()).send().await?;
    Ok(sim)
}

/// Endpoint and certificate authority, once the cluster has them.
async fn endpoint(sim: &Sim) -> Tested<(String, String)> {
    let eks = aws_sdk_eks::Client::new(&sim.sdk_config());
    loop {
        let told = eks.describe_cluster().name("served").send().await?;
        let cluster = told.cluster().ok_or("no cluster")?;
        if let Some(endpoint) = cluster.endpoint() {
            let authority = cluster.certificate_authority().and_then(|authority| authority.data()).ok_or("no authority")?;
            return Ok((endpoint.to_owned(), authority.to_owned()));
        }
        sim.clock().sleep(Duration::from_secs(10)).await;
    }
}

/// A token by the clock of this process, whatever the simulator's says.
async fn token(sim: &Sim) -> Tested<String> {
    let credentials: Credentials = sim.credentials().provide_credentials().await?;
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let params = v4::SigningParams::builder().identity(&identity).region("us-east-1").name("sts");
    let params = params.time(std::time::SystemTime::now()).settings(settings).build()?;
    let url = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
    let signable = SignableRequest::new("GET", url, [("x-k8s-aws-id", "served")].into_iter(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(signable, &params.into())?.into_parts();
    let mut request = http::Request::get(url).body(())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(format!("k8s-aws-v1.{}", BASE64_URL_SAFE_NO_PAD.encode(request.uri().to_string())))
}

fn client(endpoint: &str, authority: &str, token: &str) -> Tested<Client> {
    let pem = String::from_utf8(BASE64_STANDARD.decode(authority)?)?;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut config = Config::new(endpoint.parse()?);
    config.root_cert = Some(vec![BASE64_STANDARD.decode(body)?]);
    config.auth_info.token = Some(token.to_owned().into());
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_listens_where_it_says() -> Tested {
    let sim = account().await?;
    // Served while the cluster is being made: DescribeCluster never tells an endpoint that does not listen.
    let server = serve(sim.clone(), "127.0.0.1:0".parse()?).await?;
    let (endpoint, authority) = endpoint(&sim).await?;
    assert!(endpoint.starts_with("https://127.0.0.1:"), "{endpoint}");
    let token = token(&sim).await?;
    let namespaces: Api<Namespace> = Api::all(client(&endpoint, &authority, &token)?);
    assert_eq!(namespaces.list(&ListParams::default()).await?.items.len(), 4);

    let nobody: Api<Namespace> = Api::all(client(&endpoint, &authority, "k8s-aws-v1.bm9ib2R5")?);
    let Err(kube::Error::Api(status)) = nobody.list(&ListParams::default()).await else { panic!("nobody entered") };
    assert_eq!((status.code, status.reason.as_str()), (401, "Unauthorized"));

    // Another authority, as another cluster's would be.
    let foreign = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?.cert.pem();
    let distrusting: Api<Namespace> = Api::all(client(&endpoint, &BASE64_STANDARD.encode(foreign), &token)?);
    assert!(distrusting.list(&ListParams::default()).await.is_err(), "it is trusted without its own authority");

    // The endpoint goes with the server, and the account's own is told again.
    drop(server);
    assert!(namespaces.list(&ListParams::default()).await.is_err(), "it answers without its server");
    assert!(self::endpoint(&sim).await?.0.ends_with(".gr7.us-east-1.eks.amazonaws.com"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_that_are_there_get_endpoints_too() -> Tested {
    let sim = account().await?;
    let (inside, _) = endpoint(&sim).await?;
    assert!(inside.ends_with(".eks.amazonaws.com"), "{inside}");
    let _server = serve(sim.clone(), "127.0.0.1:0".parse()?).await?;
    let (outside, authority) = endpoint(&sim).await?;
    let namespaces: Api<Namespace> = Api::all(client(&outside, &authority, &token(&sim).await?)?);
    assert_eq!(namespaces.list(&ListParams::default()).await?.items.len(), 4);
    Ok(())
}
