//! What other services and the data plane may know of the network and its instances.

use std::net::Ipv4Addr;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{State, endpoint::EndpointKind, endpoint_service, interface, route::Target, security_group_rule::Peer, zones};
use crate::world::World;

/// What an instance is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InstanceFacts {
    pub(crate) id: String,
    /// `pending`, `running`, `shutting-down` or `terminated`.
    pub(crate) state: String,
    pub(crate) private_dns: String,
    pub(crate) private_ip: String,
    pub(crate) zone: String,
    pub(crate) zone_id: String,
    pub(crate) subnet: String,
    pub(crate) vpc: String,
    pub(crate) security_groups: Vec<String>,
    pub(crate) instance_type: String,
    pub(crate) image: String,
    /// Instance profile, by ARN.
    pub(crate) profile: Option<String>,
    /// As the instance reads it, not base64.
    pub(crate) user_data: String,
    /// `required` when only IMDSv2 is answered.
    pub(crate) http_tokens: String,
    /// Whether the instance metadata service answers.
    pub(crate) imds: bool,
    pub(crate) tags: Vec<(String, String)>,
}

/// An instance that exists or is still told.
pub(crate) fn instance(world: &World, id: &str) -> Option<InstanceFacts> {
    let found = world.ec2.instances.get(id)?;
    let subnet = world.ec2.subnets.get(&found.subnet);
    let zone = subnet.map(|subnet| subnet.zone.clone()).unwrap_or_default();
    let decoded = STANDARD.decode(&found.user_data).unwrap_or_default();
    Some(InstanceFacts {
        id: id.to_owned(),
        state: found.state.name().to_owned(),
        private_dns: interface::private_dns(&world.region, found.private_ip),
        private_ip: found.private_ip.to_string(),
        zone_id: zones::id_of(&world.region, &zone),
        zone,
        subnet: found.subnet.clone(),
        vpc: found.vpc.clone(),
        security_groups: found.groups.clone(),
        instance_type: found.instance_type.clone(),
        image: found.image.clone(),
        profile: found.profile.clone(),
        user_data: String::from_utf8_lossy(&decoded).into_owned(),
        http_tokens: found.metadata.tokens.clone(),
        imds: found.metadata.endpoint == "enabled",
        tags: world.ec2.tag_pairs(id),
    })
}

impl State {
    /// Whether what has these addresses in a subnet reaches the internet.
    fn reaches_internet(&self, subnet: &str, has_public_address: bool) -> bool {
        match self.default_route(subnet) {
            Some(Target::Gateway(_)) => has_public_address,
            Some(Target::Nat(id)) => self.nat_gateways.get(id).is_some_and(|nat| {
                // The gateway itself must be in a public subnet ("NAT gateway basics").
                let public = |subnet: &String| matches!(self.default_route(subnet), Some(Target::Gateway(_)));
                nat.state == "available" && nat.subnet.as_ref().is_none_or(public)
            }),
            _ => false,
        }
    }
}

/// Where AWS's services and the internet are, to network ACLs: none of them tells their addresses apart (assumption).
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(52, 94, 0, 1);

/// Whether an instance reaches the internet with the addresses that it has.
fn instance_egress(world: &World, id: &str) -> bool {
    let Some(instance) = world.ec2.instances.get(id) else { return false };
    let public = world.ec2.interfaces_of(id).iter().any(|interface| world.ec2.public_address(interface).is_some());
    let here = (instance.subnet.as_str(), instance.private_ip);
    let nat = match world.ec2.default_route(&instance.subnet) {
        Some(Target::Nat(nat)) => world.ec2.nat_gateways.get(nat).and_then(|nat| nat.subnet.as_deref()),
        _ => None,
    };
    // The NAT gateway goes out from its own subnet.
    let on = nat.is_none_or(|nat| world.ec2.acls_pass((nat, OUTSIDE), (None, OUTSIDE), 443));
    world.ec2.reaches_internet(&instance.subnet, public) && world.ec2.acls_pass(here, (nat, OUTSIDE), 443) && on
}

