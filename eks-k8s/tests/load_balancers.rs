//! Services and Ingresses of the AWS Load Balancer Controller on the simulated cluster: made, found as they should be, taken away; and
//! what is told while one does not come.

#![cfg(feature = "client")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use eks_core::{AuthenticationMode, Verdict};
use eks_k8s::{
    BackendProtocol, Controller, ControllersFound, Ingress, IngressRule, Kind, ObjectsSpec, ObjectsSpecBuilder, Service, VpcSubnet,
    client::Objects,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Service as CoreService, ServiceAccount},
    networking::v1::{Ingress as CoreIngress, IngressClass},
};
use kube::{Api, api::PostParams};
use serde_json::json;
use support::{Stage, Tested};

/// What the controller's chart makes, and nodes for it.
async fn install(stage: &Stage, objects: &Objects) -> Result<ControllersFound, eks_core::BoxError> {
    let nodes = nothing(stage).build()?;
    stage.joined(objects.plan(&nodes, None).await?)?.apply(&stage.engine(objects)).await?;
    let client = support::client(&stage.sim, &stage.access)?;
    let create = PostParams::default();
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}});
    Api::<IngressClass>::all(client.clone()).create(&create, &serde_json::from_value(class)?).await?;
    let account = json!({"metadata": {"name": "aws-load-balancer-controller",
        "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/lbc"}}});
    Api::<ServiceAccount>::namespaced(client.clone(), "kube-system").create(&create, &serde_json::from_value(account)?).await?;
    let template = json!({"metadata": {"labels": {"app": "lbc"}},
        "spec": {"serviceAccountName": "aws-load-balancer-controller", "containers": [{"name": "controller", "image": "lbc:v3"}]}});
    let deployment = json!({"metadata": {"name": "aws-load-balancer-controller"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "lbc"}}, "template": template}});
    Api::<Deployment>::namespaced(client, "kube-system").create(&create, &serde_json::from_value(deployment)?).await?;
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(objects.controllers(Some(&stage.access), false).await?)
}

fn nothing(stage: &Stage) -> ObjectsSpecBuilder {
    ObjectsSpec::builder(&stage.owner, stage.cluster()).map_role("w", stage.workers().role).nodes(stage.workers())
}

fn web() -> Service {
    Service::load_balancer("web").controller(Controller::LoadBalancerController).internet_facing().port(80, 80).selector("app", "web")
}

fn ingress(name: &str) -> Ingress {
    Ingress::alb(name).internet_facing().rule(IngressRule::to("web", 80))
}

fn counts(stage: &Stage) -> BTreeMap<&'static str, usize> {
    ["elb/load-balancer", "elb/target-group", "ec2/security-group", "kubernetes/Ingress"]
        .map(|kind| (kind, stage.sim.inventory().count(kind)))
        .into()
}

