//! Random networks: what validates is made, found again and removed by servers that know nothing of our rules; what is refused, a
//! server refuses too.
//!
//! `RANDOM_NETWORKS=10000 cargo test --test networks` draws as many; `-- --ignored` makes them on moto.

mod common;
#[path = "common/moto.rs"]
mod moto;

use std::collections::BTreeMap;

use aws_sdk_ec2::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};
use common::KEYS;
use eks_core::{Owner, SpecError, Verdict};
use eks_examples::account::Account;
use eks_net::{Nat, NetworkSpec, NetworkSpecBuilder, Networks, Rule, SecurityGroup, Subnet};

type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

const ZONES: [&str; 4] = ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"];

/// Rules that no EC2 call knows, by code, and whose they are.
const NOT_EC2: [(&str, &str); 3] = [
    ("zones-too-few", "EKS user guide, Networking requirements: subnets in at least two Availability Zones"),
    ("nat-no-public", "VPC user guide, NAT gateways: a public one is made in a public subnet"),
    ("nat-zone", "VPC user guide, NAT gateways: a public one is made in a public subnet"),
];

/// SplitMix64: every network can be drawn again by its number.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(limit)).expect("below a u32")
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(u32::try_from(all.len()).expect("few")) as usize]
    }

    fn block(&mut self, within: u32, length: u8) -> String {
        let network = u64::from(within) & (u64::MAX << (32 - length));
        format!("{}/{length}", std::net::Ipv4Addr::from(u32::try_from(network).expect("32 bits")))
    }
}

