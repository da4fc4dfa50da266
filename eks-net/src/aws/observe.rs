//! Observing: three filtered calls, six more if there is a VPC, and one for each further kind that it tells of.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, VpcAttributeName};
use eks_core::{Error, OWNER_TAG, Owner, VpcId, aws::failed};

use super::{Networks, read};
use crate::{
    egress::{Kind, Others},
    existing::marks,
    observed::{
        FoundAddress, FoundEgressOnlyGateway, FoundEndpoint, FoundGroup, FoundInterface, FoundInternetGateway, FoundNatGateway,
        FoundRouteTable, FoundSubnet, FoundTransitAttachment, FoundUsed, FoundVolume, FoundVpc, Observed,
    },
    tags::Tags,
};

/// A filter of a describe call.
pub(super) fn filter<S: Into<String>>(name: impl Into<String>, values: impl IntoIterator<Item = S>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(Into::into).collect())).build()
}

/// All pages of a describe call, as plain data.
macro_rules! pages {
    ($request:expr, $call:literal, $owner:expr, $read:expr) => {{
        let items: Result<Vec<_>, _> = $request.into_paginator().items().send().collect().await;
        items.map_err(|error| failed($call, $owner.to_string(), error))?.iter().map($read).collect::<Result<Vec<_>, Error>>()
    }};
}
pub(super) use pages;

/// Why one looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// To plan, or to apply a plan.
    Plan,
    /// To plan a teardown: for what lies in VPCs of others, too, and for network interfaces; not at attributes of the VPC, which do not
    /// matter to it.
    Teardown,
    /// After a teardown: likewise, and for volumes.
    Survivors,
}

impl Networks {
    /// What exists.
    pub(super) async fn look(&self, owner: &Owner, why: Look) -> Result<Observed, Error> {
        let survivors = why == Look::Survivors;
        let volumes = async { if survivors { self.volumes(owner).await } else { Ok(Vec::new()) } };
        let used = async { if why == Look::Plan { Ok(Vec::new()) } else { self.used(owner).await } };
        let (mut vpcs, internet_gateways, addresses, volumes, used) =
            tokio::try_join!(self.vpcs(owner), self.internet_gateways(owner), self.addresses(owner), volumes, used)?;
        let now = Observed {
            region: self.region.clone(),
            looked_for_interfaces: survivors,
            internet_gateways,
            addresses,
            volumes,
            used,
            ..Observed::nothing(owner)
        };
        // With two VPCs of one owner there is no plan, only a teardown, which needs no attributes.
        let vpc = vpcs.first().map(|vpc| vpc.id.clone());
        let inside = match &vpc {
            Some(_) => filter("vpc-id", vpcs.iter().map(|vpc| vpc.id.as_str())),
            None if why == Look::Plan => return Ok(now),
            // What we made in a VPC of somebody else's.
            None => owned(owner),
        };
        // A teardown tells of what others have in the VPC before it meets it.
        let interfaces = async { if why != Look::Plan && vpc.is_some() { self.interfaces(owner, &inside).await } else { Ok(Vec::new()) } };
        let dns = async {
            match &vpc {
                Some(vpc) if why == Look::Plan => {
                    tokio::try_join!(self.dns(vpc, VpcAttributeName::EnableDnsSupport), self.dns(vpc, VpcAttributeName::EnableDnsHostnames))
                }
                _ => Ok((true, true)),
            }
        };
        let kinds: Vec<Kind> = vpcs.iter().flat_map(FoundVpc::kinds).collect();
        let ipv6 = vpcs.iter().any(|vpc| vpc.ipv6().is_some());
        let more = async {
            tokio::try_join!(
                async { if ipv6 { self.egress_only_gateways(owner).await } else { Ok(Vec::new()) } },
                async {
                    let wanted = kinds.contains(&Kind::TransitGatewayAttachment);
                    if wanted { self.transit_attachments(owner, &inside).await } else { Ok(Vec::new()) }
                },
                async { if kinds.contains(&Kind::VpcEndpoint) { self.endpoints(owner, &inside).await } else { Ok(Vec::new()) } },
            )
        };
        let (subnets, nat_gateways, route_tables, security_groups, interfaces, (dns_support, dns_hostnames), more) = tokio::try_join!(
            self.subnets(owner, &inside),
            self.nat_gateways(owner),
            self.route_tables(owner, &inside),
            self.groups(owner, &inside),
            interfaces,
            dns,
            more,
        )?;
        let (egress_only_gateways, transit_attachments, endpoints) = more;
        if let Some(first) = vpcs.first_mut() {
            (first.dns_support, first.dns_hostnames) = (dns_support, dns_hostnames);
        }
        let now = Observed { egress_only_gateways, transit_attachments, endpoints, ..now };
        Ok(Observed { vpcs, subnets, nat_gateways, route_tables, security_groups, interfaces, ..now })
    }

    /// What exists, and what of others is named besides. By filters: unlike a list of ids, they do not fail on what is not there.
    pub(super) async fn look_for(&self, owner: &Owner, others: &Others) -> Result<Observed, Error> {
        let mut now = self.look(owner, Look::Plan).await?;
        let gateways = async {
            if others.nat_gateways.is_empty() {
                return Ok(Vec::new());
            }
            let request =
                self.patient.describe_nat_gateways().filter(filter("nat-gateway-id", others.nat_gateways.iter().map(AsRef::as_ref)));
            pages!(request, "ec2:DescribeNatGateways", owner, read::nat_gateway)
        };
        let addresses = async {
            if others.addresses.is_empty() {
                return Ok(Vec::new());
            }
            let named = filter("allocation-id", others.addresses.iter().map(AsRef::as_ref));
            let answer = self.patient.describe_addresses().filters(named).send().await;
            let answer = answer.map_err(|error| failed("ec2:DescribeAddresses", owner.to_string(), error))?;
            answer.addresses().iter().map(read::address).collect::<Result<Vec<_>, _>>()
        };
        let (gateways, addresses) = tokio::try_join!(gateways, addresses)?;
        // What is named may be ours after all.
        let gateways = gateways.into_iter().filter(|other| now.nat_gateways.iter().all(|gateway| gateway.id != other.id));
        let gateways: Vec<_> = gateways.collect();
        let addresses = addresses.into_iter().filter(|other| now.addresses.iter().all(|address| address.id != other.id));
        let addresses: Vec<_> = addresses.collect();
        now.nat_gateways.extend(gateways);
        now.addresses.extend(addresses);
        Ok(now)
    }

