//! Networks from text, and the allocator of blocks.

use eks_net::{Allocator, NetworkSpec};
use ipnet::Ipv4Net;

/// A network in JSON: if it is accepted, its subnets lie in its blocks and never in each other. And the first lines as blocks to take.
pub fn cidr(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(spec) = serde_json::from_str::<NetworkSpec>(text) {
        let blocks: Vec<Ipv4Net> = std::iter::once(spec.cidr()).chain(spec.secondary_cidrs().iter().copied()).collect();
        let subnets: Vec<Ipv4Net> = spec.subnets().iter().map(|subnet| subnet.cidr).collect();
        for (at, subnet) in subnets.iter().enumerate() {
            assert!(blocks.iter().any(|block| block.contains(subnet)), "{subnet} is outside");
            assert!((16..=28).contains(&subnet.prefix_len()), "EC2 takes no /{}", subnet.prefix_len());
            for other in &subnets[at + 1..] {
                assert!(!subnet.contains(other) && !other.contains(subnet), "{subnet} overlaps {other}");
            }
        }
        let written = serde_json::to_string(&spec).expect("JSON");
        let again: NetworkSpec = serde_json::from_str(&written).expect("what we write can be read");
        assert_eq!(again, spec);
        return;
    }
    let mut lines = text.lines().take(64);
    let Some(Ok(block)) = lines.next().map(str::parse::<Ipv4Net>) else { return };
    let mut allocator = Allocator::new(block);
    let mut held: Vec<Ipv4Net> = Vec::new();
    for line in lines {
        match line.split_at_checked(1) {
            Some(("/", prefix)) => held.extend(prefix.parse().ok().and_then(|prefix| allocator.allocate(prefix))),
            Some(("_", prefix)) => held.extend(prefix.parse().ok().and_then(|prefix| allocator.allocate_lowest(prefix))),
            Some(("+", block)) => {
                if let Ok(block) = block.parse::<Ipv4Net>()
                    && allocator.take(block).is_ok()
                {
                    held.push(block.trunc());
                }
            }
            Some(("-", block)) => {
                if let Ok(block) = block.parse::<Ipv4Net>()
                    && allocator.release(block).is_ok()
                {
                    let at = held.iter().position(|held| *held == block.trunc()).expect("only what is held can be released");
                    held.swap_remove(at);
                }
            }
            _ => {}
        }
        let mut told: Vec<Ipv4Net> = allocator.iter().collect();
        told.sort();
        held.sort();
        assert_eq!(told, held, "it holds what was taken");
        for pair in held.windows(2) {
            assert!(!pair[0].contains(&pair[1]) && !pair[1].contains(&pair[0]), "{} overlaps {}", pair[0], pair[1]);
        }
        let size = |block: Ipv4Net| 1_u128 << (32 - block.prefix_len());
        let sum = held.iter().copied().map(size).sum::<u128>() + allocator.free().map(size).sum::<u128>();
        assert_eq!(sum, size(block), "nothing is lost");
    }
}
