//! Quotas.

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, UserIdGroupPair, builders::IpPermissionBuilder};

use super::{
    Net,
    table::{DONE, Table},
    tcp,
};

/// "Amazon VPC quotas", "Amazon EC2 endpoints and quotas": as many as are allowed, and one more.
#[tokio::test(start_paused = true)]
async fn quotas() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    // The default VPC and its gateway count.
    for n in 1..=3 {
        table.row("five VPCs", DONE, ec2.create_vpc().cidr_block(format!("10.{n}.0.0/16")).send()).await;
        table.row("five internet gateways", DONE, ec2.create_internet_gateway().send()).await;
    }
    table.row("six VPCs", "VpcLimitExceeded", ec2.create_vpc().cidr_block("10.9.0.0/16").send()).await;
    table.row("six internet gateways", "InternetGatewayLimitExceeded", ec2.create_internet_gateway().send()).await;
    for _ in 0..5 {
        table.row("five addresses", DONE, ec2.allocate_address().send()).await;
    }
    table.row("six addresses", "AddressLimitExceeded", ec2.allocate_address().send()).await;

    let subnet = |n: u32| ec2.create_subnet().vpc_id(&net.vpc).cidr_block(format!("10.0.{}.{}/28", n / 16 + 2, n % 16 * 16)).send();
    for n in 0..199 {
        table.row("200 subnets", DONE, subnet(n)).await;
    }
    table.row("201 subnets", "SubnetLimitExceeded", subnet(199)).await;
    // The main table and ours count.
    for _ in 0..198 {
        table.row("200 route tables", DONE, ec2.create_route_table().vpc_id(&net.vpc).send()).await;
    }
    table.row("201 route tables", "RouteTableLimitExceeded", ec2.create_route_table().vpc_id(&net.vpc).send()).await;
    let route = |n: u32| {
        let block = format!("20.{}.{}.0/24", n / 256, n % 256);
        ec2.create_route().route_table_id(&net.table).destination_cidr_block(block).gateway_id(&net.gateway).send()
    };
    for n in 0..500 {
        table.row("500 routes", DONE, route(n)).await;
    }
    table.row("501 routes", "RouteLimitExceeded", route(500)).await;

    // A rule counts by direction, and by the family of its peer; a group counts for both.
    let rules = |from: i32, count: i32, peer: fn(IpPermissionBuilder) -> IpPermission| {
        (from..from + count).map(move |port| peer(tcp(port, port))).collect::<Vec<_>>()
    };
    let v4 = |rule: IpPermissionBuilder| rule.ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build()).build();
    let v6 = |rule: IpPermissionBuilder| rule.ipv6_ranges(Ipv6Range::builder().cidr_ipv6("2001:db8::/32").build()).build();
    let ingress =
        |rules: Vec<IpPermission>| ec2.authorize_security_group_ingress().group_id(&net.group).set_ip_permissions(Some(rules)).send();
    let egress =
        |rules: Vec<IpPermission>| ec2.authorize_security_group_egress().group_id(&net.group).set_ip_permissions(Some(rules)).send();
    let code = "RulesPerSecurityGroupLimitExceeded";
    table.row("61 rules at once", code, ingress(rules(1, 61, v4))).await;
    table.row("60 rules in", DONE, ingress(rules(1, 60, v4))).await;
    table.row("61 rules in", code, ingress(rules(100, 1, v4))).await;
    table.row("60 rules in for IPv6", DONE, ingress(rules(1, 60, v6))).await;
    table.row("61 rules in for IPv6", code, ingress(rules(100, 1, v6))).await;
    let own = tcp(443, 443).user_id_group_pairs(UserIdGroupPair::builder().group_id(&net.group).build()).build();
    table.row("a group beside them", code, ingress(vec![own])).await;
    table.row("60 rules out, with the first", DONE, egress(rules(1, 59, v4))).await;
    table.row("61 rules out", code, egress(rules(100, 1, v4))).await;
    table.check();
}
