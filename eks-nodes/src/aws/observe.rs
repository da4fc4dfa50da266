//! Reading stacks.

use aws_sdk_cloudformation::{operation::describe_stacks::DescribeStacksError, types};
use eks_core::{Error, aws::failed};

use super::Workers;
use crate::{observed::Stack, status::StackStatus};

const CALL: &str = "cloudformation:DescribeStacks";

impl Workers {
    /// A stack by name or ARN. By name, a deleted stack is absent; by ARN, it is DELETE_COMPLETE.
    pub(super) async fn describe(&self, name: &str) -> Result<Option<Stack>, Error> {
        match self.client.describe_stacks().stack_name(name).send().await {
            Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next().map(stack)),
            Err(error) if error.as_service_error().is_some_and(is_absent) => Ok(None),
            Err(error) => Err(failed(CALL, format!("stack {name}"), error)),
        }
    }

    /// The stacks of these names, one call each: CloudFormation takes one name, and listing an account takes many pages.
    pub(super) async fn describe_named(&self, names: &[String]) -> Result<Vec<Stack>, Error> {
        let mut stacks = Vec::new();
        for name in names {
            stacks.extend(self.describe(name).await?);
        }
        Ok(stacks)
    }

    /// Every stack that is not deleted.
    pub(super) async fn list(&self) -> Result<Vec<Stack>, Error> {
        let mut pages = self.client.describe_stacks().into_paginator().send();
        let mut stacks = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(CALL, "all stacks", error))?;
            stacks.extend(page.stacks.unwrap_or_default().into_iter().map(stack));
        }
        Ok(stacks)
    }
}

/// CloudFormation has no code for it: "Stack with id X does not exist" is a ValidationError.
fn is_absent(error: &DescribeStacksError) -> bool {
    let meta = error.meta();
    meta.code() == Some("ValidationError") && meta.message().is_some_and(|text| text.contains("does not exist"))
}

fn stack(found: types::Stack) -> Stack {
    let status = found.stack_status().map_or("", types::StackStatus::as_str).parse().unwrap_or(StackStatus::Unknown);
    let pair = |key: Option<String>, value: Option<String>| Some((key?, value.unwrap_or_default()));
    Stack {
        name: found.stack_name.unwrap_or_default(),
        id: found.stack_id.unwrap_or_default(),
        status,
        reason: found.stack_status_reason,
        parameters: found.parameters.unwrap_or_default().into_iter().filter_map(|p| pair(p.parameter_key, p.parameter_value)).collect(),
        outputs: found.outputs.unwrap_or_default().into_iter().filter_map(|o| pair(o.output_key, o.output_value)).collect(),
        tags: found.tags.unwrap_or_default().into_iter().filter_map(|tag| pair(tag.key, tag.value)).collect(),
    }
}