    async fn vpcs(&self, owner: &Owner) -> Result<Vec<FoundVpc>, Error> {
        let request = self.patient.describe_vpcs().filters(owned(owner));
        pages!(request, "ec2:DescribeVpcs", owner, read::vpc)
    }

    async fn internet_gateways(&self, owner: &Owner) -> Result<Vec<FoundInternetGateway>, Error> {
        let request = self.patient.describe_internet_gateways().filters(owned(owner));
        pages!(request, "ec2:DescribeInternetGateways", owner, read::internet_gateway)
    }

    async fn addresses(&self, owner: &Owner) -> Result<Vec<FoundAddress>, Error> {
        let answer = self.patient.describe_addresses().filters(owned(owner)).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeAddresses", owner.to_string(), error))?;
        answer.addresses().iter().map(read::address).collect()
    }

    async fn volumes(&self, owner: &Owner) -> Result<Vec<FoundVolume>, Error> {
        let request = self.patient.describe_volumes().filters(owned(owner));
        pages!(request, "ec2:DescribeVolumes", owner, read::volume)
    }

    async fn nat_gateways(&self, owner: &Owner) -> Result<Vec<FoundNatGateway>, Error> {
        let request = self.patient.describe_nat_gateways().filter(owned(owner));
        pages!(request, "ec2:DescribeNatGateways", owner, read::nat_gateway)
    }

    async fn egress_only_gateways(&self, owner: &Owner) -> Result<Vec<FoundEgressOnlyGateway>, Error> {
        let request = self.patient.describe_egress_only_internet_gateways().filters(owned(owner));
        pages!(request, "ec2:DescribeEgressOnlyInternetGateways", owner, read::egress_only_gateway)
    }

    async fn transit_attachments(&self, owner: &Owner, inside: &Filter) -> Result<Vec<FoundTransitAttachment>, Error> {
        let request = self.patient.describe_transit_gateway_vpc_attachments().filters(inside.clone());
        pages!(request, "ec2:DescribeTransitGatewayVpcAttachments", owner, read::transit_attachment)
    }

    pub(super) async fn endpoints(&self, owner: &Owner, inside: &Filter) -> Result<Vec<FoundEndpoint>, Error> {
        let request = self.patient.describe_vpc_endpoints().filters(inside.clone());
        pages!(request, "ec2:DescribeVpcEndpoints", owner, read::endpoint)
    }

    async fn subnets(&self, owner: &Owner, inside: &Filter) -> Result<Vec<FoundSubnet>, Error> {
        let request = self.patient.describe_subnets().filters(inside.clone());
        pages!(request, "ec2:DescribeSubnets", owner, read::subnet)
    }

    async fn route_tables(&self, owner: &Owner, inside: &Filter) -> Result<Vec<FoundRouteTable>, Error> {
        let request = self.patient.describe_route_tables().filters(inside.clone());
        pages!(request, "ec2:DescribeRouteTables", owner, read::route_table)
    }

    pub(super) async fn groups(&self, subject: &impl ToString, which: &Filter) -> Result<Vec<FoundGroup>, Error> {
        let request = self.patient.describe_security_groups().filters(which.clone());
        pages!(request, "ec2:DescribeSecurityGroups", subject, read::group)
    }

    pub(super) async fn interfaces(&self, subject: &impl ToString, which: &Filter) -> Result<Vec<FoundInterface>, Error> {
        let request = self.patient.describe_network_interfaces().filters(which.clone());
        pages!(request, "ec2:DescribeNetworkInterfaces", subject, read::interface)
    }

    /// What carries the mark of an owner who only uses it; with the marks of others, who may need the same tags.
    async fn used(&self, owner: &Owner) -> Result<Vec<FoundUsed>, Error> {
        let marks = filter("key", [format!("{}*", marks::USED_BY), marks::ADOPTED_TAG.to_owned()]);
        let request = self.patient.describe_tags().filters(marks);
        let told = pages!(request, "ec2:DescribeTags", owner, |tag| {
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            Ok((text(tag.resource_id()), text(tag.key()), text(tag.value())))
        })?;
        let mut used: BTreeMap<String, Tags> = BTreeMap::new();
        for (id, key, value) in told {
            used.entry(id).or_default().insert(key, value);
        }
        used.retain(|_, marks| marks.contains_key(&marks::used_by(owner)));
        Ok(used.into_iter().map(|(id, marks)| FoundUsed { id, marks }).collect())
    }

    pub(super) async fn dns(&self, vpc: &VpcId, attribute: VpcAttributeName) -> Result<bool, Error> {
        let answer = self.patient.describe_vpc_attribute().vpc_id(vpc.as_str()).attribute(attribute).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeVpcAttribute", vpc.as_str(), error))?;
        let value = answer.enable_dns_support().or(answer.enable_dns_hostnames());
        Ok(value.and_then(|value| value.value()).unwrap_or_default())
    }
}

pub(super) fn owned(owner: &Owner) -> Filter {
    filter(format!("tag:{OWNER_TAG}"), [owner.as_str()])
}
