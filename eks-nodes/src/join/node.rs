//! The machine itself and what it is told: status checks, metadata service, user data, versions, and the cluster that it aims at.

use super::{
    Cause, Diagnosis,
    evidence::{ClusterEvidence, Evidence, InstanceEvidence},
    image::{self, System},
    user_data::{Aims, Form, is_opaque},
};

/// What ends a boot.
pub(super) fn at_boot(_: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    status_checks(instance).or_else(|| metadata(instance)).or_else(|| user_data(instance))
}

fn status_checks(instance: &InstanceEvidence) -> Option<Diagnosis> {
    let (system, own) = instance.checks.as_ref()?;
    let fix = if system == "impaired" {
        format!("let Auto Scaling replace {} (aws autoscaling set-instance-health): AWS's machine under it fails", instance.id)
    } else {
        format!(
            "look at the console of {} and at its image: its operating system does not answer; then let Auto Scaling replace it",
            instance.id
        )
    };
    ["system", "instance"].iter().zip([system, own]).find(|(_, state)| *state == "impaired").map(|(check, _)| {
        Diagnosis::certain(Cause::StatusCheckFailed, format!("{} fails its {check} status check", instance.id), fix)
            .seen(format!("system status {system}, instance status {own}"))
    })
}

/// "Retrieve instance metadata": user data and the role's credentials are told there.
fn metadata(instance: &InstanceEvidence) -> Option<Diagnosis> {
    (!instance.imds).then(|| {
        Diagnosis::certain(
            Cause::ImdsOff,
            "the instance metadata service is off, from which nodes have their user data and credentials",
            "set HttpEndpoint to enabled in the metadata options of the launch template, and replace the instances",
        )
        .seen(format!("{}: metadata option HttpEndpoint is disabled", instance.id))
    })
}

/// The form that a system reads.
fn form_of(system: System) -> Form {
    match system {
        System::AmazonLinux2 | System::Ubuntu => Form::BootstrapScript,
        System::AmazonLinux2023 => Form::NodeConfig,
        System::Bottlerocket => Form::Toml,
        System::Windows => Form::PowerShell,
    }
}

fn user_data(instance: &InstanceEvidence) -> Option<Diagnosis> {
    let (name, text) = (instance.image.as_deref()?, instance.user_data.as_deref()?);
    let (system, _) = image::of(name)?;
    let wanted = form_of(system);
    let forms = Form::all_in(text);
    let console = instance.console.as_deref().unwrap_or_default();
    if !forms.contains(&wanted) && !is_opaque(text) {
        // Without any form the node may be configured by its image.
        let other = forms.first()?;
        let diagnosis = Diagnosis::certain(
            Cause::UserDataMismatch,
            format!("the image is {}'s, and the user data has {} instead of {}", system.name(), other.name(), wanted.name()),
            format!(
                "choose the family of the image in the spec, or an image of the user data's family: {} reads {}",
                system.name(),
                wanted.name()
            ),
        );
        return Some(lines_of(console, diagnosis.seen(format!("image {name}"))));
    }
    invalid(system, wanted, text, console, name)
}

/// What systemd and cloud-init show of a configuration that was refused.
const REFUSALS: [(&[System], &str); 4] = [
    (&[System::AmazonLinux2023], "Failed to start nodeadm-config.service"),
    (&[System::AmazonLinux2, System::Ubuntu], "CLUSTER_NAME is not defined"),
    (&[System::AmazonLinux2, System::Ubuntu], "scripts/part-001 ["),
    (&[System::Bottlerocket], "Failed to start Bottlerocket userdata configuration system"),
];

fn invalid(system: System, form: Form, text: &str, console: &str, name: &str) -> Option<Diagnosis> {
    REFUSALS.iter().find(|(systems, line)| systems.contains(&system) && console.contains(line))?;
    let aims = Aims::read(form, text);
    let members = match form {
        Form::NodeConfig => ["spec.cluster.name", "apiServerEndpoint", "certificateAuthority", "cidr"],
        Form::Toml => ["cluster-name", "api-server", "cluster-certificate", ""],
        Form::BootstrapScript | Form::PowerShell => ["the cluster's name", "", "", ""],
    };
    let values = [&aims.cluster, &aims.endpoint, &aims.authority, &aims.cidr];
    let missing: Vec<_> =
        members.into_iter().zip(values).filter(|(member, value)| !member.is_empty() && value.is_none()).map(|(m, _)| m).collect();
    let what = if missing.is_empty() { "malformed".to_owned() } else { format!("without {}", missing.join(", ")) };
    let diagnosis = Diagnosis::certain(
        Cause::ConfigInvalid,
        format!("{} refused its configuration: {} is {what}", system.name(), form.name()),
        format!(
            "give {} in the user data; specs of this crate always do",
            if missing.is_empty() { "a valid document".to_owned() } else { missing.join(", ") }
        ),
    );
    Some(lines_of(console, diagnosis.seen(format!("image {name}"))))
}

