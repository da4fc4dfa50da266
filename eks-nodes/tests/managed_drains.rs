//! A managed group's nodes are replaced under workloads: EKS drains them within budgets, or says which budget holds them.
#![cfg(feature = "managed")]

#[expect(dead_code, reason = "the tests of stacks use the rest of it")]
mod account;

use std::time::Duration;

use account::{Account, Tested, minutes, owner};
use eks_cluster::Connector;
use eks_core::{ClusterAccess, Verdict};
use eks_nodes::{Capacity, Managed, WorkersSpec};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod, policy::v1::PodDisruptionBudget};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::json;

const REPLICAS: usize = 4;

fn client(account: &Account) -> Tested<Client> {
    let sim = account.sim.clone();
    let connector = Connector::new(&account.sim.sdk_config()).with_transport(move |_| sim.kube_service());
    let access = ClusterAccess {
        name: account.cluster.name.clone(),
        endpoint: account.cluster.endpoint.known().expect("known").clone(),
        certificate_authority: account.cluster.certificate_authority.known().expect("known").clone(),
    };
    Ok(connector.connect(&access)?)
}

/// A Deployment whose budget lets so many Pods go at once.
async fn deploy(client: &Client, max_unavailable: usize) -> Tested {
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": REPLICAS, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "public.ecr.aws/nginx/nginx:1.29"}]},
        }},
    });
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "maxUnavailable": max_unavailable},
    });
    let deployments = Api::<Deployment>::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &serde_json::from_value(deployment)?).await?;
    let budgets = Api::<PodDisruptionBudget>::default_namespaced(client.clone());
    budgets.create(&PostParams::default(), &serde_json::from_value(budget)?).await?;
    minutes(2).await;
    assert_eq!(ready(client).await?, REPLICAS);
    Ok(())
}

async fn ready(client: &Client) -> Tested<usize> {
    let pods = Api::<Pod>::default_namespaced(client.clone()).list(&ListParams::default()).await?;
    let is_ready = |pod: &&Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        pod.metadata.deletion_timestamp.is_none() && conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
    };
    Ok(pods.items.iter().filter(is_ready).count())
}

/// A group of two with the workload, and the spec that replaces its nodes.
async fn stage(max_unavailable: usize) -> Tested<(Account, Client)> {
    let account = Account::new().await?;
    let spec = spec(&account, Managed::new(), 20)?;
    account.apply(&account.workers.plan(&spec).await?).await?;
    let client = client(&account)?;
    deploy(&client, max_unavailable).await?;
    Ok((account, client))
}

fn spec(account: &Account, settings: Managed, gib: u32) -> Tested<WorkersSpec> {
    Ok(account.spec().managed(settings).capacity(Capacity::new(2, 2, 3)?).volume_gib(gib).build()?)
}

#[tokio::test(start_paused = true)]
async fn workloads_keep_their_budgets_while_every_node_is_replaced() -> Tested {
    let (account, client) = stage(1).await?;
    let spec = spec(&account, Managed::new(), 30)?;
    let plan = account.workers.plan(&spec).await?;
    let expected = plan.step("nodes/chap10-worker").expect("a step").typical;
    let began = tokio::time::Instant::now();
    let mut least = REPLICAS;
    let applied = account.apply(&plan);
    tokio::pin!(applied);
    loop {
        tokio::select! {
            applied = &mut applied => {
                applied?;
                break;
            }
            () = tokio::time::sleep(Duration::from_secs(5)) => least = least.min(ready(&client).await?),
        }
    }
    assert!(least >= REPLICAS - 1, "{least} of {REPLICAS} were ready");
    let took = began.elapsed();
    assert!(took < expected * 2 && took > expected / 2, "the plan said {expected:?}, it took {took:?}");
    assert!(account.workers.plan(&spec).await?.is_noop());
    minutes(2).await;
    assert_eq!((ready(&client).await?, account.running_instances()), (REPLICAS, 2));
    let ending = account.workers.teardown(&owner()).await?.apply(&account.engine()).await?;
    assert_eq!(ending.verdict, Verdict::Clean);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_allows_nothing_is_told_and_force_goes_past_it() -> Tested {
    let (account, client) = stage(0).await?;
    let failed = account.apply(&account.workers.plan(&spec(&account, Managed::new(), 30)?).await?).await.expect_err("held");
    let text = failed.to_string();
    for word in ["Failed (PodEvictionFailure)", "ip-10-0-", "let the PodDisruptionBudget allow a disruption"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(ready(&client).await?, REPLICAS, "nothing was ended");
    let forced = spec(&account, Managed::new().force_updates(true), 30)?;
    let plan = account.workers.plan(&forced).await?;
    assert!(plan.to_string().contains("then ends them all the same"), "{plan}");
    account.apply(&plan).await?;
    assert!(account.workers.plan(&forced).await?.is_noop());
    minutes(2).await;
    assert_eq!((ready(&client).await?, account.running_instances()), (REPLICAS, 2));
    Ok(())
}
