//! Injected faults, as the SDK sees them.

use std::{error::Error, future::IntoFuture, time::Duration};

use aws_sdk_ec2::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_types::{
    retry::{ErrorKind, RetryConfig},
    timeout::TimeoutConfig,
};
use eks_sim::{Fault, Outcome, Sim, When};

type Tested = Result<(), Box<dyn Error>>;

/// A client that does not retry.
fn client(sim: &Sim, timeouts: TimeoutConfig) -> Client {
    let config = sim.sdk_config().into_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts).build();
    Client::new(&config)
}

#[tokio::test(start_paused = true)]
async fn a_call_hangs_until_the_clients_own_timeout() -> Tested {
    let sim = Sim::new();
    let seconds = Duration::from_secs;
    for (number, timeouts) in [
        (1, TimeoutConfig::builder().read_timeout(seconds(7)).build()),
        (2, TimeoutConfig::builder().operation_attempt_timeout(seconds(7)).build()),
    ] {
        sim.inject(When::Call(number), Fault::TimeOut);
        let began = sim.clock().now();
        let error = client(&sim, timeouts).describe_vpcs().send().await.expect_err("no answer");
        let waited = sim.clock().now() - began;
        assert!((seconds(7)..seconds(8)).contains(&waited), "{waited:?}");
        match error {
            SdkError::DispatchFailure(failure) => assert!(number == 1 && failure.is_timeout()),
            error => assert!(number == 2 && matches!(error, SdkError::TimeoutError(_)), "{error:?}"),
        }
    }
    sim.inject(When::Call(3), Fault::TimeOut);
    let patient = client(&sim, TimeoutConfig::disabled());
    assert!(tokio::time::timeout(seconds(600), patient.describe_vpcs().send().into_future()).await.is_err(), "for ever");
    assert!(sim.log().calls().iter().all(|call| call.outcome == Outcome::NeverArrived));
    assert_eq!(sim.log().len(), 3);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_transient_and_not_io() -> Tested {
    let sim = Sim::new();
    let ec2 = client(&sim, TimeoutConfig::disabled());
    for (fault, kind) in [(Fault::CloseConnection, Some(ErrorKind::TransientError)), (Fault::LoseAnswer, None)] {
        let before = ec2.describe_vpcs().send().await?.vpcs().len();
        let when = When::Action { service: "ec2".to_owned(), action: "CreateVpc".to_owned(), nth: 1 };
        sim.inject(when, fault);
        let error = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect_err("no answer");
        let SdkError::DispatchFailure(failure) = error else { panic!("{error:?}") };
        assert_eq!((failure.is_io(), failure.as_other()), (kind.is_none(), kind));
        assert_eq!(ec2.describe_vpcs().send().await?.vpcs().len(), before + 1, "it took effect");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn services_throttle_in_their_own_words() -> Tested {
    let sim = Sim::new();
    let config = sim.sdk_config().into_builder().retry_config(RetryConfig::disabled()).build();
    (1..=4).for_each(|number| sim.inject(When::Call(number), Fault::Throttle));
    let ec2 = Client::new(&config).describe_vpcs().send().await.map(drop);
    let eks = aws_sdk_eks::Client::new(&config).list_clusters().send().await.map(drop);
    let elb = aws_sdk_elasticloadbalancing::Client::new(&config).describe_load_balancers().send().await.map(drop);
    let iam = aws_sdk_iam::Client::new(&config).list_roles().send().await.map(drop);
    assert_eq!(refusal(ec2), (503, "RequestLimitExceeded".to_owned()));
    assert_eq!(refusal(eks), (429, "ThrottlingException".to_owned()));
    assert_eq!(refusal(elb), (400, "ThrottlingException".to_owned()));
    assert_eq!(refusal(iam), (400, "Throttling".to_owned()));
    Ok(())
}

/// EC2 developer guide, "Eventual consistency": "you might get an InvalidInstanceID.NotFound error" for what was just made.
#[tokio::test(start_paused = true)]
async fn a_service_that_has_not_caught_up_tells_what_was_so_before() -> Tested {
    let sim = Sim::new();
    let ec2 = client(&sim, TimeoutConfig::disabled());
    sim.remember();
    let made = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?;
    let vpc = made.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
    (2..=6).for_each(|number| sim.inject(When::Call(number), Fault::Stale));

    let listed = ec2.describe_vpcs().send().await?;
    assert!(listed.vpcs().iter().all(|one| one.vpc_id() != Some(&*vpc)), "not in the list yet");
    let named = refusal(ec2.describe_vpcs().vpc_ids(&vpc).send().await.map(drop));
    assert_eq!(named, (400, "InvalidVpcID.NotFound".to_owned()));
    let within = refusal(ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.1.0/24").send().await.map(drop));
    assert_eq!(within.1, "InvalidVpcID.NotFound");
    // What does not depend on it is as ever: reads, and what is made.
    ec2.describe_availability_zones().send().await?;
    let other = ec2.create_vpc().cidr_block("10.1.0.0/16").send().await?;
    let outcomes: Vec<_> = sim.log().calls().iter().map(|call| call.outcome.clone()).collect();
    let (done, stale) = (Outcome::Done, Outcome::Stale);
    assert_eq!(outcomes, [done.clone(), stale.clone(), stale.clone(), stale, done.clone(), done]);

    let there = ec2.describe_vpcs().vpc_ids(&vpc).vpc_ids(other.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id")).send().await?;
    assert_eq!((there.vpcs().len(), sim.faults_pending()), (2, 0), "and then it has caught up");
    assert!(
        ec2.describe_subnets().send().await?.subnets().iter().all(|one| one.vpc_id() != Some(&*vpc)),
        "what was refused did not happen"
    );
    Ok(())
}

/// Status and code of a refusal.
fn refusal<E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<(), SdkError<E>>) -> (u16, String) {
    let error = result.expect_err("throttled");
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}
