//! Kinds of resources that most networks do not have. To look for one costs a call, so the VPC's tag tells of them, and is put
//! on before the first of a kind is made.

use std::collections::BTreeSet;

use crate::tags::Tags;

/// Tag of a VPC of ours: kinds of resources that we may have made in it, besides what every network has.
pub(crate) const KINDS_TAG: &str = "eks-rs/kinds";

/// A kind that is looked for only where the VPC's tag tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    TransitGatewayAttachment,
    VpcEndpoint,
}

impl Kind {
    const ALL: [Self; 2] = [Self::TransitGatewayAttachment, Self::VpcEndpoint];

    /// EC2's name of the resource type.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TransitGatewayAttachment => "transit-gateway-attachment",
            Self::VpcEndpoint => "vpc-endpoint",
        }
    }

    /// What looking for it calls.
    pub(crate) fn observing(self) -> &'static str {
        match self {
            Self::TransitGatewayAttachment => "ec2:DescribeTransitGatewayVpcAttachments",
            Self::VpcEndpoint => "ec2:DescribeVpcEndpoints",
        }
    }

    /// The tag's value.
    pub(crate) fn join(kinds: &BTreeSet<Self>) -> String {
        kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// The kinds that a VPC's tag tells of.
pub(crate) fn kinds(vpc: &Tags) -> BTreeSet<Kind> {
    let words: BTreeSet<&str> = vpc.get(KINDS_TAG).map(|words| words.split(' ').collect()).unwrap_or_default();
    Kind::ALL.into_iter().filter(|kind| words.contains(kind.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_tells_its_kinds_again() {
        let all: BTreeSet<Kind> = Kind::ALL.into_iter().collect();
        let tags = Tags::from([(KINDS_TAG.to_owned(), Kind::join(&all))]);
        assert_eq!(tags[KINDS_TAG], "transit-gateway-attachment vpc-endpoint");
        assert_eq!(kinds(&tags), all);
        assert!(kinds(&Tags::new()).is_empty());
        assert!(kinds(&Tags::from([(KINDS_TAG.to_owned(), "something-newer".to_owned())])).is_empty());
    }
}
