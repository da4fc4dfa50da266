//! The nodes' role: its credentials, what it may do, and how the cluster knows it.

use eks_core::ConfigMapAccess;

use super::{
    Cause, Diagnosis,
    evidence::{ClusterEvidence, EntryEvidence, Evidence, InstanceEvidence, ProfileEvidence},
};

/// What policies of AWS's permit of what nodes need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Abilities {
    /// `ec2:DescribeInstances`.
    describe: bool,
    /// Pulling images from Amazon ECR.
    pull: bool,
    /// Giving addresses to network interfaces.
    network: bool,
}

/// AWS Managed Policy Reference: those that roles of nodes usually have. A role with any other policy is not judged.
fn known(policy: &str) -> Option<Abilities> {
    let none = Abilities::default();
    let name = policy.split_once(":aws:policy/").map(|(_, path)| path.rsplit('/').next().unwrap_or(path))?;
    Some(match name {
        "AmazonEKSWorkerNodePolicy" => Abilities { describe: true, ..none },
        "AmazonEKS_CNI_Policy" => Abilities { describe: true, network: true, ..none },
        "AmazonEC2ContainerRegistryPullOnly" | "AmazonEC2ContainerRegistryReadOnly" | "AmazonEC2ContainerRegistryPowerUser" => {
            Abilities { pull: true, ..none }
        }
        "AmazonSSMManagedInstanceCore" | "CloudWatchAgentServerPolicy" => none,
        _ => return None,
    })
}

impl ProfileEvidence {
    /// What the role may do; `None` if it has a policy that is not judged.
    fn abilities(&self) -> Option<Abilities> {
        if self.inline {
            return None;
        }
        self.policies.as_ref()?.iter().try_fold(Abilities::default(), |have, policy| {
            let more = known(policy)?;
            Some(Abilities {
                describe: have.describe || more.describe,
                pull: have.pull || more.pull,
                network: have.network || more.network,
            })
        })
    }

    /// Whether it is certain that the role may not pull images.
    pub(super) fn cannot_pull(&self) -> bool {
        self.abilities().is_some_and(|abilities| !abilities.pull)
    }

    /// Whether it is certain that the role may not run the network plugin.
    pub(super) fn cannot_network(&self) -> bool {
        self.abilities().is_some_and(|abilities| !abilities.network)
    }

