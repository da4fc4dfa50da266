//! What a replacement of nodes writes, on a real API server: merge patches, managed fields, resource versions.

use std::time::Duration;

use eks_core::BoxError;
use eks_k8s::{
    client::Objects,
    replacing::{EXCLUDE_LABEL, Registers, TAINT},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Service},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::server::server;

type Tested<T = ()> = Result<T, BoxError>;

async fn node(client: &Client, name: &str) -> Tested<(Api<Node>, Vec<String>)> {
    let nodes: Api<Node> = Api::all(client.clone());
    // With a label, as kubelets do: of an object that nobody owned a field of when it was made, the API server records no writer.
    let node = json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}});
    nodes.create(&PostParams::default(), &serde_json::from_value(node)?).await?;
    // No node controller takes the taint off that a new node has.
    nodes
        .patch(name, &PatchParams::default(), &Patch::Merge(json!({"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}})))
        .await?;
    Ok((nodes, vec![name.to_owned()]))
}

/// Whether it is cordoned, which of our taints it has, and whether load balancers let it go.
async fn state(nodes: &Api<Node>, name: &str) -> Tested<(bool, Vec<String>, bool)> {
    let node = nodes.get(name).await?;
    let spec = node.spec.unwrap_or_default();
    let taints = spec.taints.unwrap_or_default().into_iter().map(|taint| format!("{}={}", taint.key, taint.value.unwrap_or_default()));
    let excluded = node.metadata.labels.is_some_and(|labels| labels.contains_key(EXCLUDE_LABEL));
    Ok((spec.unschedulable.unwrap_or_default(), taints.filter(|taint| taint.starts_with(TAINT)).collect(), excluded))
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn nodes_are_closed_and_opened_among_others() -> Tested {
    let client = server().admin().await;
    let objects = Objects::new(client.clone());
    let (nodes, names) = node(&client, "replacing-a").await?;
    let name = names[0].as_str();
    assert_eq!(objects.close_nodes(None, &names, "old").await?, names);
    assert_eq!(objects.close_nodes(None, &names, "old").await?, [""; 0]);
    assert_eq!(state(&nodes, name).await?, (true, vec![format!("{TAINT}=old")], true));
    assert_eq!(objects.open_nodes(None, &names, "old").await?, names);
    assert_eq!(state(&nodes, name).await?, (false, vec![], false));
    let node = nodes.get(name).await?;
    assert_eq!(node.spec.and_then(|spec| spec.taints).map(|taints| taints.len()), Some(1), "theirs stays");
    assert!(node.metadata.annotations.is_none_or(|annotations| annotations.keys().all(|key| !key.starts_with("eks-rs"))));

    // Opened and closed again by somebody else in between: it is theirs.
    objects.close_nodes(None, &names, "old").await?;
    let by = PatchParams { field_manager: Some("kubectl-cordon".to_owned()), ..PatchParams::default() };
    for closed in [false, true] {
        nodes.patch(name, &by, &Patch::Merge(json!({"spec": {"unschedulable": closed}}))).await?;
    }
    objects.open_nodes(None, &names, "old").await?;
    assert_eq!(state(&nodes, name).await?, (true, vec![], false));
    nodes.delete(name, &DeleteParams::default()).await?;
    assert_eq!(objects.close_nodes(None, &names, "old").await?, [""; 0], "it is gone");
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn writers_at_once_lose_nothing() -> Tested {
    let client = server().admin().await;
    let objects = Objects::new(client.clone());
    let (nodes, names) = node(&client, "replacing-b").await?;
    // Each replaces the list of taints as a whole.
    let theirs = async {
        for round in 0..10 {
            nodes
                .patch(
                    &names[0],
                    &PatchParams::default(),
                    &Patch::Merge(json!({"metadata": {"annotations": {"round": round.to_string()}}})),
                )
                .await?;
        }
        Ok::<_, BoxError>(())
    };
    let (a, b, c) = tokio::join!(objects.close_nodes(None, &names, "a"), objects.close_nodes(None, &names, "b"), theirs);
    assert_eq!((a?.len(), b?.len()), (1, 1));
    c?;
    objects.open_nodes(None, &names, "a").await?;
    assert_eq!(state(&nodes, &names[0]).await?, (true, vec![format!("{TAINT}=b")], true), "b still needs it closed");
    objects.open_nodes(None, &names, "b").await?;
    assert_eq!(state(&nodes, &names[0]).await?, (false, vec![], false));
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn an_autoscaler_is_paused_and_everything_can_be_read() -> Tested {
    let client = server().admin().await;
    let objects = Objects::new(client.clone());
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "kube-system");
    let labels = json!({"app": "ca"});
    let containers = json!([{"name": "main", "image": "registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.0"}]);
    let deployment = json!({"metadata": {"name": "ca"}, "spec": {"replicas": 2, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}});
    deployments.create(&PostParams::default(), &serde_json::from_value(deployment)?).await?;
    let replicas = async || Ok::<_, BoxError>(deployments.get("ca").await?.spec.replicas);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let health = objects.health(None).await?;
    let own = health.workloads.iter().find(|one| one.name == "ca").ok_or("it is not told")?;
    assert_eq!((own.kind.as_str(), own.wanted, own.available), ("Deployment", 2, 0), "nothing runs Pods here");
    assert_eq!(objects.pause_autoscalers(None, "old").await?.len(), 1);
    assert_eq!((replicas().await?, objects.autoscalers(None).await?[0].paused_for.clone()), (Some(0), vec!["old".to_owned()]));
    assert_eq!(objects.resume_autoscalers(None, "old").await?.len(), 1);
    assert_eq!(replicas().await?, Some(2));
    // Other tests have load balancers on the same server, so only a Service of its own can be judged here.
    let services: Api<Service> = Api::namespaced(client.clone(), "kube-system");
    let web = json!({"metadata": {"name": "let-go", "annotations": {"service.beta.kubernetes.io/aws-load-balancer-connection-draining-enabled": "true",
        "service.beta.kubernetes.io/aws-load-balancer-connection-draining-timeout": "75"}},
        "spec": {"type": "LoadBalancer", "selector": labels, "ports": [{"port": 80}]}});
    let ours = async || {
        Ok::<_, BoxError>(objects.deregistration(None).await?.balancers.into_iter().find(|one| one.of == "Service kube-system/let-go"))
    };
    assert_eq!(ours().await?, None);
    services.create(&PostParams::default(), &serde_json::from_value(web)?).await?;
    let delay = ours().await?.ok_or("its load balancer is not told")?;
    assert_eq!((delay.registers, delay.seconds), (Registers::Instances, 75));
    services.delete("let-go", &DeleteParams::default()).await?;
    deployments.delete("ca", &DeleteParams::default()).await?;
    Ok(())
}
