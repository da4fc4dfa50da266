//! Which objects are a set's, and in which order they are removed.

use eks_core::Teardown;

use super::*;

/// As the API server would tell of it; in the set's namespace if it has none of its own and its kind has one.
fn live(manifest: &Value, namespace: &str) -> Value {
    let mut live = manifest.clone();
    let metadata = &mut live["metadata"];
    metadata["uid"] = json!(format!("{namespace}/{}", metadata["name"].as_str().unwrap()));
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    live
}

fn member(live: &Value, set: &str) -> SetMember {
    SetMember::of(live, &owner(), set).expect("ours")
}

fn titles(teardown: &Teardown) -> Vec<String> {
    teardown.removals().iter().map(|removal| format!("{} {}", removal.title, removal.id)).collect()
}

#[test]
fn members_go_in_reverse() {
    let set = shop().build().unwrap();
    let members = || set.objects().map(|manifest| member(&live(manifest, ""), "shop"));
    let teardown = set.teardown(members().collect()).unwrap();
    let after = |kind: &str| {
        let removal = teardown.removals().iter().find(|removal| removal.title.starts_with(kind)).unwrap();
        teardown.needs(removal).iter().map(|key| key.as_str().split('/').nth(2).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(after("Namespace"), ["CustomResourceDefinition.apiextensions.k8s.io"]);
    assert_eq!(after("CustomResourceDefinition"), ["Deployment.apps"]);
    assert_eq!(after("Deployment"), ["Basket.example.com"], "it may be what releases the Basket");
    assert_eq!(after("Basket"), ["ValidatingWebhookConfiguration.admissionregistration.k8s.io"]);
    assert_eq!(after("Validating"), [""; 0]);
    assert!(teardown.to_string().contains("Namespace, with everything in it: shop"), "{teardown}");

    // What is still in the set stays, and what only carries its labels is nobody's.
    let fewer = ObjectSet::builder(&owner(), "shop", access())
        .yaml(SHOP.split("---").filter(|part| !part.contains("Basket")).collect::<Vec<_>>().join("---").as_str())
        .build()
        .unwrap();
    assert_eq!(titles(&fewer.prune(members().collect()).unwrap()), ["Basket shop/first"]);
    // A namespace and a definition that left the set are not taken from under what is still in it.
    let within = ObjectSet::builder(&owner(), "shop", access())
        .yaml(
            SHOP.split("---")
                .filter(|part| part.contains("Basket\n") || part.contains("kind: Deployment"))
                .collect::<Vec<_>>()
                .join("---")
                .as_str(),
        )
        .build()
        .unwrap();
    let outdated: Vec<_> = within.outdated(members()).into_iter().map(|member| member.object.kind).collect();
    assert_eq!(outdated, ["ValidatingWebhookConfiguration"]);
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "web-x", "namespace": "shop", "uid": "u",
        "labels": {"eks-rs/owner": "chap10", "eks-rs/set": "shop"}}});
    assert_eq!(SetMember::of(&slice, &owner(), "shop"), None);
}

#[test]
fn objects_count_not_how_manifests_name_them() {
    let map = |namespace: Option<&str>| {
        let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
        if let Some(namespace) = namespace {
            map["metadata"]["namespace"] = json!(namespace);
        }
        map
    };
    let set = |default: &str, namespace| {
        ObjectSet::builder(&owner(), "small", access()).namespace(default).object(&map(namespace)).build().unwrap()
    };
    let made = |set: &ObjectSet, namespace: &str| member(&live(set.objects().next().unwrap(), namespace), "small");
    let pruned = |set: &ObjectSet, member: &SetMember| titles(&set.prune(SetMembers::from_iter([member.clone()])).unwrap()).len();

    // Named in one way or the other, it is the same object.
    let (short, long) = (set("a", None), set("a", Some("a")));
    for (by, of) in [(&short, &long), (&long, &short), (&short, &short), (&long, &long)] {
        assert_eq!(pruned(of, &made(by, "a")), 0);
        let found = SetObject { live: Some(live(by.objects().next().unwrap(), "a").into()), ..SetObject::default() };
        let plan = of.plan(&SetObserved::at(of, Some(access())).found(of.objects().next().unwrap(), found)).unwrap();
        assert_ne!(plan.steps()[0].action, Action::Create);
    }
    // The set has moved: what it left behind is pruned, and both can be removed in one teardown.
    let moved = set("b", None);
    assert_eq!((pruned(&moved, &made(&short, "a")), pruned(&moved, &made(&moved, "b"))), (1, 0));
    let both = moved.teardown([made(&short, "a"), made(&moved, "b")].into_iter().collect()).unwrap();
    assert_eq!(
        both.removals().iter().map(|removal| removal.key.as_str()).collect::<Vec<_>>(),
        ["objects/small/ConfigMap/a/c", "objects/small/ConfigMap/b/c"]
    );
    // A copy that somebody made elsewhere, marks and all, is theirs.
    for by in [&short, &long] {
        assert_eq!(SetMember::of(&live(by.objects().next().unwrap(), "elsewhere"), &owner(), "small"), None);
    }
    // A kind that has no namespaces.
    let cluster = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "c"}});
    let cluster = small(cluster);
    assert_eq!(pruned(&cluster, &made(&cluster, "")), 0);
}

