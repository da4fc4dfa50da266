//! The chapter's objects on the simulated cluster: made, found as they should be, and taken away.

#![cfg(feature = "client")]

mod support;

use eks_core::{AuthenticationMode, Verdict};
use eks_k8s::{Claim, ObjectsSpec, ObjectsSpecBuilder, Pod, Service, StorageClass};
use eks_sim::Sim;
use support::{Stage, Tested};

fn chapter(stage: &Stage) -> ObjectsSpecBuilder {
    ObjectsSpec::builder(&stage.owner, stage.cluster())
        .map_role("w", stage.workers().role)
        .nodes(stage.workers())
        .storage_class(StorageClass::gp3("gp3-us-east-1a").zone("us-east-1a"))
        .storage_class(StorageClass::gp3("gp3-us-east-1b").zone("us-east-1b"))
        .claim(Claim::new("pvc-a", "10Gi").class("gp3-us-east-1a"))
        .claim(Claim::new("pvc-b", "10Gi").class("gp3-us-east-1b"))
        .pod(Pod::new("nginx", "nginx:1.29").port(80).mount("pvc-a", "/data").zone("us-east-1a"))
        .service(Service::load_balancer("nginx").internal().port(80, 80).selector("app", "nginx"))
        .service(Service::load_balancer("nginx-external").internet_facing().network().port(80, 80).selector("app", "nginx"))
}

fn count(sim: &Sim, kind: &str) -> usize {
    sim.inventory().count(kind)
}

#[tokio::test(start_paused = true)]
async fn the_chapter_comes_and_goes() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let spec = chapter(&stage).build()?;
    let objects = stage.objects();
    let before = stage.sim.log().len();
    let plan = stage.joined(objects.plan(&spec, None).await?)?;
    assert_eq!(stage.calls(before), [""; 0], "there is no cluster that anybody knows of");

    let report = plan.apply(&stage.engine(&objects)).await?;
    assert_eq!(report.polls, 0);
    assert_eq!(report.output("k8s/nodes/w", "ready"), Some("2"));
    for service in ["nginx", "nginx-external"] {
        assert!(report.output(&format!("k8s/service/default/{service}"), "hostname").is_some_and(|name| name.ends_with(".amazonaws.com")));
    }
    let states = stage.states("k8s/nodes/w");
    assert!(states.first().is_some_and(|state| state == "0 of 2 nodes Ready"), "{states:?}");
    for kind in ["ec2/volume", "kubernetes/Pod"] {
        assert!(count(&stage.sim, kind) >= 1, "{kind}: {:#?}", stage.sim.inventory());
    }

    let again = stage.objects();
    let from = stage.sim.log().len();
    let plan = again.plan(&spec, Some(stage.access.clone())).await?;
    assert!(plan.is_noop(), "{plan}");
    assert_eq!(stage.calls(from).len(), 6, "{:?}", stage.calls(from));
    let report = stage.joined(plan)?.apply(&stage.engine(&again)).await?;
    assert!(report.is_complete());

    let teardown = again.teardown(&stage.owner, Some(stage.access.clone())).await?;
    assert_eq!(teardown.removals().len(), 8, "{teardown}");
    let ending = teardown.apply(&stage.engine(&again)).await?;
    assert_eq!(ending.verdict, Verdict::Clean, "{}", ending.verdict);
    for kind in ["kubernetes/PersistentVolumeClaim", "elb/load-balancer", "elbv2/load-balancer"] {
        assert_eq!(count(&stage.sim, kind), 0, "{kind}: {:#?}", stage.sim.inventory());
    }
    Ok(())
}
