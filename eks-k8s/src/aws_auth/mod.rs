//! The ConfigMap `aws-auth` as a document that others edit too.
//!
//! `mapRoles` is one string of YAML on which every node's and role's access hangs: one bad byte in it cuts all of them off.
//! So an entry is added and removed as text, every other byte stays, and the result is parsed and compared before it is
//! written. What cannot be parsed is refused, never overwritten. (EKS user guide, "Grant IAM users access to Kubernetes with
//! a ConfigMap"; aws-iam-authenticator, "Full Configuration Format" and `pkg/mapper/configmap`.)

mod document;
mod edit;
mod list;
mod mapping;
mod principal;
pub(crate) mod record;
mod review;

use eks_core::Error;

pub use document::AwsAuth;
pub use edit::{AuthEdit, Guard};
pub use mapping::Mapping;
pub use principal::{Principal, PrincipalError};
pub use review::{AuthFinding, review};

/// What cannot be done to the document.
fn refused(section: &str, rule: impl Into<String>) -> Error {
    Error::Refused {
        subject: format!("ConfigMap kube-system/aws-auth, {section}"),
        rule: rule.into(),
        remedy: "correct it by hand (kubectl -n kube-system edit configmap aws-auth) and plan again; nothing was written".to_owned(),
    }
}
