//! A planned network as a picture: `cargo run --example picture -- large --out large.svg`.

use std::{fs, io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use eks_core::Owner;
use eks_examples::environment::{self, Failure};
use eks_net::{Endpoints, Nat, NetworkSpec, Rule, SecurityGroup, SubnetGroup};

/// Draws a planned network. Nothing is called.
#[derive(Debug, Parser)]
#[command(name = "picture")]
struct Options {
    /// Which network.
    #[arg(value_enum, default_value_t = Which::Chapter)]
    network: Which,
    /// Mermaid text, for a page that GitHub or GitLab renders.
    #[arg(long, conflicts_with = "svg")]
    mermaid: bool,
    /// SVG, for a design document. The default.
    #[arg(long)]
    svg: bool,
    /// Write to this file. Default: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// The textbook's: two zones, four subnets, one NAT gateway.
    Chapter,
    /// A private cluster's: three zones, six subnets, no way out but VPC endpoints.
    Private,
    /// A platform's: six zones, thirty subnets, twelve security groups.
    Large,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let network = match options.network {
        Which::Chapter => environment::network(&Owner::new("chap10")?)?,
        Which::Private => private()?,
        Which::Large => large()?,
    };
    let picture = network.picture();
    let text = if options.mermaid { picture.to_mermaid() } else { picture.to_svg() };
    match &options.out {
        Some(file) => fs::write(file, text)?,
        None => std::io::stdout().write_all(text.as_bytes())?,
    }
    Ok(())
}

fn private() -> Result<NetworkSpec, Failure> {
    Ok(NetworkSpec::builder(&Owner::new("payments")?, "10.20.0.0/16")
        .only_groups()
        .zones(["eu-central-1a", "eu-central-1b", "eu-central-1c"])
        .group(SubnetGroup::private(19))
        .group(SubnetGroup::intra(24))
        .nat(Nat::None)
        .endpoints(Endpoints::private_cluster())
        .security_group(
            SecurityGroup::new("nodes", "Workers").allow(Rule::all().from_self()).allow(Rule::tcp(10250).from_group("control-plane")),
        )
        .security_group(SecurityGroup::new("control-plane", "EKS control plane").allow(Rule::tcp(443).from_group("nodes")))
        .security_group(SecurityGroup::new("database", "PostgreSQL").allow(Rule::tcp(5432).from_group("nodes")))
        .build()?)
}

fn large() -> Result<NetworkSpec, Failure> {
    let zones = ["a", "b", "c", "d", "e", "f"].map(|letter| format!("us-east-1{letter}"));
    let mut builder = NetworkSpec::builder(&Owner::new("platform")?, "10.64.0.0/16")
        .only_groups()
        .zones(zones)
        .group(SubnetGroup::public(24))
        .group(SubnetGroup::private(20))
        .group(SubnetGroup::private(22).named("pods"))
        .group(SubnetGroup::intra(24).named("database"))
        .group(SubnetGroup::intra(26))
        .nat(Nat::PerZone);
    // A group, who may come in, and by which port.
    let services: [(&str, &[&str], u16); 11] = [
        ("edge", &["0.0.0.0/0"], 443),
        ("bastion", &["198.51.100.0/24"], 22),
        ("nodes", &["bastion"], 22),
        ("api", &["edge", "nodes"], 8443),
        ("workers", &["api"], 9000),
        ("database-primary", &["api", "workers"], 5432),
        ("database-replica-for-reporting", &["reporting"], 5432),
        ("cache", &["api", "workers"], 6379),
        ("streams", &["workers"], 9092),
        ("reporting", &["edge"], 8080),
        ("metrics", &["nodes", "reporting"], 9090),
    ];
    for (name, sources, port) in services {
        let rules = sources.iter().map(|source| match source.contains('/') {
            true => Rule::tcp(port).from_cidr(source),
            false => Rule::tcp(port).from_group(*source),
        });
        let group = rules.fold(SecurityGroup::new(name, format!("{name} of the platform")), SecurityGroup::allow);
        builder = builder.security_group(if name == "nodes" { group.allow(Rule::all().from_self()) } else { group });
    }
    Ok(builder
        .security_group(SecurityGroup::new("eks-control-plane", "EKS control plane").allow(Rule::tcp(443).from_group("nodes")))
        .build()?)
}
