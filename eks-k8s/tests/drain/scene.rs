//! A simulated cluster of six nodes, and what tests of drains need of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use eks_core::{AuthenticationMode, BoxError, Error, engine::CancellationToken};
use eks_k8s::{
    client::Objects,
    drain::{Drain, DrainEvent, DrainReport},
};
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{Namespace, Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;

use crate::support::{self, Stage, Tested};

/// The stage, with six nodes, and what the tests need of it.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    rounds: std::cell::Cell<usize>,
}

impl Scene {
    pub(crate) async fn set() -> Result<Self, BoxError> {
        let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
        let config = stage.sim.sdk_config();
        let (ec2, eks) = (aws_sdk_ec2::Client::new(&config), aws_sdk_eks::Client::new(&config));
        eks.create_access_entry().cluster_name("chap10").principal_arn(stage.role.as_str()).r#type("EC2_LINUX").send().await?;
        let found = ec2.describe_subnets().send().await?;
        // Not those of the default VPC.
        let own = found.subnets().iter().filter(|subnet| subnet.cidr_block().is_some_and(|block| block.starts_with("10.0.")));
        let subnets: Vec<String> = own.filter_map(|subnet| subnet.subnet_id().map(str::to_owned)).collect();
        for _ in 0..2 {
            stage.launch(&ec2, &subnets).await?;
        }
        let scene = Self { stage, rounds: std::cell::Cell::default() };
        settle(180).await;
        assert_eq!(scene.nodes().await?.len(), 6);
        Ok(scene)
    }

    pub(crate) fn client(&self) -> Result<Client, BoxError> {
        support::client(&self.stage.sim, &self.stage.access)
    }

    pub(crate) fn objects(&self) -> Objects {
        self.stage.objects()
    }

    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, BoxError> {
        Ok(Api::<Node>::all(self.client()?).list(&ListParams::default()).await?.items)
    }

    /// A namespace of its own for every round.
    pub(crate) async fn namespace(&self) -> Result<String, BoxError> {
        self.rounds.set(self.rounds.get() + 1);
        let name = format!("round-{}", self.rounds.get());
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::<Namespace>::all(self.client()?).create(&PostParams::default(), &namespace).await?;
        Ok(name)
    }

    pub(crate) async fn deploy(&self, namespace: &str, name: &str, replicas: usize, budget: serde_json::Value) -> Tested {
        self.deploy_among(namespace, name, replicas, budget, json!({})).await
    }

