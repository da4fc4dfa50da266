//! Rules of roles and of the ways by which Pods get them.

use std::collections::BTreeSet;

use eks_core::{Owner, Problems};

use super::{
    pod_role::{PodAccess, PodRole},
    role::{LONGEST_ROLE_NAME, RoleLabel},
    settings::{NodeRole, Permissions, RoleSettings},
};
use crate::{
    ClusterSpec,
    op::RoleRequest,
    partition::{self, Partition},
};

/// "IAM and AWS STS quotas": managed policies of a role, at the most that IAM grants (10 by default).
const MOST_MANAGED: usize = 25;
/// Managed policies of a role by default.
pub(crate) const USUAL_MANAGED: usize = 10;
/// Characters of all policies written into a role, white space not counted.
const MOST_INLINE: usize = 10_240;
/// Characters of a trust policy, by default.
const MOST_TRUST: usize = 2_048;
/// A session policy as CreatePodIdentityAssociation takes it: STS, "AssumeRole", `Policy`.
const MOST_SESSION_POLICY: usize = 2_048;

/// What is said of roles.
pub(crate) struct Said<'a> {
    pub(crate) settings: &'a RoleSettings,
    pub(crate) cluster_policies: &'a [String],
    /// Whether the control plane's role is one of our own.
    pub(crate) own_cluster_role: bool,
    pub(crate) pod_roles: &'a [PodRole],
    pub(crate) node_roles: &'a [NodeRole],
}

pub(crate) fn check(said: &Said<'_>, ours: Partition, problems: &mut Problems) {
    settings(said.settings, ours, problems);
    if !said.cluster_policies.is_empty() && !said.own_cluster_role {
        problems.add(
            "cluster-role-policies",
            "role of the control plane",
            "exists and is not changed, yet policies are said for it",
            "attach them where the role is made, or leave cluster_role_policy() out",
        );
    }
    for arn in said.cluster_policies {
        policy_arn("role of the control plane", arn, ours, problems);
    }
    let mut names = BTreeSet::new();
    for role in said.pod_roles {
        pod_role(role, ours, problems);
        if !names.insert(&role.name) {
            problems.add("pod-role-twice", subject(role), "two roles for Pods have this name", "rename one of them");
        }
    }
    associations(said.pod_roles, problems);
    let mut names = BTreeSet::new();
    for role in said.node_roles {
        let subject = format!("role {:?} of nodes", role.name);
        label(&subject, &role.name, problems);
        permissions(&subject, &role.permissions, ours, problems);
        if !names.insert(&role.name) {
            problems.add("node-role-twice", subject, "two roles of nodes have this name", "rename one of them");
        }
    }
}

fn subject(role: &PodRole) -> String {
    format!("role {:?} of Pods", role.name)
}

fn label(subject: &str, name: &str, problems: &mut Problems) {
    if RoleLabel::new(name).is_err() {
        problems.add(
            "role-label",
            subject,
            "its name becomes part of the role's and of a key: letters, digits, . _ - only",
            "name it after the application",
        );
    }
}

/// IAM API Reference, CreateRole.
fn settings(settings: &RoleSettings, ours: Partition, problems: &mut Problems) {
    if let Some(path) = &settings.path {
        let fine = path.len() <= 512 && path.starts_with('/') && path.ends_with('/') && path.bytes().all(|b| (0x21..=0x7e).contains(&b));
        if !fine {
            problems.add(
                "role-path",
                format!("path {path:?} of roles"),
                "a path begins and ends with a slash and has at most 512 printable ASCII characters",
                "write it as /eks/shop/",
            );
        } else if path.starts_with("/aws-service-role/") {
            problems.add("role-path", format!("path {path:?} of roles"), "is for service-linked roles alone", "choose another path");
        }
    }
    if let Some(arn) = &settings.boundary {
        policy_arn("permissions boundary", arn, ours, problems);
    }
}

fn policy_arn(subject: &str, arn: &str, ours: Partition, problems: &mut Problems) {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let account = |text: &str| text == "aws" || (text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()));
    let fine =
        matches!(parts.as_slice(), ["arn", _, "iam", "", owner, name] if account(owner) && name.starts_with("policy/") && name.len() > 7);
    if !fine {
        let remedy = "give arn:aws:iam::<account>:policy/<path and name>; AWS's own policies have aws in place of the account";
        problems.add("policy-arn", subject, format!("{arn:?} is not the ARN of a managed policy"), remedy);
    } else if partition::of_arn(arn) != Some(ours.name) {
        problems.add(
            "policy-partition",
            subject,
            format!("{arn} is of another partition than the cluster, which is in {}", ours.name),
            "give a policy of the cluster's partition",
        );
    }
}

