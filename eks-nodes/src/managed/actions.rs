//! IAM actions. EKS User Guide, "Customize managed nodes with launch templates": whoever creates or updates a group with a launch template
//! needs `ec2:RunInstances` and `ec2:CreateTags`; EKS checks the role and the template with the caller's rights.

/// What the stack of role and launch template needs.
pub(super) const BASE: [&str; 21] = [
    "cloudformation:CreateStack",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:TagResource",
    "cloudformation:UpdateStack",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:CreateTags",
    "ec2:DeleteLaunchTemplate",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeLaunchTemplates",
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:DetachRolePolicy",
    "iam:GetRole",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:TagRole",
];

/// What making a group needs.
pub(super) const CREATE: [&str; 11] = [
    "ec2:CreateTags",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeSubnets",
    "ec2:RunInstances",
    "eks:CreateNodegroup",
    "eks:DeleteNodegroup",
    "eks:DescribeNodegroup",
    "eks:TagResource",
    "iam:CreateServiceLinkedRole",
    "iam:GetRole",
    "iam:PassRole",
];

/// What changing a group needs.
pub(super) const UPDATE: [&str; 8] = [
    "ec2:CreateTags",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:RunInstances",
    "eks:DescribeNodegroup",
    "eks:DescribeUpdate",
    "eks:UpdateNodegroupConfig",
    "eks:UpdateNodegroupVersion",
    "iam:PassRole",
];

/// What removing a group needs.
pub(super) const DELETE: [&str; 4] = ["eks:DeleteNodegroup", "eks:DescribeNodegroup", "eks:ListClusters", "eks:ListNodegroups"];
