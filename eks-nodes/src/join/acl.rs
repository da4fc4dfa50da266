//! Network ACLs: what never gets out of a subnet, or whose answers never come back.
//!
//! "Rules are evaluated starting with the lowest numbered rule. As soon as a rule matches traffic, it's applied regardless of any
//! higher-numbered rule that might contradict it" (VPC user guide, "Network ACL rules").

use super::{
    Cause,
    evidence::{AclEntryEvidence, AclEvidence, Evidence, InstanceEvidence},
    network::contains,
};

/// HTTPS, and ports that every system has its answers sent to: Linux and NAT gateways use them, and Windows some of them ("Custom network
/// ACLs", ephemeral ports).
const HTTPS: (u16, u16) = (443, 443);
const EPHEMERAL: (u16, u16) = (32_768, 65_535);

/// Blocks that are nowhere on the internet (RFC 1918, RFC 6598).
const PRIVATE: [(&str, u8); 4] = [("10.0.0.0/8", 8), ("172.16.0.0/12", 12), ("192.168.0.0/16", 16), ("100.64.0.0/10", 10)];

/// Why nothing on the internet is reached from an instance: cause, what is so, what to do, what was seen.
pub(super) fn shuts(evidence: &Evidence, instance: &InstanceEvidence) -> Option<(Cause, String, String, String)> {
    let acl = evidence.network_acls.get(&instance.subnet)?;
    let (id, subnet) = (&acl.id, &instance.subnet);
    let (entry, told, fix) = if let Some(entry) = acl.denies(true, HTTPS) {
        let fix = format!("allow TCP 443 to 0.0.0.0/0 out of {id}, by a number below {}", entry.number);
        (entry, format!("network ACL {id} of {subnet} lets nothing out to the internet on 443"), fix)
    } else if let Some(entry) = acl.denies(false, EPHEMERAL) {
        let fix = format!("allow TCP 1024-65535 from 0.0.0.0/0 into {id}, by a number below {}: network ACLs are stateless", entry.number);
        (entry, format!("network ACL {id} of {subnet} lets no answers in from the internet, which come to ports 32768-65535"), fix)
    } else {
        return None;
    };
    let direction = if entry.egress { "out" } else { "in" };
    Some((Cause::NetworkAclClosed, told, fix, format!("entry {} of {id}, {direction}: deny {}", entry.number, entry.block)))
}

impl AclEvidence {
    /// The entry that denies TCP at all of these ports, whatever address of the internet is at the other end; `None` if one may be allowed.
    fn denies(&self, egress: bool, ports: (u16, u16)) -> Option<&AclEntryEvidence> {
        let about = |entry: &&AclEntryEvidence| entry.egress == egress && matches!(entry.protocol.as_str(), "-1" | "6");
        let mut entries = self.entries.iter().filter(about).filter(|entry| entry.has(|from, to| from <= ports.1 && to >= ports.0));
        let whole = |entry: &AclEntryEvidence| entry.block == "0.0.0.0/0" && entry.has(|from, to| from <= ports.0 && to >= ports.1);
        let decides = |entry: &&AclEntryEvidence| if entry.allow { !entry.is_private() } else { whole(entry) };
        entries.find(decides).filter(|entry| !entry.allow)
    }
}

impl AclEntryEvidence {
    fn has(&self, test: impl Fn(u16, u16) -> bool) -> bool {
        self.ports.is_none_or(|(from, to)| test(from, to))
    }

    /// Whether no address of the internet is in its block.
    fn is_private(&self) -> bool {
        let Some((base, length)) = self.block.split_once('/') else { return false };
        let (Ok(base), Ok(length)) = (base.parse(), length.parse::<u8>()) else { return false };
        PRIVATE.iter().any(|(block, shortest)| length >= *shortest && contains(block, base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(egress: bool, allow: bool, ports: Option<(u16, u16)>, block: &str) -> AclEntryEvidence {
        AclEntryEvidence { number: 100, egress, allow, protocol: "6".to_owned(), ports, block: block.to_owned() }
    }

    /// Whether it allows, from which port to which, to which addresses.
    type Rule<'a> = (bool, Option<(u16, u16)>, &'a str);

    /// Whether the first entries of an ACL, before the last that denies all, deny HTTPS out.
    fn denied(entries: &[Rule<'_>]) -> bool {
        let mut entries: Vec<_> = entries.iter().map(|(allow, ports, block)| entry(true, *allow, *ports, block)).collect();
        entries.push(AclEntryEvidence { protocol: "-1".to_owned(), ..entry(true, false, None, "0.0.0.0/0") });
        AclEvidence { id: "acl-1".to_owned(), entries }.denies(true, HTTPS).is_some()
    }

    #[test]
    fn only_what_denies_every_address_is_certain() {
        assert!(denied(&[]), "a custom ACL lets nothing through until it is told");
        assert!(denied(&[(true, None, "10.0.0.0/16"), (true, Some((80, 80)), "0.0.0.0/0")]));
        assert!(denied(&[(false, Some((1, 1024)), "0.0.0.0/0"), (true, None, "0.0.0.0/0")]), "the lower number decides");
        assert!(!denied(&[(true, None, "0.0.0.0/0")]));
        assert!(!denied(&[(false, None, "52.0.0.0/8"), (true, None, "0.0.0.0/0")]), "some are denied");
        assert!(!denied(&[(true, Some((443, 443)), "52.0.0.0/8")]), "some are allowed");
        assert!(!denied(&[(true, None, "8.0.0.0/5")]), "10.0.0.0/8 and more");
    }

    #[test]
    fn answers_come_to_many_ports() {
        let acl = |ports| AclEvidence {
            id: "acl-1".to_owned(),
            entries: vec![entry(false, true, Some(ports), "0.0.0.0/0"), entry(false, false, None, "0.0.0.0/0")],
        };
        assert!(acl((443, 443)).denies(false, EPHEMERAL).is_some());
        assert!(acl((1024, 65_535)).denies(false, EPHEMERAL).is_none());
        assert!(acl((49_152, 65_535)).denies(false, EPHEMERAL).is_none(), "enough for Windows");
    }
}
