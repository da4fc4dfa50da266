//! Healthy joins, however slow, show nothing at any moment that would be taken for a cause; and a diagnosis needs few calls, which it lists.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{AwaitedNodes, SeenNode, engine::WatchNodes};
use eks_nodes::{
    AmazonLinux2, AmazonLinux2023, Bottlerocket, Family, Image, Ubuntu, UbuntuRelease, Windows, WindowsRelease,
    join::{ACTIONS, Cause, diagnose},
};
use eks_sim::{Fault, Sim, When};
use k8s_openapi::api::core::v1::Node;

use crate::{
    account::{Account, Tested, minutes},
    stage::Stage,
};

/// The nodes, as whoever waits for them would tell.
async fn nodes(stage: &Stage) -> Tested<Vec<SeenNode>> {
    let nodes: kube::Api<Node> = kube::Api::all(stage.client()?);
    let listed = nodes.list(&kube::api::ListParams::default()).await?;
    let seen = listed.items.into_iter().map(|node| {
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
        SeenNode {
            name: node.metadata.name.unwrap_or_default(),
            instance: node.spec.and_then(|spec| spec.provider_id).and_then(|id| id.rsplit('/').next().map(str::to_owned)),
            labelled: true,
            ready: ready.as_ref().is_some_and(|condition| condition.status == "True"),
            not_ready_for: Duration::from_secs(40),
            message: ready.and_then(|condition| condition.message).unwrap_or_default(),
        }
    });
    Ok(seen.collect())
}

/// Makes workers, and looks at them all the while, out of step with everything else.
async fn joins_unsuspected(stage: &Stage, family: Family, image: Option<&str>) -> Tested {
    let mut spec = stage.spec().family(family);
    if let Some(parameter) = image {
        spec = spec.image(Image::Parameter(parameter.to_owned()));
    }
    let spec = spec.build()?;
    let look = async {
        let mut looks = 0;
        loop {
            let nodes = nodes(stage).await?;
            let awaited = AwaitedNodes {
                cluster: Some(stage.account.cluster.name.clone()),
                group: spec.name().to_string(),
                desired: 2,
                waited: Duration::from_secs(looks * 11),
                nodes: Some(nodes.clone()),
                aws_auth: None,
                daemon_sets: Some(vec!["aws-node".to_owned(), "kube-proxy".to_owned()]),
            };
            assert_eq!(stage.diagnostician.doom(&awaited).await, None);
            let mut evidence = stage.diagnostician.evidence(&stage.account.cluster.name, spec.name()).await;
            assert_eq!(diagnose(&evidence, Duration::ZERO), [], "{evidence:#?}");
            evidence.nodes = Some(nodes);
            assert_eq!(diagnose(&evidence, awaited.waited), [], "{evidence:#?}");
            assert_eq!(evidence.unseen, BTreeSet::new());
            looks += 1;
            tokio::time::sleep(Duration::from_secs(11)).await;
        }
    };
    tokio::select! {
        applied = stage.apply(&spec) => applied??,
        looked = look => return looked,
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_family_joins_unsuspected_at_any_pace() -> Tested {
    for (seed, pace) in [(1, 1.0), (2, 2.0)] {
        for (family, image) in [
            (Family::from(AmazonLinux2023::new()), None),
            (AmazonLinux2::new().into(), Some("/aws/service/eks/optimized-ami/1.32/amazon-linux-2/recommended/image_id")),
            (Bottlerocket::new().into(), None),
            (Ubuntu::new(UbuntuRelease::Noble).into(), None),
            (Windows::new(WindowsRelease::Server2022).into(), None),
        ] {
            let stage = Stage::on(Account::on(Sim::builder().standard_vcpus(64).seed(seed).build(), "1.35").await?)?;
            stage.account.sim.slow_down(pace);
            joins_unsuspected(&stage, family.clone(), image).await.map_err(|error| format!("{family:?}, {pace}: {error}"))?;
        }
    }
    Ok(())
}

/// A stuck group of somebody's, looked at once.
#[tokio::test(start_paused = true)]
async fn a_stuck_group_is_told_at_once() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    let (role, _) = stage.role().await?;
    stage.eks.delete_access_entry().cluster_name("chap10").principal_arn(&role).send().await?;
    let group = stage.group().await?;
    let name = group.auto_scaling_group_name().expect("a name");
    stage.scaling.set_desired_capacity().auto_scaling_group_name(name).desired_capacity(2).send().await?;
    minutes(3).await;
    let before = stage.account.sim.log().len();
    let found = stage.account.workers.diagnose(&spec, &stage.diagnostician).await;
    let log = stage.account.sim.log();
    let calls = &log.calls()[before..];
    let [likely] = &found[..] else { panic!("{found:?}") };
    // Without Kubernetes, aws-auth might still map the role: the cluster has both.
    assert!(likely.cause == Cause::RoleNotMapped && !likely.is_certain(), "{likely}");
    assert!(likely.to_string().starts_with("likely: "), "{likely}");
    assert_eq!(likely.evidence.len(), 2, "one cause of two instances: {likely}");
    assert!(calls.len() <= 36, "three looks of a dozen calls: {}", calls.len());
    let unlisted: Vec<_> =
        calls.iter().map(|call| format!("{}:{}", call.service, call.action)).filter(|call| !ACTIONS.contains(&call.as_str())).collect();
    assert_eq!(unlisted, [""; 0]);
    Ok(())
}

/// What may not be looked at is told, and nothing is concluded from it.
#[tokio::test(start_paused = true)]
async fn a_missing_permission_only_blinds() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    let group = stage.group().await?;
    let name = group.auto_scaling_group_name().expect("a name");
    stage.scaling.set_desired_capacity().auto_scaling_group_name(name).desired_capacity(2).send().await?;
    minutes(2).await;
    let denied = |service: &str, action: &str| {
        let (code, message) = ("AccessDeniedException".to_owned(), "not authorized".to_owned());
        for nth in 1..=3 {
            let when = When::Action { service: service.to_owned(), action: action.to_owned(), nth };
            stage.account.sim.inject(when, Fault::Refuse { status: 403, code: code.clone(), message: message.clone() });
        }
    };
    for (service, action) in
        [("ec2", "DescribeRouteTables"), ("eks", "DescribeAccessEntry"), ("iam", "GetInstanceProfile"), ("ec2", "GetConsoleOutput")]
    {
        denied(service, action);
    }
    let evidence = stage.diagnostician.evidence(&stage.account.cluster.name, spec.name()).await;
    assert_eq!(diagnose(&evidence, Duration::from_secs(600)), []);
    let told = "could not look: ec2:DescribeRouteTables: AccessDeniedException";
    assert!(evidence.unseen.contains(told), "{:?}", evidence.unseen);
    Ok(())
}
