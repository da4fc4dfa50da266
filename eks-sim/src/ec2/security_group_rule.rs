//! Rules of security groups.

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::{Reply, filter::Listing, ids, invalid, quota, tags};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// One rule: one direction, one range of ports, one peer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all.
    pub(super) protocol: String,
    /// First and last port (ICMP: type and code); none when the protocol has none.
    pub(super) ports: Option<(i64, i64)>,
    pub(super) peer: Peer,
    description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Cidr(String),
    Cidr6(String),
    PrefixList(String),
    Group(String),
}

impl Rule {
    /// A rule for all traffic.
    pub(super) fn all(egress: bool, peer: Peer) -> Self {
        Self { egress, protocol: "-1".to_owned(), ports: None, peer, description: None }
    }

    /// Whether its peer is this group.
    pub(super) fn names(&self, group: &str) -> bool {
        matches!(&self.peer, Peer::Group(id) if id == group)
    }

    /// Whether it is the same rule, its description aside.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.egress, &self.protocol, self.ports, &self.peer) == (other.egress, &other.protocol, other.ports, &other.peer)
    }

    pub(super) fn with_description(self, description: Option<String>) -> Self {
        Self { description, ..self }
    }

    /// Whether it lets TCP through at a port.
    pub(super) fn lets_tcp(&self, port: u16) -> bool {
        let port = i64::from(port);
        self.protocol == "-1" || (self.protocol == "tcp" && self.ports.is_some_and(|(from, to)| (from..=to).contains(&port)))
    }

    fn describe(&self) -> String {
        let peer = match &self.peer {
            Peer::Cidr(text) | Peer::Cidr6(text) | Peer::PrefixList(text) | Peer::Group(text) => text,
        };
        let (from, to) = self.ports.unwrap_or((-1, -1));
        let protocol = match self.protocol.as_str() {
            "-1" => "ALL".to_owned(),
            "tcp" | "udp" => format!("{}, from port: {from}, to port: {to}", self.protocol.to_uppercase()),
            other => other.to_owned(),
        };
        format!("peer: {peer}, {protocol}, ALLOW")
    }
}

