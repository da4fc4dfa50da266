//! Subnets.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::{
    Reply, State, done,
    filter::Listing,
    ids, nat_regional, quota,
    subnet_attribute::{self, DnsOptions},
    tags,
    vpc::parse_cidr,
    vpc_cidr::Block,
    zones,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Subnet {
    pub(super) vpc: String,
    pub(super) net: Ipv4Net,
    pub(super) ipv6: Option<Block<Ipv6Net>>,
    pub(super) zone: String,
    pub(super) map_public_ip: bool,
    pub(super) assign_ipv6: bool,
    pub(super) dns: DnsOptions,
    pub(super) default_for_zone: bool,
}

impl Subnet {
    /// Addresses that interfaces may have: AWS keeps the first four and the last ("Subnet sizing").
    fn usable(&self) -> std::ops::RangeInclusive<u32> {
        u32::from(self.net.network()) + 4..=u32::from(self.net.broadcast()) - 1
    }

    pub(super) fn is_usable(&self, address: Ipv4Addr) -> bool {
        self.usable().contains(&u32::from(address))
    }
}

impl State {
    fn addresses_in(&self, subnet: &str) -> BTreeSet<u32> {
        self.interfaces
            .values()
            .filter(|interface| interface.subnet == subnet)
            .flat_map(|interface| interface.addresses.iter().map(|address| u32::from(*address)))
            .collect()
    }

    /// How many addresses a subnet has left.
    pub(super) fn free_in(&self, subnet: &str) -> usize {
        self.subnets.get(subnet).map_or(0, |found| found.usable().count() - self.addresses_in(subnet).len())
    }

    pub(super) fn is_free(&self, subnet: &str, address: Ipv4Addr) -> bool {
        !self.addresses_in(subnet).contains(&u32::from(address))
    }

    /// A free address of a subnet, near the `hint`-th one.
    pub(super) fn pick_address(&self, subnet: &str, hint: u64) -> Option<Ipv4Addr> {
        let usable = self.subnets.get(subnet)?.usable();
        let taken = self.addresses_in(subnet);
        let size = u64::from(usable.end() - usable.start()) + 1;
        let start = usable.start() + u32::try_from(hint % size).ok()?;
        (start..=*usable.end()).chain(*usable.start()..start).find(|address| !taken.contains(address)).map(Ipv4Addr::from)
    }
}

const LISTING: Listing = Listing {
    set: "subnetSet",
    ids: Some(("SubnetId", &ids::SUBNET)),
    key: "subnetId",
    filters: &[
        ("subnet-id", "subnetId"),
        ("vpc-id", "vpcId"),
        ("availability-zone", "availabilityZone"),
        ("availabilityZone", "availabilityZone"),
        ("availability-zone-id", "availabilityZoneId"),
        ("availabilityZoneId", "availabilityZoneId"),
        ("available-ip-address-count", "availableIpAddressCount"),
        ("cidr", "cidrBlock"),
        ("cidr-block", "cidrBlock"),
        ("cidrBlock", "cidrBlock"),
        ("default-for-az", "defaultForAz"),
        ("defaultForAz", "defaultForAz"),
        ("enable-dns64", "enableDns64"),
        ("ipv6-cidr-block-association.ipv6-cidr-block", "ipv6CidrBlockAssociationSet.ipv6CidrBlock"),
        ("ipv6-cidr-block-association.association-id", "ipv6CidrBlockAssociationSet.associationId"),
        ("ipv6-cidr-block-association.state", "ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state"),
        ("ipv6-native", "ipv6Native"),
        ("private-dns-name-options-on-launch.hostname-type", "privateDnsNameOptionsOnLaunch.hostnameType"),
        (
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
            "privateDnsNameOptionsOnLaunch.enableResourceNameDnsARecord",
        ),
        (
            "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
            "privateDnsNameOptionsOnLaunch.enableResourceNameDnsAAAARecord",
        ),
        ("map-public-ip-on-launch", "mapPublicIpOnLaunch"),
        ("owner-id", "ownerId"),
        ("state", "state"),
        ("subnet-arn", "subnetArn"),
    ],
    page: Some((5, 1000)),
};

