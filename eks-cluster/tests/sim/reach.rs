//! Reachability of clusters of the served simulator, stage by stage.

use std::time::Duration;

use crate::support::{Account, Tested};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use eks_cluster::{ClusterAccess, Connector, Stage};
use eks_sim::{Sim, serve};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;

/// A session of twelve hours lasts for minutes.
const SPEED: f64 = 200.0;

/// Real time, as there are sockets: a cluster that a hurried simulator made, served at the pace of AWS thereafter.
async fn served() -> Result<(Account, ClusterAccess, eks_sim::Server), Box<dyn std::error::Error>> {
    let account = Account::new(Sim::builder().speed(SPEED).build()).await?;
    let server = serve(account.sim.clone(), "127.0.0.1:0".parse()?).await?;
    let spec = account.builder().no_addons().build()?;
    account.clusters.plan(&spec).await?.apply(&account.engine().speed(SPEED)).await?;
    let access = account.clusters.access(&account.name).await?.ok_or("not reachable")?;
    Ok((account, access, server))
}

/// Credentials as a process outside of the simulator has them: with the real clock.
fn outside(access: Credentials) -> aws_types::SdkConfig {
    let region = aws_types::region::Region::new("us-east-1");
    aws_types::SdkConfig::builder().region(region).credentials_provider(SharedCredentialsProvider::new(access)).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stage_that_fails_is_named() -> Tested {
    use aws_credential_types::provider::ProvideCredentials;
    let (account, access, server) = served().await?;
    let admin = account.sim.credentials().provide_credentials().await?;
    let connector = Connector::new(&outside(admin));
    let reached = connector.probe(&access).await?;
    assert_eq!(reached.user, "arn:aws:iam::123456789012:user/admin");
    assert!(reached.addresses.len() == 1 && reached.groups.contains(&"system:authenticated".to_owned()), "{reached:?}");

    // Another cluster's authority.
    let foreign = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?.cert.pem();
    let certificate_authority = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, foreign);
    let failed = connector.probe(&ClusterAccess { certificate_authority, ..access.clone() }).await.expect_err("it is another's");
    assert_eq!((failed.stage, failed.evidence.contains("did not sign")), (Stage::Tls, true), "{failed}");

    // A principal that nobody knows, and one that is known and may do nothing.
    let unknown = Credentials::from_keys("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", None);
    let failed = Connector::new(&outside(unknown)).probe(&access).await.expect_err("unknown");
    assert_eq!(failed.stage, Stage::Authentication, "{failed}");

    let config = account.sim.sdk_config();
    let iam = aws_sdk_iam::Client::new(&config);
    iam.create_role().role_name("reader").max_session_duration(43_200).assume_role_policy_document(TRUST).send().await?;
    account.sim.clock().sleep(Duration::from_secs(30)).await;
    let arn = "arn:aws:iam::123456789012:role/reader";
    let sts = aws_sdk_sts::Client::new(&config);
    let session = sts.assume_role().role_arn(arn).role_session_name("work").duration_seconds(43_200).send().await?;
    let keys = session.credentials().ok_or("no credentials")?;
    let reader = Credentials::from_keys(keys.access_key_id(), keys.secret_access_key(), Some(keys.session_token().to_owned()));
    let eks = aws_sdk_eks::Client::new(&config);
    eks.create_access_entry().cluster_name("chap10").principal_arn(arn).username("reader").send().await?;
    account.sim.clock().sleep(Duration::from_secs(60)).await;
    let failed = Connector::new(&outside(reader)).probe(&access).await.expect_err("it may do nothing");
    assert_eq!(failed.stage, Stage::Authorization, "{failed}");
    assert!(failed.evidence.starts_with("we are \"reader\" of the groups"), "{failed}");

    drop(server);
    let failed = connector.probe(&access).await.expect_err("nobody listens");
    assert_eq!(failed.stage, Stage::Connection, "{failed}");
    Ok(())
}
