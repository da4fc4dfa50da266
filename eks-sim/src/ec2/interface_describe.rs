//! How network interfaces are told.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{
    Reply, address,
    filter::{Listing, ids_or_page},
    ids,
    interface::{Interface, private_dns},
    zones,
};
use crate::{
    call::{Args, Caller},
    world::World,
};

pub(super) fn render(world: &World, id: &str, interface: &Interface) -> Value {
    let state = &world.ec2;
    let groups: Vec<_> = interface
        .groups
        .iter()
        .map(|id| json!({"groupId": id, "groupName": state.security_groups.get(id).map(|group| &group.name)}))
        .collect();
    let zone = state.subnets.get(&interface.subnet).map(|subnet| subnet.zone.clone()).unwrap_or_default();
    let association = association(world, id);
    let addresses: Vec<_> = interface
        .addresses
        .iter()
        .enumerate()
        .map(|(index, ip)| {
            let public = if index == 0 { association.clone() } else { secondary_association(world, id, *ip) };
            json!({"privateIpAddress": ip, "primary": index == 0, "privateDnsName": private_dns(&world.region, *ip), "association": public})
        })
        .collect();
    let ipv6: Vec<_> = interface.ipv6.iter().map(|ip| json!({"ipv6Address": ip, "isPrimaryIpv6": false})).collect();
    let attachment = interface.attachment.as_ref().map(|attachment| {
        json!({
            "attachmentId": attachment.id, "instanceId": attachment.instance, "instanceOwnerId": attachment.owner,
            "deviceIndex": attachment.device_index, "networkCardIndex": 0, "status": "attached", "attachTime": attachment.at,
            "deleteOnTermination": attachment.delete_on_termination,
        })
    });
    json!({
        "networkInterfaceId": id,
        "subnetId": interface.subnet,
        "vpcId": interface.vpc,
        "availabilityZoneId": zones::id_of(&world.region, &zone),
        "availabilityZone": zone,
        "description": interface.description,
        "ownerId": world.account,
        "requesterId": interface.requester,
        "requesterManaged": interface.requester.is_some(),
        "status": if interface.attachment.is_some() { "in-use" } else { "available" },
        "macAddress": interface.mac,
        "privateIpAddress": interface.private_ip(),
        "privateDnsName": private_dns(&world.region, interface.private_ip()),
        "sourceDestCheck": interface.source_check,
        "interfaceType": interface.interface_type,
        "groupSet": groups,
        "privateIpAddressesSet": addresses,
        "ipv6AddressesSet": ipv6,
        "ipv6Address": interface.ipv6.first(),
        "association": association,
        "attachment": attachment,
        "tagSet": state.tag_set(id),
    })
}

/// The public side of an interface as replies tell it.
pub(super) fn association(world: &World, id: &str) -> Value {
    let Some(ip) = world.ec2.public_address(id) else { return Value::Null };
    let dns = address::public_dns(&world.region, ip);
    match world.ec2.elastic_address(id) {
        Some((allocation, address)) => json!({
            "publicIp": ip, "publicDnsName": dns, "ipOwnerId": world.account, "allocationId": allocation,
            "associationId": address.association.as_ref().map(|association| &association.id),
        }),
        None => json!({"publicIp": ip, "publicDnsName": dns, "ipOwnerId": "amazon"}),
    }
}

/// The public side of a secondary private address: an elastic one or none.
fn secondary_association(world: &World, id: &str, ip: Ipv4Addr) -> Value {
    let Some((allocation, address)) = world.ec2.elastic_address_at(id, Some(ip)) else { return Value::Null };
    json!({
        "publicIp": address.ip, "publicDnsName": address::public_dns(&world.region, address.ip), "ipOwnerId": world.account,
        "allocationId": allocation, "associationId": address.association.as_ref().map(|association| &association.id),
    })
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    ids_or_page(args, "NetworkInterfaceId")?;
    let listing = Listing {
        set: "networkInterfaceSet",
        ids: Some(("NetworkInterfaceId", &ids::NETWORK_INTERFACE)),
        key: "networkInterfaceId",
        filters: &[
            ("network-interface-id", "networkInterfaceId"),
            ("vpc-id", "vpcId"),
            ("subnet-id", "subnetId"),
            ("availability-zone", "availabilityZone"),
            ("availability-zone-id", "availabilityZoneId"),
            ("description", "description"),
            ("group-id", "groupSet.groupId"),
            ("group-name", "groupSet.groupName"),
            ("interface-type", "interfaceType"),
            ("mac-address", "macAddress"),
            ("owner-id", "ownerId"),
            ("private-dns-name", "privateDnsName"),
            ("private-ip-address", "privateIpAddress"),
            ("addresses.private-ip-address", "privateIpAddressesSet.privateIpAddress"),
            ("addresses.association.public-ip", "privateIpAddressesSet.association.publicIp"),
            ("association.allocation-id", "association.allocationId"),
            ("association.association-id", "association.associationId"),
            ("association.public-ip", "association.publicIp"),
            ("association.ip-owner-id", "association.ipOwnerId"),
            ("association.public-dns-name", "association.publicDnsName"),
            ("addresses.primary", "privateIpAddressesSet.primary"),
            ("attachment.attach-time", "attachment.attachTime"),
            ("ipv6-addresses.ipv6-address", "ipv6AddressesSet.ipv6Address"),
            ("attachment.attachment-id", "attachment.attachmentId"),
            ("attachment.instance-id", "attachment.instanceId"),
            ("attachment.instance-owner-id", "attachment.instanceOwnerId"),
            ("attachment.device-index", "attachment.deviceIndex"),
            ("attachment.status", "attachment.status"),
            ("attachment.delete-on-termination", "attachment.deleteOnTermination"),
            ("requester-id", "requesterId"),
            ("requester-managed", "requesterManaged"),
            ("source-dest-check", "sourceDestCheck"),
            ("status", "status"),
        ],
        page: Some((5, 1000)),
    };
    let items = world
        .ec2
        .interfaces
        .iter()
        .filter(|(id, _)| listing.wants(&world.ec2, args, id))
        .map(|(id, interface)| render(world, id, interface))
        .collect();
    listing.reply(args, items)
}
