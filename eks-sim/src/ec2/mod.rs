//! Amazon EC2: networks, instances, volumes. Query protocol, API version 2016-11-15.

mod acl;
mod acl_entry;
mod address;
mod attachment;
mod disk;
mod egress_only;
mod endpoint;
mod endpoint_change;
mod endpoint_create;
mod endpoint_service;
mod facts;
mod filter;
mod gateway;
mod ids;
mod image;
mod instance;
mod instance_power;
mod instance_types;
mod interface;
mod interface_describe;
mod interface_ipv6;
mod inventory;
mod key_pair;
mod launch;
mod metadata;
mod nat;
mod nat_address;
mod nat_create;
mod nat_regional;
mod prefix_list;
mod quota;
mod route;
mod route_table;
mod security_group;
mod security_group_rule;
mod security_group_rule_change;
mod subnet;
mod subnet_attribute;
mod tags;
mod template;
mod token;
mod transit_attachment;
mod transit_gateway;
mod trouble;
mod volume;
mod volume_modification;
mod vpc;
mod vpc_cidr;
mod zones;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(crate) use self::{
    facts::{
        InstanceFacts, acls_let_to, dns_enabled, instance, is_impaired, public_addresses, public_subnets_without_addresses,
        reaches_service, security_group_allows,
    },
    instance_types::architecture as instance_architecture,
    inventory::inventory,
    quota::set_standard_vcpus,
    tags::{tag_type, tags_of},
    template::{chosen as template_data, facts as launch_template},
    trouble::{exhaust_capacity, impair_zone, lock_volume_key},
    vpc::furnish,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// The service's state, by resource id.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    acls: BTreeMap<String, acl::Acl>,
    addresses: BTreeMap<String, address::Address>,
    egress_only_gateways: BTreeMap<String, egress_only::EgressOnlyGateway>,
    endpoints: BTreeMap<String, endpoint::Endpoint>,
    instances: BTreeMap<String, instance::Instance>,
    interfaces: BTreeMap<String, interface::Interface>,
    internet_gateways: BTreeMap<String, gateway::InternetGateway>,
    key_pairs: BTreeMap<String, key_pair::KeyPair>,
    nat_gateways: BTreeMap<String, nat::NatGateway>,
    prefix_lists: BTreeMap<String, prefix_list::PrefixList>,
    route_tables: BTreeMap<String, route_table::RouteTable>,
    /// Security group rule id to security group id.
    rule_owners: BTreeMap<String, String>,
    security_groups: BTreeMap<String, security_group::SecurityGroup>,
    subnets: BTreeMap<String, subnet::Subnet>,
    templates: BTreeMap<String, template::Template>,
    transit_attachments: BTreeMap<String, transit_attachment::TransitAttachment>,
    transit_gateways: BTreeMap<String, transit_gateway::TransitGateway>,
    volumes: BTreeMap<String, volume::Volume>,
    vpcs: BTreeMap<String, vpc::Vpc>,
    tags: BTreeMap<String, tags::Tags>,
    tokens: token::Tokens,
    trouble: trouble::Trouble,
    /// The quota of Standard vCPUs, if it is not the default.
    standard_vcpus: Option<usize>,
    /// The account's DHCP options, which every VPC gets.
    dhcp_options: String,
}

type Reply = Result<Value, ApiError>;
type Action = fn(&mut World, &Caller, &Args) -> Reply;

/// What actions answer that have nothing to tell.
fn done() -> Value {
    json!({"return": true})
}

/// A parameter has a value that it may not have.
fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValue", message)
}

/// Whether an AWS service calls, not the account's owner.
fn is_service(caller: &Caller) -> bool {
    caller.arn.contains("aws-service-role")
}

