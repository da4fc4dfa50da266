//! Whether the caller may do what a call asks: each call is authorised before it is carried out, as the "Service Authorization
//! Reference" says: which actions on which resources it needs, and which condition keys it brings. Off until [`crate::Sim::enforce`].
//!
//! Only the administrator's calls are judged, and what CloudFormation calls for them (`aws:CalledVia`). Assumptions: an operation on a stack
//! is carried out with the administrator's permissions of the moment, and sessions under roles may do everything, for the documents of AWS's
//! own policies are not in the simulator.

mod ec2;
mod eks;
mod handlers;
mod iam;
mod launch;
mod need;
mod stacks;
mod verdict;

use std::sync::Arc;

use serde_json::Value;

pub use self::verdict::{Authorization, PolicyError};
use self::{need::Asker, verdict::refuse};
use crate::{
    call::{Args, Caller, Service},
    error::ApiError,
    iam::{Decision, Identity, is_administrator},
    world::World,
};

/// CloudFormation, as `aws:CalledVia` names it.
const CLOUDFORMATION: &str = "cloudformation.amazonaws.com";

/// What the administrator is left with, and what was asked since.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    identity: Option<Arc<Identity>>,
    asked: Vec<Authorization>,
}

/// Limits the administrator to these policies.
pub(crate) fn enforce(world: &mut World, documents: &[String]) -> Result<(), PolicyError> {
    let identity = Identity::parse(documents).map_err(|error| PolicyError::new(&error.to_string()))?;
    world.authorize = State { identity: Some(Arc::new(identity)), asked: Vec::new() };
    Ok(())
}

/// Gives the administrator everything again; tells what was asked in between.
pub(crate) fn trust(world: &mut World) -> Vec<Authorization> {
    std::mem::take(&mut world.authorize).asked
}

/// What was asked since [`enforce`].
pub(crate) fn asked(world: &World) -> Vec<Authorization> {
    world.authorize.asked.clone()
}

/// Refuses a client's call for which a permission is missing, in the service's own words.
pub(crate) fn check(world: &mut World, service: Service, action: &str, args: &Args, caller: &Caller) -> Result<(), ApiError> {
    if !is_administrator(world, caller) {
        return Ok(());
    }
    judge(world, service, action, args, None)
}

/// The same for a call that CloudFormation makes for whoever asked for the stack (CloudFormation user guide, "Control CloudFormation access
/// with IAM": without a service role, it "uses a temporary session that's generated from your user credentials").
pub(crate) fn check_for_stack(world: &mut World, service: Service, action: &str, args: &Value) -> Result<(), ApiError> {
    judge(world, service, action, &Args(args.clone()), Some(CLOUDFORMATION))
}

fn judge(world: &mut World, service: Service, action: &str, args: &Args, via: Option<&'static str>) -> Result<(), ApiError> {
    if world.authorize.identity.is_none() {
        return Ok(());
    }
    let mut asker = Asker::new(world, args, via);
    match service {
        Service::Ec2 => ec2::needs(&mut asker, action),
        Service::Iam => iam::needs(&mut asker, action),
        Service::Eks => eks::needs(&mut asker, action),
        Service::CloudFormation => stacks::needs(&mut asker, action),
        Service::AutoScaling => launch::scaling(&mut asker, action),
        Service::Elb => launch::balancing(&mut asker, action),
        Service::Ssm => launch::parameters(&mut asker, action),
        // "No permissions are required to perform this operation" (API reference, GetCallerIdentity); a role's trust policy judges AssumeRole.
        Service::Sts => {}
    }
    if via.is_some() {
        handlers::needs(&mut asker, service, action);
    }
    let needs = asker.into_needs();
    let arn = crate::iam::administrator(world);
    for need in needs {
        let Some(identity) = &world.authorize.identity else { return Ok(()) };
        let decision = identity.decide(&need.action, &need.resource, &need.context);
        let allowed = decision == Decision::Allowed;
        let entry = Authorization { action: need.action.clone(), resource: need.resource.clone(), allowed };
        world.authorize.asked.push(entry);
        if !allowed {
            return Err(refuse(service, &arn, &need, decision));
        }
    }
    Ok(())
}
