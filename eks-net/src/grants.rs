//! What each IAM action of an operation is about: resources and conditions. (Service Authorization Reference, "Actions, resources, and
//! condition keys for Amazon EC2".)
//!
//! What we make carries our owner's tag from the call that makes it, so making is allowed with that tag only, and changing and deleting only
//! what has it. In a VPC that we made a teardown may also meet what Kubernetes left: that goes by the VPC.

use std::collections::BTreeSet;

use eks_core::{Owner, Permission, Ref, SecurityGroupId, VpcId};

use crate::{groups::Direction, observed::Observed, op::NetOp};

/// Whose things, and in which VPCs.
pub(crate) struct Grants<'a> {
    owner: &'a Owner,
    /// Ids of things of others that the spec names.
    others: BTreeSet<String>,
    /// VPCs that we made, while they are torn down.
    vpcs: BTreeSet<&'a VpcId>,
    /// Groups that lie in them.
    inside: BTreeSet<&'a SecurityGroupId>,
}

/// `arn:…:vpc/*`
pub(crate) fn arn(kind: &str, id: &str) -> String {
    format!("arn:${{Partition}}:ec2:${{Region}}:${{Account}}:{kind}/{id}")
}

/// What an id's prefix tells of its kind, as ARNs call it.
fn kind_of(id: &str) -> &'static str {
    match id.rsplit_once('-').map_or("", |(prefix, _)| prefix) {
        "eigw" => "egress-only-internet-gateway",
        "eipalloc" => "elastic-ip",
        "igw" => "internet-gateway",
        "nat" => "natgateway",
        "rtb" => "route-table",
        "sg" => "security-group",
        "subnet" => "subnet",
        "tgw-attach" => "transit-gateway-attachment",
        "vpce" => "vpc-endpoint",
        "vpc" => "vpc",
        _ => "*",
    }
}

/// May put tags on what a call makes, in that call. (Amazon EC2 User Guide, "Grant permission to tag Amazon EC2 resources on creation".)
pub(crate) fn tag_on_create(owner: &Owner, call: &str) -> Permission {
    Permission::new("ec2:CreateTags").on(arn("*", "*")).when("StringEquals", "ec2:CreateAction", [call]).made_by(owner)
}

/// What is made or changed by an operation, in EC2's words.
struct Subject {
    kind: &'static str,
    create: &'static str,
    is_new: bool,
    has_tags: bool,
}

fn subject(op: &NetOp) -> Option<Subject> {
    let (kind, create, is_new, tags) = match op {
        NetOp::Vpc { id, tags, .. } => ("vpc", "CreateVpc", id.is_none(), tags),
        NetOp::Subnet { id, tags, .. } => ("subnet", "CreateSubnet", id.is_none(), tags),
        NetOp::InternetGateway { id, tags, .. } => ("internet-gateway", "CreateInternetGateway", id.is_none(), tags),
        NetOp::EgressOnlyGateway { id, tags, .. } => {
            ("egress-only-internet-gateway", "CreateEgressOnlyInternetGateway", id.is_none(), tags)
        }
        NetOp::ElasticIp { id, tags } => ("elastic-ip", "AllocateAddress", id.is_none(), tags),
        NetOp::NatGateway { id, tags, .. } | NetOp::RegionalNatGateway { id, tags, .. } => {
            ("natgateway", "CreateNatGateway", id.is_none(), tags)
        }
        NetOp::TransitGatewayAttachment { id, tags, .. } => {
            ("transit-gateway-attachment", "CreateTransitGatewayVpcAttachment", id.is_none(), tags)
        }
        NetOp::Endpoint { id, tags, .. } => ("vpc-endpoint", "CreateVpcEndpoint", id.is_none(), tags),
        NetOp::RouteTable { id, tags, .. } => ("route-table", "CreateRouteTable", id.is_none(), tags),
        NetOp::SecurityGroup { id, tags, .. } => ("security-group", "CreateSecurityGroup", id.is_none(), tags),
        _ => return None,
    };
    Some(Subject { kind, create, is_new, has_tags: !tags.is_empty() })
}

impl<'a> Grants<'a> {
    /// For a plan; `others` are ids of things of others that its spec names.
    pub(crate) fn plan(owner: &'a Owner, others: BTreeSet<String>) -> Self {
        Self { owner, others, vpcs: BTreeSet::new(), inside: BTreeSet::new() }
    }

    /// For the teardown of what we made.
    pub(crate) fn teardown(made: &'a Observed) -> Self {
        let vpcs: BTreeSet<_> = made.ours(&made.vpcs).into_iter().map(|(_, vpc)| &vpc.id).collect();
        let inside = made.security_groups.iter().filter(|group| vpcs.contains(&group.vpc)).map(|group| &group.id).collect();
        Self { owner: &made.owner, others: BTreeSet::new(), vpcs, inside }
    }

