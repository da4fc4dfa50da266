//! The driver of layer `objects`.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{
    Class, Error, Facts, Op, Operation, Outputs, Owner, Removal, Step, Survivor,
    engine::{BoxFuture, Driver, Poll, StepContext},
};
use kube::Client;
use serde_json::Value;

use super::{
    super::{
        api::{Collection, VOLUMES},
        connect::Place,
        driver::resolve,
        error::{is_silent, soon_allowed},
        remove::{exactly, given_away, held},
        watch::{Seen, Watch},
    },
    apply::{Refusal, apply},
    discovery::live,
    handle::ObjectSets,
};
use crate::{
    Access, Judgement, Manifest, ObjectId, SET_LABEL, SetOp, Wait,
    object_set::{SetLeavings, SetScope, is_ours},
};

/// How long an object is waited for.
const LIMIT: Duration = Duration::from_secs(15 * 60);

fn not_ours(subject: &str, reason: impl ToString) -> Error {
    Error::Plan { subject: subject.to_owned(), reason: reason.to_string() }
}

fn decode(subject: &str, op: &Op) -> Result<SetOp, Error> {
    op.decode().map_err(|error| not_ours(subject, format!("{error}: {}", error.source)))
}

fn set_of(manifest: &Value) -> &str {
    manifest["metadata"]["labels"][SET_LABEL].as_str().unwrap_or_default()
}

fn seen(judgement: Judgement) -> Seen<()> {
    match judgement {
        Judgement::Met => Seen::Done(()),
        Judgement::NotYet(state) => Seen::Not(state),
        Judgement::Never(reason) => Seen::Never { state: "a dead end".to_owned(), reason },
    }
}

/// What is to be applied, as a step says it.
struct Applied {
    access: Access,
    namespace: String,
    manifest: Manifest,
    force: bool,
    wait: Option<Wait>,
}

/// What is to be taken away, as a removal says it.
struct Taken {
    access: Option<Access>,
    id: ObjectId,
    uid: String,
    set: String,
    volume: Option<String>,
}

/// Whether a volume goes with its claim. Who may not read volumes does not wait for them.
async fn goes_with(client: &Client, volume: &str, claim: &str) -> Result<bool, Error> {
    match Collection::all(client, VOLUMES).get(volume).await {
        Ok(found) => Ok(found.is_some_and(|volume| {
            volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" && volume["spec"]["claimRef"]["uid"] == *claim
        })),
        Err(error) if error.class() == Class::Denied => Ok(false),
        Err(error) => Err(error),
    }
}

impl ObjectSets {
    async fn make(&self, applied: Applied, cx: &StepContext) -> Result<Outputs, Error> {
        let Applied { access, namespace, manifest, force, wait } = applied;
        let id = ObjectId::of(&manifest);
        let place = self.objects.place(Some(access.clone()));
        let client = place.client().await?;
        let served = self.discovery.need(&client, Some(&access), &id).await?;
        let namespace = served.namespace(&id, &namespace)?;
        let collection = served.collection(&client, &namespace);
        let refuse = |rule: String, remedy: &str| Error::Refused { subject: id.to_string(), rule, remedy: remedy.to_owned() };
        // Server-side apply would take over an object that we did not make, and a teardown would then delete it.
        if let Some(live) = live(&collection, &id.name).await? {
            if !is_ours(&live, cx.owner(), set_of(&manifest)) {
                let rule = "an object of that name is there that this set did not make".to_owned();
                return Err(refuse(rule, "choose another name, or delete it"));
            }
            if live["metadata"]["deletionTimestamp"].is_string() {
                return Err(refuse("it is being deleted".to_owned(), "wait until it is gone, and plan again"));
            }
        }
        let live = apply(&collection, &id.name, &manifest, force, false).await.map_err(|refusal| match refusal {
            Refusal::Conflicts(conflicts) => {
                let told: Vec<_> = conflicts.iter().map(|found| format!("{} is managed by {}", found.field, found.manager)).collect();
                refuse(told.join(", "), "leave these fields out of the manifest, or take them over with force_conflicts")
            }
            Refusal::Invalid(why) => refuse(format!("the API server refuses it: {why}"), "correct the manifest"),
            // Of a kind that was just defined, or in a namespace that was just made.
            Refusal::Failed(error) if error.class() == Class::NotFound => error.with_class(Class::Inconsistent),
            Refusal::Failed(error) => error,
        })?;
        let uid = live["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if let Some(wait) = wait {
            let types = [("apiVersion", live["apiVersion"].clone()), ("kind", live["kind"].clone())];
            let watch = Watch::one(&place, served.resource(), &namespace, &id.name, id.to_string(), LIMIT);
            let judge = |objects: &BTreeMap<String, Value>| {
                // The items of a list do not repeat what they are.
                let live = objects.get(&uid).cloned().map(|mut live| {
                    types.iter().for_each(|(key, value)| live[*key] = value.clone());
                    live
                });
                seen(wait.judge(live.as_ref()))
            };
            watch.until(cx, judge).await?;
        }
        Ok(Outputs::from([("id".to_owned(), uid)]))
    }

