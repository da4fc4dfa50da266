//! The machine itself and what it is told: status checks, metadata service, user data, versions, and the cluster that it aims at.

use std::time::Duration;

use super::{
    Cause, Diagnosis,
    evidence::{ClusterEvidence, Evidence, InstanceEvidence},
    image::{self, System},
    network, role,
    user_data::{Aims, Form, is_opaque, missing},
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
        let other = forms.first().filter(|form| form.configures(text))?;
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
    if !refused(system, console) {
        return None;
    }
    let missing = missing(wanted, text);
    let script = wanted == Form::BootstrapScript;
    let missing = if script { "the cluster's name".to_owned() } else { missing.join(", ") };
    (!missing.is_empty() && !is_opaque(text)).then(|| {
        let told = format!("{} refused its configuration: {} is without {missing}", system.name(), wanted.name());
        let diagnosis =
            Diagnosis::certain(Cause::ConfigInvalid, told, format!("give {missing} in the user data; specs of this crate always do"));
        lines_of(console, diagnosis.seen(format!("image {name}")))
    })
}

/// Whether systemd or cloud-init shows a configuration that was refused.
fn refused(system: System, console: &str) -> bool {
    let line = match system {
        System::AmazonLinux2023 => "Failed to start nodeadm-config.service",
        System::AmazonLinux2 | System::Ubuntu => "CLUSTER_NAME is not defined",
        System::Bottlerocket => "Failed to start Bottlerocket userdata configuration system",
        System::Windows => return false,
    };
    console.contains(line)
}

/// How long nodeadm tries to reach EC2 before it gives up is twice as long and more.
const TOO_SOON: Duration = Duration::from_secs(300);

/// A configuration that was refused although nothing is seen to be missing in it. nodeadm gives up in the same way after ten minutes without
/// a route, or at once without a permission: told last, and certain only where these are in order.
pub(super) fn malformed(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    let (system, _) = image::of(instance.image.as_deref()?)?;
    let console = instance.console.as_deref()?;
    if !refused(system, console) {
        return None;
    }
    let told = format!("{} refused its configuration: {} in the user data is malformed", system.name(), form_of(system).name());
    let fix = "check the user data by its schema (on the instance: nodeadm config check, journalctl -u nodeadm-config)";
    let sure = instance.age <= TOO_SOON && network::gets_out(evidence, instance) && role::may_describe(evidence, instance);
    let diagnosis =
        if sure { Diagnosis::certain(Cause::ConfigInvalid, told, fix) } else { Diagnosis::likely(Cause::ConfigInvalid, told, fix) };
    Some(lines_of(console, diagnosis))
}

/// What bootstrap.sh says, in its own words (amazon-eks-ami; EKS user guide, "Nodes fail to join cluster").
const SAID: [&str; 2] = ["bootstrap.sh has been removed from AL2023-based EKS AMIs", "CLUSTER_NAME is not defined"];

/// What a console tells of a failure: systemd's lines, and fixed words. All else may be a script's, with its secrets.
fn lines_of(console: &str, diagnosis: Diagnosis) -> Diagnosis {
    let lines = console.lines().map(plain).filter_map(|line| {
        let of_systemd = line.starts_with("[FAILED] Failed to start ") || line.starts_with("[DEPEND] Dependency failed for ");
        let said = || SAID.into_iter().find(|said| !line.starts_with('+') && line.contains(said)).map(str::to_owned);
        if of_systemd { Some(line) } else { said() }
    });
    lines.take(4).fold(diagnosis, |diagnosis, line| diagnosis.seen(format!("console: {line}")))
}

/// A line without the colours of a terminal.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    let text = parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest));
    text.trim().to_owned()
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
    let host = |text: &str| text.trim_end_matches('/').trim_end_matches(":443").to_ascii_lowercase();
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

/// Kubernetes, "Version Skew Policy": a kubelet is never newer than the API server, and at most three minor versions older. That is what is
/// supported; the API server refuses no node for it, so it is never certain.
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
        Diagnosis::likely(cause, format!("kubelet 1.{kubelet} is {what}, {} of cluster {}", cluster.version, cluster.name), fix)
            .seen(format!("image {name}")),
    )
}
