//! Further blocks of the VPC: secondary IPv4, and IPv6.

use eks_core::Error;
use ipnet::{IpNet, Ipv4Net};

use super::{BLOCK_ASSOCIATE, Planner, refused};
use crate::{
    cidr, keys,
    observed::{FoundBlock, FoundVpc},
    op::NetOp,
};

impl Planner<'_> {
    pub(super) fn blocks(&mut self) -> Result<(), Error> {
        let vpc = self.now.made_by(&self.now.vpcs, &keys::vpc())?;
        for block in &self.spec.secondary {
            self.secondary_block(*block, vpc)?;
        }
        if self.spec.ipv6 {
            self.ipv6_block(vpc)?;
        }
        Ok(())
    }

    fn secondary_block(&mut self, block: Ipv4Net, vpc: Option<&FoundVpc>) -> Result<(), Error> {
        let found = vpc.and_then(|vpc| vpc.secondary(block));
        if let Some(vpc) = vpc.filter(|_| found.is_none()) {
            let overlaps = |other: &&FoundBlock| matches!(other.cidr, IpNet::V4(other) if cidr::overlap(other, block));
            if let Some(other) = vpc.blocks.iter().find(overlaps) {
                let rule = format!("{} already has {}, which overlaps it", vpc.id, other.cidr);
                return Err(refused(format!("secondary block {block}"), rule, "choose another block, or that one"));
            }
        }
        let op = NetOp::SecondaryBlock { vpc: self.vpc.clone(), cidr: block };
        self.block(keys::secondary_block(block), format!("secondary block {block}"), found, &op)
    }

    fn ipv6_block(&mut self, vpc: Option<&FoundVpc>) -> Result<(), Error> {
        let found = vpc.and_then(FoundVpc::ipv6).map(|(_, block)| block);
        let op = NetOp::Ipv6Block { vpc: self.vpc.clone(), asked: vpc.is_none() };
        self.block(keys::ipv6_block(), "IPv6 block of Amazon's, a /56".to_owned(), found, &op)
    }

    fn block(&mut self, key: eks_core::StepKey, title: String, found: Option<&FoundBlock>, op: &NetOp) -> Result<(), Error> {
        let changes = found.filter(|block| block.state != "associated").map(|block| format!("state: {} → associated", block.state));
        let id = found.map(|block| block.association.as_str());
        let mut step = self.step(key, title, id, changes.into_iter().collect(), op)?.uses(&self.vpc).takes(BLOCK_ASSOCIATE);
        if let Some(block) = found {
            step = step.knows("cidr", block.cidr);
        }
        self.steps.push(step);
        Ok(())
    }
}
