//! The layer's driver: each operation to its function.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{
    Class, Error, Facts, Op, Operation, Outputs, Owner, Removal, SecurityGroupId, Step, Survivor,
    aws::failed,
    engine::{BoxFuture, Driver, Poll, StepContext},
};
use serde_json::Value;

use super::{
    Networks,
    create::{NAT_AVAILABLE, NatArgs, SubnetArgs, id_output},
    groups::GroupArgs,
    observe::filter,
    remove::NAT_DELETED,
    rules::RuleArgs,
};
use crate::op::NetOp;

impl Driver for Networks {
    fn layer(&self) -> &'static str {
        NetOp::LAYER
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        decode(op).map(drop)
    }

    fn observe<'a>(&'a self, owner: &'a Owner, scope: &'a Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async move {
            self.here(scope)?;
            let mut now = self.look(owner, false).await?;
            let groups = rules_of(scope)?;
            if !groups.is_empty() {
                self.identify(&mut now, groups).await?;
            }
            Ok(now.facts())
        })
    }

    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async move {
            // What a step needs was made moments ago, or observed moments ago: EC2 has not caught up yet.
            let made = self.make(decode(&step.op)?, cx).await.map_err(|error| match error.class() {
                Class::NotFound => error.with_class(Class::Inconsistent),
                _ => error,
            })?;
            // An update tells all that the plan knows, too.
            Ok(step.outputs.clone().into_iter().chain(made).collect())
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.unmake(decode(&removal.op)?, cx).await })
    }

    fn poll<'a>(&'a self, kind: &'a str, ids: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(self.nat_states(kind, ids))
    }

    fn survivors<'a>(&'a self, owner: &'a Owner, scope: &'a Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async move {
            self.here(scope)?;
            Ok(self.look(owner, true).await?.survivors())
        })
    }
}

fn decode(op: &Op) -> Result<NetOp, Error> {
    op.decode().map_err(|error| crate::plan::faulty("operation", &error))
}

/// The security groups whose rules' ids the plan rests on, too.
fn rules_of(scope: &Value) -> Result<BTreeSet<SecurityGroupId>, Error> {
    let groups = scope.get("rules_of").cloned().unwrap_or(Value::Array(Vec::new()));
    serde_json::from_value(groups).map_err(|error| crate::plan::faulty("scope", &error))
}

fn misplaced(op: &NetOp) -> Error {
    Error::Plan { subject: format!("{op:?}"), reason: "makes and removes are not exchangeable".to_owned() }
}

impl Networks {
    async fn make(&self, op: NetOp, cx: &StepContext) -> Result<Outputs, Error> {
        match op {
            NetOp::Vpc { id, cidr, dns, tags } => self.vpc(cx, id, cidr, &dns, &tags).await,
            NetOp::Subnet { id, vpc, cidr, zone, map_public_ip, tags } => {
                self.subnet(cx, SubnetArgs { id, vpc: &vpc, cidr, zone: &zone, map_public_ip, tags: &tags }).await
            }
            NetOp::InternetGateway { id, vpc, attach, tags } => self.internet_gateway(cx, id, &vpc, attach, &tags).await,
            NetOp::ElasticIp { id, tags } => self.elastic_ip(cx, id, &tags).await,
            NetOp::NatGateway { id, subnet, address, generation, tags } => {
                self.nat_gateway(cx, NatArgs { id, subnet: &subnet, address: &address, generation: &generation, tags: &tags }).await
            }
            NetOp::RouteTable { id, vpc, tags } => self.route_table(cx, id, &vpc, &tags).await,
            NetOp::Route { table, target, replace } => self.route(cx, &table, &target, replace).await,
            NetOp::Association { table, subnet, replace } => self.association(cx, &table, &subnet, replace.as_ref()).await,
            NetOp::SecurityGroup { id, vpc, name, description, tags } => {
                self.security_group(cx, GroupArgs { id, vpc: &vpc, name: &name, description: &description, tags: &tags }).await
            }
            NetOp::SecurityGroupRules { group, add, describe, revoke, defaults, tags } => {
                let rules = RuleArgs { group: &group, add: &add, describe: &describe, revoke: &revoke, defaults: &defaults, tags: &tags };
                self.security_group_rules(cx, rules).await
            }
            other => Err(misplaced(&other)),
        }
    }

    async fn unmake(&self, op: NetOp, cx: &StepContext) -> Result<(), Error> {
        match op {
            NetOp::DeleteNatGateway { id } => self.delete_nat_gateway(cx, &id).await,
            NetOp::ReleaseAddress { id } => self.release_address(&id).await,
            NetOp::DeleteInternetGateway { id, attached_to } => self.delete_internet_gateway(&id, &attached_to).await,
            NetOp::SweepVpc { id } => self.sweep(&id).await,
            NetOp::DeleteRouteTable { id, associations } => self.delete_route_table(&id, &associations).await,
            NetOp::DeleteSubnet { id } => self.delete_subnet(cx, &id).await,
            NetOp::RevokeReferences { id, to } => self.revoke_references(&id, &to).await,
            NetOp::DeleteSecurityGroup { id, vpc } => self.delete_security_group(cx, &id, &vpc).await,
            NetOp::DeleteVpc { id } => self.delete_vpc(&id).await,
            other => Err(misplaced(&other)),
        }
    }

    /// States of NAT gateways. A filter, unlike a list of ids, does not fail on a gateway that is not there yet, or no more.
    async fn nat_states(&self, kind: &str, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
        let answer = self.patient.describe_nat_gateways().filter(filter("nat-gateway-id", ids)).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeNatGateways", ids.join(", "), error))?;
        let mut states = BTreeMap::new();
        for id in ids {
            let gateway = answer.nat_gateways().iter().find(|gateway| gateway.nat_gateway_id() == Some(id));
            let state = gateway.and_then(|gateway| gateway.state()).map_or("not seen", |state| state.as_str()).to_owned();
            let poll = match (kind, state.as_str()) {
                (NAT_AVAILABLE, "available") => Poll::Ready(id_output(id)),
                (NAT_AVAILABLE, "failed" | "deleting" | "deleted") => {
                    let told = gateway.and_then(|gateway| Some(format!("{}: {}", gateway.failure_code()?, gateway.failure_message()?)));
                    let reason = format!("{}; run again to replace it", told.unwrap_or_else(|| "EC2 gives no reason".to_owned()));
                    Poll::Failed { state, reason }
                }
                (NAT_DELETED, "deleted" | "not seen") => Poll::Ready(Outputs::new()),
                _ => Poll::Pending { state },
            };
            states.insert(id.clone(), poll);
        }
        Ok(states)
    }
}
