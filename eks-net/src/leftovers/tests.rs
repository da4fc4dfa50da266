//! Whose something is, and what becomes of it.

use eks_core::{ClusterName, ClusterStanding, ClusterTrace, OWNER_TAG, Operation, Owner, Removal, Teardown, VpcId};

use super::*;
use crate::tags::Tags;

const HERE: &str = "vpc-00000000000000001";
const THERE: &str = "vpc-00000000000000002";
/// When the cluster was made.
const SINCE: i64 = 1_000;

fn vpc(id: &str) -> VpcId {
    id.parse().unwrap()
}

fn trace(standing: ClusterStanding) -> ClusterTrace {
    ClusterTrace { name: ClusterName::new("shop").unwrap(), standing }
}

fn stands() -> ClusterTrace {
    trace(ClusterStanding::Ours { vpc: Some(vpc(THERE)), since: Some(SINCE) })
}

fn left(kind: LeftoverKind, id: &str, place: Option<&str>, tags: &[(&str, &str)]) -> Leftover {
    Leftover {
        kind,
        id: id.to_owned(),
        name: format!("name of {id}"),
        vpc: place.map(vpc),
        since: None,
        state: "available".to_owned(),
        uses: Default::default(),
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Tags>(),
        usd_per_month: 1.0,
    }
}

fn seen(trace: ClusterTrace, found: Vec<Leftover>) -> ObservedLeftovers {
    let owner = Owner::new("team").unwrap();
    ObservedLeftovers {
        region: Some("us-east-1".to_owned()),
        vpcs: [vpc(HERE)].into(),
        found,
        ..ObservedLeftovers::nothing(&owner, [trace])
    }
}

const OWNED: (&str, &str) = ("kubernetes.io/cluster/shop", "owned");

fn whose(trace: ClusterTrace, found: Leftover) -> Whose {
    seen(trace, vec![found]).judged().pop().map_or(Whose::Others, |(_, whose)| whose)
}

#[test]
fn what_lies_in_our_vpc_and_names_our_cluster_is_ours() {
    for (key, value) in [
        OWNED,
        ("elbv2.k8s.aws/cluster", "shop"),
        ("eks:eks-cluster-name", "shop"),
        ("cluster.k8s.amazonaws.com/name", "shop"),
        ("aws:eks:cluster-name", "shop"),
    ] {
        for standing in [stands(), trace(ClusterStanding::Gone)] {
            assert_eq!(whose(standing, left(LeftoverKind::SecurityGroup, "sg-1", Some(HERE), &[(key, value)])), Whose::Ours, "{key}");
        }
    }
}

#[test]
fn look_alikes_are_not() {
    let group = |tags: &[(&str, &str)]| left(LeftoverKind::SecurityGroup, "sg-1", Some(HERE), tags);
    for (tags, why) in [
        (&[("kubernetes.io/cluster/shop", "shared")][..], "users share it"),
        (&[("kubernetes.io/cluster/shop2", "owned")], "another cluster whose name begins alike"),
        (&[("Name", "k8s-elb-shop")], "its name alone"),
        (&[OWNED, (OWNER_TAG, "somebody")], "another owner's"),
        (&[OWNED, ("eks-rs/adopted", "")], "adopted"),
        (&[OWNED, ("eks-rs/used-by/somebody", "")], "another owner uses it"),
        (&[OWNED, ("aws:cloudformation:stack-id", "arn:aws:cloudformation:us-east-1:1:stack/w/1")], "a stack's"),
    ] {
        assert_eq!(whose(stands(), group(tags)), Whose::Others, "{why}");
    }
    assert!(matches!(whose(stands(), group(&[OWNED, ("kubernetes.io/cluster/other", "owned")])), Whose::InDoubt(_)), "of two clusters");
    // Another's cluster has the name: its own things are its own, and what lies in our VPC is told.
    assert!(matches!(whose(trace(ClusterStanding::Others), group(&[OWNED])), Whose::InDoubt(_)));
    let elsewhere = left(LeftoverKind::SecurityGroup, "sg-1", Some(THERE), &[OWNED]);
    assert_eq!(whose(trace(ClusterStanding::Others), elsewhere), Whose::Others);
}

