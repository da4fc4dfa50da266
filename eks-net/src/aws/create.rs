//! VPC, subnets and gateways: making them, and bringing them up to date.

use std::{fmt, time::Duration};

use aws_sdk_ec2::types::{AttributeBooleanValue, DomainType, Filter, NatGatewayState, ResourceType, Tag, TagSpecification};
use eks_core::{
    AllocationId, Error, InternetGatewayId, KEY_TAG, NatGatewayId, OWNER_TAG, Outputs, Ref, SubnetId, VpcId, ZoneName,
    aws::failed,
    engine::{StepContext, Wait},
};
use ipnet::Ipv4Net;

use super::{Networks, is, observe::filter, read, strange};
use crate::{op::DnsAttribute, plan::NAT_CREATE, tags::Tags};

/// Waits until a NAT gateway is available.
pub(super) const NAT_AVAILABLE: &str = "nat-gateway-available";

/// How many dead gateways that EC2 no longer shows one create finds its way past.
const GENERATIONS: usize = 10;

/// The one output that everything has.
pub(super) fn id_output(id: impl fmt::Display) -> Outputs {
    Outputs::from([("id".to_owned(), id.to_string())])
}

fn address_outputs(id: impl fmt::Display, address: Option<&str>) -> Outputs {
    let mut outputs = id_output(id);
    outputs.insert("public_ip".to_owned(), address.unwrap_or_default().to_owned());
    outputs
}

/// Tags for the create call itself.
pub(super) fn specification(kind: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(to_tags(tags))).build()
}

pub(super) fn to_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// What carries the step's tags.
pub(super) fn made_by(cx: &StepContext) -> Vec<Filter> {
    vec![filter(format!("tag:{OWNER_TAG}"), [cx.owner().as_str()]), filter(format!("tag:{KEY_TAG}"), [cx.key().as_str()])]
}

/// The id that a create call tells.
pub(super) fn told(call: &str, subject: &str, id: Option<&str>) -> Result<String, Error> {
    id.map(str::to_owned).ok_or_else(|| strange(call, subject, eks_core::Class::Permanent, "the answer has no id"))
}

impl Networks {
    /// Puts tags on what exists.
    pub(super) async fn tag(&self, id: &str, tags: &Tags) -> Result<(), Error> {
        if tags.is_empty() {
            return Ok(());
        }
        let call = self.patient.create_tags().resources(id).set_tags(Some(to_tags(tags)));
        call.send().await.map(drop).map_err(|error| failed("ec2:CreateTags", id, error))
    }

    pub(super) async fn vpc(
        &self,
        cx: &StepContext,
        id: Option<VpcId>,
        cidr: Ipv4Net,
        dns: &[DnsAttribute],
        tags: &Tags,
    ) -> Result<Outputs, Error> {
        let id = match id {
            Some(id) => {
                self.tag(id.as_str(), tags).await?;
                id.to_string()
            }
            None => self.made.once(cx, self.find_vpc(cx), self.create_vpc(cidr, tags)).await?,
        };
        for attribute in dns {
            let on = AttributeBooleanValue::builder().value(true).build();
            let call = self.patient.modify_vpc_attribute().vpc_id(&id);
            let call = match attribute {
                DnsAttribute::Support => call.enable_dns_support(on),
                DnsAttribute::Hostnames => call.enable_dns_hostnames(on),
            };
            call.send().await.map_err(|error| failed("ec2:ModifyVpcAttribute", &id, error))?;
        }
        Ok(id_output(id))
    }

    async fn find_vpc(&self, cx: &StepContext) -> Result<Option<String>, Error> {
        let answer = self.patient.describe_vpcs().set_filters(Some(made_by(cx))).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeVpcs", cx.key().as_str(), error))?;
        Ok(answer.vpcs().first().and_then(|vpc| vpc.vpc_id()).map(str::to_owned))
    }

    async fn create_vpc(&self, cidr: Ipv4Net, tags: &Tags) -> Result<String, Error> {
        let subject = cidr.to_string();
        let call = self.once.create_vpc().cidr_block(&subject).tag_specifications(specification(ResourceType::Vpc, tags));
        let answer = call.send().await.map_err(|error| failed("ec2:CreateVpc", &subject, error))?;
        told("ec2:CreateVpc", &subject, answer.vpc().and_then(|vpc| vpc.vpc_id()))
    }

    pub(super) async fn subnet(&self, cx: &StepContext, subnet: SubnetArgs<'_>) -> Result<Outputs, Error> {
        let id = match subnet.id {
            Some(id) => {
                self.tag(id.as_str(), subnet.tags).await?;
                id.to_string()
            }
            None => {
                let vpc = cx.resolve(subnet.vpc)?;
                self.made.once(cx, self.find_subnet(cx), self.create_subnet(&vpc, &subnet)).await?
            }
        };
        if subnet.map_public_ip {
            let on = AttributeBooleanValue::builder().value(true).build();
            let call = self.patient.modify_subnet_attribute().subnet_id(&id).map_public_ip_on_launch(on);
            call.send().await.map_err(|error| failed("ec2:ModifySubnetAttribute", &id, error))?;
        }
        Ok(id_output(id))
    }

    async fn find_subnet(&self, cx: &StepContext) -> Result<Option<String>, Error> {
        let answer = self.patient.describe_subnets().set_filters(Some(made_by(cx))).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeSubnets", cx.key().as_str(), error))?;
        Ok(answer.subnets().first().and_then(|subnet| subnet.subnet_id()).map(str::to_owned))
    }

