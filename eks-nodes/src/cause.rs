//! Why CloudFormation, or the Auto Scaling group behind it, could not do something: its words, made a type with a remedy.

use std::fmt;

use eks_core::Class;
use serde::{Deserialize, Serialize};

/// The cause of a failure, as far as AWS's words tell it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// A resource of that name, or that rule, is there already.
    AlreadyExists,
    /// The instance type and the image are of different architectures.
    ArchitectureMismatch,
    /// CloudFormation's caller lacks a permission.
    Denied {
        /// The action, where AWS names it.
        action: Option<String>,
    },
    /// The image does not exist, is not shared with the account, or was withdrawn.
    ImageMissing,
    /// Something else still uses it.
    InUse,
    /// The instance type is not offered in the zone.
    InstanceTypeUnsupported,
    /// The key pair does not exist in the Region.
    KeyPairMissing,
    /// The launch template is not valid, or its version is gone.
    LaunchTemplateInvalid,
    /// Something that it names does not exist.
    Missing,
    /// AWS has no capacity for the instance type at present.
    NoCapacity,
    /// Instances came, and did not report success in time.
    NotSignalled,
    /// SSM has no such parameter in the Region.
    ParameterMissing {
        /// Its name, where AWS tells it.
        name: Option<String>,
    },
    /// Others have attached policies to the role, or put it into instance profiles.
    PoliciesAttached,
    /// EC2 does not see the instance profile yet, or it is gone.
    ProfileNotVisible,
    /// A quota of the account is exhausted.
    QuotaExceeded,
    /// AWS itself failed.
    ServiceFault,
    /// It did not get ready in time.
    Stuck,
    /// No address is free in the subnet.
    SubnetFull,
    /// The stack is protected from deletion.
    TerminationProtection,
    /// Too many requests.
    Throttled,
    /// The key of an encrypted volume cannot be used by Auto Scaling.
    VolumeKey,
    /// AWS's words are not among those that this version knows.
    Unknown,
}

