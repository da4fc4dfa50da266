//! IAM actions: CloudFormation acts with its caller's rights, also when it rolls back.

/// What the stack of role, profile and group needs.
pub(crate) const BASE: &[&str] = &[
    "cloudformation:CreateStack",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "cloudformation:TagResource",
    "cloudformation:UpdateStack",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:DeleteSecurityGroup",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcs",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "iam:AddRoleToInstanceProfile",
    "iam:AttachRolePolicy",
    "iam:CreateInstanceProfile",
    "iam:CreateRole",
    "iam:DeleteInstanceProfile",
    "iam:DeleteRole",
    "iam:DetachRolePolicy",
    "iam:GetInstanceProfile",
    "iam:GetRole",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:PassRole",
    "iam:RemoveRoleFromInstanceProfile",
    "iam:TagRole",
];

/// What the stack of the instances needs.
pub(crate) const GROUP: &[&str] = &[
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:UpdateAutoScalingGroup",
    "cloudformation:CreateStack",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "cloudformation:TagResource",
    "cloudformation:UpdateStack",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:CreateTags",
    "ec2:DeleteLaunchTemplate",
    "ec2:DescribeImages",
    "ec2:DescribeInstances",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:RunInstances",
    "eks:CreateAccessEntry",
    "eks:DeleteAccessEntry",
    "eks:DescribeAccessEntry",
    "eks:DescribeCluster",
    "eks:TagResource",
    "iam:CreateServiceLinkedRole",
    "iam:GetRole",
    "iam:PassRole",
    "ssm:GetParameter",
    "ssm:GetParameters",
];

/// What a template by its address needs besides; CloudFormation reads it with its caller's rights.
pub(crate) const AMAZON: [&str; 3] = ["cloudformation:DescribeStackResource", "cloudformation:GetTemplateSummary", "s3:GetObject"];

/// What a launch configuration needs.
pub(crate) const LAUNCH_CONFIGURATION: [&str; 3] =
    ["autoscaling:CreateLaunchConfiguration", "autoscaling:DeleteLaunchConfiguration", "autoscaling:DescribeLaunchConfigurations"];

/// What lifecycle hooks need besides.
pub(crate) const HOOKS: [&str; 3] =
    ["autoscaling:DeleteLifecycleHook", "autoscaling:DescribeLifecycleHooks", "autoscaling:PutLifecycleHook"];

/// What leads a stack back to what it was before a failed update.
pub(crate) const RESTORE: [&str; 2] = ["cloudformation:ContinueUpdateRollback", "cloudformation:RollbackStack"];

/// What it takes to show an update before it is done, and to do that.
#[cfg(feature = "aws")]
pub(crate) const CHANGE_SETS: [&str; 5] = [
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:ListChangeSets",
];
