//! Faults, injected per call.

use crate::answer::Answer;

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The service refuses with this status, code and message; nothing happens.
    Refuse {
        /// HTTP status.
        status: u16,
        /// AWS error code, or Kubernetes reason.
        code: String,
        /// Message.
        message: String,
    },
    /// The service refuses because of too many requests, with its own throttling code.
    Throttle,
    /// The call takes effect, and the connection is reset before the answer.
    LoseAnswer,
    /// The call takes effect, and its answer arrives changed.
    Answer(Answer),
    /// The call takes effect, and the server closes the connection before the answer, as one does that shuts down.
    CloseConnection,
    /// Nothing happens, and no answer comes: the call hangs until the client's own timeout, for ever if it has none.
    TimeOut,
    /// The service has not caught up (EC2 developer guide, "Eventual consistency"; IAM user guide, "Changes that I make are not always
    /// immediately visible"): a call that reads is answered as it would have been at the moment of [`crate::Sim::remember`], and one
    /// that changes something is refused as it would have been then. Where that is no other answer, or nothing was remembered, and on
    /// Kubernetes, whose API server reads what etcd has, the call is carried out as usual.
    Stale,
    /// The client's process dies before this call: it and all later calls fail, until [`crate::Sim::revive`].
    KillBefore,
    /// The client's process dies after this call took effect: no answer, and all later calls fail.
    KillAfter,
}

/// Which call a fault hits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// The call with this number in the log (from 1).
    Call(u64),
    /// The n-th call (from 1) of this service and action, counted from when the fault was set.
    Action {
        /// `ec2`, `eks`, … or `kubernetes`.
        service: String,
        /// `CreateVpc`; for Kubernetes a method and path, or a part of it.
        action: String,
        /// Which of them.
        nth: u64,
    },
    /// Every call of this service and action, named as in [`When::Action`], until [`crate::Sim::heal`].
    Every {
        /// The service.
        service: String,
        /// The action, or a part of a Kubernetes method and path.
        action: String,
    },
}

/// The faults that are set, each used once, but for those of every call.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultPlan {
    pending: Vec<(When, Fault)>,
}

impl FaultPlan {
    /// Adds a fault.
    pub(crate) fn add(&mut self, when: When, fault: Fault) {
        self.pending.push((when, fault));
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
    }

    /// Faults that have not happened yet.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The fault that hits this call, if any; it is used up, unless it hits every one.
    pub(crate) fn take(&mut self, number: u64, service: &str, action: &str) -> Option<Fault> {
        let mut hit = None;
        let same = |s: &String, a: &String| s == service && (a == action || (service == "kubernetes" && action.contains(a.as_str())));
        for (index, (when, _)) in self.pending.iter_mut().enumerate() {
            let now = match when {
                When::Call(wanted) => *wanted == number,
                When::Action { service: s, action: a, nth } => {
                    let same = same(s, a);
                    if same {
                        *nth = nth.saturating_sub(1);
                    }
                    same && *nth == 0
                }
                When::Every { service: s, action: a } => same(s, a),
            };
            if now && hit.is_none() {
                hit = Some(index);
            }
        }
        hit.map(|index| match &self.pending[index] {
            (When::Every { .. }, fault) => fault.clone(),
            _ => self.pending.remove(index).1,
        })
    }
}
