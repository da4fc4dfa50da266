//! Regions, Availability Zones and account attributes.

use serde_json::{Value, json};

use super::{Reply, filter::Listing, invalid};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// Regions that need no opt-in.
const REGIONS: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Zones of a Region as (name, id). AWS maps names to ids for each account; in us-east-1 ours has the constrained zone
/// use1-az3 behind us-east-1e, as many accounts have.
pub(super) fn zones(region: &str) -> Vec<(String, String)> {
    let numbers: &[u8] = if region == "us-east-1" { &[1, 2, 4, 6, 3, 5] } else { &[1, 2, 3] };
    let prefix = id_prefix(region);
    ('a'..).zip(numbers).map(|(letter, number)| (format!("{region}{letter}"), format!("{prefix}-az{number}"))).collect()
}

/// `us-east-1` in zone ids is `use1`; `ap-southeast-2` is `apse2`.
fn id_prefix(region: &str) -> String {
    region
        .split('-')
        .enumerate()
        .map(|(index, part)| match part {
            _ if index == 0 => part,
            "gov" => "g",
            "east" => "e",
            "west" => "w",
            "north" => "n",
            "south" => "s",
            "central" => "c",
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            number => number,
        })
        .collect()
}

/// The zone that a call names by AvailabilityZone or AvailabilityZoneId.
pub(super) fn named(region: &str, args: &Args) -> Result<Option<String>, ApiError> {
    let (name, id) = (args.str("AvailabilityZone"), args.str("AvailabilityZoneId"));
    let Some(wanted) = name.or(id).filter(|wanted| !wanted.is_empty()) else { return Ok(None) };
    let zones = zones(region);
    match zones.iter().find(|(zone, zone_id)| if name.is_some() { zone == wanted } else { zone_id == wanted }) {
        Some((zone, _)) => Ok(Some(zone.clone())),
        None => {
            let names: Vec<_> = zones.iter().map(|(zone, _)| zone.as_str()).collect();
            Err(ApiError::new(
                "InvalidParameterValue",
                format!(
                    "Value ({wanted}) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: {}.",
                    names.join(", ")
                ),
            ))
        }
    }
}

/// The id of a zone.
pub(super) fn id_of(region: &str, zone: &str) -> String {
    zones(region).into_iter().find(|(name, _)| name == zone).map(|(_, id)| id).unwrap_or_default()
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let region = &world.region;
    let zones = zones(region);
    for (parameter, by_name) in [("ZoneName", true), ("ZoneId", false)] {
        for wanted in args.strings(parameter) {
            if !zones.iter().any(|(name, id)| *(if by_name { name } else { id }) == wanted) {
                return Err(invalid(format!("Invalid availability zone: [{wanted}]")));
            }
        }
    }
    let (names, ids) = (args.strings("ZoneName"), args.strings("ZoneId"));
    let asked = |name: &String, id: &String| (names.is_empty() || names.contains(name)) && (ids.is_empty() || ids.contains(id));
    let items = zones.iter().filter(|(name, id)| asked(name, id)).map(|(name, id)| {
        json!({
            "zoneName": name, "zoneId": id, "zoneState": "available", "regionName": region, "zoneType": "availability-zone",
            "groupName": format!("{region}-zg-1"), "networkBorderGroup": region, "optInStatus": "opt-in-not-required", "messageSet": [],
        })
    });
    Listing {
        set: "availabilityZoneInfo",
        ids: None,
        key: "zoneName",
        filters: &[
            ("zone-name", "zoneName"),
            ("zone-id", "zoneId"),
            ("zone-type", "zoneType"),
            ("state", "zoneState"),
            ("region-name", "regionName"),
            ("group-name", "groupName"),
            ("opt-in-status", "optInStatus"),
        ],
        page: None,
    }
    .reply(args, items.collect())
}

pub(super) fn describe_regions(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let mut names: Vec<_> = REGIONS.iter().map(|name| (*name).to_owned()).collect();
    if !names.contains(&world.region) {
        names.push(world.region.clone());
    }
    let wanted = args.strings("RegionName");
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(invalid(format!("Invalid region provided: {unknown}")));
    }
    names.retain(|name| wanted.is_empty() || wanted.contains(name));
    let items = names.iter().map(
        |name| json!({"regionName": name, "regionEndpoint": format!("ec2.{name}.amazonaws.com"), "optInStatus": "opt-in-not-required"}),
    );
    Listing {
        set: "regionInfo",
        ids: None,
        key: "regionName",
        filters: &[("region-name", "regionName"), ("endpoint", "regionEndpoint"), ("opt-in-status", "optInStatus")],
        page: None,
    }
    .reply(args, items.collect())
}

pub(super) fn describe_account_attributes(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let default_vpc = world.ec2.vpcs.iter().find(|(_, vpc)| vpc.is_default).map_or("none", |(id, _)| id).to_owned();
    let wanted = args.strings("AttributeName");
    let attributes = [
        ("supported-platforms", "VPC".to_owned()),
        ("default-vpc", default_vpc),
        ("max-instances", "20".to_owned()),
        ("vpc-max-security-groups-per-interface", super::quota::GROUPS_PER_INTERFACE.to_string()),
        ("max-elastic-ips", super::quota::ELASTIC_IPS.to_string()),
        ("vpc-max-elastic-ips", super::quota::ELASTIC_IPS.to_string()),
    ];
    let set: Value = attributes
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name))
        .map(|(name, value)| json!({"attributeName": name, "attributeValueSet": [{"attributeValue": value}]}))
        .collect();
    Ok(json!({"accountAttributeSet": set}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_ids() {
        assert_eq!(id_of("us-east-1", "us-east-1a"), "use1-az1");
        assert_eq!(id_of("ap-southeast-2", "ap-southeast-2c"), "apse2-az3");
        assert_eq!(id_of("eu-central-1", "eu-central-1b"), "euc1-az2");
        assert_eq!(id_of("us-gov-west-1", "us-gov-west-1a"), "usgw1-az1");
        assert_eq!(zones("us-east-1").len(), 6);
    }
}
