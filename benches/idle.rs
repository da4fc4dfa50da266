//! A layer that does nothing, so that what is measured is ours.

use std::collections::BTreeMap;

use eks_core::{
    Action, Basis, Error, Facts, Op, Operation, Outputs, Owner, Plan, Removal, Step, StepKey, Survivor,
    engine::{BoxFuture, Driver, Poll, StepContext},
};
use serde::{Deserialize, Serialize};

/// An operation that does nothing.
#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Nothing;

impl Operation for Nothing {
    const LAYER: &'static str = "bench";
}

/// A layer that does nothing, at once.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Idle;

/// Steps that each need the one a hundred before them: wide enough to overlap, deep enough to have an order.
///
/// # Panics
/// Never: the keys are valid and no step needs a later one.
#[expect(clippy::unwrap_used, reason = "the keys are valid by construction")]
pub fn steps(count: usize) -> Vec<Step> {
    let key = |n: usize| format!("bench/step/{n}").parse::<StepKey>().unwrap();
    (0..count)
        .map(|n| {
            let step = Step::new(key(n), Action::Create, "nothing", &Nothing).unwrap();
            if n < 100 { step } else { step.after(key(n - 100)) }
        })
        .collect()
}

/// A plan of [`steps`], given in reverse so that sorting has work.
///
/// # Panics
/// Never: the steps are a plan.
#[expect(clippy::unwrap_used, reason = "the steps are a plan by construction")]
pub fn plan(steps: Vec<Step>) -> Plan {
    let owner = Owner::new("bench").unwrap();
    let builder = Plan::builder(&owner, "bench").basis(Basis::new(serde_json::Value::Null, Facts::new()));
    steps.into_iter().rev().fold(builder, eks_core::PlanBuilder::step).build().unwrap()
}

impl Driver for Idle {
    fn layer(&self) -> &'static str {
        "bench"
    }

    fn check(&self, _: &Op) -> Result<(), Error> {
        Ok(())
    }

    fn observe<'a>(&'a self, _: &'a Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async { Ok(Facts::new()) })
    }

    fn run<'a>(&'a self, _: &'a Step, _: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async { Ok(Outputs::new()) })
    }

    fn remove<'a>(&'a self, _: &'a Removal, _: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn poll<'a>(&'a self, _: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }

    fn survivors<'a>(&'a self, _: &'a Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
