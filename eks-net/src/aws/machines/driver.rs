//! The layer's driver: each operation to its function.

use std::collections::BTreeMap;

use eks_core::{
    Class, Error, Facts, OWNER_TAG, Op, Operation, Outputs, Owner, Removal, Step, Survivor,
    aws::failed,
    engine::{BoxFuture, Driver, Poll, StepContext, Wait},
};
use serde_json::Value;

use super::{
    super::{is, region, unless_gone},
    Machines,
    observe::Look,
    poll,
};
use crate::{
    machines::{MachineOp, RELEASE, TERMINATE},
    plan::{faulty, refused},
};

impl Driver for Machines {
    fn layer(&self) -> &'static str {
        MachineOp::LAYER
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        decode(op).map(drop)
    }

    fn observe<'a>(&'a self, owner: &'a Owner, scope: &'a Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async move {
            self.here(scope)?;
            Ok(self.look(owner, Look::Facts).await?.facts())
        })
    }

    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async move {
            let made = self.make(decode(&step.op)?, cx).await.map_err(not_yet)?;
            // An update tells all that the plan knows, too.
            Ok(step.outputs.clone().into_iter().chain(made).collect())
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.unmake(decode(&removal.op)?, cx).await })
    }

    fn poll<'a>(&'a self, kind: &'a str, ids: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(self.states(kind, ids))
    }

    fn survivors<'a>(&'a self, owner: &'a Owner, scope: &'a Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async move {
            self.here(scope)?;
            Ok(self.look(owner, Look::Facts).await?.survivors())
        })
    }
}

fn decode(op: &Op) -> Result<MachineOp, Error> {
    op.decode().map_err(|error| faulty("operation", &error))
}

/// What a step needs was made moments ago, or observed moments ago: AWS has not caught up yet. Elastic Load Balancing has codes of its
/// own for that.
fn not_yet(error: Error) -> Error {
    let unseen = ["InvalidInstance", "InvalidSecurityGroup", "SubnetNotFound"].iter().any(|code| is(&error, code));
    if unseen || error.class() == Class::NotFound { error.with_class(Class::Inconsistent) } else { error }
}

impl Machines {
    /// Refuses the scope of a plan or teardown that was made for another Region than this handle's.
    fn here(&self, scope: &Value) -> Result<(), Error> {
        let wanted = scope.get("region").and_then(Value::as_str);
        region::fits(self.region.as_deref(), "machines", "the plan was made", wanted)
    }

    async fn make(&self, op: MachineOp, cx: &StepContext) -> Result<Outputs, Error> {
        match op {
            MachineOp::KeyPair { id, name, public_key, tags } => self.key_pair(cx, id, &name, &public_key, &tags).await,
            MachineOp::Launch { launch, generation, tags } => self.launch(cx, &launch, generation, &tags).await,
            MachineOp::ChangeInstance { id, groups, metadata, pending, tags } => {
                self.change_instance(cx, &id, groups.as_deref(), metadata, pending, &tags).await
            }
            MachineOp::Volume { zone, gib, disk, tags } => self.volume(cx, &zone, gib, &disk, &tags).await,
            MachineOp::ChangeVolume { id, modify, creating, tags } => self.change_volume(cx, &id, modify.as_ref(), creating, &tags).await,
            MachineOp::Attachment { volume, instance, device, detach } => {
                self.attachment(cx, &cx.resolve(&volume)?, &cx.resolve(&instance)?, &device, detach.as_ref()).await
            }
            MachineOp::Detach { volume, held } => self.detach(cx, &volume, &held).await,
            MachineOp::LoadBalancer { balancer, tags } => self.load_balancer(cx, &balancer, &tags).await,
            MachineOp::ChangeLoadBalancer { name, changes, tags } => self.change_load_balancer(cx, &name, &changes, &tags).await,
            MachineOp::Registration { name, register, deregister, health } => {
                self.registration(cx, &name, &register, &deregister, health.as_ref()).await
            }
            other => Err(misplaced(&other)),
        }
    }

    async fn unmake(&self, op: MachineOp, cx: &StepContext) -> Result<(), Error> {
        match op {
            MachineOp::DeleteLoadBalancer { name } => {
                // A name is no id: since the teardown was planned, somebody else may have taken it.
                let tags = match self.tags_of(vec![name.clone()]).await {
                    Ok(told) => told.get(&name).cloned(),
                    Err(error) if error.class() == Class::NotFound => None,
                    Err(error) => return Err(error),
                };
                if tags.is_some_and(|tags| tags.get(OWNER_TAG).map(String::as_str) != Some(cx.owner().as_str())) {
                    let rule = "it does not carry our owner's tag".to_owned();
                    return Err(refused(format!("load balancer {name}"), rule, "plan the teardown again"));
                }
                let result = self.elb.delete_load_balancer().load_balancer_name(&name).send().await;
                unless_gone(result.map(drop).map_err(|error| failed("elasticloadbalancing:DeleteLoadBalancer", &name, error)))?;
                cx.wait(Wait::typical(poll::BALANCER_RELEASED, name, RELEASE)).await.map(drop)
            }
            MachineOp::TerminateInstance { id } => {
                let result = self.ec2.terminate_instances().instance_ids(id.as_str()).send().await;
                unless_gone(result.map(drop).map_err(|error| failed("ec2:TerminateInstances", id.as_str(), error)))?;
                cx.wait(Wait::typical(poll::INSTANCE_TERMINATED, id.as_str(), TERMINATE)).await.map(drop)
            }
            MachineOp::DeleteVolume { id, foreign: Some(instance) } => {
                let rule = format!("it is attached to {instance}, which we did not make");
                Err(refused(id, rule, "detach it there, then tear down again"))
            }
            MachineOp::DeleteVolume { id, foreign: None } => {
                let result = self.ec2.delete_volume().volume_id(id.as_str()).send().await;
                unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteVolume", id.as_str(), error)))
            }
            MachineOp::DeleteKeyPair { id } => {
                let result = self.ec2.delete_key_pair().key_pair_id(id.as_str()).send().await;
                unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteKeyPair", id.as_str(), error)))
            }
            other => Err(misplaced(&other)),
        }
    }
}

fn misplaced(op: &MachineOp) -> Error {
    Error::Plan { subject: format!("{op:?}"), reason: "makes and removes are not exchangeable".to_owned() }
}
