//! The textbook chapter's first two sections as its reader types them: the AWS CLI's commands against the served simulator.
//! Outputs must have what the examples of the AWS CLI reference show, refusals must read as AWS words them.
//!
//! `cargo test --test aws_cli -- --ignored` makes a virtual environment with the AWS CLI below `target/`.

mod common;
#[path = "common/workspace.rs"]
mod workspace;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use common::{KEYS, environment};
use eks_core::{Action, Owner, Tier, Verdict};
use eks_examples::account::Account;
use eks_net::{ExistingNetwork, Fix, Networks};
use serde_json::Value;

const AWS_CLI: &str = "awscli==1.46.3";

/// A key whose private half nobody has.
const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIgQST6KVgqb/WNVOqMEECxMDpGYr5NbSY8KkdJ3h+Ie me@example.org";

#[test]
#[ignore = "needs Python 3 and PyPI; run by .ci/run and by `cargo test --test aws_cli -- --ignored`"]
fn the_chapter_by_hand() {
    let server = workspace::simulator(1000.0);
    let mut aws = Cli::new(&server.url);
    let network = Network::create(&mut aws);
    network.refuses(&mut aws);
    let machines = Machines::create(&mut aws, &network);
    machines.refuse(&mut aws, &network);
    machines.delete(&mut aws);
    network.delete(&mut aws);
    nothing_is_left(&mut aws);
    assert!(aws.lacking.is_empty(), "{}", aws.lacking.join("\n"));
}

/// What a foreign client made is surveyed, planned against and adopted; a teardown leaves it as it was.
#[tokio::test]
#[ignore = "needs Python 3 and PyPI; run by .ci/run and by `cargo test --test aws_cli -- --ignored`"]
async fn a_network_by_hand_is_adopted() {
    let server = workspace::simulator(1000.0);
    let mut aws = Cli::new(&server.url);
    let theirs = Network::create(&mut aws);
    let before = everything(&mut aws);
    let account = Account::keyed(&server.url, 1000.0, KEYS[0].1, KEYS[1].1).await;
    let networks = Networks::new(account.config());
    let engine = account.engine().driver(networks.clone());
    let owner = Owner::new("chap10").expect("valid");
    assert!(networks.observe(&owner).await.expect("observed").vpcs.is_empty(), "nothing of theirs is taken for ours");

    // Used: nothing lacks but the tags for load balancers.
    let choice = || ExistingNetwork::builder(&owner).vpc(&theirs.vpc).cluster("chap10");
    let survey = networks.survey(&choice().build().expect("valid")).await.expect("surveyed");
    assert!(survey.gaps().iter().all(|gap| !gap.blocks), "{:?}", survey.gaps());
    let without_role: Vec<_> = survey.gaps().iter().filter(|gap| gap.code == "role-tag").map(|gap| gap.subject.as_str()).collect();
    let public = [&theirs.subnets[0], &theirs.subnets[2]];
    assert!(without_role.len() == 2 && public.iter().all(|id| without_role.contains(&id.as_str())), "{without_role:?}");
    for (n, id) in theirs.subnets.iter().enumerate() {
        let found = survey.subnets().iter().find(|subnet| subnet.id.as_str() == id).expect("surveyed");
        assert_eq!(found.tier, if n % 2 == 0 { Tier::Public } else { Tier::Private }, "{id}");
    }
    assert!(survey.plan().expect("planned").is_noop(), "nothing is allowed");
    assert_eq!(everything(&mut aws), before);

    // Adopted: a NetworkSpec of its shape keeps it.
    let groups = ["public", "private", "elb", "eks-control-plane"];
    let adopt = groups.iter().fold(choice().allow(Fix::Tags).adopt(), |adopt, group| adopt.security_group(*group)).build().expect("valid");
    let plan = networks.survey(&adopt).await.expect("surveyed").plan().expect("planned");
    assert!(plan.steps().iter().all(|step| step.action == Action::Update), "{plan}");
    plan.apply(&engine).await.expect("adopted");
    let again = networks.survey(&adopt).await.expect("surveyed");
    assert!(again.plan().expect("planned").is_noop(), "{}", again.plan().expect("planned"));
    let kept = networks.plan(&again.network_spec().expect("of a shape that a spec can have")).await.expect("planned");
    assert!(kept.is_noop(), "{kept}");
    assert_eq!(kept.step("net/vpc").and_then(|step| step.outputs.get("id")), Some(&theirs.vpc));
    let told = aws.ok(&format!("ec2 describe-tags --filters Name=resource-id,Values={} Name=key,Values=eks-rs/owner", theirs.nat));
    assert_eq!(told["Tags"][0]["Value"], "chap10");

    let ending = networks.teardown(&owner).await.expect("observed").apply(&engine).await.expect("torn down");
    assert_eq!(ending.verdict, Verdict::Clean);
    assert_eq!(everything(&mut aws), before);
    theirs.delete(&mut aws);
    nothing_is_left(&mut aws);
}

