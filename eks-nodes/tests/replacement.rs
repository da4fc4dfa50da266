//! Groups of workers replaced on the simulated account, with workloads that have budgets.

#[expect(dead_code, reason = "what the tests of workers need besides")]
mod account;
#[path = "replacing/scene.rs"]
mod scene;

use account::Tested;
use eks_nodes::Capacity;
use scene::{NEW, Scene, settle};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn the_chapter_s_two_nodes() -> Tested {
    let scene = Scene::set(|old| old).await?;
    scene.deploy("web", 4, json!({"maxUnavailable": 1})).await?;
    settle(60).await;
    let new = scene.account.named(NEW).label("release", "new").build()?;
    let replacement = scene.replacement(new).build()?;
    let plan = scene.plan(&replacement).await?;
    assert_eq!(plan.rounds().len(), 2, "a zone each\n{plan}");
    println!("{plan}");
    let report = scene.carry_out(&plan).await?;
    println!("took {:?}, planned {:?}", report.took, plan.critical_path().0);
    for (key, step) in &report.steps {
        println!("{key:50} {:?} {:?}", step.began, step.took);
    }
    scene.replaced(&replacement, 2).await?;
    let _ = Capacity::default();
    Ok(())
}
