use std::net::TcpListener;

use aws_types::{SdkConfig, region::Region};

use super::*;

/// A self-signed certificate in base64, as DescribeCluster tells it; none of its key's holders is asked.
const AUTHORITY: &str = include_str!("authority.txt");

fn access(endpoint: String) -> ClusterAccess {
    ClusterAccess { name: "chap10".parse().unwrap(), endpoint, certificate_authority: AUTHORITY.trim().to_owned() }
}

async fn probe(endpoint: String) -> Unreachable {
    let config = SdkConfig::builder().region(Region::new("us-east-1")).build();
    Connector::new(&config).probe_within(&access(endpoint), Duration::from_millis(300)).await.unwrap_err()
}

#[tokio::test]
async fn what_is_no_endpoint() {
    for endpoint in ["", "chap10", "http://127.0.0.1"] {
        assert_eq!(probe(endpoint.to_owned()).await.stage, Stage::Name, "{endpoint}");
    }
}

/// RFC 6761: names under `invalid` never resolve.
#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let failed = probe("https://chap10.invalid".to_owned()).await;
    assert_eq!((failed.stage, failed.evidence.as_str()), (Stage::Name, "chap10.invalid does not resolve"));
}

#[tokio::test]
async fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failed = probe(format!("https://{free}")).await;
    assert_eq!(failed.stage, Stage::Connection);
    assert!(failed.evidence.starts_with(&format!("{free}: ")), "{failed}");
}

/// A firewall that accepts and says nothing.
#[tokio::test]
async fn somebody_listens_and_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let failed = probe(format!("https://{}", listener.local_addr().unwrap())).await;
    assert_eq!((failed.stage, failed.evidence.as_str()), (Stage::Tls, "127.0.0.1 accepts connections but completes no handshake"));
}

/// No firewall is to blame: no handshake is begun.
#[tokio::test]
async fn an_authority_that_is_none() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let no_certificate = BASE64_STANDARD.encode("-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n");
    for authority in ["", "*", "bm90aGluZw==", &no_certificate] {
        let access = ClusterAccess { certificate_authority: authority.to_owned(), ..access(endpoint.clone()) };
        let config = SdkConfig::builder().region(Region::new("us-east-1")).build();
        let failed = Connector::new(&config).probe(&access).await.unwrap_err();
        assert_eq!((failed.stage, failed.evidence.as_str()), (Stage::Tls, "the certificate authority that was given cannot be used"));
        assert!(failed.remedy.contains("DescribeCluster") && failed.source.is_some(), "{failed}");
    }
}

#[test]
fn the_remedy_fits_the_addresses() {
    let remedy = |addresses: &[&str]| stage::no_connection(&addresses.iter().map(|address| address.parse().unwrap()).collect::<Vec<_>>());
    for private in [&["10.0.1.5:443", "172.31.0.9:443"][..], &["100.64.3.4:443"], &["[fd00::5]:443"]] {
        assert!(remedy(private).contains("run inside the VPC"), "{private:?}");
    }
    assert!(remedy(&["54.1.2.3:443", "10.0.1.5:443"]).contains("public access CIDRs"));
    assert!(remedy(&["127.0.0.1:6443"]).contains("tunnel"));
}
