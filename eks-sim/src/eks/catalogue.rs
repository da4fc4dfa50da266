//! The add-ons that exist, and their versions.

use serde_json::{Value, json};

use super::{addon_schemas, invalid_parameter, not_found, page, required, schema, version};
use crate::{call::Args, error::ApiError, times::Time};

/// An add-on of AWS.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    category: &'static str,
    pub(super) time: Time,
    /// Its pods are a Deployment's: without nodes none of them runs. A DaemonSet without nodes lacks nothing.
    pub(super) needs_nodes: bool,
    /// Service account and policy with which it works in AWS.
    identity: Option<(&'static str, &'static str)>,
    /// Top-level names of its configuration, where no more is kept of its schema.
    settings: &'static [&'static str],
    /// Versions, the newest last, which is the default. `{}` is the Kubernetes minor.
    versions: &'static [&'static str],
}

/// Names: user guide, "Available Amazon EKS add-ons from AWS". The versions' numbers are plausible, not AWS's list.
const KINDS: &[Kind] = &[
    Kind {
        name: "vpc-cni",
        category: "networking",
        time: Time::AddonVpcCni,
        needs_nodes: false,
        identity: Some(("aws-node", "AmazonEKS_CNI_Policy")),
        settings: &[],
        versions: &["v1.20.5-eksbuild.1", "v1.21.1-eksbuild.7", "v1.21.2-eksbuild.1", "v1.22.3-eksbuild.1"],
    },
    Kind {
        name: "coredns",
        category: "networking",
        time: Time::AddonCoreDns,
        needs_nodes: true,
        identity: None,
        settings: &[],
        versions: &["v1.13.2-eksbuild.1", "v1.14.1-eksbuild.2"],
    },
    Kind {
        name: "kube-proxy",
        category: "networking",
        time: Time::AddonKubeProxy,
        needs_nodes: false,
        identity: None,
        settings: &[],
        versions: &["v1.{}.0-eksbuild.2", "v1.{}.1-eksbuild.1"],
    },
    Kind {
        name: "aws-ebs-csi-driver",
        category: "storage",
        time: Time::AddonEbsCsi,
        needs_nodes: true,
        identity: Some(("ebs-csi-controller-sa", "service-role/AmazonEBSCSIDriverPolicyV2")),
        settings: &[],
        versions: &["v1.61.0-eksbuild.1", "v1.64.0-eksbuild.1"],
    },
    Kind {
        name: "aws-efs-csi-driver",
        category: "storage",
        time: Time::AddonOther,
        needs_nodes: true,
        identity: Some(("efs-csi-controller-sa", "service-role/AmazonEFSCSIDriverPolicy")),
        settings: &["controller", "node", "sidecars"],
        versions: &["v2.1.15-eksbuild.1", "v3.0.2-eksbuild.1"],
    },
    Kind {
        name: "eks-pod-identity-agent",
        category: "security",
        time: Time::AddonOther,
        needs_nodes: false,
        identity: None,
        settings: &[],
        versions: &["v1.3.10-eksbuild.2", "v1.3.12-eksbuild.1"],
    },
    Kind {
        name: "metrics-server",
        category: "observability",
        time: Time::AddonOther,
        needs_nodes: true,
        identity: None,
        settings: &["affinity", "nodeSelector", "podDisruptionBudget", "replicas", "resources", "tolerations"],
        versions: &["v0.8.1-eksbuild.1", "v0.8.2-eksbuild.2"],
    },
    Kind {
        name: "snapshot-controller",
        category: "storage",
        time: Time::AddonOther,
        needs_nodes: true,
        identity: None,
        settings: &["affinity", "nodeSelector", "podAnnotations", "replicaCount", "resources", "tolerations"],
        versions: &["v8.4.0-eksbuild.1", "v8.5.0-eksbuild.1"],
    },
];

/// Oldest minor of 1.x with add-ons: the ones before are out of support.
const OLDEST: u32 = 31;

