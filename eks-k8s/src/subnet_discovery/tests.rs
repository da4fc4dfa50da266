//! Discovery against an oracle that was written from the rules' text, and knows no more than it.

use proptest::prelude::*;

use super::*;

fn cluster() -> ClusterName {
    ClusterName::new("chap10").expect("a name")
}

fn search(controller: Controller, balancer: Balancer, internet_facing: bool) -> SubnetSearch {
    SubnetSearch { subject: "service web".to_owned(), controller, balancer, internet_facing, cluster: cluster(), named: Vec::new() }
}

fn subnet(id: &str, zone: &str, free: u32, public: bool, tags: &[(&str, &str)]) -> VpcSubnet {
    VpcSubnet {
        id: id.to_owned(),
        zone: zone.to_owned(),
        free_addresses: free,
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        routes_to_internet: public,
    }
}

const ROLE: (&str, &str) = ("kubernetes.io/role/elb", "1");
const INTERNAL: (&str, &str) = ("kubernetes.io/role/internal-elb", "1");
const OURS: (&str, &str) = ("kubernetes.io/cluster/chap10", "shared");
const THEIRS: (&str, &str) = ("kubernetes.io/cluster/other", "owned");

/// What the rules say, sentence by sentence: throws out what a sentence throws out, then tries every subnet of a zone against all others.
fn oracle(search: &SubnetSearch, all: &[VpcSubnet]) -> BTreeMap<String, String> {
    let tagged = |subnet: &VpcSubnet, key: &str| subnet.tags.iter().any(|(name, _)| name == key);
    let mine = |subnet: &VpcSubnet| tagged(subnet, "kubernetes.io/cluster/chap10");
    let clusters = |subnet: &VpcSubnet| subnet.tags.keys().filter(|key| key.starts_with("kubernetes.io/cluster/")).count();
    let role = if search.internet_facing { "kubernetes.io/role/elb" } else { "kubernetes.io/role/internal-elb" };
    let mut left: Vec<VpcSubnet> = all.to_vec();
    match search.controller {
        Controller::CloudProvider => {
            // "Candidates: tagged for the cluster, or carrying no cluster tag at all."
            left.retain(|subnet| mine(subnet) || clusters(subnet) == 0);
            // "Public ELB: ignores subnets whose route table has no IGW route."
            left.retain(|subnet| !search.internet_facing || subnet.routes_to_internet);
        }
        other => {
            // "If subnets with matching role tag exist, only these become candidates"; the value is 1 or empty.
            let matching: Vec<VpcSubnet> =
                left.iter().filter(|subnet| matches!(subnet.tags.get(role).map(String::as_str), Some("1" | ""))).cloned().collect();
            left = if !matching.is_empty() || other == Controller::AutoMode {
                matching
            } else {
                // "If no subnets have role tags: candidates are subnets whose reachability matches the scheme."
                left.into_iter().filter(|subnet| subnet.routes_to_internet == search.internet_facing).collect()
            };
            // "Subnets carrying only another cluster's tag are excluded", and "fewer than eight free addresses".
            left.retain(|subnet| mine(subnet) || clusters(subnet) == 0);
            left.retain(|subnet| subnet.free_addresses > 7);
        }
    }
    let beats = |a: &VpcSubnet, b: &VpcSubnet| {
        if search.controller == Controller::CloudProvider && tagged(a, role) != tagged(b, role) {
            return tagged(a, role);
        }
        if mine(a) != mine(b) { mine(a) } else { a.id <= b.id }
    };
    let mut chosen = BTreeMap::new();
    for candidate in &left {
        if left.iter().filter(|other| other.zone == candidate.zone).all(|other| beats(candidate, other)) {
            assert!(chosen.insert(candidate.zone.clone(), candidate.id.clone()).is_none(), "one of a zone");
        }
    }
    chosen
}

fn subnets() -> impl Strategy<Value = Vec<VpcSubnet>> {
    let role = || prop_oneof![3 => Just(None), 3 => Just(Some("1")), 1 => Just(Some("")), 1 => Just(Some("true")), 1 => Just(Some("0"))];
    let one = (0..4u8, prop_oneof![0..8u32, 8..9u32, 9..200u32], any::<bool>(), role(), role(), any::<bool>(), any::<bool>());
    proptest::collection::vec(one, 0..8).prop_map(|all| {
        let mut made = Vec::new();
        for (number, (zone, free, public, elb, internal, ours, theirs)) in all.into_iter().enumerate() {
            let mut tags = Vec::new();
            tags.extend(elb.map(|value| ("kubernetes.io/role/elb", value)));
            tags.extend(internal.map(|value| ("kubernetes.io/role/internal-elb", value)));
            tags.extend(ours.then_some(OURS));
            tags.extend(theirs.then_some(THEIRS));
            // Ids in another order than the subnets come in.
            made.push(subnet(
                &format!("subnet-{}{number}", (number * 5) % 8),
                &format!("us-east-1{}", char::from(b'a' + zone)),
                free,
                public,
                &tags,
            ));
        }
        made
    })
}

