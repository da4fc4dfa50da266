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

    /// Whether it can befall this call: an API server that has not caught up does not know one object yet, and answers everything else
    /// as usual.
    pub fn befalls(self, service: &str, action: &str) -> bool {
        (self, service) != (Self::Stale, "kubernetes") || gets_one(action)
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

/// Whether a call to Kubernetes reads one object: `GET` of `/api/v1` or `/apis/GROUP/VERSION`, then perhaps a namespace, then plural and name.
fn gets_one(action: &str) -> bool {
    let Some(path) = action.strip_prefix("GET /") else { return false };
    let path: Vec<&str> = path.split(['?', ' ']).next().unwrap_or_default().split('/').collect();
    let rest = match path.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => return false,
    };
    matches!(rest, [_, _] | ["namespaces", _, _, _])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_of_one_object_is_stale_at_kubernetes() {
        for (action, expected) in [
            ("GET /api/v1/namespaces/kube-system/configmaps/aws-auth", true),
            ("GET /apis/storage.k8s.io/v1/storageclasses/gp3", true),
            ("GET /api/v1/nodes/ip-10-0-0-1.ec2.internal", true),
            ("GET /apis/apps/v1/deployments", false),
            ("GET /apis/apps/v1/namespaces/default/deployments", false),
            ("GET /api/v1/namespaces/default/pods/a/log", false),
            ("GET /version", false),
            ("POST /api/v1/namespaces/default/configmaps", false),
            ("PATCH /api/v1/namespaces/default/configmaps/a", false),
        ] {
            assert_eq!(Trouble::Stale.befalls("kubernetes", action), expected, "{action}");
            assert!(Trouble::Lost.befalls("kubernetes", action), "{action}");
        }
        assert!(Trouble::Stale.befalls("ec2", "DescribeVpcs"));
    }
}
