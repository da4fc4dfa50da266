//! VPC, subnets and gateways: making them, and bringing them up to date.

use std::fmt;

use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, ResourceType, Tag, TagSpecification};
use eks_core::{Error, InternetGatewayId, KEY_TAG, OWNER_TAG, Outputs, Ref, SubnetId, VpcId, ZoneName, aws::failed, engine::StepContext};
use ipnet::{Ipv4Net, Ipv6Net};

use super::{Networks, is, observe::filter, read, strange};
use crate::{
    cidr::nth_block,
    op::{DnsAttribute, Ipv6Slot},
    tags::Tags,
};

/// The one output that everything has.
pub(super) fn id_output(id: impl fmt::Display) -> Outputs {
    Outputs::from([("id".to_owned(), id.to_string())])
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

    pub(super) async fn vpc(&self, cx: &StepContext, id: Option<VpcId>, vpc: VpcArgs<'_>) -> Result<Outputs, Error> {
        let VpcArgs { cidr, ipv6, dns, tags } = vpc;
        let id = match id {
            Some(id) => {
                self.tag(id.as_str(), tags).await?;
                id.to_string()
            }
            None => self.made.once(cx, self.find_vpc(cx), self.create_vpc(cidr, ipv6, tags)).await?,
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

    async fn create_vpc(&self, cidr: Ipv4Net, ipv6: bool, tags: &Tags) -> Result<String, Error> {
        let subject = cidr.to_string();
        let call = self.once.create_vpc().cidr_block(&subject).tag_specifications(specification(ResourceType::Vpc, tags));
        let call = if ipv6 { call.amazon_provided_ipv6_cidr_block(true) } else { call };
        let answer = call.send().await.map_err(|error| failed("ec2:CreateVpc", &subject, error))?;
        told("ec2:CreateVpc", &subject, answer.vpc().and_then(|vpc| vpc.vpc_id()))
    }

    pub(super) async fn subnet(&self, cx: &StepContext, subnet: SubnetArgs<'_>) -> Result<Outputs, Error> {
        let ipv6 = subnet.ipv6.map(|slot| in_block(cx, slot)).transpose()?;
        let id = match &subnet.id {
            Some(id) => {
                self.tag(id.as_str(), subnet.tags).await?;
                if let Some(block) = ipv6 {
                    self.give_ipv6(cx, id, block).await?;
                }
                id.to_string()
            }
            None => {
                let vpc = cx.resolve(subnet.vpc)?;
                self.made.once(cx, self.find_subnet(cx), self.create_subnet(&vpc, &subnet, ipv6)).await?
            }
        };
        // One attribute a call.
        let value = |value: bool| AttributeBooleanValue::builder().value(value).build();
        if let Some(wanted) = subnet.map_public_ip {
            let call = self.patient.modify_subnet_attribute().subnet_id(&id).map_public_ip_on_launch(value(wanted));
            call.send().await.map_err(|error| failed("ec2:ModifySubnetAttribute", &id, error))?;
        }
        if subnet.assign_ipv6 {
            let call = self.patient.modify_subnet_attribute().subnet_id(&id).assign_ipv6_address_on_creation(value(true));
            call.send().await.map_err(|error| failed("ec2:ModifySubnetAttribute", &id, error))?;
        }
        Ok(id_output(id))
    }

    async fn find_subnet(&self, cx: &StepContext) -> Result<Option<String>, Error> {
        let answer = self.patient.describe_subnets().set_filters(Some(made_by(cx))).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeSubnets", cx.key().as_str(), error))?;
        Ok(answer.subnets().first().and_then(|subnet| subnet.subnet_id()).map(str::to_owned))
    }

    async fn create_subnet(&self, vpc: &VpcId, subnet: &SubnetArgs<'_>, ipv6: Option<Ipv6Net>) -> Result<String, Error> {
        let subject = subnet.cidr.to_string();
        let call = self.once.create_subnet().vpc_id(vpc.as_str()).cidr_block(&subject).availability_zone(subnet.zone.as_str());
        let call = call.set_ipv6_cidr_block(ipv6.map(|block| block.to_string()));
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
}

/// A VPC to make or bring up to date.
pub(super) struct VpcArgs<'a> {
    pub(super) cidr: Ipv4Net,
    pub(super) ipv6: bool,
    pub(super) dns: &'a [DnsAttribute],
    pub(super) tags: &'a Tags,
}

/// The subnet's part of the VPC's IPv6 block, now that this is known.
fn in_block(cx: &StepContext, slot: &Ipv6Slot) -> Result<Ipv6Net, Error> {
    let block = cx.resolve(&slot.block)?;
    nth_block(block, 64, slot.index.into())
        .ok_or_else(|| Error::Plan { subject: cx.key().to_string(), reason: format!("{block} has no /64 number {}", slot.index) })
}

/// A subnet to make or bring up to date.
pub(super) struct SubnetArgs<'a> {
    pub(super) id: Option<SubnetId>,
    pub(super) vpc: &'a Ref<VpcId>,
    pub(super) cidr: Ipv4Net,
    pub(super) zone: &'a ZoneName,
    pub(super) ipv6: Option<&'a Ipv6Slot>,
    pub(super) map_public_ip: Option<bool>,
    pub(super) assign_ipv6: bool,
    pub(super) tags: &'a Tags,
}
