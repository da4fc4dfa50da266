//! Prefix lists that AWS manages ("Work with AWS-managed prefix lists", VPC user guide): the addresses of the services that have
//! gateway endpoints.

use serde_json::{Value, json};

use super::{Reply, endpoint_service::service_name, filter::Listing, ids};
use crate::{
    call::{Args, Caller},
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct PrefixList {
    pub(super) name: String,
    cidrs: &'static [&'static str],
}

/// What each Region has. The blocks are some of those that AWS publishes for its services; a Region's own are others.
const LISTS: [(&str, &[&str]); 2] = [("s3", &["52.216.0.0/15", "54.231.0.0/16"]), ("dynamodb", &["52.94.0.0/22", "52.119.224.0/20"])];

pub(super) fn furnish(world: &mut World) {
    for (service, cidrs) in LISTS {
        // These lists are older than long ids: eight digits.
        let id = format!("pl-{}", world.draw.hex("prefix-list", 8));
        world.ec2.prefix_lists.insert(id, PrefixList { name: service_name(&world.region, service), cidrs });
    }
}

/// The list of a service's addresses.
pub(super) fn of_service(world: &World, name: &str) -> Option<String> {
    world.ec2.prefix_lists.iter().find(|(_, list)| list.name == name).map(|(id, _)| id.clone())
}

/// DescribePrefixLists: name, id and blocks.
pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let render = |(id, list): (&String, &PrefixList)| json!({"prefixListId": id, "prefixListName": list.name, "cidrSet": list.cidrs});
    Listing {
        set: "prefixListSet",
        ids: Some(("PrefixListId", &ids::PREFIX_LIST)),
        key: "prefixListId",
        filters: &[("prefix-list-id", "prefixListId"), ("prefix-list-name", "prefixListName")],
        page: Some((1, 1000)),
    }
    .reply(args, world.ec2.prefix_lists.iter().map(render).collect())
}

/// DescribeManagedPrefixLists: what a list is, without its blocks.
pub(super) fn describe_managed(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let render = |(id, list): (&String, &PrefixList)| -> Value {
        json!({
            "prefixListId": id, "prefixListName": list.name, "addressFamily": "IPv4", "state": "create-complete", "ownerId": "AWS",
            "prefixListArn": format!("arn:aws:ec2:{}:aws:prefix-list/{id}", world.region), "tagSet": [],
        })
    };
    Listing {
        set: "prefixListSet",
        ids: Some(("PrefixListId", &ids::PREFIX_LIST)),
        key: "prefixListId",
        filters: &[("prefix-list-id", "prefixListId"), ("prefix-list-name", "prefixListName"), ("owner-id", "ownerId")],
        page: Some((1, 100)),
    }
    .reply(args, world.ec2.prefix_lists.iter().map(render).collect())
}

pub(super) fn entries(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let list = ids::PREFIX_LIST.find(&world.ec2.prefix_lists, args.required("PrefixListId")?)?;
    Listing { set: "entrySet", ids: None, key: "cidr", filters: &[], page: Some((1, 100)) }
        .reply(args, list.cidrs.iter().map(|cidr| json!({"cidr": cidr})).collect())
}
