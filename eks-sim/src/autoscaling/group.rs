//! A group, its members and its activities.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{configuration::Configuration, hooks::Hook, refresh::Refresh};
use crate::{error::ApiError, world::World};

/// An Auto Scaling group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) desired: i64,
    pub(super) cooldown: i64,
    pub(super) launch: Launch,
    /// Subnets with their zones.
    pub(super) subnets: Vec<(String, String)>,
    pub(super) health_check: String,
    pub(super) grace: i64,
    pub(super) protect_new: bool,
    pub(super) termination_policies: Vec<String>,
    pub(super) load_balancers: Vec<String>,
    pub(super) target_groups: Vec<String>,
    pub(super) tags: Vec<Tag>,
    pub(super) hooks: BTreeMap<String, Hook>,
    pub(super) suspended: BTreeSet<String>,
    pub(super) created: String,
    pub(super) refreshes: Vec<Refresh>,
    pub(super) deleting: bool,
    pub(super) members: BTreeMap<String, Member>,
    /// Launches that were decided and did not reach EC2 yet.
    pub(super) launching: i64,
    /// One more than the desired capacity is launched, to balance zones.
    pub(super) balancing: bool,
    /// Failed launches in a row.
    pub(super) failures: u32,
    /// A retry is due; until then nothing is launched.
    pub(super) backing_off: bool,
    /// Oldest first.
    pub(super) activities: Vec<Activity>,
}

/// What is launched.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Launch {
    pub(super) template_id: String,
    pub(super) template_name: String,
    /// As given: `$Latest`, `$Default`, or a number.
    pub(super) version: String,
    /// The policy as given, to be shown; its template is the one above.
    pub(super) mixed: Option<Value>,
    /// Instance types of the policy's overrides, in order of preference.
    pub(super) types: Vec<String>,
    /// The launch configuration, instead of all this.
    pub(super) configuration: Option<Configuration>,
}

/// An instance of a group.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) zone: String,
    pub(super) instance_type: String,
    pub(super) version: String,
    /// `Pending`, `InService`, `Terminating`, …
    pub(super) state: String,
    pub(super) healthy: bool,
    pub(super) protected: bool,
    /// Order of launch.
    pub(super) number: usize,
}

/// A group's tag.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) propagate: bool,
}

/// A scaling activity.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) description: String,
    pub(super) cause: String,
    pub(super) start: String,
    pub(super) end: Option<String>,
    pub(super) status: &'static str,
    pub(super) message: Option<String>,
}

impl Group {
    /// Members that count towards the capacity.
    pub(super) fn live(&self) -> impl Iterator<Item = (&String, &Member)> {
        self.members.iter().filter(|(_, member)| !member.state.starts_with("Terminating") && !member.state.starts_with("Detaching"))
    }

    pub(super) fn status(&self) -> Option<&'static str> {
        self.deleting.then_some("Delete in progress")
    }

    /// Nothing for a group with a launch configuration.
    pub(super) fn template(&self) -> Value {
        if self.launch.configuration.is_some() {
            return Value::Null;
        }
        json!({
            "LaunchTemplateId": self.launch.template_id,
            "LaunchTemplateName": self.launch.template_name,
            "Version": self.launch.version,
        })
    }
}

/// A ValidationError, which Auto Scaling answers to most mistakes.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

pub(super) fn find<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Group, ApiError> {
    let missing = || invalid(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"));
    world.autoscaling.groups.get_mut(name).filter(|group| !group.deleting).ok_or_else(missing)
}

/// Begins an activity and returns its id.
pub(super) fn begin(world: &mut World, name: &str, instance: Option<&str>, description: String, cause: String) -> String {
    let hex = world.draw.hex("autoscaling-activity", 32);
    let id = format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
    let start = world.timestamp();
    let activity = Activity {
        id: id.clone(),
        instance: instance.map(str::to_owned),
        description,
        cause: format!("At {start} {cause}"),
        start,
        end: None,
        status: "InProgress",
        message: None,
    };
    if let Some(group) = world.autoscaling.groups.get_mut(name) {
        group.activities.push(activity);
    }
    id
}

/// Ends the activities of an instance that are in progress.
pub(super) fn finish(world: &mut World, name: &str, instance: &str) {
    let now = world.timestamp();
    let Some(group) = world.autoscaling.groups.get_mut(name) else { return };
    for activity in group.activities.iter_mut().filter(|one| one.end.is_none() && one.instance.as_deref() == Some(instance)) {
        activity.end = Some(now.clone());
        activity.status = "Successful";
    }
}
