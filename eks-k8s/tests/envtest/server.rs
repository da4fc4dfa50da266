//! etcd, kube-apiserver and, where it is there, kube-controller-manager, started from the folder that `KUBEBUILDER_ASSETS` names.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use kube::{Client, Config, config::Kubeconfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;

/// Who may do everything.
const ADMIN: &str = "admin";

/// A control plane without nodes. One for all tests of the process: each uses names of its own.
pub(crate) struct ApiServer {
    url: String,
    directory: PathBuf,
    /// They end when this process does: their input ends then.
    _processes: Vec<Child>,
}

/// The control plane; started by the first who asks.
pub(crate) fn server() -> &'static ApiServer {
    static SERVER: OnceLock<ApiServer> = OnceLock::new();
    SERVER.get_or_init(ApiServer::start)
}

impl ApiServer {
    fn start() -> Self {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").expect("KUBEBUILDER_ASSETS names a folder with etcd and kube-apiserver");
        let assets = PathBuf::from(assets);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("envtest-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("writable");
        certificates(&directory);

        let [store, peer, port] = ports();
        let (store, peer) = (format!("http://127.0.0.1:{store}"), format!("http://127.0.0.1:{peer}"));
        let etcd = daemon(&directory, &assets.join("etcd"), |etcd| {
            etcd.args(["--name", "test", "--data-dir", "etcd", "--unsafe-no-fsync"])
                .args(["--listen-client-urls", &store, "--advertise-client-urls", &store])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &format!("test={peer}")]);
        });
        let url = format!("https://127.0.0.1:{port}");
        let apiserver = daemon(&directory, &assets.join("kube-apiserver"), |apiserver| {
            apiserver.args([
                &format!("--etcd-servers={store}"),
                &format!("--secure-port={port}"),
                &format!("--service-account-issuer={url}"),
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",
                "--tls-cert-file=server.crt",
                "--tls-private-key-file=server.key",
                "--token-auth-file=tokens.csv",
                "--service-account-key-file=accounts.pub",
                "--service-account-signing-key-file=accounts.key",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--authorization-mode=RBAC",
                "--disable-admission-plugins=ServiceAccount",
                "--cert-dir=.",
            ]);
        });
        let mut server = Self { url, directory, _processes: vec![etcd, apiserver] };
        server.await_ready();
        if assets.join("kube-controller-manager").exists() {
            let manager = server.controllers(&assets.join("kube-controller-manager"));
            server._processes.push(manager);
        }
        server
    }

    /// Controllers that need no nodes: budgets, ReplicaSets, namespaces, garbage.
    fn controllers(&self, program: &Path) -> Child {
        fs::write(self.directory.join("kubeconfig"), self.kubeconfig(ADMIN)).expect("writable");
        daemon(&self.directory, program, |manager| {
            manager.args([
                "--kubeconfig=kubeconfig",
                "--bind-address=127.0.0.1",
                "--port=0",
                "--secure-port=0",
                "--leader-elect=false",
                "--use-service-account-credentials=false",
                "--controllers=disruption,namespace,garbagecollector,replicaset,deployment,persistentvolume-binder,pvc-protection,horizontalpodautoscaling",
                "--horizontal-pod-autoscaler-sync-period=2s",
            ]);
        })
    }

    /// Ready, and with the namespaces that every cluster has.
    fn await_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(90);
        // On a thread of its own: the test that asks runs within a runtime already.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let client = self.client(ADMIN).await;
                    let namespaces = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(client);
                    loop {
                        let there = match namespaces.get_opt("kube-system").await {
                            Ok(found) => found.is_some() && namespaces.get_opt("default").await.is_ok_and(|found| found.is_some()),
                            Err(_) => false,
                        };
                        if there {
                            return;
                        }
                        assert!(Instant::now() < deadline, "kube-apiserver does not become ready; see {}", self.directory.display());
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                });
            });
        });
    }

    /// A client of the administrator.
    pub(crate) async fn admin(&self) -> Client {
        self.client(ADMIN).await
    }

    /// As kube makes it if nothing is said: it repeats 429, 503 and 504 by itself, for minutes.
    pub(crate) async fn admin_by_default(&self) -> Client {
        Client::try_from(self.config(ADMIN).await).expect("a client")
    }

    async fn config(&self, user: &str) -> Config {
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig(user)).expect("a kubeconfig");
        Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.expect("complete")
    }

    async fn client(&self, user: &str) -> Client {
        let mut config = self.config(user).await;
        // kube retries 429 by default, for minutes: a blocked eviction would not answer.
        config.default_retry = false;
        Client::try_from(config).expect("a client")
    }

    /// JSON is YAML.
    fn kubeconfig(&self, user: &str) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": self.directory.join("ca.crt")}}],
            "users": [{"name": user, "user": {"token": token(user)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        })
        .to_string()
    }
}

/// Tokens of a server that lives for minutes, on loopback.
fn token(user: &str) -> String {
    format!("token-of-{user}")
}

/// A program that ends when this process does, however it ends: the shell's input is a pipe that only this process holds.
fn daemon(directory: &Path, program: &Path, arguments: impl FnOnce(&mut Command)) -> Child {
    let name = program.file_name().expect("a program").to_string_lossy().into_owned();
    let log = fs::File::create(directory.join(format!("{name}.log"))).expect("writable");
    let mut command = Command::new("sh");
    command.args(["-c", r#""$@" </dev/null & child=$!; cat >/dev/null; kill "$child"; wait "$child""#, "sh"]).arg(program);
    arguments(&mut command);
    command.current_dir(directory).stdin(Stdio::piped()).stdout(log.try_clone().expect("a file")).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// Ports that are free: all are held until each is known.
fn ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("bound").port())
}

/// An authority, the server's certificate, keys for service accounts, and who has which token.
fn certificates(directory: &Path) {
    let write = |name: &str, text: String| {
        let mut file = fs::File::create(directory.join(name)).expect("writable");
        file.write_all(text.as_bytes()).expect("writable");
    };
    let key = || KeyPair::generate().expect("a key");

    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "test-ca");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = key();
    write("ca.crt", authority.self_signed(&authority_key).expect("a certificate").pem());
    let authority = Issuer::new(authority, authority_key);

    let mut server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_key = key();
    write("server.crt", server.signed_by(&server_key, &authority).expect("a certificate").pem());
    write("server.key", server_key.serialize_pem());

    let accounts = key();
    write("accounts.key", accounts.serialize_pem());
    write("accounts.pub", accounts.public_key_pem());
    write("tokens.csv", format!("{},{ADMIN},{ADMIN},system:masters\n", token(ADMIN)));
}
