//! Where derived subnets lie.
//!
//! Each group, in the order given, gets a slot for as many zones as the layout has capacity for; the zone given as the n-th
//! lies in the n-th slot. A slot is the lowest block of the group's size that is free. So a position is a function of the
//! groups before it and of the zone's number, whatever was added in which order: nothing that exists ever moves.

use eks_core::{Problems, ZoneName};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{
    Allocator, PREFIXES,
    group::{Size, SubnetGroup},
};
use crate::subnet::{self, PlacedSubnet, Subnet};

/// Zones that a layout keeps room for: no Region has more Availability Zones.
const ZONES: u8 = 6;

/// Subnets to derive: of each group, one in each zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Derived {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) zones: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) zone_capacity: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public: Option<Size>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) private: Option<Size>,
    /// Instead of a public and a private one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) only_groups: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<SubnetGroup>,
}

impl Derived {
    /// All groups, in the order of their slots.
    fn groups(&self, vpc: u8) -> Vec<SubnetGroup> {
        // By default six zones fit: private subnets of an eighth of the VPC, public ones of a thirty-second.
        let of = |wanted: &Option<Size>, step: u8| {
            wanted.clone().unwrap_or_else(|| Size::Prefix((vpc + step).clamp(*PREFIXES.start(), *PREFIXES.end())))
        };
        let usual = [SubnetGroup::public(of(&self.public, 5)), SubnetGroup::private(of(&self.private, 3))];
        usual.into_iter().filter(|_| !self.only_groups).chain(self.groups.iter().cloned()).collect()
    }
}

/// Every subnet with its block, and the blocks kept for zones to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) subnets: Vec<PlacedSubnet>,
    pub(crate) kept: Vec<Ipv4Net>,
}

/// Places explicit subnets where they ask to be, and derived ones around them. An explicit subnet stands for the derived one of
/// its tier, zone and name.
///
/// Making derived subnets explicit, or adding explicit ones where nothing is and nothing is kept, moves none of the others.
pub(crate) fn place(problems: &mut Problems, vpc: &[Ipv4Net], explicit: &[Subnet], derived: &Derived) -> Placement {
    let mut placement = Placement { subnets: subnet::explicit(problems, vpc, explicit), kept: Vec::new() };
    if !vpc.is_empty() {
        derive(problems, vpc, derived, &mut placement);
    }
    subnet::choose_for_load_balancers(&mut placement.subnets);
    subnet::zones_fit(problems, &placement.subnets);
    placement
}

fn derive(problems: &mut Problems, vpc: &[Ipv4Net], derived: &Derived, placement: &mut Placement) {
    let (Some(primary), Some(zones)) = (vpc.first(), zones(problems, derived)) else { return };
    let groups: Vec<_> = derived
        .groups(primary.prefix_len())
        .into_iter()
        .map(|group| {
            let named = subnet::name_is_right(problems, &group.subject(), group.name.as_deref());
            (group.check(problems, primary.prefix_len()).filter(|_| named), group)
        })
        .collect();
    for (at, (_, group)) in groups.iter().enumerate() {
        if groups[..at].iter().any(|(_, other)| (other.tier, &other.name) == (group.tier, &group.name)) {
            let remedy = "tell them apart with .named(\"…\")";
            problems.add("group-twice", group.subject(), "another group has this tier and name", remedy);
        }
    }
    if !problems.is_empty() && groups.iter().any(|(prefix, _)| prefix.is_none()) {
        return;
    }
    // One for each block: the first that has room is used, not the lowest.
    let taken = || placement.subnets.iter().map(|subnet| subnet.cidr);
    let mut room: Vec<Allocator<Ipv4Net>> = vpc.iter().filter_map(|block| Allocator::around([*block], taken()).ok()).collect();
    let mut found: Vec<(usize, PlacedSubnet)> = Vec::new();
    for (prefix, group) in groups.iter().filter_map(|(prefix, group)| Some(((*prefix)?, group))) {
        for number in 0..usize::from(derived.zone_capacity.unwrap_or(ZONES)) {
            let zone = zones.get(number);
            if zone.is_some_and(|zone| placement.subnets.iter().any(|other| other.is(group.tier, zone, group.name.as_deref()))) {
                continue;
            }
            let Some(cidr) = room.iter_mut().find_map(|block| block.allocate_lowest(prefix)) else {
                if zone.is_some() {
                    no_room(problems, group, prefix, vpc, number, zones.len(), &placement.kept);
                }
                break;
            };
            let Some(zone) = zone.cloned() else {
                placement.kept.push(cidr);
                continue;
            };
            found.push((number, PlacedSubnet { tier: group.tier, zone, cidr, name: group.name.clone(), load_balancers: false }));
        }
    }
    // By zone; the order of the groups stays.
    found.sort_by_key(|(number, _)| *number);
    placement.subnets.extend(found.into_iter().map(|(_, subnet)| subnet));
}