/// The network, with its tags, as the CLI tells it.
fn everything(aws: &mut Cli) -> Vec<Value> {
    let commands = [
        "describe-vpcs",
        "describe-subnets",
        "describe-internet-gateways",
        "describe-nat-gateways",
        "describe-addresses",
        "describe-route-tables",
        "describe-security-groups",
        "describe-tags",
    ];
    commands.iter().map(|command| aws.ok(&format!("ec2 {command}"))).collect()
}

/// Section 1: what the commands made.
struct Network {
    vpc: String,
    /// 10.0.1.0/24 to 10.0.4.0/24; the odd ones are public.
    subnets: [String; 4],
    gateway: String,
    allocation: String,
    nat: String,
    /// The public one and the private one.
    tables: [String; 2],
    public: String,
    private: String,
    elb: String,
}

impl Network {
    fn create(aws: &mut Cli) -> Self {
        let vpc = aws.documented(0, "ec2 create-vpc --cidr-block 10.0.0.0/16", &[]).id("/Vpc/VpcId");
        aws.silent(&format!("ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames"));
        let attribute = format!("ec2 describe-vpc-attribute --vpc-id {vpc} --attribute");
        assert_eq!(aws.documented(0, &format!("{attribute} enableDnsSupport"), &[])["EnableDnsSupport"]["Value"], true);
        assert_eq!(aws.ok(&format!("{attribute} enableDnsHostnames"))["EnableDnsHostnames"]["Value"], true);
        let zones = ["us-east-1a", "us-east-1b", "us-east-1b", "us-east-1a"];
        let subnets = [0, 1, 2, 3].map(|n| {
            let block = format!("10.0.{}.0/24", n + 1);
            let name = format!("ResourceType=subnet,Tags=[{{Key=Name,Value=subnet-{}}}]", n + 1);
            let made = aws.documented(
                0,
                &format!(
                    "ec2 create-subnet --vpc-id {vpc} --cidr-block {block} --availability-zone {} --tag-specifications {name}",
                    zones[n]
                ),
                &[],
            );
            assert_eq!((&made["Subnet"]["AvailabilityZone"], &made["Subnet"]["AvailableIpAddressCount"]), (&zones[n].into(), &251.into()));
            made.id("/Subnet/SubnetId")
        });
        for n in [0, 2] {
            aws.silent(&format!("ec2 modify-subnet-attribute --subnet-id {} --map-public-ip-on-launch", subnets[n]));
        }
        for n in [1, 3] {
            aws.silent(&format!("ec2 create-tags --resources {} --tags Key=kubernetes.io/role/internal-elb,Value=1", subnets[n]));
        }
        let made = aws.documented(0, "ec2 create-internet-gateway", &["/InternetGateway/Tags/0"]);
        let gateway = made.id("/InternetGateway/InternetGatewayId");
        aws.silent(&format!("ec2 attach-internet-gateway --internet-gateway-id {gateway} --vpc-id {vpc}"));
        let allocation = aws.documented(0, "ec2 allocate-address --domain vpc", &[]).id("/AllocationId");
        let command = format!("ec2 create-nat-gateway --subnet-id {} --allocation-id {allocation}", subnets[0]);
        let made = aws.documented(0, &command, &[]);
        assert_eq!(made["NatGateway"]["State"], "pending");
        let nat = made.id("/NatGateway/NatGatewayId");
        aws.silent(&format!("ec2 wait nat-gateway-available --nat-gateway-ids {nat}"));
        let told = aws.documented(0, &format!("ec2 describe-nat-gateways --filter Name=vpc-id,Values={vpc}"), &["/NatGateways/0/Tags/0"]);
        assert_eq!(told["NatGateways"][0]["State"], "available");

        let targets = [format!("--gateway-id {gateway}"), format!("--nat-gateway-id {nat}")];
        let tables = targets.map(|target| {
            let made = aws.documented(0, &format!("ec2 create-route-table --vpc-id {vpc}"), &[]);
            let table = made.id("/RouteTable/RouteTableId");
            let done = aws.ok(&format!("ec2 create-route --route-table-id {table} --destination-cidr-block 0.0.0.0/0 {target}"));
            assert_eq!(done["Return"], true);
            table
        });
        for (n, subnet) in subnets.iter().enumerate() {
            let command = format!("ec2 associate-route-table --route-table-id {} --subnet-id {subnet}", tables[n % 2]);
            aws.documented(0, &command, &[]).id("/AssociationId");
        }
        let mut group = |name: &str| {
            let made =
                aws.documented(0, &format!("ec2 create-security-group --group-name {name} --description {name} --vpc-id {vpc}"), &[]);
            made.id("/GroupId")
        };
        let (public, private, elb) = (group("public"), group("private"), group("elb"));
        group("eks-control-plane");
        let from = |peer: &str| format!("--source-group {peer}");
        for (nth, group, port, source) in [
            (0, &public, 22, "--cidr 98.234.106.21/32"),
            (0, &public, 80, "--cidr 0.0.0.0/0"),
            (1, &private, 22, &from(&public)),
            (1, &private, 80, &from(&public)),
            (0, &elb, 80, "--cidr 0.0.0.0/0"),
        ] {
            let command = format!("ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port {port} {source}");
            let added = aws.documented(nth, &command, &[]);
            let rule = &added["SecurityGroupRules"][0];
            assert_eq!((&rule["FromPort"], &rule["ToPort"], &rule["IsEgress"]), (&port.into(), &port.into(), &false.into()));
        }
        let told = aws
            .ok(&format!("ec2 describe-route-tables --filters Name=vpc-id,Values={vpc} Name=association.subnet-id,Values={}", subnets[1]));
        let routes = told["RouteTables"][0]["Routes"].as_array().expect("routes");
        assert!(routes.iter().any(|route| route["NatGatewayId"] == nat.as_str() && route["State"] == "active"), "{told}");
        Self { vpc, subnets, gateway, allocation, nat, tables, public, private, elb }
    }