/// The lines of a console that tell of a failure.
fn lines_of(console: &str, diagnosis: Diagnosis) -> Diagnosis {
    let telling = |line: &&str| ["FAILED", "ERROR", "Failed", "not defined"].iter().any(|word| line.contains(word));
    console.lines().filter(telling).take(4).fold(diagnosis, |diagnosis, line| diagnosis.seen(format!("console: {}", line.trim())))
}

/// The cluster that the node aims at.
pub(super) fn aims(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    if evidence.cluster_missing {
        let fix = "make the cluster first, or name one that exists in the account and Region of the instances";
        return Some(Diagnosis::certain(Cause::ClusterNotReady, "EKS has no cluster of that name", fix));
    }
    let cluster = evidence.cluster.as_ref()?;
    if matches!(cluster.status.as_str(), "DELETING" | "FAILED") {
        let fix = format!("make the cluster {} again, and plan its workers anew", cluster.name);
        return Some(Diagnosis::certain(Cause::ClusterNotReady, format!("cluster {} is {}", cluster.name, cluster.status), fix));
    }
    let text = instance.user_data.as_deref()?;
    let form = match image::of(instance.image.as_deref().unwrap_or_default()) {
        Some((system, _)) => form_of(system),
        None => *Form::all_in(text).first()?,
    };
    wrong(cluster, &Aims::read(form, text))
}

/// A NodeConfig, or a script's arguments, of another cluster. EKS regenerates endpoint and authority when a cluster is made again.
fn wrong(cluster: &ClusterEvidence, aims: &Aims) -> Option<Diagnosis> {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let host = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
    if let Some(name) = aims.cluster.as_ref().filter(|name| **name != cluster.name) {
        let told = format!("the user data names cluster {name:?}, and the nodes should join {:?}", cluster.name);
        let fix = format!(
            "name cluster {} in the user data: a node's token is signed for the name, and another cluster refuses it",
            cluster.name
        );
        return Some(Diagnosis::certain(Cause::WrongClusterName, told, fix));
    }
    if let Some(endpoint) = aims.endpoint.as_ref().filter(|endpoint| host(endpoint) != host(&cluster.endpoint)) {
        let told = format!("the user data has endpoint {endpoint}, and cluster {} is at {}", cluster.name, cluster.endpoint);
        let fix = format!("give {} as the API server's endpoint and replace the instances", cluster.endpoint);
        return Some(Diagnosis::certain(Cause::WrongEndpoint, told, fix));
    }
    aims.authority.as_ref().filter(|authority| bare(authority) != bare(&cluster.certificate_authority)).map(|authority| {
        let told = format!("the certificate authority in the user data is not that of cluster {}", cluster.name);
        let fix = format!("give the certificate authority as DescribeCluster tells it for {} and replace the instances", cluster.name);
        Diagnosis::certain(Cause::WrongAuthority, told, fix).seen(format!(
            "{} and {} characters of base64",
            authority.len(),
            cluster.certificate_authority.len()
        ))
    })
}

/// Kubernetes, "Version Skew Policy": a kubelet is never newer than the API server, and at most three minor versions older.
pub(super) fn skew(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    let cluster = evidence.cluster.as_ref()?;
    let name = instance.image.as_deref()?;
    let (_, kubelet) = image::of(name)?;
    let plane: u32 = cluster.version.strip_prefix("1.")?.parse().ok()?;
    let (cause, what) = if kubelet > plane {
        (Cause::KubeletTooNew, "newer than its control plane")
    } else if plane - kubelet > 3 {
        (Cause::KubeletTooOld, "more than three minor versions older than its control plane")
    } else {
        return None;
    };
    let fix = format!("use an image for 1.{plane}; the family's SSM parameter names it");
    Some(
        Diagnosis::certain(cause, format!("kubelet 1.{kubelet} is {what}, {} of cluster {}", cluster.version, cluster.name), fix)
            .seen(format!("image {name}")),
    )
}
