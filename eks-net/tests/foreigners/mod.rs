//! Networks as others make them, with calls of theirs.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    types::{AttributeBooleanValue, DomainType, ResourceType, Tag, TagSpecification},
};
use eks_sim::Sim;

pub(crate) type Failed = Box<dyn std::error::Error>;

/// A client of somebody else's.
pub(crate) struct Foreigner {
    pub(crate) ec2: Client,
    /// Tags of everything that it makes, beside Name.
    tags: Vec<(String, String)>,
}

/// A network that somebody else made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Theirs {
    pub(crate) vpc: String,
    pub(crate) public: Vec<String>,
    pub(crate) private: Vec<String>,
    pub(crate) public_tables: Vec<String>,
    pub(crate) private_tables: Vec<String>,
    pub(crate) gateway: String,
    pub(crate) nat: Vec<String>,
    pub(crate) addresses: Vec<String>,
}

fn on() -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(true).build()
}

fn id(id: Option<&str>) -> Result<String, Failed> {
    Ok(id.ok_or("the answer has no id")?.to_owned())
}

impl Foreigner {
    pub(crate) fn new(sim: &Sim, tags: &[(&str, &str)]) -> Self {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { ec2: Client::new(&sim.sdk_config()), tags }
    }

    fn named(&self, kind: ResourceType, name: &str) -> TagSpecification {
        self.tagged(kind, name, &[])
    }

    fn tagged(&self, kind: ResourceType, name: &str, more: &[(&str, &str)]) -> TagSpecification {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let tags = self.tags.iter().map(|(key, value)| tag(key, value)).chain(more.iter().map(|(key, value)| tag(key, value)));
        TagSpecification::builder().resource_type(kind).set_tags(Some(tags.chain([tag("Name", name)]).collect())).build()
    }

    pub(crate) async fn vpc(&self, cidr: &str, name: &str, dns: bool) -> Result<String, Failed> {
        let vpc = self.ec2.create_vpc().cidr_block(cidr).tag_specifications(self.named(ResourceType::Vpc, name)).send().await?;
        let vpc = id(vpc.vpc().and_then(|vpc| vpc.vpc_id()))?;
        if dns {
            self.ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on()).send().await?;
        }
        Ok(vpc)
    }

    pub(crate) async fn subnet(&self, vpc: &str, cidr: &str, zone: &str, name: &str, more: &[(&str, &str)]) -> Result<String, Failed> {
        let subnet = self.ec2.create_subnet().vpc_id(vpc).cidr_block(cidr).availability_zone(zone);
        let subnet = subnet.tag_specifications(self.tagged(ResourceType::Subnet, name, more)).send().await?;
        id(subnet.subnet().and_then(|subnet| subnet.subnet_id()))
    }

    pub(crate) async fn map_public_ip(&self, subnet: &str) -> Result<(), Failed> {
        self.ec2.modify_subnet_attribute().subnet_id(subnet).map_public_ip_on_launch(on()).send().await?;
        Ok(())
    }

    pub(crate) async fn internet_gateway(&self, vpc: &str, name: &str) -> Result<String, Failed> {
        let tags = self.named(ResourceType::InternetGateway, name);
        let gateway = self.ec2.create_internet_gateway().tag_specifications(tags).send().await?;
        let gateway = id(gateway.internet_gateway().and_then(|gateway| gateway.internet_gateway_id()))?;
        self.ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(vpc).send().await?;
        Ok(gateway)
    }

    /// A NAT gateway, available, and its address.
    pub(crate) async fn nat(&self, subnet: &str, name: &str) -> Result<(String, String), Failed> {
        let tags = self.named(ResourceType::ElasticIp, name);
        let address = self.ec2.allocate_address().domain(DomainType::Vpc).tag_specifications(tags).send().await?;
        let address = id(address.allocation_id())?;
        let tags = self.named(ResourceType::Natgateway, name);
        let nat = self.ec2.create_nat_gateway().subnet_id(subnet).allocation_id(&address).tag_specifications(tags).send().await?;
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok((id(nat.nat_gateway().and_then(|nat| nat.nat_gateway_id()))?, address))
    }

    pub(crate) async fn table(&self, vpc: &str, name: &str, subnets: &[&String]) -> Result<String, Failed> {
        let tags = self.named(ResourceType::RouteTable, name);
        let table = self.ec2.create_route_table().vpc_id(vpc).tag_specifications(tags).send().await?;
        let table = id(table.route_table().and_then(|table| table.route_table_id()))?;
        for subnet in subnets {
            self.ec2.associate_route_table().route_table_id(&table).subnet_id(*subnet).send().await?;
        }
        Ok(table)
    }

    pub(crate) async fn route(&self, table: &str, target: &str) -> Result<(), Failed> {
        let route = self.ec2.create_route().route_table_id(table).destination_cidr_block("0.0.0.0/0");
        let route = if target.starts_with("nat-") { route.nat_gateway_id(target) } else { route.gateway_id(target) };
        route.send().await?;
        Ok(())
    }

    pub(crate) async fn tag(&self, resource: &str, key: &str, value: &str) -> Result<(), Failed> {
        self.ec2.create_tags().resources(resource).tags(Tag::builder().key(key).value(value).build()).send().await?;
        Ok(())
    }

    pub(crate) async fn group(&self, vpc: &str, name: &str) -> Result<String, Failed> {
        let tags = self.named(ResourceType::SecurityGroup, name);
        let group = self.ec2.create_security_group().vpc_id(vpc).group_name(name).description("theirs").tag_specifications(tags);
        id(group.send().await?.group_id())
    }
}

