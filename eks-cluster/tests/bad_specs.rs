//! Wrong specs: each breaks one rule of AWS's documentation, and is told its stable code, the rule and the remedy before any call.

use std::collections::{BTreeMap, BTreeSet};

use eks_cluster::{
    AccessEntry, AccessPolicy, AccessType, Addon, Addons, AutoMode, ClusterSpec, ClusterSpecBuilder, Components, Encryption, Endpoint,
    IpFamily, KubernetesVersion, NodePool, RemoteNetworks, RoleChoice, ScoringStrategy, UpgradePolicy,
};
use eks_core::{AuthenticationMode, ClusterName, NetworkRefs, Owner, Ref, RoleArn, SubnetRef, Tier};
use jiff::civil::date;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn network() -> NetworkRefs {
    let subnet = |id: &str, zone: &str| SubnetRef {
        id: Ref::Known(id.parse().expect("an id")),
        zone: zone.parse().expect("a zone"),
        tier: Tier::Private,
    };
    let group = |id: &str| Ref::Known(id.parse().expect("an id"));
    NetworkRefs {
        vpc: Ref::Known("vpc-0123456789abcdef0".parse().expect("an id")),
        cidrs: vec!["10.0.0.0/16".to_owned()],
        subnets: vec![subnet("subnet-00000001", "us-east-1a"), subnet("subnet-00000002", "us-east-1b")],
        security_groups: BTreeMap::from([("control".to_owned(), group("sg-00000001")), ("nodes".to_owned(), group("sg-00000002"))]),
        egress: Vec::new(),
    }
}

fn of(version: KubernetesVersion, network: NetworkRefs) -> ClusterSpecBuilder {
    let (owner, name) = (Owner::new("shop").expect("an owner"), ClusterName::new("shop").expect("a name"));
    ClusterSpec::builder(&owner, name, version, network).today(date(2026, 11, 22))
}

fn spec() -> ClusterSpecBuilder {
    of(KubernetesVersion::V1_36, network())
}

fn over(change: impl FnOnce(&mut NetworkRefs)) -> ClusterSpecBuilder {
    let mut network = network();
    change(&mut network);
    of(KubernetesVersion::V1_36, network)
}

