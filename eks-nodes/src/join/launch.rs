//! Instances that never come, or end before they run: what Auto Scaling's activities say.
//!
//! Texts: Amazon EC2 Auto Scaling user guide, "Troubleshoot: EC2 instance launch failure" and "… AMI issues"; Amazon EC2 API Reference,
//! "Error codes".

use std::time::Duration;

use super::{
    Cause, Diagnosis,
    evidence::{ActivityEvidence, Evidence, GroupEvidence},
};

/// How often and for how long launches must have failed before it is certain that time does not mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// It is certain at once.
    Once,
    /// The second failure makes it certain.
    Again,
    /// So does a minute of failures: Auto Scaling tries other zones and types meanwhile, and IAM is late by seconds.
    Minute,
}

/// What a failure's message means: the marks of which one must be in it, in lower case.
const MEANINGS: &[(&[&str], Cause, Patience)] = &[
    (
        &[
            "vcpu limit",
            "vcpulimitexceeded",
            "instance(s) are already running",
            "max spot instance count exceeded",
            "maxspotinstancecountexceeded",
        ],
        Cause::VcpuQuota,
        Patience::Again,
    ),
    (
        &[
            "do not have sufficient",
            "insufficientinstancecapacity",
            "insufficient capacity",
            "no spot capacity available",
            "unfulfillablecapacity",
        ],
        Cause::InsufficientCapacity,
        Patience::Minute,
    ),
    (
        &["is not supported in your requested availability zone", "requested configuration is currently not supported"],
        Cause::TypeNotOffered,
        Patience::Minute,
    ),
    (&["does not match the architecture"], Cause::WrongArchitecture, Patience::Once),
    (&["the image id", "invalidamiid", "not authorized for images", "is pending, and cannot be run"], Cause::ImageMissing, Patience::Once),
    (&["invalid iam instance profile"], Cause::ProfileInvalid, Patience::Minute),
    (&["the key pair", "invalidkeypair"], Cause::KeyPairMissing, Patience::Once),
    (&["the security group", "invalidgroup.notfound", "invalidsecuritygroupid"], Cause::SecurityGroupMissing, Patience::Once),
    (&["free addresses in subnet", "insufficientfreeaddresses"], Cause::SubnetFull, Patience::Again),
    (&["the subnet id", "invalidsubnetid"], Cause::SubnetMissing, Patience::Once),
    (&["launch template"], Cause::LaunchTemplateInvalid, Patience::Once),
    (&["not authorized to perform", "unauthorizedoperation"], Cause::NotAuthorized, Patience::Minute),
    (&["invalid device name", "invalidblockdevicemapping", "smaller than snapshot"], Cause::VolumeInvalid, Patience::Once),
    (
        &["termination reason", "client.internalerror", "client.invalidkmskey", "client.volumelimitexceeded"],
        Cause::TerminatedAtLaunch,
        Patience::Again,
    ),
];

const MINUTE: Duration = Duration::from_secs(60);

fn meaning(message: &str) -> (Cause, Patience) {
    let message = message.to_lowercase();
    let found = MEANINGS.iter().find(|(marks, ..)| marks.iter().any(|mark| message.contains(mark)));
    found.map_or((Cause::LaunchFails, Patience::Minute), |&(_, cause, patience)| (cause, patience))
}

/// What the groups' failed launches tell. What failed before the wait began does not count: it may be mended since.
pub(super) fn diagnose(evidence: &Evidence, waited: Duration) -> Vec<Diagnosis> {
    evidence.groups.iter().filter_map(|group| of_group(evidence, group, waited)).collect()
}

