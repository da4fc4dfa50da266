//! Adoption with a fault at every call.

use eks_core::Verdict;
use eks_net::{ExistingNetwork, Fix};
use eks_sim::{Fault, Sim, When};

use crate::{
    Done, choice,
    foreigners::{Failed, Theirs, everything, terraform},
    owner, process, sim_default, tear_down,
};

/// Applies with a fault at each call in turn; a second process finishes; then the teardown leaves all as it was.
async fn survives(fault: Fault, spec: &ExistingNetwork, make: impl AsyncFn(&Sim) -> Result<Theirs, Failed>) -> Done {
    let mut number = 1;
    loop {
        let sim = Sim::builder().speed(60.0).build();
        make(&sim).await?;
        let before = everything(&sim).await?;
        let (networks, engine) = process(&sim);
        let plan = networks.survey(spec).await?.plan()?;
        sim.inject(When::Call(sim.log().len() as u64 + number), fault.clone());
        let applied = plan.apply(&engine).await;
        if sim.faults_pending() > 0 {
            assert!(number > 10, "adoption makes more calls than {number}");
            return Ok(());
        }
        let kills = matches!(fault, Fault::KillBefore | Fault::KillAfter);
        assert_eq!(applied.is_err(), kills, "{fault:?} at call {number}: {applied:?}");
        sim.revive();
        let (networks, engine) = process(&sim);
        networks.survey(spec).await?.plan()?.apply(&engine).await?;
        assert!(networks.survey(spec).await?.plan()?.is_noop(), "{fault:?} at call {number}");
        assert_eq!(tear_down(&sim).await?, Verdict::Clean, "{fault:?} at call {number}");
        assert_eq!(everything(&sim).await?, before, "{fault:?} at call {number}");
        number += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn adoption_survives_a_fault_at_any_call() -> Done {
    let spec = choice().vpc_named("prod").allow(Fix::Tags).adopt().build()?;
    // A kill before a call is one after the call before it.
    for fault in [Fault::KillAfter, Fault::LoseAnswer, Fault::Throttle] {
        survives(fault, &spec, async |sim| terraform(sim, true).await).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn added_subnets_survive_a_kill_at_any_call() -> Done {
    let sim = Sim::new();
    let theirs = sim_default(&sim).await?;
    let spec = choice().vpc(theirs.vpc.clone()).public_subnet(theirs.public[0].clone()).public_subnet(theirs.public[1].clone());
    // The ids of a default VPC are those of its seed.
    let spec = spec.add_private_subnets(24).allow(Fix::Tags).build()?;
    survives(Fault::KillAfter, &spec, async |sim| sim_default(sim).await).await
}

#[tokio::test(start_paused = true)]
async fn a_killed_teardown_of_an_adopted_network_is_finished_by_another() -> Done {
    let spec = choice().vpc_named("prod").allow(Fix::Tags).adopt().build()?;
    let mut number = 1;
    loop {
        let sim = Sim::builder().speed(60.0).build();
        terraform(&sim, true).await?;
        let before = everything(&sim).await?;
        let (networks, engine) = process(&sim);
        networks.survey(&spec).await?.plan()?.apply(&engine).await?;
        let teardown = networks.teardown(&owner()).await?;
        sim.inject(When::Call(sim.log().len() as u64 + number), Fault::KillAfter);
        let ending = teardown.apply(&engine).await;
        if sim.faults_pending() > 0 {
            assert_eq!(ending?.verdict, Verdict::Clean);
            return Ok(());
        }
        assert!(ending.is_err(), "call {number}: silence is no proof");
        sim.revive();
        assert_eq!(tear_down(&sim).await?, Verdict::Clean, "call {number}");
        assert_eq!(everything(&sim).await?, before, "call {number}");
        number += 1;
    }
}
