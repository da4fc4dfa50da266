//! Every rule that can be checked without asking AWS.

use std::collections::BTreeSet;

use eks_core::{Problems, Tier};

use crate::{
    amazon::NodeGroupTemplate,
    image::{Family, Image, SUBSTITUTED, USER_DATA_LIMIT, is_parameter_name},
    instance::{GP3_GIB, InstanceType},
    kubelet::Kubelet,
    lifecycle::LifecycleHook,
    managed,
    mapping::RoleMapping,
    purchase::Purchase,
    request::TemplateSource,
    spec::{WORKERS_LABEL, WorkersSpec},
    taint,
    template::{MAX_POLICIES, TEMPLATE_LIMIT, own_policies},
};

/// Most instance types of a mixed instances policy. Auto Scaling API Reference, "LaunchTemplate".
const INSTANCE_TYPES: usize = 40;
/// Most lifecycle hooks of a group. Auto Scaling User Guide, "Quotas for Auto Scaling resources and groups".
const HOOKS: usize = 50;

pub(crate) fn check(spec: &WorkersSpec) -> Problems {
    let mut problems = Problems::new();
    name(spec, &mut problems);
    subnets(spec, &mut problems);
    instances(spec, &mut problems);
    volume(spec, &mut problems);
    skips(spec, &mut problems);
    match (&spec.managed, &spec.amazon) {
        (Some(settings), _) => managed::check(spec, settings, &mut problems),
        (None, Some(amazon)) => {
            amazon.check(spec, &mut problems);
            ours(spec, amazon, &mut problems);
        }
        (None, None) => {
            image(spec, &mut problems);
            scaling(spec, &mut problems);
            kubelet(spec, &mut problems);
            role(spec, &mut problems);
            sizes(spec, &mut problems);
        }
    }
    problems
}

/// Template anatomy: "The logical ID must be alphanumeric (A-Za-z0-9)".
fn skips(spec: &WorkersSpec, problems: &mut Problems) {
    for id in &spec.skip_in_rollback {
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
            let rule = format!("{id:?} is no logical id, which is letters and digits alone");
            problems.add("rollback-skip", "skip_in_rollback", rule, "name resources as the stack's events do, as in NodeGroup");
        }
    }
}

/// What only our own template can do.
fn ours(spec: &WorkersSpec, template: &NodeGroupTemplate, problems: &mut Problems) {
    let custom = matches!(template, NodeGroupTemplate::Custom(_));
    let tells = template.has_bootstrap_arguments();
    let asked = [
        ("several instance types", spec.instance_types.len() > 1),
        ("purchase", spec.purchase != Purchase::OnDemand),
        ("group_per_zone", spec.per_zone),
        ("instance_warmup", spec.warmup.is_some()),
        ("lifecycle_hook", !spec.hooks.is_empty()),
        ("extra_policy", !spec.extra_policies.is_empty()),
        ("session_manager", spec.session_manager),
        ("metadata_hop_limit", spec.hop_limit != 1),
        ("family", spec.family != Family::default()),
        ("image", spec.image != Image::default()),
        ("key_pair", spec.key_pair.is_some() && !custom),
        ("label", !spec.labels.is_empty() && !tells),
        ("taint", !spec.taints.is_empty() && !tells),
        ("max_pods", spec.max_pods.is_some() && !tells),
        ("kubelet", spec.kubelet != Kubelet::new() && !tells),
        ("prefix_delegation", spec.prefix_delegation && !tells),
    ];
    for (subject, _) in asked.into_iter().filter(|(_, asked)| *asked) {
        let rule = "the template has no parameter for it, or its type has a setter";
        problems.add("amazon-template", subject, rule, "say it by the template's type, or leave amazon_template() out");
    }
    if tells {
        kubelet(spec, problems);
    }
}

fn name(spec: &WorkersSpec, problems: &mut Problems) {
    let name = spec.name.as_str();
    if name.len() > 63 || name.ends_with('-') {
        problems.add(
            "workers-name",
            format!("name {name}"),
            "it is also the value of a node label: at most 63 characters, not ending with a hyphen",
            "shorten it",
        );
    }
}

