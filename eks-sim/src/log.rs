//! The call log: what clients asked, and what they were told.

use std::time::Duration;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The service did as asked.
    Done,
    /// The service refused, with this code.
    Refused(String),
    /// The service answered what was so before, and nothing happened.
    Stale,
    /// The service did as asked, and the answer never reached the client.
    AnswerLost,
    /// The request never reached the service.
    NeverArrived,
}

/// One call of a client. Calls that AWS services make among themselves are not listed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// Number in the log, from 1.
    pub number: u64,
    /// When it was executed, on the simulator's clock.
    pub at: Duration,
    /// How long the client waited for the answer; zero for a call that hangs, as its log entry does not wait for the client.
    pub latency: Duration,
    /// `ec2`, `eks`, … or `kubernetes`.
    pub service: String,
    /// `CreateVpc`, or method and path for Kubernetes.
    pub action: String,
    /// How it ended.
    pub outcome: Outcome,
}

impl Call {
    /// Whether it was refused because of too many requests.
    pub fn is_throttled(&self) -> bool {
        let codes = ["RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequests"];
        matches!(&self.outcome, Outcome::Refused(code) if codes.contains(&code.as_str()))
    }

    /// Whether the simulator lacks the action: it answered AWS's own error for an action that does not exist.
    pub fn is_unknown_action(&self) -> bool {
        matches!(&self.outcome, Outcome::Refused(code) if code == "InvalidAction" || code == "UnknownOperationException")
    }
}

/// Every call so far.
#[derive(Clone, Debug, Default)]
pub struct CallLog {
    pub(crate) calls: Vec<Call>,
    pub(crate) started: u64,
    /// How many of the last calls are kept, at least.
    pub(crate) kept: Option<usize>,
    forgotten: usize,
}

impl CallLog {
    pub(crate) fn push(&mut self, call: Call) {
        self.calls.push(call);
        // By halves, so that each call is moved once.
        if let Some(kept) = self.kept.filter(|kept| self.calls.len() >= 2 * kept.saturating_add(1)) {
            let over = self.calls.len() - kept;
            self.calls.drain(..over);
            self.forgotten += over;
        }
    }

    /// The calls, oldest first; with [`crate::SimBuilder::log_at_least`] the last ones.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// How many calls were made.
    pub fn len(&self) -> usize {
        self.forgotten + self.calls.len()
    }

    /// Whether no call was made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many calls named this action.
    pub fn count(&self, service: &str, action: &str) -> usize {
        self.calls.iter().filter(|call| call.service == service && call.action == action).count()
    }
}
