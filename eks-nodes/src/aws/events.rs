//! What the events of a stack's last operation tell: its failures, without those that only follow from them.

use aws_sdk_autoscaling::types::ScalingActivityStatusCode;
use aws_sdk_cloudformation::types::StackEvent;
use eks_core::{Error, aws::failed};

use super::Workers;
use crate::{
    cause::Cause,
    failure::{FailedResource, StackFailure},
    status::StackStatus,
};

/// What CloudFormation says of resources that it gave up because of another's failure.
const FOLLOWS: [&str; 3] = ["Resource creation cancelled", "Resource update cancelled", "Resource deletion cancelled"];

const GROUP: &str = "AWS::AutoScaling::AutoScalingGroup";

/// The events of one operation, read from the newest to the oldest.
#[derive(Debug, Default)]
struct Story {
    /// Newest first.
    failures: Vec<FailedResource>,
    /// The Auto Scaling groups of the stack.
    groups: Vec<String>,
    /// The token of the operation: all of its events carry it, where its caller gave one.
    token: Option<Option<String>>,
    /// When it began, in seconds.
    began: Option<i64>,
    over: bool,
}

impl Workers {
    /// Why the last operation on a stack failed.
    pub(super) async fn failure(&self, id: &str, status: StackStatus, reason: Option<String>) -> Result<StackFailure, Error> {
        let mut story = Story::default();
        let mut pages = self.client.describe_stack_events().stack_name(id).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("cloudformation:DescribeStackEvents", format!("stack {id}"), error))?;
            page.stack_events().iter().for_each(|event| story.take(event));
            if story.over {
                break;
            }
        }
        let mut failure = StackFailure::new(id, status);
        failure.reason = reason.filter(|reason| !reason.trim().is_empty());
        failure.resources = story.failures;
        failure.resources.reverse();
        // CloudFormation only sees that a group does not get ready; why, Auto Scaling knows.
        if failure.resources.first().is_none_or(|first| first.kind == GROUP && is_vague(&first.reason)) {
            for group in &story.groups {
                if failure.activity.is_none() {
                    failure.activity = self.failed_activity(group, story.began).await;
                }
            }
        }
        Ok(failure)
    }

    /// Why instances did not come: a quota, lack of capacity. An error here only leaves the cause untold.
    async fn failed_activity(&self, group: &str, since: Option<i64>) -> Option<String> {
        let asked = self.scaling.describe_scaling_activities().auto_scaling_group_name(group).include_deleted_groups(true).send().await;
        let answer = asked.ok()?;
        let of_this_operation = |at: Option<i64>| since.is_none_or(|since| at.is_none_or(|at| at >= since));
        let last = answer.activities().iter().find(|activity| {
            activity.status_code() == Some(&ScalingActivityStatusCode::Failed)
                && of_this_operation(activity.start_time().map(aws_sdk_autoscaling::primitives::DateTime::secs))
        })?;
        last.status_message().map(str::to_owned)
    }

    /// The resources of a stack that an operation has not brought to an end, by logical id.
    pub(super) async fn unready(&self, id: &str) -> Result<Vec<String>, Error> {
        let mut pages = self.client.list_stack_resources().stack_name(id).into_paginator().items().send();
        let mut unready = Vec::new();
        while let Some(resource) = pages.next().await {
            let resource = resource.map_err(|error| failed("cloudformation:ListStackResources", format!("stack {id}"), error))?;
            let status = resource.resource_status().map_or("", |status| status.as_str());
            if status.ends_with("_IN_PROGRESS") {
                unready.push(format!("{} ({status})", resource.logical_resource_id().unwrap_or_default()));
            }
        }
        Ok(unready)
    }

    /// Those of `wanted` that the last rollback could not restore: CloudFormation refuses to skip any other.
    pub(super) async fn unrestored(&self, id: &str, wanted: &std::collections::BTreeSet<String>) -> Result<Vec<String>, Error> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut pages = self.client.list_stack_resources().stack_name(id).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(resource) = pages.next().await {
            let resource = resource.map_err(|error| failed("cloudformation:ListStackResources", format!("stack {id}"), error))?;
            let failed = resource.resource_status().is_some_and(|status| status.as_str() == "UPDATE_FAILED");
            found.extend(resource.logical_resource_id().filter(|id| failed && wanted.contains(*id)).map(str::to_owned));
        }
        Ok(found)
    }
}

/// Words that tell only that something took too long.
fn is_vague(reason: &str) -> bool {
    matches!(Cause::of(reason), Cause::Stuck | Cause::Unknown)
}