#[test]
fn in_a_vpc_of_others_a_thing_must_be_younger_than_the_cluster() {
    let balancer =
        |place: &str, since: Option<i64>| Leftover { since, ..left(LeftoverKind::ClassicLoadBalancer, "a1", Some(place), &[OWNED]) };
    assert_eq!(whose(stands(), balancer(THERE, Some(SINCE + 1))), Whose::Ours);
    for (place, since, standing) in [
        (THERE, Some(SINCE - 1), stands()),
        // Even in our own: a cluster of that name was there before, and may have been another's.
        (HERE, Some(SINCE - 1), stands()),
        (THERE, None, stands()),
        ("vpc-00000000000000003", Some(SINCE + 1), stands()),
        (THERE, Some(SINCE + 1), trace(ClusterStanding::Gone)),
    ] {
        let judged = whose(standing.clone(), balancer(place, since));
        assert!(matches!(judged, Whose::InDoubt(_)), "{place} {since:?} {standing:?}: {judged:?}");
    }
    // EC2 does not tell when a group was made: the load balancer that uses it proves it.
    let group = left(LeftoverKind::SecurityGroup, "sg-1", Some(THERE), &[OWNED]);
    assert!(matches!(whose(stands(), group.clone()), Whose::InDoubt(_)));
    let user = Leftover { uses: ["sg-1".to_owned()].into(), ..balancer(THERE, Some(SINCE + 1)) };
    let sends = Leftover { uses: [user.id.clone()].into(), ..left(LeftoverKind::TargetGroup, "t", Some(THERE), &[OWNED]) };
    assert!(matches!(whose(stands(), sends.clone()), Whose::InDoubt(_)));
    let both = seen(stands(), vec![user, group, sends]);
    assert!(both.judged().iter().all(|(_, whose)| *whose == Whose::Ours), "{:?}", both.judged());
}

#[cfg(feature = "aws")]
#[test]
fn interfaces_that_came_later_are_judged_too() {
    let cni = ("cluster.k8s.amazonaws.com/name", "shop");
    let interface = |id: &str, since, tags: &[(&str, &str)]| Leftover { since, ..left(LeftoverKind::Interface, id, Some(THERE), tags) };
    let found = || {
        vec![
            interface("eni-ours", Some(SINCE + 1), &[cni]),
            interface("eni-older", Some(SINCE - 1), &[cni]),
            interface("eni-theirs", Some(SINCE + 1), &[cni, (OWNER_TAG, "somebody")]),
            interface("eni-ageless", None, &[cni]),
        ]
    };
    let owner = Owner::new("team").unwrap();
    let swept = |made: Option<VpcId>| ObservedLeftovers::provably_of(&owner, stands(), made, found());
    assert_eq!(swept(None), ["eni-ours"]);
    assert_eq!(swept(Some(vpc(THERE))), ["eni-ours", "eni-ageless"]);
}

