//! IAM actions of each operation. What is asked of Kubernetes needs rights in the cluster, not here.

pub(crate) const READ: [&str; 7] = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeInstanceRefreshes",
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "ec2:DescribeInstances",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
];
pub(crate) const OPEN_RULES: [&str; 3] = ["ec2:AuthorizeSecurityGroupIngress", "ec2:CreateTags", "ec2:DescribeSecurityGroupRules"];
pub(crate) const CLOSE_RULES: [&str; 2] = ["ec2:DescribeSecurityGroupRules", "ec2:RevokeSecurityGroupIngress"];
pub(crate) const HOLD: [&str; 4] = [
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:SuspendProcesses",
    "autoscaling:UpdateAutoScalingGroup",
];
pub(crate) const RELEASE: [&str; 4] = [
    "autoscaling:DeleteTags",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:ResumeProcesses",
    "autoscaling:UpdateAutoScalingGroup",
];
pub(crate) const GROW: [&str; 2] = ["autoscaling:DescribeAutoScalingGroups", "autoscaling:SetDesiredCapacity"];
pub(crate) const TERMINATE: [&str; 3] = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
];
pub(crate) const UNMAP: [&str; 1] = ["ec2:DescribeInstances"];
