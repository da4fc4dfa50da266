//! `eks-sim serve`: the simulator as a loopback server.

use std::net::SocketAddr;

use clap::{Parser, Subcommand};
use eks_sim::{Call, Sim, serve};

/// An offline AWS account and Kubernetes API.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve one account on loopback until SIGTERM or Ctrl-C.
    Serve {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:4510")]
        addr: SocketAddr,
        /// Simulated seconds for each real second.
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
        /// The Region of the account.
        #[arg(long, default_value = "us-east-1")]
        region: String,
        /// The quota of running On-Demand Standard instances, in vCPUs.
        #[arg(long, default_value_t = 5)]
        standard_vcpus: u32,
        /// Seeds service times and ids.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the line that tells a caller that the server is ready, and its log")]
async fn main() -> std::io::Result<()> {
    let Command::Serve { addr, speed, region, standard_vcpus, seed } = Arguments::parse().command;
    let complain = |call: &Call| {
        if call.is_unknown_action() {
            eprintln!("not simulated: {} {}", call.service, call.action);
        }
    };
    let sim = Sim::builder().region(region).standard_vcpus(standard_vcpus).seed(seed).speed(speed).on_call(complain).build();
    let server = serve(sim, addr).await?;
    println!("eks-sim ready on http://{}", server.address());
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}