pub(super) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl Kind {
    /// Version texts for a Kubernetes version, the default last.
    pub(super) fn versions(&self, kubernetes: &str) -> Vec<String> {
        let Some(minor) = version::minor(kubernetes).filter(|minor| *minor >= OLDEST && version::find(kubernetes).is_some()) else {
            return Vec::new();
        };
        // kube-proxy has versions of its own for each minor, and "the same compatibility and skew policy as Kubernetes" (user guide,
        // "Manage kube-proxy in Amazon EKS clusters"): up to three minors older run as well.
        let oldest = if self.versions.iter().any(|text| text.contains("{}")) { minor - 3 } else { minor };
        (oldest..=minor).flat_map(|minor| self.versions.iter().map(move |text| text.replace("{}", &minor.to_string()))).collect()
    }

    pub(super) fn default_version(&self, kubernetes: &str) -> Option<String> {
        self.versions(kubernetes).pop()
    }

    fn describe(&self, only: Option<&str>) -> Option<Value> {
        let kubernetes: Vec<&str> = version::all().filter(|known| only.is_none_or(|only| only == *known)).collect();
        let mut texts: Vec<String> = kubernetes.iter().flat_map(|known| self.versions(known)).rev().collect();
        texts.sort();
        texts.dedup();
        texts.reverse();
        let versions: Vec<Value> = texts
            .iter()
            .map(|text| {
                let fits = kubernetes.iter().filter(|known| self.versions(known).contains(text));
                let compatibilities: Vec<Value> = fits
                    .map(|known| {
                        let default = self.default_version(known).as_deref() == Some(text);
                        json!({"clusterVersion": known, "platformVersions": ["*"], "defaultVersion": default})
                    })
                    .collect();
                json!({
                    "addonVersion": text,
                    "architecture": ["amd64", "arm64"],
                    "computeTypes": if self.needs_nodes { json!(["ec2", "fargate"]) } else { json!(["ec2"]) },
                    "compatibilities": compatibilities,
                    "requiresConfiguration": false,
                    "requiresIamPermissions": self.identity.is_some(),
                })
            })
            .collect();
        (!versions.is_empty()).then(|| {
            json!({"addonName": self.name, "type": self.category, "addonVersions": versions, "publisher": "eks", "owner": "aws", "defaultNamespace": "kube-system"})
        })
    }

    fn schema(&self) -> Value {
        addon_schemas::of(self.name, self.settings)
    }

    /// Configuration values are JSON or YAML and keep the add-on's schema (API reference, CreateAddon).
    pub(super) fn check_configuration(&self, values: &str) -> Result<(), ApiError> {
        let refused = |why: &str| {
            invalid_parameter(format!("ConfigurationValue provided in request is not supported: {why}")).field("addonName", self.name)
        };
        let parsed: Value = serde_yaml_ng::from_str(values).map_err(|_| refused("it is neither JSON nor YAML"))?;
        // An empty document sets nothing.
        let broken = if parsed.is_null() { Vec::new() } else { schema::violations(&self.schema(), &parsed) };
        if broken.is_empty() {
            return Ok(());
        }
        Err(refused(&format!("Json schema validation failed with error: [{}]", broken.join(", "))))
    }
}

pub(super) fn describe_versions(args: &Args) -> Result<Value, ApiError> {
    let only = args.str("kubernetesVersion");
    let name = args.str("addonName");
    let list: Vec<Value> =
        KINDS.iter().filter(|kind| name.is_none_or(|name| name == kind.name)).filter_map(|kind| kind.describe(only)).collect();
    if let Some(name) = name.filter(|name| find(name).is_none()) {
        return Err(invalid_parameter(format!("Addon {name} specified is not supported")).field("addonName", name));
    }
    page("addons", list, args)
}

pub(super) fn describe_configuration(args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "addonName")?;
    let wanted = required(args, "addonVersion")?;
    let kind = find(name).ok_or_else(|| not_found(format!("Addon {name} not found")).field("addonName", name))?;
    if !version::all().any(|kubernetes| kind.versions(kubernetes).iter().any(|text| text == wanted)) {
        return Err(not_found(format!("Addon version {wanted} of {name} not found")).field("addonName", name));
    }
    let identity: Vec<Value> = kind
        .identity
        .iter()
        .map(|(account, policy)| json!({"serviceAccount": account, "recommendedManagedPolicies": [format!("arn:aws:iam::aws:policy/{policy}")]}))
        .collect();
    Ok(json!({
        "addonName": name,
        "addonVersion": wanted,
        "configurationSchema": kind.schema().to_string(),
        "podIdentityConfiguration": identity,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_version_has_every_add_on() {
        for minor in OLDEST..=37 {
            for kind in KINDS {
                assert!(kind.versions(&format!("1.{minor}")).len() >= 2, "{} 1.{minor}", kind.name);
            }
        }
        assert!(find("coredns").expect("coredns").versions("1.30").is_empty());
    }

    #[test]
    fn configuration_keeps_the_schema() {
        let coredns = find("coredns").expect("coredns");
        assert_eq!(coredns.check_configuration(r#"{"replicaCount": 3}"#), Ok(()));
        assert_eq!(coredns.check_configuration("replicaCount: 3\nresources:\n  limits: {}\n"), Ok(()));
        assert!(coredns.check_configuration(r#"{"replicas": 3}"#).is_err());
        assert!(coredns.check_configuration("[1]").is_err());
    }
}
