//! Where a node or volume is and what it is, whichever generation of labels tells it.

use std::collections::BTreeMap;

use serde_json::Value;

/// The zone label since Kubernetes 1.17.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// The zone label before it; current cloud controllers no longer set it.
pub const LEGACY_ZONE_LABEL: &str = "failure-domain.beta.kubernetes.io/zone";
/// The zone key of the EBS CSI driver's own topology.
pub const EBS_ZONE_LABEL: &str = "topology.ebs.csi.aws.com/zone";
/// The Region label since Kubernetes 1.17.
pub const REGION_LABEL: &str = "topology.kubernetes.io/region";
/// The Region label before it.
pub const LEGACY_REGION_LABEL: &str = "failure-domain.beta.kubernetes.io/region";
/// The instance type label since Kubernetes 1.17.
pub const INSTANCE_TYPE_LABEL: &str = "node.kubernetes.io/instance-type";
/// The instance type label before it.
pub const LEGACY_INSTANCE_TYPE_LABEL: &str = "beta.kubernetes.io/instance-type";
/// EKS's label of nodes that are no EC2 instances of the user's: `auto`, `fargate`, `hybrid`.
pub(crate) const COMPUTE_TYPE_LABEL: &str = "eks.amazonaws.com/compute-type";

fn first<'a>(labels: &'a BTreeMap<String, String>, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| labels.get(*key)).map(String::as_str)
}

/// The zone that labels tell; the newer one wins where both are there.
pub fn zone_of(labels: &BTreeMap<String, String>) -> Option<&str> {
    first(labels, &[ZONE_LABEL, LEGACY_ZONE_LABEL, EBS_ZONE_LABEL])
}

/// The Region that labels tell; the newer one wins where both are there.
pub fn region_of(labels: &BTreeMap<String, String>) -> Option<&str> {
    first(labels, &[REGION_LABEL, LEGACY_REGION_LABEL])
}

/// The instance type that labels tell; the newer one wins where both are there.
pub fn instance_type_of(labels: &BTreeMap<String, String>) -> Option<&str> {
    first(labels, &[INSTANCE_TYPE_LABEL, LEGACY_INSTANCE_TYPE_LABEL])
}

/// An object's labels.
pub(crate) fn labels_of(object: &Value) -> BTreeMap<String, String> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    labels.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn both_generations() {
        assert_eq!(zone_of(&labels(&[(LEGACY_ZONE_LABEL, "us-east-1a")])), Some("us-east-1a"));
        assert_eq!(zone_of(&labels(&[(LEGACY_ZONE_LABEL, "old"), (ZONE_LABEL, "new")])), Some("new"));
        assert_eq!(region_of(&labels(&[(LEGACY_REGION_LABEL, "us-east-1")])), Some("us-east-1"));
        assert_eq!(region_of(&labels(&[(LEGACY_REGION_LABEL, "old"), (REGION_LABEL, "new")])), Some("new"));
        assert_eq!(instance_type_of(&labels(&[(LEGACY_INSTANCE_TYPE_LABEL, "t2.medium")])), Some("t2.medium"));
        assert_eq!(instance_type_of(&labels(&[(LEGACY_INSTANCE_TYPE_LABEL, "old"), (INSTANCE_TYPE_LABEL, "new")])), Some("new"));
        assert_eq!((zone_of(&labels(&[])), region_of(&labels(&[])), instance_type_of(&labels(&[]))), (None, None, None));
    }
}
