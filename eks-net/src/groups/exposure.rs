//! What everyone on the internet can reach.

use std::collections::BTreeSet;

use ipnet::{Ipv4Net, Ipv6Net};

use super::{
    peer::Peer,
    protocol::Protocol,
    rule::{Direction, SecurityGroupRule},
};

/// Something that the whole internet can reach, and the rules that let it in: one, or several that only together do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exposure<'a> {
    pub(super) protocol: Protocol,
    pub(super) rules: Vec<&'a SecurityGroupRule>,
}

/// What these rules of one group expose.
pub(super) fn exposures(rules: &[SecurityGroupRule]) -> Vec<Exposure<'_>> {
    let ingress = || rules.iter().filter(|rule| rule.direction == Direction::Ingress);
    let alone = |rule: &&SecurityGroupRule| is_world(std::iter::once(&rule.peer));
    let mut found: Vec<_> = ingress().filter(alone).map(|rule| Exposure { protocol: rule.protocol, rules: vec![rule] }).collect();
    let is_v4 = |rule: &&SecurityGroupRule| matches!(rule.peer, Peer::Ipv4(_));
    let is_v6 = |rule: &&SecurityGroupRule| matches!(rule.peer, Peer::Ipv6(_));
    let together = [
        ingress().filter(is_v4).filter(|rule| !alone(rule)).collect::<Vec<_>>(),
        ingress().filter(is_v6).filter(|rule| !alone(rule)).collect::<Vec<_>>(),
    ];
    for rules in together {
        // Seldom so, and quickly seen.
        if is_world(rules.iter().map(|rule| &rule.peer)) {
            found.extend(jointly(&rules));
        }
    }
    found
}

/// Whether a rule alone lets everyone on the internet in.
pub(crate) fn is_world_open(rule: &SecurityGroupRule) -> bool {
    rule.direction == Direction::Ingress && is_world(std::iter::once(&rule.peer))
}

/// What rules of one family expose that none of them does alone.
fn jointly<'a>(rules: &[&'a SecurityGroupRule]) -> Vec<Exposure<'a>> {
    let mut found: Vec<Exposure<'a>> = Vec::new();
    for protocol in parts(rules) {
        let through: Vec<_> = rules.iter().copied().filter(|rule| rule.protocol.covers(protocol)).collect();
        if !is_world(through.iter().map(|rule| &rule.peer)) {
            continue;
        }
        match found.last_mut().and_then(|last| Some((adjoining(last.protocol, protocol)?, last))) {
            Some((joined, last)) if last.rules == through => last.protocol = joined,
            _ => found.push(Exposure { protocol, rules: through }),
        }
        if protocol == Protocol::All {
            break;
        }
    }
    found
}

/// The protocols and ranges of ports in which each rule lets everything through or nothing.
fn parts(rules: &[&SecurityGroupRule]) -> Vec<Protocol> {
    let (mut parts, mut tcp, mut udp) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for rule in rules {
        let (edges, (from, to)) = match rule.protocol {
            Protocol::Tcp(from, to) => (&mut tcp, (from, to)),
            Protocol::Udp(from, to) => (&mut udp, (from, to)),
            other => {
                parts.insert(other);
                continue;
            }
        };
        edges.insert(u32::from(from));
        edges.insert(u32::from(to) + 1);
    }
    let ranges = |edges: BTreeSet<u32>, protocol: fn(u16, u16) -> Protocol| {
        let edges: Vec<u32> = edges.into_iter().collect();
        let ports: Vec<_> =
            edges.windows(2).filter_map(|pair| Some((u16::try_from(pair[0]).ok()?, u16::try_from(pair[1] - 1).ok()?))).collect();
        ports.into_iter().map(move |(from, to)| protocol(from, to))
    };
    parts.into_iter().chain(ranges(tcp, Protocol::Tcp)).chain(ranges(udp, Protocol::Udp)).collect()
}

/// Two ranges of ports of which the second follows the first, as one.
fn adjoining(one: Protocol, next: Protocol) -> Option<Protocol> {
    match (one, next) {
        (Protocol::Tcp(from, to), Protocol::Tcp(first, last)) if to.checked_add(1) == Some(first) => Some(Protocol::Tcp(from, last)),
        (Protocol::Udp(from, to), Protocol::Udp(first, last)) if to.checked_add(1) == Some(first) => Some(Protocol::Udp(from, last)),
        _ => None,
    }
}

