//! What add-ons can be configured with, as DescribeAddonConfiguration tells it.
//!
//! vpc-cni and coredns: AWS CLI command reference, "describe-addon-configuration", examples; kube-proxy likewise, of v1.28. The EBS
//! CSI driver's takes the chart's parameters without those for sub-charts and images (its `values.schema.json`). The Pod Identity
//! agent's: user guide, "Disable IPv6 in the EKS Pod Identity Agent", and its chart. Of other add-ons only the names on top are kept.

use serde_json::{Map, Value, json};

/// An object of these members and no others.
fn closed(members: Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": members})
}

fn resources() -> Value {
    let amounts = || closed(json!({"cpu": {"type": "string"}, "memory": {"type": "string"}}));
    closed(json!({"limits": amounts(), "requests": amounts()}))
}

fn object() -> Value {
    json!({"type": "object"})
}

fn or_null() -> Value {
    json!({"type": ["object", "null"]})
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn objects() -> Value {
    json!({"type": "array", "items": {"type": "object"}})
}

/// Environment variables are texts; some of them should look like a boolean or an integer.
fn environment(plain: &[&str], booleans: &[&str], integers: &[&str]) -> Value {
    let mut members = Map::new();
    members.extend(plain.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))));
    members.extend(booleans.iter().map(|name| ((*name).to_owned(), json!({"type": "string", "format": "boolean"}))));
    members.extend(integers.iter().map(|name| ((*name).to_owned(), json!({"type": "string", "format": "integer"}))));
    closed(Value::Object(members))
}

/// The schema of an add-on; of those not known in detail, one that only names what is on top.
pub(super) fn of(addon: &str, settings: &[&str]) -> Value {
    match addon {
        "vpc-cni" => draft("VpcCni", vpc_cni()),
        "coredns" => draft("Coredns", coredns()),
        "kube-proxy" => draft("KubeProxy", kube_proxy()),
        "aws-ebs-csi-driver" => with_draft_7(ebs_csi()),
        "eks-pod-identity-agent" => with_draft_7(pod_identity_agent()),
        _ => with_draft_7(closed(settings.iter().map(|name| ((*name).to_owned(), json!({}))).collect::<Map<_, _>>().into())),
    }
}

/// The form of the older add-ons: everything is a definition.
fn draft(name: &str, schema: Value) -> Value {
    json!({
        "$ref": format!("#/definitions/{name}"),
        "$schema": "http://json-schema.org/draft-06/schema#",
        "definitions": {name: schema},
    })
}

fn with_draft_7(mut schema: Value) -> Value {
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema
}