    /// What AWS refuses of an existing network.
    fn refuses(&self, aws: &mut Cli) {
        let Self { vpc, subnets, gateway, allocation, tables, public, .. } = self;
        let create = format!("ec2 create-subnet --vpc-id {vpc} --cidr-block");
        aws.refused(
            &format!("{create} 10.0.1.0/25"),
            "InvalidSubnet.Conflict",
            "CreateSubnet",
            "The CIDR '10.0.1.0/25' conflicts with another subnet",
        );
        aws.refused(&format!("{create} 10.1.0.0/24"), "InvalidSubnet.Range", "CreateSubnet", "The CIDR '10.1.0.0/24' is invalid.");
        aws.refused("ec2 create-vpc --cidr-block 10.0.0.0/8", "InvalidVpc.Range", "CreateVpc", "The CIDR '10.0.0.0/8' is invalid.");
        let dry = "Request would have succeeded, but DryRun flag is set.";
        aws.refused("ec2 create-vpc --cidr-block 10.9.0.0/16 --dry-run", "DryRunOperation", "CreateVpc", dry);
        let absent = "The vpc ID 'vpc-0123456789abcdef0' does not exist";
        aws.refused("ec2 describe-vpcs --vpc-ids vpc-0123456789abcdef0", "InvalidVpcID.NotFound", "DescribeVpcs", absent);
        let message = format!("The vpc '{vpc}' has dependencies and cannot be deleted.");
        aws.refused(&format!("ec2 delete-vpc --vpc-id {vpc}"), "DependencyViolation", "DeleteVpc", &message);
        let message = format!("The subnet '{}' has dependencies and cannot be deleted.", subnets[0]);
        aws.refused(&format!("ec2 delete-subnet --subnet-id {}", subnets[0]), "DependencyViolation", "DeleteSubnet", &message);
        let message = format!("The routeTable '{}' has dependencies and cannot be deleted.", tables[0]);
        aws.refused(&format!("ec2 delete-route-table --route-table-id {}", tables[0]), "DependencyViolation", "DeleteRouteTable", &message);
        let message = format!("resource {public} has a dependent object");
        aws.refused(&format!("ec2 delete-security-group --group-id {public}"), "DependencyViolation", "DeleteSecurityGroup", &message);
        let message = format!(
            "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        );
        let detach = format!("ec2 detach-internet-gateway --internet-gateway-id {gateway} --vpc-id {vpc}");
        aws.refused(&detach, "DependencyViolation", "DetachInternetGateway", &message);
        let attach = format!("ec2 attach-internet-gateway --internet-gateway-id {gateway} --vpc-id {vpc}");
        let message = format!("resource {gateway} is already attached to network {vpc}");
        aws.refused(&attach, "Resource.AlreadyAssociated", "AttachInternetGateway", &message);
        let again = format!("ec2 authorize-security-group-ingress --group-id {public} --protocol tcp --port 80 --cidr 0.0.0.0/0");
        let message = "the specified rule \"peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW\" already exists";
        aws.refused(&again, "InvalidPermission.Duplicate", "AuthorizeSecurityGroupIngress", message);
        let group = format!("ec2 create-security-group --group-name public --description again --vpc-id {vpc}");
        let message = format!("The security group 'public' already exists for VPC '{vpc}'");
        aws.refused(&group, "InvalidGroup.Duplicate", "CreateSecurityGroup", &message);
        let other =
            format!("ec2 create-route --route-table-id {} --destination-cidr-block 0.0.0.0/0 --nat-gateway-id {}", tables[0], self.nat);
        let message = "The route identified by 0.0.0.0/0 already exists.";
        aws.refused(&other, "RouteAlreadyExists", "CreateRoute", message);
        let (code, out) = (aws.call(&format!("ec2 release-address --allocation-id {allocation}")), "InvalidIPAddress.InUse");
        assert!(code.err.contains(out), "{}", code.err);
    }

    fn delete(self, aws: &mut Cli) {
        let Self { vpc, subnets, gateway, allocation, nat, tables, public, private, elb } = self;
        let gone = aws.documented(0, &format!("ec2 delete-nat-gateway --nat-gateway-id {nat}"), &[]);
        assert_eq!(gone["NatGatewayId"], nat.as_str());
        aws.silent(&format!("ec2 wait nat-gateway-deleted --nat-gateway-ids {nat}"));
        aws.silent(&format!("ec2 release-address --allocation-id {allocation}"));
        aws.silent(&format!("ec2 detach-internet-gateway --internet-gateway-id {gateway} --vpc-id {vpc}"));
        aws.silent(&format!("ec2 delete-internet-gateway --internet-gateway-id {gateway}"));
        let table = &tables[1];
        let told = aws.ok(&format!("ec2 describe-route-tables --route-table-ids {table}"));
        let hole = told["RouteTables"][0]["Routes"].as_array().expect("routes").iter().find(|route| route["NatGatewayId"] == nat.as_str());
        assert_eq!(hole.map(|route| &route["State"]), Some(&"blackhole".into()), "{told}");
        for subnet in subnets {
            aws.silent(&format!("ec2 delete-subnet --subnet-id {subnet}"));
        }
        for table in tables {
            aws.silent(&format!("ec2 delete-route-table --route-table-id {table}"));
        }
        let peers = aws.text(&format!("ec2 describe-security-groups --group-ids {private} --query SecurityGroups[].IpPermissions[].UserIdGroupPairs[].GroupId --output text"));
        assert_eq!(peers.split_whitespace().collect::<Vec<_>>(), [&public, &public]);
        for port in [22, 80] {
            let command =
                format!("ec2 revoke-security-group-ingress --group-id {private} --protocol tcp --port {port} --source-group {public}");
            assert_eq!(aws.ok(&command)["Return"], true);
        }
        let rest = aws.text(&format!("ec2 describe-security-groups --filters Name=vpc-id,Values={vpc} Name=group-name,Values=eks-* --query SecurityGroups[].GroupId --output text"));
        for group in [public, private, elb, rest.trim().to_owned()] {
            aws.ok(&format!("ec2 delete-security-group --group-id {group}"));
        }
        aws.silent(&format!("ec2 delete-vpc --vpc-id {vpc}"));
    }
}

/// Section 2.
struct Machines {
    public: String,
    private: String,
    volume: String,
}

impl Machines {
    fn create(aws: &mut Cli, network: &Network) -> Self {
        let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join("my-key.pub");
        std::fs::write(&key, PUBLIC_KEY).expect("writable");
        let material = key.display();
        let import = format!("ec2 import-key-pair --key-name my-key --public-key-material fileb://{material}");
        let key = aws.documented(0, &import, &[]);
        assert_eq!(key["KeyName"], "my-key");
        let message = "The keypair already exists: my-key";
        aws.refused(&import, "InvalidKeyPair.Duplicate", "ImportKeyPair", message);

        let run = "ec2 run-instances --image-id ami-0abcdef1234567890 --instance-type t3.nano --key-name my-key";
        let [public, private] = [(&network.subnets[0], &network.public), (&network.subnets[1], &network.private)].map(|(subnet, group)| {
            let made = aws.documented(0, &format!("{run} --subnet-id {subnet} --security-group-ids {group}"), &[]);
            assert_eq!(made["Instances"][0]["State"]["Name"], "pending");
            made.id("/Instances/0/InstanceId")
        });
        aws.silent(&format!("ec2 wait instance-running --instance-ids {public} {private}"));
        let told = aws.documented(0, &format!("ec2 describe-instances --instance-ids {public}"), &INSTANCE_EXCEPT);
        let instance = &told["Reservations"][0]["Instances"][0];
        assert_eq!(instance["State"], serde_json::json!({"Code": 16, "Name": "running"}));
        assert!(instance["PublicDnsName"].as_str().is_some_and(|name| name.ends_with(".compute-1.amazonaws.com")), "{instance}");
        let query = "--query Reservations[*].Instances[*].[InstanceId,PublicIpAddress,KeyName] --output text";
        let row = aws.text(&format!("ec2 describe-instances --instance-ids {private} {query}"));
        assert_eq!(row.trim().split('\t').collect::<Vec<_>>(), [private.as_str(), "None", "my-key"]);

        let create = "ec2 create-volume --availability-zone us-east-1a --size 40 --volume-type gp3";
        let made = aws.documented(0, create, &[]);
        assert_eq!((&made["State"], &made["Size"], &made["VolumeType"]), (&"creating".into(), &40.into(), &"gp3".into()));
        let volume = made.id("/VolumeId");
        aws.silent(&format!("ec2 wait volume-available --volume-ids {volume}"));
        let attach = format!("ec2 attach-volume --volume-id {volume} --instance-id {public} --device /dev/xvdh");
        for again in [false, true] {
            assert_eq!(aws.documented(0, &attach, &[])["State"], "attaching");
            aws.silent(&format!("ec2 wait volume-in-use --volume-ids {volume}"));
            if !again {
                let gone = aws.documented(0, &format!("ec2 detach-volume --volume-id {volume}"), &[]);
                assert_eq!(gone["State"], "detaching");
                aws.silent(&format!("ec2 wait volume-available --volume-ids {volume}"));
            }
        }
        let told = aws.ok(&format!("ec2 describe-volumes --volume-ids {volume}"));
        assert_eq!(told["Volumes"][0]["Attachments"][0]["InstanceId"], public.as_str());

        let listener = "Protocol=HTTP,LoadBalancerPort=80,InstanceProtocol=HTTP,InstancePort=80";
        let create = format!(
            "elb create-load-balancer --load-balancer-name public-elb --listeners {listener} --subnets {} {} --security-groups {}",
            network.subnets[0], network.subnets[2], network.elb
        );
        let made = aws.documented(0, &create, &[]);
        assert!(made["DNSName"].as_str().is_some_and(|name| name.starts_with("public-elb-")), "{made}");
        let register = format!("elb register-instances-with-load-balancer --load-balancer-name public-elb --instances {public}");
        assert_eq!(aws.documented(0, &register, &[])["Instances"][0]["InstanceId"], public.as_str());
        aws.silent("elb wait instance-in-service --load-balancer-name public-elb");
        let health = aws.documented(0, "elb describe-instance-health --load-balancer-name public-elb", &[]);
        assert_eq!(health["InstanceStates"][0]["State"], "InService");
        let told = aws.documented(0, "elb describe-load-balancers --load-balancer-names public-elb", &BALANCER_EXCEPT);
        let told = &told["LoadBalancerDescriptions"][0];
        assert_eq!(
            (&told["DNSName"], &told["VPCId"], &told["Scheme"]),
            (&made["DNSName"], &network.vpc.as_str().into(), &"internet-facing".into())
        );
        assert_eq!(told["AvailabilityZones"], serde_json::json!(["us-east-1a", "us-east-1b"]));
        Self { public, private, volume }
    }

