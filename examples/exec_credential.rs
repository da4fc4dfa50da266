//! A credential plugin for kubectl and every other client of client-go: `cargo run --example exec-credential -- --cluster-name shop`.
//!
//! It prints a token as `aws eks get-token` does, without Python: "client-go credential plugins" in Kubernetes' documentation says
//! what goes in (KUBERNETES_EXEC_INFO) and what comes out (ExecCredential). A kubeconfig for it is what
//! `eks_cluster::ExecPlugin::Program` writes.

use std::{
    io::Write,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::Parser;
use eks_cluster::{AssumeRole, AssumeRoleBuilder, Token, TokenSigner};
use eks_core::{ClusterName, RoleArn};
use eks_examples::{account::Account, environment::Failure};
use serde_json::{Value, json};

const GROUP: &str = "client.authentication.k8s.io";

/// Prints a token for a cluster as an ExecCredential.
#[derive(Debug, Parser)]
#[command(name = "exec-credential")]
struct Options {
    /// The cluster's name.
    #[arg(long)]
    cluster_name: ClusterName,
    /// The cluster's Region. Default: the environment's.
    #[arg(long)]
    region: Option<String>,
    /// A role to assume.
    #[arg(long)]
    role_arn: Option<RoleArn>,
    /// The name of the role's session.
    #[arg(long, requires = "role_arn")]
    session_name: Option<String>,
    /// What the role's trust policy asks for.
    #[arg(long, requires = "role_arn")]
    external_id: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        // kubectl shows what a plugin writes here.
        Err(error) => {
            let mut line = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                line = format!("{line}: {cause}");
                source = cause.source();
            }
            let _ = writeln!(std::io::stderr(), "exec-credential: {line}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    let version = version(std::env::var("KUBERNETES_EXEC_INFO").ok().as_deref())?;
    let account = Account::aws_in(options.region.as_deref()).await;
    let config = match &options.role_arn {
        None => account.config().clone(),
        Some(role) => {
            let mut builder = AssumeRole::builder(role);
            builder = options.session_name.iter().fold(builder, AssumeRoleBuilder::session_name);
            builder = options.external_id.iter().fold(builder, AssumeRoleBuilder::external_id);
            builder.build()?.config(account.config())
        }
    };
    let token = TokenSigner::new(&config, &options.cluster_name)?.token().await?;
    writeln!(std::io::stdout(), "{}", credential(version, &token))?;
    Ok(())
}

/// The version that the client asks for; `v1beta1` if it does not say, as clients before Kubernetes 1.20.
fn version(info: Option<&str>) -> Result<&'static str, Failure> {
    let Some(info) = info.filter(|info| !info.is_empty()) else { return Ok("v1beta1") };
    let info: Value = serde_json::from_str(info).map_err(|error| format!("KUBERNETES_EXEC_INFO is no JSON: {error}"))?;
    let asked = info["apiVersion"].as_str().unwrap_or_default();
    let known =
        ["v1", "v1beta1"].into_iter().find(|version| asked.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/')) == Some(version));
    known.ok_or_else(|| format!("KUBERNETES_EXEC_INFO asks for {asked:?}; known are {GROUP}/v1 and {GROUP}/v1beta1").into())
}

fn credential(version: &str, token: &Token) -> Value {
    json!({
        "kind": "ExecCredential",
        "apiVersion": format!("{GROUP}/{version}"),
        "spec": {},
        "status": {"expirationTimestamp": timestamp(token.expires_at()), "token": token.secret()},
    })
}

/// RFC 3339, whole seconds.
fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or(i64::MAX)).unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_says_which_version() {
        let info = |version: &str| format!(r#"{{"apiVersion":"{version}","kind":"ExecCredential","spec":{{"interactive":false}}}}"#);
        assert_eq!(version(Some(&info("client.authentication.k8s.io/v1"))).unwrap(), "v1");
        assert_eq!(version(Some(&info("client.authentication.k8s.io/v1beta1"))).unwrap(), "v1beta1");
        assert_eq!(version(None).unwrap(), "v1beta1");
        for wrong in [info("client.authentication.k8s.io/v1alpha1"), info("v1"), "{".to_owned()] {
            assert!(version(Some(&wrong)).is_err(), "{wrong}");
        }
    }

    /// `aws eks get-token` prints `2026-11-22T12:48:56Z`.
    #[test]
    fn times_are_whole_seconds_in_utc() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_351_736_789);
        assert_eq!(timestamp(time), "2026-11-22T12:48:56Z");
    }
}
