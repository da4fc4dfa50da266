//! Lost answers, throttling and kills: running again converges, and makes nothing twice.

use crate::support::{Account, Tested};
use eks_cluster::ClusterSpec;
use eks_core::engine::{ApplyError, Driver, Poll};
use eks_sim::{Fault, Sim, When};

async fn spec(account: &Account) -> Result<ClusterSpec, Box<dyn std::error::Error>> {
    let nodes = account.role("nodes", "ec2.amazonaws.com").await?;
    let admin = account.role("admin", "ec2.amazonaws.com").await?;
    Ok(account.builder().node_role_entry("workers", nodes.parse::<eks_core::RoleArn>()?).admin(admin).build()?)
}

/// Everything is there once, as the spec says, and goes away.
async fn whole_then_gone(account: &Account, spec: &ClusterSpec, case: &str) -> Tested {
    let again = account.clusters.plan(spec).await?;
    assert!(again.is_noop(), "{case}: {again}");
    let ours = account.ours();
    for kind in ["eks/cluster chap10", "iam/role chap10-cluster-us-east-1", "iam/role chap10-ebs-csi-us-east-1"] {
        assert_eq!(ours.iter().filter(|item| item.as_str() == kind).count(), 1, "{case}: {ours:?}");
    }
    let ending = account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?;
    assert!(ending.verdict.is_clean(), "{case}: {}", ending.verdict);
    assert!(account.ours().is_empty(), "{case}: {:?}", account.ours());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_or_throttling_of_any_create_is_survived_within_one_run() -> Tested {
    let actions = [
        ("iam", "CreateRole"),
        ("iam", "AttachRolePolicy"),
        ("eks", "CreateCluster"),
        ("eks", "CreateAddon"),
        ("eks", "CreateAccessEntry"),
        ("eks", "AssociateAccessPolicy"),
        ("eks", "DescribeCluster"),
    ];
    for (service, action) in actions {
        for fault in [Fault::LoseAnswer, Fault::Throttle] {
            let account = Account::new(Sim::new()).await?;
            let spec = spec(&account).await?;
            let case = format!("{fault:?} of {service}:{action}");
            let plan = account.clusters.plan(&spec).await?;
            account.sim.inject(When::Action { service: service.to_owned(), action: action.to_owned(), nth: 1 }, fault);
            plan.apply(&account.engine()).await.map_err(|error| format!("{case}: {error}"))?;
            assert_eq!(account.sim.faults_pending(), 0, "{case}");
            whole_then_gone(&account, &spec, &case).await?;
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_one_look_fails_with_is_the_state_of_that_one_alone() -> Tested {
    let account = Account::new(Sim::new()).await?;
    account.clusters.plan(&account.builder().build()?).await?.apply(&account.engine()).await?;
    let ids = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"].map(|name| format!("chap10/{name}"));
    let denied = Fault::Refuse { status: 403, code: "AccessDeniedException".to_owned(), message: "no".to_owned() };
    let busy = Fault::Refuse { status: 500, code: "ServerException".to_owned(), message: "later".to_owned() };
    // The SDK repeats what the service fails with; it does not repeat what is denied.
    for (fault, failed) in [(denied, 1), (busy, 0)] {
        account.sim.inject(When::Action { service: "eks".to_owned(), action: "DescribeAddon".to_owned(), nth: 1 }, fault);
        let states = account.clusters.poll("addon-active", &ids).await?;
        assert_eq!(states.values().filter(|state| matches!(state, Poll::Failed { .. })).count(), failed, "{states:?}");
        assert_eq!(states.values().filter(|state| matches!(state, Poll::Ready(_))).count(), 3 - failed, "{states:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_and_run_again() -> Tested {
    // The calls of a run in which nothing goes wrong. A kill at a read leaves what a kill after the last change left.
    let account = Account::new(Sim::new()).await?;
    let spec_once = spec(&account).await?;
    let start = account.sim.log().len();
    account.clusters.plan(&spec_once).await?.apply(&account.engine()).await?;
    let log = account.sim.log();
    let is_read = |action: &str| ["Describe", "Get", "List"].iter().any(|verb| action.starts_with(verb));
    let changes = log.calls()[start..].iter().filter(|call| !is_read(&call.action)).map(|call| call.number);
    let mut killed = 0;
    for number in changes {
        for fault in [Fault::KillBefore, Fault::KillAfter] {
            let account = Account::new(Sim::new()).await?;
            let spec = spec(&account).await?;
            let case = format!("{fault:?} call {number}");
            account.sim.inject(When::Call(number), fault);
            let first = match account.clusters.plan(&spec).await {
                Ok(plan) => plan.apply(&account.engine()).await.map(|_| ()),
                Err(_) => Ok(()),
            };
            if account.sim.faults_pending() > 0 {
                // Concurrent calls make the log of one run a little longer than that of another.
                continue;
            }
            killed += u32::from(first.is_err());
            account.sim.revive();
            let plan = account.clusters.plan(&spec).await.map_err(|error| format!("{case}: {error}"))?;
            match plan.apply(&account.engine()).await {
                Ok(_) => {}
                Err(ApplyError::Incomplete { report }) => panic!("{case}: {:?}", report.failures().collect::<Vec<_>>()),
                Err(error) => panic!("{case}: {error}"),
            }
            whole_then_gone(&account, &spec, &case).await?;
        }
    }
    assert!(killed > 20, "{killed}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn killed_while_the_control_plane_comes_up() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = spec(&account).await?;
    let plan = account.clusters.plan(&spec).await?;
    account.sim.inject(When::Action { service: "eks".to_owned(), action: "CreateCluster".to_owned(), nth: 1 }, Fault::KillAfter);
    assert!(plan.apply(&account.engine()).await.is_err());
    account.sim.revive();
    // Torn down while it is still being created.
    let teardown = account.clusters.teardown(&account.owner, &account.name).await?;
    let ending = teardown.apply(&account.engine()).await?;
    assert!(ending.verdict.is_clean(), "{}", ending.verdict);
    assert!(account.ours().is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_teardown_killed_anywhere_is_finished_by_the_next() -> Tested {
    for action in ["eks:DeleteCluster", "iam:DetachRolePolicy", "iam:DeleteRole"] {
        for fault in [Fault::KillBefore, Fault::KillAfter, Fault::LoseAnswer] {
            let account = Account::new(Sim::new()).await?;
            let spec = account.builder().build()?;
            account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
            let teardown = account.clusters.teardown(&account.owner, &account.name).await?;
            let (service, name) = action.split_once(':').ok_or("no colon")?;
            account.sim.inject(When::Action { service: service.to_owned(), action: name.to_owned(), nth: 1 }, fault.clone());
            let first = teardown.apply(&account.engine()).await;
            assert_eq!(first.is_ok(), fault == Fault::LoseAnswer, "{fault:?} of {action}");
            account.sim.revive();
            let ending = account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?;
            assert!(ending.verdict.is_clean(), "{fault:?} of {action}: {}", ending.verdict);
            assert!(account.ours().is_empty(), "{fault:?} of {action}");
        }
    }
    Ok(())
}
