//! What a token for the Kubernetes API costs: `cargo bench -p eks-benches --features token --bench token`.

use divan::counter::ItemsCount;
use eks_benches::signing::{runtime, signer};

fn main() {
    divan::main();
}

fn renew(bencher: divan::Bencher, session: Option<&str>) {
    let (signer, runtime) = (signer(session), runtime());
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
    let (signer, runtime) = (signer(None), runtime());
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| runtime.block_on(signer.token()).expect("a token"));
}
