//! NAT gateways, zonal and regional, and their elastic IP addresses.

use std::{collections::BTreeMap, fmt, time::Duration};

use aws_sdk_ec2::{
    operation::create_nat_gateway::builders::CreateNatGatewayFluentBuilder,
    types::{AvailabilityMode, AvailabilityZoneAddress, DomainType, NatGatewayState, ResourceType},
};
use eks_core::{
    AllocationId, Class, Error, NatGatewayId, Outputs, Ref, SubnetId, VpcId, ZoneName,
    aws::failed,
    engine::{Poll, StepContext, Wait},
};

use super::{
    Networks,
    create::{id_output, made_by, specification, told},
    is,
    observe::filter,
    read, strange, unless_gone,
};
use crate::{
    plan::{NAT_CREATE, REGIONAL_NAT_CREATE},
    tags::Tags,
    teardown::NAT_DELETE,
};

/// Waits until a NAT gateway is available.
pub(super) const NAT_AVAILABLE: &str = "nat-gateway-available";
/// Waits until a NAT gateway is deleted.
pub(super) const NAT_DELETED: &str = "nat-gateway-deleted";

/// How many dead gateways that EC2 no longer shows one create finds its way past.
const GENERATIONS: usize = 10;

fn address_outputs(id: impl fmt::Display, address: Option<&str>) -> Outputs {
    let mut outputs = id_output(id);
    outputs.insert("public_ip".to_owned(), address.unwrap_or_default().to_owned());
    outputs
}

/// A zonal NAT gateway to make or bring up to date.
pub(super) struct NatArgs<'a> {
    pub(super) id: Option<NatGatewayId>,
    pub(super) subnet: &'a Ref<SubnetId>,
    pub(super) address: &'a Ref<AllocationId>,
    pub(super) generation: &'a str,
    pub(super) tags: &'a Tags,
}

/// A regional NAT gateway to make or bring up to date.
pub(super) struct RegionalArgs<'a> {
    pub(super) id: Option<NatGatewayId>,
    pub(super) vpc: &'a Ref<VpcId>,
    pub(super) addresses: &'a [(ZoneName, AllocationId)],
    pub(super) generation: &'a str,
    pub(super) tags: &'a Tags,
}

impl Networks {
    pub(super) async fn elastic_ip(&self, cx: &StepContext, id: Option<AllocationId>, tags: &Tags) -> Result<Outputs, Error> {
        match id {
            // Its other output, the address itself, is known to the plan.
            Some(id) => self.tag(id.as_str(), tags).await.map(|()| id_output(id)),
            None => self.allocated.once(cx, self.find_address(cx), self.allocate_address(tags)).await,
        }
    }

    async fn find_address(&self, cx: &StepContext) -> Result<Option<Outputs>, Error> {
        let answer = self.patient.describe_addresses().set_filters(Some(made_by(cx))).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeAddresses", cx.key().as_str(), error))?;
        Ok(answer.addresses().first().and_then(|address| Some(address_outputs(address.allocation_id()?, address.public_ip()))))
    }

    async fn allocate_address(&self, tags: &Tags) -> Result<Outputs, Error> {
        let (name, subject) = ("ec2:AllocateAddress", "elastic IP address");
        let call = self.once.allocate_address().domain(DomainType::Vpc).tag_specifications(specification(ResourceType::ElasticIp, tags));
        let answer = call.send().await.map_err(|error| failed(name, subject, error))?;
        Ok(address_outputs(told(name, subject, answer.allocation_id())?, answer.public_ip()))
    }

    pub(super) async fn nat_gateway(&self, cx: &StepContext, gateway: NatArgs<'_>) -> Result<Outputs, Error> {
        if let Some(id) = &gateway.id {
            return self.kept_nat_gateway(cx, id, gateway.tags).await;
        }
        let (subnet, address) = (cx.resolve(gateway.subnet)?, cx.resolve(gateway.address)?);
        let call = self.patient.create_nat_gateway().subnet_id(subnet.as_str()).allocation_id(address.as_str());
        let call = call.tag_specifications(specification(ResourceType::Natgateway, gateway.tags));
        let (id, available) =
            self.create_nat_gateway(cx, subnet.as_str(), &format!("{subnet} {address}"), gateway.generation, call).await?;
        if available { Ok(id_output(id)) } else { cx.wait(Wait::typical(NAT_AVAILABLE, id, NAT_CREATE)).await }
    }

