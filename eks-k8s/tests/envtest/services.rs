//! Services and Ingresses as a real API server takes them: nothing is refused, and what it fills in is no difference.
//!
//! The server is of 1.20, which drops `loadBalancerClass`: for Services of other controllers than the cloud provider, the missing class
//! is what a plan finds, and rightly so.

use std::collections::BTreeMap;

use eks_core::{Owner, Verdict, engine::Engine};
use eks_k8s::{
    BackendProtocol, Controller, HealthCheck, Ingress, IngressRule, Kind, Listener, ObjectsSpec, Service, TargetType, Tls, client::Objects,
};
use k8s_openapi::api::{core::v1 as core, networking::v1 as networking};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    server::server,
    stage::{Tested, cluster},
};

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";

fn classic() -> Service {
    Service::load_balancer("envtest-classic")
        .port(80, 8080)
        .port(443, 8443)
        .selector("app", "web")
        .source_range("203.0.113.0/24")
        .tls(Tls::new(ARN).port(443))
        .backend_protocol(BackendProtocol::Http)
        .health_check(HealthCheck::default().interval(20).thresholds(2, 4))
        .extra_security_group("sg-0a")
        .cross_zone(true)
        .draining(60)
        .idle_timeout(120)
        .tag("team", "web")
}

fn network() -> Service {
    Service::load_balancer("envtest-network").network().internet_facing().port(443, 8443).selector("app", "web").elastic_ip("eipalloc-0a")
}

fn ingress() -> Ingress {
    Ingress::alb("envtest")
        .internet_facing()
        .targets(TargetType::Ip)
        .listen(Listener::Http(80))
        .listen(Listener::Https(443))
        .certificate(ARN)
        .ssl_redirect(443)
        .group("team")
        .group_order(10)
        .health_check(HealthCheck::http("/healthz"))
        .rule(IngressRule::to("envtest-classic", 80).host("www.example.com").path("/api"))
        .default_backend("envtest-network", 443)
}