    fn refuse(&self, aws: &mut Cli, network: &Network) {
        let Self { public, private, volume } = self;
        let message = format!("Volume {volume} is currently attached to {public}");
        aws.refused(&format!("ec2 delete-volume --volume-id {volume}"), "VolumeInUse", "DeleteVolume", &message);
        let far = aws.ok("ec2 create-volume --availability-zone us-east-1a --size 1").id("/VolumeId");
        aws.silent(&format!("ec2 wait volume-available --volume-ids {far}"));
        let attach = format!("ec2 attach-volume --volume-id {far} --instance-id {private} --device /dev/xvdh");
        let message = format!("The volume '{far}' is not in the same availability zone as instance '{private}'");
        aws.refused(&attach, "InvalidVolume.ZoneMismatch", "AttachVolume", &message);
        let attach = format!("ec2 attach-volume --volume-id {far} --instance-id {public} --device /dev/nvme1n1");
        let message = "Value (/dev/nvme1n1) for parameter device is invalid. /dev/nvme1n1 is not a valid EBS device name.";
        aws.refused(&attach, "InvalidParameterValue", "AttachVolume", message);
        aws.silent(&format!("ec2 delete-volume --volume-id {far}"));
        let run = "ec2 run-instances --image-id ami-0abcdef1234567890 --instance-type t3.nano --key-name your-key --subnet-id";
        let message = "The key pair 'your-key' does not exist";
        aws.refused(&format!("{run} {}", network.subnets[0]), "InvalidKeyPair.NotFound", "RunInstances", message);
        let listener = "Protocol=HTTP,LoadBalancerPort=80,InstanceProtocol=HTTP,InstancePort=80";
        let create =
            format!("elb create-load-balancer --load-balancer-name public-elb --listeners {listener} --subnets {}", network.subnets[0]);
        let message = "The specified load balancer name already exists for this account.";
        aws.refused(&create, "DuplicateLoadBalancerName", "CreateLoadBalancer", message);
        let message = "There is no ACTIVE Load Balancer named 'none'";
        aws.refused("elb describe-load-balancers --load-balancer-names none", "LoadBalancerNotFound", "DescribeLoadBalancers", message);
        let message = format!("resource {} has a dependent object", network.elb);
        aws.refused(
            &format!("ec2 delete-security-group --group-id {}", network.elb),
            "DependencyViolation",
            "DeleteSecurityGroup",
            &message,
        );
    }

