//! VPCs and what is in them.

use serde_json::{Map, Value, json};

use super::{Failure, Made, Progress, Target, attributes, call, gone, text};
use crate::{
    call::{Args, Service},
    world::World,
};

pub(super) fn create(world: &mut World, target: &Target) -> Result<Made, Failure> {
    let props = &target.props;
    let prop = |name: &str| props.str(name).map(str::to_owned);
    let ec2 = |world: &mut World, action: &str, args: Value| call(world, Service::Ec2, action, args);
    match target.kind.as_str() {
        "AWS::EC2::VPC" => {
            let reply = ec2(
                world,
                "CreateVpc",
                json!({
                    "CidrBlock": prop("CidrBlock"),
                    "InstanceTenancy": prop("InstanceTenancy"),
                    "TagSpecification": target.tag_specification("vpc"),
                }),
            )?;
            let id = text(&reply, "/vpc/vpcId");
            set_attributes(world, target, &id)?;
            let args = json!({"Filter": [{"Name": "vpc-id", "Value": [id]}, {"Name": "group-name", "Value": ["default"]}]});
            let groups = ec2(world, "DescribeSecurityGroups", args)?;
            let group = text(&groups, "/securityGroupInfo/0/groupId");
            let attributes =
                attributes([("VpcId", id.clone()), ("CidrBlock", text(&reply, "/vpc/cidrBlock")), ("DefaultSecurityGroup", group)]);
            Ok(Made { id, attributes })
        }
        "AWS::EC2::Subnet" => {
            let reply = ec2(
                world,
                "CreateSubnet",
                json!({
                    "VpcId": prop("VpcId"),
                    "CidrBlock": prop("CidrBlock"),
                    "AvailabilityZone": prop("AvailabilityZone"),
                    "AvailabilityZoneId": prop("AvailabilityZoneId"),
                    "TagSpecification": target.tag_specification("subnet"),
                }),
            )?;
            let id = text(&reply, "/subnet/subnetId");
            set_attributes(world, target, &id)?;
            let attributes = attributes([
                ("SubnetId", id.clone()),
                ("VpcId", text(&reply, "/subnet/vpcId")),
                ("CidrBlock", text(&reply, "/subnet/cidrBlock")),
                ("AvailabilityZone", text(&reply, "/subnet/availabilityZone")),
            ]);
            Ok(Made { id, attributes })
        }
        "AWS::EC2::InternetGateway" => {
            let args = json!({"TagSpecification": target.tag_specification("internet-gateway")});
            let id = text(&ec2(world, "CreateInternetGateway", args)?, "/internetGateway/internetGatewayId");
            Ok(Made { id: id.clone(), attributes: attributes([("InternetGatewayId", id)]) })
        }
        "AWS::EC2::VPCGatewayAttachment" => {
            ec2(world, "AttachInternetGateway", json!({"InternetGatewayId": prop("InternetGatewayId"), "VpcId": prop("VpcId")}))?;
            Ok(Made { id: format!("IGW|{}", prop("VpcId").unwrap_or_default()), attributes: Map::new() })
        }
        "AWS::EC2::RouteTable" => {
            let args = json!({"VpcId": prop("VpcId"), "TagSpecification": target.tag_specification("route-table")});
            let id = text(&ec2(world, "CreateRouteTable", args)?, "/routeTable/routeTableId");
            Ok(Made { id: id.clone(), attributes: attributes([("RouteTableId", id)]) })
        }
        "AWS::EC2::Route" => {
            ec2(
                world,
                "CreateRoute",
                json!({
                    "RouteTableId": prop("RouteTableId"),
                    "DestinationCidrBlock": prop("DestinationCidrBlock"),
                    "GatewayId": prop("GatewayId"),
                    "NatGatewayId": prop("NatGatewayId"),
                }),
            )?;
            let block = prop("DestinationCidrBlock").unwrap_or_default();
            let id = format!("{}|{block}", prop("RouteTableId").unwrap_or_default());
            Ok(Made { id, attributes: attributes([("CidrBlock", block)]) })
        }
        "AWS::EC2::SubnetRouteTableAssociation" => {
            let args = json!({"RouteTableId": prop("RouteTableId"), "SubnetId": prop("SubnetId")});
            let id = text(&ec2(world, "AssociateRouteTable", args)?, "/associationId");
            Ok(Made { id: id.clone(), attributes: attributes([("Id", id)]) })
        }
        "AWS::EC2::EIP" => {
            let args = json!({"Domain": "vpc", "TagSpecification": target.tag_specification("elastic-ip")});
            let reply = ec2(world, "AllocateAddress", args)?;
            let address = text(&reply, "/publicIp");
            let attributes = attributes([("AllocationId", text(&reply, "/allocationId")), ("PublicIp", address.clone())]);
            Ok(Made { id: address, attributes })
        }
        "AWS::EC2::NatGateway" => {
            let reply = ec2(
                world,
                "CreateNatGateway",
                json!({
                    "SubnetId": prop("SubnetId"),
                    "AllocationId": prop("AllocationId"),
                    "ConnectivityType": prop("ConnectivityType"),
                    "TagSpecification": target.tag_specification("natgateway"),
                }),
            )?;
            let id = text(&reply, "/natGateway/natGatewayId");
            Ok(Made { id: id.clone(), attributes: attributes([("NatGatewayId", id)]) })
        }
        other => Err(Failure::from(format!("Resource type {other} cannot be created"))),
    }
}

