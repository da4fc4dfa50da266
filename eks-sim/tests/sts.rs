//! STS through the AWS SDK, with roles made through IAM.

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_types::SdkConfig;
use eks_sim::Sim;

type Tested = Result<(), Box<dyn std::error::Error>>;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;

fn with_keys(config: &SdkConfig, credentials: Credentials) -> SdkConfig {
    config.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

#[tokio::test(start_paused = true)]
async fn the_administrator_is_a_user() -> Tested {
    let sim = Sim::new();
    let identity = aws_sdk_sts::Client::new(&sim.sdk_config()).get_caller_identity().send().await?;
    assert_eq!(identity.account(), Some("123456789012"));
    assert_eq!(identity.arn(), Some("arn:aws:iam::123456789012:user/admin"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_session_has_its_own_identity_and_expires() -> Tested {
    let sim = Sim::new();
    let config = sim.sdk_config();
    let sts = aws_sdk_sts::Client::new(&config);
    let iam = aws_sdk_iam::Client::new(&config);
    iam.create_role().path("/team/").role_name("operator").assume_role_policy_document(TRUST).send().await?;
    let arn = "arn:aws:iam::123456789012:role/team/operator";
    let assume = || sts.assume_role().role_arn(arn).role_session_name("work").duration_seconds(900).send();

    let early = assume().await.expect_err("not propagated");
    assert_eq!(early.code(), Some("AccessDenied"));
    tokio::time::sleep(Duration::from_secs(14)).await;
    let session = assume().await?;
    let given = session.credentials().expect("credentials");
    let keys = Credentials::from_keys(given.access_key_id(), given.secret_access_key(), Some(given.session_token().to_owned()));
    let as_role = aws_sdk_sts::Client::new(&with_keys(&config, keys));
    let identity = as_role.get_caller_identity().send().await?;
    assert_eq!(identity.arn(), Some("arn:aws:sts::123456789012:assumed-role/operator/work"));

    tokio::time::sleep(Duration::from_secs(900)).await;
    let late = as_role.get_caller_identity().send().await.expect_err("expired");
    assert_eq!(late.code(), Some("ExpiredToken"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_role_for_a_service_lets_nobody_else_in() -> Tested {
    let sim = Sim::new();
    let config = sim.sdk_config();
    let trust = TRUST.replace(r#""AWS":"arn:aws:iam::123456789012:root""#, r#""Service":"eks.amazonaws.com""#);
    aws_sdk_iam::Client::new(&config).create_role().role_name("cluster").assume_role_policy_document(trust).send().await?;
    tokio::time::sleep(Duration::from_secs(14)).await;
    let sts = aws_sdk_sts::Client::new(&config);
    for role in ["cluster", "none"] {
        let arn = format!("arn:aws:iam::123456789012:role/{role}");
        let error = sts.assume_role().role_arn(arn).role_session_name("work").send().await.expect_err("refused");
        assert_eq!(error.code(), Some("AccessDenied"));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_are_refused_in_each_protocol() -> Tested {
    let sim = Sim::new();
    let config =
        with_keys(&sim.sdk_config(), Credentials::from_keys("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", None));
    let query = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.expect_err("refused");
    assert_eq!(query.code(), Some("InvalidClientTokenId"));
    let json = aws_sdk_ssm::Client::new(&config).get_parameter().name("/x").send().await.expect_err("refused");
    assert_eq!(json.code(), Some("UnrecognizedClientException"));
    Ok(())
}
