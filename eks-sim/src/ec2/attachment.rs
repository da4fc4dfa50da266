//! Network interfaces on instances, and on what services have behind them.

use serde_json::json;

use super::{
    Reply, done, ids, instance_types,
    interface::{self, Interface},
    invalid, quota,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub(super) id: String,
    /// Absent when a service has it.
    pub(super) instance: Option<String>,
    pub(super) owner: String,
    pub(super) device_index: i64,
    pub(super) delete_on_termination: bool,
    pub(super) at: String,
}

/// Attaches an interface to an instance, or to what a service has behind it.
pub(super) fn attach_to(world: &mut World, id: &str, instance: Option<&str>, device_index: i64, delete_on_termination: bool) -> String {
    let prefix = if instance.is_some() { "eni-attach" } else { "ela-attach" };
    let (attachment, at) = (world.id(prefix), world.timestamp());
    let account = world.account.clone();
    if let Some(interface) = world.ec2.interfaces.get_mut(id) {
        let owner = if instance.is_some() { account } else { interface.requester.clone().unwrap_or_default() };
        interface.attachment = Some(Attachment {
            id: attachment.clone(),
            instance: instance.map(str::to_owned),
            owner,
            device_index,
            delete_on_termination,
            at,
        });
    }
    attachment
}

pub(super) fn attach(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NetworkInterfaceId")?;
    let instance = args.required("InstanceId")?;
    let device = args.int("DeviceIndex").ok_or_else(|| ApiError::missing("DeviceIndex"))?;
    let interface = ids::NETWORK_INTERFACE.find(&world.ec2.interfaces, id)?;
    let instance_type = &ids::INSTANCE.find(&world.ec2.instances, instance)?.instance_type;
    if interface.attachment.is_some() {
        return Err(ApiError::new("InvalidNetworkInterface.InUse", format!("Interface: {id} in use.")));
    }
    let taken =
        |other: &String| world.ec2.interfaces[other].attachment.as_ref().is_some_and(|attachment| attachment.device_index == device);
    if world.ec2.interfaces_of(instance).iter().any(taken) {
        let message = format!("Instance '{instance}' already has an interface attached at device index '{device}'.");
        return Err(invalid(message));
    }
    if let Some(most) = instance_types::find(instance_type).map(|found| found.interfaces) {
        let message = format!("Interface count {} exceeds the limit for {instance_type}", most + 1);
        quota::within(world.ec2.interfaces_of(instance).len(), most, "AttachmentLimitExceeded", &message)?;
    }
    Ok(json!({"attachmentId": attach_to(world, id, Some(instance), device, false)}))
}

pub(super) fn detach(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let wanted = args.required("AttachmentId")?;
    let has = |interface: &Interface| interface.attachment.as_ref().is_some_and(|attachment| attachment.id == wanted);
    let interface = world.ec2.interfaces.values_mut().find(|interface| has(interface)).ok_or_else(|| {
        ApiError::new("InvalidAttachmentID.NotFound", format!("The networkInterface attachment ID '{wanted}' does not exist"))
    })?;
    interface::permitted(interface, caller)?;
    if interface.attachment.as_ref().is_some_and(|attachment| attachment.device_index == 0) {
        let message = "The network interface at device index 0 cannot be detached.";
        return Err(ApiError::new("OperationNotPermitted", message));
    }
    interface.attachment = None;
    interface.public_ip = None;
    Ok(done())
}
