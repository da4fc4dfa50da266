//! Nothing shows or saves what a Secret holds.

use super::*;

/// As given: plain, encoded, and in kubectl's record.
const PLAIN: &str = "hunter2";
const ENCODED: &str = "aHVudGVyMg==";

fn secret() -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop", "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":{{\"a\":\"{ENCODED}\"}}}}")}},
        "data": {"a": ENCODED}, "stringData": {"b": PLAIN}})
}

fn hidden(what: &str, text: &str) {
    assert!(!text.contains(PLAIN) && !text.contains(ENCODED), "{what} shows it: {text}");
}

#[test]
fn nothing_shows_contents() {
    let builder = ObjectSet::builder(&owner(), "small", access()).object(&secret()).wait("Secret", "s", Wait::field("data.a"));
    hidden("the builder", &format!("{builder:?}"));
    let set = builder.build().unwrap();
    assert_eq!(set.objects().next().unwrap()["data"], json!({"a": ENCODED, "b": ENCODED}), "they are there");
    let manifest = set.objects().next().unwrap();
    assert_eq!(manifest["metadata"]["annotations"].get("kubectl.kubernetes.io/last-applied-configuration"), None);
    hidden("the set", &format!("{set:?}"));

    let mut live = secret();
    live["metadata"]["labels"] = manifest["metadata"]["labels"].clone();
    live["metadata"]["annotations"]["eks-rs/key"] = manifest["metadata"]["annotations"]["eks-rs/key"].clone();
    let would_be = Manifest::from(manifest.clone());
    let found = SetObject { live: Some(live.into()), would_be: Some(would_be), ..SetObject::default() };
    hidden("what was found", &format!("{found:?}"));
    let now = SetObserved::at(&set, Some(access())).found(manifest, found);
    hidden("what was observed", &format!("{now:?} {:?}", now.facts()));
    let plan = set.plan(&now).unwrap();
    hidden("the plan", &format!("{plan} {plan:?}"));
    hidden("the saved plan", &plan.to_json().unwrap());
    let changes = &plan.steps()[0].changes;
    assert!(changes.contains(&"stringData: another value".to_owned()), "{changes:?}");
    let SetOp::Apply { object, .. } = plan.steps()[0].op.decode().unwrap() else { panic!() };
    assert_eq!(object.manifest.get("data"), None);
    assert!(object.contents.is_some_and(|digest| digest.starts_with("sha256:")));
}

#[test]
fn what_is_given_plain_is_kept() {
    let set = small(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": PLAIN}}));
    // No dry run: the fields of the manifest are compared with what the API server keeps.
    let manifest = set.objects().next().unwrap().clone();
    let live = |value: &str| {
        let mut live = manifest.clone();
        live["metadata"]["namespace"] = json!("default");
        live["data"]["a"] = json!(value);
        SetObject { live: Some(live.into()), ..SetObject::default() }
    };
    let plan = |found| set.plan(&SetObserved::at(&set, Some(access())).found(&manifest, found)).unwrap();
    assert!(plan(live(ENCODED)).is_noop());
    assert_eq!(plan(live("b2xk")).steps()[0].changes, ["data.a: another value"]);
}

#[cfg(feature = "client")]
#[test]
fn contents_are_given_again() {
    let set = |value: &str| small(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": value}}));
    let planned = Planned::of(&Manifest::from(set(PLAIN).objects().next().unwrap().clone()));
    let contents = Contents::default();
    for given in [None, Some("another")] {
        given.into_iter().for_each(|value| contents.learn(&set(value)));
        let refused = contents.whole(&planned).unwrap_err();
        assert!(
            matches!(&refused, Error::Refused { subject, remedy, .. } if subject == "Secret s" && remedy.contains("contents_of")),
            "{refused}"
        );
    }
    contents.learn(&set(PLAIN));
    assert_eq!(contents.whole(&planned).unwrap()["data"]["a"], ENCODED);
}
