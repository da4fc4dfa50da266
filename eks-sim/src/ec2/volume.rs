//! EBS volumes.

use serde_json::{Value, json};

use super::{
    Reply, State, done,
    filter::Listing,
    ids,
    instance::InstanceState,
    tags::{self, Tags},
    zones,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// What a volume is, wherever it is.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    /// GiB.
    pub(super) size: i64,
    pub(super) snapshot: Option<String>,
    kind: String,
    iops: Option<i64>,
    throughput: Option<i64>,
    encrypted: bool,
}

#[derive(Debug)]
pub(super) struct Volume {
    disk: Disk,
    zone: String,
    pub(super) state: &'static str,
    pub(super) attachment: Option<VolumeAttachment>,
    created: String,
}

#[derive(Clone, Debug)]
pub(super) struct VolumeAttachment {
    pub(super) instance: String,
    pub(super) device: String,
    pub(super) state: &'static str,
    pub(super) at: String,
    pub(super) delete_on_termination: bool,
}

/// Limits of a volume type (CreateVolume): GiB, IOPS, IOPS for each GiB, MiB/s, dollars for a GiB and month.
struct Limits {
    size: (i64, i64),
    iops: Option<(i64, i64)>,
    iops_per_gib: i64,
    throughput: Option<(i64, i64)>,
    usd_per_gib: f64,
}

