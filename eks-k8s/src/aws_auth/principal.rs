//! Who may be mapped, named as the authenticator will see them.

use std::fmt;

use eks_core::RoleArn;
use serde::{Deserialize, Serialize};

/// A role or user, in the form in which aws-iam-authenticator compares it.
///
/// A role's ARN loses its path, `aws-reserved/sso.amazonaws.com/…` included, because the identity of a session has none; an
/// assumed role becomes the role. (aws-iam-authenticator, "What if my role has a path"; EKS user guide, "Troubleshooting IAM".)
///
/// ```
/// use eks_k8s::Principal;
///
/// let admin = Principal::parse("arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0a1b")?;
/// assert_eq!(admin.as_str(), "arn:aws:iam::123456789012:role/AWSReservedSSO_Admin_0a1b");
/// let session = Principal::parse("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0a1b/jane")?;
/// assert_eq!(session, admin);
/// assert!(Principal::parse("arn:aws:iam::123456789012:instance-profile/node").is_err());
/// # Ok::<(), eks_k8s::PrincipalError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Principal {
    arn: String,
    is_role: bool,
}

/// An ARN that cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{arn:?} {rule}; {remedy}")]
#[non_exhaustive]
pub struct PrincipalError {
    /// What was given.
    pub arn: String,
    /// Why it cannot be mapped.
    pub rule: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Principal {
    /// Reads the ARN of a role, an assumed role, a user, a federated user, or an account's root.
    ///
    /// # Errors
    /// [`PrincipalError`] for anything else, above all the ARN of an instance profile.
    pub fn parse(arn: &str) -> Result<Self, PrincipalError> {
        let wrong = |rule, remedy| Err(PrincipalError { arn: arn.to_owned(), rule, remedy });
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [scheme, partition, service, region, account, resource] = parts[..] else {
            return wrong("is not an ARN", "write arn:<partition>:iam::<account>:role/<name>, or …:user/<name>");
        };
        let known = scheme == "arn" && (partition == "aws" || partition.starts_with("aws-")) && region.is_empty();
        if !known || account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return wrong("is not an ARN of IAM", "write arn:<partition>:iam::<12 digits>:role/<name>, or …:user/<name>");
        }
        if arn.contains(|c: char| c == '*' || c == '?' || c.is_whitespace() || c.is_control()) {
            return wrong("has a wildcard or a blank, and is compared literally", "map each role by its own ARN");
        }
        let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
        let last = name.rsplit('/').next().unwrap_or_default();
        let role = |name: &str| Ok(Self { arn: format!("arn:{partition}:iam::{account}:role/{name}"), is_role: true });
        match (service, kind) {
            ("iam", "instance-profile") => wrong(
                "is an instance profile, and instances are known by the role in it",
                "map the ARN of the role: aws iam get-instance-profile tells it",
            ),
            ("iam", "role") if !last.is_empty() => role(last),
            ("sts", "assumed-role") if !name.is_empty() && !name.starts_with('/') => role(name.split('/').next().unwrap_or_default()),
            ("iam", "user") | ("sts", "federated-user") if !last.is_empty() => Ok(Self { arn: arn.to_owned(), is_role: false }),
            ("iam", "root") if name.is_empty() => Ok(Self { arn: arn.to_owned(), is_role: false }),
            _ => wrong("is neither a role nor a user", "map a role or a user; groups and policies cannot be mapped"),
        }
    }

    /// The canonical ARN.
    pub fn as_str(&self) -> &str {
        &self.arn
    }

    /// Whether it is a role, which belongs into `mapRoles`; else it belongs into `mapUsers`.
    pub fn is_role(&self) -> bool {
        self.is_role
    }

    /// The role's or user's name.
    pub fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// Whether an ARN that stands in the document names it: the authenticator compares in lower case.
    pub(crate) fn is(&self, arn: &str) -> bool {
        self.arn.eq_ignore_ascii_case(arn)
    }
}

impl From<&RoleArn> for Principal {
    fn from(role: &RoleArn) -> Self {
        Self { arn: role.without_path().to_string(), is_role: true }
    }
}

impl TryFrom<String> for Principal {
    type Error = PrincipalError;

    fn try_from(arn: String) -> Result<Self, PrincipalError> {
        Self::parse(&arn)
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.arn
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_the_authenticator_sees_otherwise() {
        for (given, seen) in [
            ("arn:aws:iam::123456789012:role/team/x/worker", "arn:aws:iam::123456789012:role/worker"),
            ("arn:aws:sts::123456789012:assumed-role/worker/i-0abc", "arn:aws:iam::123456789012:role/worker"),
            ("arn:aws-cn:iam::123456789012:role/worker", "arn:aws-cn:iam::123456789012:role/worker"),
            // The identity of a user has its path.
            ("arn:aws:iam::123456789012:user/team/jane", "arn:aws:iam::123456789012:user/team/jane"),
            ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root"),
        ] {
            assert_eq!(Principal::parse(given).unwrap().as_str(), seen);
        }
    }

    #[test]
    fn what_cannot_be_mapped() {
        for (given, why) in [
            ("arn:aws:iam::123456789012:instance-profile/node", "instance profile"),
            ("arn:aws:iam::123456789012:role/", "neither"),
            ("arn:aws:iam::123456789012:group/ops", "neither"),
            ("arn:aws:iam::12345678901:role/x", "ARN of IAM"),
            ("arn:aws:iam::123456789012:role/ops-*", "wildcard"),
            ("arn:aws:eks:us-east-1:123456789012:cluster/x", "ARN of IAM"),
            ("<ARN of instance role (not instance profile)>", "not an ARN"),
            ("", "not an ARN"),
        ] {
            let error = Principal::parse(given).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
