//! Nodes that registered and are not what is waited for.

use std::time::Duration;

use eks_core::SeenNode;

use super::{
    Cause, Diagnosis,
    evidence::{Evidence, InstanceEvidence},
};

/// For how long a node may be without its network: a plugin may be installed after its nodes, its image is pulled, and its Pod starts again
/// once a role works. No cause rests on the time alone.
const PATIENCE: Duration = Duration::from_secs(90);
/// For how long nodes are waited for until a label of theirs is missed.
const LABEL_PATIENCE: Duration = Duration::from_secs(30);

/// DaemonSets that are no network plugin although they run on every node.
const OTHERS: [&str; 4] = ["kube-proxy", "ebs-csi-node", "eks-pod-identity-agent", "eks-node-monitoring-agent"];

pub(super) fn diagnose(evidence: &Evidence, waited: Duration) -> Vec<Diagnosis> {
    let ours = |node: &&SeenNode| evidence.instances.iter().any(|instance| node.instance.as_deref() == Some(&instance.id));
    let mut found = Vec::new();
    for node in evidence.nodes.iter().flatten().filter(ours) {
        if node.ready && !node.labelled && waited >= LABEL_PATIENCE {
            found.push(
                Diagnosis::certain(
                    Cause::LabelMissing,
                    "nodes joined without the label by which the group's nodes are waited for",
                    "let the user data set the label (with a template of Amazon's: --node-labels in BootstrapArguments or kubelet flags)",
                )
                .seen(format!("{} is Ready", node.name)),
            );
        } else if !node.ready && node.not_ready_for >= PATIENCE && is_network(&node.message) {
            let instance = evidence.instances.iter().find(|instance| node.instance.as_deref() == Some(&instance.id));
            found.extend(instance.and_then(|instance| network(evidence, instance)).map(|diagnosis| {
                diagnosis.seen(format!("{} is not Ready for {} s: {}", node.name, node.not_ready_for.as_secs(), node.message))
            }));
        }
    }
    found
}

fn is_network(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("cni") || message.contains("network plugin") || message.contains("networkpluginnotready")
}

/// Why the network plugin does not run.
fn network(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    let sets = evidence.daemon_sets.as_deref()?;
    let cni = evidence.cni.filter(|cni| !cni.changing)?;
    if !sets.iter().any(|set| set == "aws-node") {
        // Somebody's own plugin is a DaemonSet, too, and then its authors know more.
        let foreign = sets.iter().any(|set| !OTHERS.contains(&set.as_str()));
        let fix = "install the add-on vpc-cni, before the nodes: ClusterSpec has it by default";
        return (!foreign)
            .then(|| Diagnosis::certain(Cause::CniMissing, "no network plugin is installed: no namespace has a DaemonSet aws-node", fix));
    }
    let (role, profile) = evidence.role_of(instance)?;
    if profile.cannot_pull() {
        let told = format!("{role} may not pull images from Amazon ECR, and the network plugin's is one");
        let fix = format!("attach AmazonEC2ContainerRegistryPullOnly to {role}");
        return Some(Diagnosis::certain(Cause::RegistryDenied, told, fix).seen(profile.policies_told(role)));
    }
    if cni.own_role == Some(true) || !profile.cannot_network() {
        return None;
    }
    let told = format!("{role} may not manage network interfaces, and the network plugin has no role of its own");
    let fix = format!("attach AmazonEKS_CNI_Policy to {role}, or give the add-on vpc-cni a role of its own (Pod Identity or IRSA)");
    // A plugin that is not EKS's add-on may have a role by the annotation of its service account.
    let sure = cni.installed && cni.own_role == Some(false);
    let diagnosis = if sure { Diagnosis::certain(Cause::CniDenied, told, fix) } else { Diagnosis::likely(Cause::CniDenied, told, fix) };
    Some(diagnosis.seen(profile.policies_told(role)))
}