/// Ranges from which nothing comes over the internet. (IANA IPv4 Special-Purpose Address Registry.)
const NOT_PUBLIC: [Ipv4Net; 9] = {
    const fn net(a: u8, b: u8, prefix: u8) -> Ipv4Net {
        Ipv4Net::new_assert(std::net::Ipv4Addr::new(a, b, 0, 0), prefix)
    }
    [
        net(0, 0, 8),
        net(10, 0, 8),
        net(100, 64, 10),
        net(127, 0, 8),
        net(169, 254, 16),
        net(172, 16, 12),
        net(192, 168, 16),
        net(198, 18, 15),
        net(224, 0, 3),
    ]
};

/// What IANA gives out of IPv6. (IANA IPv6 Address Space.)
const PUBLIC_V6: Ipv6Net = Ipv6Net::new_assert(std::net::Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Whether these peers together are every public address of a family.
fn is_world<'a>(peers: impl Iterator<Item = &'a Peer>) -> bool {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for peer in peers {
        match peer {
            Peer::Ipv4(block) => v4.push(*block),
            Peer::Ipv6(block) => v6.push(*block),
            Peer::PrefixList(_) | Peer::Group(_) => {}
        }
    }
    // Public addresses are most of IPv4: without a wide block there would have to be thousands of narrow ones.
    let addresses: u64 = v4.iter().map(|block| 1_u64 << (32 - block.prefix_len())).sum();
    if addresses > 1 << 31 {
        v4.extend(NOT_PUBLIC);
        if Ipv4Net::aggregate(&v4) == [Ipv4Net::default()] {
            return true;
        }
    }
    !v6.is_empty() && Ipv6Net::aggregate(&v6).iter().any(|block| block.contains(&PUBLIC_V6))
}

/// Ports behind which nobody wants the whole internet. (AWS Security Hub, control EC2.19; default ports of the engines of
/// Amazon RDS, Redshift, ElastiCache, DocumentDB, Neptune, Keyspaces and OpenSearch Service; Kubernetes, "Ports and Protocols".)
const SENSITIVE: [(Protocol, &str); 27] = [
    (Protocol::Tcp(22, 22), "SSH"),
    (Protocol::Tcp(23, 23), "Telnet"),
    (Protocol::Tcp(135, 135), "RPC"),
    (Protocol::Tcp(445, 445), "SMB"),
    (Protocol::Tcp(1433, 1433), "SQL Server"),
    (Protocol::Udp(1434, 1434), "SQL Server Browser"),
    (Protocol::Tcp(1521, 1521), "Oracle"),
    (Protocol::Tcp(2379, 2380), "etcd"),
    (Protocol::Tcp(3306, 3306), "MySQL"),
    (Protocol::Tcp(3389, 3389), "RDP"),
    (Protocol::Udp(3389, 3389), "RDP"),
    (Protocol::Tcp(5432, 5432), "PostgreSQL"),
    (Protocol::Tcp(5439, 5439), "Redshift"),
    (Protocol::Tcp(5601, 5601), "OpenSearch Dashboards"),
    (Protocol::Tcp(5984, 5984), "CouchDB"),
    (Protocol::Tcp(6379, 6379), "Redis"),
    (Protocol::Tcp(8086, 8086), "InfluxDB"),
    (Protocol::Tcp(8182, 8182), "Neptune"),
    (Protocol::Tcp(9042, 9042), "Cassandra"),
    (Protocol::Tcp(9142, 9142), "Keyspaces"),
    (Protocol::Tcp(9200, 9200), "OpenSearch"),
    (Protocol::Tcp(9300, 9300), "OpenSearch nodes"),
    (Protocol::Tcp(10250, 10250), "kubelet"),
    (Protocol::Tcp(11211, 11211), "Memcached"),
    (Protocol::Udp(11211, 11211), "Memcached"),
    (Protocol::Tcp(27017, 27017), "MongoDB"),
    (Protocol::Tcp(50000, 50000), "Db2"),
];

