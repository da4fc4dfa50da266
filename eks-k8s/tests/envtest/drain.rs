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
    autoscaling::v1::HorizontalPodAutoscaler,
    core::v1::{Namespace, Node, Pod},
    policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus},
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
    /// Whether the kubelets start Pods; they do again once a drain has told that a Pod is held.
    starts: AtomicBool,
}

impl Scene {
    async fn set(name: &'static str) -> Result<Self, BoxError> {
        let client = server().admin().await;
        let scene = Self { client, name, starts: AtomicBool::new(true) };
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

    /// Waits for what a controller does in its own time; for as long as the slowest machine may need.
    async fn until<F: Future<Output = Result<bool, BoxError>>>(&self, what: &str, mut is_so: impl FnMut() -> F) -> Tested {
        for _ in 0..1_800 {
            if is_so().await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("{}: it never comes that {what}", self.name).into())
    }

    /// Waits until the disruption controller has counted so many ready Pods, and allows what follows from it: `disruptedPods` of evictions
    /// before are no longer taken off.
    async fn counted(&self, budget: &str, healthy: i32) -> Tested {
        let counted = async || {
            let found = self.api::<PodDisruptionBudget>().get(budget).await?;
            let is_counted = |status: &PodDisruptionBudgetStatus| {
                let allowed = (healthy - status.desired_healthy.unwrap_or_default()).max(0);
                status.current_healthy == Some(healthy)
                    && status.expected_pods >= Some(healthy)
                    && status.disruptions_allowed == Some(allowed)
                    && status.observed_generation == found.metadata.generation
            };
            Ok(found.status.as_ref().is_some_and(is_counted))
        };
        self.until(&format!("budget {budget} counts {healthy} Pods"), counted).await
    }

    /// Waits until the replica set controller has made up for what was evicted: a drain ends before that.
    async fn remade(&self, app: &str, replicas: usize) -> Tested {
        let labels = ListParams::default().labels(&format!("app={app}"));
        let remade = async || {
            let pods = self.api::<Pod>().list(&labels).await?.items;
            Ok(pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).count() == replicas)
        };
        self.until(&format!("{app} has {replicas} Pods again"), remade).await
    }

