//! Credentials of a role, by STS.

use std::time::SystemTime;

use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_types::SdkConfig;

use super::AssumeRole;

impl AssumeRole {
    /// A configuration whose credentials are the role's, got with those of `config` from the STS of its Region. They last an
    /// hour, and are got anew when asked for: once for a token, that is, every twelve minutes and after a 401.
    #[must_use]
    pub fn config(&self, config: &SdkConfig) -> SdkConfig {
        let provider = AssumedRole { sts: aws_sdk_sts::Client::new(&eks_core::aws::patient(config)), role: self.clone() };
        config.to_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
    }
}

#[derive(Debug)]
struct AssumedRole {
    sts: aws_sdk_sts::Client,
    role: AssumeRole,
}

impl AssumedRole {
    async fn assume(&self) -> provider::Result {
        let request = self.sts.assume_role().role_arn(self.role.role.as_str()).role_session_name(&self.role.session_name);
        let answer = request.set_external_id(self.role.external_id.clone()).send().await;
        let failed = |source| {
            let error = eks_core::aws::failed("sts:AssumeRole", format!("role {}", self.role.role), source);
            CredentialsError::provider_error(error)
        };
        let answer = answer.map_err(failed)?;
        let given = answer.credentials().ok_or_else(|| CredentialsError::provider_error("STS answered without credentials"))?;
        let expires = SystemTime::try_from(*given.expiration()).map_err(CredentialsError::provider_error)?;
        let token = Some(given.session_token().to_owned());
        Ok(Credentials::new(given.access_key_id(), given.secret_access_key(), token, Some(expires), "eks-rs AssumeRole"))
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}
