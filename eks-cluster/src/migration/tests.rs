//! The guide's own example of an aws-auth, and what cannot be brought over.

use std::collections::BTreeSet;

use eks_core::ConfigMapMapping;

use super::*;
use crate::AccessType;

const ACCOUNT: &str = "111122223333";

fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn mapping(principal: &str, username: &str, groups: &[&str]) -> ConfigMapMapping {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    ConfigMapMapping { principal: principal.to_owned(), username: username.to_owned(), groups }
}

fn mapped(mappings: Vec<ConfigMapMapping>) -> ConfigMapAccess {
    ConfigMapAccess { mappings, accounts: Vec::new() }
}

fn migrate(mappings: Vec<ConfigMapMapping>) -> Result<Migration, SpecError> {
    Migration::new(&mapped(mappings), &RoleLookup::new(ACCOUNT), [])
}

fn nodes() -> ConfigMapMapping {
    mapping(&role("self-managed-ng-1"), "system:node:{{EC2PrivateDNSName}}", &["system:bootstrappers", "system:nodes"])
}

#[test]
fn the_guides_example() -> Result<(), SpecError> {
    let fargate = ["system:bootstrappers", "system:nodes", "system:node-proxier"];
    let user = format!("arn:aws:iam::{ACCOUNT}:user/my-user");
    let migration = migrate(vec![
        mapping(&role("EKS-my-cluster-Admins"), "Admins", &["system:masters"]),
        mapping(&role("EKS-my-cluster-my-namespace-Viewers"), "my-namespace-Viewers", &["Viewers"]),
        nodes(),
        mapping(&user, "my-user", &[]),
        mapping(&role("fargateprofile1"), "system:node:{{SessionName}}", &fargate),
    ])?;
    let [admins, viewers, nodes, user, fargate] = migration.entries() else { panic!("{:?}", migration.entries()) };
    assert_eq!(
        *admins,
        AccessEntry::standard(role("EKS-my-cluster-Admins"))
            .named("role-EKS-my-cluster-Admins")
            .username("Admins")
            .policy(crate::AccessPolicy::cluster_admin())
    );
    assert_eq!((viewers.groups(), viewers.username.as_deref()), (["Viewers".to_owned()].as_slice(), Some("my-namespace-Viewers")));
    assert_eq!((nodes.kind(), nodes.name()), (AccessType::Ec2Linux, "role-self-managed-ng-1"));
    assert_eq!((user.kind(), user.name()), (AccessType::Standard, "user-my-user"));
    assert_eq!(fargate.kind(), AccessType::FargateLinux);
    let codes: Vec<_> = migration.findings().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["migrate-masters", "migrate-nodes", "migrate-nodes"]);
    Ok(())
}

#[test]
fn what_an_entry_cannot_say_is_refused_all_at_once() {
    let sso = role("AWSReservedSSO_Admin");
    let error = migrate(vec![
        mapping(&sso, "sso:{{SessionName}}", &["system:authenticated", "dev"]),
        mapping(&role("both"), "system:node:{{EC2PrivateDNSName}}", &["system:nodes", "system:masters"]),
        mapping(&role("odd"), "system:node:fixed", &["system:nodes"]),
        mapping("arn:aws:iam::444455556666:role/far", "system:node:{{EC2PrivateDNSName}}", &["system:nodes"]),
        mapping(&format!("arn:aws:iam::{ACCOUNT}:root"), "root", &["system:masters"]),
    ])
    .unwrap_err();
    let codes: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["migrate-group", "migrate-node-groups", "migrate-node-username", "migrate-node-role", "migrate-principal"]);
    assert!(error.problems.iter().all(|problem| problem.remedy.contains("or leave it in aws-auth")));
    // Left on purpose, it hinders nobody but the last mode.
    let left = Migration::new(&mapped(vec![mapping(&sso, "x", &["system:authenticated"])]), &RoleLookup::new(ACCOUNT), [sso.as_str()]);
    assert!(left.unwrap().left().contains_key(&sso));
}

