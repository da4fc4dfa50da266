//! Many environments in one process, on an account that refuses too many requests.

use eks_core::aws::Limiter;
use eks_examples::{
    account::Account,
    environment::{Layer, Variant},
    lives::{Life, live},
};
use eks_sim::Sim;

/// So many chapters at once, with the quotas for them.
async fn together(count: usize, limiter: Option<&Limiter>, top: Layer) -> (Vec<Life>, Sim, std::time::Duration) {
    let sim = Sim::builder().throttled(true).quotas_times(count).standard_vcpus(u32::MAX).build();
    let variant = |number| Variant { owner: format!("team-{number:03}"), top, ..Variant::default() };
    let began = tokio::time::Instant::now();
    let lives = live(&Account::on(sim.clone()), limiter, (0..count).map(variant).collect(), count).await.expect("no panic");
    (lives, sim, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn twenty_at_once_in_less_than_twice_the_time_of_one() {
    let (_, _, one) = together(1, Some(&Limiter::new()), Layer::K8s).await;
    let (lives, sim, twenty) = together(20, Some(&Limiter::new()), Layer::K8s).await;
    for life in &lives {
        assert!(life.clean && life.failure.is_none(), "{life:?}");
    }
    assert!(twenty < one * 2, "{twenty:?} against {one:?}");
    assert_eq!(sim.log().calls().iter().filter(|call| call.is_throttled()).count(), 0, "the limiter keeps below what AWS takes");
    assert!(sim.inventory().items().is_empty());
    // Fair: they do the same work, so nobody is much later than anybody.
    let applied: Vec<_> = lives.iter().map(|life| life.applied).collect();
    let (first, last) = (applied.iter().min().expect("twenty"), applied.iter().max().expect("twenty"));
    assert!(*last < *first * 3 / 2, "{first:?} to {last:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_limiter_aws_throttles_and_the_runner_copes() {
    let (lives, sim, _) = together(14, None, Layer::Net).await;
    assert!(sim.log().calls().iter().any(|call| call.is_throttled()), "fourteen NAT gateways at once are more than AWS takes");
    assert!(lives.iter().all(|life| life.clean), "a throttled operation is late, not failed: {lives:?}");
}
