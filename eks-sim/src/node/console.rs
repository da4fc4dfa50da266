//! What an instance's console shows: what systemd and cloud-init write to it, and no daemon's own log, which goes to the journal
//! (amazon-eks-ami, `nodeadm-config.service` has no `StandardOutput`; its issue 2426 shows such a console).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    image::{self, System},
    user_data,
};
use crate::{
    call::{Args, Caller},
    ec2,
    error::ApiError,
    world::World,
};

/// nodeadm has given up.
const NODEADM_FAILED: &str = "[FAILED] Failed to start nodeadm-config.service - EKS Nodeadm Config.
See 'systemctl status nodeadm-config.service' for details.
[DEPEND] Dependency failed for nodeadm-run.service - EKS Nodeadm Run.
";
/// amazon-eks-ami, `templates/al2023/runtime/rootfs/etc/eks/bootstrap.sh`.
const BOOTSTRAP_REMOVED: &str = "ERROR: bootstrap.sh has been removed from AL2023-based EKS AMIs.

EKS nodes are now initialized by nodeadm.

To migrate your user data, see:

    https://awslabs.github.io/amazon-eks-ami/nodeadm/
[FAILED] Failed to start cloud-final.service - Execute cloud user/final scripts.
";
/// Bottlerocket, `early-boot-config.service`.
const SETTINGS_FAILED: &str = "[FAILED] Failed to start Bottlerocket userdata configuration system.
[DEPEND] Dependency failed for Bottlerocket initial configuration complete.
";

/// What the console of an instance shows; empty before its boot has come to the node's part of it.
fn console(world: &World, id: &str) -> String {
    let (Some(boot), Some(facts)) = (world.node.boots.get(id), ec2::instance(world, id)) else { return String::new() };
    let Some(reason) = boot.said.as_ref().filter(|_| boot.over) else { return String::new() };
    match image::of(world, &facts.image).system {
        System::AmazonLinux2023 => {
            let script = facts.imds && user_data::calls_bootstrap(&facts.user_data);
            format!("{NODEADM_FAILED}{}", if script { BOOTSTRAP_REMOVED } else { "" })
        }
        // cloud-init shows what scripts of the user data write.
        System::AmazonLinux2 | System::Ubuntu if facts.imds && user_data::calls_bootstrap(&facts.user_data) => {
            format!(
                "cloud-init[1829]: {reason}
cloud-init[1829]: util.py[WARNING]: Failed running /var/lib/cloud/instance/scripts/part-001 [1]
"
            )
        }
        System::Bottlerocket => SETTINGS_FAILED.to_owned(),
        // Windows' agent tells only that Windows is ready ("Access instance console output").
        System::Windows => "Message: Windows is ready to use\n".to_owned(),
        System::AmazonLinux2 | System::Ubuntu => String::new(),
    }
}

/// EC2's GetConsoleOutput. What it shows without `Latest` lags behind in ways that AWS does not document; here it does not.
pub(crate) fn console_output(world: &mut World, _caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let Some(facts) = ec2::instance(world, id) else {
        return Err(ApiError::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")));
    };
    // "This option is supported on instances that are built on the Nitro System."
    if args.bool("Latest") == Some(true) && facts.instance_type.starts_with("t2.") {
        return Err(ApiError::new("UnsupportedOperation", "This instance type does not support retrieving the latest console logs."));
    }
    let output = console(world, id);
    let output = (!output.is_empty()).then(|| STANDARD.encode(output));
    Ok(json!({"instanceId": id, "timestamp": world.timestamp(), "output": output}))
}
