//! What observing a large network and planning against it costs: 200 subnets and 2,000 rules. EC2's answers are those of the
//! simulator, recorded once, so that only the client's work is measured: requests, signatures, parsing, comparing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
    shared::IntoShared,
};
use aws_smithy_types::body::SdkBody;
use eks_benches::network;
use eks_core::engine::Engine;
use eks_net::{NetworkSpec, Networks};
use eks_sim::Sim;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// Answers by the bodies of their requests, which hold all that EC2 looks at.
type Answers = Arc<Mutex<HashMap<Vec<u8>, (StatusCode, Vec<u8>)>>>;

/// An HTTP client that asks once and remembers.
#[derive(Clone, Debug)]
struct Recorder {
    client: SharedHttpClient,
    answers: Answers,
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    answers: Answers,
}

impl HttpClient for Recorder {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        Connector { inner: self.client.http_connector(settings, components), answers: Arc::clone(&self.answers) }.into_shared()
    }
}

fn response((status, body): &(StatusCode, Vec<u8>)) -> HttpResponse {
    HttpResponse::new(*status, SdkBody::from(body.clone()))
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let key = request.body().bytes().expect("a form").to_vec();
        if let Some(answer) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return HttpConnectorFuture::ready(Ok(response(answer)));
        }
        let (asked, answers) = (self.inner.call(request), Arc::clone(&self.answers));
        HttpConnectorFuture::new(async move {
            let given = asked.await?;
            let answer = (given.status(), given.body().bytes().expect("a whole body").to_vec());
            let given = response(&answer);
            answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, answer);
            Ok(given)
        })
    }
}

/// The network as it stands, observed once.
struct Standing {
    runtime: Runtime,
    spec: NetworkSpec,
    networks: Networks,
    answers: Answers,
}

fn stand() -> Standing {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let sim = Sim::new();
    let spec = network().build().expect("fine");
    let direct = Networks::new(&sim.sdk_config());
    let engine = Engine::new().driver(direct.clone());
    runtime.block_on(async { direct.plan(&spec).await.expect("a plan").apply(&engine).await }).expect("it stands");
    let config = sim.sdk_config();
    let answers = Answers::default();
    let recorder = Recorder { client: config.http_client().expect("the simulator's"), answers: Arc::clone(&answers) };
    let networks = Networks::new(&config.into_builder().http_client(recorder).build());
    let plan = runtime.block_on(networks.plan(&spec)).expect("a plan");
    assert!(plan.is_noop(), "{plan}");
    Standing { runtime, spec, networks, answers }
}

/// The figure: observed and compared in less than 100 ms of CPU.
#[divan::bench]
fn observe_and_plan(bencher: divan::Bencher) {
    let standing = stand();
    bencher.bench_local(|| standing.runtime.block_on(standing.networks.plan(&standing.spec)).expect("a plan"));
    let answers = standing.answers.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(answers.len(), 9, "nine calls, all recorded");
}

#[divan::bench]
fn observe(bencher: divan::Bencher) {
    let standing = stand();
    bencher.bench_local(|| standing.runtime.block_on(standing.networks.observe(standing.spec.owner())).expect("observed"));
}

#[divan::bench]
fn plan(bencher: divan::Bencher) {
    let standing = stand();
    let now = standing.runtime.block_on(standing.networks.observe(standing.spec.owner())).expect("observed");
    bencher.bench_local(|| standing.spec.plan(&now).expect("a plan"));
}
