//! Changes in place: of volumes (Elastic Volumes) and of the metadata service of instances.

use std::time::Duration;

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

/// How long after a modification the next one is refused ("Modify an Amazon EBS volume using Elastic Volumes operations").
const COOLING: Duration = Duration::from_secs(6 * 3600);

/// The latest modification of a volume.
#[derive(Debug)]
pub(super) struct Modification {
    state: &'static str,
    original: Disk,
    target: Disk,
    began: Duration,
    start: String,
}

fn render(id: &str, modification: &Modification) -> Value {
    let Modification { state, original, target, start, .. } = modification;
    json!({
        "volumeId": id,
        "modificationState": state,
        "originalSize": original.size,
        "originalVolumeType": original.kind,
        "originalIops": original.effective_iops(),
        "originalThroughput": original.throughput,
        "targetSize": target.size,
        "targetVolumeType": target.kind,
        "targetIops": target.effective_iops(),
        "targetThroughput": target.throughput,
        "progress": if *state == "completed" { 100 } else { 0 },
        "startTime": start,
    })
}

pub(super) fn volume(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VolumeId")?;
    let volume = ids::VOLUME.find(&world.ec2.volumes, id)?;
    if !matches!(volume.state, "available" | "in-use") {
        return Err(ApiError::new("IncorrectState", format!("Volume '{id}' is in the {} state.", volume.state)));
    }
    if let Some(last) = world.ec2.modifications.get(id).filter(|last| world.now < last.began + COOLING) {
        let (code, message) = if last.state == "modifying" {
            ("IncorrectModificationState", format!("Volume '{id}' is currently being modified."))
        } else {
            (
                "VolumeModificationRateExceeded",
                format!(
                    "You've reached the maximum modification rate per volume limit for {id}. Wait at least 6 hours between modifications per EBS volume."
                ),
            )
        };
        return Err(ApiError::new(code, message));
    }
    let original = volume.disk.clone();
    let kind = args.str("VolumeType").unwrap_or(&original.kind);
    if original.kind == "standard" || kind == "standard" {
        return Err(invalid("Volumes of type standard cannot be modified, nor can volumes become of that type"));
    }
    if args.int("Size").is_some_and(|size| size < original.size) {
        return Err(invalid(format!("New size cannot be smaller than existing size ({} GiB)", original.size)));
    }
    // What the request leaves out stays, as far as the new type has it.
    let same = kind == original.kind;
    let mut asked = json!({"VolumeType": kind, "Size": args.int("Size").unwrap_or(original.size).to_string()});
    for (name, now) in [("Iops", original.iops), ("Throughput", original.throughput)] {
        if let Some(value) = args.int(name).or(now.filter(|_| same)) {
            asked[name] = json!(value.to_string());
        }
    }
    let mut target = disk::parse(&Args(asked), "Size", None)?;
    (target.snapshot, target.encrypted) = (original.snapshot.clone(), original.encrypted);
    let modification = Modification { state: "modifying", original, target: target.clone(), began: world.now, start: world.timestamp() };
    let reply = json!({"volumeModification": render(id, &modification)});
    world.ec2.modifications.insert(id.to_owned(), modification);
    ids::VOLUME.find_mut(&mut world.ec2.volumes, id)?.disk = target;
    // Assumption: as long as creating one; the optimizing that follows may take hours.
    let event = id.to_owned();
    world.take(Time::VolumeCreate, id, move |world| {
        if let Some(modification) = world.ec2.modifications.get_mut(&event) {
            modification.state = "optimizing";
        }
    });
    Ok(reply)
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.modifications.iter().map(|(id, modification)| render(id, modification)).collect();
    Listing {
        set: "volumeModificationSet",
        ids: None,
        key: "volumeId",
        filters: &[
            ("volume-id", "volumeId"),
            ("modification-state", "modificationState"),
            ("original-size", "originalSize"),
            ("original-volume-type", "originalVolumeType"),
            ("target-size", "targetSize"),
            ("target-volume-type", "targetVolumeType"),
        ],
        page: Some((1, 500)),
    }
    .reply(args, items)
}

/// ModifyInstanceMetadataOptions: what is left out stays.
pub(super) fn metadata(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("InstanceId")?;
    let hop_limit = args.int("HttpPutResponseHopLimit");
    if hop_limit.is_some_and(|hops| !(1..=64).contains(&hops)) {
        return Err(invalid("HttpPutResponseHopLimit must be between 1 and 64"));
    }
    if let Some(tokens) = args.str("HttpTokens").filter(|tokens| !matches!(*tokens, "optional" | "required")) {
        return Err(invalid(format!("Value ({tokens}) for parameter HttpTokens is invalid. Valid values: optional, required")));
    }
    let metadata = &mut ids::INSTANCE.find_mut(&mut world.ec2.instances, id)?.metadata;
    metadata.hop_limit = hop_limit.unwrap_or(metadata.hop_limit);
    if let Some(tokens) = args.str("HttpTokens") {
        tokens.clone_into(&mut metadata.tokens);
    }
    if let Some(endpoint) = args.str("HttpEndpoint") {
        endpoint.clone_into(&mut metadata.endpoint);
    }
    Ok(json!({"instanceId": id, "instanceMetadataOptions": {
        "state": "pending", "httpTokens": metadata.tokens, "httpPutResponseHopLimit": metadata.hop_limit, "httpEndpoint": metadata.endpoint,
    }}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Service;

    #[tokio::test(start_paused = true)]
    async fn a_volume_grows_once_in_six_hours() {
        let mut world = World::for_tests("us-east-1");
        let caller = Caller { arn: "arn:aws:iam::123456789012:user/admin".to_owned(), user_id: "AIDA".to_owned() };
        let mut call =
            |world: &mut World, action: &str, args: Value| world.call(Service::Ec2, action, args, &caller).map_err(|error| error.code);
        let create = json!({"AvailabilityZone": "us-east-1a", "Size": "40", "VolumeType": "gp3"});
        let id = call(&mut world, "CreateVolume", create).expect("a volume")["volumeId"].clone();
        world.advance(Duration::from_secs(60));
        let modify = |size: &str| json!({"VolumeId": id, "Size": size});
        assert_eq!(call(&mut world, "ModifyVolume", modify("39")), Err("InvalidParameterValue".to_owned()));
        call(&mut world, "ModifyVolume", modify("80")).expect("grows");
        assert_eq!(call(&mut world, "ModifyVolume", modify("90")), Err("IncorrectModificationState".to_owned()));
        world.advance(Duration::from_secs(60));
        let told = call(&mut world, "DescribeVolumesModifications", json!({})).expect("told");
        assert_eq!(told["volumeModificationSet"][0]["modificationState"], "optimizing");
        assert_eq!(told["volumeModificationSet"][0]["targetSize"], 80);
        assert_eq!(call(&mut world, "ModifyVolume", modify("90")), Err("VolumeModificationRateExceeded".to_owned()));
        world.advance(COOLING);
        call(&mut world, "ModifyVolume", modify("90")).expect("grows again");
    }
}