#[test]
fn controllers_outlive_what_only_they_release() {
    let object = |version: &str, kind: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": kind.to_lowercase(), "namespace": "shop"}, "spec": spec});
    let mounting = json!({"template": {"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}}});
    let set = ObjectSet::builder(&owner(), "small", access())
        .object(&object("apps/v1", "Deployment", json!({})))
        .object(&object("v1", "ServiceAccount", json!({})))
        .object(&object("apps/v1", "StatefulSet", mounting))
        .object(&object("v1", "PersistentVolumeClaim", json!({})))
        .object(&object("v1", "Service", json!({"type": "LoadBalancer"})))
        .object(&object("networking.k8s.io/v1", "Ingress", json!({})))
        .object(&object("elbv2.k8s.aws/v1beta1", "TargetGroupBinding", json!({})))
        .build()
        .unwrap();
    let teardown = set.teardown(set.objects().map(|manifest| member(&live(manifest, "shop"), "small")).collect()).unwrap();
    let place = |title: &str| titles(&teardown).iter().position(|other| other.starts_with(title)).unwrap();
    let chains = [
        ["Ingress", "TargetGroupBinding", "StatefulSet", "PersistentVolumeClaim", "Deployment"],
        ["Service shop", "TargetGroupBinding", "StatefulSet", "PersistentVolumeClaim", "ServiceAccount"],
    ];
    for pair in chains.iter().flat_map(|chain| chain.windows(2)) {
        assert!(place(pair[0]) < place(pair[1]), "{pair:?} in {teardown}");
        // Not only listed so: each waits until those before it are gone.
        let later = &teardown.removals()[place(pair[1])];
        assert!(teardown.needs(later).contains(&teardown.removals()[place(pair[0])].key), "{pair:?}");
    }

    // And what layer k8s asks controllers for, which are in the set.
    let other = |key: &str| {
        let op = crate::ObjectOp::UnmapRoles { access: None, mappings: Vec::new() };
        eks_core::Removal::new(key.parse().unwrap(), "x", "x", &op).unwrap()
    };
    let balancers = ["k8s/ingress/default/web", "k8s/service/default/web", "k8s/claim/default/data"];
    let k8s = balancers.iter().fold(Teardown::builder(&owner(), "k8s", Value::Null), |k8s, key| k8s.removal(other(key)));
    let joined = Teardown::join([teardown.clone(), k8s.build().unwrap()]).unwrap();
    let controller = joined.removals().iter().find(|removal| removal.title.starts_with("Deployment")).unwrap();
    let needs = joined.needs(controller);
    assert!(balancers.iter().all(|key| needs.iter().any(|need| need.as_str() == *key)), "{needs:?}");
}

#[test]
fn what_could_not_be_listed_is_told() {
    let set = small(config("c", json!({})));
    let unlisted = ["example.com/v1".to_owned()].into();
    let teardown = set.prune(SetMembers { unlisted, ..SetMembers::default() }).unwrap();
    assert!(teardown.is_empty());
    assert!(teardown.to_string().contains("! objects/small: example.com/v1 does not answer"), "{teardown}");
}
