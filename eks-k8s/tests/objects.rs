//! The chapter's objects on the simulated cluster: made, found as they should be, and taken away.

#![cfg(feature = "client")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use eks_core::{
    AuthenticationMode, AwaitedNodes, Diagnosis, Verdict,
    engine::{BoxFuture, WatchNodes},
};
use eks_k8s::{Claim, ObjectsSpec, ObjectsSpecBuilder, Pod, Reclaim, Service, StorageClass, Unanswered, client::Objects};
use eks_sim::{Fault, Sim, When};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::PostParams};
use serde_json::json;
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

#[tokio::test(start_paused = true)]
async fn volumes_that_are_retained_are_told() -> Tested {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let objects = stage.objects();
    let spec = ObjectsSpec::builder(&stage.owner, stage.cluster())
        .map_role("w", stage.workers().role)
        .nodes(stage.workers())
        .storage_class(StorageClass::gp3("kept").reclaim(Reclaim::Retain))
        .claim(Claim::new("data", "10Gi").class("kept"))
        .pod(Pod::new("nginx", "nginx:1.29").mount("data", "/data"))
        .build()?;
    stage.joined(objects.plan(&spec, None).await?)?.apply(&stage.engine(&objects)).await?;
    let teardown = objects.teardown(&stage.owner, Some(stage.access.clone())).await?;
    let ending = teardown.apply(&stage.engine(&objects)).await?;
    let [survivor] = ending.verdict.survivors() else { panic!("{}", ending.verdict) };
    assert!(survivor.id.starts_with("vol-") && survivor.why.contains("retained"), "{survivor}");
    assert!((survivor.usd_per_month - 0.8).abs() < 1e-9);
    let left = objects.volumes_left(Some(&stage.access)).await?;
    let told: Vec<_> = left.iter().map(|volume| (volume.volume_id.as_str(), volume.claim.as_str(), volume.phase.as_str())).collect();
    assert_eq!(told, [(survivor.id.as_str(), "default/data", "Released")]);
    assert_eq!(count(&stage.sim, "kubernetes/PersistentVolumeClaim"), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_cannot_bind_is_told_before() -> Tested {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let objects = stage.objects();
    let base = || ObjectsSpec::builder(&stage.owner, stage.cluster()).driver_role(stage.role.clone());
    let nodes = base().map_role("w", stage.workers().role).nodes(stage.workers()).build()?;
    stage.joined(objects.plan(&nodes, None).await?)?.apply(&stage.engine(&objects)).await?;
    // The driver's controller starts on nodes that have just become Ready.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let told = async |zone: &str| {
        let spec = base()
            .storage_class(StorageClass::gp3("gp3").zone(zone))
            .claim(Claim::new("data", "10Gi").class("gp3"))
            .pod(Pod::new("nginx", "nginx:1.29").mount("data", "/data"))
            .build()?;
        let from = stage.sim.log().len();
        let plan = objects.plan(&spec, Some(stage.access.clone())).await?;
        // Claims, Pods and classes; then drivers, the controller, its account, nodes, their drivers and attachments.
        assert_eq!(stage.calls(from).len(), 9, "{:?}", stage.calls(from));
        let warnings = plan.findings().into_iter().filter(|finding| finding.step.as_str() == "k8s/claim/default/data");
        Ok::<_, eks_core::BoxError>(warnings.map(|finding| finding.message.clone()).collect::<Vec<_>>())
    };
    assert_eq!(told("us-east-1a").await?, [""; 0]);
    assert_eq!(told("us-east-1c").await?, ["no Ready node that runs the EBS CSI driver is in us-east-1c"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_someone_else_made_is_left_alone() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let client = support::client(&stage.sim, &stage.access)?;
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::default_namespaced(client.clone());
    let foreign = json!({"metadata": {"name": "nginx"}, "spec": {"selector": {"app": "other"}, "ports": [{"port": 80}]}});
    services.create(&PostParams::default(), &serde_json::from_value(foreign)?).await?;
    let maps: Api<ConfigMap> = Api::namespaced(client, "kube-system");
    let admin = "# people\n- rolearn: arn:aws:iam::123456789012:role/ops\n  username: ops\n  groups: [system:masters]\n";
    let map = json!({"metadata": {"name": "aws-auth"}, "data": {"mapRoles": admin, "mapUsers": "[]"}});
    maps.create(&PostParams::default(), &serde_json::from_value(map)?).await?;

    let objects = stage.objects();
    let spec = chapter(&stage).build()?;
    let plan = objects.plan(&spec, Some(stage.access.clone())).await?;
    let error = stage.joined(plan)?.apply(&stage.engine(&objects)).await.expect_err("a name is taken");
    let report = error.report().expect("a report");
    let failures: Vec<_> = report.failures().map(|(key, error)| format!("{key}: {error}")).collect();
    assert_eq!(
        failures,
        [
            "k8s/service/default/nginx: Service default/nginx: an object of that name is there that this owner did not make; choose another name, or delete it"
        ]
    );
    let roles = |map: ConfigMap| map.data.and_then(|mut data| data.remove("mapRoles")).unwrap_or_default();
    let mapped = roles(maps.get("aws-auth").await?);
    assert_eq!(mapped.strip_prefix(admin).map(|ours| ours.lines().count()), Some(5), "{mapped}");
    assert!(mapped.contains("arn:aws:iam::123456789012:role/node\n"), "without path: {mapped}");

    let teardown = objects.teardown(&stage.owner, Some(stage.access.clone())).await?;
    let ending = teardown.apply(&stage.engine(&objects)).await?;
    assert!(ending.verdict.is_clean(), "{}", ending.verdict);
    assert_eq!(roles(maps.get("aws-auth").await?), admin);
    assert!(services.get("nginx").await.is_ok());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_writer_of_aws_auth_comes_first() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let objects = stage.objects();
    let path = "/api/v1/namespaces/kube-system/configmaps";
    let conflict = Fault::Refuse { status: 409, code: "Conflict".to_owned(), message: "the object has been modified".to_owned() };
    stage.sim.inject(When::Action { service: "kubernetes".to_owned(), action: format!("POST {path}"), nth: 1 }, conflict);
    objects.map_role(&stage.owner, Some(&stage.access), "w", &stage.role).await?;
    assert_eq!(stage.sim.faults_pending(), 0);
    let client = support::client(&stage.sim, &stage.access)?;
    let maps: Api<ConfigMap> = Api::namespaced(client, "kube-system");
    assert!(maps.get("aws-auth").await.is_ok());
    objects.unmap_role(&stage.owner, Some(&stage.access), "w", &stage.role).await?;
    assert!(maps.get_opt("aws-auth").await?.is_none(), "we made it, and nothing else was in it");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_teardown_without_an_api_server_tells_what_it_did_not_see_go() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let objects = stage.objects();
    let spec = chapter(&stage).build()?;
    stage.joined(objects.plan(&spec, None).await?)?.apply(&stage.engine(&objects)).await?;
    let teardown = objects.teardown(&stage.owner, Some(stage.access.clone())).await?;
    let eks = aws_sdk_eks::Client::new(&stage.sim.sdk_config());
    eks.delete_cluster().name("chap10").send().await?;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let ending = teardown.apply(&stage.engine(&objects)).await?;
    let survivors = ending.verdict.survivors();
    assert_eq!(survivors.len(), 8, "{}", ending.verdict);
    assert!(survivors.iter().any(|left| left.id == "default/nginx" && left.usd_per_month > 16.0), "{}", ending.verdict);
    // And with no cluster known, there is nothing to do.
    assert!(stage.objects().teardown(&stage.owner, None).await?.is_empty());
    Ok(())
}

/// Who asks under the wrong role gets no teardown that goes past the cluster's objects; where nobody answers there is one.
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_is_not_silent() -> Tested {
    let refused = |status, code: &str| Fault::Refuse { status, code: code.to_owned(), message: "no".to_owned() };
    for (fault, is_silent) in [(refused(401, "Unauthorized"), false), (refused(403, "Forbidden"), false), (Fault::CloseConnection, true)] {
        let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
        for _ in 0..100 {
            let any = When::Action { service: "kubernetes".to_owned(), action: "/".to_owned(), nth: 1 };
            stage.sim.inject(any, fault.clone());
        }
        let planned = stage.objects().teardown_or(&stage.owner, Some(stage.access.clone()), Unanswered::leave_to_aws()).await;
        match planned {
            Ok(teardown) => assert!(is_silent && teardown.to_string().contains("does not answer"), "{fault:?}: {teardown}"),
            Err(error) => {
                assert!(!is_silent && matches!(error, eks_core::Error::Refused { .. }), "{fault:?}: {error}");
                assert!(error.to_string().contains("AmazonEKSClusterAdminPolicy"), "{error}");
            }
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn entries_of_aws_auth_keep_no_cluster() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let objects = stage.objects();
    objects.map_role(&stage.owner, Some(&stage.access), "w", &stage.role).await?;
    let teardown = objects.teardown(&stage.owner, Some(stage.access.clone())).await?;
    assert_eq!(teardown.removals().len(), 1, "{teardown}");
    aws_sdk_eks::Client::new(&stage.sim.sdk_config()).delete_cluster().name("chap10").send().await?;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let ending = teardown.apply(&stage.engine(&objects)).await?;
    assert!(ending.report.is_complete(), "that no API server is left keeps nothing from going on");
    let [survivor] = ending.verdict.survivors() else { panic!("{}", ending.verdict) };
    assert!(survivor.remedy.starts_with("nothing if the cluster is gone"), "{survivor}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_broken_aws_auth_is_told_and_blocks_nothing() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let objects = stage.objects();
    let class = ObjectsSpec::builder(&stage.owner, stage.cluster()).storage_class(StorageClass::gp3("gp3")).build()?;
    stage.joined(objects.plan(&class, None).await?)?.apply(&stage.engine(&objects)).await?;
    objects.map_role(&stage.owner, Some(&stage.access), "w", &stage.role).await?;
    let maps: Api<ConfigMap> = Api::namespaced(support::client(&stage.sim, &stage.access)?, "kube-system");
    let mut map = maps.get("aws-auth").await?;
    map.data.get_or_insert_default().entry("mapRoles".to_owned()).or_default().push_str("\trolearn: x\n");
    maps.replace("aws-auth", &PostParams::default(), &map).await?;

    let teardown = objects.teardown(&stage.owner, Some(stage.access.clone())).await?;
    let keys: Vec<_> = teardown.removals().iter().map(|removal| removal.key.as_str()).collect();
    assert_eq!(keys, ["k8s/storage-class/gp3"]);
    let ending = teardown.apply(&stage.engine(&objects)).await?;
    let [survivor] = ending.verdict.survivors() else { panic!("{}", ending.verdict) };
    assert_eq!(survivor.kind, "aws-auth entry");
    assert!(survivor.why.starts_with("the document is broken: ") && survivor.why.contains("line "), "{survivor}");
    assert_eq!(count(&stage.sim, "kubernetes/StorageClass"), 0);
    Ok(())
}

/// What has one of everything.
fn small(stage: &Stage) -> ObjectsSpecBuilder {
    ObjectsSpec::builder(&stage.owner, stage.cluster())
        .map_role("w", stage.workers().role)
        .nodes(stage.workers())
        .storage_class(StorageClass::gp3("gp3"))
        .claim(Claim::new("data", "10Gi").class("gp3"))
        .pod(Pod::new("nginx", "nginx:1.29").mount("data", "/data"))
        .service(Service::load_balancer("nginx").internet_facing().port(80, 80).selector("app", "nginx"))
}

/// Fails each call of a run in turn, runs again in a new process, and finds everything once and as it should be.
async fn any_call_may_fail(fault: Fault, offset: usize) -> Tested {
    let clean = Stage::set(AuthenticationMode::ConfigMap).await?;
    let spec = small(&clean).build()?;
    let objects = clean.objects();
    let from = clean.sim.log().len();
    clean.joined(objects.plan(&spec, None).await?)?.apply(&clean.engine(&objects)).await?;
    let kinds = [
        "kubernetes/ConfigMap",
        "kubernetes/Pod",
        "kubernetes/PersistentVolumeClaim",
        "kubernetes/Service",
        "ec2/volume",
        "elb/load-balancer",
    ];
    let expected = kinds.map(|kind| count(&clean.sim, kind));
    let calls = clean.calls(from);
    // Every third call from another place for each fault, and the first and last: runs are alike, so together they leave no kind of
    // call out.
    for (number, call) in calls.iter().enumerate().filter(|(number, _)| number % 3 == offset || *number == 0 || number + 1 == calls.len()) {
        let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
        let spec = small(&stage).build()?;
        let at = stage.sim.log().len() + 1 + number;
        stage.sim.inject(When::Call(at as u64), fault.clone());
        let objects = stage.objects();
        let plan = stage.joined(objects.plan(&spec, None).await?)?;
        let first = tokio::time::timeout(Duration::from_secs(3600), plan.apply(&stage.engine(&objects))).await?;
        stage.sim.revive();
        if let Err(error) = first {
            let objects = stage.objects();
            let plan = stage.joined(objects.plan(&spec, Some(stage.access.clone())).await?)?;
            if let Err(again) = plan.apply(&stage.engine(&objects)).await {
                panic!("{fault:?} at {call}: {error}\nthen {again}");
            }
        }
        let plan = stage.objects().plan(&spec, Some(stage.access.clone())).await?;
        assert!(plan.is_noop(), "{fault:?} at {call}: {plan}");
        assert_eq!(kinds.map(|kind| count(&stage.sim, kind)), expected, "{fault:?} at {call}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn any_answer_may_be_lost() -> Tested {
    any_call_may_fail(Fault::LoseAnswer, 0).await
}

#[tokio::test(start_paused = true)]
async fn the_process_may_die_after_any_call() -> Tested {
    any_call_may_fail(Fault::KillAfter, 1).await
}

#[tokio::test(start_paused = true)]
async fn any_call_may_be_denied_at_first() -> Tested {
    any_call_may_fail(Fault::Refuse { status: 401, code: "Unauthorized".to_owned(), message: "Unauthorized".to_owned() }, 2).await
}

#[tokio::test(start_paused = true)]
async fn any_version_may_be_forgotten() -> Tested {
    any_call_may_fail(Fault::Refuse { status: 410, code: "Expired".to_owned(), message: "too old resource version".to_owned() }, 0).await
}

/// Kills a teardown after each of its calls in turn, makes it again in a new process, and finds nothing.
#[tokio::test(start_paused = true)]
async fn a_teardown_may_die_after_any_call() -> Tested {
    // Every second call; an odd one differs from its neighbours only by the object that it is about.
    for number in (2..).step_by(2) {
        let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
        let objects = stage.objects();
        stage.joined(objects.plan(&small(&stage).build()?, None).await?)?.apply(&stage.engine(&objects)).await?;
        let teardown = objects.teardown(&stage.owner, Some(stage.access.clone())).await?;
        stage.sim.inject(When::Call((stage.sim.log().len() + number) as u64), Fault::KillAfter);
        let ending = teardown.apply(&stage.engine(&objects)).await?;
        if stage.sim.faults_pending() > 0 {
            assert!(ending.verdict.is_clean(), "{}", ending.verdict);
            return Ok(());
        }
        stage.sim.revive();
        let objects = stage.objects();
        let teardown = objects.teardown(&stage.owner, Some(stage.access.clone())).await?;
        assert!(teardown.is_empty() || !ending.verdict.is_clean(), "call {number}: {teardown}");
        let ending = teardown.apply(&stage.engine(&objects)).await?;
        assert!(ending.verdict.is_clean(), "call {number}: {}", ending.verdict);
        for kind in ["elb/load-balancer", "kubernetes/ConfigMap", "kubernetes/PersistentVolumeClaim", "kubernetes/StorageClass"] {
            assert_eq!(count(&stage.sim, kind), 0, "call {number}: {kind}");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_watch_on_a_half_open_connection_is_given_up() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let (sim, hanging) = (stage.sim.clone(), Arc::new(Mutex::new(1)));
    let left = hanging.clone();
    let objects = Objects::connecting(move |access| std::future::ready(support::client_hanging(&sim, &access, left.clone())));
    let spec = ObjectsSpec::builder(&stage.owner, stage.cluster()).map_role("w", stage.workers().role).nodes(stage.workers()).build()?;
    let plan = stage.joined(objects.plan(&spec, None).await?)?;
    let began = tokio::time::Instant::now();
    plan.apply(&stage.engine(&objects)).await?;
    let took = began.elapsed().as_secs();
    assert_eq!(*hanging.lock().expect("no panic"), 0);
    assert!((75..120).contains(&took), "{took} s");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_wait_outlives_tokens_and_tells_what_it_saw_last() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let mut workers = stage.workers();
    workers.desired = 3;
    let spec = ObjectsSpec::builder(&stage.owner, stage.cluster()).map_role("w", workers.role.clone()).nodes(workers).build()?;
    let objects = stage.objects();
    let error = stage.joined(objects.plan(&spec, None).await?)?.apply(&stage.engine(&objects)).await.expect_err("two nodes are not three");
    let failures: Vec<_> = error.report().expect("a report").failures().map(|(key, error)| format!("{key}: {error}")).collect();
    assert_eq!(failures.len(), 1);
    assert!(failures[0].starts_with("k8s/nodes/w: nodes of w still 2 of 3 nodes Ready after 1200 s"), "{failures:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_leaves_the_spec_is_seen() -> Tested {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let objects = stage.objects();
    let spec = |class: StorageClass, service: Service| {
        ObjectsSpec::builder(&stage.owner, stage.cluster()).storage_class(class).service(service).build()
    };
    let class = || StorageClass::gp3("fast");
    let service = || Service::load_balancer("web").internal().port(80, 80).selector("app", "web");
    let first = spec(class().zone("us-east-1a").default_class(), service().selector("tier", "old"))?;
    assert!(stage.joined(objects.plan(&first, None).await?)?.apply(&stage.engine(&objects)).await?.is_complete());
    let plan = objects.plan(&spec(class(), service())?, Some(stage.access.clone())).await?;
    let mut changes: Vec<_> = plan.changes().flat_map(|step| step.changes.clone()).collect();
    changes.sort();
    assert_eq!(changes.len(), 3, "{plan}");
    assert!(changes[0].starts_with("allowedTopologies: "), "{plan}");
    assert_eq!(
        changes[1..],
        ["metadata.annotations.storageclass.kubernetes.io/is-default-class: true → nothing", "spec.selector.tier: old → nothing"]
    );
    assert!(stage.joined(plan)?.apply(&stage.engine(&objects)).await?.is_complete());
    let again = objects.plan(&spec(class(), service())?, Some(stage.access.clone())).await?;
    assert!(again.is_noop(), "{again}");

    // Parameters do not change: that is told, not tried.
    let other = spec(class().iops(4000), service())?;
    let refused = objects.plan(&other, Some(stage.access.clone())).await.expect_err("immutable").to_string();
    assert!(refused.contains("parameters.iops: nothing → 4000"), "{refused}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_given_away_is_left() -> Tested {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let objects = stage.objects();
    let spec = ObjectsSpec::builder(&stage.owner, stage.cluster()).storage_class(StorageClass::gp3("kept")).build()?;
    stage.joined(objects.plan(&spec, None).await?)?.apply(&stage.engine(&objects)).await?;
    let teardown = objects.teardown(&stage.owner, Some(stage.access.clone())).await?;
    assert_eq!(teardown.removals().len(), 1);
    let classes: Api<k8s_openapi::api::storage::v1::StorageClass> = Api::all(support::client(&stage.sim, &stage.access)?);
    let patch = json!({"metadata": {"labels": {"eks-rs/owner": null}}});
    classes.patch("kept", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&patch)).await?;
    let ending = teardown.apply(&stage.engine(&objects)).await?;
    let failures: Vec<_> = ending.report.failures().map(|(_, error)| error.to_string()).collect();
    assert!(failures.len() == 1 && failures[0].contains("no longer carries the marks"), "{failures:?}");
    assert!(classes.get_opt("kept").await?.is_some());
    Ok(())
}

/// Knows at the third question that the nodes will not come.
#[derive(Clone, Default)]
struct Knowing(Arc<Mutex<Vec<AwaitedNodes>>>);

impl WatchNodes for Knowing {
    fn doom<'a>(&'a self, awaited: &'a AwaitedNodes) -> BoxFuture<'a, Option<Diagnosis>> {
        let mut asked = self.0.lock().expect("no panic");
        asked.push(awaited.clone());
        let diagnosis = (asked.len() == 3).then(|| Diagnosis {
            cause: "role-not-mapped".to_owned(),
            told: "nobody maps the role".to_owned(),
            evidence: vec!["aws-auth is empty".to_owned()],
            fix: "map it".to_owned(),
            page: "a page".to_owned(),
        });
        Box::pin(async { diagnosis })
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_nodes_ends_when_somebody_knows_why_they_do_not_come() -> Tested {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let knowing = Knowing::default();
    let objects = stage.objects().diagnosing(knowing.clone());
    let spec = ObjectsSpec::builder(&stage.owner, stage.cluster()).nodes(stage.workers()).build()?;
    let error = stage.joined(objects.plan(&spec, None).await?)?.apply(&stage.engine(&objects)).await.expect_err("they are not let in");
    let step = &error.report().expect("tried").steps[&support::key("k8s/nodes/w")];
    assert!((60..65).contains(&step.took.as_secs()), "{:?}", step.took);
    let told = step.error.as_ref().and_then(|error| error.diagnosis()).expect("a diagnosis");
    assert_eq!((told.cause.as_str(), told.fix.as_str()), ("role-not-mapped", "map it"));
    assert!(error.to_string().contains("nodes of w will not come: nobody maps the role (role-not-mapped)"), "{error}");

    let asked = knowing.0.lock().expect("no panic");
    let last = asked.last().expect("three");
    assert_eq!((last.group.as_str(), last.desired, last.nodes.as_deref()), ("w", 2, Some(&[][..])));
    assert_eq!(last.cluster.as_ref(), Some(&stage.access.name));
    assert_eq!(last.aws_auth, Some(eks_core::ConfigMapAccess::default()), "there is none, which is known");
    assert!(last.daemon_sets.as_ref().is_some_and(|sets| sets.iter().any(|set| set == "aws-node")), "{last:?}");
    Ok(())
}

/// What Kubernetes tells of nodes that came, but not wholly.
#[tokio::test(start_paused = true)]
async fn who_knows_is_told_of_every_node() -> Tested {
    let stage = Stage::set(AuthenticationMode::ConfigMap).await?;
    let knowing = Knowing::default();
    let objects = stage.objects().diagnosing(knowing.clone());
    let mut workers = stage.workers();
    workers.desired = 3;
    let spec = ObjectsSpec::builder(&stage.owner, stage.cluster()).map_role("w", workers.role.clone()).nodes(workers).build()?;
    stage.joined(objects.plan(&spec, None).await?)?.apply(&stage.engine(&objects)).await.expect_err("two nodes are not three");
    let asked = knowing.0.lock().expect("no panic");
    let nodes = asked.last().and_then(|last| last.nodes.clone()).expect("listed");
    assert_eq!(nodes.len(), 2);
    for node in nodes {
        assert!(node.labelled && node.ready && node.not_ready_for.is_zero(), "{node:?}");
        assert!(node.instance.is_some_and(|id| id.starts_with("i-")), "{}", node.name);
    }
    Ok(())
}
