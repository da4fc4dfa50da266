//! The command line.

use std::path::PathBuf;

use clap::Parser;
use eks_examples::{
    account::Account,
    environment::{Auth, Failure, Layer, Variant},
    program::{Place, SERVER_SPEED},
    seeing::Show,
};

/// Builds the environment of the chapter from one plan, plans again, and tears it down.
///
/// On a server at --endpoint-url the layer k8s needs a cluster whose endpoint this machine reaches, which most such servers do not have.
#[derive(Debug, Parser)]
#[command(name = "chapter")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print the plan and stop.
    #[arg(long)]
    pub(crate) plan: bool,
    /// Do not tear down.
    #[arg(long)]
    pub(crate) keep: bool,
    /// End with one JSON object on the last line of standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// How progress is shown on standard error.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) progress: Show,
    /// Write a page about the run to this file: one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// The owner of everything that is made; also the name of the cluster.
    #[arg(long, default_value = "chap10")]
    pub(crate) owner: String,
    /// How many times faster than AWS the server at --endpoint-url is: polls and retries come sooner by that.
    #[arg(long, default_value_t = SERVER_SPEED, requires = "endpoint_url")]
    pub(crate) speed: f64,
    /// Which layers; each needs those before it.
    #[arg(long, value_delimiter = ',', default_value = "net,cluster,nodes,k8s")]
    layers: Vec<Layer>,
    /// How principals enter the cluster: access entries beside aws-auth, or aws-auth alone as in 2018.
    #[arg(long, value_enum, default_value_t = Auth::Api)]
    auth: Auth,
    /// Without EKS add-ons: EKS installs its self-managed CNI, DNS and proxy; no persistent volumes.
    #[arg(long)]
    no_addons: bool,
}

impl Options {
    /// The variant of the environment that is wanted.
    ///
    /// # Errors
    /// If a layer is left out that another needs, or the account has no two zones.
    pub(crate) async fn variant(&self, account: &Account) -> Result<Variant, Failure> {
        const ALL: [Layer; 4] = [Layer::Net, Layer::Cluster, Layer::Nodes, Layer::K8s];
        let mut layers = self.layers.clone();
        layers.sort_unstable();
        layers.dedup();
        let Some(&top) = layers.last().filter(|_| ALL.starts_with(&layers)) else {
            return Err("each layer needs those before it: net, net,cluster, net,cluster,nodes or net,cluster,nodes,k8s".into());
        };
        let (owner, addons) = (self.owner.clone(), !self.no_addons);
        Ok(Variant { owner, top, auth: self.auth, addons, ..Variant::of(account).await? })
    }
}
