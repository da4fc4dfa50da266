//! Instances: their states, their end, and how they are told. Launching is in `launch`.

use std::{net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};

use super::{
    Reply, State, address,
    attachment::Attachment,
    done,
    filter::{self, Listing, ids_or_page},
    ids, instance_types, interface, interface_describe, trouble, zones,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    node,
    times::Time,
    world::World,
};

/// How long a terminated instance is still told ("Terminate Amazon EC2 instances": about an hour).
const VISIBLE: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InstanceState {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl InstanceState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    pub(super) fn render(self) -> Value {
        let code = match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        };
        json!({"code": code, "name": self.name()})
    }
}

#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) reservation: String,
    pub(super) index: usize,
    pub(super) state: InstanceState,
    pub(super) image: String,
    pub(super) instance_type: String,
    pub(super) key_name: Option<String>,
    /// By ARN.
    pub(super) profile: Option<String>,
    /// In base64, as it came.
    pub(super) user_data: String,
    pub(super) metadata: Metadata,
    pub(super) protected: bool,
    pub(super) subnet: String,
    pub(super) vpc: String,
    pub(super) zone: String,
    pub(super) private_ip: Ipv4Addr,
    pub(super) groups: Vec<String>,
    /// Whether it was launched with a public address of Amazon's pool.
    pub(super) public: bool,
    pub(super) launched: String,
    pub(super) client_token: Option<String>,
    pub(super) reason: Option<(&'static str, String)>,
}

/// Options of the instance metadata service.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) tokens: String,
    pub(super) hop_limit: i64,
    pub(super) endpoint: String,
}

fn render(world: &World, id: &str, instance: &Instance) -> Value {
    let state = &world.ec2;
    let gone = instance.state == InstanceState::Terminated;
    let interfaces = state.interfaces_of(id);
    let public = interfaces.first().and_then(|interface| state.public_address(interface));
    let dns_hostnames = state.vpcs.get(&instance.vpc).is_some_and(|vpc| vpc.dns_support && vpc.dns_hostnames);
    let groups: Vec<_> = instance
        .groups
        .iter()
        .filter(|_| !gone)
        .map(|id| json!({"groupId": id, "groupName": state.security_groups.get(id).map(|group| &group.name)}))
        .collect();
    let volumes: Vec<_> = state
        .volumes
        .iter()
        .filter_map(|(volume, found)| {
            let attachment = found.attachment.as_ref().filter(|attachment| attachment.instance == id)?;
            Some(json!({
                "deviceName": attachment.device,
                "ebs": {
                    "volumeId": volume, "status": attachment.state, "attachTime": attachment.at,
                    "deleteOnTermination": attachment.delete_on_termination,
                },
            }))
        })
        .collect();
    let told: Vec<_> = interfaces.iter().map(|id| interface_describe::render(world, id, &state.interfaces[id])).collect();
    let mut item = json!({
        "instanceId": id,
        "imageId": instance.image,
        "instanceState": instance.state.render(),
        "privateDnsName": if gone { String::new() } else { interface::private_dns(&world.region, instance.private_ip) },
        "dnsName": public.filter(|_| dns_hostnames).map(|ip| address::public_dns(&world.region, ip)).unwrap_or_default(),
        "privateIpAddress": (!gone).then_some(instance.private_ip),
        "ipAddress": public,
        "ipv6Address": interfaces.first().and_then(|id| state.interfaces.get(id)?.ipv6.first()),
        "subnetId": (!gone).then_some(&instance.subnet),
        "vpcId": (!gone).then_some(&instance.vpc),
        "keyName": instance.key_name,
        "amiLaunchIndex": instance.index,
        "instanceType": instance.instance_type,
        "launchTime": instance.launched,
        "placement": {
            "availabilityZone": instance.zone, "availabilityZoneId": zones::id_of(&world.region, &instance.zone), "tenancy": "default",
            "groupName": "",
        },
        "monitoring": {"state": "disabled"},
        "architecture": instance_types::find(&instance.instance_type).map(|found| found.architecture),
        "rootDeviceType": "ebs",
        "rootDeviceName": super::image::ROOT_DEVICE,
        "blockDeviceMapping": volumes,
        "virtualizationType": "hvm",
        "hypervisor": "xen",
        "enaSupport": true,
        "sourceDestCheck": true,
        "clientToken": instance.client_token,
        "iamInstanceProfile": instance.profile.as_ref().map(|arn| json!({"arn": arn, "id": profile_id(arn)})),
        "groupSet": groups,
        "networkInterfaceSet": told,
        "metadataOptions": {
            "state": "applied", "httpTokens": instance.metadata.tokens, "httpPutResponseHopLimit": instance.metadata.hop_limit,
            "httpEndpoint": instance.metadata.endpoint, "httpProtocolIpv6": "disabled", "instanceMetadataTags": "disabled",
        },
        "stateReason": match &instance.reason {
            Some((code, message)) => json!({"code": code, "message": message}),
            None if instance.state == InstanceState::Pending => json!({"code": "pending", "message": "pending"}),
            None => Value::Null,
        },
        "reason": instance.reason.as_ref().map(|(_, message)| message.clone()).unwrap_or_default(),
        "platformDetails": "Linux/UNIX",
        "tagSet": state.tag_set(id),
    });
    for (name, value) in unchangeable(instance).as_object().into_iter().flatten() {
        item[name] = value.clone();
    }
    item
}

