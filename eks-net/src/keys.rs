//! Keys of the layer's steps.

use eks_core::{StepKey, Tier};
use ipnet::Ipv4Net;

/// The layer.
pub(crate) const LAYER: &str = "net";

/// A key of this layer.
///
/// # Panics
/// Never: what users choose goes through [`slug`] or the spec's checks first, and the rest is fixed.
pub(crate) fn key<const N: usize>(segments: [&str; N]) -> StepKey {
    StepKey::new([LAYER].into_iter().chain(segments)).expect("fixed words, checked zone and subnet names, and slugs")
}

pub(crate) fn vpc() -> StepKey {
    key(["vpc"])
}

pub(crate) fn internet_gateway() -> StepKey {
    key(["internet-gateway"])
}

pub(crate) fn elastic_ip(zone: &str) -> StepKey {
    key(["elastic-ip", zone])
}

pub(crate) fn nat(zone: &str) -> StepKey {
    key(["nat", zone])
}

pub(crate) fn regional_nat() -> StepKey {
    key(["nat", "regional"])
}

pub(crate) fn transit_gateway_attachment() -> StepKey {
    key(["transit-gateway-attachment"])
}

pub(crate) fn egress_only_gateway() -> StepKey {
    key(["egress-only-internet-gateway"])
}

pub(crate) fn secondary_block(block: Ipv4Net) -> StepKey {
    key(["cidr", &slug(&block.to_string().replace('/', "-"))])
}

pub(crate) fn ipv6_block() -> StepKey {
    key(["cidr", "ipv6"])
}

pub(crate) fn endpoint(kind: &str, service: &str) -> StepKey {
    key(["endpoint", kind, &slug(service)])
}

/// The route table, or its default route: one for all subnets of a tier; for private ones, perhaps one in each zone.
pub(crate) fn of_table(what: &str, tier: Tier, zone: Option<&str>) -> StepKey {
    match zone {
        Some(zone) => key([what, tier_name(tier), zone]),
        None => key([what, tier_name(tier)]),
    }
}

pub(crate) fn security_group(name: &str) -> StepKey {
    key(["security-group", &slug(name)])
}

pub(crate) fn security_group_rules(name: &str) -> StepKey {
    key(["security-group-rules", &slug(name)])
}

/// Something of ours that no step of the spec makes, or makes twice.
pub(crate) fn leftover(id: &str) -> StepKey {
    key(["leftover", &slug(id)])
}

pub(crate) fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Public => "public",
        Tier::Intra => "intra",
        _ => "private",
    }
}

/// A name as a key's segment: itself where that is possible, else readable and still distinct.
pub(crate) fn slug(name: &str) -> String {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=100).contains(&name.len()) && name.bytes().all(fits) {
        return name.to_owned();
    }
    let readable: String = name.bytes().take(80).map(|b| if fits(b) { char::from(b) } else { '-' }).collect();
    // FNV-1a, 32 bit.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{readable}-{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_name_makes_a_key() {
        assert_eq!(security_group("eks-control-plane").as_str(), "net/security-group/eks-control-plane");
        let (spaced, dashed) = (security_group("web tier"), security_group("web-tier"));
        assert!(spaced != dashed && spaced.as_str().starts_with("net/security-group/web-tier-"));
        assert!(security_group(&"x".repeat(255)).as_str().len() <= 200);
    }
}
