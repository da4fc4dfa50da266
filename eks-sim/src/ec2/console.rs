//! What an instance's console said.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{Reply, ids};
use crate::{
    call::{Args, Caller},
    node,
    world::World,
};

pub(super) fn get(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("InstanceId")?;
    ids::INSTANCE.find(&world.ec2.instances, id)?;
    let text = node::console(world, id);
    Ok(json!({"instanceId": id, "timestamp": world.timestamp(), "output": STANDARD.encode(text)}))
}
