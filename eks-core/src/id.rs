//! Ids as distinct types that check their form.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Text that does not have the form of the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {kind}: {rule}")]
#[non_exhaustive]
pub struct IdError {
    /// What it should be, with its article: `a VPC id`.
    pub kind: &'static str,
    /// The text.
    pub value: String,
    /// The form that it should have.
    pub rule: &'static str,
}

/// EC2 ids: a prefix, then 8 (old) or 17 hexadecimal digits.
fn has_ec2_form(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the form.
            ///
            /// # Errors
            /// [`IdError`] with the rule that the text breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let value = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&value) { Ok(Self(value)) } else { Err(IdError { kind: $kind, value, rule: $rule }) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;

            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

text_ids! {
    /// `vpc-…`
    VpcId, "a VPC id", "vpc- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "vpc-");
    /// `subnet-…`
    SubnetId, "a subnet id", "subnet- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "subnet-");
    /// `igw-…`
    InternetGatewayId, "an internet gateway id", "igw- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "igw-");
    /// `nat-…`
    NatGatewayId, "a NAT gateway id", "nat- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "nat-");
    /// `eigw-…`
    EgressOnlyGatewayId, "an egress-only internet gateway id", "eigw- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "eigw-");
    /// `tgw-…`
    TransitGatewayId, "a transit gateway id", "tgw- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "tgw-");
    /// `tgw-attach-…`
    TransitGatewayAttachmentId, "a transit gateway attachment id", "tgw-attach- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "tgw-attach-");
    /// `vpce-…`
    VpcEndpointId, "a VPC endpoint id", "vpce- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "vpce-");
    /// `rtb-…`
    RouteTableId, "a route table id", "rtb- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "rtb-");
    /// `rtbassoc-…`
    RouteTableAssociationId, "a route table association id", "rtbassoc- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "rtbassoc-");
    /// `sg-…`
    SecurityGroupId, "a security group id", "sg- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "sg-");
    /// `sgr-…`
    SecurityGroupRuleId, "a security group rule id", "sgr- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "sgr-");
    /// `pl-…`
    PrefixListId, "a prefix list id", "pl- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "pl-");
    /// `eipalloc-…`
    AllocationId, "an elastic IP allocation id", "eipalloc- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "eipalloc-");
    /// `eni-…`
    NetworkInterfaceId, "a network interface id", "eni- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "eni-");
    /// `i-…`
    InstanceId, "an instance id", "i- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "i-");
    /// `vol-…`
    VolumeId, "a volume id", "vol- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "vol-");
    /// `ami-…`
    AmiId, "an AMI id", "ami- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "ami-");
    /// `key-…`
    KeyPairId, "a key pair id", "key- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "key-");
    /// `lt-…`
    LaunchTemplateId, "a launch template id", "lt- and 8 or 17 hexadecimal digits", |text| has_ec2_form(text, "lt-");
    /// Twelve digits.
    AccountId, "an AWS account id", "12 digits", |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    /// `us-east-1`
    Region, "an AWS Region", "lower-case words and a number, joined by hyphens, such as us-east-1", is_region;
    /// `us-east-1a`; local and wavelength zones too. Names are shuffled per account.
    ZoneName, "an Availability Zone name", "a Region and a letter, such as us-east-1a", is_zone;
    /// Name of an EKS cluster.
    ClusterName, "an EKS cluster name", "1–100 letters, digits, hyphens and underscores, beginning with a letter or digit", is_cluster_name;
    /// Name of a CloudFormation stack.
    StackName, "a CloudFormation stack name", "1–128 letters, digits and hyphens, beginning with a letter", is_stack_name;
    /// `arn:aws:iam::123456789012:role/path/name`; never an instance profile, never an assumed role.
    RoleArn, "the ARN of an IAM role", "arn:<partition>:iam::<12 digits>:role/<path and name>", is_role_arn;
}

fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    parts.len() >= 3
        && parts.last().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        && parts[..parts.len() - 1].iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
}

fn is_zone(text: &str) -> bool {
    // us-east-1a, us-west-2-lax-1a, us-east-1-wl1-bos-wlz-1
    text.split('-').count() >= 3
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.split('-').nth(2).is_some_and(|part| part.bytes().next().is_some_and(|b| b.is_ascii_digit()))
        && text.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric())
        && !is_region(text)
}

fn is_cluster_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_stack_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_role_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, service) = (parts.next(), parts.next(), parts.next());
    let (region, account, resource) = (parts.next(), parts.next(), parts.next());
    arn == Some("arn")
        && partition.is_some_and(|p| p == "aws" || p.starts_with("aws-"))
        && service == Some("iam")
        && region == Some("")
        && account.is_some_and(|a| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit()))
        && resource.and_then(|r| r.strip_prefix("role/")).is_some_and(|name| !name.is_empty() && !name.ends_with('/'))
}

impl RoleArn {
    /// The role's name, without its path.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The ARN without the path, as aws-auth must have it.
    pub fn without_path(&self) -> Self {
        let head = self.0.split(":role/").next().unwrap_or_default();
        Self(format!("{head}:role/{}", self.name()))
    }
}

impl ZoneName {
    /// The Region of the zone.
    pub fn region(&self) -> &str {
        let end = self.0.match_indices('-').nth(1).map_or(0, |(at, _)| at + 1);
        let digits = self.0[end..].bytes().take_while(u8::is_ascii_digit).count();
        &self.0[..end + digits]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert!(VpcId::new("vpc-0a1b2c3d4e5f60718").is_ok());
        assert!(VpcId::new("vpc-1a2b3c4d").is_ok(), "ids of before 2018 are short");
        for wrong in ["", "vpc-", "subnet-0a1b2c3d4e5f60718", "vpc-0A1B2C3D4E5F60718", "vpc-0a1b2c3d4e5f6071"] {
            let error = VpcId::new(wrong).unwrap_err();
            assert_eq!(error.to_string(), format!("{wrong:?} is not a VPC id: vpc- and 8 or 17 hexadecimal digits"));
        }
    }

    #[test]
    fn zones_know_their_region() {
        for (zone, region) in [("us-east-1a", "us-east-1"), ("ap-southeast-12b", "ap-southeast-12"), ("us-west-2-lax-1a", "us-west-2")] {
            assert_eq!(ZoneName::new(zone).unwrap().region(), region);
        }
        assert!(ZoneName::new("us-east-1").is_err(), "a Region is no zone");
        assert!(Region::new("us-east-1a").is_err(), "a zone is no Region");
        assert!(Region::new("us-gov-west-1").is_ok());
    }

    #[test]
    fn role_arns() {
        let role = RoleArn::new("arn:aws-cn:iam::123456789012:role/team/x/worker").unwrap();
        assert_eq!(role.name(), "worker");
        assert_eq!(role.without_path().as_str(), "arn:aws-cn:iam::123456789012:role/worker");
        for wrong in [
            "arn:aws:iam::123456789012:instance-profile/worker",
            "arn:aws:sts::123456789012:assumed-role/worker/i-1",
            "arn:aws:iam::123456789012:user/worker",
            "arn:aws:iam::12345678901:role/worker",
            "worker",
        ] {
            assert!(RoleArn::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn serde_checks() {
        assert!(serde_json::from_str::<StackName>("\"chap10-worker\"").is_ok());
        assert!(serde_json::from_str::<StackName>("\"chap10_worker\"").is_err());
    }
}
