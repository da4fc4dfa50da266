//! What CloudFormation's resource types have: properties, attributes, and which changes need a new resource.
//!
//! From each type's page in the User Guide's resource reference.

/// A resource type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schema {
    pub(super) kind: &'static str,
    pub(super) required: &'static [&'static str],
    /// "Update requires: Replacement".
    pub(super) create_only: &'static [&'static str],
    /// "Update requires: No interruption".
    pub(super) mutable: &'static [&'static str],
    pub(super) attributes: &'static [&'static str],
}

impl Schema {
    pub(super) fn of(kind: &str) -> Option<&'static Self> {
        SCHEMAS.iter().find(|schema| schema.kind == kind)
    }
}

const SCHEMAS: [Schema; 20] = [
    Schema {
        kind: "AWS::IAM::Role",
        required: &["AssumeRolePolicyDocument"],
        create_only: &["Path", "RoleName"],
        mutable: &[
            "AssumeRolePolicyDocument",
            "Description",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "PermissionsBoundary",
            "Policies",
            "Tags",
        ],
        attributes: &["Arn", "RoleId"],
    },
    Schema {
        kind: "AWS::IAM::InstanceProfile",
        required: &["Roles"],
        create_only: &["InstanceProfileName", "Path"],
        mutable: &["Roles"],
        attributes: &["Arn"],
    },
    Schema {
        kind: "AWS::EC2::SecurityGroup",
        required: &["GroupDescription"],
        create_only: &["GroupDescription", "GroupName", "VpcId"],
        mutable: &["SecurityGroupEgress", "SecurityGroupIngress", "Tags"],
        attributes: &["GroupId", "VpcId"],
    },
    Schema {
        kind: "AWS::EC2::SecurityGroupIngress",
        required: &["IpProtocol"],
        create_only: &[
            "CidrIp",
            "CidrIpv6",
            "Description",
            "FromPort",
            "GroupId",
            "GroupName",
            "IpProtocol",
            "SourcePrefixListId",
            "SourceSecurityGroupId",
            "SourceSecurityGroupName",
            "SourceSecurityGroupOwnerId",
            "ToPort",
        ],
        mutable: &[],
        attributes: &["Id"],
    },
    Schema {
        kind: "AWS::EC2::SecurityGroupEgress",
        required: &["GroupId", "IpProtocol"],
        create_only: &[
            "CidrIp",
            "CidrIpv6",
            "Description",
            "DestinationPrefixListId",
            "DestinationSecurityGroupId",
            "FromPort",
            "GroupId",
            "IpProtocol",
            "ToPort",
        ],
        mutable: &[],
        attributes: &["Id"],
    },
    Schema {
        kind: "AWS::EC2::LaunchTemplate",
        required: &["LaunchTemplateData"],
        create_only: &["LaunchTemplateName", "TagSpecifications"],
        mutable: &["LaunchTemplateData", "VersionDescription"],
        attributes: &["DefaultVersionNumber", "LatestVersionNumber", "LaunchTemplateId"],
    },
    Schema {
        kind: "AWS::AutoScaling::LaunchConfiguration",
        required: &["ImageId", "InstanceType"],
        create_only: &[
            "AssociatePublicIpAddress",
            "BlockDeviceMappings",
            "EbsOptimized",
            "IamInstanceProfile",
            "ImageId",
            "InstanceMonitoring",
            "InstanceType",
            "KeyName",
            "LaunchConfigurationName",
            "MetadataOptions",
            "SecurityGroups",
            "SpotPrice",
            "UserData",
        ],
        mutable: &[],
        attributes: &[],
    },
    Schema {
        kind: "AWS::AutoScaling::AutoScalingGroup",
        required: &["MaxSize", "MinSize"],
        create_only: &["AutoScalingGroupName", "InstanceId"],
        mutable: &[
            "AvailabilityZones",
            "CapacityRebalance",
            "Cooldown",
            "DefaultInstanceWarmup",
            "DesiredCapacity",
            "HealthCheckGracePeriod",
            "HealthCheckType",
            "LaunchConfigurationName",
            "LaunchTemplate",
            "LifecycleHookSpecificationList",
            "LoadBalancerNames",
            "MaxInstanceLifetime",
            "MaxSize",
            "MetricsCollection",
            "MinSize",
            "MixedInstancesPolicy",
            "NewInstancesProtectedFromScaleIn",
            "Tags",
            "TargetGroupARNs",
            "TerminationPolicies",
            "VPCZoneIdentifier",
        ],
        attributes: &["AutoScalingGroupARN"],
    },
    Schema {
        kind: "AWS::AutoScaling::LifecycleHook",
        required: &["AutoScalingGroupName", "LifecycleTransition"],
        create_only: &["AutoScalingGroupName", "LifecycleHookName"],
        mutable: &["DefaultResult", "HeartbeatTimeout", "LifecycleTransition", "NotificationMetadata", "NotificationTargetARN", "RoleARN"],
        attributes: &[],
    },
    Schema {
        kind: "AWS::EKS::AccessEntry",
        required: &["ClusterName", "PrincipalArn"],
        create_only: &["ClusterName", "PrincipalArn", "Type"],
        mutable: &["AccessPolicies", "KubernetesGroups", "Tags", "Username"],
        attributes: &["AccessEntryArn"],
    },
    Schema {
        kind: "AWS::EC2::VPC",
        required: &["CidrBlock"],
        create_only: &["CidrBlock"],
        mutable: &["EnableDnsHostnames", "EnableDnsSupport", "InstanceTenancy", "Tags"],
        attributes: &["CidrBlock", "DefaultSecurityGroup", "VpcId"],
    },
    Schema {
        kind: "AWS::EC2::Subnet",
        required: &["VpcId"],
        create_only: &["AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"],
        mutable: &["MapPublicIpOnLaunch", "Tags"],
        attributes: &["AvailabilityZone", "CidrBlock", "SubnetId", "VpcId"],
    },
    Schema { kind: "AWS::EC2::InternetGateway", required: &[], create_only: &[], mutable: &["Tags"], attributes: &["InternetGatewayId"] },
    Schema {
        kind: "AWS::EC2::VPCGatewayAttachment",
        required: &["VpcId"],
        create_only: &["InternetGatewayId", "VpcId"],
        mutable: &[],
        attributes: &[],
    },
    Schema {
        kind: "AWS::EC2::RouteTable",
        required: &["VpcId"],
        create_only: &["VpcId"],
        mutable: &["Tags"],
        attributes: &["RouteTableId"],
    },
    Schema {
        kind: "AWS::EC2::Route",
        required: &["RouteTableId"],
        create_only: &["DestinationCidrBlock", "GatewayId", "NatGatewayId", "RouteTableId"],
        mutable: &[],
        attributes: &["CidrBlock"],
    },
    Schema {
        kind: "AWS::EC2::SubnetRouteTableAssociation",
        required: &["RouteTableId", "SubnetId"],
        create_only: &["RouteTableId", "SubnetId"],
        mutable: &[],
        attributes: &["Id"],
    },
    Schema {
        kind: "AWS::EC2::EIP",
        required: &[],
        create_only: &["Domain"],
        mutable: &["Tags"],
        attributes: &["AllocationId", "PublicIp"],
    },
    Schema {
        kind: "AWS::EC2::NatGateway",
        required: &["SubnetId"],
        create_only: &["AllocationId", "ConnectivityType", "SubnetId"],
        mutable: &["Tags"],
        attributes: &["NatGatewayId"],
    },
    Schema { kind: "AWS::CloudFormation::WaitConditionHandle", required: &[], create_only: &[], mutable: &[], attributes: &[] },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_property_is_listed_twice() {
        for schema in SCHEMAS {
            let all: Vec<_> = schema.create_only.iter().chain(schema.mutable).collect();
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{}", schema.kind);
            assert!(schema.required.iter().all(|name| all.contains(&name)), "{}", schema.kind);
        }
    }
}
