//! Removing the workers' stacks.

use std::time::Duration;

use eks_core::{After, Error, Finding, Owner, Removal, StackName, StepKey, Survivor, Teardown};

use crate::{
    grants::Grants,
    managed::NodeGroup,
    observed::{Observed, Scope, Stack},
    op::WorkersOp,
    spec::key,
};

/// Instances until they are terminated, then the rest.
pub(crate) const GROUP_GOES: Duration = Duration::from_secs(80);
/// Rules, a group, a profile, a role.
pub(crate) const BASE_GOES: Duration = Duration::from_secs(15);

/// Keys of the Kubernetes layer whose removal needs nodes that run.
const NEED_NODES: [&str; 6] = ["k8s/claim/", "k8s/ingress/", "k8s/pod/", "k8s/service/", "k8s/storage-class/", "objects/"];

/// What deleting a stack needs: CloudFormation deletes with its caller's rights.
pub(crate) const ACTIONS: &[&str] = &[
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:UpdateAutoScalingGroup",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "ec2:DeleteLaunchTemplate",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteSecurityGroup",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "eks:DeleteAccessEntry",
    "eks:DescribeAccessEntry",
    "iam:DeleteInstanceProfile",
    "iam:DeleteRole",
    "iam:DetachRolePolicy",
    "iam:GetInstanceProfile",
    "iam:GetRole",
    "iam:ListAttachedRolePolicies",
    "iam:ListInstanceProfilesForRole",
    "iam:ListRolePolicies",
    "iam:RemoveRoleFromInstanceProfile",
];

impl Observed {
    /// Removes every stack that carries this owner's tag and a key of this layer, and nothing else. What a managed node group stands on
    /// stays while nobody could look for groups: its nodes would lose their role's policies.
    ///
    /// Stacks go after load balancers, Pods and volumes, which need nodes to be let go of; what the instances stand on goes
    /// after them. The mapping of the nodes' role outlives the nodes, so not everything of the Kubernetes layer goes before.
    ///
    /// # Errors
    /// [`Error::Plan`] if another owner was observed.
    pub fn teardown(&self, owner: &Owner) -> Result<Teardown, Error> {
        if self.owner() != owner {
            let reason = format!("owner {} was observed, not {owner}", self.owner());
            return Err(Error::Plan { subject: "nodes".to_owned(), reason });
        }
        let scope = serde_json::to_value(Scope::owned(self.scope().region())).map_err(fault)?;
        // Stacks are looked for in all of them, before and after.
        let mut teardown = Teardown::builder(owner, "nodes", scope).observes(["cloudformation:DescribeStacks"]);
        #[cfg(feature = "managed")]
        {
            // So are managed node groups, in all clusters.
            teardown = teardown.observes(crate::managed::OWNED);
        }
        for stack in self.stacks() {
            let Some(key) = stack.key(owner) else { continue };
            teardown = match self.stays(stack) {
                Some(_) => {
                    let text = format!("stack {} stays: a managed node group may stand on it, and none could be looked for", stack.name);
                    teardown.finding(Finding::warning(key, text))
                }
                None => teardown.removal(removal(owner, key, stack)?),
            };
        }
        for group in self.groups() {
            if let Some(key) = group.key(owner) {
                teardown = teardown.removal(
                    NEED_NODES
                        .into_iter()
                        .fold(group.removal(owner, key)?, |removal, prefix| removal.after(After::Prefix(prefix.to_owned()))),
                );
            }
        }
        if let Some(why) = self.unseen() {
            let text = format!("managed node groups were not looked for: {why}");
            teardown = teardown.finding(Finding::warning(key(&["managed"]), text));
        }
        teardown.build().map_err(fault)
    }

    /// What of this owner is still there, after a teardown.
    pub fn survivors(&self) -> Vec<Survivor> {
        let ours = self.stacks().filter(|stack| stack.key(self.owner()).is_some());
        ours.map(|stack| {
            let why = match &stack.reason {
                Some(reason) => format!("{}: {reason}", stack.status),
                None => stack.status.to_string(),
            };
            if let Some(unseen) = self.stays(stack) {
                let why = format!("a managed node group may stand on it, and none could be looked for: {unseen}");
                let remedy = "tear down again with feature `managed`, and with rights to list and describe clusters' node groups";
                return Survivor::new("CloudFormation stack", &stack.id, why, remedy, stack.usd_per_month());
            }
            let remedy = "read the stack's events for what still uses its resources, remove that, and tear down again";
            Survivor::new("CloudFormation stack", &stack.id, why, remedy, stack.usd_per_month())
        })
        .chain(self.groups().filter(|group| group.key(self.owner()).is_some()).map(NodeGroup::survivor))
        .collect()
    }
}

