//! Clients that outlive tokens, sessions and keys: a drain takes three hours.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{Account, Tested};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, future},
};
use aws_types::SdkConfig;
use eks_cluster::{AssumeRole, ClusterAccess, Connector};
#[cfg(feature = "assume-role")]
use eks_cluster::{TokenError, TokenSigner};
use eks_core::RoleArn;
use eks_sim::Sim;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client,
    api::{ListParams, PostParams, WatchEvent, WatchParams},
};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;

/// An account with a cluster whose administrator is a role that may be assumed.
async fn operated() -> Result<(Account, ClusterAccess, RoleArn), Box<dyn std::error::Error>> {
    let account = Account::new(Sim::new()).await?;
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    let role = iam.create_role().role_name("operator").assume_role_policy_document(TRUST).send().await?;
    let role: RoleArn = role.role().ok_or("no role")?.arn().parse()?;
    let spec = account.builder().no_addons().admin(role.as_str()).build()?;
    let report = account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let access = ClusterAccess::from_outputs(&report.steps[&"cluster/control-plane".parse()?].outputs).ok_or("not reachable")?;
    // The API server learns of an access entry late.
    account.sim.clock().sleep(Duration::from_secs(30)).await;
    Ok((account, access, role))
}

fn client(account: &Account, config: &SdkConfig, access: &ClusterAccess) -> Result<Client, Box<dyn std::error::Error>> {
    let sim = account.sim.clone();
    Ok(Connector::new(config).with_transport(move |_| sim.kube_service()).connect(access)?)
}

#[cfg(feature = "assume-role")]
fn called(account: &Account, action: &str) -> usize {
    account.sim.log().calls().iter().filter(|call| call.action == action).count()
}

/// Credentials of a provider, kept until they expire, as the SDK's own providers keep them.
#[derive(Debug)]
struct Kept {
    provider: SharedCredentialsProvider,
    sim: Sim,
    kept: tokio::sync::Mutex<Option<Credentials>>,
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let mut kept = self.kept.lock().await;
            if let Some(good) = kept.as_ref().filter(|kept| kept.expiry().is_some_and(|expiry| self.sim.clock().wall() < expiry)) {
                return Ok(good.clone());
            }
            Ok(kept.insert(self.provider.provide_credentials().await?).clone())
        })
    }
}

/// What the n-th asking tells.
#[derive(Clone, Debug)]
struct InTurn(Arc<AtomicUsize>, Vec<Credentials>);

impl ProvideCredentials for InTurn {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let at = self.0.fetch_add(1, Ordering::Relaxed).min(self.1.len() - 1);
        future::ProvideCredentials::ready(Ok(self.1[at].clone()))
    }
}

/// Requests every four minutes for longer than three hours.
async fn works_for_hours(account: &Account, client: Client) -> Tested {
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let mut version = maps.list(&ListParams::default()).await?.metadata.resource_version.ok_or("no version")?;
    for minute in (0..200).step_by(4) {
        let name = format!("minute-{minute}");
        let map = ConfigMap { metadata: kube::api::ObjectMeta { name: Some(name.clone()), ..Default::default() }, ..Default::default() };
        maps.create(&PostParams::default(), &map).await?;
        let watched = maps.watch(&WatchParams::default().timeout(50), &version).await?;
        let added = watched.try_filter_map(|event| async move {
            Ok(match event {
                WatchEvent::Added(map) => Some(map),
                _ => None,
            })
        });
        let seen = added.boxed().try_next().await?.ok_or("the watch tells nothing")?;
        assert_eq!(seen.metadata.name, Some(name));
        version = seen.metadata.resource_version.ok_or("no version")?;
        account.sim.clock().sleep(Duration::from_secs(240)).await;
    }
    Ok(())
}

#[cfg(feature = "assume-role")]
#[tokio::test(start_paused = true)]
async fn a_role_is_assumed_again_for_each_token() -> Tested {
    let (account, access, role) = operated().await?;
    let config = AssumeRole::builder(&role).session_name("drain").build()?.config(&account.sim.sdk_config());
    works_for_hours(&account, client(&account, &config, &access)?).await?;
    // A token serves for twelve minutes of the two hundred; none was refused.
    assert_eq!(called(&account, "AssumeRole"), 17);
    let refused =
        account.sim.log().calls().iter().filter(|call| call.service == "kubernetes" && call.outcome != eks_sim::Outcome::Done).count();
    assert_eq!(refused, 0);
    Ok(())
}