fn subnets(spec: &WorkersSpec, problems: &mut Problems) {
    let subnets = &spec.network.subnets;
    if subnets.is_empty() {
        problems.add("no-subnets", "network", "workers need a subnet in at least one zone", "give a network that has private subnets");
    }
    let mut seen = BTreeSet::new();
    for subnet in subnets {
        let subject = || format!("subnet {} in {}", subnet.id, subnet.zone);
        if subnet.tier == Tier::Public && !spec.public_subnets {
            problems.add(
                "public-subnet",
                subject(),
                "is public, and workers belong in private subnets",
                "give the network's private() references, or allow_public_subnets(true)",
            );
        }
        if !seen.insert(&subnet.id) {
            problems.add("subnet-twice", subject(), "is given twice", "give it once");
        }
    }
    let regions: BTreeSet<_> = subnets.iter().map(|subnet| subnet.zone.region()).collect();
    if regions.len() > 1 {
        let regions = regions.into_iter().collect::<Vec<_>>().join(" and ");
        problems.add("regions", "subnets", format!("lie in {regions}; a VPC has one Region"), "give the subnets of one VPC");
    }
}

fn instances(spec: &WorkersSpec, problems: &mut Problems) {
    let types = &spec.instance_types;
    if types.is_empty() || types.len() > INSTANCE_TYPES {
        let rule = format!("an Auto Scaling group has 1–{INSTANCE_TYPES}");
        problems.add("instance-types", format!("{} instance types", types.len()), rule, "give so many");
    }
    let mut seen = BTreeSet::new();
    for text in types {
        let subject = || format!("instance type {text}");
        if !seen.insert(text) {
            problems.add("instance-type-twice", subject(), "is given twice", "give it once");
        }
        match InstanceType::parse(text) {
            None => problems.add("instance-type", subject(), "must be a family and a size such as t3.medium", "correct it"),
            Some(parsed) if spec.amazon.is_none() => {
                if spec.image == Image::Recommended {
                    architecture(spec, parsed, &subject(), problems);
                }
                hardware(spec, parsed, &subject(), problems);
            }
            Some(_) => {}
        }
    }
    alike(spec, problems);
}

fn architecture(spec: &WorkersSpec, parsed: InstanceType<'_>, subject: &str, problems: &mut Problems) {
    match (parsed.architecture(), spec.architecture) {
        (None, None) => problems.add(
            "architecture-unknown",
            subject,
            "is of a family whose architecture its name does not tell",
            "say it with architecture(), or give an image",
        ),
        (Some(named), Some(given)) if named != given => problems.add(
            "architecture-mismatch",
            subject,
            format!("has {named} processors, and architecture({given}) was asked for"),
            "leave architecture() out",
        ),
        _ => {}
    }
}

fn hardware(spec: &WorkersSpec, parsed: InstanceType<'_>, subject: &str, problems: &mut Problems) {
    if matches!(spec.family, Family::Windows(_)) && parsed.has_no_windows() {
        problems.add("instance-windows", subject, "EKS has no Windows nodes of this type", "use a newer generation");
    }
    if !spec.prefix_delegation || spec.max_pods.is_some() {
        return;
    }
    if matches!(spec.family, Family::Windows(_)) {
        let rule = "on Windows the VPC resource controller delegates prefixes, and counts otherwise";
        problems.add("prefix-windows", subject, rule, "say the most Pods with max_pods()");
    } else if !parsed.is_nitro() {
        let rule = "prefixes can be delegated to instances of the Nitro system only";
        problems.add("prefix-nitro", subject, rule, "use a newer generation, or leave prefix_delegation out");
    } else if parsed.prefix_max_pods().is_none() {
        let rule = "its name does not tell how many processors it has";
        problems.add("prefix-pods", subject, rule, "say the most Pods with max_pods()");
    }
}

/// Instance types that share an image.
fn alike(spec: &WorkersSpec, problems: &mut Problems) {
    let parsed = || spec.instance_types.iter().filter_map(|text| Some((text, InstanceType::parse(text)?)));
    let Some((first, one)) = parsed().next() else { return };
    for (text, other) in parsed().skip(1) {
        let subject = format!("instance types {first} and {text}");
        if let (Some(left), Some(right)) = (one.architecture(), other.architecture())
            && left != right
        {
            let rule = format!("have {left} and {right} processors, and a group has one image");
            problems.add("mixed-architectures", &subject, rule, "make a group of workers for each");
        }
        if one.variant() != other.variant() {
            let (left, right) = (one.variant().as_str(), other.variant().as_str());
            let rule = format!("need the images {left} and {right}, and a group has one");
            problems.add("mixed-accelerators", &subject, rule, "make a group of workers for each");
        }
    }
}

