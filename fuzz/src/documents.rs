//! Documents that are edited as text, or read back from what is live.

use std::collections::BTreeMap;

use eks_cluster::{Kubeconfig, KubeconfigEntry, PolicyDocument};
use eks_core::{ClusterAccess, Owner};
use eks_k8s::{AuthEdit, AwsAuth, Controller, Guard, Ingress, Mapping, ObjectSet, Principal, Service, review_aws_auth};
use serde_json::{Value, json};

const STRANGER: &str = "arn:aws:iam::999999999999:role/stranger-to-the-input";

/// `mapRoles`, `mapUsers` and `mapAccounts`: an edit keeps every byte of others, maps whom it was told to, and can be taken back.
pub fn aws_auth(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lists = super::parts(text).into_iter();
    let mut list = || lists.next().unwrap_or_default();
    let config_map = json!({"data": {"mapRoles": list(), "mapUsers": list(), "mapAccounts": list()}});
    review_aws_auth(&config_map);
    let Ok(before) = AwsAuth::read(&config_map) else { return };
    before.access();
    before.administrators();
    let stranger = Principal::parse(STRANGER).expect("a role");
    if before.names(&stranger) {
        return;
    }
    let guard = Guard::default().even_if_locked_out();
    let mapping = Mapping::new(stranger.clone(), "stranger").group("viewers");
    let Ok(edited) = before.edit(&[AuthEdit::Map(mapping.clone())], &guard) else { return };
    let edited = edited.expect("whom nobody names is not mapped yet");
    assert!(edited.has(&mapping), "it is mapped");
    assert_eq!((edited.users(), edited.accounts()), (before.users(), before.accounts()), "other lists are not touched");
    if !before.mappings().is_empty() {
        let mut rest = edited.roles();
        for line in before.roles().lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} is lost"));
            rest = &rest[at + line.len()..];
        }
    }
    let others = |document: &AwsAuth| document.mappings().into_iter().filter(|one| one.principal != stranger).collect::<Vec<_>>();
    assert_eq!(others(&edited), others(&before), "others are mapped as before");
    if let Ok(undone) = edited.edit(&[AuthEdit::Unmap(stranger.clone())], &guard) {
        let undone = undone.expect("it was mapped");
        assert!(!undone.names(&stranger) && undone.mappings() == before.mappings());
    }
    // Any of those who are mapped can go, alone.
    for gone in before.mappings() {
        if let Ok(Some(without)) = before.edit(&[AuthEdit::Unmap(gone.principal.clone())], &guard) {
            let left: Vec<_> = before.mappings().into_iter().filter(|one| one.principal != gone.principal).collect();
            assert_eq!(without.mappings(), left);
        }
    }
}

/// A kubeconfig: an entry that goes in and out again leaves everybody else's as they were.
pub fn kubeconfig(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let before = match Kubeconfig::parse(text) {
        Ok(before) => before,
        Err(error) => return drop(format!("{error} {error:?}")),
    };
    assert_eq!(before.as_str(), text);
    let access = ClusterAccess {
        name: "shop".parse().expect("a name"),
        endpoint: "https://0A1B.yl4.eu-west-1.eks.amazonaws.com".to_owned(),
        certificate_authority: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t".to_owned(),
    };
    let entry = KubeconfigEntry::builder(&access, "arn:aws:eks:eu-west-1:123456789012:cluster/shop").build().expect("an entry");
    let Ok(with) = before.with(&entry) else { return };
    assert!(with.has_cluster(entry.cluster()));
    assert_eq!(with.current_context(), Some(entry.context()));
    let names = [("clusters", entry.cluster()), ("contexts", entry.context()), ("users", entry.user())];
    let others = |document: &Kubeconfig| -> BTreeMap<&str, Vec<serde_yaml_ng::Value>> {
        let value: serde_yaml_ng::Value = serde_yaml_ng::from_str(document.as_str()).expect("it was read");
        let of = |(list, name): (&'static str, &str)| {
            let items = value.get(list).and_then(serde_yaml_ng::Value::as_sequence).cloned().unwrap_or_default();
            (list, items.into_iter().filter(|item| item.get("name").and_then(serde_yaml_ng::Value::as_str) != Some(name)).collect())
        };
        names.into_iter().map(of).collect()
    };
    assert_eq!(others(&with), others(&before), "others stay");
    assert_eq!(with.with(&entry).expect("it is in already").as_str(), with.as_str(), "twice is once");
    if let Ok(without) = with.without(&entry) {
        assert_eq!(others(&without), others(&before), "others stay");
    }
}

/// Live Services and Ingresses, and manifests of any kind.
pub fn objects(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let owner = Owner::new("fuzz").expect("an owner");
    if let Ok(live) = serde_json::from_str::<Value>(text) {
        if let Ok(service) = Service::read(&live) {
            let manifest = service.manifest("default", &owner);
            let again = Service::read(&manifest).expect("what we write can be read");
            assert_eq!(again.manifest("default", &owner), manifest, "what was read says the same");
        }
        for controller in [Controller::CloudProvider, Controller::LoadBalancerController, Controller::AutoMode] {
            if let Ok(ingress) = Ingress::read(&live, controller) {
                ingress.manifest("default", &owner);
            }
        }
    }
    let access = ClusterAccess {
        name: "shop".parse().expect("a name"),
        endpoint: "https://0A1B.yl4.eu-west-1.eks.amazonaws.com".to_owned(),
        certificate_authority: "LS0t".to_owned(),
    };
    let _ = ObjectSet::builder(&owner, "set", access).yaml(text).build();
}

/// An IAM policy document: what is read and written is read as the same.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(document) = text.parse::<PolicyDocument>() else { return };
    let written = serde_json::to_string(&document).expect("JSON");
    assert_eq!(written.parse::<PolicyDocument>().expect("what we write can be read"), document);
}