fn vpc_cni() -> Value {
    let env = environment(
        &[
            "ADDITIONAL_ENI_TAGS",
            "AWS_EC2_ENDPOINT",
            "AWS_EXTERNAL_SERVICE_CIDRS",
            "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS",
            "AWS_VPC_K8S_CNI_LOGLEVEL",
            "AWS_VPC_K8S_CNI_LOG_FILE",
            "AWS_VPC_K8S_CNI_RANDOMIZESNAT",
            "AWS_VPC_K8S_CNI_VETHPREFIX",
            "AWS_VPC_K8S_PLUGIN_LOG_FILE",
            "AWS_VPC_K8S_PLUGIN_LOG_LEVEL",
            "CLUSTER_ENDPOINT",
            "ENI_CONFIG_ANNOTATION_DEF",
            "ENI_CONFIG_LABEL_DEF",
            "INTROSPECTION_BIND_ADDRESS",
            "POD_SECURITY_GROUP_ENFORCING_MODE",
        ],
        &[
            "ANNOTATE_POD_IP",
            "AWS_MANAGE_ENIS_NON_SCHEDULABLE",
            "AWS_VPC_CNI_NODE_PORT_SUPPORT",
            "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG",
            "AWS_VPC_K8S_CNI_EXTERNALSNAT",
            "DISABLE_INTROSPECTION",
            "DISABLE_LEAKED_ENI_CLEANUP",
            "DISABLE_METRICS",
            "DISABLE_NETWORK_RESOURCE_PROVISIONING",
            "DISABLE_POD_V6",
            "ENABLE_BANDWIDTH_PLUGIN",
            "ENABLE_POD_ENI",
            "ENABLE_PREFIX_DELEGATION",
            "ENABLE_V4_EGRESS",
            "ENABLE_V6_EGRESS",
        ],
        &[
            "AWS_VPC_ENI_MTU",
            "IP_COOLDOWN_PERIOD",
            "MAX_ENI",
            "MINIMUM_IP_TARGET",
            "WARM_ENI_TARGET",
            "WARM_IP_TARGET",
            "WARM_PREFIX_TARGET",
        ],
    );
    let subnet = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id"],
        "properties": {"id": {"type": "string"}, "securityGroups": texts()},
    });
    let mut eni_config = closed(json!({
        "create": {"type": "boolean"},
        "region": {"type": "string"},
        "subnets": {"type": "object", "minProperties": 1, "additionalProperties": subnet},
    }));
    eni_config["required"] = json!(["create", "region", "subnets"]);
    let node_agent = environment(&[], &["enableCloudWatchLogs", "enablePolicyEventLogs"], &["healthProbeBindAddr", "metricsBindAddr"]);
    closed(json!({
        "affinity": or_null(),
        "enableNetworkPolicy": {"type": "string", "format": "boolean"},
        "enableWindowsIpam": {"type": "string", "format": "boolean"},
        "eniConfig": eni_config,
        "env": env,
        "init": closed(json!({"env": environment(&[], &["DISABLE_TCP_EARLY_DEMUX", "ENABLE_V6_EGRESS"], &[])})),
        "livenessProbeTimeoutSeconds": {"type": "integer"},
        "nodeAgent": node_agent,
        "readinessProbeTimeoutSeconds": {"type": "integer"},
        "resources": resources(),
        "tolerations": objects(),
    }))
}

fn coredns() -> Value {
    let share = json!({"anyOf": [{"type": "string"}, {"type": "integer"}]});
    closed(json!({
        "affinity": or_null(),
        "autoScaling": closed(json!({
            "enabled": {"type": "boolean"},
            "maxReplicas": {"type": "integer"},
            "minReplicas": {"type": "integer"},
        })),
        "computeType": {"type": "string"},
        "corefile": {"type": "string"},
        "nodeSelector": {"type": "object", "additionalProperties": {"type": "string"}},
        "podAnnotations": object(),
        "podDisruptionBudget": {
            "type": "object",
            "properties": {"enabled": {"type": "boolean"}, "maxUnavailable": share, "minAvailable": share},
        },
        "podLabels": object(),
        "replicaCount": {"type": "integer"},
        "resources": resources(),
        "tolerations": objects(),
        "topologySpreadConstraints": {"type": "array"},
    }))
}

fn kube_proxy() -> Value {
    closed(json!({
        "affinity": or_null(),
        "ipvs": closed(json!({"scheduler": {"type": "string"}})),
        "mode": {"type": "string", "enum": ["iptables", "ipvs", "nftables"]},
        "podAnnotations": object(),
        "podLabels": object(),
        "resources": resources(),
        "tolerations": objects(),
    }))
}

