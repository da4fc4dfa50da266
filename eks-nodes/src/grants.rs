//! What each IAM action is about that workers' stacks need: the stack itself, and what CloudFormation makes with its caller's rights.
//! (CloudFormation User Guide, "Control CloudFormation access with IAM"; Service Authorization Reference, each service's page.)
//!
//! What a stack holds may be touched by way of CloudFormation only (`aws:CalledVia`), and what goes by a name only under the stack's:
//! CloudFormation's names begin with it. Making and taking back are allowed together, for a stack that fails rolls back.
//!
//! What remains: who may make roles by way of CloudFormation may do so by a template of their own, under such a name: with an inline policy
//! they may not (`iam:PutRolePolicy` is not allowed), with one of the managed policies named here, and with any trust policy they may.

use eks_core::{Owner, Permission};

/// The stack's name as names of its resources begin: those of IAM have room for so much of it (CloudFormation User Guide, "Name type").
const NAMED_AFTER: usize = 24;

/// Whose stack, of which name, for which cluster.
pub(crate) struct Grants<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) stack: &'a str,
    /// Any, where it is not known.
    pub(crate) cluster: &'a str,
    /// Where its security group lies, where that is known.
    pub(crate) vpc: Option<&'a str>,
    /// Managed policies that its role may get; `None` for a stack that goes.
    pub(crate) policies: Option<Vec<String>>,
    /// Of a stack that goes: the VPC of its security group, if it has one.
    pub(crate) gone_from: Option<Option<&'a str>>,
    /// Whether Spot instances may be launched, for the first time in the account.
    pub(crate) spot: bool,
}

fn arn(service: &str, rest: &str) -> String {
    let region = if service == "iam" { "" } else { "${Region}" };
    format!("arn:${{Partition}}:{service}:{region}:${{Account}}:{rest}")
}

impl Grants<'_> {
    /// What `action` is about; no more than the action where it knows no resources, and for reads of other services.
    pub(crate) fn of(&self, action: &str) -> Option<Vec<Permission>> {
        let (service, name) = action.split_once(':')?;
        let reads = ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
        let on = |all: &[String]| all.iter().fold(Permission::new(action), |permission, one| permission.on(one));
        let via = |all: &[String]| vec![on(all).when("ForAnyValue:StringEquals", "aws:CalledVia", ["cloudformation.amazonaws.com"])];
        let ec2 = |kinds: &[&str]| kinds.iter().map(|kind| arn("ec2", &format!("{kind}/*"))).collect::<Vec<_>>();
        let named = |kind: &str| arn("iam", &format!("{kind}/{}*", self.prefix()));
        let stack = [arn("cloudformation", &format!("stack/{}/*", self.stack))];
        Some(match (service, name) {
            // About a template, not a stack.
            ("cloudformation", "GetTemplateSummary" | "ListStacks" | "ValidateTemplate") => return None,
            ("cloudformation", "CreateStack" | "TagResource") => vec![on(&stack).made_by(self.owner)],
            ("cloudformation", _) => vec![on(&stack)],
            ("ssm", _) => vec![Permission::new(action).on("arn:${Partition}:ssm:${Region}::parameter/aws/service/*")],
            _ if reads && service != "eks" => return None,
            ("ec2", "RunInstances") => {
                let used = ["instance", "key-pair", "launch-template", "network-interface", "security-group", "subnet", "volume"];
                let mut all = ec2(&used);
                all.push("arn:${Partition}:ec2:${Region}::image/*".to_owned());
                via(&all)
            }
            // What holds the group that goes: what the VPC CNI left, and rules of ours in other groups.
            ("ec2", "DeleteNetworkInterface" | "RevokeSecurityGroupEgress" | "RevokeSecurityGroupIngress") if self.gone_from.is_some() => {
                let kind = if name == "DeleteNetworkInterface" { "network-interface" } else { "security-group" };
                let inside = |vpc| on(&ec2(&[kind])).when("ArnEquals", "ec2:Vpc", [arn("ec2", &format!("vpc/{vpc}"))]);
                self.gone_from.flatten().map(inside).into_iter().collect()
            }
            ("ec2", "DeleteSecurityGroup") if self.gone_from == Some(None) => Vec::new(),
            ("ec2", "CreateSecurityGroup") => via(&ec2(&["security-group", "vpc"])),
            // Its own group's rules, and those that it needs in the cluster's group, all in one VPC.
            // Rules without tags need no more than their groups (IAM User Guide, "Amazon EC2: Allows managing EC2 security groups that have a
            // specific tag key-value pair programmatically and in the console").
            ("ec2", _)
                if name.ends_with("SecurityGroup") || name.contains("SecurityGroupEgress") || name.contains("SecurityGroupIngress") =>
            {
                let mut all = via(&ec2(&["security-group"]));
                if let Some(vpc) = self.vpc.or(self.gone_from.flatten()) {
                    let vpc = arn("ec2", &format!("vpc/{vpc}"));
                    all = all.into_iter().map(|one| one.when("ArnEquals", "ec2:Vpc", [vpc.clone()])).collect();
                }
                all
            }
            // Each action is about one of them, or tags them.
            ("ec2", _) => via(&ec2(&["launch-template", "security-group", "vpc"])),
            ("autoscaling", _) if name.contains("LaunchConfiguration") => {
                via(&[arn("autoscaling", &format!("launchConfiguration:*:launchConfigurationName/{}*", self.prefix()))])
            }
            ("autoscaling", _) => via(&[arn("autoscaling", &format!("autoScalingGroup:*:autoScalingGroupName/{}*", self.prefix()))]),
            ("eks", "DescribeCluster") => return None,
            ("eks", "CreateAccessEntry") => via(&[arn("eks", &format!("cluster/{}", self.cluster))]),
            ("eks", _) => via(&[arn("eks", &format!("access-entry/{}/*", self.cluster))]),
            ("iam", "PassRole") => {
                // No page says which service the role of an access entry counts as passed to.
                vec![on(&[named("role")]).when("StringEquals", "iam:PassedToService", ["ec2.${Suffix}", "eks.amazonaws.com"])]
            }
            ("iam", "CreateServiceLinkedRole") => self.linked(action),
            // Else whoever may make the role could make it an administrator's.
            ("iam", "AttachRolePolicy") => match &self.policies {
                Some(policies) => {
                    let only = |one: Permission| one.when("ArnEquals", "iam:PolicyARN", policies.iter().map(String::as_str));
                    via(&[named("role")]).into_iter().map(only).collect()
                }
                None => Vec::new(),
            },
            ("iam", _) if name.contains("InstanceProfile") => via(&[named("instance-profile")]),
            ("iam", _) => via(&[named("role")]),
            _ => return None,
        })
    }

    /// Auto Scaling's own role is made with the first group of an account, and that of Spot with its first Spot instance.
    fn linked(&self, action: &str) -> Vec<Permission> {
        let role = |service: &str, name: &str| {
            let role = arn("iam", &format!("role/aws-service-role/{service}/{name}"));
            Permission::new(action).on(role).when("StringEquals", "iam:AWSServiceName", [service])
        };
        let spot = self.spot.then(|| role("spot.amazonaws.com", "AWSServiceRoleForEC2Spot"));
        [role("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling")].into_iter().chain(spot).collect()
    }

    fn prefix(&self) -> String {
        named_after(self.stack)
    }
}

