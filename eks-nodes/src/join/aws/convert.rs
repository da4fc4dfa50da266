//! From the SDK's types to evidence.

use std::time::{Duration, SystemTime};

use aws_sdk_autoscaling::types::{Activity, AutoScalingGroup};
use aws_sdk_ec2::types::{
    Instance, InstanceMetadataEndpointState, IpPermission, NatGateway, NetworkAcl, NetworkAclEntry, RouteState, RouteTable, RuleAction,
    SecurityGroup, VpcEndpoint, VpcEndpointType,
};
use aws_sdk_eks::types::Cluster;

use super::super::evidence::{
    AclEntryEvidence, AclEvidence, ActivityEvidence, ClusterEvidence, EndpointEvidence, GroupEvidence, InstanceEvidence, NatEvidence,
    RouteEvidence, RuleEvidence, SecurityGroupEvidence, Way,
};

fn owned(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

/// How long ago it was; nothing for what the clocks put into the future.
fn age<T>(now: SystemTime, then: Option<T>) -> Duration
where
    SystemTime: TryFrom<T>,
{
    then.and_then(|then| SystemTime::try_from(then).ok()).and_then(|then| now.duration_since(then).ok()).unwrap_or_default()
}

pub(super) fn group(found: &AutoScalingGroup, activities: &[Activity], now: SystemTime) -> GroupEvidence {
    let alive = found.instances().iter().filter_map(|instance| instance.lifecycle_state()).map(|state| state.as_str());
    let alive = alive.filter(|state| state.starts_with("Pending") || *state == "InService").count();
    GroupEvidence {
        name: owned(found.auto_scaling_group_name()),
        desired: found.desired_capacity().and_then(|desired| desired.try_into().ok()).unwrap_or_default(),
        alive: alive.try_into().unwrap_or(u32::MAX),
        activities: activities.iter().map(|one| activity(one, now)).collect(),
    }
}

fn activity(found: &Activity, now: SystemTime) -> ActivityEvidence {
    ActivityEvidence {
        status: owned(found.status_code().map(|status| status.as_str())),
        description: owned(found.description()),
        message: owned(found.status_message()),
        age: age(now, found.start_time().copied()),
    }
}

pub(super) fn instance(found: &Instance, now: SystemTime) -> InstanceEvidence {
    let metadata = found.metadata_options().and_then(|options| options.http_endpoint());
    InstanceEvidence {
        id: owned(found.instance_id()),
        state: owned(found.state().and_then(|state| state.name()).map(|name| name.as_str())),
        reason: found.state_reason().map(|reason| (owned(reason.code()), owned(reason.message()))),
        age: age(now, found.launch_time().copied()),
        kind: owned(found.instance_type().map(|kind| kind.as_str())),
        // The id, until its name is looked up.
        image: found.image_id().map(str::to_owned),
        subnet: owned(found.subnet_id()),
        vpc: owned(found.vpc_id()),
        zone: owned(found.placement().and_then(|placement| placement.availability_zone())),
        private_ip: found.private_ip_address().and_then(|address| address.parse().ok()),
        public_ip: found.public_ip_address().and_then(|address| address.parse().ok()),
        security_groups: found.security_groups().iter().map(|group| owned(group.group_id())).collect(),
        profile: found.iam_instance_profile().and_then(|profile| profile.arn()).map(str::to_owned),
        imds: metadata != Some(&InstanceMetadataEndpointState::Disabled),
        user_data: None,
        checks: None,
        console: None,
    }
}

pub(super) fn cluster(found: &Cluster) -> ClusterEvidence {
    let place = found.resources_vpc_config();
    let groups = place.map(|place| place.security_group_ids()).unwrap_or_default().iter().cloned();
    ClusterEvidence {
        name: owned(found.name()),
        status: owned(found.status().map(|status| status.as_str())),
        version: owned(found.version()),
        endpoint: owned(found.endpoint()),
        certificate_authority: owned(found.certificate_authority().and_then(|authority| authority.data())),
        vpc: owned(place.and_then(|place| place.vpc_id())),
        private: place.is_some_and(|place| place.endpoint_private_access()),
        public: place.is_some_and(|place| place.endpoint_public_access()),
        public_blocks: place.map(|place| place.public_access_cidrs().to_vec()).unwrap_or_default(),
        security_groups: groups.chain(place.and_then(|place| place.cluster_security_group_id()).map(str::to_owned)).collect(),
        // What tells nothing is of the time before access entries.
        authentication: found
            .access_config()
            .and_then(|access| access.authentication_mode())
            .map_or("CONFIG_MAP", |mode| mode.as_str())
            .to_owned(),
    }
}

/// The table of a subnet: its own, or the VPC's main one.
pub(super) fn route(tables: &[RouteTable], subnet: &str) -> Option<RouteEvidence> {
    let own = tables.iter().find(|table| table.associations().iter().any(|one| one.subnet_id() == Some(subnet)));
    let table = own.or_else(|| tables.iter().find(|table| table.associations().iter().any(|one| one.main() == Some(true))))?;
    let (mut default, mut others) = (Way::Nowhere, false);
    for route in table.routes() {
        let is_default = route.destination_cidr_block() == Some("0.0.0.0/0");
        let gateway = route.gateway_id().unwrap_or_default();
        if gateway == "local" || gateway.starts_with("vpce-") {
            continue;
        }
        let target = [
            route.gateway_id(),
            route.nat_gateway_id(),
            route.transit_gateway_id(),
            route.network_interface_id(),
            route.vpc_peering_connection_id(),
            route.egress_only_internet_gateway_id(),
            route.carrier_gateway_id(),
            route.local_gateway_id(),
            route.core_network_arn(),
        ];
        let target = owned(target.into_iter().flatten().next());
        if !is_default {
            others = true;
            continue;
        }
        default = match (route.state(), route.nat_gateway_id()) {
            (Some(RouteState::Blackhole), _) => Way::Blackhole(target),
            (_, Some(_)) => Way::Nat(target),
            _ if target.starts_with("igw-") => Way::Internet(target),
            _ => Way::Other(target),
        };
    }
    Some(RouteEvidence { table: owned(table.route_table_id()), default, others })
}

pub(super) fn nat(found: &NatGateway) -> NatEvidence {
    NatEvidence {
        state: owned(found.state().map(|state| state.as_str())),
        addresses: found.nat_gateway_addresses().iter().filter_map(|one| one.public_ip()?.parse().ok()).collect(),
        reason: owned(found.failure_message()),
    }
}

pub(super) fn acl(found: &NetworkAcl) -> AclEvidence {
    let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok());
    let entry = |one: &NetworkAclEntry| {
        Some(AclEntryEvidence {
            number: u16::try_from(one.rule_number()?).ok()?,
            egress: one.egress()?,
            allow: one.rule_action() == Some(&RuleAction::Allow),
            protocol: owned(one.protocol()),
            ports: one.port_range().and_then(|range| port(range.from()).zip(port(range.to()))),
            block: one.cidr_block()?.to_owned(),
        })
    };
    let mut entries: Vec<_> = found.entries().iter().filter_map(entry).collect();
    entries.sort_by_key(|entry| entry.number);
    AclEvidence { id: owned(found.network_acl_id()), entries }
}

