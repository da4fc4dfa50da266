//! Why a stack's operation failed: the first failure among its events, which the later ones only follow.

use aws_sdk_cloudformation::types::StackEvent;
use eks_core::{Error, aws::failed};

use super::Workers;

/// What CloudFormation says of resources that it gave up because of another's failure.
const FOLLOWS: [&str; 2] = ["Resource creation cancelled", "Resource update cancelled"];

impl Workers {
    /// The earliest failure of the last operation on the stack: resource and reason.
    pub(super) async fn first_failure(&self, id: &str) -> Result<Option<String>, Error> {
        let mut pages = self.client.describe_stack_events().stack_name(id).into_paginator().send();
        let mut first = None;
        // Newest first: the failure that is seen last, before the start of the operation, is the earliest.
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("cloudformation:DescribeStackEvents", format!("stack {id}"), error))?;
            for event in page.stack_events() {
                if is_failure(event) {
                    first = Some(told(event));
                }
                if is_start(event) {
                    return Ok(first);
                }
            }
        }
        Ok(first)
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
