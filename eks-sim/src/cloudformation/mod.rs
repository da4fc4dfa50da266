//! AWS CloudFormation: stacks that really make what their templates say.

mod change_set;
mod describe;
mod eval;
mod operation;
mod parameters;
mod removal;
mod requests;
mod resources;
mod rollback;
mod rolling;
mod served;
mod stack;
mod template;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use self::served::serve;
use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

/// The service's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// By stack id; deleted ones too.
    stacks: BTreeMap<String, stack::Stack>,
    /// Client request tokens, with action and stack.
    tokens: BTreeMap<String, (String, String)>,
    /// Templates that lie in S3, by address.
    served: BTreeMap<String, String>,
}

pub(crate) fn handle(world: &mut World, caller: &Caller, action: &str, args: &Args) -> Result<Value, ApiError> {
    match action {
        "CancelUpdateStack" | "ContinueUpdateRollback" | "CreateStack" | "DeleteStack" | "RollbackStack" | "UpdateStack" => {
            requests::change(world, caller, action, args)
        }
        "UpdateTerminationProtection" => requests::protect(world, args),
        "CreateChangeSet" => change_set::create(world, caller, args),
        "DeleteChangeSet" => change_set::delete(world, args),
        "DescribeChangeSet" => change_set::describe(world, args),
        "ExecuteChangeSet" => change_set::execute(world, args),
        "ListChangeSets" => change_set::list(world, args),
        "DescribeStackEvents" => describe::events(world, args),
        "DescribeStackResource" => describe::resource(world, args),
        "DescribeStackResources" => describe::resources(world, args),
        "DescribeStacks" => describe::stacks(world, args),
        "GetTemplate" => describe::template(world, args),
        "GetTemplateSummary" => describe::template_summary(world, args),
        "ListStackResources" => describe::list_resources(world, args),
        "ListStacks" => describe::list(world, args),
        "ValidateTemplate" => describe::validate(world, args),
        _ => Err(ApiError::unknown_action(action)),
    }
}

pub(crate) fn inventory(world: &World, inventory: &mut Inventory) {
    for stack in world.cloudformation.stacks.values().filter(|stack| !stack.is_deleted()) {
        inventory.push("cloudformation/stack", &stack.name, stack.definition.tags.clone(), &stack.status, 0.0);
    }
}
