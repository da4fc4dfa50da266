//! EBS volumes.

use serde_json::{Value, json};

use super::{
    Reply, State,
    disk::{self, Disk},
    done,
    filter::{self, Listing},
    ids, image,
    instance::InstanceState,
    invalid, quota,
    tags::{self, Tags},
    volume_modification::Modification,
    zones,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Volume {
    pub(super) disk: Disk,
    zone: String,
    pub(super) state: &'static str,
    pub(super) attachment: Option<VolumeAttachment>,
    created: String,
    pub(super) modification: Option<Modification>,
}

#[derive(Clone, Debug)]
pub(super) struct VolumeAttachment {
    pub(super) instance: String,
    pub(super) device: String,
    pub(super) state: &'static str,
    pub(super) at: String,
    pub(super) delete_on_termination: bool,
}

fn render(world: &World, id: &str, volume: &Volume) -> Value {
    let disk = &volume.disk;
    let attachments: Vec<_> = volume.attachment.iter().map(|attachment| render_attachment(id, attachment)).collect();
    json!({
        "volumeId": id,
        "size": disk.size,
        "snapshotId": disk.snapshot.clone().unwrap_or_default(),
        "availabilityZone": volume.zone,
        "availabilityZoneId": zones::id_of(&world.region, &volume.zone),
        "status": volume.state,
        "createTime": volume.created,
        "attachmentSet": attachments,
        "volumeType": disk.kind,
        "iops": disk.effective_iops(),
        "throughput": (disk.kind == "gp3").then(|| disk.throughput.unwrap_or(125)),
        "encrypted": disk.encrypted,
        "multiAttachEnabled": false,
        "tagSet": world.ec2.tag_set(id),
    })
}

fn render_attachment(volume: &str, attachment: &VolumeAttachment) -> Value {
    json!({
        "volumeId": volume, "instanceId": attachment.instance, "device": attachment.device, "status": attachment.state,
        "attachTime": attachment.at, "deleteOnTermination": attachment.delete_on_termination,
    })
}

fn insert(world: &mut World, volume: Volume, tags: Tags) -> String {
    let id = world.id(ids::VOLUME.prefix);
    world.ec2.volumes.insert(id.clone(), volume);
    world.ec2.tag(&id, tags);
    id
}

/// A volume that is launched with an instance.
pub(super) fn make_attached(world: &mut World, disk: Disk, zone: &str, instance: &str, device: &str, delete: bool, tags: Tags) {
    let at = world.timestamp();
    let attachment = VolumeAttachment {
        instance: instance.to_owned(),
        device: device.to_owned(),
        state: "attached",
        at: at.clone(),
        delete_on_termination: delete,
    };
    insert(
        world,
        Volume { disk, zone: zone.to_owned(), state: "in-use", attachment: Some(attachment), created: at, modification: None },
        tags,
    );
}

impl State {
    /// Deletes or detaches the volumes of a terminated instance.
    pub(super) fn release_volumes(&mut self, instance: &str) {
        let of = |volume: &Volume| volume.attachment.as_ref().filter(|attachment| attachment.instance == instance).cloned();
        let held: Vec<_> = self.volumes.iter().filter_map(|(id, volume)| Some((id.clone(), of(volume)?))).collect();
        for (id, attachment) in held {
            if attachment.delete_on_termination {
                self.volumes.remove(&id);
                self.tags.remove(&id);
            } else if let Some(volume) = self.volumes.get_mut(&id) {
                volume.attachment = None;
                volume.state = "available";
            }
        }
    }
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::VOLUME.tag_type, &[])?;
    if let Some(id) = world.ec2.made_before("CreateVolume", args)?.and_then(|made| made.first().cloned()) {
        return Ok(render(world, &id, ids::VOLUME.find(&world.ec2.volumes, &id)?));
    }
    let named = zones::named(&world.region, args);
    let zone = named.map_err(|_| {
        let zone = args.str("AvailabilityZone").or(args.str("AvailabilityZoneId")).unwrap_or_default();
        ApiError::new("InvalidZone.NotFound", format!("The zone '{zone}' does not exist."))
    })?;
    let zone = zone.ok_or_else(|| ApiError::missing("AvailabilityZone"))?;
    let disk = disk::parse(args, "Size", None)?;
    if matches!(disk.kind.as_str(), "gp2" | "gp3") {
        let of_kind = world.ec2.volumes.values().filter(|volume| volume.disk.kind == disk.kind);
        let used: i64 = of_kind.map(|volume| volume.disk.size).sum();
        if used + disk.size > quota::STORAGE_GIB {
            let message = format!("You have exceeded your maximum {} storage limit of {} TiB.", disk.kind, quota::STORAGE_GIB / 1_024);
            return Err(ApiError::new("VolumeLimitExceeded", message));
        }
    }
    let created = world.timestamp();
    let id = insert(world, Volume { disk, zone, state: "creating", attachment: None, created, modification: None }, tags);
    world.ec2.remember("CreateVolume", args, vec![id.clone()]);
    let event = id.clone();
    world.take(Time::VolumeCreate, &id, move |world| {
        if let Some(volume) = world.ec2.volumes.get_mut(&event).filter(|volume| volume.state == "creating") {
            volume.state = "available";
        }
    });
    Ok(render(world, &id, &world.ec2.volumes[&id]))
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VolumeId")?;
    let volume = ids::VOLUME.find(&world.ec2.volumes, id)?;
    if let Some(attachment) = &volume.attachment {
        return Err(ApiError::new("VolumeInUse", format!("Volume {id} is currently attached to {}", attachment.instance)));
    }
    if volume.state == "creating" {
        return Err(ApiError::new("IncorrectState", format!("Volume '{id}' is in the creating state.")));
    }
    world.ec2.volumes.remove(id);
    world.ec2.tags.remove(id);
    Ok(done())
}

