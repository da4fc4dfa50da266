//! User data of managed nodes: EKS's part, with the user's merged in (user guide, "Amazon EC2 user data").
//!
//! Simulated machines understand nodeadm's NodeConfig and AL2's bootstrap.sh; whatever the operating system, a managed node is told
//! what it must know in the first of these, and what Bottlerocket's or Windows' user data adds is not looked at: assumption.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Taint, ami};
use crate::eks::ClusterFacts;

/// What EKS tells a node.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) cluster: &'a ClusterFacts,
    pub(super) ami_type: &'a str,
    pub(super) version: &'a str,
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) taints: &'a [Taint],
}

/// The whole, in base64; an error if the user's part cannot be merged.
pub(super) fn merged(told: &Told<'_>, user: Option<&str>) -> Result<String, String> {
    let user = match user {
        Some(text) => {
            let bytes = STANDARD.decode(text).map_err(|_| "User data is not base64.".to_owned())?;
            Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
        }
        None => None,
    };
    let is_amazon_linux = told.ami_type.starts_with("AL2");
    let parts = match user.filter(|text| is_amazon_linux && !text.trim().is_empty()) {
        Some(text) => parts(&text)?,
        None => Vec::new(),
    };
    let own = if told.ami_type.starts_with("AL2_") && ami::minor(told.version) <= 32 { bootstrap(told) } else { node_config(told) };
    let body: String = [own].into_iter().chain(parts).map(|part| format!("--//\n{}\n", part.trim_end_matches('\n'))).collect();
    Ok(STANDARD.encode(format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n{body}--//--\n")))
}

/// The parts of the user's document, with their headers.
fn parts(text: &str) -> Result<Vec<String>, String> {
    // "must be in the MIME multi-part archive format for Amazon Linux AMIs".
    let refused = || "User data was not in the MIME multipart format.".to_owned();
    let (head, body) = text.split_once("\n\n").ok_or_else(refused)?;
    let header = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-type: multipart/")).ok_or_else(refused)?;
    let boundary = header.split("boundary=").nth(1).ok_or_else(refused)?.split(';').next().unwrap_or_default().trim().trim_matches('"');
    let delimiter = format!("--{boundary}");
    Ok(body
        .split(&delimiter)
        .skip(1)
        .take_while(|part| !part.starts_with("--"))
        .map(|part| part.trim_start_matches('\n').to_owned())
        .collect())
}

fn flags(told: &Told<'_>) -> (String, String) {
    let labels = told.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let taint = |taint: &Taint| {
        let (key, value, effect) = taint.in_kubernetes();
        format!("{key}={value}:{effect}")
    };
    (labels, told.taints.iter().map(taint).collect::<Vec<_>>().join(","))
}

fn node_config(told: &Told<'_>) -> String {
    let ClusterFacts { name, endpoint_host, certificate_authority, service_cidr, .. } = told.cluster;
    let (labels, taints) = flags(told);
    let taints = if taints.is_empty() { String::new() } else { format!("      - --register-with-taints={taints}\n") };
    format!(
        "Content-Type: application/node.eks.aws\n\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: {name}\n    \
         apiServerEndpoint: https://{endpoint_host}\n    certificateAuthority: {certificate_authority}\n    cidr: {service_cidr}\n  kubelet:\n    \
         flags:\n      - --node-labels={labels}\n{taints}"
    )
}

fn bootstrap(told: &Told<'_>) -> String {
    let ClusterFacts { name, endpoint_host, certificate_authority, .. } = told.cluster;
    let (labels, taints) = flags(told);
    let taints = if taints.is_empty() { String::new() } else { format!(" --register-with-taints={taints}") };
    format!(
        "Content-Type: text/x-shellscript; charset=\"us-ascii\"\n\n#!/bin/bash\n/etc/eks/bootstrap.sh {name} \
         --apiserver-endpoint https://{endpoint_host} --b64-cluster-ca {certificate_authority} \
         --kubelet-extra-args '--node-labels={labels}{taints}'\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(user: Option<&str>) -> Result<String, String> {
        let facts = ClusterFacts { name: "c".to_owned(), endpoint_host: "host".to_owned(), ..ClusterFacts::default() };
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let told = Told { cluster: &facts, ami_type: "AL2023_x86_64_STANDARD", version: "1.35", labels: &labels, taints: &[] };
        let encoded = user.map(|text| STANDARD.encode(text));
        merged(&told, encoded.as_deref()).map(|text| String::from_utf8_lossy(&STANDARD.decode(text).expect("base64")).into_owned())
    }

    #[test]
    fn the_users_parts_follow_ours() {
        let user = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"X\"\n\n--X\nContent-Type: text/x-shellscript\n\n#!/bin/bash\n--X--\n";
        let text = told(Some(user)).expect("merges");
        let (config, script) = (text.find("NodeConfig").expect("ours"), text.find("#!/bin/bash").expect("theirs"));
        assert!(config < script && text.ends_with("--//--\n"), "{text}");
    }

    #[test]
    fn amazon_linux_takes_nothing_but_mime() {
        assert_eq!(told(Some("#!/bin/bash\n")).expect_err("no MIME"), "User data was not in the MIME multipart format.");
        assert!(told(None).is_ok());
    }
}