fn render(world: &World, id: &str, subnet: &Subnet, state: &str) -> Value {
    let ipv6: Vec<_> = subnet.ipv6.iter().map(subnet_attribute::render_block).collect();
    json!({
        "subnetId": id,
        "subnetArn": format!("arn:aws:ec2:{}:{}:subnet/{id}", world.region, world.account),
        "state": state,
        "vpcId": subnet.vpc,
        "cidrBlock": subnet.net,
        "ipv6CidrBlockAssociationSet": ipv6,
        "availableIpAddressCount": world.ec2.free_in(id),
        "availabilityZone": subnet.zone,
        "availabilityZoneId": zones::id_of(&world.region, &subnet.zone),
        "defaultForAz": subnet.default_for_zone,
        "mapPublicIpOnLaunch": subnet.map_public_ip,
        "assignIpv6AddressOnCreation": subnet.assign_ipv6,
        "ownerId": world.account,
        "enableDns64": subnet.dns.dns64,
        "ipv6Native": false,
        "privateDnsNameOptionsOnLaunch": {
            "hostnameType": subnet.dns.hostname_type, "enableResourceNameDnsARecord": subnet.dns.a_record,
            "enableResourceNameDnsAAAARecord": subnet.dns.aaaa_record,
        },
        "tagSet": world.ec2.tag_set(id),
    })
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::SUBNET.tag_type, &[])?;
    let vpc_id = args.required("VpcId").map_err(|_| ApiError::missing("vpcId"))?.to_owned();
    let net = parse_cidr("cidrBlock", args.required("CidrBlock").map_err(|_| ApiError::missing("cidrBlock"))?)?;
    let zone = zones::named(&world.region, args)?;
    let vpc = ids::VPC.find(&world.ec2.vpcs, &vpc_id)?;
    if !(16..=28).contains(&net.prefix_len()) || !vpc.covers(&net) {
        return Err(ApiError::new("InvalidSubnet.Range", format!("The CIDR '{net}' is invalid.")));
    }
    let siblings = || world.ec2.subnets.values().filter(|subnet| subnet.vpc == vpc_id);
    if siblings().any(|subnet| subnet.net.contains(&net) || net.contains(&subnet.net)) {
        return Err(ApiError::new("InvalidSubnet.Conflict", format!("The CIDR '{net}' conflicts with another subnet")));
    }
    let ipv6 = args.str("Ipv6CidrBlock").map(|text| subnet_attribute::ipv6_block(&world.ec2, &vpc_id, vpc, text)).transpose()?;
    quota::within(siblings().count(), quota::SUBNETS_PER_VPC, "SubnetLimitExceeded", "The maximum number of subnets has been reached.")?;
    // Without a zone AWS chooses one.
    let zone = match zone {
        Some(zone) => zone,
        None => {
            let zones = zones::zones(&world.region);
            let index = usize::try_from(world.draw.bits("zone") % zones.len() as u64).unwrap_or_default();
            zones[index].0.clone()
        }
    };
    let id = make(world, &vpc_id, net, zone);
    if let Some(net) = ipv6 {
        subnet_attribute::give(world, &id, net);
    }
    world.ec2.tag(&id, tags);
    Ok(json!({"subnet": render(world, &id, &world.ec2.subnets[&id], "available")}))
}

pub(super) fn make(world: &mut World, vpc: &str, net: Ipv4Net, zone: String) -> String {
    let (id, acl_association) = (world.id("subnet"), world.id("aclassoc"));
    let subnet = Subnet {
        vpc: vpc.to_owned(),
        net,
        ipv6: None,
        zone,
        map_public_ip: false,
        assign_ipv6: false,
        dns: DnsOptions::default(),
        default_for_zone: false,
    };
    world.ec2.subnets.insert(id.clone(), subnet);
    if let Some(acl) = world.ec2.default_acl(vpc) {
        acl.associations.insert(acl_association, id.clone());
    }
    nat_regional::follow(world, vpc);
    id
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("SubnetId")?;
    let state = &mut world.ec2;
    let vpc = ids::SUBNET.find(&state.subnets, id)?.vpc.clone();
    if state.interfaces.values().any(|interface| interface.subnet == id) {
        return Err(ApiError::new("DependencyViolation", format!("The subnet '{id}' has dependencies and cannot be deleted.")));
    }
    state.subnets.remove(id);
    // Its associations go with it.
    for table in state.route_tables.values_mut() {
        table.associations.retain(|_, with| !with.is_subnet(id));
    }
    for acl in state.acls.values_mut() {
        acl.associations.retain(|_, subnet| subnet != id);
    }
    state.tags.remove(id);
    nat_regional::follow(world, &vpc);
    Ok(done())
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world
        .ec2
        .subnets
        .iter()
        .filter(|(id, _)| LISTING.wants(&world.ec2, args, id))
        .map(|(id, subnet)| render(world, id, subnet, "available"))
        .collect();
    LISTING.reply(args, items)
}
