//! The layer's driver: each operation to its function.

use std::collections::BTreeMap;

use eks_core::{
    Class, Error, Facts, Op, Operation, Outputs, Owner, Removal, Step, Survivor,
    aws::failed,
    engine::{BoxFuture, Driver, Poll, StepContext, Wait},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{create::id_output, observe::filter, region, strange},
    Leftovers,
};
use crate::{
    leftovers::{CONTROL_PLANE_RELEASE, LeftoverOp, Scope},
    machines::RELEASE,
    plan::faulty,
};

/// By the description of the interfaces.
pub(super) const BALANCER_RELEASED: &str = "load-balancer-released";
/// By the interface's id.
const INTERFACE_GONE: &str = "interface-gone";

impl Driver for Leftovers {
    fn layer(&self) -> &'static str {
        LeftoverOp::LAYER
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        decode(op).map(drop)
    }

    fn observe<'a>(&'a self, _: &'a Owner, _: &'a Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async { Ok(Facts::new()) })
    }

    fn run<'a>(&'a self, step: &'a Step, _: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async { Err(Error::Plan { subject: step.key.to_string(), reason: "the layer leftovers makes nothing".to_owned() }) })
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match decode(&removal.op)? {
                LeftoverOp::DeleteClassicLoadBalancer { name, cluster } => self.delete_classic(cx, &name, &cluster).await,
                LeftoverOp::DeleteLoadBalancer { arn } => self.delete_load_balancer(cx, &arn).await,
                LeftoverOp::DeleteTargetGroup { arn } => self.delete_target_group(&arn).await,
                LeftoverOp::DeleteInterface { id } => self.delete_interface(id.as_str()).await,
                LeftoverOp::SweepInterfaces { vpc, cluster, made } => self.sweep_interfaces(cx.owner(), &vpc, cluster, made).await,
                LeftoverOp::AwaitInterface { id } => {
                    cx.wait(Wait::typical(INTERFACE_GONE, id.as_str(), CONTROL_PLANE_RELEASE)).await.map(drop)
                }
                LeftoverOp::DeleteSecurityGroup { id, vpc, cluster, made } => self.delete_group(&id, &vpc, &cluster, made).await,
            }
        })
    }

    fn poll<'a>(&'a self, kind: &'a str, ids: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(async move {
            let name = match kind {
                BALANCER_RELEASED => "description",
                INTERFACE_GONE => "network-interface-id",
                other => return Err(strange("poll", other, Class::Permanent, "nothing is waited for by this name")),
            };
            let answer = self.networks.patient.describe_network_interfaces().filters(filter(name, ids)).send().await;
            let answer = answer.map_err(|error| failed("ec2:DescribeNetworkInterfaces", ids.join(", "), error))?;
            let holds = |id: &str| {
                let told = |one: &aws_sdk_ec2::types::NetworkInterface| {
                    if kind == BALANCER_RELEASED { one.description() } else { one.network_interface_id() }.map(str::to_owned)
                };
                answer.network_interfaces().iter().filter(|one| told(one).as_deref() == Some(id)).count()
            };
            let state = |id: &String| match holds(id) {
                0 => Poll::Ready(id_output(id)),
                held => Poll::Pending { state: format!("{held} network interfaces are still there") },
            };
            Ok(ids.iter().map(|id| (id.clone(), state(id))).collect())
        })
    }

    fn survivors<'a>(&'a self, owner: &'a Owner, scope: &'a Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async move {
            let scope = Scope::deserialize(scope).map_err(|error| faulty("scope", &error))?;
            if !scope.traces.is_empty() {
                region::fits(self.networks.region.as_deref(), "leftovers", "the teardown was made", scope.region.as_deref())?;
            }
            Ok(self.look(owner, scope.traces).await?.survivors())
        })
    }
}

fn decode(op: &Op) -> Result<LeftoverOp, Error> {
    op.decode().map_err(|error| faulty("operation", &error))
}

/// Waits until the interfaces of a load balancer are gone, which hold its subnets and security groups.
pub(super) fn released(description: String) -> Wait {
    Wait::typical(BALANCER_RELEASED, description, RELEASE)
}
