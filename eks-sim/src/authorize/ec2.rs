//! EC2's calls ("Actions, resources, and condition keys for Amazon EC2"; user guide, "Grant permission to tag Amazon EC2 resources on
//! creation").

use serde_json::{Value, json};

use super::{
    launch,
    need::{Asker, Context, Tags, listed, request_tags, resource_tags},
};
use crate::call::Service;

/// A resource that an action is about.
#[derive(Clone, Copy)]
enum Row {
    /// What the call makes: any of this type, with the tags of the request.
    New(&'static str),
    /// What the call makes, if it gives it tags.
    Tagged(&'static str),
    /// What a parameter names by its id, or a list of ids: of this type, with its tags. A parameter that is left out asks for nothing.
    Named(&'static str, &'static str),
    /// The route table that an association's id belongs to, and its subnet.
    Association,
}

use Row::{Association, Named, New, Tagged};

const GROUP: Row = Named("GroupId", "security-group");
const VPC: Row = Named("VpcId", "vpc");
const SUBNET: Row = Named("SubnetId", "subnet");
const TABLE: Row = Named("RouteTableId", "route-table");
const GATEWAY: Row = Named("InternetGatewayId", "internet-gateway");
const INTERFACE: Row = Named("NetworkInterfaceId", "network-interface");
const INSTANCE: Row = Named("InstanceId", "instance");
const VOLUME: Row = Named("VolumeId", "volume");
const ADDRESS: Row = Named("AllocationId", "elastic-ip");
const TEMPLATE: Row = Named("LaunchTemplateId", "launch-template");
const NAT: Row = Named("NatGatewayId", "natgateway");

/// Resource types of an action; `None` for one that knows none, which is about `*`.
fn rows(action: &str) -> Option<&'static [Row]> {
    Some(match action {
        "AllocateAddress" => &[New("elastic-ip")],
        "AssignIpv6Addresses" | "UnassignIpv6Addresses" | "DeleteNetworkInterface" | "ModifyNetworkInterfaceAttribute" => &[INTERFACE],
        "AssociateAddress" => &[ADDRESS, INSTANCE, INTERFACE],
        "AssociateNatGatewayAddress" => &[NAT, ADDRESS],
        "AssignPrivateNatGatewayAddress" | "DisassociateNatGatewayAddress" | "UnassignPrivateNatGatewayAddress" | "DeleteNatGateway" => {
            &[NAT]
        }
        "AssociateRouteTable" => &[TABLE, SUBNET, Named("GatewayId", "internet-gateway")],
        "AssociateSubnetCidrBlock" | "DeleteSubnet" | "ModifySubnetAttribute" => &[SUBNET],
        "AssociateVpcCidrBlock" | "DeleteVpc" | "ModifyVpcAttribute" | "DescribeVpcAttribute" => &[VPC],
        "AttachInternetGateway" | "DetachInternetGateway" => &[GATEWAY, VPC],
        "AttachNetworkInterface" => &[INTERFACE, INSTANCE],
        "AttachVolume" | "DetachVolume" => &[VOLUME, INSTANCE],
        "AuthorizeSecurityGroupEgress" | "AuthorizeSecurityGroupIngress" => &[GROUP, Tagged("security-group-rule")],
        "CreateEgressOnlyInternetGateway" => &[New("egress-only-internet-gateway"), VPC],
        "CreateInternetGateway" => &[New("internet-gateway")],
        "CreateLaunchTemplate" => &[New("launch-template")],
        "CreateLaunchTemplateVersion" | "DeleteLaunchTemplate" | "ModifyLaunchTemplate" => &[TEMPLATE],
        "CreateNatGateway" => &[New("natgateway"), SUBNET, ADDRESS, VPC],
        "CreateNetworkInterface" => &[New("network-interface"), SUBNET, Named("SecurityGroupId", "security-group")],
        "CreateRoute" | "DeleteRoute" | "DeleteRouteTable" | "ReplaceRoute" => &[TABLE],
        "CreateRouteTable" => &[New("route-table"), VPC],
        "CreateSecurityGroup" => &[New("security-group"), VPC],
        "CreateSubnet" => &[New("subnet"), VPC],
        "CreateTransitGatewayVpcAttachment" => {
            &[New("transit-gateway-attachment"), Named("TransitGatewayId", "transit-gateway"), VPC, Named("SubnetIds", "subnet")]
        }
        "CreateVolume" => &[New("volume")],
        "CreateVpc" => &[New("vpc")],
        "CreateVpcEndpoint" => &[New("vpc-endpoint"), VPC, TABLE, SUBNET, Named("SecurityGroupId", "security-group")],
        "DeleteEgressOnlyInternetGateway" => &[Named("EgressOnlyInternetGatewayId", "egress-only-internet-gateway")],
        "DeleteInternetGateway" => &[GATEWAY],
        "DeleteKeyPair" => &[Named("KeyPairId", "key-pair")],
        "DeleteSecurityGroup"
        | "ModifySecurityGroupRules"
        | "RevokeSecurityGroupEgress"
        | "RevokeSecurityGroupIngress"
        | "UpdateSecurityGroupRuleDescriptionsEgress"
        | "UpdateSecurityGroupRuleDescriptionsIngress" => &[GROUP],
        "DeleteTransitGatewayVpcAttachment" | "ModifyTransitGatewayVpcAttachment" => {
            &[Named("TransitGatewayAttachmentId", "transit-gateway-attachment")]
        }
        "DeleteVolume" | "ModifyVolume" => &[VOLUME],
        "DeleteVpcEndpoints" => &[Named("VpcEndpointId", "vpc-endpoint")],
        "DetachNetworkInterface" => &[],
        "DisassociateRouteTable" => &[Association],
        "ReplaceRouteTableAssociation" => &[TABLE, Association],
        "DisassociateVpcCidrBlock" => &[],
        "GetConsoleOutput"
        | "ModifyInstanceAttribute"
        | "ModifyInstanceMetadataOptions"
        | "StartInstances"
        | "StopInstances"
        | "TerminateInstances" => &[INSTANCE],
        "ImportKeyPair" => &[New("key-pair")],
        "ModifyVpcEndpoint" => &[
            Named("VpcEndpointId", "vpc-endpoint"),
            Named("AddRouteTableId", "route-table"),
            Named("AddSubnetId", "subnet"),
            Named("AddSecurityGroupId", "security-group"),
            Named("RemoveSecurityGroupId", "security-group"),
        ],
        "ReleaseAddress" => &[ADDRESS],
        _ => return None,
    })
}

pub(super) fn needs(asker: &mut Asker<'_>, action: &str) {
    let name = format!("ec2:{action}");
    match action {
        "CreateTags" | "DeleteTags" => return tagging(asker, &name),
        "RunInstances" => {
            let args = asker.args.clone();
            launch::run(asker, &args);
            return tag_on_create(asker, action);
        }
        _ => {}
    }
    let Some(rows) = rows(action) else { return asker.plain(&name) };
    if rows.is_empty() {
        asker.plain(&name);
    }
    for row in rows {
        match *row {
            New(kind) => {
                let tags = specified(asker, kind);
                let resource = asker.arn("ec2", format!("{kind}/*"));
                asker.need(&name, resource, request_tags(&tags));
            }
            Tagged(kind) => {
                let tags = specified(asker, kind);
                if !tags.is_empty() {
                    let resource = asker.arn("ec2", format!("{kind}/*"));
                    asker.need(&name, resource, request_tags(&tags));
                }
            }
            Named(parameter, kind) => {
                for id in ids(asker, parameter) {
                    named(asker, &name, kind, &id);
                }
            }
            Association => association(asker, &name),
        }
    }
    tag_on_create(asker, action);
}

fn ids(asker: &Asker<'_>, parameter: &str) -> Vec<String> {
    let one = asker.args.str(parameter).filter(|id| !id.is_empty()).map(str::to_owned);
    one.into_iter().chain(asker.args.strings(parameter)).collect()
}

/// `action` on something that exists.
pub(super) fn named(asker: &mut Asker<'_>, action: &str, kind: &str, id: &str) {
    let Some(tags) = asker.ec2_tags(id) else { return asker.not_there() };
    let mut keys = resource_tags("ec2", &tags);
    keys.extend(place(asker, kind, id));
    let resource = asker.arn("ec2", format!("{kind}/{id}"));
    asker.need(action, resource, keys);
}

/// `ec2:Vpc`, for what lies in one and has that key.
fn place(asker: &mut Asker<'_>, kind: &str, id: &str) -> Context {
    let told = match kind {
        "security-group" => asker.ask(Service::Ec2, "DescribeSecurityGroups", json!({"GroupId": [id]})),
        "subnet" => asker.ask(Service::Ec2, "DescribeSubnets", json!({"SubnetId": [id]})),
        "route-table" => asker.ask(Service::Ec2, "DescribeRouteTables", json!({"RouteTableId": [id]})),
        "network-interface" => asker.ask(Service::Ec2, "DescribeNetworkInterfaces", json!({"NetworkInterfaceId": [id]})),
        _ => return Vec::new(),
    };
    let lists = told.as_object().into_iter().flat_map(|reply| reply.values());
    let vpc = lists.filter_map(|list| list.pointer("/0/vpcId")?.as_str()).next().unwrap_or_default().to_owned();
    let arn = asker.arn("ec2", format!("vpc/{vpc}"));
    vec![("ec2:vpc".to_owned(), vec![arn]), ("ec2:vpcid".to_owned(), vec![vpc])]
}

fn association(asker: &mut Asker<'_>, action: &str) {
    let id = asker.text("AssociationId");
    let filter = json!({"Filter": [{"Name": "association.route-table-association-id", "Value": [id]}]});
    let told = asker.ask(Service::Ec2, "DescribeRouteTables", filter);
    let Some(table) = told.pointer("/routeTableSet/0/routeTableId").and_then(Value::as_str) else { return asker.not_there() };
    named(asker, action, "route-table", table);
}

/// Tags that the call gives to resources of this type.
pub(super) fn specified(asker: &Asker<'_>, kind: &str) -> Tags {
    let both = asker.args.nested("TagSpecification").into_iter().chain(asker.args.nested("TagSpecifications"));
    both.filter(|one| one.str("ResourceType") == Some(kind)).flat_map(|one| listed(one.list("Tag"))).collect()
}

/// "If tags are specified in the resource-creating action, Amazon performs additional authorization on the ec2:CreateTags action."
fn tag_on_create(asker: &mut Asker<'_>, action: &str) {
    let both = asker.args.nested("TagSpecification").into_iter().chain(asker.args.nested("TagSpecifications"));
    let all: Vec<_> = both.map(|one| (one.str("ResourceType").unwrap_or_default().to_owned(), listed(one.list("Tag")))).collect();
    for (kind, tags) in all {
        let mut keys = request_tags(&tags);
        keys.push(("ec2:createaction".to_owned(), vec![action.to_owned()]));
        let resource = asker.arn("ec2", format!("{kind}/*"));
        asker.need("ec2:CreateTags", resource, keys);
    }
}

fn tagging(asker: &mut Asker<'_>, action: &str) {
    let tags = listed(asker.args.list("Tag"));
    for id in asker.args.strings("ResourceId") {
        let Some(found) = asker.ec2_tags(&id) else { return asker.not_there() };
        let Some(kind) = crate::ec2::tag_type(&id) else { return asker.not_there() };
        let mut keys = resource_tags("ec2", &found);
        // A tag that is named without a value is deleted whatever its value: the key alone is told.
        let valued: Tags = tags.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
        keys.extend(request_tags(&valued).into_iter().filter(|(key, _)| key != "aws:tagkeys"));
        keys.push(("aws:tagkeys".to_owned(), tags.iter().map(|(key, _)| key.clone()).collect()));
        let resource = asker.arn("ec2", format!("{kind}/{id}"));
        asker.need(action, resource, keys);
    }
}
