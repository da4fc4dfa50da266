//! A VPC as others make it, with plain calls of the AWS SDK: for programs that show how one is used that nobody made with these crates.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    types::{AttributeBooleanValue, DomainType, ResourceType, Tag, TagSpecification},
};

use crate::{account::Account, environment::Failure};

/// Somebody who makes a network.
struct Somebody {
    ec2: Client,
    name: String,
}

/// A VPC with an internet gateway, a NAT gateway, and a public and a private subnet in each of two zones. Its id; its name is its tag `Name`.
///
/// # Errors
/// If EC2 refuses.
pub async fn vpc(account: &Account, name: &str) -> Result<String, Failure> {
    let them = Somebody { ec2: Client::new(account.config()), name: name.to_owned() };
    let made = them.ec2.create_vpc().cidr_block("10.30.0.0/16").tag_specifications(them.named(ResourceType::Vpc)).send().await?;
    let vpc = id(made.vpc().and_then(|vpc| vpc.vpc_id()))?;
    let on = AttributeBooleanValue::builder().value(true).build();
    them.ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on.clone()).send().await?;
    let made = them.ec2.create_internet_gateway().tag_specifications(them.named(ResourceType::InternetGateway)).send().await?;
    let gateway = id(made.internet_gateway().and_then(|gateway| gateway.internet_gateway_id()))?;
    them.ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await?;

    let (mut public, mut private) = (Vec::new(), Vec::new());
    for (number, zone) in account.zones(2).await?.iter().enumerate() {
        public.push(them.subnet(&vpc, &format!("10.30.{number}.0/24"), zone).await?);
        private.push(them.subnet(&vpc, &format!("10.30.{}.0/24", 100 + number), zone).await?);
    }
    for subnet in &public {
        them.ec2.modify_subnet_attribute().subnet_id(subnet).map_public_ip_on_launch(on.clone()).send().await?;
    }
    let address =
        them.ec2.allocate_address().domain(DomainType::Vpc).tag_specifications(them.named(ResourceType::ElasticIp)).send().await?;
    let nat = them.ec2.create_nat_gateway().subnet_id(&public[0]).allocation_id(id(address.allocation_id())?);
    let nat = nat.tag_specifications(them.named(ResourceType::Natgateway)).send().await?;
    let nat = id(nat.nat_gateway().and_then(|nat| nat.nat_gateway_id()))?;
    tokio::time::sleep(Duration::from_secs(300)).await;
    them.table(&vpc, &public, |route| route.gateway_id(&gateway)).await?;
    them.table(&vpc, &private, |route| route.nat_gateway_id(&nat)).await?;
    Ok(vpc)
}

impl Somebody {
    fn named(&self, kind: ResourceType) -> TagSpecification {
        TagSpecification::builder().resource_type(kind).tags(Tag::builder().key("Name").value(&self.name).build()).build()
    }

    async fn subnet(&self, vpc: &str, cidr: &str, zone: &str) -> Result<String, Failure> {
        let subnet = self.ec2.create_subnet().vpc_id(vpc).cidr_block(cidr).availability_zone(zone);
        let made = subnet.tag_specifications(self.named(ResourceType::Subnet)).send().await?;
        id(made.subnet().and_then(|subnet| subnet.subnet_id()))
    }

    /// A route table of these subnets, with a default route.
    async fn table(&self, vpc: &str, subnets: &[String], to: impl FnOnce(CreateRoute) -> CreateRoute) -> Result<(), Failure> {
        let made = self.ec2.create_route_table().vpc_id(vpc).tag_specifications(self.named(ResourceType::RouteTable)).send().await?;
        let table = id(made.route_table().and_then(|table| table.route_table_id()))?;
        to(self.ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0")).send().await?;
        for subnet in subnets {
            self.ec2.associate_route_table().route_table_id(&table).subnet_id(subnet).send().await?;
        }
        Ok(())
    }
}

type CreateRoute = aws_sdk_ec2::operation::create_route::builders::CreateRouteFluentBuilder;

fn id(id: Option<&str>) -> Result<String, Failure> {
    Ok(id.ok_or("EC2's answer has no id")?.to_owned())
}
