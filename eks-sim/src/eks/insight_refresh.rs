//! Refreshes of insights on demand (API reference, StartInsightsRefresh and DescribeInsightsRefresh).

use serde_json::{Value, json};

use super::{cluster, insight, not_found, required};
use crate::{call::Args, error::ApiError, times::Time, world::World};

#[derive(Clone, Debug)]
pub(super) struct Refresh {
    status: &'static str,
    started: f64,
    ended: Option<f64>,
}

/// One that is under way is not begun a second time; that it answers all the same is an assumption.
pub(super) fn start(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "clusterName")?.to_owned();
    let now = world.epoch_seconds();
    let cluster = cluster::find_mut(world, &name)?;
    let runs = cluster.insights.refresh.as_ref().is_some_and(|refresh| refresh.status == "IN_PROGRESS");
    if !runs {
        cluster.insights.refresh = Some(Refresh { status: "IN_PROGRESS", started: now, ended: None });
        world.take(Time::InsightsRefresh, &name.clone(), move |world| {
            insight::look(world, &name);
            let now = world.epoch_seconds();
            if let Ok(cluster) = cluster::find_mut(world, &name)
                && let Some(refresh) = &mut cluster.insights.refresh
            {
                (refresh.status, refresh.ended) = ("COMPLETED", Some(now));
            }
        });
    }
    Ok(json!({"message": "Insights refresh is in progress", "status": "IN_PROGRESS"}))
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "clusterName")?;
    let cluster = cluster::find(world, name)?;
    // Assumption: what was never begun is not found.
    let missing = || not_found(format!("No insights refresh found for cluster {name}")).field("clusterName", name);
    let refresh = cluster.insights.refresh.as_ref().ok_or_else(missing)?;
    Ok(json!({"message": "", "status": refresh.status, "startedAt": refresh.started, "endedAt": refresh.ended}))
}