fn volume(spec: &WorkersSpec, problems: &mut Problems) {
    let (gib, least) = (spec.volume_gib(), spec.family.volume_gib());
    let published = spec.amazon.is_none() && spec.image == Image::Recommended;
    if !(1..=GP3_GIB).contains(&gib) {
        let rule = format!("gp3 volumes have 1–{GP3_GIB} GiB");
        problems.add("volume-size", format!("root volume of {gib} GiB"), rule, "choose a size within");
    } else if gib < least && published && spec.family.system_device().is_none() {
        let rule = match spec.family {
            Family::Windows(_) => format!("is less than the {least} GiB that EKS itself gives Windows nodes"),
            _ => format!("cannot be smaller than the image's snapshot of {least} GiB"),
        };
        problems.add("volume-size", format!("root volume of {gib} GiB"), rule, format!("give it {least} GiB or more"));
    }
    if let Some(key) = &spec.key_pair
        && !((1..=255).contains(&key.len()) && key.is_ascii() && key.trim() == key)
    {
        let rule = "names of key pairs are 1–255 ASCII characters without spaces around";
        problems.add("key-pair", format!("key pair {key:?}"), rule, "use the name that EC2 shows");
    }
    if !(1..=64).contains(&spec.hop_limit) {
        problems.add("hop-limit", format!("metadata hop limit {}", spec.hop_limit), "must be 1–64", "use 1, or 2 for Pods");
    }
}

pub(crate) fn image(spec: &WorkersSpec, problems: &mut Problems) {
    if let Image::Parameter(name) = &spec.image
        && !is_parameter_name(name)
    {
        problems.add(
            "image-parameter",
            format!("SSM parameter {name:?}"),
            "must be an absolute path of letters, digits and / . - _",
            "give the path of a parameter that holds an AMI id",
        );
    }
    let version = &spec.cluster.version;
    let minor = version.strip_prefix("1.").and_then(|minor| minor.parse::<u16>().ok());
    if minor.is_none() && spec.image == Image::Recommended {
        let rule = "a Kubernetes version is 1 and a minor number, such as 1.36";
        problems.add("kubernetes-version", format!("cluster version {version:?}"), rule, "correct it in the cluster's references");
    }
    spec.family.check(&spec.kubelet, problems);
    if spec.image == Image::Recommended {
        spec.family.check_published(spec.target(), problems);
    }
    if !spec.family.has_ipv6() && spec.cluster.service_cidr.known().is_some_and(|cidr| cidr.contains(':')) {
        let rule = "its bootstrap script is given IPv4 addresses of Services only, and the cluster has IPv6";
        problems.add("image-ipv6", format!("family {}", spec.family.name()), rule, "use AmazonLinux2023 or Bottlerocket");
    }
}

fn scaling(spec: &WorkersSpec, problems: &mut Problems) {
    let (_, percent, _) = spec.purchase.distribution();
    if percent > 100 {
        problems.add("on-demand-percent", format!("on_demand_percent {percent}"), "must be 0–100", "correct it");
    }
    if spec.hooks.len() > HOOKS {
        let rule = format!("Auto Scaling's quota is {HOOKS} in a group");
        problems.add("hook-count", format!("{} lifecycle hooks", spec.hooks.len()), rule, "use fewer");
    }
    let mut seen = BTreeSet::new();
    for hook in &spec.hooks {
        let subject = format!("lifecycle hook {:?}", hook.name);
        if !hook.has_name() {
            problems.add("hook-name", &subject, "names are 1–255 characters of A-Z a-z 0-9 - _ /", "correct it");
        }
        if !LifecycleHook::HEARTBEAT.contains(&hook.heartbeat_seconds) {
            let rule = format!("a heartbeat lasts 30–7200 seconds, and {} are given", hook.heartbeat_seconds);
            problems.add("hook-heartbeat", &subject, rule, "correct it");
        }
        if !seen.insert(&hook.name) {
            problems.add("hook-twice", &subject, "the name is given twice", "give it once");
        }
    }
}

