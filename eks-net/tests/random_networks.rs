//! Random networks against a checker that knows nothing of ours but the rules, and finds places by trying every one.

use std::collections::BTreeSet;

use eks_core::{Owner, Tier};
use eks_net::{Nat, NetworkSpec, Size, Subnet, SubnetGroup};
use proptest::prelude::*;

const ZONES: [&str; 9] =
    ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f", "us-east-1a", "us-west-2a", "us-east-1"];

/// A block as its first address and prefix length; the address may have host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block(u32, u8);

impl Block {
    fn text(self) -> String {
        format!("{}/{}", std::net::Ipv4Addr::from(self.0), self.1)
    }

    fn end(self) -> u64 {
        u64::from(self.0) + (1_u64 << (32 - self.1))
    }

    fn has_host_bits(self) -> bool {
        u64::from(self.0) % (1_u64 << (32 - self.1)) != 0
    }

    fn overlaps(self, other: Self) -> bool {
        u64::from(self.0) < other.end() && u64::from(other.0) < self.end()
    }

    fn inside(self, other: Self) -> bool {
        self.0 >= other.0 && self.end() <= other.end()
    }

    /// How many sixteens of addresses it has.
    fn sixteens(self) -> usize {
        1 << (28 - self.1)
    }

    /// The block that begins with one of its sixteens.
    fn part(self, sixteen: usize, prefix: u8) -> Self {
        Self(self.0 + u32::try_from(sixteen * 16).expect("inside a block"), prefix)
    }
}

#[derive(Clone, Debug)]
struct Explicit {
    tier: u8,
    zone: usize,
    block: Block,
    name: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Group {
    tier: u8,
    name: Option<&'static str>,
    size: Wanted,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Prefix(u8),
    Hosts(u32),
}

#[derive(Clone, Debug)]
struct Asked {
    vpc: Block,
    secondary: Vec<Block>,
    zones: Vec<usize>,
    capacity: Option<u8>,
    public: Option<u8>,
    private: Option<u8>,
    only_groups: bool,
    groups: Vec<Group>,
    explicit: Vec<Explicit>,
    apart: Vec<Block>,
}

const NAMES: [Option<&str>; 4] = [None, Some("database"), Some("pods"), Some("Not right")];

fn name() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![40 => Just(NAMES[0]), 30 => Just(NAMES[1]), 30 => Just(NAMES[2]), 1 => Just(NAMES[3])]
}

