//! A simulated account with a network, and clusters over it.

use std::collections::BTreeMap;

use eks_cluster::{ClusterSpec, ClusterSpecBuilder, Clusters, KubernetesVersion};
use eks_core::{ClusterName, NetworkRefs, OWNER_TAG, Owner, Ref, SubnetRef, Tier, engine::Engine};
use eks_sim::Sim;

pub(crate) type Tested = Result<(), Box<dyn std::error::Error>>;

pub(crate) struct Account {
    pub(crate) sim: Sim,
    pub(crate) clusters: Clusters,
    pub(crate) owner: Owner,
    pub(crate) name: ClusterName,
    pub(crate) network: NetworkRefs,
}

impl Account {
    /// A VPC with a subnet in each of two zones and a security group, made by someone else.
    pub(crate) async fn new(sim: Sim) -> Result<Self, Box<dyn std::error::Error>> {
        let ec2 = aws_sdk_ec2::Client::new(&sim.sdk_config());
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?;
        let vpc = vpc.vpc().and_then(|vpc| vpc.vpc_id()).ok_or("no id")?.to_owned();
        let on = || aws_sdk_ec2::types::AttributeBooleanValue::builder().value(true).build();
        ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on()).send().await?;
        let mut subnets = Vec::new();
        for (at, zone) in ["us-east-1a", "us-east-1b"].into_iter().enumerate() {
            let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.0.{at}.0/24")).availability_zone(zone).send().await?;
            let id = made.subnet().and_then(|subnet| subnet.subnet_id()).ok_or("no id")?;
            subnets.push(SubnetRef { id: Ref::Known(id.parse()?), zone: zone.parse()?, tier: Tier::Private });
        }
        let group = ec2.create_security_group().vpc_id(&vpc).group_name("eks-control-plane").description("control plane").send().await?;
        let group = Ref::Known(group.group_id().ok_or("no id")?.parse()?);
        let network = NetworkRefs {
            vpc: Ref::Known(vpc.parse()?),
            cidrs: vec!["10.0.0.0/16".to_owned()],
            subnets,
            security_groups: BTreeMap::from([("eks-control-plane".to_owned(), group)]),
            egress: Vec::new(),
        };
        let clusters = Clusters::new(&sim.sdk_config());
        Ok(Self { sim, clusters, owner: Owner::new("chap10")?, name: ClusterName::new("chap10")?, network })
    }

    pub(crate) fn builder(&self) -> ClusterSpecBuilder {
        ClusterSpec::builder(&self.owner, self.name.clone(), KubernetesVersion::V1_36, self.network.clone())
            .security_groups(["eks-control-plane"])
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::new().driver(self.clusters.clone())
    }

    /// A role for somebody outside of this crate: nodes, an administrator.
    pub(crate) async fn role(&self, name: &str, service: &str) -> Result<String, Box<dyn std::error::Error>> {
        let iam = aws_sdk_iam::Client::new(&self.sim.sdk_config());
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole"}}]}}"#
        );
        let made = iam.create_role().role_name(name).assume_role_policy_document(document).send().await?;
        Ok(made.role().ok_or("no role")?.arn().to_owned())
    }

    /// What carries our owner's tag, by kind.
    pub(crate) fn ours(&self) -> Vec<String> {
        let inventory = self.sim.inventory();
        let ours = inventory.items().iter().filter(|item| item.tags.iter().any(|(key, value)| key == OWNER_TAG && value == "chap10"));
        let mut ours: Vec<_> = ours.map(|item| format!("{} {}", item.kind, item.id)).collect();
        ours.sort();
        ours
    }

    /// What was called since the log had this length.
    pub(crate) fn calls_since(&self, before: usize) -> Vec<String> {
        self.sim.log().calls()[before..].iter().map(|call| format!("{}:{}", call.service, call.action)).collect()
    }
}
