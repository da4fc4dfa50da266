//! One object: made, kept, changed in place, or refused.

use std::time::Duration;

use eks_core::{Action, Error, KEY_TAG, OWNER_TAG, PlanBuilder, Price, Step, StepKey};
use serde_json::Value;

use super::key_of;
use crate::{
    Kind, ObjectOp, ObjectRef, ObjectsSpec, Observed,
    diff::{Change, drift},
    ingress,
    observed::{hostname, phase},
    service,
};

/// An object on its way into the plan.
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) title: String,
    pub(super) manifest: Value,
    pub(super) needs: Vec<StepKey>,
    pub(super) typical: Duration,
    pub(super) prices: Vec<Price>,
    pub(super) wait: bool,
}

impl ObjectsSpec {
    pub(super) fn object(&self, plan: PlanBuilder, now: &Observed, wanted: Wanted) -> Result<PlanBuilder, Error> {
        let Wanted { kind, title, mut manifest, needs, typical, prices, wait } = wanted;
        let at = ObjectRef::of(kind, &manifest);
        let key = key_of(kind, &at.namespace, &at.name)?;
        mark(&mut manifest, self.owner.as_str(), key.as_str());
        let live = now.objects.get(&key).map(|(_, live)| live);
        let mut changed: Vec<String> = Vec::new();
        if let Some(live) = live {
            let found = drift(&manifest, live);
            self.allowed(&at, live, &manifest, &found)?;
            changed.extend(found.iter().map(ToString::to_string));
            if changed.is_empty() && wait {
                changed.extend(unfinished(kind, live));
            }
        }
        let action = match live {
            None => Action::Create,
            Some(_) if changed.is_empty() => Action::Keep,
            Some(_) => Action::Update,
        };
        let op = ObjectOp::Apply { access: self.access(), kind, manifest, wait };
        let mut step = self.step(key, action, title, &op)?.after_all(&needs).takes(typical).changes(changed);
        step = prices.into_iter().fold(step, Step::costs);
        if let (Action::Keep, Some(live)) = (action, live) {
            step = step.knows("id", live["metadata"]["uid"].as_str().unwrap_or_default());
            if let Some(hostname) = hostname(live) {
                step = step.knows("hostname", hostname);
            }
        }
        Ok(plan.step(step))
    }

    /// Whether every change can be made in place.
    fn allowed(&self, at: &ObjectRef, live: &Value, manifest: &Value, found: &[Change]) -> Result<(), Error> {
        let refuse = |change: String, rule: &str| {
            let remedy = format!("delete it ({}), wait until it is gone, and plan again", at.delete_command());
            Err(Error::Refused { subject: at.to_string(), rule: format!("{change}: {rule}"), remedy })
        };
        if live["metadata"]["deletionTimestamp"].is_string() {
            return refuse("it is being deleted".to_owned(), "what is going cannot be kept");
        }
        for change in found {
            if let Some(rule) = at.kind.immutable(&change.path) {
                return refuse(change.to_string(), rule);
            }
            if at.kind == Kind::Claim && change.path == "spec.resources.requests.storage" {
                self.may_grow(at, change)?;
            }
        }
        let frozen = match at.kind {
            Kind::Ingress => ingress::frozen(live, manifest),
            Kind::Service => service::frozen(live, manifest, found),
            Kind::Claim | Kind::Pod | Kind::StorageClass => Vec::new(),
        };
        if let Some((last, others)) = frozen.split_last() {
            // The rule of the last is told by `refuse`; all fields are shown.
            let (change, rule) = last.rsplit_once(": ").unwrap_or((last, "it does not change"));
            let before: String = others.iter().map(|other| format!("{other}; ")).collect();
            return refuse(format!("{before}{change}"), rule);
        }
        Ok(())
    }

    fn may_grow(&self, at: &ObjectRef, change: &Change) -> Result<(), Error> {
        let size = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).and_then(|text| text.parse::<crate::Quantity>().ok());
        let claim = self.claims.iter().find(|claim| claim.name == at.name);
        let rule = match (size(&change.from), size(&change.to)) {
            (Some(from), Some(to)) if to < from => "a claim never shrinks",
            _ if claim.and_then(|claim| self.class_of(claim)).is_some_and(|class| !class.expandable) => {
                "its class does not let claims grow"
            }
            _ => return Ok(()),
        };
        let remedy = "ask for the size that it has, or claim another volume and copy the data".to_owned();
        Err(Error::Refused { subject: at.to_string(), rule: format!("{change}: {rule}"), remedy })
    }
}

impl ObjectRef {
    fn delete_command(&self) -> String {
        let kind = self.kind.as_str().to_lowercase();
        if self.kind.is_namespaced() {
            format!("kubectl -n {} delete {kind} {}", self.namespace, self.name)
        } else {
            format!("kubectl delete {kind} {}", self.name)
        }
    }
}

/// Puts the marks of ownership on a manifest.
fn mark(manifest: &mut Value, owner: &str, key: &str) {
    manifest["metadata"]["labels"][OWNER_TAG] = owner.into();
    manifest["metadata"]["annotations"][KEY_TAG] = key.into();
}

/// What an object still has to become, if a step waits for it.
fn unfinished(kind: Kind, live: &Value) -> Option<String> {
    let (is, should) = match kind {
        Kind::Pod => (phase(live), "Running"),
        Kind::Claim => (phase(live), "Bound"),
        Kind::Ingress | Kind::Service if hostname(live).is_none() => ("no load balancer", "a load balancer"),
        Kind::Ingress | Kind::Service | Kind::StorageClass => return None,
    };
    (is != should).then(|| format!("status: {is} → {should}"))
}
