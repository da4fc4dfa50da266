//! AWS partitions: which ARNs and hosts a Region has.

/// A group of Regions with its own ARNs, hosts and accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// `aws`, as in ARNs.
    pub(crate) name: &'static str,
    /// Suffix of its hosts.
    pub(crate) domain: &'static str,
}

impl Partition {
    /// The partition of a Region.
    pub(crate) fn of_region(region: &str) -> Self {
        let told = eks_core::Partition::of_region(region);
        Self { name: told.name(), domain: told.domain() }
    }

    /// ARN of a policy that AWS manages: `AmazonEKSClusterPolicy`, `service-role/AmazonEBSCSIDriverPolicy`.
    pub(crate) fn managed_policy(self, name: &str) -> String {
        format!("arn:{}:iam::aws:policy/{name}", self.name)
    }

    /// ARN of a cluster access policy.
    pub(crate) fn access_policy(self, name: &str) -> String {
        format!("arn:{}:eks::aws:cluster-access-policy/{name}", self.name)
    }
}

/// The partition that an ARN names.
pub(crate) fn of_arn(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:").and_then(|rest| rest.split(':').next()).filter(|partition| !partition.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_region() {
        for (region, partition) in
            [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-central-1", "aws")]
        {
            assert_eq!(Partition::of_region(region).name, partition, "{region}");
        }
        let china = Partition::of_region("cn-northwest-1");
        assert_eq!(china.managed_policy("AmazonEKSClusterPolicy"), "arn:aws-cn:iam::aws:policy/AmazonEKSClusterPolicy");
        assert_eq!(of_arn("arn:aws-cn:iam::1:role/x"), Some("aws-cn"));
        assert_eq!(of_arn("role"), None);
    }
}
