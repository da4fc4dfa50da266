//! Observing a network that somebody else made: nine calls at most, plus pages.

use aws_sdk_ec2::types::{Filter, NatGateway, Route, RouteTable, Subnet, Vpc, VpcAttributeName, VpcCidrBlockStateCode};
use eks_core::{Error, OWNER_TAG, aws::failed};

use super::{
    Networks,
    observe::{filter, pages},
    read::{self, field, tags},
};
use crate::{
    existing::{
        ExistingNatGateway, ExistingNetwork, ExistingRoute, ExistingRouteTable, ExistingSubnet, ExistingVpc, ObservedExisting, Survey,
        VpcChoice,
    },
    tags::Tags,
};

impl Networks {
    /// What exists of a network that somebody else made: six calls; one more for security groups, if some are chosen; one for
    /// VPC endpoints, if a subnet has no default route; or two for NAT gateways and their addresses, if it is adopted or subnets
    /// are added.
    ///
    /// # Errors
    /// [`Error::Call`] if a call fails or its answer cannot be understood. That nothing is found is none.
    pub async fn observe_existing(&self, choice: &ExistingNetwork) -> Result<ObservedExisting, Error> {
        let mut now = ObservedExisting { region: self.region.clone(), ..ObservedExisting::nothing(choice.owner()) };
        // By a filter: unlike a list of ids, it does not fail on what is not there.
        let which = match &choice.vpc {
            VpcChoice::Id(id) => vec![filter("vpc-id", [id.as_str()])],
            VpcChoice::Tagged(tags) => tagged(tags),
            VpcChoice::OfSubnets => {
                now.subnets = self.existing_subnets(filter("subnet-id", choice.listed().map(AsRef::as_ref))).await?;
                vec![filter("vpc-id", now.subnets.iter().map(|subnet| subnet.vpc.as_str()))]
            }
        };
        if now.subnets.is_empty() && choice.vpc == VpcChoice::OfSubnets {
            return Ok(now);
        }
        let request = self.patient.describe_vpcs().set_filters(Some(which));
        now.vpcs = pages!(request, "ec2:DescribeVpcs", choice.vpc, vpc)?;
        let [vpc] = now.vpcs.as_slice() else { return Ok(now) };
        let (id, inside) = (vpc.id.clone(), filter("vpc-id", [vpc.id.as_str()]));

        let subnets = async {
            match &choice.vpc {
                VpcChoice::OfSubnets => Ok(std::mem::take(&mut now.subnets)),
                _ => self.existing_subnets(inside.clone()).await,
            }
        };
        let tables = async {
            let request = self.patient.describe_route_tables().filters(inside.clone());
            pages!(request, "ec2:DescribeRouteTables", id, route_table)
        };
        let internet_gateways = async {
            let request = self.patient.describe_internet_gateways().filters(filter("attachment.vpc-id", [id.as_str()]));
            pages!(request, "ec2:DescribeInternetGateways", id, read::internet_gateway)
        };
        let groups = async { if choice.groups.is_empty() { Ok(Vec::new()) } else { self.groups(&id, &inside).await } };
        let claims = choice.adopt || choice.add.is_some();
        let nat_gateways = async {
            if !claims {
                return Ok(Vec::new());
            }
            let request = self.patient.describe_nat_gateways().filter(inside.clone());
            pages!(request, "ec2:DescribeNatGateways", id, nat_gateway)
        };
        let (subnets, route_tables, internet_gateways, security_groups, nat_gateways, dns_support, dns_hostnames) = tokio::try_join!(
            subnets,
            tables,
            internet_gateways,
            groups,
            nat_gateways,
            self.dns(&id, VpcAttributeName::EnableDnsSupport),
            self.dns(&id, VpcAttributeName::EnableDnsHostnames),
        )?;
        let addresses = if claims { self.addresses_for(choice, &nat_gateways).await? } else { Vec::new() };
        for vpc in &mut now.vpcs {
            (vpc.dns_support, vpc.dns_hostnames) = (dns_support, dns_hostnames);
        }
        now = ObservedExisting { subnets, route_tables, internet_gateways, security_groups, nat_gateways, addresses, ..now };
        if now.has_closed_subnets() && !claims {
            now.endpoints = Some(self.endpoints(choice.owner(), &inside).await?);
        }
        Ok(now)
    }

    /// What was found of a network that somebody else made, and what it lacks.
    ///
    /// # Errors
    /// As [`Networks::observe_existing`] and [`ExistingNetwork::survey`].
    pub async fn survey(&self, choice: &ExistingNetwork) -> Result<Survey, Error> {
        choice.survey(&self.observe_existing(choice).await?)
    }

    async fn existing_subnets(&self, which: Filter) -> Result<Vec<ExistingSubnet>, Error> {
        let subject = which.values().join(", ");
        pages!(self.patient.describe_subnets().filters(which), "ec2:DescribeSubnets", subject, subnet)
    }

