//! What a large network costs before anything is called: 200 subnets and 2,000 rules of security groups.

use eks_benches::network;
use eks_net::Observed;

fn main() {
    divan::main();
}

#[divan::bench]
fn check(bencher: divan::Bencher) {
    bencher.with_inputs(network).bench_values(|network| network.build().expect("fine"));
}

#[divan::bench]
fn plan_from_nothing(bencher: divan::Bencher) {
    let spec = network().build().expect("fine");
    let nothing = Observed::nothing(spec.owner());
    bencher.bench(|| spec.plan(&nothing).expect("a plan"));
}