/// What every instance of the simulator is told to be in the same way.
fn unchangeable(instance: &Instance) -> Value {
    json!({
        "usageOperation": "RunInstances",
        "usageOperationUpdateTime": instance.launched,
        "productCodes": [],
        "ebsOptimized": false,
        "cpuOptions": instance_types::find(&instance.instance_type).map(|found| {
            let (cores, threads) = found.cores();
            json!({"coreCount": cores, "threadsPerCore": threads})
        }),
        "capacityReservationSpecification": {"capacityReservationPreference": "open"},
        "hibernationOptions": {"configured": false},
        "enclaveOptions": {"enabled": false},
        "maintenanceOptions": {"autoRecovery": "default", "rebootMigration": "default"},
        "privateDnsNameOptions": {
            "hostnameType": "ip-name", "enableResourceNameDnsARecord": false, "enableResourceNameDnsAAAARecord": false,
        },
    })
}

/// A stable id for an instance profile, of the form of IAM's.
fn profile_id(arn: &str) -> String {
    let hash = arn.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("AIPA{hash:016X}")
}

/// The reply of RunInstances, and each member of DescribeInstances' list.
pub(super) fn reservation(world: &World, id: &str, instances: Vec<Value>) -> Value {
    json!({"reservationId": id, "ownerId": world.account, "groupSet": [], "instancesSet": instances})
}

pub(super) fn told(world: &World, ids: &[String]) -> Vec<Value> {
    ids.iter().filter_map(|id| Some(render(world, id, world.ec2.instances.get(id)?))).collect()
}

