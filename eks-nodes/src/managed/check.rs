//! What EKS's API has no word for, and other rules of managed groups.

use eks_core::Problems;

use super::settings::Managed;
use crate::{
    check,
    image::{Family, Image, SUBSTITUTED, USER_DATA_LIMIT},
    instance::InstanceType,
    kubelet::Kubelet,
    purchase::{Purchase, SpotAllocation},
    spec::WorkersSpec,
};

/// Instance types of a group. EKS API Reference, "CreateNodegroup".
const INSTANCE_TYPES: usize = 20;
/// Taints of a group. EKS User Guide, "Node taints on managed node groups".
const TAINTS: usize = 50;
/// Prefixes that EKS's API refuses in labels.
const RESERVED: [&str; 3] = ["eks.amazonaws.com/", "k8s.io/", "kubernetes.io/"];
const ELSEWHERE: &str = "leave managed() out: workers by CloudFormation have it";

pub(crate) fn check(spec: &WorkersSpec, settings: &Managed, problems: &mut Problems) {
    settings.check(problems);
    no_words(spec, problems);
    image(spec, problems);
    purchase(spec, problems);
    told_to_nodes(spec, problems);
    check::kubelet(spec, problems);
    check::role(spec, problems);
    if settings.role.is_some() && (spec.session_manager || !spec.extra_policies.is_empty()) {
        let rule = "policies go onto a role that the base stack makes, and one is given";
        problems.add("managed-role", "extra_policy and session_manager", rule, "attach them to your role, or leave role() out");
    }
    for (key, value) in &spec.labels {
        if RESERVED.iter().any(|prefix| key.starts_with(prefix)) {
            let rule = "EKS's API refuses the prefixes kubernetes.io/, k8s.io/ and eks.amazonaws.com/";
            problems.add("managed-label", format!("label {key}={value}"), rule, "use a prefix of your own");
        }
    }
    if spec.taints.len() > TAINTS {
        let rule = format!("a managed group has at most {TAINTS}");
        problems.add("managed-taints", format!("{} taints", spec.taints.len()), rule, "use fewer");
    }
    if spec.instance_types.len() > INSTANCE_TYPES {
        let rule = format!("a managed group has at most {INSTANCE_TYPES}");
        problems.add("managed-instance-types", format!("{} instance types", spec.instance_types.len()), rule, "give fewer");
    }
}

/// What is the Auto Scaling group's, which is EKS's alone.
fn no_words(spec: &WorkersSpec, problems: &mut Problems) {
    let rule = "EKS makes and keeps the Auto Scaling group of a managed group, and its API has no word for it";
    let zones = "make a managed group of the subnets of each zone";
    let asked = [
        ("group_per_zone", spec.per_zone, zones),
        ("instance_warmup", spec.warmup.is_some(), ELSEWHERE),
        ("lifecycle_hook", !spec.hooks.is_empty(), ELSEWHERE),
        ("amazon_template", spec.amazon.is_some(), "choose one of them"),
    ];
    for (subject, _, remedy) in asked.into_iter().filter(|(_, asked, _)| *asked) {
        problems.add("managed-scaling", subject, rule, remedy);
    }
}

fn image(spec: &WorkersSpec, problems: &mut Problems) {
    if spec.image != Image::Recommended {
        // With an AMI of one's own EKS merges nothing, and updates nothing: nothing of it would be managed.
        problems.add("managed-image", "image()", "EKS chooses a managed group's image by family, version and release", ELSEWHERE);
        return;
    }
    check::image(spec, problems);
    let name = spec.family.name();
    if spec.family.is_pinned() {
        let rule = "EKS names releases in its own way, with Kubernetes' patch version";
        problems.add("managed-release", format!("release of family {name}"), rule, "say it with Managed::release()");
    }
    let parsed = spec.instance_types.iter().all(|text| InstanceType::parse(text).is_some());
    if parsed && spec.family.ami_type(spec.target()).is_none() {
        let rule = "EKS has no AMI type for it on these instance types";
        problems.add("managed-family", format!("family {name}"), rule, ELSEWHERE);
    }
}

/// EKS User Guide, "Managed node group capacity types": a group is of one, and Spot's strategy is fixed.
fn purchase(spec: &WorkersSpec, problems: &mut Problems) {
    match spec.purchase {
        Purchase::OnDemand | Purchase::Spot(SpotAllocation::PriceCapacityOptimized) => {}
        Purchase::Spot(other) => {
            let rule = format!("managed groups take Spot by price-capacity-optimized, not {}", other.as_str());
            problems.add("managed-purchase", "purchase", rule, "use PriceCapacityOptimized");
        }
        Purchase::Mixed { .. } => {
            let rule = "a managed group is on demand or Spot, not both";
            problems.add("managed-purchase", "purchase Mixed", rule, "make a group of each");
        }
    }
}

/// What goes into user data.
fn told_to_nodes(spec: &WorkersSpec, problems: &mut Problems) {
    let asked = [
        ("kubelet", spec.kubelet != Kubelet::new()),
        ("max_pods", spec.max_pods.is_some()),
        ("prefix_delegation", spec.prefix_delegation && spec.max_pods.is_none()),
    ];
    if matches!(spec.family, Family::AmazonLinux2(_) | Family::Windows(_)) {
        for (subject, _) in asked.into_iter().filter(|(_, asked)| *asked) {
            let rule = format!("EKS runs the bootstrap script of {}, and merges no arguments of it", spec.family.name());
            problems.add("managed-kubelet", subject, rule, "use AmazonLinux2023 or Bottlerocket, or leave managed() out");
        }
    }
    // EKS User Guide, "Create a managed node group for your cluster": 110 below 30 vCPUs, 250 from there on.
    let most = spec.instance_types.iter().filter_map(|kind| InstanceType::parse(kind)?.prefix_max_pods()).min();
    let most = most.map(|most| if most > 110 { 250 } else { 110 });
    if let (Some(pods), Some(most)) = (spec.max_pods, most)
        && pods > most
        && pods <= 250
    {
        let rule = format!("EKS enforces at most {most} on managed nodes of this size");
        problems.add("managed-max-pods", format!("max_pods {pods}"), rule, format!("choose at most {most}"));
    }
    let bytes = spec.managed_user_data().map_or(0, |text| text.len());
    if bytes + SUBSTITUTED > USER_DATA_LIMIT {
        let rule = format!("make user data of {bytes} bytes beside EKS's own; EC2's limit is {USER_DATA_LIMIT}");
        problems.add("user-data-size", "settings of family and kubelet", rule, "use fewer or shorter ones");
    }
}
