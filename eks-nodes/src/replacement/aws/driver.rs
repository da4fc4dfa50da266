//! Carries out the operations of this layer.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{
    Error, Facts, Op, OpError, Outputs, Owner, Removal, Step, Survivor,
    engine::{BoxFuture, Driver, Poll, StepContext, Wait},
};

use super::{
    Replacements,
    wait::{HEALTHY, READY, Waited},
};
use crate::replacement::{
    group::{Mark, ScalingGroup},
    observed::ReplacementScope,
    op::ReplaceOp,
    teardown,
};

/// Between two looks at something whose end is not known.
const LOOK: Duration = Duration::from_secs(2);
/// Until a new node is Ready, at most.
const COMES: Duration = Duration::from_secs(20 * 60);

impl Driver for Replacements {
    fn layer(&self) -> &'static str {
        <ReplaceOp as eks_core::Operation>::LAYER
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        op.decode::<ReplaceOp>().map(drop).map_err(|error| unknown(&error))
    }

    fn observe<'a>(&'a self, owner: &'a Owner, scope: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async move {
            let scope: ReplacementScope = serde_json::from_value(scope.clone())
                .map_err(|error| Error::Plan { subject: "scope of replace".to_owned(), reason: error.to_string() })?;
            Ok(self.look_at_basis(owner, scope).await?.facts())
        })
    }

    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async move {
            let op = step.op.decode::<ReplaceOp>().map_err(|error| unknown(&error))?;
            self.carry_out(op, step, cx).await?;
            Ok(Outputs::from([("id".to_owned(), step.key.to_string())]))
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match removal.op.decode::<ReplaceOp>().map_err(|error| unknown(&error))? {
                ReplaceOp::CloseRules { groups } => self.close_rules(cx.owner(), &groups).await,
                _ => Err(Error::Plan { subject: cx.key().to_string(), reason: "a teardown of this layer only closes rules".to_owned() }),
            }
        })
    }

    fn poll<'a>(&'a self, kind: &'a str, ids: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(async move {
            if kind.starts_with("stack-") {
                return self.workers.look(kind, ids).await;
            }
            self.states(kind, ids).await
        })
    }

    fn survivors<'a>(&'a self, owner: &'a Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async move { Ok(teardown::survivors(&self.our_rules(owner).await?)) })
    }
}

impl Replacements {
    async fn carry_out(&self, op: ReplaceOp, step: &Step, cx: &StepContext) -> Result<(), Error> {
        match op {
            ReplaceOp::Keep => Ok(()),
            ReplaceOp::OpenRules { old, new } => self.open_rules(cx, &old, &cx.resolve(&new)?).await,
            ReplaceOp::CloseRules { groups } => self.close_rules(cx.owner(), &groups).await,
            ReplaceOp::Hold { groups, with, processes, to_none, ill } => {
                let mark = |group: &ScalingGroup| Mark { with: with.clone(), ill: Some(ill.clone()), ..group.before() }.fitting();
                self.hold(&cx.resolve(&groups)?, &processes, to_none, mark).await
            }
            ReplaceOp::Release { groups, with, processes, sizes } => self.release(&cx.resolve(&groups)?, &with, &processes, sizes).await,
            ReplaceOp::Grow { groups, wanted } => self.grow(&cx.resolve(&groups)?, &wanted).await,
            ReplaceOp::AwaitReady { access, label, count } => {
                let wait = Wait::typical(READY, format!("nodes of {}", label.1), step.typical).every(LOOK).limit(COMES);
                self.wait(cx, wait, Some(Waited::Ready(access, label, count))).await.map(drop)
            }
            ReplaceOp::PauseAutoscalers { access, mark } => {
                cx.aside("autoscalers", async { self.objects.pause_autoscalers(Some(&access), &mark).await.map(drop) }).await
            }
            ReplaceOp::ResumeAutoscalers { access, mark } => self.objects.resume_autoscalers(Some(&access), &mark).await.map(drop),
            ReplaceOp::Close { access, nodes, mark } => self.objects.shut_nodes(Some(&access), &nodes, &mark).await.map(drop),
            ReplaceOp::Open { access, nodes, mark } => self.objects.open_nodes(Some(&access), &nodes, &mark).await.map(drop),
            ReplaceOp::Drain { access, instances, drain, mark } => self.drain(cx, &access, &instances, &drain, &mark).await,
            ReplaceOp::Judge { access, before, patience, way_back } => {
                let wait = Wait::typical(HEALTHY, "workloads", Duration::ZERO).every(LOOK).limit(patience);
                let judged = self.wait(cx, wait, Some(Waited::Healthy(access, before))).await;
                judged.map(drop).map_err(|error| regression(error, &way_back))
            }
            ReplaceOp::Deregister { access, instances, mark, delay } => self.deregister(cx, &access, &instances, &mark, delay).await,
            ReplaceOp::Terminate { access, instances } => self.terminate(cx, access, &instances, step.typical).await,
            ReplaceOp::UnmapRole { access, group, role, security_group } => {
                if let Some(group) = security_group {
                    self.nobody_in(&group).await?;
                }
                self.objects.unmap_role(cx.owner(), Some(&access), &group, &role).await
            }
            ReplaceOp::DeleteStack { name, id, groups } => {
                self.are_empty(&name, &groups).await?;
                self.workers.delete(&id, step.typical, cx).await
            }
        }
    }
}

/// What stays worse for longer than the patience ends the run.
fn regression(error: Error, way_back: &str) -> Error {
    match error {
        Error::Timeout { state, waited, .. } => Error::Terminal {
            subject: "workloads".to_owned(),
            state: "a state worse than before".to_owned(),
            reason: format!("{state}, for {} s by now; {way_back}", waited.as_secs()),
        },
        other => other,
    }
}

fn unknown(error: &OpError) -> Error {
    Error::Plan { subject: "operation".to_owned(), reason: format!("{error}: {}", error.source) }
}