pub(super) fn attach(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let (id, instance_id, device) = (args.required("VolumeId")?, args.required("InstanceId")?, args.required("Device")?);
    let volume = ids::VOLUME.find(&world.ec2.volumes, id)?;
    let instance = ids::INSTANCE.find(&world.ec2.instances, instance_id)?;
    if let Some(attachment) = &volume.attachment {
        return Err(ApiError::new("VolumeInUse", format!("{id} is already attached to an instance ({})", attachment.instance)));
    }
    if volume.state != "available" {
        return Err(ApiError::new("IncorrectState", format!("Volume '{id}' is not 'available'.")));
    }
    // "You can attach a volume to an instance that is in the running or stopped state" ("Attach an EBS volume").
    if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
        let message = format!("Instance '{instance_id}' is not 'running'.");
        return Err(ApiError::new("IncorrectState", message));
    }
    if instance.zone != volume.zone {
        let message = format!("The volume '{id}' is not in the same availability zone as instance '{instance_id}'");
        return Err(ApiError::new("InvalidVolume.ZoneMismatch", message));
    }
    if !is_device(device) {
        return Err(invalid(format!("Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name.")));
    }
    let taken = |other: &Volume| other.attachment.as_ref().is_some_and(|held| held.instance == instance_id && held.device == device);
    if world.ec2.volumes.values().any(taken) {
        return Err(invalid(format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use")));
    }
    let on_instance = |volume: &&Volume| volume.attachment.as_ref().is_some_and(|held| held.instance == instance_id);
    let held = world.ec2.volumes.values().filter(on_instance).count() + world.ec2.interfaces_of(instance_id).len();
    let message = format!("The number of attachments of instance '{instance_id}' is at its limit of {}.", quota::ATTACHMENTS);
    quota::within(held, quota::ATTACHMENTS, "AttachmentLimitExceeded", &message)?;
    let attachment = VolumeAttachment {
        instance: instance_id.to_owned(),
        device: device.to_owned(),
        state: "attaching",
        at: world.timestamp(),
        delete_on_termination: false,
    };
    let reply = render_attachment(id, &attachment);
    let volume = ids::VOLUME.find_mut(&mut world.ec2.volumes, id)?;
    volume.attachment = Some(attachment);
    volume.state = "in-use";
    let event = id.to_owned();
    world.take(Time::VolumeAttach, id, move |world| {
        let attachment = world.ec2.volumes.get_mut(&event).and_then(|volume| volume.attachment.as_mut());
        if let Some(attachment) = attachment.filter(|attachment| attachment.state == "attaching") {
            attachment.state = "attached";
        }
    });
    Ok(reply)
}

/// Whether Linux instances on Nitro have such a device name ("Device names for volumes on Amazon EC2 instances"): `sdb`, or
/// `xvdb`, or `xvdba`, with or without `/dev/`.
fn is_device(name: &str) -> bool {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let (letters, most) = match (name.strip_prefix("sd"), name.strip_prefix("xvd")) {
        // Of paravirtual times: /dev/sda1.
        (Some(rest), _) => (rest.trim_end_matches(|c: char| c.is_ascii_digit()), 1),
        (_, Some(rest)) => (rest, 2),
        _ => return false,
    };
    (1..=most).contains(&letters.len()) && letters.bytes().all(|letter| letter.is_ascii_lowercase())
}

pub(super) fn detach(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VolumeId")?;
    let volume = ids::VOLUME.find_mut(&mut world.ec2.volumes, id)?;
    let Some(attachment) = &mut volume.attachment else {
        return Err(ApiError::new("IncorrectState", format!("Volume '{id}' is in the 'available' state.")));
    };
    let is_root = attachment.device == image::ROOT_DEVICE;
    let wrong = |name: &str, is: &str| args.str(name).is_some_and(|wanted| wanted != is);
    if wrong("InstanceId", &attachment.instance) || wrong("Device", &attachment.device) {
        let message = format!(
            "The volume '{id}' is not attached to instance '{}' as device '{}'.",
            args.str("InstanceId").unwrap_or_default(),
            args.str("Device").unwrap_or_default()
        );
        return Err(ApiError::new("InvalidAttachment.NotFound", message));
    }
    // An instance's root device is it as long as the instance is not stopped (DetachVolume), which the simulator's never are.
    if is_root {
        let message = format!("Unable to detach root volume '{}' from instance '{}'", attachment.device, attachment.instance);
        return Err(ApiError::new("OperationNotPermitted", message));
    }
    attachment.state = "detaching";
    let reply = render_attachment(id, attachment);
    let event = id.to_owned();
    world.take(Time::VolumeAttach, id, move |world| {
        let detaching = |volume: &&mut Volume| volume.attachment.as_ref().is_some_and(|attachment| attachment.state == "detaching");
        if let Some(volume) = world.ec2.volumes.get_mut(&event).filter(detaching) {
            volume.attachment = None;
            volume.state = "available";
        }
    });
    Ok(reply)
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let listing = Listing {
        set: "volumeSet",
        ids: Some(("VolumeId", &ids::VOLUME)),
        key: "volumeId",
        filters: &[
            ("volume-id", "volumeId"),
            ("attachment.instance-id", "attachmentSet.instanceId"),
            ("attachment.device", "attachmentSet.device"),
            ("attachment.status", "attachmentSet.status"),
            ("attachment.delete-on-termination", "attachmentSet.deleteOnTermination"),
            ("availability-zone", "availabilityZone"),
            ("availability-zone-id", "availabilityZoneId"),
            ("create-time", "createTime"),
            ("encrypted", "encrypted"),
            ("attachment.attach-time", "attachmentSet.attachTime"),
            ("multi-attach-enabled", "multiAttachEnabled"),
            ("size", "size"),
            ("snapshot-id", "snapshotId"),
            ("status", "status"),
            ("volume-type", "volumeType"),
        ],
        page: Some((5, filter::ANY)),
    };
    let items = world
        .ec2
        .volumes
        .iter()
        .filter(|(id, _)| listing.wants(&world.ec2, args, id))
        .map(|(id, volume)| render(world, id, volume))
        .collect();
    listing.reply(args, items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names() {
        for name in ["/dev/sdf", "/dev/sda1", "/dev/xvdh", "/dev/xvdba", "xvdf", "sdb"] {
            assert!(is_device(name), "{name}");
        }
        for name in ["/dev/sdZZ", "/dev/nvme1n1", "Disk_D", "/dev/xvd", "/dev/sd", "/dev/xvdabc", ""] {
            assert!(!is_device(name), "{name}");
        }
    }
}
