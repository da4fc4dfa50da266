//! Rules of access entries that EKS would answer with an error. EKS User Guide, "Create access entries", "Set a custom username
//! for EKS access entries" and "Associate access policies with access entries".

use std::collections::{BTreeMap, BTreeSet};

use eks_core::Problems;

use super::{AccessEntry, AccessPolicy, AccessScope, AccessType};
use crate::partition::{self, Partition};

/// Beginnings that neither user names nor groups may have.
pub(crate) const RESERVED: [&str; 5] = ["system:", "eks:", "aws:", "amazon:", "iam:"];
/// Kubernetes, "Namespaces": a name is a label as defined in RFC 1123.
const LONGEST_NAMESPACE: usize = 63;

/// Checks entries against one another and against the rules of EKS. `account` is the cluster's, where it is known.
pub(crate) fn check(entries: &[AccessEntry], partition: Partition, account: Option<&str>, problems: &mut Problems) {
    let mut node_account = account;
    for (at, entry) in entries.iter().enumerate() {
        let subject = entry.subject();
        if entry.key().is_err() {
            problems.add("access-name", &subject, "becomes part of a key: letters, digits, . _ - only", "name it after the node group");
        }
        if let Some(arn) = entry.principal.known() {
            let fine = principal(arn, partition, &subject, problems);
            if fine && entry.kind != AccessType::Standard {
                of_cluster_account(arn, entry.kind, &mut node_account, &subject, problems);
            }
        }
        identity(entry, &subject, problems);
        policies(entry, &subject, problems);
        for earlier in &entries[..at] {
            if earlier.principal == entry.principal {
                problems.add("access-twice", &subject, "a principal has one access entry, and this one is given twice", "give it once");
            } else if earlier.name == entry.name {
                problems.add(
                    "access-name-twice",
                    &subject,
                    format!("{} has the same name {}", earlier.principal, entry.name),
                    "name one of them otherwise, with AccessEntry::named",
                );
            }
        }
    }
}

impl AccessEntry {
    fn subject(&self) -> String {
        match self.kind {
            AccessType::Standard if self.is_admin() => format!("administrator {}", self.principal),
            AccessType::Standard => format!("access entry of {}", self.principal),
            _ => format!("node role entry {:?}", self.name),
        }
    }
}

/// Whether the principal can have an entry at all.
fn principal(arn: &str, ours: Partition, subject: &str, problems: &mut Problems) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let digits = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let is_iam = parts.len() == 6 && parts[0] == "arn" && parts[2] == "iam" && parts[3].is_empty() && digits(parts[4]);
    let resource = parts.last().copied().unwrap_or_default();
    let named = |kind: &str| resource.strip_prefix(kind).is_some_and(|path| !path.is_empty() && !path.ends_with('/'));
    let (code, rule, remedy) = if arn.contains(":assumed-role/") || arn.contains(":federated-user/") {
        let remedy = "give the role's ARN, arn:aws:iam::<account>:role/<path and name>";
        ("access-session", "is a session, not a principal".to_owned(), remedy)
    } else if !is_iam || !(named("role/") || named("user/")) {
        let rule = "an access entry is for an IAM role or user, by its ARN; groups, accounts and instance profiles have none";
        ("access-principal", rule.to_owned(), "give arn:aws:iam::<account>:role/<name>")
    } else if arn.contains(['*', '?']) {
        ("access-wildcard", "an access entry is for one principal; wildcards are not allowed".to_owned(), "give each its own")
    } else if resource.starts_with("role/aws-service-role/") {
        ("access-service-role", "EKS allows no access entry for a service-linked role".to_owned(), "give another role")
    } else if partition::of_arn(arn) != Some(ours.name) {
        let rule = format!("is of partition {}, the cluster is in {}", partition::of_arn(arn).unwrap_or_default(), ours.name);
        ("access-partition", rule, "give a principal of the cluster's partition")
    } else {
        return true;
    };
    problems.add(code, subject, rule, remedy);
    false
}

/// Of every type but STANDARD, the role must be of the cluster's account.
fn of_cluster_account<'a>(arn: &'a str, kind: AccessType, ours: &mut Option<&'a str>, subject: &str, problems: &mut Problems) {
    let account = arn.split(':').nth(4).unwrap_or_default();
    match *ours {
        Some(ours) if ours != account => problems.add(
            "access-account",
            subject,
            format!("is of account {account}; an entry of type {kind} is for a role of the cluster's account, {ours}"),
            "give a role of that account",
        ),
        _ => *ours = Some(account),
    }
}

fn reserved(name: &str) -> Option<&'static str> {
    RESERVED.into_iter().find(|prefix| name.starts_with(prefix))
}

