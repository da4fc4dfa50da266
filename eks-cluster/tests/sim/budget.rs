//! How many calls it costs to see that nothing is to be done. EKS and IAM describe things one at a time, but for roles.

use crate::support::{Account, Tested};
use eks_cluster::{AccessEntry, AccessPolicy, ClusterSpecBuilder};
use eks_sim::Sim;

/// Calls of a plan that finds everything as it should be, each with how often it was made.
async fn calls(account: &Account, builder: ClusterSpecBuilder) -> Result<Vec<(String, usize)>, Box<dyn std::error::Error>> {
    let spec = builder.build()?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let before = account.sim.log().len();
    let again = account.clusters.plan(&spec).await?;
    assert!(again.is_noop(), "{again}");
    let mut calls = account.calls_since(before);
    calls.sort();
    Ok(calls.chunk_by(|a, b| a == b).map(|same| (same[0].clone(), same.len())).collect())
}

fn count(calls: &[(String, usize)]) -> usize {
    calls.iter().map(|(_, count)| count).sum()
}

fn told(calls: &[(&str, usize)]) -> Vec<(String, usize)> {
    calls.iter().map(|(call, count)| ((*call).to_owned(), *count)).collect()
}

/// Control plane, its role, five add-ons, and a role for one of them: wholly looked at, drift of each included.
#[tokio::test(start_paused = true)]
async fn the_chapters_cluster_takes_eight() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let calls = calls(&account, account.builder()).await?;
    let expected = [
        ("eks:DescribeAddon", 5),
        ("eks:DescribeCluster", 1),
        ("eks:DescribePodIdentityAssociation", 1),
        ("iam:GetAccountAuthorizationDetails", 1),
    ];
    assert_eq!(calls, told(&expected));
    assert_eq!(count(&calls), 8);
    Ok(())
}

/// Two for an entry, and one for that of nodes, which has no policies.
#[tokio::test(start_paused = true)]
async fn entries_are_looked_at_one_by_one() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let nodes: eks_core::RoleArn = account.role("nodes", "ec2.amazonaws.com").await?.parse()?;
    let admin = account.role("admin", "ec2.amazonaws.com").await?;
    let entry = AccessEntry::standard(account.role("dev", "ec2.amazonaws.com").await?).group("dev").policy(AccessPolicy::view());
    let bare = account.builder().no_addons().node_role_entry("workers", nodes).admin(&admin).access_entry(entry);
    let calls = calls(&account, bare).await?;
    let expected = [
        ("eks:DescribeAccessEntry", 3),
        ("eks:DescribeCluster", 1),
        ("eks:ListAssociatedAccessPolicies", 2),
        ("iam:GetRole", 1),
        ("iam:ListAttachedRolePolicies", 1),
    ];
    assert_eq!(calls, told(&expected));
    assert_eq!(count(&calls), 8);
    Ok(())
}
