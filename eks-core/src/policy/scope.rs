//! Where a policy is to hold.

use serde::{Deserialize, Serialize};

use super::Partition;

/// Partition, Region and account: what the ARNs of a policy say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyScope {
    partition: String,
    region: String,
    account: String,
}

/// Text that no ARN could hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not {1}")]
#[non_exhaustive]
pub struct ScopeError(pub String, pub &'static str);

impl PolicyScope {
    /// `aws`, `us-east-1`, `123456789012`.
    ///
    /// # Errors
    /// [`ScopeError`] if the account is not twelve digits, or partition or Region hold anything but lower-case letters, digits and hyphens.
    pub fn new(partition: impl Into<String>, region: impl Into<String>, account: impl Into<String>) -> Result<Self, ScopeError> {
        let (partition, region, account) = (partition.into(), region.into(), account.into());
        let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !word(&partition) {
            return Err(ScopeError(partition, "a partition, such as aws, aws-cn or aws-us-gov"));
        }
        if !word(&region) {
            return Err(ScopeError(region, "a Region, such as eu-west-1"));
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ScopeError(account, "an account of twelve digits"));
        }
        Ok(Self { partition, region, account })
    }

    /// The scope of a Region, whose name tells its partition (AWS Fault Isolation Boundaries, "Partitions").
    ///
    /// # Errors
    /// As [`PolicyScope::new`].
    pub fn of_region(region: impl Into<String>, account: impl Into<String>) -> Result<Self, ScopeError> {
        let region = region.into();
        Self::new(Partition::of_region(&region).name(), region, account)
    }

    /// The partition.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Text with its placeholders filled in.
    pub(super) fn fill(&self, text: &str) -> String {
        let suffix = if self.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        let pairs =
            [("${Partition}", self.partition.as_str()), ("${Region}", &self.region), ("${Account}", &self.account), ("${Suffix}", suffix)];
        pairs.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_tell_their_partition() {
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(PolicyScope::of_region(region, "123456789012").unwrap().partition(), partition);
        }
        for (partition, region, account) in [("", "r", "123456789012"), ("aws", "eu west", "123456789012"), ("aws", "eu-west-1", "12")] {
            assert!(PolicyScope::new(partition, region, account).is_err());
        }
    }

    #[test]
    fn china_has_a_suffix_of_its_own() {
        let fill = |region: &str| {
            PolicyScope::of_region(region, "123456789012").unwrap().fill("arn:${Partition}:iam::${Account}:x ec2.${Suffix} ${Region}")
        };
        assert_eq!(fill("cn-north-1"), "arn:aws-cn:iam::123456789012:x ec2.amazonaws.com.cn cn-north-1");
        assert_eq!(fill("us-gov-east-1"), "arn:aws-us-gov:iam::123456789012:x ec2.amazonaws.com us-gov-east-1");
    }
}
