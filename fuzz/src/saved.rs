//! Saved plans and teardowns.

use eks_core::{Plan, Teardown, saved};
use serde_json::Value;

/// JSON that was saved, or that somebody made up and gave a digest: it is refused, or it is a plan that can be shown, judged and saved.
pub fn plan(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = (Plan::from_json(text), Plan::from_signed_json(text, b"key"), Teardown::from_json(text));
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return };
    if let Some(object) = value.as_object_mut() {
        object.remove("digest");
    }
    let Ok(sealed) = saved::seal(value.clone(), None) else { return };
    assert_eq!(
        saved::open(sealed.clone(), None).expect("it was not changed").as_object().map(|one| one.len()),
        value.as_object().map(|one| one.len())
    );
    let sealed = sealed.to_string();
    if let Ok(plan) = Plan::from_json(&sealed) {
        let shown = format!("{plan} {plan:?}");
        assert!(!shown.is_empty());
        let _ = (plan.critical_path(), plan.whole(), plan.iam_actions().len(), plan.usd_per_month(), plan.is_noop());
        let once = plan.to_json().expect("it was JSON");
        let read = Plan::from_json(&once).expect("what we write can be read");
        assert_eq!(read.to_json().expect("JSON"), once, "saving is stable");
        let _ = Plan::join([plan.clone()]).and_then(|joined| joined.whole());
        let (first, _) = plan.without_layers(["k8s"]);
        let _ = first.to_json();
        let signed = plan.to_signed_json(b"key").expect("JSON");
        assert!(Plan::from_signed_json(&signed, b"another").is_err() && Plan::from_json(&signed).is_err());
    }
    if let Ok(teardown) = Teardown::from_json(&sealed) {
        let _ = (teardown.to_string(), teardown.critical_path(), teardown.iam_actions().len());
        let once = teardown.to_json().expect("it was JSON");
        assert_eq!(Teardown::from_json(&once).expect("what we write can be read").to_json().expect("JSON"), once);
    }
}
