//! The command line.

use std::path::PathBuf;

use clap::Parser;
use eks_cluster::KubernetesVersion;
use eks_examples::{
    account::Account,
    environment::{Auth, Failure, Variant},
    program::Place,
    seeing::Show,
};

/// Upgrades the environment of the chapter by one minor version: the control plane, then the workers, replaced gently.
///
/// Without --aws it builds the environment on the embedded simulator first; on AWS, `chapter --keep --aws` has made it.
#[derive(Debug, Parser)]
#[command(name = "upgrade")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The version to upgrade to; from the one before it.
    #[arg(long, default_value = "1.36")]
    pub(crate) to: KubernetesVersion,
    /// Lets the process die before this call of the upgrade, and begins anew. On the simulator only.
    #[arg(long, value_name = "CALL", conflicts_with_all = ["aws", "endpoint_url"])]
    pub(crate) kill_after: Option<u64>,
    /// Show whole plans, with what stays as it is and every IAM action.
    #[arg(long)]
    pub(crate) details: bool,
    /// End with one JSON object on the last line of standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// How progress is shown on standard error.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) progress: Show,
    /// Write a page about the upgrade to this file: one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// The owner of the environment; also the name of the cluster.
    #[arg(long, default_value = "chap10")]
    pub(crate) owner: String,
    /// How many workers.
    #[arg(long, default_value_t = 2)]
    pub(crate) nodes: u32,
    /// How principals enter the cluster: access entries beside aws-auth, or aws-auth alone as in 2018.
    #[arg(long, value_enum, default_value_t = Auth::Api)]
    auth: Auth,
}

impl Options {
    /// The version before.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn from(&self) -> Result<KubernetesVersion, String> {
        self.to.previous().ok_or_else(|| format!("no version comes before {}", self.to))
    }

    /// The environment as it is, of the version before, and as it is to be: with other workers, whose stack's name tells the version.
    ///
    /// # Errors
    /// If no version comes before, or the account has no two zones.
    pub(crate) async fn variants(&self, account: &Account) -> Result<[Variant; 2], Failure> {
        let (owner, version) = (self.owner.clone(), self.from()?);
        let before = Variant { owner, auth: self.auth, nodes: self.nodes, version, ..Variant::of(account).await? };
        let after = Variant { version: self.to, workers: format!("v{}", self.to.minor()), ..before.clone() };
        Ok([before, after])
    }
}