fn of_group(evidence: &Evidence, group: &GroupEvidence, waited: Duration) -> Option<Diagnosis> {
    let failures: Vec<_> = failures(group).filter(|failure| failure.age <= waited).collect();
    let newest = failures.first()?;
    // One that ended at launch makes room for the next at once, so that the group never looks short.
    let (cause, patience) = meaning(&newest.message);
    if group.alive >= group.desired && cause != Cause::TerminatedAtLaunch {
        return None;
    }
    let same: Vec<_> = failures.iter().take_while(|failure| meaning(&failure.message).0 == cause).collect();
    let oldest = same.last()?;
    let certain = match patience {
        Patience::Once => true,
        Patience::Again => same.len() >= 2,
        Patience::Minute => same.len() >= 2 && oldest.age >= MINUTE,
    };
    let told = format!("Auto Scaling group {} has {} of {} instances: {}", group.name, group.alive, group.desired, headline(cause));
    certain.then(|| {
        let ended = evidence.instances.iter().filter(|one| matches!(one.state.as_str(), "shutting-down" | "terminated"));
        let ended = ended.filter_map(|one| Some(format!("{} is {}: {}", one.id, one.state, one.reason.as_ref()?.1)));
        let diagnosis = Diagnosis::certain(cause, told, fix(cause, &newest.message)).seen(newest.message.clone()).seen(format!(
            "failed {} time{} in {} s",
            same.len(),
            if same.len() == 1 { "" } else { "s" },
            oldest.age.as_secs()
        ));
        let ended: Vec<_> = if cause == Cause::TerminatedAtLaunch { ended.collect() } else { Vec::new() };
        ended.into_iter().fold(diagnosis, Diagnosis::seen)
    })
}

/// The launches that failed since the last that did not, the newest first.
fn failures(group: &GroupEvidence) -> impl Iterator<Item = &ActivityEvidence> {
    let launches = group.activities.iter().filter(|activity| activity.description.starts_with("Launching"));
    launches
        .filter(|activity| activity.status != "InProgress")
        .take_while(|activity| activity.status != "Successful")
        .filter(|activity| matches!(activity.status.as_str(), "Failed" | "Cancelled") && !activity.message.is_empty())
        // Somebody ended it: that is no failure.
        .filter(|activity| !activity.message.contains("UserInitiated"))
}

fn headline(cause: Cause) -> &'static str {
    match cause {
        Cause::ImageMissing => "the image does not exist, or may not be used",
        Cause::InsufficientCapacity => "EC2 has no room for them in the group's zones",
        Cause::KeyPairMissing => "the key pair does not exist",
        Cause::LaunchTemplateInvalid => "the launch template is gone, or not valid",
        Cause::NotAuthorized => "Auto Scaling may not launch them",
        Cause::ProfileInvalid => "the instance profile does not exist, or has no role",
        Cause::SecurityGroupMissing => "a security group does not exist",
        Cause::SubnetFull => "the subnets have no free address",
        Cause::SubnetMissing => "a subnet does not exist",
        Cause::TerminatedAtLaunch => "they end before they run",
        Cause::TypeNotOffered => "the zones do not have the instance type",
        Cause::VcpuQuota => "the quota of running instances is reached",
        Cause::VolumeInvalid => "their volumes cannot be made",
        Cause::WrongArchitecture => "image and instance type have different architectures",
        _ => "every launch fails",
    }
}

