//! The three ways in: the AWS SDK's HTTP client, a tower service for `kube::Client`, and HTTP on loopback. All end here.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, retry::ErrorKind};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;

use crate::{
    authorize,
    error::ApiError,
    fault::Fault,
    iam, kube,
    log::{Call, Outcome},
    sim::Sim,
    times::Time,
    wire,
    world::World,
};

/// A response body: whole, or a stream of lines (a Kubernetes watch).
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Full(Option<Bytes>),
    Stream(tokio::sync::mpsc::UnboundedReceiver<Bytes>),
}

impl Body {
    /// A whole body.
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Full(Some(bytes.into())))
    }

    /// The body, if it is no stream.
    pub(crate) fn whole(self) -> Result<Self, Self> {
        match self.0 {
            Kind::Full(_) => Ok(self),
            Kind::Stream(_) => Err(self),
        }
    }

    /// A body that goes on until the sender is dropped.
    pub(crate) fn stream(receiver: tokio::sync::mpsc::UnboundedReceiver<Bytes>) -> Self {
        Self(Kind::Stream(receiver))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Stream(receiver) => receiver.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The connection broke.
    #[error("connection reset by the simulator before an answer")]
    Reset,
    /// The server closed the connection.
    #[error("connection closed by the simulator before an answer")]
    Closed,
    /// The connection hung until the client's read timeout.
    #[error("timed out waiting for the simulator's answer")]
    TimedOut,
    /// The client's process was killed by a fault.
    #[error("the client's process was killed by an injected fault")]
    Killed,
}

impl Sim {
    /// Carries out one HTTP request to AWS, with latency, faults and log.
    pub(crate) async fn aws(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        let decoded = match wire::decode(&request) {
            Ok(decoded) => decoded,
            Err(response) => return Ok(*response),
        };
        let service = decoded.service;
        let action = decoded.action.clone();
        let request_id = self.with(|world| {
            let hex = world.draw.hex("request", 32);
            format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        });
        let (id, reply_action) = (request_id.clone(), action.clone());
        self.logged(
            service.name(),
            &action,
            move |sim, stale| {
                let mut outdated = false;
                let result = sim.with(|world| {
                    let caller = iam::authenticate(world, service, &decoded.access_key)?;
                    if !world.throttle.pass(world.now, service, &decoded.action, &decoded.args) {
                        return Err(throttling(service.name()));
                    }
                    authorize::check(world, service, &decoded.action, &decoded.args, &caller)?;
                    let then = || sim.stale_answer(world, service, &decoded.action, &decoded.args, &caller);
                    if let Some(answer) = stale.then(then).flatten() {
                        outdated = true;
                        return answer;
                    }
                    world.call(service, &decoded.action, decoded.args, &caller)
                });
                let outcome = match &result {
                    _ if outdated => Outcome::Stale,
                    Ok(_) => Outcome::Done,
                    Err(error) => Outcome::Refused(error.code.clone()),
                };
                Ok((wire::encode(service, &reply_action, &result, &id), outcome))
            },
            |fault| match fault {
                Fault::Refuse { status, code, message } => {
                    wire::encode(service, "", &Err(ApiError::new(code, message).status(status)), &request_id)
                }
                _ => wire::encode(service, "", &Err(throttling(service.name())), &request_id),
            },
        )
        .await
    }

