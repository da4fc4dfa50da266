//! VPC endpoints: what they are, and how they are told ("AWS PrivateLink", "Gateway endpoints"). Making them is in
//! `endpoint_create`, changing and deleting in `endpoint_change`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Reply, State, endpoint_service, filter::Listing, ids};
use crate::{
    call::{Args, Caller},
    world::World,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndpointKind {
    Gateway,
    Interface,
}

impl EndpointKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "Gateway",
            Self::Interface => "Interface",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) kind: EndpointKind,
    pub(super) vpc: String,
    /// `com.amazonaws.us-east-1.s3`.
    pub(super) service: String,
    pub(super) state: &'static str,
    pub(super) policy: String,
    /// A gateway endpoint's route tables.
    pub(super) tables: Vec<String>,
    /// An interface endpoint's interfaces by subnet.
    pub(super) interfaces: BTreeMap<String, String>,
    pub(super) groups: Vec<String>,
    pub(super) private_dns: bool,
    pub(super) created: String,
    /// Part of its DNS names.
    pub(super) label: String,
}

/// "If this parameter is not specified, we attach a default policy that allows full access to the service" (CreateVpcEndpoint).
pub(super) const FULL_ACCESS: &str = r#"{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}"#;

impl State {
    /// Endpoints forget a route table that is gone.
    pub(super) fn forget_table(&mut self, table: &str) {
        for endpoint in self.endpoints.values_mut() {
            endpoint.tables.retain(|id| id != table);
        }
    }

    /// The interface endpoint of a VPC that answers for a service's own name ("Private DNS"), even while it is deleted.
    pub(super) fn private_name(&self, vpc: &str, service: &str) -> Option<&Endpoint> {
        self.endpoints.values().find(|endpoint| endpoint.vpc == vpc && endpoint.service == service && endpoint.private_dns)
    }
}

pub(super) fn render(world: &World, id: &str, endpoint: &Endpoint) -> Value {
    let state = &world.ec2;
    let is_interface = endpoint.kind == EndpointKind::Interface;
    let groups: Vec<_> = endpoint
        .groups
        .iter()
        .map(|id| json!({"groupId": id, "groupName": state.security_groups.get(id).map(|group| &group.name)}))
        .collect();
    let subnets: Vec<_> = endpoint.interfaces.keys().collect();
    let interfaces: Vec<_> = endpoint.interfaces.values().collect();
    json!({
        "vpcEndpointId": id,
        "vpcEndpointType": endpoint.kind.name(),
        "vpcId": endpoint.vpc,
        "serviceName": endpoint.service,
        "serviceRegion": world.region,
        // The service writes states in small letters, unlike the enumeration of its model.
        "state": endpoint.state,
        "policyDocument": endpoint.policy,
        "routeTableIdSet": endpoint.tables,
        "subnetIdSet": subnets,
        "groupSet": groups,
        "ipAddressType": is_interface.then_some("ipv4"),
        "dnsOptions": is_interface.then(|| json!({"dnsRecordIpType": "ipv4"})),
        "privateDnsEnabled": endpoint.private_dns,
        "requesterManaged": false,
        "networkInterfaceIdSet": interfaces,
        "dnsEntrySet": dns_entries(world, id, endpoint),
        "creationTimestamp": endpoint.created,
        "ownerId": world.account,
        "tagSet": state.tag_set(id),
    })
}

/// The names of an interface endpoint: of the Region, of each zone, and the service's own if private DNS is on ("DNS hostnames for
/// interface endpoints").
fn dns_entries(world: &World, id: &str, endpoint: &Endpoint) -> Vec<Value> {
    if endpoint.kind == EndpointKind::Gateway || endpoint.interfaces.is_empty() {
        return Vec::new();
    }
    let region = &world.region;
    let short = endpoint.service.trim_start_matches("com.amazonaws.").trim_start_matches(region.as_str()).trim_start_matches('.');
    let mut names = vec![format!("{id}-{}.{short}.{region}.vpce.amazonaws.com", endpoint.label)];
    let zones = endpoint.interfaces.keys().filter_map(|subnet| world.ec2.subnets.get(subnet)).map(|subnet| &subnet.zone);
    names.extend(zones.map(|zone| format!("{id}-{}-{zone}.{short}.{region}.vpce.amazonaws.com", endpoint.label)));
    let zone = format!("Z{}", endpoint.label.to_ascii_uppercase());
    let mut entries: Vec<_> = names.into_iter().map(|name| json!({"dnsName": name, "hostedZoneId": zone})).collect();
    let own = endpoint_service::find(region, &endpoint.service, endpoint.kind).ok().and_then(|service| service.private_dns(region));
    if let Some(name) = own.filter(|_| endpoint.private_dns) {
        let zone = if endpoint.state == "pending" { "ZONEIDPENDING".to_owned() } else { zone };
        entries.push(json!({"dnsName": name, "hostedZoneId": zone}));
    }
    entries
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.endpoints.iter().map(|(id, endpoint)| render(world, id, endpoint)).collect();
    Listing {
        set: "vpcEndpointSet",
        ids: Some(("VpcEndpointId", &ids::ENDPOINT)),
        key: "vpcEndpointId",
        filters: &[
            ("ip-address-type", "ipAddressType"),
            ("service-name", "serviceName"),
            ("service-region", "serviceRegion"),
            ("vpc-id", "vpcId"),
            ("vpc-endpoint-id", "vpcEndpointId"),
            ("vpc-endpoint-state", "state"),
            ("vpc-endpoint-type", "vpcEndpointType"),
        ],
        page: Some((1, 1000)),
    }
    .reply(args, items)
}
