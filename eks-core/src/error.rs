//! What went wrong in a call, by meaning.

use std::time::Duration;

use crate::{Diagnosis, problem::SpecError};

/// Any error, as a source.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What an error means for whoever has to react.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Something else holds or already has it: a dependency, a name, another update.
    Conflict,
    /// Not allowed, or not authenticated.
    Denied,
    /// AWS has not caught up with a change just made: a role not yet assumable, a NotFound right after a create.
    Inconsistent,
    /// It is not there.
    NotFound,
    /// It will fail again.
    Permanent,
    /// A quota is exhausted.
    Quota,
    /// Too many requests.
    Throttled,
    /// The network or the service failed; the call may or may not have taken effect.
    Transient,
}

/// A step's failure. `Display` never repeats the source; walk [`std::error::Error::source`] for the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call failed.
    #[error("{call} for {subject} failed{}{}", code.as_deref().map(|c| format!(" with {c}")).unwrap_or_default(), request_id.as_deref().map(|r| format!(" (request {r})")).unwrap_or_default())]
    Call {
        /// `ec2:CreateVpc`.
        call: String,
        /// What it was about.
        subject: String,
        /// What it means.
        class: Class,
        /// The service's error code.
        code: Option<String>,
        /// AWS's request id, for its support.
        request_id: Option<String>,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// Something reached a state from which it will not become what it should.
    #[error("{subject} entered {state}: {reason}")]
    Terminal {
        /// What.
        subject: String,
        /// Its state.
        state: String,
        /// The reason that AWS gives, and what to do about it.
        reason: String,
    },
    /// Something did not get ready in time.
    #[error("{subject} still {state} after {} s and {polls} polls", waited.as_secs())]
    Timeout {
        /// What.
        subject: String,
        /// Its last state.
        state: String,
        /// How long we waited.
        waited: Duration,
        /// How often we looked.
        polls: u32,
    },
    /// What is waited for will not come as things stand, and it is certain why.
    #[error("{subject} will not come: {diagnosis}")]
    Diagnosed {
        /// What.
        subject: String,
        /// Why, and what to do about it.
        diagnosis: Box<Diagnosis>,
    },
    /// The run was cancelled, or its deadline passed, while this step waited.
    #[error("{subject}: stopped waiting, {reason}")]
    Stopped {
        /// What was waited for.
        subject: String,
        /// `cancelled` or `deadline passed`.
        reason: String,
    },
    /// What exists contradicts what is wanted, and we must not change it.
    #[error("{subject}: {rule}; {remedy}")]
    Refused {
        /// What.
        subject: String,
        /// The rule that stands against it.
        rule: String,
        /// What to do about it.
        remedy: String,
    },
    /// What is wanted breaks rules that only AWS's own answers told.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The plan itself is at fault: an operation of another layer, an output that no step told.
    #[error("{subject}: {reason}")]
    Plan {
        /// The step or reference.
        subject: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// What the error means.
    pub fn class(&self) -> Class {
        match self {
            Self::Call { class, .. } => *class,
            Self::Stopped { .. } => Class::Transient,
            Self::Refused { .. }
            | Self::Diagnosed { .. }
            | Self::Spec(_)
            | Self::Terminal { .. }
            | Self::Timeout { .. }
            | Self::Plan { .. } => Class::Permanent,
        }
    }

    /// The same failure with another meaning, where the call's place in a flow tells more than its code.
    #[must_use]
    pub fn with_class(mut self, to: Class) -> Self {
        if let Self::Call { class, .. } = &mut self {
            *class = to;
        }
        self
    }

    /// The typed error of this kind that caused it, however deep: what a layer knows more exactly than its class.
    ///
    /// ```
    /// use eks_core::{Class, Error};
    ///
    /// let error = Error::Call {
    ///     call: "read".to_owned(), subject: "the template".to_owned(), class: Class::Permanent, code: None, request_id: None,
    ///     source: std::io::Error::other("gone").into(),
    /// };
    /// assert!(error.caused_by::<std::io::Error>().is_some());
    /// assert!(error.caused_by::<std::fmt::Error>().is_none());
    /// ```
    pub fn caused_by<T: std::error::Error + 'static>(&self) -> Option<&T> {
        std::iter::successors(std::error::Error::source(self), |error| error.source()).find_map(|error| error.downcast_ref())
    }

    /// The service's error code, if a call failed with one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Call { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// Why it is certain that what was waited for will not come.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        match self {
            Self::Diagnosed { diagnosis, .. } => Some(diagnosis),
            _ => None,
        }
    }

    /// The error and its sources on one line.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            source = cause.source();
        }
        line
    }
}
