//! The kinds of objects that this crate makes, and what may change of each.

use std::fmt;

use eks_core::StepKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// `PersistentVolumeClaim`
    Claim,
    /// `Ingress`
    Ingress,
    /// `Pod`
    Pod,
    /// `Service`
    Service,
    /// `StorageClass`
    StorageClass,
}

/// Annotations of a Service that decide which load balancer is made; changing them on a Service that has one leaks it.
pub(crate) const DECIDES: [&str; 3] = [
    "service.beta.kubernetes.io/aws-load-balancer-internal",
    "service.beta.kubernetes.io/aws-load-balancer-scheme",
    "service.beta.kubernetes.io/aws-load-balancer-type",
];

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Claim, Self::Ingress, Self::Pod, Self::Service, Self::StorageClass];

    /// Kubernetes' name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "PersistentVolumeClaim",
            Self::Ingress => "Ingress",
            Self::Pod => "Pod",
            Self::Service => "Service",
            Self::StorageClass => "StorageClass",
        }
    }

    /// `v1` or `group/v1`.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Claim | Self::Pod | Self::Service => "v1",
            Self::Ingress => "networking.k8s.io/v1",
            Self::StorageClass => "storage.k8s.io/v1",
        }
    }

    /// The segment of step keys.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Ingress => "ingress",
            Self::Pod => "pod",
            Self::Service => "service",
            Self::StorageClass => "storage-class",
        }
    }

    /// Whether objects of this kind live in a namespace.
    pub fn is_namespaced(self) -> bool {
        self != Self::StorageClass
    }

    /// The key of the step that makes such an object.
    pub(crate) fn key(self, namespace: &str, name: &str) -> Result<StepKey, eks_core::KeyError> {
        if self.is_namespaced() {
            StepKey::new(["k8s", self.segment(), namespace, name])
        } else {
            StepKey::new(["k8s", self.segment(), name])
        }
    }

    /// Parts of a live object on which decisions rest. Not what controllers write as they go.
    pub(crate) fn decisive(self) -> &'static [&'static str] {
        match self {
            Self::Claim => &["/metadata/labels", "/spec/accessModes", "/spec/resources/requests/storage", "/spec/storageClassName"],
            Self::Ingress => &["/metadata/annotations", "/metadata/labels", "/spec"],
            Self::Pod => &["/metadata/labels", "/spec/containers", "/spec/nodeSelector", "/spec/volumes"],
            Self::Service => &[
                "/metadata/annotations",
                "/metadata/labels",
                "/spec/loadBalancerClass",
                "/spec/loadBalancerSourceRanges",
                "/spec/ports",
                "/spec/selector",
                "/spec/type",
            ],
            Self::StorageClass => &[
                "/allowVolumeExpansion",
                "/allowedTopologies",
                "/metadata/annotations",
                "/metadata/labels",
                "/parameters",
                "/provisioner",
                "/reclaimPolicy",
                "/volumeBindingMode",
            ],
        }
    }

    /// Why the field at `path` cannot change in place; `None` if it can.
    pub(crate) fn immutable(self, path: &str) -> Option<&'static str> {
        match self {
            // Growth is judged apart: it depends on the class.
            Self::Claim if path == "spec.resources.requests.storage" => None,
            Self::Claim if path.starts_with("spec") => Some("the spec of a claim does not change, except that its request may grow"),
            Self::Pod if path.starts_with("spec") && !path.ends_with(".image") => Some("of a Pod's spec only images change"),
            // Services and Ingresses: `frozen` in their own folders, for there the whole object decides.
            Self::StorageClass
                if ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"].iter().any(|part| path.starts_with(part)) =>
            {
                Some("parameters, provisioner, reclaim policy and binding mode of a StorageClass do not change")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An object by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for kinds that have none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// The object that a manifest describes.
    pub fn of(kind: Kind, manifest: &Value) -> Self {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { kind, namespace: text("/metadata/namespace"), name: text("/metadata/name") }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind.is_namespaced() {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        } else {
            write!(f, "{} {}", self.kind, self.name)
        }
    }
}
