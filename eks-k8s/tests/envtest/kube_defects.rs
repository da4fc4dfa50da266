//! Where kube is not as one would wish: it repeats what is refused for minutes, and its eviction drops the options of the deletion.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use eks_core::{BoxError, engine::CancellationToken};
use eks_k8s::{
    client::Objects,
    drain::{Drain, NodeEnd, OnBlocked},
};
use k8s_openapi::api::{
    core::v1::{Namespace, Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client,
    api::{DeleteParams, EvictParams, Patch, PatchParams, PostParams},
    client::Body,
};
use serde_json::{Value, json};

use crate::server::server;

type Tested = Result<(), BoxError>;

/// A node with one Pod of nobody's, whose budget lets it not go.
async fn lonely(client: &Client, name: &str) -> Tested {
    let named = || json!({"metadata": {"name": name}});
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &serde_json::from_value(named())?).await?;
    Api::<Node>::all(client.clone()).create(&PostParams::default(), &serde_json::from_value(named())?).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), name);
    let pod = json!({"metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"nodeName": name, "containers": [{"name": "web", "image": "nginx"}]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    pods.patch_status("web", &PatchParams::default(), &Patch::Merge(&status)).await?;
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(client.clone(), name);
    let budget = json!({"metadata": {"name": "web"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    budgets.create(&PostParams::default(), &serde_json::from_value(budget)?).await?;
    for _ in 0..300 {
        if budgets.get("web").await?.status.is_some_and(|status| status.current_healthy == Some(1)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("nobody counts the budget's Pods".into())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn drains_by_a_client_as_kube_makes_it() -> Tested {
    const NAME: &str = "envtest-kube-defects";
    let admin = server().admin().await;
    lonely(&admin, NAME).await?;
    let by_default = server().admin_by_default().await;

    // It repeats a 429 by itself, so whoever asks hears nothing.
    let pods: Api<Pod> = Api::namespaced(by_default.clone(), NAME);
    assert!(tokio::time::timeout(Duration::from_secs(3), pods.evict("web", &EvictParams::default())).await.is_err());

    let sent: Arc<Mutex<Vec<Value>>> = Arc::default();
    let seen = sent.clone();
    let noting = tower::service_fn(move |request: http::Request<Body>| {
        let (server, seen) = (by_default.clone(), seen.clone());
        async move {
            if !request.uri().path().ends_with("/eviction") {
                return server.send(request).await;
            }
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            seen.lock().expect("no panic").push(serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?);
            server.send(http::Request::from_parts(parts, Body::from(body.to_vec()))).await
        }
    });
    let objects = Objects::new(Client::new(noting, "default"));
    let drain = || Drain::of([NAME]).force().grace(7).on_blocked(OnBlocked::Wait);
    let report = objects.drain(None, &drain().deadline(Duration::from_secs(25)), &CancellationToken::new(), |_| {}).await?;
    assert_eq!(report.nodes.values().collect::<Vec<_>>(), [&NodeEnd::Uncordoned], "{report}");
    assert_eq!(report.held().count(), 1, "{report}");
    for eviction in sent.lock().expect("no panic").iter() {
        // `Api::evict` sends neither apiVersion nor the options under the name that the API server reads.
        assert_eq!((&eviction["apiVersion"], &eviction["deleteOptions"]["gracePeriodSeconds"]), (&json!("policy/v1"), &json!(7)));
    }

    // When the budget lets it go, it goes, and within the grace that was asked for.
    let loosen = Patch::Merge(json!({"spec": {"minAvailable": 0}}));
    Api::<PodDisruptionBudget>::namespaced(admin.clone(), NAME).patch("web", &PatchParams::default(), &loosen).await?;
    let pods: Api<Pod> = Api::namespaced(admin.clone(), NAME);
    let kubelet = async {
        loop {
            let pod = pods.get("web").await?;
            if pod.metadata.deletion_timestamp.is_some() {
                pods.delete("web", &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }).await?;
                return Ok::<_, BoxError>(pod.metadata.deletion_grace_period_seconds);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (waiting, cancel) = (drain().deadline(Duration::from_secs(120)), CancellationToken::new());
    let drained = async { Ok::<_, BoxError>(objects.drain(None, &waiting, &cancel, |_| {}).await?) };
    let (report, grace) = tokio::try_join!(drained, kubelet)?;
    assert!(report.is_complete(), "{report}");
    assert_eq!(grace, Some(7));
    Ok(())
}
