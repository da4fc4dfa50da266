//! Plans of ways out.

use eks_core::{Error, Plan};

use crate::{Endpoint, Endpoints, Nat, NetworkSpec, NetworkSpecBuilder, Observed, Subnet, observed::FoundBlock, testing};

fn inner() -> NetworkSpecBuilder {
    NetworkSpec::builder(&testing::owner(), "10.0.0.0/16")
        .subnet(Subnet::private("us-east-1a", "10.0.0.0/20"))
        .subnet(Subnet::private("us-east-1b", "10.0.16.0/20"))
        .subnet(Subnet::intra("us-east-1a", "10.0.32.0/24"))
        .subnet(Subnet::intra("us-east-1b", "10.0.33.0/24"))
}

fn on_nothing(spec: NetworkSpecBuilder) -> Plan {
    spec.build().unwrap().plan(&Observed::nothing(&testing::owner())).unwrap()
}

fn findings(plan: &Plan) -> Vec<String> {
    plan.findings().iter().map(|finding| format!("{:?} {finding}", finding.severity)).collect()
}

fn needs(plan: &Plan, key: &str) -> Vec<String> {
    plan.step(key)
        .unwrap_or_else(|| panic!("no {key}"))
        .needs
        .iter()
        .map(|key| key.as_str().trim_start_matches("net/").to_owned())
        .collect()
}

