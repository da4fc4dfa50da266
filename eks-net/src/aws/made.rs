//! What the creates of this process came to, so that none is repeated blindly.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use eks_core::{Class, Error, Owner, StepKey, engine::StepContext};

use super::strange;

/// What is known of the create call of a step, from its earlier attempts.
#[derive(Clone, Debug)]
enum Past {
    /// It made this.
    Made(String),
    /// Its answer was lost: it may have made something.
    Doubtful,
    /// Likewise; nothing was seen at the first look. Describe calls may lag behind by seconds.
    Looked,
}

#[derive(Debug, Default)]
pub(super) struct Made(Mutex<BTreeMap<(Owner, StepKey), Past>>);

impl Made {
    /// Makes what a step makes, for calls that take no idempotency token: creates; but where an earlier attempt made it,
    /// tells that; and where one may have made it, looks for what carries the step's tags first.
    pub(super) async fn once(
        &self,
        cx: &StepContext,
        look: impl Future<Output = Result<Option<String>, Error>>,
        create: impl Future<Output = Result<String, Error>>,
    ) -> Result<String, Error> {
        if cx.attempt() == 1 {
            self.set(cx, None);
        }
        match self.past(cx) {
            None => {}
            Some(Past::Made(id)) => return Ok(id),
            Some(past) => match (look.await?, past) {
                (Some(id), _) => {
                    self.set(cx, Some(Past::Made(id.clone())));
                    return Ok(id);
                }
                (None, Past::Looked) => {}
                (None, _) => {
                    self.set(cx, Some(Past::Looked));
                    let why = "an answer was lost, and what it may have made is not seen yet";
                    return Err(strange("ec2:Describe", cx.key().as_str(), Class::Inconsistent, why));
                }
            },
        }
        let result = create.await;
        self.set(
            cx,
            match &result {
                Ok(id) => Some(Past::Made(id.clone())),
                Err(error) if error.class() == Class::Transient => Some(Past::Doubtful),
                Err(_) => None,
            },
        );
        result
    }

    fn past(&self, cx: &StepContext) -> Option<Past> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(cx.owner().clone(), cx.key().clone())).cloned()
    }

    fn set(&self, cx: &StepContext, past: Option<Past>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let step = (cx.owner().clone(), cx.key().clone());
        match past {
            Some(past) => known.insert(step, past),
            None => known.remove(&step),
        };
    }
}
