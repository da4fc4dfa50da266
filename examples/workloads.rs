//! Workloads that notice when nodes go: one that may lack a Pod, and one whose Pods have volumes.

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{Node, Pod},
    policy::v1::PodDisruptionBudget,
    storage::v1::StorageClass,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::environment::Failure;

const NAMESPACE: &str = "default";
/// Who applies them, as `metadata.managedFields` has it.
const MANAGER: &str = "eks-rs-examples";
const IMAGE: &str = "public.ecr.aws/nginx/nginx:1.29";

/// A Deployment with a budget, and a StatefulSet with a volume a Pod and a budget, one Pod a zone.
///
/// # Errors
/// If the API server refuses.
pub async fn deploy(client: &Client, replicas: u32) -> Result<(), Failure> {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gp3"},
        "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3"}, "volumeBindingMode": "WaitForFirstConsumer"});
    apply(&Api::<StorageClass>::all(client.clone()), class).await?;
    let spread = |app: &str, key: &str| json!([{"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app": app}}}]);
    let container = json!({"name": "main", "image": IMAGE, "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}});
    let web = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container], "topologySpreadConstraints": spread("web", "kubernetes.io/hostname")}});
    let spec = json!({"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": web});
    apply(
        &namespaced::<Deployment>(client),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}),
    )
    .await?;
    let mut mounted = container;
    mounted["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    let apart = json!([{"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "topology.kubernetes.io/zone"}]);
    let db = json!({"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [mounted],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}}}});
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
        "resources": {"requests": {"storage": "1Gi"}}}});
    let spec = json!({"replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": db,
        "volumeClaimTemplates": [claim]});
    apply(
        &namespaced::<StatefulSet>(client),
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}),
    )
    .await?;
    for app in ["web", "db"] {
        let spec = json!({"maxUnavailable": 1, "selector": {"matchLabels": {"app": app}}});
        let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": app}, "spec": spec});
        apply(&namespaced::<PodDisruptionBudget>(client), budget).await?;
    }
    Ok(())
}

fn namespaced<K: Resource<Scope = k8s_openapi::NamespaceResourceScope>>(client: &Client) -> Api<K>
where
    K::DynamicType: Default,
{
    Api::namespaced(client.clone(), NAMESPACE)
}

async fn apply<K>(api: &Api<K>, manifest: Value) -> Result<(), Failure>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    api.patch(&name, &PatchParams::apply(MANAGER), &Patch::Apply(manifest)).await?;
    Ok(())
}

/// How nodes and budgets are at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Sight {
    /// Groups of nodes: name, nodes, Ready, closed, Pods that no DaemonSet made.
    pub groups: Vec<(String, usize, usize, usize, usize)>,
    /// Budgets: name, healthy Pods, and how many there must be.
    pub budgets: Vec<(String, i32, i32)>,
}

impl Sight {
    /// Whether every budget is met.
    pub fn within_budgets(&self) -> bool {
        self.budgets.iter().all(|(_, healthy, desired)| healthy >= desired)
    }

    /// What of it concerns these groups, in one line.
    pub fn line(&self, groups: &[&str]) -> String {
        let group = |name: &&str| {
            let none = ((*name).to_owned(), 0, 0, 0, 0);
            let (name, nodes, ready, closed, pods) = self.groups.iter().find(|group| group.0 == **name).unwrap_or(&none);
            let closed = if *closed > 0 { format!("{closed} closed") } else { String::new() };
            let unit = if *nodes == 1 { "node" } else { "nodes" };
            format!("{name} {nodes:>2} {unit:5} {ready:>2} Ready {closed:9} {pods:>2} Pods")
        };
        let mut parts: Vec<String> = groups.iter().map(group).collect();
        parts.push(self.budgets.iter().map(|(name, healthy, desired)| format!("{name} {healthy}≥{desired}")).collect::<Vec<_>>().join(" "));
        parts.join(" │ ")
    }
}

/// Looks at a cluster: three lists.
///
/// # Errors
/// If the API server does not answer.
pub async fn look(client: &Client) -> Result<Sight, Failure> {
    let all = ListParams::default();
    let nodes = Api::<Node>::all(client.clone()).list(&all).await?.items;
    let pods = Api::<Pod>::all(client.clone()).list(&all).await?.items;
    let budgets = namespaced::<PodDisruptionBudget>(client).list(&all).await?.items;
    let mut sight = Sight::default();
    for node in nodes {
        let group = node.labels().get(eks_nodes::WORKERS_LABEL).cloned().unwrap_or_default();
        let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
        let ready = conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
        let closed = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
        let name = node.name_any();
        let made_by_daemon_set = |pod: &Pod| pod.owner_references().iter().any(|owner| owner.kind == "DaemonSet");
        let on_it = |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(&*name) && !made_by_daemon_set(pod);
        let count = pods.iter().filter(on_it).count();
        let at = sight.groups.iter().position(|one| one.0 == group).unwrap_or_else(|| {
            sight.groups.push((group, 0, 0, 0, 0));
            sight.groups.len() - 1
        });
        let (_, nodes, is_ready, is_closed, pods) = &mut sight.groups[at];
        *nodes += 1;
        *is_ready += usize::from(ready);
        *is_closed += usize::from(closed);
        *pods += count;
    }
    sight.groups.sort();
    for budget in budgets {
        let healthy = pods.iter().filter(|pod| pod.labels().get("app") == Some(&budget.name_any()) && is_healthy(pod)).count();
        let desired = budget.status.as_ref().and_then(|status| status.desired_healthy).unwrap_or_default();
        sight.budgets.push((budget.name_any(), i32::try_from(healthy)?, desired));
    }
    sight.budgets.sort();
    Ok(sight)
}

/// As the disruption controller counts: ready, and not on its way.
fn is_healthy(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
