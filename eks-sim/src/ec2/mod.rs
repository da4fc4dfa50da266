//! Amazon EC2: networks, instances, volumes. Query protocol, API version 2016-11-15.

mod acl;
mod address;
mod attachment;
mod disk;
mod facts;
mod filter;
mod gateway;
mod ids;
mod image;
mod instance;
mod instance_types;
mod interface;
mod inventory;
mod key_pair;
mod launch;
mod nat;
mod quota;
mod route;
mod route_table;
mod security_group;
mod security_group_rule;
mod security_group_rule_change;
mod subnet;
mod tags;
mod template;
mod token;
mod volume;
mod vpc;
mod zones;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(crate) use self::{
    facts::{InstanceFacts, dns_enabled, instance, instance_egress, public_addresses, security_group_allows},
    inventory::inventory,
    quota::set_standard_vcpus,
    vpc::furnish,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// The service's state, by resource id.
#[derive(Debug, Default)]
pub(crate) struct State {
    acls: BTreeMap<String, acl::Acl>,
    addresses: BTreeMap<String, address::Address>,
    instances: BTreeMap<String, instance::Instance>,
    interfaces: BTreeMap<String, interface::Interface>,
    internet_gateways: BTreeMap<String, gateway::InternetGateway>,
    key_pairs: BTreeMap<String, key_pair::KeyPair>,
    nat_gateways: BTreeMap<String, nat::NatGateway>,
    route_tables: BTreeMap<String, route_table::RouteTable>,
    /// Security group rule id to security group id.
    rule_owners: BTreeMap<String, String>,
    security_groups: BTreeMap<String, security_group::SecurityGroup>,
    subnets: BTreeMap<String, subnet::Subnet>,
    templates: BTreeMap<String, template::Template>,
    volumes: BTreeMap<String, volume::Volume>,
    vpcs: BTreeMap<String, vpc::Vpc>,
    tags: BTreeMap<String, tags::Tags>,
    tokens: token::Tokens,
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
    // These three have no DryRun (API reference).
    let has_dry_run = !matches!(action, "AssociateVpcCidrBlock" | "ModifyVpcAttribute" | "ModifySubnetAttribute");
    if has_dry_run && args.bool("DryRun") == Some(true) {
        return Err(ApiError::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").status(412));
    }
    carry_out(world, caller, args)
}

fn find(action: &str) -> Option<Action> {
    Some(match action {
        "AllocateAddress" => address::allocate,
        "AssociateAddress" => address::associate,
        "AssociateRouteTable" => route_table::associate,
        "AssociateVpcCidrBlock" => vpc::associate_cidr,
        "AttachInternetGateway" => gateway::attach,
        "AttachNetworkInterface" => attachment::attach,
        "AttachVolume" => volume::attach,
        "AuthorizeSecurityGroupEgress" => security_group_rule::authorize_egress,
        "AuthorizeSecurityGroupIngress" => security_group_rule::authorize_ingress,
        "CreateInternetGateway" => gateway::create,
        "CreateLaunchTemplate" => template::create,
        "CreateLaunchTemplateVersion" => template::create_version,
        "CreateNatGateway" => nat::create,
        "CreateNetworkInterface" => interface::create,
        "CreateRoute" => route::create,
        "CreateRouteTable" => route_table::create,
        "CreateSecurityGroup" => security_group::create,
        "CreateSubnet" => subnet::create,
        "CreateTags" => tags::create,
        "CreateVolume" => volume::create,
        "CreateVpc" => vpc::create,
        "DeleteInternetGateway" => gateway::delete,
        "DeleteKeyPair" => key_pair::delete,
        "DeleteLaunchTemplate" => template::delete,
        "DeleteNatGateway" => nat::delete,
        "DeleteNetworkInterface" => interface::delete,
        "DeleteRoute" => route::delete,
        "DeleteRouteTable" => route_table::delete,
        "DeleteSecurityGroup" => security_group::delete,
        "DeleteSubnet" => subnet::delete,
        "DeleteTags" => tags::delete,
        "DeleteVolume" => volume::delete,
        "DeleteVpc" => vpc::delete,
        "DescribeAccountAttributes" => zones::describe_account_attributes,
        "DescribeAddresses" => address::describe,
        "DescribeAvailabilityZones" => zones::describe,
        "DescribeImages" => image::describe,
        "DescribeInstanceStatus" => instance::describe_status,
        "DescribeInstanceTypeOfferings" => instance_types::describe_offerings,
        "DescribeInstanceTypes" => instance_types::describe,
        "DescribeInstances" => instance::describe,
        "DescribeInternetGateways" => gateway::describe,
        "DescribeKeyPairs" => key_pair::describe,
        "DescribeLaunchTemplateVersions" => template::describe_versions,
        "DescribeLaunchTemplates" => template::describe,
        "DescribeNatGateways" => nat::describe,
        "DescribeNetworkAcls" => acl::describe,
        "DescribeNetworkInterfaces" => interface::describe,
        "DescribeRegions" => zones::describe_regions,
        "DescribeRouteTables" => route_table::describe,
        "DescribeSecurityGroupRules" => security_group_rule::describe,
        "DescribeSecurityGroups" => security_group::describe,
        "DescribeSubnets" => subnet::describe,
        "DescribeTags" => tags::describe,
        "DescribeVolumes" => volume::describe,
        "DescribeVpcAttribute" => vpc::describe_attribute,
        "DescribeVpcs" => vpc::describe,
        "DetachInternetGateway" => gateway::detach,
        "DetachNetworkInterface" => attachment::detach,
        "DetachVolume" => volume::detach,
        "DisassociateAddress" => address::disassociate,
        "DisassociateRouteTable" => route_table::disassociate,
        "DisassociateVpcCidrBlock" => vpc::disassociate_cidr,
        "GetConsoleOutput" => crate::node::console_output,
        "ImportKeyPair" => key_pair::import,
        "ModifyLaunchTemplate" => template::modify,
        "ModifySecurityGroupRules" => security_group_rule_change::modify,
        "ModifySubnetAttribute" => subnet::modify,
        "ModifyVpcAttribute" => vpc::modify_attribute,
        "ReleaseAddress" => address::release,
        "ReplaceRoute" => route::replace,
        "ReplaceRouteTableAssociation" => route_table::replace_association,
        "RevokeSecurityGroupEgress" => security_group_rule::revoke_egress,
        "RevokeSecurityGroupIngress" => security_group_rule::revoke_ingress,
        "RunInstances" => launch::run,
        "TerminateInstances" => instance::terminate,
        "UpdateSecurityGroupRuleDescriptionsEgress" => security_group_rule_change::describe_egress,
        "UpdateSecurityGroupRuleDescriptionsIngress" => security_group_rule_change::describe_ingress,
        _ => return None,
    })
}