/// What is behind the ports that a protocol names and should not be open to the world.
pub(super) fn sensitive(protocol: Protocol) -> Vec<String> {
    let meets = |other: Protocol| match (protocol, other) {
        (Protocol::All, _) => true,
        (Protocol::Tcp(from, to), Protocol::Tcp(first, last)) | (Protocol::Udp(from, to), Protocol::Udp(first, last)) => {
            from <= last && first <= to
        }
        _ => false,
    };
    let name = |(other, name): &(Protocol, &str)| match other {
        Protocol::Tcp(port, _) | Protocol::Udp(port, _) => format!("{name} {port}"),
        _ => (*name).to_owned(),
    };
    let mut names: Vec<String> = SENSITIVE.iter().filter(|(other, _)| meets(*other)).map(name).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(protocol: Protocol, block: &str) -> SecurityGroupRule {
        SecurityGroupRule::new(Direction::Ingress, protocol, block.parse::<ipnet::IpNet>().unwrap().into(), None)
    }

    fn told(rules: &[SecurityGroupRule]) -> Vec<String> {
        exposures(rules)
            .iter()
            .map(|found| format!("{}: {}", found.protocol, found.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
            .collect()
    }

    const SSH: Protocol = Protocol::Tcp(22, 22);

    #[test]
    fn the_world_in_one_rule_or_in_several() {
        assert_eq!(told(&[rule(SSH, "0.0.0.0/0"), rule(Protocol::All, "::/0")]), ["tcp 22: tcp 22 from 0.0.0.0/0", "all: all from ::/0"]);
        assert_eq!(told(&[rule(SSH, "0.0.0.0/1"), rule(SSH, "128.0.0.0/1")]), ["tcp 22: tcp 22 from 0.0.0.0/1, tcp 22 from 128.0.0.0/1"]);
        assert_eq!(told(&[rule(SSH, "0.0.0.0/1"), rule(Protocol::Tcp(80, 80), "128.0.0.0/1")]), [""; 0]);
        assert_eq!(told(&[rule(SSH, "0.0.0.0/1"), rule(SSH, "128.0.0.0/2")]), [""; 0], "three quarters");
        // Nobody comes from 224.0.0.0/3, nor from outside 2000::/3.
        let three = ["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"].map(|block| rule(SSH, block));
        assert_eq!(told(&three).len(), 1);
        assert_eq!(told(&[rule(SSH, "2000::/3")]), ["tcp 22: tcp 22 from 2000::/3"]);
        assert_eq!(told(&[rule(SSH, "2000::/4"), rule(SSH, "3000::/4")]).len(), 1);
    }

    #[test]
    fn where_ranges_meet() {
        let rules =
            [rule(Protocol::Tcp(20, 30), "0.0.0.0/1"), rule(Protocol::Tcp(25, 90), "128.0.0.0/1"), rule(Protocol::Udp(1, 2), "0.0.0.0/1")];
        assert_eq!(told(&rules), ["tcp 25-30: tcp 20-30 from 0.0.0.0/1, tcp 25-90 from 128.0.0.0/1"]);
        let all = [rule(Protocol::All, "0.0.0.0/1"), rule(Protocol::All, "128.0.0.0/1"), rule(SSH, "128.0.0.0/1")];
        assert_eq!(told(&all), ["all: all from 0.0.0.0/1, all from 128.0.0.0/1"]);
    }

    #[test]
    fn egress_exposes_nothing() {
        let [everything, _] = SecurityGroupRule::defaults();
        assert_eq!(told(&[everything]), [""; 0]);
    }

    #[test]
    fn sensitive_ports_have_names() {
        assert_eq!(sensitive(SSH), ["SSH 22"]);
        assert_eq!(sensitive(Protocol::Tcp(5400, 5500)), ["PostgreSQL 5432", "Redshift 5439"]);
        assert_eq!(sensitive(Protocol::Tcp(443, 443)), [""; 0]);
        assert_eq!(sensitive(Protocol::Udp(0, 65_535)), ["SQL Server Browser 1434", "RDP 3389", "Memcached 11211"]);
    }
}