/// What AWS's words contain, in lower case, and what that means; the first that fits counts.
///
/// From the Auto Scaling User Guide, "Troubleshoot Amazon EC2 Auto Scaling: EC2 instance launch failures" and "… AMI issues"; the EC2 API
/// Reference, "Error codes"; the CloudFormation User Guide, "Troubleshooting CloudFormation"; the IAM API Reference, "DeleteRole". The
/// last part is "Handler error codes" of the CloudFormation CLI User Guide, which says little, and so comes last.
const WORDS: &[(&str, Cause)] = &[
    ("terminationprotection is enabled", Cause::TerminationProtection),
    ("unable to fetch parameters", Cause::ParameterMissing { name: None }),
    ("parameters: [ssm:", Cause::ParameterMissing { name: None }),
    ("parameternotfound", Cause::ParameterMissing { name: None }),
    ("not authorized", Cause::Denied { action: None }),
    ("unauthorizedoperation", Cause::Denied { action: None }),
    ("accessdenied", Cause::Denied { action: None }),
    ("access denied", Cause::Denied { action: None }),
    ("rate exceeded", Cause::Throttled),
    ("throttling", Cause::Throttled),
    ("requestlimitexceeded", Cause::Throttled),
    ("more vcpu capacity than your current vcpu limit", Cause::QuotaExceeded),
    ("max spot instance count exceeded", Cause::QuotaExceeded),
    ("instance(s) are already running", Cause::QuotaExceeded),
    ("maximum number of", Cause::QuotaExceeded),
    ("cannot exceed quota", Cause::QuotaExceeded),
    ("limitexceeded", Cause::QuotaExceeded),
    ("insufficientfreeaddressesinsubnet", Cause::SubnetFull),
    ("not enough free addresses", Cause::SubnetFull),
    ("insufficientinstancecapacity", Cause::NoCapacity),
    ("do not have sufficient", Cause::NoCapacity),
    ("no spot capacity available", Cause::NoCapacity),
    ("unfulfillablecapacity", Cause::NoCapacity),
    ("insufficient capacity", Cause::NoCapacity),
    ("insufficienthostcapacity", Cause::NoCapacity),
    ("does not match the architecture", Cause::ArchitectureMismatch),
    ("not supported in your requested availability zone", Cause::InstanceTypeUnsupported),
    ("requested configuration is currently not supported", Cause::InstanceTypeUnsupported),
    ("invalidamiid", Cause::ImageMissing),
    ("the image id", Cause::ImageMissing),
    ("the ami id", Cause::ImageMissing),
    ("is pending, and cannot be run", Cause::ImageMissing),
    ("invalidkeypair", Cause::KeyPairMissing),
    ("the key pair", Cause::KeyPairMissing),
    ("parameter name keyname does not exist", Cause::KeyPairMissing),
    ("iaminstanceprofile", Cause::ProfileNotVisible),
    ("iam instance profile", Cause::ProfileNotVisible),
    ("client.internalerror: client error on launch", Cause::VolumeKey),
    ("invalidkmskey", Cause::VolumeKey),
    ("valid fully-formed launch template", Cause::LaunchTemplateInvalid),
    ("invalidlaunchtemplate", Cause::LaunchTemplateInvalid),
    ("launch template version", Cause::LaunchTemplateInvalid),
    ("must detach all policies first", Cause::PoliciesAttached),
    ("must delete policies first", Cause::PoliciesAttached),
    ("must remove roles from instance profile first", Cause::PoliciesAttached),
    ("deleteconflict", Cause::PoliciesAttached),
    ("dependencyviolation", Cause::InUse),
    ("dependent object", Cause::InUse),
    ("resourceinuse", Cause::InUse),
    ("scalingactivityinprogress", Cause::InUse),
    ("already exists", Cause::AlreadyExists),
    ("alreadyexists", Cause::AlreadyExists),
    ("already in use", Cause::AlreadyExists),
    ("invalidpermission.duplicate", Cause::AlreadyExists),
    ("resource signal(s)", Cause::NotSignalled),
    ("did not stabilize", Cause::Stuck),
    ("exceeded attempts to wait", Cause::Stuck),
    ("creation time exceeded the specified timeout", Cause::Stuck),
    ("timed out", Cause::Stuck),
    ("does not exist", Cause::Missing),
    ("could not be found", Cause::Missing),
    ("notfound", Cause::Missing),
    ("notstabilized", Cause::Stuck),
    ("serviceinternalerror", Cause::ServiceFault),
    ("internalfailure", Cause::ServiceFault),
];

impl Cause {
    /// What AWS's words mean.
    pub fn of(words: &str) -> Self {
        let lower = words.to_ascii_lowercase();
        match WORDS.iter().find(|(words, _)| lower.contains(words)) {
            Some((_, Self::Denied { .. })) => Self::Denied { action: action(words) },
            Some((_, Self::ParameterMissing { .. })) => Self::ParameterMissing { name: parameter(words) },
            Some((_, cause)) => cause.clone(),
            None => Self::Unknown,
        }
    }

