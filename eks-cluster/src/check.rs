//! Rules of a cluster as a whole, each of which AWS would answer with an error, minutes later.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{AuthenticationMode, NetworkRefs, Problems, Ref, SecurityGroupId, StepKey};
use ipnet::Ipv4Net;
use jiff::civil::Date;

use crate::{
    KubernetesVersion, RoleChoice, Support, UpgradePolicy,
    access::AccessEntry,
    partition::{self, Partition},
};

/// Service Quotas, "Control plane security groups per cluster"; not adjustable.
const MOST_SECURITY_GROUPS: usize = 4;
/// A resource takes 50 tags, of which three are ours.
const MOST_TAGS: usize = 47;

pub(crate) fn version(version: KubernetesVersion, policy: Option<UpgradePolicy>, today: Option<Date>, problems: &mut Problems) {
    let subject = format!("Kubernetes {version}");
    let ended = |problems: &mut Problems, rule: String, today: Option<Date>| {
        let remedy = match today {
            Some(today) => format!("choose a version in standard support: {}", KubernetesVersion::in_standard_support(today)),
            None => format!("choose a version in standard support, such as {}", KubernetesVersion::newest()),
        };
        problems.add("version-ended", &subject, rule, remedy);
    };
    if version.is_before_calendar() {
        ended(problems, "EKS supports it no more and makes no cluster of it".to_owned(), today);
        return;
    }
    let Some(today) = today else { return };
    match version.support(today) {
        Support::Ended { since } => {
            let day = since.map(|day| format!(" on {day}")).unwrap_or_default();
            ended(problems, format!("its extended support ended{day}, and EKS makes no cluster of it"), Some(today));
        }
        Support::Upcoming { released } => problems.add(
            "version-upcoming",
            &subject,
            format!("comes to EKS on {released}"),
            format!("choose a version in standard support: {}", KubernetesVersion::in_standard_support(today)),
        ),
        Support::Extended { .. } if policy == Some(UpgradePolicy::Standard) => problems.add(
            "upgrade-policy-extended",
            &subject,
            "is in extended support, where the upgrade policy STANDARD cannot be chosen",
            "choose UpgradePolicy::Extended, or a version in standard support",
        ),
        _ => {}
    }
}

/// EKS User Guide, "Amazon EKS networking requirements for VPC and subnets".
pub(crate) fn subnets(network: &NetworkRefs, problems: &mut Problems) {
    let subnets = &network.subnets;
    let zones: BTreeSet<_> = subnets.iter().map(|subnet| &subnet.zone).collect();
    if subnets.len() < 2 || zones.len() < 2 {
        problems.add(
            "subnets-too-few",
            "subnets",
            format!("a control plane needs at least 2, in at least 2 zones; these are {} in {}", subnets.len(), zones.len()),
            "give subnets of another zone",
        );
    }
    let regions: BTreeSet<_> = zones.iter().map(|zone| zone.region()).collect();
    if regions.len() > 1 {
        let regions = regions.iter().copied().collect::<Vec<_>>().join(", ");
        problems.add("subnets-of-regions", "subnets", format!("are of several Regions: {regions}"), "give subnets of one VPC");
    }
    for zone in &zones {
        // us-east-1a is a Region and a letter; local and wavelength zones have more.
        if zone.as_str().len() != zone.region().len() + 1 {
            problems.add(
                "subnet-zone",
                format!("zone {zone}"),
                "is a Local or Wavelength Zone, where control planes cannot have subnets",
                "give subnets in Availability Zones; nodes may still run there",
            );
        }
    }
    let mut seen = BTreeSet::new();
    for subnet in subnets.iter().filter(|subnet| !seen.insert(&subnet.id)) {
        problems.add("subnet-twice", format!("subnet {}", subnet.id), "is given twice", "give it once");
    }
}

