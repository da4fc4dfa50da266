//! EC2's and Elastic Load Balancing's answers as plain data.

use aws_sdk_ec2::types::{HttpTokensState, Image, Instance, KeyPairInfo, Volume};
use aws_sdk_elasticloadbalancing::types::{self as elb, InstanceState, LoadBalancerAttributes, LoadBalancerDescription};
use eks_core::{Class, Error};

use super::super::{
    read::{field, tags},
    strange,
};
use crate::{
    machines::{
        BalancerAttributes, Disk, FoundImage, FoundInstance, FoundKeyPair, FoundLoadBalancer, FoundMachineVolume, FoundRegistration,
        HealthCheck, Held, Listener, Metadata,
    },
    tags::Tags,
};

/// A number that cannot be negative.
fn number(value: Option<i32>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok())
}

pub(super) fn key_pair(pair: &KeyPairInfo) -> Result<FoundKeyPair, Error> {
    let call = "ec2:DescribeKeyPairs";
    Ok(FoundKeyPair {
        id: field(call, "keyPairId", pair.key_pair_id())?,
        name: pair.key_name().unwrap_or_default().to_owned(),
        fingerprint: pair.key_fingerprint().unwrap_or_default().to_owned(),
        tags: tags(pair.tags()),
    })
}

pub(super) fn instance(instance: &Instance) -> Result<FoundInstance, Error> {
    let call = "ec2:DescribeInstances";
    let options = instance.metadata_options();
    // The instance's own list repeats that of its primary interface, which has them.
    let primary = instance.network_interfaces().iter().min_by_key(|one| one.attachment().and_then(|attachment| attachment.device_index()));
    let groups = primary.map(|one| one.groups()).filter(|groups| !groups.is_empty()).unwrap_or(instance.security_groups());
    let groups = groups.iter().map(|group| field(call, "groupId", group.group_id()));
    Ok(FoundInstance {
        id: field(call, "instanceId", instance.instance_id())?,
        state: instance.state().and_then(|state| state.name()).map(|name| name.as_str().to_owned()).unwrap_or_default(),
        image: instance.image_id().unwrap_or_default().to_owned(),
        instance_type: instance.instance_type().map(|name| name.as_str().to_owned()).unwrap_or_default(),
        subnet: instance.subnet_id().map(|id| field(call, "subnetId", Some(id))).transpose()?,
        groups: groups.collect::<Result<_, _>>()?,
        key_name: instance.key_name().map(str::to_owned),
        metadata: Metadata {
            tokens_required: options.and_then(|options| options.http_tokens()) == Some(&HttpTokensState::Required),
            hop_limit: number(options.and_then(|options| options.http_put_response_hop_limit())).unwrap_or(1),
        },
        private_ip: instance.private_ip_address().map(str::to_owned),
        public_ip: instance.public_ip_address().map(str::to_owned),
        root_device: instance.root_device_name().unwrap_or_default().to_owned(),
        tags: tags(instance.tags()),
    })
}

pub(super) fn volume(volume: &Volume) -> Result<FoundMachineVolume, Error> {
    let call = "ec2:DescribeVolumes";
    // One that was detached may be told for a while yet.
    let attachment = volume.attachments().iter().find(|attachment| attachment.state().is_some_and(|state| state.as_str() != "detached"));
    let held = attachment.filter(|attachment| attachment.instance_id().is_some()).map(|attachment| {
        let device = attachment.device().unwrap_or_default().to_owned();
        Ok::<_, Error>(Held { instance: field(call, "instanceId", attachment.instance_id())?, device })
    });
    let kind = field(call, "volumeType", volume.volume_type().map(|kind| kind.as_str()))?;
    Ok(FoundMachineVolume {
        id: field(call, "volumeId", volume.volume_id())?,
        state: volume.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        zone: field(call, "availabilityZone", volume.availability_zone())?,
        gib: number(volume.size()).unwrap_or_default(),
        disk: Disk {
            kind,
            gib: None,
            iops: number(volume.iops()),
            throughput: number(volume.throughput()),
            encrypted: volume.encrypted().unwrap_or_default(),
            kms_key: volume.kms_key_id().map(str::to_owned),
        },
        held: held.transpose()?,
        attachment: attachment.and_then(|attachment| attachment.state()).map(|state| state.as_str().to_owned()),
        with_instance: attachment.and_then(|attachment| attachment.delete_on_termination()).unwrap_or_default(),
        tags: tags(volume.tags()),
    })
}

