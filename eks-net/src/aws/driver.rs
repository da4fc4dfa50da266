//! The layer's driver: each operation to its function.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{
    Class, Error, Facts, Op, Operation, Outputs, Owner, Removal, SecurityGroupId, Step, Survivor,
    engine::{BoxFuture, Driver, Poll, StepContext},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Networks, blocks,
    create::{SubnetArgs, VpcArgs},
    endpoints::{self, EndpointArgs},
    groups::GroupArgs,
    nat::{NatArgs, RegionalArgs},
    observe::Look,
    rules::RuleArgs,
    transit::{self, TransitArgs},
};
use crate::{egress::Others, existing::ExistingNetwork, op::NetOp};

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
            match scope.get("existing") {
                Some(existing) => Ok(self.observe_existing(&choice(existing)?).await?.facts()),
                None => {
                    let others = scope.get("others").map(Others::deserialize).transpose();
                    let others = others.map_err(|error| crate::plan::faulty("scope", &error))?;
                    let mut now = self.look_for(owner, &others.unwrap_or_default()).await?;
                    let groups = rules_of(scope)?;
                    if !groups.is_empty() {
                        self.identify(&mut now, groups).await?;
                    }
                    Ok(now.facts())
                }
            }
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
        Box::pin(async move {
            match kind {
                blocks::VPC_BLOCK => self.block_states(ids).await,
                blocks::SUBNET_BLOCK => self.subnet_block_states(ids).await,
                endpoints::AVAILABLE | endpoints::DELETED => self.endpoint_states(kind, ids).await,
                transit::AVAILABLE | transit::DELETED => self.transit_states(kind, ids).await,
                _ => self.nat_states(kind, ids).await,
            }
        })
    }

    fn survivors<'a>(&'a self, owner: &'a Owner, scope: &'a Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async move {
            self.here(scope)?;
            Ok(self.look(owner, Look::Survivors).await?.survivors())
        })
    }
}

fn decode(op: &Op) -> Result<NetOp, Error> {
    op.decode().map_err(|error| crate::plan::faulty("operation", &error))
}

/// The existing network that a plan was made for.
fn choice(scope: &Value) -> Result<ExistingNetwork, Error> {
    ExistingNetwork::deserialize(scope).map_err(|error| crate::plan::faulty("scope", &error))
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
            NetOp::Vpc { id, cidr, ipv6, dns, tags } => self.vpc(cx, id, VpcArgs { cidr, ipv6, dns: &dns, tags: &tags }).await,
            NetOp::SecondaryBlock { vpc, cidr } => self.secondary_block(cx, &vpc, cidr).await,
            NetOp::Ipv6Block { vpc, asked } => self.ipv6_block(cx, &vpc, asked).await,
            NetOp::Subnet { id, vpc, cidr, zone, ipv6, map_public_ip, assign_ipv6, tags } => {
                let (ipv6, tags) = (ipv6.as_ref(), &tags);
                self.subnet(cx, SubnetArgs { id, vpc: &vpc, cidr, zone: &zone, ipv6, map_public_ip, assign_ipv6, tags }).await
            }
            NetOp::EgressOnlyGateway { id, vpc, tags } => self.egress_only_gateway(cx, id, &vpc, &tags).await,
            NetOp::RegionalNatGateway { id, vpc, addresses, generation, tags } => {
                let (addresses, generation, tags) = (&addresses, &generation, &tags);
                self.regional_nat_gateway(cx, RegionalArgs { id, vpc: &vpc, addresses, generation, tags }).await
            }
            NetOp::TransitGatewayAttachment { id, gateway, vpc, subnets, ipv6, tags } => {
                let (subnets, tags) = (&subnets, &tags);
                self.transit_gateway_attachment(cx, TransitArgs { id, gateway: &gateway, vpc: &vpc, subnets, ipv6, tags }).await
            }
            NetOp::Endpoint { id, vpc, service, kind, route_tables, subnets, groups, no_longer, private_dns, policy, generation, tags } => {
                let endpoint = EndpointArgs {
                    vpc: &vpc,
                    service: &service,
                    kind,
                    route_tables: &route_tables,
                    subnets: &subnets,
                    groups: &groups,
                    no_longer: &no_longer,
                    private_dns,
                    policy,
                    generation: &generation,
                    tags: &tags,
                };
                self.endpoint(cx, id, endpoint).await
            }
            NetOp::InternetGateway { id, vpc, attach, tags } => self.internet_gateway(cx, id, &vpc, attach, &tags).await,
            NetOp::ElasticIp { id, tags } => self.elastic_ip(cx, id, &tags).await,
            NetOp::NatGateway { id, subnet, address, generation, tags } => {
                self.nat_gateway(cx, NatArgs { id, subnet: &subnet, address: &address, generation: &generation, tags: &tags }).await
            }
            NetOp::RouteTable { id, vpc, tags } => self.route_table(cx, id, &vpc, &tags).await,
            NetOp::Route { table, destination, target, replace } => self.route(cx, &table, destination, &target, replace).await,
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
            NetOp::Untag { id, tags } => self.untag(&id, &tags).await,
            NetOp::DeleteNatGateway { id } => self.delete_nat_gateway(cx, &id).await,
            NetOp::DeleteEndpoint { id } => self.delete_endpoint(cx, &id).await,
            NetOp::DeleteTransitGatewayAttachment { id } => self.delete_transit_gateway_attachment(cx, &id).await,
            NetOp::DeleteEgressOnlyGateway { id } => self.delete_egress_only_gateway(&id).await,
            NetOp::ReleaseAddress { id } => self.release_address(&id).await,
            NetOp::DeleteInternetGateway { id, attached_to } => self.delete_internet_gateway(&id, &attached_to).await,
            NetOp::SweepVpc { id } => self.sweep(cx, &id).await,
            NetOp::DeleteRouteTable { id, associations } => self.delete_route_table(&id, &associations).await,
            NetOp::DeleteSubnet { id } => self.delete_subnet(cx, &id).await,
            NetOp::RevokeReferences { id, to } => self.revoke_references(&id, &to).await,
            NetOp::RevokeOurRules { id } => self.revoke_ours(cx, &id).await,
            NetOp::DeleteSecurityGroup { id, vpc } => self.delete_security_group(cx, &id, vpc.as_ref()).await,
            NetOp::DeleteVpc { id } => self.delete_vpc(&id).await,
            other => Err(misplaced(&other)),
        }
    }
}
