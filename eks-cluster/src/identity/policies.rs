//! Policies that AWS documents and does not manage: to be written into a role.

use super::document::{PolicyDocument, PolicyStatement};
use crate::partition::Partition;

/// The tag by which the AWS Load Balancer Controller knows what it made.
const OWN: &str = "aws:ResourceTag/elbv2.k8s.aws/cluster";
/// The same, in a request that makes something.
const NEW: &str = "aws:RequestTag/elbv2.k8s.aws/cluster";

impl PolicyDocument {
    /// What the AWS Load Balancer Controller 2.11 and later needs in a Region's partition: the project's "IAM policy", which the EKS
    /// User Guide's "Install AWS Load Balancer Controller" has one create.
    /// Its documents for China and GovCloud differ in their ARNs alone.
    pub fn load_balancer_controller(region: &str) -> Self {
        load_balancer_controller(Partition::of_region(region))
    }

    /// What the VPC CNI needs in an IPv6 cluster of a Region's partition, where AmazonEKS_CNI_Policy does not suffice: EKS User Guide,
    /// "Create IAM policy for clusters that use the IPv6 family".
    pub fn vpc_cni_ipv6(region: &str) -> Self {
        vpc_cni_ipv6(Partition::of_region(region))
    }
}

pub(crate) fn vpc_cni_ipv6(partition: Partition) -> PolicyDocument {
    let reads = ["DescribeInstances", "DescribeTags", "DescribeNetworkInterfaces", "DescribeInstanceTypes"];
    PolicyDocument::new([
        PolicyStatement::allow(ec2(["AssignIpv6Addresses"].iter().chain(&reads)), ["*"]),
        PolicyStatement::allow(["ec2:CreateTags"], [format!("arn:{}:ec2:*:*:network-interface/*", partition.name)]),
    ])
}

fn ec2<'a>(actions: impl IntoIterator<Item = &'a &'a str>) -> Vec<String> {
    actions.into_iter().map(|action| format!("ec2:{action}")).collect()
}

fn elb(actions: &[&str]) -> Vec<String> {
    actions.iter().map(|action| format!("elasticloadbalancing:{action}")).collect()
}

pub(crate) fn load_balancer_controller(partition: Partition) -> PolicyDocument {
    let groups = [format!("arn:{}:ec2:*:*:security-group/*", partition.name)];
    let arns = |kinds: &[&str]| -> Vec<String> {
        kinds.iter().map(|kind| format!("arn:{}:elasticloadbalancing:*:*:{kind}", partition.name)).collect()
    };
    let balancers = || arns(&["targetgroup/*/*", "loadbalancer/net/*/*", "loadbalancer/app/*/*"]);
    let listeners = ["listener/net/*/*/*", "listener/app/*/*/*", "listener-rule/net/*/*/*", "listener-rule/app/*/*/*"];
    let all = ["*"];
    PolicyDocument::new([
        PolicyStatement::allow(["iam:CreateServiceLinkedRole"], all).when(
            "StringEquals",
            "iam:AWSServiceName",
            ["elasticloadbalancing.amazonaws.com"],
        ),
        PolicyStatement::allow(reads(), all),
        PolicyStatement::allow(neighbours(), all),
        PolicyStatement::allow(["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"], all),
        PolicyStatement::allow(["ec2:CreateSecurityGroup"], all),
        PolicyStatement::allow(["ec2:CreateTags"], groups.clone()).when("StringEquals", "ec2:CreateAction", ["CreateSecurityGroup"]).when(
            "Null",
            NEW,
            ["false"],
        ),
        // What it made stays known as its own.
        PolicyStatement::allow(["ec2:CreateTags", "ec2:DeleteTags"], groups).when("Null", NEW, ["true"]).when("Null", OWN, ["false"]),
        PolicyStatement::allow(["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress", "ec2:DeleteSecurityGroup"], all)
            .when("Null", OWN, ["false"]),
        PolicyStatement::allow(elb(&["CreateLoadBalancer", "CreateTargetGroup"]), all).when("Null", NEW, ["false"]),
        PolicyStatement::allow(elb(&["CreateListener", "DeleteListener", "CreateRule", "DeleteRule"]), all),
        PolicyStatement::allow(elb(&["AddTags", "RemoveTags"]), balancers()).when("Null", NEW, ["true"]).when("Null", OWN, ["false"]),
        PolicyStatement::allow(elb(&["AddTags", "RemoveTags"]), arns(&listeners)),
        PolicyStatement::allow(
            elb(&[
                "ModifyLoadBalancerAttributes",
                "SetIpAddressType",
                "SetSecurityGroups",
                "SetSubnets",
                "DeleteLoadBalancer",
                "ModifyTargetGroup",
                "ModifyTargetGroupAttributes",
                "DeleteTargetGroup",
                "ModifyListenerAttributes",
                "ModifyCapacityReservation",
                "ModifyIpPools",
            ]),
            all,
        )
        .when("Null", OWN, ["false"]),
        PolicyStatement::allow(elb(&["AddTags"]), balancers())
            .when("StringEquals", "elasticloadbalancing:CreateAction", ["CreateTargetGroup", "CreateLoadBalancer"])
            .when("Null", NEW, ["false"]),
        PolicyStatement::allow(elb(&["RegisterTargets", "DeregisterTargets"]), arns(&["targetgroup/*/*"])),
        PolicyStatement::allow(
            elb(&[
                "SetWebAcl",
                "ModifyListener",
                "AddListenerCertificates",
                "RemoveListenerCertificates",
                "ModifyRule",
                "SetRulePriorities",
            ]),
            all,
        ),
    ])
}

