//! Further blocks of a VPC. (Amazon VPC User Guide, "VPC CIDR blocks" and "Amazon VPC quotas".)

use eks_core::Problems;
use ipnet::Ipv4Net;

use crate::{
    cidr::{self, Restriction},
    egress::IPV6_SUBNETS,
};

/// The secondary blocks as given, as far as they are right.
pub(crate) fn check(problems: &mut Problems, primary: Option<Ipv4Net>, given: &[String]) -> Vec<Ipv4Net> {
    let mut blocks: Vec<Ipv4Net> = Vec::new();
    for text in given {
        let subject = format!("secondary block {text}");
        let Some(block) = cidr::ipv4(problems, &subject, text) else { continue };
        let present: Vec<Ipv4Net> = primary.iter().chain(&blocks).copied().collect();
        // What goes beside the first block is not known while that one is none; the others do not stand in for it.
        let known = |restriction: &Restriction| primary.is_some() || restriction.code != "secondary-restricted";
        if let Some(Restriction { code, rule, remedy }) = cidr::check_association(&present, block).err().filter(known) {
            problems.add(code, &subject, rule, remedy);
        }
        blocks.push(block);
    }
    blocks
}

/// Whether each subnet can have a block of the VPC's IPv6 block.
pub(crate) fn check_ipv6(problems: &mut Problems, subnets: usize) {
    if subnets > IPV6_SUBNETS {
        let rule = format!("a /56 has {IPV6_SUBNETS} /64s, and there are {subnets} subnets");
        problems.add("ipv6-room", "IPv6", rule, "have fewer subnets, or no IPv6");
    }
}
