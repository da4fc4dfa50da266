//! A cluster with old workers and workloads that have budgets, and what tests of replacements need of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use eks_cluster::Connector;
use eks_core::{
    BoxError, ClusterAccess, StackName,
    engine::{ApplyError, CancellationToken, Engine, Event, Report},
};
use eks_k8s::client::Objects;
use eks_nodes::{
    WorkersSpec, WorkersSpecBuilder,
    replacement::{Replacement, ReplacementBuilder, ReplacementPlan, Replacements},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};

use crate::account::{Account, Tested, owner};

pub(crate) const OLD: &str = "chap10-worker";
pub(crate) const NEW: &str = "chap10-v11";

pub(crate) struct Scene {
    pub(crate) account: Account,
    pub(crate) access: ClusterAccess,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

impl Scene {
    /// Old workers that are Ready.
    pub(crate) async fn set(old: impl FnOnce(WorkersSpecBuilder) -> WorkersSpecBuilder) -> Tested<Self> {
        let account = Account::new().await?;
        let cluster = &account.cluster;
        let access = ClusterAccess {
            name: cluster.name.clone(),
            endpoint: cluster.endpoint.known().expect("known").clone(),
            certificate_authority: cluster.certificate_authority.known().expect("known").clone(),
        };
        let scene = Self { account, access, events: Arc::default() };
        scene.make(&old(scene.account.named(OLD)).build()?).await?;
        settle(150).await;
        Ok(scene)
    }

    /// Makes workers, and maps their role where the spec leaves it to aws-auth.
    pub(crate) async fn make(&self, workers: &WorkersSpec) -> Tested {
        let report = self.account.apply(&self.account.workers.plan(workers).await?).await?;
        if workers.mapping() == eks_nodes::RoleMapping::AwsAuth {
            let role = report.output(&format!("nodes/{}", workers.name()), "NodeInstanceRole").expect("an output").parse()?;
            self.objects().map_role(&owner(), Some(&self.access), workers.name().as_str(), &role).await?;
        }
        Ok(())
    }

    pub(crate) fn client(&self) -> Tested<Client> {
        let sim = self.account.sim.clone();
        Ok(Connector::new(&sim.sdk_config()).with_transport(move |_| sim.kube_service()).connect(&self.access)?)
    }

    /// A process's handle.
    pub(crate) fn objects(&self) -> Objects {
        let sim = self.account.sim.clone();
        let connector = Connector::new(&sim.sdk_config()).with_transport(move |_| sim.kube_service());
        Objects::connecting(move |access| std::future::ready(connector.connect(&access).map_err(BoxError::from)))
    }

    pub(crate) fn replacements(&self) -> Replacements {
        Replacements::new(&self.account.sim.sdk_config(), self.objects())
    }

    pub(crate) fn engine(&self) -> Engine {
        let events = self.events.clone();
        self.account
            .engine()
            .driver(self.objects())
            .driver(self.replacements())
            .observer(move |event| events.lock().expect("no panic").push(event.clone()))
    }

    pub(crate) fn replacement(&self, new: WorkersSpec) -> ReplacementBuilder {
        Replacement::builder(&owner(), StackName::new(OLD).expect("a name"), new)
    }

    pub(crate) async fn plan(&self, replacement: &Replacement) -> Tested<ReplacementPlan> {
        Ok(self.replacements().plan(replacement).await?)
    }

    pub(crate) async fn deploy(&self, name: &str, replicas: usize, budget: Value) -> Tested {
        self.deploy_with(name, replicas, budget, json!({})).await
    }

    pub(crate) async fn deploy_with(&self, name: &str, replicas: usize, budget: Value, mut spec: Value) -> Tested {
        let labels = json!({"app": name});
        spec["containers"] = json!([{"name": "main", "image": "nginx"}]);
        let template = json!({"metadata": {"labels": labels}, "spec": spec});
        let spec = json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": template});
        self.create::<Deployment>("default", json!({"metadata": {"name": name}, "spec": spec})).await?;
        if !budget.is_null() {
            let mut spec = budget;
            spec["selector"] = json!({"matchLabels": labels});
            self.create::<PodDisruptionBudget>("default", json!({"metadata": {"name": name}, "spec": spec})).await?;
        }
        Ok(())
    }

    pub(crate) async fn create<K>(&self, namespace: &str, object: Value) -> Tested
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope> + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
        K::DynamicType: Default,
    {
        Api::<K>::namespaced(self.client()?, namespace).create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }

    pub(crate) async fn nodes(&self) -> Tested<Vec<Node>> {
        Ok(Api::<Node>::all(self.client()?).list(&ListParams::default()).await?.items)
    }

    /// Nodes of a group of workers that are Ready and take Pods.
    pub(crate) async fn open_nodes(&self, group: &str) -> Tested<usize> {
        let is_open = |node: &&Node| {
            let status = node.status.as_ref().and_then(|status| status.conditions.as_ref());
            let ready = status.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
            let spec = node.spec.as_ref();
            let tainted = spec.and_then(|spec| spec.taints.as_ref()).is_some_and(|taints| !taints.is_empty());
            ready && !tainted && spec.and_then(|spec| spec.unschedulable) != Some(true)
        };
        let nodes = self.nodes().await?;
        let of_group = nodes.iter().filter(|node| node.labels().get(eks_nodes::WORKERS_LABEL).is_some_and(|name| name == group));
        Ok(of_group.filter(is_open).count())
    }

