//! What an instance's console says.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    call::{Args, Caller},
    ec2,
    error::ApiError,
    world::World,
};

/// Why the instance has not joined its cluster; empty if there is nothing to say.
pub(super) fn console(world: &World, instance: &str) -> String {
    world.node.consoles.get(instance).cloned().unwrap_or_default()
}

/// EC2's GetConsoleOutput.
pub(crate) fn console_output(world: &mut World, _caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    if ec2::instance(world, id).is_none() {
        return Err(ApiError::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")));
    }
    let output = console(world, id);
    let output = (!output.is_empty()).then(|| STANDARD.encode(format!("{output}\n")));
    Ok(json!({"instanceId": id, "timestamp": world.timestamp(), "output": output}))
}