#[test]
fn volumes_lie_nowhere_and_are_never_deleted() {
    let volume = |tags: &[(&str, &str)], since| Leftover { since, ..left(LeftoverKind::Volume, "vol-1", None, tags) };
    assert_eq!(whose(stands(), volume(&[OWNED], Some(SINCE + 1))), Whose::Ours);
    assert_eq!(whose(trace(ClusterStanding::Gone), volume(&[OWNED, (OWNER_TAG, "team")], None)), Whose::Ours);
    assert!(matches!(whose(trace(ClusterStanding::Gone), volume(&[OWNED], Some(SINCE + 1))), Whose::InDoubt(_)));
    let now = seen(stands(), vec![volume(&[OWNED], Some(SINCE + 1))]);
    for handling in [Handling::Remove, Handling::Tell] {
        let teardown = now.teardown(handling, Some(&above(&["shop"]))).unwrap();
        assert!(teardown.is_empty(), "{teardown}");
        assert_eq!(teardown.stays().len(), 1);
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Op;

impl Operation for Op {
    const LAYER: &'static str = "k8s";
}

fn cluster_goes(name: &str) -> Removal {
    Removal::new("cluster/control-plane".parse().unwrap(), "control plane", name, &Op).unwrap()
}

/// The teardown of the layers above, by which these clusters go.
fn above(clusters: &[&str]) -> Teardown {
    let none = Teardown::builder(&Owner::new("team").unwrap(), "cluster", serde_json::Value::Null);
    clusters.iter().fold(none, |teardown, name| teardown.removal(cluster_goes(name))).build().unwrap()
}

#[test]
fn what_a_cluster_that_stays_has_is_in_use() {
    let in_use = |name: &str| {
        let tag = format!("kubernetes.io/cluster/{name}");
        let tags = &[(tag.as_str(), "owned")][..];
        [
            Leftover { since: Some(SINCE + 1), ..left(LeftoverKind::ClassicLoadBalancer, &format!("of-{name}"), Some(HERE), tags) },
            left(LeftoverKind::Volume, &format!("vol-{name}"), None, &[tags[0], (OWNER_TAG, "team")]),
        ]
    };
    let mut now = seen(stands(), in_use("shop").into_iter().chain(in_use("lab")).collect());
    now.traces.push(ClusterTrace { name: ClusterName::new("lab").unwrap(), ..stands() });
    for handling in [Handling::Remove, Handling::Tell] {
        for above in [None, Some(above(&[])), Some(above(&["another"]))] {
            let nothing = now.teardown(handling, above.as_ref()).unwrap();
            assert!(nothing.is_empty() && nothing.stays().is_empty(), "both stand: {nothing}");
        }
    }
    let teardown = now.teardown(Handling::Remove, Some(&above(&["shop"]))).unwrap();
    let removed: Vec<_> = teardown.removals().iter().map(|removal| removal.id.as_str()).collect();
    assert_eq!((removed, teardown.stays()[0].id.as_str(), teardown.stays().len()), (vec!["of-shop"], "vol-shop", 1), "{teardown}");
    // Nor does its verdict tell of what the other has.
    assert!(!teardown.scopes()["leftovers"].to_string().contains("lab"));
}

#[test]
fn an_order_that_ends() {
    let tags = &[OWNED][..];
    let now = seen(
        trace(ClusterStanding::Gone),
        vec![
            left(LeftoverKind::SecurityGroup, "sg-00000000000000001", Some(HERE), tags),
            left(LeftoverKind::TargetGroup, "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/2", Some(HERE), tags),
            left(LeftoverKind::Interface, "eni-00000000000000001", Some(HERE), &[("cluster.k8s.amazonaws.com/name", "shop")]),
            left(LeftoverKind::NetworkLoadBalancer, "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/net/n/1", Some(HERE), tags),
        ],
    );
    let teardown = now.teardown(Handling::Remove, None).unwrap();
    insta::assert_snapshot!(teardown, @r"
    teardown of team: 5 to remove, about 42s, saves $1.00 a month
      - leftovers/load-balancer/n                       network load balancer (name of arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/net/n/1) arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/net/n/1 ($1.00 a month)
      - leftovers/target-group/t                        target group (name of arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/2) arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/2
      - leftovers/interface/eni-00000000000000001       network interface (name of eni-00000000000000001) eni-00000000000000001
      - leftovers/interface/shop-vpc-00000000000000001  interfaces that the VPC CNI of shop may leave in vpc-00000000000000001
      - leftovers/security-group/sg-00000000000000001   security group (name of sg-00000000000000001) sg-00000000000000001
      ! leftovers/scope/account: not looked at: snapshots, CloudWatch log groups, KMS grants, Route 53 records, certificates, images in ECR
    ");
    let told = now.teardown(Handling::Tell, None).unwrap();
    assert!(told.is_empty(), "{told}");
    assert_eq!(told.stays().len(), 4);
    let commands: Vec<_> = told.stays().iter().map(|survivor| survivor.remedy.as_str()).collect();
    assert!(commands.iter().all(|command| command.contains("aws e") && command.ends_with("--region us-east-1")), "{commands:?}");
}

#[test]
fn what_its_own_object_takes_along_is_not_counted_twice() {
    let tags = &[OWNED, ("kubernetes.io/service-name", "default/web")][..];
    let claimed = &[OWNED, ("kubernetes.io/created-for/pvc/namespace", "default"), ("kubernetes.io/created-for/pvc/name", "data")][..];
    let now = seen(
        stands(),
        vec![
            Leftover { since: Some(SINCE + 1), ..left(LeftoverKind::ClassicLoadBalancer, "a1", Some(HERE), tags) },
            Leftover { since: Some(SINCE + 1), ..left(LeftoverKind::Volume, "vol-1", None, claimed) },
        ],
    );
    let removal = |key: &str| Removal::new(key.parse().unwrap(), "it", "id", &Op).unwrap();
    let above = Teardown::builder(&now.owner, "k8s", serde_json::Value::Null);
    let above = above.removal(removal("k8s/service/default/web")).removal(removal("k8s/claim/default/data")).removal(cluster_goes("shop"));
    let teardown = now.teardown(Handling::Remove, Some(&above.clone().build().unwrap())).unwrap();
    assert!(teardown.removals()[0].title.contains("unless its Service takes it along") && teardown.stays().is_empty(), "{teardown}");
    assert!(teardown.removals()[0].usd_per_month == 0.0);
    // A claim whose volume is retained goes without it.
    let above = above.stays(eks_core::Survivor::new("EBS volume", "vol-1", "it is retained", "", 1.0)).build().unwrap();
    assert_eq!(now.teardown(Handling::Remove, Some(&above)).unwrap().stays().len(), 1);
}
