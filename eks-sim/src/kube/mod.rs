//! Placeholder.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;

use crate::{
    inventory::Inventory,
    sim::Sim,
    transport::{Body, TransportError},
    world::World,
};

/// State of every cluster's Kubernetes API.
#[derive(Debug, Default)]
pub(crate) struct State {}

pub(crate) fn inventory(_world: &World, _inventory: &mut Inventory) {}

/// The cluster that a request is for, by the host of its endpoint; `None` for requests to AWS.
pub(crate) fn cluster_of(_sim: &Sim, _request: &Request<Bytes>) -> Option<String> {
    None
}

pub(crate) async fn serve(_sim: &Sim, _cluster: &str, _request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
    Err(TransportError::Reset)
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
    /// `1.36`.
    pub(crate) version: String,
    pub(crate) labels: Vec<(String, String)>,
    /// `key=value:Effect`.
    pub(crate) taints: Vec<String>,
    pub(crate) max_pods: u32,
}

/// The API server of a cluster comes up; EKS calls this when the cluster becomes ACTIVE.
pub(crate) fn open(_world: &mut World, _cluster: &str) {}

/// The API server and everything in it goes; EKS calls this when a cluster is deleted.
pub(crate) fn close(_world: &mut World, _cluster: &str) {}

/// A kubelet tries to register its node (once); the error is what its log would say ("Unauthorized").
pub(crate) fn register(_world: &mut World, _cluster: &str, _kubelet: Kubelet) -> Result<(), String> {
    Err("Unauthorized".to_owned())
}

/// The instance behind a node is gone: the cloud node controller removes the node.
pub(crate) fn instance_gone(_world: &mut World, _instance: &str) {}

/// How many nodes are Ready.
pub(crate) fn ready_nodes(_world: &World, _cluster: &str) -> usize {
    0
}