/// A network as a user might ask for it: near enough to a fine one that about half of them are.
struct Asked {
    vpc: String,
    subnets: Vec<(bool, &'static str, String)>,
    builder: NetworkSpecBuilder,
}

fn asked(number: u64) -> Asked {
    let mut draw = Draw(number);
    let owner = Owner::new(format!("random-{number}")).expect("a fine name");
    let base = draw.of(&[0x0a00_0000_u32, 0x0a20_0000, 0xac10_0000, 0xc0a8_0000, 0x6440_0000]);
    let size = if draw.below(12) == 0 { draw.of(&[14, 15, 29]) } else { u8::try_from(16 + draw.below(9)).expect("small") };
    let vpc = draw.block(base, size);
    let mut builder = NetworkSpec::builder(&owner, &vpc);
    let mut subnets = Vec::new();
    // Slots of one size side by side; now and then one is taken already, or lies outside.
    let length = (size + 2 + u8::try_from(draw.below(3)).expect("small")).min(28 + u8::from(draw.below(10) == 0));
    for name in 0..2 + draw.below(4) {
        let step = 1_u64 << (32 - length.min(32));
        let slot = match draw.below(20) {
            0 | 1 => draw.below(3) + 64,
            2 => name.saturating_sub(1),
            _ => name,
        };
        let at = u64::from(base) + u64::from(slot) * step;
        let cidr = draw.block(u32::try_from(at).expect("far from the end"), length);
        let (public, zone) = (draw.below(2) == 0, draw.of(&ZONES));
        let subnet = if public { Subnet::public(zone, &cidr) } else { Subnet::private(zone, &cidr) };
        builder = builder.subnet(subnet.named(format!("n{name}")));
        subnets.push((public, zone, cidr));
    }
    for group in 0..draw.below(3) {
        let port = u16::try_from(1 + draw.below(65_000)).expect("a port");
        let from = draw.of(&["10.0.0.0/8", "0.0.0.0/0", "98.234.106.21/32"]);
        let rules =
            SecurityGroup::new(format!("group-{group}"), "random").allow(Rule::tcp(port).from_cidr(from)).allow(Rule::all().from_self());
        builder = builder.security_group(rules);
    }
    let nat = match draw.below(4) {
        0 => Nat::Single,
        1 => Nat::PerZone,
        _ => Nat::None,
    };
    Asked { vpc, subnets, builder: builder.nat(nat) }
}

/// Makes it, plans again, and takes it away.
async fn comes_and_goes(account: &Account, spec: &NetworkSpec) -> Done {
    let networks = Networks::new(account.config());
    let engine = account.engine().driver(networks.clone());
    let plan = networks.plan(spec).await?;
    let report = plan.apply(&engine).await.map_err(|error| format!("{error}\n{plan}"))?;
    assert!(report.is_complete(), "{plan}");
    let again = networks.plan(spec).await?;
    assert_eq!(again.changes().count(), 0, "{again}");
    let ending = networks.teardown(spec.owner()).await?.apply(&engine).await?;
    assert_eq!(ending.verdict, Verdict::Clean, "{}", ending.verdict);
    Ok(())
}

/// Asks a server for the blocks, call by call, as they were given: the code with which it refuses one of them, if it does.
async fn refused_by(client: &Client, asked: &Asked) -> Done<Option<String>> {
    let code = |error: &aws_sdk_ec2::error::ErrorMetadata| error.code().unwrap_or("no code").to_owned();
    let vpc = match client.create_vpc().cidr_block(&asked.vpc).send().await {
        Ok(answer) => answer.vpc().and_then(|vpc| vpc.vpc_id()).ok_or("no id")?.to_owned(),
        Err(error) => return Ok(Some(code(error.meta()))),
    };
    let (mut made, mut refusal) = (Vec::new(), None);
    for (_, zone, cidr) in &asked.subnets {
        match client.create_subnet().vpc_id(&vpc).cidr_block(cidr).availability_zone(*zone).send().await {
            Ok(answer) => made.extend(answer.subnet().and_then(|subnet| subnet.subnet_id()).map(str::to_owned)),
            Err(error @ SdkError::ServiceError(_)) => refusal = Some(code(error.meta())),
            Err(error) => return Err(error.into()),
        }
    }
    for subnet in made {
        client.delete_subnet().subnet_id(subnet).send().await?;
    }
    client.delete_vpc().vpc_id(vpc).send().await?;
    Ok(refusal)
}

/// Whether a refusal of ours stands: a server's, or a rule that is not EC2's and is documented.
async fn stands(client: &Client, asked: &Asked, ours: &SpecError) -> Done {
    if ours.problems.iter().all(|problem| NOT_EC2.iter().any(|(code, _)| *code == problem.code)) {
        return Ok(());
    }
    let theirs = refused_by(client, asked).await?;
    let blocks: Vec<_> = asked.subnets.iter().map(|(_, zone, cidr)| format!("{cidr} in {zone}")).collect();
    assert!(theirs.is_some(), "the server takes {} with {}, and we say:\n{ours}", asked.vpc, blocks.join(", "));
    Ok(())
}

fn count(by_default: u64) -> u64 {
    std::env::var("RANDOM_NETWORKS").map_or(by_default, |count| count.parse().expect("a number"))
}

/// Draws networks from `first` on; tells how many were fine, and how often each rule was broken.
async fn run(account: &Account, numbers: std::ops::Range<u64>) -> Done<(u64, BTreeMap<&'static str, u64>)> {
    let client = Client::new(account.config());
    let (mut fine, mut broken) = (0, BTreeMap::new());
    for number in numbers {
        let asked = asked(number);
        match asked.builder.clone().build() {
            Ok(spec) => {
                comes_and_goes(account, &spec).await.map_err(|error| format!("network {number}: {error}"))?;
                fine += 1;
            }
            Err(error) => {
                stands(&client, &asked, &error).await.map_err(|error| format!("network {number}: {error}"))?;
                error.problems.iter().for_each(|problem| *broken.entry(problem.code).or_default() += 1);
            }
        }
    }
    Ok((fine, broken))
}

#[expect(clippy::print_stdout, reason = "how much was tried is worth knowing")]
fn worth_it(fine: u64, broken: &BTreeMap<&'static str, u64>, of: u64) {
    println!("{of} networks: {fine} came and went, rules broken by the others: {broken:?}");
    assert!(fine >= of / 5, "{fine} of {of} fine");
    for code in ["subnet-outside", "subnet-overlap", "vpc-size"] {
        assert!(broken.contains_key(code), "{code} was never broken");
    }
}

#[tokio::test(start_paused = true)]
async fn on_the_simulator() -> Done {
    let numbers = count(100);
    let (mut fine, mut broken) = (0, BTreeMap::new());
    // A new account for every hundred, so that the log does not grow without end.
    for first in (0..numbers).step_by(100) {
        let (more, codes) = run(&Account::simulated(), first..numbers.min(first + 100)).await?;
        fine += more;
        codes.into_iter().for_each(|(code, times)| *broken.entry(code).or_default() += times);
    }
    worth_it(fine, &broken, numbers);
    Ok(())
}

#[tokio::test]
#[ignore = "needs Python 3 and PyPI; run by .ci/run and by `cargo test --test networks -- --ignored`"]
async fn on_moto() -> Done {
    let server = moto::moto();
    let account = Account::keyed(&server.url, 1000.0, KEYS[0].1, KEYS[1].1).await;
    let numbers = count(150);
    let (fine, broken) = run(&account, 0..numbers).await?;
    worth_it(fine, &broken, numbers);
    Ok(())
}
