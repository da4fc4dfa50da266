//! How often the SDK may repeat a call by itself, and how long one attempt may take.

use std::time::Duration;

use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::SdkConfig;

/// A connection that was dropped silently would hang a call, and with it the run, for ever. No call of ours takes a minute.
const ATTEMPT: Duration = Duration::from_secs(60);
/// The SDK's own default, which a timeout configuration of ours would replace.
const CONNECT: Duration = Duration::from_millis(3_100);

/// Configuration for calls that may be repeated: reads, deletes, and creates with an idempotency token. The SDK retries
/// throttling and network faults.
#[must_use]
pub fn patient(config: &SdkConfig) -> SdkConfig {
    config.to_builder().retry_config(RetryConfig::standard().with_max_attempts(5)).timeout_config(timeouts(config)).build()
}

/// Configuration for creates without an idempotency token (CreateVpc, CreateSubnet, AllocateAddress, …).
///
/// If the answer to such a call is lost, repeating it makes a second resource: the SDK must not. The runner tries the step
/// again, which looks for what carries its tags first.
#[must_use]
pub fn once(config: &SdkConfig) -> SdkConfig {
    config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts(config)).build()
}

/// The application's timeouts, with ours where it has none.
fn timeouts(config: &SdkConfig) -> TimeoutConfig {
    let given = config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
    let ours = given.to_builder();
    let ours = if given.operation_attempt_timeout().is_some() { ours } else { ours.operation_attempt_timeout(ATTEMPT) };
    if given.connect_timeout().is_some() { ours.build() } else { ours.connect_timeout(CONNECT).build() }
}