fn permissions(subject: &str, permissions: &Permissions, ours: Partition, problems: &mut Problems) {
    for arn in &permissions.arns {
        policy_arn(subject, arn, ours, problems);
    }
    for name in permissions.aws.iter().filter(|name| name.is_empty() || name.starts_with("arn:") || name.starts_with('/')) {
        let rule = format!("{name:?} is not the name of a policy that AWS manages");
        problems.add("policy-name", subject, rule, "give its path and name, such as service-role/AmazonEBSCSIDriverPolicy");
    }
    for name in permissions.inline.keys() {
        let fine = (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
        if !fine {
            let rule = format!("{name:?} cannot name a policy: 1–128 letters, digits and _+=,.@-");
            problems.add("inline-policy-name", subject, rule, "rename it");
        }
    }
    for (name, _) in permissions.inline.iter().filter(|(_, document)| document.statement.is_empty()) {
        problems.add("inline-policy-empty", subject, format!("policy {name} has no statement"), "add one, or leave the policy out");
    }
}

fn pod_role(role: &PodRole, ours: Partition, problems: &mut Problems) {
    let subject = subject(role);
    label(&subject, &role.name, problems);
    permissions(&subject, &role.permissions, ours, problems);
    if let Some(existing) = &role.existing {
        if !role.permissions.is_empty() {
            problems.add(
                "pod-role-existing-policies",
                &subject,
                format!("{existing} exists and is not changed, yet policies are said for it"),
                "attach them where the role is made, or leave existing() out",
            );
        }
        if let Some(arn) = existing.known().filter(|arn| partition::of_arn(arn.as_str()) != Some(ours.name)) {
            let rule = format!("{arn} is of another partition than the cluster, which is in {}", ours.name);
            problems.add("role-partition", &subject, rule, "give a role of the cluster's account and partition");
        }
    }
    let mut seen = BTreeSet::new();
    for account in &role.service_accounts {
        if !account.is_valid() || account.association_key().is_err() {
            problems.add(
                "service-account",
                format!("service account {account}"),
                "a namespace is a DNS label and a service account's name a DNS subdomain: a-z, 0-9, -, and . in the latter",
                "write both as Kubernetes has them",
            );
        }
        if !seen.insert(account) {
            problems.add("service-account-twice", format!("service account {account}"), "is given twice", "give it once");
        }
    }
    let by_token = role.access == PodAccess::Irsa;
    if by_token && (role.target.is_some() || role.disable_session_tags || role.session_policy.is_some()) {
        problems.add(
            "pod-role-irsa",
            &subject,
            "target roles, session tags and session policies are of EKS Pod Identity, which it does not use",
            "leave irsa() out, or them",
        );
    }
    if let Some(policy) = &role.session_policy {
        if !role.disable_session_tags {
            let rule = "EKS takes a session policy only without session tags";
            problems.add("session-policy-tags", &subject, rule, "call without_session_tags()");
        }
        if policy.size() > MOST_SESSION_POLICY {
            let rule = format!("its session policy has {} characters, STS takes {MOST_SESSION_POLICY}", policy.size());
            problems.add("session-policy-size", &subject, rule, "shorten it, or write it into a role of its own");
        }
    }
}

/// A service account has one association.
fn associations(roles: &[PodRole], problems: &mut Problems) {
    let mut by_account: std::collections::BTreeMap<_, &str> = std::collections::BTreeMap::new();
    for role in roles.iter().filter(|role| role.access == PodAccess::PodIdentity) {
        for account in role.service_accounts.iter().collect::<BTreeSet<_>>() {
            if let Some(other) = by_account.insert(account, &role.name).filter(|other| *other != role.name) {
                problems.add(
                    "service-account-roles",
                    format!("service account {account}"),
                    format!("gets the roles {other} and {}, and EKS Pod Identity knows one role for each", role.name),
                    "give both permissions to one role",
                );
            }
        }
    }
}

/// Names, sizes and numbers of what will be made.
pub(crate) fn requests(spec: &ClusterSpec, problems: &mut Problems) {
    for request in spec.own_roles() {
        role_request(&request, spec.owner(), problems);
    }
}

fn role_request(request: &RoleRequest, owner: &Owner, problems: &mut Problems) {
    let subject = format!("role {}", request.name);
    if request.name.len() > LONGEST_ROLE_NAME {
        problems.add(
            "role-name-length",
            &subject,
            format!("its name has {} characters, IAM allows {LONGEST_ROLE_NAME}", request.name.len()),
            format!("choose a shorter owner than {owner}, or a shorter name for the role"),
        );
    }
    if request.policies.len() > MOST_MANAGED {
        let rule = format!("has {} managed policies, IAM attaches at most {MOST_MANAGED}", request.policies.len());
        problems.add("policies-count", &subject, rule, "merge some of them into one of your own");
    }
    let inline: usize = request.inline.values().map(super::PolicyDocument::size).sum();
    if inline > MOST_INLINE {
        let rule = format!("the policies written into it have {inline} characters, IAM takes {MOST_INLINE}");
        problems.add("inline-policy-size", &subject, rule, "make a managed policy of one, and give its ARN");
    }
    // The provider's ARN is not known yet; EKS's issuers are this long at most.
    let provider = format!("arn:aws-us-gov:iam::123456789012:oidc-provider/oidc.eks.us-gov-west-1.amazonaws.com/id/{}", "A".repeat(32));
    let trust = request.trust.document(|_| Some(provider)).and_then(|trust| serde_json::to_string(&trust).ok());
    if let Some(size) = trust.map(|text| text.len()).filter(|size| *size > MOST_TRUST) {
        let rule = format!("its trust policy has about {size} characters, IAM takes {MOST_TRUST} by default");
        problems.add("trust-policy-size", &subject, rule, "give fewer service accounts to one role, or use EKS Pod Identity");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Addon, AddonRole, ClusterSpecBuilder, PolicyDocument, PolicyStatement, RoleChoice, ServiceAccount, testing::builder};

    fn codes(builder: ClusterSpecBuilder) -> Vec<&'static str> {
        builder.build().err().map(|error| error.problems.iter().map(|problem| problem.code).collect()).unwrap_or_default()
    }

    fn account(name: &str) -> ServiceAccount {
        ServiceAccount::new("shop", name)
    }

    fn document(resource: &str) -> PolicyDocument {
        PolicyDocument::new([PolicyStatement::allow(["s3:GetObject"], [resource])])
    }

    #[test]
    fn what_companies_ask_for_is_fine() {
        let spec = builder()
            .roles(RoleSettings::new().path("/eks/shop/").permissions_boundary("arn:aws:iam::123456789012:policy/team/edge"))
            .cluster_role_policy("arn:aws:iam::aws:policy/AmazonEKSVPCResourceController")
            .pod_role(PodRole::load_balancer_controller())
            .pod_role(PodRole::new("reports", account("reports")).inline_policy("bucket", document("arn:aws:s3:::b/*")))
            .pod_role(PodRole::new("api", account("api")).service_account(account("worker")).aws_policy("AmazonS3ReadOnlyAccess").irsa())
            .node_role(NodeRole::new("gpu").aws_policy("AmazonSSMManagedInstanceCore"))
            .addon(Addon::new("aws-efs-csi-driver").role(AddonRole::irsa()));
        assert!(codes(spec).is_empty());
    }

    #[test]
    fn one_rule_each() {
        let pods = |role: PodRole| builder().pod_role(role);
        let app = || PodRole::new("app", account("app"));
        let existing: eks_core::RoleArn = "arn:aws:iam::123456789012:role/x".parse().unwrap();
        let chinese: eks_core::RoleArn = "arn:aws-cn:iam::123456789012:role/x".parse().unwrap();
        let many = |count: usize| (0..count).fold(app(), |role, n| role.policy(format!("arn:aws:iam::123456789012:policy/p{n}")));
        let accounts = (0..60).fold(app().irsa(), |role, n| role.service_account(account(&format!("a-rather-long-name-{n}"))));
        for (wrong, code) in [
            (builder().roles(RoleSettings::new().path("eks")), "role-path"),
            (builder().roles(RoleSettings::new().path("/a b/")), "role-path"),
            (builder().roles(RoleSettings::new().path("/aws-service-role/x/")), "role-path"),
            (builder().roles(RoleSettings::new().permissions_boundary("edge")), "policy-arn"),
            (builder().roles(RoleSettings::new().permissions_boundary("arn:aws-cn:iam::123456789012:policy/e")), "policy-partition"),
            (builder().cluster_role_policy("AmazonEKSVPCResourceController"), "policy-arn"),
            (
                builder().role(RoleChoice::Existing(existing.clone())).cluster_role_policy("arn:aws:iam::aws:policy/ReadOnlyAccess"),
                "cluster-role-policies",
            ),
            (pods(PodRole::new("a/b", account("app"))), "role-label"),
            (pods(PodRole::new("n".repeat(50), account("app"))), "role-name-length"),
            (pods(app()).pod_role(PodRole::new("app", account("other"))), "pod-role-twice"),
            (pods(app()).pod_role(PodRole::new("other", account("app"))), "service-account-roles"),
            (pods(app().service_account(account("app"))), "service-account-twice"),
            (pods(PodRole::new("app", ServiceAccount::new("Shop", "app"))), "service-account"),
            (pods(PodRole::new("app", ServiceAccount::new("shop", "a".repeat(200)))), "service-account"),
            (pods(app().existing(existing.clone()).aws_policy("ReadOnlyAccess")), "pod-role-existing-policies"),
            (pods(app().existing(chinese)), "role-partition"),
            (pods(app().irsa().target_role(existing)), "pod-role-irsa"),
            (pods(app().session_policy(document("*"))), "session-policy-tags"),
            (pods(app().without_session_tags().session_policy(document(&"x".repeat(2_100)))), "session-policy-size"),
            (pods(app().aws_policy("arn:aws:iam::aws:policy/x")), "policy-name"),
            (pods(app().inline_policy("a b", document("*"))), "inline-policy-name"),
            (pods(app().inline_policy("a", PolicyDocument::new([]))), "inline-policy-empty"),
            (pods(app().inline_policy("a", document(&"x".repeat(10_300)))), "inline-policy-size"),
            (pods(many(26)), "policies-count"),
            (pods(accounts), "trust-policy-size"),
            (builder().node_role(NodeRole::new("a b")), "role-label"),
            (builder().node_role(NodeRole::new("a")).node_role(NodeRole::new("a")), "node-role-twice"),
        ] {
            assert_eq!(codes(wrong), [code]);
        }
    }
}
