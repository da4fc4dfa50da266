//! The same flow on an independent server of EC2's protocol, such as moto: what the simulator and we believe alike is not
//! proven by either. `EKS_RS_ENDPOINT=http://127.0.0.1:5000 cargo test -p eks-net --test emulator -- --ignored`

#[expect(dead_code, reason = "the part of it that is about the simulator")]
mod common;

use aws_config::{BehaviorVersion, Region};
use common::{builder, chapter, owner};
use eks_core::{Verdict, engine::Engine};
use eks_net::{Nat, Networks};

type Done = Result<(), Box<dyn std::error::Error>>;

#[tokio::test]
#[ignore = "needs a server of EC2's protocol at EKS_RS_ENDPOINT; accepts any credentials in the environment"]
async fn create_plan_again_change_tear_down() -> Done {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(std::env::var("EKS_RS_ENDPOINT")?)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let networks = Networks::new(&config);
    let engine = Engine::new().driver(networks.clone()).speed(100.0);
    networks.plan(&chapter()).await?.apply(&engine).await?;
    let again = networks.plan(&chapter()).await?;
    assert!(again.is_noop(), "{again}");

    let more = builder().nat(Nat::PerZone).tag("team", "platform").build()?;
    networks.plan(&more).await?.apply(&engine).await?;
    let again = networks.plan(&more).await?;
    assert!(again.is_noop(), "{again}");

    let ending = networks.teardown(&owner()).await?.apply(&engine).await?;
    assert_eq!(ending.verdict, Verdict::Clean, "{}", ending.verdict);
    assert!(networks.teardown(&owner()).await?.is_empty());
    Ok(())
}