    async fn take_away(&self, taken: Taken, cx: &StepContext) -> Result<(), Error> {
        let Taken { access, id, uid, set, volume } = taken;
        let place: Place<'_> = self.objects.place(access.clone());
        let client = place.client().await?;
        // Without its definition there is no object of the kind.
        let Some(served) = self.discovery.find(&client, access.as_ref(), &id).await? else { return Ok(()) };
        let collection = served.collection(&client, &id.namespace);
        // One of the same name that came later is someone else's; ours is gone.
        if let Some(live) = live(&collection, &id.name).await?.filter(|live| live["metadata"]["uid"] == *uid) {
            if !is_ours(&live, cx.owner(), &set) {
                return Err(given_away(&id));
            }
            collection.delete(&id.name, exactly(&live)).await?;
            let watch = Watch::one(&place, served.resource(), &id.namespace, &id.name, id.to_string(), LIMIT);
            match watch.until(cx, |objects| objects.get(&uid).map_or(Seen::Done(()), held)).await {
                Err(error) if error.class() == Class::NotFound => {}
                gone => gone?,
            }
        }
        if let Some(volume) = volume
            && goes_with(&client, &volume, &uid).await?
        {
            // Whoever deletes the volume may be of the set, too, and goes later.
            let watch = Watch::one(&place, VOLUMES, "", &volume, format!("PersistentVolume {volume}"), LIMIT);
            watch.until(cx, |objects| objects.values().next().map_or(Seen::Done(()), held)).await?;
        }
        Ok(())
    }

    /// What a teardown left.
    async fn left(&self, leavings: SetLeavings) -> Result<Vec<Survivor>, Error> {
        let SetLeavings { access, members } = leavings;
        let mut left = Vec::new();
        let Some(client) = self.objects.client(access.as_ref()).await? else { return Ok(left) };
        for member in members {
            let found = match self.discovery.find(&client, access.as_ref(), &member.object).await {
                Ok(Some(served)) => live(&served.collection(&client, &member.object.namespace), &member.object.name).await,
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match found {
                Ok(found) if found.as_ref().is_some_and(|live| live["metadata"]["uid"] == *member.uid) => {
                    left.push(member.survivor("it is still there"));
                }
                Ok(_) => {}
                Err(error) if is_silent(&error) && self.objects.has_seen(&member.uid) => {}
                // It goes with its cluster; what it made outside, nobody can tell from here.
                Err(error) if is_silent(&error) => left.push(member.survivor("the API server does not answer, and it was not seen to go")),
                Err(error) => return Err(error),
            }
        }
        Ok(left)
    }
}

impl Driver for ObjectSets {
    fn layer(&self) -> &'static str {
        SetOp::LAYER
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        decode("operation", op).map(drop)
    }

    fn observe<'a>(&'a self, owner: &'a Owner, scope: &'a Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async move {
            let scope: SetScope = serde_json::from_value(scope.clone()).map_err(|error| not_ours("scope of layer objects", error))?;
            Ok(self.look(owner, scope).await?.facts())
        })
    }

    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async move {
            match decode(step.key.as_str(), &step.op)? {
                SetOp::Apply { access, namespace, object, force, wait } => {
                    let manifest = self.contents.whole(&object)?;
                    let applied = Applied { access: resolve(&access, cx)?, namespace, manifest, force, wait };
                    self.make(applied, cx).await.map_err(soon_allowed)
                }
                SetOp::Delete { .. } => Err(not_ours(step.key.as_str(), "a plan never deletes")),
            }
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match decode(removal.key.as_str(), &removal.op)? {
                SetOp::Delete { access, object: id, uid, set, volume } => {
                    let seen = uid.clone();
                    self.take_away(Taken { access, id, uid, set, volume }, cx).await?;
                    self.objects.note_seen(seen);
                    Ok(())
                }
                SetOp::Apply { .. } => Err(not_ours(removal.key.as_str(), "a teardown only removes")),
            }
        })
    }

    fn poll<'a>(&'a self, kind: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(async move { Err(not_ours(kind, "layer objects watches, it polls nothing")) })
    }

    fn survivors<'a>(&'a self, _: &'a Owner, scope: &'a Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async move {
            let leavings = serde_json::from_value(scope.clone()).map_err(|error| not_ours("scope of layer objects", error))?;
            self.left(leavings).await
        })
    }
}