/// Filters of DescribeInstances.
const LISTING: Listing = Listing {
    set: "instancesSet",
    ids: Some(("InstanceId", &ids::INSTANCE)),
    key: "instanceId",
    filters: &[
        ("instance-id", "instanceId"),
        ("image-id", "imageId"),
        ("instance-state-name", "instanceState.name"),
        ("instance-state-code", "instanceState.code"),
        ("instance-type", "instanceType"),
        ("instance.group-id", "groupSet.groupId"),
        ("instance.group-name", "groupSet.groupName"),
        ("architecture", "architecture"),
        ("block-device-mapping.attach-time", "blockDeviceMapping.ebs.attachTime"),
        ("block-device-mapping.delete-on-termination", "blockDeviceMapping.ebs.deleteOnTermination"),
        ("block-device-mapping.status", "blockDeviceMapping.ebs.status"),
        ("hypervisor", "hypervisor"),
        ("launch-index", "amiLaunchIndex"),
        ("metadata-options.http-endpoint", "metadataOptions.httpEndpoint"),
        ("metadata-options.http-put-response-hop-limit", "metadataOptions.httpPutResponseHopLimit"),
        ("monitoring-state", "monitoring.state"),
        ("network-interface.addresses.association.public-ip", "networkInterfaceSet.privateIpAddressesSet.association.publicIp"),
        ("network-interface.association.public-ip", "networkInterfaceSet.association.publicIp"),
        ("network-interface.attachment.attachment-id", "networkInterfaceSet.attachment.attachmentId"),
        ("network-interface.description", "networkInterfaceSet.description"),
        ("network-interface.private-ip-address", "networkInterfaceSet.privateIpAddress"),
        ("platform-details", "platformDetails"),
        ("root-device-name", "rootDeviceName"),
        ("source-dest-check", "sourceDestCheck"),
        ("state-reason-code", "stateReason.code"),
        ("state-reason-message", "stateReason.message"),
        ("tenancy", "placement.tenancy"),
        ("virtualization-type", "virtualizationType"),
        ("availability-zone", "placement.availabilityZone"),
        ("availability-zone-id", "placement.availabilityZoneId"),
        ("block-device-mapping.volume-id", "blockDeviceMapping.ebs.volumeId"),
        ("block-device-mapping.device-name", "blockDeviceMapping.deviceName"),
        ("client-token", "clientToken"),
        ("dns-name", "dnsName"),
        ("iam-instance-profile.arn", "iamInstanceProfile.arn"),
        ("iam-instance-profile.id", "iamInstanceProfile.id"),
        ("ip-address", "ipAddress"),
        ("key-name", "keyName"),
        ("launch-time", "launchTime"),
        ("metadata-options.http-tokens", "metadataOptions.httpTokens"),
        ("network-interface.ipv6-addresses.ipv6-address", "networkInterfaceSet.ipv6AddressesSet.ipv6Address"),
        ("network-interface.network-interface-id", "networkInterfaceSet.networkInterfaceId"),
        ("network-interface.group-id", "networkInterfaceSet.groupSet.groupId"),
        ("network-interface.subnet-id", "networkInterfaceSet.subnetId"),
        ("network-interface.vpc-id", "networkInterfaceSet.vpcId"),
        ("network-interface.addresses.private-ip-address", "networkInterfaceSet.privateIpAddressesSet.privateIpAddress"),
        ("owner-id", "ownerId"),
        ("private-dns-name", "privateDnsName"),
        ("private-ip-address", "privateIpAddress"),
        ("reservation-id", "reservationId"),
        ("root-device-type", "rootDeviceType"),
        ("subnet-id", "subnetId"),
        ("vpc-id", "vpcId"),
    ],
    page: Some((5, filter::ANY)),
};

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    ids_or_page(args, "InstanceId")?;
    let items = world.ec2.instances.iter().filter(|(id, _)| LISTING.wants(&world.ec2, args, id)).map(|(id, instance)| {
        let mut item = render(world, id, instance);
        item["reservationId"] = json!(instance.reservation);
        item["ownerId"] = json!(world.account);
        item
    });
    let mut reply = LISTING.reply(args, items.collect())?;
    let mut reservations: Vec<(String, Vec<Value>)> = Vec::new();
    for mut item in reply["instancesSet"].take().as_array().cloned().unwrap_or_default() {
        let id = item["reservationId"].take().as_str().unwrap_or_default().to_owned();
        item["ownerId"] = Value::Null;
        match reservations.iter_mut().find(|(other, _)| *other == id) {
            Some((_, items)) => items.push(item),
            None => reservations.push((id, vec![item])),
        }
    }
    let set: Vec<_> = reservations.into_iter().map(|(id, items)| reservation(world, &id, items)).collect();
    reply["reservationSet"] = json!(set);
    Ok(reply)
}

pub(super) fn describe_status(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    ids_or_page(args, "InstanceId")?;
    let everything = args.bool("IncludeAllInstances") == Some(true);
    // Instances that do not run are told only on demand (DescribeInstanceStatus), but an id must exist.
    for id in args.strings("InstanceId") {
        ids::INSTANCE.find(&world.ec2.instances, &id)?;
    }
    let wanted = args.strings("InstanceId");
    let instances =
        world.ec2.instances.iter().filter(|(id, instance)| {
            (everything || instance.state == InstanceState::Running) && (wanted.is_empty() || wanted.contains(id))
        });
    let items = instances.map(|(id, instance)| {
        let (health, check) = match instance.state {
            InstanceState::Running if world.ec2.trouble.impaired_zones.contains(&instance.zone) => ("impaired", "failed"),
            InstanceState::Running => ("ok", "passed"),
            _ => ("not-applicable", ""),
        };
        let details = if check.is_empty() { Value::Null } else { json!([{"name": "reachability", "status": check}]) };
        let status = json!({"status": health, "details": details});
        json!({
            "instanceId": id, "availabilityZone": instance.zone, "instanceState": instance.state.render(), "instanceStatus": status,
            "systemStatus": status, "eventsSet": [],
        })
    });
    Listing {
        set: "instanceStatusSet",
        ids: None,
        key: "instanceId",
        filters: &[
            ("availability-zone", "availabilityZone"),
            ("instance-state-name", "instanceState.name"),
            ("instance-state-code", "instanceState.code"),
            ("instance-status.status", "instanceStatus.status"),
            ("system-status.status", "systemStatus.status"),
        ],
        page: Some((5, filter::ANY)),
    }
    .reply(args, items.collect())
}

