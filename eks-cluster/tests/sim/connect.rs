//! A `kube::Client` for a simulated cluster, with a token made in process.

use std::time::Duration;

use crate::support::{Account, Tested};
use eks_cluster::{ClusterAccess, Connector};
use eks_sim::Sim;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};

async fn access(account: &Account) -> Result<ClusterAccess, Box<dyn std::error::Error>> {
    let spec = account.builder().no_addons().build()?;
    let report = account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let access = ClusterAccess::from_outputs(&report.steps[&"cluster/control-plane".parse()?].outputs).ok_or("not reachable")?;
    assert_eq!(account.clusters.access(&account.name).await?.as_ref(), Some(&access));
    Ok(access)
}

#[tokio::test(start_paused = true)]
async fn the_creator_enters_and_stays_in_for_hours() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let access = access(&account).await?;
    let sim = account.sim.clone();
    let connector = Connector::new(&account.sim.sdk_config()).with_transport(move |_| sim.kube_service());
    let namespaces: Api<Namespace> = Api::all(connector.connect(&access)?);
    for _ in 0..5 {
        let names: Vec<_> = namespaces.list(&ListParams::default()).await?.into_iter().filter_map(|n| n.metadata.name).collect();
        assert!(names.contains(&"kube-system".to_owned()), "{names:?}");
        tokio::time::sleep(Duration::from_secs(40 * 60)).await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_cluster_does_not_enter() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let access = ClusterAccess { name: "other".parse()?, ..access(&account).await? };
    let sim = account.sim.clone();
    let connector = Connector::new(&account.sim.sdk_config()).with_transport(move |_| sim.kube_service());
    let namespaces: Api<Namespace> = Api::all(connector.connect(&access)?);
    let before = account.sim.log().len();
    let Err(kube::Error::Api(status)) = namespaces.list(&ListParams::default()).await else { panic!("it entered") };
    assert_eq!(status.code, 401);
    assert_eq!(account.sim.log().len() - before, 2, "a 401 is answered with one new token");
    Ok(())
}

#[tokio::test]
async fn the_default_transport_wants_a_certificate_authority() -> Tested {
    let connector = Connector::new(&Sim::new().sdk_config());
    let access = ClusterAccess {
        name: "chap10".parse()?,
        endpoint: "https://ABC.gr7.us-east-1.eks.amazonaws.com".to_owned(),
        certificate_authority: String::new(),
    };
    assert!(connector.connect(&access).is_err());
    Ok(())
}
