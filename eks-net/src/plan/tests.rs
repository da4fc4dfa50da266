//! Plans of the textbook chapter's network.

use eks_core::{Action, Error, Plan};

use crate::{Nat, NetOp, NetworkSpec, Observed, Rule, SecurityGroup, Subnet, testing};

/// Every change of a plan, on one line each.
fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{:?} {}: {}", step.action, step.key, step.changes.join("; "))).collect()
}

fn refusal(spec: &NetworkSpec, now: &Observed) -> String {
    let error = spec.plan(now).expect_err("cannot become so");
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    error.to_string()
}

#[test]
fn the_chapter() {
    let plan = testing::chapter().plan(&Observed::nothing(&testing::owner())).unwrap();
    insta::assert_snapshot!(plan, @r"
    plan for chap10: 23 to create, 0 to update, 0 as they should be
    about 1m 57s on the critical path, $36.50 a month ($36.50 of it new), 22 IAM actions

    net
      + net/vpc                               VPC 10.0.0.0/16
      + net/internet-gateway                  internet gateway
      + net/subnet/public/us-east-1a          public subnet 10.0.1.0/24 in us-east-1a, 251 addresses
      + net/subnet/public/us-east-1b          public subnet 10.0.3.0/24 in us-east-1b, 251 addresses
      + net/subnet/private/us-east-1a         private subnet 10.0.4.0/24 in us-east-1a, 251 addresses
      + net/subnet/private/us-east-1b         private subnet 10.0.2.0/24 in us-east-1b, 251 addresses
      + net/elastic-ip/us-east-1a             elastic IP address for NAT in us-east-1a
      + net/nat/us-east-1a                    NAT gateway in us-east-1a (1m 54s)
      + net/route-table/public                route table of public subnets
      + net/route/public                      0.0.0.0/0 → net/internet-gateway
      + net/route-table/private               route table of private subnets
      + net/route/private                     0.0.0.0/0 → net/nat/us-east-1a
      + net/association/public/us-east-1a     10.0.1.0/24 by ‹net/route-table/public›
      + net/association/public/us-east-1b     10.0.3.0/24 by ‹net/route-table/public›
      + net/association/private/us-east-1a    10.0.4.0/24 by ‹net/route-table/private›
      + net/association/private/us-east-1b    10.0.2.0/24 by ‹net/route-table/private›
      + net/security-group/public             security group public
      + net/security-group-rules/public       tcp 22 from 98.234.106.21/32, tcp 80 from 0.0.0.0/0
      + net/security-group/private            security group private
      + net/security-group-rules/private      tcp 22 from ‹net/security-group/public›, tcp 80 from ‹net/security-group/public›
      + net/security-group/elb                security group elb
      + net/security-group-rules/elb          tcp 80 from 0.0.0.0/0
      + net/security-group/eks-control-plane  security group eks-control-plane

    to review
      ! net/nat/us-east-1a: $36.50 a month instead of $73.00 with one in each of 2 zones; a single point of failure: when us-east-1a fails, no private subnet has a way out; traffic of the other zones costs 0.01 $/GB more each way
      · net/security-group-rules/public: open to the world: tcp 80 from 0.0.0.0/0
      · net/security-group-rules/elb: open to the world: tcp 80 from 0.0.0.0/0

    critical path
      net/vpc 1s
      → net/subnet/public/us-east-1a 1s
      → net/nat/us-east-1a 1m 54s
      → net/route/private 1s

    cost a month (on demand, us-east-1, before traffic)
          32.85  NAT gateway
           3.65  public IPv4 address
          36.50  together

    IAM actions
      ec2: AllocateAddress AssociateRouteTable AttachInternetGateway AuthorizeSecurityGroupIngress CreateInternetGateway
          CreateNatGateway CreateRoute CreateRouteTable CreateSecurityGroup CreateSubnet CreateTags CreateVpc
          DescribeAddresses DescribeInternetGateways DescribeNatGateways DescribeRouteTables DescribeSecurityGroups
          DescribeSubnets DescribeVpcAttribute DescribeVpcs ModifySubnetAttribute ModifyVpcAttribute
    ");
    assert_eq!(Plan::from_json(&plan.to_json().unwrap()).unwrap(), plan);
}

#[test]
fn a_standing_network_needs_nothing() {
    let spec = testing::chapter();
    let plan = spec.plan(&testing::standing(&spec)).unwrap();
    assert_eq!(changes(&plan), [""; 0]);
    assert!(plan.steps().iter().all(|step| step.outputs.contains_key("id")), "references must resolve");
    assert_eq!(plan.usd_per_month(), 36.5);
}

#[test]
fn drift_is_shown_field_by_field() {
    let spec = testing::chapter();
    let mut now = testing::standing(&spec);
    now.vpcs[0].dns_hostnames = false;
    now.subnets[1].map_public_ip = false;
    now.subnets[2].tags.insert("kubernetes.io/role/internal-elb".to_owned(), "0".to_owned());
    now.internet_gateways[0].attached_to.clear();
    now.nat_gateways[0].state = "pending".to_owned();
    now.route_tables[1].default_route = Some("igw-00000000000000001".to_owned());
    let moved = now.route_tables[1].associations.pop_last().unwrap();
    now.route_tables[0].associations.insert(moved.0, moved.1);
    now.security_groups[0].rules.remove(0);
    now.security_groups[2].rules.remove(0);
    assert_eq!(
        changes(&spec.plan(&now).unwrap()),
        [
            "Update net/vpc: enableDnsHostnames: false → true",
            "Update net/internet-gateway: attachment: none → VPC",
            "Update net/subnet/public/us-east-1b: MapPublicIpOnLaunch: false → true",
            "Update net/subnet/private/us-east-1a: tag kubernetes.io/role/internal-elb: 0 → 1",
            "Update net/nat/us-east-1a: state: pending → available",
            "Update net/route/private: 0.0.0.0/0: igw-00000000000000001 → nat-00000000000000001",
            "Update net/association/private/us-east-1b: route table: rtb-00000000000000000 → rtb-00000000000000001",
            "Update net/security-group-rules/public: rule tcp 22 from 98.234.106.21/32: none → allowed",
            "Create net/security-group-rules/elb: ",
        ]
    );
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let spec = testing::chapter();
    let standing = || testing::standing(&spec);
    type Case = (fn(&mut Observed), &'static str);
    let cases: Vec<Case> = vec![
        (|now| now.vpcs[0].cidr = "10.9.0.0/16".parse().unwrap(), "the block of a VPC cannot be changed"),
        (
            |now| now.subnets[0].cidr = "10.0.9.0/24".parse().unwrap(),
            "it is 10.0.9.0/24 in us-east-1a, the spec has 10.0.1.0/24 in us-east-1a",
        ),
        (|now| now.subnets[0].zone = "us-east-1c".parse().unwrap(), "it is 10.0.1.0/24 in us-east-1c"),
        (|now| now.subnets[0].tags.clear(), "in the same VPC has 10.0.1.0/24; choose a block that is free"),
        (|now| now.security_groups[0].description = "x".to_owned(), "neither name nor description can be changed"),
        (|now| now.security_groups[0].tags.clear(), "has this name, and we did not make it"),
        (|now| now.internet_gateways[0].attached_to = vec![testing::id("vpc", 9)], "which is not this network's VPC"),
        (|now| now.nat_gateways[0].subnet = Some(testing::id("subnet", 9)), "cannot be moved"),
        (
            |now| {
                let mut twin = now.vpcs[0].clone();
                twin.id = testing::id("vpc", 2);
                now.vpcs.push(twin);
            },
            "net/vpc: vpc-00000000000000001 and vpc-00000000000000002 both carry this key",
        ),
    ];
    for (change, said) in cases {
        let mut now = standing();
        change(&mut now);
        let refusal = refusal(&spec, &now);
        assert!(refusal.contains(said), "{said:?} is not said in {refusal}");
    }
}

#[test]
fn dead_gateways_are_replaced_under_another_token() {
    let spec = testing::chapter();
    let mut now = testing::standing(&spec);
    now.nat_gateways[0].state = "failed".to_owned();
    let plan = spec.plan(&now).unwrap();
    assert_eq!(
        changes(&plan),
        ["Create net/nat/us-east-1a: ", "Update net/route/private: 0.0.0.0/0: nat-00000000000000001 → net/nat/us-east-1a"]
    );
    let op: NetOp = plan.step("net/nat/us-east-1a").unwrap().op.decode().unwrap();
    assert!(matches!(op, NetOp::NatGateway { generation, .. } if generation == "nat-00000000000000001"));
}

#[test]
fn what_the_spec_no_longer_has_stays_and_is_told() {
    let spec = testing::builder().nat(Nat::PerZone).build().unwrap();
    let plan = spec.plan(&testing::standing(&testing::chapter())).unwrap();
    assert!(plan.findings().iter().any(|finding| finding.to_string()
        == "net/route-table/private: rtb-00000000000000001 is no longer in the spec; it stays until the teardown"));
    let moved = changes(&plan).into_iter().filter(|line| line.contains("association/private/us-east-1b")).collect::<Vec<_>>();
    assert_eq!(
        moved,
        ["Update net/association/private/us-east-1b: route table: rtb-00000000000000001 → net/route-table/private/us-east-1b"]
    );
    assert!(!plan.findings().iter().any(|finding| finding.message.contains("single point of failure")));
}

#[test]
fn findings() {
    let message = |spec: NetworkSpec| {
        let plan = spec.plan(&Observed::nothing(&testing::owner())).unwrap();
        plan.findings().iter().map(|finding| format!("{:?} {finding}", finding.severity)).collect::<Vec<_>>().join("\n")
    };
    let spec = || NetworkSpec::builder(&testing::owner(), "172.16.0.0/16").zones(["us-east-1a", "us-east-1b"]);
    assert!(message(spec().nat(Nat::None).build().unwrap()).contains("Warning net/route-table/private: no NAT gateway"));
    let docker = NetworkSpec::builder(&testing::owner(), "172.17.0.0/16").zones(["us-east-1a", "us-east-1b"]).build().unwrap();
    assert!(message(docker).contains("Warning net/vpc: 172.17.0.0/16 meets 172.17.0.0/16, which Docker uses"));
    let open = SecurityGroup::new("web", "web").allow(Rule::tcp(22).from_cidr("0.0.0.0/0")).allow(Rule::tcp(80).from_cidr("::/0"));
    let told = message(spec().nat(Nat::PerZone).security_group(open.allow(Rule::all().from_cidr("0.0.0.0/0"))).build().unwrap());
    assert_eq!(
        told,
        "Warning net/security-group-rules/web: open to the world: tcp 22 from 0.0.0.0/0 (SSH 22)\n\
         Warning net/security-group-rules/web: open to the world: all from 0.0.0.0/0 (every port of every protocol, SSH, RDP and \
         databases among them)\n\
         Note net/nat/us-east-1a: $73.00 a month with 2 gateways in 2 zones; a zone that fails takes only its own way out with it, and no \
         traffic crosses zones\n\
         Note net/security-group-rules/web: open to the world: tcp 80 from ::/0\n\
         Note net/security-group-rules/web: tcp 22 from 0.0.0.0/0 changes nothing: all from 0.0.0.0/0 lets the same in already"
    );
}

#[test]
fn intra_subnets_have_no_way_out() {
    let spec = testing::builder()
        .subnet(Subnet::intra("us-east-1a", "10.0.5.0/24").named("database"))
        .subnet(Subnet::intra("us-east-1b", "10.0.6.0/24").named("database"))
        .build()
        .unwrap();
    let plan = spec.plan(&Observed::nothing(&testing::owner())).unwrap();
    let title = |key: &str| plan.step(key).map(|step| step.title.clone());
    assert_eq!(title("net/subnet/intra/us-east-1a-database").as_deref(), Some("intra subnet 10.0.5.0/24 in us-east-1a, 251 addresses"));
    assert_eq!(title("net/route-table/intra").as_deref(), Some("route table of intra subnets"));
    assert_eq!(title("net/route/intra"), None);
    assert!(plan.step("net/association/intra/us-east-1b-database").is_some());
    let op: NetOp = plan.step("net/subnet/intra/us-east-1a-database").unwrap().op.decode().unwrap();
    let NetOp::Subnet { map_public_ip, tags, .. } = op else { panic!("{op:?}") };
    assert!(map_public_ip.is_none() && !tags.keys().any(|key| key.starts_with("kubernetes.io/role/")), "{tags:?}");
    // The way out is that of the chapter, and workers do not go there.
    assert_eq!(spec.refs().egress, testing::chapter().refs().egress);
    assert_eq!(spec.refs().private(), testing::chapter().refs().private());
}

#[test]
fn only_true_dependencies() {
    let plan = testing::chapter().plan(&Observed::nothing(&testing::owner())).unwrap();
    let needs = |key: &str| plan.step(key).unwrap().needs.iter().map(|key| key.as_str()).collect::<Vec<_>>();
    assert_eq!(needs("net/nat/us-east-1a"), ["net/elastic-ip/us-east-1a", "net/internet-gateway", "net/subnet/public/us-east-1a"]);
    assert_eq!(needs("net/route/private"), ["net/nat/us-east-1a", "net/route-table/private"]);
    assert_eq!(needs("net/association/private/us-east-1b"), ["net/route-table/private", "net/subnet/private/us-east-1b"]);
    assert_eq!(needs("net/security-group-rules/private"), ["net/security-group/private", "net/security-group/public"]);
    assert_eq!(needs("net/elastic-ip/us-east-1a"), [""; 0]);
    assert!(plan.steps().iter().all(|step| step.action == Action::Create));
}
