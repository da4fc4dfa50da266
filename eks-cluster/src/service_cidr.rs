//! The addresses of Kubernetes Services.

use eks_core::Problems;
use ipnet::Ipv4Net;

/// EKS User Guide, `KubernetesNetworkConfigRequest`: inside one of these, /24 to /12, apart from every block of the VPC.
const ALLOWED: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/// Checks the block that was asked for.
pub(crate) fn check(text: &str, vpc: &[Ipv4Net], problems: &mut Problems) -> Option<Ipv4Net> {
    let subject = format!("service CIDR {text}");
    let Ok(block) = text.parse::<Ipv4Net>() else {
        problems.add("service-cidr-form", subject, "is not an IPv4 block in CIDR notation", "write it as 172.20.0.0/16");
        return None;
    };
    if block.trunc() != block {
        problems.add("service-cidr-host-bits", &subject, "has bits set beyond its prefix", format!("write {}", block.trunc()));
    }
    if !(12..=24).contains(&block.prefix_len()) {
        problems.add("service-cidr-size", &subject, "its prefix is not between /12 and /24", "choose a size in between, such as /16");
    }
    if !ALLOWED.iter().filter_map(|allowed| allowed.parse::<Ipv4Net>().ok()).any(|allowed| allowed.contains(&block)) {
        problems.add(
            "service-cidr-range",
            &subject,
            format!("is not inside one of {}", ALLOWED.join(", ")),
            "choose a block inside one of them",
        );
    }
    for other in vpc.iter().filter(|other| overlap(**other, block)) {
        problems.add(
            "service-cidr-overlap",
            &subject,
            format!("overlaps the VPC's block {other}; Services would hide addresses of the VPC"),
            "choose a block that no block of the VPC overlaps",
        );
    }
    Some(block)
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(text: &str, vpc: &[&str]) -> Vec<&'static str> {
        let mut problems = Problems::new();
        let vpc: Vec<_> = vpc.iter().map(|block| block.parse().unwrap()).collect();
        check(text, &vpc, &mut problems);
        problems.finish("x", || ()).err().map(|e| e.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
    }

    #[test]
    fn rules() {
        assert!(codes("172.20.0.0/16", &["10.0.0.0/16"]).is_empty());
        assert!(codes("172.16.0.0/12", &["10.0.0.0/16"]).is_empty());
        assert_eq!(codes("10.0.128.0/20", &["10.0.0.0/16"]), ["service-cidr-overlap"]);
        assert_eq!(codes("10.0.0.0/12", &["10.0.0.0/16", "10.1.0.0/16"]), ["service-cidr-overlap"; 2]);
        assert_eq!(codes("10.16.0.0/25", &[]), ["service-cidr-size"]);
        assert_eq!(codes("10.0.0.0/8", &[]), ["service-cidr-size"]);
        assert_eq!(codes("100.64.0.0/16", &[]), ["service-cidr-range"]);
        assert_eq!(codes("172.20.1.0/16", &[]), ["service-cidr-host-bits"]);
        assert_eq!(codes("services", &[]), ["service-cidr-form"]);
    }

    proptest! {
        #[test]
        fn an_accepted_block_shares_no_address_with_the_vpc(a: u32, p in 12_u8..=24, b: u32, q in 16_u8..=28) {
            let (block, vpc) = (Ipv4Net::new(a.into(), p).unwrap().trunc(), Ipv4Net::new(b.into(), q).unwrap().trunc());
            let refused = codes(&block.to_string(), &[&vpc.to_string()]).contains(&"service-cidr-overlap");
            let shared = block.network() <= vpc.broadcast() && vpc.network() <= block.broadcast();
            prop_assert_eq!(refused, shared);
        }
    }
}
