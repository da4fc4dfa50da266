"""What exists in an account, told by boto3 as JSON: the judge that shares no code with us."""

import json
import sys

import boto3

ec2, iam, eks = (boto3.client(name, endpoint_url=sys.argv[1], region_name="us-east-1") for name in ("ec2", "iam", "eks"))

vpcs = [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]
inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"] for vpc in vpcs] or ["vpc-none"]}]
subnets = sorted(ec2.describe_subnets(Filters=inside)["Subnets"], key=lambda subnet: subnet["CidrBlock"])
tables = ec2.describe_route_tables(Filters=inside)["RouteTables"]
groups = [
    group
    for group in ec2.describe_security_groups(Filters=inside)["SecurityGroups"]
    if group["GroupName"] != "default" and not group["GroupName"].startswith("eks-cluster-sg-")
]
gateways = [
    gateway
    for gateway in ec2.describe_internet_gateways()["InternetGateways"]
    if not any(attachment["VpcId"] not in [vpc["VpcId"] for vpc in vpcs] for attachment in gateway["Attachments"])
]
nats = [nat for nat in ec2.describe_nat_gateways()["NatGateways"] if nat["State"] != "deleted"]
addresses = ec2.describe_addresses()["Addresses"]
roles = [role for role in iam.list_roles()["Roles"] if "aws-service-role" not in role["Path"]]
own_tables = [table for table in tables if not any(association.get("Main") for association in table["Associations"])]


def tags(thing):
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", thing.get("TagSet", []))}


def attribute(vpc, name):
    answer = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name)
    return answer[name[0].upper() + name[1:]]["Value"]


def default_route(subnet):
    for table in tables:
        if any(association.get("SubnetId") == subnet["SubnetId"] for association in table["Associations"]):
            for route in table["Routes"]:
                if route.get("DestinationCidrBlock") == "0.0.0.0/0":
                    return (route.get("NatGatewayId") or route.get("GatewayId")).split("-")[0]
    return None


def rules(group):
    names = {other["GroupId"]: other["GroupName"] for other in groups}
    for permission in group["IpPermissions"]:
        head = f"{permission['IpProtocol']} {permission.get('FromPort')}-{permission.get('ToPort')}"
        yield from (f"{head} {block['CidrIp']}" for block in permission.get("IpRanges", []))
        yield from (f"{head} {names[pair['GroupId']]}" for pair in permission.get("UserIdGroupPairs", []))


def role_tag(subnet):
    return next((key.rsplit("/", 1)[1] for key in tags(subnet) if key.startswith("kubernetes.io/role/")), None)


by_subnet = {subnet["SubnetId"]: subnet["CidrBlock"] for subnet in subnets}
clusters = [eks.describe_cluster(name=name)["cluster"] for name in eks.list_clusters()["clusters"]]
policies = [policy["PolicyName"] for role in roles for policy in iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]]
everything = [*vpcs, *subnets, *own_tables, *groups, *gateways, *nats, *addresses]
json.dump(
    {
        "vpcs": [
            {
                "cidr": vpc["CidrBlock"],
                "dns_support": attribute(vpc, "enableDnsSupport"),
                "dns_hostnames": attribute(vpc, "enableDnsHostnames"),
            }
            for vpc in vpcs
        ],
        "subnets": [
            {
                "cidr": subnet["CidrBlock"],
                "zone": subnet["AvailabilityZone"],
                "public_ip": subnet["MapPublicIpOnLaunch"],
                "default_route": default_route(subnet),
                "role": role_tag(subnet),
            }
            for subnet in subnets
        ],
        "nat_gateways": [{"state": nat["State"], "subnet": by_subnet.get(nat["SubnetId"])} for nat in nats],
        "addresses": len(addresses),
        "internet_gateways": len(gateways),
        "route_tables": len(own_tables),
        "security_groups": {group["GroupName"]: sorted(rules(group)) for group in groups},
        "clusters": [
            {"name": cluster["name"], "status": cluster["status"], "subnets": len(cluster["resourcesVpcConfig"]["subnetIds"])}
            for cluster in clusters
        ],
        "roles": [role["RoleName"] for role in roles],
        "role_policies": sorted(policies),
        "untagged": [thing for thing in everything if "eks-rs/owner" not in tags(thing)],
    },
    sys.stdout,
    default=str,
)
