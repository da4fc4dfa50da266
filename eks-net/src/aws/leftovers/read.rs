//! From the SDKs' types to plain data.

use std::collections::BTreeSet;

use aws_sdk_ec2::{
    primitives::{DateTime, DateTimeFormat},
    types::{Address, Instance, LaunchTemplate, NetworkInterface, Volume},
};
use aws_sdk_elasticloadbalancing::types::LoadBalancerDescription;
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancer, LoadBalancerSchemeEnum, LoadBalancerTypeEnum, TargetGroup};
use eks_core::{HOURS_PER_MONTH, VpcId};

use super::super::read;
use crate::{
    egress::price::ADDRESS_HOURLY,
    leftovers::{Leftover, LeftoverKind},
    machines::{Disk, VolumeType, price},
    observed::FoundGroup,
    tags::Tags,
};

/// US dollars an hour for a network or application load balancer, before traffic. (Elastic Load Balancing pricing.)
const BALANCER_HOURLY: f64 = 0.0225;

fn leftover(kind: LeftoverKind, id: Option<&str>, vpc: Option<&str>, tags: Tags) -> Leftover {
    Leftover {
        kind,
        id: id.unwrap_or_default().to_owned(),
        name: String::new(),
        // A VPC without a form that we know is no VPC of ours.
        vpc: vpc.and_then(|id| id.parse::<VpcId>().ok()),
        since: None,
        state: String::new(),
        uses: BTreeSet::new(),
        tags,
        usd_per_month: 0.0,
    }
}

/// A load balancer with an address of Amazon's in each zone, if it faces the internet.
fn balancer_usd(hourly: f64, internal: bool, zones: usize) -> f64 {
    let addresses = if internal { 0 } else { u32::try_from(zones).unwrap_or(u32::MAX) };
    (hourly + ADDRESS_HOURLY * f64::from(addresses)) * HOURS_PER_MONTH
}

pub(super) fn classic(told: &LoadBalancerDescription) -> Leftover {
    let name = told.load_balancer_name();
    Leftover {
        name: name.unwrap_or_default().to_owned(),
        since: told.created_time().map(DateTime::secs),
        uses: told.security_groups().iter().cloned().collect(),
        usd_per_month: balancer_usd(price::BALANCER_HOURLY, told.scheme() == Some("internal"), told.subnets().len()),
        ..leftover(LeftoverKind::ClassicLoadBalancer, name, told.vpc_id(), Tags::new())
    }
}

/// `None` for a Gateway Load Balancer: no controller of Kubernetes makes one.
pub(super) fn balancer(told: &LoadBalancer) -> Option<Leftover> {
    let kind = match told.r#type()? {
        LoadBalancerTypeEnum::Network => LeftoverKind::NetworkLoadBalancer,
        LoadBalancerTypeEnum::Application => LeftoverKind::ApplicationLoadBalancer,
        _ => return None,
    };
    let internal = told.scheme() == Some(&LoadBalancerSchemeEnum::Internal);
    Some(Leftover {
        name: told.load_balancer_name().unwrap_or_default().to_owned(),
        since: told.created_time().map(DateTime::secs),
        uses: told.security_groups().iter().cloned().collect(),
        usd_per_month: balancer_usd(BALANCER_HOURLY, internal, told.availability_zones().len()),
        ..leftover(kind, told.load_balancer_arn(), told.vpc_id(), Tags::new())
    })
}

pub(super) fn target_group(told: &TargetGroup) -> Leftover {
    Leftover {
        name: told.target_group_name().unwrap_or_default().to_owned(),
        uses: told.load_balancer_arns().iter().cloned().collect(),
        ..leftover(LeftoverKind::TargetGroup, told.target_group_arn(), told.vpc_id(), Tags::new())
    }
}

pub(super) fn group(told: FoundGroup) -> Leftover {
    let found = leftover(LeftoverKind::SecurityGroup, Some(told.id.as_str()), Some(told.vpc.as_str()), told.tags);
    Leftover { name: told.name, ..found }
}

pub(super) fn interface(told: &NetworkInterface) -> Leftover {
    let description = told.description().unwrap_or_default();
    let tags = read::tags(told.tag_set());
    let kind = if description.starts_with("Amazon EKS ") { LeftoverKind::ControlPlaneInterface } else { LeftoverKind::Interface };
    // The CNI writes when it made it. (amazon-vpc-cni-k8s, pkg/awsutils.)
    let made =
        tags.get("node.k8s.amazonaws.com/createdAt").and_then(|time| DateTime::from_str(time, DateTimeFormat::DateTimeWithOffset).ok());
    Leftover {
        name: description.to_owned(),
        since: made.map(|made| made.secs()),
        state: told.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        uses: told.groups().iter().filter_map(|group| group.group_id().map(str::to_owned)).collect(),
        ..leftover(kind, told.network_interface_id(), told.vpc_id(), tags)
    }
}

pub(super) fn volume(told: &Volume) -> Leftover {
    let number = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    let gib = number(told.size()).unwrap_or_default();
    // One of a type that came later is billed at least as gp3.
    let kind = told.volume_type().and_then(|kind| kind.as_str().parse().ok()).unwrap_or(VolumeType::Gp3);
    let disk = Disk { iops: number(told.iops()), throughput: number(told.throughput()), ..Disk::of(kind) };
    Leftover {
        name: format!("{gib} GiB"),
        since: told.create_time().map(DateTime::secs),
        state: told.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        usd_per_month: disk.price(gib).usd_per_month,
        ..leftover(LeftoverKind::Volume, told.volume_id(), None, read::tags(told.tags()))
    }
}

pub(super) fn instance(told: &Instance) -> Leftover {
    let hourly = told.instance_type().and_then(|kind| price::instance_hourly(kind.as_str())).unwrap_or_default();
    Leftover {
        name: told.instance_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        since: told.launch_time().map(DateTime::secs),
        state: told.state().and_then(|state| state.name()).map(|name| name.as_str().to_owned()).unwrap_or_default(),
        usd_per_month: hourly * HOURS_PER_MONTH,
        ..leftover(LeftoverKind::Instance, told.instance_id(), told.vpc_id(), read::tags(told.tags()))
    }
}

pub(super) fn template(told: &LaunchTemplate) -> Leftover {
    Leftover {
        name: told.launch_template_name().unwrap_or_default().to_owned(),
        since: told.create_time().map(DateTime::secs),
        ..leftover(LeftoverKind::LaunchTemplate, told.launch_template_id(), None, read::tags(told.tags()))
    }
}

pub(super) fn address(told: &Address) -> Leftover {
    Leftover {
        name: told.public_ip().unwrap_or_default().to_owned(),
        usd_per_month: ADDRESS_HOURLY * HOURS_PER_MONTH,
        ..leftover(LeftoverKind::Address, told.allocation_id(), None, read::tags(told.tags()))
    }
}
