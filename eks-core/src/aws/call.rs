//! How often the SDK may repeat a call by itself.

use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;

/// Configuration for calls that may be repeated: reads, deletes, and creates with an idempotency token. The SDK retries
/// throttling and network faults.
#[must_use]
pub fn patient(config: &SdkConfig) -> SdkConfig {
    config.to_builder().retry_config(RetryConfig::standard().with_max_attempts(5)).build()
}

/// Configuration for creates without an idempotency token (CreateVpc, CreateSubnet, AllocateAddress, …).
///
/// If the answer to such a call is lost, repeating it makes a second resource: the SDK must not. The runner tries the step
/// again, which looks for what carries its tags first.
#[must_use]
pub fn once(config: &SdkConfig) -> SdkConfig {
    config.to_builder().retry_config(RetryConfig::disabled()).build()
}