    pub(super) async fn regional_nat_gateway(&self, cx: &StepContext, gateway: RegionalArgs<'_>) -> Result<Outputs, Error> {
        if let Some(id) = &gateway.id {
            for (zone, address) in gateway.addresses {
                self.give_address(id, zone, address).await?;
            }
            return self.kept_nat_gateway(cx, id, gateway.tags).await;
        }
        let vpc = cx.resolve(gateway.vpc)?;
        let mut by_zone: BTreeMap<&ZoneName, Vec<String>> = BTreeMap::new();
        for (zone, address) in gateway.addresses {
            by_zone.entry(zone).or_default().push(address.to_string());
        }
        let what = format!("{vpc} {by_zone:?}");
        let addresses: Vec<_> = by_zone
            .into_iter()
            .map(|(zone, ids)| AvailabilityZoneAddress::builder().availability_zone(zone.as_str()).set_allocation_ids(Some(ids)).build())
            .collect();
        let call = self.patient.create_nat_gateway().availability_mode(AvailabilityMode::Regional).vpc_id(vpc.as_str());
        let call = call.set_availability_zone_addresses((!addresses.is_empty()).then_some(addresses));
        let call = call.tag_specifications(specification(ResourceType::Natgateway, gateway.tags));
        let (id, available) = self.create_nat_gateway(cx, vpc.as_str(), &what, gateway.generation, call).await?;
        if available { Ok(id_output(id)) } else { cx.wait(Wait::typical(NAT_AVAILABLE, id, REGIONAL_NAT_CREATE)).await }
    }

    /// One that is available, or has been on its way for an unknown time.
    async fn kept_nat_gateway(&self, cx: &StepContext, id: &NatGatewayId, tags: &Tags) -> Result<Outputs, Error> {
        self.tag(id.as_str(), tags).await?;
        cx.wait(Wait::typical(NAT_AVAILABLE, id.as_str(), NAT_CREATE).first(Duration::from_secs(1))).await
    }

    /// Creates a NAT gateway, or, with the same token again, tells the one that was made; and whether it is available. If that
    /// one is dead, EC2 had stopped showing it when the plan was made: the next has another token.
    async fn create_nat_gateway(
        &self,
        cx: &StepContext,
        subject: &str,
        what: &str,
        generation: &str,
        call: CreateNatGatewayFluentBuilder,
    ) -> Result<(String, bool), Error> {
        let name = "ec2:CreateNatGateway";
        let mut generation = generation.to_owned();
        for _ in 0..GENERATIONS {
            let token = cx.owner().token(cx.key(), &format!("{what} {generation}"));
            let dead = match call.clone().client_token(token).send().await.map_err(|error| failed(name, subject, error)) {
                Ok(answer) => {
                    let made = answer.nat_gateway();
                    let id = told(name, subject, made.and_then(|made| made.nat_gateway_id()))?;
                    match made.and_then(|made| made.state()) {
                        Some(NatGatewayState::Deleted | NatGatewayState::Deleting | NatGatewayState::Failed) => id,
                        state => return Ok((id, state == Some(&NatGatewayState::Available))),
                    }
                }
                // The one of this token, as nothing else in the call is a gateway.
                Err(error) if is(&error, "NatGatewayNotFound") => "gone".to_owned(),
                Err(error) => return Err(error),
            };
            generation = format!("{generation},{dead}");
        }
        let why = format!("each gateway of its tokens is dead (generations {generation})");
        Err(strange(name, subject, Class::Permanent, why))
    }

    /// Gives a regional gateway an address; an attempt whose answer was lost makes the next one fail: then it has it.
    async fn give_address(&self, id: &NatGatewayId, zone: &ZoneName, address: &AllocationId) -> Result<(), Error> {
        let call = self.patient.associate_nat_gateway_address().nat_gateway_id(id.as_str());
        let call = call.availability_zone(zone.as_str()).allocation_ids(address.as_str());
        let Err(error) = call.send().await else { return Ok(()) };
        let error = failed("ec2:AssociateNatGatewayAddress", id.as_str(), error);
        if !is(&error, "Resource.AlreadyAssociated") {
            return Err(error);
        }
        let answer = self.patient.describe_nat_gateways().filter(filter("nat-gateway-id", [id.as_str()])).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeNatGateways", id.as_str(), error))?;
        let gateways = answer.nat_gateways().iter().map(read::nat_gateway).collect::<Result<Vec<_>, _>>()?;
        let there = gateways.iter().flat_map(|gateway| &gateway.addresses).any(|(_, other)| other.as_ref() == Some(address));
        if there { Ok(()) } else { Err(error) }
    }

    /// States of NAT gateways. A filter, unlike a list of ids, does not fail on a gateway that is not there yet, or no more.
    pub(super) async fn nat_states(&self, kind: &str, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
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

    pub(super) async fn delete_nat_gateway(&self, cx: &StepContext, id: &NatGatewayId) -> Result<(), Error> {
        let result = self.patient.delete_nat_gateway().nat_gateway_id(id.as_str()).send().await;
        match result.map_err(|error| failed("ec2:DeleteNatGateway", id.as_str(), error)) {
            Err(error) if error.class() == Class::NotFound => return Ok(()),
            result => result.map(drop)?,
        }
        cx.wait(Wait::typical(NAT_DELETED, id.as_str(), NAT_DELETE)).await.map(drop)
    }

    pub(super) async fn release_address(&self, id: &AllocationId) -> Result<(), Error> {
        let result = self.patient.release_address().allocation_id(id.as_str()).send().await;
        unless_gone(result.map(drop).map_err(|error| {
            let error = failed("ec2:ReleaseAddress", id.as_str(), error);
            // What EC2 says of an address that a gateway still holds; a missing permission is UnauthorizedOperation.
            if is(&error, "AuthFailure") { error.with_class(Class::Conflict) } else { error }
        }))
    }
}
