//! The closed set of what the layer does.

use eks_core::{
    AllocationId, InternetGatewayId, NatGatewayId, Operation, Ref, RouteTableAssociationId, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, VpcId, ZoneName,
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    groups::{Direction, SecurityGroupRule},
    keys::LAYER,
    tags::Tags,
};

/// An operation of the network layer. Where `id` is given the thing exists, and what is listed is changed; else it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own names; the variants say what is done with them")]
pub enum NetOp {
    /// A VPC whose instances have DNS names. `dns` lists the attributes to switch on.
    Vpc { id: Option<VpcId>, cidr: Ipv4Net, dns: Vec<DnsAttribute>, tags: Tags },
    /// A subnet. `map_public_ip` switches public addresses on launch on.
    Subnet { id: Option<SubnetId>, vpc: Ref<VpcId>, cidr: Ipv4Net, zone: ZoneName, map_public_ip: bool, tags: Tags },
    /// An internet gateway, attached.
    InternetGateway { id: Option<InternetGatewayId>, vpc: Ref<VpcId>, attach: bool, tags: Tags },
    /// An elastic IP address.
    ElasticIp { id: Option<AllocationId>, tags: Tags },
    /// A NAT gateway, available. Gateways before it with the same key are its `generation`: a token is never used again.
    NatGateway { id: Option<NatGatewayId>, subnet: Ref<SubnetId>, address: Ref<AllocationId>, generation: String, tags: Tags },
    /// A route table.
    RouteTable { id: Option<RouteTableId>, vpc: Ref<VpcId>, tags: Tags },
    /// The default route of a table, in place of the one it has or new.
    Route { table: Ref<RouteTableId>, target: RouteTarget, replace: bool },
    /// A subnet's association with a table, in place of the one it has or new.
    Association { table: Ref<RouteTableId>, subnet: Ref<SubnetId>, replace: Option<RouteTableAssociationId> },
    /// A security group.
    SecurityGroup { id: Option<SecurityGroupId>, vpc: Ref<VpcId>, name: String, description: String, tags: Tags },
    /// Rules of a group: those to add, with tags; those of ours to describe otherwise; those of ours to revoke; and those with
    /// which EC2 made the group and that go, if they are there.
    SecurityGroupRules {
        group: Ref<SecurityGroupId>,
        add: Vec<SecurityGroupRule>,
        describe: Vec<RuleDescription>,
        revoke: Vec<RuleId>,
        defaults: Vec<SecurityGroupRule>,
        tags: Tags,
    },

    /// Deletes a NAT gateway and waits until it is gone.
    DeleteNatGateway { id: NatGatewayId },
    /// Gives an elastic IP address back.
    ReleaseAddress { id: AllocationId },
    /// Detaches and deletes an internet gateway.
    DeleteInternetGateway { id: InternetGatewayId, attached_to: Vec<VpcId> },
    /// Deletes network interfaces and security groups that Kubernetes left in the VPC, and rules there that name such a group;
    /// nothing while a cluster in it is alive.
    SweepVpc { id: VpcId },
    /// Deletes a route table with its associations.
    DeleteRouteTable { id: RouteTableId, associations: Vec<RouteTableAssociationId> },
    /// Deletes a subnet.
    DeleteSubnet { id: SubnetId },
    /// Revokes those rules of a group, ours or another's in our VPC, that name one of these groups of ours.
    RevokeReferences { id: SecurityGroupId, to: Vec<SecurityGroupId> },
    /// Deletes a security group.
    DeleteSecurityGroup { id: SecurityGroupId, vpc: VpcId },
    /// Deletes a VPC, and with it its main route table, default network ACL and default security group.
    DeleteVpc { id: VpcId },
}

impl Operation for NetOp {
    const LAYER: &'static str = LAYER;
}

/// DNS attributes of a VPC; nodes need both to register. (Amazon EKS User Guide, "Networking requirements".)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "EC2 has these two")]
pub enum DnsAttribute {
    /// `enableDnsSupport`: on in a new VPC.
    Support,
    /// `enableDnsHostnames`: off in a new VPC.
    Hostnames,
}

/// Where a default route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RouteTarget {
    /// To the internet.
    InternetGateway(Ref<InternetGatewayId>),
    /// To the internet, behind one address.
    NatGateway(Ref<NatGatewayId>),
}

/// A rule of ours. EC2 has calls of its own for each direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RuleId {
    /// Its direction.
    pub direction: Direction,
    /// Its id.
    pub id: SecurityGroupRuleId,
}

/// How a rule of ours is to be described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RuleDescription {
    /// The rule.
    pub rule: RuleId,
    /// Its new description, or none.
    pub description: Option<String>,
}
