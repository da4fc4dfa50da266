//! AMIs. Only images that a public parameter names are known closely; every other well-formed id is an image of Amazon's,
//! except the one of zeros.

use serde_json::{Value, json};

use super::{
    Reply,
    filter::{self, Listing},
    ids::well_formed,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    ssm,
    world::World,
};

/// Size of the root volume of Amazon's EKS images.
const ROOT_GIB: i64 = 20;
/// The same of Amazon Linux 2023.
const AL2023_GIB: i64 = 8;
pub(super) const ROOT_DEVICE: &str = "/dev/xvda";

/// The snapshot behind an image.
pub(super) fn snapshot(image: &str) -> String {
    image.replacen("ami", "snap", 1)
}

/// The size of the root volume of an image.
pub(super) fn root_gib(world: &World, id: &str) -> i64 {
    let plain = ssm::image_parameter(world, id).is_some_and(|name| name.starts_with("/aws/service/ami-amazon-linux-latest/"));
    if plain { AL2023_GIB } else { ROOT_GIB }
}

/// Refuses what is no image's id.
pub(super) fn check(id: &str) -> Result<(), ApiError> {
    if !well_formed("ami", id) {
        return Err(ApiError::new("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")")));
    }
    if id.trim_start_matches("ami-").bytes().all(|b| b == b'0') {
        return Err(ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")));
    }
    Ok(())
}

/// What a public parameter's name tells of an image.
pub(super) struct Known {
    parameter: String,
    name: String,
    pub(super) architecture: &'static str,
    /// Whether instances answer IMDSv2 only and from two hops away, unless they are told otherwise.
    pub(super) imds_v2: bool,
}

pub(super) fn known(world: &World, id: &str) -> Option<Known> {
    let parameter = ssm::image_parameter(world, id)?;
    let architecture = if parameter.contains("arm64") { "arm64" } else { "x86_64" };
    // Amazon Linux 2 is older than the images' own setting.
    let imds_v2 = !parameter.split('/').any(|part| part.starts_with("amazon-linux-2") && part != "amazon-linux-2023");
    let name = ssm::image_name(&parameter);
    Some(Known { parameter, name, architecture, imds_v2 })
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let mut items: Vec<Value> = Vec::new();
    for id in args.strings("ImageId") {
        check(&id)?;
        let known = known(world, &id);
        let known = known.as_ref();
        items.push(json!({
            "imageId": id,
            "imageState": "available",
            "imageOwnerId": "602401143452",
            "imageOwnerAlias": "amazon",
            "imageLocation": format!("amazon/{id}"),
            "imageType": "machine",
            "name": known.map_or_else(|| format!("image-{id}"), |known| known.name.clone()),
            "isPublic": true,
            "architecture": known.map_or("x86_64", |known| known.architecture),
            "publicSsmParameterName": known.map(|known| &known.parameter),
            "rootDeviceType": "ebs",
            "rootDeviceName": ROOT_DEVICE,
            "virtualizationType": "hvm",
            "hypervisor": "xen",
            "enaSupport": true,
            "imdsSupport": known.is_none_or(|known| known.imds_v2).then_some("v2.0"),
            "platformDetails": "Linux/UNIX",
            "blockDeviceMapping": [{
                "deviceName": ROOT_DEVICE,
                "ebs": {
                    "deleteOnTermination": true, "snapshotId": snapshot(&id), "volumeSize": root_gib(world, &id), "volumeType": "gp3",
                    "encrypted": false,
                },
            }],
        }));
    }
    Listing {
        set: "imagesSet",
        ids: None,
        key: "imageId",
        filters: &[
            ("image-id", "imageId"),
            ("architecture", "architecture"),
            ("name", "name"),
            ("owner-alias", "imageOwnerAlias"),
            ("owner-id", "imageOwnerId"),
            ("is-public", "isPublic"),
            ("root-device-type", "rootDeviceType"),
            ("state", "imageState"),
            ("virtualization-type", "virtualizationType"),
        ],
        page: Some((1, filter::ANY)),
    }
    .reply(args, items)
}
