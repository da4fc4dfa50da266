//! A role to enter a cluster under, other than that of the application's own credentials.

use eks_core::{Problems, RoleArn, SpecError};
use serde::{Deserialize, Serialize};

#[cfg(feature = "assume-role")]
mod provider;

/// Who the session belongs to, where nobody says.
const SESSION: &str = "eks-rs";

/// A role that is assumed before a token is signed.
///
/// ```
/// use eks_cluster::AssumeRole;
///
/// let operator: eks_core::RoleArn = "arn:aws:iam::123456789012:role/operator".parse()?;
/// let role = AssumeRole::builder(&operator).session_name("jane@example.com").build()?;
/// assert_eq!(role.role().name(), "operator");
///
/// let error = AssumeRole::builder(&operator).session_name("jane doe").external_id("?").build().unwrap_err();
/// assert_eq!(error.problems.len(), 2, "everything at once");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssumeRole {
    role: RoleArn,
    session_name: String,
    external_id: Option<String>,
}

/// Collects what an [`AssumeRole`] is.
#[derive(Clone, Debug)]
pub struct AssumeRoleBuilder(AssumeRole);

impl AssumeRole {
    /// A role.
    pub fn builder(role: &RoleArn) -> AssumeRoleBuilder {
        AssumeRoleBuilder(Self { role: role.clone(), session_name: SESSION.to_owned(), external_id: None })
    }

    /// The role.
    pub fn role(&self) -> &RoleArn {
        &self.role
    }

    /// The session's name: CloudTrail and the cluster's audit log tell it.
    pub fn session_name(&self) -> &str {
        &self.session_name
    }

    /// Whether nobody named the session.
    #[cfg(feature = "kubeconfig")]
    pub(crate) fn has_default_session(&self) -> bool {
        self.session_name == SESSION
    }

    /// What the role's trust policy asks for beside the caller.
    pub fn external_id(&self) -> Option<&str> {
        self.external_id.as_deref()
    }
}

impl AssumeRoleBuilder {
    /// The session's name. Default: `eks-rs`.
    #[must_use]
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.0.session_name = name.into();
        self
    }

    /// What the role's trust policy asks for as `sts:ExternalId`. Default: nothing.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.0.external_id = Some(id.into());
        self
    }

    /// The role, checked. Rules: STS API reference, AssumeRole.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that is broken: codes `session-name`, `external-id`.
    pub fn build(self) -> Result<AssumeRole, SpecError> {
        let AssumeRole { role, session_name, external_id } = &self.0;
        let (mut problems, subject) = (Problems::new(), format!("role {role}"));
        let word = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) || more.contains(c));
        if !(2..=64).contains(&session_name.len()) || !word(session_name, "") {
            let rule = format!("the session name {session_name:?} is not 2 to 64 letters, digits and _+=,.@-");
            problems.add("session-name", &subject, rule, "give a name of these");
        }
        if let Some(id) = external_id.as_deref().filter(|id| !(2..=1224).contains(&id.len()) || !word(id, ":/")) {
            let rule = format!("the external id {id:?} is not 2 to 1,224 letters, digits and _+=,.@:/-");
            problems.add("external-id", &subject, rule, "give the id that the role's trust policy names");
        }
        problems.finish(subject, || self.0.clone())
    }
}
