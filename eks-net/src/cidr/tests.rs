//! Against what Python's `ipaddress` says, kept in `tests/data/ipaddress.txt`.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::*;

/// The words of every line of a kind; there are at least so many.
fn lines(kind: &'static str, least: usize) -> Vec<Vec<&'static str>> {
    let all = include_str!("../../tests/data/ipaddress.txt").lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found: Vec<_> = all.filter(|words| words[0] == kind).collect();
    assert!(found.len() >= least, "{kind}: {}", found.len());
    found
}

fn net<N: std::str::FromStr>(text: &str) -> N
where
    N::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn all<N: std::str::FromStr>(text: &str) -> Vec<N>
where
    N::Err: std::fmt::Debug,
{
    text.split(',').filter(|text| *text != "-").map(net).collect()
}

/// What an allocator of `a` in which `a` is allocated says of `b`: whether they overlap, and whether `b` can be taken beside it.
fn touches<N: Block>(a: N, b: N, everything: N) -> bool {
    let mut allocator = Allocator::new(everything);
    allocator.take(a).unwrap();
    let touched = allocator.overlapping(b).next() == Some(a);
    assert_eq!(allocator.is_free(b), !touched);
    assert_eq!(allocator.take(b).is_err(), touched);
    touched
}

#[test]
fn overlap_and_containment_are_those_of_python() {
    for words in lines("pair", 1_500) {
        let [_, a, b, overlaps, inside, outside] = words[..] else { panic!("{words:?}") };
        let said = |word: &str| word == "1";
        match (net::<IpNet>(a), net::<IpNet>(b)) {
            (IpNet::V4(a), IpNet::V4(b)) => {
                assert_eq!(overlap(a, b), said(overlaps), "{words:?}");
                assert_eq!(touches(a, b, net("0.0.0.0/0")), said(overlaps), "{words:?}");
                assert_eq!(Allocator::new(a).is_free(b), said(inside), "{words:?}");
                assert_eq!(Allocator::new(b).is_free(a), said(outside), "{words:?}");
            }
            (IpNet::V6(a), IpNet::V6(b)) => {
                assert_eq!(touches(a, b, net("::/0")), said(overlaps), "{words:?}");
                assert_eq!(Allocator::new(a).is_free(b), said(inside), "{words:?}");
                assert_eq!(Allocator::new(b).is_free(a), said(outside), "{words:?}");
            }
            _ => panic!("{words:?}"),
        }
    }
}

#[test]
fn blocks_with_host_bits_are_refused_as_by_python() {
    for words in lines("text", 700) {
        let [_, text, strict, canonical] = words[..] else { panic!("{words:?}") };
        let mut problems = eks_core::Problems::new();
        let found = any(&mut problems, "block", text);
        assert_eq!(found, (strict == "1").then(|| net(canonical)), "{words:?}");
        let told = problems.finish("", || ()).err().map(|error| error.problems[0].remedy.clone());
        assert_eq!(told, (strict == "0").then(|| format!("write {canonical}")), "{words:?}");
    }
}

#[test]
fn subnets_are_those_of_python() {
    for words in lines("subnets", 400) {
        let [_, whole, prefix, count, number, nth, last] = words[..] else { panic!("{words:?}") };
        let (prefix, count, number): (u8, u128, u128) = (net(prefix), net(count), net(number));
        match net(whole) {
            IpNet::V4(whole) => {
                assert_eq!(Allocator::new(whole).space().fits(prefix), count, "{words:?}");
                // Those before it taken, each is the next; all at once is too many only by time.
                let mut allocator = Allocator::new(whole);
                let found = (0..=number.min(300)).map_while(|_| allocator.allocate(prefix)).last();
                if number <= 300 {
                    assert_eq!(found, Some(net(nth)), "{words:?}");
                }
                assert_eq!(reserved_addresses(net(nth))[4].to_string(), last);
            }
            IpNet::V6(whole) => {
                assert_eq!(Allocator::new(whole).space().fits(prefix), count, "{words:?}");
                assert_eq!(nth_block(whole, prefix, number), Some(net(nth)), "{words:?}");
                assert_eq!(nth_block(whole, prefix, count), None, "{words:?}");
                assert_eq!(reserved_ipv6_addresses(net(nth))[4].to_string(), last);
            }
        }
    }
}

#[test]
fn what_is_left_is_summed_up_as_by_python() {
    for words in lines("free", 300) {
        let [_, whole, taken, free] = words[..] else { panic!("{words:?}") };
        match net(whole) {
            IpNet::V4(whole) => {
                let found = Allocator::around([whole], all::<Ipv4Net>(taken)).unwrap();
                assert_eq!(found.free().collect::<Vec<_>>(), all(free), "{words:?}");
            }
            IpNet::V6(whole) => {
                let found = Allocator::around([whole], all::<Ipv6Net>(taken)).unwrap();
                assert_eq!(found.free().collect::<Vec<_>>(), all(free), "{words:?}");
            }
        }
    }
}
