//! Elastic network interfaces.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::json;

use super::{
    Reply, State, address,
    attachment::{self, Attachment},
    done, ids, interface_describe,
    interface_ipv6::{self, Ipv6Wanted},
    invalid, is_service, quota,
    security_group::DEFAULT_GROUP,
    tags::{self, Tags},
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) subnet: String,
    pub(super) vpc: String,
    /// Private addresses, the primary one first.
    pub(super) addresses: Vec<Ipv4Addr>,
    pub(super) ipv6: Vec<Ipv6Addr>,
    pub(super) groups: Vec<String>,
    pub(super) description: String,
    pub(super) interface_type: String,
    /// The AWS service that manages it.
    pub(super) requester: Option<String>,
    pub(super) attachment: Option<Attachment>,
    /// An address of Amazon's pool that lives as long as the attachment.
    pub(super) public_ip: Option<Ipv4Addr>,
    pub(super) source_check: bool,
    pub(super) mac: String,
}

/// What an interface shall be.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) subnet: String,
    pub(super) address: Option<Ipv4Addr>,
    /// Further private addresses.
    pub(super) secondary: usize,
    pub(super) ipv6: Ipv6Wanted,
    pub(super) groups: Vec<String>,
    pub(super) description: String,
    pub(super) interface_type: Option<String>,
    pub(super) requester: Option<String>,
    pub(super) tags: Tags,
}

impl Interface {
    pub(super) fn private_ip(&self) -> Ipv4Addr {
        self.addresses.first().copied().unwrap_or(Ipv4Addr::UNSPECIFIED)
    }
}

