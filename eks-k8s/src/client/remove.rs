//! Deleting objects, and looking for what is left.

use std::{collections::BTreeSet, sync::PoisonError, time::Duration};

use eks_core::{Error, KEY_TAG, OWNER_TAG, Owner, Removal, Survivor, engine::StepContext};
use kube::api::{ListParams, Preconditions};
use serde_json::Value;

use super::{
    api::{Collection, VOLUMES},
    connect::{Objects, Place},
    watch::{Seen, Watch},
};
use crate::{
    Kind, ObjectRef, Observed,
    observed::Scope,
    plan::load_balancer_usd,
    teardown::{AUTH_ENTRIES, Leavings},
};

const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Deletes an object and waits until it is gone, and its volume too.
pub(super) async fn object(
    place: &Place<'_>,
    at: &ObjectRef,
    uid: &str,
    volume: Option<&str>,
    patience: Option<Duration>,
    cx: &StepContext,
) -> Result<(), Error> {
    let limit = patience.unwrap_or(LIMIT);
    let collection = Collection::of(&place.client().await?, at);
    // One of the same name that came later is someone else's; ours is gone.
    if let Some(live) = collection.get(&at.name).await?.filter(|live| live["metadata"]["uid"] == *uid) {
        let mark = |place: &str, key: &str| live["metadata"][place][key].as_str();
        if mark("labels", OWNER_TAG) != Some(cx.owner().as_str()) || mark("annotations", KEY_TAG) != Some(cx.key().as_str()) {
            return Err(given_away(at));
        }
        collection.delete(&at.name, exactly(&live)).await?;
    }
    let watch = Watch::one(place, at.kind, &at.namespace, &at.name, at.to_string(), limit);
    watch.until(cx, |objects| objects.get(uid).map_or(Seen::Done(()), held)).await?;
    if let Some(volume) = volume {
        let watch = Watch::one(place, VOLUMES, "", volume, format!("PersistentVolume {volume}"), limit);
        watch.until(cx, |objects| objects.values().next().map_or(Seen::Done(()), held)).await?;
    }
    Ok(())
}

/// That an object is as it was when it was found to be ours. What comes between is a conflict, and the runner looks again.
pub(super) fn exactly(live: &Value) -> Preconditions {
    let text = |key: &str| live["metadata"][key].as_str().map(str::to_owned);
    Preconditions { resource_version: text("resourceVersion"), uid: text("uid") }
}

/// Somebody has taken our marks off an object since the teardown was made.
pub(super) fn given_away(subject: &impl ToString) -> Error {
    Error::Refused {
        subject: subject.to_string(),
        rule: "it no longer carries the marks by which it was found to be ours".to_owned(),
        remedy: "make the teardown again, which leaves it; delete it by hand if nobody needs it".to_owned(),
    }
}

/// Why something is not gone yet.
pub(super) fn held(live: &Value) -> Seen<()> {
    let finalizers: Vec<_> = live["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let message = live.pointer("/status/message").and_then(Value::as_str).filter(|message| !message.is_empty());
    let mut state = if finalizers.is_empty() { "going".to_owned() } else { format!("held by {}", finalizers.join(", ")) };
    if let Some(message) = message {
        state = format!("{state}: {message}");
    }
    Seen::Not(state)
}

impl Objects {
    /// Notes what was seen to go: after a whole teardown there is no API server left to ask.
    pub(super) fn note_gone(&self, removal: &Removal) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(name_of(&removal.title, &removal.id));
    }

    /// Likewise, by its uid.
    pub(super) fn note_seen(&self, uid: String) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(uid);
    }

    /// Whether this was seen to go.
    pub(super) fn has_seen(&self, uid: &str) -> bool {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).contains(uid)
    }

    /// What is left of an owner's after a teardown.
    pub(super) async fn left(&self, owner: &Owner, leavings: Leavings) -> Result<Vec<Survivor>, Error> {
        let nobody = leavings.removals.is_empty() && leavings.retained.is_empty();
        let asked = async {
            let client = self.client(leavings.access.as_ref()).await?;
            let Some(client) = client else { return Ok(None) };
            let now = self.look(owner, Scope::everything(leavings.access.clone())).await?;
            let volumes: BTreeSet<String> = if leavings.retained.is_empty() {
                BTreeSet::new()
            } else {
                let (volumes, _) = Collection::all(&client, VOLUMES).list(ListParams::default()).await?;
                volumes.iter().filter_map(|volume| volume["metadata"]["name"].as_str()).map(str::to_owned).collect()
            };
            Ok::<_, Error>(Some((now, volumes)))
        };
        match asked.await {
            Ok(None) if nobody => Ok(Vec::new()),
            Ok(Some((now, volumes))) => {
                let mut left: Vec<Survivor> = now
                    .objects
                    .values()
                    .map(|(at, live)| {
                        let usd = if matches!(at.kind, Kind::Ingress | Kind::Service) { load_balancer_usd(at.kind, live) } else { 0.0 };
                        let id = if at.kind.is_namespaced() { format!("{}/{}", at.namespace, at.name) } else { at.name.clone() };
                        Survivor::new(at.kind.as_str(), id, "it is still there", "run the teardown again", usd)
                    })
                    .collect();
                left.extend(mapped(&now));
                left.extend(leavings.retained.iter().filter(|volume| volumes.contains(&volume.name)).map(crate::Volume::survivor));
                Ok(left)
            }
            // No API server any more: what was not seen to go may have left a load balancer or a volume behind.
            unreachable => {
                if leavings.left_to_aws {
                    return Ok(leavings.retained.iter().map(crate::Volume::survivor).collect());
                }
                let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
                let unseen = leavings.removals.into_iter().filter(|removal| !gone.contains(&name_of(&removal.kind, &removal.id)));
                let mut left: Vec<_> = unseen.collect();
                if let Err(error) = unreachable {
                    for survivor in &mut left {
                        survivor.why = format!("{}; the API server does not answer: {}", survivor.why, error.chain());
                    }
                }
                left.extend(leavings.retained.iter().map(crate::Volume::survivor));
                Ok(left)
            }
        }
    }
}

/// What is left of an owner's in aws-auth.
fn mapped(now: &Observed) -> Vec<Survivor> {
    let (map, by_hand) = ("kube-system/aws-auth", "kubectl -n kube-system edit configmap aws-auth");
    let mut left = Vec::new();
    if let Some(why) = now.unreadable_aws_auth() {
        let remedy = format!("correct it by hand ({by_hand}) and run the teardown again");
        left.push(Survivor::new("aws-auth entry", map, format!("the document is broken: {why}"), remedy, 0.0));
    }
    let Some(roles) = &now.aws_auth else { return left };
    if !roles.added().is_empty() {
        left.push(Survivor::new(AUTH_ENTRIES, map, "entries of this owner are still there", "run the teardown again", 0.0));
    }
    left.extend(roles.altered().map(|role| {
        let why = format!("someone has changed the entry that this owner added to {map}, so it was left");
        Survivor::new("aws-auth entry", role.to_string(), why, format!("remove it by hand if nobody needs it ({by_hand})"), 0.0)
    }));
    left
}

fn name_of(title: &str, id: &str) -> String {
    format!("{title} {id}")
}