    /// What it means for whoever has to react. A failed operation of a stack has ended: nothing of it is worth repeating as it is, but
    /// what is in use may be let go of.
    pub fn class(&self) -> Class {
        match self {
            Self::AlreadyExists | Self::InUse => Class::Conflict,
            Self::Denied { .. } => Class::Denied,
            Self::QuotaExceeded => Class::Quota,
            _ => Class::Permanent,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy<'_> {
        Remedy(self)
    }
}

/// What to do about a [`Cause`], as text.
#[derive(Clone, Copy, Debug)]
pub struct Remedy<'a>(&'a Cause);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Cause::AlreadyExists => "delete what has that name, or give the workers another name",
            Cause::ArchitectureMismatch => "choose instance types of the image's architecture, or leave the image to be found",
            Cause::Denied { action: Some(action) } => {
                return write!(f, "allow {action} to whoever runs this: CloudFormation acts with its caller's rights");
            }
            Cause::Denied { action: None } => {
                "allow what the plan lists as IAM actions to whoever runs this; `aws sts decode-authorization-message` reads an encoded message"
            }
            Cause::ImageMissing => "name an image that exists in this Region and is shared with this account, or leave it to be found",
            Cause::InUse => "remove what still uses it, then tear down again",
            Cause::InstanceTypeUnsupported => {
                "choose an instance type that all these zones offer, or leave the zone's subnets out (`aws ec2 describe-instance-type-offerings --location-type availability-zone`)"
            }
            Cause::KeyPairMissing => "import the key pair into this Region, or leave key_pair() out",
            Cause::LaunchTemplateInvalid => {
                "look at what it names (image, security group, instance profile, key pair): one of them is gone or of another VPC"
            }
            Cause::Missing => "make what it names, or plan again if it was deleted meanwhile",
            Cause::NoCapacity => "give several instance types or more zones, or try again later",
            Cause::NotSignalled => "read the console output of an instance: its user data failed before it could report",
            Cause::ParameterMissing { name: Some(name) } => {
                return write!(
                    f,
                    "choose a Kubernetes version and family for which this Region has {name} (`aws ssm get-parameter --name {name}`)"
                );
            }
            Cause::ParameterMissing { name: None } => "choose a Kubernetes version and family for which this Region has an image",
            Cause::PoliciesAttached => "detach from the role what others attached to it, and take it out of their instance profiles",
            Cause::ProfileNotVisible => "run again: IAM's changes take a while to be seen; or the instance profile was deleted by hand",
            Cause::QuotaExceeded => "ask for a higher quota in Service Quotas, or want less",
            Cause::ServiceFault => "run again; AWS's health dashboard tells of outages",
            Cause::Stuck => "read the stack's events for what did not get ready",
            Cause::SubnetFull => "give the workers larger or more subnets, or remove what holds addresses there",
            Cause::TerminationProtection => {
                "it was protected on purpose: `aws cloudformation update-termination-protection --no-enable-termination-protection` if it may go"
            }
            Cause::Throttled => "run again: other programs ask this account's services too often",
            Cause::VolumeKey => {
                "let the role AWSServiceRoleForAutoScaling use the KMS key by which this account encrypts volumes, and see that the key is enabled"
            }
            Cause::Unknown => "read the stack's events",
        })
    }
}

/// The IAM action in "is not authorized to perform: iam:CreateRole on resource: …" or "API: ec2:CreateSecurityGroup You are not …".
fn action(words: &str) -> Option<String> {
    ["perform: ", "API: "].iter().find_map(|mark| {
        let word = words.split_once(mark)?.1.split(|c: char| c.is_whitespace() || [',', ')'].contains(&c)).next()?;
        let word = word.trim_end_matches('.');
        word.contains(':').then(|| word.to_owned())
    })
}