/// Termination protection, and the groups of the primary interface ("Only one attribute can be specified at a time",
/// ModifyInstanceAttribute). What else the action changes needs a stopped instance, which the simulator never has.
pub(super) fn modify(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("InstanceId")?;
    ids::INSTANCE.find(&world.ec2.instances, id)?;
    let groups = args.strings("GroupId");
    match (args.sub("DisableApiTermination").bool("Value"), groups.is_empty()) {
        (Some(protected), true) => ids::INSTANCE.find_mut(&mut world.ec2.instances, id)?.protected = protected,
        (None, false) => {
            let primary = world.ec2.primary_interface(id).ok_or_else(|| ids::INSTANCE.not_found(id))?;
            let found = &world.ec2.interfaces[&primary];
            let groups = world.ec2.groups_for(&groups, &found.subnet, &found.vpc)?;
            ids::NETWORK_INTERFACE.find_mut(&mut world.ec2.interfaces, &primary)?.groups.clone_from(&groups);
            ids::INSTANCE.find_mut(&mut world.ec2.instances, id)?.groups = groups;
        }
        (Some(_), false) => {
            return Err(ApiError::new("InvalidParameterCombination", "Fields for multiple attribute types specified"));
        }
        (None, true) => return Err(ApiError::missing("attribute")),
    }
    Ok(done())
}

pub(super) fn terminate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let wanted = args.strings("InstanceId");
    if wanted.is_empty() {
        return Err(ApiError::missing("InstanceId"));
    }
    // One bad id and nothing is terminated (TerminateInstances).
    for id in &wanted {
        if ids::INSTANCE.find(&world.ec2.instances, id)?.protected {
            let message =
                format!("The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.");
            return Err(ApiError::new("OperationNotPermitted", message));
        }
    }
    let mut changes = Vec::new();
    for id in wanted {
        let before = world.ec2.instances[&id].state;
        if !matches!(before, InstanceState::ShuttingDown | InstanceState::Terminated) {
            shut_down(world, &id);
        }
        let after = world.ec2.instances[&id].state;
        changes.push(json!({"instanceId": id, "currentState": after.render(), "previousState": before.render()}));
    }
    Ok(json!({"instancesSet": changes}))
}

pub(super) fn shut_down(world: &mut World, id: &str) {
    let at = world.timestamp();
    end(world, id, ("Client.UserInitiatedShutdown", format!("Client.UserInitiatedShutdown: User initiated shutdown ({at})")));
}

/// The instance shuts down for a reason.
fn end(world: &mut World, id: &str, reason: (&'static str, String)) {
    if let Some(instance) = world.ec2.instances.get_mut(id) {
        instance.state = InstanceState::ShuttingDown;
        instance.reason = Some(reason);
    }
    node::instance_terminated(world, id);
    let event = id.to_owned();
    world.take(Time::InstanceTerminate, id, move |world| finish(world, &event));
}

/// Terminated: interfaces and volumes go, or are let go of.
fn finish(world: &mut World, id: &str) {
    for interface in world.ec2.interfaces_of(id) {
        world.ec2.release_interface(&interface);
    }
    world.ec2.release_volumes(id);
    if let Some(instance) = world.ec2.instances.get_mut(id) {
        instance.state = InstanceState::Terminated;
    }
    let event = id.to_owned();
    world.after(VISIBLE, move |world| {
        world.ec2.instances.remove(&event);
        world.ec2.tags.remove(&event);
    });
}

impl State {
    /// Deletes the interface of a terminated instance, or detaches it if it shall stay.
    fn release_interface(&mut self, id: &str) {
        let stays = |attachment: &Attachment| !attachment.delete_on_termination;
        match self.interfaces.get_mut(id) {
            Some(found) if found.attachment.as_ref().is_some_and(stays) => {
                found.attachment = None;
                found.public_ip = None;
            }
            _ => self.remove_interface(id),
        }
    }
}

/// The instance runs from now on.
pub(super) fn start(world: &mut World, id: &str) {
    if world.ec2.instances.get(id).is_none_or(|instance| instance.state != InstanceState::Pending) {
        return;
    }
    if let Some(reason) = trouble::ends_at_launch(&world.ec2, id) {
        return end(world, id, reason);
    }
    if let Some(instance) = world.ec2.instances.get_mut(id) {
        instance.state = InstanceState::Running;
    }
    node::instance_running(world, id);
}