fn searches() -> impl Strategy<Value = SubnetSearch> {
    let controller = prop_oneof![Just(Controller::AutoMode), Just(Controller::CloudProvider), Just(Controller::LoadBalancerController)];
    let balancer = prop_oneof![Just(Balancer::Application), Just(Balancer::Classic), Just(Balancer::Network)];
    (controller, balancer, any::<bool>()).prop_map(|(controller, balancer, public)| search(controller, balancer, public))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn as_the_rules_say(search in searches(), subnets in subnets()) {
        let found = search.among(&subnets);
        prop_assert_eq!(&found.chosen, &oracle(&search, &subnets));
        // Every subnet is accounted for, once.
        let chosen: BTreeSet<_> = found.chosen.values().cloned().collect();
        let told: BTreeSet<_> = chosen.iter().cloned().chain(found.others.keys().cloned()).collect();
        prop_assert_eq!(told, subnets.iter().map(|subnet| subnet.id.clone()).collect::<BTreeSet<_>>());
        prop_assert_eq!(found.chosen.len() + found.others.len(), subnets.len());
        // Enough zones, each with room and reach: no problem, and only then.
        let good = |id: &String| subnets.iter().any(|s| s.id == *id && s.free_addresses >= 8 && (s.routes_to_internet || !search.internet_facing));
        let fine = found.chosen.len() >= search.balancer.zones() && found.chosen.values().all(good);
        prop_assert_eq!(found.problems.is_empty(), fine, "{:?}", found.problems);
    }

    /// Doing what a remedy says gives as many zones as are needed, if there are subnets in so many.
    #[test]
    fn remedies_help(search in searches(), subnets in subnets()) {
        let before = search.among(&subnets);
        let needed = search.balancer.zones();
        if before.chosen.len() >= needed {
            return Ok(());
        }
        let mut mended = subnets.clone();
        let mut find = |id: &str, change: &dyn Fn(&mut VpcSubnet)| change(mended.iter_mut().find(|subnet| subnet.id == id).expect("a subnet"));
        for advice in before.problems[0].remedy.split("; ") {
            if let Some((id, pairs)) = advice.strip_prefix("tag ").and_then(|rest| rest.split_once(" with ")) {
                for (key, value) in pairs.split(" and ").map(|pair| pair.split_once('=').expect("a tag")) {
                    find(id, &|subnet| drop(subnet.tags.insert(key.to_owned(), value.to_owned())));
                }
            } else if let Some(id) = advice.strip_prefix("free addresses in ") {
                find(id, &|subnet| subnet.free_addresses = 8);
            } else if let Some(id) = advice.strip_prefix("route ").and_then(|rest| rest.strip_suffix(" to an internet gateway")) {
                find(id, &|subnet| subnet.routes_to_internet = true);
            } else {
                prop_assert!(advice.starts_with("make a subnet"), "{}", advice);
            }
        }
        let zones: BTreeSet<_> = subnets.iter().map(|subnet| &subnet.zone).collect();
        let after = search.among(&mended);
        prop_assert!(after.chosen.len() >= needed.min(zones.len()), "{}: {:?} then {:?}", before.problems[0].remedy, before.chosen, after.chosen);
    }
}

#[test]
fn network_as_it_should_be() {
    let network = [
        subnet("subnet-1", "us-east-1a", 100, true, &[ROLE, OURS]),
        subnet("subnet-2", "us-east-1b", 100, true, &[ROLE, OURS]),
        subnet("subnet-3", "us-east-1a", 100, false, &[INTERNAL, OURS]),
        subnet("subnet-4", "us-east-1b", 100, false, &[INTERNAL, OURS]),
    ];
    for controller in [Controller::AutoMode, Controller::CloudProvider, Controller::LoadBalancerController] {
        for (public, ids) in [(true, ["subnet-1", "subnet-2"]), (false, ["subnet-3", "subnet-4"])] {
            let found = search(controller, Balancer::Application, public).among(&network);
            assert_eq!(found.chosen.values().collect::<Vec<_>>(), ids, "{controller:?} {public}");
            assert!(found.problems.is_empty() && found.remarks.is_empty(), "{found:?}");
        }
    }
}

