//! Puts a fresh token on every request.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use kube::client::Body;
use tokio::sync::Mutex;
use tower::{BoxError, Layer, Service, ServiceExt};

use crate::{Token, TokenSigner};

/// Authenticates what goes through a transport.
#[derive(Clone)]
pub(super) struct Authenticate(pub(super) TokenSigner);

impl<S> Layer<S> for Authenticate {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated { inner: Arc::new(Mutex::new(inner)), signer: self.0.clone() }
    }
}

/// An authenticated transport.
pub(super) struct Authenticated<S> {
    /// Held only while a request is handed over, not while it is answered.
    inner: Arc<Mutex<S>>,
    signer: TokenSigner,
}

impl<S, B> Service<Request<Body>> for Authenticated<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Readiness is awaited in `call`, where the lock is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (inner, signer) = (self.inner.clone(), self.signer.clone());
        Box::pin(async move {
            // A body that is a stream can be sent once only.
            let again = again(&request);
            let token = signer.token().await?;
            let response = send(&inner, request, &token).await?;
            match again {
                // The token may have been revoked with its credentials, or signed by a clock that was wrong.
                Some(request) if response.status() == StatusCode::UNAUTHORIZED => match signer.instead_of(&token).await? {
                    Some(token) => send(&inner, request, &token).await,
                    None => Ok(response),
                },
                _ => Ok(response),
            }
        })
    }
}

async fn send<S, B>(inner: &Mutex<S>, mut request: Request<Body>, token: &Token) -> Result<Response<B>, BoxError>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.secret()))?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    let answer = inner.lock().await.ready().await.map_err(Into::into)?.call(request);
    answer.await.map_err(Into::into)
}

fn again(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.version_mut() = request.version();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}
