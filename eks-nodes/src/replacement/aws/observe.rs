//! Reading what there is of both groups.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::Filter;
use eks_core::{Error, InstanceId, Owner, SecurityGroupId, aws::failed};

use super::Replacements;
use crate::{
    GroupSize, Stack,
    observed::Observed,
    replacement::{
        observed::{Parts, ReplacementObserved, ReplacementScope},
        spec::Replacement,
    },
};

const GROUP: &str = "AWS::AutoScaling::AutoScalingGroup";
const SECURITY_GROUP: &str = "AWS::EC2::SecurityGroup";

impl Replacements {
    pub(super) async fn look(&self, of: &Replacement) -> Result<ReplacementObserved, Error> {
        let mut now = self.look_at_basis(of.owner(), of.scope()).await?;
        for group in &mut now.groups {
            group.refresh = self.refresh(&group.name).await?;
        }
        if let Some(group) = now.old.security_group.clone() {
            let known: BTreeSet<&InstanceId> = now.groups.iter().flat_map(|group| group.instances.iter().map(|one| &one.id)).collect();
            let strays = self.instances_in(&group).await?;
            now.strays = strays.into_iter().filter(|id| !known.contains(id)).collect();
            now.letting_in = self.letting_in(&group, &now).await?;
        }
        let access = of.access.as_ref();
        now.cluster = self.objects.snapshot(access).await?;
        if let Some(spec) = of.objects(&now)? {
            now.objects = self.objects.observe(&spec, of.access.clone()).await?;
        }
        now.version = self.objects.version(access).await?;
        now.health = self.objects.health(access).await?;
        now.deregistration = self.objects.deregistration(access).await?;
        Ok(now)
    }

    /// What a plan's facts are made of.
    pub(super) async fn look_at_basis(&self, owner: &Owner, scope: ReplacementScope) -> Result<ReplacementObserved, Error> {
        let stacks = self.workers.observe(owner, scope.stacks()).await?;
        let old = self.parts(&stacks, scope.old.as_str()).await?;
        let new = self.parts(&stacks, scope.new.as_str()).await?;
        let mut groups = self.groups(scope.old.as_str(), old.groups.iter().map(String::as_str)).await?;
        groups.extend(self.groups(scope.new.as_str(), new.groups.iter().map(String::as_str)).await?);
        let rules = match (&old.security_group, &new.security_group) {
            (Some(old), Some(new)) if old != new => self.rules_between(owner, old, new).await?,
            _ => Vec::new(),
        };
        let autoscalers = self.objects.autoscalers(scope.access.as_ref()).await?;
        let sizes = groups.iter().filter(|group| group.stack == scope.new.as_str());
        let sizes = sizes.map(|group| GroupSize { name: group.name.clone(), desired: group.desired }).collect();
        let stacks = stacks.with_sizes(scope.new.as_str(), sizes);
        let mut now = ReplacementObserved::new(scope, stacks, eks_k8s::Observed::default());
        (now.old, now.new, now.groups, now.rules, now.autoscalers) = (old, new, groups, rules, autoscalers);
        Ok(now)
    }

    /// What the stacks of a group consist of: by their outputs, and where those do not say, by their resources. Amazon's template of 2018 tells
    /// its role alone.
    async fn parts(&self, stacks: &Observed, name: &str) -> Result<Parts, Error> {
        let mut parts = Parts::default();
        let base = format!("{name}-base");
        for stack in [stacks.stack(name), stacks.stack(&base)].into_iter().flatten() {
            let told = |output: &str| stack.outputs.get(output).filter(|text| !text.is_empty());
            if let Some(groups) = told("NodeAutoScalingGroup") {
                parts.groups = groups.split(',').map(str::to_owned).collect();
            }
            parts.security_group = told("NodeSecurityGroup").and_then(|id| id.parse().ok()).or(parts.security_group);
            parts.role = told("NodeInstanceRole").and_then(|arn| arn.parse().ok()).or(parts.role);
        }
        if let Some(stack) = stacks.stack(name).filter(|_| parts.groups.is_empty() || parts.security_group.is_none()) {
            self.resources(stack, &mut parts).await?;
        }
        Ok(parts)
    }

    async fn resources(&self, stack: &Stack, parts: &mut Parts) -> Result<(), Error> {
        let mut pages = self.stacks.list_stack_resources().stack_name(&stack.id).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("cloudformation:ListStackResources", format!("stack {}", stack.name), error))?;
            for found in page.stack_resource_summaries() {
                let Some(id) = found.physical_resource_id().filter(|id| !id.is_empty()) else { continue };
                match found.resource_type() {
                    Some(GROUP) if !parts.groups.iter().any(|group| group == id) => parts.groups.push(id.to_owned()),
                    Some(SECURITY_GROUP) if parts.security_group.is_none() => parts.security_group = id.parse().ok(),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Security groups of others that let the old nodes in. The control plane's is seen to by the stacks.
    async fn letting_in(&self, group: &SecurityGroupId, now: &ReplacementObserved) -> Result<Vec<SecurityGroupId>, Error> {
        let filter = Filter::builder().name("ip-permission.group-id").values(group.as_str()).build();
        let asked = self.ec2.describe_security_groups().filters(filter).send().await;
        let answer = asked.map_err(|error| failed("ec2:DescribeSecurityGroups", group.as_str(), error))?;
        let known: BTreeSet<&str> = now
            .stacks
            .stacks()
            .filter_map(|stack| stack.parameters.get("ClusterControlPlaneSecurityGroup"))
            .map(String::as_str)
            .chain([group.as_str()])
            .chain(now.new.security_group.as_ref().map(SecurityGroupId::as_str))
            .collect();
        let found = answer.security_groups().iter().filter_map(|found| found.group_id()).filter(|id| !known.contains(id));
        Ok(found.filter_map(|id| id.parse().ok()).collect())
    }
}