    fn delete(self, aws: &mut Cli) {
        let Self { public, private, volume } = self;
        for _ in 0..2 {
            // Deleting one that is not there succeeds.
            aws.silent("elb delete-load-balancer --load-balancer-name public-elb");
        }
        aws.ok(&format!("ec2 detach-volume --volume-id {volume}"));
        aws.silent(&format!("ec2 wait volume-available --volume-ids {volume}"));
        aws.silent(&format!("ec2 delete-volume --volume-id {volume}"));
        let ended = aws.documented(0, &format!("ec2 terminate-instances --instance-ids {public} {private}"), &[]);
        assert_eq!(ended["TerminatingInstances"][0]["CurrentState"]["Name"], "shutting-down");
        aws.silent(&format!("ec2 wait instance-terminated --instance-ids {public} {private}"));
        aws.ok("ec2 delete-key-pair --key-name my-key");
        let balancers = "Name=description,Values=ELB*";
        // The load balancer's interfaces go by themselves.
        let mut left = String::from("?");
        for _ in 0..200 {
            left = aws.text(&format!(
                "ec2 describe-network-interfaces --filters {balancers} --query NetworkInterfaces[].NetworkInterfaceId --output text"
            ));
            if left.trim().is_empty() {
                break;
            }
        }
        assert_eq!(left.trim(), "");
    }
}

fn nothing_is_left(aws: &mut Cli) {
    for (command, query) in [
        ("describe-vpcs --filters Name=is-default,Values=false", "Vpcs[].VpcId"),
        ("describe-subnets --filters Name=default-for-az,Values=false", "Subnets[].SubnetId"),
        ("describe-addresses", "Addresses[].AllocationId"),
        ("describe-volumes", "Volumes[].VolumeId"),
        ("describe-network-interfaces", "NetworkInterfaces[].NetworkInterfaceId"),
        ("describe-key-pairs", "KeyPairs[].KeyPairId"),
    ] {
        assert_eq!(aws.text(&format!("ec2 {command} --query {query} --output text")).trim(), "", "{command}");
    }
    assert_eq!(aws.ok("elb describe-load-balancers")["LoadBalancerDescriptions"], serde_json::json!([]));
}

/// What the examples have and ours have not: tags, an instance profile, policies.
const INSTANCE_EXCEPT: [&str; 2] = ["/Reservations/0/Instances/0/Tags/0", "/Reservations/0/Instances/0/IamInstanceProfile"];
const BALANCER_EXCEPT: [&str; 3] = [
    "/LoadBalancerDescriptions/0/BackendServerDescriptions/0",
    "/LoadBalancerDescriptions/0/Policies/LBCookieStickinessPolicies/0",
    "/LoadBalancerDescriptions/0/Policies/OtherPolicies/0",
];

/// The AWS CLI.
struct Cli {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What the outputs so far lack that the reference's examples have.
    lacking: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Answer {
    code: i32,
    out: String,
    err: String,
    /// The outputs of the reference's examples for the command.
    documented: Vec<Value>,
}

impl Cli {
    fn new(url: &str) -> Self {
        let python = environment("awscli", AWS_CLI);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_cli.py");
        let mut command = Command::new(python);
        command.arg(script).envs(KEYS).env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_ENDPOINT_URL", url);
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python runs");
        let commands = process.stdin.take().expect("piped");
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        Self { process, commands, answers, lacking: Vec::new() }
    }

