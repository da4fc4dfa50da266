//! A signer of tokens, with credentials that are AWS's own examples.

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_types::{SdkConfig, region::Region};
use eks_cluster::TokenSigner;
use tokio::runtime::{Builder, Runtime};

/// A signer with keys alone, or with those of a session.
///
/// # Panics
/// Never: it has credentials and a Region.
pub fn signer(session: Option<&str>) -> TokenSigner {
    let credentials =
        Credentials::from_keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", session.map(str::to_owned));
    let config = SdkConfig::builder().region(Region::new("us-east-1")).credentials_provider(SharedCredentialsProvider::new(credentials));
    TokenSigner::new(&config.build(), &"bench".parse().expect("a name")).expect("credentials and a Region")
}

/// What signing runs on.
///
/// # Panics
/// If the system has no room for a runtime.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}
