//! Availability Zones that take no control plane.

use std::collections::BTreeSet;

use eks_core::{Problems, SpecError, ZoneName};

use crate::ClusterSpec;

/// Zones that take no control plane in any account, by id, as names differ by account. Amazon EKS User Guide, "Subnet requirements
/// for clusters".
pub(crate) const UNSUPPORTED_ZONE_IDS: [&str; 3] = ["use1-az3", "usw1-az2", "cac1-az3"];

/// EKS makes no control plane in a zone that the cluster's subnets are in. Which zones those are, EKS tells only now: besides the
/// documented ones it may be any that lacks capacity.
///
/// It is the source of the error of the step `cluster/control-plane`; `Report::caused_by` finds it in what a run left, and
/// [`ClusterSpec::in_zones`] plans the control plane elsewhere. `Clusters::apply` does both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct UnsupportedZones {
    /// Zones in which EKS would make it.
    pub valid: BTreeSet<ZoneName>,
    /// EKS's words.
    pub message: String,
}

impl UnsupportedZones {
    /// From EKS's answer: the list that it carries, or else the list in its words, in either of the two forms that have been seen:
    /// "Retry and choose from these availability zones: us-east-1a, us-east-1b" and "Retry cluster creation using control plane subnets
    /// that span at least two of these availability zones: us-east-1a, us-east-1b. Note, …". `None` if it names no zone.
    pub fn from_answer(valid_zones: &[String], message: &str) -> Option<Self> {
        let told: BTreeSet<ZoneName> = valid_zones.iter().filter_map(|zone| zone.parse().ok()).collect();
        let valid = if told.is_empty() { zones_in(message) } else { told };
        (!valid.is_empty()).then(|| Self { valid, message: message.to_owned() })
    }
}

/// The zones after "these availability zones:", as far as they are zones.
fn zones_in(message: &str) -> BTreeSet<ZoneName> {
    let lower = message.to_ascii_lowercase();
    let Some(at) = lower.rfind("availability zones:") else { return BTreeSet::new() };
    let words = lower[at + "availability zones:".len()..].split(|c: char| c.is_whitespace() || c == ',');
    let zones = words.filter(|word| !word.is_empty()).map_while(|word| word.trim_end_matches(['.', ';']).parse().ok());
    zones.collect()
}

impl ClusterSpec {
    /// The same cluster with subnets of those zones alone, for a control plane that EKS refuses elsewhere. The network stays as it is:
    /// nodes may run in any of its subnets.
    ///
    /// # Errors
    /// [`SpecError`] if fewer than two of its zones are left.
    pub fn in_zones(&self, valid: &BTreeSet<ZoneName>) -> Result<Self, SpecError> {
        let mut spec = self.clone();
        spec.network.subnets.retain(|subnet| valid.contains(&subnet.zone));
        let left: BTreeSet<_> = spec.network.subnets.iter().map(|subnet| &subnet.zone).collect();
        let mut problems = Problems::new();
        if left.len() < 2 {
            let list = |zones: &mut dyn Iterator<Item = &ZoneName>| zones.map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let left = if left.is_empty() { "none".to_owned() } else { list(&mut left.into_iter()) };
            problems.add(
                "zones-too-few",
                "subnets",
                format!("a control plane needs subnets in two zones in which EKS makes control planes, and of the network's zones these are {left}"),
                format!("give the network subnets in two of {}", list(&mut valid.iter())),
            );
        }
        problems.finish(format!("cluster {}", self.name), || spec)
    }

    /// The same cluster without subnets of some zones. See [`ClusterSpec::in_zones`].
    ///
    /// # Errors
    /// [`SpecError`] if fewer than two of its zones are left.
    pub fn without_zones(&self, zones: &BTreeSet<ZoneName>) -> Result<Self, SpecError> {
        let left = self.network.subnets.iter().map(|subnet| &subnet.zone).filter(|zone| !zones.contains(*zone));
        self.in_zones(&left.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::builder;

    fn names(zones: &BTreeSet<ZoneName>) -> Vec<&str> {
        zones.iter().map(ZoneName::as_str).collect()
    }

    /// eksctl issue 118, and amazon-eks-scaling-with-keda-and-karpenter issue 2.
    #[test]
    fn both_wordings() {
        let capacity = "Cannot create cluster 'x' because us-east-1c, the targeted availability zone, does not currently have sufficient capacity to support the cluster. Retry and choose from these availability zones: us-east-1a, us-east-1b, us-east-1d";
        let support = "Cannot create cluster 'eks-demo-scale' because EKS does not support creating control plane instances in us-east-1e, the targeted availability zone. Retry cluster creation using control plane subnets that span at least two of these availability zones: us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1f. Note, post cluster creation, you can run worker nodes in separate subnets/availability zones from control plane subnets/availability zones passed during cluster creation";
        let zones = |message: &str| UnsupportedZones::from_answer(&[], message).map(|found| found.valid).unwrap_or_default();
        assert_eq!(names(&zones(capacity)), ["us-east-1a", "us-east-1b", "us-east-1d"]);
        assert_eq!(names(&zones(support)), ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f"]);
        let wrapped = format!("{capacity} (Service: AmazonEKS; Status Code: 400; Error Code: UnsupportedAvailabilityZoneException)");
        assert_eq!(names(&zones(&wrapped)), ["us-east-1a", "us-east-1b", "us-east-1d"]);
    }

    #[test]
    fn the_list_counts_before_the_words() {
        let found = UnsupportedZones::from_answer(&["us-east-1f".to_owned()], "these availability zones: us-east-1a").unwrap();
        assert_eq!(names(&found.valid), ["us-east-1f"]);
        assert_eq!(UnsupportedZones::from_answer(&[], "no zone is told"), None);
    }

    #[test]
    fn a_spec_moves_to_other_zones_if_two_are_left() {
        let spec = builder().build().unwrap();
        let zone = |name: &str| BTreeSet::from([name.parse::<ZoneName>().unwrap()]);
        let error = spec.without_zones(&zone("us-east-1a")).unwrap_err();
        assert_eq!(error.problems[0].code, "zones-too-few");
        assert!(error.problems[0].rule.ends_with("these are us-east-1b"), "{error}");
        assert_eq!(spec.without_zones(&zone("us-east-1f")).unwrap(), spec);
    }
}
