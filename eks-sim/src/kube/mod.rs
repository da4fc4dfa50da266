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
