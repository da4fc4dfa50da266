//! Auto Scaling groups on the wire.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use aws_sdk_autoscaling::types::{AutoScalingGroup, Tag};
use aws_sdk_ec2::types::Filter;
use eks_core::{
    Class, Error, InstanceId, SecurityGroupId, StackName,
    aws::failed,
    engine::{StepContext, Wait},
};
use eks_k8s::{Access, drain::Node};

use super::{
    Replacements,
    wait::{GONE, Waited},
};
use crate::replacement::{
    group::{GroupInstance, Mark, REPLACING_TAG, ScalingGroup},
    sizes::Sizes,
};

const DESCRIBE: &str = "autoscaling:DescribeAutoScalingGroups";
/// An instance refresh in one of these is under way. Auto Scaling API Reference, "InstanceRefresh".
const REFRESHING: [&str; 5] = ["Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"];
/// A lifecycle hook holds an instance for at most two days (Auto Scaling User Guide, "Lifecycle hooks").
const HELD: Duration = Duration::from_secs(48 * 3600);

impl Replacements {
    /// The groups of these names that are there.
    pub(super) async fn groups<'a>(&self, stack: &str, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<ScalingGroup>, Error> {
        let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let subject = names.join(", ");
        let mut pages = self.scaling.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(names)).into_paginator().send();
        let mut groups = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(DESCRIBE, subject.as_str(), error))?;
            for found in page.auto_scaling_groups() {
                groups.push(read(stack, found)?);
            }
        }
        Ok(groups)
    }

    /// The state of an instance refresh that runs.
    pub(super) async fn refresh(&self, group: &str) -> Result<Option<String>, Error> {
        let asked = self.scaling.describe_instance_refreshes().auto_scaling_group_name(group).send().await;
        let answer = match asked {
            // It went since it was listed: nothing of it is refreshed.
            Err(error) if is_gone(error.as_service_error().and_then(|error| error.meta().message())) => return Ok(None),
            asked => asked.map_err(|error| failed("autoscaling:DescribeInstanceRefreshes", group, error))?,
        };
        let states = answer.instance_refreshes().iter().filter_map(|refresh| refresh.status()).map(|status| status.as_str());
        Ok(states.into_iter().find(|state| REFRESHING.contains(state)).map(str::to_owned))
    }

    /// Writes down what groups are, then suspends; so what was suspended by others is never forgotten.
    pub(super) async fn hold(
        &self,
        names: &str,
        processes: &[String],
        to_none: bool,
        mark: impl Fn(&ScalingGroup) -> Mark + Send,
    ) -> Result<(), Error> {
        for group in self.groups("", names.split(',')).await? {
            let own = mark(&group);
            match &group.mark {
                Some(mark) if mark.with == own.with => {}
                Some(mark) => return Err(taken(&group.name, mark)),
                None => self.mark(&group, &own).await?,
            }
            if processes.iter().any(|process| !group.suspended.contains(process)) {
                let call = self.scaling.suspend_processes().auto_scaling_group_name(&group.name);
                let sent = call.set_scaling_processes(Some(processes.to_vec())).send().await;
                sent.map_err(|error| retried(failed("autoscaling:SuspendProcesses", group.name.as_str(), error)))?;
            }
            if to_none && group.min > 0 {
                let sent = self.scaling.update_auto_scaling_group().auto_scaling_group_name(&group.name).min_size(0).send().await;
                sent.map_err(|error| retried(failed("autoscaling:UpdateAutoScalingGroup", group.name.as_str(), error)))?;
            }
        }
        Ok(())
    }

    async fn mark(&self, group: &ScalingGroup, mark: &Mark) -> Result<(), Error> {
        let tag = tag(&group.name).value(mark.to_string()).propagate_at_launch(false).build();
        let sent = self.scaling.create_or_update_tags().tags(tag).send().await;
        sent.map(drop).map_err(|error| retried(failed("autoscaling:CreateOrUpdateTags", group.name.as_str(), error)))
    }

    /// Makes groups what they were, and forgets last. One that is gone, or was never held for this, is as it should be.
    pub(super) async fn release(&self, names: &str, with: &str, processes: &[String], sizes: bool) -> Result<(), Error> {
        for group in self.groups("", names.split(',')).await? {
            let Some(mark) = group.mark.as_ref().filter(|mark| mark.with == with) else { continue };
            let ours: Vec<String> = processes.iter().filter(|process| !mark.suspended.contains(*process)).cloned().collect();
            // Without a process named, all would be meant.
            if ours.iter().any(|process| group.suspended.contains(process)) {
                let call = self.scaling.resume_processes().auto_scaling_group_name(&group.name);
                let sent = call.set_scaling_processes(Some(ours)).send().await;
                sent.map_err(|error| retried(failed("autoscaling:ResumeProcesses", group.name.as_str(), error)))?;
            }
            if sizes {
                let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
                let desired = mark.desired.max(group.desired);
                let call = self.scaling.update_auto_scaling_group().auto_scaling_group_name(&group.name);
                let call = call.min_size(number(mark.min)).max_size(number(mark.max.max(desired))).desired_capacity(number(desired));
                let sent = call.send().await;
                sent.map_err(|error| retried(failed("autoscaling:UpdateAutoScalingGroup", group.name.as_str(), error)))?;
            }
            let sent = self.scaling.delete_tags().tags(tag(&group.name).build()).send().await;
            sent.map_err(|error| retried(failed("autoscaling:DeleteTags", group.name.as_str(), error)))?;
        }
        Ok(())
    }

    /// Raises what is wanted, and never lowers it.
    pub(super) async fn grow(&self, names: &str, wanted: &Sizes) -> Result<(), Error> {
        for group in self.groups("", names.split(',')).await? {
            let zone = group.zones.first().filter(|_| group.zones.len() == 1).and_then(|zone| wanted.get(zone));
            let Some(wanted) = zone.or_else(|| wanted.get("")).copied().filter(|wanted| *wanted > group.desired) else { continue };
            let call = self.scaling.set_desired_capacity().auto_scaling_group_name(&group.name);
            let sent = call.desired_capacity(i32::try_from(wanted).unwrap_or(i32::MAX)).honor_cooldown(false).send().await;
            sent.map_err(|error| retried(failed("autoscaling:SetDesiredCapacity", group.name.as_str(), error)))?;
        }
        Ok(())
    }

    /// Terminates those that are still there, each with one fewer wanted, and waits until they and their nodes are gone. None of them if
    /// one is a node that is not drained: it joined, or was opened, after its round was.
    pub(super) async fn terminate(
        &self,
        cx: &StepContext,
        access: Access,
        instances: &BTreeMap<InstanceId, String>,
        typical: Duration,
    ) -> Result<(), Error> {
        let members = self.members(instances.keys()).await?;
        let stay = members.iter().filter(|(_, state)| !state.starts_with("Terminat")).map(|(id, _)| id.as_str()).collect();
        self.are_drained(&access, &stay).await?;
        for (id, state) in &members {
            if state.starts_with("Terminat") {
                continue;
            }
            // Repeated blindly, it might lower what is wanted twice.
            let call = self.once.terminate_instance_in_auto_scaling_group().instance_id(id);
            let sent = call.should_decrement_desired_capacity(true).send().await;
            match sent.map(drop).map_err(|error| failed("autoscaling:TerminateInstanceInAutoScalingGroup", id.as_str(), error)) {
                Err(error) if error.code() == Some("ValidationError") && error.chain().contains("not found") => {}
                sent => sent.map_err(retried)?,
            }
        }
        let ids: Vec<InstanceId> = instances.keys().cloned().collect();
        let subject = ids.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", ");
        let wait = Wait::typical(GONE, subject, typical).limit(HELD);
        self.wait(cx, wait, Some(Waited::Gone(access, ids, Arc::default()))).await.map(drop)
    }

    /// These instances, if they are nodes, take no Pods and were emptied.
    async fn are_drained(&self, access: &Access, instances: &BTreeSet<&str>) -> Result<(), Error> {
        if instances.is_empty() {
            return Ok(());
        }
        let nodes = self.objects.nodes(Some(access)).await?;
        let of_them = |node: &Node| node.instance.as_deref().is_some_and(|id| instances.contains(id));
        let left: Vec<String> = nodes.into_iter().filter(|(_, node)| of_them(node) && !node.is_drained()).map(|(name, _)| name).collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(Error::Refused {
            subject: format!("node {}", left.join(", ")),
            rule: "joined or was opened since its round was drained".to_owned(),
            remedy: "plan again: it is drained then".to_owned(),
        })
    }

    /// A stack whose groups hold instances is not deleted: nobody has drained them.
    pub(super) async fn are_empty(&self, stack: &StackName, groups: &[String]) -> Result<(), Error> {
        let found = self.groups(stack.as_str(), groups.iter().map(String::as_str)).await?;
        let left: Vec<String> = found.iter().flat_map(|group| group.live().map(|instance| instance.id.to_string())).collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(Error::Refused {
            subject: format!("stack {stack}"),
            rule: format!("holds instances that were not drained: {}", left.join(", ")),
            remedy: "plan again: they get a round of their own".to_owned(),
        })
    }

    /// No instance that runs has this security group, and with it the role of its workers.
    pub(super) async fn nobody_in(&self, group: &SecurityGroupId) -> Result<(), Error> {
        let left = self.instances_in(group).await?;
        if left.is_empty() {
            return Ok(());
        }
        let ids = left.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", ");
        Err(Error::Refused {
            subject: format!("security group {group}"),
            rule: format!("instances run in it, whose role would be shut out: {ids}"),
            remedy: "drain and terminate them, and plan again".to_owned(),
        })
    }

    /// Instances in a security group that are not being terminated.
    pub(super) async fn instances_in(&self, group: &SecurityGroupId) -> Result<Vec<InstanceId>, Error> {
        let of_group = Filter::builder().name("instance.group-id").values(group.as_str()).build();
        let states = ["pending", "running", "stopping", "stopped"].map(str::to_owned).into();
        let state = Filter::builder().name("instance-state-name").set_values(Some(states)).build();
        let mut pages = self.ec2.describe_instances().filters(of_group).filters(state).into_paginator().send();
        let mut ids = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("ec2:DescribeInstances", group.as_str(), error))?;
            let found = page.reservations().iter().flat_map(|reservation| reservation.instances());
            ids.extend(found.filter_map(|instance| instance.instance_id()?.parse().ok()));
        }
        Ok(ids)
    }
}

