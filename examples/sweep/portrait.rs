//! What an account looks like, but for what is drawn by lot: two runs that came to the same end have the same portrait.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, VpcAttributeName};
use eks_core::{KEY_TAG, OWNER_TAG};
use eks_sim::Sim;
use serde_json::Value;

use super::{configuration, flow::OWNER, foreign};
use crate::environment::Failure;

/// Lines, and how often each is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portrait(BTreeMap<String, usize>);

/// How an account differs from the one that an undisturbed run leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Differences {
    /// Things that bear a mark of ours which something else bears already.
    pub duplicates: Vec<String>,
    /// Other things that are there and should not be, or are not as they should be.
    pub left: Vec<String>,
    /// Things that are missing.
    pub missing: Vec<String>,
}

impl Portrait {
    /// What is there of ours, and of what services made for us.
    ///
    /// # Errors
    /// If AWS cannot be asked.
    pub async fn of(sim: &Sim, foreign: &BTreeSet<String>) -> Result<Self, Failure> {
        let mut lines = Vec::new();
        for item in sim.inventory().items().iter().filter(|item| !foreign.contains(&item.id) && item.state != "terminated") {
            let tags = |name: &str| item.tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let marked = tags(OWNER_TAG) == Some(OWNER);
            let mut tags: Vec<String> = item.tags.iter().map(|(key, value)| drawn(&format!("{key}={value}"))).collect();
            tags.sort();
            let id = if item.kind == "kubernetes/PersistentVolume" { String::new() } else { drawn(&item.id) };
            let mark = item.tags.iter().find(|(key, _)| key == KEY_TAG && marked).map_or("", |(_, key)| key);
            lines.push(format!("{} {mark} {id} {} ${:.2} {}", item.kind, item.state, item.usd_per_month, tags.join(" ")));
        }
        lines.extend(kubernetes(sim));
        lines.extend(ec2(sim, foreign).await?);
        lines.extend(configuration::of(sim, foreign).await?);
        let mut counted = BTreeMap::new();
        lines.into_iter().for_each(|line| *counted.entry(line).or_default() += 1);
        Ok(Self(counted))
    }

    /// What is other in this one than in the one of an undisturbed run.
    pub fn against(&self, undisturbed: &Self) -> Differences {
        let mut differences = Differences::default();
        let marks = |portrait: &Self| {
            let mut marks: BTreeMap<String, usize> = BTreeMap::new();
            for (line, count) in &portrait.0 {
                let mut words = line.split(' ');
                if let (Some(kind), Some(mark)) = (words.next(), words.next().filter(|mark| mark.contains('/'))) {
                    *marks.entry(format!("{kind} {mark}")).or_default() += count;
                }
            }
            marks
        };
        let expected = marks(undisturbed);
        for (mark, count) in marks(self) {
            let due = expected.get(&mark).copied().unwrap_or_default().max(1);
            differences.duplicates.extend((due..count).map(|_| mark.clone()));
        }
        for (line, count) in &self.0 {
            let due = undisturbed.0.get(line).copied().unwrap_or_default();
            differences.left.extend((due..*count).map(|_| line.clone()));
        }
        for (line, due) in &undisturbed.0 {
            let count = self.0.get(line).copied().unwrap_or_default();
            differences.missing.extend((count..*due).map(|_| line.clone()));
        }
        differences
    }
}

