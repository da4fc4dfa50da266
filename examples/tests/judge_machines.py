"""Which machines an account has, told by boto3 as JSON: the judge that shares no code with us."""

import json
import sys

import boto3

ec2, elb = (boto3.client(name, endpoint_url=sys.argv[1], region_name="us-east-1") for name in ("ec2", "elb"))

groups = {group["GroupId"]: group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]}
subnets = {subnet["SubnetId"]: subnet["CidrBlock"] for subnet in ec2.describe_subnets()["Subnets"]}
reservations = ec2.describe_instances()["Reservations"]
instances = {
    instance["InstanceId"]: instance
    for reservation in reservations
    for instance in reservation["Instances"]
    if instance["State"]["Name"] != "terminated"
}
volumes = ec2.describe_volumes()["Volumes"]
pairs = ec2.describe_key_pairs()["KeyPairs"]
balancers = elb.describe_load_balancers()["LoadBalancerDescriptions"]


def owned(tags):
    return any(tag["Key"] == "eks-rs/owner" and tag["Value"] == "chap10" for tag in tags)


def network(instance):
    return instances[instance]["PrivateIpAddress"].rsplit(".", 1)[0]


def root(instance):
    device = instance["RootDeviceName"]
    for volume in volumes:
        for attachment in volume["Attachments"]:
            if (attachment["InstanceId"], attachment["Device"]) == (instance["InstanceId"], device):
                return {"device": device, "type": volume["VolumeType"], "encrypted": volume["Encrypted"]}
    return None


def is_data(volume):
    roots = [instances[at["InstanceId"]]["RootDeviceName"] == at["Device"] for at in volume["Attachments"]]
    return not any(roots)


def attributes(name):
    told = elb.describe_load_balancer_attributes(LoadBalancerName=name)["LoadBalancerAttributes"]
    draining = told["ConnectionDraining"]
    return {
        "cross_zone": told["CrossZoneLoadBalancing"]["Enabled"],
        "draining": draining["Timeout"] if draining["Enabled"] else None,
        "idle": told["ConnectionSettings"]["IdleTimeout"],
    }


def listener(told):
    one = told["Listener"]
    return f"{one['Protocol']} {one['LoadBalancerPort']} {one['InstanceProtocol']} {one['InstancePort']}"


def balancer_tags(name):
    return elb.describe_tags(LoadBalancerNames=[name])["TagDescriptions"][0]["Tags"]


made = [(pair["KeyPairId"], pair.get("Tags", [])) for pair in pairs]
made += [(instance["InstanceId"], instance.get("Tags", [])) for instance in instances.values()]
made += [(volume["VolumeId"], volume.get("Tags", [])) for volume in volumes]
made += [(balancer["LoadBalancerName"], balancer_tags(balancer["LoadBalancerName"])) for balancer in balancers]

print(
    json.dumps(
        {
            "key_pairs": [{"name": pair["KeyName"], "fingerprint": pair["KeyFingerprint"]} for pair in pairs],
            "instances": sorted(
                (
                    {
                        "type": instance["InstanceType"],
                        "state": instance["State"]["Name"],
                        "key": instance.get("KeyName"),
                        "groups": [groups[group["GroupId"]] for group in instance["NetworkInterfaces"][0]["Groups"]],
                        "network": network(identity),
                        "public_ip": bool(instance.get("PublicIpAddress")),
                        "tokens": instance["MetadataOptions"]["HttpTokens"],
                        "hops": instance["MetadataOptions"]["HttpPutResponseHopLimit"],
                        "root": root(instance),
                    }
                    for identity, instance in instances.items()
                ),
                key=lambda instance: instance["groups"],
            ),
            "volumes": [
                {
                    "gib": volume["Size"],
                    "type": volume["VolumeType"],
                    "zone": volume["AvailabilityZone"],
                    "encrypted": volume["Encrypted"],
                    "device": volume["Attachments"][0]["Device"],
                    "network": network(volume["Attachments"][0]["InstanceId"]),
                }
                for volume in volumes
                if is_data(volume)
            ],
            "load_balancers": [
                {
                    "name": balancer["LoadBalancerName"],
                    "scheme": balancer["Scheme"],
                    "listeners": [listener(told) for told in balancer["ListenerDescriptions"]],
                    "subnets": sorted(subnets[subnet] for subnet in balancer["Subnets"]),
                    "groups": [groups[group] for group in balancer["SecurityGroups"]],
                    "health_check": balancer["HealthCheck"]["Target"],
                    "members": [network(instance["InstanceId"]) for instance in balancer["Instances"]],
                    **attributes(balancer["LoadBalancerName"]),
                }
                for balancer in balancers
            ],
            "untagged": sorted(identity for identity, tags in made if not owned(tags)),
        }
    )
)