    /// Latency, faults and log around one call. `run` carries it out, by what was so before if it is told so, and tells how it ended, or
    /// that nothing listens there; `refuse` renders an injected refusal.
    pub(crate) async fn logged(
        &self,
        service: &str,
        action: &str,
        run: impl FnOnce(&Self, bool) -> Result<(Response<Body>, Outcome), TransportError>,
        refuse: impl FnOnce(Fault) -> Response<Body>,
    ) -> Result<Response<Body>, TransportError> {
        let (number, latency, fault, killed) = self.with(|world| {
            world.log.started += 1;
            let number = world.log.started;
            let fault = if world.killed { None } else { world.faults.take(number, service, action) };
            if matches!(fault, Some(Fault::KillBefore)) {
                world.killed = true;
            }
            (number, world.duration(Time::Call), fault, world.killed)
        });
        if killed {
            return Err(TransportError::Killed);
        }
        let entry = |latency, outcome| {
            let (service, action) = (service.to_owned(), action.to_owned());
            move |world: &World| Call { number, at: world.now, latency, service, action, outcome }
        };
        if matches!(fault, Some(Fault::TimeOut)) {
            // The log comes first: the client gives up by dropping us.
            self.log_call(entry(Duration::ZERO, Outcome::NeverArrived));
            return std::future::pending().await;
        }
        self.clock().sleep(latency).await;
        let (result, outcome) = match fault {
            None | Some(Fault::Stale) => match run(self, fault.is_some()) {
                Ok((response, outcome)) => (Ok(response), outcome),
                Err(error) => (Err(error), Outcome::NeverArrived),
            },
            Some(Fault::Answer(answer)) => match run(self, false) {
                Ok((response, outcome)) => (Ok(answer.arrives(number, service, response).await), outcome),
                Err(error) => (Err(error), Outcome::NeverArrived),
            },
            Some(Fault::LoseAnswer) => (Err(TransportError::Reset), lost(run(self, false))),
            Some(Fault::CloseConnection) => (Err(TransportError::Closed), lost(run(self, false))),
            Some(Fault::KillAfter) => {
                let outcome = lost(run(self, false));
                self.with(|world| world.killed = true);
                (Err(TransportError::Killed), outcome)
            }
            Some(fault @ (Fault::Refuse { .. } | Fault::Throttle)) => {
                let code = match &fault {
                    Fault::Refuse { code, .. } => code.clone(),
                    _ => throttling(service).code,
                };
                (Ok(refuse(fault)), Outcome::Refused(code))
            }
            // Both were dealt with above.
            Some(Fault::KillBefore | Fault::TimeOut) => (Err(TransportError::Killed), Outcome::NeverArrived),
        };
        self.log_call(entry(latency, outcome));
        result
    }

    /// Any request to the served simulator: Kubernetes if the host is a cluster's endpoint, AWS otherwise.
    pub(crate) async fn any(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        match kube::cluster_of(self, &request) {
            Some(cluster) => kube::serve(self, &cluster, request, kube::Whence::Internet).await,
            None => self.aws(request).await,
        }
    }
}

/// The outcome of a call whose answer is withheld.
fn lost<T>(result: Result<T, TransportError>) -> Outcome {
    result.map_or(Outcome::NeverArrived, |_| Outcome::AnswerLost)
}

/// What each service answers to too many requests: "Request throttling for the Amazon EC2 API", "Request throttling for the
/// Elastic Load Balancing API", EKS API reference (`ThrottlingException`), and each other service's "Common Errors".
fn throttling(service: &str) -> ApiError {
    let (status, code, message) = match service {
        "ec2" => (503, "RequestLimitExceeded", "Request limit exceeded."),
        "eks" => (429, "ThrottlingException", "Rate exceeded"),
        "elasticloadbalancing" | "ssm" => (400, "ThrottlingException", "Rate exceeded"),
        "kubernetes" => (429, "TooManyRequests", "the server has received too many requests and has asked us to try again later"),
        _ => (400, "Throttling", "Rate exceeded"),
    };
    ApiError::new(code, message).status(status)
}

/// The SDK's way in, with the timeout that the client asked for.
#[derive(Debug)]
struct Connector {
    sim: Sim,
    read_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (sim, read_timeout) = (self.sim.clone(), self.read_timeout);
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
            // Without a read timeout, only the SDK's own attempt and operation timeouts end a call that hangs.
            let lapse = async {
                match read_timeout {
                    Some(timeout) => sim.clock().sleep(timeout).await,
                    None => std::future::pending().await,
                }
            };
            let answer = tokio::select! {
                biased;
                answer = sim.any(Request::from_parts(parts, body)) => answer,
                () = lapse => Err(TransportError::TimedOut),
            };
            let response = answer.map_err(|error| match error {
                TransportError::TimedOut => ConnectorError::timeout(error.into()),
                TransportError::Reset => ConnectorError::io(error.into()),
                // As the SDK's own connector takes hyper's `IncompleteMessage`.
                TransportError::Closed => ConnectorError::other(error.into(), Some(ErrorKind::TransientError)),
                // A dead process does not retry.
                TransportError::Killed => ConnectorError::user(error.into()),
            })?;
            let (parts, body) = response.into_parts();
            let bytes = match body.collect().await {
                Ok(collected) => collected.to_bytes(),
                Err(never) => match never {},
            };
            HttpResponse::try_from(Response::from_parts(parts, SdkBody::from(bytes)))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

impl HttpClient for Sim {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { sim: self.clone(), read_timeout: settings.read_timeout() })
    }
}