/// What is wrong, and what to do.
#[test]
fn remedies() {
    let tell = |search: &SubnetSearch, subnets: &[VpcSubnet]| {
        let found = search.among(subnets);
        found.problems.iter().map(|problem| format!("{}: {}", problem.rule, problem.remedy)).collect::<Vec<_>>().join("\n")
    };
    let (lbc, auto, cloud) = (Controller::LoadBalancerController, Controller::AutoMode, Controller::CloudProvider);
    let (a, b) = ("us-east-1a", "us-east-1b");
    for (search, subnets, told) in [
        (
            search(auto, Balancer::Network, true),
            vec![subnet("subnet-1", a, 100, true, &[])],
            "a Network Load Balancer needs a subnet, and EKS Auto Mode finds 0 (subnet-1 lacks the tag of its role): tag subnet-1 with kubernetes.io/role/elb=1",
        ),
        (
            search(lbc, Balancer::Application, false),
            vec![subnet("subnet-1", a, 100, false, &[INTERNAL]), subnet("subnet-2", b, 100, false, &[])],
            "an Application Load Balancer needs subnets in 2 zones, and the AWS Load Balancer Controller finds 1 (subnet-2 lacks the tag of its role): tag subnet-2 with kubernetes.io/role/internal-elb=1",
        ),
        (
            search(lbc, Balancer::Network, false),
            vec![subnet("subnet-1", a, 7, false, &[INTERNAL])],
            "a Network Load Balancer needs a subnet, and the AWS Load Balancer Controller finds 0 (subnet-1 has 7 free addresses, fewer than 8): free addresses in subnet-1",
        ),
        (
            search(cloud, Balancer::Classic, true),
            vec![subnet("subnet-1", a, 100, false, &[ROLE])],
            "a Classic Load Balancer needs a subnet, and the cloud provider finds 0 (subnet-1 has no route to an internet gateway): route subnet-1 to an internet gateway",
        ),
        (
            search(cloud, Balancer::Classic, false),
            vec![subnet("subnet-1", a, 100, false, &[INTERNAL, THEIRS])],
            "a Classic Load Balancer needs a subnet, and the cloud provider finds 0 (subnet-1 is tagged for another cluster): tag subnet-1 with kubernetes.io/cluster/chap10=shared",
        ),
        (
            search(cloud, Balancer::Network, false),
            vec![subnet("subnet-1", a, 7, false, &[INTERNAL])],
            "subnet-1, which would be taken in us-east-1a, has 7 free addresses, fewer than 8; AWS refuses it: free addresses, or give another subnet of us-east-1a the tag kubernetes.io/role/internal-elb=1 and take it off subnet-1, or name subnets",
        ),
        (
            search(lbc, Balancer::Network, true),
            vec![subnet("subnet-1", a, 8, false, &[ROLE])],
            "subnet-1, which would be taken in us-east-1a, has no route to an internet gateway: nobody would reach it there: take the tag kubernetes.io/role/elb off subnet-1 and give it to a public subnet of us-east-1a, or route subnet-1 to an internet gateway",
        ),
    ] {
        assert_eq!(tell(&search, &subnets), told);
    }
}

#[test]
fn named_subnets() {
    let (a, b) = ("us-east-1a", "us-east-1b");
    let all = [
        subnet("subnet-1", a, 100, true, &[("Name", "first")]),
        subnet("subnet-2", a, 100, true, &[("Name", "second")]),
        subnet("subnet-3", b, 100, true, &[("Name", "second")]),
    ];
    let named = |names: &[&str]| {
        let mut search = search(Controller::LoadBalancerController, Balancer::Application, true);
        search.named = names.iter().map(|name| (*name).to_owned()).collect();
        search.among(&all)
    };
    assert_eq!(named(&["first", "subnet-3"]).problems, []);
    assert_eq!(named(&["first", "subnet-3"]).others["subnet-2"], NotChosen::NotNamed);
    for (names, rule) in [
        (&["first", "subnet-9"][..], "subnet subnet-9 is not in the VPC"),
        (&["first", "second"], "2 subnets are named second"),
        (&["first", "subnet-2"], "subnets subnet-1 and subnet-2 are both in us-east-1a"),
        (&["first"], "an Application Load Balancer needs subnets in 2 zones"),
    ] {
        let problems = named(names).problems;
        assert!(problems.iter().any(|problem| problem.rule.starts_with(rule)), "{problems:?}");
    }
}