fn removal(owner: &Owner, step: StepKey, stack: &Stack) -> Result<Removal, Error> {
    let name = StackName::new(&stack.name).map_err(fault)?;
    let op = WorkersOp::DeleteStack { name, id: stack.id.clone() };
    let title = format!("stack {}", stack.name);
    let removal =
        Removal::new(step.clone(), title, &stack.id, &op).map_err(fault)?.saves(stack.usd_per_month()).permits(ACTIONS.iter().copied());
    let cluster = stack.parameters.get("ClusterName").map_or("*", String::as_str);
    let gone_from = Some(stack.parameters.get("VpcId").map(String::as_str));
    let grants = Grants { owner, stack: &stack.name, cluster, vpc: None, policies: None, gone_from, spot: false };
    let removal = removal.refine(|action| grants.of(action));
    let removal = NEED_NODES.into_iter().fold(removal, |removal, prefix| removal.after(After::Prefix(prefix.to_owned())));
    Ok(match step.as_str().split('/').collect::<Vec<_>>()[..] {
        // Rules that a replacement left between two security groups keep both.
        [_, group, "base"] => removal.after(After::Key(key(&[group]))).after(After::Prefix("replace/".to_owned())).takes(BASE_GOES),
        _ => removal.takes(GROUP_GOES),
    })
}

fn fault(error: impl std::error::Error) -> Error {
    Error::Plan { subject: "nodes".to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use eks_core::TeardownBuilder;

    use super::*;
    use crate::{observed::tests::stack, status::StackStatus};

    #[test]
    fn what_an_unseen_group_may_stand_on_stays() {
        let owner = Owner::new("o").expect("a name");
        let mut base = stack(&owner, "nodes/m/base", "m-base", StackStatus::CreateComplete);
        base.outputs.insert(crate::template::TEMPLATE_ID.to_owned(), "lt-1".to_owned());
        let stacks = [base, stack(&owner, "nodes/w/base", "w-base", StackStatus::CreateComplete)];
        let observed = Observed::new(&owner, Scope::owned("us-east-1"), stacks).expect("no two").without_groups("denied".to_owned());
        let teardown = observed.teardown(&owner).expect("orders");
        assert_eq!(teardown.removals().iter().map(|removal| removal.key.as_str()).collect::<Vec<_>>(), ["nodes/w/base"]);
        assert!(teardown.findings().iter().any(|finding| finding.message.contains("stack m-base stays")), "{teardown}");
        let survivors = observed.survivors();
        assert!(survivors[0].why.contains("denied") && survivors[0].remedy.contains("node groups"), "{survivors:?}");
    }

    #[test]
    fn instances_before_what_they_stand_on() {
        let owner = Owner::new("o").expect("a name");
        let stacks = [
            stack(&owner, "nodes/w/base", "w-base", StackStatus::CreateComplete),
            stack(&owner, "nodes/w", "w", StackStatus::RollbackComplete),
        ];
        let observed = Observed::new(&owner, Scope::owned("us-east-1"), stacks).expect("no two");
        let teardown = observed.teardown(&owner).expect("orders");
        assert_eq!(teardown.removals().iter().map(|removal| removal.key.as_str()).collect::<Vec<_>>(), ["nodes/w", "nodes/w/base"]);
        assert_eq!(observed.survivors().len(), 2);

        let op = WorkersOp::KeepStack { name: StackName::new("any").expect("a name") };
        let other = |key: &str| Removal::new(key.parse().expect("a key"), "", "", &op).expect("serialises");
        let unmap = other("k8s/aws-auth").after(After::Layer("nodes".to_owned()));
        let keys = ["k8s/service/a/b", "k8s/pod/a/b", "k8s/claim/a/b", "k8s/storage-class/a"];
        let k8s = keys
            .map(other)
            .into_iter()
            .fold(Teardown::builder(&owner, "k8s", serde_json::Value::Null).removal(unmap), TeardownBuilder::removal);
        let joined = Teardown::join([teardown, k8s.build().expect("orders")]).expect("no cycle");
        let order: Vec<_> = joined.removals().iter().map(|removal| removal.key.as_str()).collect();
        assert_eq!(order[4..], ["nodes/w", "nodes/w/base", "k8s/aws-auth"]);
        assert!(observed.teardown(&Owner::new("p").expect("a name")).is_err());
    }
}
