//! What the crates never do (docs/security.md): over all layers, where one crate's tests could not see it.

use std::{
    error::Error,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use aws_credential_types::provider::ProvideCredentials;
use eks_cluster::{ClusterAccess, Clusters, Connector, TokenSigner};
use eks_core::ClusterName;
use eks_examples::{
    account::Account,
    environment::{Environment, Layer, Variant},
};
use eks_sim::{Sim, serve};

use crate::flow::{Done, Failure, scope, text};

/// What would let somebody in: the account's secret key, and what every EKS token and every signed URL has in it.
async fn secrets(sim: &Sim) -> Result<Vec<String>, Failure> {
    let key = sim.credentials().provide_credentials().await?.secret_access_key().to_owned();
    Ok(vec![key, "k8s-aws-v1.".to_owned(), "X-Amz-Signature".to_owned(), "X-Amz-Credential".to_owned()])
}

/// Everything that a run of the chapter shows, saves and tells, a refused run included.
#[tokio::test(start_paused = true)]
async fn nothing_shown_saved_or_told_is_a_secret() -> Done {
    let sim = Sim::new();
    let account = Account::on(sim.clone());
    let environment = Environment::new(&Variant::default(), &account)?;
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let tell = |text: String| told.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    let heard = told.clone();
    let engine = environment.engine().observer(move |event| {
        let event = format!("{event:?} {}", serde_json::to_string(event).unwrap_or_default());
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    });
    let plan = environment.plan().await?;
    tell(format!("{plan} {plan:?} {}", plan.to_json()?));
    tell(plan.policy(&scope()).to_string());
    // Without a permission, so that there are errors to look at.
    let less = plan.policy(&scope()).statements().iter().find(|one| one.actions.contains("eks:CreateCluster")).map(|one| one.sid.clone());
    sim.enforce(plan.policy(&scope()).without(&less.ok_or("a statement")?).documents()?)?;
    let refused = plan.apply(&engine).await.err().ok_or("it cannot be applied")?;
    tell(format!("{refused} {refused:?} {}", text(&refused)));
    sim.trust();
    let report = environment.plan().await?.apply(&engine).await?;
    tell(format!("{report:?}"));
    let signer = TokenSigner::new(account.config(), &ClusterName::new("chap10")?)?;
    let token = signer.token().await?;
    tell(format!("{token:?} {signer:?} {:?} {environment:?} {engine:?}", account.connector()));
    let teardown = environment.teardown().await?;
    tell(format!("{teardown} {teardown:?} {}", serde_json::to_string(&teardown)?));
    tell(format!("{:?}", teardown.apply(&engine).await?));

    let mut secrets = secrets(&sim).await?;
    secrets.push(token.secret().to_owned());
    let told = told.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(told.len() > 100, "a run tells of each step: {}", told.len());
    for secret in secrets {
        let shown = told.iter().find(|text| text.contains(&secret));
        assert!(shown.is_none(), "{secret} is shown: {shown:?}");
    }
    Ok(())
}

/// A cluster of the served simulator, as AWS tells it, and as it is told while it listens here.
async fn served(sim: &Sim) -> Result<(ClusterAccess, ClusterAccess, eks_sim::Server), Failure> {
    let account = Account::on(sim.clone());
    let variant = Variant { top: Layer::Cluster, addons: false, ..Variant::default() };
    let environment = Environment::new(&variant, &account)?;
    environment.plan().await?.apply(&environment.engine().speed(1000.0)).await?;
    let (clusters, name) = (Clusters::new(account.config()), ClusterName::new("chap10")?);
    let before = clusters.access(&name).await?.ok_or("a cluster")?;
    let server = serve(sim.clone(), "127.0.0.1:0".parse()?).await?;
    let now = clusters.access(&name).await?.ok_or("a cluster")?;
    Ok((before, now, server))
}

/// TLS with the cluster's own certificate authority, and with no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_trusted_by_its_own_authority_alone() -> Done {
    let sim = Sim::builder().speed(1000.0).build();
    let (before, now, _server) = served(&sim).await?;
    assert_ne!(before.certificate_authority, now.certificate_authority, "two authorities");
    // A token is judged by the real calendar there.
    let config = sim.sdk_config().to_builder().time_source(aws_smithy_async::time::SystemTimeSource::new()).build();
    let connector = Connector::new(&config);
    connector.connect(&now)?.apiserver_version().await?;
    let mut foreign = now.clone();
    foreign.certificate_authority = before.certificate_authority;
    let refused = connector.connect(&foreign)?.apiserver_version().await.err().ok_or("it is trusted by a foreign authority")?;
    let mut why = refused.to_string();
    let mut source = refused.source();
    while let Some(cause) = source {
        why.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    assert!(why.contains("certificate"), "{why}");
    Ok(())
}

/// Lines of the layer crates' and eks-env's sources, tests and comments aside, that have one of these words: file and line. eks-view is there
/// to print, where it is asked to.
fn lines_with(words: &[&str]) -> Result<Vec<String>, Failure> {
    fn read(directory: &Path, words: &[&str], found: &mut Vec<String>) -> Done {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                read(&path, words, found)?;
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                let source = std::fs::read_to_string(&path)?;
                let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                let wrong = lines.filter(|line| words.iter().any(|word| line.contains(word)));
                found.extend(wrong.map(|line| format!("{}: {}", path.display(), line.trim())));
            }
        }
        Ok(())
    }
    let root = workspace()?;
    let mut found = Vec::new();
    for name in ["eks-core", "eks-net", "eks-cluster", "eks-nodes", "eks-k8s", "eks-env"] {
        read(&root.join(name).join("src"), words, &mut found)?;
    }
    let root = format!("{}/", root.display());
    let mut found: Vec<_> = found.iter().map(|line| line.replacen(&root, "", 1)).collect();
    found.sort();
    Ok(found)
}

fn workspace() -> Result<&'static Path, Failure> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("a workspace")?)
}

/// Nothing in our sources could switch the verification of certificates off.
#[test]
fn no_source_switches_verification_off() -> Done {
    let found = lines_with(&["accept_invalid", "dangerous()", "ServerCertVerifier", "insecure_skip", "danger_accept"])?;
    assert!(found.is_empty(), "{found:?}");
    Ok(())
}

/// Nothing is printed, no file is written but a kubeconfig (its lock, and a new file that takes its place), and of the environment nothing is
/// read but where the kubeconfig is.
#[test]
fn no_source_prints_or_writes_a_file() -> Done {
    const PRINTS: [&str; 7] = ["println!(", "print!(", "dbg!(", "stdout(", "stderr(", "anstream::", "console::"];
    const WRITES: [&str; 8] =
        ["fs::write(", "File::create", "File::options", "OpenOptions::new", "fs::rename(", "fs::copy(", "fs::create_dir", "fs::hard_link("];
    const READS: [&str; 2] = ["env::var", "env::set_var"];
    let found = lines_with(&[&PRINTS[..], &WRITES, &READS].concat())?;
    let file = "eks-cluster/src/kubeconfig/file.rs: ";
    let allowed = [
        "fs::rename(&self.0, target)?;",
        "let mut options = OpenOptions::new();",
        "let named = env::var_os(\"KUBECONFIG\").map(|paths| env::split_paths(&paths).collect::<Vec<_>>()).unwrap_or_default();",
        "match OpenOptions::new().write(true).create_new(true).open(&lock) {",
    ];
    assert_eq!(found, allowed.map(|line| format!("{file}{line}")));
    Ok(())
}
