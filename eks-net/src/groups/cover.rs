//! Rules that change nothing, because another lets through all that they do.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use super::{
    peer::Peer,
    rule::{Direction, SecurityGroupRule},
};

/// Rules of one group that another one contains, with that one. Of two with the same peer and protocol, which EC2 does not
/// accept, none contains the other.
pub(super) fn shadowed(rules: &[SecurityGroupRule]) -> Vec<(&SecurityGroupRule, &SecurityGroupRule)> {
    // By peer, so that a rule is compared with those only whose peer contains its own.
    let mut by_peer: HashMap<(Direction, Cow<'_, Peer>), Vec<&SecurityGroupRule>> = HashMap::with_capacity(rules.len());
    let mut lengths = BTreeSet::new();
    for rule in rules {
        by_peer.entry((rule.direction, Cow::Borrowed(&rule.peer))).or_default().push(rule);
        lengths.extend(rule.peer.prefix_len());
    }
    let covering = |rule: &SecurityGroupRule| {
        let own = std::iter::once(Cow::Borrowed(&rule.peer));
        let wider = lengths.iter().filter_map(|length| rule.peer.widened(*length)).map(Cow::Owned);
        own.chain(wider).find_map(|peer| {
            let others = by_peer.get(&(rule.direction, peer))?;
            others.iter().copied().find(|other| other.protocol.covers(rule.protocol) && !other.same_as(rule))
        })
    };
    rules.iter().filter_map(|rule| Some((rule, covering(rule)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::Protocol;

    fn rule(direction: Direction, protocol: Protocol, block: &str) -> SecurityGroupRule {
        SecurityGroupRule::new(direction, protocol, block.parse::<ipnet::IpNet>().unwrap().into(), None)
    }

    #[test]
    fn only_what_is_wholly_contained() {
        use Direction::{Egress, Ingress};
        let rules = [
            rule(Ingress, Protocol::Tcp(22, 22), "10.1.0.0/16"),
            rule(Ingress, Protocol::Tcp(20, 30), "10.0.0.0/8"),
            rule(Egress, Protocol::Tcp(22, 22), "10.1.0.0/16"),
            rule(Ingress, Protocol::Tcp(25, 35), "10.1.0.0/16"),
            rule(Ingress, Protocol::Udp(22, 22), "10.1.0.0/16"),
            rule(Ingress, Protocol::Tcp(22, 22), "fd00::/8"),
            rule(Ingress, Protocol::All, "fc00::/7"),
        ];
        let found: Vec<_> = shadowed(&rules).into_iter().map(|(one, by)| format!("{one} by {by}")).collect();
        assert_eq!(found, ["tcp 22 from 10.1.0.0/16 by tcp 20-30 from 10.0.0.0/8", "tcp 22 from fd00::/8 by all from fc00::/7"]);
    }
}