fn version(text: &str) -> ClusterSpecBuilder {
    of(text.parse().expect("a version"), network())
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn person() -> AccessEntry {
    AccessEntry::standard(role("dev"))
}

fn nodes(kind: AccessType) -> AccessEntry {
    AccessEntry::nodes(kind, "workers", role("workers").parse::<RoleArn>().expect("an ARN"))
}

fn addon(addon: Addon) -> ClusterSpecBuilder {
    spec().no_addons().addon(addon)
}

/// The spec, the code, and what must be said of the rule and of the remedy.
type Row = (ClusterSpecBuilder, &'static str, &'static str, &'static str);

/// EKS User Guide, "Understand the Kubernetes version lifecycle on EKS".
fn versions() -> Vec<Row> {
    vec![
        (version("1.10"), "version-ended", "supports it no more", "1.34, 1.35, 1.36, 1.37"),
        (version("1.31").today(date(2026, 11, 27)), "version-ended", "ended on 2026-11-26", "choose a version in standard support"),
        (version("1.37").today(date(2026, 1, 1)), "version-upcoming", "comes to EKS on 2026-10-01", "choose a version"),
        (
            version("1.33").upgrade_policy(UpgradePolicy::Standard),
            "upgrade-policy-extended",
            "in extended support, where the upgrade policy STANDARD cannot be chosen",
            "UpgradePolicy::Extended",
        ),
    ]
}

/// EKS User Guide, "View Amazon EKS networking requirements for VPC and subnets" and "View security group requirements".
fn networks() -> Vec<Row> {
    let five = |network: &mut NetworkRefs| {
        let group = |n: u8| (n.to_string(), Ref::Known(format!("sg-1000000{n}").parse().expect("an id")));
        network.security_groups = (0..5).map(group).collect();
    };
    vec![
        (over(|network| network.subnets.truncate(1)), "subnets-too-few", "at least 2", "another zone"),
        (
            over(|network| network.subnets[1].zone = "us-east-1a".parse().expect("a zone")),
            "subnets-too-few",
            "these are 2 in 1",
            "another zone",
        ),
        (
            over(|network| network.subnets[1].zone = "us-west-2b".parse().expect("a zone")),
            "subnets-of-regions",
            "us-east-1, us-west-2",
            "of one VPC",
        ),
        (
            over(|network| network.subnets[1].zone = "us-east-1-bos-1a".parse().expect("a zone")),
            "subnet-zone",
            "Local or Wavelength Zone",
            "Availability Zones",
        ),
        (over(|network| network.subnets.push(network.subnets[0].clone())), "subnet-twice", "given twice", "give it once"),
        (over(|network| network.cidrs.push("ten".to_owned())), "vpc-cidr-form", "not an IPv4 block", "10.0.0.0/16"),
        (spec().security_groups(["elb"]), "security-group-unknown", "none of this name", "control, nodes"),
        (spec().security_groups(["nodes", "nodes"]), "security-group-twice", "given twice", "give it once"),
        (over(five).security_groups(["0", "1", "2", "3", "4"]), "security-groups-count", "EKS takes 4", "merge"),
        (
            spec().service_cidr("10.0.8.0/22"),
            "service-cidr-overlap",
            "overlaps the VPC's block 10.0.0.0/16",
            "no block of the VPC overlaps",
        ),
        (spec().service_cidr("172.20.0.0/25"), "service-cidr-size", "between /12 and /24", "/16"),
        (spec().service_cidr("10.128.0.0/9"), "service-cidr-size", "between /12 and /24", "/16"),
        (spec().service_cidr("100.64.0.0/16"), "service-cidr-range", "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16", "inside one of them"),
        (spec().service_cidr("172.20.0.1/16"), "service-cidr-host-bits", "bits set beyond its prefix", "172.20.0.0/16"),
        (spec().service_cidr("services"), "service-cidr-form", "", ""),
    ]
}

/// EKS User Guide, "Cluster API server endpoint".
fn endpoints() -> Vec<Row> {
    let many = (0..41).map(|n| format!("198.51.100.{n}/32"));
    vec![
        (spec().endpoint(Endpoint::Private).public_access_cidrs(["198.51.100.0/24"]), "public-access-without-public-endpoint", "", ""),
        (spec().public_access_cidrs(["192.168.0.0/16"]), "public-access-reserved", "", ""),
        (spec().public_access_cidrs(["198.51.100.1/24"]), "public-access-host-bits", "", "198.51.100.0/24"),
        (spec().public_access_cidrs(["office"]), "public-access-form", "", ""),
        (spec().public_access_cidrs(["198.51.100.0/24", "198.51.100.0/24"]), "public-access-twice", "", ""),
        (spec().public_access_cidrs(many), "public-access-count", "40", ""),
    ]
}

/// EKS User Guide, "Create access entries", "Associate access policies with access entries" and "Set a custom username".
fn access() -> Vec<Row> {
    let arn = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    let none: [&str; 0] = [];
    let of_other_account: RoleArn = "arn:aws:iam::210987654321:role/workers".parse().expect("an ARN");
    let config_map = || spec().authentication(AuthenticationMode::ConfigMap);
    let entry = |entry: AccessEntry| spec().access_entry(entry);
    vec![
        (config_map().creator_admin(false), "creator-locked-out", "the only one who can enter", "leave creator_admin on"),
        (config_map().admin(role("ops")), "access-mode", "has no access entries", "ApiAndConfigMap"),
        (spec().admin("ops"), "access-principal", "an IAM role or user, by its ARN", "arn:aws:iam::<account>:role/<name>"),
        (spec().admin("arn:aws:iam::123456789012:group/ops"), "access-principal", "groups, accounts and instance profiles", "role/<name>"),
        (spec().admin("arn:aws:iam::123456789012:instance-profile/n"), "access-principal", "instance profiles have none", "role/<name>"),
        (spec().admin("arn:aws:sts::123456789012:assumed-role/ops/me"), "access-session", "a session, not a principal", "the role's ARN"),
        (spec().admin(role("dev-*")), "access-wildcard", "wildcards are not allowed", "each its own"),
        (
            spec().admin(role("aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS")),
            "access-service-role",
            "no access entry for a service-linked role",
            "another role",
        ),
        (spec().admin("arn:aws-cn:iam::123456789012:role/ops"), "access-partition", "partition aws-cn", "the cluster's partition"),
        (spec().admin(role("ops")).admin(role("ops")), "access-twice", "one access entry", "once"),
        (spec().admin(role("a/ops")).admin(role("b/ops")), "access-name-twice", "has the same name", "AccessEntry::named"),
        (entry(person().named("a b")), "access-name", "part of a key", ""),
        (entry(person().username("system:dev")), "access-username", "begins with system:, which is reserved", "team:{{SessionName}}"),
        (entry(person().username("dev{{SessionName}}")), "access-username", "no colon before {{SessionName}}", "team:{{SessionName}}"),
        (entry(person().username("a:{{EC2PrivateDNSName}}")), "access-username", "none of its placeholders", "leave it to EKS"),
        (entry(person().group("system:masters")), "access-group-masters", "cannot be given", "AmazonEKSClusterAdminPolicy"),
        (entry(person().group("eks:dev")), "access-group", "begins with eks:", "a group of your own"),
        (entry(person().group("dev").group("dev")), "access-group-twice", "given twice", "once"),
        (entry(person().group("dev team")), "access-group-form", "no name of a group", "role bindings"),
        (entry(person().policy(AccessPolicy::new(arn))), "access-policy-name", "no name of an access policy", "list-access-policies"),
        (
            entry(person().policy(AccessPolicy::new("AdministratorAccess"))),
            "access-policy-name",
            "IAM policies are none",
            "AmazonEKSViewPolicy",
        ),
        (
            entry(person().policy(AccessPolicy::edit()).policy(AccessPolicy::edit().in_namespaces(["x"]))),
            "access-policy-twice",
            "associated once",
            "with all its namespaces",
        ),
        (
            entry(person().policy(AccessPolicy::view().in_namespaces(none))),
            "access-namespaces-none",
            "none is given",
            "leave in_namespaces out",
        ),
        (entry(person().policy(AccessPolicy::view().in_namespaces(["Shop"]))), "access-namespace", "\"Shop\" is no name", "dev-*"),
        (
            entry(nodes(AccessType::Ec2Linux).group("dev")),
            "access-fixed-identity",
            "fixes the user name and groups of type EC2_LINUX",
            "STANDARD",
        ),
        (entry(nodes(AccessType::FargateLinux).username("x")), "access-fixed-identity", "FARGATE_LINUX", "leave them out"),
        (
            entry(nodes(AccessType::HybridLinux).policy(AccessPolicy::view())),
            "access-policy-type",
            "HYBRID_LINUX",
            "leave the policies out",
        ),
        (
            entry(nodes(AccessType::Ec2Windows)).node_role_entry("far", of_other_account),
            "access-account",
            "of account 210987654321",
            "a role of that account",
        ),
    ]
}

/// EKS User Guide, "Amazon EKS add-ons"; EKS API Reference, CreateAddon.
fn addons() -> Vec<Row> {
    let agent = Addon::new("eks-pod-identity-agent");
    let given: RoleArn = role("x").parse().expect("an ARN");
    vec![
        (addon(Addon::new("vpc cni")), "addon-name", "1–100 letters", "DescribeAddonVersions"),
        (
            addon(Addon::new("coredns").version("latest")),
            "addon-version",
            "\"latest\" is not an add-on version",
            "leave it out for the default",
        ),
        (addon(Addon::new("coredns").configuration("{replicas: 2}")), "addon-configuration", "not JSON", ""),
        (addon(Addon::new("aws-ebs-csi-driver")), "addon-role-without-agent", "needs the add-on eks-pod-identity-agent", "without_role()"),
        (
            spec().addons(Addons::none().with(agent).with(Addon::new("x").pod_identity("kube-system/x", given))),
            "addon-service-account",
            "",
            "",
        ),
    ]
}

/// EKS API Reference, CreateCluster; EKS User Guide, "Create an Amazon EKS cluster", "Automate cluster infrastructure with EKS Auto Mode",
/// "Prepare networking for hybrid nodes" and "Encrypt Kubernetes secrets with KMS".
fn settings() -> Vec<Row> {
    let key = |arn: &str| Encryption::CustomerManaged(arn.parse().expect("the ARN of a key"));
    let remote = |nodes: &[&str], pods: &[&str]| {
        let blocks = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a block")).collect::<Vec<_>>();
        spec().remote_networks(RemoteNetworks::new(blocks(nodes), blocks(pods)))
    };
    let components = |components: Components| spec().components(components);
    let config_map = || spec().authentication(AuthenticationMode::ConfigMap);
    vec![
        (
            spec().encryption(key("arn:aws:kms:eu-west-1:123456789012:key/a")),
            "kms-key-region",
            "the cluster's Region, us-east-1",
            "a key of us-east-1",
        ),
        (
            spec().encryption(key("arn:aws-cn:kms:cn-north-1:123456789012:key/a")),
            "kms-key-partition",
            "partition aws",
            "the cluster's partition",
        ),
        (spec().ip_family(IpFamily::Ipv6).service_cidr("172.20.0.0/16"), "service-cidr-ipv6", "", ""),
        (spec().public_access_cidrs(["2600:1f00::/24"]), "public-access-family", "IPv4 addresses alone", "choose the IPv6 family"),
        (config_map().auto_mode(AutoMode::without_pools()), "auto-mode-authentication", "by access entries", "ApiAndConfigMap"),
        (
            spec().auto_mode(AutoMode::without_pools()).bootstrap_self_managed_addons(true),
            "auto-mode-self-managed",
            "must not install vpc-cni, coredns and kube-proxy",
            "leave bootstrap_self_managed_addons out",
        ),
        (
            spec().auto_mode(AutoMode::On { node_pools: [NodePool::System].into(), node_role: None }),
            "auto-mode-node-role",
            "need a role",
            "no node pools",
        ),
        (remote(&["11.0.0.0/16"], &[]), "remote-range", "192.168.0.0/16", "private addresses"),
        (remote(&["10.0.128.0/20"], &[]), "remote-overlap", "overlaps the VPC's block 10.0.0.0/16", "apart from one another"),
        (remote(&["192.168.1.1/24"], &[]), "remote-host-bits", "bits set beyond its prefix", "192.168.1.0/24"),
        (remote(&[], &["192.168.0.0/16"]), "remote-pods-alone", "no network of nodes", "give the nodes' blocks"),
        (components(Components::default().event_minutes(61)), "event-minutes", "10 to 60 minutes", "between"),
        (components(Components::default().node_ports(10259, 32767)), "node-ports", "within 10260 to 32767", "the first before the last"),
        (components(Components::default().autoscaler_seconds(10)), "autoscaler-tier", "only provisioned control planes", "a scaling tier"),
        (
            components(Components::default().scoring(ScoringStrategy::MostAllocated, [("cpu", 101)])),
            "scoring-weight",
            "1 to 100",
            "between",
        ),
    ]
}

/// IAM User Guide, "IAM and AWS STS quotas"; EKS API Reference, TagResource.
fn roles_and_tags() -> Vec<Row> {
    let abroad = RoleChoice::Existing("arn:aws-us-gov:iam::123456789012:role/x".parse().expect("an ARN"));
    let many = (0..48).fold(spec(), |spec, n| spec.tag(format!("t{n}"), ""));
    vec![
        (spec().role(abroad), "role-partition", "another partition", "account and partition"),
        (
            spec().nodes_ready_after(["cluster/control-plane".parse().expect("a key")]),
            "nodes-ready-after",
            "nodes wait for",
            "k8s/nodes/<stack>",
        ),
        (spec().tag("aws:team", "x"), "tag-reserved", "aws: is AWS's own", "another key"),
        (spec().tag("eks-rs/owner", "x"), "tag-reserved", "put on by this crate", "another key"),
        (spec().tag("x".repeat(129), "y"), "tag-length", "1–128 characters", "shorten"),
        (spec().tag("team", "R&D"), "tag-characters", "letters, digits, spaces", "leave other characters out"),
        (many, "tags-count", "47 fit beside ours, these are 48", "fewer"),
    ]
}

#[test]
fn each_wrong_spec_is_told_its_code_its_rule_and_its_remedy() -> Tested {
    assert!(spec().build().is_ok());
    let rows: Vec<Row> =
        [versions(), networks(), endpoints(), settings(), access(), addons(), roles_and_tags()].into_iter().flatten().collect();
    assert!(rows.len() >= 40, "{}", rows.len());
    let mut seen = BTreeSet::new();
    for (wrong, code, rule, remedy) in rows {
        let error = wrong.build().err().ok_or_else(|| format!("{code}: it was accepted"))?;
        let [problem] = error.problems.as_slice() else { return Err(format!("{code}: {error}").into()) };
        assert_eq!(problem.code, code, "{error}");
        assert!(problem.rule.contains(rule), "{code}: {rule:?} not in {:?}", problem.rule);
        assert!(!problem.remedy.is_empty() && problem.remedy.contains(remedy), "{code}: {remedy:?} not in {:?}", problem.remedy);
        assert!(!problem.subject.is_empty(), "{code}");
        seen.insert(code);
    }
    assert!(seen.len() >= 40, "{} codes", seen.len());
    Ok(())
}

#[test]
fn several_wrongs_are_told_at_once() {
    let error = spec().admin("ops").service_cidr("10.0.0.0/20").security_groups(["elb"]).tag("aws:x", "y").build().unwrap_err();
    let codes: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["security-group-unknown", "service-cidr-overlap", "access-principal", "tag-reserved"]);
}
