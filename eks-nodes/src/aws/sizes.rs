//! How large groups are, as an autoscaler left them.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::AutoScalingGroup;
use eks_core::{Error, aws::failed};

use super::Workers;
use crate::{
    observed::{Observed, Stack},
    request::{Argument, DESIRED, StackRequest},
    sizing::GroupSize,
    status::{Next, Purpose},
};

const CALL: &str = "autoscaling:DescribeAutoScalingGroups";
/// Most names of a call, which tells as many groups. API Reference, "DescribeAutoScalingGroups".
const MOST_NAMES: usize = 100;
const RECORDS: i32 = 100;
/// Logical id of the group in Amazon's template.
const LOGICAL: &str = "NodeGroup";

impl Workers {
    /// With the sizes of the groups of stacks that can be updated: one call for all, none if there are none.
    pub(super) async fn sized(&self, mut observed: Observed) -> Result<Observed, Error> {
        let updatable = observed.stacks().filter(|stack| stack.status.next(Purpose::Make) == Next::Compare);
        let groups: BTreeMap<_, _> =
            updatable.map(|stack| (stack.name.clone(), groups(stack))).filter(|(_, names)| !names.is_empty()).collect();
        let names: Vec<_> = groups.values().flatten().cloned().collect();
        if names.is_empty() {
            return Ok(observed);
        }
        let found = self.describe_groups(names).await?;
        for (stack, names) in groups {
            let sizes = found.iter().filter(|size| names.contains(&size.name)).cloned().collect();
            observed = observed.with_sizes(stack, sizes);
        }
        Ok(observed)
    }

    async fn describe_groups(&self, names: Vec<String>) -> Result<Vec<GroupSize>, Error> {
        let mut sizes = Vec::new();
        for some in names.chunks(MOST_NAMES) {
            let asked = self.scaling.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(some.to_vec()));
            let mut pages = asked.max_records(RECORDS).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| failed(CALL, format!("Auto Scaling groups {}", some.join(", ")), error))?;
                sizes.extend(page.auto_scaling_groups.unwrap_or_default().into_iter().filter_map(size));
            }
        }
        sizes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(sizes)
    }

    /// The request with the number of instances that the group has just now, within the limits that it gets.
    pub(super) async fn with_size_of_now(&self, id: &str, request: &StackRequest) -> Result<StackRequest, Error> {
        let mut request = request.clone();
        let Some(group) = (if request.keeps_size { self.group_of(id).await? } else { None }) else { return Ok(request) };
        if let Some(size) = self.describe_groups(vec![group]).await?.into_iter().next() {
            let limit = |name: &str| request.parameters.get(name)?.references().first()?.known()?.parse::<u32>().ok();
            let (least, most) = (limit("NodeAutoScalingGroupMinSize"), limit("NodeAutoScalingGroupMaxSize"));
            let desired = size.desired.max(least.unwrap_or_default()).min(most.unwrap_or(u32::MAX));
            request.parameters.insert(DESIRED.to_owned(), Argument::known(desired.to_string()));
        }
        Ok(request)
    }

    /// The group of a stack of Amazon's template: the first generation has no output that names it.
    async fn group_of(&self, id: &str) -> Result<Option<String>, Error> {
        match self.client.describe_stack_resource().stack_name(id).logical_resource_id(LOGICAL).send().await {
            Ok(answer) => Ok(answer.stack_resource_detail.and_then(|detail| detail.physical_resource_id)),
            // A template of somebody else's may call it otherwise.
            Err(error) if error.as_service_error().is_some_and(|error| error.meta().code() == Some("ValidationError")) => Ok(None),
            Err(error) => Err(failed("cloudformation:DescribeStackResource", format!("{LOGICAL} of {id}"), error)),
        }
    }
}

/// Names of the Auto Scaling groups that a stack tells.
fn groups(stack: &Stack) -> Vec<String> {
    let told = stack.outputs.get("NodeAutoScalingGroup").map_or("", String::as_str);
    told.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn size(group: AutoScalingGroup) -> Option<GroupSize> {
    let desired = u32::try_from(group.desired_capacity?).ok()?;
    Some(GroupSize { name: group.auto_scaling_group_name?, desired })
}
