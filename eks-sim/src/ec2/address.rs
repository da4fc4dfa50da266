//! Elastic IP addresses, and the public addresses of interfaces in general.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{Reply, State, done, filter::Listing, ids, instance::InstanceState, invalid, quota, tags};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) ip: Ipv4Addr,
    pub(super) association: Option<Association>,
    /// The service that brought it and manages it (ServiceManaged).
    pub(super) manager: Option<&'static str>,
}

/// An elastic IP address on an interface.
#[derive(Clone, Debug)]
pub(super) struct Association {
    pub(super) id: String,
    /// None of the account's when a regional NAT gateway has the address.
    pub(super) interface: Option<String>,
    /// The private address that it stands for, if not the interface's primary one.
    pub(super) secondary: Option<Ipv4Addr>,
}

impl Association {
    pub(super) fn is_on(&self, interface: &str) -> bool {
        self.interface.as_deref() == Some(interface)
    }

    /// Whether a service has the address, so that its owner cannot take it away.
    fn is_held(&self, state: &State) -> bool {
        let found = self.interface.as_ref().and_then(|id| state.interfaces.get(id));
        found.is_none_or(|interface| interface.requester.is_some())
    }
}

impl State {
    /// The public address of an interface: its elastic one, or the one that it got at launch.
    pub(super) fn public_address(&self, interface: &str) -> Option<Ipv4Addr> {
        let elastic = self.elastic_address(interface).map(|(_, address)| address.ip);
        elastic.or_else(|| self.interfaces.get(interface)?.public_ip)
    }

    /// The elastic address of an interface's primary private address.
    pub(super) fn elastic_address(&self, interface: &str) -> Option<(&str, &Address)> {
        self.elastic_address_at(interface, None)
    }

    /// The elastic address of one of an interface's private addresses; the primary one unless another is named.
    pub(super) fn elastic_address_at(&self, interface: &str, secondary: Option<Ipv4Addr>) -> Option<(&str, &Address)> {
        let is_there = |association: &Association| association.is_on(interface) && association.secondary == secondary;
        let found = self.addresses.iter().find(|(_, address)| address.association.as_ref().is_some_and(is_there));
        found.map(|(id, address)| (id.as_str(), address))
    }

    /// Takes an address off what has it; one that a service brought goes with it.
    pub(super) fn let_go(&mut self, allocation: &str) {
        if let Some(address) = self.addresses.get_mut(allocation) {
            address.association = None;
            if address.manager.is_some() {
                self.addresses.remove(allocation);
                self.tags.remove(allocation);
            }
        }
    }
}

/// An address of Amazon's pool.
pub(super) fn from_pool(world: &mut World) -> Ipv4Addr {
    let [_, _, _, _, _, b, c, d] = world.draw.bits("public-ip").to_be_bytes();
    Ipv4Addr::new(52, b, c, d)
}

/// The public DNS name of an address ("EC2 instance hostnames").
pub(super) fn public_dns(region: &str, ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    let domain = if region == "us-east-1" { "compute-1".to_owned() } else { format!("{region}.compute") };
    format!("ec2-{a}-{b}-{c}-{d}.{domain}.amazonaws.com")
}

fn render(world: &World, id: &str, address: &Address) -> Value {
    let mut item = json!({
        "allocationId": id, "publicIp": address.ip, "domain": "vpc", "publicIpv4Pool": "amazon", "networkBorderGroup": world.region,
        "tagSet": world.ec2.tag_set(id),
    });
    item["serviceManaged"] = json!(address.manager);
    if let Some(Association { id, interface, secondary }) = &address.association {
        item["associationId"] = json!(id);
        item["networkInterfaceId"] = json!(interface);
        if let Some(found) = interface.as_ref().and_then(|id| world.ec2.interfaces.get(id)) {
            item["networkInterfaceOwnerId"] = json!(world.account);
            item["privateIpAddress"] = json!(secondary.unwrap_or(found.private_ip()));
            item["instanceId"] = json!(found.attachment.as_ref().and_then(|attachment| attachment.instance.clone()));
        }
    }
    item
}

pub(super) fn allocate(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::ADDRESS.tag_type, &[])?;
    if let Some(domain) = args.str("Domain").filter(|domain| *domain != "vpc") {
        return Err(invalid(format!("Value ({domain}) for parameter domain is invalid.")));
    }
    let message = "The maximum number of addresses has been reached.";
    let own = world.ec2.addresses.values().filter(|address| address.manager.is_none()).count();
    quota::within(own, quota::ELASTIC_IPS * world.quota_factor, "AddressLimitExceeded", message)?;
    let (id, ip) = (world.id(ids::ADDRESS.prefix), from_pool(world));
    world.ec2.addresses.insert(id.clone(), Address { ip, association: None, manager: None });
    world.ec2.tag(&id, tags);
    Ok(json!({
        "allocationId": id, "publicIp": ip, "domain": "vpc", "publicIpv4Pool": "amazon", "networkBorderGroup": world.region,
    }))
}

/// The allocation that a call names by id or by address.
fn named(state: &State, args: &Args) -> Result<String, ApiError> {
    if let Some(id) = args.str("AllocationId") {
        return ids::ADDRESS.find(&state.addresses, id).map(|_| id.to_owned());
    }
    let ip = args.required("PublicIp").map_err(|_| ApiError::missing("allocationId"))?;
    let found = state.addresses.iter().find(|(_, address)| address.ip.to_string() == ip);
    found.map(|(id, _)| id.clone()).ok_or_else(|| ApiError::new("InvalidAddress.NotFound", format!("Address '{ip}' not found.")))
}

