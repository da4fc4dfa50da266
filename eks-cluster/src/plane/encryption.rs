//! The key that wraps the keys of what Kubernetes stores.

use std::{fmt, str::FromStr};

use eks_core::Problems;
use serde::{Deserialize, Serialize};

use crate::partition;

/// The key of envelope encryption. Amazon EKS User Guide, "Default envelope encryption for all Kubernetes API Data".
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a key is AWS's or the customer's")]
pub enum Encryption {
    /// A key that AWS owns. The default.
    #[default]
    AwsOwned,
    /// A symmetric key of the customer's, of the cluster's Region. It can be given later, and is never taken away again; without it
    /// the cluster is lost.
    CustomerManaged(KmsKeyArn),
}

impl Encryption {
    /// The customer's key.
    pub fn key(&self) -> Option<&KmsKeyArn> {
        match self {
            Self::AwsOwned => None,
            Self::CustomerManaged(key) => Some(key),
        }
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwsOwned => f.write_str("a key of AWS's"),
            Self::CustomerManaged(key) => key.fmt(f),
        }
    }
}

/// `arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab`. Not an alias: EKS would tell the key's own ARN, and
/// whether both are the same only another call would tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KmsKeyArn(String);

/// Text that is not the ARN of a KMS key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_structs, reason = "the text is all there is")]
#[error("{0:?} is not the ARN of a KMS key: arn:aws:kms:<region>:<account>:key/<id>, and not an alias")]
pub struct KmsKeyArnError(pub String);

impl KmsKeyArn {
    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The Region of the key.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl FromStr for KmsKeyArn {
    type Err = KmsKeyArnError;

    fn from_str(text: &str) -> Result<Self, KmsKeyArnError> {
        let parts: Vec<_> = text.split(':').collect();
        let fine = match parts.as_slice() {
            ["arn", partition, "kms", region, account, resource] => {
                !partition.is_empty()
                    && !region.is_empty()
                    && account.len() == 12
                    && account.bytes().all(|b| b.is_ascii_digit())
                    && resource
                        .strip_prefix("key/")
                        .is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
            }
            _ => false,
        };
        if fine { Ok(Self(text.to_owned())) } else { Err(KmsKeyArnError(text.to_owned())) }
    }
}

impl TryFrom<String> for KmsKeyArn {
    type Error = KmsKeyArnError;

    fn try_from(text: String) -> Result<Self, KmsKeyArnError> {
        text.parse()
    }
}

impl From<KmsKeyArn> for String {
    fn from(arn: KmsKeyArn) -> Self {
        arn.0
    }
}

impl fmt::Display for KmsKeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// EKS API Reference, `Provider`: "created in the same AWS Region as the cluster".
pub(crate) fn check(key: &KmsKeyArn, region: &str, partition: &str, problems: &mut Problems) {
    let subject = format!("KMS key {key}");
    if partition::of_arn(key.as_str()) != Some(partition) {
        problems.add(
            "kms-key-partition",
            subject,
            format!("the cluster is in partition {partition}"),
            "give a key of the cluster's partition",
        );
    } else if key.region() != region {
        let rule = format!("is in {}, and EKS takes only keys of the cluster's Region, {region}", key.region());
        problems.add("kms-key-region", subject, rule, format!("give a key of {region}; a replica of a multi-Region key is one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys() {
        let good = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        assert_eq!(good.parse::<KmsKeyArn>().unwrap().region(), "us-east-1");
        assert!("arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab".parse::<KmsKeyArn>().is_ok());
        for wrong in [
            "",
            "alias/eks",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:us-east-1:123456789012:alias/eks",
            "arn:aws:kms:us-east-1:1234:key/x",
            "arn:aws:kms:us-east-1:123456789012:key/",
            "arn:aws:s3:us-east-1:123456789012:key/x",
        ] {
            assert!(wrong.parse::<KmsKeyArn>().is_err(), "{wrong:?}");
        }
    }
}
