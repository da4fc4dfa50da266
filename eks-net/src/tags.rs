//! Tags that the network's resources carry beside those of their owner. (Amazon EC2 User Guide, "Tag your resources".)

use std::collections::BTreeMap;

use eks_core::{ClusterName, Owner, Problems, StepKey, Tier};

use crate::subnet::PlacedSubnet;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// The user's own tags and the clusters that use the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExtraTags {
    pub(crate) tags: Tags,
    pub(crate) clusters: Vec<ClusterName>,
}

impl ExtraTags {
    /// All tags of the resource that `key` makes.
    pub(crate) fn of(&self, owner: &Owner, key: &StepKey) -> Tags {
        self.tags.clone().into_iter().chain(owner.tags(key)).collect()
    }

    /// All tags of a subnet: load balancer controllers choose subnets by role and cluster, and one of several in a zone by
    /// chance. (Amazon EKS User Guide, "Networking requirements"; AWS Load Balancer Controller, "Subnet auto-discovery".)
    pub(crate) fn of_subnet(&self, owner: &Owner, subnet: &PlacedSubnet) -> Tags {
        let mut tags = self.of(owner, &subnet.key());
        if subnet.load_balancers {
            let role = if subnet.tier == Tier::Public { "kubernetes.io/role/elb" } else { "kubernetes.io/role/internal-elb" };
            tags.insert(role.to_owned(), "1".to_owned());
        }
        for cluster in &self.clusters {
            tags.insert(format!("kubernetes.io/cluster/{cluster}"), "shared".to_owned());
        }
        tags
    }
}

/// Checks tags and clusters as given; keeps what is right.
pub(crate) fn check(problems: &mut Problems, tags: &[(String, String)], clusters: &[String]) -> ExtraTags {
    let mut extra = ExtraTags::default();
    for (key, value) in tags {
        let subject = format!("tag {key}");
        if key.is_empty() || key.chars().count() > 127 {
            problems.add("tag-key", &subject, "EC2 accepts keys of 1–127 characters", "choose another key");
        }
        if value.chars().count() > 256 {
            problems.add("tag-value", &subject, "a value has at most 256 characters", "shorten it");
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            problems.add("tag-reserved", &subject, "keys beginning with aws: are AWS's own", "choose another key");
        }
        let ours =
            key == "Name" || ["eks-rs/", "kubernetes.io/role/", "kubernetes.io/cluster/"].iter().any(|prefix| key.starts_with(prefix));
        if ours {
            problems.add("tag-ours", &subject, "the network sets this key itself", "leave it out; for a cluster, use .cluster(\"…\")");
        }
        if extra.tags.insert(key.clone(), value.clone()).is_some() {
            problems.add("tag-twice", &subject, "the key is given twice", "give each key once");
        }
    }
    for cluster in clusters {
        match ClusterName::new(cluster.clone()) {
            Ok(name) if !extra.clusters.contains(&name) => extra.clusters.push(name),
            Ok(_) => {}
            Err(error) => problems.add("cluster-name", format!("cluster {cluster}"), error.to_string(), "give the cluster's name"),
        }
    }
    // Name, owner, key and role.
    let most = 4 + extra.tags.len() + extra.clusters.len();
    if most > 50 {
        problems.add("tags-too-many", "tags", format!("subnets would carry {most} tags; AWS accepts 50"), "leave some out");
    }
    extra
}

/// Tags of `wanted` that `found` lacks or has otherwise, and how to say so. Tags that others added stay.
pub(crate) fn drift(wanted: &Tags, found: &Tags) -> (Tags, Vec<String>) {
    let differs = wanted.iter().filter(|(key, value)| found.get(*key) != Some(value));
    let told = differs.clone().map(|(key, value)| format!("tag {key}: {} → {value}", found.get(key).map_or("none", String::as_str)));
    (differs.clone().map(|(key, value)| (key.clone(), value.clone())).collect(), told.collect())
}
