//! Malformed ids, and ids of nothing.

use aws_sdk_ec2::types::VpcAttributeName;

use super::{Net, on, ssh, table::Table, tag};

/// For each call: what it answers to an id of no kind, and to a well-formed one of nothing.
macro_rules! named {
    ($table:ident, $($rule:literal, $absent:literal, $malformed:literal, $missing:literal, |$id:ident| $call:expr;)*) => {$({
        // Boxed by a closure, so that a hundred calls do not lie on one stack.
        let call = |$id: &'static str| Box::pin($call.send());
        $table.row(concat!($rule, ", malformed"), $malformed, call("nonsense")).await;
        $table.row(concat!($rule, ", absent"), $missing, call($absent)).await;
    })*};
}

#[tokio::test(start_paused = true)]
async fn ids() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    named! { table,
        "DescribeVpcs", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", |id| ec2.describe_vpcs().vpc_ids(id);
        "DeleteVpc", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", |id| ec2.delete_vpc().vpc_id(id);
        "CreateSubnet", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.create_subnet().vpc_id(id).cidr_block("10.0.9.0/24");
        "CreateSecurityGroup", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.create_security_group().vpc_id(id).group_name("x").description("x");
        "CreateRouteTable", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", |id| ec2.create_route_table().vpc_id(id);
        "ModifyVpcAttribute", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.modify_vpc_attribute().vpc_id(id).enable_dns_support(on());
        "DescribeVpcAttribute", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.describe_vpc_attribute().vpc_id(id).attribute(VpcAttributeName::EnableDnsSupport);
        "AssociateVpcCidrBlock", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.associate_vpc_cidr_block().vpc_id(id).cidr_block("10.1.0.0/16");
        "AttachInternetGateway to", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.attach_internet_gateway().vpc_id(id).internet_gateway_id(&net.gateway);
        "DescribeSubnets", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", |id| ec2.describe_subnets().subnet_ids(id);
        "DeleteSubnet", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", |id| ec2.delete_subnet().subnet_id(id);
        "ModifySubnetAttribute", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
            |id| ec2.modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(on());
        "CreateNatGateway in", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
            |id| ec2.create_nat_gateway().subnet_id(id).allocation_id("eipalloc-0123456789abcdef0");
        "CreateNetworkInterface in", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
            |id| ec2.create_network_interface().subnet_id(id);
        "RunInstances in", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", |id| net.launch().subnet_id(id);
        "AssociateRouteTable with", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
            |id| ec2.associate_route_table().subnet_id(id).route_table_id(&net.table);
        "DescribeInternetGateways", "igw-0123456789abcdef0", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
            |id| ec2.describe_internet_gateways().internet_gateway_ids(id);
        "DeleteInternetGateway", "igw-0123456789abcdef0", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
            |id| ec2.delete_internet_gateway().internet_gateway_id(id);
        "AttachInternetGateway", "igw-0123456789abcdef0", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
            |id| ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(&net.vpc);
        "DetachInternetGateway", "igw-0123456789abcdef0", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
            |id| ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(&net.vpc);
        "DescribeRouteTables", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.describe_route_tables().route_table_ids(id);
        "DeleteRouteTable", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.delete_route_table().route_table_id(id);
        "AssociateRouteTable", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.associate_route_table().route_table_id(id).subnet_id(&net.subnet);
        "CreateRoute", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.create_route().route_table_id(id).destination_cidr_block("0.0.0.0/0").gateway_id(&net.gateway);
        "DeleteRoute", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.delete_route().route_table_id(id).destination_cidr_block("0.0.0.0/0");
        "DescribeNatGateways", "nat-0123456789abcdef0", "NatGatewayMalformed", "NatGatewayNotFound", |id| ec2.describe_nat_gateways().nat_gateway_ids(id);
        "DeleteNatGateway", "nat-0123456789abcdef0", "NatGatewayMalformed", "NatGatewayNotFound", |id| ec2.delete_nat_gateway().nat_gateway_id(id);
        // The reference has no code for malformed allocation ids.
        "ReleaseAddress", "eipalloc-0123456789abcdef0", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound",
            |id| ec2.release_address().allocation_id(id);
        "AssociateAddress", "eipalloc-0123456789abcdef0", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound",
            |id| ec2.associate_address().allocation_id(id).instance_id("i-0123456789abcdef0");
        "DescribeAddresses", "eipalloc-0123456789abcdef0", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound",
            |id| ec2.describe_addresses().allocation_ids(id);
        "DescribeAddresses by address", "203.0.113.9", "InvalidAddress.NotFound", "InvalidAddress.NotFound", |id| ec2.describe_addresses().public_ips(id);
        "DisassociateAddress", "eipassoc-0123456789abcdef0", "InvalidAssociationID.NotFound", "InvalidAssociationID.NotFound",
            |id| ec2.disassociate_address().association_id(id);
        "DisassociateRouteTable", "rtbassoc-0123456789abcdef0", "InvalidAssociationID.NotFound", "InvalidAssociationID.NotFound",
            |id| ec2.disassociate_route_table().association_id(id);
        "DescribeSecurityGroups", "sg-0123456789abcdef0", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
            |id| ec2.describe_security_groups().group_ids(id);
        "DescribeSecurityGroups by name", "none", "InvalidGroup.NotFound", "InvalidGroup.NotFound", |id| ec2.describe_security_groups().group_names(id);
        "DeleteSecurityGroup", "sg-0123456789abcdef0", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
            |id| ec2.delete_security_group().group_id(id);
        "AuthorizeSecurityGroupIngress", "sg-0123456789abcdef0", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
            |id| ec2.authorize_security_group_ingress().group_id(id).ip_permissions(ssh("10.0.0.0/8"));
        "CreateNetworkInterface with group", "sg-0123456789abcdef0", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
            |id| ec2.create_network_interface().subnet_id(&net.subnet).groups(id);
        "DescribeSecurityGroupRules", "sgr-0123456789abcdef0", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound",
            |id| ec2.describe_security_group_rules().security_group_rule_ids(id);
        "RevokeSecurityGroupIngress", "sgr-0123456789abcdef0", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound",
            |id| ec2.revoke_security_group_ingress().group_id(&net.group).security_group_rule_ids(id);
        "DescribeNetworkInterfaces", "eni-0123456789abcdef0", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound",
            |id| ec2.describe_network_interfaces().network_interface_ids(id);
        "DeleteNetworkInterface", "eni-0123456789abcdef0", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound",
            |id| ec2.delete_network_interface().network_interface_id(id);
        "DetachNetworkInterface", "eni-attach-0123456789abcdef0", "InvalidAttachmentID.NotFound", "InvalidAttachmentID.NotFound",
            |id| ec2.detach_network_interface().attachment_id(id);
        "DescribeNetworkAcls", "acl-0123456789abcdef0", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound",
            |id| ec2.describe_network_acls().network_acl_ids(id);
        "DescribeInstances", "i-0123456789abcdef0", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound",
            |id| ec2.describe_instances().instance_ids(id);
        "TerminateInstances", "i-0123456789abcdef0", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound",
            |id| ec2.terminate_instances().instance_ids(id);
        "DescribeVolumes", "vol-0123456789abcdef0", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", |id| ec2.describe_volumes().volume_ids(id);
        "DeleteVolume", "vol-0123456789abcdef0", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", |id| ec2.delete_volume().volume_id(id);
        "DetachVolume", "vol-0123456789abcdef0", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", |id| ec2.detach_volume().volume_id(id);
        "DescribeLaunchTemplates", "lt-0123456789abcdef0", "InvalidLaunchTemplateId.Malformed", "InvalidLaunchTemplateId.NotFound",
            |id| ec2.describe_launch_templates().launch_template_ids(id);
        "DescribeKeyPairs", "key-0123456789abcdef0", "InvalidKeyPair.NotFound", "InvalidKeyPair.NotFound", |id| ec2.describe_key_pairs().key_pair_ids(id);
        "DescribeKeyPairs by name", "none", "InvalidKeyPair.NotFound", "InvalidKeyPair.NotFound", |id| ec2.describe_key_pairs().key_names(id);
        "RunInstances of", "ami-00000000000000000", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound", |id| net.launch().image_id(id);
        "CreateTags", "vpc-0123456789abcdef0", "InvalidID", "InvalidVpcID.NotFound", |id| ec2.create_tags().resources(id).tags(tag("a", "b"));
        "DeleteTags", "nat-0123456789abcdef0", "InvalidID", "NatGatewayNotFound", |id| ec2.delete_tags().resources(id).tags(tag("a", "b"));
    }
    table.check();
}
