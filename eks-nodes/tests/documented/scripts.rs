//! Bootstrap scripts. Amazon Linux 2 and Ubuntu: usage of amazon-eks-ami's `bootstrap.sh`; Windows: EKS User Guide, "Create nodes
//! with optimized Windows AMIs", bootstrap script configuration parameters.

use std::process::Command;

use super::{Told, kubelet};

const BASH_PARAMETERS: [&str; 17] = [
    "--apiserver-endpoint",
    "--aws-api-retry-attempts",
    "--b64-cluster-ca",
    "--cluster-id",
    "--container-runtime",
    "--containerd-config-file",
    "--dns-cluster-ip",
    "--enable-local-outpost",
    "--ip-family",
    "--kubelet-extra-args",
    "--local-disks",
    "--mount-bpf-fs",
    "--pause-container-account",
    "--pause-container-version",
    "--service-ipv4-cidr",
    "--service-ipv6-cidr",
    "--use-max-pods",
];

/// The arguments that bash gives to the script: bash itself reads it, with a function in the script's place.
fn arguments(script: &str) -> Result<Vec<String>, String> {
    if !script.starts_with("#!/bin/bash\n") {
        return Err("cloud-init runs what begins with #!".to_owned());
    }
    let called = script.replace("/etc/eks/bootstrap.sh", "bootstrap");
    let text = format!("bootstrap() {{ printf '%s\\0' \"$@\"; }}\n{called}");
    let output = Command::new("bash").arg("-c").arg(text).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    Ok(text.split_terminator('\0').map(ToOwned::to_owned).collect())
}

/// What `bootstrap.sh` is told.
pub(crate) fn bootstrap(script: &str) -> Result<Told, String> {
    let mut told = Told::default();
    let mut use_max_pods = true;
    let mut arguments = arguments(script)?.into_iter();
    while let Some(argument) = arguments.next() {
        if !argument.starts_with("--") {
            told.cluster = argument;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{argument} has no value"))?;
        if !BASH_PARAMETERS.contains(&argument.as_str()) {
            return Err(format!("{argument}: no such parameter"));
        }
        match argument.as_str() {
            "--apiserver-endpoint" => told.endpoint = value,
            "--b64-cluster-ca" => told.authority = value,
            "--dns-cluster-ip" => told.dns = value,
            "--use-max-pods" => use_max_pods = value.parse().map_err(|_| value)?,
            "--kubelet-extra-args" => {
                let faults = kubelet::flags(value.split(' '), &mut told);
                if !faults.is_empty() {
                    return Err(faults.join("\n"));
                }
            }
            _ => return Err(format!("{argument} is not expected")),
        }
    }
    // The script sets --max-pods itself otherwise.
    if use_max_pods == told.max_pods.is_some() {
        return Err("--max-pods is given, and --use-max-pods true sets it, too".to_owned());
    }
    Ok(told)
}

const POWERSHELL_PARAMETERS: [&str; 8] = [
    "-APIServerEndpoint",
    "-Base64ClusterCA",
    "-DNSClusterIP",
    "-EKSClusterName",
    "-ExcludedSnatCIDRs",
    "-KubeProxyExtraArgs",
    "-KubeletExtraArgs",
    "-ServiceCIDR",
];

/// What `Start-EKSBootstrap.ps1` is told.
pub(crate) fn powershell(text: &str) -> Result<Told, String> {
    let inside = text.trim_end().strip_prefix("<powershell>\n").and_then(|text| text.strip_suffix("\n</powershell>"));
    let inside = inside.ok_or("EC2 runs what stands in <powershell>")?.replace("`\n", " ");
    let (first, call) = inside.split_once('\n').ok_or("one statement")?;
    let file = r#"[string]$EKSBootstrapScriptFile = "$env:ProgramFiles\Amazon\EKS\Start-EKSBootstrap.ps1""#;
    if first != file {
        return Err(first.to_owned());
    }
    let call = call.strip_prefix("& $EKSBootstrapScriptFile ").ok_or("no call")?;
    let mut rest = call.strip_suffix(" 3>&1 4>&1 5>&1 6>&1").ok_or("streams are not joined")?.trim();
    let (mut told, mut service) = (Told::default(), String::new());
    while !rest.is_empty() {
        let (name, after) = rest.split_once(' ').ok_or("no value")?;
        if !POWERSHELL_PARAMETERS.contains(&name) {
            return Err(format!("{name}: no such parameter"));
        }
        let (value, after) = value(after)?;
        rest = after.trim_start();
        match name {
            "-APIServerEndpoint" => told.endpoint = value,
            "-Base64ClusterCA" => told.authority = value,
            "-DNSClusterIP" => told.dns = value,
            "-EKSClusterName" => told.cluster = value,
            "-ServiceCIDR" => service = value,
            _ => {
                let faults = kubelet::flags(value.split(' '), &mut told);
                if !faults.is_empty() {
                    return Err(faults.join("\n"));
                }
            }
        }
    }
    if service.is_empty() { Err("no -ServiceCIDR".to_owned()) } else { Ok(told) }
}

/// A text in single quotes, or one with the end that a pattern matches replaced.
fn value(text: &str) -> Result<(String, &str), String> {
    if let Some(text) = text.strip_prefix('\'') {
        let (value, after) = text.split_once('\'').ok_or("a quote that does not end")?;
        return Ok((value.to_owned(), after));
    }
    let (inside, after) = text.strip_prefix('(').and_then(|text| text.split_once(')')).ok_or_else(|| text.to_owned())?;
    let words: Vec<_> = inside.split(' ').collect();
    let [of, "-replace", r"'\.\d+/\d+$',", with] = words[..] else { return Err(inside.to_owned()) };
    let (head, _) = of.trim_matches('\'').rsplit_once('.').ok_or("no address")?;
    Ok((format!("{head}{}", with.trim_matches('\'')), after))
}
