//! Why a stack's operation failed: the first failure among its events, which the later ones only follow.

use aws_sdk_autoscaling::types::ScalingActivityStatusCode;
use aws_sdk_cloudformation::types::StackEvent;
use eks_core::{Error, aws::failed};

use super::Workers;

/// What CloudFormation says of resources that it gave up because of another's failure.
const FOLLOWS: [&str; 2] = ["Resource creation cancelled", "Resource update cancelled"];

const GROUP: &str = "AWS::AutoScaling::AutoScalingGroup";

/// What the events of a stack's last operation tell.
#[derive(Debug, Default)]
struct Story {
    /// The earliest failure: type of the resource, and the failure for people.
    first: Option<(String, String)>,
    /// The Auto Scaling group of the stack.
    group: Option<String>,
}

impl Workers {
    /// Why the last operation on the stack failed.
    pub(super) async fn why(&self, id: &str, reason: Option<String>) -> Result<String, Error> {
        let story = self.story(id).await?;
        let waits_for_instances = story.first.as_ref().is_none_or(|(kind, _)| kind == GROUP);
        let told = story.first.map(|(_, told)| told).or(reason).unwrap_or_else(|| "CloudFormation gives no reason".to_owned());
        let cause = match story.group {
            Some(group) if waits_for_instances => self.failed_activity(&group).await,
            _ => None,
        };
        Ok(match cause {
            Some(cause) => format!("{told}; the last failure of Auto Scaling: {cause}"),
            None => told,
        })
    }

    async fn story(&self, id: &str) -> Result<Story, Error> {
        let mut pages = self.client.describe_stack_events().stack_name(id).into_paginator().send();
        let mut story = Story::default();
        // Newest first: the failure that is seen last, before the start of the operation, is the earliest.
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("cloudformation:DescribeStackEvents", format!("stack {id}"), error))?;
            for event in page.stack_events() {
                if is_failure(event) {
                    story.first = Some((event.resource_type().unwrap_or_default().to_owned(), told(event)));
                }
                if event.resource_type() == Some(GROUP) {
                    story.group = event.physical_resource_id().filter(|id| !id.is_empty()).map(str::to_owned).or(story.group);
                }
                if is_start(event) {
                    return Ok(story);
                }
            }
        }
        Ok(story)
    }

    /// Why instances did not come: a quota, lack of capacity. An error here only leaves the cause untold.
    async fn failed_activity(&self, group: &str) -> Option<String> {
        let asked = self.scaling.describe_scaling_activities().auto_scaling_group_name(group).include_deleted_groups(true).send().await;
        let failed = ScalingActivityStatusCode::Failed;
        let answer = asked.ok()?;
        let last = answer.activities().iter().find(|activity| activity.status_code() == Some(&failed))?;
        last.status_message().map(str::to_owned)
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

fn is_start(event: &StackEvent) -> bool {
    is_stack(event) && matches!(status(event), "CREATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "UPDATE_IN_PROGRESS")
}

fn told(event: &StackEvent) -> String {
    format!(
        "{} {}: {}",
        event.resource_type().unwrap_or("resource"),
        event.logical_resource_id().unwrap_or_default(),
        event.resource_status_reason().unwrap_or("no reason given")
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::ResourceStatus;

    use super::*;

    fn event(resource: &str, status: ResourceStatus, reason: &str) -> StackEvent {
        StackEvent::builder()
            .stack_id("arn:s")
            .physical_resource_id(if resource == "stack" { "arn:s" } else { "id" })
            .logical_resource_id(resource)
            .resource_type("AWS::X::Y")
            .resource_status(status)
            .resource_status_reason(reason)
            .build()
    }

    #[test]
    fn kinds_of_events() {
        assert!(is_failure(&event("Role", ResourceStatus::CreateFailed, "no")));
        assert!(!is_failure(&event("Role", ResourceStatus::CreateFailed, "Resource creation cancelled")));
        assert!(!is_failure(&event("stack", ResourceStatus::DeleteFailed, "The following resource(s) failed to delete: [Role].")));
        assert!(is_start(&event("stack", ResourceStatus::CreateInProgress, "User Initiated")));
        assert!(!is_start(&event("Role", ResourceStatus::CreateInProgress, "")));
        assert_eq!(told(&event("Role", ResourceStatus::CreateFailed, "no")), "AWS::X::Y Role: no");
    }
}
