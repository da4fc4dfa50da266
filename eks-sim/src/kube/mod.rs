//! The Kubernetes API of the account's clusters, and the controllers and kubelets behind it.

mod access;
mod api;
mod balancer;
mod budgets;
mod control;
mod defaults;
mod delete;
mod discovery;
mod events;
mod evict;
mod facts;
mod fields;
mod fresh;
mod kinds;
mod kubelet;
mod lbc;
mod managed;
mod nodes;
mod patch;
mod protobuf;
mod request;
mod review;
mod scheduler;
mod select;
mod shape;
mod status;
mod store;
mod token;
mod validate;
mod volumes;
mod watch;
mod workloads;
mod write;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;

use self::{
    api::Reply,
    kinds::Kind,
    status::Refusal,
    store::{Cluster, items},
};
use crate::{
    fault::Fault,
    inventory::Inventory,
    log::Outcome,
    sim::Sim,
    transport::{Body, TransportError},
    world::World,
};

pub(crate) use self::managed::{GroupNode, close_node, evict_from, group_nodes, map_node_role, mark_group, unmap_node_role};

/// State of every cluster's Kubernetes API.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    clusters: BTreeMap<String, Cluster>,
    #[cfg(test)]
    stand_in: Option<facts::StandIn>,
}

/// What comes and goes by itself in every cluster.
static UNLISTED: [&Kind; 6] =
    [&kinds::NODE, &kinds::EVENT, &kinds::LEASE, &kinds::ENDPOINT_SLICE, &kinds::CSI_NODE, &kinds::VOLUME_ATTACHMENT];

/// What users made: not what a cluster has from the start, nor what controllers made for an owner.
pub(crate) fn inventory(world: &World, inventory: &mut Inventory) {
    for (name, cluster) in &world.kube.clusters {
        for (key, object) in cluster.objects.iter().filter(|(key, _)| !UNLISTED.contains(&key.kind)) {
            let owned = !items(object, "/metadata/ownerReferences").is_empty();
            if owned || cluster.furnished.contains(store::text(object, "/metadata/uid")) {
                continue;
            }
            let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
            let labels = labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
            let path: Vec<&str> = [name.as_str(), &key.namespace, &key.name].into_iter().filter(|part| !part.is_empty()).collect();
            let state = store::text(object, "/status/phase");
            inventory.push(&format!("kubernetes/{}", key.kind.kind), &path.join("/"), labels, state, 0.0);
        }
    }
}

/// Marks a request that came in from outside of the process. Its client lives by the real calendar, not by the simulator's, which a
/// hurried simulator lets run ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outside;

/// The cluster that a request is for, by the host of its endpoint; `None` for requests to AWS.
pub(crate) fn cluster_of(sim: &Sim, request: &Request<Bytes>) -> Option<String> {
    let header = || request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let host = request.uri().host().or_else(header)?.split(':').next()?.to_ascii_lowercase();
    sim.with(|world| facts::cluster_by_host(world, &host))
}

/// Whether a client gets an answer: clients are outside the VPC, so only through the public endpoint ("Cluster API server
/// endpoint"), and the endpoint goes with the control plane.
fn answers(world: &World, cluster: &str) -> bool {
    world.kube.clusters.contains_key(cluster) && facts::cluster(world, cluster).is_some_and(|facts| facts.endpoint_public)
}

pub(crate) async fn serve(sim: &Sim, cluster: &str, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
    let action = format!("{} {}", request.method(), request.uri().path());
    sim.logged(
        "kubernetes",
        &action,
        |sim, _| {
            let reply = sim.with(|world| answers(world, cluster).then(|| api::handle(world, cluster, &request)));
            Ok(match reply.ok_or(TransportError::Reset)? {
                Ok(Reply::Object(code, object)) => (respond(code, "application/json", Body::full(object.to_string())), Outcome::Done),
                Ok(Reply::Text(text)) => (respond(200, "text/plain", Body::full(text)), Outcome::Done),
                Ok(Reply::Watch(watch)) => (respond(200, "application/json", Body::stream(watch.start(sim))), Outcome::Done),
                Err(refusal) => (refuse(&refusal), Outcome::Refused(refusal.reason)),
            })
        },
        |fault| match fault {
            Fault::Refuse { status, code, message } => refuse(&Refusal::injected(status, &code, &message)),
            // API Priority and Fairness.
            _ => refuse(
                &Refusal::new(429, "TooManyRequests", "the server has received too many requests and has asked us to try again later")
                    .retry_after(1),
            ),
        },
    )
    .await
}