pub(super) fn endpoint(found: &VpcEndpoint) -> EndpointEvidence {
    EndpointEvidence {
        id: owned(found.vpc_endpoint_id()),
        service: owned(found.service_name()),
        gateway: found.vpc_endpoint_type() == Some(&VpcEndpointType::Gateway),
        state: owned(found.state().map(|state| state.as_str())),
        private_dns: found.private_dns_enabled() == Some(true),
        security_groups: found.groups().iter().map(|group| owned(group.group_id())).collect(),
        tables: found.route_table_ids().to_vec(),
    }
}

pub(super) fn security_group(found: &SecurityGroup) -> SecurityGroupEvidence {
    let rules = |permissions: &[IpPermission]| permissions.iter().map(rule).collect();
    SecurityGroupEvidence { ingress: rules(found.ip_permissions()), egress: rules(found.ip_permissions_egress()) }
}

fn rule(found: &IpPermission) -> RuleEvidence {
    let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok());
    RuleEvidence {
        protocol: owned(found.ip_protocol()),
        ports: port(found.from_port()).zip(port(found.to_port())),
        groups: found.user_id_group_pairs().iter().filter_map(|pair| pair.group_id()).map(str::to_owned).collect(),
        blocks: found.ip_ranges().iter().filter_map(|range| range.cidr_ip()).map(str::to_owned).collect(),
        others: !found.prefix_list_ids().is_empty() || !found.ipv6_ranges().is_empty(),
    }
}
