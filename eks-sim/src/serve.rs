//! The loopback server, for clients in any language.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{sim::Sim, transport::Body};

/// A running loopback server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
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
    }
}

/// Serves `sim` by HTTP on a loopback address: one endpoint for all services, as emulators have.
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
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sim = sim.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| answer(sim.clone(), request));
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                // A client that goes away is none of our business.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(Server { address, task })
}

/// One request. Where no answer shall reach the client, the connection breaks.
async fn answer(sim: Sim, request: Request<Incoming>) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let (parts, body) = request.into_parts();
    let body: Bytes = body.collect().await?.to_bytes();
    Ok(sim.any(Request::from_parts(parts, body)).await?)
}
