//! The class of claims that name none. There should be exactly one; of several, Kubernetes takes the newest.

use serde_json::Value;

/// What makes a class the default one, now and in clusters of before 2018 (Kubernetes, "Change the default StorageClass"); the API
/// server still reads both.
pub(crate) const DEFAULT_ANNOTATIONS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// The annotations by which a live class is a default one; none: it is not.
pub(crate) fn default_annotations(class: &Value) -> Vec<&'static str> {
    let says = |key: &str| class["metadata"]["annotations"][key] == "true";
    DEFAULT_ANNOTATIONS.into_iter().filter(|key| says(key)).collect()
}

/// Whether the add-on aws-ebs-csi-driver keeps this class, and would make it the default again (EKS user guide, "Review release notes
/// for Kubernetes versions", 1.30: `defaultStorageClass.enabled`).
pub(crate) fn is_of_add_on(class: &str) -> bool {
    class == "ebs-csi-default-sc"
}