    async fn create_subnet(&self, vpc: &VpcId, subnet: &SubnetArgs<'_>) -> Result<String, Error> {
        let subject = subnet.cidr.to_string();
        let call = self.once.create_subnet().vpc_id(vpc.as_str()).cidr_block(&subject).availability_zone(subnet.zone.as_str());
        let call = call.tag_specifications(specification(ResourceType::Subnet, subnet.tags));
        let answer = call.send().await.map_err(|error| failed("ec2:CreateSubnet", &subject, error))?;
        told("ec2:CreateSubnet", &subject, answer.subnet().and_then(|subnet| subnet.subnet_id()))
    }

    pub(super) async fn internet_gateway(
        &self,
        cx: &StepContext,
        id: Option<InternetGatewayId>,
        vpc: &Ref<VpcId>,
        attach: bool,
        tags: &Tags,
    ) -> Result<Outputs, Error> {
        let id = match id {
            Some(id) => {
                self.tag(id.as_str(), tags).await?;
                id.to_string()
            }
            None => self.made.once(cx, self.find_internet_gateway(cx), self.create_internet_gateway(tags)).await?,
        };
        if attach {
            self.attach(&id, &cx.resolve(vpc)?).await?;
        }
        Ok(id_output(id))
    }

    async fn find_internet_gateway(&self, cx: &StepContext) -> Result<Option<String>, Error> {
        let answer = self.patient.describe_internet_gateways().set_filters(Some(made_by(cx))).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeInternetGateways", cx.key().as_str(), error))?;
        Ok(answer.internet_gateways().first().and_then(|gateway| gateway.internet_gateway_id()).map(str::to_owned))
    }

    async fn create_internet_gateway(&self, tags: &Tags) -> Result<String, Error> {
        let (name, subject) = ("ec2:CreateInternetGateway", "internet gateway");
        let call = self.once.create_internet_gateway().tag_specifications(specification(ResourceType::InternetGateway, tags));
        let answer = call.send().await.map_err(|error| failed(name, subject, error))?;
        told(name, subject, answer.internet_gateway().and_then(|gateway| gateway.internet_gateway_id()))
    }

    /// Attaches an internet gateway. An attempt whose answer was lost makes the next one fail: then it is there.
    async fn attach(&self, id: &str, vpc: &VpcId) -> Result<(), Error> {
        let call = self.patient.attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc.as_str());
        let Err(error) = call.send().await else { return Ok(()) };
        let error = failed("ec2:AttachInternetGateway", id, error);
        if !is(&error, "Resource.AlreadyAssociated") {
            return Err(error);
        }
        let answer = self.patient.describe_internet_gateways().internet_gateway_ids(id).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeInternetGateways", id, error))?;
        let gateways = answer.internet_gateways().iter().map(read::internet_gateway).collect::<Result<Vec<_>, _>>()?;
        if gateways.iter().any(|gateway| gateway.attached_to.contains(vpc)) { Ok(()) } else { Err(error) }
    }

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
        let id = match gateway.id {
            Some(id) => {
                self.tag(id.as_str(), gateway.tags).await?;
                // It is available, or has been on its way for an unknown time.
                let wait = Wait::typical(NAT_AVAILABLE, id.as_str(), NAT_CREATE).first(Duration::from_secs(1));
                return cx.wait(wait).await;
            }
            None => {
                let (subnet, address) = (cx.resolve(gateway.subnet)?, cx.resolve(gateway.address)?);
                let (id, available) = self.create_nat_gateway(cx, &subnet, &address, &gateway).await?;
                if available {
                    return Ok(id_output(id));
                }
                id
            }
        };
        cx.wait(Wait::typical(NAT_AVAILABLE, id, NAT_CREATE)).await
    }

    /// Creates a NAT gateway, or, with the same token again, tells the one that was made; and whether it is available. If that
    /// one is dead, EC2 had stopped showing it when the plan was made: the next has another token.
    async fn create_nat_gateway(
        &self,
        cx: &StepContext,
        subnet: &SubnetId,
        address: &AllocationId,
        gateway: &NatArgs<'_>,
    ) -> Result<(String, bool), Error> {
        let name = "ec2:CreateNatGateway";
        let mut generation = gateway.generation.to_owned();
        for _ in 0..GENERATIONS {
            let token = cx.owner().token(cx.key(), &format!("{subnet} {address} {generation}"));
            let call = self.patient.create_nat_gateway().subnet_id(subnet.as_str()).allocation_id(address.as_str()).client_token(token);
            let call = call.tag_specifications(specification(ResourceType::Natgateway, gateway.tags));
            let dead = match call.send().await.map_err(|error| failed(name, subnet.as_str(), error)) {
                Ok(answer) => {
                    let made = answer.nat_gateway();
                    let id = told(name, subnet.as_str(), made.and_then(|made| made.nat_gateway_id()))?;
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
        Err(strange(name, subnet.as_str(), eks_core::Class::Permanent, why))
    }
}

/// A subnet to make or bring up to date.
pub(super) struct SubnetArgs<'a> {
    pub(super) id: Option<SubnetId>,
    pub(super) vpc: &'a Ref<VpcId>,
    pub(super) cidr: Ipv4Net,
    pub(super) zone: &'a ZoneName,
    pub(super) map_public_ip: bool,
    pub(super) tags: &'a Tags,
}

/// A NAT gateway to make or bring up to date.
pub(super) struct NatArgs<'a> {
    pub(super) id: Option<NatGatewayId>,
    pub(super) subnet: &'a Ref<SubnetId>,
    pub(super) address: &'a Ref<AllocationId>,
    pub(super) generation: &'a str,
    pub(super) tags: &'a Tags,
}