/// Protocol and ports of a permission (IpPermission: names or numbers; all ports with -1 and unnamed protocols).
fn protocol_and_ports(permission: &Args) -> Result<(String, Option<(i64, i64)>), ApiError> {
    let text = permission.required("IpProtocol").map_err(|_| ApiError::missing("ipProtocol"))?.to_ascii_lowercase();
    let protocol = match text.as_str() {
        "6" => "tcp",
        "17" => "udp",
        "1" => "icmp",
        "58" => "icmpv6",
        "all" => "-1",
        other => other,
    };
    let ports = (permission.int("FromPort"), permission.int("ToPort"));
    let ports = match protocol {
        "tcp" | "udp" => match ports {
            (Some(from), Some(to)) if (0..=65_535).contains(&from) && (from..=65_535).contains(&to) => Some((from, to)),
            (Some(from), Some(to)) => return Err(invalid(format!("Invalid TCP/UDP port range ({from}:{to})"))),
            _ => return Err(invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")),
        },
        "icmp" if ports.0.is_none() => {
            return Err(invalid("Invalid value 'Must specify both from and to ports with ICMP.' for portRange."));
        }
        "icmp" | "icmpv6" => match (ports.0.unwrap_or(-1), ports.1.unwrap_or(-1)) {
            types @ ((-1, -1) | (0..=255, -1..=255)) => Some(types),
            (kind, code) => return Err(invalid(format!("Invalid ICMP type/code combination ({kind}:{code})"))),
        },
        "-1" => None,
        number if number.parse::<u8>().is_ok() => None,
        other => return Err(invalid(format!("Invalid value '{other}' for IP protocol. Unknown protocol."))),
    };
    Ok((protocol.to_owned(), ports))
}

/// The description in a part of a request: up to 255 of the characters that IpRange documents. An empty one is none.
pub(super) fn described(source: &Args) -> Result<Option<String>, ApiError> {
    let Some(text) = source.str("Description").filter(|text| !text.is_empty()) else { return Ok(None) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.len() > 255 || !text.chars().all(allowed) {
        return Err(invalid(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  \
             a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        ));
    }
    Ok(Some(text.to_owned()))
}

/// The rule is there already.
pub(super) fn duplicate(rule: &Rule) -> ApiError {
    ApiError::new("InvalidPermission.Duplicate", format!("the specified rule \"{}\" already exists", rule.describe()))
}

/// The rules that a call names, in IpPermissions or in the flat form.
pub(super) fn parse(world: &World, group: &str, args: &Args, egress: bool) -> Result<Vec<Rule>, ApiError> {
    let mut permissions = args.nested("IpPermissions");
    if permissions.is_empty() {
        let mut flat = args.0.clone();
        if let Some(cidr) = args.str("CidrIp") {
            flat["IpRanges"] = json!([{"CidrIp": cidr}]);
        }
        if let Some(name) = args.str("SourceSecurityGroupName") {
            flat["Groups"] = json!([{"GroupName": name}]);
        }
        if args.str("IpProtocol").is_none() {
            return Err(ApiError::missing("ipPermissions"));
        }
        permissions.push(Args(flat));
    }
    let mut rules = Vec::new();
    for permission in &permissions {
        let (protocol, ports) = protocol_and_ports(permission)?;
        let mut push = |peer: Peer, source: &Args| {
            let description = described(source)?;
            rules.push(Rule { egress, protocol: protocol.clone(), ports, peer, description });
            Ok::<(), ApiError>(())
        };
        let before = permission.nested("Groups").len();
        let (v4, v6, lists) = (permission.nested("IpRanges"), permission.nested("Ipv6Ranges"), permission.nested("PrefixListIds"));
        if before + v4.len() + v6.len() + lists.len() == 0 {
            return Err(ApiError::missing("cidrIp or sourceSecurityGroupId"));
        }
        // Blocks are kept in canonical form (AuthorizeSecurityGroupIngress).
        for range in v4 {
            let text = range.required("CidrIp")?;
            let net = text.parse::<Ipv4Net>().map_err(|_| invalid(format!("CIDR block {text} is malformed")))?;
            push(Peer::Cidr(net.trunc().to_string()), &range)?;
        }
        for range in v6 {
            let text = range.required("CidrIpv6")?;
            let net = text.parse::<Ipv6Net>().map_err(|_| invalid(format!("CIDR block {text} is malformed")))?;
            push(Peer::Cidr6(net.trunc().to_string()), &range)?;
        }
        for list in lists {
            push(Peer::PrefixList(list.required("PrefixListId")?.to_owned()), &list)?;
        }
        for pair in permission.nested("Groups") {
            let peer = world.ec2.named_group(&pair)?;
            let vpc = |id: &str| world.ec2.security_groups.get(id).map(|group| group.vpc.clone());
            if vpc(&peer) != vpc(group) {
                return Err(ApiError::new(
                    "InvalidGroup.NotFound",
                    format!("You have specified two resources that belong to different networks: {group} and {peer}."),
                ));
            }
            push(Peer::Group(peer), &pair)?;
        }
    }
    Ok(rules)
}

/// Adds a rule without checks; tells its id.
pub(super) fn add(world: &mut World, group: &str, rule: Rule) -> String {
    let id = world.id(ids::SECURITY_GROUP_RULE.prefix);
    world.ec2.rule_owners.insert(id.clone(), group.to_owned());
    if let Some(found) = world.ec2.security_groups.get_mut(group) {
        found.rules.push((id.clone(), rule));
    }
    id
}

pub(super) fn authorize_ingress(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    authorize(world, caller, args, false)
}

pub(super) fn authorize_egress(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    authorize(world, caller, args, true)
}

/// All the rules are added, or none.
fn authorize(world: &mut World, caller: &Caller, args: &Args, egress: bool) -> Reply {
    let tags = tags::specified(args, caller, ids::SECURITY_GROUP_RULE.tag_type, &[])?;
    let id = world.ec2.named_group(args)?;
    let rules = parse(world, &id, args, egress)?;
    let present = &world.ec2.security_groups[&id].rules;
    for (index, rule) in rules.iter().enumerate() {
        if rules[..index].iter().any(|other| other.is_same(rule)) {
            return Err(invalid("The same permission must not appear multiple times"));
        }
        if present.iter().any(|(_, other)| other.is_same(rule)) {
            return Err(duplicate(rule));
        }
    }
    // The quota counts each direction, and IPv4 and IPv6 apart; a group as a peer counts for both.
    for is_v6 in [false, true] {
        let counts = |rule: &Rule| rule.egress == egress && !matches!((&rule.peer, is_v6), (Peer::Cidr(_), true) | (Peer::Cidr6(_), false));
        let count = present.iter().filter(|(_, rule)| counts(rule)).count() + rules.iter().filter(|rule| counts(rule)).count();
        let message = "The maximum number of rules per security group has been reached.";
        quota::within(count, quota::RULES_PER_DIRECTION + 1, "RulesPerSecurityGroupLimitExceeded", message)?;
    }
    let mut added = Vec::new();
    for rule in rules {
        let rule_id = add(world, &id, rule.clone());
        world.ec2.tag(&rule_id, tags.clone());
        added.push(render(world, &rule_id, &id, &rule));
    }
    Ok(json!({"return": true, "securityGroupRuleSet": added}))
}

pub(super) fn revoke_ingress(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    revoke(world, args, false)
}

pub(super) fn revoke_egress(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    revoke(world, args, true)
}

fn revoke(world: &mut World, args: &Args, egress: bool) -> Reply {
    let group = world.ec2.named_group(args)?;
    let present = &world.ec2.security_groups[&group].rules;
    let by_id = args.strings("SecurityGroupRuleId");
    let mut doomed = Vec::new();
    for id in &by_id {
        ids::SECURITY_GROUP_RULE.check(id)?;
        let found = present.iter().find(|(rule, found)| rule == id && found.egress == egress);
        doomed.push(found.ok_or_else(|| ids::SECURITY_GROUP_RULE.not_found(id))?.0.clone());
    }
    if by_id.is_empty() {
        for rule in parse(world, &group, args, egress)? {
            match present.iter().find(|(_, other)| other.is_same(&rule)) {
                Some((id, _)) => doomed.push(id.clone()),
                None => {
                    let message = "The specified rule does not exist in this security group.";
                    return Err(ApiError::new("InvalidPermission.NotFound", message));
                }
            }
        }
    }
    let revoked: Vec<_> = present
        .iter()
        .filter(|(id, _)| doomed.contains(id))
        .map(|(id, rule)| {
            let mut item = render(world, id, &group, rule);
            item["tagSet"] = Value::Null;
            item["groupOwnerId"] = Value::Null;
            item["securityGroupRuleArn"] = Value::Null;
            if let Peer::Group(peer) = &rule.peer {
                item["referencedGroupId"] = json!(peer);
                item["referencedGroupInfo"] = Value::Null;
            }
            item
        })
        .collect();
    ids::SECURITY_GROUP.find_mut(&mut world.ec2.security_groups, &group)?.rules.retain(|(id, _)| !doomed.contains(id));
    for id in &doomed {
        world.ec2.rule_owners.remove(id);
        world.ec2.tags.remove(id);
    }
    Ok(json!({"return": true, "revokedSecurityGroupRuleSet": revoked}))
}

fn render(world: &World, id: &str, group: &str, rule: &Rule) -> Value {
    // Without ports the API tells -1.
    let (from, to) = rule.ports.unwrap_or((-1, -1));
    let mut item = json!({
        "securityGroupRuleId": id, "groupId": group, "groupOwnerId": world.account, "isEgress": rule.egress, "ipProtocol": rule.protocol,
        "fromPort": from, "toPort": to, "description": rule.description, "tagSet": world.ec2.tag_set(id),
        "securityGroupRuleArn": format!("arn:aws:ec2:{}:{}:security-group-rule/{id}", world.region, world.account),
    });
    match &rule.peer {
        Peer::Cidr(cidr) => item["cidrIpv4"] = json!(cidr),
        Peer::Cidr6(cidr) => item["cidrIpv6"] = json!(cidr),
        Peer::PrefixList(list) => item["prefixListId"] = json!(list),
        Peer::Group(peer) => item["referencedGroupInfo"] = json!({"groupId": peer, "userId": world.account}),
    }
    item
}

/// Rules as DescribeSecurityGroups tells them: those of the same protocol and ports together.
pub(super) fn permissions<'a>(world: &World, rules: impl Iterator<Item = &'a (String, Rule)>) -> Value {
    let mut permissions: Vec<Value> = Vec::new();
    for (_, rule) in rules {
        let (from, to) = rule.ports.map_or((None, None), |(from, to)| (Some(from), Some(to)));
        let head = json!({"ipProtocol": rule.protocol, "fromPort": from, "toPort": to});
        let same = |item: &Value| ["ipProtocol", "fromPort", "toPort"].iter().all(|key| item[key] == head[key]);
        let index = permissions.iter().position(same).unwrap_or_else(|| {
            let mut item = head.clone();
            for list in ["groups", "ipRanges", "ipv6Ranges", "prefixListIds"] {
                item[list] = json!([]);
            }
            permissions.push(item);
            permissions.len() - 1
        });
        let description = &rule.description;
        let (list, entry) = match &rule.peer {
            Peer::Cidr(cidr) => ("ipRanges", json!({"cidrIp": cidr, "description": description})),
            Peer::Cidr6(cidr) => ("ipv6Ranges", json!({"cidrIpv6": cidr, "description": description})),
            Peer::PrefixList(id) => ("prefixListIds", json!({"prefixListId": id, "description": description})),
            Peer::Group(id) => ("groups", json!({"groupId": id, "userId": world.account, "description": description})),
        };
        if let Some(entries) = permissions[index][list].as_array_mut() {
            entries.push(entry);
        }
    }
    Value::Array(permissions)
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let groups = world.ec2.security_groups.iter();
    let items = groups.flat_map(|(group, found)| found.rules.iter().map(|(id, rule)| render(world, id, group, rule))).collect();
    Listing {
        set: "securityGroupRuleSet",
        ids: Some(("SecurityGroupRuleId", &ids::SECURITY_GROUP_RULE)),
        key: "securityGroupRuleId",
        filters: &[("group-id", "groupId"), ("security-group-rule-id", "securityGroupRuleId")],
        page: Some((5, 1000)),
    }
    .reply(args, items)
}
