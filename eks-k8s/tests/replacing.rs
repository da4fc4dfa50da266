//! What a replacement of nodes asks of Kubernetes, on the simulated API server.

#![cfg(feature = "client")]

#[expect(dead_code, reason = "other tests need the rest")]
mod support;

use std::time::Duration;

use eks_core::AuthenticationMode;
use eks_k8s::{
    drain::Drain,
    replacing::{AutoscalerKind, EXCLUDE_LABEL, Registers, Regression, TAINT},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Service},
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use support::{Stage, Tested, client};
use tokio::time::sleep;

const MARK: &str = "chap10-v135";

async fn stage() -> Result<Stage, eks_core::BoxError> {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let eks = aws_sdk_eks::Client::new(&stage.sim.sdk_config());
    eks.create_access_entry().cluster_name("chap10").principal_arn(stage.role.as_str()).r#type("EC2_LINUX").send().await?;
    sleep(Duration::from_secs(180)).await;
    Ok(stage)
}

async fn deploy(stage: &Stage, namespace: &str, name: &str, image: &str, replicas: u32) -> Tested {
    let labels = json!({"app": name});
    let pod = json!({"containers": [{"name": "main", "image": image}], "tolerations": [{"key": "dedicated", "operator": "Exists"}]});
    let deployment = json!({"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                            "template": {"metadata": {"labels": labels}, "spec": pod}}});
    let deployments: Api<Deployment> = Api::namespaced(client(&stage.sim, &stage.access)?, namespace);
    deployments.create(&PostParams::default(), &serde_json::from_value(deployment)?).await?;
    sleep(Duration::from_secs(60)).await;
    Ok(())
}

/// What matters of the nodes, as JSON.
async fn nodes(stage: &Stage) -> Result<Vec<Value>, eks_core::BoxError> {
    let nodes: Api<Node> = Api::all(client(&stage.sim, &stage.access)?);
    let found = nodes.list(&ListParams::default()).await?.items;
    let told = |node: &Node| {
        let spec = node.spec.as_ref();
        let own: Vec<_> = spec.and_then(|spec| spec.taints.as_ref()).into_iter().flatten().filter(|taint| taint.key == TAINT).collect();
        json!({
            "name": node.name_any(),
            "closed": spec.and_then(|spec| spec.unschedulable).unwrap_or(false),
            "taints": own,
            "excluded": node.labels().contains_key(EXCLUDE_LABEL),
            "marks": node.annotations().keys().chain(node.labels().keys()).filter(|key| key.starts_with("eks-rs/")).count(),
        })
    };
    Ok(found.iter().map(told).collect())
}

#[tokio::test(start_paused = true)]
async fn nodes_are_closed_drained_and_opened_as_they_were() -> Tested {
    let stage = stage().await?;
    deploy(&stage, "default", "web", "nginx", 4).await?;
    let (objects, access) = (stage.objects(), Some(&stage.access));
    let before = nodes(&stage).await?;
    let old = vec![before[0]["name"].as_str().expect("a name").to_owned(), "ip-gone".to_owned()];
    assert_eq!(objects.close_nodes(access, &old, MARK).await?, &old[..1], "one is not there");
    let from = stage.sim.log().len();
    assert_eq!(objects.close_nodes(access, &old, MARK).await?, [""; 0]);
    assert!(stage.calls(from).iter().all(|call| call.starts_with("GET ")));
    let during = nodes(&stage).await?;
    let taint = json!([{"key": TAINT, "value": MARK, "effect": "NoSchedule"}]);
    assert_eq!((&during[0]["closed"], &during[0]["taints"], &during[0]["excluded"]), (&json!(true), &taint, &json!(true)));
    assert_eq!(during[1], before[1]);
    let drain = Drain::of(&old[..1]).force();
    assert!(objects.drain(access, &drain, &eks_core::engine::CancellationToken::new(), |_| ()).await?.is_complete());
    assert_eq!(nodes(&stage).await?[0]["taints"], taint);
    assert_eq!(objects.open_nodes(access, &old, MARK).await?, &old[..1]);
    assert_eq!(nodes(&stage).await?, before);
    let error = objects.close_nodes(access, &old, "a b").await.expect_err("no value of a label");
    assert!(error.to_string().contains("mark") || error.to_string().contains("taint"), "{error}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_cluster_autoscaler_is_paused_and_goes_on() -> Tested {
    let stage = stage().await?;
    let image = "registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.0";
    deploy(&stage, "kube-system", "ca", image, 2).await?;
    deploy(&stage, "default", "web", "nginx", 1).await?;
    let (objects, access) = (stage.objects(), Some(&stage.access));
    let before = objects.autoscalers(access).await?;
    let told: Vec<_> = before.iter().map(|one| (one.kind, &*one.name, one.replicas, one.interferes())).collect();
    assert_eq!(told, [(AutoscalerKind::ClusterAutoscaler, "ca", 2, true)]);
    assert_eq!(objects.pause_autoscalers(access, MARK).await?.len(), 1);
    assert_eq!(objects.pause_autoscalers(access, MARK).await?.len(), 0);
    let paused = objects.autoscalers(access).await?;
    assert_eq!((paused[0].replicas, &paused[0].paused_for[..]), (0, &[MARK.to_owned()][..]));
    let deployments: Api<Deployment> = Api::namespaced(client(&stage.sim, &stage.access)?, "kube-system");
    let status = deployments.get("ca").await?.status.expect("a status");
    assert_eq!(status.replicas.unwrap_or_default(), 0);
    assert_eq!(objects.resume_autoscalers(access, "another").await?.len(), 0);
    assert_eq!(objects.resume_autoscalers(access, MARK).await?.len(), 1);
    assert_eq!(objects.autoscalers(access).await?, before);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn health_tells_what_has_become_worse() -> Tested {
    let stage = stage().await?;
    deploy(&stage, "default", "web", "nginx", 4).await?;
    let (objects, access) = (stage.objects(), Some(&stage.access));
    let before = objects.health(access).await?;
    assert!(before.is_good(), "{before:?}");
    assert!(before.workloads.iter().any(|one| (&*one.kind, &*one.name, one.wanted, one.available) == ("Deployment", "web", 4, 4)));
    assert!(before.workloads.iter().all(|one| one.kind != "ReplicaSet"), "those of Deployments do not count");
    assert!(before.workloads.iter().any(|one| (&*one.kind, &*one.name, one.available) == ("DaemonSet", "aws-node", 2)));
    assert_eq!(serde_json::from_str::<eks_k8s::replacing::Health>(&serde_json::to_string(&before)?)?, before);
    // Nobody takes Pods any more, and one node is emptied.
    let names: Vec<String> = before.nodes.iter().map(|node| node.name.clone()).collect();
    objects.close_nodes(access, &names, MARK).await?;
    let drain = Drain::of(&names).in_parallel(2).on_blocked(eks_k8s::drain::OnBlocked::Wait).force().deadline(Duration::from_secs(120));
    objects.drain(access, &drain, &eks_core::engine::CancellationToken::new(), |_| ()).await?;
    sleep(Duration::from_secs(60)).await;
    let found = objects.health(access).await?.regressions(&before);
    assert!(found.iter().any(|one| matches!(one, Regression::Workload { now, .. } if now.name == "web")), "{found:?}");
    assert!(found.iter().any(|one| matches!(one, Regression::Pod { trouble } if trouble.why == "Unschedulable")), "{found:?}");
    objects.open_nodes(access, &names, MARK).await?;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(objects.health(access).await?.regressions(&before), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn delays_of_load_balancers_are_told() -> Tested {
    let stage = stage().await?;
    let services: Api<Service> = Api::default_namespaced(client(&stage.sim, &stage.access)?);
    let (objects, access) = (stage.objects(), Some(&stage.access));
    assert_eq!(objects.deregistration(access).await?.longest(), Duration::ZERO);
    let prefix = "service.beta.kubernetes.io/aws-load-balancer";
    for (name, annotations) in [
        (
            "classic",
            json!({format!("{prefix}-connection-draining-enabled"): "true", format!("{prefix}-connection-draining-timeout"): "60"}),
        ),
        ("network", json!({format!("{prefix}-type"): "nlb"})),
    ] {
        let service = json!({"metadata": {"name": name, "annotations": annotations},
                             "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}});
        services.create(&PostParams::default(), &serde_json::from_value(service)?).await?;
    }
    let found = objects.deregistration(access).await?;
    let told: Vec<_> = found.balancers.iter().map(|one| (&*one.of, one.registers, one.seconds)).collect();
    assert_eq!(told, [("Service default/classic", Registers::Instances, 60), ("Service default/network", Registers::Instances, 300)]);
    assert_eq!(found.longest(), Duration::from_secs(300));
    let off = Patch::Merge(json!({"metadata": {"annotations": {format!("{prefix}-type"): null}}}));
    services.patch("network", &PatchParams::default(), &off).await?;
    assert_eq!(objects.deregistration(access).await?.longest(), Duration::from_secs(60));
    Ok(())
}