/// Whether network ACLs let an instance through to one of the interfaces of this description in its VPC, on 443.
pub(crate) fn acls_let_to(world: &World, id: &str, description: &str) -> bool {
    let Some(instance) = world.ec2.instances.get(id) else { return false };
    let here = (instance.subnet.as_str(), instance.private_ip);
    let mut there = world.ec2.interfaces.values().filter(|one| one.vpc == instance.vpc && one.description == description);
    there.any(|one| world.ec2.acls_pass(here, (Some(&one.subnet), one.private_ip()), 443))
}

/// Whether an instance reaches one of AWS's services by its usual name: over the internet, through an interface endpoint with
/// private DNS that lets it in, or, to S3, by the route of a gateway endpoint ("Access AWS services through AWS PrivateLink",
/// "Gateway endpoints for Amazon S3").
pub(crate) fn reaches_service(world: &World, id: &str, service: &str) -> bool {
    let Some(instance) = world.ec2.instances.get(id) else { return false };
    if instance_egress(world, id) {
        return true;
    }
    let state = &world.ec2;
    let name = endpoint_service::service_name(&world.region, service);
    let table = state.table_of(&instance.subnet);
    let mut endpoints = state.endpoints.iter().filter(|(_, endpoint)| endpoint.service == name && endpoint.state == "available");
    endpoints.any(|(endpoint_id, endpoint)| match endpoint.kind {
        EndpointKind::Gateway => {
            let leads_there = |target: &Target| matches!(target, Target::Endpoint(id) if id == endpoint_id);
            let led = table.is_some_and(|table| table.routes.iter().any(|route| leads_there(&route.target)));
            led && state.acls_pass((&instance.subnet, instance.private_ip), (None, OUTSIDE), 443)
        }
        EndpointKind::Interface => {
            let pairs = instance.groups.iter().flat_map(|from| endpoint.groups.iter().map(move |to| (from, to)));
            let here = (instance.subnet.as_str(), instance.private_ip);
            let mut doors = endpoint.interfaces.values().filter_map(|id| state.interfaces.get(id));
            endpoint.vpc == instance.vpc
                && endpoint.private_dns
                && doors.any(|door| state.acls_pass(here, (Some(&door.subnet), door.private_ip()), 443))
                && pairs.into_iter().any(|(from, to)| security_group_allows(world, from, to, 443))
        }
    })
}

/// Those of these subnets that lead to an internet gateway and give no public addresses.
pub(crate) fn public_subnets_without_addresses(world: &World, subnets: &[String]) -> Vec<String> {
    let is_closed = |id: &&String| {
        let public = matches!(world.ec2.default_route(id), Some(Target::Gateway(_)));
        public && world.ec2.subnets.get(*id).is_some_and(|subnet| !subnet.map_public_ip)
    };
    subnets.iter().filter(is_closed).cloned().collect()
}

