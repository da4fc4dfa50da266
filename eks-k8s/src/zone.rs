//! The zone of a node or volume, whichever generation of labels tells it.

use std::collections::BTreeMap;

/// The zone label since Kubernetes 1.17.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// The zone label before it; current cloud controllers no longer set it.
pub const LEGACY_ZONE_LABEL: &str = "failure-domain.beta.kubernetes.io/zone";
/// The zone key of the EBS CSI driver's own topology.
pub const EBS_ZONE_LABEL: &str = "topology.ebs.csi.aws.com/zone";

/// The zone that labels tell; the newer one wins where both are there.
pub fn zone_of(labels: &BTreeMap<String, String>) -> Option<&str> {
    [ZONE_LABEL, LEGACY_ZONE_LABEL, EBS_ZONE_LABEL].iter().find_map(|key| labels.get(*key)).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations() {
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>();
        assert_eq!(zone_of(&labels(&[(LEGACY_ZONE_LABEL, "us-east-1a")])), Some("us-east-1a"));
        assert_eq!(zone_of(&labels(&[(LEGACY_ZONE_LABEL, "old"), (ZONE_LABEL, "new")])), Some("new"));
        assert_eq!(zone_of(&labels(&[])), None);
    }
}