    fn policy_names(&self) -> String {
        let names: Vec<_> = self.policies.iter().flatten().filter_map(|arn| arn.rsplit('/').next()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// The line of evidence about its policies.
    pub(super) fn policies_told(&self, role: &str) -> String {
        format!("policies of {role}: {}", self.policy_names())
    }
}

/// Credentials, and the first call with them.
pub(super) fn at_work(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    let Some(profile) = &instance.profile else {
        return Some(Diagnosis::certain(
            Cause::ProfileInvalid,
            "the instances have no instance profile, and so no credentials",
            "name an instance profile with the nodes' role in the launch template",
        ));
    };
    let found = evidence.profiles.get(profile)?;
    let Some(role) = &found.role else {
        let fix = format!("put the nodes' role into {profile} (iam:AddRoleToInstanceProfile) and replace the instances");
        return Some(Diagnosis::certain(Cause::ProfileInvalid, format!("{profile} has no role, or does not exist"), fix));
    };
    found.abilities().filter(|abilities| !abilities.describe).map(|_| {
        let told = format!("{role} may not ask EC2 about its instance, which gives a node its name");
        let fix = format!("attach AmazonEKSWorkerNodePolicy to {role}");
        Diagnosis::certain(Cause::WorkerPolicyMissing, told, fix).seen(found.policies_told(role))
    })
}

/// Whether it is certain that the role may make a node's first call.
pub(super) fn may_describe(evidence: &Evidence, instance: &InstanceEvidence) -> bool {
    evidence.role_of(instance).and_then(|(_, profile)| profile.abilities()).is_some_and(|abilities| abilities.describe)
}

/// How the cluster knows the role.
pub(super) fn mapping(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    let cluster = evidence.cluster.as_ref()?;
    let (role, _) = evidence.role_of(instance)?;
    if cluster.authentication != "CONFIG_MAP" {
        match evidence.entries.get(role)? {
            Some(entry) => return wrong_entry(role, entry),
            None if cluster.authentication == "API" => return Some(unmapped(role, cluster, "no access entry")),
            None => {}
        }
    }
    let Some(map) = &evidence.aws_auth else {
        let told = format!("{role} has no access entry in cluster {}, and aws-auth could not be looked at", cluster.name);
        return Some(Diagnosis::likely(Cause::RoleNotMapped, told, entry_fix(role)));
    };
    match mapped(map, role) {
        None if cluster.authentication == "CONFIG_MAP" => Some(unmapped(role, cluster, "no mapping in aws-auth")),
        None => Some(unmapped(role, cluster, "neither an access entry nor a mapping in aws-auth")),
        Some((username, groups)) => wrong_mapping(role, username, groups),
    }
}

fn entry_fix(role: &str) -> String {
    format!("make an access entry of type EC2_LINUX (Windows: EC2_WINDOWS) for {role}: the workers' stack does where the cluster has them")
}

fn unmapped(role: &str, cluster: &ClusterEvidence, what: &str) -> Diagnosis {
    let fix = if cluster.authentication == "CONFIG_MAP" {
        format!(
            "map {role} in aws-auth (system:node:{{{{EC2PrivateDNSName}}}}, groups system:bootstrappers and system:nodes): eks-k8s does, told of the workers by ObjectsSpec::nodes"
        )
    } else {
        entry_fix(role)
    };
    let told = format!("cluster {} does not know the nodes' role {role}: {what}", cluster.name);
    Diagnosis::certain(Cause::RoleNotMapped, told, fix).seen(format!("authentication mode {}", cluster.authentication))
}

/// "Create access entries": nodes of one's own need a type that makes them nodes. An entry goes before aws-auth.
fn wrong_entry(role: &str, entry: &EntryEvidence) -> Option<Diagnosis> {
    let is_node = matches!(entry.kind.as_str(), "EC2_LINUX" | "EC2_WINDOWS" | "EC2");
    (!is_node).then(|| {
        let told = format!("the access entry of {role} has type {}, which lets it in as {} and not as a node", entry.kind, entry.username);
        let fix =
            format!("delete the access entry of {role} and make one of type EC2_LINUX (Windows: EC2_WINDOWS): a type cannot be changed");
        Diagnosis::certain(Cause::MappingWrong, told, fix)
    })
}

/// The last mapping of a role counts; its path is not told by sessions (aws-iam-authenticator).
fn mapped<'a>(map: &'a ConfigMapAccess, role: &str) -> Option<(&'a str, &'a [String])> {
    let bare = |arn: &str| match arn.split_once(":role/") {
        Some((head, path)) => format!("{head}:role/{}", path.rsplit('/').next().unwrap_or_default()).to_ascii_lowercase(),
        None => arn.to_ascii_lowercase(),
    };
    let wanted = bare(role);
    let found = map.mappings.iter().rev().find(|mapping| mapping.principal.to_ascii_lowercase() == wanted)?;
    Some((&found.username, &found.groups))
}

fn wrong_mapping(role: &str, username: &str, groups: &[String]) -> Option<Diagnosis> {
    let names = ["system:node:{{EC2PrivateDNSName}}", "system:node:{{SessionName}}", "system:node:{{SessionNameRaw}}"];
    let wrong = if !names.contains(&username) {
        format!("user name {username:?} instead of \"system:node:{{{{EC2PrivateDNSName}}}}\"")
    } else if !groups.iter().any(|group| group == "system:nodes") {
        format!("groups {} without system:nodes", groups.join(", "))
    } else {
        return None;
    };
    let fix =
        format!("map {role} in aws-auth to system:node:{{{{EC2PrivateDNSName}}}} with the groups system:bootstrappers and system:nodes");
    Some(Diagnosis::certain(Cause::MappingWrong, format!("aws-auth maps {role} with {wrong}"), fix))
}