pub(super) fn associate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = named(&world.ec2, args)?;
    let state = &world.ec2;
    let interface = match (args.str("NetworkInterfaceId"), args.str("InstanceId")) {
        (Some(interface), _) => interface.to_owned(),
        (None, Some(instance_id)) => {
            let instance = ids::INSTANCE.find(&state.instances, instance_id)?;
            if instance.state != InstanceState::Running {
                let message = format!("The {} instance '{instance_id}' is not in a valid state for this operation.", instance.state.name());
                return Err(ApiError::new("IncorrectInstanceState", message));
            }
            state.primary_interface(instance_id).ok_or_else(|| ids::INSTANCE.not_found(instance_id))?
        }
        (None, None) => return Err(ApiError::missing("instanceId")),
    };
    let vpc = &ids::NETWORK_INTERFACE.find(&state.interfaces, &interface)?.vpc;
    if state.attached_gateway(vpc).is_none() {
        return Err(ApiError::new("Gateway.NotAttached", format!("Network {vpc} is not attached to any internet gateway")));
    }
    let movable = args.bool("AllowReassociation") != Some(false);
    let elsewhere = state.addresses[&id].association.as_ref().filter(|present| !present.is_on(&interface));
    if let Some(present) = elsewhere.filter(|present| present.is_held(state) || !movable) {
        let message = format!("resource {id} is already associated with associate-id {}", present.id);
        return Err(ApiError::new("Resource.AlreadyAssociated", message));
    }
    if let Some((other, _)) = state.elastic_address(&interface).filter(|(other, _)| *other != id) {
        if !movable {
            let message = format!("resource {interface} is already associated with allocation {other}");
            return Err(ApiError::new("Resource.AlreadyAssociated", message));
        }
        let other = other.to_owned();
        ids::ADDRESS.find_mut(&mut world.ec2.addresses, &other)?.association = None;
    }
    // The address of the pool that the interface may have goes back ("Elastic IP addresses").
    ids::NETWORK_INTERFACE.find_mut(&mut world.ec2.interfaces, &interface)?.public_ip = None;
    Ok(json!({"return": true, "associationId": put(world, &id, Some(&interface), None)}))
}

/// An address that a service brings and manages.
pub(super) fn bring(world: &mut World, manager: &'static str) -> String {
    let (id, ip) = (world.id(ids::ADDRESS.prefix), from_pool(world));
    world.ec2.addresses.insert(id.clone(), Address { ip, association: None, manager: Some(manager) });
    id
}

/// Puts an address on an interface, on its primary private address unless another is named; tells the association.
pub(super) fn put(world: &mut World, allocation: &str, interface: Option<&str>, secondary: Option<Ipv4Addr>) -> String {
    let association = world.id("eipassoc");
    if let Some(address) = world.ec2.addresses.get_mut(allocation) {
        address.association = Some(Association { id: association.clone(), interface: interface.map(str::to_owned), secondary });
    }
    association
}

pub(super) fn disassociate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let state = &mut world.ec2;
    if args.str("PublicIp").is_some() {
        return Err(invalid("You must specify an association id when unmapping an address from a VPC instance"));
    }
    let wanted = args.str("AssociationId").ok_or_else(|| ApiError::missing("associationId"))?;
    let held = |address: &Address| address.association.as_ref().is_some_and(|association| association.id == wanted);
    let found = state.addresses.iter().find(|(_, address)| held(address)).map(|(id, _)| id.clone());
    let id =
        found.ok_or_else(|| ApiError::new("InvalidAssociationID.NotFound", format!("The association ID '{wanted}' does not exist")))?;
    if state.addresses[&id].association.as_ref().is_some_and(|association| association.is_held(state)) {
        // A NAT gateway's primary address stays on its interface, which is AWS's ("Work with NAT gateways").
        return Err(ApiError::new("AuthFailure", "You do not have permission to access the specified resource."));
    }
    ids::ADDRESS.find_mut(&mut state.addresses, &id)?.association = None;
    Ok(done())
}

pub(super) fn release(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    // Addresses by which EC2-Classic named them are no names any more (ReleaseAddress).
    if args.str("PublicIp").is_some() {
        return Err(invalid("You must specify an allocation id when releasing a VPC elastic IP address"));
    }
    let id = named(&world.ec2, args)?;
    let address = &world.ec2.addresses[&id];
    if address.association.is_some() {
        return Err(ApiError::new("InvalidIPAddress.InUse", format!("Address {} is in use.", address.ip)));
    }
    world.ec2.addresses.remove(&id);
    world.ec2.tags.remove(&id);
    Ok(done())
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let mut items: Vec<_> = world.ec2.addresses.iter().map(|(id, address)| render(world, id, address)).collect();
    let wanted = args.strings("PublicIp");
    if let Some(unknown) = wanted.iter().find(|ip| !items.iter().any(|item| item["publicIp"] == ip.as_str())) {
        return Err(ApiError::new("InvalidAddress.NotFound", format!("Address '{unknown}' not found.")));
    }
    items.retain(|item| wanted.is_empty() || wanted.iter().any(|ip| item["publicIp"] == ip.as_str()));
    Listing {
        set: "addressesSet",
        ids: Some(("AllocationId", &ids::ADDRESS)),
        key: "allocationId",
        filters: &[
            ("allocation-id", "allocationId"),
            ("association-id", "associationId"),
            ("instance-id", "instanceId"),
            ("network-border-group", "networkBorderGroup"),
            ("network-interface-id", "networkInterfaceId"),
            ("network-interface-owner-id", "networkInterfaceOwnerId"),
            ("private-ip-address", "privateIpAddress"),
            ("public-ip", "publicIp"),
            ("domain", "domain"),
        ],
        page: None,
    }
    .reply(args, items)
}
