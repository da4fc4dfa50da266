//! Further blocks of the VPC, and IPv6 blocks of subnets: associated, and waited for.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{
    Error, Outputs, Ref, SubnetId, VpcId,
    aws::failed,
    engine::{Poll, StepContext, Wait},
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Networks, create::id_output, observe::filter, read};
use crate::{observed::FoundBlock, plan::BLOCK_ASSOCIATE};

/// Waits until a block is associated with a VPC. The id is that of the VPC and, after a space, the block or `ipv6`.
pub(super) const VPC_BLOCK: &str = "vpc-cidr-block-associated";
/// Waits until an IPv6 block is associated with a subnet.
pub(super) const SUBNET_BLOCK: &str = "subnet-cidr-block-associated";

/// What a wait calls the VPC's IPv6 block, whichever it will be.
const IPV6: &str = "ipv6";

fn wait(kind: &str, id: String) -> Wait {
    Wait::typical(kind, id, BLOCK_ASSOCIATE).first(Duration::from_secs(1))
}

/// The block of this name among those of a VPC.
fn named<'a>(blocks: &'a [FoundBlock], name: &str) -> Option<&'a FoundBlock> {
    blocks.iter().find(|block| match block.cidr {
        IpNet::V4(cidr) => cidr.to_string() == name,
        IpNet::V6(_) => name == IPV6,
    })
}

impl Networks {
    /// Associates a secondary block. It cannot be there twice, so a second attempt that fails because it is finds it.
    pub(super) async fn secondary_block(&self, cx: &StepContext, vpc: &Ref<VpcId>, cidr: Ipv4Net) -> Result<Outputs, Error> {
        let (vpc, name) = (cx.resolve(vpc)?, cidr.to_string());
        let call = self.patient.associate_vpc_cidr_block().vpc_id(vpc.as_str()).cidr_block(&name);
        if let Err(error) = call.send().await {
            let error = failed("ec2:AssociateVpcCidrBlock", &name, error);
            if named(&self.blocks(&vpc).await?, &name).is_none() {
                return Err(error);
            }
        }
        cx.wait(wait(VPC_BLOCK, format!("{vpc} {name}"))).await
    }

    /// Waits for the block that the VPC was made with, or associates one. The call has no token and would give a second one:
    /// whether there is one is looked up first.
    pub(super) async fn ipv6_block(&self, cx: &StepContext, vpc: &Ref<VpcId>, asked: bool) -> Result<Outputs, Error> {
        let vpc = cx.resolve(vpc)?;
        if !asked && self.ipv6_association(&vpc).await?.is_none() {
            self.made.once(cx, self.ipv6_association(&vpc), self.associate_ipv6(&vpc)).await?;
        }
        cx.wait(wait(VPC_BLOCK, format!("{vpc} {IPV6}"))).await
    }

    /// The id of the VPC's association with an IPv6 block, though the block may not be told yet.
    async fn ipv6_association(&self, vpc: &VpcId) -> Result<Option<String>, Error> {
        let answer = self.patient.describe_vpcs().filters(filter("vpc-id", [vpc.as_str()])).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeVpcs", vpc.as_str(), error))?;
        let associations = answer.vpcs().iter().flat_map(|vpc| vpc.ipv6_cidr_block_association_set());
        let live = associations.filter(|association| read::is_live(association.ipv6_cidr_block_state()));
        Ok(live.filter_map(|association| association.association_id()).min().map(str::to_owned))
    }

    async fn associate_ipv6(&self, vpc: &VpcId) -> Result<String, Error> {
        let name = "ec2:AssociateVpcCidrBlock";
        let call = self.once.associate_vpc_cidr_block().vpc_id(vpc.as_str()).amazon_provided_ipv6_cidr_block(true);
        let answer = call.send().await.map_err(|error| failed(name, vpc.as_str(), error))?;
        let association = answer.ipv6_cidr_block_association().and_then(|association| association.association_id());
        super::create::told(name, vpc.as_str(), association)
    }

    async fn blocks(&self, vpc: &VpcId) -> Result<Vec<FoundBlock>, Error> {
        let answer = self.patient.describe_vpcs().filters(filter("vpc-id", [vpc.as_str()])).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeVpcs", vpc.as_str(), error))?;
        let vpcs = answer.vpcs().iter().map(read::vpc).collect::<Result<Vec<_>, _>>()?;
        Ok(vpcs.into_iter().flat_map(|vpc| vpc.blocks).collect())
    }

    pub(super) async fn block_states(&self, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
        let mut vpcs: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for id in ids {
            vpcs.entry(id.split(' ').next().unwrap_or_default()).or_default().push(id);
        }
        let answer = self.patient.describe_vpcs().filters(filter("vpc-id", vpcs.keys().copied())).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeVpcs", ids.join(", "), error))?;
        let found = answer.vpcs().iter().map(read::vpc).collect::<Result<Vec<_>, _>>()?;
        let state = |vpc: &str, id: &str| {
            let blocks = found.iter().find(|found| found.id.as_str() == vpc).map(|vpc| vpc.blocks.as_slice()).unwrap_or_default();
            match named(blocks, id.split(' ').nth(1).unwrap_or_default()) {
                None => Poll::Pending { state: "not seen".to_owned() },
                Some(block) if block.state == "associated" => {
                    let mut outputs = id_output(&block.association);
                    outputs.insert("cidr".to_owned(), block.cidr.to_string());
                    Poll::Ready(outputs)
                }
                Some(block) => Poll::Pending { state: block.state.clone() },
            }
        };
        Ok(vpcs.iter().flat_map(|(vpc, ids)| ids.iter().map(|id| ((*id).clone(), state(vpc, id)))).collect())
    }

    /// Gives a subnet that exists its IPv6 block. It cannot have two, so a second attempt that fails because it has it finds it.
    pub(super) async fn give_ipv6(&self, cx: &StepContext, subnet: &SubnetId, block: Ipv6Net) -> Result<(), Error> {
        let id = subnet.as_str();
        let call = self.patient.associate_subnet_cidr_block().subnet_id(id).ipv6_cidr_block(block.to_string());
        if let Err(error) = call.send().await {
            let error = failed("ec2:AssociateSubnetCidrBlock", id, error);
            let answer = self.patient.describe_subnets().filters(filter("subnet-id", [id])).send().await;
            let answer = answer.map_err(|error| failed("ec2:DescribeSubnets", id, error))?;
            let found = answer.subnets().iter().map(read::subnet).collect::<Result<Vec<_>, _>>()?;
            if found.iter().all(|subnet| subnet.ipv6 != Some(block)) {
                return Err(error);
            }
        }
        cx.wait(wait(SUBNET_BLOCK, id.to_owned())).await.map(drop)
    }

    pub(super) async fn subnet_block_states(&self, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
        let answer = self.patient.describe_subnets().filters(filter("subnet-id", ids)).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeSubnets", ids.join(", "), error))?;
        let state = |id: &String| {
            let subnet = answer.subnets().iter().find(|subnet| subnet.subnet_id() == Some(id));
            let mut states = subnet
                .into_iter()
                .flat_map(|subnet| subnet.ipv6_cidr_block_association_set())
                .filter_map(|association| association.ipv6_cidr_block_state()?.state());
            if states.any(|state| state.as_str() == "associated") {
                Poll::Ready(id_output(id))
            } else {
                Poll::Pending { state: "associating".to_owned() }
            }
        };
        Ok(ids.iter().map(|id| (id.clone(), state(id))).collect())
    }
}
