//! Plans, teardowns, verdicts and errors as people read them.

mod common;

use common::{denied, key, owner, plan, survivor, teardown};
use eks_core::{Diagnosis, Error, Finding, Plan, Problems, Teardown, Verdict};
use eks_view::Look;

/// Escapes made visible.
fn visible(text: impl std::fmt::Display) -> String {
    text.to_string().replace('\u{1b}', "␛")
}

#[test]
fn a_plan() {
    insta::assert_snapshot!(eks_view::plan(&plan()), @r##"
    plan for demo:  1 to create, 1 to update, 2 as they should be
    about 10m 00s on the critical path, $105.85 a month ($32.85 of it new), 3 IAM actions

    net
      + nat/us-east-1a  NAT gateway in us-east-1a   1m 54s  $32.85
        2 as they should be

    cluster
      ~ control-plane   control plane demo         10m 00s  $73.00 ◆
          version        1.35      → 1.36
          public access  0.0.0.0/0 → 198.51.100.0/24

    to review
      ! net/nat/us-east-1a
        a single point of failure: when us-east-1a fails, nothing has a way out
      · net/vpc
        flow logs are off

    critical path  about 10m 00s
      ◆ cluster/control-plane  10m 00s  ━━━━━━━━━━━━━━━━━━━━━━━━

    cost a month  on demand, us-east-1, before traffic
          73.00  EKS control plane
          32.85  NAT gateway
         105.85  together

    IAM actions
        ec2 1, eks 2
    "##);
}

#[test]
fn a_plan_in_colour() {
    insta::assert_snapshot!(visible(eks_view::plan(&plan()).look(Look::coloured())), @r##"
    ␛[1mplan for␛[0m ␛[1mdemo␛[0m:  ␛[32m1 to create␛[0m, ␛[33m1 to update␛[0m, ␛[2m2 as they should be␛[0m
    about 10m 00s on the critical path, $105.85 a month ($32.85 of it new), 3 IAM actions

    ␛[1mnet␛[0m
      ␛[32m+␛[0m nat/us-east-1a  NAT gateway in us-east-1a   1m 54s  $32.85
        ␛[2m2 as they should be␛[0m

    ␛[1mcluster␛[0m
      ␛[33m~␛[0m control-plane   control plane demo         10m 00s  $73.00 ␛[36m◆␛[0m
          ␛[33mversion␛[0m        ␛[2m1.35␛[0m      ␛[36m→␛[0m ␛[1m1.36␛[0m
          ␛[33mpublic access␛[0m  ␛[2m0.0.0.0/0␛[0m ␛[36m→␛[0m ␛[1m198.51.100.0/24␛[0m

    ␛[1mto review␛[0m
      ␛[1m␛[33m!␛[0m ␛[33mnet/nat/us-east-1a␛[0m
        a single point of failure: when us-east-1a fails, nothing has a way out
      ␛[1m␛[2m·␛[0m ␛[2mnet/vpc␛[0m
        flow logs are off

    ␛[1mcritical path␛[0m  ␛[36mabout 10m 00s␛[0m
      ␛[36m◆␛[0m cluster/control-plane  10m 00s  ␛[36m━━━━━━━━━━━━━━━━━━━━━━━━␛[0m

    ␛[1mcost a month␛[0m  ␛[2mon demand, us-east-1, before traffic␛[0m
          73.00  EKS control plane
          32.85  NAT gateway
      ␛[1m   105.85␛[0m  ␛[2mtogether␛[0m

    ␛[1mIAM actions␛[0m
        ec2 1, eks 2
    "##);
}

#[test]
fn a_plan_on_a_narrow_terminal() {
    let text = eks_view::plan(&plan()).look(Look::plain().width(44)).to_string();
    insta::assert_snapshot!(text, @r##"
    plan for demo
      1 to create
      1 to update
      2 as they should be
    about 10m 00s on the critical path, $105.85
    a month ($32.85 of it new), 3 IAM actions

    net
      + nat/us-east-1a   1m 54s  $32.85
          NAT gateway in us-east-1a
        2 as they should be

    cluster
      ~ control-plane   10m 00s  $73.00 ◆
          control plane demo
          version        1.35      → 1.36
          public access
            - 0.0.0.0/0
            → 198.51.100.0/24

    to review
      ! net/nat/us-east-1a
        a single point of failure: when
        us-east-1a fails, nothing has a way out
      · net/vpc
        flow logs are off

    critical path  about 10m 00s
      ◆ cluster/control-plane  10m 00s

    cost a month
          73.00  EKS control plane
          32.85  NAT gateway
         105.85  together

    IAM actions
        ec2 1, eks 2
    "##);
    // Of a diff, a value stays whole: it may have to be copied.
    assert!(text.lines().all(|line| line.chars().count() <= 48), "{text}");
}

#[test]
fn nothing_to_do() {
    let plan = Plan::builder(&owner(), "net").build().expect("an empty plan");
    insta::assert_snapshot!(eks_view::plan(&plan), @r##"
    plan for demo
    nothing to do; $0.00 a month
    "##);
}

#[test]
fn nothing_to_do_and_something_to_review() {
    let degraded = Finding::warning(key("net/vpc"), "is not as well as it looks");
    let plan = Plan::builder(&owner(), "net").step(common::kept("net/vpc")).finding(degraded).build().expect("a plan");
    insta::assert_snapshot!(eks_view::plan(&plan), @r##"
    plan for demo:  1 as they should be
    nothing to do; $0.00 a month

    to review
      ! net/vpc
        is not as well as it looks
    "##);
}

/// As those of files are: each problem with its place.
#[test]
fn an_error_of_several_lines_keeps_them() {
    let error = std::io::Error::other("shop.yaml: 2 problems\n  3:5 nodes: unknown\n\u{1b}[2J 7:1 zone\n");
    let text = eks_view::error(&error).to_string();
    assert_eq!(text, "error: shop.yaml: 2 problems\n    3:5 nodes: unknown\n   [2J 7:1 zone");
}

#[test]
fn a_teardown() {
    insta::assert_snapshot!(eks_view::teardown(&teardown()), @r##"
    teardown of demo:  2 to remove
    about 1m 00s, saves $32.85 a month

    net  $32.85 a month
      - nat/us-east-1a  NAT gateway nat-0123456789abcdef0  1m 00s  $32.85 ◆
      - vpc             VPC vpc-0123456789abcdef0                         ◆

    stays  $0.80 a month
      = EBS volume vol-0123456789abcdef0  $0.80 a month
        why its class retains volumes
        do  aws ec2 delete-volume --volume-id vol-0123456789abcdef0

    to review
      ! net/vpc
        peered with a VPC of another account
    "##);
    let refused = Teardown::builder(&owner(), "net", serde_json::Value::Null)
        .refuses(Finding::warning(key("cluster/control-plane"), "deletion protection is on; switch it off first"))
        .build()
        .expect("a teardown");
    insta::assert_snapshot!(eks_view::teardown(&refused), @r##"
    teardown of demo:  nothing is there

    nothing will be done
      ✗ cluster/control-plane
        deletion protection is on; switch it off first
    "##);
}

#[test]
fn verdicts() {
    insta::assert_snapshot!(eks_view::verdict(&Verdict::Clean), @r##"
    verdict: clean, nothing is left
    "##);
    insta::assert_snapshot!(eks_view::verdict(&Verdict::on(vec![survivor()])), @r##"
    verdict: leaked, 1 thing is left, $0.80 a month
      = EBS volume vol-0123456789abcdef0  $0.80 a month
        why its class retains volumes
        do  aws ec2 delete-volume --volume-id vol-0123456789abcdef0
    "##);
}

#[test]
fn a_call_that_is_denied() {
    let error = denied();
    insta::assert_snapshot!(eks_view::error(&error), @r##"
    error: eks:CreateCluster failed
      ✗ demo
        what     eks:CreateCluster for demo
        why      AccessDeniedException: User: arn:aws:iam::111122223333:user/me is not authorized to perform:
                 eks:CreateCluster
        do       allow eks:CreateCluster to whoever runs this (Plan::policy tells the least policy); where a
                 policy allows it, a boundary or an organization's policy forbids it
        request  7a62c49f-347e-4fc4-9331-6e8eEXAMPLE
    "##);
    assert!(visible(eks_view::error(&error).look(Look::coloured())).starts_with("␛[1m␛[31merror:␛[0m"));
}

#[test]
fn every_problem_of_a_spec() {
    let mut problems = Problems::new();
    problems.add("subnet-overlap", "subnet b", "overlaps subnet a", "move one of them");
    problems.add("zone-unknown", "zone us-east-1z", "is none of the Region's", "name one of us-east-1a to us-east-1f");
    let error = problems.finish("network demo", || ()).expect_err("two problems");
    insta::assert_snapshot!(eks_view::error(&error), @r##"
    error: network demo: 2 problems; nothing was called
      ✗ subnet b
        why      overlaps subnet a
        do       move one of them
                 · rule subnet-overlap
      ✗ zone us-east-1z
        why      is none of the Region's
        do       name one of us-east-1a to us-east-1f
                 · rule zone-unknown
    "##);
}

#[test]
fn what_wraps_an_error_of_ours_does_not_hide_it() {
    #[derive(Debug)]
    struct Wrapper(Error);
    impl std::fmt::Display for Wrapper {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "the tool failed")
        }
    }
    impl std::error::Error for Wrapper {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    assert_eq!(eks_view::explain(&Wrapper(denied())), eks_view::explain(&denied()));
    let foreign = std::io::Error::other("the disk is full");
    assert_eq!(eks_view::error(&foreign).to_string(), "error: the disk is full");
}

#[test]
fn a_diagnosis() {
    let diagnosis = Diagnosis {
        cause: "no-route".to_owned(),
        told: "subnet-1 has no way out".to_owned(),
        evidence: vec!["rtb-1 has no default route".to_owned()],
        fix: "add a NAT gateway, or VPC endpoints".to_owned(),
        page: "Nodes fail to join cluster".to_owned(),
    };
    let error = Error::Diagnosed { subject: "workers".to_owned(), diagnosis: Box::new(diagnosis) };
    insta::assert_snapshot!(eks_view::error(&error), @r##"
    error: workers will not come
      ✗ workers
        what     waited for workers
        why      subnet-1 has no way out (no-route)
        do       add a NAT gateway, or VPC endpoints
                 · rtb-1 has no default route
                 · page: Nodes fail to join cluster
    "##);
}

#[test]
fn no_message_steers_the_terminal() {
    let error = Error::Plan { subject: "\u{1b}]0;title\u{7}".to_owned(), reason: "\u{1b}[2J".to_owned() };
    assert!(!eks_view::error(&error).to_string().contains('\u{1b}'));
}