pub(crate) fn handle(world: &mut World, caller: &Caller, action: &str, args: &Args) -> Reply {
    let carry_out = find(action).ok_or_else(|| ApiError::unknown_action(action))?;
    // DryRun "checks whether you have the required permissions for the action": nothing else is looked at. Our administrator has
    // them all. These have none (API reference).
    let has_dry_run = !matches!(
        action,
        "AssociateSubnetCidrBlock"
            | "AssociateVpcCidrBlock"
            | "DisassociateSubnetCidrBlock"
            | "DisassociateVpcCidrBlock"
            | "AssignIpv6Addresses"
            | "UnassignIpv6Addresses"
            | "ModifySubnetAttribute"
            | "ModifyVpcAttribute"
    );
    if has_dry_run && args.bool("DryRun") == Some(true) {
        return Err(ApiError::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").status(412));
    }
    carry_out(world, caller, args)
}

fn find(action: &str) -> Option<Action> {
    Some(match action {
        "AllocateAddress" => address::allocate,
        "AssignIpv6Addresses" => interface_ipv6::assign,
        "AssociateAddress" => address::associate,
        "AssignPrivateNatGatewayAddress" => nat_address::assign,
        "AssociateNatGatewayAddress" => nat_address::associate,
        "AssociateRouteTable" => route_table::associate,
        "AssociateSubnetCidrBlock" => subnet_attribute::associate,
        "AssociateVpcCidrBlock" => vpc_cidr::associate,
        "AttachInternetGateway" => gateway::attach,
        "AttachNetworkInterface" => attachment::attach,
        "AttachVolume" => volume::attach,
        "AuthorizeSecurityGroupEgress" => security_group_rule::authorize_egress,
        "AuthorizeSecurityGroupIngress" => security_group_rule::authorize_ingress,
        "CreateEgressOnlyInternetGateway" => egress_only::create,
        "CreateInternetGateway" => gateway::create,
        "CreateLaunchTemplate" => template::create,
        "CreateLaunchTemplateVersion" => template::create_version,
        "CreateNatGateway" => nat_create::create,
        "CreateNetworkAcl" => acl::create,
        "CreateNetworkAclEntry" => acl_entry::create,
        "CreateNetworkInterface" => interface::create,
        "CreateRoute" => route::create,
        "CreateRouteTable" => route_table::create,
        "CreateSecurityGroup" => security_group::create,
        "CreateSubnet" => subnet::create,
        "CreateTags" => tags::create,
        "CreateTransitGateway" => transit_gateway::create,
        "CreateTransitGatewayVpcAttachment" => transit_attachment::create,
        "CreateVolume" => volume::create,
        "CreateVpc" => vpc::create,
        "CreateVpcEndpoint" => endpoint_create::create,
        "DeleteEgressOnlyInternetGateway" => egress_only::delete,
        "DeleteInternetGateway" => gateway::delete,
        "DeleteKeyPair" => key_pair::delete,
        "DeleteLaunchTemplate" => template::delete,
        "DeleteNatGateway" => nat::delete,
        "DeleteNetworkAcl" => acl::delete,
        "DeleteNetworkAclEntry" => acl_entry::delete,
        "DeleteNetworkInterface" => interface::delete,
        "DeleteRoute" => route::delete,
        "DeleteRouteTable" => route_table::delete,
        "DeleteSecurityGroup" => security_group::delete,
        "DeleteSubnet" => subnet::delete,
        "DeleteTags" => tags::delete,
        "DeleteTransitGateway" => transit_gateway::delete,
        "DeleteTransitGatewayVpcAttachment" => transit_attachment::delete,
        "DeleteVolume" => volume::delete,
        "DeleteVpc" => vpc::delete,
        "DeleteVpcEndpoints" => endpoint_change::delete,
        "DescribeAccountAttributes" => zones::describe_account_attributes,
        "DescribeAddresses" => address::describe,
        "DescribeAvailabilityZones" => zones::describe,
        "DescribeEgressOnlyInternetGateways" => egress_only::describe,
        "DescribeImages" => image::describe,
        "DescribeInstanceStatus" => instance::describe_status,
        "DescribeInstanceTypeOfferings" => instance_types::describe_offerings,
        "DescribeInstanceTypes" => instance_types::describe,
        "DescribeInstances" => instance::describe,
        "DescribeInternetGateways" => gateway::describe,
        "DescribeKeyPairs" => key_pair::describe,
        "DescribeLaunchTemplateVersions" => template::describe_versions,
        "DescribeLaunchTemplates" => template::describe,
        "DescribeManagedPrefixLists" => prefix_list::describe_managed,
        "DescribeNatGateways" => nat::describe,
        "DescribeNetworkAcls" => acl::describe,
        "DescribeNetworkInterfaces" => interface_describe::describe,
        "DescribePrefixLists" => prefix_list::describe,
        "DescribeRegions" => zones::describe_regions,
        "DescribeRouteTables" => route_table::describe,
        "DescribeSecurityGroupRules" => security_group_rule::describe,
        "DescribeSecurityGroups" => security_group::describe,
        "DescribeSubnets" => subnet::describe,
        "DescribeTags" => tags::describe,
        "DescribeTransitGatewayVpcAttachments" => transit_attachment::describe,
        "DescribeTransitGateways" => transit_gateway::describe,
        "DescribeVolumes" => volume::describe,
        "DescribeVolumesModifications" => volume_modification::describe,
        "DescribeVpcAttribute" => vpc::describe_attribute,
        "DescribeVpcEndpointServices" => endpoint_service::describe,
        "DescribeVpcEndpoints" => endpoint::describe,
        "DescribeVpcs" => vpc::describe,
        "DetachInternetGateway" => gateway::detach,
        "DetachNetworkInterface" => attachment::detach,
        "DetachVolume" => volume::detach,
        "DisassociateAddress" => address::disassociate,
        "DisassociateNatGatewayAddress" => nat_address::disassociate,
        "DisassociateRouteTable" => route_table::disassociate,
        "DisassociateSubnetCidrBlock" => subnet_attribute::disassociate,
        "DisassociateVpcCidrBlock" => vpc_cidr::disassociate,
        "GetConsoleOutput" => crate::node::console_output,
        "GetManagedPrefixListEntries" => prefix_list::entries,
        "ImportKeyPair" => key_pair::import,
        "ModifyInstanceAttribute" => instance::modify,
        "ModifyInstanceMetadataOptions" => metadata::modify,
        "ModifyLaunchTemplate" => template::modify,
        "ModifySecurityGroupRules" => security_group_rule_change::modify,
        "ModifyNetworkInterfaceAttribute" => interface::modify,
        "ModifySubnetAttribute" => subnet_attribute::modify,
        "ModifyTransitGatewayVpcAttachment" => transit_attachment::modify,
        "ModifyVolume" => volume_modification::modify,
        "ModifyVpcAttribute" => vpc::modify_attribute,
        "ModifyVpcEndpoint" => endpoint_change::modify,
        "ReleaseAddress" => address::release,
        "ReplaceNetworkAclAssociation" => acl::replace_association,
        "ReplaceNetworkAclEntry" => acl_entry::replace,
        "ReplaceRoute" => route::replace,
        "ReplaceRouteTableAssociation" => route_table::replace_association,
        "RevokeSecurityGroupEgress" => security_group_rule::revoke_egress,
        "RevokeSecurityGroupIngress" => security_group_rule::revoke_ingress,
        "RunInstances" => launch::run,
        "StartInstances" => instance_power::start,
        "StopInstances" => instance_power::stop,
        "TerminateInstances" => instance::terminate,
        "UnassignIpv6Addresses" => interface_ipv6::unassign,
        "UpdateSecurityGroupRuleDescriptionsEgress" => security_group_rule_change::describe_egress,
        "UpdateSecurityGroupRuleDescriptionsIngress" => security_group_rule_change::describe_ingress,
        "UnassignPrivateNatGatewayAddress" => nat_address::unassign,
        _ => return None,
    })
}
