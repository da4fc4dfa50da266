//! One limiter for all that a process does in an account and Region.

mod queue;
mod rates;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::{
    identity::{IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver},
    orchestrator::Metadata,
    runtime_components::{RuntimeComponents, RuntimeComponentsBuilder},
};
use aws_smithy_types::{config_bag::ConfigBag, timeout::TimeoutConfig};
use aws_types::SdkConfig;

pub use self::rates::Rate;
use self::{
    queue::Queue,
    rates::{Bucket, buckets},
};
use crate::Owner;

/// An attempt's answer may take that long once it was sent.
const ANSWER: Duration = Duration::from_secs(60);
/// An attempt with its turn may take that long: with thousands of others before it, hours.
const TURN: Duration = Duration::from_secs(6 * 60 * 60);

/// Keeps all requests of a process to one account and Region below what AWS takes, and serves owners in turn, so that nobody with a
/// thousand requests keeps another one waiting.
///
/// AWS counts by account, Region and action, whichever of our clients asks. Many environments in one process therefore share one
/// limiter; each request waits for its turn before it is signed, so that no signature grows old. Clones are the same limiter.
///
/// ```
/// use aws_types::SdkConfig;
/// use eks_core::{Owner, aws::Limiter};
///
/// # fn configured() -> SdkConfig { SdkConfig::builder().build() }
/// let account: SdkConfig = configured();
/// let limiter = Limiter::new();
/// // Every handle is made of a configuration that carries the limiter, and the name in which it asks.
/// let for_shop = limiter.share(&account, &Owner::new("shop")?);
/// let for_lab = limiter.share(&account, &Owner::new("lab")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The rates are AWS's published ones (EC2 and Elastic Load Balancing), and careful guesses where none are published; a part of each is left
/// to others in the account ([`Limiter::fraction`]), and limits that Service Quotas raised are told with [`Limiter::rate`]. A request that AWS
/// throttles all the same is repeated by the SDK, and then by the runner.
#[derive(Clone)]
pub struct Limiter {
    /// Of AWS's rates, ours.
    fraction: f64,
    raised: BTreeMap<String, Rate>,
    queues: Arc<Mutex<BTreeMap<String, Queue>>>,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("fraction", &self.fraction).finish_non_exhaustive()
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Limiter {
    /// Takes four fifths of what AWS takes.
    pub fn new() -> Self {
        Self { fraction: 0.8, raised: BTreeMap::new(), queues: Arc::default() }
    }

    /// Takes another part of what AWS takes: from a hundredth to all of it.
    #[must_use]
    pub fn fraction(mut self, fraction: f64) -> Self {
        self.fraction = fraction.clamp(0.01, 1.0);
        self.queues = Arc::default();
        self
    }

    /// What AWS takes of one action, if the account's limit was raised: `EC2`, `CreateNatGateway`, as the SDK names them.
    #[must_use]
    pub fn rate(mut self, service: &str, operation: &str, rate: Rate) -> Self {
        let burst = if rate.burst >= 1.0 { rate.burst } else { 1.0 };
        let per_second = if rate.per_second > 0.001 { rate.per_second } else { 0.001 };
        self.raised.insert(format!("{service}/{operation}"), Rate { burst, per_second });
        self.queues = Arc::default();
        self
    }

    /// A configuration whose clients ask in the name of this owner, in turn with all others that share the limiter.
    ///
    /// Waiting for a turn is no slowness of AWS: an attempt's time counts from when it is sent (`read_timeout`, a minute if the configuration
    /// has none). The attempt's own timeout and that of the whole operation, which would count the waiting, are lifted.
    #[must_use]
    pub fn share(&self, config: &SdkConfig, owner: &Owner) -> SdkConfig {
        let given = config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
        let answer = given.read_timeout().or(given.operation_attempt_timeout()).unwrap_or(ANSWER);
        let mut timeouts = given.to_builder().read_timeout(answer).operation_attempt_timeout(TURN);
        timeouts.set_operation_timeout(None);
        let timeouts = timeouts.build();
        let inner = config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build());
        config
            .to_builder()
            .timeout_config(timeouts)
            .identity_cache(Turnstile { limiter: self.clone(), owner: owner.to_string(), inner })
            .build()
    }

    async fn pass(&self, service: &str, operation: &str, owner: &str) {
        for (name, rate) in self.buckets(service, operation) {
            self.queue(name, rate).pass(owner).await;
        }
    }

    fn buckets(&self, service: &str, operation: &str) -> Vec<Bucket> {
        match self.raised.get(&format!("{service}/{operation}")) {
            Some(rate) => vec![(format!("{service}/{operation}"), *rate)],
            None => buckets(service, operation),
        }
    }

    fn queue(&self, name: String, rate: Rate) -> Queue {
        let part = Rate { burst: (rate.burst * self.fraction).max(1.0), per_second: rate.per_second * self.fraction };
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert_with(|| Queue::new(part)).clone()
    }
}

/// The one place where the SDK waits for something asynchronous, knows the operation, and has not signed yet: when it asks for the
/// identity of an attempt.
#[derive(Debug)]
struct Turnstile {
    limiter: Limiter,
    owner: String,
    inner: SharedIdentityCache,
}

impl ResolveCachedIdentity for Turnstile {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            if let Some(call) = config_bag.load::<Metadata>() {
                self.limiter.pass(call.service(), call.name(), &self.owner).await;
            }
            self.inner.resolve_cached_identity(resolver, runtime_components, config_bag).await
        })
    }

    fn validate_base_client_config(
        &self,
        runtime_components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        self.inner.validate_base_client_config(runtime_components, cfg)
    }

    fn validate_final_config(
        &self,
        runtime_components: &RuntimeComponents,
        cfg: &ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        self.inner.validate_final_config(runtime_components, cfg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_turn_is_no_timeout() {
        let second = Duration::from_secs(1);
        let timeouts = TimeoutConfig::builder().operation_timeout(second).operation_attempt_timeout(second).build();
        let config = SdkConfig::builder().timeout_config(timeouts).build();
        let shared = Limiter::new().share(&config, &Owner::new("shop").unwrap());
        let timeouts = shared.timeout_config().unwrap();
        assert_eq!(
            (timeouts.operation_timeout(), timeouts.operation_attempt_timeout(), timeouts.read_timeout()),
            (None, Some(TURN), Some(second))
        );
    }
}
