//! What each IAM action is about that workers' stacks need: the stack itself, and what CloudFormation makes with its caller's rights.
//! (CloudFormation User Guide, "Control CloudFormation access with IAM"; Service Authorization Reference, each service's page.)
//!
//! What a stack holds may be touched by way of CloudFormation only (`aws:CalledVia`), and what goes by a name only under the stack's:
//! CloudFormation's names begin with it. Making and taking back are allowed together, for a stack that fails rolls back.

use eks_core::{Owner, Permission};

/// The stack's name as names of its resources begin: those of IAM have room for so much of it (CloudFormation User Guide, "Name type").
const NAMED_AFTER: usize = 24;

/// Whose stack, of which name, for which cluster.
pub(crate) struct Grants<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) stack: &'a str,
    /// Any, where it is not known.
    pub(crate) cluster: &'a str,
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
        match self.stack.get(..NAMED_AFTER) {
            Some(start) if self.stack.len() > NAMED_AFTER => start.to_owned(),
            _ => format!("{}-", self.stack),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_by_cloudformation() {
        let owner = Owner::new("o").expect("a name");
        let of = |stack| Grants { owner: &owner, stack, cluster: "c", spot: false }.of("iam:CreateRole").expect("known")[0].clone();
        assert_eq!(of("w").resources().collect::<Vec<_>>(), ["arn:${Partition}:iam::${Account}:role/w-*"]);
        let long = of("a-stack-with-a-name-of-more-than-thirty-three-characters");
        assert_eq!(long.resources().collect::<Vec<_>>(), ["arn:${Partition}:iam::${Account}:role/a-stack-with-a-name-of-m*"]);
    }
}