/// What is wrong with a user name, if anything.
pub(crate) fn username_rule(username: &str) -> Option<String> {
    if username.is_empty() {
        return Some("is empty".to_owned());
    }
    if let Some(prefix) = reserved(username) {
        return Some(format!("{username:?} begins with {prefix}, which is reserved; so are {}", RESERVED.join(" ")));
    }
    let mut rest = username;
    let mut before = String::new();
    while let Some((head, tail)) = rest.split_once("{{") {
        let Some((placeholder, after)) = tail.split_once("}}") else { break };
        before.push_str(head);
        if !matches!(placeholder, "SessionName" | "SessionNameRaw") {
            return Some(format!(
                "{{{{{placeholder}}}}} in {username:?} is none of its placeholders, {{{{SessionName}}}} and {{{{SessionNameRaw}}}}"
            ));
        }
        if !before.contains(':') {
            return Some(format!("{username:?} has no colon before {{{{{placeholder}}}}}, so sessions could pass for other users"));
        }
        rest = after;
    }
    None
}

fn identity(entry: &AccessEntry, subject: &str, problems: &mut Problems) {
    if !entry.kind.takes_groups() && (entry.username.is_some() || !entry.groups.is_empty()) {
        problems.add(
            "access-fixed-identity",
            subject,
            format!("EKS fixes the user name and groups of type {}", entry.kind),
            "leave them out, or make it a STANDARD entry",
        );
        return;
    }
    if let Some(rule) = entry.username.as_deref().and_then(username_rule) {
        problems.add("access-username", subject, format!("its user name {rule}"), "write it as team:{{SessionName}}, or leave it to EKS");
    }
    let mut seen = BTreeSet::new();
    for group in &entry.groups {
        if group == "system:masters" {
            problems.add(
                "access-group-masters",
                subject,
                "system:masters cannot be given to an access entry",
                format!("associate {} instead: AccessPolicy::cluster_admin()", super::policy::CLUSTER_ADMIN),
            );
        } else if let Some(prefix) = reserved(group) {
            problems.add(
                "access-group",
                subject,
                format!("group {group:?} begins with {prefix}, which is reserved"),
                "bind the roles to a group of your own, and give that",
            );
        } else if group.is_empty() || group.chars().any(char::is_whitespace) {
            problems.add("access-group-form", subject, format!("{group:?} is no name of a group"), "give the name that role bindings use");
        }
        if !seen.insert(group) {
            problems.add("access-group-twice", subject, format!("group {group:?} is given twice"), "give it once");
        }
    }
}

fn policies(entry: &AccessEntry, subject: &str, problems: &mut Problems) {
    if !entry.kind.takes_policies() && !entry.policies.is_empty() {
        problems.add(
            "access-policy-type",
            subject,
            format!("no access policy can be associated with an entry of type {}, to which EKS grants what nodes need", entry.kind),
            "leave the policies out, or make it a STANDARD entry",
        );
        return;
    }
    let mut seen: BTreeMap<&str, &AccessPolicy> = BTreeMap::new();
    for policy in &entry.policies {
        let name = &policy.name;
        let form = name.strip_prefix("AmazonEKS").and_then(|rest| rest.strip_suffix("Policy"));
        if form.is_none_or(|middle| middle.is_empty() || !middle.bytes().all(|b| b.is_ascii_alphanumeric())) {
            problems.add(
                "access-policy-name",
                subject,
                format!("{name:?} is no name of an access policy; IAM policies are none"),
                "give a name that aws eks list-access-policies tells, such as AmazonEKSViewPolicy",
            );
        }
        if seen.insert(name, policy).is_some() {
            problems.add(
                "access-policy-twice",
                subject,
                format!("{name} is associated once with an entry, and is given twice"),
                "give it once, with all its namespaces",
            );
        }
        let AccessScope::Namespaces(names) = &policy.scope else { continue };
        if names.is_empty() {
            problems.add(
                "access-namespaces-none",
                subject,
                format!("{name} is limited to namespaces, and none is given"),
                "give namespaces, or leave in_namespaces out for the whole cluster",
            );
        }
        for namespace in names.iter().filter(|name| !is_namespace(name)) {
            problems.add(
                "access-namespace",
                subject,
                format!("{namespace:?} is no name of a namespace: 1–{LONGEST_NAMESPACE} of a-z 0-9 -, and * for any characters"),
                "write it as shop or dev-*",
            );
        }
    }
}

/// A name, or a pattern of names; a wildcard may stand for its beginning or end.
fn is_namespace(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let bytes = name.as_bytes();
    bytes.len() <= LONGEST_NAMESPACE
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'*'))
}

#[cfg(test)]
mod tests {
    use eks_core::RoleArn;

    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/dev";

    fn codes(entries: &[AccessEntry]) -> Vec<&'static str> {
        let mut problems = Problems::new();
        check(entries, Partition::of_region("us-east-1"), None, &mut problems);
        problems.finish("x", || ()).err().map(|e| e.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
    }

    fn nodes(name: &str, role: &str) -> AccessEntry {
        AccessEntry::nodes(AccessType::Ec2Linux, name, role.parse::<RoleArn>().unwrap())
    }