fn ebs_csi() -> Value {
    let both = || {
        json!({
            "additionalArgs": texts(),
            "affinity": or_null(),
            "enableMetrics": {"type": "boolean"},
            "env": {"type": "array"},
            "logLevel": {"type": "integer"},
            "loggingFormat": {"type": "string", "enum": ["text", "json"]},
            "nodeSelector": or_null(),
            "podAnnotations": or_null(),
            "podLabels": or_null(),
            "priorityClassName": {"type": "string"},
            "resources": or_null(),
            "tolerations": objects(),
            "updateStrategy": object(),
        })
    };
    let with = |more: Value| {
        let mut members = both();
        if let (Value::Object(members), Value::Object(more)) = (&mut members, more) {
            members.extend(more);
        }
        closed(members)
    };
    let controller = with(json!({
        "batching": {"type": "boolean"},
        "defaultFsType": {"type": ["string", "null"]},
        "extraCreateMetadata": {"type": "boolean"},
        "extraVolumeTags": {"type": "object", "additionalProperties": {"type": "string"}},
        "k8sTagClusterId": {"type": ["string", "null"]},
        "podDisruptionBudget": closed(json!({"enabled": {"type": "boolean"}, "unhealthyPodEvictionPolicy": {"type": ["string", "null"]}})),
        "region": {"type": ["string", "null"]},
        "replicaCount": {"type": "integer", "minimum": 1},
        "sdkDebugLog": {"type": "boolean"},
        "serviceAccount": closed(json!({"annotations": or_null(), "automountServiceAccountToken": {"type": "boolean"}})),
        "topologySpreadConstraints": objects(),
        "userAgentExtra": {"type": "string"},
        "volumeModificationFeature": closed(json!({"enabled": {"type": "boolean"}})),
    }));
    let node = with(json!({
        "enableWindows": {"type": "boolean"},
        "hostNetwork": {"type": "boolean"},
        "reservedVolumeAttachments": {"type": ["integer", "null"]},
        "tolerateAllTaints": {"type": "boolean"},
        "volumeAttachLimit": {"type": ["integer", "null"]},
    }));
    closed(json!({
        "additionalDaemonSets": {"type": ["object", "null"], "additionalProperties": node.clone()},
        "controller": controller,
        "defaultStorageClass": closed(json!({"enabled": {"type": "boolean"}})),
        "fips": {"type": "boolean"},
        "node": node,
        "nodeComponentOnly": {"type": "boolean"},
        "sidecars": object(),
        "useOldCSIDriver": {"type": "boolean"},
    }))
}

fn pod_identity_agent() -> Value {
    closed(json!({
        "affinity": or_null(),
        "agent": closed(json!({"additionalArgs": {"type": "object", "additionalProperties": {"type": "string"}}})),
        "podAnnotations": object(),
        "podLabels": object(),
        "priorityClassName": {"type": "string"},
        "resources": resources(),
        "tolerations": objects(),
        "updateStrategy": object(),
    }))
}

#[cfg(test)]
mod tests {
    use super::{super::schema::violations, *};

    #[test]
    fn what_aws_documents_is_accepted_and_its_misspellings_are_not() {
        // User guide, "Assign more IP addresses to Amazon EKS nodes with prefixes", "Customize the secondary network interface",
        // "Scale CoreDNS Pods for high DNS traffic", "Disable IPv6 in the EKS Pod Identity Agent", "Create a storage class".
        for (addon, good) in [
            ("vpc-cni", json!({"env": {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"}})),
            ("vpc-cni", json!({"enableNetworkPolicy": "true", "nodeAgent": {"enablePolicyEventLogs": "true"}})),
            ("vpc-cni", json!({"eniConfig": {"create": true, "region": "us-east-1", "subnets": {"us-east-1a": {"id": "subnet-1"}}}})),
            ("coredns", json!({"autoScaling": {"enabled": true, "minReplicas": 2, "maxReplicas": 10}})),
            ("kube-proxy", json!({"mode": "ipvs", "ipvs": {"scheduler": "rr"}})),
            ("aws-ebs-csi-driver", json!({"controller": {"extraVolumeTags": {"a": "b"}}, "defaultStorageClass": {"enabled": true}})),
            ("eks-pod-identity-agent", json!({"agent": {"additionalArgs": {"-b": "169.254.170.23"}}})),
        ] {
            assert_eq!(violations(&of(addon, &[]), &good), Vec::<String>::new(), "{addon}");
        }
        for (addon, wrong, path) in [
            ("vpc-cni", json!({"env": {"AWS_VPC_K8S_CNI_EXTERNAL_SNAT": "true"}}), "$.env.AWS_VPC_K8S_CNI_EXTERNAL_SNAT: "),
            ("vpc-cni", json!({"env": {"WARM_IP_TARGET": 2}}), "$.env.WARM_IP_TARGET: integer found, string expected"),
            ("coredns", json!({"replicaCount": "3"}), "$.replicaCount: string found, integer expected"),
            ("kube-proxy", json!({"mode": "userspace"}), "$.mode: does not have a value in the enumeration"),
            ("aws-ebs-csi-driver", json!({"nodeSelector": {}}), "$.nodeSelector: is not defined in the schema"),
            ("metrics-server", json!({"replicas": 2}), "$.replicas: is not defined in the schema"),
        ] {
            let found = violations(&of(addon, &[]), &wrong);
            assert!(found.len() == 1 && found[0].starts_with(path), "{addon}: {found:?}");
        }
    }
}
