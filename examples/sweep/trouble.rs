//! What befalls a call.

use std::fmt;

use clap::ValueEnum;
use eks_sim::Fault;

/// What goes wrong at a call, or begins there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "not a published crate")]
pub enum Trouble {
    /// The call is refused: access denied, in the service's own words.
    Refused,
    /// It takes effect, and the answer is lost.
    Lost,
    /// It is throttled.
    Throttled,
    /// It hangs until the client gives up.
    TimesOut,
    /// It is answered as if nothing had happened since the flow began: NotFound, or a list without what was made.
    Stale,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
    /// A second process of the same owner begins the same flow after it.
    SecondRun,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refused => "refused",
            Self::Lost => "answer lost",
            Self::Throttled => "throttled",
            Self::TimesOut => "times out",
            Self::Stale => "stale answer",
            Self::DiesBefore => "dies before",
            Self::DiesAfter => "dies after",
            Self::SecondRun => "second run",
        })
    }
}

impl Trouble {
    /// Its name on the command line.
    pub fn option(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The simulator's fault for it, at a call of this service; none for a second run.
    pub fn fault(self, service: &str) -> Option<Fault> {
        let refuse = |status, code: &str, message: &str| Fault::Refuse { status, code: code.to_owned(), message: message.to_owned() };
        Some(match (self, service) {
            // "Common Errors" of each service's API reference; Kubernetes' `metav1.StatusReason`.
            (Self::Refused, "ec2") => refuse(403, "UnauthorizedOperation", "You are not authorized to perform this operation."),
            (Self::Refused, "eks") => refuse(403, "AccessDeniedException", "not authorized"),
            (Self::Refused, "ssm") => refuse(400, "AccessDeniedException", "not authorized"),
            (Self::Refused, "kubernetes") => refuse(403, "Forbidden", "not authorized"),
            (Self::Refused, _) => refuse(403, "AccessDenied", "not authorized"),
            (Self::Lost, _) => Fault::LoseAnswer,
            (Self::Throttled, _) => Fault::Throttle,
            (Self::TimesOut, _) => Fault::TimeOut,
            (Self::Stale, "kubernetes") => refuse(404, "NotFound", "not found"),
            (Self::Stale, _) => Fault::Stale,
            (Self::DiesBefore, _) => Fault::KillBefore,
            (Self::DiesAfter, _) => Fault::KillAfter,
            (Self::SecondRun, _) => return None,
        })
    }
}
