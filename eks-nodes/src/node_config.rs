//! User data of AL2023 nodes: nodeadm's NodeConfig in a MIME multipart document.
//!
//! Schema: amazon-eks-ami, `nodeadm/doc/api.md`. The document is JSON, which is YAML too; CloudFormation's `Fn::Sub`
//! puts the cluster's values in.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::taint::Taint;

/// EC2's limit for user data, before base64.
pub(crate) const USER_DATA_LIMIT: usize = 16_384;
/// What the placeholders may grow to: the longest value of a CloudFormation parameter is the certificate authority.
pub(crate) const SUBSTITUTED: usize = 4_096 + 512;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeConfig {
    api_version: &'static str,
    kind: &'static str,
    spec: Spec,
}

#[derive(Debug, Serialize)]
struct Spec {
    cluster: Cluster,
    kubelet: Kubelet,
}

/// What the node must know of its cluster; nodeadm asks EKS for nothing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    name: &'static str,
    api_server_endpoint: &'static str,
    certificate_authority: &'static str,
    cidr: &'static str,
}

#[derive(Debug, Serialize)]
struct Kubelet {
    #[serde(skip_serializing_if = "KubeletConfiguration::is_default")]
    config: KubeletConfiguration,
    flags: Vec<String>,
}

/// A fragment of Kubernetes' KubeletConfiguration, merged over nodeadm's defaults.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct KubeletConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pods: Option<u16>,
}

impl KubeletConfiguration {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The user data, with `Fn::Sub` placeholders named as the template's parameters.
pub(crate) fn user_data(labels: &BTreeMap<String, String>, taints: &[Taint], max_pods: Option<u16>) -> String {
    let joined = |items: Vec<String>| items.join(",");
    let mut flags = vec![format!("--node-labels={}", joined(labels.iter().map(|(key, value)| format!("{key}={value}")).collect()))];
    if !taints.is_empty() {
        flags.push(format!("--register-with-taints={}", joined(taints.iter().map(ToString::to_string).collect())));
    }
    let config = NodeConfig {
        api_version: "node.eks.aws/v1alpha1",
        kind: "NodeConfig",
        spec: Spec {
            cluster: Cluster {
                name: "${ClusterName}",
                api_server_endpoint: "${ApiServerEndpoint}",
                certificate_authority: "${CertificateAuthorityData}",
                cidr: "${ServiceCidr}",
            },
            kubelet: Kubelet { config: KubeletConfiguration { max_pods }, flags },
        },
    };
    // Strings and numbers in structs: this cannot fail.
    let config = serde_json::to_string_pretty(&config).unwrap_or_default();
    format!(
        "MIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=\"//\"\n\
         \n\
         --//\n\
         Content-Type: application/node.eks.aws\n\
         \n\
         {config}\n\
         --//--\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaintEffect;

    #[test]
    fn golden() {
        let labels = BTreeMap::from([("eks-rs/workers".to_owned(), "w".to_owned()), ("team".to_owned(), "x".to_owned())]);
        let taint = Taint { key: "gpu".to_owned(), value: "yes".to_owned(), effect: TaintEffect::NoSchedule };
        insta::assert_snapshot!(user_data(&labels, &[taint], Some(29)), @r##"
        MIME-Version: 1.0
        Content-Type: multipart/mixed; boundary="//"

        --//
        Content-Type: application/node.eks.aws

        {
          "apiVersion": "node.eks.aws/v1alpha1",
          "kind": "NodeConfig",
          "spec": {
            "cluster": {
              "name": "${ClusterName}",
              "apiServerEndpoint": "${ApiServerEndpoint}",
              "certificateAuthority": "${CertificateAuthorityData}",
              "cidr": "${ServiceCidr}"
            },
            "kubelet": {
              "config": {
                "maxPods": 29
              },
              "flags": [
                "--node-labels=eks-rs/workers=w,team=x",
                "--register-with-taints=gpu=yes:NoSchedule"
              ]
            }
          }
        }
        --//--
        "##);
    }

    #[test]
    fn defaults_say_nothing() {
        let text = user_data(&BTreeMap::from([("a".to_owned(), "b".to_owned())]), &[], None);
        assert!(!text.contains("config\": {"), "{text}");
        assert!(!text.contains("taints"), "{text}");
    }
}
