//! Changing volumes while they are there ("Modify an EBS volume using Elastic Volumes operations", EBS user guide).

use serde_json::{Value, json};

use super::{
    Reply,
    disk::{self, Disk},
    filter::Listing,
    ids, invalid,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// The last modification of a volume.
#[derive(Clone, Debug)]
pub(super) struct Modification {
    /// `modifying`, `optimizing` or `completed`.
    state: &'static str,
    from: Disk,
    to: Disk,
    began: String,
    ended: Option<String>,
}

fn render(id: &str, modification: &Modification) -> Value {
    let mut item = json!({
        "volumeId": id, "modificationState": modification.state, "startTime": modification.began, "endTime": modification.ended,
        "progress": match modification.state { "modifying" => 0, "optimizing" => 50, _ => 100 },
    });
    for (prefix, disk) in [("original", &modification.from), ("target", &modification.to)] {
        item[format!("{prefix}Size")] = json!(disk.size);
        item[format!("{prefix}VolumeType")] = json!(disk.kind);
        item[format!("{prefix}Iops")] = json!(disk.effective_iops());
        item[format!("{prefix}Throughput")] = json!((disk.kind == "gp3").then(|| disk.throughput.unwrap_or(125)));
        item[format!("{prefix}MultiAttachEnabled")] = json!(false);
    }
    item
}

pub(super) fn modify(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VolumeId")?;
    let volume = ids::VOLUME.find(&world.ec2.volumes, id)?;
    if !matches!(volume.state, "available" | "in-use") {
        let message = format!("Volume '{id}' is in the '{}' state; it must be 'available' or 'in-use'.", volume.state);
        return Err(ApiError::new("IncorrectState", message));
    }
    if volume.modification.as_ref().is_some_and(|modification| modification.state != "completed") {
        let message = format!("The volume '{id}' is currently being modified. Wait until the modification is completed.");
        return Err(ApiError::new("IncorrectModificationState", message));
    }
    let from = volume.disk.clone();
    // "Elastic Volumes operations are not supported for magnetic volumes" ("Limitations"); its code is an assumption.
    if from.kind == "standard" {
        return Err(ApiError::new("UnsupportedOperation", "Volumes of type standard cannot be modified."));
    }
    let kind = args.str("VolumeType").unwrap_or(&from.kind);
    let kept = |value: Option<i64>| value.filter(|_| kind == from.kind);
    // "Default: the existing value is retained if the volume type is not changed" (ModifyVolume).
    let asked = Args(json!({
        "VolumeType": kind,
        "Size": args.int("Size").unwrap_or(from.size),
        "Iops": args.int("Iops").or(kept(from.iops)),
        "Throughput": args.int("Throughput").or(kept(from.throughput)),
        "SnapshotId": from.snapshot,
        "Encrypted": from.encrypted,
    }));
    let to = disk::parse(&asked, "Size", None)?;
    if to.size < from.size {
        return Err(invalid(format!("New size cannot be smaller than existing size ({} GiB)", from.size)));
    }
    let modification = Modification { state: "modifying", from, to, began: world.timestamp(), ended: None };
    let reply = render(id, &modification);
    ids::VOLUME.find_mut(&mut world.ec2.volumes, id)?.modification = Some(modification);
    let event = id.to_owned();
    world.take(Time::VolumeModify, id, move |world| optimize(world, event));
    Ok(json!({"volumeModification": reply}))
}

/// The volume has its new size and performance; its data is still being moved.
fn optimize(world: &mut World, id: String) {
    let Some(volume) = world.ec2.volumes.get_mut(&id) else { return };
    let Some(modification) = &mut volume.modification else { return };
    modification.state = "optimizing";
    volume.disk = modification.to.clone();
    world.take(Time::VolumeOptimize, &id.clone(), move |world| {
        let now = world.timestamp();
        if let Some(modification) = world.ec2.volumes.get_mut(&id).and_then(|volume| volume.modification.as_mut()) {
            modification.state = "completed";
            modification.ended = Some(now);
        }
    });
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let wanted = args.strings("VolumeId");
    for id in &wanted {
        if ids::VOLUME.find(&world.ec2.volumes, id)?.modification.is_none() {
            let message = format!("Modification for volume '{id}' does not exist.");
            return Err(ApiError::new("InvalidVolumeModification.NotFound", message));
        }
    }
    let asked = world.ec2.volumes.iter().filter(|(id, _)| wanted.is_empty() || wanted.contains(id));
    let items = asked.filter_map(|(id, volume)| Some(render(id, volume.modification.as_ref()?))).collect();
    Listing {
        set: "volumeModificationSet",
        ids: None,
        key: "volumeId",
        filters: &[
            ("volume-id", "volumeId"),
            ("modification-state", "modificationState"),
            ("start-time", "startTime"),
            ("original-iops", "originalIops"),
            ("original-size", "originalSize"),
            ("original-volume-type", "originalVolumeType"),
            ("target-iops", "targetIops"),
            ("target-size", "targetSize"),
            ("target-volume-type", "targetVolumeType"),
        ],
        page: Some((1, 500)),
    }
    .reply(args, items)
}
