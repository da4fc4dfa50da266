//! User data of nodes that run neither nodeadm nor bootstrap.sh: Bottlerocket's TOML and Windows' PowerShell.

use super::{max_pods, user_data::NodeConfig};

/// What Bottlerocket makes of user data ("API settings reference", kubernetes); the error is what stops its boot.
pub(super) fn bottlerocket(text: &str) -> Result<NodeConfig, String> {
    let document: toml::Table = toml::from_str(text).map_err(|error| format!("could not parse user data: {}", error.message()))?;
    let settings = document.get("settings").and_then(|settings| settings.get("kubernetes")).and_then(toml::Value::as_table);
    let settings = settings.ok_or("user data has no settings.kubernetes")?;
    let required = |name: &str| {
        let text = settings.get(name).and_then(toml::Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| format!("settings.kubernetes.{name} is missing"))
    };
    let table = |name: &str| settings.get(name).and_then(toml::Value::as_table).into_iter().flatten();
    let text = |value: &toml::Value| value.as_str().unwrap_or_default().to_owned();
    let taints = table("node-taints").flat_map(|(key, values)| {
        let values = values.as_array().into_iter().flatten();
        // `key = ["value:Effect"]`
        values.map(|value| format!("{key}={}", text(value))).collect::<Vec<_>>()
    });
    Ok(NodeConfig {
        cluster: required("cluster-name")?,
        endpoint: Some(required("api-server")?),
        certificate_authority: Some(required("cluster-certificate")?),
        labels: table("node-labels").map(|(key, value)| (key.clone(), text(value))).collect(),
        taints: taints.collect(),
        max_pods: settings.get("max-pods").and_then(|pods| max_pods::number(&pods.to_string().into())),
        named_by_instance: false,
    })
}

/// What Start-EKSBootstrap.ps1 makes of user data ("Create nodes with optimized Windows AMIs", bootstrap script parameters).
pub(super) fn powershell(text: &str) -> Result<NodeConfig, String> {
    let script = text.contains("<powershell>") && text.contains(SCRIPT);
    if !script {
        return Err(format!("user data does not call {SCRIPT}"));
    }
    let argument = |name: &str| {
        let rest = text.split_once(name)?.1.trim_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        Some(rest[1..].split(quote).next().unwrap_or_default().to_owned()).filter(|value| !value.is_empty())
    };
    let mut node = NodeConfig {
        cluster: argument("-EKSClusterName").ok_or("EKSClusterName is missing")?,
        endpoint: argument("-APIServerEndpoint"),
        certificate_authority: argument("-Base64ClusterCA"),
        ..NodeConfig::default()
    };
    argument("-KubeletExtraArgs").unwrap_or_default().split_whitespace().for_each(|flag| node.flag(flag));
    Ok(node)
}

/// The bootstrap script of Windows images.
pub(super) const SCRIPT: &str = "Start-EKSBootstrap.ps1";
/// The table of Bottlerocket's settings.
pub(super) const SETTINGS: &str = "[settings.kubernetes]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_bottlerocket() {
        let toml = "[settings.kubernetes]\ncluster-name = \"c\"\napi-server = \"https://host\"\ncluster-certificate = \"Q0E=\"\nmax-pods = 30\n\
                    [settings.kubernetes.node-labels]\nx = \"1\"\n[settings.kubernetes.node-taints]\na = [\"b:NoSchedule\"]\n";
        let node = bottlerocket(toml).expect("valid");
        assert_eq!((node.cluster.as_str(), node.endpoint.as_deref(), node.max_pods), ("c", Some("https://host"), Some(30)));
        assert_eq!((node.labels, node.taints), (vec![("x".to_owned(), "1".to_owned())], vec!["a=b:NoSchedule".to_owned()]));
        assert_eq!(bottlerocket("[settings.kubernetes]\n").expect_err("empty"), "settings.kubernetes.cluster-name is missing");
        assert!(bottlerocket("#!/bin/bash\n/etc/eks/bootstrap.sh c\n").is_err());
    }

    #[test]
    fn arguments_of_windows() {
        let script = "<powershell>\n& \"$env:ProgramFiles\\Amazon\\EKS\\Start-EKSBootstrap.ps1\" `\n  -EKSClusterName 'c' `\n  \
                      -APIServerEndpoint 'https://host' `\n  -Base64ClusterCA 'Q0E=' `\n  -KubeletExtraArgs '--node-labels=a=b' 3>&1\n</powershell>\n";
        let node = powershell(script).expect("valid");
        assert_eq!((node.cluster.as_str(), node.certificate_authority.as_deref()), ("c", Some("Q0E=")));
        assert_eq!(node.labels, [("a".to_owned(), "b".to_owned())]);
        assert!(powershell("<powershell>\n</powershell>").is_err());
    }
}