/// How names of what a stack makes begin.
pub(crate) fn named_after(stack: &str) -> String {
    match stack.get(..NAMED_AFTER) {
        Some(start) if stack.len() > NAMED_AFTER => start.to_owned(),
        _ => format!("{stack}-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_policy_is_attached_and_no_other_vpc_touched() {
        let owner = Owner::new("o").expect("a name");
        let policy = "arn:${Partition}:iam::aws:policy/AmazonEKSWorkerNodePolicy".to_owned();
        let policies = Some(vec![policy.clone()]);
        let grants = Grants { owner: &owner, stack: "w", cluster: "c", vpc: Some("vpc-1"), policies, gone_from: None, spot: false };
        let holds = |action: &str, key: &str| {
            let all = grants.of(action).expect("known");
            let values = |one: &Permission| one.conditions().find(|(_, told, _)| *told == key).map(|(.., values)| values.clone());
            all.iter().map(values).collect::<Vec<_>>()
        };
        assert_eq!(holds("iam:AttachRolePolicy", "iam:PolicyARN"), [Some([policy].into())]);
        for call in ["AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress", "DeleteSecurityGroup"] {
            assert_eq!(holds(&format!("ec2:{call}"), "ec2:Vpc"), [Some([arn("ec2", "vpc/vpc-1")].into())], "{call}");
        }
    }

    #[test]
    fn long_names_are_cut_by_cloudformation() {
        let owner = Owner::new("o").expect("a name");
        let of = |stack| {
            let grants = Grants { owner: &owner, stack, cluster: "c", vpc: None, policies: None, gone_from: None, spot: false };
            grants.of("iam:CreateRole").expect("known")[0].clone()
        };
        assert_eq!(of("w").resources().collect::<Vec<_>>(), ["arn:${Partition}:iam::${Account}:role/w-*"]);
        let long = of("a-stack-with-a-name-of-more-than-thirty-three-characters");
        assert_eq!(long.resources().collect::<Vec<_>>(), ["arn:${Partition}:iam::${Account}:role/a-stack-with-a-name-of-m*"]);
    }
}
