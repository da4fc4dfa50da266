//! Drains, on a real eviction API with the real disruption controller. There is no scheduler and no kubelet: the tests play both.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use eks_core::{BoxError, Error, engine::CancellationToken};
use eks_k8s::{
    client::Objects,
    drain::{Drain, DrainEvent, DrainReport, Filtered, NodeEnd, OnBlocked, PodEnd},
};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, ReplicaSet},
    core::v1::{Namespace, Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Request},
};
use serde_json::{Value, json};

use crate::server::server;

type Tested = Result<(), BoxError>;

/// Two nodes, a namespace, and somebody who binds Pods, starts them and ends them.
struct Scene {
    client: Client,
    name: &'static str,
}

impl Scene {
    async fn set(name: &'static str) -> Result<Self, BoxError> {
        let client = server().admin().await;
        let scene = Self { client, name };
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::<Namespace>::all(scene.client.clone()).create(&PostParams::default(), &namespace).await?;
        for node in [scene.node("old"), scene.node("new")] {
            let nodes: Api<Node> = Api::all(scene.client.clone());
            nodes.create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": node}}))?).await?;
            // No node controller takes the taint off that a new node has.
            nodes.patch(&node, &PatchParams::default(), &Patch::Merge(json!({"spec": {"taints": null}}))).await?;
        }
        Ok(scene)
    }