    /// Plays scheduler and kubelet while `work` goes on: new Pods go to the old node as long as `first` is set, and to the new one then.
    async fn living<T>(&self, first: &AtomicBool, work: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
        let life = async {
            loop {
                for pod in self.api::<Pod>().list(&ListParams::default()).await?.items {
                    if let Err(error) = self.attend(&pod, first.load(Ordering::Relaxed)).await {
                        // Gone or changed meanwhile, or with its namespace about to go.
                        let ends = |message: &str| message.contains("because it is being terminated");
                        let fine = matches!(&error, kube::Error::Api(status) if [404, 409].contains(&status.code) || ends(&status.message));
                        assert!(fine, "{error}");
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
        } else if pod.status.as_ref().is_none_or(|status| status.phase.as_deref() != Some("Running")) && self.starts.load(Ordering::Relaxed)
        {
            let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
            pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
        }
        Ok(())
    }

    async fn drain(&self, drain: &Drain) -> Result<(DrainReport, Vec<DrainEvent>), Error> {
        self.drain_until(drain, &CancellationToken::new(), |_| false).await
    }

    /// Drains, and cancels that as soon as it tells such an event.
    async fn drain_until(
        &self,
        drain: &Drain,
        cancel: &CancellationToken,
        enough: impl Fn(&DrainEvent) -> bool + Send + Sync,
    ) -> Result<(DrainReport, Vec<DrainEvent>), Error> {
        let events = Mutex::default();
        let tell = |event| {
            if matches!(event, DrainEvent::Held { .. }) {
                self.starts.store(true, Ordering::Relaxed);
            }
            if enough(&event) {
                cancel.cancel();
            }
            Vec::push(&mut events.lock().expect("no panic"), event);
        };
        let report = Objects::new(self.client.clone()).drain(None, drain, cancel, tell).await?;
        Ok((report, events.into_inner().expect("no panic")))
    }

    /// Closes or opens a node, as an administrator.
    async fn administer(&self, which: &str, closed: bool) -> Tested {
        let (patch, params) = (
            Patch::Merge(json!({"spec": {"unschedulable": closed}})),
            PatchParams { field_manager: Some("admin".to_owned()), ..PatchParams::default() },
        );
        Api::<Node>::all(self.client.clone()).patch(&self.node(which), &params, &patch).await?;
        Ok(())
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
        let drain = Drain::of([scene.node("old")]).deadline(Duration::from_secs(900));
        let forecast = Objects::new(scene.client.clone()).forecast(None, &drain).await?;
        assert!(forecast.is_smooth() && forecast.evictions() == 4, "{forecast}");
        scene.starts.store(false, Ordering::Relaxed);
        let (report, events) = scene.drain(&drain).await?;
        assert!(report.is_complete(), "{report}");
        // An eviction whose answer is lost is one of which it is not known.
        assert_eq!(report.pods.iter().filter(|(_, end)| matches!(end, PodEnd::Gone | PodEnd::WentByItself)).count(), 4, "{report:?}");
        assert!(report.pods.iter().any(|(pod, end)| pod.name == "agent-1" && *end == PodEnd::Stays(Filtered::DaemonSet)));
        // No new Pod gets ready before it was told that the others wait.
        assert!(events.iter().any(|event| matches!(event, DrainEvent::Held { why, .. } if why.contains("web"))), "{events:?}");
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

        // The real server refuses it, 429, when it is asked in spite of what is known of the budget.
        let refused =
            |event: &DrainEvent| matches!(event, DrainEvent::Held { why, .. } if why.contains("The disruption budget web needs 2"));
        let waiting = drain().on_blocked(OnBlocked::Wait);
        let (report, _) = scene.drain_until(&waiting, &CancellationToken::new(), refused).await?;
        assert_eq!(report.nodes.values().collect::<Vec<_>>(), [&NodeEnd::Uncordoned]);
        assert_eq!(report.held().count(), 2, "{report}");
        assert!(!scene.is_cordoned("old").await?);
        assert_eq!(scene.api::<Pod>().list(&ListParams::default()).await?.items.len(), 2);

        // Closed by an administrator before: it stays so.
        scene.administer("old", true).await?;
        let (report, _) = scene.drain_until(&waiting, &CancellationToken::new(), |event| matches!(event, DrainEvent::Held { .. })).await?;
        assert_eq!(report.nodes.values().collect::<Vec<_>>(), [&NodeEnd::Cordoned]);
        assert!(scene.is_cordoned("old").await?);
        scene.administer("old", false).await?;

        // Somebody lets it go, in the middle of a drain.
        let loosen = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let patch = Patch::Merge(json!({"spec": {"minAvailable": 1}}));
            scene.api::<PodDisruptionBudget>().patch("web", &PatchParams::default(), &patch).await?;
            Ok::<_, BoxError>(())
        };
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
        let drain = Drain::of([scene.node("old")]).on_blocked(OnBlocked::ScaleUpFirst).deadline(Duration::from_secs(900));
        let (report, _) = scene.drain(&drain).await?;
        assert!(report.is_complete(), "{report}");
        let set = scene.api::<ReplicaSet>().get("single").await?;
        assert_eq!(set.spec.replicas, Some(1));
        assert!(set.annotations().keys().chain(set.labels().keys()).all(|key| !key.starts_with("eks-rs/")), "{:?}", set.metadata);
        Ok(())
    };
    scene.living(&first, work).await
}

/// With the real autoscaler, which knows no metrics here and keeps its bounds all the same.
#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn an_autoscaler_has_its_bounds_raised() -> Tested {
    let scene = Scene::set("envtest-drain-hpa").await?;
    let first = AtomicBool::new(true);
    scene.replica_set("single", 1).await?;
    scene.budget("single", "single", json!({"minAvailable": 1})).await?;
    let target = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "single"});
    let autoscaler = json!({"metadata": {"name": "single"}, "spec": {"minReplicas": 1, "maxReplicas": 1, "scaleTargetRef": target}});
    scene.api::<HorizontalPodAutoscaler>().create(&PostParams::default(), &serde_json::from_value(autoscaler)?).await?;
    let work = async {
        scene.counted("single", 1).await?;
        first.store(false, Ordering::Relaxed);
        let drain = Drain::of([scene.node("old")]).on_blocked(OnBlocked::ScaleUpFirst).deadline(Duration::from_secs(900));
        let (report, events) = scene.drain(&drain).await?;
        assert!(report.is_complete(), "{report}");
        let scaled: Vec<_> = events
            .iter()
            .filter(|event| matches!(event, DrainEvent::Scaled { workload, .. } if workload.starts_with("HorizontalPodAutoscaler ")))
            .collect();
        assert_eq!(scaled.len(), 2, "{events:?}");
        let after = scene.api::<HorizontalPodAutoscaler>().get("single").await?;
        assert_eq!((after.spec.min_replicas, after.spec.max_replicas), (Some(1), 1));
        assert!(after.annotations().keys().chain(after.labels().keys()).all(|key| !key.starts_with("eks-rs/")), "{:?}", after.metadata);
        let lowered = async || Ok(scene.api::<ReplicaSet>().get("single").await?.spec.replicas == Some(1));
        scene.until("the autoscaler lowers its workload", lowered).await
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

        // Two budgets: never by retry. The rest goes; then that is enough.
        let (cancel, never) = (CancellationToken::new(), AtomicBool::new(false));
        let told = |event: &DrainEvent| {
            let stuck = matches!(event, DrainEvent::Held { pod, why } if pod.name.starts_with("stuck-") && why.contains("more than one PodDisruptionBudget"));
            never.fetch_or(stuck, Ordering::Relaxed);
            false
        };
        let rest = async {
            let on_old = ListParams::default().labels("app=web").fields(&format!("spec.nodeName={}", scene.node("old")));
            let alone = async || Ok(never.load(Ordering::Relaxed) && scene.api::<Pod>().list(&on_old).await?.items.is_empty());
            scene.until("only the Pod with two budgets is left", alone).await?;
            cancel.cancel();
            Ok(())
        };
        let kept = drain.clone().keep_cordoned();
        let drained = async { Ok::<_, BoxError>(scene.drain_until(&kept, &cancel, told).await?) };
        let ((report, _), ()) = tokio::try_join!(drained, rest)?;
        let held: Vec<&str> = report.held().map(|(pod, _)| pod.name.as_str()).collect();
        assert!(matches!(&held[..], [only] if only.starts_with("stuck-")), "{report}");
        assert!(scene.is_cordoned("old").await?);

        // And at last its namespace is deleted.
        let vanish = async {
            Api::<Namespace>::all(scene.client.clone()).delete(scene.name, &DeleteParams::default()).await?;
            Ok::<_, BoxError>(())
        };
        let rest = drain.deadline(Duration::from_secs(900));
        let drained = async { Ok::<_, BoxError>(scene.drain(&rest).await?) };
        let ((report, _), ()) = tokio::try_join!(drained, vanish)?;
        assert!(report.is_complete(), "{report}");
        Ok(())
    };
    scene.living(&first, work).await
}