    /// The addresses of the gateways that are there to be adopted; or, where subnets are added, our own.
    async fn addresses_for(
        &self,
        choice: &ExistingNetwork,
        gateways: &[ExistingNatGateway],
    ) -> Result<Vec<crate::observed::FoundAddress>, Error> {
        let ids: Vec<&str> = gateways.iter().flat_map(|gateway| &gateway.addresses).map(AsRef::as_ref).collect();
        let which = match choice.adopt {
            true if ids.is_empty() => return Ok(Vec::new()),
            true => filter("allocation-id", ids),
            false => filter(format!("tag:{OWNER_TAG}"), [choice.owner().as_str()]),
        };
        let answer = self.patient.describe_addresses().filters(which).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeAddresses", choice.owner().as_str(), error))?;
        answer.addresses().iter().map(read::address).collect()
    }
}

fn tagged(tags: &Tags) -> Vec<Filter> {
    // In a filter's value * and ? are wildcards, and a backslash takes that away. (Amazon EC2 User Guide, "Filtering using tags".)
    let literal = |text: &str| text.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?");
    tags.iter().map(|(key, value)| filter(format!("tag:{key}"), [literal(value)])).collect()
}

fn vpc(vpc: &Vpc) -> Result<ExistingVpc, Error> {
    let call = "ec2:DescribeVpcs";
    let primary = field(call, "cidrBlock", vpc.cidr_block())?;
    let mut cidrs = vec![primary];
    for block in vpc.cidr_block_association_set() {
        let state = block.cidr_block_state().and_then(|state| state.state());
        let block = field(call, "cidrBlock", block.cidr_block())?;
        if block != primary && state.is_none_or(|state| *state == VpcCidrBlockStateCode::Associated) {
            cidrs.push(block);
        }
    }
    Ok(ExistingVpc {
        id: field(call, "vpcId", vpc.vpc_id())?,
        cidrs,
        is_default: vpc.is_default().unwrap_or_default(),
        account: vpc.owner_id().unwrap_or_default().to_owned(),
        dns_support: true,
        dns_hostnames: true,
        tags: tags(vpc.tags()),
    })
}

fn subnet(subnet: &Subnet) -> Result<ExistingSubnet, Error> {
    let call = "ec2:DescribeSubnets";
    Ok(ExistingSubnet {
        id: field(call, "subnetId", subnet.subnet_id())?,
        vpc: field(call, "vpcId", subnet.vpc_id())?,
        cidr: subnet.cidr_block().filter(|text| !text.is_empty()).map(|text| field(call, "cidrBlock", Some(text))).transpose()?,
        zone: field(call, "availabilityZone", subnet.availability_zone())?,
        zone_id: subnet.availability_zone_id().unwrap_or_default().to_owned(),
        free_addresses: subnet.available_ip_address_count().and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        map_public_ip: subnet.map_public_ip_on_launch().unwrap_or_default(),
        account: subnet.owner_id().unwrap_or_default().to_owned(),
        outpost: subnet.outpost_arn().map(str::to_owned),
        tags: tags(subnet.tags()),
    })
}

fn route_table(table: &RouteTable) -> Result<ExistingRouteTable, Error> {
    let call = "ec2:DescribeRouteTables";
    let explicit = table.associations().iter().filter(|association| association.subnet_id().is_some());
    let associations = explicit.map(|association| {
        let subnet = field(call, "subnetId", association.subnet_id())?;
        Ok((subnet, field(call, "routeTableAssociationId", association.route_table_association_id())?))
    });
    Ok(ExistingRouteTable {
        id: field(call, "routeTableId", table.route_table_id())?,
        is_main: table.associations().iter().any(|association| association.main().unwrap_or_default()),
        routes: table.routes().iter().filter(|route| route.gateway_id() != Some("local")).map(route).collect(),
        associations: associations.collect::<Result<_, Error>>()?,
        tags: tags(table.tags()),
    })
}

fn route(route: &Route) -> ExistingRoute {
    let destinations = [route.destination_cidr_block(), route.destination_ipv6_cidr_block(), route.destination_prefix_list_id()];
    ExistingRoute {
        destination: destinations.into_iter().flatten().next().unwrap_or_default().to_owned(),
        target: read::target(route),
        is_blackhole: route.state().is_some_and(|state| state.as_str() == "blackhole"),
    }
}

fn nat_gateway(gateway: &NatGateway) -> Result<ExistingNatGateway, Error> {
    let call = "ec2:DescribeNatGateways";
    let addresses = gateway.nat_gateway_addresses().iter().filter_map(|address| address.allocation_id());
    Ok(ExistingNatGateway {
        id: field(call, "natGatewayId", gateway.nat_gateway_id())?,
        state: gateway.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        subnet: gateway.subnet_id().filter(|id| !id.is_empty()).map(|id| field(call, "subnetId", Some(id))).transpose()?,
        addresses: addresses.map(|id| field(call, "allocationId", Some(id))).collect::<Result<_, Error>>()?,
        tags: tags(gateway.tags()),
    })
}