/// What the VPC module of the Terraform registry makes (terraform-aws-modules/vpc/aws) with `enable_nat_gateway`, and with
/// `single_nat_gateway` or not: subnets named `<name>-public-<zone>`, one public table, a private one for each gateway.
pub(crate) async fn terraform(sim: &Sim, single: bool) -> Result<Theirs, Failed> {
    let them = Foreigner::new(sim, &[("Terraform", "true"), ("Environment", "prod")]);
    let vpc = them.vpc("10.20.0.0/16", "prod", true).await?;
    let mut theirs = Theirs { vpc: vpc.clone(), gateway: them.internet_gateway(&vpc, "prod").await?, ..Theirs::default() };
    for (number, zone) in ["us-east-1a", "us-east-1b"].into_iter().enumerate() {
        let (public, private) = (format!("10.20.{}.0/24", 101 + number), format!("10.20.{}.0/24", 1 + number));
        theirs.public.push(them.subnet(&vpc, &public, zone, &format!("prod-public-{zone}"), &[]).await?);
        theirs.private.push(them.subnet(&vpc, &private, zone, &format!("prod-private-{zone}"), &[]).await?);
    }
    theirs.public_tables.push(them.table(&vpc, "prod-public", &theirs.public.iter().collect::<Vec<_>>()).await?);
    them.route(&theirs.public_tables[0], &theirs.gateway).await?;
    let gateways = if single { 1 } else { 2 };
    for number in 0..gateways {
        let (nat, address) = them.nat(&theirs.public[number], "prod").await?;
        let served: Vec<&String> = if single { theirs.private.iter().collect() } else { vec![&theirs.private[number]] };
        let table = them.table(&vpc, "prod-private", &served).await?;
        them.route(&table, &nat).await?;
        theirs.private_tables.push(table);
        theirs.nat.push(nat);
        theirs.addresses.push(address);
    }
    Ok(theirs)
}

/// What `eksctl create cluster` makes by default: 192.168.0.0/16, /19 subnets, one NAT gateway, one public table, a private table
/// for each zone; role tags are there, and public addresses on.
pub(crate) async fn eksctl(sim: &Sim) -> Result<Theirs, Failed> {
    let them = Foreigner::new(sim, &[("alpha.eksctl.io/cluster-name", "other"), ("eksctl.cluster.k8s.io/v1alpha1/cluster-name", "other")]);
    let vpc = them.vpc("192.168.0.0/16", "eksctl-other-cluster/VPC", true).await?;
    let gateway = them.internet_gateway(&vpc, "eksctl-other-cluster/InternetGateway").await?;
    let mut theirs = Theirs { vpc: vpc.clone(), gateway, ..Theirs::default() };
    for (number, zone) in ["us-east-1a", "us-east-1b"].into_iter().enumerate() {
        let (public, private) = (format!("192.168.{}.0/19", 32 * number), format!("192.168.{}.0/19", 64 + 32 * number));
        let name = |what: &str| format!("eksctl-other-cluster/Subnet{what}{}", zone.to_uppercase().replace('-', ""));
        let subnet = them.subnet(&vpc, &public, zone, &name("Public"), &[("kubernetes.io/role/elb", "1")]).await?;
        them.map_public_ip(&subnet).await?;
        theirs.public.push(subnet);
        theirs.private.push(them.subnet(&vpc, &private, zone, &name("Private"), &[("kubernetes.io/role/internal-elb", "1")]).await?);
    }
    let (nat, address) = them.nat(&theirs.public[0], "eksctl-other-cluster/NATGateway").await?;
    theirs.public_tables.push(them.table(&vpc, "eksctl-other-cluster/PublicRouteTable", &theirs.public.iter().collect::<Vec<_>>()).await?);
    them.route(&theirs.public_tables[0], &theirs.gateway).await?;
    for subnet in theirs.private.clone() {
        let table = them.table(&vpc, "eksctl-other-cluster/PrivateRouteTable", &[&subnet]).await?;
        them.route(&table, &nat).await?;
        theirs.private_tables.push(table);
    }
    theirs.nat.push(nat);
    theirs.addresses.push(address);
    Ok(theirs)
}

/// Everything that EC2 tells of the account's network, word by word.
pub(crate) async fn everything(sim: &Sim) -> Result<String, Failed> {
    let ec2 = Client::new(&sim.sdk_config());
    let vpcs = ec2.describe_vpcs().send().await?;
    let mut told = vec![format!("{:#?}", vpcs.vpcs())];
    for vpc in vpcs.vpcs().iter().filter_map(|vpc| vpc.vpc_id()) {
        for attribute in ["enableDnsSupport", "enableDnsHostnames"] {
            let value = ec2.describe_vpc_attribute().vpc_id(vpc).attribute(attribute.into()).send().await?;
            told.push(format!("{vpc} {:?} {:?}", value.enable_dns_support(), value.enable_dns_hostnames()));
        }
    }
    told.push(format!("{:#?}", ec2.describe_subnets().send().await?.subnets()));
    told.push(format!("{:#?}", ec2.describe_route_tables().send().await?.route_tables()));
    told.push(format!("{:#?}", ec2.describe_internet_gateways().send().await?.internet_gateways()));
    let gateways = ec2.describe_nat_gateways().send().await?;
    // EC2 shows deleted gateways for an hour.
    let live: Vec<_> = gateways.nat_gateways().iter().filter(|it| it.state().is_some_and(|state| state.as_str() != "deleted")).collect();
    told.push(format!("{live:#?}"));
    told.push(format!("{:#?}", ec2.describe_addresses().send().await?.addresses()));
    told.push(format!("{:#?}", ec2.describe_security_groups().send().await?.security_groups()));
    told.push(format!("{:#?}", ec2.describe_network_interfaces().send().await?.network_interfaces()));
    Ok(told.join("\n"))
}
