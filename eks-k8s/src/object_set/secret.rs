//! Secrets: what of them is shown, what is saved, and how their contents are taken in again.

#[cfg(feature = "client")]
use std::sync::{Mutex, PoisonError};
use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    ops::{Deref, DerefMut},
};

use base64::{Engine, prelude::BASE64_STANDARD};
#[cfg(feature = "client")]
use eks_core::Error;
use eks_core::{KEY_TAG, Problems};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[cfg(feature = "client")]
use super::{ObjectId, ObjectSet};

/// kubectl's record of what was applied: of a Secret, its contents.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Members of a Secret that are not for everyone who reads plans, events and logs.
pub(super) const CONTENTS: [&str; 2] = ["data", "stringData"];

pub(super) fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret"
}

/// An object as it was given or read. `Debug` does not show the contents of a Secret, and there is no serialised form: what is saved is a
/// [`Planned`].
#[derive(Clone, Default, PartialEq)]
pub struct Manifest(Value);

impl From<Value> for Manifest {
    fn from(object: Value) -> Self {
        Self(object)
    }
}

impl Deref for Manifest {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for Manifest {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.0
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !is_secret(&self.0) {
            return self.0.fmt(f);
        }
        let mut shown = self.0.clone();
        for place in CONTENTS {
            match shown.get_mut(place) {
                Some(Value::Object(pairs)) => pairs.values_mut().for_each(|value| *value = "…".into()),
                Some(other) => *other = "…".into(),
                None => {}
            }
        }
        if let Some(record) = shown.pointer_mut("/metadata/annotations").and_then(|all| all.get_mut(LAST_APPLIED)) {
            *record = "…".into();
        }
        shown.fmt(f)
    }
}

/// An object as plans carry it: of a Secret without `data`, for which a digest stands.
///
/// The digest tells whether contents are those that were planned. By it a guess can be verified, too, so a saved plan of a Secret that can be
/// guessed is to be kept like it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Planned {
    /// All that it should have, with the marks of ownership; of a Secret, without `data`.
    pub manifest: Value,
    /// `sha256:…` over key and contents of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<String>,
}

impl Planned {
    pub(super) fn of(object: &Manifest) -> Self {
        let mut manifest = object.0.clone();
        let data = if is_secret(&manifest) { manifest.as_object_mut().and_then(|members| members.remove("data")) } else { None };
        let contents = data.map(|data| digest(&manifest, &data));
        Self { manifest, contents }
    }
}

