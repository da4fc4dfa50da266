//! ModifyInstanceMetadataOptions.

use serde_json::json;

use super::{Reply, ids, invalid};
use crate::{
    call::{Args, Caller},
    world::World,
};

/// What is left out stays.
pub(super) fn modify(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
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
