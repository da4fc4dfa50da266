//! Many environments in one process: each is planned, applied and torn down, in the name of its own owner.

use std::{sync::Arc, time::Duration};

use eks_core::{Owner, aws::Limiter};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use crate::{
    account::Account,
    environment::{Environment, Failure, Variant},
};

/// What became of one environment.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Life {
    /// Whose it was.
    pub owner: String,
    /// From the first look at the account to a running cluster.
    pub applied: Duration,
    /// From the look at what exists to the verdict.
    pub torn_down: Duration,
    /// Whether nothing was left.
    pub clean: bool,
    /// Why it did not get so far.
    pub failure: Option<String>,
}

/// Lives the lives of all variants, `at_once` of them at a time; with a limiter, all requests go through it.
///
/// # Errors
/// If a task panicked. What fails of an environment is in its [`Life`].
pub async fn live(account: &Account, limiter: Option<&Limiter>, variants: Vec<Variant>, at_once: usize) -> Result<Vec<Life>, Failure> {
    let slots = Arc::new(Semaphore::new(at_once.max(1)));
    let mut tasks = JoinSet::new();
    for variant in variants {
        let slot = slots.clone().acquire_owned().await?;
        let (account, limiter) = (account.clone(), limiter.cloned());
        tasks.spawn(async move {
            let life = one(account, limiter, &variant).await;
            drop(slot);
            life
        });
    }
    let mut lives = Vec::new();
    while let Some(life) = tasks.join_next().await {
        lives.push(life?);
    }
    lives.sort_by(|a, b| a.owner.cmp(&b.owner));
    Ok(lives)
}

async fn one(account: Account, limiter: Option<Limiter>, variant: &Variant) -> Life {
    let mut life = Life { owner: variant.owner.clone(), applied: Duration::ZERO, torn_down: Duration::ZERO, clean: false, failure: None };
    if let Err(failure) = there_and_back(account, limiter, variant, &mut life).await {
        life.failure = Some(failure.to_string());
    }
    life
}

async fn there_and_back(account: Account, limiter: Option<Limiter>, variant: &Variant, life: &mut Life) -> Result<(), Failure> {
    let account = match limiter {
        Some(limiter) => account.sharing(&limiter, &Owner::new(variant.owner.as_str())?),
        None => account,
    };
    let environment = Environment::new(variant, &account)?;
    let began = Instant::now();
    environment.plan().await?.apply(&environment.engine()).await?;
    life.applied = began.elapsed();
    let began = Instant::now();
    let ending = environment.teardown().await?.apply(&environment.engine()).await?;
    life.torn_down = began.elapsed();
    life.clean = ending.verdict.is_clean();
    Ok(())
}
