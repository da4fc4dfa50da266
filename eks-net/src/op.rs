//! The closed set of what the layer does.

use eks_core::{
    AllocationId, EgressOnlyGatewayId, InternetGatewayId, NatGatewayId, Operation, Ref, RouteTableAssociationId, RouteTableId,
    SecurityGroupId, SecurityGroupRuleId, SubnetId, TransitGatewayAttachmentId, TransitGatewayId, VpcEndpointId, VpcId, ZoneName,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{
    egress::EndpointKind,
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
    /// A VPC whose instances have DNS names. `dns` lists the attributes to switch on; with `ipv6` it is made with an IPv6 block.
    Vpc { id: Option<VpcId>, cidr: Ipv4Net, ipv6: bool, dns: Vec<DnsAttribute>, tags: Tags },
    /// A further IPv4 block of the VPC, associated.
    SecondaryBlock { vpc: Ref<VpcId>, cidr: Ipv4Net },
    /// The VPC's IPv6 block, associated; `asked` if the VPC was made with one.
    Ipv6Block { vpc: Ref<VpcId>, asked: bool },
    /// A subnet. `ipv6` is a block that it is to get; `map_public_ip` switches public
    /// addresses on launch on or off, `assign_ipv6` IPv6 ones on.
    Subnet {
        id: Option<SubnetId>,
        vpc: Ref<VpcId>,
        cidr: Ipv4Net,
        zone: ZoneName,
        ipv6: Option<Ipv6Slot>,
        map_public_ip: Option<bool>,
        assign_ipv6: bool,
        tags: Tags,
    },
    /// An internet gateway, attached.
    InternetGateway { id: Option<InternetGatewayId>, vpc: Ref<VpcId>, attach: bool, tags: Tags },
    /// An egress-only internet gateway, attached.
    EgressOnlyGateway { id: Option<EgressOnlyGatewayId>, vpc: Ref<VpcId>, tags: Tags },
    /// An elastic IP address.
    ElasticIp { id: Option<AllocationId>, tags: Tags },
    /// A NAT gateway, available. Gateways before it with the same key are its `generation`: a token is never used again.
    NatGateway { id: Option<NatGatewayId>, subnet: Ref<SubnetId>, address: Ref<AllocationId>, generation: String, tags: Tags },
    /// A regional NAT gateway, available. `addresses` are those that it is to get; without any, AWS brings them.
    RegionalNatGateway {
        id: Option<NatGatewayId>,
        vpc: Ref<VpcId>,
        addresses: Vec<(ZoneName, AllocationId)>,
        generation: String,
        tags: Tags,
    },
    /// The VPC's attachment to a transit gateway, available. `subnets` are those that it is to get.
    TransitGatewayAttachment {
        id: Option<TransitGatewayAttachmentId>,
        gateway: TransitGatewayId,
        vpc: Ref<VpcId>,
        subnets: Vec<Ref<SubnetId>>,
        ipv6: bool,
        tags: Tags,
    },
    /// A VPC endpoint, available. What is listed it is to get; `no_longer` are groups that it is to lose.
    Endpoint {
        id: Option<VpcEndpointId>,
        vpc: Ref<VpcId>,
        service: String,
        kind: EndpointKind,
        route_tables: Vec<Ref<RouteTableId>>,
        subnets: Vec<Ref<SubnetId>>,
        groups: Vec<Ref<SecurityGroupId>>,
        no_longer: Vec<SecurityGroupId>,
        private_dns: Option<bool>,
        policy: Option<String>,
        generation: String,
        tags: Tags,
    },
    /// A route table.
    RouteTable { id: Option<RouteTableId>, vpc: Ref<VpcId>, tags: Tags },
    /// A default route of a table, in place of the one it has or new.
    Route { table: Ref<RouteTableId>, destination: IpNet, target: RouteTarget, replace: bool },
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

    /// Takes tags of ours, where they still have these values, off something that we did not make.
    Untag { id: String, tags: Tags },
    /// Deletes a NAT gateway and waits until it is gone.
    DeleteNatGateway { id: NatGatewayId },
    /// Deletes a VPC endpoint and waits until it is gone.
    DeleteEndpoint { id: VpcEndpointId },
    /// Deletes a transit gateway attachment and waits until it is gone.
    DeleteTransitGatewayAttachment { id: TransitGatewayAttachmentId },
    /// Deletes an egress-only internet gateway.
    DeleteEgressOnlyGateway { id: EgressOnlyGatewayId },
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
    /// Revokes the rules that we added to a group which we did not make: those with our tags.
    RevokeOurRules { id: SecurityGroupId },
    /// Deletes a security group. In a VPC of ours, rules of others that name it are revoked if they hold it.
    DeleteSecurityGroup { id: SecurityGroupId, vpc: Option<VpcId> },
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

/// A /64 of the VPC's IPv6 block: which one is decided when the plan is made, the block itself is told by its step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ipv6Slot {
    /// The VPC's block.
    pub block: Ref<Ipv6Net>,
    /// From 0.
    pub index: u16,
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
    /// To the internet over IPv6, with no way in.
    EgressOnlyGateway(Ref<EgressOnlyGatewayId>),
    /// To another VPC.
    TransitGateway(TransitGatewayId),
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