impl Differences {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// Nodes and workloads, with what we write on them.
fn kubernetes(sim: &Sim) -> Vec<String> {
    let marks = |object: &Value| {
        let of = |what: &str| object["metadata"][what].as_object().into_iter().flatten().map(|(key, value)| format!("{key}={value}"));
        let all: Vec<_> = of("labels").chain(of("annotations")).collect();
        let ours = all.into_iter().filter(|mark| mark.starts_with("eks-rs/") || mark.starts_with("team=") || mark.contains("/exclude-"));
        drawn(&ours.collect::<Vec<_>>().join(" "))
    };
    let nodes = sim.stored(OWNER, "", "nodes");
    let nodes = nodes.iter().map(|node| {
        let closed = node["spec"]["unschedulable"] == true;
        format!("node  {} closed={closed} taints={} {}", node["status"]["nodeInfo"]["kubeletVersion"], node["spec"]["taints"], marks(node))
    });
    let deployments = sim.stored(OWNER, "apps", "deployments");
    let deployments =
        deployments.iter().map(|one| format!("deployment  {} {} {}", one["metadata"]["name"], one["spec"]["replicas"], marks(one)));
    let maps = sim.stored(OWNER, "", "configmaps").into_iter().filter(|map| map["metadata"]["name"] == "aws-auth");
    let maps = maps.map(|map| format!("aws-auth  {}", drawn(&map["data"].to_string())));
    nodes.chain(deployments).chain(maps).collect()
}

/// Rules of security groups, routes, attributes of VPCs, and tags on the account's own network.
async fn ec2(sim: &Sim, foreign: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
    let config = sim.sdk_config();
    let client = aws_sdk_ec2::Client::new(&config);
    let mut lines = Vec::new();
    let names = names(&client).await?;
    let named = |text: String| drawn(&names.iter().fold(text, |text, (id, name)| text.replace(id, name)));
    let rules = client.describe_security_group_rules().send().await?;
    for rule in rules.security_group_rules().iter().filter(|rule| rule.group_id().is_none_or(|group| !foreign.contains(group))) {
        let tags: BTreeSet<_> = rule.tags().iter().map(|tag| format!("{:?}={:?}", tag.key(), tag.value())).collect();
        let (group, egress, protocol) = (rule.group_id(), rule.is_egress().unwrap_or_default(), rule.ip_protocol().unwrap_or_default());
        let ports = (rule.from_port(), rule.to_port());
        let group_there = rule.referenced_group_info().map(|there| there.group_id());
        let peer = (rule.cidr_ipv4(), rule.cidr_ipv6(), rule.prefix_list_id(), group_there, rule.description());
        lines.push(named(format!("rule  of {group:?} egress={egress} {protocol} {ports:?} {peer:?} {tags:?}")));
    }
    let tables = client.describe_route_tables().send().await?;
    for table in tables.route_tables().iter().filter(|table| table.vpc_id().is_none_or(|vpc| !foreign.contains(vpc))) {
        let routes: BTreeSet<_> = table.routes().iter().map(|route| named(format!("{route:?}"))).collect();
        let whose = table.associations().iter().map(|one| named(format!("{:?} main={:?}", one.subnet_id(), one.main())));
        let whose: BTreeSet<_> = whose.collect();
        lines.push(named(format!("routes  {:?} {whose:?} {routes:?}", table.route_table_id())));
    }
    let vpcs = client.describe_vpcs().send().await?;
    for vpc in vpcs.vpcs().iter().filter_map(|vpc| vpc.vpc_id()).filter(|vpc| !foreign.contains(*vpc)) {
        let told = async |attribute| client.describe_vpc_attribute().vpc_id(vpc).attribute(attribute).send().await;
        let support = told(VpcAttributeName::EnableDnsSupport).await?.enable_dns_support().and_then(|value| value.value());
        let hostnames = told(VpcAttributeName::EnableDnsHostnames).await?.enable_dns_hostnames().and_then(|value| value.value());
        lines.push(named(format!("vpc  {vpc} DNS {support:?}, names {hostnames:?}")));
    }
    let subnets = client.describe_subnets().send().await?;
    for subnet in subnets.subnets().iter().filter(|subnet| subnet.vpc_id().is_none_or(|vpc| !foreign.contains(vpc))) {
        let (id, block, zone) = (subnet.subnet_id(), subnet.cidr_block(), subnet.availability_zone());
        lines.push(named(format!("subnet  {id:?} {block:?} {zone:?} public={:?}", subnet.map_public_ip_on_launch())));
    }
    let (vpc, mut resources) = foreign::default_network(&config).await?;
    resources.push(vpc);
    let filter = Filter::builder().name("resource-id").set_values(Some(resources)).build();
    let tags = client.describe_tags().filters(filter).send().await?;
    lines.extend(tags.tags().iter().map(|tag| format!("tag  {:?} {:?}={:?}", tag.resource_id(), tag.key(), tag.value())));
    Ok(lines)
}

/// What ids of EC2 stand for: the tag Name, or a security group's own name.
async fn names(client: &aws_sdk_ec2::Client) -> Result<BTreeMap<String, String>, Failure> {
    let groups = client.describe_security_groups().send().await?;
    let own = groups.security_groups().iter().filter_map(|group| Some((group.group_id()?.to_owned(), group.group_name()?.to_owned())));
    let tags = client.describe_tags().filters(Filter::builder().name("key").values("Name").build()).send().await?;
    let tagged = tags.tags().iter().filter_map(|tag| Some((tag.resource_id()?.to_owned(), tag.value()?.to_owned())));
    Ok(own.chain(tagged).collect())
}

/// A text without what is drawn by lot: ids and hashes.
pub(super) fn drawn(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(uuid) = rest.get(..36).filter(|part| is_uuid(part)) {
            out.push('#');
            rest = &rest[uuid.len()..];
            continue;
        }
        let length = rest.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let word = &rest[..length.max(first.len_utf8())];
        out.push_str(if is_drawn(word) { "#" } else { word });
        rest = &rest[word.len()..];
    }
    out
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Hexadecimal digits of an id, or what CloudFormation appends to a name.
fn is_drawn(word: &str) -> bool {
    let hex = word.len() >= 8 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let suffix = word.len() >= 10 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z'));
    hex || suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_left_out_and_names_are_not() {
        assert_eq!(drawn("vpc-0a1b2c3d4e5f60718 chap10-vpc us-east-1a"), "vpc-# chap10-vpc us-east-1a");
        assert_eq!(drawn("stack/chap10-worker/01234567-89ab-cdef-0123-456789abcdef"), "stack/chap10-worker/#");
        assert_eq!(drawn("chap10-worker-NodeRole-A1B2C3D4E5F6 é"), "chap10-worker-NodeRole-# é");
    }

    #[test]
    fn a_second_of_a_kind_and_key_is_a_duplicate() {
        let of = |lines: &[&str]| Portrait(lines.iter().map(|line| ((*line).to_owned(), 1)).collect());
        let one = of(&["ec2/vpc net/vpc vpc-#  $0.00 a", "ec2/volume  vol-# in-use $1.00"]);
        let two = of(&["ec2/vpc net/vpc vpc-#  $0.00 a", "ec2/vpc net/vpc vpc-#  $0.00 b"]);
        let differences = two.against(&one);
        assert_eq!(differences.duplicates, ["ec2/vpc net/vpc"]);
        assert_eq!(differences.left, ["ec2/vpc net/vpc vpc-#  $0.00 b"]);
        assert_eq!(differences.missing, ["ec2/volume  vol-# in-use $1.00"]);
        assert!(one.against(&one).is_empty() && !differences.is_empty());
    }
}