/// Attributes that EC2 takes only after the creation, one a call.
pub(super) fn set_attributes(world: &mut World, target: &Target, id: &str) -> Result<(), Failure> {
    let (action, key, names): (_, _, &[&str]) = match target.kind.as_str() {
        "AWS::EC2::VPC" => ("ModifyVpcAttribute", "VpcId", &["EnableDnsSupport", "EnableDnsHostnames"]),
        _ => ("ModifySubnetAttribute", "SubnetId", &["MapPublicIpOnLaunch"]),
    };
    for name in names {
        if let Some(value) = target.props.str(name) {
            call(world, Service::Ec2, action, json!({(key): id, (*name): {"Value": value}}))?;
        }
    }
    Ok(())
}

/// A NAT gateway counts once it is available.
pub(super) fn nat_progress(world: &mut World, id: &str) -> Result<Progress, Failure> {
    let reply = call(world, Service::Ec2, "DescribeNatGateways", json!({"NatGatewayId": [id]}))?;
    match text(&reply, "/natGatewaySet/0/state").as_str() {
        "available" => Ok(Progress::Done),
        "failed" => Err(Failure::from(format!(
            "NatGateway {id} is in state failed and hence failed to stabilize. {}",
            text(&reply, "/natGatewaySet/0/failureMessage")
        ))),
        _ => Ok(Progress::Pending(None)),
    }
}

pub(super) fn delete(world: &mut World, kind: &str, id: &str, props: &Args, attributes: &Map<String, Value>) -> Result<Progress, Failure> {
    let (action, args) = match kind {
        "AWS::EC2::VPC" => ("DeleteVpc", json!({"VpcId": id})),
        "AWS::EC2::Subnet" => ("DeleteSubnet", json!({"SubnetId": id})),
        "AWS::EC2::InternetGateway" => ("DeleteInternetGateway", json!({"InternetGatewayId": id})),
        "AWS::EC2::VPCGatewayAttachment" => {
            ("DetachInternetGateway", json!({"InternetGatewayId": props.str("InternetGatewayId"), "VpcId": props.str("VpcId")}))
        }
        "AWS::EC2::RouteTable" => ("DeleteRouteTable", json!({"RouteTableId": id})),
        "AWS::EC2::Route" => {
            let args = json!({"RouteTableId": props.str("RouteTableId"), "DestinationCidrBlock": props.str("DestinationCidrBlock")});
            ("DeleteRoute", args)
        }
        "AWS::EC2::SubnetRouteTableAssociation" => ("DisassociateRouteTable", json!({"AssociationId": id})),
        "AWS::EC2::EIP" => ("ReleaseAddress", json!({"AllocationId": attributes.get("AllocationId")})),
        "AWS::EC2::NatGateway" => return delete_nat(world, id),
        _ => return Ok(Progress::Done),
    };
    gone(call(world, Service::Ec2, action, args))
}

fn delete_nat(world: &mut World, id: &str) -> Result<Progress, Failure> {
    let reply = call(world, Service::Ec2, "DescribeNatGateways", json!({"NatGatewayId": [id]})).unwrap_or_default();
    match text(&reply, "/natGatewaySet/0/state").as_str() {
        "" | "deleted" => Ok(Progress::Done),
        "deleting" => Ok(Progress::Pending(None)),
        _ => {
            call(world, Service::Ec2, "DeleteNatGateway", json!({"NatGatewayId": id}))?;
            Ok(Progress::Pending(None))
        }
    }
}
