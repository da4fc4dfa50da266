//! AWS's public parameters that name machine images: for EKS nodes (EKS user guide, "Retrieve recommended … AMI IDs"), and the latest
//! Amazon Linux (EC2 user guide, "Reference the latest AMIs using Systems Manager public parameters").

use serde_json::json;

/// Kubernetes minors of 1.x for which images are published.
const MINORS: std::ops::RangeInclusive<u32> = 30..=37;

/// Date of the images' release.
const RELEASE: &str = "20261117";

/// Every public parameter, name and value.
pub(super) fn parameters() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for minor in MINORS {
        optimized(minor, &mut all);
        bottlerocket(minor, &mut all);
        windows(minor, &mut all);
        ubuntu(minor, &mut all);
    }
    amazon_linux(&mut all);
    all
}

/// An image id that is always the same for a parameter: 17 hexadecimal digits of FNV-1a over its name.
fn image_id(name: &str) -> String {
    let hash = |seed: u64| name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let digits = format!("{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    format!("ami-0{}", &digits[8..24])
}

/// The name of the image that a parameter names, as its maker publishes it.
pub(crate) fn image_name(parameter: &str) -> String {
    let parts: Vec<&str> = parameter.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["aws", "service", "eks", "optimized-ami", version, "amazon-linux-2023", architecture, variant, ..] => {
            format!("amazon-eks-node-al2023-{architecture}-{variant}-{version}-v{RELEASE}")
        }
        ["aws", "service", "eks", "optimized-ami", version, system, ..] => {
            let kind = system.strip_prefix("amazon-linux-2-").map(|kind| format!("{kind}-")).unwrap_or_default();
            format!("amazon-eks-{kind}node-{version}-v{RELEASE}")
        }
        ["aws", "service", "bottlerocket", variant, architecture, ..] => format!("bottlerocket-{variant}-{architecture}-v1.52.0-f9f7a4b0"),
        ["aws", "service", "canonical", "ubuntu", product, release, version, _, _, architecture, _, volume, ..] => {
            let volume = volume.strip_prefix("ebs-").unwrap_or(volume);
            format!("ubuntu-{product}/k8s_{version}/images/hvm-ssd-{volume}/ubuntu-{release}-{architecture}-server-{RELEASE}")
        }
        ["aws", "service", "ami-windows-latest", name, ..] => format!("{name}-2026.11.11"),
        _ => parts.last().map_or_else(String::new, |name| format!("{name}-{RELEASE}")),
    }
}

fn optimized(minor: u32, all: &mut Vec<(String, String)>) {
    let root = format!("/aws/service/eks/optimized-ami/1.{minor}");
    let release = format!("1.{minor}.0-{RELEASE}");
    let mut add = |system: &str, image: &str| {
        let folder = format!("{root}/{system}/recommended");
        let id = image_id(&folder);
        let whole = json!({
            "schema_version": "2",
            "image_id": id,
            "image_name": format!("{image}-1.{minor}-v{RELEASE}"),
            "release_version": release,
        });
        all.push((format!("{folder}/image_id"), id));
        all.push((format!("{folder}/release_version"), release.clone()));
        all.push((folder, whole.to_string()));
    };
    for (architecture, variant) in
        [("x86_64", "standard"), ("x86_64", "nvidia"), ("x86_64", "neuron"), ("arm64", "standard"), ("arm64", "nvidia")]
    {
        add(&format!("amazon-linux-2023/{architecture}/{variant}"), &format!("amazon-eks-node-al2023-{architecture}-{variant}"));
    }
    // Amazon Linux 2 ended with 1.32.
    if minor <= 32 {
        for (system, image) in [
            ("amazon-linux-2", "amazon-eks-node"),
            ("amazon-linux-2-gpu", "amazon-eks-gpu-node"),
            ("amazon-linux-2-arm64", "amazon-eks-arm64-node"),
        ] {
            add(system, image);
        }
    }
}

fn amazon_linux(all: &mut Vec<(String, String)>) {
    for kind in ["al2023-ami-kernel-default", "al2023-ami-kernel-6.1", "al2023-ami-minimal-kernel-default"] {
        for architecture in ["x86_64", "arm64"] {
            let name = format!("/aws/service/ami-amazon-linux-latest/{kind}-{architecture}");
            all.push((name.clone(), image_id(&name)));
        }
    }
}

fn bottlerocket(minor: u32, all: &mut Vec<(String, String)>) {
    for flavour in ["", "-nvidia", "-fips", "-nvidia-fips"] {
        for architecture in ["x86_64", "arm64"] {
            let folder = format!("/aws/service/bottlerocket/aws-k8s-1.{minor}{flavour}/{architecture}/latest");
            all.push((format!("{folder}/image_id"), image_id(&folder)));
            all.push((format!("{folder}/image_version"), "1.52.0-f9f7a4b0".to_owned()));
        }
    }
}

fn windows(minor: u32, all: &mut Vec<(String, String)>) {
    let years: &[u32] = if minor >= 35 { &[2019, 2022, 2025] } else { &[2019, 2022] };
    for year in years {
        for edition in ["Core", "Full"] {
            let folder = format!("/aws/service/ami-windows-latest/Windows_Server-{year}-English-{edition}-EKS_Optimized-1.{minor}");
            let id = image_id(&folder);
            all.push((folder.clone(), json!({"image_id": id, "release_version": format!("1.{minor}-2026.11.11")}).to_string()));
            all.push((format!("{folder}/image_id"), id));
            all.push((format!("{folder}/release_version"), format!("1.{minor}-2026.11.11")));
        }
    }
}

/// Which Ubuntu release has images for which minors: assumption, one long-term release around each minor's time.
fn ubuntu(minor: u32, all: &mut Vec<(String, String)>) {
    let releases: &[(&str, &str)] = match minor {
        ..=30 => &[("20.04", "ebs-gp2"), ("22.04", "ebs-gp2")],
        31..=32 => &[("22.04", "ebs-gp2"), ("24.04", "ebs-gp3")],
        33..=35 => &[("24.04", "ebs-gp3")],
        _ => &[("24.04", "ebs-gp3"), ("26.04", "ebs-gp3")],
    };
    for (release, volume) in releases {
        for product in ["eks", "eks-pro"] {
            for architecture in ["amd64", "arm64"] {
                let folder =
                    format!("/aws/service/canonical/ubuntu/{product}/{release}/1.{minor}/stable/current/{architecture}/hvm/{volume}");
                all.push((format!("{folder}/ami-id"), image_id(&folder)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_image_has_its_own_well_formed_id() {
        let ids: Vec<String> = parameters().into_iter().map(|(_, value)| value).filter(|value| value.starts_with("ami-")).collect();
        assert!(ids.iter().all(|id| id.len() == 21 && id[4..].bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn systems_come_and_go_with_versions() {
        let names: BTreeSet<String> = parameters().into_iter().map(|(name, _)| name).collect();
        let has = |name: &str| names.contains(name);
        assert!(has("/aws/service/eks/optimized-ami/1.32/amazon-linux-2/recommended/image_id"));
        assert!(!has("/aws/service/eks/optimized-ami/1.33/amazon-linux-2/recommended/image_id"));
        assert!(!has("/aws/service/ami-windows-latest/Windows_Server-2025-English-Core-EKS_Optimized-1.34/image_id"));
        assert!(has("/aws/service/ami-windows-latest/Windows_Server-2025-English-Core-EKS_Optimized-1.35/image_id"));
    }
}
