//! User data read back as each family's documentation says that it is read. Shares nothing with what writes it.

mod bottlerocket;
mod kubelet;
mod nodeadm;
mod schema;
mod scripts;

use std::collections::BTreeMap;

pub(crate) use bottlerocket::bottlerocket;
pub(crate) use nodeadm::nodeadm;
pub(crate) use scripts::{bootstrap, powershell};

/// A cluster, as the template's parameters have it.
pub(crate) const CLUSTER: [(&str, &str); 4] = [
    ("ApiServerEndpoint", "https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com"),
    ("CertificateAuthorityData", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"),
    ("ClusterName", "chap10"),
    ("ServiceCidr", "172.20.0.0/16"),
];

/// What `Fn::Sub` makes of it. CloudFormation refuses a placeholder that is no parameter.
pub(crate) fn substituted(user_data: &str) -> String {
    let text = CLUSTER.iter().fold(user_data.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
    assert!(!text.contains("${"), "a placeholder that is no parameter: {text}");
    text
}

/// What a node is told, by whichever form.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) cluster: String,
    pub(crate) endpoint: String,
    pub(crate) authority: String,
    /// Address of the cluster's DNS, or where the node finds it.
    pub(crate) dns: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) taints: Vec<String>,
    pub(crate) max_pods: Option<i64>,
    /// `kube-reserved.cpu` and the like, by the kubelet's flags.
    pub(crate) kubelet: BTreeMap<String, String>,
}
