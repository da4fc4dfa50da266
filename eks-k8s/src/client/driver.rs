//! The driver of layer `k8s`.

use std::collections::BTreeMap;

use eks_core::{
    Class, Error, Facts, Op, Operation, Outputs, Owner, Removal, Step, Survivor,
    engine::{BoxFuture, Driver, Poll, StepContext},
};

use super::{
    api::Collection,
    apply, auth,
    connect::Objects,
    error::{is_out_of_reach, is_silent, soon_allowed},
    remove,
};
use crate::{Access, AccessRef, Kind, ObjectOp, observed::Scope};

/// After how many attempts an API server that does not answer keeps nothing waiting.
const REACHING: u32 = 4;

fn not_ours(subject: &str, reason: impl ToString) -> Error {
    Error::Plan { subject: subject.to_owned(), reason: reason.to_string() }
}

fn decode(subject: &str, op: &Op) -> Result<ObjectOp, Error> {
    op.decode().map_err(|error| not_ours(subject, format!("{error}: {}", error.source)))
}

pub(super) fn resolve(access: &AccessRef, cx: &StepContext) -> Result<Access, Error> {
    Ok(Access {
        name: access.name.clone(),
        endpoint: cx.resolve(&access.endpoint)?,
        certificate_authority: cx.resolve(&access.certificate_authority)?,
    })
}

impl Objects {
    async fn carry_out(&self, step: &Step, cx: &StepContext) -> Result<Outputs, Error> {
        let place = |access: &AccessRef| Ok::<_, Error>(self.place(Some(resolve(access, cx)?)));
        match decode(step.key.as_str(), &step.op)? {
            ObjectOp::Apply { access, kind, manifest, wait } => apply::object(&place(&access)?, kind, &manifest, wait, cx).await,
            ObjectOp::MapRoles { access, roles } => {
                let resolved = roles.iter().map(|(group, role)| Ok((group.clone(), cx.resolve(role)?)));
                let roles = resolved.collect::<Result<Vec<_>, Error>>()?;
                auth::map(&place(&access)?.client().await?, cx.owner(), &roles).await?;
                Ok(Outputs::from([("id".to_owned(), "kube-system/aws-auth".to_owned())]))
            }
            ObjectOp::AwaitNodes { access, group, label, desired } => apply::nodes(&place(&access)?, &group, &label, desired, cx).await,
            ObjectOp::DropDefault { access, class, uid, annotations } => {
                let classes = Collection::all(&place(&access)?.client().await?, Kind::StorageClass);
                classes.drop_annotations(&class, &uid, &annotations).await?;
                Ok(Outputs::from([("id".to_owned(), uid)]))
            }
            ObjectOp::Delete { .. } | ObjectOp::UnmapRoles { .. } => Err(not_ours(step.key.as_str(), "a plan never deletes")),
        }
    }

    async fn take_away(&self, removal: &Removal, cx: &StepContext) -> Result<(), Error> {
        match decode(removal.key.as_str(), &removal.op)? {
            ObjectOp::Delete { access, object, uid, volume, patience } => {
                let gone = remove::object(&self.place(access), &object, &uid, volume.as_deref(), patience, cx).await;
                match gone {
                    // It goes with the cluster. It was not seen to go, which the verdict tells, unless others look for what it made.
                    Err(error) if patience.is_some() && is_unanswered(&error, cx.attempt()) => {
                        cx.waiting(object.to_string(), format!("left to go with the cluster: {}", error.chain()));
                        return Ok(());
                    }
                    gone => gone?,
                }
            }
            ObjectOp::UnmapRoles { access, mappings } => {
                match auth::unmap(&self.place(access).client().await?, cx.owner(), &mappings).await {
                    // The entries go with the cluster, so they must not keep it. They were not seen to go, which the verdict tells.
                    Err(error) if cx.attempt() >= REACHING && is_silent(&error) => return Ok(()),
                    unmapped => unmapped?,
                }
            }
            ObjectOp::Apply { .. } | ObjectOp::DropDefault { .. } | ObjectOp::AwaitNodes { .. } | ObjectOp::MapRoles { .. } => {
                return Err(not_ours(removal.key.as_str(), "a teardown only removes"));
            }
        }
        self.note_gone(removal);
        Ok(())
    }
}

/// Whether nobody answered, or nobody let go of an object. What time may heal is tried some times first. A refusal is an answer: who may not
/// delete the object must not delete the cluster past it.
fn is_unanswered(error: &Error, attempt: u32) -> bool {
    match error {
        Error::Timeout { .. } => true,
        // Another writer: the runner looks again.
        Error::Call { class: Class::Conflict, .. } => false,
        Error::Call { class: Class::Inconsistent | Class::Throttled, .. } => attempt >= REACHING,
        // Who could not connect is not tried again by the runner.
        Error::Call { class, .. } => is_out_of_reach(error) && (*class != Class::Transient || attempt >= REACHING),
        _ => false,
    }
}

impl Driver for Objects {
    fn layer(&self) -> &'static str {
        ObjectOp::LAYER
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        decode("operation", op).map(drop)
    }

    fn observe<'a>(&'a self, owner: &'a Owner, scope: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async move {
            let scope: Scope = serde_json::from_value(scope.clone()).map_err(|error| not_ours("scope of layer k8s", error))?;
            Ok(self.look(owner, scope).await?.facts())
        })
    }

    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async move { self.carry_out(step, cx).await.map_err(soon_allowed) })
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.take_away(removal, cx))
    }

    fn poll<'a>(&'a self, kind: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(async move { Err(not_ours(kind, "layer k8s watches, it polls nothing")) })
    }

    fn survivors<'a>(&'a self, owner: &'a Owner, scope: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async move {
            let leavings = serde_json::from_value(scope.clone()).map_err(|error| not_ours("scope of layer k8s", error))?;
            self.left(owner, leavings).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_answer() {
        let error = |class| Error::Call {
            call: "delete Service".to_owned(),
            subject: "default/nginx".to_owned(),
            class,
            code: None,
            request_id: None,
            source: "no".into(),
        };
        for class in [Class::Denied, Class::Permanent, Class::Quota, Class::Conflict] {
            assert!(!is_unanswered(&error(class), REACHING), "{class:?}");
        }
        assert!(is_unanswered(&error(Class::Transient), REACHING) && !is_unanswered(&error(Class::Transient), REACHING - 1));
    }
}