/// Blocks of a few neighbouring ranges, so that they often meet; some with host bits.
fn block(prefixes: std::ops::RangeInclusive<u8>) -> impl Strategy<Value = Block> {
    let bases = prop_oneof![
        80 => Just(0x0a20_0000_u32), 1 => Just(0x0a21_0000), 1 => Just(0x0a00_0000), 1 => Just(0xac10_0000), 1 => Just(0xc0a8_0000),
        1 => Just(0x6440_0000), 1 => Just(0xa9fe_0000), 1 => Just(0xc613_0000),
    ];
    (bases, any::<u16>(), prefixes, 0..100_u8).prop_map(|(base, at, prefix, exact)| {
        let size = 1_u64 << (32 - prefix);
        let at = if exact > 0 { u64::from(at) / size * size } else { u64::from(at) };
        Block(base | u32::try_from(at % 65_536).expect("16 bits"), prefix)
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let explicit = (0..3_u8, 0..7_usize, prop_oneof![1 => block(20..=29), 4 => block(25..=28)], name())
        .prop_map(|(tier, zone, block, name)| Explicit { tier, zone, block, name });
    let size = prop_oneof![
        1 => (15..=29_u8).prop_map(Wanted::Prefix),
        6 => (21..=28_u8).prop_map(Wanted::Prefix),
        3 => (0..1_000_u32).prop_map(Wanted::Hosts),
    ];
    let group = (0..3_u8, name(), size).prop_map(|(tier, name, size)| Group { tier, name, size });
    let zones = prop_oneof![
        20 => (2..=6_usize).prop_map(|count| (0..count).collect()),
        1 => (0..2_usize).prop_map(|count| (0..count).collect()),
        1 => proptest::collection::vec(0..ZONES.len(), 0..4),
    ];
    let vpc = prop_oneof![16 => Just(Block(0x0a20_0000, 16)), 5 => Just(Block(0x0a20_0000, 18)), 2 => block(15..=29)];
    let prefix = || proptest::option::of(20..=28_u8);
    let secondary =
        prop_oneof![8 => Just(Vec::new()), 1 => proptest::collection::vec(block(16..=29), 1..3), 1 => Just(vec![Block(0x6440_0000, 16)])];
    let apart = prop_oneof![12 => Just(Vec::new()), 1 => proptest::collection::vec(block(12..=30), 1..3)];
    let capacity = prop_oneof![8 => Just(None), 1 => (0..8_u8).prop_map(Some)];
    (
        (vpc, secondary, zones, capacity, prefix(), prefix()),
        (any::<bool>(), proptest::collection::vec(group, 0..3), proptest::collection::vec(explicit, 0..3), apart),
    )
        .prop_map(|((vpc, secondary, zones, capacity, public, private), (only_groups, groups, explicit, apart))| Asked {
            vpc,
            secondary,
            zones,
            capacity,
            public,
            private,
            only_groups,
            groups,
            explicit,
            apart,
        })
}

fn build(asked: &Asked) -> Result<NetworkSpec, eks_core::SpecError> {
    let owner = Owner::new("random").expect("a fine name");
    let mut builder = NetworkSpec::builder(&owner, asked.vpc.text()).nat(Nat::None).zones(asked.zones.iter().map(|zone| ZONES[*zone]));
    for block in &asked.secondary {
        builder = builder.secondary_cidr(block.text());
    }
    if let Some(capacity) = asked.capacity {
        builder = builder.zone_capacity(capacity);
    }
    if let Some(prefix) = asked.public {
        builder = builder.public_prefix(prefix);
    }
    if let Some(prefix) = asked.private {
        builder = builder.private_prefix(prefix);
    }
    if asked.only_groups {
        builder = builder.only_groups();
    }
    for group in &asked.groups {
        let size = match group.size {
            Wanted::Prefix(prefix) => Size::Prefix(prefix),
            Wanted::Hosts(hosts) => Size::Hosts(hosts),
        };
        let made = [SubnetGroup::public, SubnetGroup::private, SubnetGroup::intra][usize::from(group.tier)](size);
        builder = builder.group(match group.name {
            Some(name) => made.named(name),
            None => made,
        });
    }
    for explicit in &asked.explicit {
        let made =
            [Subnet::public, Subnet::private, Subnet::intra][usize::from(explicit.tier)](ZONES[explicit.zone], explicit.block.text());
        builder = builder.subnet(match explicit.name {
            Some(name) => made.named(name),
            None => made,
        });
    }
    for block in &asked.apart {
        builder = builder.must_not_overlap("elsewhere", block.text());
    }
    builder.build()
}

/// A subnet as the checker expects it: tier, zone, name, block.
type Expected = (u8, &'static str, Option<&'static str>, Block);

/// Rules that keep the checker from looking for places.
const BEFORE_PLACES: [&str; 11] = [
    "cidr-host-bits",
    "vpc-size",
    "secondary-size",
    "secondary-overlap",
    "subnet-name",
    "zone-form",
    "zone-twice",
    "zone-capacity",
    "group-zones",
    "zone-groups",
    "prefix-size",
];

/// Rules that are broken, and the subnets if none is.
fn judge(asked: &Asked) -> (BTreeSet<&'static str>, Vec<Expected>) {
    let mut broken = BTreeSet::new();
    let mut tell = |code: &'static str, wrong: bool| {
        if wrong {
            broken.insert(code);
        }
    };
    let unusable = [Block(0, 8), Block(0x7f00_0000, 8), Block(0xa9fe_0000, 16), Block(0xe000_0000, 3)];
    tell("cidr-host-bits", asked.vpc.has_host_bits());
    tell("vpc-size", !(16..=28).contains(&asked.vpc.1));
    tell("vpc-range", unusable.iter().any(|range| range.overlaps(asked.vpc)));
    let mut vpc = vec![asked.vpc];
    for block in &asked.secondary {
        tell("cidr-host-bits", block.has_host_bits());
        tell("secondary-size", !(16..=28).contains(&block.1));
        tell("secondary-range", unusable.iter().any(|range| range.overlaps(*block)));
        tell("secondary-overlap", vpc.iter().any(|other| other.overlaps(*block)));
        tell("secondary-restricted", restricted(&vpc, *block));
        vpc.push(*block);
    }
    for other in &asked.apart {
        tell("cidr-host-bits", other.has_host_bits());
        tell("network-overlap", vpc.iter().any(|block| block.overlaps(*other)));
    }
    let right_name = |name: Option<&str>| name != NAMES[3];
    let mut placed: Vec<Expected> = Vec::new();
    for subnet in &asked.explicit {
        let one = (subnet.tier, ZONES[subnet.zone], subnet.name, subnet.block);
        tell("cidr-host-bits", subnet.block.has_host_bits());
        tell("subnet-size", subnet.block.1 > 28);
        tell("subnet-outside", !vpc.iter().any(|block| subnet.block.inside(*block)));
        tell("subnet-overlap", placed.iter().any(|other| other.3.overlaps(subnet.block)));
        tell("subnet-twice", placed.iter().any(|other| (other.0, other.1, other.2) == (one.0, one.1, one.2)));
        tell("subnet-name", !right_name(subnet.name));
        placed.push(one);
    }
    let zones: Vec<&'static str> = asked.zones.iter().map(|zone| ZONES[*zone]).collect();
    tell("zone-form", zones.contains(&"us-east-1"));
    tell("zone-twice", zones.iter().enumerate().any(|(at, zone)| zones[..at].contains(zone)));
    let capacity = asked.capacity.unwrap_or(6);
    tell("zone-capacity", !zones.is_empty() && (capacity == 0 || zones.len() > usize::from(capacity)));
    tell("zone-groups", !zones.is_empty() && asked.only_groups && asked.groups.is_empty());
    tell("group-zones", zones.is_empty() && !asked.groups.is_empty());
    let usual = |wanted: Option<u8>, more: u8| Wanted::Prefix(wanted.unwrap_or((asked.vpc.1 + more).clamp(16, 28)));
    let mut groups = Vec::new();
    if !asked.only_groups {
        groups.push((0, None, usual(asked.public, 5)));
        groups.push((1, None, usual(asked.private, 3)));
    }
    groups.extend(asked.groups.iter().map(|group| (group.tier, group.name, group.size)));
    let mut sizes = Vec::new();
    for (at, (tier, name, wanted)) in groups.iter().enumerate().filter(|_| !zones.is_empty()) {
        let prefix = match wanted {
            Wanted::Prefix(prefix) => *prefix,
            // By trying every size.
            Wanted::Hosts(hosts) => (0..=28).rev().find(|prefix| (1_u64 << (32 - prefix)) - 5 >= u64::from(*hosts)).expect("few hosts"),
        };
        tell("prefix-size", prefix < asked.vpc.1.max(16) || prefix > 28);
        tell("subnet-name", !right_name(*name));
        tell("group-twice", groups[..at].iter().any(|other| (other.0, other.1) == (*tier, *name)));
        sizes.push((*tier, *name, prefix));
    }
    if !BEFORE_PLACES.iter().any(|code| broken.contains(code)) {
        // Sixteen addresses at a time: who has them. No block is smaller.
        let mut taken: Vec<Vec<bool>> = vpc.iter().map(|block| vec![false; block.sixteens()]).collect();
        let take = |taken: &mut Vec<Vec<bool>>, block: Block| {
            for (root, taken) in vpc.iter().zip(taken) {
                for (at, unit) in taken.iter_mut().enumerate() {
                    *unit |= root.part(at, 28).overlaps(block);
                }
            }
        };
        placed.iter().for_each(|subnet| take(&mut taken, subnet.3));
        let mut derived: Vec<(usize, Expected)> = Vec::new();
        for (tier, name, prefix) in sizes {
            for number in 0..usize::from(capacity) {
                let zone = zones.get(number);
                if zone.is_some_and(|zone| placed.iter().any(|other| (other.0, other.1, other.2) == (tier, *zone, name))) {
                    continue;
                }
                let found = vpc.iter().zip(&taken).find_map(|(root, taken)| {
                    let units = Block(0, prefix).sixteens();
                    let free = |at: &usize| taken.get(*at..*at + units).is_some_and(|units| units.iter().all(|taken| !taken));
                    (0..taken.len()).filter(free).map(|at| root.part(at, prefix)).find(|block| !block.has_host_bits())
                });
                let Some(found) = found else {
                    if zone.is_some() {
                        broken.insert("no-room");
                    }
                    break;
                };
                take(&mut taken, found);
                derived.extend(zone.map(|zone| (number, (tier, *zone, name, found))));
            }
        }
        derived.sort_by_key(|(number, _)| *number);
        placed.extend(derived.into_iter().map(|(_, subnet)| subnet));
    }
    let used: BTreeSet<&str> = placed.iter().map(|subnet| subnet.1).collect();
    let regions: BTreeSet<&str> = used.iter().map(|zone| &zone[..9]).collect();
    let all_regions: BTreeSet<&str> = used.iter().chain(&zones).map(|zone| &zone[..9]).collect();
    if regions.len() > 1 || all_regions.len() > 1 {
        broken.insert("zones-regions");
    }
    if used.len() < 2 {
        broken.insert("zones-too-few");
    }
    (broken, placed)
}

/// Amazon VPC User Guide, "IPv4 CIDR block association restrictions", row by row.
fn restricted(present: &[Block], wanted: Block) -> bool {
    let (ten, private, local, benchmarks) = (Block(0x0a00_0000, 8), Block(0xac10_0000, 12), Block(0xc0a8_0000, 16), Block(0xc613_0000, 16));
    let is = |range: Block| present[0].inside(range);
    let meets = |ranges: &[Block]| ranges.iter().any(|range| range.overlaps(wanted));
    let from_lower = present.iter().any(|block| block.inside(Block(0x0a00_0000, 15))) && wanted.inside(Block(0x0a00_0000, 16));
    from_lower
        || if is(ten) {
            meets(&[private, local, benchmarks])
        } else if is(private) {
            meets(&[ten, local, Block(0xac1f_0000, 16), benchmarks])
        } else if is(local) {
            meets(&[ten, private, benchmarks])
        } else if is(benchmarks) {
            meets(&[ten, private, local])
        } else {
            meets(&[ten, private, local, benchmarks])
        }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30_000))]

    #[test]
    fn every_network_is_as_the_checker_says(asked in asked()) {
        let (broken, expected) = judge(&asked);
        match build(&asked) {
            Ok(spec) => {
                prop_assert!(broken.is_empty(), "not refused for {broken:?}");
                let found: Vec<_> = spec.subnets().iter().map(|subnet| {
                    let tier = match subnet.tier { Tier::Public => 0, Tier::Private => 1, _ => 2 };
                    (tier, subnet.zone.to_string(), subnet.name.clone(), Block(subnet.cidr.addr().into(), subnet.cidr.prefix_len()))
                }).collect();
                let expected: Vec<_> = expected.iter().map(|(tier, zone, name, block)| (*tier, (*zone).to_owned(), name.map(str::to_owned), *block)).collect();
                prop_assert_eq!(&found, &expected);
                // Whatever the checker says: each is aligned, inside the VPC and apart from the others.
                let vpc: Vec<Block> = [asked.vpc].into_iter().chain(asked.secondary.iter().copied()).collect();
                for (at, (_, _, _, block)) in found.iter().enumerate() {
                    prop_assert!(!block.has_host_bits() && vpc.iter().any(|vpc| block.inside(*vpc)));
                    prop_assert!(found[..at].iter().all(|other| !other.3.overlaps(*block)));
                }
                let space = spec.space();
                let sum = |blocks: &[Block]| blocks.iter().map(|block| u128::from(block.end() - u64::from(block.0))).sum::<u128>();
                prop_assert_eq!(space.total(), sum(&vpc));
                prop_assert_eq!(space.used, sum(&found.iter().map(|subnet| subnet.3).collect::<Vec<_>>()));
                // Written down and read again, it is the same.
                let text = serde_json::to_string(&spec).expect("JSON");
                prop_assert_eq!(serde_json::from_str::<NetworkSpec>(&text).expect("the same spec"), spec);
            }
            Err(error) => {
                let mut codes: BTreeSet<&str> = error.problems.iter().map(|problem| problem.code).collect();
                if codes.iter().any(|code| BEFORE_PLACES.contains(code)) {
                    codes.remove("no-room");
                }
                prop_assert!(codes.is_subset(&broken), "{error}\nbut the checker finds {broken:?}");
            }
        }
    }
}

/// The random networks are not all refused, nor all for one reason.
#[test]
fn they_are_of_every_kind() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeSet<&'static str> = BTreeSet::new();
    let mut fine = 0;
    for _ in 0..4_000 {
        let (broken, _) = judge(&asked().new_tree(&mut runner).unwrap().current());
        fine += usize::from(broken.is_empty());
        seen.extend(broken);
    }
    assert!(fine > 1_333, "{fine} of 4000");
    let missing: Vec<_> = [
        "cidr-host-bits",
        "vpc-size",
        "vpc-range",
        "secondary-size",
        "secondary-range",
        "secondary-overlap",
        "secondary-restricted",
        "network-overlap",
        "subnet-size",
        "subnet-outside",
        "subnet-overlap",
        "subnet-twice",
        "subnet-name",
        "zone-form",
        "zone-twice",
        "zone-capacity",
        "zones-regions",
        "zones-too-few",
        "group-zones",
        "zone-groups",
        "group-twice",
        "prefix-size",
        "no-room",
    ]
    .into_iter()
    .filter(|code| !seen.contains(code))
    .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