/// The private DNS name of an address ("EC2 instance hostnames": IP name).
pub(super) fn private_dns(region: &str, ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    let domain = if region == "us-east-1" { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") };
    format!("ip-{a}-{b}-{c}-{d}.{domain}")
}

impl State {
    /// The interface at device index 0 of an instance.
    pub(super) fn primary_interface(&self, instance: &str) -> Option<String> {
        let at_zero = |attachment: &Attachment| attachment.instance.as_deref() == Some(instance) && attachment.device_index == 0;
        self.interfaces.iter().find(|(_, found)| found.attachment.as_ref().is_some_and(at_zero)).map(|(id, _)| id.clone())
    }

    /// The interfaces of an instance.
    pub(super) fn interfaces_of(&self, instance: &str) -> Vec<String> {
        let mut of: Vec<_> = self
            .interfaces
            .iter()
            .filter_map(|(id, found)| {
                let attachment = found.attachment.as_ref()?;
                (attachment.instance.as_deref() == Some(instance)).then(|| (attachment.device_index, id.clone()))
            })
            .collect();
        of.sort();
        of.into_iter().map(|(_, id)| id).collect()
    }

    /// Removes an interface and takes elastic addresses off it.
    pub(super) fn remove_interface(&mut self, id: &str) {
        self.interfaces.remove(id);
        self.tags.remove(id);
        for address in self.addresses.values_mut() {
            if address.association.as_ref().is_some_and(|association| association.is_on(id)) {
                address.association = None;
            }
        }
    }

    /// The security group that came with a VPC.
    pub(super) fn default_group(&self, vpc: &str) -> Option<String> {
        let default = self.security_groups.iter().find(|(_, group)| group.vpc == vpc && group.name == DEFAULT_GROUP);
        default.map(|(id, _)| id.clone())
    }

    /// Checks security groups for an interface in a VPC; the VPC's default group if there are none.
    pub(super) fn groups_for(&self, groups: &[String], subnet: &str, vpc: &str) -> Result<Vec<String>, ApiError> {
        if groups.is_empty() {
            return Ok(self.default_group(vpc).into_iter().collect());
        }
        for id in groups {
            if ids::SECURITY_GROUP.find(&self.security_groups, id)?.vpc != vpc {
                let message = format!("Security group {id} and subnet {subnet} belong to different networks.");
                return Err(ApiError::new("InvalidParameter", message));
            }
        }
        let message = "The maximum number of security groups per interface has been reached.";
        quota::within(groups.len(), quota::GROUPS_PER_INTERFACE + 1, "SecurityGroupsPerInterfaceLimitExceeded", message)?;
        Ok(groups.to_vec())
    }
}

/// Makes an interface that is attached to nothing yet.
pub(super) fn make(world: &mut World, wanted: Wanted) -> Result<String, ApiError> {
    let subnet_id = wanted.subnet;
    let subnet = ids::SUBNET.find(&world.ec2.subnets, &subnet_id)?;
    let vpc = subnet.vpc.clone();
    let is_nat = wanted.interface_type.as_deref() == Some("nat_gateway");
    // A NAT gateway has no security groups ("NAT gateways": you cannot associate one).
    let groups = if is_nat { Vec::new() } else { world.ec2.groups_for(&wanted.groups, &subnet_id, &vpc)? };
    if let Some(address) = wanted.address {
        if !subnet.is_usable(address) {
            let message = format!("Address {address} does not fall within the subnet's address range");
            return Err(invalid(message));
        }
        if !world.ec2.is_free(&subnet_id, address) {
            return Err(ApiError::new("InvalidIPAddress.InUse", format!("Address {address} is in use.")));
        }
    }
    let full = || {
        let message = format!("The specified subnet '{subnet_id}' does not have enough free addresses to satisfy the request.");
        ApiError::new("InsufficientFreeAddressesInSubnet", message)
    };
    if world.ec2.free_in(&subnet_id) <= wanted.secondary {
        return Err(full());
    }
    let message = "The maximum number of network interfaces has been reached.";
    quota::within(world.ec2.interfaces.len(), quota::INTERFACES * world.quota_factor, "NetworkInterfaceLimitExceeded", message)?;
    let ipv6 = interface_ipv6::choose(world, &subnet_id, &wanted.ipv6, wanted.requester.is_some())?;
    let id = world.id(ids::NETWORK_INTERFACE.prefix);
    let hex = world.draw.hex("mac", 10);
    let octets: Vec<_> = (0..5).map(|n| &hex[2 * n..2 * n + 2]).collect();
    let interface = Interface {
        subnet: subnet_id.clone(),
        vpc,
        addresses: wanted.address.into_iter().collect(),
        ipv6,
        groups,
        description: wanted.description,
        interface_type: wanted.interface_type.unwrap_or_else(|| "interface".to_owned()),
        requester: wanted.requester,
        attachment: None,
        public_ip: None,
        source_check: !is_nat,
        mac: format!("02:{}", octets.join(":")),
    };
    let mut missing = wanted.secondary + usize::from(interface.addresses.is_empty());
    world.ec2.interfaces.insert(id.clone(), interface);
    while missing > 0 {
        let hint = world.draw.bits("private-ip");
        let Some(address) = world.ec2.pick_address(&subnet_id, hint) else { break };
        if let Some(interface) = world.ec2.interfaces.get_mut(&id) {
            interface.addresses.push(address);
        }
        missing -= 1;
    }
    world.ec2.tag(&id, wanted.tags);
    Ok(id)
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::NETWORK_INTERFACE.tag_type, &[])?;
    let before = world.ec2.made_before("CreateNetworkInterface", args)?.and_then(|made| made.first().cloned());
    let id = match before {
        Some(id) => id,
        None => {
            let service = is_service(caller);
            let list = args.nested("PrivateIpAddresses");
            let wanted = Wanted {
                subnet: args.required("SubnetId")?.to_owned(),
                address: parse_address(args.str("PrivateIpAddress"))?,
                secondary: args
                    .int("SecondaryPrivateIpAddressCount")
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(list.len().saturating_sub(1)),
                ipv6: Ipv6Wanted::parse(args, "Ipv6Addresses")?,
                groups: args.strings("SecurityGroupId"),
                description: args.str("Description").unwrap_or_default().to_owned(),
                interface_type: args.str("InterfaceType").map(str::to_owned),
                requester: service.then(|| args.str("RequesterId").unwrap_or(&caller.user_id).to_owned()),
                tags,
            };
            let id = make(world, wanted)?;
            // What a service makes is in use from the start: the service attaches it to something of its own.
            if service {
                attachment::attach_to(world, &id, None, 1, false);
                if args.bool("AssociatePublicIpAddress") == Some(true) {
                    let ip = address::from_pool(world);
                    ids::NETWORK_INTERFACE.find_mut(&mut world.ec2.interfaces, &id)?.public_ip = Some(ip);
                }
            }
            world.ec2.remember("CreateNetworkInterface", args, vec![id.clone()]);
            id
        }
    };
    let interface = ids::NETWORK_INTERFACE.find(&world.ec2.interfaces, &id)?;
    Ok(json!({"networkInterface": interface_describe::render(world, &id, interface), "clientToken": args.str("ClientToken")}))
}