pub(crate) fn kubelet(spec: &WorkersSpec, problems: &mut Problems) {
    spec.kubelet.check(problems);
    let mut seen = BTreeSet::new();
    for (key, value) in &spec.labels {
        let subject = format!("label {key}={value}");
        if let Some(fault) = taint::key_fault(key).or_else(|| taint::value_fault(value)) {
            problems.add("label-syntax", &subject, fault, "correct it");
        }
        if key == WORKERS_LABEL {
            problems.add("label-reserved", &subject, "this label is how the group's nodes are found", "use another key");
        } else if taint::is_restricted(key) {
            problems.add(
                "label-restricted",
                &subject,
                "a kubelet may not set this label on its own node (NodeRestriction)",
                "use a prefix of your own, or node.kubernetes.io/",
            );
        }
        if !seen.insert(key) {
            problems.add("label-twice", &subject, "the key is given twice", "give it once");
        }
    }
    let mut seen = BTreeSet::new();
    for taint in &spec.taints {
        let subject = format!("taint {taint}");
        if let Some(fault) = taint::key_fault(&taint.key).or_else(|| taint::value_fault(&taint.value)) {
            problems.add("taint-syntax", &subject, fault, "correct it");
        }
        if !seen.insert((&taint.key, taint.effect)) {
            problems.add("taint-twice", &subject, "key and effect are given twice", "give them once");
        }
    }
    if let Some(pods) = spec.max_pods
        && !(1..=250).contains(&pods)
    {
        problems.add("max-pods", format!("max_pods {pods}"), "EKS recommends at most 250, and a node needs at least 1", "choose 1–250");
    }
}

pub(crate) fn role(spec: &WorkersSpec, problems: &mut Problems) {
    let mode = spec.cluster.authentication;
    match spec.mapping {
        RoleMapping::AccessEntry if !mode.has_access_entries() => problems.add(
            "mapping-mode",
            "mapping AccessEntry",
            format!("the cluster's authentication mode {} has no access entries", mode.as_str()),
            "use AwsAuth, or let the cluster have API_AND_CONFIG_MAP",
        ),
        RoleMapping::AwsAuth if mode.as_str() == "API" => problems.add(
            "mapping-mode",
            "mapping AwsAuth",
            "the cluster's authentication mode API ignores the ConfigMap aws-auth",
            "use AccessEntry",
        ),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for arn in &spec.extra_policies {
        if !is_policy_arn(arn) {
            let rule = "must be arn:<partition>:iam::<aws or 12 digits>:policy/<path and name>";
            problems.add("policy-arn", format!("policy {arn}"), rule, "give the ARN of a managed policy");
        }
        if !seen.insert(arn) {
            problems.add("policy-twice", format!("policy {arn}"), "is given twice", "give it once");
        }
    }
    let count = own_policies(spec.session_manager) + spec.extra_policies.len();
    if count > MAX_POLICIES {
        problems.add(
            "policy-count",
            "role of the nodes",
            format!("would have {count} managed policies; IAM's quota is {MAX_POLICIES}"),
            "join policies into one, or give Pods roles of their own",
        );
    }
}

fn is_policy_arn(arn: &str) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let [start, partition, service, region, account, resource] = parts[..] else { return false };
    start == "arn"
        && (partition == "aws" || partition.starts_with("aws-"))
        && service == "iam"
        && region.is_empty()
        && (account == "aws" || (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())))
        && resource.strip_prefix("policy/").is_some_and(|name| !name.is_empty() && !name.ends_with('/') && !name.contains(['$', '{', ' ']))
}

/// Limits of EC2 and CloudFormation for what the spec turns into.
fn sizes(spec: &WorkersSpec, problems: &mut Problems) {
    let user_data = spec.user_data().len() + SUBSTITUTED;
    if user_data > USER_DATA_LIMIT {
        problems.add(
            "user-data-size",
            "labels, taints and settings",
            format!("make user data of up to {user_data} bytes; EC2's limit is {USER_DATA_LIMIT}"),
            "use fewer or shorter ones",
        );
    }
    for request in [spec.base_request(), spec.group_request()] {
        if let TemplateSource::Body(body) = &request.template
            && body.len() > TEMPLATE_LIMIT
        {
            let rule = format!("its template has {} bytes; CloudFormation's limit is {TEMPLATE_LIMIT}", body.len());
            problems.add("template-size", format!("stack {}", request.name), rule, "use fewer labels, policies, instance types or hooks");
        }
    }
}