fn reads() -> Vec<String> {
    let mut actions = ec2(&[
        "DescribeAccountAttributes",
        "DescribeAddresses",
        "DescribeAvailabilityZones",
        "DescribeInternetGateways",
        "DescribeVpcs",
        "DescribeVpcPeeringConnections",
        "DescribeSubnets",
        "DescribeSecurityGroups",
        "DescribeInstances",
        "DescribeNetworkInterfaces",
        "DescribeTags",
        "GetCoipPoolUsage",
        "DescribeCoipPools",
        "GetSecurityGroupsForVpc",
        "DescribeIpamPools",
        "DescribeRouteTables",
    ]);
    actions.extend(elb(&[
        "DescribeLoadBalancers",
        "DescribeLoadBalancerAttributes",
        "DescribeListeners",
        "DescribeListenerCertificates",
        "DescribeSSLPolicies",
        "DescribeRules",
        "DescribeTargetGroups",
        "DescribeTargetGroupAttributes",
        "DescribeTargetHealth",
        "DescribeTags",
        "DescribeTrustStores",
        "DescribeListenerAttributes",
        "DescribeCapacityReservation",
    ]));
    actions
}

/// Certificates, user pools, web ACLs and protections that Ingresses name.
fn neighbours() -> [&'static str; 17] {
    [
        "cognito-idp:DescribeUserPoolClient",
        "acm:ListCertificates",
        "acm:DescribeCertificate",
        "iam:ListServerCertificates",
        "iam:GetServerCertificate",
        "waf-regional:GetWebACL",
        "waf-regional:GetWebACLForResource",
        "waf-regional:AssociateWebACL",
        "waf-regional:DisassociateWebACL",
        "wafv2:GetWebACL",
        "wafv2:GetWebACLForResource",
        "wafv2:AssociateWebACL",
        "wafv2:DisassociateWebACL",
        "shield:GetSubscriptionState",
        "shield:DescribeProtection",
        "shield:CreateProtection",
        "shield:DeleteProtection",
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controllers_policy_fits_a_role_and_a_managed_policy() {
        for region in ["us-east-1", "cn-north-1", "us-gov-west-1"] {
            let document = PolicyDocument::load_balancer_controller(region);
            // "IAM and AWS STS quotas": 10,240 characters in a role, 6,144 in a managed policy.
            assert!(document.size() <= 6_144, "{region}: {}", document.size());
            let text = serde_json::to_string(&document).unwrap();
            let partition = Partition::of_region(region).name;
            assert_eq!(text.matches("\"arn:").count(), text.matches(&format!("\"arn:{partition}:")).count(), "{region}");
            assert_eq!(text.matches("\"arn:").count(), 13, "two for groups, eleven for load balancers");
        }
    }

    #[test]
    fn what_version_3_5_of_the_controller_asks_for_is_allowed() {
        // Installation guide of the controller, v3.5: permissions that older documents lack.
        let text = serde_json::to_string(&PolicyDocument::load_balancer_controller("eu-west-1")).unwrap();
        for action in [
            "ec2:GetSecurityGroupsForVpc",
            "ec2:DescribeIpamPools",
            "ec2:DescribeRouteTables",
            "elasticloadbalancing:DescribeListenerAttributes",
            "elasticloadbalancing:ModifyListenerAttributes",
            "elasticloadbalancing:DescribeCapacityReservation",
            "elasticloadbalancing:ModifyCapacityReservation",
            "elasticloadbalancing:ModifyIpPools",
            "elasticloadbalancing:SetRulePriorities",
        ] {
            assert!(text.contains(&format!("\"{action}\"")), "{action}");
        }
    }

    #[test]
    fn ipv6() {
        insta::assert_snapshot!(serde_json::to_string(&PolicyDocument::vpc_cni_ipv6("cn-north-1")).unwrap(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:AssignIpv6Addresses","ec2:DescribeInstances","ec2:DescribeTags","ec2:DescribeNetworkInterfaces","ec2:DescribeInstanceTypes"],"Resource":["*"]},{"Effect":"Allow","Action":["ec2:CreateTags"],"Resource":["arn:aws-cn:ec2:*:*:network-interface/*"]}]}"#);
    }
}