    fn call(&mut self, command: &str) -> Answer {
        writeln!(self.commands, "{command}").expect("the CLI listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the CLI answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{command}: {error}: {line}"))
    }

    /// What a command that succeeds writes.
    fn text(&mut self, command: &str) -> String {
        let answer = self.call(command);
        assert_eq!(answer.code, 0, "{command}: {}", answer.err);
        answer.out
    }

    /// A command that succeeds and has nothing to say.
    fn silent(&mut self, command: &str) {
        assert_eq!(self.text(command), "", "{command}");
    }

    /// A command that succeeds and writes JSON.
    fn ok(&mut self, command: &str) -> Value {
        serde_json::from_str(&self.text(command)).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// A command that succeeds and writes what an example of the AWS CLI reference shows: all of its members, in the same form.
    fn documented(&mut self, nth: usize, command: &str, except: &[&str]) -> Value {
        let answer = self.call(command);
        assert_eq!(answer.code, 0, "{command}: {}", answer.err);
        let out: Value = serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{command}: {error}: {}", answer.out));
        let example = answer.documented.get(nth).unwrap_or_else(|| panic!("{command}: the reference has no example {nth}"));
        let mut lacking = Vec::new();
        compare(example, &out, "", except, &mut lacking);
        self.lacking.extend(lacking.into_iter().map(|what| format!("{command}: {what}")));
        out
    }

    /// A command that AWS refuses in these words.
    fn refused(&mut self, command: &str, code: &str, operation: &str, message: &str) {
        let answer = self.call(command);
        assert_eq!(answer.err, format!("An error occurred ({code}) when calling the {operation} operation: {message}"), "{command}");
        // "AWS CLI return codes", version 1: the service answered an error.
        assert_eq!(answer.code, 255, "{command}");
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

trait Id {
    fn id(&self, pointer: &str) -> String;
}

impl Id for Value {
    fn id(&self, pointer: &str) -> String {
        self.pointer(pointer).and_then(Self::as_str).unwrap_or_else(|| panic!("no {pointer} in {self:#}")).to_owned()
    }
}

/// Tells what an example has and an output lacks, or has in another form.
fn compare(example: &Value, out: &Value, path: &str, except: &[&str], lacking: &mut Vec<String>) {
    if except.contains(&path) {
        return;
    }
    match (example, out) {
        (Value::Object(members), Value::Object(_)) => {
            for (name, member) in members {
                compare(member, &out[name], &format!("{path}/{name}"), except, lacking);
            }
        }
        (Value::Array(examples), Value::Array(outs)) => match (examples.first(), outs.first()) {
            (Some(example), Some(out)) => compare(example, out, &format!("{path}/0"), except, lacking),
            (Some(_), None) if !except.contains(&format!("{path}/0").as_str()) => lacking.push(format!("{path} is empty")),
            _ => {}
        },
        (Value::String(example), Value::String(out)) => {
            let form = form(example);
            if form.is_some_and(|form| self::form(out) != Some(form)) {
                lacking.push(format!("{path} is {out}, not like {example}"));
            }
        }
        (Value::Bool(_), Value::Bool(_)) | (Value::Number(_), Value::Number(_)) => {}
        _ => lacking.push(format!("{path} is {out}, not like {example}")),
    }
}

/// What ids, ARNs and times have in common with their like: `vpc-`, `arn:aws:ec2`, the letters of a time.
fn form(text: &str) -> Option<String> {
    if text.starts_with("arn:") {
        return Some(text.split(':').take(3).collect::<Vec<_>>().join(":"));
    }
    if text.len() >= 19 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T' {
        return Some("time".to_owned());
    }
    if text.len() == 36 && text.matches('-').count() == 4 {
        return Some("uuid".to_owned());
    }
    let (prefix, rest) = text.rsplit_once('-')?;
    let is_id = rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_hexdigit() || b"EXAMPL".contains(&b));
    is_id.then(|| prefix.to_owned())
}