    /// What `action` is about when this operation calls it: nothing where the operation does not call it after all, and no more than
    /// the action where it knows no resources.
    pub(crate) fn of(&self, op: &NetOp, action: &str) -> Option<Vec<Permission>> {
        let name = action.strip_prefix("ec2:")?;
        if name.starts_with("Describe") {
            return None;
        }
        let subject = subject(op);
        Some(match name {
            "CreateTags" => self.tags(op, subject.as_ref()),
            _ if subject.as_ref().is_some_and(|subject| subject.create == name) => {
                subject.filter(|subject| subject.is_new).map_or_else(Vec::new, |subject| self.create(op, action, subject.kind))
            }
            _ => self.change(op, action)?,
        })
    }

    /// On what carries our owner's tag.
    fn ours(&self, action: &str, kind: &str) -> Permission {
        Permission::new(action).on(arn(kind, "*")).owned_by(self.owner)
    }

    /// On what we refer to: ours, unless the spec names it.
    fn used(&self, action: &str, kind: &str, id: Option<&str>) -> Permission {
        match id.filter(|id| self.others.contains(*id)) {
            Some(id) => Permission::new(action).on(arn(kind, id)),
            None => self.ours(action, kind),
        }
    }

    fn tags(&self, op: &NetOp, subject: Option<&Subject>) -> Vec<Permission> {
        match (op, subject) {
            (NetOp::SecurityGroupRules { add, .. }, _) => {
                let calls: BTreeSet<_> = add.iter().map(|rule| authorize(rule.direction)).collect();
                calls.into_iter().map(|call| tag_on_create(self.owner, call)).collect()
            }
            (_, Some(subject)) if subject.is_new => vec![tag_on_create(self.owner, subject.create)],
            (_, Some(subject)) if subject.has_tags => vec![self.ours("ec2:CreateTags", subject.kind)],
            _ => Vec::new(),
        }
    }

    /// The new thing, with our tag, and what it is made in or of.
    fn create(&self, op: &NetOp, action: &str, kind: &str) -> Vec<Permission> {
        let mut all = vec![Permission::new(action).on(arn(kind, "*")).made_by(self.owner)];
        match op {
            NetOp::Subnet { .. } | NetOp::EgressOnlyGateway { .. } | NetOp::RouteTable { .. } | NetOp::SecurityGroup { .. } => {
                all.push(self.ours(action, "vpc"));
            }
            NetOp::NatGateway { address, .. } => {
                all.push(self.ours(action, "subnet"));
                all.push(self.used(action, "elastic-ip", address.known().map(AsRef::as_ref)));
            }
            NetOp::RegionalNatGateway { addresses, .. } => {
                all.push(self.ours(action, "vpc"));
                all.extend(addresses.iter().map(|(_, address)| self.used(action, "elastic-ip", Some(address.as_ref()))));
            }
            NetOp::TransitGatewayAttachment { gateway, .. } => {
                // It may be shared by another account, whose id its ARN has.
                let shared = format!("arn:${{Partition}}:ec2:${{Region}}:*:transit-gateway/{gateway}");
                all.extend([self.ours(action, "vpc"), self.ours(action, "subnet"), Permission::new(action).on(shared)]);
            }
            NetOp::Endpoint { .. } => {
                all.push(self.ours(action, "vpc"));
                all.extend(self.of_endpoint(op, action));
            }
            _ => {}
        }
        all
    }

    fn of_endpoint(&self, op: &NetOp, action: &str) -> Vec<Permission> {
        let NetOp::Endpoint { route_tables, subnets, groups, no_longer, .. } = op else { return Vec::new() };
        let mut all = Vec::new();
        all.extend((!route_tables.is_empty()).then(|| self.ours(action, "route-table")));
        all.extend((!subnets.is_empty()).then(|| self.ours(action, "subnet")));
        let known = groups.iter().map(Ref::known).chain(no_longer.iter().map(Some));
        all.extend(known.map(|id| self.used(action, "security-group", id.map(AsRef::as_ref))));
        all
    }