/// What a controller does when the load balancer is there: the finalizer and the hostname.
async fn publish(client: &Client) -> Tested {
    let status = json!({"status": {"loadBalancer": {"ingress": [{"hostname": "web.elb.us-east-1.amazonaws.com"}]}}});
    let params = PatchParams::default();
    let services: Api<core::Service> = Api::default_namespaced(client.clone());
    let ingresses: Api<networking::Ingress> = Api::default_namespaced(client.clone());
    for name in ["envtest-classic", "envtest-network"] {
        while services.patch_status(name, &params, &Patch::Merge(&status)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    while ingresses.patch_status("envtest", &params, &Patch::Merge(&status)).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn load_balancers_come_change_and_go() -> Tested {
    let owner = Owner::new("envtest-services")?;
    let client = server().admin().await;
    let objects = Objects::new(client.clone());
    let engine = Engine::new().driver(objects.clone());
    let spec = |classic: Service| -> Result<ObjectsSpec, Box<dyn std::error::Error>> {
        Ok(ObjectsSpec::builder(&owner, cluster()?).service(classic).service(network()).ingress(ingress()).build()?)
    };

    let plan = objects.plan(&spec(classic())?, None).await?;
    assert_eq!(plan.changes().count(), 3);
    let (report, published) = tokio::join!(plan.apply(&engine), publish(&client));
    published?;
    assert_eq!(report?.output("k8s/ingress/default/envtest", "hostname"), Some("web.elb.us-east-1.amazonaws.com"));

    let again = objects.plan(&spec(classic())?, None).await?;
    let changes: BTreeMap<_, _> = again.changes().map(|step| (step.key.to_string(), step.changes.clone())).collect();
    assert_eq!(changes, BTreeMap::new(), "a fixpoint, with what the API server defaults");

    // Read back, with node ports, cluster addresses and defaults. The owner's label is no part of its meaning.
    let services: Api<core::Service> = Api::default_namespaced(client.clone());
    let live = |value: core::Service| serde_json::to_value(value);
    assert_eq!(Service::read(&live(services.get("envtest-classic").await?)?)?, classic());
    assert_eq!(Service::read(&live(services.get("envtest-network").await?)?)?, network());
    let ingresses: Api<networking::Ingress> = Api::default_namespaced(client.clone());
    let there = serde_json::to_value(ingresses.get("envtest").await?)?;
    assert_eq!(Ingress::read(&there, Controller::LoadBalancerController)?, ingress());

    // What is no longer wanted goes: the server knows what we set.
    let less = Service::load_balancer("envtest-classic").port(80, 8080).selector("app", "web").tag("team", "web");
    let plan = objects.plan(&spec(less.clone())?, None).await?;
    let step = plan.step("k8s/service/default/envtest-classic").expect("a step");
    let gone = |what: &str| step.changes.iter().any(|change| change.contains(what) && change.ends_with("→ nothing"));
    assert!(
        gone("loadBalancerSourceRanges") && gone("ssl-cert") && gone("idle-timeout") && gone("spec.ports[tcp-443]"),
        "{:?}",
        step.changes
    );
    plan.apply(&engine).await?;
    assert_eq!(Service::read(&live(services.get("envtest-classic").await?)?)?, less);
    assert!(objects.plan(&spec(less.clone())?, None).await?.is_noop());

    // What would leak a load balancer is refused, all of it.
    let error = objects.plan(&spec(less.network().internet_facing())?, None).await.expect_err("another load balancer");
    assert!(error.to_string().contains("-internal: true → nothing") && error.to_string().contains("-type: nothing → nlb"), "{error}");

    let ending = objects.teardown(&owner, None).await?.apply(&engine).await?;
    assert_eq!(ending.verdict, Verdict::Clean);
    Ok(())
}

/// Every form that the golden files have is accepted as it is.
#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn golden_manifests_are_accepted() -> Tested {
    let client = server().admin().await;
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut seen = 0;
    for file in std::fs::read_dir(folder)? {
        let text = std::fs::read_to_string(file?.path())?;
        for document in text.split("---\n").filter(|document| document.contains("kind:")) {
            let manifest: Value = serde_yaml_ng::from_str(document)?;
            seen += 1;
            if manifest["kind"] == Kind::Ingress.as_str() {
                Api::<networking::Ingress>::default_namespaced(client.clone()).create(&params, &serde_json::from_value(manifest)?).await?;
            } else {
                Api::<core::Service>::default_namespaced(client.clone()).create(&params, &serde_json::from_value(manifest)?).await?;
            }
        }
    }
    assert_eq!(seen, 28, "8 + 4 + 4 Services and 12 Ingresses");
    Ok(())
}

/// What there is of controllers: nothing at first, then a Deployment, its account and a class.
#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn controllers_are_found() -> Tested {
    let client = server().admin().await;
    let objects = Objects::new(client.clone());
    let ingress = Ingress::alb("web").class("envtest-alb").rule(IngressRule::to("web", 80));
    let codes = |review: &eks_k8s::ControllerReview| review.problems.iter().map(|problem| problem.code).collect::<Vec<_>>();
    let found = objects.controllers(None, false).await?;
    assert_eq!(codes(&found.review_ingress(&ingress)), ["controller", "ingress-class"]);

    let create = PostParams::default();
    let class = json!({"metadata": {"name": "envtest-alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}});
    Api::<networking::IngressClass>::all(client.clone()).create(&create, &serde_json::from_value(class)?).await?;
    let account = json!({"metadata": {"name": "aws-load-balancer-controller",
        "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/lbc"}}});
    Api::<core::ServiceAccount>::namespaced(client.clone(), "kube-system").create(&create, &serde_json::from_value(account)?).await?;
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(client.clone(), "kube-system");
    let template = json!({"metadata": {"labels": {"app": "lbc"}},
        "spec": {"serviceAccountName": "aws-load-balancer-controller", "containers": [{"name": "controller", "image": "lbc"}]}});
    let deployment = json!({"metadata": {"name": "aws-load-balancer-controller"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "lbc"}}, "template": template}});
    deployments.create(&create, &serde_json::from_value(deployment)?).await?;
    let found = objects.controllers(None, false).await?;
    assert_eq!(codes(&found.review_ingress(&ingress)), ["controller"], "there are no nodes, so no replica is available");
    deployments.delete("aws-load-balancer-controller", &kube::api::DeleteParams::default()).await?;
    Ok(())
}
