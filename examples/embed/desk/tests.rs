use std::{pin::pin, time::Duration};

use futures::poll;
use serde_json::json;

use super::*;

async fn planned() -> (Arc<Desk>, Owner) {
    let desk = Arc::new(Desk::new(&Account::simulated()).await.expect("the simulator"));
    desk.plan(wish()).await.expect("a plan");
    (desk, Owner::new("shop").expect("a name"))
}

fn wish() -> Wish {
    serde_json::from_value(json!({"owner": "shop", "cidr": "10.0.0.0/16"})).expect("a wish")
}

#[tokio::test(start_paused = true)]
async fn no_second_run_starts_while_calls_of_the_first_still_land() {
    let (desk, owner) = planned().await;
    desk.start(&owner).await.expect("nothing runs");
    tokio::time::sleep(Duration::from_secs(120)).await;
    {
        let mut asked = pin!(desk.stop(&owner));
        assert!(poll!(&mut asked).is_pending(), "it waits for calls under way");
        assert!(desk.start(&owner).await.is_err(), "the first run has not ended");
    }
    // The client went away before the answer: the run is still known, and waited for.
    assert!(desk.stop(&owner).await, "it has not ended before");
    assert!(!desk.stop(&owner).await, "now it has");
    desk.plan(wish()).await.expect("a plan");
    desk.start(&owner).await.expect("the first run has ended");
    desk.close().await;
    assert!(!desk.stop(&owner).await, "closing waited");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_planned_or_started_while_everything_is_taken_down() {
    let (desk, owner) = planned().await;
    desk.start(&owner).await.expect("nothing runs");
    tokio::time::sleep(Duration::from_secs(120)).await;
    {
        let mut leaving = pin!(desk.tear_down(&owner));
        assert!(poll!(&mut leaving).is_pending());
        desk.start(&owner).await.expect_err("it is being taken down");
        let refused = desk.plan(wish()).await.expect_err("it is being taken down");
        assert!(refused.is::<Busy>(), "{refused}");
        assert!(desk.tear_down(&owner).await.is_err_and(|refused| refused.is::<Busy>()), "one teardown at a time");
    }
    // The client went away; the teardown goes on to its end.
    let ended = desk.environments.lock().await[&owner].leaving.clone().expect("it lasts");
    ended.cancelled().await;
    assert!(desk.environments.lock().await.is_empty());
    let verdict = desk.tear_down(&owner).await.expect("it may be asked for again");
    assert!(verdict.is_clean(), "{verdict}");
}
