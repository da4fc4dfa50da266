//! What a token for the Kubernetes API costs: `cargo bench -p eks-benches --features token --bench token`.

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_types::{SdkConfig, region::Region};
use divan::counter::ItemsCount;
use eks_cluster::TokenSigner;

fn main() {
    divan::main();
}

fn signer(session: Option<&str>) -> TokenSigner {
    let credentials =
        Credentials::from_keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", session.map(str::to_owned));
    let config = SdkConfig::builder().region(Region::new("us-east-1")).credentials_provider(SharedCredentialsProvider::new(credentials));
    TokenSigner::new(&config.build(), &"bench".parse().expect("a name")).expect("credentials and a Region")
}

fn renew(bencher: divan::Bencher, session: Option<&str>) {
    let (signer, runtime) = (signer(session), tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| runtime.block_on(signer.renew()).expect("a token"));
}

/// With the keys of a user.
#[divan::bench]
fn static_credentials(bencher: divan::Bencher) {
    renew(bencher, None);
}

/// With those of a session, whose token is a kilobyte.
#[divan::bench]
fn session_credentials(bencher: divan::Bencher) {
    renew(bencher, Some(&"FwoGZXIvYXdzEXAMPLE/token+".repeat(40)));
}

/// What almost every request pays: the current token is good yet.
#[divan::bench]
fn current(bencher: divan::Bencher) {
    let (signer, runtime) = (signer(None), tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| runtime.block_on(signer.token()).expect("a token"));
}