/// The zones, if all can be used and fit.
fn zones(problems: &mut Problems, derived: &Derived) -> Option<Vec<ZoneName>> {
    let mut zones: Vec<ZoneName> = Vec::new();
    for text in &derived.zones {
        let Some(zone) = subnet::zone(problems, text) else { continue };
        if zones.contains(&zone) {
            problems.add("zone-twice", &zone, "the zone is given twice", "give each zone once");
            continue;
        }
        zones.push(zone);
    }
    if zones.is_empty() {
        if derived.zones.is_empty() && !derived.groups.is_empty() {
            problems.add("group-zones", derived.groups[0].subject(), "there is no zone to put them in", "give zones with .zones([…])");
        }
        return None;
    }
    if derived.only_groups && derived.groups.is_empty() {
        let remedy = "add groups with .group(…), or leave out .only_groups()";
        problems.add("zone-groups", "zones", "no group of subnets is to be derived in them", remedy);
        return None;
    }
    let capacity = derived.zone_capacity.unwrap_or(ZONES);
    if !(1..=32).contains(&capacity) {
        problems.add("zone-capacity", format!("room for {capacity} zones"), "it must be for 1–32", "choose such a number");
        return None;
    }
    if zones.len() > usize::from(capacity) {
        let rule = format!("{} zones are given, and there is room for {capacity}", zones.len());
        let remedy = format!("where nothing exists yet, use .zone_capacity({}); else add their subnets with .subnet(…)", zones.len());
        problems.add("zone-capacity", "zones", rule, remedy);
        return None;
    }
    Some(zones)
}