    /// A Deployment whose Pods demand something of the Pods around them.
    pub(crate) async fn deploy_among(
        &self,
        namespace: &str,
        name: &str,
        replicas: usize,
        budget: serde_json::Value,
        mut spec: serde_json::Value,
    ) -> Tested {
        let labels = json!({"app": name});
        spec["containers"] = json!([{"name": "main", "image": "nginx"}]);
        let template = json!({"metadata": {"labels": labels}, "spec": spec});
        let deployment =
            json!({"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}});
        let deployments: Api<Deployment> = Api::namespaced(self.client()?, namespace);
        deployments.create(&PostParams::default(), &serde_json::from_value(deployment)?).await?;
        if !budget.is_null() {
            self.budget(namespace, name, name, budget).await?;
        }
        Ok(())
    }

    pub(crate) async fn stateful_set(&self, namespace: &str, name: &str, replicas: usize, budget: serde_json::Value) -> Tested {
        let labels = json!({"app": name});
        // Each on a node of its own.
        let apart = json!([{"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}]);
        let affinity = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}});
        let spec = json!({"containers": [{"name": "main", "image": "nginx"}], "affinity": affinity});
        let template = json!({"metadata": {"labels": labels}, "spec": spec});
        let spec = json!({"replicas": replicas, "serviceName": name, "selector": {"matchLabels": labels}, "template": template});
        let set = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?;
        Api::<StatefulSet>::namespaced(self.client()?, namespace).create(&PostParams::default(), &set).await?;
        self.budget(namespace, name, name, budget).await
    }

    pub(crate) async fn budget(&self, namespace: &str, name: &str, app: &str, mut spec: serde_json::Value) -> Tested {
        spec["selector"] = json!({"matchLabels": {"app": app}});
        let budget = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?;
        Api::<PodDisruptionBudget>::namespaced(self.client()?, namespace).create(&PostParams::default(), &budget).await?;
        Ok(())
    }

    /// Pods of a namespace by node.
    pub(crate) async fn pods(&self, namespace: &str) -> Result<BTreeMap<String, Vec<Pod>>, BoxError> {
        let mut by_node: BTreeMap<String, Vec<Pod>> = BTreeMap::new();
        for pod in Api::<Pod>::namespaced(self.client()?, namespace).list(&ListParams::default()).await?.items {
            by_node.entry(pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default()).or_default().push(pod);
        }
        Ok(by_node)
    }

    /// Whether each budget of a namespace is met: how many Pods are ready and not going, and how many must be.
    pub(crate) async fn health(&self, namespace: &str) -> Result<BTreeMap<String, (i64, i64)>, BoxError> {
        let pods: Vec<Pod> = self.pods(namespace).await?.into_values().flatten().collect();
        let budgets = Api::<PodDisruptionBudget>::namespaced(self.client()?, namespace).list(&ListParams::default()).await?;
        let ready = |pod: &&Pod| {
            let status = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
            pod.metadata.deletion_timestamp.is_none()
                && status.is_some_and(|all| all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
        };
        let mut health = BTreeMap::new();
        for budget in budgets.items {
            let labels = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref()).and_then(|selector| selector.match_labels.clone());
            let labels = labels.unwrap_or_default();
            let of_it = pods.iter().filter(|pod| labels.iter().all(|(key, value)| pod.labels().get(key) == Some(value)));
            let desired = budget.status.as_ref().and_then(|status| status.desired_healthy).map_or(0, i64::from);
            health.insert(budget.name_any(), (of_it.filter(ready).count() as i64, desired));
        }
        Ok(health)
    }

    /// Drains, and looks at the budgets of a namespace every second all the while: none that was met is ever broken.
    pub(crate) async fn drain(&self, namespace: &str, drain: &Drain) -> Result<Result<DrainReport, Error>, BoxError> {
        let (result, _) = self.drain_telling(namespace, drain, &CancellationToken::new()).await?;
        Ok(result)
    }

    pub(crate) async fn drain_telling(
        &self,
        namespace: &str,
        drain: &Drain,
        cancel: &CancellationToken,
    ) -> Result<(Result<DrainReport, Error>, Vec<DrainEvent>), BoxError> {
        let events: Arc<Mutex<Vec<DrainEvent>>> = Arc::default();
        let objects = self.objects();
        let told = events.clone();
        let (access, drain, cancel) = (self.stage.access.clone(), drain.clone(), cancel.clone());
        let running =
            async move { objects.drain(Some(&access), &drain, &cancel, move |event| told.lock().expect("no panic").push(event)).await };
        // It can be spawned: nothing in it is bound to a thread.
        let mut running = tokio::spawn(running);
        let before = self.health(namespace).await?;
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended?,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            // While the process is dead, nobody looks.
            if let Ok(health) = self.health(namespace).await {
                for (budget, (ready, desired)) in health {
                    let was = before.get(&budget).map_or(i64::MAX, |(ready, _)| *ready);
                    assert!(ready >= desired.min(was), "{namespace}: {budget} has {ready} of {desired} ready Pods");
                }
            }
        };
        let events = events.lock().expect("no panic").clone();
        Ok((ended, events))
    }

    /// Begins a drain, which dies as soon as it tells such an event.
    pub(crate) async fn kill_at(&self, drain: &Drain, when: impl Fn(&DrainEvent) -> bool) -> Tested {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let (objects, cancel) = (self.objects(), CancellationToken::new());
        let running = objects.drain(Some(&self.stage.access), drain, &cancel, |event| drop(sender.send(event)));
        let killed = async {
            while let Some(event) = receiver.recv().await {
                if when(&event) {
                    return;
                }
            }
        };
        tokio::select! {
            ended = running => Err(format!("it ended: {ended:?}").into()),
            () = killed => Ok(()),
        }
    }

    /// Everything as it was: no Pods of the round, nodes open, no marks.
    pub(crate) async fn clear(&self, namespace: &str) -> Tested {
        Api::<Namespace>::all(self.client()?).delete(namespace, &DeleteParams::default()).await?;
        for node in self.nodes().await? {
            self.objects().uncordon(Some(&self.stage.access), &node.name_any()).await?;
        }
        settle(40).await;
        assert!(self.nodes().await?.iter().all(|node| node.spec.as_ref().and_then(|spec| spec.unschedulable) != Some(true)));
        Ok(())
    }

    /// Changes that clients asked for since the log had `from` entries.
    pub(crate) fn writes(&self, from: usize) -> Vec<String> {
        self.stage.calls(from).into_iter().filter(|call| !call.starts_with("GET ")).collect()
    }
}

pub(crate) async fn settle(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// The nodes that have most Pods of a namespace.
pub(crate) fn fullest(pods: &BTreeMap<String, Vec<Pod>>, count: usize) -> Vec<String> {
    let mut nodes: Vec<_> = pods.iter().filter(|(node, _)| !node.is_empty()).collect();
    nodes.sort_by_key(|(node, pods)| (std::cmp::Reverse(pods.len()), (*node).clone()));
    nodes.into_iter().take(count).map(|(node, _)| node.clone()).collect()
}
