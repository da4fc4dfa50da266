//! Entries of network ACLs ("Network ACL rules", VPC user guide).

use std::{net::Ipv4Addr, ops::RangeInclusive};

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::{Reply, done, ids, invalid, quota};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// The numbers of the entries that deny the rest, which nobody can change ("*" in the console).
const FINAL: i64 = 32_767;
const FINAL_IPV6: i64 = 32_768;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) number: i64,
    pub(super) egress: bool,
    /// `-1`, or a protocol's number.
    protocol: String,
    allow: bool,
    peer: Peer,
    /// From and to, where the protocol has ports.
    ports: Option<(i64, i64)>,
    /// Type and code.
    icmp: Option<(i64, i64)>,
}

#[derive(Clone, Debug)]
enum Peer {
    Cidr(Ipv4Net),
    Cidr6(Ipv6Net),
}

impl Entry {
    fn everything(number: i64, egress: bool, ipv6: bool, allow: bool) -> Self {
        let peer = if ipv6 { Peer::Cidr6(Ipv6Net::default()) } else { Peer::Cidr(Ipv4Net::default()) };
        Self { number, egress, protocol: "-1".to_owned(), allow, peer, ports: None, icmp: None }
    }

    /// The entry of a default ACL that lets everything through.
    pub(super) fn open(egress: bool, ipv6: bool) -> Self {
        Self::everything(if ipv6 { 101 } else { 100 }, egress, ipv6, true)
    }

    /// The entry that denies what no other lets through.
    pub(super) fn closed(egress: bool, ipv6: bool) -> Self {
        Self::everything(if ipv6 { FINAL_IPV6 } else { FINAL }, egress, ipv6, false)
    }

    pub(super) fn is_final_ipv6(&self) -> bool {
        self.number == FINAL_IPV6
    }

    /// Whether it is about TCP in this direction, with this address at the other end, to this port.
    fn is_about(&self, egress: bool, address: Ipv4Addr, port: u16) -> bool {
        self.egress == egress
            && matches!(self.protocol.as_str(), "-1" | "6")
            && matches!(&self.peer, Peer::Cidr(net) if net.contains(&address))
            && self.ports.is_none_or(|(from, to)| (from..=to).contains(&i64::from(port)))
    }

    fn is_at(&self, number: i64, egress: bool) -> bool {
        (self.number, self.egress) == (number, egress)
    }
}

/// "Rules are evaluated starting with the lowest numbered rule. As soon as a rule matches traffic, it's applied regardless of any
/// higher-numbered rule that might contradict it" ("Network ACL rules").
pub(super) fn lets(entries: &[Entry], egress: bool, address: Ipv4Addr, port: u16) -> bool {
    let about = entries.iter().filter(|entry| entry.is_about(egress, address, port));
    about.min_by_key(|entry| entry.number).is_some_and(|entry| entry.allow)
}

/// Whether any of these ports is let through. What is about a port changes only where an entry begins or has ended.
pub(super) fn lets_any(entries: &[Entry], egress: bool, address: Ipv4Addr, ports: &RangeInclusive<u16>) -> bool {
    let borders = entries.iter().filter_map(|entry| entry.ports).flat_map(|(from, to)| [from, to.saturating_add(1)]);
    let borders = borders.filter_map(|port| u16::try_from(port).ok()).filter(|port| ports.contains(port));
    std::iter::once(*ports.start()).chain(borders).any(|port| lets(entries, egress, address, port))
}

pub(super) fn render(entry: &Entry) -> Value {
    let (v4, v6) = match &entry.peer {
        Peer::Cidr(net) => (Some(net), None),
        Peer::Cidr6(net) => (None, Some(net)),
    };
    json!({
        "ruleNumber": entry.number, "protocol": entry.protocol, "ruleAction": if entry.allow { "allow" } else { "deny" },
        "egress": entry.egress, "cidrBlock": v4, "ipv6CidrBlock": v6,
        "portRange": entry.ports.map(|(from, to)| json!({"from": from, "to": to})),
        "icmpTypeCode": entry.icmp.map(|(kind, code)| json!({"type": kind, "code": code})),
    })
}

/// Which entry a call means: number and direction.
fn key(args: &Args) -> Result<(i64, bool), ApiError> {
    let number = args.int("RuleNumber").ok_or_else(|| ApiError::missing("ruleNumber"))?;
    // "The range is from 1 to 32766. The range 32767 to 65535 is reserved for internal use" (CreateNetworkAclEntry).
    if !(1..FINAL).contains(&number) {
        return Err(invalid(format!("Value ({number}) for parameter ruleNumber is invalid. It must be between 1 and 32766.")));
    }
    Ok((number, args.bool("Egress").ok_or_else(|| ApiError::missing("egress"))?))
}

