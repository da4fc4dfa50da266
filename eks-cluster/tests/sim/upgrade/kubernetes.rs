//! Nodes read from the API server itself, which answers badly while its version changes.

use eks_cluster::{Connector, upgrade::KubernetesNodes};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{Journey, Tested, account, back, failure, upgrade, v, version};
use crate::support::Account;
use eks_sim::{Fault, When};

async fn nodes(account: &Account) -> Result<(Api<Node>, KubernetesNodes), Box<dyn std::error::Error>> {
    let sim = account.sim.clone();
    let connector = Connector::new(&account.sim.sdk_config()).with_transport(move |_| sim.kube_service());
    let access = account.clusters.access(&account.name).await?.ok_or("not reachable")?;
    Ok((Api::all(connector.connect(&access)?), KubernetesNodes::new(connector)))
}

async fn put(nodes: &Api<Node>, name: &str, kubelet: &str) -> Tested {
    if nodes.get_opt(name).await?.is_none() {
        nodes.create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": name}}))?).await?;
    }
    let status = json!({"status": {"nodeInfo": {"kubeletVersion": kubelet}}});
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_answers_badly_is_asked_again() -> Tested {
    let (mut account, _) = account(34).await?;
    let (api, reader) = nodes(&account).await?;
    put(&api, "ip-10-0-0-7.ec2.internal", "v1.34.2-eks-1").await?;
    account.clusters = account.clusters.with_nodes(reader);
    let busy = |status| Fault::Refuse { status, code: "ServiceUnavailable".to_owned(), message: "apiserver is shutting down".to_owned() };
    let hits = |fault, nth| {
        account.sim.inject(When::Action { service: "kubernetes".to_owned(), action: "/api/v1/nodes".to_owned(), nth }, fault);
    };
    // While it is planned, when the plan is applied, and before each hop.
    for (nth, fault) in
        [busy(503), Fault::CloseConnection, busy(500), Fault::LoseAnswer, busy(503), Fault::CloseConnection].into_iter().enumerate()
    {
        hits(fault, u64::try_from(nth)? + 1);
    }
    let planned = account.clusters.upgrade(&upgrade(&account, 36).build()?).await?;
    planned.plan().apply(&account.engine()).await?;
    assert_eq!((account.sim.faults_pending(), version(&account).await?.as_str()), (0, "1.36"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_node_that_leads_holds_a_rollback_up_unless_auto_mode_takes_it_back() -> Tested {
    let (account, _) = account(34).await?;
    Journey::Up(upgrade(&account, 35).build()?).run(&account).await?;
    let (api, _) = nodes(&account).await?;
    let blind = eks_cluster::Clusters::new(&account.sim.sdk_config());
    let labels = json!({"eks.amazonaws.com/compute-type": "auto"});
    api.create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": "i-1", "labels": labels}}))?).await?;
    put(&api, "i-1", "v1.35.2-eks-1").await?;
    blind.refresh_insights(&account.name).await?;
    let back = back(&account, 34)?;
    assert!(blind.rollback(&back).await.is_ok());
    put(&api, "own.ec2.internal", "v1.35.2-eks-1").await?;
    blind.refresh_insights(&account.name).await?;
    let refused = blind.rollback(&back).await.err().ok_or("not refused")?.to_string();
    assert!(refused.contains("\"Kubelet version skew\" is in ERROR") && refused.contains("own.ec2.internal"), "{refused}");
    assert!(!refused.contains("i-1"), "{refused}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn nodes_are_judged_here_and_by_eks_alike() -> Tested {
    let (mut account, _) = account(34).await?;
    let (api, reader) = nodes(&account).await?;
    put(&api, "old.ec2.internal", "v1.31.4-eks-1").await?;
    let blind = eks_cluster::Clusters::new(&account.sim.sdk_config());
    account.clusters = account.clusters.with_nodes(reader);
    let upgrade = upgrade(&account, 35).build()?;
    let planned = account.clusters.upgrade(&upgrade).await?;
    let gate = planned.gate().ok_or("no gate")?;
    assert_eq!((gate.nodes[0].node.name.as_str(), gate.at_least), ("old.ec2.internal", v(32)));
    // EKS says so too, once it looks again.
    tokio::time::sleep(std::time::Duration::from_secs(25 * 3600)).await;
    let refused = blind.upgrade(&upgrade).await.err().ok_or("not refused")?;
    assert_eq!(refused.rules(), [eks_cluster::upgrade::Rule::Insight], "{refused}");
    assert!(refused.to_string().contains("\"Kubelet version skew\" is in ERROR"), "{refused}");
    // The node is replaced. EKS has not looked since; who sees the node goes on, and EKS looks again first.
    put(&api, "old.ec2.internal", "v1.34.4-eks-1").await?;
    assert!(blind.upgrade(&upgrade).await.is_err());
    let planned = account.clusters.upgrade(&upgrade).await?;
    let step = planned.plan().step("cluster/upgrade/1.35/insights").ok_or("no look")?;
    assert_eq!(step.changes, ["looked at once more, as nodes or add-ons have changed since"]);
    blind.refresh_insights(&account.name).await?;
    assert!(blind.upgrade(&upgrade).await?.gate().is_none());
    // An old node that comes in between is seen by EKS, where it looks again.
    put(&api, "old.ec2.internal", "v1.31.4-eks-1").await?;
    let planned = {
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        blind.upgrade(&upgrade).await?
    };
    let told = failure(planned.plan().apply(&eks_core::engine::Engine::new().driver(blind.clone())).await);
    assert!(told.contains("\"Kubelet version skew\" is in ERROR") && told.contains("(rule insight;"), "{told}");
    assert_eq!(version(&account).await?, "1.34", "EKS's look is an hour old, and passed: it had to look again");
    put(&api, "old.ec2.internal", "v1.34.4-eks-1").await?;
    Journey::Up(upgrade).run(&account).await?;
    assert_eq!(version(&account).await?, "1.35");
    Ok(())
}