#[tokio::test(start_paused = true)]
async fn they_come_and_go() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let objects = stage.objects();
    let found = install(&stage, &objects).await?;
    let before = counts(&stage);
    let builder = || {
        let both = nothing(&stage).service(web()).ingress(ingress("web")).controllers(found.clone());
        both.ingress(ingress("a").group("team").group_order(1)).ingress(ingress("b").group("team").group_order(2))
    };
    let spec = builder().build()?;
    let plan = objects.plan(&spec, Some(stage.access.clone())).await?;
    let warned: Vec<_> = plan.findings().into_iter().filter(|finding| finding.message.contains("controller")).collect();
    assert!(warned.is_empty(), "{warned:?}");
    let planned = plan.usd_per_month();
    let report = stage.joined(plan)?.apply(&stage.engine(&objects)).await?;
    let hostname = |key: &str| report.output(key, "hostname").map(str::to_owned).unwrap_or_default();
    assert!(hostname("k8s/service/default/web").contains(".elb.us-east-1.amazonaws.com"), "{}", hostname("k8s/service/default/web"));
    assert!(hostname("k8s/ingress/default/web").ends_with(".us-east-1.elb.amazonaws.com"));
    assert_eq!(hostname("k8s/ingress/default/a"), hostname("k8s/ingress/default/b"), "a group shares one");
    assert_ne!(hostname("k8s/ingress/default/a"), hostname("k8s/ingress/default/web"));
    assert_eq!(counts(&stage)["elb/load-balancer"], before["elb/load-balancer"] + 3);
    // Three load balancers with two public addresses each.
    assert!((planned - 3.0 * (16.425 + 7.3)).abs() < 1e-9, "{planned}");

    let from = stage.sim.log().len();
    let again = objects.plan(&spec, Some(stage.access.clone())).await?;
    assert!(again.is_noop(), "{again}");
    assert_eq!(stage.calls(from).len(), 4, "nodes, aws-auth, Services, Ingresses: {:?}", stage.calls(from));

    // As the controller leaves them, they still say what they said.
    let client = support::client(&stage.sim, &stage.access)?;
    let live = serde_json::to_value(Api::<CoreService>::default_namespaced(client.clone()).get("web").await?)?;
    assert_eq!(live["metadata"]["finalizers"], json!(["service.k8s.aws/resources"]));
    assert_eq!(Service::read(&live)?, web());
    let live = serde_json::to_value(Api::<CoreIngress>::default_namespaced(client).get("a").await?)?;
    assert_eq!(live["metadata"]["finalizers"], json!(["group.ingress.k8s.aws/team"]));
    assert_eq!(Ingress::read(&live, Controller::LoadBalancerController)?, ingress("a").group("team").group_order(1));

    let teardown = objects.teardown(&stage.owner, Some(stage.access.clone())).await?;
    assert_eq!(teardown.removals().iter().filter(|removal| removal.title == Kind::Ingress.as_str()).count(), 3);
    let ending = teardown.apply(&stage.engine(&objects)).await?;
    assert_eq!(ending.verdict, Verdict::Clean, "{}", ending.verdict);
    assert_eq!(counts(&stage), before);
    Ok(())
}

/// No subnet is for internal load balancers: the plan tells so where it is given the subnets, and the wait where it is not.
#[tokio::test(start_paused = true)]
async fn why_none_comes() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let objects = stage.objects();
    install(&stage, &objects).await?;
    let spec = || nothing(&stage).service(web().internal());
    let public = |id: &str, zone: &str| VpcSubnet {
        id: id.to_owned(),
        zone: zone.to_owned(),
        free_addresses: 200,
        routes_to_internet: true,
        ..VpcSubnet::default()
    };
    let known = spec().subnets([public("subnet-1", "us-east-1a"), public("subnet-2", "us-east-1b")]).build()?;
    let error = objects.plan(&known, Some(stage.access.clone())).await.expect_err("no subnets").to_string();
    assert!(error.contains("tag subnet-1 with kubernetes.io/role/internal-elb=1"), "{error}");

    let plan = stage.joined(objects.plan(&spec().build()?, Some(stage.access.clone())).await?)?;
    let error = plan.apply(&stage.engine(&objects)).await.expect_err("no subnets");
    let states = stage.states("k8s/service/default/web");
    assert_eq!(states.first().map(String::as_str), Some("no load balancer"), "{states:?}");
    let why = "no load balancer (FailedDeployModel: FailedDeployModel due to couldn't auto-discover subnets: subnets count less than minimal required count: 0 < 1)";
    assert!(states.iter().any(|state| state == why), "{states:?}");
    let report = error.report().expect("a report");
    assert!(report.failures().any(|(_, error)| error.to_string().contains("auto-discover subnets")), "{error}");
    Ok(())
}

/// A Service that the cloud provider takes is of no interest to the controller, and the other way round.
#[tokio::test(start_paused = true)]
async fn each_takes_its_own() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let objects = stage.objects();
    install(&stage, &objects).await?;
    let classic = Service::load_balancer("classic").port(80, 80).selector("app", "web").backend_protocol(BackendProtocol::Http);
    let spec = nothing(&stage).service(classic).service(web()).build()?;
    stage.joined(objects.plan(&spec, Some(stage.access.clone())).await?)?.apply(&stage.engine(&objects)).await?;
    let client = support::client(&stage.sim, &stage.access)?;
    let services: Api<CoreService> = Api::default_namespaced(client);
    for (name, finalizer) in [("classic", "service.kubernetes.io/load-balancer-cleanup"), ("web", "service.k8s.aws/resources")] {
        assert_eq!(services.get(name).await?.metadata.finalizers, Some(vec![finalizer.to_owned()]));
    }
    Ok(())
}
