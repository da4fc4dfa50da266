//! On AWS: observing stacks, and the handle that plans and tears down.

#[cfg(feature = "diagnosis")]
mod blockers;
mod change_sets;
mod driver;
mod events;
mod observe;
mod sizes;
mod stack_calls;
mod stand;
mod templates;
mod wait;

use std::fmt;

use aws_sdk_cloudformation::Client;
use aws_types::SdkConfig;
use eks_core::{Error, Owner, Plan, Teardown, aws::patient};

use crate::{
    observed::{Observed, Scope},
    spec::WorkersSpec,
};

#[cfg(feature = "managed")]
pub(crate) use self::stack_calls::token;

/// The workers of one account and Region. Cheap to clone.
///
/// The SDK may repeat every call: CloudFormation's creates and updates carry a token.
#[derive(Clone)]
pub struct Workers {
    /// To which plans and teardowns are bound.
    region: String,
    client: Client,
    /// Asked only why instances never came, which CloudFormation does not tell.
    scaling: aws_sdk_autoscaling::Client,
    #[cfg(feature = "managed")]
    pub(crate) eks: aws_sdk_eks::Client,
    /// Who tells why instances do not come.
    #[cfg(feature = "diagnosis")]
    pub(crate) diagnostician: crate::join::Diagnostician,
    /// Whether they are asked while stacks are made.
    #[cfg(feature = "diagnosis")]
    pub(crate) diagnoses: bool,
    /// Asked only what keeps a stack from being deleted.
    #[cfg(feature = "diagnosis")]
    holders: blockers::Holders,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

impl Workers {
    /// Uses the configuration's Region, credentials and HTTP client.
    pub fn new(config: &SdkConfig) -> Self {
        let config = patient(config);
        let region = config.region().map(|region| region.as_ref().to_owned()).unwrap_or_default();
        Self {
            region,
            client: eks_core::sdk_client!(aws_sdk_cloudformation, &config),
            scaling: eks_core::sdk_client!(aws_sdk_autoscaling, &config),
            #[cfg(feature = "managed")]
            eks: eks_core::sdk_client!(aws_sdk_eks, &config),
            #[cfg(feature = "diagnosis")]
            diagnostician: crate::join::Diagnostician::new(&config),
            #[cfg(feature = "diagnosis")]
            diagnoses: false,
            #[cfg(feature = "diagnosis")]
            holders: blockers::Holders::new(&config),
        }
    }

    /// Looks at the stacks of a scope: one call for each name, or one listing; and one for each template that is not ours.
    ///
    /// # Errors
    /// If a call fails, or two stacks carry one key; [`Error::Refused`] if the scope is of another Region.
    pub async fn observe(&self, owner: &Owner, scope: Scope) -> Result<Observed, Error> {
        if scope.region() != self.region {
            return Err(Error::Refused {
                subject: format!("workers of {owner}"),
                rule: format!("are to be looked for in {}, and the SDK's configuration is for {}", scope.region(), self.region),
                remedy: "use a configuration of that Region".to_owned(),
            });
        }
        let (stacks, urls) = match &scope {
            Scope::Named { names, templates, .. } => (self.describe_named(names).await?, templates.clone()),
            Scope::Owned { .. } => (self.list().await?, Vec::new()),
        };
        let mut observed = Observed::new(owner, scope, stacks)?;
        for url in urls {
            let summary = self.summary(&url).await?;
            observed = observed.with_template(url, summary);
        }
        self.observe_groups(observed).await
    }

    /// As [`Workers::observe`], and how large the groups are, which decides nothing but what an update does to them: one call for all.
    ///
    /// # Errors
    /// As [`Workers::observe`].
    pub async fn observe_with_sizes(&self, owner: &Owner, scope: Scope) -> Result<Observed, Error> {
        let observed = self.observe(owner, scope).await?;
        self.sized(observed).await
    }

    /// Observes, then plans.
    ///
    /// # Errors
    /// As [`Workers::observe`] and [`WorkersSpec::plan`].
    pub async fn plan(&self, spec: &WorkersSpec) -> Result<Plan, Error> {
        self.plan_all(&[spec]).await
    }

    /// Observes, then plans several groups of one owner.
    ///
    /// # Errors
    /// As [`Workers::observe`] and [`WorkersSpec::plan_all`].
    pub async fn plan_all(&self, specs: &[&WorkersSpec]) -> Result<Plan, Error> {
        let Some(first) = specs.first() else {
            return Err(Error::Plan { subject: "nodes".to_owned(), reason: "there are no workers to plan".to_owned() });
        };
        let observed = self.observe_with_sizes(first.owner(), Scope::of(specs.iter().copied())).await?;
        WorkersSpec::plan_all(specs.iter().copied(), &observed)
    }

    /// Finds every stack of the owner's by its tags, and plans its removal.
    ///
    /// # Errors
    /// As [`Workers::observe`].
    pub async fn teardown(&self, owner: &Owner) -> Result<Teardown, Error> {
        self.observe(owner, Scope::owned(&self.region)).await?.teardown(owner)
    }
}
