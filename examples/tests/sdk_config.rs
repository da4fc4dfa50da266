//! What an application says in its `SdkConfig` is used by every client of every layer.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use aws_types::app_name::AppName;
use eks_cluster::Connector;
use eks_env::Environments;
use eks_examples::environment::Variant;
use eks_sim::Sim;

/// Of each request: its host, user agent, and signature.
type Seen = Arc<Mutex<Vec<(String, String, String)>>>;

/// Tells what goes through it.
#[derive(Debug)]
struct Watching {
    inner: SharedHttpClient,
    seen: Seen,
}

#[derive(Debug)]
struct WatchingConnector {
    inner: SharedHttpConnector,
    seen: Seen,
}

impl HttpClient for Watching {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(WatchingConnector { inner: self.inner.http_connector(settings, components), seen: self.seen.clone() })
    }
}

impl HttpConnector for WatchingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name: &str| request.headers().get(name).unwrap_or_default().to_owned();
        let agent = format!("{} {}", header("user-agent"), header("x-amz-user-agent"));
        let seen = (request.uri().to_owned(), agent, header("authorization"));
        self.seen.lock().expect("no panic").push(seen);
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn one_http_client_one_name_and_one_credential_for_all() {
    let sim = Sim::new();
    let seen = Seen::default();
    let given = sim.sdk_config();
    let inner = given.http_client().expect("the simulator is one");
    let config = given
        .to_builder()
        .http_client(Watching { inner, seen: seen.clone() })
        .app_name(AppName::new("platform-tool").expect("a name"))
        .endpoint_url("https://aws.example")
        .build();
    let kube = sim.kube_service();
    let connector = Connector::new(&config).with_transport(move |_| kube.clone());
    let environments = Environments::connecting(&config, connector);
    let environment = Variant::default().environment().expect("valid");
    environments.apply(&environment, &environments.engine()).await.expect("applied");
    environments.upgrade(&environment).await.expect("planned");
    let ending = environments.tear_down(&environment, &environments.engine()).await.expect("torn down");
    assert!(ending.verdict.is_clean(), "{}", ending.verdict);

    let seen = seen.lock().expect("no panic").clone();
    assert!(seen.len() > 100, "{}", seen.len());
    for (uri, agent, authorization) in &seen {
        assert!(uri.starts_with("https://aws.example"), "the endpoint: {uri}");
        assert!(agent.contains("app/platform-tool"), "the name: {agent}");
        assert!(authorization.contains("Credential=AKIAIOSFODNN7EXAMPLE/"), "the credentials: {authorization}");
    }
}
