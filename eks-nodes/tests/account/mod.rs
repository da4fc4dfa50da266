//! A simulated account with everything that workers need, made through the SDK alone.

use std::{collections::BTreeMap, error::Error, time::Duration};

use aws_sdk_ec2::types::{DomainType, Filter};
use aws_sdk_eks::types::{AuthenticationMode as Mode, CreateAccessConfigRequest, VpcConfigRequest};
use eks_core::{
    AuthenticationMode, ClusterRefs, NetworkRefs, Owner, Plan, StackName, SubnetRef, Tier,
    engine::{ApplyError, Engine, Report},
};
use eks_nodes::{Workers, WorkersSpec, WorkersSpecBuilder};
use eks_sim::Sim;

pub(crate) type Tested<T = ()> = Result<T, Box<dyn Error>>;

/// A VPC with a NAT gateway and two private subnets, and an ACTIVE cluster.
pub(crate) struct Account {
    pub(crate) sim: Sim,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) workers: Workers,
    pub(crate) network: NetworkRefs,
    pub(crate) cluster: ClusterRefs,
}

impl Account {
    pub(crate) async fn new() -> Tested<Self> {
        // More than two instances exceed the quota of a new account.
        Self::on(Sim::builder().standard_vcpus(64).build(), "1.35").await
    }

    /// With a cluster of this version of Kubernetes.
    pub(crate) async fn on(sim: Sim, version: &str) -> Tested<Self> {
        let config = sim.sdk_config();
        let ec2 = aws_sdk_ec2::Client::new(&config);
        let network = network(&ec2).await?;
        let cluster = cluster(&sim, &ec2, &network, version).await?;
        Ok(Self { workers: Workers::new(&config), sim, ec2, network, cluster })
    }

    pub(crate) fn spec(&self) -> WorkersSpecBuilder {
        self.named("chap10-worker")
    }

    pub(crate) fn named(&self, name: &str) -> WorkersSpecBuilder {
        WorkersSpec::builder(&owner(), StackName::new(name).expect("a stack name"), self.cluster.clone(), self.network.clone())
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::new().driver(self.workers.clone())
    }

    pub(crate) async fn apply(&self, plan: &Plan) -> Result<Report, ApplyError> {
        plan.apply(&self.engine()).await
    }

    /// Ids of what carries the owner's tag.
    pub(crate) fn ours(&self) -> Vec<String> {
        let inventory = self.sim.inventory();
        let ours = inventory.items().iter().filter(|item| {
            let terminated = item.kind == "ec2/instance" && item.state == "terminated";
            !terminated && item.tags.iter().any(|(key, value)| key == "eks-rs/owner" && value == owner().as_str())
        });
        ours.map(|item| format!("{} {}", item.kind, item.id)).collect()
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.sim.inventory().count(kind)
    }

    pub(crate) fn running_instances(&self) -> usize {
        self.sim.inventory().items().iter().filter(|item| item.kind == "ec2/instance" && item.state == "running").count()
    }
}

pub(crate) fn owner() -> Owner {
    Owner::new("chap10").expect("a name")
}

pub(crate) async fn minutes(number: u64) {
    tokio::time::sleep(Duration::from_secs(60 * number)).await;
}