#[cfg(feature = "assume-role")]
#[tokio::test(start_paused = true)]
async fn sessions_that_end_each_hour_are_followed() -> Tested {
    let (account, access, role) = operated().await?;
    let config = AssumeRole::builder(&role).build()?.config(&account.sim.sdk_config());
    let provider = config.credentials_provider().ok_or("no provider")?;
    let kept = Kept { provider, sim: account.sim.clone(), kept: tokio::sync::Mutex::default() };
    let config = config.to_builder().credentials_provider(SharedCredentialsProvider::new(kept)).build();
    works_for_hours(&account, client(&account, &config, &access)?).await?;
    assert_eq!(called(&account, "AssumeRole"), 4, "a session an hour");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_replaced_are_asked_for_once() -> Tested {
    let (account, access, _) = operated().await?;
    let good = account.sim.credentials().provide_credentials().await?;
    let gone = Credentials::from_keys("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", None);
    let provider = InTurn(Arc::default(), vec![gone, good]);
    let config = account.sim.sdk_config().to_builder().credentials_provider(SharedCredentialsProvider::new(provider.clone())).build();
    let namespaces: Api<Namespace> = Api::all(client(&account, &config, &access)?);
    let before = account.sim.log().len();
    let params = ListParams::default();
    let answers = futures::future::join_all((0..20).map(|_| namespaces.list(&params))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(provider.0.load(Ordering::Relaxed), 2, "twenty refusals, one new token");
    assert_eq!(account.sim.log().len() - before, 40);
    Ok(())
}

/// A role without an access entry: each request is refused, and asks STS for nothing once a new token was refused, too.
#[cfg(feature = "assume-role")]
#[tokio::test(start_paused = true)]
async fn a_lasting_refusal_does_not_assume_the_role_for_each_request() -> Tested {
    let (account, access, _) = operated().await?;
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    let role = iam.create_role().role_name("nobody").assume_role_policy_document(TRUST).send().await?;
    let role: RoleArn = role.role().ok_or("no role")?.arn().parse()?;
    account.sim.clock().sleep(Duration::from_secs(60)).await;
    let config = AssumeRole::builder(&role).build()?.config(&account.sim.sdk_config());
    let namespaces: Api<Namespace> = Api::all(client(&account, &config, &access)?);
    let before = called(&account, "AssumeRole");
    for wanted in [2, 3] {
        let params = ListParams::default();
        for answer in futures::future::join_all((0..20).map(|_| namespaces.list(&params))).await {
            assert!(matches!(&answer, Err(kube::Error::Api(status)) if status.code == 401), "{answer:?}");
        }
        assert_eq!(called(&account, "AssumeRole") - before, wanted);
        account.sim.clock().sleep(Duration::from_secs(15)).await;
    }
    Ok(())
}

/// IAM user guide, "Access to AWS accounts owned by third parties": the trust policy asks for the id that both have agreed on.
#[cfg(feature = "assume-role")]
#[tokio::test(start_paused = true)]
async fn a_role_may_ask_for_an_external_id() -> Tested {
    let (account, ..) = operated().await?;
    let trust = TRUST.replace("}]}", r#","Condition":{"StringEquals":{"sts:ExternalId":"agreed-1"}}}]}"#);
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    let role = iam.create_role().role_name("third").assume_role_policy_document(trust).send().await?;
    let role: RoleArn = role.role().ok_or("no role")?.arn().parse()?;
    account.sim.clock().sleep(Duration::from_secs(60)).await;
    let signed = async |id: Option<&str>| {
        let builder = AssumeRole::builder(&role);
        let assumed = match id {
            Some(id) => builder.external_id(id),
            None => builder,
        };
        let config = assumed.build().expect("valid").config(&account.sim.sdk_config());
        TokenSigner::new(&config, &account.name).expect("complete").token().await
    };
    signed(Some("agreed-1")).await?;
    for wrong in [None, Some("agreed-2")] {
        assert!(matches!(signed(wrong).await, Err(TokenError::Credentials { .. })), "{wrong:?}");
    }
    Ok(())
}