fn fix(cause: Cause, message: &str) -> String {
    let text = match cause {
        Cause::ImageMissing => {
            "give an image that exists in this Region and that the account may use, or leave it to the family's SSM parameter"
        }
        Cause::InsufficientCapacity => "give the group more instance types or zones, or wait: Auto Scaling goes on trying",
        Cause::KeyPairMissing => "import or create the key pair in this Region, or leave it out of the spec",
        Cause::LaunchTemplateInvalid => {
            "apply the workers again, so that their stack mends the launch template, or name a version that exists"
        }
        Cause::NotAuthorized => {
            "let Auto Scaling's service-linked role, or who owns the launch template, run instances with all that the template names"
        }
        Cause::ProfileInvalid => {
            "put the nodes' role into the instance profile that the launch template names (iam:AddRoleToInstanceProfile)"
        }
        Cause::SecurityGroupMissing => "name security groups of the group's own VPC in the launch template",
        Cause::SubnetFull => "use subnets with free addresses, or give the VPC another block with new subnets",
        Cause::SubnetMissing => "give the group subnets that exist",
        Cause::TypeNotOffered => {
            "choose another instance type, or subnets in zones that have it (aws ec2 describe-instance-type-offerings)"
        }
        Cause::VcpuQuota => {
            "ask for a higher quota (Service Quotas, Running On-Demand Standard instances, L-1216C47A; of Spot L-34B43A08), choose smaller or fewer instances, or end others"
        }
        Cause::VolumeInvalid => "mend the block devices of the launch template: a volume is no smaller than its snapshot",
        Cause::WrongArchitecture => "choose an instance type of the image's architecture, or the image for the type's (x86_64, arm64)",
        Cause::TerminatedAtLaunch if message.contains("VolumeLimitExceeded") => "ask for a higher quota of EBS storage, or delete volumes",
        Cause::TerminatedAtLaunch if !["Client.InternalError", "KMS"].iter().any(|mark| message.contains(mark)) => {
            "mend what the reason's code tells (EC2 user guide, \"Instance terminates immediately\")"
        }
        Cause::TerminatedAtLaunch => {
            "let Auto Scaling's service-linked role use the KMS key of the encrypted volumes (key policy, kms:CreateGrant), or enable the key"
        }
        _ => "mend what the message tells; Auto Scaling goes on trying",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages as the pages show them.
    #[test]
    fn documented_messages() {
        for (message, cause) in [
            ("The security group 'sg-1' does not exist. Launching EC2 instance failed.", Cause::SecurityGroupMissing),
            ("The key pair 'me' does not exist. Launching EC2 instance failed.", Cause::KeyPairMissing),
            (
                "Your requested instance type (c5.large) is not supported in your requested Availability Zone (us-east-1e). Launching EC2 instance failed.",
                Cause::TypeNotOffered,
            ),
            (
                "Value (profile) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name. Launching EC2 instance failed.",
                Cause::ProfileInvalid,
            ),
            (
                "You have requested more vCPU capacity than your current vCPU limit of 5 allows for the instance bucket that the specified instance type belongs to. Launching EC2 instance failed.",
                Cause::VcpuQuota,
            ),
            ("Max spot instance count exceeded. Launching EC2 instance failed.", Cause::VcpuQuota),
            (
                "We currently do not have sufficient c5.large capacity in the Availability Zone you requested (us-east-1a). Launching EC2 instance failed.",
                Cause::InsufficientCapacity,
            ),
            ("There is no Spot capacity available that matches your request. Launching EC2 instance failed.", Cause::InsufficientCapacity),
            ("The image id '[ami-0]' does not exist. Launching EC2 instance failed.", Cause::ImageMissing),
            ("AMI ami-0 is pending, and cannot be run. Launching EC2 instance failed.", Cause::ImageMissing),
            ("Invalid device name upload. Launching EC2 instance failed.", Cause::VolumeInvalid),
            (
                "You are not authorized to use launch template: lt-0. You must use a valid fully-formed launch template.",
                Cause::LaunchTemplateInvalid,
            ),
            (
                "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: Client.InternalError: Client error on launch",
                Cause::TerminatedAtLaunch,
            ),
            ("You are not authorized to perform this operation. Encoded authorization failure message: x", Cause::NotAuthorized),
            ("Something new.", Cause::LaunchFails),
        ] {
            assert_eq!(meaning(message).0, cause, "{message}");
        }
    }

    fn failed(age: u64) -> ActivityEvidence {
        ActivityEvidence {
            status: "Failed".to_owned(),
            description: "Launching a new EC2 instance.".to_owned(),
            message: "We currently do not have sufficient c5.large capacity in the Availability Zone you requested".to_owned(),
            age: Duration::from_secs(age),
        }
    }

    const WAITED: Duration = Duration::from_secs(100);

    fn told(activities: Vec<ActivityEvidence>, alive: u32) -> usize {
        let group = GroupEvidence { name: "g".to_owned(), desired: 2, alive, activities };
        diagnose(&Evidence { groups: vec![group], ..Evidence::default() }, WAITED).len()
    }

    #[test]
    fn capacity_gets_a_minute() {
        assert_eq!(told(vec![failed(70)], 1), 0, "one failure is none");
        assert_eq!(told(vec![failed(5), failed(40)], 1), 0, "Auto Scaling is still at it");
        assert_eq!(told(vec![failed(5), failed(70)], 1), 1);
        assert_eq!(told(vec![failed(5), failed(70)], 2), 0, "enough have come");
        let launched = ActivityEvidence { status: "Successful".to_owned(), ..failed(50) };
        assert_eq!(told(vec![failed(5), launched, failed(70)], 1), 0, "the last success counts");
        assert_eq!(told(vec![failed(102), failed(190)], 1), 0, "what failed before the wait may be mended");
    }
}