pub(super) fn image(image: &Image) -> Option<FoundImage> {
    let root = image.root_device_name();
    let mapping = image.block_device_mappings().iter().find(|mapping| mapping.device_name() == root);
    Some(FoundImage {
        id: image.image_id()?.to_owned(),
        architecture: image.architecture().map(|architecture| architecture.as_str().to_owned()).unwrap_or_default(),
        root_device: root.map(str::to_owned),
        root_gib: number(mapping.and_then(|mapping| mapping.ebs()).and_then(|ebs| ebs.volume_size())),
    })
}

/// A load balancer whose tags, attributes and health are still to be read.
pub(super) fn load_balancer(balancer: &LoadBalancerDescription) -> Result<FoundLoadBalancer, Error> {
    let call = "elasticloadbalancing:DescribeLoadBalancers";
    let listeners = balancer.listener_descriptions().iter().filter_map(|told| told.listener()).map(listener);
    let instances = balancer.instances().iter().map(|instance| {
        let (state, reason_code, description) = Default::default();
        Ok::<_, Error>(FoundRegistration { instance: field(call, "InstanceId", instance.instance_id())?, state, reason_code, description })
    });
    Ok(FoundLoadBalancer {
        id: field(call, "LoadBalancerName", balancer.load_balancer_name())?,
        dns_name: balancer.dns_name().unwrap_or_default().to_owned(),
        internal: balancer.scheme() == Some("internal"),
        vpc: balancer.vpc_id().map(|id| field(call, "VPCId", Some(id))).transpose()?,
        listeners: listeners.collect::<Result<_, _>>()?,
        subnets: balancer.subnets().iter().map(|id| field(call, "Subnets", Some(id))).collect::<Result<_, _>>()?,
        groups: balancer.security_groups().iter().map(|id| field(call, "SecurityGroups", Some(id))).collect::<Result<_, _>>()?,
        health_check: balancer.health_check().map(health_check),
        attributes: None,
        instances: instances.collect::<Result<_, _>>()?,
        tags: Tags::new(),
    })
}

fn listener(told: &elb::Listener) -> Result<Listener, Error> {
    let call = "elasticloadbalancing:DescribeLoadBalancers";
    let port = |port: i32| u16::try_from(port).map_err(|_| strange(call, "listener", Class::Permanent, format!("port {port}")));
    let protocol = field(call, "Protocol", Some(told.protocol()))?;
    Ok(Listener {
        protocol,
        port: port(told.load_balancer_port())?,
        // Absent, it is as in front.
        instance_protocol: told.instance_protocol().map_or(Ok(protocol), |name| field(call, "InstanceProtocol", Some(name)))?,
        instance_port: port(told.instance_port())?,
        certificate: told.ssl_certificate_id().filter(|arn| arn.starts_with("arn:")).map(str::to_owned),
    })
}

fn health_check(told: &elb::HealthCheck) -> HealthCheck {
    let number = |value: i32| u32::try_from(value).unwrap_or_default();
    HealthCheck {
        target: told.target().to_owned(),
        interval: number(told.interval()),
        timeout: number(told.timeout()),
        unhealthy: number(told.unhealthy_threshold()),
        healthy: number(told.healthy_threshold()),
    }
}

pub(super) fn attributes(told: &LoadBalancerAttributes) -> BalancerAttributes {
    let draining = told.connection_draining().filter(|draining| draining.enabled());
    BalancerAttributes {
        cross_zone: told.cross_zone_load_balancing().is_some_and(|cross_zone| cross_zone.enabled()),
        draining: draining.map(|draining| number(draining.timeout()).unwrap_or(300)),
        idle_timeout: told.connection_settings().and_then(|settings| number(Some(settings.idle_timeout()))).unwrap_or(60),
    }
}

pub(super) fn registration(told: &InstanceState) -> Result<FoundRegistration, Error> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok(FoundRegistration {
        instance: field("elasticloadbalancing:DescribeInstanceHealth", "InstanceId", told.instance_id())?,
        state: text(told.state()),
        reason_code: text(told.reason_code()),
        description: text(told.description()),
    })
}

pub(super) fn balancer_tags(tags: &[elb::Tag]) -> Tags {
    tags.iter().map(|tag| (tag.key().to_owned(), tag.value().unwrap_or_default().to_owned())).collect()
}
