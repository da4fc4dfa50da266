//! Many editors of aws-auth at once, on a server that really refuses stale writes.

use std::collections::BTreeSet;

use eks_core::Owner;
use eks_k8s::{
    AuthEdit, AwsAuth, Guard, Mapping, Principal,
    client::{Backup, Objects},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::sync::Mutex;

use crate::{server::server, stage::Tested};

const EDITORS: usize = 8;
const FOREIGN: &str = "# the platform team's\n- rolearn: arn:aws:iam::123456789012:role/platform\n  username: platform # all of it\n  groups: [system:masters]\n";

/// There is one aws-auth in a cluster.
static ALONE: Mutex<()> = Mutex::const_new(());

fn user(number: usize) -> Principal {
    Principal::parse(&format!("arn:aws:iam::123456789012:user/u{number}")).expect("a user")
}

/// A fresh aws-auth with an entry that is not ours.
async fn fresh(maps: &Api<ConfigMap>) -> Tested {
    for name in ["aws-auth", "eks-rs-aws-auth-backup"] {
        if let Err(error) = maps.delete(name, &DeleteParams::default()).await {
            assert!(matches!(&error, kube::Error::Api(status) if status.code == 404), "{error}");
        }
    }
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aws-auth"}, "data": {"mapRoles": FOREIGN}});
    maps.patch("aws-auth", &PatchParams::apply("platform").force(), &Patch::Apply(map)).await?;
    Ok(())
}

async fn read(maps: &Api<ConfigMap>) -> Result<AwsAuth, Box<dyn std::error::Error>> {
    Ok(AwsAuth::read(&serde_json::to_value(maps.get("aws-auth").await?)?)?)
}

/// How many times the eight meet: 100, or what `INTERLEAVINGS` says.
fn interleavings() -> u64 {
    std::env::var("INTERLEAVINGS").map_or(100, |count| count.parse().expect("a number"))
}

/// Microseconds before an editor begins, another each time: Knuth's multiplicative hash.
fn jitter(round: u64, editor: usize) -> std::time::Duration {
    let mixed = (round * EDITORS as u64 + editor as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::time::Duration::from_micros((mixed >> 32) % 5_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn eight_editors_lose_nothing() -> Tested {
    let _alone = ALONE.lock().await;
    let client = server().admin().await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    fresh(&maps).await?;
    let owner = Owner::new("envtest-auth")?;
    let objects = Objects::new(client);
    let shared = || Principal::parse("arn:aws:iam::123456789012:role/shared").expect("a role");
    for round in 0..interleavings() {
        // Each maps a user of its own, and puts a group of its own into an entry that all of them edit.
        let editors = (0..EDITORS).map(|editor| {
            let (objects, owner) = (objects.clone(), owner.clone());
            let edits = [
                AuthEdit::Map(Mapping::new(user(editor), format!("u{editor}")).group("viewers")),
                AuthEdit::Map(Mapping::new(shared(), "shared").group(format!("group-{editor}"))),
            ];
            tokio::spawn(async move {
                tokio::time::sleep(jitter(round, editor)).await;
                objects.edit_aws_auth(&owner, None, &edits, &Guard::default()).await
            })
        });
        for result in futures::future::join_all(editors).await {
            result??;
        }
        let document = read(&maps).await?;
        let mapped: BTreeSet<Principal> = document.mappings().into_iter().map(|mapping| mapping.principal).collect();
        for who in (0..EDITORS).map(user).chain([shared(), Principal::parse("arn:aws:iam::123456789012:role/platform")?]) {
            assert!(mapped.contains(&who), "round {round}: {who} is lost");
        }
        let groups = document.mappings().into_iter().find(|mapping| mapping.principal == shared()).map(|mapping| mapping.groups);
        let groups: BTreeSet<String> = groups.unwrap_or_default().into_iter().collect();
        assert_eq!(groups, (0..EDITORS).map(|editor| format!("group-{editor}")).collect(), "round {round}");

        let everything: Vec<AuthEdit> = (0..EDITORS).map(user).chain([shared()]).map(AuthEdit::Unmap).collect();
        objects.edit_aws_auth(&owner, None, &everything, &Guard::default()).await?;
        assert_eq!(read(&maps).await?.roles(), FOREIGN, "round {round}: not a byte of theirs");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn a_document_that_others_break_is_restored() -> Tested {
    let _alone = ALONE.lock().await;
    let client = server().admin().await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    fresh(&maps).await?;
    let (owner, objects, guard) = (Owner::new("envtest-restore")?, Objects::new(client), Guard::default());
    let jane = AuthEdit::Map(Mapping::new(user(1), "jane").group("viewers"));
    objects.edit_aws_auth(&owner, None, std::slice::from_ref(&jane), &guard).await?;
    let good = read(&maps).await?;

    // Somebody applies a file that lost its indentation.
    let broken = json!({"data": {"mapRoles": "- rolearn: x\n - username: y\n"}});
    maps.patch("aws-auth", &PatchParams::default(), &Patch::Merge(broken)).await?;
    let error = objects.edit_aws_auth(&owner, None, &[AuthEdit::Unmap(user(1))], &guard).await.unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
    objects.restore_aws_auth(&owner, None, Backup::After, &guard).await?;
    assert_eq!(read(&maps).await?, good);

    // Whole, with someone new: going back would forget them.
    objects.edit_aws_auth(&owner, None, &[AuthEdit::Map(Mapping::new(user(2), "joe").group("viewers"))], &guard).await?;
    let error = objects.restore_aws_auth(&owner, None, Backup::Before, &guard).await.unwrap_err();
    assert!(error.to_string().contains("user/u2"), "{error}");
    objects.restore_aws_auth(&owner, None, Backup::Before, &guard.even_if_locked_out()).await?;
    assert_eq!(read(&maps).await?, good);
    Ok(())
}
