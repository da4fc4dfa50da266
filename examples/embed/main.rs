//! Embedding in a service: environments by HTTP, with a plan before anything is done, progress as server-sent events, cancellation,
//! and a verdict at the end.
//!
//! | request | answer |
//! |---|---|
//! | `POST /environments` | the plan, or every problem of what was asked for; nothing is done yet |
//! | `POST /environments/{owner}/run` | applies exactly this plan, in the background |
//! | `GET /environments/{owner}/events` | the run from its beginning, as server-sent events, as long as it lasts |
//! | `DELETE /environments/{owner}/run` | stops the run; what is done stays, and planning again continues |
//! | `DELETE /environments/{owner}` | takes everything down; the verdict |
//!
//! 409 is the answer to what cannot be done now: a second run, or anything while everything is taken down.
//!
//! `cargo run --example embed` serves on a port of its own on loopback, on the embedded simulator, is its own client, and ends;
//! `--listen 127.0.0.1:8080` serves until it is interrupted. There is no authentication: that is the service's you put it into.

mod client;
mod desk;
mod routes;

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use clap::Parser;
use eks_examples::{
    account::Account,
    environment::Failure,
    program::{Place, say},
};
use tokio::net::TcpListener;

use crate::desk::Desk;

/// Serves environments by HTTP.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    place: Place,
    /// Serve here until interrupted. On AWS, whoever reaches this address spends your money.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Be a client of its own service, show what it sees, and end. The default.
    #[arg(long, conflicts_with = "listen")]
    demo: bool,
}

/// Simulated seconds for each real one, where others are the clients.
const SPEED: f64 = 60.0;

fn main() -> ExitCode {
    let options = Options::parse();
    // In the demonstration no time passes on the wall: client and service share one thread, whose clock leaps when both wait.
    options.place.run_at(options.place.is_simulator() && options.listen.is_none(), async || serve(&options).await)
}

async fn serve(options: &Options) -> Result<(), Failure> {
    let account = match options.listen {
        None if !options.place.is_simulator() => return Err("the demonstration is for the simulator: give --listen".into()),
        Some(_) if options.place.is_simulator() => Account::hurried(options.place.simulator(), SPEED),
        _ => options.place.account().await?,
    };
    let listener = TcpListener::bind(options.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))).await?;
    let address = listener.local_addr()?;
    say(format!("listening on http://{address}"));

    let desk = Arc::new(Desk::new(&account).await?);
    let ends = desk.closing();
    let service = axum::serve(listener, routes::router(desk.clone())).with_graceful_shutdown(ends.cancelled_owned());
    let service = tokio::spawn(async move { service.await });
    let told = if options.listen.is_none() { client::tour(address).await } else { Ok(tokio::signal::ctrl_c().await?) };
    // Runs stop where they are; their clients hear so.
    desk.close().await;
    service.await??;
    told
}
