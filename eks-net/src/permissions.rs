//! IAM actions that each operation may need, with its polls and with what a second attempt reads.

use crate::{groups::Direction, op::NetOp};

/// What observing calls: before a plan is applied, whatever it changes; and before and after a teardown.
pub(crate) const OBSERVING: [&str; 7] = [
    "ec2:DescribeAddresses",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNatGateways",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
];

/// What observing calls for a plan besides: a teardown does not ask for a VPC's attributes.
pub(crate) const ATTRIBUTES: [&str; 1] = ["ec2:DescribeVpcAttribute"];

/// What observing a network calls that somebody else made.
pub(crate) const OBSERVING_EXISTING: [&str; 9] = [
    "ec2:DescribeAddresses",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNatGateways",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
];

/// What looking for survivors calls besides.
pub(crate) const SURVIVORS: [&str; 2] = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeVolumes"];

/// What looking for things calls that others made and that carry our tags.
pub(crate) const MARKS: [&str; 1] = ["ec2:DescribeTags"];

impl NetOp {
    pub(crate) fn permissions(&self) -> &'static [&'static str] {
        match self {
            Self::SecondaryBlock { .. } | Self::Ipv6Block { .. } => &["ec2:AssociateVpcCidrBlock", "ec2:DescribeVpcs"],
            Self::EgressOnlyGateway { .. } => {
                &["ec2:CreateEgressOnlyInternetGateway", "ec2:CreateTags", "ec2:DescribeEgressOnlyInternetGateways"]
            }
            Self::RegionalNatGateway { .. } => {
                &["ec2:AssociateNatGatewayAddress", "ec2:CreateNatGateway", "ec2:CreateTags", "ec2:DescribeNatGateways"]
            }
            Self::TransitGatewayAttachment { .. } => &[
                "ec2:CreateTags",
                "ec2:CreateTransitGatewayVpcAttachment",
                "ec2:DescribeTransitGatewayVpcAttachments",
                "ec2:ModifyTransitGatewayVpcAttachment",
            ],
            Self::Endpoint { private_dns: Some(true), .. } => &[
                "ec2:CreateTags",
                "ec2:CreateVpcEndpoint",
                "ec2:DescribeVpcEndpoints",
                "ec2:ModifyVpcEndpoint",
                "route53:AssociateVPCWithHostedZone",
            ],
            Self::Endpoint { .. } => &["ec2:CreateTags", "ec2:CreateVpcEndpoint", "ec2:DescribeVpcEndpoints", "ec2:ModifyVpcEndpoint"],
            Self::DeleteEndpoint { .. } => &["ec2:DeleteVpcEndpoints", "ec2:DescribeVpcEndpoints"],
            Self::DeleteTransitGatewayAttachment { .. } => {
                &["ec2:DeleteTransitGatewayVpcAttachment", "ec2:DescribeTransitGatewayVpcAttachments"]
            }
            Self::DeleteEgressOnlyGateway { .. } => &["ec2:DeleteEgressOnlyInternetGateway"],
            Self::Vpc { .. } => &["ec2:CreateVpc", "ec2:CreateTags", "ec2:DescribeVpcs", "ec2:ModifyVpcAttribute"],
            Self::Subnet { ipv6: Some(_), id: Some(_), .. } => {
                &["ec2:AssociateSubnetCidrBlock", "ec2:CreateTags", "ec2:DescribeSubnets", "ec2:ModifySubnetAttribute"]
            }
            Self::Subnet { .. } => &["ec2:CreateSubnet", "ec2:CreateTags", "ec2:DescribeSubnets", "ec2:ModifySubnetAttribute"],
            Self::InternetGateway { .. } => {
                &["ec2:AttachInternetGateway", "ec2:CreateInternetGateway", "ec2:CreateTags", "ec2:DescribeInternetGateways"]
            }
            Self::ElasticIp { .. } => &["ec2:AllocateAddress", "ec2:CreateTags", "ec2:DescribeAddresses"],
            Self::NatGateway { .. } => &["ec2:CreateNatGateway", "ec2:CreateTags", "ec2:DescribeNatGateways"],
            Self::RouteTable { .. } => &["ec2:CreateRouteTable", "ec2:CreateTags", "ec2:DescribeRouteTables"],
            Self::Route { .. } => &["ec2:CreateRoute", "ec2:DescribeRouteTables", "ec2:ReplaceRoute"],
            Self::Association { .. } => &["ec2:AssociateRouteTable", "ec2:DescribeRouteTables", "ec2:ReplaceRouteTableAssociation"],
            Self::SecurityGroup { .. } => &["ec2:CreateSecurityGroup", "ec2:CreateTags", "ec2:DescribeSecurityGroups"],
            // With what its content needs: `rules`.
            Self::SecurityGroupRules { .. } => &["ec2:DescribeSecurityGroups"],
            Self::Untag { .. } => &["ec2:DeleteTags"],
            Self::DeleteNatGateway { .. } => &["ec2:DeleteNatGateway", "ec2:DescribeNatGateways"],
            Self::ReleaseAddress { .. } => &["ec2:ReleaseAddress"],
            Self::DeleteInternetGateway { .. } => &["ec2:DeleteInternetGateway", "ec2:DetachInternetGateway"],
            Self::SweepVpc { .. } => &[
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteSecurityGroup",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:RevokeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupIngress",
            ],
            Self::DeleteRouteTable { .. } => &["ec2:DeleteRouteTable", "ec2:DisassociateRouteTable"],
            Self::DeleteSubnet { .. } => &["ec2:DeleteNetworkInterface", "ec2:DeleteSubnet", "ec2:DescribeNetworkInterfaces"],
            Self::RevokeReferences { .. } => {
                &["ec2:DescribeSecurityGroups", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"]
            }
            Self::RevokeOurRules { .. } => {
                &["ec2:DescribeSecurityGroupRules", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"]
            }
            Self::DeleteSecurityGroup { .. } => &[
                "ec2:DeleteSecurityGroup",
                "ec2:DescribeSecurityGroups",
                "ec2:RevokeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupIngress",
            ],
            Self::DeleteVpc { .. } => &["ec2:DeleteVpc"],
        }
    }
}

/// What changing these rules of a security group calls: each direction has its own actions.
pub(crate) fn rules(op: &NetOp) -> Vec<&'static str> {
    let NetOp::SecurityGroupRules { add, describe, revoke, defaults, .. } = op else { return Vec::new() };
    let mut actions = Vec::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        let of = |ingress: &'static str, egress: &'static str| if direction == Direction::Ingress { ingress } else { egress };
        if add.iter().any(|rule| rule.direction == direction) {
            // Rules get tags.
            actions.extend([of("ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress"), "ec2:CreateTags"]);
        }
        if describe.iter().any(|one| one.rule.direction == direction) {
            actions.push(of("ec2:UpdateSecurityGroupRuleDescriptionsIngress", "ec2:UpdateSecurityGroupRuleDescriptionsEgress"));
        }
        let by_id = revoke.iter().any(|rule| rule.direction == direction);
        if by_id || defaults.iter().any(|rule| rule.direction == direction) {
            actions.push(of("ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress"));
        }
        if by_id {
            actions.push("ec2:DescribeSecurityGroupRules");
        }
    }
    actions
}