/// Over the key as well, so that nobody sees that two Secrets hold the same.
fn digest(manifest: &Value, data: &Value) -> String {
    let key = manifest["metadata"]["annotations"][KEY_TAG].as_str().unwrap_or_default();
    let pairs: BTreeMap<_, _> = data.as_object().into_iter().flatten().collect();
    let mut hash = hmac_sha256::Hash::new();
    // Lengths keep what follows one another apart.
    let mut take = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    take(key);
    for (name, value) in pairs {
        take(name);
        take(value.as_str().unwrap_or_default());
    }
    hash.finalize().iter().fold("sha256:".to_owned(), |mut hex, byte| {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The contents of Secrets, by the digests that plans carry. In memory alone.
#[cfg(feature = "client")]
#[derive(Default)]
pub(crate) struct Contents(Mutex<BTreeMap<String, Value>>);

#[cfg(feature = "client")]
impl Contents {
    /// Remembers the contents of a set's Secrets.
    pub(crate) fn learn(&self, set: &ObjectSet) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for object in set.objects.values() {
            if let Some(digest) = Planned::of(object).contents {
                known.insert(digest, object["data"].clone());
            }
        }
    }

    /// The object with its contents.
    pub(crate) fn whole(&self, planned: &Planned) -> Result<Manifest, Error> {
        let mut manifest = planned.manifest.clone();
        if let Some(digest) = &planned.contents {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            manifest["data"] = known.get(digest).cloned().ok_or_else(|| Error::Refused {
                subject: ObjectId::of(&planned.manifest).to_string(),
                rule: "plans carry a digest of a Secret's contents, and no contents of this one were given".to_owned(),
                remedy: "give the set that was planned to ObjectSets::contents_of; if its contents have changed since, plan again"
                    .to_owned(),
            })?;
        }
        Ok(Manifest(manifest))
    }
}

/// Brings the contents of a Secret into the one form that the API server gives back: `stringData` goes into `data`, over what is there
/// (Kubernetes API reference, Secret v1).
pub(super) fn normalise(manifest: &mut Value, subject: &str, problems: &mut Problems) {
    if !is_secret(manifest) {
        return;
    }
    let mut take = |place: &str| manifest.as_object_mut().and_then(|members| members.remove(place)).filter(|found| !found.is_null());
    let (data, plain) = CONTENTS.map(&mut take).into();
    if data.is_none() && plain.is_none() {
        return;
    }
    let mut whole = Map::new();
    let mut wrong =
        |place: &str, rule: String| problems.add("secret", subject, format!("{place} {rule}"), "correct it; it is not shown here");
    for (place, found) in [("data", data), ("stringData", plain)] {
        let pairs = match found {
            Some(Value::Object(pairs)) => pairs,
            Some(_) => {
                wrong(place, "is no map".to_owned());
                continue;
            }
            None => continue,
        };
        for (key, value) in pairs {
            let Some(text) = value.as_str() else {
                wrong(place, format!("has a value that is not text at {key}"));
                continue;
            };
            // Line breaks within are allowed; the API server gives back none.
            let bytes = if place == "data" {
                BASE64_STANDARD.decode(text.split(['\r', '\n']).collect::<String>()).ok()
            } else {
                Some(text.as_bytes().to_vec())
            };
            match bytes {
                Some(bytes) => drop(whole.insert(key, BASE64_STANDARD.encode(bytes).into())),
                None => wrong(place, format!("is not Base64 at {key}")),
            }
        }
    }
    manifest["data"] = Value::Object(whole);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {KEY_TAG: "objects/x/Secret/s"}}, "data": data})
    }

    #[test]
    fn what_is_given_plain_is_kept_as_the_api_server_does() {
        let mut manifest = secret(json!({"a": "b2\nxk", "b": "b2xk"}));
        manifest["stringData"] = json!({"b": "new"});
        let mut problems = Problems::new();
        normalise(&mut manifest, "s", &mut problems);
        // printf old | base64; printf new | base64
        assert_eq!((&manifest["data"], manifest.get("stringData")), (&json!({"a": "b2xk", "b": "bmV3"}), None));
        assert!(problems.is_empty());
        let mut wrong = secret(json!({"a": "hunter2!", "b": 4711}));
        wrong["stringData"] = json!(["hunter2!"]);
        normalise(&mut wrong, "s", &mut problems);
        let told = problems.finish("set", || ()).unwrap_err();
        assert_eq!(told.problems.len(), 3);
        assert!(!told.to_string().contains("hunter2") && !told.to_string().contains("4711"), "{told}");
    }

    #[test]
    fn digests_tell_contents_and_secrets_apart() {
        let of = |manifest: Value| Planned::of(&manifest.into());
        let one = of(secret(json!({"a": "b2xk"})));
        assert_eq!(one.manifest.get("data"), None);
        assert!(one.contents.as_ref().is_some_and(|digest| digest.len() == "sha256:".len() + 64));
        let mut elsewhere = secret(json!({"a": "b2xk"}));
        elsewhere["metadata"]["annotations"][KEY_TAG] = json!("objects/x/Secret/t");
        for other in [secret(json!({"a": "bmV3"})), secret(json!({"ab": "2xk"})), secret(json!({"a": "", "b": "2xk"})), elsewhere] {
            assert_ne!(of(other).contents, one.contents);
        }
        let plain = json!({"kind": "ConfigMap", "data": {"a": "b"}});
        assert_eq!(of(plain.clone()), Planned { manifest: plain, contents: None });
    }
}