/// The addresses that an instance's traffic to the internet may come from: its NAT gateway's, or its own public ones.
pub(crate) fn public_addresses(world: &World, id: &str) -> Vec<Ipv4Addr> {
    let Some(instance) = world.ec2.instances.get(id) else { return Vec::new() };
    match world.ec2.default_route(&instance.subnet) {
        Some(Target::Nat(nat)) => world.ec2.nat_gateways.get(nat).into_iter().flat_map(|nat| nat.public_addresses()).collect(),
        Some(Target::Gateway(_)) => {
            world.ec2.interfaces_of(id).iter().filter_map(|interface| world.ec2.public_address(interface)).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether an instance fails its status checks.
pub(crate) fn is_impaired(world: &World, id: &str) -> bool {
    world.ec2.instances.get(id).is_some_and(|instance| world.ec2.trouble.impaired_zones.contains(&instance.zone))
}

/// Whether a VPC resolves names and gives them to instances.
pub(crate) fn dns_enabled(world: &World, vpc: &str) -> bool {
    world.ec2.vpcs.get(vpc).is_some_and(|vpc| vpc.dns_support && vpc.dns_hostnames)
}

/// Whether members of `to_group` take TCP at `port` from members of `from_group`.
pub(crate) fn security_group_allows(world: &World, from_group: &str, to_group: &str, port: u16) -> bool {
    let Some(group) = world.ec2.security_groups.get(to_group) else { return false };
    let members: Vec<Ipv4Addr> = world
        .ec2
        .interfaces
        .values()
        .filter(|interface| interface.groups.iter().any(|group| group == from_group))
        .map(interface::Interface::private_ip)
        .collect();
    group.rules.iter().filter(|(_, rule)| !rule.egress && rule.lets_tcp(port)).any(|(_, rule)| match &rule.peer {
        Peer::Group(id) => id == from_group,
        Peer::Cidr(cidr) if cidr == "0.0.0.0/0" => true,
        // A block lets them in when it covers every member.
        Peer::Cidr(cidr) => {
            let net = cidr.parse::<ipnet::Ipv4Net>();
            !members.is_empty() && net.is_ok_and(|net| members.iter().all(|address| net.contains(address)))
        }
        Peer::Cidr6(_) | Peer::PrefixList(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::call::{Caller, Service};

    struct Account {
        world: World,
        caller: Caller,
    }

    impl Account {
        fn new() -> Self {
            let world = World::for_tests("eu-west-1");
            Self { world, caller: Caller { arn: "arn:aws:iam::123456789012:user/admin".to_owned(), user_id: "AIDA".to_owned() } }
        }

        fn call(&mut self, action: &str, args: Value) -> Value {
            self.world.call(Service::Ec2, action, args, &self.caller).expect(action)
        }

        fn id(&mut self, action: &str, args: Value, pointer: &str) -> String {
            self.call(action, args).pointer(pointer).and_then(Value::as_str).expect("id").to_owned()
        }

        fn vpc(&mut self) -> String {
            self.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/vpc/vpcId")
        }

        fn subnet(&mut self, vpc: &str, block: &str) -> String {
            let args = json!({"VpcId": vpc, "CidrBlock": block, "AvailabilityZone": "eu-west-1a"});
            self.id("CreateSubnet", args, "/subnet/subnetId")
        }

        /// A route table of its own for a subnet, with a default route.
        fn route(&mut self, vpc: &str, subnet: &str, target: &str, id: &str) {
            let table = self.id("CreateRouteTable", json!({"VpcId": vpc}), "/routeTable/routeTableId");
            self.call("AssociateRouteTable", json!({"RouteTableId": table, "SubnetId": subnet}));
            self.call("CreateRoute", json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", (target): id}));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn egress_needs_a_whole_way_out() {
        let mut account = Account::new();
        let vpc = account.vpc();
        let (public, private) = (account.subnet(&vpc, "10.0.1.0/24"), account.subnet(&vpc, "10.0.2.0/24"));
        let gateway = account.id("CreateInternetGateway", json!({}), "/internetGateway/internetGatewayId");
        account.call("AttachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc}));
        account.route(&vpc, &public, "GatewayId", &gateway);
        assert!(!account.world.ec2.reaches_internet(&public, false));
        assert!(account.world.ec2.reaches_internet(&public, true));

        let address = account.id("AllocateAddress", json!({}), "/allocationId");
        let nat = account.id("CreateNatGateway", json!({"SubnetId": public, "AllocationId": address}), "/natGateway/natGatewayId");
        account.route(&vpc, &private, "NatGatewayId", &nat);
        assert!(!account.world.ec2.reaches_internet(&private, false), "the NAT gateway is pending");
        account.world.advance(Duration::from_secs(180));
        assert!(account.world.ec2.reaches_internet(&private, false));
        account.call("DeleteNatGateway", json!({"NatGatewayId": nat}));
        assert!(!account.world.ec2.reaches_internet(&private, false));
    }

    #[tokio::test(start_paused = true)]
    async fn services_are_reached_through_endpoints() {
        let mut account = Account::new();
        let vpc = account.vpc();
        account.call("ModifyVpcAttribute", json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": "true"}}));
        let subnet = account.subnet(&vpc, "10.0.1.0/24");
        let table = account.id("CreateRouteTable", json!({"VpcId": vpc}), "/routeTable/routeTableId");
        account.call("AssociateRouteTable", json!({"RouteTableId": table, "SubnetId": subnet}));
        let mut group =
            |name: &str| account.id("CreateSecurityGroup", json!({"GroupName": name, "GroupDescription": name, "VpcId": vpc}), "/groupId");
        let (nodes, endpoints) = (group("nodes"), group("endpoints"));
        let run = json!({"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.medium", "MinCount": 1, "MaxCount": 1,
            "SubnetId": subnet, "SecurityGroupId": [nodes]});
        let instance = account.id("RunInstances", run, "/instancesSet/0/instanceId");
        assert!(!reaches_service(&account.world, &instance, "s3"));

        let s3 = json!({"VpcId": vpc, "ServiceName": "com.amazonaws.eu-west-1.s3", "RouteTableId": [table]});
        account.call("CreateVpcEndpoint", s3);
        assert!(reaches_service(&account.world, &instance, "s3"));
        let ec2 = json!({"VpcId": vpc, "ServiceName": "com.amazonaws.eu-west-1.ec2", "VpcEndpointType": "Interface", "SubnetId": [subnet],
            "SecurityGroupId": [endpoints]});
        account.call("CreateVpcEndpoint", ec2);
        account.world.advance(Duration::from_secs(200));
        assert!(!reaches_service(&account.world, &instance, "ec2"), "its security group lets nobody in");
        let rule = json!({"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "Groups": [{"GroupId": nodes}]});
        account.call("AuthorizeSecurityGroupIngress", json!({"GroupId": endpoints, "IpPermissions": [rule]}));
        assert!(reaches_service(&account.world, &instance, "ec2"));
        assert!(!reaches_service(&account.world, &instance, "sts"));
    }

    #[tokio::test(start_paused = true)]
    async fn network_acls_are_asked_in_order_and_for_answers_too() {
        let mut account = Account::new();
        let vpc = account.vpc();
        let subnet = account.subnet(&vpc, "10.0.1.0/24");
        let other = account.subnet(&vpc, "10.0.2.0/24");
        let gateway = account.id("CreateInternetGateway", json!({}), "/internetGateway/internetGatewayId");
        account.call("AttachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc}));
        account.route(&vpc, &subnet, "GatewayId", &gateway);
        let interface = json!({"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": true});
        let run = json!({"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.medium", "MinCount": 1, "MaxCount": 1,
            "NetworkInterface": [interface]});
        let instance = account.id("RunInstances", run, "/instancesSet/0/instanceId");
        assert!(reaches_service(&account.world, &instance, "ec2"), "a default ACL lets everything through");
        let acl = account.call("DescribeNetworkAcls", json!({}))["networkAclSet"].as_array().expect("a list").clone();
        let acl = acl.iter().find(|acl| acl["vpcId"] == vpc.as_str()).expect("the VPC's")["networkAclId"].clone();
        let entry = |number: i64, egress: bool, action: &str, block: &str, (from, to): (i64, i64)| {
            json!({"NetworkAclId": acl, "RuleNumber": number, "Protocol": "6", "RuleAction": action, "Egress": egress,
                "CidrBlock": block, "PortRange": {"From": from, "To": to}})
        };
        // Each is put before rule 100, which lets everything through.
        for (egress, block, ports, passes) in [
            (true, "0.0.0.0/0", (443, 443), false),
            (true, "10.0.0.0/8", (443, 443), true),
            (true, "0.0.0.0/0", (80, 80), true),
            (false, "0.0.0.0/0", (443, 443), true),
            (false, "0.0.0.0/0", (1024, 65_535), false),
        ] {
            account.call("CreateNetworkAclEntry", entry(50, egress, "deny", block, ports));
            assert_eq!(reaches_service(&account.world, &instance, "ec2"), passes, "{egress} {block} {ports:?}");
            account.call("CreateNetworkAclEntry", entry(49, egress, "allow", "0.0.0.0/0", (0, 65_535)));
            assert!(reaches_service(&account.world, &instance, "ec2"), "a lower number comes first");
            for number in [49, 50] {
                account.call("DeleteNetworkAclEntry", json!({"NetworkAclId": acl, "RuleNumber": number, "Egress": egress}));
            }
        }
        account.call("CreateNetworkAclEntry", entry(50, true, "deny", "10.0.0.0/16", (443, 443)));
        let (from, to) = (Ipv4Addr::new(10, 0, 1, 5), Ipv4Addr::new(10, 0, 2, 5));
        let pass = |to_subnet: &str| account.world.ec2.acls_pass((&subnet, from), (Some(to_subnet), to), 443);
        assert!(pass(&subnet) && !pass(&other), "traffic within a subnet meets no ACL");
    }

    #[tokio::test(start_paused = true)]
    async fn dns_needs_both_attributes() {
        let mut account = Account::new();
        let vpc = account.vpc();
        assert!(!dns_enabled(&account.world, &vpc));
        account.call("ModifyVpcAttribute", json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": "true"}}));
        assert!(dns_enabled(&account.world, &vpc));
    }

    #[tokio::test(start_paused = true)]
    async fn groups_let_through_what_rules_say() {
        let mut account = Account::new();
        let vpc = account.vpc();
        let mut group =
            |name: &str| account.id("CreateSecurityGroup", json!({"GroupName": name, "GroupDescription": name, "VpcId": vpc}), "/groupId");
        let (nodes, control_plane) = (group("nodes"), group("control-plane"));
        let rule = json!({"IpProtocol": "tcp", "FromPort": 1025, "ToPort": 65535, "Groups": [{"GroupId": control_plane}]});
        account.call("AuthorizeSecurityGroupIngress", json!({"GroupId": nodes, "IpPermissions": [rule]}));
        for (from, to, port, expected) in
            [(&control_plane, &nodes, 10250, true), (&control_plane, &nodes, 443, false), (&nodes, &control_plane, 10250, false)]
        {
            assert_eq!(security_group_allows(&account.world, from, to, port), expected, "{from} {to} {port}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn interfaces_of_services_are_theirs() {
        let mut account = Account::new();
        let vpc = account.vpc();
        let subnet = account.subnet(&vpc, "10.0.1.0/24");
        let gateway = account.id("CreateInternetGateway", json!({}), "/internetGateway/internetGatewayId");
        account.call("AttachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc}));
        let elb = account.world.service_caller("elasticloadbalancing.amazonaws.com");
        let args =
            json!({"SubnetId": subnet, "Description": "ELB public-elb", "RequesterId": "amazon-elb", "AssociatePublicIpAddress": true});
        let made = account.world.call(Service::Ec2, "CreateNetworkInterface", args, &elb).expect("interface");
        let interface = made["networkInterface"]["networkInterfaceId"].clone();
        assert_eq!(made["networkInterface"]["attachment"]["instanceOwnerId"], "amazon-elb");
        assert_eq!(account.world.ec2.free_in(&subnet), 250);
        let args = json!({"NetworkInterfaceId": interface});
        let refused = account.world.call(Service::Ec2, "DeleteNetworkInterface", args.clone(), &account.caller).map(drop);
        assert_eq!(refused.map_err(|error| error.code), Err("OperationNotPermitted".to_owned()));
        let detach = json!({"InternetGatewayId": gateway, "VpcId": vpc});
        let refused = account.world.call(Service::Ec2, "DetachInternetGateway", detach.clone(), &account.caller).map(drop);
        assert_eq!(refused.map_err(|error| error.code), Err("DependencyViolation".to_owned()));
        account.world.call(Service::Ec2, "DeleteNetworkInterface", args, &elb).expect("delete");
        account.call("DetachInternetGateway", detach);
        assert_eq!(account.world.ec2.free_in(&subnet), 251);
    }
}
