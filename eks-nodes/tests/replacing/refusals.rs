//! What is refused before anything is touched.

use eks_core::{NetworkRefs, Owner, StackName};
use eks_nodes::{
    Capacity, WorkersSpec,
    replacement::{Batch, Replacement, Surge},
};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::{Api, api::PostParams};
use serde_json::json;

use crate::{
    account::{Account, Tested, owner},
    scene::{NEW, OLD, Scene},
};

/// Actions that change something.
fn changes(scene: &Scene, since: usize) -> Vec<String> {
    let log = scene.account.sim.log();
    let reads = ["Describe", "List", "Get", "get", "list", "GET", "watch"];
    let calls = log.calls()[since..].iter().filter(|call| !reads.iter().any(|read| call.action.starts_with(read)));
    calls.map(|call| format!("{}:{}", call.service, call.action)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_stands_against_it_is_told_at_once() -> Tested {
    let scene = Scene::set(|old| old).await?;
    let volume = json!({
        "metadata": {"name": "pv-b"},
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": "default", "name": "pvc-b"},
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0a1b2c3d4e5f60718"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east-1b"]}]}]}},
        },
    });
    Api::<PersistentVolume>::all(scene.client()?).create(&PostParams::default(), &serde_json::from_value(volume)?).await?;
    let groups = scene.scaling().await?;
    let group = groups[0].auto_scaling_group_name().expect("a name");
    let scaling = aws_sdk_autoscaling::Client::new(&scene.account.sim.sdk_config());
    scaling.start_instance_refresh().auto_scaling_group_name(group).send().await?;

    let mut cluster = scene.account.cluster.clone();
    cluster.version = "1.36".to_owned();
    let network = NetworkRefs { subnets: vec![scene.account.network.subnets[0].clone()], ..scene.account.network.clone() };
    let new = WorkersSpec::builder(&owner(), StackName::new(NEW)?, cluster, network).capacity(Capacity::new(0, 1, 1)?).build()?;
    let since = scene.account.sim.log().len();
    let refused = scene.replacements().plan(&scene.replacement(new).build()?).await.expect_err("four rules are broken");
    assert_eq!(refused.codes(), ["instance-refresh", "kubelet-newer", "new-too-small", "zone-not-covered"], "{refused}");
    let text = refused.to_string();
    assert!(text.contains("kubelet 1.36, and the API server is 1.35") && text.contains("claim default/pvc-b"), "{text}");
    assert_eq!(changes(&scene, since), [""; 0]);
    Ok(())
}

/// A stack of the name that another owner made stays as it is, and so do its nodes.
#[tokio::test(start_paused = true)]
async fn what_is_not_ours_is_left_alone() -> Tested {
    let scene = Scene::set(|old| old).await?;
    let theirs = Owner::new("theirs")?;
    let Account { cluster, network, workers, .. } = &scene.account;
    let spec =
        |owner: &Owner, name: &str| WorkersSpec::builder(owner, StackName::new(name).expect("a name"), cluster.clone(), network.clone());
    workers.plan(&spec(&theirs, "others").build()?).await?.apply(&scene.engine()).await?;
    let since = scene.account.sim.log().len();
    let replacement = Replacement::builder(&owner(), StackName::new("others")?, spec(&owner(), NEW).build()?).build()?;
    for refused in [scene.replacements().plan(&replacement).await, scene.replacements().back(&replacement).await] {
        let refused = refused.expect_err("another owner's");
        assert_eq!(refused.codes(), ["old-of-others", "old-of-others"], "{refused}");
    }
    let missing = Replacement::builder(&owner(), StackName::new("nobody")?, spec(&owner(), NEW).build()?).build()?;
    assert_eq!(scene.replacements().plan(&missing).await.expect_err("there is none").codes(), ["old-missing"]);
    assert_eq!(changes(&scene, since), [""; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_replacement_may_be_wrong_by_itself() -> Tested {
    let account = Account::new().await?;
    let mut cluster = account.cluster.clone();
    cluster.endpoint = eks_core::Ref::output("cluster/control-plane".parse()?, "endpoint");
    let new = WorkersSpec::builder(&Owner::new("theirs")?, StackName::new(OLD)?, cluster, account.network.clone()).build()?;
    let drain = eks_k8s::drain::Drain::settings().on_blocked(eks_k8s::drain::OnBlocked::ForceDelete);
    let replacement =
        Replacement::builder(&owner(), StackName::new(OLD)?, new).batch(Batch::Percent(101)).surge(Surge::Nodes(0)).drain(drain);
    let error = replacement.patience(std::time::Duration::ZERO).build().expect_err("wrong in many ways");
    let codes: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
    let expected = ["owner", "name", "access", "batch", "surge", "patience"].map(|code| format!("replacement-{code}"));
    assert_eq!(codes[..6], expected.each_ref().map(String::as_str));
    assert_eq!(codes[6..], ["drain-deadline"]);
    Ok(())
}