fn no_room(problems: &mut Problems, group: &SubnetGroup, prefix: u8, vpc: &[Ipv4Net], fit: usize, wanted: usize, kept: &[Ipv4Net]) {
    let all = vpc.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let mut rule = format!("{all} has no /{prefix} left after {fit} of {wanted}");
    if !kept.is_empty() {
        let addresses: u64 = kept.iter().map(|block| 1 << (32 - block.prefix_len())).sum();
        rule.push_str(&format!("; {addresses} addresses are kept for zones to come"));
    }
    let remedy = "choose longer prefixes, a larger VPC, or less .zone_capacity(…)";
    problems.add("no-room", group.subject(), rule, remedy);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LETTERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

    fn derived(zones: usize, public: u8, private: u8) -> Derived {
        let zones = LETTERS.iter().take(zones).map(|letter| format!("us-east-1{letter}")).collect();
        Derived { zones, public: Some(Size::Prefix(public)), private: Some(Size::Prefix(private)), ..Derived::default() }
    }

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn blocks(placed: &[PlacedSubnet]) -> Vec<String> {
        placed.iter().map(|subnet| subnet.cidr.to_string()).collect()
    }

    #[test]
    fn small_subnets_fill_the_gap_before_large_ones() {
        let mut problems = Problems::new();
        let placed = place(&mut problems, &[net("10.0.0.0/16")], &[], &derived(3, 24, 20));
        assert!(problems.is_empty());
        assert_eq!(blocks(&placed.subnets), ["10.0.0.0/24", "10.0.16.0/20", "10.0.1.0/24", "10.0.32.0/20", "10.0.2.0/24", "10.0.48.0/20"]);
        let kept: Vec<_> = placed.kept.iter().map(ToString::to_string).collect();
        assert_eq!(kept, ["10.0.3.0/24", "10.0.4.0/24", "10.0.5.0/24", "10.0.64.0/20", "10.0.80.0/20", "10.0.96.0/20"]);
    }

    #[test]
    fn by_default_six_zones_fit() {
        for size in 16..=23 {
            let mut problems = Problems::new();
            let wanted = Derived { public: None, private: None, ..derived(6, 0, 0) };
            let vpc = Ipv4Net::new([10, 0, 0, 0].into(), size).unwrap();
            assert_eq!(place(&mut problems, &[vpc], &[], &wanted).subnets.len(), 12, "/{size}");
            assert!(problems.is_empty());
        }
    }

    #[test]
    fn explicit_subnets_stay_and_are_not_derived_again() {
        let mut problems = Problems::new();
        let explicit = [Subnet::private("us-east-1a", "10.0.0.0/24"), Subnet::private("us-east-1a", "10.0.3.0/24").named("data")];
        let placed = place(&mut problems, &[net("10.0.0.0/16")], &explicit, &derived(2, 24, 24)).subnets;
        assert!(problems.is_empty());
        let keys: Vec<_> = placed.iter().map(|subnet| format!("{} {} {}", subnet.key(), subnet.cidr, subnet.load_balancers)).collect();
        assert_eq!(
            keys,
            [
                "net/subnet/private/us-east-1a 10.0.0.0/24 true",
                "net/subnet/private/us-east-1a-data 10.0.3.0/24 false",
                "net/subnet/public/us-east-1a 10.0.1.0/24 true",
                "net/subnet/public/us-east-1b 10.0.2.0/24 true",
                // Room for six public subnets is kept before.
                "net/subnet/private/us-east-1b 10.0.8.0/24 true",
            ]
        );
    }

    #[test]
    fn without_an_unnamed_subnet_load_balancers_use_the_named_ones() {
        let explicit = [Subnet::public("us-east-1a", "10.0.0.0/24").named("web"), Subnet::intra("us-east-1a", "10.0.1.0/24")];
        let placed = place(&mut Problems::new(), &[net("10.0.0.0/16")], &explicit, &Derived::default()).subnets;
        assert_eq!(placed.iter().map(|subnet| subnet.load_balancers).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_second_block_is_used_when_the_first_is_full() {
        let mut problems = Problems::new();
        let vpc = [net("10.1.0.0/26"), net("10.0.0.0/24")];
        let wanted = Derived { zone_capacity: Some(2), ..derived(2, 28, 27) };
        let placed = place(&mut problems, &vpc, &[], &wanted);
        assert!(problems.is_empty());
        assert_eq!(blocks(&placed.subnets), ["10.1.0.0/28", "10.1.0.32/27", "10.1.0.16/28", "10.0.0.0/27"]);
    }

    fn some_group() -> impl Strategy<Value = SubnetGroup> {
        (0..3_u8, 22..=28_u8).prop_map(|(tier, prefix)| match tier {
            0 => SubnetGroup::public(prefix),
            1 => SubnetGroup::private(prefix),
            _ => SubnetGroup::intra(prefix),
        })
    }

    /// A network that grows: one more zone, one more group, or one more explicit subnet each time.
    #[derive(Clone, Debug)]
    enum Addition {
        Zone,
        Group(SubnetGroup),
        /// The n-th /28, if nothing is there and nothing is kept.
        Subnet(u32),
    }

    fn some_addition() -> impl Strategy<Value = Addition> {
        prop_oneof![
            3 => Just(Addition::Zone),
            3 => some_group().prop_map(Addition::Group),
            1 => any::<u32>().prop_map(Addition::Subnet),
        ]
    }

    fn still_there(old: &PlacedSubnet, now: &[PlacedSubnet]) -> bool {
        now.iter().any(|new| new.cidr == old.cidr && new.is(old.tier, &old.zone, old.name.as_deref()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Whatever is added at the end, nothing moves.
        #[test]
        fn nothing_that_exists_moves(
            size in 16..=20_u8,
            only_groups: bool,
            capacity in 2..=8_u8,
            public in 22..=28_u8,
            private in 20..=28_u8,
            additions in proptest::collection::vec(some_addition(), 1..9),
        ) {
            let vpc = [Ipv4Net::new([10, 32, 0, 0].into(), size).unwrap()];
            let mut wanted = Derived { zone_capacity: Some(capacity), only_groups, ..derived(0, public, private) };
            let mut explicit: Vec<Subnet> = Vec::new();
            let mut before = Placement::default();
            for (number, addition) in additions.iter().enumerate() {
                let (mut more, mut and) = (wanted.clone(), explicit.clone());
                match addition {
                    Addition::Zone => {
                        let Some(letter) = LETTERS.get(wanted.zones.len()) else { continue };
                        more.zones.push(format!("us-east-1{letter}"));
                    }
                    Addition::Group(group) => more.groups.push(group.clone().named(format!("n{number}"))),
                    Addition::Subnet(at) => {
                        let count = 1 << (28 - size);
                        let block = Ipv4Net::new((u32::from(vpc[0].network()) + (at % count) * 16).into(), 28).unwrap();
                        let mut used = before.subnets.iter().map(|subnet| subnet.cidr).chain(before.kept.iter().copied());
                        if used.any(|other| super::super::overlap(other, block)) {
                            continue;
                        }
                        and.push(Subnet::private("us-east-1a", block).named(format!("n{number}")));
                    }
                }
                let mut problems = Problems::new();
                let after = place(&mut problems, &vpc, &and, &more);
                let error = problems.finish("", || ()).err();
                // An addition that does not fit is refused; the user leaves it out.
                if error.is_some_and(|error| error.problems.iter().any(|problem| !["zones-too-few", "group-zones"].contains(&problem.code))) {
                    continue;
                }
                for old in &before.subnets {
                    prop_assert!(still_there(old, &after.subnets), "{} of {:?}", old.key(), after.subnets);
                }
                (before, wanted, explicit) = (after, more, and);
            }
            // Every order of adding these zones and groups goes through some of these networks, and all agree with the last.
            for (zones, groups) in (0..=wanted.zones.len()).flat_map(|z| (0..=wanted.groups.len()).map(move |g| (z, g))) {
                let earlier = Derived { zones: wanted.zones[..zones].to_vec(), groups: wanted.groups[..groups].to_vec(), ..wanted.clone() };
                let earlier = place(&mut Problems::new(), &vpc, &explicit, &earlier).subnets;
                prop_assert!(earlier.len() >= zones * groups);
                for old in earlier {
                    prop_assert!(still_there(&old, &before.subnets), "{} of {:?}", old.key(), before.subnets);
                }
            }
            // What is decided can be written down as explicit subnets, and is the same.
            let pinned: Vec<Subnet> = before.subnets.iter().map(Subnet::from).collect();
            let again = place(&mut Problems::new(), &vpc, &pinned, &wanted);
            prop_assert_eq!(again, before);
        }
    }

    proptest! {
        #[test]
        fn derived_subnets_fit(size in 16..=20_u8, zones in 2..=6_usize, public in 20..=28_u8, private in 20..=28_u8, taken in proptest::collection::vec(0..256_u32, 0..4)) {
            let vpc = Ipv4Net::new([10, 32, 0, 0].into(), size).unwrap();
            let mut explicit: Vec<Subnet> = Vec::new();
            let mut blocks: Vec<Ipv4Net> = Vec::new();
            for (number, at) in taken.into_iter().enumerate() {
                let block = Ipv4Net::new((u32::from(vpc.network()) + at * 16).into(), 28).unwrap();
                if !blocks.contains(&block) {
                    blocks.push(block);
                    explicit.push(Subnet::private("us-east-1a", block).named(format!("n{number}")));
                }
            }
            let mut problems = Problems::new();
            let placed = place(&mut problems, &[vpc], &explicit, &derived(zones, public, private)).subnets;
            prop_assume!(problems.is_empty());
            prop_assert_eq!(placed.len(), explicit.len() + 2 * zones);
            // Against a checker that knows nothing but addresses.
            let mut ranges: Vec<(u32, u32)> = placed.iter().map(|s| (s.cidr.network().into(), s.cidr.broadcast().into())).collect();
            ranges.sort_unstable();
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].1 < pair[1].0, "{ranges:?}");
            }
            for (subnet, &(low, high)) in placed.iter().zip(&placed.iter().map(|s| (s.cidr.network().into(), s.cidr.broadcast().into())).collect::<Vec<(u32, u32)>>()) {
                prop_assert!(low >= u32::from(vpc.network()) && high <= u32::from(vpc.broadcast()));
                prop_assert_eq!(low % (high - low + 1), 0, "aligned");
                prop_assert_eq!(subnet.cidr.addr(), subnet.cidr.network());
            }
            // A zone that is added moves none.
            if zones < 6 {
                let mut problems = Problems::new();
                let more = place(&mut problems, &[vpc], &explicit, &derived(zones + 1, public, private)).subnets;
                prop_assert!(!problems.is_empty() || more[..placed.len()] == placed[..]);
            }
        }
    }
}
