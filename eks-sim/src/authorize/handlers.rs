//! What CloudFormation's handlers need beside the call that makes, changes or removes a resource (the `permissions` of each resource type's
//! handlers in the CloudFormation registry): reads, and what they always write besides.

use super::need::Asker;
use crate::call::Service;

pub(super) fn needs(asker: &mut Asker<'_>, service: Service, action: &str) {
    let reads: &[&str] = match (service, action) {
        (Service::Iam, "CreateRole") => &["GetRole"],
        (Service::Iam, "CreateInstanceProfile") => &["GetInstanceProfile"],
        (Service::Iam, "DeleteRole") => &["GetRole", "ListAttachedRolePolicies", "ListRolePolicies"],
        (Service::Iam, "DeleteInstanceProfile") => &["GetInstanceProfile"],
        (Service::Eks, "CreateAccessEntry" | "DeleteAccessEntry") => &["DescribeAccessEntry"],
        (Service::Ec2, "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress") => &["DescribeSecurityGroupRules"],
        (Service::Ec2, "RevokeSecurityGroupIngress" | "RevokeSecurityGroupEgress") => &["DescribeSecurityGroupRules"],
        (Service::Ec2, "CreateSecurityGroup") => &["DescribeSecurityGroups"],
        (Service::Ec2, "DeleteSecurityGroup") => &["DescribeInstances", "DescribeSecurityGroups"],
        (Service::Ec2, "CreateLaunchTemplate") => &["DescribeLaunchTemplates"],
        (Service::AutoScaling, "CreateAutoScalingGroup" | "DeleteAutoScalingGroup") => {
            &["DescribeAutoScalingGroups", "DescribeScalingActivities"]
        }
        _ => &[],
    };
    if (service, action) == (Service::AutoScaling, "DeleteAutoScalingGroup") {
        // Its size is set to nothing first.
        super::launch::scaling(asker, "UpdateAutoScalingGroup");
    }
    for read in reads {
        match service {
            Service::Iam => super::iam::needs(asker, read),
            Service::Eks => super::eks::needs(asker, read),
            _ => asker.plain(&format!("{}:{read}", service.name())),
        }
    }
}
