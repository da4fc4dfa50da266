//! Changes of a classic load balancer: listeners, subnets, security groups.

use serde_json::{Value, json};

use super::{
    classic::named,
    listener::{Listener, agree, duplicate},
    placement::{self, Placement},
    unworkable,
};
use crate::{call::Args, error::ApiError, world::World};

/// All the listeners are added, or none. One that is there already, as it shall be, is no error.
pub(super) fn add_listeners(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let wanted = Listener::all(args)?;
    let balancer = named(world, args)?;
    let mut listeners = balancer.listeners.clone();
    for listener in wanted {
        match listeners.iter().find(|old| old.port == listener.port) {
            Some(old) if *old == listener => {}
            Some(old) => return Err(duplicate(old.port)),
            None => listeners.push(listener),
        }
    }
    agree(&listeners)?;
    balancer.listeners = listeners;
    Ok(json!({}))
}

/// A port without a listener is no error (DeleteLoadBalancerListeners has none for it).
pub(super) fn delete_listeners(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let ports: Vec<i64> = args.strings("LoadBalancerPorts").iter().filter_map(|port| port.parse().ok()).collect();
    named(world, args)?.listeners.retain(|listener| !ports.contains(&listener.port));
    Ok(json!({}))
}

/// A secure listener gets another certificate.
pub(super) fn set_certificate(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let port = args.int("LoadBalancerPort").ok_or_else(|| ApiError::missing("LoadBalancerPort"))?;
    let arn = args.required("SSLCertificateId")?.to_owned();
    let listener = named(world, args)?.listeners.iter_mut().find(|listener| listener.port == port);
    let missing = || ApiError::new("ListenerNotFound", format!("There is no listener on port {port}"));
    listener.ok_or_else(missing)?.certificate = Some(arn);
    Ok(json!({}))
}

/// The given groups take the place of the present ones.
pub(super) fn apply_groups(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let mut place = named(world, args)?.placement.clone();
    let groups = args.strings("SecurityGroups");
    if groups.is_empty() {
        return Err(unworkable("A load balancer in a VPC must have at least one security group."));
    }
    placement::check_groups(world, &place.vpc, &groups)?;
    place.groups = groups;
    placement::wear(world, &place)?;
    let shown = json!({"SecurityGroups": place.groups});
    named(world, args)?.placement = place;
    Ok(shown)
}

pub(super) fn attach_subnets(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let balancer = named(world, args)?;
    let (name, mut place) = (balancer.name.clone(), balancer.placement.clone());
    let mut wanted = args.strings("Subnets");
    wanted.retain(|id| !place.subnets.iter().any(|(present, _)| present == id));
    if !wanted.is_empty() {
        let scheme = if place.internal { "internal" } else { "internet-facing" };
        let added = placement::find(world, &wanted, &[], &[], Some(scheme))?;
        if added.vpc != place.vpc {
            return Err(unworkable("All subnets must belong to the same VPC."));
        }
        place.subnets.extend(added.subnets);
        placement::one_per_zone(&place.subnets)?;
        place.subnets.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        placement::occupy(world, &mut place, &format!("ELB {name}"), None)?;
    }
    settle(world, args, place)
}

pub(super) fn detach_subnets(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let balancer = named(world, args)?;
    let (name, mut place) = (balancer.name.clone(), balancer.placement.clone());
    let left = args.strings("Subnets");
    if let Some(unknown) = left.iter().find(|id| !place.subnets.iter().any(|(present, _)| present == *id)) {
        return Err(unworkable(format!("{unknown} is not attached to the load balancer.")));
    }
    if left.len() >= place.subnets.len() {
        return Err(unworkable("Cannot detach all the subnets of a load balancer."));
    }
    place.subnets.retain(|(id, _)| !left.contains(id));
    let released = left.iter().filter_map(|id| place.interfaces.remove(id)).collect();
    placement::vacate(world, &name, released);
    settle(world, args, place)
}

fn settle(world: &mut World, args: &Args, place: Placement) -> Result<Value, ApiError> {
    let shown: Vec<_> = place.subnets.iter().map(|(id, _)| json!(id)).collect();
    named(world, args)?.placement = place;
    Ok(json!({"Subnets": shown}))
}