fn tag(group: &str) -> aws_sdk_autoscaling::types::builders::TagBuilder {
    Tag::builder().resource_id(group).resource_type("auto-scaling-group").key(REPLACING_TAG)
}

/// "You already have a pending update to an Amazon EC2 Auto Scaling resource" is over in a moment.
fn retried(error: Error) -> Error {
    if error.code() == Some("ScalingActivityInProgress") { error.with_class(Class::Inconsistent) } else { error }
}

fn taken(group: &str, mark: &Mark) -> Error {
    Error::Refused {
        subject: format!("Auto Scaling group {group}"),
        rule: format!("is in the middle of a replacement together with stack {}", mark.with),
        remedy: "end that one, or go back (Replacement::back)".to_owned(),
    }
}

fn read(stack: &str, found: &AutoScalingGroup) -> Result<ScalingGroup, Error> {
    let name = found.auto_scaling_group_name().unwrap_or_default().to_owned();
    let number = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
    let mark = found.tags().iter().find(|tag| tag.key() == Some(REPLACING_TAG)).and_then(|tag| tag.value());
    let mark = mark.map(str::parse::<Mark>).transpose().map_err(|error| Error::Refused {
        subject: format!("Auto Scaling group {name}"),
        rule: error.to_string(),
        remedy: "take the tag off, and see to sizes and suspended processes yourself".to_owned(),
    })?;
    let instance = |one: &aws_sdk_autoscaling::types::Instance| {
        let state = one.lifecycle_state().map(|state| state.as_str()).unwrap_or_default();
        Some(GroupInstance::new(one.instance_id()?.parse().ok()?, one.availability_zone().unwrap_or_default(), state))
    };
    Ok(ScalingGroup {
        name,
        stack: stack.to_owned(),
        min: number(found.min_size()),
        desired: number(found.desired_capacity()),
        max: number(found.max_size()),
        zones: found.availability_zones().iter().cloned().collect(),
        suspended: found.suspended_processes().iter().filter_map(|one| one.process_name()).map(str::to_owned).collect(),
        mark,
        instances: found.instances().iter().filter_map(instance).collect(),
        warm_pool: found.warm_pool_configuration().is_some(),
        refresh: None,
    })
}

/// Whether Auto Scaling says that there is no such group; its only word for it is a message.
fn is_gone(message: Option<&str>) -> bool {
    message.is_some_and(|message| message.contains("AutoScalingGroup name not found"))
}