fn refuse(refusal: &Refusal) -> Response<Body> {
    let mut response = respond(refusal.http_status().as_u16(), "application/json", Body::full(refusal.object().to_string()));
    if let Some(seconds) = refusal.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn respond(code: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A tower service for `kube::Client`. Requests go to the cluster whose endpoint the host names.
#[derive(Clone, Debug)]
pub struct KubeService(Sim);

impl KubeService {
    pub(crate) fn new(sim: Sim) -> Self {
        Self(sim)
    }
}

impl<B> tower::Service<Request<B>> for KubeService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Response = Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let sim = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let request = Request::from_parts(parts, body);
            match cluster_of(&sim, &request) {
                Some(cluster) => Ok(serve(&sim, &cluster, request).await?),
                None => Err(Box::from("no cluster of this account has that endpoint")),
            }
        })
    }
}

/// A worker that asks to join.
#[derive(Clone, Debug)]
pub(crate) struct Kubelet {
    /// Private DNS name; the node's name.
    pub(crate) name: String,
    pub(crate) instance: String,
    pub(crate) instance_type: String,
    pub(crate) zone: String,
    pub(crate) zone_id: String,
    pub(crate) region: String,
    pub(crate) address: String,
    pub(crate) role_arn: String,
    pub(crate) windows: bool,
    /// `1.36`.
    pub(crate) version: String,
    pub(crate) labels: Vec<(String, String)>,
    /// `key=value:Effect`.
    pub(crate) taints: Vec<String>,
    pub(crate) max_pods: u32,
}

/// The API server of a cluster comes up; EKS calls this when the cluster becomes ACTIVE.
pub(crate) fn open(world: &mut World, cluster: &str) {
    world.kube.clusters.insert(cluster.to_owned(), Cluster::default());
    fresh::furnish(world, cluster);
}

/// The API server and everything in it goes; EKS calls this soon after a cluster's deletion began.
pub(crate) fn close(world: &mut World, cluster: &str) {
    world.kube.clusters.remove(cluster);
    world.watch_revision += 1;
}

/// A kubelet tries to register its node (once); the error is what its log would say ("Unauthorized").
pub(crate) fn register(world: &mut World, cluster: &str, kubelet: Kubelet) -> Result<(), String> {
    nodes::register(world, cluster, kubelet)
}

/// The instance behind a node is shutting down.
pub(crate) fn instance_gone(world: &mut World, instance: &str) {
    nodes::instance_gone(world, instance);
}

/// What is stored of a resource in a cluster.
pub(crate) fn stored(world: &World, cluster: &str, group: &str, plural: &str) -> Vec<std::sync::Arc<serde_json::Value>> {
    let kind = kinds::find(group, "v1", plural);
    kind.into_iter().flat_map(|kind| store::all(world, cluster, kind)).map(|(_, object)| object).collect()
}

/// Nodes whose kubelets run and are let in by nobody.
pub(crate) fn locked_out(world: &mut World, cluster: &str) -> Vec<String> {
    nodes::locked_out(world, cluster)
}

/// A node as EKS looks at it from outside.
pub(crate) struct SeenNode {
    pub(crate) name: String,
    /// `v1.36.0-eks-…`.
    pub(crate) kubelet: String,
    /// EKS Auto Mode runs it.
    pub(crate) is_auto_mode: bool,
}

/// The nodes and their kubelets' versions, as the API server tells them.
pub(crate) fn seen_nodes(world: &World, cluster: &str) -> Vec<SeenNode> {
    let nodes = store::all(world, cluster, &kinds::NODE);
    let seen = nodes.iter().map(|(key, node)| SeenNode {
        name: key.name.clone(),
        kubelet: store::text(node, "/status/nodeInfo/kubeletVersion").to_owned(),
        is_auto_mode: store::text(node, "/metadata/labels/eks.amazonaws.com~1compute-type") == "auto",
    });
    seen.collect()
}

/// How many nodes are Ready.
pub(crate) fn ready_nodes(world: &World, cluster: &str) -> usize {
    store::all(world, cluster, &kinds::NODE).iter().filter(|(_, node)| nodes::is_ready(node)).count()
}