    fn node(&self, which: &str) -> String {
        format!("{}-{which}", self.name)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        <K as kube::Resource>::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), self.name)
    }

    async fn replica_set(&self, name: &str, replicas: usize) -> Tested {
        let labels = json!({"app": name});
        let template = json!({"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1,
                              "containers": [{"name": "main", "image": "nginx"}]}});
        let set =
            json!({"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}});
        self.api::<ReplicaSet>().create(&PostParams::default(), &serde_json::from_value(set)?).await?;
        Ok(())
    }

    async fn budget(&self, name: &str, app: &str, mut spec: Value) -> Tested {
        spec["selector"] = json!({"matchLabels": {"app": app}});
        let budget = json!({"metadata": {"name": name}, "spec": spec});
        self.api::<PodDisruptionBudget>().create(&PostParams::default(), &serde_json::from_value(budget)?).await?;
        Ok(())
    }

    /// Waits until the disruption controller has counted so many ready Pods.
    async fn counted(&self, budget: &str, healthy: i32) -> Tested {
        for _ in 0..300 {
            let found = self.api::<PodDisruptionBudget>().get(budget).await?;
            if found
                .status
                .is_some_and(|status| status.current_healthy == Some(healthy) && status.observed_generation == found.metadata.generation)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("budget {budget} does not count {healthy} Pods").into())
    }

    /// Waits until the replica set controller has made up for what was evicted: a drain ends before that.
    async fn remade(&self, app: &str, replicas: usize) -> Tested {
        let labels = ListParams::default().labels(&format!("app={app}"));
        for _ in 0..300 {
            if self.api::<Pod>().list(&labels).await?.items.len() == replicas {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("{app} has not {replicas} Pods again").into())
    }

    /// Plays scheduler and kubelet while `work` goes on: new Pods go to the old node as long as `first` is set, and to the new one then.
    async fn living<T>(&self, first: &AtomicBool, work: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
        let life = async {
            loop {
                for pod in self.api::<Pod>().list(&ListParams::default()).await?.items {
                    if let Err(error) = self.attend(&pod, first.load(Ordering::Relaxed)).await {
                        // Gone or changed meanwhile.
                        assert!(matches!(&error, kube::Error::Api(status) if [404, 409].contains(&status.code)), "{error}");
                    }
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            done = work => done,
            lives = life => lives,
        }
    }

    async fn attend(&self, pod: &Pod, first: bool) -> Result<(), kube::Error> {
        let (name, pods) = (pod.name_any(), self.api::<Pod>());
        if pod.metadata.deletion_timestamp.is_some() {
            pods.delete(&name, &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }).await?;
        } else if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none()) {
            let target = json!({"apiVersion": "v1", "kind": "Node", "name": self.node(if first { "old" } else { "new" })});
            let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target});
            let path = format!("/api/v1/namespaces/{}/pods", self.name);
            let request = Request::new(path).create_subresource("binding", &name, &PostParams::default(), binding.to_string().into_bytes());
            self.client.request::<Value>(request.map_err(kube::Error::BuildRequest)?).await?;
        } else if pod.status.as_ref().is_none_or(|status| status.phase.as_deref() != Some("Running")) {
            let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
            pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
        }
        Ok(())
    }

    async fn drain(&self, drain: &Drain) -> Result<(DrainReport, Vec<DrainEvent>), Error> {
        let events = Mutex::default();
        let tell = |event| Vec::push(&mut events.lock().expect("no panic"), event);
        let report = Objects::new(self.client.clone()).drain(None, drain, &CancellationToken::new(), tell).await?;
        Ok((report, events.into_inner().expect("no panic")))
    }

    async fn is_cordoned(&self, which: &str) -> Result<bool, BoxError> {
        let node = Api::<Node>::all(self.client.clone()).get(&self.node(which)).await?;
        Ok(node.spec.and_then(|spec| spec.unschedulable) == Some(true))
    }
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn a_budget_lets_one_go_after_the_other() -> Tested {
    let scene = Scene::set("envtest-drain-one").await?;
    let first = AtomicBool::new(true);
    let sets = json!({"metadata": {"name": "agent"}, "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": {
        "metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "main", "image": "agent"}]}}}});
    let set = scene.api::<DaemonSet>().create(&PostParams::default(), &serde_json::from_value(sets)?).await?;
    let owner = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": set.metadata.uid, "controller": true}]);
    let agent = json!({"metadata": {"name": "agent-1", "ownerReferences": owner}, "spec": {"nodeName": scene.node("old"),
                       "containers": [{"name": "main", "image": "agent"}]}});
    scene.api::<Pod>().create(&PostParams::default(), &serde_json::from_value(agent)?).await?;
    scene.replica_set("web", 4).await?;
    scene.budget("web", "web", json!({"maxUnavailable": 1})).await?;
    let work = async {
        scene.counted("web", 4).await?;
        first.store(false, Ordering::Relaxed);
        let drain = Drain::of([scene.node("old")]).deadline(Duration::from_secs(120));
        let forecast = Objects::new(scene.client.clone()).forecast(None, &drain).await?;
        assert!(forecast.is_smooth() && forecast.evictions() == 4, "{forecast}");
        let (report, events) = scene.drain(&drain).await?;
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.pods.iter().filter(|(_, end)| *end == PodEnd::Gone).count(), 4, "{report:?}");
        assert!(report.pods.iter().any(|(pod, end)| pod.name == "agent-1" && *end == PodEnd::Stays(Filtered::DaemonSet)));
        assert!(events.iter().any(|event| matches!(event, DrainEvent::Held { why, .. } if why.contains("web"))), "{events:?}");
        assert!(report.calls <= 30, "{} calls for four Pods", report.calls);
        assert!(scene.is_cordoned("old").await?);
        scene.remade("web", 4).await?;
        assert!(Objects::new(scene.client.clone()).uncordon(None, &scene.node("old")).await?);
        assert!(!scene.is_cordoned("old").await?);
        Ok(())
    };
    scene.living(&first, work).await
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn what_is_blocked_goes_when_it_is_not_any_more() -> Tested {
    let scene = Scene::set("envtest-drain-blocked").await?;
    let first = AtomicBool::new(true);
    scene.replica_set("web", 2).await?;
    scene.budget("web", "web", json!({"minAvailable": 2})).await?;
    let work = async {
        scene.counted("web", 2).await?;
        first.store(false, Ordering::Relaxed);
        let drain = || Drain::of([scene.node("old")]);
        let refused = scene.drain(&drain()).await.expect_err("blocked");
        assert!(refused.to_string().contains("demands every replica (minAvailable 2 of 2)"), "{refused}");
        assert!(!scene.is_cordoned("old").await?, "nothing was touched");

        // The real server refuses it: 429.
        let (report, _) = scene.drain(&drain().on_blocked(OnBlocked::Wait).deadline(Duration::from_secs(35))).await?;
        assert_eq!(report.nodes.values().collect::<Vec<_>>(), [&NodeEnd::Uncordoned]);
        assert_eq!(report.held().count(), 2, "{report}");
        assert!(!scene.is_cordoned("old").await?);
        assert_eq!(scene.api::<Pod>().list(&ListParams::default()).await?.items.len(), 2);

        // Somebody lets it go, in the middle of a drain.
        let loosen = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let patch = Patch::Merge(json!({"spec": {"minAvailable": 1}}));
            scene.api::<PodDisruptionBudget>().patch("web", &PatchParams::default(), &patch).await?;
            Ok::<_, BoxError>(())
        };
        let waiting = drain().on_blocked(OnBlocked::Wait).deadline(Duration::from_secs(120));
        let drained = async { Ok::<_, BoxError>(scene.drain(&waiting).await?) };
        let ((report, _), ()) = tokio::try_join!(drained, loosen)?;
        assert!(report.is_complete(), "{report}");
        Ok(())
    };
    scene.living(&first, work).await
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn scaling_up_first_leaves_no_trace() -> Tested {
    let scene = Scene::set("envtest-drain-scale").await?;
    let first = AtomicBool::new(true);
    scene.replica_set("single", 1).await?;
    scene.budget("single", "single", json!({"minAvailable": 1})).await?;
    let work = async {
        scene.counted("single", 1).await?;
        first.store(false, Ordering::Relaxed);
        let drain = Drain::of([scene.node("old")]).on_blocked(OnBlocked::ScaleUpFirst).deadline(Duration::from_secs(120));
        let (report, _) = scene.drain(&drain).await?;
        assert!(report.is_complete(), "{report}");
        let set = scene.api::<ReplicaSet>().get("single").await?;
        assert_eq!(set.spec.replicas, Some(1));
        assert!(set.annotations().keys().chain(set.labels().keys()).all(|key| !key.starts_with("eks-rs/")), "{:?}", set.metadata);
        Ok(())
    };
    scene.living(&first, work).await
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn a_killed_drain_is_resumed_and_a_namespace_may_vanish() -> Tested {
    let scene = Scene::set("envtest-drain-killed").await?;
    let first = AtomicBool::new(true);
    scene.replica_set("web", 3).await?;
    scene.budget("web", "web", json!({"maxUnavailable": 1})).await?;
    scene.replica_set("stuck", 1).await?;
    scene.budget("one", "stuck", json!({"minAvailable": 0})).await?;
    scene.budget("two", "stuck", json!({"minAvailable": 0})).await?;
    let work = async {
        scene.counted("web", 3).await?;
        scene.counted("one", 1).await?;
        first.store(false, Ordering::Relaxed);
        let drain = Drain::of([scene.node("old")]).on_blocked(OnBlocked::Wait);
        // Killed at the first Pod that is gone: the future is dropped, and nothing is tidied up.
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let objects = Objects::new(scene.client.clone());
        let cancel = CancellationToken::new();
        let running = objects.drain(None, &drain, &cancel, |event| drop(sender.send(event)));
        let killed = async {
            while let Some(event) = receiver.recv().await {
                if matches!(event, DrainEvent::Gone { .. }) {
                    return;
                }
            }
        };
        tokio::select! {
            ended = running => return Err(format!("it ended: {ended:?}").into()),
            () = killed => {}
        }
        assert!(scene.is_cordoned("old").await?);
        assert_eq!(objects.draining(None).await?.iter().filter(|node| node.starts_with(scene.name)).count(), 1);

        // Two budgets: never by retry. The rest goes.
        let (report, _) = scene.drain(&drain.clone().deadline(Duration::from_secs(20)).keep_cordoned()).await?;
        let held: Vec<String> = report.held().map(|(pod, why)| format!("{} {why}", pod.name)).collect();
        assert!(
            matches!(&held[..], [only] if only.starts_with("stuck-") && only.contains("more than one PodDisruptionBudget")),
            "{held:?}"
        );

        // And at last its namespace is deleted.
        let vanish = async {
            Api::<Namespace>::all(scene.client.clone()).delete(scene.name, &DeleteParams::default()).await?;
            Ok::<_, BoxError>(())
        };
        let rest = drain.deadline(Duration::from_secs(120));
        let drained = async { Ok::<_, BoxError>(scene.drain(&rest).await?) };
        let ((report, _), ()) = tokio::try_join!(drained, vanish)?;
        assert!(report.is_complete(), "{report}");
        Ok(())
    };
    scene.living(&first, work).await
}