pub(crate) fn security_groups(names: &[String], network: &NetworkRefs, problems: &mut Problems) -> Vec<Ref<SecurityGroupId>> {
    if names.len() > MOST_SECURITY_GROUPS {
        problems.add(
            "security-groups-count",
            "security groups",
            format!("EKS takes {MOST_SECURITY_GROUPS} beside its own, these are {}", names.len()),
            "merge some of them",
        );
    }
    let mut groups = Vec::new();
    for name in names {
        match network.security_groups.get(name) {
            None => {
                let known = network.security_groups.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let remedy = if known.is_empty() { "add it to the network".to_owned() } else { format!("the network has {known}") };
                problems.add("security-group-unknown", format!("security group {name:?}"), "the network has none of this name", remedy);
            }
            Some(group) if groups.contains(group) => {
                problems.add("security-group-twice", format!("security group {name:?}"), "is given twice", "give it once");
            }
            Some(group) => groups.push(group.clone()),
        }
    }
    groups
}

pub(crate) fn vpc_blocks(network: &NetworkRefs, problems: &mut Problems) -> Vec<Ipv4Net> {
    let mut blocks = Vec::new();
    for text in &network.cidrs {
        match text.parse() {
            Ok(block) => blocks.push(block),
            Err(_) => problems.add(
                "vpc-cidr-form",
                format!("VPC block {text:?}"),
                "is not an IPv4 block in CIDR notation",
                "write it as 10.0.0.0/16",
            ),
        }
    }
    blocks
}

pub(crate) fn creator(mode: AuthenticationMode, creator_admin: bool, problems: &mut Problems) {
    if !mode.has_access_entries() && !creator_admin {
        problems.add(
            "creator-locked-out",
            "creator as administrator",
            "with authentication mode CONFIG_MAP the creator is the only one who can enter, so EKS refuses to leave it out",
            "leave creator_admin on, or choose an authentication mode with access entries",
        );
    }
}

pub(crate) fn access_fits_mode(access: &[AccessEntry], mode: AuthenticationMode, problems: &mut Problems) {
    if mode.has_access_entries() {
        return;
    }
    for entry in access {
        problems.add(
            "access-mode",
            format!("access entry {} for {}", entry.name, entry.principal),
            "authentication mode CONFIG_MAP has no access entries",
            "choose ApiAndConfigMap or Api, or map it in the ConfigMap aws-auth",
        );
    }
}

pub(crate) fn role(choice: &RoleChoice, ours: Partition, problems: &mut Problems) {
    if let RoleChoice::Existing(arn) = choice
        && partition::of_arn(arn.as_str()) != Some(ours.name)
    {
        problems.add(
            "role-partition",
            format!("role {arn}"),
            format!("is of another partition than the cluster, which is in {}", ours.name),
            "give a role of the cluster's account and partition",
        );
    }
}

pub(crate) fn nodes_ready_after(keys: &BTreeSet<StepKey>, problems: &mut Problems) {
    for key in keys.iter().filter(|key| matches!(key.layer(), "cluster" | "net")) {
        problems.add(
            "nodes-ready-after",
            format!("step {key}"),
            "is of a layer that nodes wait for, so it cannot tell that nodes are Ready",
            "give the step that waits for nodes, such as k8s/nodes/<stack>",
        );
    }
}

/// EKS API Reference, TagResource.
pub(crate) fn tags(tags: &BTreeMap<String, String>, problems: &mut Problems) {
    if tags.len() > MOST_TAGS {
        problems.add("tags-count", "tags", format!("{MOST_TAGS} fit beside ours, these are {}", tags.len()), "use fewer");
    }
    for (key, value) in tags {
        let subject = format!("tag {key:?}");
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            problems.add("tag-length", &subject, "a key has 1–128 characters and a value at most 256", "shorten it");
        }
        if !key.chars().chain(value.chars()).all(is_tag_character) {
            problems.add(
                "tag-characters",
                &subject,
                format!("IAM, whose roles carry it too, takes letters, digits, spaces and _.:/=+-@ only; its value is {value:?}"),
                "leave other characters out",
            );
        }
        let lower = key.to_ascii_lowercase();
        if lower.starts_with("aws:") || lower.starts_with("eks-rs/") || key == "Name" {
            problems.add("tag-reserved", &subject, "aws: is AWS's own; eks-rs/ and Name are put on by this crate", "choose another key");
        }
    }
}

/// IAM API Reference, Tag: `[\p{L}\p{Z}\p{N}_.:/=+\-@]`.
fn is_tag_character(c: char) -> bool {
    c.is_alphabetic() || c.is_numeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}
