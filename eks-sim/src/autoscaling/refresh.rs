//! Instance refreshes, as far as others must make way for them.
//!
//! Assumption: one that is started goes on until it is cancelled, and has replaced nothing yet.

use serde_json::{Value, json};

use super::group::find;
use crate::{call::Args, error::ApiError, world::World};

/// An instance refresh.
#[derive(Clone, Debug)]
pub(super) struct Refresh {
    id: String,
    status: &'static str,
    start: String,
}

const ACTIVE: &str = "InProgress";

pub(super) fn start(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("AutoScalingGroupName")?.to_owned();
    let (hex, start) = (world.draw.hex("instance-refresh", 32), world.timestamp());
    let group = find(world, &name)?;
    if group.refreshes.iter().any(|refresh| refresh.status == ACTIVE) {
        return Err(ApiError::new(
            "InstanceRefreshInProgress",
            "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
        ));
    }
    let id = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    group.refreshes.push(Refresh { id: id.clone(), status: ACTIVE, start });
    Ok(json!({"InstanceRefreshId": id}))
}

pub(super) fn cancel(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let group = find(world, args.required("AutoScalingGroupName")?)?;
    let refresh = group.refreshes.iter_mut().find(|refresh| refresh.status == ACTIVE);
    let refresh = refresh.ok_or_else(|| {
        ApiError::new("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found for Auto Scaling group.")
    })?;
    refresh.status = "Cancelled";
    Ok(json!({"InstanceRefreshId": refresh.id}))
}

/// Newest first.
pub(super) fn describe(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let wanted = args.strings("InstanceRefreshIds");
    let group = find(world, args.required("AutoScalingGroupName")?)?;
    let shown = group.refreshes.iter().rev().filter(|refresh| wanted.is_empty() || wanted.contains(&refresh.id));
    let show = |refresh: &Refresh| {
        json!({
            "InstanceRefreshId": refresh.id, "AutoScalingGroupName": group.name, "Status": refresh.status, "StartTime": refresh.start,
            "PercentageComplete": 0, "InstancesToUpdate": group.members.len(),
        })
    };
    let (refreshes, next) = super::describe::page(shown.map(show).collect(), args, 50, 100)?;
    Ok(json!({"InstanceRefreshes": refreshes, "NextToken": next}))
}
