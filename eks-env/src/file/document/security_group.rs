//! Security groups of a document.

use std::fmt;

use eks_core::Problems;
use eks_net::{IcmpTypes, Rule};
use serde::{Deserialize, Serialize};

use super::words::Text;

/// A security group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SecurityGroup {
    /// Its name in the network.
    pub(crate) name: String,
    /// What it is for, as EC2 shows it.
    pub(crate) description: String,
    /// What it lets in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ingress: Vec<GroupRule>,
    /// What it lets out. Default: everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) egress: Vec<GroupRule>,
}

/// One rule: a protocol, and with whom. Exactly one of `cidr`, `group`, `groupId`, `prefixList` and `self` is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GroupRule {
    /// Default `tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<RuleProtocol>,
    /// A port, or a range such as `30000-32767`, of TCP or UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ports: Option<PortRange>,
    /// Type of ICMP messages. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) icmp_type: Option<u8>,
    /// Code of ICMP messages of that type. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) icmp_code: Option<u8>,
    /// Number of a protocol that has no name here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u8>,
    /// A block of addresses, IPv4 or IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cidr: Option<String>,
    /// A security group of the same network, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// A security group by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<Text<eks_core::SecurityGroupId>>,
    /// A managed prefix list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prefix_list: Option<PrefixList>,
    /// The group itself.
    #[serde(default, rename = "self", skip_serializing_if = "Option::is_none")]
    pub(crate) itself: Option<bool>,
    /// What the rule is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}

/// A managed prefix list, which counts as so many rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PrefixList {
    /// Its id: `pl-…`.
    pub(crate) id: String,
    /// Most entries that it may have.
    pub(crate) max_entries: u32,
}

/// A protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum RuleProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP over IPv4.
    Icmp,
    /// ICMP over IPv6.
    Icmpv6,
    /// The one of a number.
    Number,
    /// Every protocol and port.
    All,
}

/// A port or a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortRange(u16, u16);

impl Serialize for PortRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == self.1 { serializer.serialize_u16(self.0) } else { serializer.collect_str(&format_args!("{}-{}", self.0, self.1)) }
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl serde::de::Visitor<'_> for Read {
            type Value = PortRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port from 0 to 65535, or a range such as 30000-32767,")
            }

            fn visit_u64<E: serde::de::Error>(self, port: u64) -> Result<PortRange, E> {
                let wrong = || E::invalid_value(serde::de::Unexpected::Unsigned(port), &self);
                u16::try_from(port).map(|port| PortRange(port, port)).map_err(|_| wrong())
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PortRange, E> {
                let (from, to) = text.split_once('-').unwrap_or((text, text));
                match (from.trim().parse(), to.trim().parse()) {
                    (Ok(from), Ok(to)) => Ok(PortRange(from, to)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for PortRange {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PortRange".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "oneOf": [
                { "type": "integer", "minimum": 0, "maximum": 65535 },
                { "type": "string", "pattern": "^[0-9]{1,5}( ?- ?[0-9]{1,5})?$" },
            ],
            "examples": [443, "30000-32767"],
        })
    }
}

impl SecurityGroup {
    pub(crate) fn group(self, problems: &mut Problems) -> eks_net::SecurityGroup {
        let subject = format!("security group {}", self.name);
        let mut group = eks_net::SecurityGroup::new(self.name, self.description);
        for rule in self.ingress {
            let Some((aim, rule)) = rule.aimed(&subject, problems) else { continue };
            group = group.allow(match aim {
                Aim::Cidr(cidr) => rule.from_cidr(cidr),
                Aim::Group(name) => rule.from_group(name),
                Aim::GroupId(id) => rule.from_group_id(id),
                Aim::PrefixList(list) => rule.from_prefix_list(list.id, list.max_entries),
                Aim::Itself => rule.from_self(),
            });
        }
        for rule in self.egress {
            let Some((aim, rule)) = rule.aimed(&subject, problems) else { continue };
            group = group.allow_out(match aim {
                Aim::Cidr(cidr) => rule.to_cidr(cidr),
                Aim::Group(name) => rule.to_group(name),
                Aim::GroupId(id) => rule.to_group_id(id),
                Aim::PrefixList(list) => rule.to_prefix_list(list.id, list.max_entries),
                Aim::Itself => rule.to_self(),
            });
        }
        group
    }
}

enum Aim {
    Cidr(String),
    Group(String),
    GroupId(eks_core::SecurityGroupId),
    PrefixList(PrefixList),
    Itself,
}

impl GroupRule {
    fn aimed(self, subject: &str, problems: &mut Problems) -> Option<(Aim, Rule)> {
        let mut refuse = |code, rule: &str, remedy: &str| {
            problems.add(code, subject, rule, remedy);
            None
        };
        let protocol = self.protocol.unwrap_or(RuleProtocol::Tcp);
        if !matches!(protocol, RuleProtocol::Icmp | RuleProtocol::Icmpv6) && (self.icmp_type.is_some() || self.icmp_code.is_some()) {
            let rule = "a rule has icmpType or icmpCode, and is not of ICMP";
            return refuse("rule-protocol-form", rule, "leave them out, or say protocol: icmp");
        }
        if self.icmp_type.is_none() && self.icmp_code.is_some() {
            let rule = "a rule has icmpCode without icmpType: it would let in every message of ICMP";
            return refuse("rule-icmp-code", rule, "give the type that the code is of");
        }
        let icmp = match (self.icmp_type, self.icmp_code) {
            (Some(kind), Some(code)) => IcmpTypes::Code(kind, code),
            (Some(kind), None) => IcmpTypes::Type(kind),
            (None, _) => IcmpTypes::All,
        };
        let rule = match (protocol, self.ports, self.number) {
            (RuleProtocol::Tcp, Some(PortRange(from, to)), None) => Rule::tcp(from..=to),
            (RuleProtocol::Udp, Some(PortRange(from, to)), None) => Rule::udp(from..=to),
            (RuleProtocol::Icmp, None, None) => Rule::icmp_of(icmp),
            (RuleProtocol::Icmpv6, None, None) => Rule::icmpv6_of(icmp),
            (RuleProtocol::Number, None, Some(number)) => Rule::protocol(number),
            (RuleProtocol::All, None, None) => Rule::all(),
            (RuleProtocol::Tcp | RuleProtocol::Udp, None, _) => {
                return refuse("rule-ports-none", "a rule of TCP or UDP has no ports", "give ports: 443, or 0-65535 for all");
            }
            _ => return refuse("rule-protocol-form", "a rule has ports or a number that its protocol does not have", "leave them out"),
        };
        let rule = self.description.into_iter().fold(rule, Rule::described);
        let aims: Vec<Aim> = (self.cidr.map(Aim::Cidr).into_iter())
            .chain(self.group.map(Aim::Group))
            .chain(self.group_id.map(|id| Aim::GroupId(id.0)))
            .chain(self.prefix_list.map(Aim::PrefixList))
            .chain((self.itself == Some(true)).then_some(Aim::Itself))
            .collect();
        let count = aims.len();
        match aims.into_iter().next().filter(|_| count == 1) {
            Some(aim) => Some((aim, rule)),
            None => refuse(
                "rule-aim",
                &format!("a rule has {count} of cidr, group, groupId, prefixList and self"),
                "give exactly one of them; a rule for each",
            ),
        }
    }
}