#[test]
fn what_changes_is_told() -> Result<(), SpecError> {
    let (sso, gone, linked) = (role("AWSReservedSSO_Admin_0a1b"), role("gone"), role("AWSServiceRoleForX"));
    let real = format!("arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0a1b");
    let roles = RoleLookup::new(ACCOUNT)
        .found(&sso, &real)
        .absent(&gone)
        .found(&linked, format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX"));
    let far = "arn:aws:iam::444455556666:role/ops";
    let access = ConfigMapAccess {
        mappings: vec![
            mapping(&sso, "{{SessionName}}", &["dev"]),
            mapping(&gone, "gone", &[]),
            mapping(&linked, "linked", &[]),
            mapping(far, "far:{{AccountID}}", &["dev"]),
        ],
        accounts: vec!["777788889999".to_owned()],
    };
    let migration = Migration::new(&access, &roles, [])?;
    let codes: Vec<_> = migration.findings().iter().map(|finding| (finding.code, finding.subject.as_str())).collect();
    assert_eq!(
        codes,
        [
            ("migrate-path", sso.as_str()),
            ("migrate-username", sso.as_str()),
            ("migrate-no-role", gone.as_str()),
            ("migrate-service-role", linked.as_str()),
            ("migrate-foreign-path", far),
            ("migrate-username", far),
            ("migrate-account", "777788889999"),
        ]
    );
    let principals: Vec<_> = migration.entries().iter().map(|entry| entry.principal().to_string()).collect();
    assert_eq!(principals, [real, far.to_owned()]);
    assert!(migration.entries().iter().all(|entry| entry.username.is_none()), "EKS chooses");
    assert_eq!(migration.left().keys().map(String::as_str).collect::<Vec<_>>(), ["777788889999", linked.as_str(), gone.as_str()]);
    Ok(())
}

#[test]
fn names_stay_apart() -> Result<(), SpecError> {
    let migration = migrate(vec![
        mapping("arn:aws:iam::111122223333:user/a@b", "x", &["x"]),
        mapping("arn:aws:iam::111122223333:user/a+b", "y", &["y"]),
    ])?;
    assert_eq!(migration.entries().iter().map(AccessEntry::name).collect::<Vec<_>>(), ["user-a-b", "user-a-b-2"]);
    Ok(())
}

#[test]
fn nothing_is_removed_before_it_is_proven() -> Result<(), SpecError> {
    let admin = role("ops");
    let migration = migrate(vec![mapping(&admin, "ops", &["system:masters"]), nodes()])?;
    let seen = |groups: &[&str]| KubernetesIdentity {
        username: "ops".to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect::<BTreeSet<_>>(),
    };
    let standing = |standing: Standing| AccessProof {
        standing: [(admin.clone(), standing), (nodes().principal, Standing::Stands)].into(),
        ..AccessProof::default()
    };
    let by_entry = |proof: AccessProof| proof.entered(&admin, seen(&["system:authenticated"]));
    assert_eq!(migration.removable(&by_entry(standing(Standing::Stands))).unwrap(), [admin.as_str(), nodes().principal.as_str()]);
    for (proof, told) in [
        (AccessProof::default(), "was not looked at"),
        (by_entry(standing(Standing::Missing)), "has no entry"),
        (by_entry(standing(Standing::OfEarlierRole)), "was made again after its entry"),
        (by_entry(standing(Standing::TooYoung)), "younger than a minute"),
        (standing(Standing::Stands), "no administrator was seen"),
        (standing(Standing::Stands).entered(&admin, seen(&["system:masters"])), "no administrator was seen"),
    ] {
        let error = migration.removable(&proof).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    let left = migration.last_mode(&mapped(vec![nodes()])).unwrap_err().to_string();
    assert!(left.contains("self-managed-ng-1, whom authentication mode API would lock out"), "{left}");
    assert_eq!(migration.last_mode(&ConfigMapAccess::default()).unwrap(), AuthenticationMode::Api);
    Ok(())
}
