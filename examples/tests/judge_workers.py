"""What stacks of workers made, told by boto3 as JSON without what differs by nature: ids, times, request ids.

Every id of a resource of the stacks becomes its logical id, ids of what the stacks were given become what they are called.
"""

import json
import sys

import boto3

names = ("autoscaling", "cloudformation", "ec2", "iam")
autoscaling, cloudformation, ec2, iam = (boto3.client(name, endpoint_url=sys.argv[1], region_name="us-east-1") for name in names)

stacks = sorted(cloudformation.describe_stacks()["Stacks"], key=lambda stack: stack["StackName"])
resources = [
    resource for stack in stacks for resource in cloudformation.describe_stack_resources(StackName=stack["StackName"])["StackResources"]
]
known = {stack["StackId"]: f"<{stack['StackName']}>" for stack in stacks}
known |= {subnet["SubnetId"]: f"<{subnet['CidrBlock']}>" for subnet in ec2.describe_subnets()["Subnets"]}
known |= {vpc["VpcId"]: f"<{vpc['CidrBlock']}>" for vpc in ec2.describe_vpcs()["Vpcs"]}
known |= {group["GroupId"]: f"<{group['GroupName']}>" for group in ec2.describe_security_groups()["SecurityGroups"]}
known |= {resource["PhysicalResourceId"]: f"<{resource['LogicalResourceId']}>" for resource in resources if resource.get("PhysicalResourceId")}
for resource in resources:
    if resource.get("ResourceType") == "AWS::EC2::LaunchTemplate":
        found = ec2.describe_launch_templates(LaunchTemplateIds=[resource["PhysicalResourceId"]])["LaunchTemplates"][0]
        known[found["LaunchTemplateName"]] = f"<{resource['LogicalResourceId']} name>"


def of(kind):
    found = [resource for resource in resources if resource.get("ResourceType") == kind]
    # moto gives rules of security groups no physical id.
    return {resource["LogicalResourceId"]: resource.get("PhysicalResourceId") for resource in found}


def tags(thing):
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags") or []}


def pairs(permissions):
    """Rules that name a group; moto keeps those of stacks that are gone, which name groups that are gone."""
    for permission in permissions:
        for pair in permission.get("UserIdGroupPairs", []):
            if pair["GroupId"] in known:
                yield permission, pair


def rules(permissions):
    def head(permission):
        return f"{permission['IpProtocol']} {permission.get('FromPort')}-{permission.get('ToPort')}"

    blocks = [f"{head(permission)} {block['CidrIp']}" for permission in permissions for block in permission.get("IpRanges", [])]
    return sorted(blocks + [f"{head(permission)} {pair['GroupId']}" for permission, pair in pairs(permissions)])


def descriptions(group):
    return sorted(str(pair.get("Description")) for _, pair in pairs(group["IpPermissions"] + group["IpPermissionsEgress"]))


def role(name):
    found = iam.get_role(RoleName=name)["Role"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return {
        "trust": found["AssumeRolePolicyDocument"],
        "policies": sorted(policy["PolicyArn"] for policy in attached),
        "inline": sorted(iam.list_role_policies(RoleName=name)["PolicyNames"]),
        "path": found["Path"],
        "tags": tags(found),
    }


def profile(name):
    found = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    return {"roles": [role["RoleName"] for role in found["Roles"]], "path": found["Path"]}


def security_group(id):
    found = ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"][0]
    return {
        "description": found["Description"],
        "vpc": found["VpcId"],
        "ingress": rules(found["IpPermissions"]),
        "egress": rules(found["IpPermissionsEgress"]),
        "descriptions": descriptions(found),
        "tags": tags(found),
    }


def launch_template(id):
    found = ec2.describe_launch_templates(LaunchTemplateIds=[id])["LaunchTemplates"][0]
    version = ec2.describe_launch_template_versions(LaunchTemplateId=id, Versions=["$Latest"])["LaunchTemplateVersions"][0]
    return {"data": version["LaunchTemplateData"], "latest": found["LatestVersionNumber"], "default": found["DefaultVersionNumber"]}


def group(name):
    found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]
    hooks = autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
    keys = ("LifecycleHookName", "LifecycleTransition", "HeartbeatTimeout", "DefaultResult")
    return {
        "sizes": [found["MinSize"], found["DesiredCapacity"], found["MaxSize"]],
        "subnets": sorted(found["VPCZoneIdentifier"].split(",")),
        "zones": sorted(found["AvailabilityZones"]),
        "template": found.get("LaunchTemplate"),
        "mixed": found.get("MixedInstancesPolicy") or None,
        "rebalance": bool(found.get("CapacityRebalance")),
        "warmup": found.get("DefaultInstanceWarmup"),
        "hooks": sorted(({key: hook.get(key) for key in keys} for hook in hooks), key=lambda hook: hook["LifecycleHookName"]),
        "tags": {tag["Key"]: [tag["Value"], tag["PropagateAtLaunch"]] for tag in found["Tags"]},
        "versions": [instance["LaunchTemplate"]["Version"] for instance in found["Instances"]],
    }


def instances(group):
    found = ec2.describe_instances(
        Filters=[
            {"Name": "tag:aws:autoscaling:groupName", "Values": [group]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
    )["Reservations"]
    found = [instance for reservation in found for instance in reservation["Instances"]]
    like = [
        {
            "image": instance["ImageId"],
            "groups": sorted(group["GroupId"] for group in instance["SecurityGroups"]),
            "tags": tags(instance),
        }
        for instance in found
    ]
    assert all(one == like[0] for one in like), like
    return {"count": len(found), "subnets": sorted({instance["SubnetId"] for instance in found}), "each": like[0]}


def each(kind, describe):
    return {logical: describe(id) for logical, id in of(kind).items()}


told = {
    "stacks": {
        stack["StackName"]: {
            "status": stack["StackStatus"],
            "parameters": {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])},
            "outputs": {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])},
            "tags": tags(stack),
        }
        for stack in stacks
    },
    "resources": {kind: sorted(of(kind)) for kind in {resource["ResourceType"] for resource in resources if "ResourceType" in resource}},
    "roles": each("AWS::IAM::Role", role),
    "profiles": each("AWS::IAM::InstanceProfile", profile),
    "security_groups": each("AWS::EC2::SecurityGroup", security_group),
    "control_plane": {
        found["GroupName"]: {
            "ingress": rules(found["IpPermissions"]),
            "egress": rules(found["IpPermissionsEgress"]),
            "descriptions": descriptions(found),
        }
        for found in ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["control-plane"]}])["SecurityGroups"]
    },
    "launch_templates": each("AWS::EC2::LaunchTemplate", launch_template),
    "groups": each("AWS::AutoScaling::AutoScalingGroup", group),
    "instances": each("AWS::AutoScaling::AutoScalingGroup", instances),
}
text = json.dumps(told, sort_keys=True)
for id in sorted(known, key=len, reverse=True):
    text = text.replace(id, known[id])
print(text)
