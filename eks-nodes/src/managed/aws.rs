//! Managed groups on AWS: what EKS tells of them, and what it is asked to do.

mod calls;
mod read;
mod wait;

use std::time::Duration;

use eks_core::{Class, Error, Outputs, Step, engine::StepContext};

use self::wait::{Goal, wait};
use super::{
    observed::{GroupName, NodeGroup},
    op::GroupOp,
    request::{GroupRequest, GroupUpdate},
    status::GroupStatus,
};
use crate::aws::Workers;

impl Workers {
    pub(crate) fn knows_groups() -> Result<(), Error> {
        Ok(())
    }

    pub(crate) async fn run_group(&self, op: &GroupOp, step: &Step, cx: &StepContext) -> Result<Outputs, Error> {
        let typical = step.typical;
        match op {
            GroupOp::Await { cluster, name } => {
                let name = GroupName { cluster: cluster.to_string(), name: name.to_string() };
                cx.wait(wait(Goal::Standing, &name, None, typical).first(Duration::ZERO)).await
            }
            GroupOp::Create { group } => self.create_group(group, typical, cx).await,
            GroupOp::Recreate { group } => {
                self.group_gone(&name_of(group), cx).await?;
                self.create_group(group, typical, cx).await
            }
            GroupOp::Replace { group } => {
                self.clear_group(group, cx).await?;
                self.create_group(group, typical, cx).await
            }
            GroupOp::Update { cluster, name, update } => {
                let name = GroupName { cluster: cluster.to_string(), name: name.to_string() };
                self.update_group(&name, update, typical, cx).await
            }
            GroupOp::Keep { .. } => Ok(step.outputs.clone()),
            GroupOp::Delete { name, .. } => Err(Error::Plan {
                subject: cx.key().to_string(),
                reason: format!("a plan never deletes, and this would delete group {name}"),
            }),
        }
    }

    /// Asks for the group and waits until its nodes are there.
    async fn create_group(&self, group: &GroupRequest, typical: Duration, cx: &StepContext) -> Result<Outputs, Error> {
        let name = name_of(group);
        // On a later attempt the group may have been made although the answer was lost.
        if cx.attempt() == 1 || self.our_group(&name, cx).await?.is_none() {
            match self.call_create(group, cx).await {
                Err(error) if error.code() == Some("ResourceInUseException") => {
                    self.our_group(&name, cx).await?.ok_or_else(|| error.with_class(Class::Inconsistent))?;
                }
                made => made?,
            }
        }
        cx.wait(wait(Goal::Standing, &name, None, typical)).await
    }

    /// The group of this name, which must be this step's.
    async fn our_group(&self, name: &GroupName, cx: &StepContext) -> Result<Option<NodeGroup>, Error> {
        let found = self.describe_group(name).await?;
        if found.as_ref().is_some_and(|group| group.key(cx.owner()).as_ref() != Some(cx.key())) {
            return Err(Error::Refused {
                subject: format!("managed node group {}", name.name),
                rule: "exists already, and is not this plan's".to_owned(),
                remedy: "choose another name, or delete that group".to_owned(),
            });
        }
        Ok(found)
    }

    /// Settings first, as new nodes get them; then the nodes.
    async fn update_group(&self, name: &GroupName, update: &GroupUpdate, typical: Duration, cx: &StepContext) -> Result<Outputs, Error> {
        if cx.attempt() > 1 {
            // What an earlier attempt began may still run.
            cx.wait(wait(Goal::Standing, name, None, typical).first(Duration::ZERO)).await?;
        }
        if update.has_settings() {
            let id = self.call_update_config(name, update, cx).await?;
            cx.wait(wait(Goal::Updated, name, Some(&id), Duration::from_secs(20))).await?;
        }
        if let Some(roll) = &update.roll
            && !self.is_rolled(name, roll, cx).await?
        {
            let id = self.call_update_version(name, roll, cx).await?;
            cx.wait(wait(Goal::Updated, name, Some(&id), typical)).await?;
        }
        cx.wait(wait(Goal::Standing, name, None, typical).first(Duration::ZERO)).await
    }

    /// Deletes a group that never came to be, if that is still so.
    async fn clear_group(&self, group: &GroupRequest, cx: &StepContext) -> Result<(), Error> {
        let name = name_of(group);
        match self.our_group(&name, cx).await? {
            Some(found) if found.status.stands() && cx.attempt() == 1 => Err(Error::Refused {
                subject: format!("managed node group {}", name.name),
                rule: format!("was to be deleted as it had never come to be, and now is {}", found.status),
                remedy: "plan again".to_owned(),
            }),
            // An earlier attempt has made it anew.
            Some(found) if found.status.stands() => Ok(()),
            Some(_) => self.delete_group(&name, Duration::from_secs(60), cx).await,
            None => Ok(()),
        }
    }

    /// Waits until a group that is being deleted is gone.
    async fn group_gone(&self, name: &GroupName, cx: &StepContext) -> Result<(), Error> {
        match self.describe_group(name).await? {
            Some(found) if found.status == GroupStatus::Deleting => {
                cx.wait(wait(Goal::Gone, name, None, Duration::from_secs(60))).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn remove_group(&self, op: &GroupOp, typical: Duration, cx: &StepContext) -> Result<(), Error> {
        match op {
            GroupOp::Delete { cluster, name } => {
                let name = GroupName { cluster: cluster.to_string(), name: name.to_string() };
                self.delete_group(&name, typical, cx).await
            }
            _ => Err(Error::Plan { subject: cx.key().to_string(), reason: "a removal only deletes".to_owned() }),
        }
    }

    /// Deletes the group and waits until it is gone.
    async fn delete_group(&self, name: &GroupName, typical: Duration, cx: &StepContext) -> Result<(), Error> {
        let Some(found) = self.our_group(name, cx).await? else { return Ok(()) };
        if found.status != GroupStatus::Deleting {
            match self.call_delete(name).await {
                // EKS deletes nothing that it is making or changing.
                Err(error) if error.code() == Some("ResourceInUseException") => {
                    cx.wait(wait(Goal::Settled, name, None, typical)).await?;
                    self.call_delete(name).await?;
                }
                Err(error) if error.class() == Class::NotFound => return Ok(()),
                sent => sent?,
            }
        }
        cx.wait(wait(Goal::Gone, name, None, typical)).await.map(drop)
    }
}

fn name_of(group: &GroupRequest) -> GroupName {
    GroupName { cluster: group.cluster.to_string(), name: group.name.to_string() }
}