#[test]
fn a_regional_gateway_with_two_families() {
    let pods = Subnet::private("us-east-1a", "100.64.0.0/18").named("pods");
    let plan = on_nothing(inner().nat(Nat::Regional).ipv6().secondary_cidr("100.64.0.0/16").subnet(pods));
    insta::assert_snapshot!(plan, @r"
    plan for chap10: 20 to create, 0 to update, 0 as they should be
    about 1m 57s on the critical path, $73.00 a month ($73.00 of it new), 22 IAM actions

    net
      + net/vpc                                  VPC 10.0.0.0/16
      + net/cidr/100.64.0.0-16                   secondary block 100.64.0.0/16
      + net/cidr/ipv6                            IPv6 block of Amazon's, a /56
      + net/internet-gateway                     internet gateway
      + net/subnet/private/us-east-1a            private subnet 10.0.0.0/20 in us-east-1a, 4091 addresses, IPv6 /64 number 0
      + net/subnet/private/us-east-1b            private subnet 10.0.16.0/20 in us-east-1b, 4091 addresses, IPv6 /64 number 1
      + net/subnet/intra/us-east-1a              intra subnet 10.0.32.0/24 in us-east-1a, 251 addresses, IPv6 /64 number 2
      + net/subnet/intra/us-east-1b              intra subnet 10.0.33.0/24 in us-east-1b, 251 addresses, IPv6 /64 number 3
      + net/subnet/private/us-east-1a-pods       private subnet 100.64.0.0/18 in us-east-1a, 16379 addresses, IPv6 /64 number 4
      + net/egress-only-internet-gateway         egress-only internet gateway
      + net/nat/regional                         regional NAT gateway (1m 54s)
      + net/route-table/private                  route table of private subnets
      + net/route/private                        0.0.0.0/0 → net/nat/regional
      + net/route-ipv6/private                   ::/0 → net/egress-only-internet-gateway
      + net/route-table/intra                    route table of intra subnets
      + net/association/private/us-east-1a       10.0.0.0/20 by ‹net/route-table/private›
      + net/association/private/us-east-1b       10.0.16.0/20 by ‹net/route-table/private›
      + net/association/intra/us-east-1a         10.0.32.0/24 by ‹net/route-table/intra›
      + net/association/intra/us-east-1b         10.0.33.0/24 by ‹net/route-table/intra›
      + net/association/private/us-east-1a-pods  100.64.0.0/18 by ‹net/route-table/private›

    to review
      · net/nat/regional: $73.00 a month once it is in 2 zones; a zone that fails takes only its own way out with it; a zone's first traffic crosses to another one, at 0.01 $/GB each way, until AWS has extended the gateway to it, which takes up to an hour

    critical path
      net/vpc 1s
      → net/internet-gateway 1s
      → net/nat/regional 1m 54s
      → net/route/private 1s

    cost a month (on demand, us-east-1, before traffic)
          32.85  NAT gateway in us-east-1a
          32.85  NAT gateway in us-east-1b
           7.30  2 × public IPv4 address
          73.00  together

    IAM actions
      ec2: AssociateRouteTable AssociateVpcCidrBlock AttachInternetGateway CreateEgressOnlyInternetGateway
          CreateInternetGateway CreateNatGateway CreateRoute CreateRouteTable CreateSubnet CreateTags CreateVpc
          DescribeAddresses DescribeEgressOnlyInternetGateways DescribeInternetGateways DescribeNatGateways
          DescribeRouteTables DescribeSecurityGroups DescribeSubnets DescribeVpcAttribute DescribeVpcs ModifySubnetAttribute
          ModifyVpcAttribute
    ");
    assert_eq!(needs(&plan, "net/subnet/private/us-east-1a-pods"), ["cidr/100.64.0.0-16", "cidr/ipv6", "vpc"]);
    assert_eq!(needs(&plan, "net/nat/regional"), ["internet-gateway", "vpc"]);
    assert_eq!(needs(&plan, "net/route-ipv6/private"), ["egress-only-internet-gateway", "route-table/private"]);
}

#[test]
fn a_private_cluster() {
    let plan = on_nothing(inner().nat(Nat::None).endpoint(Endpoint::gateway("s3")).endpoint(Endpoint::interface("ec2")));
    insta::assert_snapshot!(plan, @r"
    plan for chap10: 15 to create, 0 to update, 0 as they should be
    about 1m 32s on the critical path, $14.60 a month ($14.60 of it new), 19 IAM actions

    net
      + net/vpc                             VPC 10.0.0.0/16
      + net/subnet/private/us-east-1a       private subnet 10.0.0.0/20 in us-east-1a, 4091 addresses
      + net/subnet/private/us-east-1b       private subnet 10.0.16.0/20 in us-east-1b, 4091 addresses
      + net/subnet/intra/us-east-1a         intra subnet 10.0.32.0/24 in us-east-1a, 251 addresses
      + net/subnet/intra/us-east-1b         intra subnet 10.0.33.0/24 in us-east-1b, 251 addresses
      + net/route-table/private             route table of private subnets
      + net/route-table/intra               route table of intra subnets
      + net/association/private/us-east-1a  10.0.0.0/20 by ‹net/route-table/private›
      + net/association/private/us-east-1b  10.0.16.0/20 by ‹net/route-table/private›
      + net/association/intra/us-east-1a    10.0.32.0/24 by ‹net/route-table/intra›
      + net/association/intra/us-east-1b    10.0.33.0/24 by ‹net/route-table/intra›
      + net/security-group/endpoints        security group endpoints
      + net/security-group-rules/endpoints  tcp 443 from 10.0.0.0/16
      + net/endpoint/gateway/s3             gateway endpoint for s3
      + net/endpoint/interface/ec2          interface endpoint for ec2 (1m 30s)

    to review
      ! net/route-table/private: no NAT gateway: instances in private subnets reach neither the internet nor AWS; for nodes to join, VPC endpoints are missing for ecr.api, ecr.dkr, eks and sts
      · net/endpoint/interface/ec2: 1 interface endpoint in 2 zones: $14.60 a month together, and 0.01 $/GB; a zone that fails takes only its own interfaces with it

    critical path
      net/vpc 1s
      → net/subnet/private/us-east-1b 1s
      → net/endpoint/interface/ec2 1m 30s

    cost a month (on demand, us-east-1, before traffic)
           7.30  VPC endpoint in us-east-1a
           7.30  VPC endpoint in us-east-1b
          14.60  together

    IAM actions
      ec2: AssociateRouteTable AuthorizeSecurityGroupIngress CreateRouteTable CreateSecurityGroup CreateSubnet CreateTags
          CreateVpc CreateVpcEndpoint DescribeAddresses DescribeInternetGateways DescribeNatGateways DescribeRouteTables
          DescribeSecurityGroups DescribeSubnets DescribeVpcAttribute DescribeVpcEndpoints DescribeVpcs ModifyVpcAttribute
      route53: AssociateVPCWithHostedZone
    ");
}

#[test]
fn a_transit_gateway() {
    let plan = on_nothing(inner().nat(Nat::TransitGateway("tgw-0123456789abcdef0".to_owned())));
    insta::assert_snapshot!(plan, @r"
    plan for chap10: 13 to create, 0 to update, 0 as they should be
    about 1m 03s on the critical path, $36.50 a month ($36.50 of it new), 17 IAM actions

    net
      + net/vpc                             VPC 10.0.0.0/16
      + net/subnet/private/us-east-1a       private subnet 10.0.0.0/20 in us-east-1a, 4091 addresses
      + net/subnet/private/us-east-1b       private subnet 10.0.16.0/20 in us-east-1b, 4091 addresses
      + net/subnet/intra/us-east-1a         intra subnet 10.0.32.0/24 in us-east-1a, 251 addresses
      + net/subnet/intra/us-east-1b         intra subnet 10.0.33.0/24 in us-east-1b, 251 addresses
      + net/transit-gateway-attachment      attachment to transit gateway tgw-0123456789abcdef0 (1m 00s)
      + net/route-table/private             route table of private subnets
      + net/route/private                   0.0.0.0/0 → tgw-0123456789abcdef0
      + net/route-table/intra               route table of intra subnets
      + net/association/private/us-east-1a  10.0.0.0/20 by ‹net/route-table/private›
      + net/association/private/us-east-1b  10.0.16.0/20 by ‹net/route-table/private›
      + net/association/intra/us-east-1a    10.0.32.0/24 by ‹net/route-table/intra›
      + net/association/intra/us-east-1b    10.0.33.0/24 by ‹net/route-table/intra›

    to review
      · net/transit-gateway-attachment: $36.50 a month for the attachment, in 2 zones, and 0.02 $/GB; what the way out costs and what fails with it is decided behind tgw-0123456789abcdef0, where a route must lead back to 10.0.0.0/16

    critical path
      net/vpc 1s
      → net/subnet/private/us-east-1b 1s
      → net/transit-gateway-attachment 1m 00s
      → net/route/private 1s

    cost a month (on demand, us-east-1, before traffic)
          36.50  transit gateway attachment
          36.50  together

    IAM actions
      ec2: AssociateRouteTable CreateRoute CreateRouteTable CreateSubnet CreateTags CreateTransitGatewayVpcAttachment
          CreateVpc DescribeAddresses DescribeInternetGateways DescribeNatGateways DescribeRouteTables
          DescribeSecurityGroups DescribeSubnets DescribeTransitGatewayVpcAttachments DescribeVpcAttribute DescribeVpcs
          ModifyVpcAttribute
    ");
}

#[test]
fn what_each_way_costs_and_what_fails_with_it() {
    let one = |spec: NetworkSpecBuilder| findings(&on_nothing(spec)).join("\n");
    assert_eq!(
        one(inner().nat(Nat::None)),
        "Warning net/route-table/private: no NAT gateway: instances in private subnets reach neither the internet nor AWS; for nodes to \
         join, VPC endpoints are missing for ec2, ecr.api, ecr.dkr, eks, s3 and sts"
    );
    let needed = ["ec2", "ecr.api", "ecr.dkr", "eks", "sts"].map(Endpoint::interface);
    assert_eq!(
        one(inner().nat(Nat::None).endpoint(Endpoint::gateway("s3")).endpoints(needed)),
        "Note net/route-table/private: no NAT gateway: what needs it finds no VPC endpoint for autoscaling (the Cluster Autoscaler), \
         eks-auth (Pod Identity), elasticloadbalancing (load balancers), logs (CloudWatch Logs)\n\
         Note net/endpoint/interface/ec2: 5 interface endpoints in 2 zones: $73.00 a month together, and 0.01 $/GB; a zone that fails \
         takes only its own interfaces with it"
    );
    // 9 endpoints × 2 zones × 0.01 $ × 730 h.
    assert_eq!(
        one(inner().nat(Nat::None).endpoints(Endpoints::private_cluster())),
        "Note net/endpoint/interface/ec2: 9 interface endpoints in 2 zones: $131.40 a month together, and 0.01 $/GB; a zone that fails \
         takes only its own interfaces with it"
    );
    let across = NetworkSpec::builder(&testing::owner(), "10.0.0.0/16").subnet(Subnet::private("us-east-1a", "10.0.0.0/20"));
    let across = across.subnet(Subnet::public("us-east-1b", "10.0.16.0/20"));
    assert_eq!(
        one(across),
        "Note net/nat/us-east-1b: $36.50 a month with 1 gateway in us-east-1b; traffic crosses from us-east-1a at 0.01 $/GB each way, and \
         either zone's failure takes the way out with it"
    );
}

#[test]
fn a_subnet_keeps_its_ipv6_block() {
    let spec = testing::builder().ipv6().build().unwrap();
    let mut now = testing::standing(&testing::chapter());
    let block =
        |text: &str| FoundBlock { association: "vpc-cidr-assoc-1".to_owned(), cidr: text.parse().unwrap(), state: "associated".to_owned() };
    now.vpcs[0].blocks.push(block("2600:1f18:1234:5600::/56"));
    // The third has number 0, somebody else's subnet number 2.
    now.subnets[2].ipv6 = Some("2600:1f18:1234:5600::/64".parse().unwrap());
    let mut foreign = now.subnets[0].clone();
    (foreign.id, foreign.cidr, foreign.ipv6) =
        (testing::id("subnet", 9), "10.0.99.0/24".parse().unwrap(), Some("2600:1f18:1234:5602::/64".parse().unwrap()));
    foreign.tags.clear();
    now.subnets.push(foreign);
    let plan = spec.plan(&now).unwrap();
    let blocks: Vec<String> = plan.changes().flat_map(|step| step.changes.clone()).filter(|change| change.starts_with("IPv6")).collect();
    assert_eq!(blocks, ["IPv6: none → /64 number 1", "IPv6: none → /64 number 3", "IPv6: none → /64 number 4"]);
    // The same for the same observation.
    assert_eq!(spec.plan(&now).unwrap(), plan);
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let refusal = |spec: &NetworkSpec, now: &Observed| {
        let error = spec.plan(now).expect_err("cannot become so");
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        error.to_string()
    };
    let mut now = testing::standing(&testing::chapter());
    now.vpcs[0].blocks.push(FoundBlock {
        association: "vpc-cidr-assoc-1".to_owned(),
        cidr: "100.64.0.0/17".parse().unwrap(),
        state: "associated".to_owned(),
    });
    let wide = testing::builder().secondary_cidr("100.64.0.0/16").build().unwrap();
    assert!(refusal(&wide, &now).contains("already has 100.64.0.0/17, which overlaps it"));
    let existing = testing::builder().nat(Nat::Existing("nat-0123456789abcdef0".to_owned())).build().unwrap();
    assert!(refusal(&existing, &now).contains("there is no such NAT gateway in the network's VPC"));
    now.nat_gateways[0].vpc = Some(testing::id("vpc", 7));
    let other = testing::builder().nat(Nat::Existing(now.nat_gateways[0].id.to_string())).build().unwrap();
    assert!(refusal(&other, &now).contains("it is in another VPC"));
}
