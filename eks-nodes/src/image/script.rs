//! User data that calls a bootstrap script: bash for Amazon Linux 2 and Ubuntu, PowerShell for Windows.

use eks_core::Problems;

use super::NodeSettings;
use crate::kubelet::Kubelet;

/// For `/etc/eks/bootstrap.sh`. Parameters: amazon-eks-ami, `templates/al2/runtime/bootstrap.sh`; Ubuntu's has those used here, too.
///
/// Endpoint and certificate authority together spare the call of DescribeCluster. Values stand in single quotes; the rules of the
/// spec keep quotes out of them.
pub(super) fn bash(settings: NodeSettings<'_>) -> String {
    let dns = settings.kubelet.cluster_dns.map_or_else(
        // CloudFormation cannot calculate; the tenth address of the Service range is that of CoreDNS.
        || "\"$(echo '${ServiceCidr}' | cut -d . -f 1-3).10\"".to_owned(),
        |address| format!("'{address}'"),
    );
    let max_pods = if settings.max_pods.is_some() { "  --use-max-pods false \\\n" } else { "" };
    let flags = settings.flags().join(" ");
    format!(
        "#!/bin/bash\n\
         set -o errexit\n\
         /etc/eks/bootstrap.sh '${{ClusterName}}' \\\n  \
           --apiserver-endpoint '${{ApiServerEndpoint}}' \\\n  \
           --b64-cluster-ca '${{CertificateAuthorityData}}' \\\n  \
           --dns-cluster-ip {dns} \\\n\
         {max_pods}  \
           --kubelet-extra-args '{flags}'\n"
    )
}

/// The settings alone, as arguments of `bootstrap.sh` on one line.
pub(crate) fn arguments(settings: NodeSettings<'_>) -> String {
    let max_pods = if settings.max_pods.is_some() { "--use-max-pods false " } else { "" };
    format!("{max_pods}--kubelet-extra-args '{}'", settings.flags().join(" "))
}

/// For `Start-EKSBootstrap.ps1`. EKS User Guide, "Create nodes with optimized Windows AMIs", bootstrap script parameters.
pub(super) fn powershell(settings: NodeSettings<'_>) -> String {
    let dns = settings
        .kubelet
        .cluster_dns
        .map_or_else(|| "('${ServiceCidr}' -replace '\\.\\d+/\\d+$', '.10')".to_owned(), |address| format!("'{address}'"));
    let flags = settings.flags().join(" ");
    [
        "<powershell>",
        "[string]$EKSBootstrapScriptFile = \"$env:ProgramFiles\\Amazon\\EKS\\Start-EKSBootstrap.ps1\"",
        "& $EKSBootstrapScriptFile `",
        "  -EKSClusterName '${ClusterName}' `",
        "  -APIServerEndpoint '${ApiServerEndpoint}' `",
        "  -Base64ClusterCA '${CertificateAuthorityData}' `",
        "  -ServiceCIDR '${ServiceCidr}' `",
        &format!("  -DNSClusterIP {dns} `"),
        &format!("  -KubeletExtraArgs '{flags}' 3>&1 4>&1 5>&1 6>&1"),
        "</powershell>",
        "",
    ]
    .join("\n")
}

/// What `bootstrap.sh` cannot pass on.
pub(super) fn check(kubelet: &Kubelet, problems: &mut Problems) {
    for (signal, threshold) in kubelet.thresholds() {
        if threshold.ends_with('%') {
            problems.add(
                "kubelet-unsupported",
                format!("eviction of {signal} at {threshold}"),
                "bootstrap.sh writes it into a unit of systemd, where % begins a specifier",
                "give a quantity, or use AmazonLinux2023 or Bottlerocket",
            );
        }
    }
}