impl Story {
    fn take(&mut self, event: &StackEvent) {
        let token = event.client_request_token().map(str::to_owned);
        // What has another token, and what lies before the end of another operation, is not of this one.
        let other_operation = self.token.as_ref().is_some_and(|known| *known != token || is_end(event));
        if self.over || other_operation {
            self.over = true;
            return;
        }
        self.token.get_or_insert(token);
        if is_failure(event) {
            self.failures.push(told(event));
        }
        if event.resource_type() == Some(GROUP)
            && let Some(id) = event.physical_resource_id().filter(|id| !id.is_empty())
            && !self.groups.iter().any(|known| known == id)
        {
            self.groups.push(id.to_owned());
        }
        if is_start(event) {
            self.began = event.timestamp().map(aws_sdk_cloudformation::primitives::DateTime::secs);
            self.over = true;
        }
    }
}

fn status(event: &StackEvent) -> &str {
    event.resource_status().map_or("", |status| status.as_str())
}

fn is_stack(event: &StackEvent) -> bool {
    event.physical_resource_id().is_some() && event.physical_resource_id() == event.stack_id()
}

fn is_failure(event: &StackEvent) -> bool {
    let reason = event.resource_status_reason().unwrap_or_default();
    status(event).ends_with("_FAILED") && !is_stack(event) && !FOLLOWS.iter().any(|follows| reason.starts_with(follows))
}

/// What an operation ends with: no resource's event follows.
fn is_end(event: &StackEvent) -> bool {
    is_stack(event) && (status(event).ends_with("_COMPLETE") || status(event).ends_with("_FAILED"))
}

/// What an operation begins with. A rollback that a failure sets off belongs to the operation; one that somebody asked for does not.
fn is_start(event: &StackEvent) -> bool {
    is_stack(event) && matches!(status(event), "CREATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "UPDATE_IN_PROGRESS")
}

fn told(event: &StackEvent) -> FailedResource {
    FailedResource {
        logical: event.logical_resource_id().unwrap_or_default().to_owned(),
        kind: event.resource_type().unwrap_or("resource").to_owned(),
        physical: event.physical_resource_id().filter(|id| !id.is_empty()).map(str::to_owned),
        reason: event.resource_status_reason().unwrap_or("no reason given").to_owned(),
        blockers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::ResourceStatus;

    use super::*;

    fn event(resource: &str, status: ResourceStatus, reason: &str, token: &str) -> StackEvent {
        StackEvent::builder()
            .stack_id("arn:s")
            .physical_resource_id(if resource == "stack" { "arn:s" } else { "id" })
            .logical_resource_id(resource)
            .resource_type(if resource == "Group" { GROUP } else { "AWS::X::Y" })
            .resource_status(status)
            .resource_status_reason(reason)
            .client_request_token(token)
            .build()
    }

    fn failed_in(events: &[StackEvent]) -> Vec<String> {
        let mut story = Story::default();
        events.iter().for_each(|event| story.take(event));
        story.failures.into_iter().rev().map(|failed| failed.to_string()).collect()
    }

    #[test]
    fn only_the_current_operation_and_no_followers() {
        use ResourceStatus::{CreateFailed, CreateInProgress, DeleteFailed, UpdateFailed, UpdateInProgress};
        // Newest first, as CloudFormation tells them.
        let events = [
            event("stack", ResourceStatus::UpdateRollbackFailed, "The following resource(s) failed to update: [Role].", "b"),
            event("Role", UpdateFailed, "cannot be restored", "b"),
            event("Profile", UpdateFailed, "Resource update cancelled", "b"),
            event("Group", UpdateFailed, "no capacity", "b"),
            event("stack", UpdateInProgress, "User Initiated", "b"),
            event("Role", CreateFailed, "of an earlier operation", "a"),
            event("stack", CreateInProgress, "User Initiated", "a"),
        ];
        assert_eq!(
            failed_in(&events),
            ["AWS::AutoScaling::AutoScalingGroup Group: no capacity", "AWS::X::Y Role: cannot be restored"],
            "earliest first"
        );
        // A continued rollback is an operation of its own, with another token, or without one.
        for token in ["b", "c"] {
            let mut continued = vec![
                event("stack", ResourceStatus::UpdateRollbackFailed, "The following resource(s) failed to update: [Role].", token),
                event("Role", UpdateFailed, "still not", token),
                event("stack", ResourceStatus::UpdateRollbackInProgress, "User Initiated", token),
            ];
            continued.extend(events.clone());
            assert_eq!(failed_in(&continued), ["AWS::X::Y Role: still not"]);
        }
        assert_eq!(failed_in(&[event("stack", DeleteFailed, "The following resource(s) failed to delete: [Role].", "a")]), [""; 0]);
    }
}
