//! CIDR planning: a VPC's layout by zone and tier, how it grows, what is left, and what is refused before anything is called.
//!
//! `cargo run --example cidr` makes no call at all; nothing here needs a feature of `eks-net`.

use std::process::ExitCode;

use clap::Parser;
use eks_core::Owner;
use eks_examples::{
    environment::Failure,
    program::{ended, heading, say},
};
use eks_net::{InterfaceLimits, IpBudget, NetworkSpec, NetworkSpecBuilder, SubnetGroup, check_association, usable_addresses};

/// Lays out a VPC, lets it grow, and shows what would be refused. No call is made.
#[derive(Debug, Parser)]
struct Options {
    /// The VPC's block.
    #[arg(long, default_value = "10.8.0.0/16")]
    cidr: String,
    /// Nodes in each zone.
    #[arg(long, default_value_t = 20)]
    nodes: u32,
    /// Their type.
    #[arg(long, default_value = "m7g.large")]
    instance_type: String,
}

fn main() -> ExitCode {
    ended(cidr(&Options::parse()))
}

fn cidr(options: &Options) -> Result<(), Failure> {
    let limits = InterfaceLimits::of(&options.instance_type).ok_or("the type's limits are not in the table: try m7g.large")?;
    let budget = IpBudget::new().nodes(limits, options.nodes).surge(2).load_balancers(2);
    heading(format!("What a zone needs with {} × {} in it", options.nodes, options.instance_type));
    say(budget.to_string().trim_end());

    let owner = Owner::new("shop")?;
    let layout = |zones: &[&str]| -> NetworkSpecBuilder {
        NetworkSpec::builder(&owner, &options.cidr)
            .only_groups()
            .zones(zones.iter().copied())
            .group(SubnetGroup::public(24))
            .group(SubnetGroup::private(budget.clone()))
            .group(SubnetGroup::intra(26).named("database"))
            .must_not_overlap("the office", "10.0.0.0/16")
            .must_not_overlap("services of Kubernetes", "172.20.0.0/16")
    };
    let two = layout(&["us-east-1a", "us-east-1b"]).build()?;
    heading("Two zones");
    table(&two, None);

    let three = layout(&["us-east-1a", "us-east-1b", "us-east-1c"]).build()?;
    heading("A third zone: no subnet moves, as room for six was kept");
    table(&three, Some(&two));

    heading("Refused, before anything is called");
    let clash = layout(&["us-east-1a"]).must_not_overlap("the peered VPC", "10.8.128.0/17").build();
    let small = NetworkSpec::builder(&owner, "10.8.0.0/22").zones(["us-east-1a", "us-east-1b"]).private_prefix(23).build();
    let sloppy = NetworkSpec::builder(&owner, "10.8.0.1/16").zones(["us-east-1a", "us-east-1b"]).build();
    for refused in [clash, small, sloppy].into_iter().filter_map(Result::err).flat_map(|error| error.problems) {
        say(format!("  ✗ {}: {}\n      → {}", refused.subject, refused.rule, refused.remedy));
    }
    for block in ["192.168.0.0/20", "10.8.0.0/20", "100.64.0.0/16"] {
        match check_association(&[two.cidr()], block.parse()?) {
            Ok(()) => say(format!("  ✓ {block} may be added to {}", two.cidr())),
            Err(refused) => say(format!("  ✗ {block} as a further block: {}\n      → {}", refused.rule, refused.remedy)),
        }
    }
    Ok(())
}

/// The subnets, with a mark at those that another layout does not have, and what is left.
fn table(network: &NetworkSpec, before: Option<&NetworkSpec>) {
    for subnet in network.subnets() {
        let new = before.is_some_and(|before| before.subnets().iter().all(|old| old.cidr != subnet.cidr));
        let name = subnet.name.as_deref().unwrap_or_default();
        let (mark, tier, usable) =
            (if new { '+' } else { ' ' }, format!("{:?}", subnet.tier).to_lowercase(), usable_addresses(subnet.cidr));
        say(format!("{mark} {:<11} {tier:<8} {name:<9} {:<16} {usable:>6} addresses", subnet.zone.as_str(), subnet.cidr.to_string()));
    }
    say(network.space().to_string().trim_end());
}