/// An optional private address.
pub(super) fn parse_address(text: Option<&str>) -> Result<Option<Ipv4Addr>, ApiError> {
    text.map(|text| text.parse().map_err(|_| invalid(format!("Value ({text}) for parameter privateIpAddress is invalid.")))).transpose()
}

/// Interfaces that a service manages are not the account's owner's to change.
pub(super) fn permitted(interface: &Interface, caller: &Caller) -> Result<(), ApiError> {
    if interface.requester.is_some() && !is_service(caller) {
        return Err(ApiError::new("OperationNotPermitted", "You do not have permission to access the specified resource."));
    }
    Ok(())
}

/// "You can specify only one attribute at a time" (ModifyNetworkInterfaceAttribute).
pub(super) fn modify(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NetworkInterfaceId")?;
    let interface = ids::NETWORK_INTERFACE.find(&world.ec2.interfaces, id)?;
    permitted(interface, caller)?;
    let given = ["SecurityGroupId", "Description", "SourceDestCheck", "Attachment"].into_iter().filter(|name| args.get(name).is_some());
    let given: Vec<_> = given.collect();
    let [attribute] = given[..] else {
        let code = if given.is_empty() { "MissingParameter" } else { "InvalidParameterCombination" };
        return Err(ApiError::new(code, "The request must contain exactly one attribute to modify"));
    };
    let groups = match attribute {
        "SecurityGroupId" => world.ec2.groups_for(&args.strings(attribute), &interface.subnet, &interface.vpc)?,
        _ => Vec::new(),
    };
    let interface = ids::NETWORK_INTERFACE.find_mut(&mut world.ec2.interfaces, id)?;
    match (attribute, &mut interface.attachment) {
        ("SecurityGroupId", _) => {
            interface.groups = groups;
            let primary = interface.attachment.as_ref().filter(|attachment| attachment.device_index == 0);
            let instance = primary.and_then(|attachment| attachment.instance.clone());
            if let Some(instance) = instance.and_then(|id| world.ec2.instances.get_mut(&id)) {
                instance.groups.clone_from(&interface.groups);
            }
        }
        ("Description", _) => interface.description = args.sub(attribute).str("Value").unwrap_or_default().to_owned(),
        ("SourceDestCheck", _) => interface.source_check = args.sub(attribute).bool("Value") != Some(false),
        (_, Some(attachment)) if args.sub(attribute).str("AttachmentId") == Some(&attachment.id) => {
            attachment.delete_on_termination = args.sub(attribute).bool("DeleteOnTermination") == Some(true);
        }
        _ => {
            let wanted = args.sub(attribute).str("AttachmentId").unwrap_or_default().to_owned();
            let message = format!("The networkInterface attachment ID '{wanted}' does not exist");
            return Err(ApiError::new("InvalidAttachmentID.NotFound", message));
        }
    }
    Ok(done())
}

pub(super) fn delete(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NetworkInterfaceId")?;
    let interface = ids::NETWORK_INTERFACE.find(&world.ec2.interfaces, id)?;
    permitted(interface, caller)?;
    // A service lets go of what it holds as it deletes it.
    if interface.attachment.is_some() && interface.requester.is_none() {
        return Err(ApiError::new("InvalidNetworkInterface.InUse", format!("Network interface '{id}' is currently in use.")));
    }
    world.ec2.remove_interface(id);
    Ok(done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names() {
        let ip = Ipv4Addr::new(10, 0, 4, 12);
        assert_eq!(private_dns("us-east-1", ip), "ip-10-0-4-12.ec2.internal");
        assert_eq!(private_dns("eu-west-1", ip), "ip-10-0-4-12.eu-west-1.compute.internal");
    }
}