fn parse(args: &Args) -> Result<Entry, ApiError> {
    let (number, egress) = key(args)?;
    let text = args.required("Protocol").map_err(|_| ApiError::missing("protocol"))?.to_ascii_lowercase();
    let protocol = match text.as_str() {
        "all" => "-1",
        "tcp" => "6",
        "udp" => "17",
        "icmp" => "1",
        "icmpv6" => "58",
        other if other == "-1" || other.parse::<u8>().is_ok() => other,
        other => return Err(invalid(format!("Invalid value '{other}' for IP protocol. Unknown protocol."))),
    };
    let allow = match args.required("RuleAction").map_err(|_| ApiError::missing("ruleAction"))? {
        "allow" => true,
        "deny" => false,
        other => return Err(invalid(format!("Value ({other}) for parameter ruleAction is invalid."))),
    };
    let malformed = |text: &str| invalid(format!("CIDR block {text} is malformed"));
    let peer = match (args.str("CidrBlock"), args.str("Ipv6CidrBlock")) {
        (Some(text), None) => Peer::Cidr(text.parse::<Ipv4Net>().map_err(|_| malformed(text))?.trunc()),
        (None, Some(text)) => Peer::Cidr6(text.parse::<Ipv6Net>().map_err(|_| malformed(text))?.trunc()),
        (None, None) => return Err(ApiError::missing("cidrBlock")),
        (Some(_), Some(_)) => {
            return Err(ApiError::new("InvalidParameterCombination", "Only one of cidrBlock and ipv6CidrBlock may be specified"));
        }
    };
    // "Required if specifying protocol 6 (TCP) or 17 (UDP)"; "1 (ICMP) or 58 (ICMPv6) with an IPv6 CIDR block".
    let pair = |name: &str, first: &str, second: &str| {
        let given = args.sub(name);
        given.int(first).zip(given.int(second))
    };
    let (ports, icmp) = match protocol {
        "6" | "17" => {
            let ports = pair("PortRange", "From", "To").ok_or_else(|| ApiError::missing("portRange"))?;
            if !(0..=65_535).contains(&ports.0) || !(ports.0..=65_535).contains(&ports.1) {
                return Err(invalid(format!("Invalid TCP/UDP port range ({}:{})", ports.0, ports.1)));
            }
            (Some(ports), None)
        }
        "1" | "58" => (None, Some(pair("Icmp", "Type", "Code").ok_or_else(|| ApiError::missing("icmpTypeCode"))?)),
        _ => (None, None),
    };
    Ok(Entry { number, egress, protocol: protocol.to_owned(), allow, peer, ports, icmp })
}

pub(super) fn create(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NetworkAclId")?;
    let acl = ids::NETWORK_ACL.find_mut(&mut world.ec2.acls, id)?;
    let entry = parse(args)?;
    if acl.entries.iter().any(|other| other.is_at(entry.number, entry.egress)) {
        let message = format!("The network acl entry identified by {} already exists.", entry.number);
        return Err(ApiError::new("NetworkAclEntryAlreadyExists", message));
    }
    let count = acl.entries.iter().filter(|other| other.egress == entry.egress && other.number < FINAL).count();
    let message = "The maximum number of network acl entries has been reached.";
    quota::within(count, quota::ENTRIES_PER_NETWORK_ACL, "NetworkAclEntryLimitExceeded", message)?;
    acl.entries.push(entry);
    Ok(done())
}

fn missing(number: i64) -> ApiError {
    ApiError::new("InvalidNetworkAclEntry.NotFound", format!("The network acl entry identified by {number} does not exist."))
}

pub(super) fn replace(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NetworkAclId")?;
    let acl = ids::NETWORK_ACL.find_mut(&mut world.ec2.acls, id)?;
    let entry = parse(args)?;
    let index = acl.entries.iter().position(|other| other.is_at(entry.number, entry.egress)).ok_or_else(|| missing(entry.number))?;
    acl.entries[index] = entry;
    Ok(done())
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NetworkAclId")?;
    let acl = ids::NETWORK_ACL.find_mut(&mut world.ec2.acls, id)?;
    let (number, egress) = key(args)?;
    let index = acl.entries.iter().position(|entry| entry.is_at(number, egress)).ok_or_else(|| missing(number))?;
    acl.entries.remove(index);
    Ok(done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_of_a_range_is_enough() {
        let anywhere = Ipv4Addr::new(192, 0, 2, 1);
        let tcp =
            |number, allow, ports| Entry { protocol: "6".to_owned(), ports: Some(ports), ..Entry::everything(number, false, false, allow) };
        let lets = |entries: &[Entry]| lets_any(entries, false, anywhere, &(32_768..=60_999));
        let closed = || Entry::closed(false, false);
        assert!(!lets(&[closed()]));
        assert!(lets(&[tcp(100, true, (40_000, 40_100)), closed()]), "in the middle");
        assert!(lets(&[tcp(100, true, (1_024, 32_768)), closed()]), "the first one");
        assert!(!lets(&[tcp(100, true, (1_024, 32_767)), tcp(110, true, (61_000, 65_535)), closed()]), "beside it");
        assert!(lets(&[tcp(90, false, (32_768, 50_000)), Entry::open(false, false), closed()]), "behind what is denied");
        assert!(!lets(&[tcp(90, false, (0, 65_535)), Entry::open(false, false), closed()]));
    }
}
