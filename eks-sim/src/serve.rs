//! The loopback server, for clients in any language.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    door::{Door, Doors, Identity},
    eks, kube,
    sim::{Sim, WeakSim},
    transport::{Body, TransportError},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A running loopback server, and its clusters' endpoints; they stop when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
    sim: Sim,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.sim.with(|world| {
            world.doors = Doors::default();
            eks::close_doors(world);
        });
    }
}

/// Serves `sim` on a loopback address: AWS by HTTP, one endpoint for all services, as emulators have; and each cluster by TLS on a port
/// of its own with a certificate authority of its own, as DescribeCluster then tells. A cluster's port is there when the cluster is
/// ACTIVE. Call it once for a simulator.
///
/// # Errors
/// If the address is not a loopback address or cannot be bound.
pub async fn serve(sim: Sim, address: SocketAddr) -> std::io::Result<Server> {
    if !address.ip().is_loopback() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            format!("{address} is not a loopback address; the simulator checks no signatures and must not be reachable from elsewhere"),
        ));
    }
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (runtime, weak) = (Handle::current(), sim.downgrade());
    sim.with(|world| {
        world.doors = Doors::new(move |cluster| open(cluster, weak.clone(), &runtime));
        eks::open_doors(world);
    });
    let account = sim.clone();
    let task = tokio::spawn(accept(listener, move |stream| {
        let sim = account.clone();
        http(stream, move |request| aws(sim.clone(), request))
    }));
    Ok(Server { address, task, sim })
}

/// A port for a cluster's API server. Whoever holds the door keeps it open.
fn open(cluster: &str, sim: WeakSim, runtime: &Handle) -> Result<Door, BoxError> {
    let identity = Identity::new()?;
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = {
        let _runtime = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let (acceptor, cluster) = (TlsAcceptor::from(Arc::clone(&identity.tls)), cluster.to_owned());
    let task = runtime.spawn(accept(listener, move |stream| {
        let (acceptor, sim, cluster) = (acceptor.clone(), sim.clone(), cluster.clone());
        async move {
            // Who does not trust the authority goes away.
            if let Ok(stream) = acceptor.accept(stream).await {
                http(stream, move |request| kubernetes(sim.clone(), cluster.clone(), request)).await;
            }
        }
    }));
    Ok(Door::new(address, &identity, task.abort_handle()))
}

/// Accepts connections for ever; they end when this is dropped.
async fn accept<F>(listener: TcpListener, connection: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream))),
                // The process has no file descriptor left, or the client has gone already.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// HTTP on a connection, until its client goes.
async fn http<S, F>(stream: S, answer: impl Fn(Request<Bytes>) -> F + Clone + Send + 'static)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<Response<Body>, TransportError>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body: Bytes = body.collect().await.map_err(|_| TransportError::Closed)?.to_bytes();
            answer(Request::from_parts(parts, body)).await
        }
    });
    // A client that goes away is none of our business. Where no answer shall reach it, the connection breaks.
    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn aws(sim: Sim, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
    sim.any(request).await
}

async fn kubernetes(sim: WeakSim, cluster: String, mut request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
    let sim = sim.upgrade().ok_or(TransportError::Closed)?;
    request.extensions_mut().insert(kube::Outside);
    kube::serve(&sim, &cluster, request, kube::Whence::Internet).await
}