    /// Whether each budget is met: how many Pods are ready and not going, and how many must be.
    pub(crate) async fn budgets(&self) -> Tested<BTreeMap<String, (i64, i64)>> {
        let client = self.client()?;
        let pods = Api::<Pod>::namespaced(client.clone(), "default").list(&ListParams::default()).await?.items;
        let budgets = Api::<PodDisruptionBudget>::namespaced(client, "default").list(&ListParams::default()).await?;
        let ready = |pod: &&Pod| {
            let status = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
            pod.metadata.deletion_timestamp.is_none()
                && status.is_some_and(|all| all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
        };
        let mut met = BTreeMap::new();
        for budget in budgets.items {
            let app = budget.name_any();
            let of_it = pods.iter().filter(|pod| pod.labels().get("app") == Some(&app));
            let desired = budget.status.as_ref().and_then(|status| status.desired_healthy).map_or(0, i64::from);
            let ready = of_it.filter(ready).count() as i64;
            met.insert(app, (ready, desired));
        }
        Ok(met)
    }

    /// Applies a plan, and looks every second whether budgets that were met still are.
    pub(crate) async fn apply(&self, plan: &ReplacementPlan) -> Tested<Result<Report, ApplyError>> {
        self.apply_watching(plan, self.engine(), || {}).await
    }

    /// Applies a plan to what may have changed a moment ago: a second later, at most.
    pub(crate) async fn apply_late(&self, plan: &ReplacementPlan) -> Tested<Result<Report, ApplyError>> {
        match self.apply(plan).await? {
            Err(ApplyError::Stale { differences }) => Err(format!("{differences:?}").into()),
            ended => Ok(ended),
        }
    }

    /// Applies a plan until a step whose key ends so is done.
    pub(crate) async fn stop_after(&self, step: &str, plan: &ReplacementPlan) -> Tested {
        let token = CancellationToken::new();
        let (stop, end) = (token.clone(), step.to_owned());
        let observer = move |event: &Event| {
            if let Event::StepFinished { key, .. } = event
                && key.as_str().ends_with(&end)
            {
                stop.cancel();
            }
        };
        let ended = self.apply_watching(plan, self.engine().observer(observer).cancelled_by(token), || {}).await?;
        match ended {
            Err(ApplyError::Incomplete { .. }) => Ok(()),
            other => Err(format!("not stopped after {step}: {other:?}\n{plan}").into()),
        }
    }

    pub(crate) async fn deployment_ready(&self, name: &str) -> Tested<i32> {
        let found = Api::<Deployment>::namespaced(self.client()?, "default").get(name).await?;
        Ok(found.status.and_then(|status| status.ready_replicas).unwrap_or_default())
    }

    pub(crate) async fn apply_watching(
        &self,
        plan: &ReplacementPlan,
        engine: Engine,
        watch: impl Fn(),
    ) -> Tested<Result<Report, ApplyError>> {
        let before = self.budgets().await?;
        let plan = plan.clone();
        let mut running = tokio::spawn(async move { plan.apply(&engine).await });
        loop {
            tokio::select! {
                ended = &mut running => return Ok(ended?),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            watch();
            for (budget, (ready, desired)) in self.budgets().await? {
                let was = before.get(&budget).map_or(i64::MAX, |(ready, _)| *ready);
                assert!(ready >= desired.min(was), "{budget} has {ready} of {desired} ready Pods");
            }
        }
    }

    /// Applies a plan, which must succeed.
    pub(crate) async fn carry_out(&self, plan: &ReplacementPlan) -> Tested<Report> {
        Ok(self.apply(plan).await?.map_err(|error| format!("{error}\n{plan}"))?)
    }

    /// The new group has taken the old one's place, and nothing else is left of either.
    pub(crate) async fn replaced(&self, replacement: &Replacement, nodes: usize) -> Tested {
        let plan = self.plan(replacement).await?;
        assert!(plan.is_done(), "{plan}");
        assert_eq!((self.open_nodes(NEW).await?, self.nodes().await?.len()), (nodes, nodes));
        let ours = self.account.ours().join("\n");
        assert!(!ours.contains(OLD), "{ours}");
        assert_eq!(self.account.running_instances(), nodes);
        let scaling = aws_sdk_autoscaling::Client::new(&self.account.sim.sdk_config());
        for group in scaling.describe_auto_scaling_groups().send().await?.auto_scaling_groups() {
            assert_eq!(group.suspended_processes().len(), 0, "{group:?}");
            assert!(group.tags().iter().all(|tag| tag.key() != Some(eks_nodes::replacement::REPLACING_TAG)), "{group:?}");
        }
        let rules = self.account.ec2.describe_security_group_rules().send().await?;
        let ours = rules
            .security_group_rules()
            .iter()
            .filter(|rule| rule.tags().iter().any(|tag| tag.value().is_some_and(|v| v.starts_with("replace/"))));
        assert_eq!(ours.count(), 0);
        Ok(())
    }

    /// The old group is as it was, and the new one beside it.
    pub(crate) async fn scaling(&self) -> Tested<Vec<aws_sdk_autoscaling::types::AutoScalingGroup>> {
        let scaling = aws_sdk_autoscaling::Client::new(&self.account.sim.sdk_config());
        Ok(scaling.describe_auto_scaling_groups().send().await?.auto_scaling_groups().to_vec())
    }
}

pub(crate) async fn settle(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
