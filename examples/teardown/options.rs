//! The command line.

use std::path::PathBuf;

use clap::Parser;
use eks_core::ClusterName;
use eks_examples::{owned::Choices, program::Place, seeing::Show};
use eks_k8s::Unanswered;
use eks_net::leftovers::Handling;

/// Takes down everything of one owner's, found from nothing but the account, and proves that nothing is left, or tells what is.
///
/// Without --aws or --endpoint-url it builds the chapter's environment on the embedded simulator first: no account, no network, no cost. Ends with 0 if
/// nothing is left, with 2 if something is, and with 1 on an error.
#[derive(Debug, Parser)]
#[command(name = "teardown")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Whose things are to go.
    #[arg(long)]
    pub(crate) owner: String,
    /// List everything, and stop.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How progress is shown on standard error.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) progress: Show,
    /// Write a page about the teardown to this file: one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// The cluster, where the account tells of several, or nothing tells of it any more.
    #[arg(long, value_name = "NAME")]
    cluster: Option<ClusterName>,
    /// Switch deletion protection off, if it is on. Without this a protected cluster stays, and so does everything else.
    #[arg(long)]
    unprotect: bool,
    /// Tell of load balancers, interfaces and groups that Kubernetes did not let go of, instead of removing those that are provably of the
    /// owner's cluster.
    #[arg(long)]
    tell: bool,
    /// Go on where the API server of the cluster does not answer, and look in AWS for what the cluster made there. Without this the cluster
    /// stays then, and so does everything below it.
    #[arg(long)]
    leave_to_aws: bool,
    /// On the simulator: let people and dead controllers make it hard.
    #[arg(long, conflicts_with_all = ["aws", "endpoint_url"])]
    pub(crate) mess: bool,
    /// On the simulator: build nothing first.
    #[arg(long, conflicts_with_all = ["aws", "endpoint_url", "mess"])]
    pub(crate) empty: bool,
    /// On the simulator: API servers of clusters are not reached from here.
    #[arg(long, conflicts_with_all = ["aws", "endpoint_url"])]
    pub(crate) unreachable: bool,
}

impl Options {
    pub(crate) fn choices(&self) -> Choices {
        Choices {
            cluster: self.cluster.clone(),
            unprotect: self.unprotect,
            leftovers: if self.tell { Handling::Tell } else { Handling::Remove },
            unanswered: if self.leave_to_aws { Unanswered::leave_to_aws() } else { Unanswered::Hold },
        }
    }
}