async fn network(ec2: &aws_sdk_ec2::Client) -> Tested<NetworkRefs> {
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
    let on = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(true).build();
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on).send().await?;
    let gateway = ec2.create_internet_gateway().send().await?;
    let gateway = gateway.internet_gateway().and_then(|gateway| gateway.internet_gateway_id()).expect("an id").to_owned();
    ec2.attach_internet_gateway().vpc_id(&vpc).internet_gateway_id(&gateway).send().await?;
    let mut ids = Vec::new();
    for (cidr, zone) in [("10.0.1.0/24", "us-east-1a"), ("10.0.4.0/24", "us-east-1a"), ("10.0.2.0/24", "us-east-1b")] {
        let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(cidr).availability_zone(zone).send().await?;
        ids.push(made.subnet().and_then(|subnet| subnet.subnet_id()).expect("an id").to_owned());
    }
    let address = ec2.allocate_address().domain(DomainType::Vpc).send().await?.allocation_id().expect("an id").to_owned();
    let table = |answer: aws_sdk_ec2::operation::create_route_table::CreateRouteTableOutput| {
        answer.route_table().and_then(|table| table.route_table_id()).expect("an id").to_owned()
    };
    let public = table(ec2.create_route_table().vpc_id(&vpc).send().await?);
    ec2.create_route().route_table_id(&public).destination_cidr_block("0.0.0.0/0").gateway_id(&gateway).send().await?;
    ec2.associate_route_table().route_table_id(&public).subnet_id(&ids[0]).send().await?;
    let nat = ec2.create_nat_gateway().subnet_id(&ids[0]).allocation_id(&address).send().await?;
    let nat = nat.nat_gateway().and_then(|nat| nat.nat_gateway_id()).expect("an id").to_owned();
    minutes(3).await;
    let private = table(ec2.create_route_table().vpc_id(&vpc).send().await?);
    ec2.create_route().route_table_id(&private).destination_cidr_block("0.0.0.0/0").nat_gateway_id(&nat).send().await?;
    for id in &ids[1..] {
        ec2.associate_route_table().route_table_id(&private).subnet_id(id).send().await?;
    }
    let subnet = |id: &String, zone: &str| -> Tested<SubnetRef> {
        Ok(SubnetRef { id: id.parse::<eks_core::SubnetId>()?.into(), zone: zone.parse()?, tier: Tier::Private })
    };
    Ok(NetworkRefs {
        vpc: vpc.parse::<eks_core::VpcId>()?.into(),
        cidrs: vec!["10.0.0.0/16".to_owned()],
        subnets: vec![subnet(&ids[1], "us-east-1a")?, subnet(&ids[2], "us-east-1b")?],
        security_groups: BTreeMap::new(),
        egress: Vec::new(),
    })
}

async fn cluster(sim: &Sim, ec2: &aws_sdk_ec2::Client, network: &NetworkRefs, version: &str) -> Tested<ClusterRefs> {
    let config = sim.sdk_config();
    let (eks, iam) = (aws_sdk_eks::Client::new(&config), aws_sdk_iam::Client::new(&config));
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let role = iam.create_role().role_name("cluster").assume_role_policy_document(trust).send().await?;
    let role = role.role().expect("a role").arn().to_owned();
    iam.attach_role_policy().role_name("cluster").policy_arn("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy").send().await?;
    let vpc = network.vpc.known().expect("known").to_string();
    let group = ec2.create_security_group().vpc_id(vpc).group_name("eks-control-plane").description("control plane").send().await?;
    let group = group.group_id().expect("an id").to_owned();
    minutes(1).await;
    let subnets = network.subnets.iter().filter_map(|subnet| subnet.id.known()).map(ToString::to_string).collect();
    let access = CreateAccessConfigRequest::builder().authentication_mode(Mode::ApiAndConfigMap).build();
    let placed = VpcConfigRequest::builder().set_subnet_ids(Some(subnets)).security_group_ids(&group).build();
    eks.create_cluster().name("chap10").role_arn(role).version(version).access_config(access).resources_vpc_config(placed).send().await?;
    minutes(9).await;
    let made = eks.describe_cluster().name("chap10").send().await?.cluster().expect("a cluster").clone();
    let group_of_eks = made.resources_vpc_config().and_then(|config| config.cluster_security_group_id()).expect("an id");
    Ok(ClusterRefs {
        name: "chap10".parse()?,
        version: made.version().expect("a version").to_owned(),
        endpoint: made.endpoint().expect("ACTIVE").to_owned().into(),
        certificate_authority: made.certificate_authority().and_then(|ca| ca.data()).expect("ACTIVE").to_owned().into(),
        service_cidr: made.kubernetes_network_config().and_then(|config| config.service_ipv4_cidr()).expect("a block").to_owned().into(),
        security_groups: vec![group.parse::<eks_core::SecurityGroupId>()?.into()],
        cluster_security_group: group_of_eks.parse::<eks_core::SecurityGroupId>()?.into(),
        authentication: AuthenticationMode::ApiAndConfigMap,
        nodes_need: Vec::new(),
        volumes_need: Vec::new(),
    })
}

/// The nodes' security group, in whichever of the stacks.
pub(crate) async fn security_group_of(account: &Account) -> Tested<String> {
    let tag = Filter::builder().name("tag:eks-rs/key").values("nodes/chap10-worker/base").values("nodes/chap10-worker").build();
    let found = account.ec2.describe_security_groups().filters(tag).send().await?;
    Ok(found.security_groups().first().and_then(|group| group.group_id()).expect("an id").to_owned())
}
