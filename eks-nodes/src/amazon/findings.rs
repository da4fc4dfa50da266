//! What a reviewer of a plan by a template's address should see.

use eks_core::{Action, Finding, StepKey};

use super::{Capability, NodeGroupTemplate};
use crate::{decide::Decision, mapping::RoleMapping, observed::Observed, spec::WorkersSpec};

const LAUNCH_CONFIGURATION: &str = "AWS::AutoScaling::LaunchConfiguration";

impl WorkersSpec {
    /// Whether the template makes a launch configuration.
    pub(crate) fn makes_launch_configuration(&self, now: &Observed) -> bool {
        let summary = self.amazon.as_ref().and_then(|template| now.template(template.url()));
        summary.is_some_and(|summary| summary.resource_types.contains(LAUNCH_CONFIGURATION))
    }

    pub(crate) fn template_findings(
        &self,
        template: &NodeGroupTemplate,
        key: &StepKey,
        decision: &Decision,
        now: &Observed,
        findings: &mut Vec<Finding>,
    ) {
        let mut warn = |text: String| findings.push(Finding::warning(key.clone(), text));
        if self.makes_launch_configuration(now) {
            warn(
                "the template makes a launch configuration: accounts made since 2024-10-01 cannot create one, and no instance type since \
                 2023 works with it; our own template and NodeGroup2025 make launch templates"
                    .to_owned(),
            );
        }
        for capability in now.template(template.url()).into_iter().flat_map(|summary| &summary.capabilities) {
            if *capability != Capability::Iam {
                warn(format!("the plan acknowledges {capability} for the template: read it before you apply"));
            }
        }
        if matches!(template, NodeGroupTemplate::NodeGroup2018(_)) {
            warn("every node gets a public address, even in private subnets".to_owned());
        }
        if matches!(template, NodeGroupTemplate::NodeGroup2025(_)) {
            warn(format!("the template labels no node: nothing finds this group's nodes by {}", crate::WORKERS_LABEL));
        }
        match self.mapping() {
            RoleMapping::AccessEntry => {}
            RoleMapping::AwsAuth => findings.push(Finding::note(key.clone(), "nodes join once ConfigMap aws-auth maps their role")),
            RoleMapping::None => {
                let text = "the template maps no role: no node joins before an access entry of type EC2_LINUX is made for NodeInstanceRole";
                findings.push(Finding::warning(key.clone(), text));
            }
        }
        if decision.action == Action::Update {
            let text = "Amazon's template rolls: an update of image, instance type or user data replaces the nodes one after another, and drains none";
            findings.push(Finding::warning(key.clone(), text));
            if self.image_floats(now) {
                let text = "any update, of sizes too, may take the newest recommended image, and then replaces every node: pin it with release() or image()";
                findings.push(Finding::warning(key.clone(), text));
            }
            // User Guide, "UpdatePolicy attribute": MinInstancesInService, here the desired capacity, is below the group's MaxSize.
            if self.instances(now) >= self.capacity.max() {
                let text = "a rolling update is refused unless the maximum is above the number of instances: give a capacity with room for one more";
                findings.push(Finding::warning(key.clone(), text));
            }
        }
    }
}