/// The name in "Unable to fetch parameters [/aws/service/…] from parameter store" or "Parameters: [ssm:/aws/service/…] cannot be found".
fn parameter(words: &str) -> Option<String> {
    let name = words.split_once('[')?.1.split_once(']')?.0;
    let name = name.trim_start_matches("ssm:");
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words as AWS's documentation gives them, with its placeholders filled in.
    #[test]
    fn documented_words() {
        let table = [
            // Auto Scaling User Guide, "EC2 instance launch failures".
            ("The key pair my-key does not exist. Launching EC2 instance failed.", Cause::KeyPairMissing),
            ("The security group my-group does not exist. Launching EC2 instance failed.", Cause::Missing),
            ("The requested configuration is currently not supported. Launching EC2 instance failed.", Cause::InstanceTypeUnsupported),
            (
                "Your requested instance type (t3.medium) is not supported in your requested Availability Zone (us-east-1e). Please retry your request by not specifying an Availability Zone or choosing us-east-1a. Launching EC2 instance failed.",
                Cause::InstanceTypeUnsupported,
            ),
            (
                "We currently do not have sufficient t3.medium capacity in the Availability Zone you requested (us-east-1a). Launching EC2 instance failed.",
                Cause::NoCapacity,
            ),
            ("There is no Spot capacity available that matches your request. Launching EC2 instance failed.", Cause::NoCapacity),
            ("5 instance(s) are already running. Launching EC2 instance failed.", Cause::QuotaExceeded),
            ("Client.InternalError: Client error on launch.", Cause::VolumeKey),
            // The same guide, "AMI issues".
            ("The AMI ID ami-0123 does not exist. Launching EC2 instance failed.", Cause::ImageMissing),
            ("AMI ami-0123 is pending, and cannot be run. Launching EC2 instance failed.", Cause::ImageMissing),
            (
                "The requested instance type's architecture (i386) does not match the architecture in the manifest for ami-6622f00f (x86_64). Launching ec2 instance failed.",
                Cause::ArchitectureMismatch,
            ),
            // EC2 API Reference, "Error codes".
            (
                "You have requested more vCPU capacity than your current vCPU limit of 5 allows for the instance bucket that the specified instance type belongs to. Launching EC2 instance failed.",
                Cause::QuotaExceeded,
            ),
            ("InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet subnet-1", Cause::SubnetFull),
            ("(Service: AmazonEC2; Status Code: 400; Error Code: DependencyViolation; Request ID: 1)", Cause::InUse),
            ("You must use a valid fully-formed launch template. The image id '[ami-1]' does not exist", Cause::ImageMissing),
            ("You must use a valid fully-formed launch template. Value () for parameter groupId is invalid.", Cause::LaunchTemplateInvalid),
            (
                "You must use a valid fully-formed launch template. Value (p) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
                Cause::ProfileNotVisible,
            ),
            // IAM API Reference.
            ("Cannot delete entity, must detach all policies first. (Error Code: DeleteConflict)", Cause::PoliciesAttached),
            ("Cannot exceed quota for RolesPerAccount: 1000 (Error Code: LimitExceeded)", Cause::QuotaExceeded),
            ("Role with name node already exists. (Error Code: EntityAlreadyExists)", Cause::AlreadyExists),
            // CloudFormation User Guide, "Troubleshooting CloudFormation"; API Reference, "DeleteStack".
            ("Failed to receive 1 resource signal(s) within the specified duration", Cause::NotSignalled),
            ("Stack creation time exceeded the specified timeout. ", Cause::Stuck),
            ("Stack [w] cannot be deleted while TerminationProtection is enabled", Cause::TerminationProtection),
            ("Resource handler returned message: \"x\" (RequestToken: 1, HandlerErrorCode: NotStabilized)", Cause::Stuck),
            ("Resource handler returned message: \"x\" (RequestToken: 1, HandlerErrorCode: AlreadyExists)", Cause::AlreadyExists),
            ("Something that nobody has seen", Cause::Unknown),
        ];
        for (words, cause) in table {
            assert_eq!(Cause::of(words), cause, "{words}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let action = |name: &str| Cause::Denied { action: Some(name.to_owned()) };
        for (words, cause) in [
            (
                "User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::123456789012:role/w because no identity-based policy allows the iam:CreateRole action",
                action("iam:CreateRole"),
            ),
            ("API: ec2:CreateSecurityGroup You are not authorized to perform this operation.", action("ec2:CreateSecurityGroup")),
            (
                "You are not authorized to perform this operation. Encoded authorization failure message: abc",
                Cause::Denied { action: None },
            ),
            (
                "Unable to fetch parameters [/aws/service/eks/x] from parameter store for this account.",
                Cause::ParameterMissing { name: Some("/aws/service/eks/x".to_owned()) },
            ),
        ] {
            assert_eq!(Cause::of(words), cause, "{words}");
        }
        assert!(action("iam:CreateRole").remedy().to_string().starts_with("allow iam:CreateRole to "));
    }

    #[test]
    fn no_word_hides_a_later_one() {
        for (at, (words, _)) in WORDS.iter().enumerate() {
            assert_eq!(WORDS.iter().position(|(other, _)| words.contains(other)), Some(at), "{words}");
            assert_eq!(*words, words.to_ascii_lowercase());
        }
    }
}
