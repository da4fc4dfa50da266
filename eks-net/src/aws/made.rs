//! What the creates of this process came to, so that none is repeated blindly.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use eks_core::{Class, Error, Owner, StepKey, engine::StepContext};

use super::strange;

/// What is known of the create call of a step, from its earlier attempts.
#[derive(Clone, Debug)]
enum Past<T> {
    /// It made this.
    Made(T),
    /// Its answer was lost: it may have made something, or may still. So many looks have seen nothing.
    Doubtful(u32),
}

/// How often nothing must be seen before a create whose answer was lost counts as one that never arrived: the runner looks
/// every 2 s. Requests may land late, and Describe calls lag behind by seconds.
const LOOKS: u32 = 5;

#[derive(Debug, Default)]
pub(in crate::aws) struct Made<T>(Mutex<BTreeMap<(Owner, StepKey), Past<T>>>);

impl<T: Clone> Made<T> {
    /// Makes what a step makes, for calls that take no idempotency token: creates; but where an earlier attempt made it,
    /// tells that; and where one may have made it, looks for what carries the step's tags first.
    pub(super) async fn once(
        &self,
        cx: &StepContext,
        look: impl Future<Output = Result<Option<T>, Error>>,
        create: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if cx.attempt() == 1 {
            self.set(cx, None);
        }
        match self.past(cx) {
            None => {}
            Some(Past::Made(made)) => return Ok(made),
            Some(Past::Doubtful(looks)) => match look.await? {
                Some(made) => {
                    self.set(cx, Some(Past::Made(made.clone())));
                    return Ok(made);
                }
                None if looks + 1 < LOOKS => {
                    self.set(cx, Some(Past::Doubtful(looks + 1)));
                    let why = "an answer was lost, and what it may have made is not seen yet";
                    return Err(strange("ec2:Describe", cx.key().as_str(), Class::Inconsistent, why));
                }
                None => {}
            },
        }
        let result = create.await;
        self.set(
            cx,
            match &result {
                Ok(made) => Some(Past::Made(made.clone())),
                Err(error) if error.class() == Class::Transient => Some(Past::Doubtful(0)),
                Err(_) => None,
            },
        );
        result
    }

    fn past(&self, cx: &StepContext) -> Option<Past<T>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(cx.owner().clone(), cx.key().clone())).cloned()
    }

    fn set(&self, cx: &StepContext, past: Option<Past<T>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let step = (cx.owner().clone(), cx.key().clone());
        match past {
            Some(past) => known.insert(step, past),
            None => known.remove(&step),
        };
    }
}