    /// Everything but making: what is there already, changed or deleted.
    fn change(&self, op: &NetOp, action: &str) -> Option<Vec<Permission>> {
        let ours = |kind: &str| vec![self.ours(action, kind)];
        let when = |called: bool, all: Vec<Permission>| if called { all } else { Vec::new() };
        let name = action.strip_prefix("ec2:")?;
        Some(match (op, name) {
            (NetOp::Vpc { dns, .. }, "ModifyVpcAttribute") => when(!dns.is_empty(), ours("vpc")),
            (NetOp::Subnet { map_public_ip, assign_ipv6, .. }, "ModifySubnetAttribute") => {
                when(map_public_ip.is_some() || *assign_ipv6, ours("subnet"))
            }
            (NetOp::Subnet { .. }, _) | (NetOp::DeleteSubnet { .. }, "DeleteSubnet") => ours("subnet"),
            (NetOp::SecondaryBlock { .. }, _) | (NetOp::DeleteVpc { .. }, _) => ours("vpc"),
            (NetOp::Ipv6Block { asked, .. }, _) => when(!asked, ours("vpc")),
            (NetOp::InternetGateway { attach, .. }, _) => when(*attach, [ours("internet-gateway"), ours("vpc")].concat()),
            (NetOp::DeleteInternetGateway { attached_to, .. }, "DetachInternetGateway") => {
                when(!attached_to.is_empty(), [ours("internet-gateway"), ours("vpc")].concat())
            }
            (NetOp::DeleteInternetGateway { .. }, _) => ours("internet-gateway"),
            (NetOp::RegionalNatGateway { id, addresses, .. }, _) => {
                let each = addresses.iter().map(|(_, address)| self.used(action, "elastic-ip", Some(address.as_ref())));
                when(id.is_some() && !addresses.is_empty(), ours("natgateway").into_iter().chain(each).collect())
            }
            (NetOp::DeleteNatGateway { .. }, _) => ours("natgateway"),
            (NetOp::TransitGatewayAttachment { id, subnets, .. }, _) => {
                when(id.is_some() && !subnets.is_empty(), ours("transit-gateway-attachment"))
            }
            (NetOp::DeleteTransitGatewayAttachment { .. }, _) => ours("transit-gateway-attachment"),
            (NetOp::Endpoint { id, .. }, _) => {
                when(id.is_some(), ours("vpc-endpoint").into_iter().chain(self.of_endpoint(op, action)).collect())
            }
            (NetOp::DeleteEndpoint { .. }, _) => ours("vpc-endpoint"),
            (NetOp::DeleteEgressOnlyGateway { .. }, _) => ours("egress-only-internet-gateway"),
            (NetOp::ReleaseAddress { .. }, _) => ours("elastic-ip"),
            (NetOp::Route { replace, .. }, _) => when(*replace == (name == "ReplaceRoute"), ours("route-table")),
            (NetOp::Association { replace: None, .. }, "AssociateRouteTable") => [ours("route-table"), ours("subnet")].concat(),
            (NetOp::Association { replace: Some(_), .. }, "ReplaceRouteTableAssociation") => ours("route-table"),
            (NetOp::Association { .. }, _) => Vec::new(),
            (NetOp::DeleteRouteTable { associations, .. }, "DisassociateRouteTable") => when(!associations.is_empty(), ours("route-table")),
            (NetOp::DeleteRouteTable { .. }, _) => ours("route-table"),
            // A rule that gets tags is a resource of the call as well.
            (NetOp::SecurityGroupRules { .. }, "AuthorizeSecurityGroupEgress" | "AuthorizeSecurityGroupIngress") => {
                let rule = Permission::new(action).on(arn("security-group-rule", "*")).made_by(self.owner);
                [ours("security-group"), vec![rule]].concat()
            }
            (NetOp::SecurityGroupRules { .. } | NetOp::RevokeOurRules { .. }, _) => ours("security-group"),
            (NetOp::SweepVpc { id }, _) => {
                let kind = if name == "DeleteNetworkInterface" { "network-interface" } else { "security-group" };
                vec![in_vpcs(action, kind, [id])]
            }
            (NetOp::DeleteSubnet { id }, _) => vec![match self.vpcs.is_empty() {
                true => {
                    Permission::new(action).on(arn("network-interface", "*")).when("ArnEquals", "ec2:Subnet", [arn("subnet", id.as_ref())])
                }
                false => in_vpcs(action, "network-interface", self.vpcs.iter().copied()),
            }],
            (NetOp::RevokeReferences { id, .. }, _) => vec![match self.inside.contains(id) {
                true => in_vpcs(action, "security-group", self.vpcs.iter().copied()),
                false => self.ours(action, "security-group"),
            }],
            (NetOp::DeleteSecurityGroup { vpc: Some(vpc), .. }, _) => vec![in_vpcs(action, "security-group", [vpc])],
            // Rules of others that name it are theirs, in a VPC that is not ours.
            (NetOp::DeleteSecurityGroup { vpc: None, .. }, _) => when(name == "DeleteSecurityGroup", ours("security-group")),
            (NetOp::Untag { id, tags }, _) => {
                let keys = tags.keys().map(String::as_str);
                let these = Permission::new(action).on(arn(kind_of(id), id)).when("ForAllValues:StringEquals", "aws:TagKeys", keys);
                // A call that names no tag deletes all of them, and meets `ForAllValues`.
                vec![these.when("Null", "aws:TagKeys", ["false"])]
            }
            _ => return None,
        })
    }
}

/// On what lies in one of these VPCs.
fn in_vpcs<'a>(action: &str, kind: &str, vpcs: impl IntoIterator<Item = &'a VpcId>) -> Permission {
    let vpcs = vpcs.into_iter().map(|vpc| arn("vpc", vpc.as_ref()));
    Permission::new(action).on(arn(kind, "*")).when("ArnEquals", "ec2:Vpc", vpcs)
}

fn authorize(direction: Direction) -> &'static str {
    if direction == Direction::Ingress { "AuthorizeSecurityGroupIngress" } else { "AuthorizeSecurityGroupEgress" }
}
