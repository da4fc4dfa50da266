//! The command line.

use std::path::PathBuf;

use clap::Parser;
use eks_examples::{
    environment::{Auth, Layer, Variant},
    seeing::Show,
};

/// Builds the environment of the chapter from one plan, plans again, and tears it down.
///
/// Without --aws or --endpoint-url it runs on the embedded simulator: no account, no network, no cost.
#[derive(Debug, Parser)]
#[command(name = "chapter")]
pub(crate) struct Options {
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
    /// Use a server that speaks AWS's protocols, such as `eks-sim serve` or moto, with the credentials of the environment. The layer
    /// k8s needs a cluster whose endpoint this machine reaches, which such servers do not have.
    #[arg(long, value_name = "URL", conflicts_with = "aws")]
    endpoint_url: Option<String>,
    /// How many times faster than AWS the server at --endpoint-url is: polls and retries come sooner by that.
    #[arg(long, default_value_t = 100.0, requires = "endpoint_url")]
    speed: f64,
    /// Use AWS, with the default credential chain. The plan is shown and must be confirmed.
    #[arg(long)]
    aws: bool,
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

/// Where it runs.
pub(crate) enum Place<'a> {
    Simulator,
    Server { url: &'a str, speed: f64 },
    Aws,
}

impl Options {
    pub(crate) fn place(&self) -> Place<'_> {
        match &self.endpoint_url {
            Some(url) => Place::Server { url, speed: self.speed },
            None if self.aws => Place::Aws,
            None => Place::Simulator,
        }
    }

    /// The variant of the environment that is wanted.
    ///
    /// # Errors
    /// If a layer is left out that another needs.
    pub(crate) fn variant(&self) -> Result<Variant, String> {
        const ALL: [Layer; 4] = [Layer::Net, Layer::Cluster, Layer::Nodes, Layer::K8s];
        let mut layers = self.layers.clone();
        layers.sort_unstable();
        layers.dedup();
        match layers.last() {
            Some(&top) if ALL.starts_with(&layers) => {
                Ok(Variant { owner: self.owner.clone(), top, auth: self.auth, addons: !self.no_addons, ..Variant::default() })
            }
            _ => Err("each layer needs those before it: net, net,cluster, net,cluster,nodes or net,cluster,nodes,k8s".to_owned()),
        }
    }
}