fn limits(kind: &str) -> Option<Limits> {
    let of = |size, iops, iops_per_gib, throughput, usd_per_gib| Some(Limits { size, iops, iops_per_gib, throughput, usd_per_gib });
    match kind {
        "gp3" => of((1, 65_536), Some((3_000, 80_000)), 500, Some((125, 2_000)), 0.08),
        "gp2" => of((1, 16_384), None, 0, None, 0.10),
        "io1" => of((4, 16_384), Some((100, 64_000)), 50, None, 0.125),
        "io2" => of((4, 65_536), Some((100, 256_000)), 1_000, None, 0.125),
        "st1" => of((125, 16_384), None, 0, None, 0.045),
        "sc1" => of((125, 16_384), None, 0, None, 0.015),
        "standard" => of((1, 1_024), None, 0, None, 0.05),
        _ => None,
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValue", message)
}

impl Disk {
    /// A disk of a type, of no size yet.
    pub(super) fn of_type(kind: &str) -> Self {
        Self { size: 0, snapshot: None, kind: kind.to_owned(), iops: None, throughput: None, encrypted: false }
    }

    /// A disk that is made from a snapshot.
    pub(super) fn of_snapshot(kind: &str, size: i64, snapshot: String) -> Self {
        Self { size, snapshot: Some(snapshot), ..Self::of_type(kind) }
    }

    /// What the volume does if nothing else was asked for: gp3's baseline; gp2's three for each GiB.
    fn effective_iops(&self) -> Option<i64> {
        match self.kind.as_str() {
            "gp3" => Some(self.iops.unwrap_or(3_000)),
            "gp2" => Some((self.size * 3).clamp(100, 16_000)),
            _ => self.iops,
        }
    }
}

/// A disk as CreateVolume or a block device mapping asks for it, over what an image has there.
pub(super) fn parse(args: &Args, size_parameter: &str, base: Option<&Disk>) -> Result<Disk, ApiError> {
    // The API's default is gp2 to this day (CreateVolume).
    let kind = args.str("VolumeType").or(base.map(|disk| disk.kind.as_str())).unwrap_or("gp2").to_owned();
    let limits = limits(&kind).ok_or_else(|| ApiError::new("UnknownVolumeType", format!("Unknown volume type '{kind}'")))?;
    let snapshot = args.str("SnapshotId").map(str::to_owned).or(base.and_then(|disk| disk.snapshot.clone()));
    let size = args.int(size_parameter).or(base.map(|disk| disk.size).filter(|size| *size > 0));
    let size = size.ok_or_else(|| ApiError::new("MissingParameter", "The request must contain the parameter size or snapshotId"))?;
    let (low, high) = limits.size;
    if !(low..=high).contains(&size) {
        let (bound, which) = if size < low { (low, "at least") } else { (high, "at most") };
        return Err(invalid(format!("Volume of {size}GiB is invalid for volume type {kind}; it must be {which} {bound}GiB")));
    }
    let iops = args.int("Iops");
    match (limits.iops, iops) {
        (None, Some(_)) => {
            let message = format!("The parameter iops is not supported for {kind} volumes.");
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        (Some((low, high)), Some(iops)) => {
            if !(low..=high).contains(&iops) {
                return Err(invalid(format!("Volume iops of {iops} is out of range; it must be between {low} and {high} for {kind}")));
            }
            // gp3's baseline is there at any size.
            if iops > (size * limits.iops_per_gib).max(if kind == "gp3" { 3_000 } else { 0 }) {
                return Err(invalid(format!(
                    "Iops to volume size ratio of {:.1} is too high; maximum is {}",
                    iops as f64 / size as f64,
                    limits.iops_per_gib
                )));
            }
        }
        (Some(_), None) if kind.starts_with("io") => {
            return Err(ApiError::new("MissingParameter", format!("The parameter iops must be specified for {kind} volumes.")));
        }
        _ => {}
    }
    let throughput = args.int("Throughput");
    match (limits.throughput, throughput) {
        (None, Some(_)) => {
            let message = format!("The parameter throughput is not supported for {kind} volumes.");
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        (Some((low, high)), Some(throughput)) if !(low..=high).contains(&throughput) => {
            return Err(invalid(format!("Throughput of {throughput} MiB/s is out of range; it must be between {low} and {high}")));
        }
        _ => {}
    }
    let encrypted = args.bool("Encrypted").unwrap_or(args.str("KmsKeyId").is_some());
    Ok(Disk { size, snapshot, kind, iops, throughput, encrypted })
}

impl Volume {
    pub(super) fn usd_per_month(&self) -> f64 {
        let disk = &self.disk;
        let capacity = limits(&disk.kind).map_or(0.0, |limits| limits.usd_per_gib) * disk.size as f64;
        let iops = disk.iops.unwrap_or(0);
        let extra = match disk.kind.as_str() {
            "gp3" => 0.005 * (iops - 3_000).max(0) as f64 + 0.04 * (disk.throughput.unwrap_or(125) - 125).max(0) as f64,
            "io1" | "io2" => 0.065 * iops as f64,
            _ => 0.0,
        };
        capacity + extra
    }
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
    insert(world, Volume { disk, zone: zone.to_owned(), state: "in-use", attachment: Some(attachment), created: at }, tags);
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
    let disk = parse(args, "Size", None)?;
    let created = world.timestamp();
    let id = insert(world, Volume { disk, zone, state: "creating", attachment: None, created }, tags);
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
    if instance.state != InstanceState::Running {
        let message = format!("Instance '{instance_id}' is not 'running'.");
        return Err(ApiError::new("IncorrectState", message));
    }
    if instance.zone != volume.zone {
        let message = format!("The volume '{id}' is not in the same availability zone as instance '{instance_id}'");
        return Err(ApiError::new("InvalidVolume.ZoneMismatch", message));
    }
    let taken = |other: &Volume| other.attachment.as_ref().is_some_and(|held| held.instance == instance_id && held.device == device);
    if world.ec2.volumes.values().any(taken) {
        return Err(invalid(format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use")));
    }
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

pub(super) fn detach(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VolumeId")?;
    let volume = ids::VOLUME.find_mut(&mut world.ec2.volumes, id)?;
    let Some(attachment) = &mut volume.attachment else {
        return Err(ApiError::new("IncorrectState", format!("Volume '{id}' is in the 'available' state.")));
    };
    let wrong = |name: &str, is: &str| args.str(name).is_some_and(|wanted| wanted != is);
    if wrong("InstanceId", &attachment.instance) || wrong("Device", &attachment.device) {
        let message = format!(
            "The volume '{id}' is not attached to instance '{}' as device '{}'.",
            args.str("InstanceId").unwrap_or_default(),
            args.str("Device").unwrap_or_default()
        );
        return Err(ApiError::new("InvalidAttachment.NotFound", message));
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
    let items = world.ec2.volumes.iter().map(|(id, volume)| render(world, id, volume)).collect();
    Listing {
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
            ("size", "size"),
            ("snapshot-id", "snapshotId"),
            ("status", "status"),
            ("volume-type", "volumeType"),
        ],
        page: Some((5, 1000)),
    }
    .reply(args, items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_types() {
        for (request, code) in [
            (json!({"VolumeType": "gp3", "Size": "10"}), None),
            (json!({"VolumeType": "gp3", "Size": "1", "Iops": "3000"}), None),
            (json!({"VolumeType": "gp3", "Size": "10", "Iops": "6000"}), Some("InvalidParameterValue")),
            (json!({"VolumeType": "gp3", "Size": "10", "Throughput": "100"}), Some("InvalidParameterValue")),
            (json!({"VolumeType": "gp2", "Size": "10", "Iops": "300"}), Some("InvalidParameterCombination")),
            (json!({"VolumeType": "io1", "Size": "10"}), Some("MissingParameter")),
            (json!({"VolumeType": "io1", "Size": "10", "Iops": "500"}), None),
            (json!({"VolumeType": "st1", "Size": "100"}), Some("InvalidParameterValue")),
            (json!({"VolumeType": "floppy", "Size": "1"}), Some("UnknownVolumeType")),
            (json!({"Size": "16385"}), Some("InvalidParameterValue")),
            (json!({}), Some("MissingParameter")),
        ] {
            let refused = parse(&Args(request.clone()), "Size", None).err().map(|error| error.code);
            assert_eq!(refused.as_deref(), code, "{request}");
        }
    }
}