    #[test]
    fn principals() {
        let admin = |arn: &str| codes(&[AccessEntry::admin(arn.to_owned())]);
        assert!(admin("arn:aws:iam::123456789012:role/team/admin").is_empty());
        assert!(admin("arn:aws:iam::123456789012:user/a+b=c@example.com").is_empty());
        assert!(admin("arn:aws:iam::210987654321:role/of-another-account").is_empty());
        assert_eq!(admin("arn:aws:sts::123456789012:assumed-role/admin/me"), ["access-session"]);
        for wrong in
            ["admin", "arn:aws:iam::123456789012:group/admins", "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:role/"]
        {
            assert!(admin(wrong).contains(&"access-principal"), "{wrong}");
        }
        assert_eq!(admin("arn:aws-cn:iam::123456789012:role/admin"), ["access-partition"]);
        assert_eq!(admin("arn:aws:iam::123456789012:role/aws-service-role/x.amazonaws.com/y"), ["access-service-role"]);
        assert_eq!(admin("arn:aws:iam::123456789012:role/dev-*"), ["access-wildcard"]);
    }

    #[test]
    fn doubles() {
        let role = |name: &str| AccessEntry::admin(format!("arn:aws:iam::123456789012:role/{name}"));
        assert_eq!(codes(&[role("a"), role("a")]), ["access-twice"]);
        assert_eq!(codes(&[role("a"), role("x/a")]), ["access-name-twice"]);
        assert_eq!(codes(&[role("a@b"), role("a+b")]), ["access-name-twice"]);
        assert!(codes(&[role("a"), role("x/a").named("other")]).is_empty());
        assert_eq!(codes(&[nodes("a b", ROLE)]), ["access-name"]);
    }

    #[test]
    fn user_names() {
        // The guide's own examples, and those that it forbids.
        for fine in [
            ":john{{SessionName}}",
            "jo:hn{{SessionName}}",
            "john",
            "a:{{SessionNameRaw}}",
            "arn:aws:sts::1:assumed-role/x/{{SessionName}}",
        ] {
            assert_eq!(username_rule(fine), None, "{fine}");
        }
        let wrong =
            ["john{{SessionName}}", "{{SessionNameRaw}}", "{{SessionName}}:x", "system:x", "eks:x", "aws:x", "amazon:x", "iam:x", ""];
        for wrong in wrong.into_iter().chain(["a:{{AccountID}}", "a:{{EC2PrivateDNSName}}"]) {
            assert!(username_rule(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn what_nodes_cannot_have() {
        assert!(codes(&[nodes("a", ROLE)]).is_empty());
        assert_eq!(codes(&[nodes("a", ROLE).group("dev")]), ["access-fixed-identity"]);
        assert_eq!(codes(&[nodes("a", ROLE).username("dev")]), ["access-fixed-identity"]);
        assert_eq!(codes(&[nodes("a", ROLE).policy(AccessPolicy::view())]), ["access-policy-type"]);
        let auto = AccessEntry::nodes(AccessType::Ec2, "auto", ROLE.parse::<RoleArn>().unwrap());
        assert!(codes(&[auto.policy(AccessPolicy::new("AmazonEKSAutoNodePolicy"))]).is_empty());
        assert_eq!(codes(&[nodes("a", ROLE), nodes("b", "arn:aws:iam::210987654321:role/n")]), ["access-account"]);
    }

    #[test]
    fn groups_and_policies() {
        let entry = || AccessEntry::standard(ROLE);
        assert!(codes(&[entry().group("dev").policy(AccessPolicy::edit().in_namespaces(["shop", "dev-*", "*-test"]))]).is_empty());
        assert_eq!(codes(&[entry().group("system:masters")]), ["access-group-masters"]);
        assert_eq!(codes(&[entry().group("system:nodes")]), ["access-group"]);
        assert_eq!(codes(&[entry().group("dev").group("dev")]), ["access-group-twice"]);
        assert_eq!(codes(&[entry().group("a b")]), ["access-group-form"]);
        let arn = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
        assert_eq!(codes(&[entry().policy(AccessPolicy::new(arn))]), ["access-policy-name"]);
        assert_eq!(codes(&[entry().policy(AccessPolicy::new("AdministratorAccess"))]), ["access-policy-name"]);
        assert_eq!(codes(&[entry().policy(AccessPolicy::view()).policy(AccessPolicy::view())]), ["access-policy-twice"]);
        let none: [&str; 0] = [];
        assert_eq!(codes(&[entry().policy(AccessPolicy::view().in_namespaces(none))]), ["access-namespaces-none"]);
        for wrong in ["Shop", "a_b", "-a", "a-", ""] {
            assert_eq!(codes(&[entry().policy(AccessPolicy::view().in_namespaces([wrong]))]), ["access-namespace"], "{wrong:?}");
        }
    }
}
